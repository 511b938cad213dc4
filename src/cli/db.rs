//! `mozpool db`: work on the store while the daemon is stopped.
//!
//! It refuses a store that a daemon holds: the layers keep their devices in memory and would not see the change.

use super::Failure;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lab::{Change, Lab, LabError, Summary};
use crate::store::{BadLocation, Location, StoreError};
use std::fmt;
use std::io::Write;
use std::path::PathBuf;

/// Work on the store while the daemon is stopped
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Import(ImportArgs),
}

/// Bring the store to what a lab file says: devices, hardware, images, PXE configs, relay boards
///
/// Rows that the file names are inserted or updated, all or none of them; others stay as they are. What changes is printed.
#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The lab file (TOML)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Only print what would change
    #[arg(long)]
    dry_run: bool,
}

/// Why the store was not changed.
#[derive(Debug)]
pub enum DbError {
    /// The store refused.
    Store(StoreError),
    /// The configuration's store is none.
    Location(BadLocation),
    /// The lab file is wrong.
    Lab(LabError),
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error @ StoreError::Locked { .. }) => {
                write!(f, "{error}; or import while it runs, with `mozpool lab import`")
            }
            Self::Store(error) => error.fmt(f),
            Self::Location(error) => error.fmt(f),
            Self::Lab(error) => error.fmt(f),
        }
    }
}

pub(super) fn run(args: &Args, config: &Config) -> Result<(), Failure> {
    let Command::Import(args) = &args.command;
    let changes = import(args, config).map_err(Failure::Db)?;
    print(&changes, args.dry_run).map_err(Failure::Output)
}

fn import(args: &ImportArgs, config: &Config) -> Result<Vec<Change>, DbError> {
    let lab = Lab::load(&args.file, &config.server.name).map_err(DbError::Lab)?;
    let location: Location = config.store_url.parse().map_err(DbError::Location)?;
    let _lock = location.lock().map_err(DbError::Store)?;
    let mut store = location.open().map_err(DbError::Store)?;
    store.apply_lab(&lab, args.dry_run, SystemClock.now()).map_err(DbError::Store)
}

fn print(changes: &[Change], dry_run: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for change in changes {
        writeln!(out, "{}", change.text)?;
    }
    if changes.len() > 1 {
        writeln!(out, "in all: {}", Summary::of(changes))?;
    }
    summary(&mut out, changes.len(), dry_run)
}

/// How many changes there are, and whether they were made.
pub(super) fn summary(out: &mut dyn Write, changes: usize, dry_run: bool) -> std::io::Result<()> {
    match (changes, dry_run) {
        (0, _) => writeln!(out, "nothing to change"),
        (1, true) => writeln!(out, "1 change; nothing was written (--dry-run)"),
        (n, true) => writeln!(out, "{n} changes; nothing was written (--dry-run)"),
        (1, false) => writeln!(out, "1 change written"),
        (n, false) => writeln!(out, "{n} changes written"),
    }
}

//! `mozpool db`: work on the store while the daemon is stopped.
//!
//! It refuses a store that a daemon holds: the layers keep their devices in memory and would not see the change.

use super::Failure;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lab::{Lab, LabError};
use crate::store::{BadLocation, Location, StoreError};
use std::fmt;
use std::io::{self, Write};
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
    /// The lab file is wrong; nothing of it was used.
    Lab(LabError),
    /// The configuration names no store of this program.
    Location(BadLocation),
    /// The store refused.
    Store(StoreError),
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lab(error) => error.fmt(f),
            Self::Location(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DbError {}

pub(super) fn run(args: &Args, config: &Config) -> Result<(), Failure> {
    let Command::Import(import) = &args.command;
    let lines = apply(import, config).map_err(Failure::Db)?;
    let mut out = io::stdout().lock();
    lines
        .iter()
        .try_for_each(|line| writeln!(out, "{line}"))
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

/// What to print: a line per change and a summary.
fn apply(import: &ImportArgs, config: &Config) -> Result<Vec<String>, DbError> {
    let lab = Lab::load(&import.file, &config.server.name).map_err(DbError::Lab)?;
    let location: Location = config.store_url.parse().map_err(DbError::Location)?;
    let _lock = location.lock().map_err(DbError::Store)?;
    let mut store = location.open().map_err(DbError::Store)?;
    let changes = store.apply_lab(&lab, import.dry_run, SystemClock.now()).map_err(DbError::Store)?;
    let summary = match (changes.len(), import.dry_run) {
        (0, _) => format!("{} already holds what {} says", config.store_url, import.file.display()),
        (n, true) => format!("{n} changes would be made; nothing is written"),
        (n, false) => format!("{n} changes made"),
    };
    Ok(changes.into_iter().map(|change| change.text).chain([summary]).collect())
}

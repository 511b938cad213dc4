//! `mozpool db`: work on the store while the daemon is stopped.
//!
//! It refuses to change a SQLite file that a daemon holds: the layers keep their devices in memory and would not see the change.
//! Daemons on a database hear of it, as they hear of each other. What only reads may run beside a daemon.

mod backup;
mod schema;

use super::Failure;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::lab::{Change, Lab, LabError, Summary};
use crate::store::{BadLocation, Location, StoreError};
use std::fmt;
use std::io::Write;
use std::path::PathBuf;

/// Work on the store: back it up, bring it back, verify it, fill it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Import(ImportArgs),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Verify(backup::VerifyArgs),
    Copy(CopyArgs),
    Schema(schema::SchemaArgs),
}

/// Copy a whole store into an empty one of another kind: a SQLite file into a MariaDB, or back
///
/// Everything goes over: devices, requests, logs, history. Stop the daemons of both first: a store that they work with is not
/// copied. A copy that breaks off is begun anew when it is called again; until it has ended no daemon starts on the target. The
/// configuration's store.url stays as it is.
#[derive(Debug, clap::Args)]
struct CopyArgs {
    /// The store that is read, written as in store.url; give a password in a file (?password_file=/FILE), for others see arguments
    #[arg(value_name = "FROM")]
    from: String,
    /// The empty store that is filled
    #[arg(value_name = "TO")]
    to: String,
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
    /// The store refused an import, which the daemon could do as well.
    Importing(StoreError),
    /// The configuration's store is none.
    Location(BadLocation),
    /// The lab file is wrong.
    Lab(LabError),
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Importing(error @ StoreError::Locked { .. }) => {
                write!(f, "{error}; or import while it runs, with `mozpool lab import`")
            }
            Self::Store(error) | Self::Importing(error) => error.fmt(f),
            Self::Location(error) => error.fmt(f),
            Self::Lab(error) => error.fmt(f),
        }
    }
}

pub(super) fn run(args: &Args, config: &Config) -> Result<(), Failure> {
    match &args.command {
        Command::Import(args) => {
            let changes = import(args, config).map_err(Failure::Db)?;
            print(&changes, args.dry_run).map_err(Failure::Output)
        }
        Command::Backup(args) => say(&backup::back_up(args, config).map_err(Failure::Db)?),
        Command::Restore(args) => say(&backup::restore(args, config).map_err(Failure::Db)?),
        Command::Verify(args) => say(&backup::verify(args, config).map_err(Failure::Db)?),
        Command::Copy(args) => say(&copy(args).map_err(Failure::Db)?),
        Command::Schema(_) => {
            let location: Location =
                config.store_url.parse().map_err(DbError::Location).map_err(Failure::Db)?;
            say(&schema::told(&location).map_err(DbError::Store).map_err(Failure::Db)?)
        }
    }
}

fn say(told: &str) -> Result<(), Failure> {
    std::io::stdout().lock().write_all(told.as_bytes()).map_err(Failure::Output)
}

fn copy(args: &CopyArgs) -> Result<String, DbError> {
    let place = |text: &str| text.parse::<Location>().map_err(DbError::Location);
    let (from, to) = (place(&args.from)?, place(&args.to)?);
    let mut told = String::new();
    let mut done = || {
        // Opening would make a file, and a copy of nothing.
        if let Some(path) = from.path().filter(|path| !path.exists()) {
            let why =
                format!("{}: there is no such file; name the store that is to be copied", path.display());
            return Err(StoreError::Refused { why });
        }
        let _locks = (from.lock()?, to.lock()?);
        let mut all = 0;
        from.copy_to(&to, &mut |table, rows| {
            all += rows;
            told += &format!("{table}: {rows} rows\n");
        })?;
        told += &format!("{all} rows copied from {from} to {to}\n");
        Ok(())
    };
    done().map_err(DbError::Store)?;
    Ok(told)
}

/// The store that the configuration names.
fn configured(config: &Config) -> Result<Location, DbError> {
    config.store_url.parse().map_err(DbError::Location)
}

fn import(args: &ImportArgs, config: &Config) -> Result<Vec<Change>, DbError> {
    let lab = Lab::load(&args.file, &config.server.name).map_err(DbError::Lab)?;
    let location = configured(config)?;
    let _lock = location.lock().map_err(DbError::Importing)?;
    let mut store = location.open().map_err(DbError::Importing)?;
    store.apply_lab(&lab, args.dry_run, SystemClock.now()).map_err(DbError::Importing)
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

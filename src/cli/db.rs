//! `mozpool db`: work on the store while the daemon is stopped.
//!
//! It refuses a store that a daemon holds: the layers keep their devices in memory and would not see the change.

use super::Failure;
use crate::config::Config;
use crate::store::StoreError;
use std::fmt;
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
}

impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
        }
    }
}

pub(super) fn run(args: &Args, _config: &Config) -> Result<(), Failure> {
    let Command::Import(ImportArgs { file: _, dry_run: _ }) = &args.command;
    let why = "import is not part of this build".to_owned();
    Err(Failure::Db(DbError::Store(StoreError::Refused { why })))
}

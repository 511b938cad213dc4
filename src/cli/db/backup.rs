//! `mozpool db backup`, `restore` and `verify`: what they are called with, and what they say.

use super::{DbError, configured};
use crate::api::time::rfc3339;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::store::{Location, Verified};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Copy the store into a file, while the daemon runs or not
///
/// The copy is the store as it was at one moment. It is verified before it gets its name, so that a file of that name is whole; only
/// its owner may read it. A store that is a database (MariaDB) is copied by `mariadb-dump`, or by `mozpool db copy` into a file.
#[derive(Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// The new file; or a folder, for a file named after the store and the time
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// Take the place of a file that has the name already
    #[arg(long)]
    replace: bool,
}

/// Bring a backup back; stop the daemon first
///
/// The backup is verified, and copied; it stays. The store that it replaces stays beside it as FILE.replaced-TIME. Run it as the user
/// that the daemon runs as.
#[derive(Debug, clap::Args)]
pub(super) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "FROM")]
    from: PathBuf,
}

/// Look at every page and row of the store, or of a backup; the daemon may run
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// The file [default: the configuration's store]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn back_up(args: &BackupArgs, config: &Config) -> Result<String, DbError> {
    let location = configured(config)?;
    let to = match &args.to {
        folder if folder.is_dir() => folder.join(dated(&location)),
        file => file.clone(),
    };
    let begun = Instant::now();
    let found = location.back_up(&to, args.replace).map_err(DbError::Store)?;
    let took = begun.elapsed().as_secs_f64();
    Ok(format!("{}: {}; verified, after {took:.1} s\n", to.display(), summary(&found)))
}

pub(super) fn restore(args: &RestoreArgs, config: &Config) -> Result<String, DbError> {
    let location = configured(config)?;
    let lock = location.lock().map_err(DbError::Store)?;
    let done = location.restore(&args.from, &stamp(), &lock).map_err(DbError::Store)?;
    let mut told = format!("{location} is {} now: {}\n", args.from.display(), summary(&done.found));
    if let Some(replaced) = done.replaced {
        told += &format!("what was there is {}; delete it when all is well\n", replaced.display());
    }
    Ok(told)
}

pub(super) fn verify(args: &VerifyArgs, config: &Config) -> Result<String, DbError> {
    let location = match &args.file {
        Some(file) => Location::sqlite(file),
        None => configured(config)?,
    };
    let found = location.verify().map_err(DbError::Store)?;
    Ok(format!("{location} is whole: {}\n", summary(&found)))
}

/// What a store is, for eyes.
fn summary(Verified { schema, bytes, rows }: &Verified) -> String {
    let all: u64 = rows.values().sum();
    let of = |table| rows.get(table).copied().unwrap_or(0);
    let (devices, requests) = (of("devices"), of("requests"));
    let mib = bytes.div_ceil(1 << 20);
    format!("schema version {schema}, {all} rows, {devices} devices, {requests} requests, {mib} MiB")
}

/// `mozpool-2026-11-22T11-49-06.581Z.db` for `mozpool.db`: sorts by time, and no shell or file system minds it.
fn dated(location: &Location) -> String {
    let path = location.path().unwrap_or(Path::new("mozpool.db"));
    let part = |part: Option<&std::ffi::OsStr>, or: &str| {
        part.map_or(or.into(), |p| p.to_string_lossy().into_owned())
    };
    format!("{}-{}.{}", part(path.file_stem(), "mozpool"), stamp(), part(path.extension(), "db"))
}

/// Now, as a part of a file's name.
fn stamp() -> String {
    rfc3339(SystemClock.now()).replace(':', "-")
}

//! One daemon per store: a lock on a file beside it, held as long as the daemon lives. Daemons of a pool share that lock, and
//! each has one of its own name.
//!
//! flock(2): the kernel drops the lock with its holder, however it dies, so a stale file never stops anybody. The file
//! itself stays, because deleting it would let a third process lock a file that the second no longer sees.

use super::{Result, StoreError, location::io_problem};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The right to use a store; given back when dropped. All threads of a process share one.
#[derive(Debug)]
#[must_use = "the store is free again as soon as this is dropped"]
pub struct StoreLock {
    /// Nothing for a store in memory, which no other process can reach.
    file: Option<Flock<File>>,
    /// The lock that all daemons of a pool share.
    _shared: Option<Flock<File>>,
}

impl StoreLock {
    /// The right to use what only this process has.
    pub(super) fn not_needed() -> Self {
        Self { file: None, _shared: None }
    }

    /// As long as this is held, nobody else has the store, or works with it under the same name.
    pub fn is_held(&self) -> bool {
        self.file.is_some()
    }

    /// Takes the lock of the store at `store`: `<store>.lock`.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names who has it; [`StoreError::Unavailable`] when there can be no such file.
    pub(super) fn take(store: &Path) -> Result<Self> {
        let path = PathBuf::from(format!("{}.lock", store.display()));
        let file = Self::held(store, &path)?;
        Ok(Self { file: Some(file), _shared: None })
    }

    /// Takes a place among the daemons that share the store at `store`, under a name that no other of them has.
    ///
    /// # Errors
    /// As [`Self::take`]; also when somebody has the store for itself.
    pub(super) fn share(store: &Path, name: &str) -> Result<Self> {
        let path = PathBuf::from(format!("{}.lock", store.display()));
        let shared = open(&path)?;
        let shared = match Flock::lock(shared, FlockArg::LockSharedNonblock) {
            Ok(shared) => shared,
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
                return Err(StoreError::Locked { path: store.display().to_string(), holder: holder(&file) });
            }
            Err((_, e)) => return Err(unavailable(&path, &e.into())),
        };
        let path = PathBuf::from(format!("{}.{name}.lock", store.display()));
        let file = Self::held(store, &path)?;
        Ok(Self { file: Some(file), _shared: Some(shared) })
    }

    /// The lock on one file, with our name in it.
    fn held(store: &Path, path: &Path) -> Result<Flock<File>> {
        let file = open(path)?;
        let mut file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((file, nix::errno::Errno::EWOULDBLOCK)) => {
                return Err(StoreError::Locked { path: store.display().to_string(), holder: holder(&file) });
            }
            Err((_, e)) => return Err(unavailable(path, &e.into())),
        };
        let host = nix::unistd::gethostname().unwrap_or_default();
        let text = format!("process {} on {}\n", std::process::id(), host.to_string_lossy());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()))
            .map_err(|e| unavailable(path, &e))?;
        Ok(file)
    }
}

impl Drop for StoreLock {
    fn drop(&mut self) {
        // So that nobody who reads the file later takes us for the holder. The lock itself goes with the descriptor.
        if let Some(file) = &self.file
            && let Err(e) = file.set_len(0)
        {
            log::debug!("could not empty the lock file: {e}");
        }
    }
}

fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable { doing: "lock it", source: io_problem(path, error) }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o640)
        .open(path)
        .map_err(|e| unavailable(path, &e))
}

/// What the holder wrote; it may have locked the file and not written yet.
fn holder(file: &File) -> String {
    let mut text = String::new();
    let read = Read::take(file, 200).read_to_string(&mut text);
    match text.lines().next().map(str::trim) {
        Some(line) if read.is_ok() && !line.is_empty() => line.to_owned(),
        _ => "another process".into(),
    }
}

//! A file that is made beside its name and gets it once it is whole: nobody ever finds half a file under the name.
//!
//! It knows files and folders, and nothing of what is written into them.

use crate::store::location::io_problem;
use crate::store::{Result, StoreError};
use nix::fcntl::{AT_FDCWD, Flock, FlockArg, RenameFlags, renameat2};
use nix::sys::statvfs::statvfs;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// What a copy leaves free on its disk: a daemon beside it needs room for its log, whose usual limit this is.
pub(super) const SPARE_BYTES: u64 = 64 << 20;

/// `path` with an ending behind its whole name.
pub(in crate::store) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// The folder that `path` lies in.
pub(super) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A failure with a file, as the store's.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl Fn(std::io::Error) -> StoreError {
    move |e| StoreError::Unavailable { doing, source: io_problem(path, &e) }
}

/// Refuses when `folder` has no room for `bytes` and what must stay free; `what` is to be written there.
///
/// # Errors
/// [`StoreError::Refused`] with both numbers.
pub(super) fn has_room(folder: &Path, bytes: u64, what: &str) -> Result<()> {
    // A file system that does not say is not a full one.
    let Ok(disk) = statvfs(folder) else { return Ok(()) };
    let block: u64 = disk.fragment_size();
    let free = block.saturating_mul(disk.blocks_available());
    let needed = bytes.saturating_add(SPARE_BYTES);
    if free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(StoreError::Refused {
        why: format!(
            "{what} needs {} MiB in {}, and {} MiB are free there; free some space on that disk",
            mib(needed),
            folder.display(),
            free >> 20
        ),
    })
}

/// A file that is being made as `NAME.partial`. What a process that died has left there is made anew by the next one.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    file: Flock<File>,
    published: bool,
}

impl Partial {
    /// Begins the file that is to be called `to`; it is empty, and nobody else's to read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] says why there can be no such file; [`StoreError::Refused`] when another process makes it.
    pub(super) fn begin(to: &Path) -> Result<Self> {
        const DOING: &str = "make a copy";
        let path = beside(to, ".partial");
        let failed = failed(DOING, &path);
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let taken = || StoreError::Refused {
            why: format!(
                "{}: another process is just making this file; try again when it has ended",
                path.display()
            ),
        };
        let file = match Flock::lock(open.map_err(&failed)?, FlockArg::LockExclusiveNonblock) {
            Ok(file) => file,
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => return Err(taken()),
            Err((_, e)) => return Err(failed(e.into())),
        };
        // Who was faster may have given it its name in between: then it is not ours to write to.
        let (ours, there) = (file.metadata().map_err(&failed)?, std::fs::metadata(&path));
        if !there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            return Err(taken());
        }
        file.set_len(0).map_err(&failed)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600)).map_err(&failed)?;
        drop(failed);
        Ok(Self { path, file, published: false })
    }

    /// Where it is until then.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What was written is on the disk.
    pub(super) fn sync(&self) -> std::io::Result<()> {
        self.file.sync_data()
    }

    /// It shall belong to whom `like` belongs, and be as open to others.
    pub(super) fn belongs_like(&self, like: &Path, mode: u32) -> Result<()> {
        let failed = failed("give the file to its owner", &self.path);
        let (ours, theirs) =
            (self.file.metadata().map_err(&failed)?, std::fs::metadata(like).map_err(&failed)?);
        if (ours.uid(), ours.gid()) != (theirs.uid(), theirs.gid()) {
            fchown(&*self.file, Some(theirs.uid()), Some(theirs.gid())).map_err(&failed)?;
        }
        self.file.set_permissions(std::fs::Permissions::from_mode(mode & 0o777)).map_err(&failed)
    }

    /// Gives it its name: on the disk when this returns, and with all that is in it. With `replace` it takes the place of a file of
    /// that name.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when there is such a file.
    pub(super) fn publish(mut self, to: &Path, replace: bool) -> Result<()> {
        let failed = failed("give a copy its name", to);
        self.file.sync_all().map_err(&failed)?;
        if replace {
            std::fs::rename(&self.path, to).map_err(&failed)?;
        } else {
            rename_to_new(&self.path, to).map_err(|e| match e.kind() {
                ErrorKind::AlreadyExists => there_already(to),
                _ => failed(e),
            })?;
        }
        self.published = true;
        sync_folder(to)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published
            && let Err(e) = std::fs::remove_file(&self.path)
        {
            log::warn!("{}: half a copy stays there: {e}; delete it", self.path.display());
        }
    }
}

/// Refuses a name that is taken.
pub(super) fn there_already(to: &Path) -> StoreError {
    StoreError::Refused { why: format!("{} is there already; name another file, or a folder", to.display()) }
}

/// A rename that never takes the place of another file.
fn rename_to_new(from: &Path, to: &Path) -> std::io::Result<()> {
    match renameat2(AT_FDCWD, from, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE) {
        Ok(()) => Ok(()),
        // A file system that cannot (NFS): a look and a rename, between which somebody would have to be very quick.
        Err(nix::errno::Errno::EINVAL | nix::errno::Errno::ENOSYS) => match to.try_exists()? {
            true => Err(ErrorKind::AlreadyExists.into()),
            false => std::fs::rename(from, to),
        },
        Err(e) => Err(e.into()),
    }
}

/// Names in the folder of `path` are on the disk.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    let folder = folder(path);
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed("write down names in a folder", folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_name_is_given_once_and_to_whole_files_only() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let to = dir.path().join("copy.db");
        let names = || {
            let entries = std::fs::read_dir(dir.path()).expect("a folder");
            entries
                .map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        drop(Partial::begin(&to).expect("a file"));
        assert_eq!(names(), Vec::<String>::new(), "what was given up leaves nothing");

        std::fs::write(dir.path().join("copy.db.partial"), "of one that was killed").expect("a file");
        let partial = Partial::begin(&to).expect("what is left there is nobody's");
        let error = Partial::begin(&to).expect_err("one at a time").to_string();
        assert!(error.contains("another process is just making this file"), "{error}");
        (&*partial.file).write_all(b"first").expect("room");
        assert_eq!(names(), ["copy.db.partial"]);
        partial.publish(&to, false).expect("the name is free");
        assert_eq!(names(), ["copy.db"]);
        let mode = std::fs::metadata(&to).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        let error = Partial::begin(&to).expect("a file").publish(&to, false).expect_err("taken").to_string();
        assert!(error.contains("copy.db is there already"), "{error}");
        assert_eq!(
            (std::fs::read(&to).expect("a file"), names()),
            (b"first".to_vec(), vec!["copy.db".to_owned()])
        );
        Partial::begin(&to).expect("a file").publish(&to, true).expect("it may");
        assert_eq!(std::fs::read(&to).expect("a file"), b"");
    }

    #[test]
    fn a_disk_without_room_is_named_with_what_is_needed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        has_room(dir.path(), 1 << 20, "a copy").expect("there is a little room");
        let error = has_room(dir.path(), 1 << 60, "a copy of it").expect_err("nobody has that").to_string();
        assert!(error.starts_with("a copy of it needs 1099511627840 MiB in "), "{error}");
        assert!(error.ends_with("free some space on that disk"), "{error}");
    }
}

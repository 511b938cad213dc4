//! A directory whose regular files may be read, and nothing outside of it.
//! It refuses to know protocols: TFTP serves from it, and an HTTP file server can as well.
//! The kernel keeps us inside: openat2(2) with RESOLVE_BENEATH, or a walk that follows no symbolic link at all.

use crate::name::{self, NameError};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;
use std::fmt;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// openat2 reports EAGAIN when something was renamed while it looked; the manual page asks for another try, and
/// a directory that is renamed without pause does not deserve more than a few.
const TRIES: u32 = 8;

/// Why a file beneath the root cannot be had. No variant holds a path.
#[derive(Debug)]
pub enum RootError {
    /// Nothing has this name.
    NotFound,
    /// It is a directory, a pipe, a socket or a device.
    NotAFile,
    /// A symbolic link leads out of the root.
    Escapes,
    /// The file's permissions forbid it.
    Denied,
    /// The name itself is unacceptable.
    BadName(NameError),
    /// Anything else, such as too many open files.
    Io(io::Error),
}

impl fmt::Display for RootError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such file"),
            Self::NotAFile => f.write_str("this is not a regular file"),
            Self::Escapes => f.write_str("a symbolic link leads out of the served directory"),
            Self::Denied => f.write_str("the permissions of the file forbid reading it"),
            Self::BadName(why) => write!(f, "{why}"),
            Self::Io(cause) => write!(f, "cannot open the file: {cause}"),
        }
    }
}

impl std::error::Error for RootError {}

/// An open directory. It stays the same one even if its path is renamed or replaced.
#[derive(Debug)]
pub struct Root {
    dir: OwnedFd,
    how: How,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// Symbolic links work as long as they stay inside.
    Beneath,
    /// For kernels before 5.6 and sandboxes without openat2: no symbolic links.
    Walk,
}

impl Root {
    /// Opens the directory.
    ///
    /// # Errors
    /// Those of open(2); `NotADirectory` for anything else than a directory.
    pub fn open(dir: impl AsRef<Path>) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let dir = nix::fcntl::open(dir.as_ref(), flags, Mode::empty())?;
        let how = match openat2(&dir, ".", beneath(flags)) {
            Ok(_) => How::Beneath,
            Err(_) => How::Walk,
        };
        Ok(Self { dir, how })
    }

    /// Opens the regular file with this name relative to the root. A leading `/` means the root.
    ///
    /// # Errors
    /// See [`RootError`].
    pub fn open_file(&self, relative: &str) -> Result<(File, Metadata), RootError> {
        let name = name::normalize(relative).map_err(RootError::BadName)?;
        let fd = match self.how {
            How::Beneath => self.beneath(&name),
            How::Walk => self.walk(&name),
        };
        let file = File::from(fd.map_err(|errno| self.error_of(errno))?);
        let metadata = file.metadata().map_err(RootError::Io)?;
        if metadata.is_file() { Ok((file, metadata)) } else { Err(RootError::NotAFile) }
    }

    fn beneath(&self, name: &str) -> nix::Result<OwnedFd> {
        let mut result = Err(Errno::EAGAIN);
        for _ in 0..TRIES {
            result = openat2(&self.dir, name, beneath(file_flags()));
            if !matches!(result, Err(Errno::EAGAIN | Errno::EINTR)) {
                break;
            }
        }
        result
    }

    fn walk(&self, name: &str) -> nix::Result<OwnedFd> {
        let mut parts = name.split('/').peekable();
        let mut held: Option<OwnedFd> = None;
        while let Some(part) = parts.next() {
            let dir = held.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
            if parts.peek().is_none() {
                return openat(dir, part, file_flags() | OFlag::O_NOFOLLOW, Mode::empty());
            }
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            held = Some(openat(dir, part, flags, Mode::empty())?);
        }
        Err(Errno::ENOENT)
    }

    fn error_of(&self, errno: Errno) -> RootError {
        match errno {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG => RootError::NotFound,
            // ENXIO: a socket, or a device that is not there.
            Errno::ENXIO | Errno::ENODEV | Errno::EISDIR => RootError::NotAFile,
            Errno::EXDEV => RootError::Escapes,
            // The walk meets every symbolic link in this way, openat2 only one that never ends.
            Errno::ELOOP if self.how == How::Walk => RootError::Escapes,
            Errno::ELOOP => RootError::NotFound,
            Errno::EACCES | Errno::EPERM => RootError::Denied,
            other => RootError::Io(other.into()),
        }
    }
}

/// O_NONBLOCK: opening a pipe must not wait for its writer; it means nothing to a regular file.
fn file_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC
}

fn beneath(flags: OFlag) -> OpenHow {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    OpenHow::new().flags(flags).resolve(resolve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// What each name gives, through openat2 and through the walk.
    const ROWS: &[(&str, &str, &str)] = &[
        ("file", "inside", "inside"),
        ("/file", "inside", "inside"),
        ("//sub/./deep", "deep", "deep"),
        ("linked", "inside", "Escapes"),
        ("linkdir/deep", "deep", "NotFound"),
        ("", "BadName(Empty)", "BadName(Empty)"),
        ("sub", "NotAFile", "NotAFile"),
        ("sub/", "NotAFile", "NotAFile"),
        ("none", "NotFound", "NotFound"),
        ("none/deep", "NotFound", "NotFound"),
        ("file/deep", "NotFound", "NotFound"),
        ("../secret", "BadName(Climbs)", "BadName(Climbs)"),
        ("sub/../../secret", "BadName(Climbs)", "BadName(Climbs)"),
        ("out", "Escapes", "Escapes"),
        ("outdir/secret", "Escapes", "NotFound"),
        ("absolute", "Escapes", "Escapes"),
        ("loop", "NotFound", "Escapes"),
        ("pipe", "NotAFile", "NotAFile"),
        ("socket", "NotAFile", "NotAFile"),
        ("null", "Escapes", "Escapes"),
    ];

    fn tree() -> (tempfile::TempDir, std::path::PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let root = top.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(top.path().join("secret"), "secret").unwrap();
        fs::write(root.join("file"), "inside").unwrap();
        fs::write(root.join("sub/deep"), "deep").unwrap();
        symlink("file", root.join("linked")).unwrap();
        symlink("sub", root.join("linkdir")).unwrap();
        symlink("../secret", root.join("out")).unwrap();
        symlink("..", root.join("outdir")).unwrap();
        symlink(root.join("file"), root.join("absolute")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/dev/null", root.join("null")).unwrap();
        nix::unistd::mkfifo(&root.join("pipe"), Mode::S_IRWXU).unwrap();
        drop(std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap());
        (top, root)
    }

    fn look(root: &Root, name: &str) -> String {
        match root.open_file(name) {
            Ok((mut file, metadata)) => {
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                assert_eq!(metadata.len(), text.len() as u64);
                text
            }
            Err(error) => format!("{error:?}"),
        }
    }

    #[test]
    fn nothing_outside_is_reached_and_only_regular_files_are_opened() {
        let (_top, dir) = tree();
        let root = Root::open(&dir).unwrap();
        assert_eq!(root.how, How::Beneath, "the tests want a kernel of 5.6 or later");
        let walker = Root { how: How::Walk, ..Root::open(&dir).unwrap() };
        for (name, want, want_of_walk) in ROWS {
            assert_eq!(look(&root, name), *want, "{name:?}");
            assert_eq!(look(&walker, name), *want_of_walk, "{name:?}, walking");
        }
    }

    #[test]
    fn the_root_stays_the_directory_it_was() {
        let (top, dir) = tree();
        let root = Root::open(&dir).unwrap();
        fs::rename(&dir, top.path().join("moved")).unwrap();
        assert_eq!(look(&root, "file"), "inside");
    }

    #[test]
    fn only_a_directory_is_a_root() {
        let (_top, dir) = tree();
        assert_eq!(Root::open(dir.join("file")).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(Root::open(dir.join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_without_permission_is_denied() {
        let (_top, dir) = tree();
        fs::set_permissions(dir.join("file"), fs::Permissions::from_mode(0o000)).unwrap();
        let want = if nix::unistd::geteuid().is_root() { "inside" } else { "Denied" };
        assert_eq!(look(&Root::open(&dir).unwrap(), "file"), want);
    }
}

//! Where a store is, and how it is opened: the only way from a line of configuration to a `Store`.
//!
//! It knows the kinds of database by name and nothing of what they hold.

use super::conn::Doing;
use super::lock::StoreLock;
use super::sqlite::Sqlite;
use super::sqlstore::SqlStore;
use super::{Bell, Result, Store, changes, migrate};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a store is. Text form: `sqlite:PATH`, a plain `PATH`, or `sqlite::memory:`.
#[derive(Debug, Clone)]
pub struct Location {
    place: Place,
    bell: Arc<Bell>,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Memory(Arc<Memory>),
}

/// A database in memory, kept alive by a connection of its own.
#[derive(Debug)]
struct Memory {
    name: String,
    anchor: Mutex<Option<Sqlite>>,
}

/// A text that names no store of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadLocation {
    /// Nothing is written there.
    Empty,
    /// MySQL or MariaDB. The text is not repeated: it may hold a password.
    Mysql,
    /// Some other scheme.
    Scheme(String),
}

impl fmt::Display for BadLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no store is named; write sqlite:/PATH/TO/FILE"),
            Self::Mysql => {
                f.write_str("a store on MySQL or MariaDB is not in this build; write sqlite:/PATH/TO/FILE")
            }
            Self::Scheme(scheme) => {
                write!(f, "there is no kind of store called `{scheme}`; write sqlite:/PATH/TO/FILE")
            }
        }
    }
}

impl std::error::Error for BadLocation {}

impl FromStr for Location {
    type Err = BadLocation;

    fn from_str(text: &str) -> std::result::Result<Self, BadLocation> {
        let scheme = |s: &str| s.len() > 1 && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
        let path = match text.split_once(':') {
            Some(("sqlite", rest)) => rest.strip_prefix("//").filter(|r| r.starts_with('/')).unwrap_or(rest),
            Some(("mysql" | "mariadb", _)) => return Err(BadLocation::Mysql),
            Some((other, rest)) if scheme(other) && rest.starts_with("//") => {
                return Err(BadLocation::Scheme(other.chars().take(20).collect()));
            }
            _ => text,
        };
        match path {
            "" => Err(BadLocation::Empty),
            ":memory:" => Ok(Self::memory()),
            path => Ok(Self::sqlite(path)),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File(path) => write!(f, "sqlite:{}", path.display()),
            Place::Memory(_) => f.write_str("sqlite::memory:"),
        }
    }
}

impl PartialEq for Location {
    /// The same file, or the very same memory: two databases in memory are two.
    fn eq(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::File(a), Place::File(b)) => a == b,
            (Place::Memory(a), Place::Memory(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}
impl Eq for Location {}

/// Connections are opened one at a time: bringing a new file into WAL mode needs it for itself, and SQLite does not wait
/// for that as it waits for other locks.
static OPENING: Mutex<()> = Mutex::new(());
/// Tells databases in memory apart.
static MEMORIES: AtomicU64 = AtomicU64::new(0);

impl Location {
    fn of(place: Place) -> Self {
        Self { place, bell: Arc::default() }
    }

    /// Rings after every change that is committed by way of this value or its clones. Before the first [`Self::open`] it knows
    /// nothing.
    pub fn bell(&self) -> Arc<Bell> {
        self.bell.clone()
    }

    /// The SQLite file at `path`.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::of(Place::File(path.into()))
    }

    /// A new store in memory, gone with the last clone of this value and the last store opened from it. For tests.
    pub fn memory() -> Self {
        let name = format!("mozpool-{}", MEMORIES.fetch_add(1, Ordering::Relaxed));
        Self::of(Place::Memory(Arc::new(Memory { name, anchor: Mutex::new(None) })))
    }

    /// The store's file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Memory(_) => None,
        }
    }

    /// Takes the right to use this store: once per process, before [`Self::open`], and kept until the end. Commands that
    /// write to a store beside the daemon need it as well, and so need the daemon stopped.
    ///
    /// # Errors
    /// [`super::StoreError::Locked`] names the process that has it.
    pub fn lock(&self) -> Result<StoreLock> {
        match &self.place {
            Place::File(path) => StoreLock::take(path),
            Place::Memory(_) => Ok(StoreLock::not_needed()),
        }
    }

    /// Takes the right to use this store together with other daemons of a pool, as the server `name`.
    ///
    /// # Errors
    /// [`super::StoreError::Locked`] names the process that has the store for itself, or runs under this name.
    pub fn share(&self, name: &str) -> Result<StoreLock> {
        match &self.place {
            Place::File(path) => StoreLock::share(path, name),
            Place::Memory(_) => Ok(StoreLock::not_needed()),
        }
    }

    /// The schema version that the store has and the one that this program will bring it to; changes nothing. For a look from
    /// outside, which must not upgrade a store under a daemon that runs.
    ///
    /// # Errors
    /// As [`Self::open`]. A file that does not exist is made, empty: look first.
    pub fn schema(&self) -> Result<(u32, u32)> {
        let found = match &self.place {
            Place::File(path) => migrate::version(&mut Sqlite::open_file(path).doing("open")?)?,
            // Made by this program, just now.
            Place::Memory(_) => migrate::known(),
        };
        Ok((found, migrate::known()))
    }

    /// Opens a connection of one's own, as each thread does, and brings the schema up to date when it is older. Several
    /// threads may do so at once.
    ///
    /// # Errors
    /// The text names the path and the remedy: no directory, no permission, not a database, disk full;
    /// [`super::StoreError::TooNew`] when a newer program has written it.
    pub fn open(&self) -> Result<Box<dyn Store>> {
        const OPEN: &str = "open";
        let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut conn = match &self.place {
            Place::File(path) => Sqlite::open_file(path).doing(OPEN)?,
            Place::Memory(memory) => {
                let mut anchor = memory.anchor.lock().unwrap_or_else(PoisonError::into_inner);
                if anchor.is_none() {
                    *anchor = Some(Sqlite::open_memory(&memory.name).doing(OPEN)?);
                }
                Sqlite::open_memory(&memory.name).doing(OPEN)?
            }
        };
        migrate::to_latest(&mut conn)?;
        self.bell.ring(&changes::last(&mut conn)?);
        Ok(Box::new(SqlStore::new(conn, self.bell.clone())))
    }
}

/// Why a file cannot be used, with the remedy.
pub(super) fn io_problem(path: &Path, error: &std::io::Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "; create its directory and give it to the user that runs mozpool",
        ErrorKind::PermissionDenied => "; give it and its directory to the user that runs mozpool",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space on that disk",
        ErrorKind::ReadOnlyFilesystem => "; name a place on a disk that can be written",
        ErrorKind::NotADirectory => "; a part of the path is a file, name another place",
        _ => "",
    };
    format!("{}: {error}{remedy}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_written_as_it_is_read() {
        for (text, path) in [
            ("sqlite:/var/lib/mozpool/mozpool.db", "/var/lib/mozpool/mozpool.db"),
            ("sqlite:///var/lib/x.db", "/var/lib/x.db"),
            ("/a/b.db", "/a/b.db"),
            ("rel/b.db", "rel/b.db"),
            ("/odd:name.db", "/odd:name.db"),
        ] {
            let location: Location = text.parse().unwrap();
            assert_eq!(location.path(), Some(Path::new(path)), "{text}");
            assert_eq!(location.to_string(), format!("sqlite:{path}"));
            assert_eq!(location.to_string().parse(), Ok(location));
        }
        assert_eq!("sqlite::memory:".parse::<Location>().unwrap().path(), None);
    }

    #[test]
    fn other_databases_are_refused_without_repeating_a_password() {
        let error = "mysql://mozpool:secret@db/mozpool".parse::<Location>().unwrap_err().to_string();
        assert!(error.contains("not in this build") && !error.contains("secret"), "{error}");
        assert_eq!("postgres://x".parse::<Location>(), Err(BadLocation::Scheme("postgres".into())));
        assert_eq!("sqlite:".parse::<Location>(), Err(BadLocation::Empty));
    }

    #[test]
    fn a_refused_file_is_explained() {
        let denied = std::io::Error::from(ErrorKind::PermissionDenied);
        let text = io_problem(Path::new("/var/lib/mozpool/mozpool.db"), &denied);
        assert!(text.starts_with("/var/lib/mozpool/mozpool.db: "), "{text}");
        assert!(text.contains("give it and its directory to the user that runs mozpool"), "{text}");
    }
}

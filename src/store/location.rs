//! Where a store is, and how it is opened: the only way from a line of configuration to a `Store`.
//!
//! It knows the kinds of database by name and nothing of what they hold.

use super::backup::{self, Check, Restored, Verified};
use super::cells::Cells;
use super::conn::{Conn, Doing};
use super::copy::{self, Copied};
use super::lock::StoreLock;
use super::mysql::{self, Address, BadAddress, Mysql, Reach};
use super::sqlite::Sqlite;
use super::sqlstore::SqlStore;
use super::{Bell, Result, Store, StoreError, changes, migrate, sql};
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Where a store is. Text form: `sqlite:PATH`, a plain `PATH`, `sqlite::memory:`, or
/// `mysql://USER:PASSWORD@HOST:PORT,HOST2/DATABASE?KEY=VALUE&…`. It is shown without the password.
#[derive(Debug, Clone)]
pub struct Location {
    place: Place,
    bell: Arc<Bell>,
}

#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Memory(Arc<Memory>),
    Mysql(Arc<Reach>),
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
    /// A MariaDB, but its address is wrong.
    Mysql(BadAddress),
    /// Some other scheme.
    Scheme(String),
}

impl fmt::Display for BadLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no store is named; write sqlite:/PATH/TO/FILE"),
            Self::Mysql(bad) => bad.fmt(f),
            Self::Scheme(scheme) => write!(
                f,
                "there is no kind of store called `{scheme}`; write sqlite:/PATH/TO/FILE or mysql://USER:PASSWORD@HOST/DATABASE"
            ),
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
            Some(("mysql" | "mariadb", rest)) => {
                return Address::parse(rest).map(Self::mysql).map_err(BadLocation::Mysql);
            }
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
            Place::Mysql(reach) => reach.address.fmt(f),
        }
    }
}

impl PartialEq for Location {
    /// The same file, or the very same memory: two databases in memory are two.
    fn eq(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::File(a), Place::File(b)) => a == b,
            (Place::Memory(a), Place::Memory(b)) => Arc::ptr_eq(a, b),
            (Place::Mysql(a), Place::Mysql(b)) => a.address == b.address,
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

    fn mysql(address: Address) -> Self {
        Self::of(Place::Mysql(Arc::new(Reach::new(address))))
    }

    /// Other processes write to it, too: the other servers of the pool. Who must hear of their changes looks into the store.
    pub fn is_shared(&self) -> bool {
        matches!(self.place, Place::Mysql(_))
    }

    /// What is said to the database can be read by others on the way.
    pub fn is_open_to_all(&self) -> bool {
        matches!(&self.place, Place::Mysql(reach) if reach.address.is_open_to_all())
    }

    /// The store's file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Memory(_) | Place::Mysql(_) => None,
        }
    }

    /// The files with a password or certificates that a database's address names.
    pub fn files(&self) -> Vec<&Path> {
        match &self.place {
            Place::File(_) | Place::Memory(_) => Vec::new(),
            Place::Mysql(reach) => reach.address.files().collect(),
        }
    }

    /// Takes the right to use this store: once per process, before [`Self::open`], and kept until the end. Commands that
    /// write to a store beside the daemon need it as well, and so need the daemon stopped. A MariaDB is for many, and nobody
    /// takes it for himself.
    ///
    /// # Errors
    /// [`super::StoreError::Locked`] names the process that has it.
    pub fn lock(&self) -> Result<StoreLock> {
        match &self.place {
            Place::File(path) => StoreLock::take(path),
            Place::Memory(_) | Place::Mysql(_) => Ok(StoreLock::not_needed()),
        }
    }

    /// Takes the right to use this store together with other daemons of a pool, as the server `name`.
    ///
    /// # Errors
    /// [`super::StoreError::Locked`] names the process that has the store for itself, or runs under this name.
    pub fn share(&self, name: &str) -> Result<StoreLock> {
        match &self.place {
            Place::File(path) => StoreLock::share(path, name),
            Place::Memory(_) | Place::Mysql(_) => Ok(StoreLock::not_needed()),
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
            Place::Mysql(reach) => mysql::version(&mut Mysql::open(reach.clone()).doing("open")?)?,
            // Made by this program, just now.
            Place::Memory(_) => migrate::known(),
        };
        Ok((found, migrate::known()))
    }

    /// The schema version that this program works with, and brings older stores to.
    pub fn known_schema() -> u32 {
        migrate::known()
    }

    /// The version of the database server, if there is one, in its own words.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn program(&self) -> Result<Option<String>> {
        const ASK: &str = "ask for its version";
        let Place::Mysql(reach) = &self.place else { return Ok(None) };
        let row = Mysql::open(reach.clone()).doing(ASK)?.query_one(sql::DATABASE_VERSION, &[]).doing(ASK)?;
        row.map(|row| Cells::new("the database", row).text("version")).transpose()
    }

    /// Opens a connection of one's own, as each thread does, and brings the schema up to date when it is older. Several
    /// threads may do so at once.
    ///
    /// # Errors
    /// The text names the path and the remedy: no directory, no permission, not a database, disk full, no answer;
    /// [`super::StoreError::TooNew`] when a newer program has written it.
    pub fn open(&self) -> Result<Box<dyn Store>> {
        const OPEN: &str = "open";
        match &self.place {
            Place::File(path) => self.open_sqlite(|| {
                let mut conn = Sqlite::open_file(path).doing(OPEN)?;
                let found = migrate::version(&mut conn)?;
                if (1..migrate::known()).contains(&found) {
                    backup::before_migration(path, found)?;
                }
                Ok(conn)
            }),
            Place::Memory(memory) => self.open_sqlite(|| {
                let mut anchor = memory.anchor.lock().unwrap_or_else(PoisonError::into_inner);
                if anchor.is_none() {
                    *anchor = Some(Sqlite::open_memory(&memory.name).doing(OPEN)?);
                }
                Sqlite::open_memory(&memory.name).doing(OPEN)
            }),
            Place::Mysql(reach) => {
                let mut conn = Mysql::open(reach.clone()).doing(OPEN)?;
                mysql::to_latest(&mut conn)?;
                self.ready(conn)
            }
        }
    }

    fn open_sqlite(&self, connect: impl FnOnce() -> Result<Sqlite>) -> Result<Box<dyn Store>> {
        let _one_at_a_time = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut conn = connect()?;
        migrate::to_latest(&mut conn)?;
        self.ready(conn)
    }

    fn ready<C: Conn + 'static>(&self, mut conn: C) -> Result<Box<dyn Store>> {
        self.bell.ring(&changes::last(&mut conn)?);
        Ok(Box::new(SqlStore::new(conn, self.bell.clone())))
    }
}

/// Copies of a store that is a file.
impl Location {
    /// Copies the store as it is now into the new file `to`, and verifies the copy. A daemon may work with the store meanwhile. With
    /// `replace` the copy takes the place of a file of that name.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a database, and for a name that is taken; else as [`Self::open`]. Nothing is left under the name.
    pub fn back_up(&self, to: &Path, replace: bool) -> Result<Verified> {
        backup::back_up(
            self.file("`mariadb-dump`, or `mozpool db copy` into a SQLite file, copies it")?,
            to,
            replace,
        )
    }

    /// Puts the file `from` in this store's place, whose lock is held. What is there stays beside it, with `stamp` in its name.
    ///
    /// # Errors
    /// `from` is no whole store of this program or an older one; somebody has the store open. The store is as it was then.
    pub fn restore(&self, from: &Path, stamp: &str, lock: &StoreLock) -> Result<Restored> {
        let store =
            self.file("`mariadb` reads back what `mariadb-dump` wrote, and `mozpool db copy` a SQLite file")?;
        backup::restore(from, store, stamp, lock)
    }

    /// Looks at every page and row of the store. A daemon may work with it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is damaged.
    pub fn verify(&self) -> Result<Verified> {
        backup::verify(self.file("`mariadb-check` looks at its tables")?, Check::Full)
    }

    /// It is a file, and whoever worked with it last had no time to close it, or it was damaged when it was looked at last.
    pub fn is_suspect(&self) -> bool {
        self.path().is_some_and(backup::is_suspect)
    }

    /// Looks at every page, until `stop` says so; `false` when there was no time to look at all. Writes nothing into the store, and
    /// remembers beside it that it is damaged.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is damaged.
    pub fn is_sound(&self, stop: impl FnMut() -> bool + Send + 'static) -> Result<bool> {
        backup::is_sound(self.file("it looks after itself")?, stop)
    }

    /// Reads what is in a store that is a file; makes nothing, and upgrades nothing.
    ///
    /// # Errors
    /// It cannot be read, or is none of ours.
    pub fn contents(&self) -> Result<Verified> {
        backup::contents(self.file("its tables say it")?)
    }

    /// Looks at every page as [`Self::is_sound`] does, and leaves nothing behind.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is damaged.
    pub fn look_for_damage(&self, stop: impl FnMut() -> bool + Send + 'static) -> Result<bool> {
        backup::look_for_damage(self.file("it looks after itself")?, stop)
    }

    /// The newest copy of it that is known here.
    pub fn newest_copy(&self) -> Option<PathBuf> {
        self.path().and_then(backup::newest)
    }

    fn file(&self, instead: &str) -> Result<&Path> {
        match &self.place {
            Place::File(path) => Ok(path),
            Place::Memory(_) => Err(in_memory()),
            Place::Mysql(_) => Err(StoreError::Refused {
                why: format!("{self} is a database and no file: {instead} (docs/database.md)"),
            }),
        }
    }
}

/// Copying a store into another one.
impl Location {
    /// Copies everything that is here into `to`, which must be empty; `tell` hears of each table and its rows. Nobody may use either
    /// of them meanwhile: take their locks, and stop the daemons of a MariaDB.
    ///
    /// # Errors
    /// The target is not empty, or this store is of an older schema. A copy that breaks off is begun anew by another call, and until
    /// it has ended the target cannot be opened.
    pub fn copy_to(&self, to: &Self, tell: &mut dyn FnMut(&str, u64)) -> Result<()> {
        match &self.place {
            Place::File(path) => {
                let mut from = Sqlite::open_file(path).doing("open")?;
                let found = migrate::version(&mut from)?;
                self.copy_from(&mut from, found, to, tell)
            }
            Place::Mysql(reach) => {
                let mut from = Mysql::open_for_long(reach.clone()).doing("open")?;
                let found = mysql::version(&mut from)?;
                if found == migrate::known() {
                    mysql::is_left_alone(&mut from)?;
                }
                self.copy_from(&mut from, found, to, tell)
            }
            Place::Memory(_) => Err(in_memory()),
        }
    }

    fn copy_from<A: Copied>(
        &self,
        from: &mut A,
        found: u32,
        to: &Self,
        tell: &mut dyn FnMut(&str, u64),
    ) -> Result<()> {
        if found < migrate::known() {
            return Err(StoreError::Refused {
                why: format!(
                    "{self} has schema version {found} and this program {}; start the daemon on it once before you copy it",
                    migrate::known()
                ),
            });
        }
        match &to.place {
            Place::File(path) => {
                let mut to = Sqlite::open_file(path).doing("open")?;
                if !migrate::look(&mut to)?.is_half_of_this_version() {
                    migrate::to_latest(&mut to)?;
                    copy::is_unused(&mut to)?;
                }
                copy::copy(from, &mut to, tell)
            }
            Place::Mysql(reach) => {
                let mut to = Mysql::open_for_long(reach.clone()).doing("open")?;
                if !mysql::look(&mut to)?.is_half_of_this_version() {
                    mysql::to_latest(&mut to)?;
                    copy::is_unused(&mut to)?;
                }
                copy::copy(from, &mut to, tell)
            }
            Place::Memory(_) => Err(in_memory()),
        }
    }
}

fn in_memory() -> StoreError {
    StoreError::Refused { why: "a store in memory cannot be copied; name a file or a database".into() }
}

/// Why a file cannot be used, with the remedy.
pub(super) fn io_problem(path: &Path, error: &std::io::Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::NotFound => "; create its directory and give it to the user that runs mozpool",
        ErrorKind::PermissionDenied => "; give it and its directory to the user that runs mozpool",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "; free some space on that disk",
        ErrorKind::ReadOnlyFilesystem => {
            "; name a place on a disk that can be written. Under the service unit only /var/lib/mozpool is such a place, and what \
             ReadWritePaths= of a drop-in (`systemctl edit mozpool`) names"
        }
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
    fn what_names_no_store_is_refused_without_repeating_a_password() {
        let error = "mysql://mozpool:secret@db/".parse::<Location>().unwrap_err();
        assert!(matches!(error, BadLocation::Mysql(_)), "{error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!("postgres://x".parse::<Location>(), Err(BadLocation::Scheme("postgres".into())));
        assert_eq!("sqlite:".parse::<Location>(), Err(BadLocation::Empty));
    }

    #[test]
    fn a_database_is_shown_without_its_password() {
        let location: Location = "mysql://mozpool:secret@db,db2/pool?tls=on".parse().unwrap();
        assert_eq!(location.to_string(), "mysql://mozpool@db:3306,db2:3306/pool");
        assert!(!format!("{location:?}").contains("secret"));
        assert!(location.is_shared() && !location.is_open_to_all() && location.path().is_none());
    }

    #[test]
    fn a_refused_file_is_explained() {
        let denied = std::io::Error::from(ErrorKind::PermissionDenied);
        let text = io_problem(Path::new("/var/lib/mozpool/mozpool.db"), &denied);
        assert!(text.starts_with("/var/lib/mozpool/mozpool.db: "), "{text}");
        assert!(text.contains("give it and its directory to the user that runs mozpool"), "{text}");
    }
}

//! SQLite as a `Conn`: one file, or a database in memory that all connections of one `Location` share.
//!
//! WAL so that readers never wait for the writer, `synchronous=FULL` so that a commit is on the disk when it returns
//! (in WAL mode `NORMAL` may lose the last commits with the power: sqlite.org/pragma.html#pragma_synchronous), `BEGIN
//! IMMEDIATE` so that two writers meet at the beginning of a transaction, where waiting helps, and not in its middle.

use super::backup;
use super::conn::{Conn, ConnError, Doing, Row, Then, Value};
use super::copy::Copied;
use super::tally;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a statement waits for another connection's write. A group commit takes milliseconds; a checkpoint on a tired
/// disk a second or two.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept per connection: all that `sql.rs` has, with room.
const STATEMENTS: usize = 192;
/// The write-ahead log is cut back to this when it is emptied; without a limit it keeps the size of its worst day.
const WAL_LIMIT_BYTES: i64 = 64 * 1024 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Sqlite {
    conn: Connection,
    /// For messages.
    path: String,
    /// It is the store that is worked with: what is said of damage says where its copies are.
    is_store: bool,
}

impl Sqlite {
    /// Opens the file at `path`, making an empty one where there is none.
    pub(super) fn open_file(path: &Path) -> Result<Self, ConnError> {
        let name = path.display().to_string();
        prepare_place(path).map_err(ConnError::Other)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(path, flags).map_err(|e| explain_store(&name, &e))?;
        let sqlite = Self { conn, path: name, is_store: true };
        if sqlite.conn.is_readonly("main").map_err(|e| sqlite.explain(&e))? {
            return Err(ConnError::Other(format!(
                "{}: this user may not write to it; give it to the user that runs mozpool",
                sqlite.path
            )));
        }
        sqlite.configure()?;
        let mode: String = sqlite.pragma("journal_mode")?;
        if mode != "wal" {
            // Needs the file for itself for a moment, so it is done once and not by every connection.
            let mode: String = sqlite.pragma("journal_mode = WAL")?;
            if mode != "wal" {
                return Err(ConnError::Other(format!(
                    "{}: this file system cannot hold a write-ahead log (journal mode stays `{mode}`); use a local disk",
                    sqlite.path
                )));
            }
        }
        Ok(sqlite)
    }

    /// Opens the database in memory of that name; it lives as long as one connection to it.
    pub(super) fn open_memory(name: &str) -> Result<Self, ConnError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        // The `memdb` VFS, not `cache=shared`: it has ordinary locks, which the busy timeout knows how to wait for.
        let conn = Connection::open_with_flags(format!("file:/{name}?vfs=memdb"), flags)
            .map_err(|e| explain(":memory:", &e))?;
        let sqlite = Self { conn, path: ":memory:".into(), is_store: false };
        sqlite.configure()?;
        Ok(sqlite)
    }

    /// Opens a file to read it. `alone`: no log lies beside it, so nobody has it open; then nothing is made beside it, and it may be
    /// in a folder that nobody may write to.
    pub(super) fn open_reader(path: &Path, alone: bool) -> Result<Self, ConnError> {
        use std::os::unix::ffi::OsStrExt;
        let name = path.display().to_string();
        // A URI: what is no plain letter in it is written as a number (sqlite.org/uri.html).
        let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-".contains(b);
        let path =
            std::path::absolute(path).map_err(|e| ConnError::Other(super::location::io_problem(path, &e)))?;
        let bytes = path.as_os_str().as_bytes().iter();
        let uri: String =
            bytes.map(|b| if plain(b) { char::from(*b).to_string() } else { format!("%{b:02x}") }).collect();
        let uri = format!("file:{uri}?mode=ro{}", if alone { "&immutable=1" } else { "" });
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(uri, flags).map_err(|e| explain(&name, &e))?;
        let sqlite = Self { conn, path: name, is_store: false };
        sqlite.configure()?;
        Ok(sqlite)
    }

    fn configure(&self) -> Result<(), ConnError> {
        self.conn.set_prepared_statement_cache_capacity(STATEMENTS);
        let set = || {
            self.conn.busy_timeout(BUSY_TIMEOUT)?;
            // Plans that look at the values behind `?` are made anew whenever a value changes, which is at every call here
            // (sqlite.org/c3ref/c_dbconfig_defensive.html, query planner stability guarantee).
            self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            self.conn.pragma_update(None, "foreign_keys", true)?;
            self.conn.pragma_update(None, "synchronous", "FULL")?;
            self.conn.pragma_update(None, "trusted_schema", false)?;
            self.conn.query_row(&format!("PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}"), [], |_| Ok(()))
        };
        set().map_err(|e| self.explain(&e))
    }

    fn pragma<T: rusqlite::types::FromSql>(&self, pragma: &str) -> Result<T, ConnError> {
        self.conn.query_row(&format!("PRAGMA {pragma}"), [], |r| r.get(0)).map_err(|e| self.explain(&e))
    }

    /// Runs the statements of a migration.
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), ConnError> {
        self.conn.execute_batch(sql).map_err(|e| self.explain(&e))
    }

    fn explain(&self, error: &rusqlite::Error) -> ConnError {
        if self.is_store { explain_store(&self.path, error) } else { explain(&self.path, error) }
    }
}

/// What is done with the file as a whole.
impl Sqlite {
    /// From here on the store is read as it is now, until [`Conn::rollback`] or the end. Writers do not wait for that.
    pub(super) fn begin_reading(&mut self) -> Result<(), ConnError> {
        // The moment is that of the first row that is read.
        self.batch("BEGIN; SELECT COUNT(*) FROM sqlite_master")
    }

    /// Bytes of all its pages.
    pub(super) fn size(&self) -> Result<u64, ConnError> {
        let pages: i64 = self.pragma("page_count")?;
        let page: i64 = self.pragma("page_size")?;
        Ok(u64::try_from(pages.saturating_mul(page)).unwrap_or(0))
    }

    /// Copies all pages into the empty file `to`, `portion` pages at a time, and has `between` called after each. The caller has
    /// begun to read: else it would begin anew with every commit of another process. Nothing waits for the disk here.
    pub(super) fn copy_into(
        &self,
        to: &Path,
        portion: i32,
        mut between: impl FnMut() -> std::io::Result<()>,
    ) -> Result<(), ConnError> {
        let name = to.display().to_string();
        let at = |e: rusqlite::Error| explain(&name, &e);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut to_conn = Connection::open_with_flags(to, flags).map_err(at)?;
        // Half a file is thrown away as a whole, so there is nothing to roll back.
        to_conn.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(())).map_err(at)?;
        to_conn.pragma_update(None, "synchronous", "OFF").map_err(at)?;
        let backup = Backup::new(&self.conn, &mut to_conn).map_err(at)?;
        loop {
            match backup.step(portion).map_err(at)? {
                StepResult::Done => return Ok(()),
                StepResult::More => {}
                // The source is being read already, and the target is ours alone.
                other => {
                    return Err(ConnError::Other(format!(
                        "{name}: it is held by another program ({other:?})"
                    )));
                }
            }
            between().map_err(|e| ConnError::Other(super::location::io_problem(to, &e)))?;
        }
    }

    /// Looks for damage: `all` of it (sqlite.org/pragma.html#pragma_integrity_check), or without comparing indexes. At most `most`
    /// faults are told. `None` when `stop` has said so.
    pub(super) fn faults(
        &mut self,
        all: bool,
        most: usize,
        stop: impl FnMut() -> bool + Send + 'static,
    ) -> Result<Option<Vec<String>>, ConnError> {
        // A hundred steps are some microseconds, and what a disk takes.
        self.conn.progress_handler(100, Some(stop)).map_err(|e| self.explain(&e))?;
        let mut looks =
            vec![format!("PRAGMA {}({most})", if all { "integrity_check" } else { "quick_check" })];
        if all {
            let from = "pragma_foreign_key_check";
            looks.push(format!("SELECT \"table\" || ' refers to a row of ' || parent || ' that is not there' FROM {from} LIMIT {most}"));
        }
        let mut found: Vec<String> = Vec::new();
        let mut look = |sql: &str| -> rusqlite::Result<()> {
            let mut statement = self.conn.prepare(sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                found.push(row.get(0)?);
            }
            Ok(())
        };
        let looked = looks.iter().try_for_each(|sql| look(sql));
        found.retain(|line| line != "ok");
        self.conn.progress_handler(0, None::<fn() -> bool>).map_err(|e| self.explain(&e))?;
        match looked {
            Ok(()) => Ok(Some(found)),
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
            // The look itself has met it.
            Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                found.push(e.to_string());
                Ok(Some(found))
            }
            Err(e) => Err(self.explain(&e)),
        }
    }

    /// When this connection is the last one, it leaves the log as it is.
    pub(super) fn leave_log(&self) -> Result<(), ConnError> {
        let set = self.conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        set.map(drop).map_err(|e| self.explain(&e))
    }

    /// Brings what is in the log of a store into its file, and takes the log away. Nobody else may have it open.
    pub(super) fn fold(path: &Path) -> Folded {
        let fold = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let conn = Connection::open_with_flags(path, flags)?;
            conn.query_row("PRAGMA journal_mode = DELETE", [], |r| r.get::<_, String>(0))
        };
        match fold() {
            Ok(mode) if mode == "delete" => Folded::Done,
            Ok(_) => Folded::Busy,
            Err(e)
                if matches!(
                    e.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                ) =>
            {
                Folded::Busy
            }
            Err(e) => Folded::Unreadable(e.to_string()),
        }
    }
}

/// What became of a store's log.
#[derive(Debug)]
pub(super) enum Folded {
    /// Everything is in the file.
    Done,
    /// Somebody has the store open.
    Busy,
    /// The store cannot be read.
    Unreadable(String),
}

impl rusqlite::ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null | Self::Odd(_) => ValueRef::Null,
            Self::Int(n) => ValueRef::Integer(*n),
            Self::Text(t) => ValueRef::Text(t.as_bytes()),
        }))
    }
}

impl From<ValueRef<'_>> for Value {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(n) => Self::Int(n),
            ValueRef::Text(t) => {
                str::from_utf8(t).map_or(Self::Odd("text that is not UTF-8"), |t| Self::Text(t.to_owned()))
            }
            ValueRef::Real(_) => Self::Odd("a float"),
            ValueRef::Blob(_) => Self::Odd("bytes"),
        }
    }
}

impl Copied for Sqlite {
    const COLUMNS: &'static str = "SELECT m.name, c.name, c.pk FROM sqlite_master m, pragma_table_info(m.name) c \
        WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY m.name, c.cid";
    const REFERENCES: &'static str = "SELECT m.name, f.\"table\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f \
        WHERE m.type = 'table'";
    const NUMBERS: &'static str = "SELECT name, seq FROM sqlite_sequence";

    fn begin_snapshot(&mut self) -> super::Result<()> {
        // It begins with the first row that is read, and nobody else writes: a copy has the store's lock.
        self.batch("BEGIN").doing("begin to read")
    }

    fn define(&mut self, sql: &str) -> super::Result<()> {
        self.batch(sql).doing("prepare the copy")
    }

    fn set_number(&mut self, table: &str, given: i64) -> super::Result<()> {
        const DOING: &str = "note which numbers are given";
        let args = &[Value::from(given), Value::from(table)];
        self.transaction(DOING, |c| {
            if c.exec("UPDATE sqlite_sequence SET seq = MAX(seq, ?) WHERE name = ?", args).doing(DOING)? == 0
            {
                c.exec("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", args).doing(DOING)?;
            }
            Ok(((), Then::Commit))
        })
    }
}

impl Conn for Sqlite {
    fn exec(&mut self, sql: &'static str, args: &[Value]) -> Result<usize, ConnError> {
        tally::statement();
        let run = || self.conn.prepare_cached(sql)?.execute(rusqlite::params_from_iter(args));
        run().map_err(|e| self.explain(&e))
    }

    fn insert(&mut self, sql: &'static str, args: &[Value]) -> Result<i64, ConnError> {
        self.exec(sql, args)?;
        Ok(self.conn.last_insert_rowid())
    }

    fn query(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<Row>, ConnError> {
        tally::statement();
        let run = || {
            let mut statement = self.conn.prepare_cached(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(args))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let cells = (0..columns).map(|i| Ok(Value::from(row.get_ref(i)?)));
                found.push(Row(cells.collect::<rusqlite::Result<_>>()?));
            }
            Ok(found)
        };
        run().map_err(|e| self.explain(&e))
    }

    fn each(
        &mut self,
        sql: &'static str,
        args: &[Value],
        take: &mut dyn FnMut(&[Value]),
    ) -> Result<(), ConnError> {
        tally::statement();
        let mut run = || {
            let mut statement = self.conn.prepare_cached(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query(rusqlite::params_from_iter(args))?;
            let mut cells = Vec::with_capacity(columns);
            while let Some(row) = rows.next()? {
                cells.clear();
                for i in 0..columns {
                    cells.push(Value::from(row.get_ref(i)?));
                }
                take(&cells);
            }
            Ok(())
        };
        run().map_err(|e| self.explain(&e))
    }

    fn begin(&mut self) -> Result<(), ConnError> {
        self.exec("BEGIN IMMEDIATE", &[]).map(|_| ())
    }

    fn commit(&mut self) -> Result<(), ConnError> {
        self.exec("COMMIT", &[]).map(|_| ())
    }

    fn transaction_soon<T>(
        &mut self,
        doing: &'static str,
        work: impl FnMut(&mut Self) -> super::Result<(T, Then)>,
    ) -> super::Result<T> {
        // In WAL mode a commit that is not synchronous goes to the log file without a wait for the disk, and the next one that
        // is, of any connection, syncs the whole file (sqlite.org/pragma.html#pragma_synchronous).
        self.batch("PRAGMA synchronous = NORMAL").doing(doing)?;
        let done = self.transaction(doing, work);
        self.batch("PRAGMA synchronous = FULL").doing(doing)?;
        done
    }

    fn rollback(&mut self) {
        // A full disk or an I/O error has taken the transaction back already; there is nothing left to do then.
        if !self.conn.is_autocommit()
            && let Err(e) = self.exec("ROLLBACK", &[])
        {
            log::error!("could not take a transaction back: {e:?}");
        }
    }
}

/// Makes an empty file for a new store, and says in a sentence why there can be none.
///
/// An existing file is never opened here: closing any descriptor of it would drop the locks that SQLite holds for other
/// threads of this process (POSIX record locks; sqlite.org/howtocorrupt.html section 2.2).
fn prepare_place(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err(format!("{} is a directory; name a file in it", path.display()));
    }
    let is_there = path.try_exists().unwrap_or(false);
    if std::fs::metadata(path).map_or(0, |m| m.len()) == 0 {
        is_new(path)?;
    }
    if is_there {
        return Ok(());
    }
    let directory = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    };
    if !directory.is_dir() {
        return Err(format!(
            "{}: there is no directory {}; create it and give it to the user that runs mozpool",
            path.display(),
            directory.display()
        ));
    }
    use std::os::unix::fs::OpenOptionsExt;
    match std::fs::OpenOptions::new().write(true).create_new(true).mode(0o640).open(path) {
        Ok(_) => Ok(()),
        // Another thread was faster.
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(super::location::io_problem(path, &e)),
    }
}

/// Refuses to begin a new store where there was one: an empty file would be taken for a new store, and its log be deleted.
fn is_new(path: &Path) -> Result<(), String> {
    let log = backup::beside(path, "-wal");
    let has_log = std::fs::metadata(&log).is_ok_and(|m| m.len() > 0);
    if !has_log && !backup::was_used(path) {
        return Ok(());
    }
    let because = if has_log { "its log" } else { "a copy" };
    Err(format!(
        "{} is missing or empty, and {because} is there, so it was in use and is lost{}. To begin with a new store name another \
         file, or move what is left of this one to another folder",
        path.display(),
        backup::way_out(path)
    ))
}

/// The same as [`explain`]; and for a store that is damaged, where its copies are.
fn explain_store(path: &str, error: &rusqlite::Error) -> ConnError {
    match explain(path, error) {
        ConnError::Corrupt(what) => ConnError::Corrupt(what + &backup::way_out(Path::new(path))),
        other => other,
    }
}

/// SQLite's error as ours, with the remedy where we know one.
fn explain(path: &str, error: &rusqlite::Error) -> ConnError {
    let text = |remedy: &str| format!("{path}: {error}{remedy}");
    let Some(code) = error.sqlite_error() else { return ConnError::Other(text("")) };
    match code.code {
        ErrorCode::ConstraintViolation => match code.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                ConnError::Duplicate(error.to_string())
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ConnError::Reference(error.to_string()),
            _ => ConnError::Other(text("")),
        },
        ErrorCode::NotADatabase => ConnError::Corrupt(format!(
            "{path} is not a SQLite database; move it away, restore a backup, or name another file as the store"
        )),
        ErrorCode::DatabaseCorrupt => ConnError::Corrupt(format!("{path} is damaged ({error})")),
        ErrorCode::DiskFull => ConnError::Other(text("; the disk is full, free some space on it")),
        ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly => ConnError::Other(text(
            "; the user that runs mozpool must be able to write it and its directory, and the service unit must let it: \
                 outside of /var/lib/mozpool by ReadWritePaths= of a drop-in (`systemctl edit mozpool`)",
        )),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => ConnError::Other(text(
            "; another program has held it for more than 5 seconds, find it with `fuser` and end it",
        )),
        ErrorCode::SystemIoFailure => ConnError::Other(text("; look at the disk and at dmesg")),
        _ => ConnError::Other(text("")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conn::args;

    #[test]
    fn a_full_disk_is_named_and_the_connection_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut c = Sqlite::open_file(&dir.path().join("s.db")).unwrap();
        c.batch("CREATE TABLE t (x TEXT NOT NULL)").unwrap();
        let pages: i64 = c.pragma("page_count").unwrap();
        // SQLite itself plays the full disk: the error is the one that a real one gives.
        let _: i64 = c.pragma(&format!("max_page_count = {}", pages + 2)).unwrap();
        c.begin().unwrap();
        let big = "x".repeat(20_000);
        let error = c.exec("INSERT INTO t VALUES (?)", args![big.as_str()]).unwrap_err();
        c.rollback();
        assert!(format!("{error:?}").contains("the disk is full, free some space"), "{error:?}");
        c.begin().unwrap();
        c.exec("INSERT INTO t VALUES (?)", args!["small"]).unwrap();
        c.commit().unwrap();
    }

    #[test]
    fn what_comes_after_a_quick_transaction_is_durable_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut c = Sqlite::open_file(&dir.path().join("s.db")).unwrap();
        for fate in [Then::Commit, Then::Undo] {
            let done = c.transaction_soon("test", |c| {
                assert_eq!(c.pragma::<i64>("synchronous").unwrap(), 1, "NORMAL");
                Ok(((), fate))
            });
            done.unwrap();
            assert_eq!(c.pragma::<i64>("synchronous").unwrap(), 2, "FULL");
        }
    }

    #[test]
    fn the_settings_that_durability_rests_on_are_on() {
        let dir = tempfile::tempdir().unwrap();
        let c = Sqlite::open_file(&dir.path().join("s.db")).unwrap();
        assert_eq!(c.pragma::<String>("journal_mode").unwrap(), "wal");
        assert_eq!(c.pragma::<i64>("synchronous").unwrap(), 2, "FULL");
        assert_eq!(c.pragma::<i64>("foreign_keys").unwrap(), 1);
        assert_eq!(c.pragma::<i64>("busy_timeout").unwrap(), 5000);
    }

    #[test]
    fn what_no_column_of_ours_holds_is_marked() {
        let mut c = Sqlite::open_memory("odd").unwrap();
        let rows = c.query("SELECT 1.5, x'00', CAST(x'ff' AS TEXT), NULL, 3, 'é'", &[]).unwrap();
        let [Row(cells)] = &rows[..] else { panic!("{rows:?}") };
        assert!(matches!(
            &cells[..],
            [Value::Odd(_), Value::Odd(_), Value::Odd(_), Value::Null, Value::Int(3), Value::Text(t)] if t == "é"
        ));
    }
}

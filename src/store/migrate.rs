//! Bringing a store's schema to the version this program knows, step by step, each step in one transaction.
//!
//! A step that has been released is never changed; a new one is added. There is no way back: a store of a newer program
//! is refused, and a backup is the way to an older one. This file does it for SQLite, `mysql::migrate` for MariaDB.

use super::conn::{Conn, Doing, Row, Then, args};
use super::copy::UNDER_WAY;
use super::mysql::Mysql;
use super::sqlite::Sqlite;
use super::{Result, StoreError, devices, seed, spells};

pub(super) const DOING: &str = "bring its schema up to date";

/// One step: its DDL, and what it then writes.
pub(super) struct Migration<C> {
    pub(super) sql: &'static str,
    pub(super) then: fn(&mut C) -> Result<()>,
}

/// The steps, each a file of the same name for each kind of database, and what is written then. Step `n` leads to version `n + 1`.
macro_rules! steps {
    ($($file:literal => $then:expr),* $(,)?) => {
        const SQLITE: &[Migration<Sqlite>] =
            &[$(Migration { sql: include_str!(concat!("migrations/sqlite/", $file)), then: $then }),*];
        pub(super) const MYSQL: &[Migration<Mysql>] =
            &[$(Migration { sql: include_str!(concat!("migrations/mysql/", $file)), then: $then }),*];
    };
}

steps! {
    "0001_first.sql" => seed::first,
    "0002_changes.sql" => |_| Ok(()),
    "0003_search.sql" => devices::begin_search,
    "0004_syslog.sql" => |_| Ok(()),
    "0005_attempts.sql" => |_| Ok(()),
    "0006_reports.sql" => spells::first,
    "0007_leases.sql" => |_| Ok(()),
    "0008_peers.sql" => |_| Ok(()),
    "0009_candidates.sql" => |_| Ok(()),
    "0010_processes.sql" => |_| Ok(()),
    "0011_candidate_changes.sql" => |_| Ok(()),
    "0012_access.sql" => |_| Ok(()),
    "0013_boot_tokens.sql" => |_| Ok(()),
}

/// The version this program knows.
pub(super) fn known() -> u32 {
    u32::try_from(SQLITE.len()).expect("a handful of steps")
}

/// Brings the SQLite store behind `conn` to [`known`]. Does nothing, and takes no lock, when it is there already.
///
/// # Errors
/// [`StoreError::TooNew`]; [`StoreError::Refused`] for a database of some other program.
pub(super) fn to_latest(conn: &mut Sqlite) -> Result<()> {
    while version(conn)? < known() {
        conn.transaction(DOING, |c| {
            // Asked again under the lock: another connection may have been faster.
            let from = version(c)?;
            if let Some(step) = usize::try_from(from).ok().and_then(|n| SQLITE.get(n)) {
                if from == 0 {
                    c.batch("CREATE TABLE schema_version (version INTEGER NOT NULL) STRICT").doing(DOING)?;
                    c.exec("INSERT INTO schema_version (version) VALUES (0)", &[]).doing(DOING)?;
                }
                c.batch(step.sql).doing(DOING)?;
                (step.then)(c)?;
                c.exec("UPDATE schema_version SET version = ?", args![from + 1]).doing(DOING)?;
                log::info!("the store has schema version {} now", from + 1);
            }
            Ok(((), Then::Commit))
        })?;
    }
    Ok(())
}

/// The version of the store; 0 for an empty database.
pub(super) fn version(conn: &mut Sqlite) -> Result<u32> {
    look(conn)?.whole()
}

/// What lies in a database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    version: u32,
    /// A copy into it was begun and has not ended.
    pub(super) half: bool,
}

impl Found {
    /// Nothing.
    pub(super) const EMPTY: Self = Self { version: 0, half: false };

    /// Of the names of all its tables, and its version if there is that table and its row.
    pub(super) fn of(tables: &[Row], stored: Option<Row>) -> Result<Self> {
        let mut cells = super::cells::Cells::new("schema_version", stored.unwrap_or(Row(vec![])));
        match cells.small("version")? {
            found if found > known() => Err(StoreError::TooNew { found, known: known() }),
            version => Ok(Self { version, half: tables.iter().any(|r| r.0 == *args![UNDER_WAY]) }),
        }
    }

    /// Its version. Nobody works with half a copy.
    pub(super) fn whole(self) -> Result<u32> {
        if self.half {
            return Err(StoreError::Refused {
                why: "a copy into this store was begun and has not ended; run `mozpool db copy` again".into(),
            });
        }
        Ok(self.version)
    }

    /// Whether a copy can go on in it without another look at its schema.
    pub(super) fn is_half_of_this_version(self) -> bool {
        self.half && self.version == known()
    }
}

/// Looks at a database without judging it.
pub(super) fn look(conn: &mut Sqlite) -> Result<Found> {
    let names = conn
        .query(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
            &[],
        )
        .doing(DOING)?;
    if names.is_empty() {
        return Ok(Found::EMPTY);
    }
    if !names.iter().any(|r| r.0 == *args!["schema_version"]) {
        return Err(StoreError::Refused {
            why: "the file named as the store is a database of another program; name another file".into(),
        });
    }
    Found::of(&names, conn.query_one("SELECT version FROM schema_version", &[]).doing(DOING)?)
}

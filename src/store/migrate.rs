//! Bringing a store's schema to the version this program knows, step by step, each step in one transaction.
//!
//! A step that has been released is never changed; a new one is added. There is no way back: a store of a newer program
//! is refused, and a backup is the way to an older one.

use super::conn::{Conn, Doing, Then, args};
use super::sqlite::Sqlite;
use super::{Result, StoreError, devices, seed, spells};

const DOING: &str = "bring its schema up to date";

/// One step: its DDL, and what it then writes.
struct Migration {
    sql: &'static str,
    then: fn(&mut Sqlite) -> Result<()>,
}

/// Step `n` leads to version `n + 1`.
const MIGRATIONS: &[Migration] = &[
    Migration { sql: include_str!("migrations/sqlite/0001_first.sql"), then: seed::first },
    Migration { sql: include_str!("migrations/sqlite/0002_changes.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("migrations/sqlite/0003_search.sql"), then: devices::begin_search },
    Migration { sql: include_str!("migrations/sqlite/0004_syslog.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("migrations/sqlite/0005_attempts.sql"), then: |_| Ok(()) },
    Migration { sql: include_str!("migrations/sqlite/0006_reports.sql"), then: spells::first },
    Migration { sql: include_str!("migrations/sqlite/0008_peers.sql"), then: |_| Ok(()) },
];

/// The version this program knows.
pub(super) fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).expect("a handful of steps")
}

/// Brings the store behind `conn` to [`known`]. Does nothing, and takes no lock, when it is there already.
///
/// # Errors
/// [`StoreError::TooNew`]; [`StoreError::Refused`] for a database of some other program.
pub(super) fn to_latest(conn: &mut Sqlite) -> Result<()> {
    while version(conn)? < known() {
        conn.transaction(DOING, |c| {
            // Asked again under the lock: another connection may have been faster.
            let from = version(c)?;
            if let Some(step) = usize::try_from(from).ok().and_then(|n| MIGRATIONS.get(n)) {
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
    let names = conn
        .query(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
            &[],
        )
        .doing(DOING)?;
    if names.is_empty() {
        return Ok(0);
    }
    let ours = names.iter().any(|r| r.0 == *args!["schema_version"]);
    let stored = if ours {
        conn.query_one("SELECT version FROM schema_version", &[]).doing(DOING)?
    } else {
        return Err(StoreError::Refused {
            why: "the file named as the store is a database of another program; name another file".into(),
        });
    };
    let mut cells = super::cells::Cells::new("schema_version", stored.unwrap_or(super::conn::Row(vec![])));
    match cells.small("version")? {
        found if found > known() => Err(StoreError::TooNew { found, known: known() }),
        found => Ok(found),
    }
}

//! Is a SQLite file a whole store of ours, and what is in it? Looks, and changes nothing.

use super::place::beside;
use crate::store::conn::{Conn, Doing, Row, Value};
use crate::store::copy::kept;
use crate::store::sqlite::Sqlite;
use crate::store::{Result, StoreError, migrate};
use std::collections::BTreeMap;
use std::path::Path;

const DOING: &str = "verify it";
/// Faults that are told: one is as bad as many, and each may have a line.
const FAULTS_TOLD: usize = 10;

/// How thoroughly a store is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Every page, and that it can be read. Takes as long as reading the file.
    Quick,
    /// Also every index against its table, and that nothing refers to what is not there.
    Full,
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Its schema version; 0 for one that nobody has used.
    pub schema: u32,
    /// Its size.
    pub bytes: u64,
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
}

impl Verified {
    /// Rows of all tables.
    pub fn rows_in_all(&self) -> u64 {
        self.rows.values().sum()
    }
}

/// What is wrong with a file.
fn damaged(path: &Path, faults: &[String]) -> StoreError {
    let more = faults.len().saturating_sub(1);
    let first = faults.first().map_or("no answer", String::as_str).trim();
    let more = if more > 0 { format!("; and {more} faults more") } else { String::new() };
    StoreError::Corrupt { what: format!("{} is damaged ({first}{more})", path.display()) }
}

/// Refuses a damaged store; `false` when `stop` has ended the look.
///
/// # Errors
/// [`StoreError::Corrupt`] with the first fault.
pub(super) fn is_sound(
    conn: &mut Sqlite,
    path: &Path,
    check: Check,
    stop: impl FnMut() -> bool + Send + 'static,
) -> Result<bool> {
    match conn.faults(check == Check::Full, FAULTS_TOLD, stop).doing(DOING)? {
        None => Ok(false),
        Some(faults) if faults.is_empty() => Ok(true),
        Some(faults) => Err(damaged(path, &faults)),
    }
}

/// Opens a file to look at it. When no log lies beside it nobody has it open, and nothing is made beside it.
pub(super) fn open(path: &Path) -> Result<Sqlite> {
    if !path.is_file() {
        return Err(StoreError::Refused {
            why: format!("{}: there is no such file; name the file of a store", path.display()),
        });
    }
    Sqlite::open_reader(path, is_alone(path)).doing("open")
}

/// Looks at everything in the file.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is damaged, [`StoreError::Refused`] when it is no store of ours or half a copy,
/// [`StoreError::TooNew`].
pub(in crate::store) fn verify(path: &Path, check: Check) -> Result<Verified> {
    let was_alone = is_alone(path);
    let verified = open(path).and_then(|mut conn| {
        is_sound(&mut conn, path, check, || false)?;
        look(&mut conn, path)
    });
    match verified {
        // A daemon that has just begun with it may have changed it under our eyes.
        Err(_) if was_alone && !is_alone(path) => verify(path, check),
        verified => verified,
    }
}

/// What is in a file, whether it is whole or not, as far as it can be read.
pub(in crate::store) fn contents(path: &Path) -> Result<Verified> {
    look(&mut open(path)?, path)
}

/// Looks at every page until `stop` says so.
pub(in crate::store) fn look_for_damage(
    path: &Path,
    stop: impl FnMut() -> bool + Send + 'static,
) -> Result<bool> {
    is_sound(&mut open(path)?, path, Check::Quick, stop)
}

/// No log lies beside it, so nobody has it open.
fn is_alone(path: &Path) -> bool {
    !beside(path, "-wal").exists()
}

/// What is in a store that can be read.
pub(super) fn look(conn: &mut Sqlite, path: &Path) -> Result<Verified> {
    let schema = migrate::look(conn)?.whole()?;
    let names = conn.query(TABLES, &[]).doing(DOING)?;
    let mut rows = BTreeMap::new();
    for Row(cells) in names {
        let [Value::Text(name)] = &cells[..] else { continue };
        let counted = conn.query_one(kept(format!("SELECT COUNT(*) FROM \"{name}\"")), &[]).doing(DOING)?;
        if let Some(Row(cells)) = counted
            && let [Value::Int(n)] = cells[..]
        {
            rows.insert(name.clone(), u64::try_from(n).unwrap_or(0));
        }
    }
    let bytes = std::fs::metadata(path).map_or(0, |m| m.len());
    Ok(Verified { schema, bytes, rows })
}

const TABLES: &str = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name";

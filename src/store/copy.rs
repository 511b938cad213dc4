//! A whole store, from one kind of database into another: every row of every table, as it is.
//!
//! What tables and columns there are is asked of the databases, so a new table is copied without a word here. Rows go over in
//! batches, each a transaction of the target's, for a log of gigabytes is no transaction; until the last one is there a table
//! named [`UNDER_WAY`] lies in the target, with which nobody opens it. So it is all or nothing: what was left half done is
//! begun anew.

use super::conn::{Conn, Doing, Row, Then, Value, args};
use super::{Result, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// While this table is there, a store is half a copy.
pub(super) const UNDER_WAY: &str = "copy_under_way";
/// Says nothing about the store's contents and is each database's own.
const NOT_COPIED: [&str; 2] = ["schema_version", UNDER_WAY];
/// Rows that are read and written together. The largest are pieces of logs, of 64 KiB.
const BATCH: i64 = 200;
/// A store in which these are empty has never been used: it holds nothing but what comes with the program.
const USED: [&str; 5] = ["devices", "requests", "imaging_servers", "changes", "relay_boards"];
const DOING: &str = "copy the store";

/// What copying needs of a database beyond [`Conn`].
pub(super) trait Copied: Conn {
    /// Answers rows of table, column, and 1 for a part of the primary key, in the order of the columns.
    const COLUMNS: &'static str;
    /// Answers rows of a table and another one that it refers to.
    const REFERENCES: &'static str;
    /// Answers rows of a table that numbers its rows, and a number up to which all are given.
    const NUMBERS: &'static str;
    /// Begins a transaction that sees the store as it is now until it is taken back.
    fn begin_snapshot(&mut self) -> Result<()>;
    /// Runs DDL.
    fn define(&mut self, sql: &str) -> Result<()>;
    /// Numbers up to this one are given in a table, although no row may have them any more.
    fn set_number(&mut self, table: &str, given: i64) -> Result<()>;
}

/// One table.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    columns: Vec<String>,
    key: Vec<String>,
}

type Tables = BTreeMap<String, Table>;

fn tables<C: Copied>(c: &mut C) -> Result<Tables> {
    let mut tables = Tables::new();
    for Row(cells) in c.query(C::COLUMNS, &[]).doing(DOING)? {
        let [Value::Text(table), Value::Text(column), Value::Int(key)] = &cells[..] else { continue };
        if NOT_COPIED.contains(&table.as_str()) {
            continue;
        }
        let entry = tables.entry(table.clone()).or_insert(Table { columns: vec![], key: vec![] });
        entry.columns.push(column.clone());
        if *key > 0 {
            entry.key.push(column.clone());
        }
    }
    // Whoever added a column later has another order of them.
    for table in tables.values_mut() {
        table.columns.sort();
        table.key.sort();
    }
    Ok(tables)
}

/// Tables in an order in which each comes after those that it refers to.
fn in_order<C: Copied>(c: &mut C, tables: &Tables) -> Result<Vec<String>> {
    let mut needs: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for Row(cells) in c.query(C::REFERENCES, &[]).doing(DOING)? {
        if let [Value::Text(table), Value::Text(other)] = &cells[..]
            && let Some((table, _)) = tables.get_key_value(table)
            && table != other
        {
            needs.entry(table).or_default().insert(other.clone());
        }
    }
    let mut order: Vec<String> = Vec::new();
    while order.len() < tables.len() {
        let ready = |t: &&String| {
            !order.contains(t)
                && needs.get(t.as_str()).is_none_or(|needs| needs.iter().all(|n| order.contains(n)))
        };
        let Some(next) = tables.keys().find(ready) else {
            return Err(StoreError::Corrupt { what: "tables that refer to each other in a circle".into() });
        };
        order.push(next.clone());
    }
    Ok(order)
}

/// Statements are kept by their text as long as the program runs; this command makes a few per table, and ends.
pub(super) fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn count<C: Conn>(c: &mut C, table: &str) -> Result<i64> {
    let row = c.query_one(kept(format!("SELECT COUNT(*) FROM `{table}`")), &[]).doing(DOING)?;
    match row {
        Some(Row(cells)) if let [Value::Int(n)] = cells[..] => Ok(n),
        _ => Err(StoreError::Corrupt { what: format!("table {table} cannot be counted") }),
    }
}

/// Refuses a target that somebody uses. Its schema is up to date, and it may hold the beginning of a copy.
pub(super) fn is_unused<C: Conn>(c: &mut C) -> Result<()> {
    for table in USED {
        let rows = count(c, table)?;
        if rows > 0 {
            return Err(StoreError::Refused {
                why: format!(
                    "the target is not empty, it has {rows} rows in {table}; name a new file or an empty database"
                ),
            });
        }
    }
    Ok(())
}

/// Copies everything; `tell` hears of each table and its rows. Both have the schema of this program. The target may hold what
/// was copied before: that goes first.
pub(super) fn copy<A: Copied, B: Copied>(
    from: &mut A,
    to: &mut B,
    tell: &mut dyn FnMut(&str, u64),
) -> Result<()> {
    let all = tables(from)?;
    if all != tables(to)? {
        return Err(StoreError::Corrupt {
            what: "the two stores have the same schema version, and yet other tables or columns".into(),
        });
    }
    let order = in_order(from, &all)?;
    to.define(&format!("CREATE TABLE IF NOT EXISTS {UNDER_WAY} (since BIGINT NOT NULL PRIMARY KEY)"))?;
    for table in order.iter().rev() {
        empty(to, table, &all[table])?;
    }
    from.begin_snapshot()?;
    let copied = order.iter().try_for_each(|table| {
        let rows = copy_table(from, to, table, &all[table])?;
        let (there, here) = (count(from, table)?, count(to, table)?);
        if there != here || u64::try_from(here) != Ok(rows) {
            return Err(StoreError::Corrupt {
                what: format!("table {table} has {there} rows, {rows} were copied and {here} have arrived"),
            });
        }
        tell(table, rows);
        Ok(())
    });
    let numbers = from.query(A::NUMBERS, &[]).doing(DOING);
    from.rollback();
    copied?;
    for Row(cells) in numbers? {
        if let [Value::Text(table), Value::Int(given)] = &cells[..]
            && all.contains_key(table)
        {
            to.set_number(table, *given)?;
        }
    }
    to.define(&format!("DROP TABLE {UNDER_WAY}"))
}

/// Takes away what a new store comes with, or what an earlier copy has left; in portions, for it may be much.
fn empty<C: Conn>(c: &mut C, table: &str, Table { key, .. }: &Table) -> Result<()> {
    let columns = key.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    let same = key.iter().map(|k| format!("`{k}` = ?")).collect::<Vec<_>>().join(" AND ");
    let some = kept(format!("SELECT {columns} FROM `{table}` LIMIT {BATCH}"));
    let delete = kept(format!("DELETE FROM `{table}` WHERE {same}"));
    loop {
        let rows = c.query(some, &[]).doing(DOING)?;
        if rows.is_empty() {
            return Ok(());
        }
        plainly(c, |c| {
            for Row(key) in &rows {
                c.exec(delete, key).doing(DOING)?;
            }
            Ok(((), Then::Commit))
        })?;
    }
}

/// A transaction that nobody else has a part in. The counters that writers wait for each other at are copied as well.
fn plainly<C: Conn>(c: &mut C, work: impl FnMut(&mut C) -> Result<((), Then)>) -> Result<()> {
    c.transaction_soon(DOING, work)
}

fn copy_table<A: Conn, B: Conn>(from: &mut A, to: &mut B, name: &str, table: &Table) -> Result<u64> {
    let columns = table.columns.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
    let marks = vec!["?"; table.columns.len()].join(", ");
    let insert = kept(format!("INSERT INTO `{name}` ({columns}) VALUES ({marks})"));
    let mut write = |rows: &[Row]| {
        if let Some(bad) = rows.iter().find(|Row(cells)| cells.iter().any(|c| matches!(c, Value::Odd(_)))) {
            return Err(StoreError::Corrupt { what: format!("table {name}, row {:?}", bad.0) });
        }
        plainly(to, |to| {
            for Row(cells) in rows {
                to.exec(insert, cells).doing(DOING)?;
            }
            Ok(((), Then::Commit))
        })
    };
    let mut copied = 0_u64;
    let number = |rows: &[Row]| u64::try_from(rows.len()).unwrap_or(0);
    let [key] = &table.key[..] else {
        // Keys of several columns belong to tables that say what may go with what: hundreds of rows.
        let rows = from.query(kept(format!("SELECT {columns} FROM `{name}`")), &[]).doing(DOING)?;
        for some in rows.chunks(usize::try_from(BATCH).unwrap_or(1)) {
            write(some)?;
        }
        return Ok(number(&rows));
    };
    let place = table.columns.iter().position(|c| c == key).unwrap_or(0);
    let first = kept(format!("SELECT {columns} FROM `{name}` ORDER BY `{key}` LIMIT ?"));
    let next = kept(format!("SELECT {columns} FROM `{name}` WHERE `{key}` > ? ORDER BY `{key}` LIMIT ?"));
    let mut rows = from.query(first, args![BATCH]).doing(DOING)?;
    while let Some(Row(last)) = rows.last() {
        let last = last.get(place).cloned().unwrap_or(Value::Null);
        write(&rows)?;
        copied += number(&rows);
        rows = from.query(next, &[last, Value::Int(BATCH)]).doing(DOING)?;
    }
    Ok(copied)
}

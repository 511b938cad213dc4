//! Bringing the schema of a MariaDB up to date, also when several servers of a pool start at once, or one dies in the middle.
//!
//! DDL commits by itself here, so a step is no transaction: the row of `schema_version` counts the statements of the next step
//! that are done, and one that was done and not counted is found done. Who may do them is said in the same row, by name and for
//! a time. A named lock of the database would not do: each node of a cluster has locks of its own.

use super::others::{self, Plan};
use super::problem::is_conflict;
use super::{Beside, Mysql};
use crate::store::conn::{Conn, ConnError, Doing, Row, Then, args};
use crate::store::migrate::{DOING, Found, MYSQL, known};
use crate::store::{Result, StoreError};
use mysql::prelude::Queryable;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_version (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, \
    done BIGINT NOT NULL, holder VARCHAR(128) NOT NULL, held_until BIGINT NOT NULL) \
    ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin";
const FIRST: &str =
    "INSERT IGNORE INTO schema_version (id, version, done, holder, held_until) VALUES (1, 0, 0, '', 0)";
const TABLES: &str = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
const VERSION: &str = "SELECT version FROM schema_version WHERE id = 1";
const DONE: &str = "SELECT version, done FROM schema_version WHERE id = 1 AND holder = ?";
/// By the database's clock, for the servers' may differ.
macro_rules! now {
    () => {
        "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
    };
}
const TAKE: &str = concat!(
    "UPDATE schema_version SET holder = ?, held_until = ",
    now!(),
    " + ? WHERE id = 1 AND (holder = '' OR held_until < ",
    now!(),
    ")"
);
const COUNT: &str = concat!(
    "UPDATE schema_version SET done = done + 1, held_until = ",
    now!(),
    " + ? WHERE id = 1 AND holder = ? AND version = ? AND done = ?"
);
const STEP: &str = concat!(
    "UPDATE schema_version SET version = version + 1, done = 0, held_until = ",
    now!(),
    " + ? WHERE id = 1 AND holder = ? AND version = ?"
);
const GIVE_BACK: &str = "UPDATE schema_version SET holder = '', held_until = 0 WHERE id = 1 AND holder = ?";
/// Who has not counted a statement for so long has died. If it has not, no harm is done: it may not count any more.
const HELD_MS: i64 = 60_000;
/// How long the others wait for whoever brings the schema up to date.
const WAIT: Duration = Duration::from_secs(150);
/// … and how often they look.
const LOOK: Duration = Duration::from_millis(100);
/// For so long a statement that others push aside is made again.
const AGAIN: Duration = Duration::from_secs(20);
/// What the database says of a table, column, key or constraint that is there, and of one that is gone.
const DONE_BEFORE: [u16; 5] = [1050, 1060, 1061, 1091, 1826];

/// Tells connections of one process apart.
static HOLDERS: AtomicU64 = AtomicU64::new(0);

/// As `migrate::to_latest`.
pub(in crate::store) fn to_latest(conn: &mut Mysql) -> Result<()> {
    if version(conn)? == known() {
        return Ok(());
    }
    let mut slow = Mysql::open_for_long(conn.reach.clone()).doing(DOING)?;
    let c = &mut slow;
    define(c, CREATE, false).doing(DOING)?;
    one_row(c, FIRST, &[])?;
    let host = nix::unistd::gethostname().unwrap_or_default();
    let n = HOLDERS.fetch_add(1, Ordering::Relaxed);
    let host: String = host.to_string_lossy().chars().take(64).collect();
    let holder = format!("process {} on {host}, {n}", std::process::id());
    let until = Instant::now() + WAIT;
    loop {
        let found = version(c)?;
        if found >= known() {
            return Ok(());
        }
        // Before it is taken: others need not wait for whoever is refused.
        let plan = Plan::Upgrade(found);
        let silent = others::watch(c, plan)?;
        if one_row(c, TAKE, args![&holder, HELD_MS])? {
            let done = others::are_still(c, plan, &silent).and_then(|()| steps(c, &holder));
            one_row(c, GIVE_BACK, args![&holder])?;
            return done;
        }
        if Instant::now() > until {
            return Err(StoreError::Unavailable {
                doing: DOING,
                source: "another server has been at it for minutes; look at its log".into(),
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// Changes one row in a transaction of its own; says whether it was there.
fn one_row(c: &mut Mysql, sql: &'static str, args: &[crate::store::conn::Value]) -> Result<bool> {
    c.tries(DOING, Beside::Others, |c| Ok((c.exec(sql, args).doing(DOING)? > 0, Then::Commit)))
}

fn steps(c: &mut Mysql, holder: &str) -> Result<()> {
    let lost = || StoreError::Unavailable { doing: DOING, source: "another server has taken over".into() };
    loop {
        let row = c.query_one(DONE, args![holder]).doing(DOING)?.ok_or_else(lost)?;
        let mut cells = crate::store::cells::Cells::new("schema_version", row);
        let (version, done): (usize, usize) = (cells.small("version")?, cells.small("done")?);
        let Some(step) = MYSQL.get(version) else { return Ok(()) };
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for (n, statement) in statements(step.sql).iter().enumerate().skip(done) {
            let count = args![HELD_MS, holder, number(version), number(n)];
            let is_ddl = ["CREATE ", "ALTER ", "DROP "].iter().any(|word| statement.starts_with(word));
            if is_ddl {
                // The first one may have been done by somebody who died before it was counted.
                define(c, statement, n == done).doing(DOING)?;
                if !one_row(c, COUNT, count)? {
                    return Err(lost());
                }
                continue;
            }
            c.tries(DOING, Beside::Others, |c| {
                if c.exec(COUNT, count).doing(DOING)? == 0 {
                    return Err(lost());
                }
                c.say(statement, false).doing(DOING)?;
                Ok(((), Then::Commit))
            })?;
        }
        c.tries(DOING, Beside::Others, |c| {
            if c.exec(STEP, args![HELD_MS, holder, number(version)]).doing(DOING)? == 0 {
                return Err(lost());
            }
            (step.then)(c)?;
            Ok(((), Then::Commit))
        })?;
        log::info!("the store has schema version {} now", version + 1);
    }
}

/// Runs DDL. `perhaps_done`: that it is done is no error. On a cluster one node's may push another's aside, which is made again.
fn define(c: &mut Mysql, statement: &str, perhaps_done: bool) -> std::result::Result<(), ConnError> {
    let until = Instant::now() + AGAIN;
    c.with(false, |conn| {
        loop {
            match conn.query_drop(statement) {
                Err(mysql::Error::MySqlError(e)) if perhaps_done && DONE_BEFORE.contains(&e.code) => {
                    return Ok(());
                }
                Err(mysql::Error::MySqlError(e)) if is_conflict(e.code) && Instant::now() < until => {
                    std::thread::sleep(LOOK);
                }
                done => return done,
            }
        }
    })
}

/// Statements end with a semicolon at the end of a line; lines of comments between them are left out.
fn statements(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut one = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("--") || (one.is_empty() && line.trim().is_empty()) {
            continue;
        }
        one.push_str(line);
        one.push('\n');
        if line.trim_end().ends_with(';') {
            all.push(std::mem::take(&mut one).trim_end().trim_end_matches(';').to_owned());
        }
    }
    all
}

/// As `migrate::version`.
pub(in crate::store) fn version(conn: &mut Mysql) -> Result<u32> {
    look(conn)?.whole()
}

/// As `migrate::look`.
pub(in crate::store) fn look(conn: &mut Mysql) -> Result<Found> {
    let tables = conn.query(TABLES, &[]).doing(DOING)?;
    if tables.is_empty() {
        return Ok(Found::EMPTY);
    }
    if !tables.iter().any(|Row(cells)| cells[..] == *args!["schema_version"]) {
        return Err(StoreError::Refused {
            why: "the database named as the store holds tables of another program; name another one".into(),
        });
    }
    match conn.query_one(VERSION, &[]).doing(DOING)? {
        // A server that is about to make it writes the row a moment later.
        None => Ok(Found::EMPTY),
        row => Found::of(&tables, row),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_taken_apart_into_its_statements() {
        let text = "-- A note; with a semicolon;\n\nCREATE TABLE a (\n    x BIGINT, -- one; two\n    -- and\n    y BIGINT\n);\n\
            DROP INDEX i ON a;\n\n-- The end\n";
        assert_eq!(
            statements(text),
            ["CREATE TABLE a (\n    x BIGINT, -- one; two\n    y BIGINT\n)", "DROP INDEX i ON a"]
        );
        for step in MYSQL {
            for statement in statements(step.sql) {
                assert!(
                    [
                        "CREATE TABLE",
                        "CREATE INDEX",
                        "ALTER TABLE",
                        "DROP INDEX",
                        "INSERT ",
                        "UPDATE ",
                        "DELETE "
                    ]
                    .iter()
                    .any(|word| statement.starts_with(word)),
                    "{statement}"
                );
            }
        }
    }
}

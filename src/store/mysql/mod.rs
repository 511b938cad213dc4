//! MariaDB as a `Conn`: alone, or a node of a Galera cluster; for a pool of several servers.
//!
//! Whoever writes locks one row first, that of the counter of all changes, and so writers come one after the other as they do in
//! SQLite: what a transaction reads stays so until it commits. On a cluster that row decides as well: locks are a node's own
//! there, but every transaction that tells of a change writes that row, so of two on two nodes the cluster lets one through
//! and the other one is made again from its beginning.
//!
//! A connection that breaks is made anew by the next statement. What was under way in it is gone: a transaction is begun again
//! unless its `COMMIT` had been sent. Then nobody knows, and the caller is told `Unavailable` and looks again.

mod address;
mod migrate;
mod others;
mod problem;
mod reach;

pub(super) use address::Address;
pub use address::BadAddress;
pub(super) use migrate::{look, to_latest, version};
pub(super) use others::is_left_alone;
pub(super) use reach::Reach;

use super::conn::{Conn, ConnError, Doing, Row, Then, Value};
use super::copy::Copied;
use super::{Result, StoreError};
use mysql::prelude::Queryable;
use mysql::{Binary, QueryResult};
use problem::{Left, Problem, sort};
use reach::Live;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a transaction is made again because another one was first. Writers of three nodes at once lose one in two times, but
/// a long transaction at one node among many short ones at another loses two of three, for as long as it takes until all are
/// at one node again. With the pauses between them, the time limit ends most of what loses so often.
const TRIES: u32 = 40;
/// … and for how long: callers wait.
const TRY_FOR: Duration = Duration::from_secs(8);
/// A statement that changes a large table may take so long.
const LONG: Duration = Duration::from_secs(3600);
/// Before another try a random time passes, of at most this, which doubles: two that have met do not meet again.
const PAUSE: (Duration, Duration) = (Duration::from_millis(4), Duration::from_millis(250));
/// One index holds all that names a kind: the database skips from one to the next (loose index scan), 0.2 ms among twenty thousand
/// devices of twelve kinds. It does not for a comparison of rows, which takes 3 ms for each kind there.
const FREE_KINDS: &str = "SELECT DISTINCT free_image, environment, hardware_id, processor, tags FROM devices \
    WHERE free_image IS NOT NULL AND hardware_id IS NOT NULL \
    ORDER BY free_image, environment, hardware_id, processor, tags";
/// What writers wait for each other at.
const WRITERS_LOCK: &str = "SELECT last FROM change_counts WHERE kind = 'all' FOR UPDATE";

/// One connection, made when it is needed.
pub(super) struct Mysql {
    reach: Arc<Reach>,
    live: Option<Live>,
    transaction: Transaction,
    statement: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    Open,
    /// It is gone, and no statement may run as if it were there.
    Lost(Why),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Another one was first.
    Conflict,
    /// Its connection broke.
    Broken,
}

/// Who may write beside a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    /// Nobody: it decides by what it reads.
    Nobody,
    /// Everybody: it adds lines.
    Others,
}

impl Mysql {
    /// Connects.
    pub(super) fn open(reach: Arc<Reach>) -> std::result::Result<Self, ConnError> {
        let statement = reach.address.statement;
        Self::open_for(reach, statement)
    }

    /// … for statements that may take long: those that change a schema, and those of a copy.
    pub(super) fn open_for_long(reach: Arc<Reach>) -> std::result::Result<Self, ConnError> {
        Self::open_for(reach, LONG)
    }

    fn open_for(reach: Arc<Reach>, statement: Duration) -> std::result::Result<Self, ConnError> {
        let live = reach.connect(statement)?;
        Ok(Self { reach, live: Some(live), transaction: Transaction::None, statement })
    }

    /// One try at something with the connection. `again`: it may be done twice, so a connection that has died while nobody
    /// looked is replaced.
    fn with<T>(
        &mut self,
        again: bool,
        mut work: impl FnMut(&mut mysql::Conn) -> mysql::Result<T>,
    ) -> std::result::Result<T, ConnError> {
        if let Transaction::Lost(_) = self.transaction {
            return Err(ConnError::Other("the transaction that this belongs to is lost".into()));
        }
        let mut again = again && self.transaction == Transaction::None;
        if self.transaction == Transaction::None {
            self.reach.look_back();
            if self.live.as_ref().is_some_and(|live| self.reach.is_left(live)) {
                self.live = None;
            }
        }
        loop {
            let fresh = self.live.is_none();
            let mut live = match self.live.take() {
                Some(live) => live,
                None => self.reach.connect(self.statement)?,
            };
            let error = match work(&mut live.conn) {
                Ok(value) => {
                    live.proven = Instant::now();
                    self.live = Some(live);
                    return Ok(value);
                }
                Err(error) => error,
            };
            let Problem { left, error } = sort(&live.endpoint, &error);
            let why = match left {
                Left::All => None,
                Left::Connection => Some(Why::Conflict),
                Left::Nothing => Some(Why::Broken),
            };
            match why {
                Some(Why::Broken) => self.reach.broke(&live),
                _ => self.live = Some(live),
            }
            if let (Some(why), Transaction::Open) = (why, self.transaction) {
                self.transaction = Transaction::Lost(why);
            }
            if why != Some(Why::Broken) || !again || fresh {
                return Err(error);
            }
            again = false;
        }
    }

    /// Runs a text that is no prepared statement.
    fn say(&mut self, sql: &str, again: bool) -> std::result::Result<(), ConnError> {
        self.with(again, |c| c.query_drop(sql))
    }

    fn begin_beside(&mut self, beside: Beside) -> std::result::Result<(), ConnError> {
        self.say("START TRANSACTION", true)?;
        self.transaction = Transaction::Open;
        if beside == Beside::Nobody {
            self.query(WRITERS_LOCK, &[])?;
        }
        Ok(())
    }

    /// As [`Conn::transaction`], with all tries.
    fn tries<T>(
        &mut self,
        doing: &'static str,
        beside: Beside,
        mut work: impl FnMut(&mut Self) -> Result<(T, Then)>,
    ) -> Result<T> {
        let begun = Instant::now();
        let mut pause = PAUSE.0;
        let mut tries = 0;
        loop {
            tries += 1;
            let done = self.one_try(doing, beside, &mut work);
            let why = self.transaction;
            self.rollback();
            let (Err(error), Transaction::Lost(why)) = (&done, why) else { return done };
            if tries >= TRIES || begun.elapsed() >= TRY_FOR {
                return Err(StoreError::Unavailable {
                    doing,
                    source: format!(
                        "others were faster, or the connection broke, {tries} times; the last time: {error}"
                    ),
                });
            }
            log::debug!("try {tries} to {doing} is made again ({why:?}): {error}");
            std::thread::sleep(random_part_of(pause));
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// The transaction is [`Transaction::Lost`] afterwards if it can be made again, and [`Transaction::Open`] if it must be
    /// taken back.
    fn one_try<T>(
        &mut self,
        doing: &'static str,
        beside: Beside,
        work: &mut impl FnMut(&mut Self) -> Result<(T, Then)>,
    ) -> Result<T> {
        self.begin_beside(beside).doing(doing)?;
        let (value, then) = work(self)?;
        if let Transaction::Lost(_) = self.transaction {
            // An error that the work has taken for an answer.
            return Err(ConnError::Other("the transaction was lost".into()).doing(doing));
        }
        if then == Then::Commit {
            self.commit().doing(doing)?;
        }
        Ok(value)
    }
}

/// Something from nothing to `most`.
fn random_part_of(most: Duration) -> Duration {
    let dice = RandomState::new().hash_one(0) % 1024;
    most.mul_f64(f64::from(u32::try_from(dice).unwrap_or(0)) / 1024.0)
}

fn values(args: &[Value]) -> mysql::Params {
    if args.is_empty() {
        return mysql::Params::Empty;
    }
    let value = |arg: &Value| match arg {
        Value::Null | Value::Odd(_) => mysql::Value::NULL,
        Value::Int(n) => mysql::Value::Int(*n),
        Value::Text(text) => mysql::Value::Bytes(text.as_bytes().to_vec()),
    };
    mysql::Params::Positional(args.iter().map(value).collect())
}

impl From<mysql::Value> for Value {
    fn from(value: mysql::Value) -> Self {
        match value {
            mysql::Value::NULL => Self::Null,
            mysql::Value::Int(n) => Self::Int(n),
            mysql::Value::UInt(n) => i64::try_from(n).map_or(Self::Odd("a number beyond 63 bits"), Self::Int),
            mysql::Value::Bytes(bytes) => {
                String::from_utf8(bytes).map_or(Self::Odd("text that is not UTF-8"), Self::Text)
            }
            mysql::Value::Float(_) | mysql::Value::Double(_) => Self::Odd("a float"),
            mysql::Value::Date(..) | mysql::Value::Time(..) => Self::Odd("a date"),
        }
    }
}

fn run<'c>(
    conn: &'c mut mysql::Conn,
    sql: &str,
    args: &[Value],
) -> mysql::Result<QueryResult<'c, 'c, 'c, Binary>> {
    let statement = conn.prep(sql)?;
    conn.exec_iter(statement, values(args))
}

fn cells(row: mysql::Row) -> Vec<Value> {
    row.unwrap().into_iter().map(Value::from).collect()
}

impl Copied for Mysql {
    const COLUMNS: &'static str = "SELECT table_name, column_name, CAST(column_key = 'PRI' AS SIGNED) \
        FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position";
    const REFERENCES: &'static str = "SELECT table_name, referenced_table_name FROM information_schema.key_column_usage \
        WHERE table_schema = DATABASE() AND referenced_table_name IS NOT NULL";
    const NUMBERS: &'static str = "SELECT table_name, CAST(auto_increment AS SIGNED) - 1 FROM information_schema.tables \
        WHERE table_schema = DATABASE() AND auto_increment > 1";

    fn begin_snapshot(&mut self) -> Result<()> {
        const DOING: &str = "begin to read";
        self.say("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", false).doing(DOING)?;
        self.say("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY", false).doing(DOING)?;
        self.transaction = Transaction::Open;
        Ok(())
    }

    fn define(&mut self, sql: &str) -> Result<()> {
        self.say(sql, false).doing("prepare the copy")
    }

    fn set_number(&mut self, table: &str, given: i64) -> Result<()> {
        let next = given.saturating_add(1);
        self.say(&format!("ALTER TABLE `{table}` AUTO_INCREMENT = {next}"), true)
            .doing("note which numbers are given")
    }
}

impl Conn for Mysql {
    const FREE_KINDS: Option<&'static str> = Some(FREE_KINDS);

    fn exec(&mut self, sql: &'static str, args: &[Value]) -> std::result::Result<usize, ConnError> {
        // Rows that matched, for the connection was made so.
        let matched = self.with(false, |c| Ok(run(c, sql, args)?.affected_rows()))?;
        Ok(usize::try_from(matched).unwrap_or(usize::MAX))
    }

    fn insert(&mut self, sql: &'static str, args: &[Value]) -> std::result::Result<i64, ConnError> {
        let id = self.with(false, |c| Ok(run(c, sql, args)?.last_insert_id()))?;
        Ok(id.and_then(|id| i64::try_from(id).ok()).unwrap_or(0))
    }

    fn query(&mut self, sql: &'static str, args: &[Value]) -> std::result::Result<Vec<Row>, ConnError> {
        self.with(true, |c| run(c, sql, args)?.map(|row| Ok(Row(cells(row?)))).collect())
    }

    fn each(
        &mut self,
        sql: &'static str,
        args: &[Value],
        take: &mut dyn FnMut(&[Value]),
    ) -> std::result::Result<(), ConnError> {
        // A dead connection is found out before anybody was given a row.
        self.with(true, |c| c.ping())?;
        self.with(false, |c| {
            for row in run(c, sql, args)? {
                take(&cells(row?));
            }
            Ok(())
        })
    }

    fn begin(&mut self) -> std::result::Result<(), ConnError> {
        self.begin_beside(Beside::Nobody)
    }

    fn commit(&mut self) -> std::result::Result<(), ConnError> {
        let done = self.say("COMMIT", false);
        match self.transaction {
            Transaction::Lost(Why::Conflict) => done,
            // Done, or nobody knows: it is not made again in either case.
            _ => {
                self.transaction = Transaction::None;
                done
            }
        }
    }

    fn rollback(&mut self) {
        let open = self.transaction != Transaction::None;
        self.transaction = Transaction::None;
        // A connection that cannot do it is left, and the database takes back what was under way in it.
        if open && self.live.is_some() && self.say("ROLLBACK", false).is_err() {
            self.live = None;
        }
    }

    fn transaction<T>(
        &mut self,
        doing: &'static str,
        work: impl FnMut(&mut Self) -> Result<(T, Then)>,
    ) -> Result<T> {
        self.tries(doing, Beside::Nobody, work)
    }

    fn transaction_soon<T>(
        &mut self,
        doing: &'static str,
        work: impl FnMut(&mut Self) -> Result<(T, Then)>,
    ) -> Result<T> {
        // On disk at once: how soon is the database's own setting. But nothing that is written so decides by what it reads.
        self.tries(doing, Beside::Others, work)
    }
}

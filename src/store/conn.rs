//! What the store needs of a database, in neutral words, so that a second kind of database joins without touching callers.
//!
//! It refuses to know SQL text and what rows mean. Values are what both SQLite and MySQL keep alike: 64-bit integers and
//! text; times are UTC milliseconds, booleans 0 and 1.

use super::{Result, StoreError};
use crate::logic::time::Timestamp;
use std::sync::Arc;

/// One value of a row, or an argument for one `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
    /// Something that no column of ours holds: a float, bytes, or text that is not UTF-8.
    Odd(&'static str),
}

impl From<i64> for Value {
    fn from(n: i64) -> Self {
        Self::Int(n)
    }
}
impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Int(i64::from(yes))
    }
}
impl From<u8> for Value {
    fn from(n: u8) -> Self {
        Self::Int(i64::from(n))
    }
}
impl From<u32> for Value {
    fn from(n: u32) -> Self {
        Self::Int(i64::from(n))
    }
}
impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Int(at.0)
    }
}
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}
impl From<&Arc<str>> for Value {
    fn from(text: &Arc<str>) -> Self {
        Self::Text(text.to_string())
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The arguments of a statement, in the order of its `?`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::store::conn::Value::from($value)),*] };
}
pub(super) use args;

/// One row of an answer, in the order of the columns that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row(pub(super) Vec<Value>);

/// Why a statement failed. A failed statement has changed nothing; the transaction around it goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConnError {
    /// A unique key is taken.
    Duplicate(String),
    /// A row would refer to one that is not there, or one that is referred to would go.
    Reference(String),
    /// What lies on the disk is not a database of ours, or damaged.
    Corrupt(String),
    /// A text is longer than its column holds.
    TooLong(String),
    /// Everything else; the text says what and, where there is one, the remedy.
    Other(String),
}

impl ConnError {
    /// The store's error for a failure while doing `doing`.
    pub(super) fn doing(self, doing: &'static str) -> StoreError {
        match self {
            Self::Duplicate(why) | Self::Reference(why) => {
                StoreError::Refused { why: format!("the store refused to {doing}: {why}") }
            }
            Self::TooLong(why) => {
                StoreError::Refused { why: format!("the store failed to {doing}: {why}; make it shorter") }
            }
            Self::Corrupt(what) => StoreError::Corrupt { what },
            Self::Other(source) => StoreError::Unavailable { doing, source },
        }
    }
}

/// Turns a statement's result into the store's.
pub(super) trait Doing<T> {
    /// `doing` completes "the store failed to …".
    fn doing(self, doing: &'static str) -> Result<T>;
}

impl<T> Doing<T> for std::result::Result<T, ConnError> {
    fn doing(self, doing: &'static str) -> Result<T> {
        self.map_err(|e| e.doing(doing))
    }
}

/// What becomes of a transaction whose work went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// On disk before the call returns.
    Commit,
    /// As if nothing had been done: for dry runs.
    Undo,
}

/// One connection. Statements are prepared once and kept, which is why their text is `'static`.
pub(super) trait Conn: Send {
    /// One statement that names all kinds of free devices, for a database that cannot step from one to the next by an index
    /// (see `boards`).
    const FREE_KINDS: Option<&'static str> = None;

    /// Runs a statement that answers nothing. Returns how many rows it *matched*, changed or not.
    fn exec(&mut self, sql: &'static str, args: &[Value]) -> std::result::Result<usize, ConnError>;
    /// Runs an `INSERT` of one row into a table that numbers its rows, and returns the number.
    fn insert(&mut self, sql: &'static str, args: &[Value]) -> std::result::Result<i64, ConnError>;
    /// Runs a statement and returns all rows of its answer.
    fn query(&mut self, sql: &'static str, args: &[Value]) -> std::result::Result<Vec<Row>, ConnError>;
    /// Runs a statement and gives each row of its answer to `take`, so that they are not all in memory at once.
    fn each(
        &mut self,
        sql: &'static str,
        args: &[Value],
        take: &mut dyn FnMut(&[Value]),
    ) -> std::result::Result<(), ConnError>;
    /// Begins a transaction that may write: from here on no other writer comes between.
    fn begin(&mut self) -> std::result::Result<(), ConnError>;
    /// Makes it durable.
    fn commit(&mut self) -> std::result::Result<(), ConnError>;
    /// Takes it back. Never fails: a connection that cannot do even that has lost its transaction anyway.
    fn rollback(&mut self);

    /// Does `work` in one transaction, which is taken back when `work` or the commit fails. A database in which others may win
    /// runs it again from the beginning when they did, so it leaves nothing behind but what it returns.
    fn transaction<T>(
        &mut self,
        doing: &'static str,
        mut work: impl FnMut(&mut Self) -> Result<(T, Then)>,
    ) -> Result<T>
    where
        Self: Sized,
    {
        self.begin().doing(doing)?;
        let undo = |c: &mut Self, e| {
            c.rollback();
            Err(e)
        };
        match work(self) {
            Ok((value, Then::Commit)) => match self.commit() {
                Ok(()) => Ok(value),
                Err(e) => undo(self, e.doing(doing)),
            },
            Ok((value, Then::Undo)) => {
                self.rollback();
                Ok(value)
            }
            Err(e) => undo(self, e),
        }
    }

    /// As [`Self::transaction`], but on disk only with the next that is: the process may end right behind it, the power may
    /// not. For what nobody has been told of. Databases that cannot do so make it durable at once.
    fn transaction_soon<T>(
        &mut self,
        doing: &'static str,
        work: impl FnMut(&mut Self) -> Result<(T, Then)>,
    ) -> Result<T>
    where
        Self: Sized,
    {
        self.transaction(doing, work)
    }

    /// The first row of an answer.
    fn query_one(
        &mut self,
        sql: &'static str,
        args: &[Value],
    ) -> std::result::Result<Option<Row>, ConnError> {
        Ok(self.query(sql, args)?.into_iter().next())
    }
}

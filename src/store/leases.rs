//! Leases: work that one server of a pool does for all. Taken and kept by one conditional statement; whoever dies loses by time.
//!
//! The times are the callers': servers whose clocks differ by more than a lease lasts may both have it, so what is done under one
//! must be right, if wasteful, when two do it.

use super::cells::Cells;
use super::conn::{Conn, ConnError, Doing, Then, args};
use super::{Result, sql};
use crate::logic::time::Timestamp;

/// Who has some work, and until when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// A server's name.
    pub holder: String,
    /// Then anybody may take it.
    pub ends: Timestamp,
}

const READ: &str = "read who has a lease";
const TAKE: &str = "take a lease";

pub(super) fn read<C: Conn>(c: &mut C, name: &str) -> Result<Option<Lease>> {
    let Some(row) = c.query_one(sql::LEASE, args![name]).doing(READ)? else { return Ok(None) };
    let mut cells = Cells::new("leases", row);
    Ok(Some(Lease { holder: cells.text("holder")?, ends: cells.time("ends_at")? }))
}

pub(super) fn take<C: Conn>(
    c: &mut C,
    name: &str,
    holder: &str,
    now: Timestamp,
    ends: Timestamp,
) -> Result<bool> {
    c.transaction(TAKE, |c| {
        if c.exec(sql::LEASE_TAKE, args![holder, ends, name, holder, now]).doing(TAKE)? > 0 {
            return Ok((true, Then::Commit));
        }
        match c.exec(sql::LEASE_INSERT, args![holder, ends, name]) {
            Ok(_) => Ok((true, Then::Commit)),
            Err(ConnError::Duplicate(_)) => Ok((false, Then::Undo)),
            Err(other) => Err(other.doing(TAKE)),
        }
    })
}

pub(super) fn give_up<C: Conn>(c: &mut C, name: &str, holder: &str) -> Result<()> {
    c.exec(sql::LEASE_END, args![name, holder]).doing("give up a lease")?;
    Ok(())
}

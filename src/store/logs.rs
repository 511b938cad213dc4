//! The three logs: of devices, of requests, of senders that nobody knows; and how they are kept from growing for ever.

use super::cells::{Cells, readable};
use super::conn::{Conn, ConnError, Doing, Row, Then, args};
use super::rows::{DeviceLogLine, LogLine, StrayLogLine, TooOld};
use super::{Bell, Result, changes, requests, sql};
use crate::logic::ids::{DeviceName, RequestId};
use crate::logic::time::Timestamp;

/// The source of lines that the machines write.
pub(super) const MACHINE: &str = "statemachine";

const READ: &str = "read a log";
const APPEND: &str = "write a log";

/// A limit as SQL wants it; databases differ in how they say "none", but all can count this far.
pub(super) fn at_most(limit: Option<usize>) -> i64 {
    limit.and_then(|n| i64::try_from(n).ok()).unwrap_or(i64::MAX)
}

pub(super) fn append_device<C: Conn>(
    c: &mut C,
    device: &DeviceName,
    at: Timestamp,
    source: &str,
    message: &str,
) -> std::result::Result<usize, ConnError> {
    c.exec(sql::DEVICE_LOG_APPEND, args![at, source, message, device])
}

pub(super) fn append_request<C: Conn>(
    c: &mut C,
    request: RequestId,
    at: Timestamp,
    source: &str,
    message: &str,
) -> std::result::Result<usize, ConnError> {
    c.exec(sql::REQUEST_LOG_APPEND, args![at, source, message, request.0])
}

pub(super) fn append_devices<C: Conn>(c: &mut C, lines: &[DeviceLogLine]) -> Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    c.transaction(APPEND, |c| {
        for DeviceLogLine { device, at, source, message } in lines {
            append_device(c, device, *at, source, message).doing(APPEND)?;
        }
        Ok(((), Then::Commit))
    })
}

pub(super) fn append_stray<C: Conn>(c: &mut C, lines: &[StrayLogLine], keep: usize) -> Result<()> {
    c.transaction(APPEND, |c| {
        for StrayLogLine { at, sender, message } in lines {
            c.exec(sql::STRAY_LOG_APPEND, args![*at, sender, message]).doing(APPEND)?;
        }
        // Counted and not computed from the numbers: those may have gaps.
        if let Some(row) =
            c.query_one(sql::STRAY_LOG_LAST_DROPPED, args![at_most(Some(keep))]).doing(APPEND)?
        {
            c.exec(sql::STRAY_LOG_DROP, &row.0).doing(APPEND)?;
        }
        Ok(((), Then::Commit))
    })
}

fn decode(table: &'static str, row: Row) -> Result<LogLine> {
    let mut c = Cells::new(table, row);
    Ok(LogLine {
        id: c.int("id")?,
        at: c.time("at")?,
        source: c.text("source")?,
        message: c.text("message")?,
    })
}

/// The newest come first from the database, because a limit cuts from the other end.
fn oldest_first<T>(mut lines: Vec<T>) -> Vec<T> {
    lines.reverse();
    lines
}

pub(super) fn of_device<C: Conn>(
    c: &mut C,
    name: &str,
    since: Option<Timestamp>,
    limit: Option<usize>,
) -> Result<Vec<LogLine>> {
    let since = since.unwrap_or(Timestamp(i64::MIN));
    let rows = c.query(sql::DEVICE_LOG, args![name, since, at_most(limit)]).doing(READ)?;
    let mut lines = oldest_first(readable(rows, |r| decode("device_logs", r)));
    // What boards say is written in batches, so it is stored a moment after state changes that came later.
    lines.sort_by_key(|l: &LogLine| l.at);
    Ok(lines)
}

pub(super) fn of_request<C: Conn>(c: &mut C, id: RequestId, limit: Option<usize>) -> Result<Vec<LogLine>> {
    let rows = c.query(sql::REQUEST_LOG, args![id.0, at_most(limit)]).doing(READ)?;
    Ok(oldest_first(readable(rows, |r| decode("request_logs", r))))
}

pub(super) fn stray<C: Conn>(c: &mut C, limit: Option<usize>) -> Result<Vec<StrayLogLine>> {
    let rows = c.query(sql::STRAY_LOG, args![at_most(limit)]).doing(READ)?;
    let lines = readable(rows, |r| {
        let mut c = Cells::new("stray_logs", r);
        c.int("id")?;
        Ok(StrayLogLine { at: c.time("at")?, sender: c.text("sender")?, message: c.text("message")? })
    });
    Ok(oldest_first(lines))
}

/// One chunk in one transaction, so that the layers' writes never wait long for it. The lines of a deleted request go
/// with it and do not count.
pub(super) fn prune<C: Conn>(c: &mut C, bell: &Bell, too_old: &TooOld, limit: usize) -> Result<bool> {
    const DOING: &str = "delete old log lines";
    changes::telling(c, bell, DOING, |c, news| {
        let mut left = limit;
        for (old, delete) in sql::LOG_AGEING {
            let rows = c.query(old, args![too_old.logs, at_most(Some(left))]).doing(DOING)?;
            for Row(id) in &rows {
                c.exec(delete, id).doing(DOING)?;
            }
            left -= rows.len();
        }
        let requests = requests::delete_expired(c, news, too_old, limit)?;
        let changes = changes::delete_old(c, too_old.changes, limit)?;
        // A chunk that was filled to the brim may have left some; the next one finds out.
        Ok((left == 0 || requests == limit || changes == limit, Then::Commit))
    })
}

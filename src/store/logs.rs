//! The three logs: of devices, of requests, of senders that nobody knows; and how they are kept from growing for ever.

use super::cells::{Cells, readable};
use super::chunk::LogChunk;
use super::conn::{Conn, ConnError, Doing, Row, Then, args};
use super::rows::{DeviceLogLine, LogLine, StrayLogLine, StraySender, TooOld};
use super::{Bell, Result, access, candidates, changes, outcomes, requests, spells, sql};
use crate::logic::ids::{DeviceName, RequestId};
use crate::logic::time::Timestamp;

/// The source of lines that the machines write.
pub(super) const MACHINE: &str = "statemachine";

const READ: &str = "read a log";
const APPEND: &str = "write a log";

/// Pieces of device logs that are deleted at once: four megabytes of text at most, some milliseconds.
const PIECES_AT_ONCE: usize = 64;

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

pub(super) fn append_chunks<C: Conn>(c: &mut C, chunks: &[LogChunk], durable: bool) -> Result<()> {
    let work = |c: &mut C| {
        for chunk in chunks {
            let (first, last) = chunk.span();
            let (lines, bytes) = (at_most(Some(chunk.lines())), at_most(Some(chunk.text().len())));
            let args = args![first, last, lines, bytes, chunk.text(), &chunk.device];
            c.exec(sql::CHUNK_APPEND, args).doing(APPEND)?;
        }
        Ok(((), Then::Commit))
    };
    if durable { c.transaction(APPEND, work) } else { c.transaction_soon(APPEND, work) }
}

pub(super) fn note_senders<C: Conn>(c: &mut C, senders: &[StraySender], keep: usize) -> Result<()> {
    c.transaction_soon(APPEND, |c| {
        for StraySender { sender, hostname, lines, first, last } in senders {
            let lines = i64::try_from(*lines).unwrap_or(i64::MAX);
            let known = args![lines, *last, hostname, hostname, sender];
            if c.exec(sql::STRAY_SENDER_UPDATE, known).doing(APPEND)? == 0 {
                let new = args![lines, *last, hostname, sender, *first];
                c.exec(sql::STRAY_SENDER_INSERT, new).doing(APPEND)?;
            }
        }
        // Not more can be too many than have just come.
        let beyond = args![at_most(Some(senders.len())), at_most(Some(keep))];
        for Row(sender) in c.query(sql::STRAY_SENDERS_BEYOND, beyond).doing(APPEND)? {
            c.exec(sql::STRAY_SENDER_DELETE, &sender).doing(APPEND)?;
        }
        Ok(((), Then::Commit))
    })
}

/// Not negative, unless somebody else has written there.
fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

pub(super) fn bytes<C: Conn>(c: &mut C) -> Result<u64> {
    let row = c.query_one(sql::CHUNK_BYTES_ALL, &[]).doing(READ)?;
    row.map_or(Ok(0), |row| Cells::new("device_log_chunks", row).int("bytes").map(count))
}

pub(super) fn largest<C: Conn>(c: &mut C) -> Result<Option<(i64, u64)>> {
    let row = c.query_one(sql::CHUNK_BYTES_MOST, &[]).doing(READ)?;
    let read = |row| {
        let mut c = Cells::new("device_log_chunks", row);
        Ok((c.int("device_id")?, count(c.int("bytes")?)))
    };
    row.map(read).transpose()
}

pub(super) fn drop_oldest<C: Conn>(c: &mut C, device: i64, bytes: u64) -> Result<u64> {
    const DOING: &str = "make room for log lines";
    c.transaction_soon(DOING, |c| {
        let mut dropped = 0;
        let oldest =
            c.query(sql::CHUNKS_OLDEST, args![device, at_most(Some(PIECES_AT_ONCE))]).doing(DOING)?;
        for row in oldest {
            if dropped >= bytes {
                break;
            }
            let mut cells = Cells::new("device_log_chunks", row);
            let id = cells.int("id")?;
            dropped += count(cells.int("bytes")?);
            c.exec(sql::CHUNK_DELETE, args![id]).doing(DOING)?;
        }
        Ok((dropped, Then::Commit))
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

pub(super) fn decode(table: &'static str, row: Row) -> Result<LogLine> {
    let mut c = Cells::new(table, row);
    Ok(LogLine {
        id: c.int("id")?,
        at: c.time("at")?,
        source: c.text("source")?,
        message: c.text("message")?,
    })
}

/// The newest come first from the database, because a limit cuts from the other end.
pub(super) fn oldest_first<T>(mut lines: Vec<T>) -> Vec<T> {
    lines.reverse();
    lines
}

pub(super) fn of_request<C: Conn>(c: &mut C, id: RequestId, limit: Option<usize>) -> Result<Vec<LogLine>> {
    let rows = c.query(sql::REQUEST_LOG, args![id.0, at_most(limit)]).doing(READ)?;
    Ok(oldest_first(readable(rows, |r| decode("request_logs", r))))
}

pub(super) fn stray<C: Conn>(c: &mut C, limit: Option<usize>) -> Result<Vec<StrayLogLine>> {
    stray_lines(c.query(sql::STRAY_LOG, args![at_most(limit)]).doing(READ)?)
}

pub(super) fn stray_of<C: Conn>(c: &mut C, sender: &str, limit: usize) -> Result<Vec<StrayLogLine>> {
    stray_lines(c.query(sql::STRAY_LOG_OF, args![sender, at_most(Some(limit))]).doing(READ)?)
}

pub(super) fn stray_senders<C: Conn>(c: &mut C) -> Result<Vec<StraySender>> {
    let rows = c.query(sql::STRAY_SENDERS, &[]).doing(READ)?;
    Ok(readable(rows, |r| {
        let mut c = Cells::new("stray_senders", r);
        Ok(StraySender {
            sender: c.text("sender")?,
            hostname: c.text("hostname")?,
            lines: count(c.int("lines")?),
            first: c.time("first_at")?,
            last: c.time("last_at")?,
        })
    }))
}

fn stray_lines(rows: Vec<Row>) -> Result<Vec<StrayLogLine>> {
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
        let (mut left, mut more) = (limit, false);
        for (old, delete) in sql::LOG_AGEING {
            let most = if delete == sql::CHUNK_DELETE { left.min(PIECES_AT_ONCE) } else { left };
            let rows = c.query(old, args![too_old.logs, at_most(Some(most))]).doing(DOING)?;
            more |= rows.len() == most;
            for Row(id) in &rows {
                c.exec(delete, id).doing(DOING)?;
            }
            left -= rows.len();
        }
        let requests = requests::delete_expired(c, news, too_old, limit)?;
        let candidates = candidates::forget_old(c, news, too_old.logs, limit, too_old.now)?;
        let changes = changes::delete_old(c, too_old.changes, limit)?;
        let spells = spells::delete_old(c, too_old.reports, limit)?;
        let outcomes = outcomes::delete_old(c, too_old.reports, limit)?;
        let audit = access::delete_old(c, too_old.audit, limit)?;
        let full = [requests, candidates, changes, spells, outcomes, audit].contains(&limit);
        // A chunk that was filled to the brim may have left some; the next one finds out.
        Ok((more || full, Then::Commit))
    })
}

//! Boards that have turned to us and are no devices: noted, shown, ignored, forgotten.
//!
//! Whether a MAC is a device's is asked in the transaction that writes, so that a board which has just become one never comes
//! back as a candidate. The row goes in the transaction that makes the device (`apply`), whoever makes it.

use super::cells::{Cells, readable};
use super::changes::{self, Bell, ChangeData, ChangeKind, ChangeWhat, News};
use super::conn::{Conn, Doing, Row, Then, args};
use super::logs::at_most;
use super::rows::{AgentWords, CandidateRow};
use super::{Result, sql};
use crate::logic::ids::Mac;
use crate::logic::time::Timestamp;

const READ: &str = "read the candidates";
const NOTE: &str = "note who turned to this server";
const FORGET: &str = "forget who turned to this server";

/// See [`super::Store::note_candidates`].
pub(super) fn note<C: Conn>(
    c: &mut C,
    bell: &Bell,
    seen: &[CandidateRow],
    keep: usize,
) -> Result<Vec<CandidateRow>> {
    let Some(now) = seen.iter().map(|row| row.last).max() else { return Ok(Vec::new()) };
    changes::telling(c, bell, NOTE, |c, news| {
        let mut stand = Vec::new();
        for row in seen {
            let mac = row.mac.join("");
            if c.query_one(sql::DEVICE_OF_MAC, args![&mac]).doing(NOTE)?.is_some() {
                continue;
            }
            let often = i64::try_from(row.seen).unwrap_or(i64::MAX);
            let known = args![
                &row.address,
                &row.imaging_server,
                row.last,
                often,
                &row.asked_for,
                &row.asked_for,
                &mac
            ];
            let fresh = c.exec(sql::CANDIDATE_SEEN, known).doing(NOTE)? == 0;
            if fresh {
                let new = args![
                    &mac,
                    &row.address,
                    &row.imaging_server,
                    row.first,
                    row.last,
                    often,
                    &row.asked_for
                ];
                c.exec(sql::CANDIDATE_INSERT, new).doing(NOTE)?;
            }
            if let Some(agent) = &row.agent {
                let port = |port: Option<u16>| port.map(i64::from);
                let (command, data) = (port(agent.command_port), port(agent.data_port));
                let words = args![agent.at, &agent.os, &agent.hardware, &agent.pool, command, data, &mac];
                c.exec(sql::CANDIDATE_AGENT, words).doing(NOTE)?;
            }
            let what = if fresh { ChangeWhat::Created } else { ChangeWhat::Changed };
            news.thing(now, ChangeKind::Candidate, &row.mac.to_string(), what);
            stand.extend(one(c, row.mac)?);
        }
        // Those that somebody has decided about have places of their own.
        for ignored in [false, true] {
            let beyond = args![ignored, at_most(None), at_most(Some(keep))];
            let rows = c.query(sql::CANDIDATES_BEYOND, beyond).doing(NOTE)?;
            forget_all(c, news, rows, now)?;
        }
        Ok((stand, Then::Commit))
    })
}

/// The board with this MAC is no candidate any more, if it was one.
pub(super) fn forget<C: Conn>(c: &mut C, news: &mut News, mac: Mac, now: Timestamp) -> Result<()> {
    forget_row(c, news, &mac.join(""), now)
}

/// What cannot be read as a MAC goes, too: nothing that is to be deleted may keep the rest.
fn forget_row<C: Conn>(c: &mut C, news: &mut News, mac: &str, now: Timestamp) -> Result<()> {
    if c.exec(sql::CANDIDATE_DELETE, args![mac]).doing(FORGET)? > 0 {
        let subject = mac.parse::<Mac>().map_or_else(|_| mac.to_owned(), |mac| mac.to_string());
        news.tell(now, ChangeKind::Candidate, subject, ChangeWhat::Deleted, ChangeData::Nothing);
    }
    Ok(())
}

/// At most `limit` of those that nobody has heard of since `before`; how many. What somebody wants to see no more of stays: it
/// would come back as something new.
pub(super) fn forget_old<C: Conn>(
    c: &mut C,
    news: &mut News,
    before: Timestamp,
    limit: usize,
    now: Timestamp,
) -> Result<usize> {
    let rows = c.query(sql::CANDIDATES_OLD, args![before, at_most(Some(limit))]).doing(FORGET)?;
    forget_all(c, news, rows, now)
}

fn forget_all<C: Conn>(c: &mut C, news: &mut News, rows: Vec<Row>, now: Timestamp) -> Result<usize> {
    let number = rows.len();
    for row in rows {
        forget_row(c, news, &Cells::new("candidates", row).text("mac")?, now)?;
    }
    Ok(number)
}

/// See [`super::Store::candidates`].
pub(super) fn all<C: Conn>(c: &mut C) -> Result<Vec<CandidateRow>> {
    Ok(readable(c.query(sql::CANDIDATES, &[]).doing(READ)?, decode))
}

/// See [`super::Store::candidate`].
pub(super) fn one<C: Conn>(c: &mut C, mac: Mac) -> Result<Option<CandidateRow>> {
    c.query_one(sql::CANDIDATE, args![mac.join("")]).doing(READ)?.map(decode).transpose()
}

/// See [`super::Store::ignore_candidate`].
pub(super) fn ignore<C: Conn>(
    c: &mut C,
    bell: &Bell,
    mac: Mac,
    ignored: bool,
    now: Timestamp,
) -> Result<bool> {
    const DOING: &str = "note that a candidate is ignored";
    changes::telling(c, bell, DOING, |c, news| {
        let known = c.exec(sql::CANDIDATE_IGNORE, args![ignored, mac.join("")]).doing(DOING)? > 0;
        if known {
            news.thing(now, ChangeKind::Candidate, &mac.to_string(), ChangeWhat::Changed);
        }
        Ok((known, Then::Commit))
    })
}

fn decode(row: Row) -> Result<CandidateRow> {
    let mut c = Cells::new("candidates", row);
    let mac = c.parsed("mac", "a MAC address")?;
    let (address, imaging_server) = (c.text("address")?, c.text("imaging_server")?);
    let (first, last) = (c.time("first_at")?, c.time("last_at")?);
    let seen = u64::try_from(c.int("seen")?).unwrap_or(0);
    let (asked_for, at) = (c.text("asked_for")?, c.opt_time("registered_at")?);
    let (os, hardware, pool) = (c.text("os")?, c.text("hardware")?, c.text("pool")?);
    let mut port = |column| Ok(c.opt_int(column)?.and_then(|n| u16::try_from(n).ok()));
    let (command_port, data_port) = (port("command_port")?, port("data_port")?);
    let agent = at.map(|at| AgentWords { at, os, hardware, pool, command_port, data_port });
    let ignored = c.flag("ignored")?;
    Ok(CandidateRow { mac, address, imaging_server, first, last, seen, asked_for, agent, ignored })
}

//! Boards that have turned to us and are no devices: noted, shown, ignored, forgotten.
//!
//! Whether a MAC is a device's is asked in the transaction that writes, so that a board which has just become one never comes
//! back as a candidate. The row goes in the transaction that makes the device (`apply`), whoever makes it.

use super::cells::{Cells, readable};
use super::conn::{Conn, Doing, Row, Then, args};
use super::logs::at_most;
use super::rows::{AgentWords, CandidateRow};
use super::{Result, sql};
use crate::logic::ids::Mac;

const READ: &str = "read the candidates";
const NOTE: &str = "note who turned to this server";

/// See [`super::Store::note_candidates`].
pub(super) fn note<C: Conn>(c: &mut C, seen: &[CandidateRow], keep: usize) -> Result<Vec<CandidateRow>> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    c.transaction_soon(NOTE, |c| {
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
            if c.exec(sql::CANDIDATE_SEEN, known).doing(NOTE)? == 0 {
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
            stand.extend(one(c, row.mac)?);
        }
        // Those that somebody has decided about have places of their own.
        for ignored in [false, true] {
            let beyond = args![ignored, at_most(None), at_most(Some(keep))];
            for Row(mac) in c.query(sql::CANDIDATES_BEYOND, beyond).doing(NOTE)? {
                c.exec(sql::CANDIDATE_DELETE, &mac).doing(NOTE)?;
            }
        }
        Ok((stand, Then::Commit))
    })
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
pub(super) fn ignore<C: Conn>(c: &mut C, mac: Mac, ignored: bool) -> Result<bool> {
    const DOING: &str = "note that a candidate is ignored";
    c.transaction(DOING, |c| {
        let rows = c.exec(sql::CANDIDATE_IGNORE, args![ignored, mac.join("")]).doing(DOING)?;
        Ok((rows > 0, Then::Commit))
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

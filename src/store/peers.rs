//! Which imaging servers of the pool live: each counts up its own row, and whoever sees a count stand still says so.
//!
//! The verdict lies in the store, so that all servers share it: the boards of a server that is gone leave the index of free
//! ones in the commit that says so, and claims refuse them. Nobody's clock is compared with another's.

use super::cells::{Cells, readable};
use super::conn::{Conn, Doing, Row, Then, args};
use super::rows::{Beat, Liveliness, ServerSeen};
use super::{Bell, ChangeKind, ChangeWhat, Result, changes, logs, sql};
use crate::logic::ids::RequestId;
use crate::logic::time::Timestamp;
use std::collections::HashMap;

const READ: &str = "read which imaging servers live";
const WRITE: &str = "say that this imaging server lives";

/// Makes this start of a server the one that counts; its boards can be had again.
pub(super) fn join<C: Conn>(c: &mut C, bell: &Bell, me: &Beat, at: Timestamp) -> Result<()> {
    changes::telling(c, bell, WRITE, |c, news| {
        let Beat { server, instance, started, version, schema, protocol } = me;
        c.exec(sql::BEAT_FORGET, args![server]).doing(WRITE)?;
        // Begins at the time, so that no start of a server repeats a number of another.
        let args = args![server, instance, *started, at, at.0, version, *schema, *protocol];
        c.exec(sql::BEAT_JOIN, args).doing(WRITE)?;
        c.exec(sql::SERVER_MEND_FREE, args![server]).doing(WRITE)?;
        news.thing(at, ChangeKind::Server, server, ChangeWhat::Changed);
        Ok(((), Then::Commit))
    })
}

/// One more beat. `None`: another start of this server has joined since. `Some(true)`: others had taken it for gone.
pub(super) fn beat<C: Conn>(c: &mut C, bell: &Bell, me: &Beat, at: Timestamp) -> Result<Option<bool>> {
    changes::telling(c, bell, WRITE, |c, news| {
        let was_gone = c.exec(sql::BEAT_BACK, args![&me.server, &me.instance]).doing(WRITE)? > 0;
        if c.exec(sql::BEAT, args![at, &me.server, &me.instance]).doing(WRITE)? == 0 {
            return Ok((None, Then::Undo));
        }
        if was_gone {
            c.exec(sql::SERVER_MEND_FREE, args![&me.server]).doing(WRITE)?;
            news.thing(at, ChangeKind::Server, &me.server, ChangeWhat::Changed);
        }
        Ok((Some(was_gone), Then::Commit))
    })
}

/// Says that a server is gone, if its count still stands at `beats`. False: it does not, or it was said already.
pub(super) fn declare_gone<C: Conn>(
    c: &mut C,
    bell: &Bell,
    server: &str,
    beats: i64,
    at: Timestamp,
) -> Result<bool> {
    changes::telling(c, bell, WRITE, |c, news| {
        let done = c.exec(sql::BEAT_GONE, args![server, beats]).doing(WRITE)? > 0;
        if done {
            c.exec(sql::SERVER_MEND_FREE, args![server]).doing(WRITE)?;
            news.thing(at, ChangeKind::Server, server, ChangeWhat::Changed);
        }
        Ok((done, Then::Commit))
    })
}

/// This server goes, in order.
pub(super) fn leave<C: Conn>(c: &mut C, bell: &Bell, me: &Beat, at: Timestamp) -> Result<()> {
    changes::telling(c, bell, WRITE, |c, news| {
        if c.exec(sql::BEAT_LEAVE, args![&me.server, &me.instance]).doing(WRITE)? > 0 {
            c.exec(sql::SERVER_MEND_FREE, args![&me.server]).doing(WRITE)?;
            news.thing(at, ChangeKind::Server, &me.server, ChangeWhat::Changed);
        }
        Ok(((), Then::Commit))
    })
}

pub(super) fn pool<C: Conn>(c: &mut C) -> Result<Vec<ServerSeen>> {
    let mut devices: HashMap<String, u64> = HashMap::new();
    for row in c.query(sql::DEVICES_PER_SERVER, &[]).doing(READ)? {
        let mut c = Cells::new("devices", row);
        devices.insert(c.text("imaging_server")?, c.small("count")?);
    }
    let rows = c.query(sql::POOL, &[]).doing(READ)?;
    let read = |row: Row| {
        let mut c = Cells::new("imaging_servers", row);
        let (name, url) = (c.text("name")?, c.text("url")?);
        let liveliness = match c.opt_text("instance")? {
            None => None,
            Some(instance) => Some(Liveliness {
                beat: Beat {
                    server: name.clone(),
                    instance,
                    started: c.time("started")?,
                    version: c.text("version")?,
                    schema: c.small("schema_version")?,
                    protocol: c.small("protocol")?,
                },
                last_seen: c.time("last_seen")?,
                beats: c.int("beats")?,
                gone: c.flag("gone")?,
            }),
        };
        let devices = devices.get(&name).copied().unwrap_or_default();
        Ok(ServerSeen { name, url, devices, liveliness })
    };
    Ok(readable(rows, read))
}

pub(super) fn overdue<C: Conn>(c: &mut C, now: Timestamp, limit: usize) -> Result<Vec<RequestId>> {
    let rows = c.query(sql::REQUESTS_OVERDUE, args![now, logs::at_most(Some(limit))]).doing(READ)?;
    Ok(readable(rows, |row| Cells::new("requests", row).int("id").map(RequestId)))
}

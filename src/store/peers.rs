//! Which imaging servers of the pool live: each counts up its own row, and whoever sees a count stand still says so.
//!
//! The verdict lies in the store, so that all servers share it: the boards of a server that is gone leave the index of free
//! ones in the commit that says so, and claims refuse them. Nobody's clock is compared with another's.

use super::cells::{Cells, readable};
use super::changes::News;
use super::conn::{Conn, Doing, Row, Then, args};
use super::rows::{Beat, Beaten, Instead, Joined, Liveliness, ServerRow, ServerSeen};
use super::{Bell, ChangeKind, ChangeWhat, Process, Result, admin, changes, logs, sql};
use crate::logic::ids::RequestId;
use crate::logic::time::Timestamp;
use std::collections::HashMap;

const READ: &str = "read which imaging servers live";
const WRITE: &str = "say that this imaging server lives";

/// See [`super::Store::join_pool`].
pub(super) fn join<C: Conn>(
    c: &mut C,
    bell: &Bell,
    server: &ServerRow,
    me: &Beat,
    instead: &Instead,
    at: Timestamp,
) -> Result<Joined> {
    changes::telling(c, bell, WRITE, |c, news| {
        let Beat { server: name, instance, started, version, schema, protocol, process, limit_ms } = me;
        if let Instead::Of(silent) = instead {
            for (name, beats) in silent {
                gone(c, news, name, *beats, at)?;
            }
            let in_the_way = pool(c)?.into_iter().filter(|seen| stands_in_the_way(seen, me));
            let in_the_way: Vec<ServerSeen> = in_the_way.collect();
            if !in_the_way.is_empty() {
                return Ok((Joined::Taken(in_the_way), Then::Undo));
            }
        }
        admin::known(c, news, server, at)?;
        c.exec(sql::BEAT_FORGET, args![name]).doing(WRITE)?;
        let Process { host, pid, life } = process;
        // Begins at the time, so that no start of a server repeats a number of another.
        let args = args![
            name, instance, *started, at, at.0, version, *schema, *protocol, host, *pid, life, *limit_ms
        ];
        c.exec(sql::BEAT_JOIN, args).doing(WRITE)?;
        c.exec(sql::SERVER_MEND_FREE, args![name]).doing(WRITE)?;
        news.thing(at, ChangeKind::Server, name, ChangeWhat::Changed);
        Ok((Joined::Done, Then::Commit))
    })
}

/// Two of one name; or two of which one takes no letters, for then neither would prepare boards for the other.
fn stands_in_the_way(seen: &ServerSeen, me: &Beat) -> bool {
    let Some(life) = seen.liveliness.as_ref().filter(|life| !life.gone) else { return false };
    let is_alone = [me.protocol, life.beat.protocol].contains(&Beat::ALONE);
    (seen.name == me.server && life.beat.instance != me.instance) || (seen.name != me.server && is_alone)
}

/// See [`super::Store::beat`].
pub(super) fn beat<C: Conn>(c: &mut C, bell: &Bell, me: &Beat, at: Timestamp) -> Result<Beaten> {
    changes::telling(c, bell, WRITE, |c, news| {
        let stored = c.query_one(sql::SCHEMA_VERSION, &[]).doing(READ)?.unwrap_or(Row(vec![]));
        let schema = Cells::new("schema_version", stored).small("version")?;
        if schema > me.schema {
            return Ok((Beaten::Outdated(schema), Then::Undo));
        }
        let was_gone = c.exec(sql::BEAT_BACK, args![&me.server, &me.instance]).doing(WRITE)? > 0;
        if c.exec(sql::BEAT, args![at, &me.server, &me.instance]).doing(WRITE)? == 0 {
            let other = pool(c)?.into_iter().find(|seen| seen.name == me.server);
            let other = other.filter(|seen| seen.liveliness.is_some()).map(Box::new);
            return Ok((Beaten::Replaced(other), Then::Undo));
        }
        if was_gone {
            c.exec(sql::SERVER_MEND_FREE, args![&me.server]).doing(WRITE)?;
            news.thing(at, ChangeKind::Server, &me.server, ChangeWhat::Changed);
        }
        Ok((if was_gone { Beaten::Back } else { Beaten::Counted }, Then::Commit))
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
    changes::telling(c, bell, WRITE, |c, news| Ok((gone(c, news, server, beats, at)?, Then::Commit)))
}

fn gone<C: Conn>(c: &mut C, news: &mut News, server: &str, beats: i64, at: Timestamp) -> Result<bool> {
    let done = c.exec(sql::BEAT_GONE, args![server, beats]).doing(WRITE)? > 0;
    if done {
        c.exec(sql::SERVER_MEND_FREE, args![server]).doing(WRITE)?;
        news.thing(at, ChangeKind::Server, server, ChangeWhat::Changed);
    }
    Ok(done)
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
                    process: Process {
                        host: c.text("host")?,
                        pid: c.small("process")?,
                        life: c.text("life")?,
                    },
                    limit_ms: c.int("limit_ms")?,
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

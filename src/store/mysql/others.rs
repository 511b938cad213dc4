//! Who works with a store that is to be brought up to date, or copied: neither is done under them. They would not know what they
//! read then, and what they write would be in no copy.
//!
//! Read from the heartbeats as an older schema has them. A process that has ended does not count, where that can be seen from here;
//! others are watched for as long as they may be silent. Two daemons find out at once when one of them starts: what begins in
//! the moment between the last look and the first change is stopped by its next beat, which finds the newer schema.

use super::Mysql;
use crate::logic::peers::{Verdict, Watch};
use crate::store::cells::Cells;
use crate::store::conn::{Conn, Doing, args};
use crate::store::migrate::{DOING, known};
use crate::store::{Process, Result, StoreError};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The schema that has heartbeats, and the one in which they say which process it is.
const HEARTBEATS: u32 = 8;
const PROCESSES: u32 = 10;
const PLAIN: &str =
    "SELECT server, version, beats FROM server_heartbeats WHERE gone = 0 AND schema_version < ?";
const WITH_PROCESS: &str = "SELECT server, version, beats, host, process, life, limit_ms FROM server_heartbeats \
    WHERE gone = 0 AND schema_version < ?";
/// What a server's limit is that does not say: a little more than is usual.
const LIMIT_MS: i64 = 10_000;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// What is done to a store that nobody works with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Plan {
    /// Brought up to date, from this schema.
    Upgrade(u32),
    /// Copied; it is up to date.
    Copy,
}

impl Plan {
    fn doing(self) -> &'static str {
        match self {
            Self::Upgrade(_) => DOING,
            Self::Copy => "see who works with the store that is to be copied",
        }
    }

    fn schema(self) -> u32 {
        match self {
            Self::Upgrade(found) => found,
            Self::Copy => known(),
        }
    }

    /// Servers stand in the way that know schemas below this one.
    fn below(self) -> u32 {
        match self {
            Self::Upgrade(_) => known(),
            Self::Copy => known() + 1,
        }
    }

    /// Said of a server that nobody can see.
    fn waits_for(self, other: &Other) {
        let Other { server, process, .. } = other;
        match self {
            Self::Upgrade(_) => log::warn!(
                "server {server} ({process}) has an older schema and has not left; the store is brought up to date when it is silent"
            ),
            Self::Copy => {
                log::warn!("server {server} ({process}) has not left; the store is copied when it is silent");
            }
        }
    }

    fn refused(self, living: &[Other]) -> StoreError {
        let names: Vec<String> =
            living.iter().map(|o| format!("{} ({}, version {})", o.server, o.process, o.version)).collect();
        let names = names.join(", ");
        let why = match self {
            Self::Upgrade(found) => format!(
                "the store has schema version {found}, this program brings it to {}, and servers that do not know that work with \
                 it: {names}; stop the daemons of all servers, install this version on them, and start them",
                known(),
            ),
            Self::Copy => {
                format!("servers work with the store that is to be copied: {names}; stop their daemons first")
            }
        };
        StoreError::Refused { why }
    }
}

struct Other {
    server: String,
    version: String,
    beats: i64,
    process: Process,
    limit_ms: i64,
}

/// Counts of those that are silent, by server.
pub(super) type Silent = HashMap<String, i64>;

fn others(c: &mut Mysql, plan: Plan) -> Result<Vec<Other>> {
    let found = plan.schema();
    if found < HEARTBEATS {
        return Ok(Vec::new());
    }
    let sql = if found < PROCESSES { PLAIN } else { WITH_PROCESS };
    let rows = c.query(sql, args![plan.below()]).doing(plan.doing())?;
    let read = |row| {
        let mut c = Cells::new("server_heartbeats", row);
        let (server, version, beats) = (c.text("server")?, c.text("version")?, c.int("beats")?);
        let (process, limit_ms) = match found < PROCESSES {
            true => (Process::default(), LIMIT_MS),
            false => {
                let (host, pid, life) = (c.text("host")?, c.small("process")?, c.text("life")?);
                (Process { host, pid, life }, c.int("limit_ms")?)
            }
        };
        Ok(Other { server, version, beats, process, limit_ms })
    };
    rows.into_iter().map(read).collect()
}

/// Watches until all are silent.
///
/// # Errors
/// [`StoreError::Refused`] names those that live.
pub(super) fn watch(c: &mut Mysql, plan: Plan) -> Result<Silent> {
    let mut watch = Watch::default();
    let mut looked = Instant::now();
    loop {
        let others = others(c, plan)?;
        let since_ms = i64::try_from(looked.elapsed().as_millis()).unwrap_or(i64::MAX);
        looked = Instant::now();
        let (mut living, mut silent) = (Vec::new(), Silent::new());
        let number = others.len();
        for other in others {
            let alive = other.process.is_alive();
            match watch.look(other.server.clone(), other.beats, since_ms, alive, other.limit_ms) {
                Verdict::Lives => living.push(other),
                Verdict::Gone => drop(silent.insert(other.server, other.beats)),
                Verdict::Unknown { first: false } => {}
                Verdict::Unknown { first: true } => plan.waits_for(&other),
            }
        }
        if !living.is_empty() {
            return Err(plan.refused(&living));
        }
        if silent.len() == number {
            return Ok(silent);
        }
        std::thread::sleep(LOOK);
    }
}

/// Nobody works with a store that is to be copied.
///
/// # Errors
/// As [`watch`].
pub(in crate::store) fn is_left_alone(c: &mut Mysql) -> Result<()> {
    watch(c, Plan::Copy).map(drop)
}

/// Once more, now that nobody else brings the schema up to date.
///
/// # Errors
/// As [`watch`].
pub(super) fn are_still(c: &mut Mysql, plan: Plan, silent: &Silent) -> Result<()> {
    let mut living = others(c, plan)?;
    living.retain(|other| silent.get(&other.server) != Some(&other.beats));
    if living.is_empty() { Ok(()) } else { Err(plan.refused(&living)) }
}

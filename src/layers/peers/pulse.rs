//! The *pulse* thread: says in the store that this server lives, and watches whether the others do.

use super::{PROTOCOL, Peer, Peers};
use crate::clock::Clock;
use crate::layers::supervise::Exit;
use crate::logic::peers::Silence;
use crate::store::{Beat, ServerSeen, Store, StoreError};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The thread's state.
pub struct Pulse {
    store: Box<dyn Store>,
    clock: Arc<dyn Clock>,
    me: Beat,
    every: Duration,
    gone_after_ms: i64,
    peers: Peers,
    silences: HashMap<String, Silence>,
    looked_ms: i64,
    failing: bool,
}

impl Pulse {
    /// Joins the pool and has a first look at it.
    ///
    /// # Errors
    /// The store's.
    pub fn join(
        mut store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        peers: Peers,
        every_s: u32,
        gone_after_s: u32,
    ) -> Result<Self, StoreError> {
        let now = clock.now();
        let me = Beat {
            server: peers.own().to_owned(),
            instance: format!("{:x}-{}", now.0, std::process::id()),
            started: now,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            schema: peers.schema(),
            protocol: PROTOCOL,
        };
        store.join_pool(&me, now)?;
        let looked_ms = clock.steady_ms();
        let mut pulse = Self {
            store,
            clock,
            me,
            every: Duration::from_secs(every_s.into()),
            gone_after_ms: i64::from(gone_after_s) * 1000,
            peers,
            silences: HashMap::new(),
            looked_ms,
            failing: false,
        };
        pulse.look()?;
        Ok(pulse)
    }

    /// The thread's body. When it ends in order, the others are told that this server goes.
    pub fn run(mut self, stop: &Receiver<()>) -> Exit {
        loop {
            match stop.recv_timeout(self.every) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                    if let Err(error) = self.store.leave_pool(&self.me, self.clock.now()) {
                        log::warn!("{error}; the pool finds out by itself that this server goes");
                    }
                    return Exit::Stopped;
                }
            }
            match self.turn() {
                Ok(true) if self.failing => {
                    self.failing = false;
                    log::info!("the store answers again, and knows that this server lives");
                }
                Ok(true) => {}
                Ok(false) => {
                    let why = format!(
                        "another daemon has joined the pool as `{}`; give each its own server.name, and look whether one of \
                         this name runs elsewhere",
                        self.me.server
                    );
                    return Exit::Failed(why);
                }
                Err(error) if self.failing => log::debug!("{error}"),
                Err(error) => {
                    self.failing = true;
                    log::error!("{error}; the pool may take this server for gone");
                }
            }
        }
    }

    /// One beat and one look; false: this start of the server has been replaced.
    fn turn(&mut self) -> Result<bool, StoreError> {
        match self.store.beat(&self.me, self.clock.now())? {
            None => return Ok(false),
            Some(true) => log::warn!("the pool had taken this server for gone; its devices can be had again"),
            Some(false) => {}
        }
        self.look().map(|()| true)
    }

    fn look(&mut self) -> Result<(), StoreError> {
        let servers = self.store.pool()?;
        let now_ms = self.clock.steady_ms();
        let since_ms = now_ms - std::mem::replace(&mut self.looked_ms, now_ms);
        let most_ms = 2 * i64::try_from(self.every.as_millis()).unwrap_or(i64::MAX / 2);
        let mut known = BTreeMap::new();
        for server in servers.into_iter().filter(|s| s.name != self.me.server) {
            let ServerSeen { name, url, devices, liveliness } = server;
            let Some(life) = liveliness else { continue };
            let mut gone = life.gone;
            if gone {
                self.silences.remove(&name);
            } else {
                let silence = self.silences.entry(name.clone()).or_insert_with(|| Silence::begin(life.beats));
                let silent_ms = silence.look(life.beats, since_ms, most_ms);
                if silent_ms >= self.gone_after_ms {
                    gone = self.store.declare_gone(&name, life.beats, self.clock.now())?;
                    if gone {
                        log::error!(
                            "server {name} is gone: it has not said for {} s that it lives; nobody is given its {devices} devices",
                            silent_ms / 1000
                        );
                    }
                }
            }
            let fault = fault(&life.beat, &self.me);
            let before = self.peers.peer(&name);
            if let Some(fault) = &fault
                && before.as_ref().is_none_or(|b| b.fault.as_ref() != Some(fault))
            {
                log::error!("server {name} is not spoken to: {fault}");
            }
            if before.is_some_and(|b| b.gone) && !gone {
                log::info!("server {name} is there again");
            }
            known.insert(name, Peer { url, gone, fault });
        }
        self.silences.retain(|name, _| known.contains_key(name));
        self.peers.learn(known);
        Ok(())
    }
}

/// Why a server that has joined cannot be spoken to.
fn fault(theirs: &Beat, ours: &Beat) -> Option<String> {
    let differs = |what: &str, theirs: u32, ours: u32| {
        let older = if theirs < ours { "there" } else { "here" };
        format!("it has {what} {theirs}, and this server {ours}; install the newer program {older}")
    };
    if theirs.schema != ours.schema {
        return Some(differs("schema version", theirs.schema, ours.schema));
    }
    (theirs.protocol != ours.protocol).then(|| differs("protocol version", theirs.protocol, ours.protocol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::time::Timestamp;

    #[test]
    fn another_version_is_named_with_what_to_do() {
        let beat = |schema, protocol| Beat {
            server: "s".into(),
            instance: "i".into(),
            started: Timestamp(0),
            version: "1".into(),
            schema,
            protocol,
        };
        assert_eq!(fault(&beat(8, 1), &beat(8, 1)), None);
        let older = fault(&beat(7, 1), &beat(8, 1)).unwrap();
        assert_eq!(older, "it has schema version 7, and this server 8; install the newer program there");
        let newer = fault(&beat(8, 2), &beat(8, 1)).unwrap();
        assert_eq!(newer, "it has protocol version 2, and this server 1; install the newer program here");
    }
}

//! The *pulse* thread: says in the store that this server lives, and watches whether the others do.

use super::{Peer, Peers, joining};
use crate::clock::Clock;
use crate::layers::supervise::Exit;
use crate::logic::peers::Silence;
use crate::store::{Beat, Beaten, ServerRow, ServerSeen, Store, StoreError};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How a server takes its place among those of its store.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name and address.
    pub server: ServerRow,
    /// A beat each so many seconds.
    pub every_s: u32,
    /// Who has not beaten for so long is gone.
    pub gone_after_s: u32,
    /// A lock says that no other process works under this name.
    pub has_lock: bool,
}

/// The thread's state.
pub struct Pulse {
    store: Box<dyn Store>,
    clock: Arc<dyn Clock>,
    me: Beat,
    every: Duration,
    gone_after_ms: i64,
    /// Nothing for a server that is alone: it says that it lives, so that a second one of its name finds out.
    peers: Option<Peers>,
    silences: HashMap<String, Silence>,
    looked_ms: i64,
    failing: bool,
}

impl Pulse {
    /// Joins the pool and has a first look at it. May take as long as `gone_after_s` of a server that stands in the way and
    /// cannot be seen from here.
    ///
    /// # Errors
    /// The store's; who stands in the way is named.
    pub fn join(
        mut store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        peers: Option<Peers>,
        place: &Place,
    ) -> Result<Self, StoreError> {
        // Fewer lost beats than that are no news.
        let gone_after_s = place.gone_after_s.max(3 * place.every_s);
        let me = joining::introduction(&place.server.name, peers.as_ref(), gone_after_s, &*clock);
        joining::join(&mut *store, &*clock, &place.server, &me, place.has_lock)?;
        let looked_ms = clock.steady_ms();
        let mut pulse = Self {
            store,
            clock,
            me,
            every: Duration::from_secs(place.every_s.into()),
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
                Ok(None) if self.failing => {
                    self.failing = false;
                    log::info!("the store answers again, and knows that this server lives");
                }
                Ok(None) => {}
                Ok(Some(why)) => return Exit::Failed(why),
                Err(error) if self.failing => log::debug!("{error}"),
                Err(error) => {
                    self.failing = true;
                    log::error!("{error}; the pool may take this server for gone");
                }
            }
        }
    }

    /// One beat and one look. Why this daemon cannot go on, if it cannot.
    fn turn(&mut self) -> Result<Option<String>, StoreError> {
        match self.store.beat(&self.me, self.clock.now())? {
            Beaten::Counted => {}
            Beaten::Back => {
                log::warn!("the pool had taken this server for gone; its devices can be had again");
            }
            Beaten::Replaced(by) => return Ok(Some(self.replaced(by.as_deref()))),
            Beaten::Outdated(schema) => {
                return Ok(Some(format!(
                    "the store was brought to schema version {schema}, and this program knows {}; install the newer program on \
                     this server, too",
                    self.me.schema
                )));
            }
        }
        self.look().map(|()| None)
    }

    fn replaced(&self, by: Option<&ServerSeen>) -> String {
        let name = &self.me.server;
        let Some(by) = by else {
            return format!("the store knows nothing of this start of server {name} any more");
        };
        format!(
            "another daemon has joined the pool as `{name}`: {}; give each its own server.name, or stop one of them for good",
            joining::named(by)
        )
    }

    fn look(&mut self) -> Result<(), StoreError> {
        let Some(peers) = self.peers.clone() else { return Ok(()) };
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
            let before = peers.peer(&name);
            if let Some(fault) = &fault
                && before.as_ref().is_none_or(|b| b.fault.as_ref() != Some(fault))
            {
                log::error!("server {name} is not spoken to: {fault}");
            }
            if before.is_some_and(|b| b.gone) && !gone {
                log::info!("server {name} is there again");
            }
            known.insert(name, Peer { url, gone, fault, start: life.beat.instance });
        }
        self.silences.retain(|name, _| known.contains_key(name));
        peers.learn(&known);
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
            process: crate::store::Process::default(),
            limit_ms: 8000,
        };
        assert_eq!(fault(&beat(8, 1), &beat(8, 1)), None);
        let older = fault(&beat(7, 1), &beat(8, 1)).unwrap();
        assert_eq!(older, "it has schema version 7, and this server 8; install the newer program there");
        let newer = fault(&beat(8, 2), &beat(8, 1)).unwrap();
        assert_eq!(newer, "it has protocol version 2, and this server 1; install the newer program here");
    }
}

//! The other imaging servers of the pool: who they are, whether they live, and what is sent to them.
//!
//! [`Pulse`] is a thread that says in the store that this server lives, and watches the others there. What machines here have to say
//! to machines there goes into an order per peer, with a thread of its own, so that one that hangs delays no other. Nothing is
//! kept for long: what finds no room or no ear is asked for again by the time limit of the state that waits for it.

mod joining;
mod post;
mod pulse;

pub use pulse::{Place, Pulse};

use super::messages::{MozpoolNotice, PeerMessage};
use super::supervise::{Exit, spawn};
use crate::access::{Errand, Ticket};
use crate::clock::{Clock, Timestamp};
use crate::logic::ids::RequestId;
use crate::logic::machine::Epoch;
use crate::seal::Secret;
use crossbeam_channel::{Sender, TrySendError, bounded};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// The version of what servers say to each other. Servers with another one are not spoken to.
pub const PROTOCOL: u32 = 1;
/// Messages that may wait for one peer: all devices of a large server change hands at once.
const QUEUE: usize = 4096;
/// Between two lines of the log about the same trouble.
const LOG_AGAIN_MS: i64 = 60_000;

/// What this server knows of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its API.
    pub url: String,
    /// Nobody has heard of it for long, or it has left.
    pub gone: bool,
    /// Why it is not spoken to: it speaks another version.
    pub fault: Option<String>,
    /// Tells one start of it from another.
    pub start: String,
}

/// The way to the other servers; clones share it.
#[derive(Clone)]
pub struct Peers(Arc<Inner>);

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers").field("own", &self.0.own).finish_non_exhaustive()
    }
}

struct Inner {
    own: String,
    schema: u32,
    secret: Secret,
    clock: Arc<dyn Clock>,
    known: RwLock<BTreeMap<String, Peer>>,
    lines: Mutex<HashMap<String, Sender<Posted>>>,
    /// Why the last letter to a server was not taken.
    untaken: Mutex<BTreeMap<String, String>>,
    /// Takes what is sent in place of them.
    carrier: OnceLock<Sender<(String, PeerMessage)>>,
    /// To our own requests.
    notices: Sender<MozpoolNotice>,
    ended: Sender<(String, Exit)>,
    counts: Counts,
    /// When a letter with a wrong seal was logged last, and how many came since.
    refused_at: AtomicI64,
    refused: AtomicU64,
}

/// A message and when it was given to us, by the steady clock.
struct Posted {
    at_ms: i64,
    message: PeerMessage,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    repeated: AtomicU64,
    dropped: AtomicU64,
    received: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
}

impl Peers {
    /// For the server `own`, which works with this schema version. `notices` leads to its own requests.
    pub fn new(
        own: &str,
        schema: u32,
        secret: Secret,
        clock: Arc<dyn Clock>,
        notices: Sender<MozpoolNotice>,
        ended: Sender<(String, Exit)>,
    ) -> Self {
        Self(Arc::new(Inner {
            own: own.to_owned(),
            schema,
            secret,
            clock,
            known: RwLock::default(),
            lines: Mutex::default(),
            untaken: Mutex::default(),
            carrier: OnceLock::new(),
            notices,
            ended,
            counts: Counts::default(),
            refused_at: AtomicI64::new(i64::MIN),
            refused: AtomicU64::new(0),
        }))
    }

    /// What is sent goes to `carrier`, with the name of the server that it is for, and not over a network.
    pub(crate) fn carried_by(self, carrier: Sender<(String, PeerMessage)>) -> Self {
        // The first one stays.
        drop(self.0.carrier.set(carrier));
        self
    }

    /// This server's name.
    pub fn own(&self) -> &str {
        &self.0.own
    }

    /// The schema version that this server works with.
    pub fn schema(&self) -> u32 {
        self.0.schema
    }

    /// Another server, as far as it is known.
    pub fn peer(&self, name: &str) -> Option<Peer> {
        self.0.peer(name)
    }

    /// Why another server cannot be worked with although it lives: its version, or that it took no letter when one was sent last.
    pub fn fault(&self, name: &str) -> Option<String> {
        let peer = self.0.peer(name).filter(|peer| !peer.gone)?;
        peer.fault.or_else(|| self.0.untaken().get(name).cloned())
    }

    /// Takes in what the store says of all servers. Those that are new, and those that took no letter, are asked whether they take
    /// one: nobody is to find out about a wrong secret when a board is needed.
    pub(in crate::layers) fn learn(&self, peers: &BTreeMap<String, Peer>) {
        let mut known = self.0.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, peers.clone());
        drop(known);
        for (name, peer) in peers.iter().filter(|(_, peer)| !peer.gone && peer.fault.is_none()) {
            let is_new =
                before.get(name).is_none_or(|b| b.gone || b.fault.is_some() || b.start != peer.start);
            if is_new || self.0.untaken().contains_key(name) {
                self.tell(name, PeerMessage::Hello);
            }
        }
    }

    /// Sends a message to another server, soon; or drops it, when too many wait.
    pub fn tell(&self, server: &str, message: PeerMessage) {
        if let Some(carrier) = self.0.carrier.get() {
            if carrier.try_send((server.to_owned(), message)).is_err() {
                self.0.counts.dropped.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        let posted = Posted { at_ms: self.0.clock.steady_ms(), message };
        let mut lines = self.0.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry(server.to_owned()).or_insert_with(|| self.begin(server));
        if let Err(TrySendError::Full(posted) | TrySendError::Disconnected(posted)) = line.try_send(posted) {
            self.0.counts.dropped.fetch_add(1, Ordering::Relaxed);
            log::warn!(
                "too much waits for server {server}; dropped, a time limit asks again: {:?}",
                posted.message
            );
        }
    }

    /// One of our requests cannot have its device prepared.
    pub fn refuse(&self, request: RequestId, epoch: Epoch, why: String) {
        self.0.refuse(request, epoch, why);
    }

    fn begin(&self, server: &str) -> Sender<Posted> {
        let (line, posted) = bounded(QUEUE);
        let (inner, name) = (Arc::downgrade(&self.0), server.to_owned());
        // It ends with the last handle, so nobody joins it.
        drop(spawn(&format!("peer-{server}"), self.0.ended.clone(), move || {
            post::run(&inner, &name, &posted)
        }));
        line
    }

    /// Whether a server of the pool has sealed this letter. One that has not is counted, and named in the log now and then.
    pub fn has_sealed(&self, letter: &str, seal: &str, from: &str) -> bool {
        let inner = &self.0;
        if inner.secret.has_sealed(letter, seal) {
            return true;
        }
        inner.counts.refused.fetch_add(1, Ordering::Relaxed);
        let refused = inner.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let (now, last) = (inner.clock.steady_ms(), inner.refused_at.load(Ordering::Relaxed));
        if now.saturating_sub(last) >= LOG_AGAIN_MS
            && inner.refused_at.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            inner.refused.store(0, Ordering::Relaxed);
            log::error!(
                "peer={from} a letter with a wrong seal was refused ({refused} since this was said last); all servers of the \
                 pool need the same secret in peers.secret_file"
            );
        }
        false
    }

    /// A ticket for a call to another server of the pool, good until `ends`.
    pub fn seals_ticket(&self, ticket: &Ticket<'_>, ends: Timestamp) -> String {
        ticket.seal(&self.0.secret, ends.0)
    }

    /// Whose ticket this is, if a server of the pool has sealed it for this call a moment ago.
    pub fn opens_ticket<'t>(&self, text: &'t str, errand: Errand<'_>, now: Timestamp) -> Option<&'t str> {
        Ticket::open(text, &self.0.secret, errand, now.0)
    }

    /// A letter's message has come; `late`: it changes nothing any more.
    pub fn heard(&self, late: bool) {
        let counts = &self.0.counts;
        if late { &counts.late } else { &counts.received }.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a message from another server to our requests; false when there is no room.
    pub fn notice(&self, notice: MozpoolNotice) -> bool {
        self.0.notices.try_send(notice).is_ok()
    }

    /// What was counted, by name.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        let Counts { sent, repeated, dropped, received, late, refused } = &self.0.counts;
        let known = self.0.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        let lives = known.values().filter(|p| !p.gone).count() as u64;
        let faulty = known.keys().filter(|name| self.fault(name).is_some()).count() as u64;
        let read = |n: &AtomicU64| n.load(Ordering::Relaxed);
        vec![
            ("alive", lives - faulty),
            ("faulty", faulty),
            ("gone", known.len() as u64 - lives),
            ("sent", read(sent)),
            ("repeated", read(repeated)),
            ("dropped", read(dropped)),
            ("received", read(received)),
            ("late", read(late)),
            ("refused", read(refused)),
        ]
    }
}

impl Inner {
    fn peer(&self, name: &str) -> Option<Peer> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn untaken(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.untaken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse(&self, request: RequestId, epoch: Epoch, why: String) {
        // Without room the state's time limit asks again.
        if self.notices.try_send(MozpoolNotice::Refused { request, epoch, why }).is_err() {
            log::warn!("request={request} the request layer is full; the state's time limit asks again");
        }
    }
}

//! Which calls are under way on one connection, so that nobody is held up by a call that waits.
//!
//! Answers go out in the order of the calls: `tiny_http` has whoever answers the second call on a connection wait for the
//! answer of the first. If the first is a watcher's, that could be for ever. So a client that says more on a connection does
//! not want to wait any more, and its watcher ends.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// All connections on which something is under way.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<HashMap<SocketAddr, Arc<Calls>>>);

/// The calls of one connection.
#[derive(Debug, Default)]
struct Calls {
    under_way: AtomicU32,
    /// The number of the last that came.
    last: AtomicU64,
    watching: AtomicU32,
}

/// One call, as long as it is under way.
#[derive(Debug)]
pub(super) struct Line {
    lines: Arc<Lines>,
    peer: Option<SocketAddr>,
    calls: Arc<Calls>,
    number: u64,
    watches: bool,
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Arc<Calls>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call has come on the connection from `peer`.
    pub(super) fn enter(self: &Arc<Self>, peer: Option<SocketAddr>) -> Line {
        let mut lines = self.lock();
        let calls = match peer {
            Some(peer) => Arc::clone(lines.entry(peer).or_default()),
            None => Arc::default(),
        };
        calls.under_way.fetch_add(1, Ordering::SeqCst);
        let number = calls.last.fetch_add(1, Ordering::SeqCst) + 1;
        drop(lines);
        Line { lines: Arc::clone(self), peer, calls, number, watches: false }
    }
}

impl Line {
    /// This one will wait for something to happen.
    pub(super) fn watch(&mut self) {
        self.watches = true;
        self.calls.watching.fetch_add(1, Ordering::SeqCst);
    }

    /// A call on the same connection waits for something to happen.
    pub(super) fn is_behind_a_watcher(&self) -> bool {
        self.calls.watching.load(Ordering::SeqCst) > 0
    }

    /// Another call has come after this one.
    pub(super) fn is_followed(&self) -> bool {
        self.calls.last.load(Ordering::SeqCst) > self.number
    }

    /// Another call on the same connection is under way. For a moment that may be the one before; but one that stays waits
    /// for us, although it was noted before us: threads may overtake each other between `tiny_http`'s queue and here.
    pub(super) fn has_company(&self) -> bool {
        self.calls.under_way.load(Ordering::SeqCst) > 1
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.watches {
            self.calls.watching.fetch_sub(1, Ordering::SeqCst);
        }
        let Some(peer) = self.peer else { return };
        let mut lines = self.lines.lock();
        if self.calls.under_way.fetch_sub(1, Ordering::SeqCst) == 1 {
            lines.remove(&peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_knows_what_comes_after_it_on_its_own_connection_only() {
        let lines = Arc::new(Lines::default());
        let peer = |port| Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let mut first = lines.enter(peer(1));
        first.watch();
        let other = lines.enter(peer(2));
        assert!(!first.is_followed() && !first.has_company());
        let second = lines.enter(peer(1));
        assert!(first.is_followed() && first.has_company());
        assert!(!second.is_followed() && second.has_company());
        assert!(!other.is_followed() && !other.has_company() && !other.is_behind_a_watcher());
        assert!(second.is_behind_a_watcher());
        drop(first);
        assert!(!second.has_company() && !second.is_behind_a_watcher());
        drop((second, other));
        assert!(lines.lock().is_empty(), "nothing is kept of what is over");
    }
}

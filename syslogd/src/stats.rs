//! What a receiver counts. One writer, the receiving thread; anyone may read at any time.
//!
//! It knows nothing of who shows the numbers. All count upwards from the start, except the connections open now.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// The counters, shared between the receiving thread and those who show them.
        #[derive(Debug, Default)]
        pub struct Stats { $($(#[doc = $doc])+ pub(crate) $name: Counter,)+ }

        /// The counters at one moment (each for itself; they do not stop while being read).
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub struct StatsNow { $($(#[doc = $doc])+ pub $name: u64,)+ }

        impl Stats {
            /// Reads all counters.
            #[must_use]
            pub fn now(&self) -> StatsNow {
                StatsNow { $($name: self.$name.0.load(Ordering::Relaxed),)+ }
            }
        }

        impl StatsNow {
            /// Every counter with its name, for whoever shows them all.
            #[must_use]
            pub fn rows(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

counters! {
    /// Records delivered that came by UDP.
    received_udp,
    /// Records delivered that came by TCP.
    received_tcp,
    /// Records delivered without their tail: longer than the limit, or cut by the end of a connection.
    truncated,
    /// Records delivered although something was wrong with them (a `<` that begins no PRI), and empty datagrams,
    /// which are not delivered.
    malformed,
    /// Datagrams that the kernel dropped because we were too slow. Known only when a later one arrives.
    dropped_by_kernel,
    /// Connections accepted.
    connections,
    /// Connections open now.
    connections_open,
    /// Connections closed at once because too many were open.
    connections_refused,
    /// Connections closed because all places were taken and somebody with fewer of them, or whom the sink knows, wanted one.
    connections_displaced,
    /// Connections closed because nothing came for too long.
    connections_idle,
    /// Times that connections were left unread because the sink had no room; their senders waited, nothing was lost.
    connections_held,
    /// Times that the system would not give us a connection, for example because of too many open files.
    accept_errors,
    /// Reads that failed, by UDP or TCP.
    receive_errors,
}

/// A number that is only for showing: no other memory depends on it, so its order is relaxed.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn minus_one(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

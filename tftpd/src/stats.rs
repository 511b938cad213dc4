//! What a server has done so far, in numbers that any thread may read while it runs.
//! It refuses to know what the numbers are for; each only grows, but for `active`.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value now. Counters are read one by one, so two of them may be of slightly different moments.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }
}

/// The numbers of one server.
#[derive(Debug, Default)]
pub struct Stats {
    /// Read requests that arrived, repeated ones too.
    pub requests: Counter,
    /// Requests that belonged to a transfer already running.
    pub duplicates: Counter,
    /// Requests answered with an ERROR because of what they asked for: no such file, access, writing.
    pub refused: Counter,
    /// Requests answered with an ERROR because a limit was reached.
    pub limited: Counter,
    /// Datagrams that were passed over, and packets that were not sent, because too much went to their address, or to strangers in
    /// all, without an acknowledgement of anything.
    pub throttled: Counter,
    /// Transfers that nobody had acknowledged anything of, and whose places were needed for others.
    pub displaced: Counter,
    /// Datagrams that are not TFTP, or make no sense where they arrived.
    pub malformed: Counter,
    /// Packets from a port or address that is not the transfer's, or of no transfer at all where all share the port of the requests.
    /// At ports of their own the kernel turns most of them away before.
    pub strays: Counter,
    /// Transfers whose last block was acknowledged.
    pub transfers_done: Counter,
    /// Transfers that ended otherwise; size probes are not among them.
    pub transfers_failed: Counter,
    /// Transfers that the client ended after learning the size, as EDK II does.
    pub probes: Counter,
    /// Of those, the ones whose client fell silent or closed its port.
    pub vanished: Counter,
    /// Of those, the ones whose client never acknowledged anything: it was gone at once, or its address was forged.
    pub unheard: Counter,
    /// ACKs that changed nothing: repeated, late, or for blocks that were never sent.
    pub ignored_acks: Counter,
    /// ACKs that told of a gap in a window, which was then sent again from there.
    pub gaps: Counter,
    /// Datagrams that a request socket had no room for. The kernel tells when it hands out the next one.
    pub dropped: Counter,
    /// Packets sent again, in transfers that have ended.
    pub retransmissions: Counter,
    /// Bytes of file sent, each counted once, in transfers that have ended.
    pub bytes: Counter,
    /// Transfers running now.
    pub active: Counter,
}

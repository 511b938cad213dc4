//! What the journal counts, for whoever shows it. It knows neither who counts nor who looks.

use std::sync::atomic::{AtomicU64, Ordering};

/// What the journal has done since it started, for whoever shows it.
#[derive(Debug, Default)]
pub struct Stats {
    /// Lines on disk.
    pub written: AtomicU64,
    /// Lines of unknown senders; not all of them are kept.
    pub strays: AtomicU64,
    /// Steps of attempts in the store.
    pub steps: AtomicU64,
    /// Steps for which there was no room while the store failed; not those that a board in circles has too many of.
    pub steps_lost: AtomicU64,
    /// Lines that are lost, here or on the way here; not those that the kernel dropped before we saw them.
    pub lost: AtomicU64,
    /// Times that boards which are no devices turned to us and were noted.
    pub candidates: AtomicU64,
    /// Times that there was no room for that.
    pub candidates_lost: AtomicU64,
    /// Writes that the store refused.
    pub failures: AtomicU64,
    /// Lines that wait for the next write, or for a store that fails.
    pub waiting: AtomicU64,
    /// Bytes of text of what boards say, in the store.
    pub bytes: AtomicU64,
    /// Bytes of it that were deleted because there were more than may be.
    pub bytes_dropped: AtomicU64,
    /// 1 while the store's disk is nearly full.
    pub disk_low: AtomicU64,
}

impl Stats {
    /// Every counter with its name, for whoever shows them all.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        [
            ("written", &self.written),
            ("strays", &self.strays),
            ("steps", &self.steps),
            ("steps_lost", &self.steps_lost),
            ("lost", &self.lost),
            ("candidates", &self.candidates),
            ("candidates_lost", &self.candidates_lost),
            ("failures", &self.failures),
            ("waiting", &self.waiting),
            ("bytes", &self.bytes),
            ("bytes_dropped", &self.bytes_dropped),
            ("disk_low", &self.disk_low),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
        .to_vec()
    }
}

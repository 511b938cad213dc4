//! What *http-front* has counted: `GET health` shows it, and metrics are made of it.

use super::refusal::Refusal;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one server.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections that were accepted.
    pub(super) accepted: AtomicU64,
    /// Of these, open ones.
    pub(super) open: AtomicU64,
    /// No calls, or such as could be read in two ways.
    pub(super) malformed: AtomicU64,
    /// Heads beyond their limits.
    pub(super) too_long: AtomicU64,
    /// Heads and short bodies that were not whole in time.
    pub(super) too_slow: AtomicU64,
    /// Calls for which there was no room.
    pub(super) busy: AtomicU64,
    /// Connections that were closed to make room for others.
    pub(super) displaced: AtomicU64,
    /// Connections that were closed at once, for nobody could be closed instead.
    pub(super) no_room: AtomicU64,
    /// Answers that were not taken in time.
    pub(super) not_taken: AtomicU64,
    /// Times that the system gave no connection.
    pub(super) accept_errors: AtomicU64,
}

impl Stats {
    /// One more.
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// One more that is no call.
    pub(super) fn refused(&self, why: Refusal) {
        Self::count(match why {
            Refusal::Malformed(_) | Refusal::Version | Refusal::Coding => &self.malformed,
            Refusal::TargetTooLong | Refusal::HeadTooLong | Refusal::TooManyLines => &self.too_long,
            Refusal::TooSlow => &self.too_slow,
            Refusal::Busy => &self.busy,
        });
    }

    /// All, by short names.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        let rows = [
            ("connections", &self.accepted),
            ("connections_open", &self.open),
            ("malformed", &self.malformed),
            ("too_long", &self.too_long),
            ("too_slow", &self.too_slow),
            ("busy", &self.busy),
            ("displaced", &self.displaced),
            ("no_room", &self.no_room),
            ("not_taken", &self.not_taken),
            ("accept_errors", &self.accept_errors),
        ];
        rows.map(|(name, counter)| (name, counter.load(Ordering::Relaxed))).into()
    }
}

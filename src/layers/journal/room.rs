//! How much text of boards the store may hold, and who makes room when it is more: whoever takes most.
//!
//! A board that floods loses its own oldest lines first; what a quiet neighbour said last week stays until it is too old. It knows
//! no thread; the journal asks it between two writes.

use super::LogStore;
use crate::store::Result;
use std::time::{Duration, Instant};

/// Bytes deleted at once: some milliseconds in which nobody else can write. As much as a batch brings, so that a flood cannot
/// outrun it.
const PORTION: u64 = 4 << 20;
/// When it is over the limit, it goes below it by this part of it, so that looking for whoever takes most pays.
const SLACK: u64 = 64;
/// Between two portions others have the database, as long as the limit is not far away.
const REST: Duration = Duration::from_millis(20);
/// How often it is looked at when nothing asks for it.
const IDLE: Duration = Duration::from_secs(3600);

/// What is held, and from whom it is being taken.
#[derive(Debug)]
pub(super) struct Room {
    max: u64,
    held: u64,
    counted: bool,
    /// A device, and how much of its log is still to go.
    taking: Option<(i64, u64)>,
    wake: Instant,
}

impl Room {
    pub(super) fn new(max: u64, now: Instant) -> Self {
        Self { max, held: 0, counted: false, taking: None, wake: now }
    }

    /// No more than this from now on; the next step sees to it.
    pub(super) fn limit(&mut self, max: u64) {
        self.max = max;
    }

    /// When [`Self::step`] has something to do.
    pub(super) fn wake(&self) -> Instant {
        self.wake
    }

    /// Bytes in the store, as far as it is known.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// So much has come.
    pub(super) fn grown(&mut self, bytes: u64) {
        self.held += bytes;
        if self.held > self.max {
            self.wake = self.wake.min(Instant::now() + REST);
        }
        // Far over it, there is no time to rest.
        if self.held > self.max.saturating_add(2 * PORTION) {
            self.wake = Instant::now();
        }
    }

    /// What is held may be less than it seems: it is counted with the next step.
    pub(super) fn recount(&mut self) {
        self.counted = false;
        self.wake = Instant::now();
    }

    /// Nothing until then.
    pub(super) fn rest(&mut self, until: Instant) {
        self.wake = until;
    }

    /// Does one thing that is to be done: counts, or deletes a portion. Returns the bytes that it deleted.
    pub(super) fn step(&mut self, store: &mut impl LogStore, now: Instant) -> Result<u64> {
        if !self.counted {
            self.held = store.log_bytes()?;
            self.counted = true;
        }
        let mut dropped = 0;
        if self.held > self.max || self.taking.is_some() {
            dropped = self.take(store)?;
        }
        self.wake = if self.held > self.max || self.taking.is_some() { now + REST } else { now + IDLE };
        if self.held > self.max.saturating_add(2 * PORTION) {
            self.wake = now;
        }
        Ok(dropped)
    }

    fn take(&mut self, store: &mut impl LogStore) -> Result<u64> {
        let (device, left) = match self.taking {
            Some(taking) => taking,
            None => {
                let Some((device, bytes)) = store.largest_log()? else {
                    self.held = 0;
                    return Ok(0);
                };
                // Half of it at most: then it is hardly the largest any more, and somebody else may be.
                let too_many = self.held.saturating_sub(self.max) + self.max / SLACK;
                (device, too_many.min(bytes / 2).max(1))
            }
        };
        let dropped = store.drop_oldest_chunks(device, left.min(PORTION))?;
        self.held = self.held.saturating_sub(dropped);
        self.taking = match left.saturating_sub(dropped) {
            0 => None,
            _ if dropped == 0 => {
                self.counted = false;
                None
            }
            left => Some((device, left)),
        };
        Ok(dropped)
    }
}

//! How much text of boards the store may hold, and who makes room when it is more: whoever takes most.
//!
//! A board that floods loses its own oldest lines first; what a quiet neighbour said last week stays until it is too old. It knows
//! no thread; the journal asks it between two writes.
//!
//! When the store's disk is nearly full, no more is held than then: what a new line takes, an old one has left in the store's file,
//! so that what is left on the disk stays for states and requests.

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
/// How often the disk is asked for its room while lines come.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// With less free than this the disk is nearly full: the store's log alone may take half of it (64 MiB).
const LOW_BYTES: u64 = 128 << 20;
/// Or, of a small disk, with less than this part.
const LOW_PART: u64 = 20;
/// How often it is asked while none come.
const DISK_EVERY: Duration = Duration::from_secs(60);
/// How often it is looked at when nothing asks for it.
const IDLE: Duration = Duration::from_secs(3600);

/// Tells the bytes that are free on the store's disk and those that it has, if that is known.
pub(super) type Free = Box<dyn Fn() -> Option<(u64, u64)> + Send>;

/// The disk that the store lies on.
struct Disk {
    free: Option<Free>,
    looked: Instant,
    /// While it is nearly full: the bytes that were held when it became so.
    cap: Option<u64>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("cap", &self.cap).finish_non_exhaustive()
    }
}

impl Disk {
    fn unknown(now: Instant) -> Self {
        // The first look is due.
        Self { free: None, looked: now.checked_sub(LOOK_EVERY).unwrap_or(now), cap: None }
    }

    /// Asks how it is, when it is time. `held` is what may be held when there is little room.
    fn look(&mut self, held: u64, now: Instant) {
        let Some(free) =
            self.free.as_ref().filter(|_| now.saturating_duration_since(self.looked) >= LOOK_EVERY)
        else {
            return;
        };
        self.looked = now;
        // A file system that does not say is not a full one.
        let (free, size) = free().unwrap_or((u64::MAX, u64::MAX));
        let (mib, low) = (free >> 20, LOW_BYTES.min(size / LOW_PART));
        match self.cap {
            None if free < low => {
                self.cap = Some(held);
                log::warn!(
                    "{mib} MiB are free on the store's disk: new lines of boards take the place of old ones; free some space on it"
                );
            }
            // Some more, so that it is not said all the time.
            Some(_) if free >= low + low / 2 => {
                self.cap = None;
                log::info!("{mib} MiB are free on the store's disk again");
            }
            _ => {}
        }
    }
}

/// What is held, and from whom it is being taken.
#[derive(Debug)]
pub(super) struct Room {
    max: u64,
    disk: Disk,
    held: u64,
    counted: bool,
    /// A device, and how much of its log is still to go.
    taking: Option<(i64, u64)>,
    wake: Instant,
}

impl Room {
    pub(super) fn new(max: u64, now: Instant) -> Self {
        Self { max, disk: Disk::unknown(now), held: 0, counted: false, taking: None, wake: now }
    }

    /// The same, on a disk that `free` tells of.
    pub(super) fn on_disk(mut self, free: Free) -> Self {
        self.disk.free = Some(free);
        self
    }

    /// The disk is nearly full.
    pub(super) fn is_low(&self) -> bool {
        self.disk.cap.is_some()
    }

    /// So much may be held now.
    fn limit(&self) -> u64 {
        self.disk.cap.unwrap_or(self.max).min(self.max)
    }

    /// No more than this from now on; the next step sees to it.
    pub(super) fn set_max(&mut self, max: u64) {
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
        // What has come is not part of what may be held on a disk that is nearly full.
        self.disk.look(self.held, Instant::now());
        self.held += bytes;
        if self.held > self.limit() {
            self.wake = self.wake.min(Instant::now() + REST);
        }
        // Far over it, there is no time to rest.
        if self.held > self.limit().saturating_add(2 * PORTION) {
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
        self.disk.look(self.held, now);
        let mut dropped = 0;
        if self.held > self.limit() || self.taking.is_some() {
            dropped = self.take(store)?;
        }
        self.wake = match self.held > self.limit() || self.taking.is_some() {
            true => now + REST,
            false if self.disk.free.is_some() => now + DISK_EVERY,
            false => now + IDLE,
        };
        if self.held > self.limit().saturating_add(2 * PORTION) {
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
                let too_many = self.held.saturating_sub(self.limit()) + self.limit() / SLACK;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Location;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn on_a_disk_that_is_nearly_full_no_more_is_held_than_before() {
        const WELL_BYTES: u64 = LOW_BYTES + LOW_BYTES / 2;
        let free = Arc::new(AtomicU64::new(WELL_BYTES));
        let asked = Arc::clone(&free);
        let begin = Instant::now();
        let mut room = Room::new(1 << 30, begin)
            .on_disk(Box::new(move || Some((asked.load(Ordering::SeqCst), 1 << 40))));
        let mut store = Location::memory().open().expect("a store in memory");
        room.step(&mut store, begin).expect("it counts");
        assert!(!room.is_low());
        assert_eq!(room.limit(), 1 << 30);

        room.held = 5000;
        free.store(LOW_BYTES - 1, Ordering::SeqCst);
        room.disk.look(room.held, begin + LOOK_EVERY / 2);
        assert!(!room.is_low(), "it is not asked at every line");
        room.disk.look(room.held, begin + LOOK_EVERY);
        assert!(room.is_low());
        assert_eq!(room.limit(), 5000);
        room.grown(100);
        assert!(room.wake() <= Instant::now() + REST, "something is to go");
        let now = begin + 3 * LOOK_EVERY;
        room.counted = true;
        room.step(&mut store, now).expect("there is nothing that could go");
        assert_eq!((room.held(), room.limit()), (0, 5000));

        free.store(WELL_BYTES - 1, Ordering::SeqCst);
        room.disk.look(room.held, now + LOOK_EVERY);
        assert!(room.is_low(), "a little more is not enough");
        free.store(WELL_BYTES, Ordering::SeqCst);
        room.disk.look(room.held, now + 2 * LOOK_EVERY);
        assert_eq!(room.limit(), 1 << 30);

        // A small one is not always nearly full.
        let mut room = Room::new(1 << 30, begin).on_disk(Box::new(|| Some((2 << 20, 30 << 20))));
        room.step(&mut store, begin).expect("it counts");
        assert!(!room.is_low());
    }
}

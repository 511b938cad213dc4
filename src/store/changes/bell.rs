//! The bell of a store: rung after every commit that others can see, heard by all threads of this process.
//!
//! It holds the last number of all changes and of each kind. The store rings it before its caller hears of the commit, so
//! whoever was told of a change and looks at the bell afterwards finds that change counted. Other processes that write to
//! the same store ring bells of their own: whoever must hear of those looks into the store now and then as well.

use super::row::{ChangeKind, LastChanges};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// See above. All connections that are opened from one `Location`, or from its clones, share one.
#[derive(Debug, Default)]
pub struct Bell {
    all: AtomicU64,
    of: [AtomicU64; ChangeKind::ALL.len()],
    /// Held while sleepers look and fall asleep, so that no ring comes in between.
    asleep: Mutex<()>,
    rung: Condvar,
}

impl Bell {
    /// The last number of all changes that were committed here, or were in the store when it was opened. A list that is read
    /// *after* this was asked for holds everything up to that number.
    pub fn last(&self) -> u64 {
        self.all.load(Ordering::SeqCst)
    }

    /// The same for the changes of one kind. As long as it stays, nothing of that kind has changed.
    pub fn last_of(&self, kind: ChangeKind) -> u64 {
        self.of[kind as usize].load(Ordering::SeqCst)
    }

    /// Sleeps until `done` of the last number, which is asked at once and after each ring, or until `limit` is over; returns
    /// the last number.
    pub fn wait_until(&self, limit: Duration, mut done: impl FnMut(u64) -> bool) -> u64 {
        let asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
        drop(
            self.rung
                .wait_timeout_while(asleep, limit, |()| !done(self.last()))
                .unwrap_or_else(PoisonError::into_inner),
        );
        self.last()
    }

    /// Has all sleepers look again, for a reason of theirs that is no change.
    pub fn nudge(&self) {
        drop(self.asleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.rung.notify_all();
    }

    /// What the store has said when it was asked: others than this process have committed up to here.
    pub fn heard(&self, last: &LastChanges) {
        self.ring(last);
    }

    /// These numbers are committed. Threads may say so in another order than they have committed in: the largest counts.
    pub(in crate::store) fn ring(&self, last: &LastChanges) {
        // Kinds first: whoever sees the number of all finds that of its kind.
        for (kind, n) in self.of.iter().zip(last.of) {
            kind.fetch_max(n, Ordering::SeqCst);
        }
        if self.all.fetch_max(last.all, Ordering::SeqCst) < last.all {
            self.nudge();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    const LIMIT: Duration = Duration::from_secs(30);

    fn last(all: u64, device: u64) -> LastChanges {
        let mut last = LastChanges { all, ..LastChanges::default() };
        last.of[ChangeKind::Device as usize] = device;
        last
    }

    #[test]
    fn the_largest_number_counts_whoever_says_it_last() {
        let bell = Bell::default();
        bell.ring(&last(7, 7));
        bell.ring(&last(6, 5));
        assert_eq!((bell.last(), bell.last_of(ChangeKind::Device)), (7, 7));
        assert_eq!(bell.last_of(ChangeKind::Request), 0);
    }

    #[test]
    fn sleepers_wake_by_a_ring_and_by_a_nudge() {
        let bell = Bell::default();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let by_ring = scope.spawn(|| bell.wait_until(LIMIT, |last| last >= 3));
            let by_nudge = scope.spawn(|| bell.wait_until(LIMIT, |_| stop.load(Ordering::SeqCst)));
            for n in 1..=3 {
                bell.ring(&last(n, n));
            }
            assert_eq!(by_ring.join().unwrap(), 3);
            stop.store(true, Ordering::SeqCst);
            bell.nudge();
            assert_eq!(by_nudge.join().unwrap(), 3);
        });
        assert_eq!(bell.wait_until(Duration::ZERO, |_| false), 3, "the limit ends it, too");
    }
}

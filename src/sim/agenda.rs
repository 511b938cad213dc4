//! What is still to happen, by virtual time: one heap for a whole world.
//!
//! Equal times keep the order in which they were put in, so that a run repeats itself to the last byte.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The heap. Times are whole numbers of what the world counts: milliseconds or microseconds of a steady clock.
#[derive(Debug)]
pub(super) struct Agenda<W> {
    heap: BinaryHeap<Reverse<Entry<W>>>,
    order: u64,
}

#[derive(Debug)]
struct Entry<W> {
    at: i64,
    order: u64,
    what: W,
}

impl<W> PartialEq for Entry<W> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<W> Eq for Entry<W> {}
impl<W> PartialOrd for Entry<W> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<W> Ord for Entry<W> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<W> Default for Agenda<W> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), order: 0 }
    }
}

impl<W> Agenda<W> {
    /// `what` happens `at` then.
    pub(super) fn put(&mut self, at: i64, what: W) {
        self.order += 1;
        self.heap.push(Reverse(Entry { at, order: self.order, what }));
    }

    /// When the next thing happens.
    pub(super) fn first(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse(e)| e.at)
    }

    /// The next thing that has happened by `now`.
    pub(super) fn take(&mut self, now: i64) -> Option<W> {
        if self.first()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(e)| e.what)
    }
}

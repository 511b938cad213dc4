//! What is still to happen, by virtual time: one heap for the whole world.
//!
//! Equal times keep the order in which they were put in, so that a run repeats itself to the last byte.

use super::world::What;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The heap. Times are milliseconds of the steady clock.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    heap: BinaryHeap<Reverse<Entry>>,
    order: u64,
}

#[derive(Debug)]
struct Entry {
    at_ms: i64,
    order: u64,
    what: What,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at_ms, self.order).cmp(&(other.at_ms, other.order))
    }
}

impl Agenda {
    /// `what` happens at `at_ms`.
    pub(super) fn put(&mut self, at_ms: i64, what: What) {
        self.order += 1;
        self.heap.push(Reverse(Entry { at_ms, order: self.order, what }));
    }

    /// When the next thing happens.
    pub(super) fn first(&self) -> Option<i64> {
        self.heap.peek().map(|Reverse(e)| e.at_ms)
    }

    /// The next thing that has happened by `now_ms`.
    pub(super) fn take(&mut self, now_ms: i64) -> Option<What> {
        if self.first()? > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(e)| e.what)
    }
}

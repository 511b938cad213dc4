//! The deadlines of many machines, and which comes first.
//!
//! A layer sleeps exactly until the first of them. An ordered set rather than a heap of stale entries: a device that is
//! re-armed a thousand times still has one entry.

use crate::logic::time::Timestamp;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// At most one deadline per key.
#[derive(Debug)]
pub struct Deadlines<K> {
    order: BTreeSet<(Timestamp, K)>,
    by_key: HashMap<K, Timestamp>,
}

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), by_key: HashMap::new() }
    }
}

impl<K: Ord + Hash + Clone> Deadlines<K> {
    /// Replaces the deadline of `key`; `None` removes it.
    pub fn set(&mut self, key: &K, at: Option<Timestamp>) {
        if let Some(old) = self.by_key.remove(key) {
            self.order.remove(&(old, key.clone()));
        }
        if let Some(at) = at {
            self.by_key.insert(key.clone(), at);
            self.order.insert((at, key.clone()));
        }
    }

    /// The first deadline.
    pub fn first(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// At most `max` keys whose deadline is not after `now`, earliest first. They stay until they are set anew.
    pub fn due(&self, now: Timestamp, max: usize) -> Vec<K> {
        self.order.iter().take_while(|(at, _)| *at <= now).take(max).map(|(_, key)| key.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_a_key_has_one() {
        let mut deadlines: Deadlines<char> = Deadlines::default();
        deadlines.set(&'a', Some(Timestamp(10)));
        deadlines.set(&'b', Some(Timestamp(5)));
        deadlines.set(&'a', Some(Timestamp(3)));
        assert_eq!(deadlines.first(), Some(Timestamp(3)));
        assert_eq!(deadlines.due(Timestamp(5), 9), ['a', 'b']);
        assert_eq!(deadlines.due(Timestamp(5), 1), ['a']);
        deadlines.set(&'a', None);
        assert!(deadlines.due(Timestamp(4), 9).is_empty());
    }
}

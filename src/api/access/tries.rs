//! How often calls from an address were refused of late: whoever guesses is slowed down, and does not fill the audit log.

use crate::logic::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Refusals that an address may have in a minute: a person mistypes a few times, a program does it for ever.
pub const TRIES_MAX: u64 = 10;
/// They are counted together for so long.
const WINDOW_MS: i64 = 60_000;
/// Addresses that are counted one by one. Beyond them all others count as one.
const ADDRESSES_MAX: usize = 1024;
/// As which.
const OTHERS: &str = "(others)";

#[derive(Debug)]
struct Window {
    since: Timestamp,
    count: u64,
}

impl Window {
    fn is_over(&self, now: Timestamp) -> bool {
        // A clock that was put back ends it, too.
        !(0..WINDOW_MS).contains(&(now.0.saturating_sub(self.since.0)))
    }
}

/// Refusals by address.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<String, Window>>);

impl Tries {
    /// Counts a refusal. Whether there were few enough to be told one by one; and of windows that are over, how many more there
    /// were.
    pub(super) fn failed(&self, address: &str, now: Timestamp) -> (bool, Vec<(String, u64)>) {
        let mut windows = self.lock();
        let mut over = Vec::new();
        windows.retain(|address, window| {
            let is_over = window.is_over(now);
            if is_over && window.count > TRIES_MAX {
                over.push((address.clone(), window.count - TRIES_MAX));
            }
            !is_over
        });
        let room = windows.len() < ADDRESSES_MAX || windows.contains_key(address);
        let address = if room { address } else { OTHERS };
        let window = windows.entry(address.to_owned()).or_insert(Window { since: now, count: 0 });
        window.count += 1;
        (window.count <= TRIES_MAX, over)
    }

    /// Whether there were so many that nothing is tried any more.
    pub(super) fn are_too_many(&self, address: &str, now: Timestamp) -> bool {
        self.lock().get(address).is_some_and(|w| !w.is_over(now) && w.count >= TRIES_MAX)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_a_minute_are_told_and_the_rest_is_counted() {
        let tries = Tries::default();
        let at = |s: i64| Timestamp(s * 1000);
        for n in 0..10 {
            assert!(!tries.are_too_many("a", at(n)));
            assert_eq!(tries.failed("a", at(n)), (true, vec![]));
        }
        assert!(tries.are_too_many("a", at(10)) && !tries.are_too_many("b", at(10)));
        assert_eq!(tries.failed("a", at(11)), (false, vec![]));
        assert_eq!(tries.failed("b", at(60)), (true, vec![("a".to_owned(), 1)]));
        assert!(!tries.are_too_many("a", at(60)));
    }

    #[test]
    fn many_addresses_take_no_more_room() {
        let tries = Tries::default();
        for n in 0..5000 {
            tries.failed(&n.to_string(), Timestamp(0));
        }
        assert_eq!(tries.lock().len(), ADDRESSES_MAX + 1);
        assert!(tries.are_too_many(OTHERS, Timestamp(0)));
    }
}

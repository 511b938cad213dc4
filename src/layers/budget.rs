//! So many words in a while, and how many were not said: what keeps those who run in circles from filling logs and queues.
//!
//! Pure; time comes in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// For so long words are counted together.
pub(super) const SPAN: Duration = Duration::from_secs(60);
/// Between two searches for a place while all are taken.
const LOOK_REST: Duration = Duration::from_secs(1);
/// Addresses that are counted one by one: several times the largest pool of one server.
const ADDRESSES_MAX: usize = 4096;

/// How many words may still be said, and how many were not.
#[derive(Debug)]
pub(super) struct Budget {
    since: Instant,
    said: u32,
    left_out: u64,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, said: 0, left_out: 0 }
    }

    /// Whether one more may be said; if so, how many before it were not.
    pub(super) fn take(&mut self, most: u32, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.since) >= SPAN {
            (self.since, self.said) = (now, 0);
        }
        if self.said >= most {
            self.left_out += 1;
            return None;
        }
        self.said += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// One for each address, and none for those that are too many.
#[derive(Debug, Default)]
pub(super) struct ByAddress {
    all: HashMap<IpAddr, Budget>,
    /// All places are taken: none is looked for before. Who makes addresses up must not cost a look at all of them each.
    full_until: Option<Instant>,
}

impl ByAddress {
    /// Whether one more may be said of this address.
    pub(super) fn take(&mut self, address: IpAddr, most: u32, now: Instant) -> bool {
        if self.all.len() >= ADDRESSES_MAX && !self.all.contains_key(&address) {
            if self.full_until.is_some_and(|until| now < until) {
                return false;
            }
            self.all.retain(|_, budget| now.saturating_duration_since(budget.since) < SPAN);
            if self.all.len() >= ADDRESSES_MAX {
                self.full_until = Some(now + LOOK_REST);
                return false;
            }
        }
        self.all.entry(address).or_insert_with(|| Budget::new(now)).take(most, now).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_its_own_budget_and_a_flood_of_them_takes_no_memory() {
        let (mut all, start) = (ByAddress::default(), Instant::now());
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        assert_eq!((0..500).filter(|_| all.take(address(1), 60, start)).count(), 60);
        assert!(all.take(address(2), 60, start), "another has its own");
        assert_eq!((0..100_000).filter(|n| all.take(address(10 + n), 60, start)).count(), ADDRESSES_MAX - 2);
        assert_eq!(all.all.len(), ADDRESSES_MAX);
        let later = start + SPAN;
        assert!(all.take(address(1), 60, later) && all.take(address(200_000), 60, later));
        assert_eq!(all.all.len(), 2, "who was quiet has made room");
    }
}

//! Addresses that no device has, but from which lines in a device's name came: boards whose address nobody wrote down, racks behind one
//! address, relays.
//!
//! Pure. Names can be claimed by anybody, so there are only so many of them, and they are forgotten when others need the place.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Some large racks.
const ADDRESSES_MAX: usize = 1024;
/// How long those that fill it are kept at least: who made them up must not push boards out as fast as he can send.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// The addresses.
#[derive(Debug, Default)]
pub(super) struct Vouched {
    all: HashSet<IpAddr>,
    since: Option<Instant>,
}

impl Vouched {
    /// A device's line came from there; true when that is news.
    pub(super) fn add(&mut self, address: IpAddr, now: Instant) -> bool {
        let address = address.to_canonical();
        if self.all.contains(&address) {
            return false;
        }
        if self.all.len() >= ADDRESSES_MAX {
            if self.since.is_some_and(|since| now.saturating_duration_since(since) < KEPT_FOR) {
                return false;
            }
            self.all.clear();
        }
        if self.all.is_empty() {
            self.since = Some(now);
        }
        self.all.insert(address)
    }

    /// All of them.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.all.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_were_claimed_take_no_memory_and_make_room_in_time() {
        let start = Instant::now();
        let mut vouched = Vouched::default();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!(vouched.add(address(1), start) && !vouched.add(address(1), start));
        assert!(!vouched.add("::ffff:0.0.0.1".parse().unwrap(), start), "the same");
        for n in 0..10_000 {
            vouched.add(address(n), start);
        }
        assert_eq!(vouched.addresses().count(), ADDRESSES_MAX);
        assert!(!vouched.add(address(20_000), start + KEPT_FOR / 2));
        assert!(vouched.add(address(20_000), start + KEPT_FOR));
        assert_eq!(vouched.addresses().count(), 1);
    }
}

//! Addresses that no device has, but from which lines in a device's name came: boards whose address nobody wrote down, racks behind one
//! address, relays.
//!
//! Pure. Names can be claimed by anybody, so each has two places: one for the address that it has been heard from all along, and one
//! for the last other one. Whoever claims a name from many addresses fights for the second place of that name, and of no other.

use crate::logic::ids::DeviceName;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The first place is kept for this long after its address was last heard: a board that is installed says nothing for minutes.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// The addresses, by the device in whose name they spoke: two at most for each device that there is.
#[derive(Debug, Default)]
pub(super) struct Vouched(HashMap<DeviceName, Places>);

/// The addresses of one device.
#[derive(Debug)]
struct Places {
    first: IpAddr,
    /// When `first` was heard last.
    heard: Instant,
    other: Option<IpAddr>,
}

impl Vouched {
    /// A line in the name of `device` came from there; true when the addresses are others now.
    pub(super) fn add(&mut self, device: &DeviceName, address: IpAddr, now: Instant) -> bool {
        let address = address.to_canonical();
        let Some(places) = self.0.get_mut(device) else {
            self.0.insert(device.clone(), Places { first: address, heard: now, other: None });
            return true;
        };
        if places.first == address {
            places.heard = now;
            return false;
        }
        if now.saturating_duration_since(places.heard) >= KEPT_FOR {
            *places = Places { first: address, heard: now, other: None };
            return true;
        }
        places.other.replace(address) != Some(address)
    }

    /// These are the devices now, by name and fqdn; what was said of others is forgotten.
    pub(super) fn keep(&mut self, devices: &[(DeviceName, String)]) {
        let names: HashSet<&DeviceName> = devices.iter().map(|(name, _)| name).collect();
        self.0.retain(|name, _| names.contains(name));
    }

    /// All of them; one that several devices share comes for each.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.0.values().flat_map(|places| std::iter::once(places.first).chain(places.other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    fn all(vouched: &Vouched) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = vouched.addresses().collect();
        all.sort();
        all
    }

    #[test]
    fn whoever_claims_a_name_from_everywhere_pushes_out_no_board() {
        let (mut vouched, start) = (Vouched::default(), Instant::now());
        let [good, other, claimed]: [DeviceName; 3] = ["good".into(), "other".into(), "claimed".into()];
        assert!(vouched.add(&good, address(1), start) && vouched.add(&other, address(2), start));
        assert!(!vouched.add(&good, "::ffff:0.0.0.1".parse().unwrap(), start), "the same");
        for n in 1000..11_000 {
            vouched.add(&claimed, address(n), start);
            vouched.add(&good, address(n), start);
        }
        assert_eq!(all(&vouched), [1, 2, 1000, 10_999, 10_999].map(address), "two for each name at most");
        assert!(!vouched.add(&good, address(1), start + KEPT_FOR / 2), "it is still here");
        vouched.add(&good, address(20_000), start + KEPT_FOR);
        assert!(all(&vouched).contains(&address(1)), "and was heard lately");
    }

    #[test]
    fn a_board_that_has_moved_takes_its_place_in_time() {
        let (mut vouched, start) = (Vouched::default(), Instant::now());
        let device: DeviceName = "b".into();
        vouched.add(&device, address(1), start);
        assert!(vouched.add(&device, address(2), start) && !vouched.add(&device, address(2), start));
        assert_eq!(all(&vouched), [1, 2].map(address));
        assert!(vouched.add(&device, address(2), start + KEPT_FOR), "the first has fallen silent");
        assert_eq!(all(&vouched), [address(2)]);
        vouched.keep(&[("c".into(), String::new())]);
        assert!(all(&vouched).is_empty(), "devices that are gone take no place");
    }
}

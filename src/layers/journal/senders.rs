//! Which device a syslog line belongs to: by its source address first, then by the name that it claims.
//!
//! Pure; `names` fills it. A static busybox knows no host name, so the address must do; boards behind one address (an emulated
//! rack) are told apart by the HOSTNAME field (RFC 3164 4.1.2), which else is only believed when the address says nothing.

use crate::logic::ids::{DeviceName, Mac};
use std::collections::HashMap;
use std::net::IpAddr;

/// What names were found to mean.
pub type Addresses = HashMap<String, Vec<IpAddr>>;

/// Addresses and names of the devices.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Senders {
    by_address: HashMap<IpAddr, Vec<DeviceName>>,
    /// Lower-case short names and fqdns.
    by_name: HashMap<String, DeviceName>,
    by_mac: HashMap<Mac, DeviceName>,
}

impl Senders {
    /// Devices by name and fqdn, and by address: that which their fqdn is, or those that it was found to have.
    pub fn new(devices: &[(DeviceName, String)], found: &Addresses) -> Self {
        let mut senders = Self::default();
        for (name, fqdn) in devices {
            if let Ok(address) = fqdn.parse::<IpAddr>() {
                senders.add_address(address, name);
            } else if !fqdn.is_empty() {
                senders.by_name.entry(fqdn.to_ascii_lowercase()).or_insert_with(|| name.clone());
                for address in found.get(fqdn).map(Vec::as_slice).unwrap_or_default() {
                    senders.add_address(*address, name);
                }
            }
        }
        for (name, _) in devices {
            // A short name is the device's own; it wins over another one's fqdn.
            senders.by_name.insert(name.to_ascii_lowercase(), name.clone());
        }
        senders
    }

    /// The same, and which MAC is whose.
    #[must_use]
    pub fn with_macs(mut self, macs: &[(Mac, DeviceName)]) -> Self {
        self.by_mac = macs.iter().cloned().collect();
        self
    }

    /// The device whose network card this is.
    pub fn device_with(&self, mac: Mac) -> Option<&DeviceName> {
        self.by_mac.get(&mac)
    }

    /// All addresses of devices.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.by_address.keys().copied()
    }

    /// Whether some device has this address.
    pub fn has_address(&self, address: IpAddr) -> bool {
        self.by_address.contains_key(&address.to_canonical())
    }

    fn add_address(&mut self, address: IpAddr, device: &DeviceName) {
        let devices = self.by_address.entry(address.to_canonical()).or_default();
        if !devices.contains(device) {
            devices.push(device.clone());
        }
    }

    /// The device that a line from this address, which claims this name (or none: empty), belongs to.
    pub fn device(&self, from: IpAddr, hostname: &str) -> Option<&DeviceName> {
        match self.by_address.get(&from.to_canonical()).map(Vec::as_slice) {
            Some([device]) => Some(device),
            Some(devices) => self.named(hostname).filter(|device| devices.contains(device)),
            None => self.named(hostname),
        }
    }

    /// The device whose boot loader asks from this address and names this MAC. Anybody can name any MAC, so the address decides where
    /// it is one device's own.
    pub fn device_of_boot(&self, from: IpAddr, mac: Option<Mac>) -> Option<&DeviceName> {
        let named = mac.and_then(|mac| self.device_with(mac));
        match self.by_address.get(&from.to_canonical()).map(Vec::as_slice) {
            Some([device]) => Some(device),
            Some(devices) => named.filter(|device| devices.contains(device)),
            None => named,
        }
    }

    /// By the whole name, or by its first label.
    fn named(&self, hostname: &str) -> Option<&DeviceName> {
        if hostname.is_empty() {
            return None;
        }
        let name = hostname.trim_end_matches('.').to_ascii_lowercase();
        let label = || name.split_once('.').and_then(|(label, _)| self.by_name.get(label));
        self.by_name.get(&name).or_else(label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(devices: &[(&str, &str)]) -> Vec<(DeviceName, String)> {
        devices.iter().map(|(name, fqdn)| ((*name).into(), (*fqdn).into())).collect()
    }

    #[test]
    fn the_address_counts_first_and_then_the_claimed_name() {
        let devices = devices(&[
            ("panda-0001", "10.0.0.1"),
            ("panda-0002", "panda-0002.lab.example.com"),
            ("emu-1", "127.0.0.1"),
            ("emu-2", "127.0.0.1"),
            ("v6", "fd00::6"),
        ]);
        let found = Addresses::from([
            ("panda-0002.lab.example.com".into(), vec!["10.0.0.2".parse().unwrap()]),
            ("forgotten.example.com".into(), vec!["10.9.9.9".parse().unwrap()]),
        ]);
        let senders = Senders::new(&devices, &found);
        for (from, hostname, want) in [
            ("10.0.0.1", None, Some("panda-0001")),
            ("::ffff:10.0.0.1", None, Some("panda-0001")),
            ("10.0.0.1", Some("panda-0002"), Some("panda-0001")),
            ("10.0.0.2", None, Some("panda-0002")),
            ("fd00::6", Some("(none)"), Some("v6")),
            // Behind one address the name decides among those that are there.
            ("127.0.0.1", Some("emu-2"), Some("emu-2")),
            ("127.0.0.1", Some("EMU-1.local"), Some("emu-1")),
            ("127.0.0.1", Some("panda-0001"), None),
            ("127.0.0.1", None, None),
            // A foreign address: the name decides alone.
            ("10.9.9.9", Some("panda-0002.lab.example.com"), Some("panda-0002")),
            ("10.9.9.9", Some("Panda-0002"), Some("panda-0002")),
            ("10.9.9.9", Some("panda-0002."), Some("panda-0002")),
            ("10.9.9.9", Some("panda-0001.elsewhere"), Some("panda-0001")),
            ("10.9.9.9", Some("panda-0003"), None),
            ("10.9.9.9", Some(""), None),
            ("10.9.9.9", None, None),
        ] {
            let got = senders.device(from.parse().unwrap(), hostname.unwrap_or_default()).map(|d| &**d);
            assert_eq!(got, want, "{from} {hostname:?}");
        }
    }

    #[test]
    fn a_boot_is_the_addresss_devices_before_it_is_the_macs() {
        let devices =
            devices(&[("a", "10.0.0.1"), ("b", "10.0.0.2"), ("emu-1", "127.0.0.1"), ("emu-2", "127.0.0.1")]);
        let [b, emu] = [Mac([2; 6]), Mac([3; 6])];
        let macs = [(b, "b".into()), (emu, "emu-2".into())];
        let senders = Senders::new(&devices, &Addresses::new()).with_macs(&macs);
        for (from, mac, want) in [
            ("10.0.0.1", Some(b), Some("a")),
            ("10.0.0.1", None, Some("a")),
            ("10.0.0.9", Some(b), Some("b")),
            ("10.0.0.9", None, None),
            ("127.0.0.1", Some(emu), Some("emu-2")),
            ("127.0.0.1", Some(b), None),
        ] {
            let got = senders.device_of_boot(from.parse().unwrap(), mac).map(|d| &**d);
            assert_eq!(got, want, "{from} {mac:?}");
        }
    }

    #[test]
    fn a_short_name_wins_over_another_devices_fqdn() {
        for devices in [[("a", "b"), ("b", "")], [("b", ""), ("a", "b")]] {
            let senders = Senders::new(&self::devices(&devices), &Addresses::new());
            assert_eq!(senders.device([10, 0, 0, 9].into(), "b").map(|d| &**d), Some("b"));
        }
    }
}

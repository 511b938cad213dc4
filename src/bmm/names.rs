//! What host names mean, remembered for a while.
//!
//! Pure: it says which name must be looked up and is told the result; the looking up itself blocks for as long as the
//! system likes and is done by workers of its own ([`look_up`]). Addresses are never looked up.

use super::CheckError;
use crate::logic::time::Timestamp;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// How long an address is used before it is asked for again: boards keep theirs by DHCP reservation.
pub const FRESH_MS: i64 = 60_000;
/// How long a failed look-up is believed: long enough not to flood a name server in trouble.
pub const FAILED_MS: i64 = 5_000;
/// How long the last known address serves while look-ups fail: a broken name server must not make a rack look dead.
pub const STALE_MS: i64 = 3_600_000;
/// Names remembered: the devices of a large server.
pub const NAMES_MAX: usize = 8192;

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its address, port 0.
    Address(SocketAddr),
    /// Not to be had, as was found just now.
    Failed(CheckError),
    /// Being looked up.
    Asked,
    /// To be looked up now; the cache counts it as asked.
    Ask,
}

#[derive(Debug, Default)]
struct Entry {
    /// The last address, and when it was learnt.
    address: Option<(SocketAddr, Timestamp)>,
    /// Until when `address`, or the lack of one, is believed.
    until: Option<Timestamp>,
    asked: bool,
}

/// The cache.
#[derive(Debug, Default)]
pub struct Names {
    entries: HashMap<String, Entry>,
}

impl Names {
    /// What `host` means at `now`.
    pub fn look_up(&mut self, host: &str, now: Timestamp) -> Known {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Known::Address(SocketAddr::new(ip, 0));
        }
        if !is_name(host) {
            return Known::Failed(CheckError::NoHost);
        }
        if !self.entries.contains_key(host) && !self.make_room(now) {
            // That many names asked for at once: the name server does not answer.
            return Known::Failed(CheckError::NameTimedOut { host: host.to_owned() });
        }
        let entry = self.entries.entry(host.to_owned()).or_default();
        match (entry.until.is_some_and(|u| now < u), entry.address) {
            (true, Some((address, _))) => Known::Address(address),
            (true, None) => Known::Failed(CheckError::NameUnknown { host: host.to_owned() }),
            (false, _) if std::mem::replace(&mut entry.asked, true) => Known::Asked,
            (false, _) => Known::Ask,
        }
    }

    /// A look-up of `host` has ended. Afterwards [`Self::look_up`] knows it.
    pub fn learn(&mut self, host: &str, found: Option<SocketAddr>, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(host) else { return };
        entry.asked = false;
        if let Some(mut address) = found {
            address.set_port(0);
            entry.address = Some((address, now));
            entry.until = Some(now.plus_ms(FRESH_MS));
        } else {
            entry.address = entry.address.filter(|(_, at)| now.ms_since(*at) < STALE_MS);
            entry.until = Some(now.plus_ms(FAILED_MS));
        }
    }

    /// Look-ups under way stay: their results must find their entries. False: all are under way.
    fn make_room(&mut self, now: Timestamp) -> bool {
        if self.entries.len() >= NAMES_MAX {
            self.entries.retain(|_, e| e.asked || e.until.is_some_and(|u| now < u));
        }
        if self.entries.len() < NAMES_MAX {
            return true;
        }
        let any = self.entries.iter().find(|(_, e)| !e.asked).map(|(host, _)| host.clone());
        any.is_some_and(|host| self.entries.remove(&host).is_some())
    }
}

/// Letters, digits, dots, dashes, underscores, and what an IPv6 address with a zone has; not more than DNS allows.
fn is_name(host: &str) -> bool {
    let fits = (1..=253).contains(&host.len()) && !host.starts_with('-');
    fits && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:%".contains(&b))
}

/// Asks the system for the address of `host`, IPv4 first: boot firmware speaks little else. Blocks, for minutes if the name
/// server is dead.
pub fn look_up(host: &str) -> Option<SocketAddr> {
    match (host, 0).to_socket_addrs() {
        Ok(found) => found.min_by_key(SocketAddr::is_ipv6),
        Err(error) => {
            log::debug!("host={host} {error}");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp(1_000_000);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_need_no_look_up_and_nonsense_gets_none() {
        let mut names = Names::default();
        assert_eq!(names.look_up("192.0.2.1", T0), Known::Address(address("192.0.2.1:0")));
        assert_eq!(names.look_up("::1", T0), Known::Address(address("[::1]:0")));
        for bad in ["", "a b", "-x", "a\r\nb", "é", &"a".repeat(254)] {
            assert_eq!(names.look_up(bad, T0), Known::Failed(CheckError::NoHost), "{bad:?}");
        }
        assert!(names.entries.is_empty());
    }

    #[test]
    fn a_name_is_asked_once_and_believed_for_a_minute() {
        let mut names = Names::default();
        assert_eq!(names.look_up("panda", T0), Known::Ask);
        assert_eq!(names.look_up("panda", T0), Known::Asked);
        names.learn("panda", Some(address("192.0.2.1:9")), T0);
        let last = T0.plus_ms(FRESH_MS - 1);
        assert_eq!(names.look_up("panda", last), Known::Address(address("192.0.2.1:0")));
        assert_eq!(names.look_up("panda", T0.plus_ms(FRESH_MS)), Known::Ask);
    }

    #[test]
    fn a_failure_is_believed_for_five_seconds() {
        let mut names = Names::default();
        assert_eq!(names.look_up("panda", T0), Known::Ask);
        names.learn("panda", None, T0);
        assert!(matches!(names.look_up("panda", T0.plus_ms(FAILED_MS - 1)), Known::Failed(_)));
        assert_eq!(names.look_up("panda", T0.plus_ms(FAILED_MS)), Known::Ask);
    }

    #[test]
    fn the_last_address_outlives_a_broken_name_server_for_an_hour() {
        let mut names = Names::default();
        assert_eq!(names.look_up("panda", T0), Known::Ask);
        names.learn("panda", Some(address("192.0.2.1:0")), T0);
        let later = T0.plus_ms(FRESH_MS);
        assert_eq!(names.look_up("panda", later), Known::Ask);
        names.learn("panda", None, later);
        assert_eq!(names.look_up("panda", later), Known::Address(address("192.0.2.1:0")));
        let much_later = T0.plus_ms(STALE_MS);
        assert_eq!(names.look_up("panda", much_later), Known::Ask);
        names.learn("panda", None, much_later);
        assert!(matches!(names.look_up("panda", much_later), Known::Failed(_)));
    }

    #[test]
    fn names_are_bounded_and_those_asked_for_stay() {
        let mut names = Names::default();
        assert_eq!(names.look_up("first", T0), Known::Ask);
        for i in 0..NAMES_MAX + 10 {
            let host = format!("h{i}");
            assert_eq!(names.look_up(&host, T0), Known::Ask);
            names.learn(&host, None, T0);
        }
        assert_eq!(names.entries.len(), NAMES_MAX);
        assert_eq!(names.look_up("first", T0), Known::Asked);
        for i in 0..NAMES_MAX - 1 {
            assert_eq!(names.look_up(&format!("never-answered-{i}"), T0), Known::Ask);
        }
        assert!(matches!(names.look_up("last", T0), Known::Failed(CheckError::NameTimedOut { .. })));
        assert_eq!(names.entries.len(), NAMES_MAX);
    }
}

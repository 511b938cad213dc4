//! Whether a call comes from a board: the lab's rule for what boards report, and the addresses that they have.
//!
//! One cell for four threads: *journal* puts in what names were found to mean, a reload the rule, and the API and *tftp* ask. It knows
//! no boot token: which one is right, the device's machine says.

use super::journal::senders::Addresses;
use crate::config::{BoardEvents, Boards as Settings};
use crate::logic::lifeguard::{BootToken, Proof};
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// See above.
#[derive(Debug, Default)]
pub struct Boards {
    settings: RwLock<Settings>,
    found: RwLock<Addresses>,
    addresses: RwLock<HashSet<IpAddr>>,
}

/// Where a call comes from, as seen from a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// From the device's own address.
    Own,
    /// From a router that many boards share.
    Gateway,
    /// The device's address is not known, so nobody can tell.
    Unknown,
    /// From another address than that of the device's name, which may mean another one by now.
    NotFound,
    /// From another address.
    Elsewhere,
}

impl Boards {
    /// The settings that it follows.
    pub const SETTINGS: [&str; 2] = ["boards.events", "boards.gateways"];

    /// As configured; no name has been looked up yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings: settings.into(), ..Self::default() }
    }

    /// From now on as configured there.
    pub fn follow(&self, settings: &Settings) {
        self.settings.write().unwrap_or_else(PoisonError::into_inner).clone_from(settings);
    }

    /// These are the addresses that the devices' names mean now.
    pub fn found(&self, addresses: &Addresses) {
        self.found.write().unwrap_or_else(PoisonError::into_inner).clone_from(addresses);
    }

    /// All devices together have these addresses now.
    pub fn are_at(&self, addresses: HashSet<IpAddr>) {
        *self.addresses.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }

    /// Whether it is the address of a device, or of a router that many boards share.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let addresses = self.addresses.read().unwrap_or_else(PoisonError::into_inner);
        addresses.contains(&address) || self.settings().gateways.contains(&address)
    }

    fn settings(&self) -> RwLockReadGuard<'_, Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a call comes from, as seen from the device that is called `fqdn`, which may be an address itself.
    pub fn whence(&self, fqdn: &str, from: &str) -> Whence {
        let Ok(from) = from.parse::<IpAddr>().map(|a| a.to_canonical()) else { return Whence::Elsewhere };
        if self.settings().gateways.contains(&from) {
            return Whence::Gateway;
        }
        let is_from = |address: &IpAddr| address.to_canonical() == from;
        match fqdn.parse::<IpAddr>() {
            Ok(own) if is_from(&own) => Whence::Own,
            Ok(_) => Whence::Elsewhere,
            Err(_) => match self.found.read().unwrap_or_else(PoisonError::into_inner).get(fqdn) {
                Some(addresses) if addresses.iter().any(is_from) => Whence::Own,
                Some(addresses) if !addresses.is_empty() => Whence::NotFound,
                _ => Whence::Unknown,
            },
        }
    }

    /// What a board must show, by the lab's rule.
    pub fn rule(&self) -> BoardEvents {
        self.settings().events
    }

    /// What a report shows that comes from this address with this boot token.
    pub fn proof(&self, fqdn: &str, from: &str, token: Option<BootToken>) -> Proof {
        let events = self.settings().events;
        if events == BoardEvents::Plain {
            return Proof::NotNeeded;
        }
        match (events, self.whence(fqdn, from)) {
            (BoardEvents::Token, Whence::NotFound) => token.map_or(Proof::Foreign, Proof::FromElsewhere),
            (_, Whence::Elsewhere | Whence::NotFound) => Proof::Foreign,
            (BoardEvents::Token, _) => Proof::Boot(token),
            (_, Whence::Unknown) => Proof::NoAddress,
            (_, Whence::Own | Whence::Gateway) => Proof::NotNeeded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boards(events: BoardEvents) -> Boards {
        let boards = Boards::new(Settings { events, gateways: vec!["10.0.9.1".parse().unwrap()] });
        let found = [("b.lab".to_owned(), vec!["10.0.0.2".parse().unwrap(), "fd00::2".parse().unwrap()])];
        boards.found(&found.into());
        boards
    }

    #[test]
    fn an_address_is_the_devices_own_or_not_or_nobody_knows() {
        let boards = boards(BoardEvents::Token);
        for (fqdn, from, want) in [
            ("10.0.0.1", "10.0.0.1", Whence::Own),
            ("10.0.0.1", "::ffff:10.0.0.1", Whence::Own),
            ("10.0.0.1", "10.0.0.2", Whence::Elsewhere),
            ("b.lab", "10.0.0.2", Whence::Own),
            ("b.lab", "fd00::2", Whence::Own),
            ("b.lab", "10.0.0.1", Whence::NotFound),
            ("c.lab", "10.0.0.1", Whence::Unknown),
            ("", "10.0.0.1", Whence::Unknown),
            ("c.lab", "10.0.9.1", Whence::Gateway),
            ("10.0.0.1", "10.0.9.1", Whence::Gateway),
            ("c.lab", "(unknown)", Whence::Elsewhere),
        ] {
            assert_eq!(boards.whence(fqdn, from), want, "{fqdn} {from}");
        }
    }

    #[test]
    fn boards_are_where_they_were_last_said_to_be() {
        let boards = boards(BoardEvents::Token);
        let has = |address: &str| boards.has(address.parse().unwrap());
        assert!(has("10.0.9.1") && !has("10.0.0.2"), "a router of boards, and nothing else is known yet");
        boards.are_at([[10, 0, 0, 2].into()].into());
        assert!(has("10.0.0.2") && has("::ffff:10.0.0.2") && has("10.0.9.1") && !has("10.0.0.3"));
        boards.are_at([[10, 0, 0, 3].into()].into());
        assert!(!has("10.0.0.2") && has("10.0.0.3"));
    }

    #[test]
    fn each_rule_asks_for_its_proof() {
        use BoardEvents::{Address, Plain, Token};
        let token = BootToken::new([7; BootToken::BYTES]);
        let (right, none) = (Some(token), None);
        for (events, fqdn, from, shown, want) in [
            (Token, "10.0.0.1", "10.0.0.1", right, Proof::Boot(Some(token))),
            (Token, "10.0.0.1", "10.0.0.1", none, Proof::Boot(None)),
            (Token, "10.0.0.1", "10.0.0.2", right, Proof::Foreign),
            (Token, "c.lab", "10.0.0.2", right, Proof::Boot(Some(token))),
            (Token, "b.lab", "10.0.0.3", right, Proof::FromElsewhere(token)),
            (Token, "b.lab", "10.0.0.3", none, Proof::Foreign),
            (Address, "b.lab", "10.0.0.3", right, Proof::Foreign),
            (Token, "10.0.0.1", "10.0.9.1", right, Proof::Boot(Some(token))),
            (Address, "10.0.0.1", "10.0.0.1", none, Proof::NotNeeded),
            (Address, "10.0.0.1", "10.0.0.2", right, Proof::Foreign),
            (Address, "10.0.0.1", "10.0.9.1", none, Proof::NotNeeded),
            (Address, "c.lab", "10.0.0.2", right, Proof::NoAddress),
            (Plain, "10.0.0.1", "10.0.0.2", none, Proof::NotNeeded),
        ] {
            assert_eq!(boards(events).proof(fqdn, from, shown), want, "{events} {fqdn} {from} {shown:?}");
        }
    }

    #[test]
    fn a_reload_changes_the_rule() {
        let boards = boards(BoardEvents::Token);
        assert_eq!(boards.rule(), BoardEvents::Token);
        boards.follow(&Settings { events: BoardEvents::Plain, gateways: Vec::new() });
        assert_eq!(boards.rule(), BoardEvents::Plain);
        assert_eq!(boards.whence("c.lab", "10.0.9.1"), Whence::Unknown);
    }
}

//! What cannot be true at once: two devices with one inventory id, name, MAC or relay, a relay board on two servers.

use super::{Known, Power, Wanted};
use crate::logic::ids::DeviceName;
use std::collections::HashMap;
use std::fmt;

/// Two rows that cannot both be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// What they share: `MAC 02:00:00:00:00:01`.
    pub what: String,
    /// Who has it, and where that is said.
    pub one: String,
    /// Who else.
    pub other: String,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, one, other } = self;
        write!(f, "{what} belongs to {one} and to {other}")
    }
}

/// What is said of whoever has a key.
struct Holder<'a> {
    name: &'a DeviceName,
    server: &'a str,
    said: String,
}

/// Rows that stand, by all that must be theirs alone.
#[derive(Default)]
pub(super) struct Taken<'a> {
    by: HashMap<Key, Holder<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Id(i64),
    Name(String),
    Mac(String),
    Relay(String),
    /// Shared by the devices of one server.
    Board(String),
}

impl Key {
    fn words(&self) -> String {
        match self {
            Self::Id(id) => format!("inventory id {id}"),
            Self::Name(name) => format!("name {name}"),
            Self::Mac(mac) => format!("MAC {mac}"),
            Self::Relay(relay) => format!("relay {relay}"),
            Self::Board(board) => format!("relay board {board}"),
        }
    }
}

fn power_keys(power: &Power) -> impl Iterator<Item = Key> + '_ {
    let board = power.board.as_ref().map(|b| Key::Board(b.key.clone()));
    std::iter::once(Key::Relay(power.key.clone())).chain(board)
}

fn keys_of(wanted: &Wanted) -> Vec<Key> {
    let mut keys = vec![
        Key::Id(wanted.inventory_id),
        Key::Name(wanted.name.to_lowercase()),
        Key::Mac(wanted.mac.to_string()),
    ];
    keys.extend(power_keys(&wanted.power));
    keys
}

fn keys_of_known(known: &Known) -> Vec<Key> {
    let mut keys = vec![Key::Name(known.name.to_lowercase())];
    if known.inventory_id != 0 {
        keys.push(Key::Id(known.inventory_id));
    }
    keys.extend(known.mac.map(|mac| Key::Mac(mac.to_string())));
    keys.extend(known.power.iter().flat_map(power_keys));
    keys
}

fn said(wanted: &Wanted, key: &Key) -> String {
    let Wanted { name, place, imaging_server, .. } = wanted;
    match key {
        Key::Board(_) => format!("server {imaging_server} by device {name} ({place})"),
        _ => format!("device {name} ({place})"),
    }
}

fn said_of_known(known: &Known, key: &Key) -> String {
    let Known { name, imaging_server, inventory_id, .. } = known;
    let made = if *inventory_id == 0 { "made by hand" } else { "in the store" };
    match key {
        Key::Board(_) => format!("server {imaging_server} by device {name} ({made})"),
        _ => format!("device {name} ({made})"),
    }
}

impl<'a> Taken<'a> {
    /// Devices of the store that stand as they are.
    pub(super) fn by_known(known: impl Iterator<Item = &'a Known>) -> Self {
        let mut taken = Self::default();
        for known in known {
            taken.add(known);
        }
        taken
    }

    /// Another one. What these contradict each other in is the store's old trouble.
    pub(super) fn add(&mut self, known: &'a Known) {
        for key in keys_of_known(known) {
            let said = said_of_known(known, &key);
            let holder = Holder { name: &known.name, server: &known.imaging_server, said };
            self.by.entry(key).or_insert(holder);
        }
    }

    /// Adds a wanted row; who has what it wants.
    pub(super) fn add_wanted(&mut self, wanted: &'a Wanted) -> Vec<Contradiction> {
        let found = self.against(wanted);
        for key in keys_of(wanted) {
            let said = said(wanted, &key);
            let holder = Holder { name: &wanted.name, server: &wanted.imaging_server, said };
            self.by.entry(key).or_insert(holder);
        }
        found
    }

    /// Who has what this row wants.
    pub(super) fn against(&self, wanted: &Wanted) -> Vec<Contradiction> {
        let clash = |key: Key| {
            let other = self.holder(&key, wanted)?;
            let (what, one) = (key.words(), said(wanted, &key));
            Some(Contradiction { what, one, other: other.said.clone() })
        };
        keys_of(wanted).into_iter().filter_map(clash).collect()
    }

    /// The first device that has what this row wants.
    pub(super) fn in_the_way(&self, wanted: &Wanted) -> Option<&'a DeviceName> {
        keys_of(wanted).iter().find_map(|key| self.holder(key, wanted)).map(|holder| holder.name)
    }

    fn holder(&self, key: &Key, wanted: &Wanted) -> Option<&Holder<'a>> {
        let holder = self.by.get(key)?;
        let shared = matches!(key, Key::Board(_)) && holder.server == wanted.imaging_server;
        (!shared).then_some(holder)
    }
}

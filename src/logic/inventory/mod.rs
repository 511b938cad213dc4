//! What an inventory says and what the store has, and what is to be done about the difference.
//!
//! Pure: sources fetch (`crate::inventory`), the store does what the plan says in one transaction. Three steps: [`skip`] says which
//! systems are none of ours, the edge parses the others into [`Wanted`], [`plan()`] compares. Contradictions stop everything: a
//! wrong relay cuts somebody else's power.

mod boards;
mod clash;
mod plan;
#[cfg(test)]
mod tests;

pub use boards::BoardRow;
pub use clash::Contradiction;
pub use plan::{Left, Plan, limit, plan};

use super::ids::{DeviceName, Mac};
use std::fmt;

/// Changes that always pass: somebody moved a few boards.
pub const CHANGES_FREE: usize = 5;

/// One system as a source tells of it; texts as they came, empty for what it does not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct System {
    /// Where it stands, for messages: `rack1.toml:12`, `system 17`.
    pub place: String,
    /// Its key there: a number, or a text that never changes. Empty: its name is its key.
    pub inventory_id: String,
    /// Its name or address on the network.
    pub fqdn: String,
    /// Its short name, where that is not the first label of `fqdn`.
    pub name: String,
    /// `decommissioned`, or something else.
    pub status: String,
    /// Of the interface that boots.
    pub mac: String,
    /// The server that owns it.
    pub imaging_server: String,
    /// What its power hangs on.
    pub relay_info: String,
    /// Vendor, or whatever the lab calls the type.
    pub hardware_type: String,
    /// Model.
    pub hardware_model: String,
    /// What else the source looks after; what it does not name is people's.
    pub extras: Extras,
}

/// Fields that an inventory may look after, and usually does not. `None`: they are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras {
    /// Its pool.
    pub environment: Option<String>,
    /// E.g. `armv7`.
    pub processor: Option<String>,
    /// Sorted, each once.
    pub tags: Option<Vec<String>>,
    /// People's notes.
    pub comments: Option<String>,
}

/// Why a system is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skip {
    /// It is out of use.
    Decommissioned,
    /// It lacks what a device must have.
    Without(&'static str),
    /// Somebody else looks after that server's devices.
    Server(String),
}

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decommissioned => f.write_str("it is decommissioned"),
            Self::Without(what) => write!(f, "it has no {what}"),
            Self::Server(server) => write!(f, "devices on {server} are ignored"),
        }
    }
}

/// Whether a system is skipped, and why. `ignored` says which imaging servers are not ours.
pub fn skip(system: &System, ignored: impl Fn(&str) -> bool) -> Option<Skip> {
    if system.status.eq_ignore_ascii_case("decommissioned") {
        return Some(Skip::Decommissioned);
    }
    for (what, text) in [
        ("relay", &system.relay_info),
        ("imaging server", &system.imaging_server),
        ("MAC address", &system.mac),
    ] {
        if text.is_empty() {
            return Some(Skip::Without(what));
        }
    }
    ignored(&system.imaging_server).then(|| Skip::Server(system.imaging_server.clone()))
}

/// The short name that a system has unless it says another: its host up to the first dot; an address as it is.
pub fn short_name(fqdn: &str) -> &str {
    let is_address = fqdn.contains(':') || fqdn.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if is_address { fqdn } else { fqdn.split('.').next().unwrap_or(fqdn) }
}

/// The number of a key that is none: the same for the same text, never 0, and small enough for programs that keep numbers in
/// 53 bits. Two texts that share a number would be found as a contradiction.
pub fn id_of(key: &str) -> i64 {
    if let Ok(n @ 1..) = key.parse::<i64>() {
        return n;
    }
    // FNV-1a.
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    ((hash ^ (hash >> 52)) & ((1 << 52) - 1)).max(1).cast_signed()
}

/// What power hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Power {
    /// As it was written.
    pub text: String,
    /// The same for every spelling.
    pub key: String,
    /// The relay board, where it is one.
    pub board: Option<BoardAt>,
}

/// A relay board's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardAt {
    /// The same for every spelling.
    pub key: String,
    /// Host name or address.
    pub host: String,
    /// Its port, where that is not the usual one.
    pub port: Option<u16>,
}

/// A device as an inventory wants it, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Where it stands, for messages.
    pub place: String,
    /// Its key; never 0.
    pub inventory_id: i64,
    /// Its name.
    pub name: DeviceName,
    /// Where it is reached.
    pub fqdn: String,
    /// What it boots by.
    pub mac: Mac,
    /// Who owns it.
    pub imaging_server: String,
    /// What its power hangs on.
    pub power: Power,
    /// Type and model, where the source says them.
    pub hardware: Option<(String, String)>,
    /// What else the source looks after.
    pub extras: Extras,
}

/// A device as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name.
    pub name: DeviceName,
    /// Its key in the inventory; 0: made by hand.
    pub inventory_id: i64,
    /// Where it is reached.
    pub fqdn: String,
    /// What it boots by.
    pub mac: Option<Mac>,
    /// Who owns it.
    pub imaging_server: String,
    /// What its power hangs on.
    pub power: Option<Power>,
    /// Type and model.
    pub hardware: Option<(String, String)>,
    /// What inventories may look after; nothing of it is `None`.
    pub extras: Extras,
    /// Who needs it now.
    pub held: Option<Held>,
}

/// A relay board as the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownBoard {
    /// Its name.
    pub name: String,
    /// As [`BoardAt::key`].
    pub key: String,
    /// Who talks to it.
    pub imaging_server: String,
}

/// Why a device cannot be taken away now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A request holds it.
    Claimed { request: i64 },
    /// It is in the middle of something.
    AtWork { state: String },
    /// It would take the place of a device that stays for now.
    Behind { device: DeviceName },
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed { request } => write!(f, "request {request} holds it"),
            Self::AtWork { state } => write!(f, "it is at work in state {state}"),
            Self::Behind { device } => write!(f, "it waits for device {device}"),
        }
    }
}

/// Why nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No system is left that could be a device.
    Empty {
        /// Devices that the store has from inventories.
        known: usize,
    },
    /// Something is said twice, differently.
    Contradictory(Vec<Contradiction>),
    /// More devices would change than pass without a word.
    TooMany(Brake),
}

/// More devices change than pass without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brake {
    /// Devices that would be new, changed or gone.
    pub changes: usize,
    /// So many pass.
    pub limit: usize,
}

/// Contradictions that are said; the others are counted.
const SHOWN: usize = 5;

impl fmt::Display for Brake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { changes, limit } = self;
        write!(
            f,
            "{changes} devices would change, and {limit} pass without a word; look at them with --dry-run, then say --ship-it"
        )
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty { known } => write!(
                f,
                "the inventory has no device for us, the store has {known} from it; nothing was changed. Look with --dry-run \
                 --verbose why systems are skipped; the last device is deleted by hand"
            ),
            Self::Contradictory(all) => {
                f.write_str("the inventory contradicts itself or the store; nothing was changed: ")?;
                for (i, one) in all.iter().take(SHOWN).enumerate() {
                    write!(f, "{}{one}", if i == 0 { "" } else { "; " })?;
                }
                match all.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Self::TooMany(brake) => write!(f, "nothing was changed: {brake}"),
        }
    }
}

impl std::error::Error for Refusal {}

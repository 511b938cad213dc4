//! A lab on paper: devices, hardware types, images, PXE configs and relay boards as one TOML file.
//!
//! Parsed and checked here (`parse`), as far as the file alone can tell; `Store::apply_lab` holds it against the store and
//! brings the store to it. What a row does not mention stays as it is in the store, or gets its default in a new row.

mod error;
mod parse;
mod raw;
#[cfg(test)]
mod tests;

pub use error::{LabError, Place, Problem};
pub(crate) use parse::{board_key, relay_key};

use crate::logic::catalog::TimeLimits;
use crate::logic::check::Check;
use crate::logic::ids::{DeviceName, Mac};
use crate::logic::lifeguard::State;

/// What a lab file says. Every row knows its line, for messages about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lab {
    /// The file's name, for messages.
    pub origin: String,
    /// The imaging server of new devices and relay boards that name none.
    pub default_server: String,
    /// `[[hardware_type]]`
    pub hardware_types: Vec<HardwareTypeEntry>,
    /// `[[pxe_config]]`
    pub pxe_configs: Vec<PxeConfigEntry>,
    /// `[[image]]`
    pub images: Vec<ImageEntry>,
    /// `[[relay_board]]`
    pub relay_boards: Vec<RelayBoardEntry>,
    /// `[[device]]`
    pub devices: Vec<DeviceEntry>,
}

/// A hardware type. Type and model together are its key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HardwareTypeEntry {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// E.g. `panda`.
    pub kind: String,
    /// E.g. `ES Rev B2`; may be empty.
    pub model: String,
    /// Seconds of unbroken ping that mean "booted".
    pub ping_steady_s: Option<u32>,
    /// Time limits in seconds by state.
    pub limits: Option<TimeLimits>,
}

/// A PXE config.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PxeConfigEntry {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: Option<String>,
    /// Template text, from `contents` or read from `file`.
    pub contents: Option<String>,
    /// Offered for choice by hand; a new one is.
    pub active: Option<bool>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageEntry {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// Unique name.
    pub name: String,
    /// How a board that runs it proves it; `ping` in a new one.
    pub check: Option<Check>,
    /// File name of the script that installs it.
    pub second_stage: Option<String>,
    /// Keys that a request for it must give.
    pub boot_config_keys: Option<Vec<String>>,
    /// JSON object of values that a request need not give; empty text for an empty table.
    pub boot_config_defaults: Option<String>,
    /// May be used again as it stands on a board.
    pub can_reuse: Option<bool>,
    /// Left out of lists.
    pub hidden: Option<bool>,
    /// Time limits in seconds by state.
    pub limits: Option<TimeLimits>,
    /// Which PXE config installs it on which hardware.
    pub pxe: Vec<PxeChoice>,
}

/// One entry of an image's `pxe` table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PxeChoice {
    /// Where the table stands in the file, from 1.
    pub line: usize,
    /// `TYPE MODEL`, or `*` for every hardware type that has no entry of its own.
    pub hardware: String,
    /// The PXE config's name.
    pub pxe_config: String,
}

/// A relay board.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayBoardEntry {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// Unique name.
    pub name: String,
    /// `host[:port]`, unique too.
    pub fqdn: String,
    /// The server that talks to it.
    pub imaging_server: Option<String>,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEntry {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// Unique short name.
    pub name: DeviceName,
    /// Where it answers: a name or an address.
    pub fqdn: String,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
    /// The server that owns it.
    pub imaging_server: Option<String>,
    /// `host[:port]:bankB:relayR`, or empty: its power cannot be switched.
    pub relay_info: Option<String>,
    /// Its pool.
    pub environment: Option<String>,
    /// Type and model, which must be known.
    pub hardware: Option<(String, String)>,
    /// E.g. `armv7`.
    pub processor: Option<String>,
    /// Sorted, each once.
    pub tags: Option<Vec<String>>,
    /// People's notes.
    pub comments: Option<String>,
    /// Row number in an inventory.
    pub inventory_id: Option<i64>,
    /// The state that a *new* device begins in, `new` unless given. An old one stays where it is.
    pub state: Option<State>,
}

/// One difference between a lab file and the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// For people: `device panda-0001: fqdn a -> b`.
    pub text: String,
}

/// How a hardware type is written in messages and in `pxe` tables: type and model with a space between.
pub(crate) fn hardware_label(kind: &str, model: &str) -> String {
    format!("{kind} {model}").trim_end().to_owned()
}

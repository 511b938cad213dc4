//! A lab on paper: devices, hardware types, images, PXE configs and relay boards as one TOML, JSON or CSV text.
//!
//! Parsed and checked here (`parse`), as far as the file alone can tell, and written (`write`); `Store::apply_lab` holds it against the store and
//! brings the store to it. What a row does not mention stays as it is in the store, or gets its default in a new row.

mod change;
mod csv;
mod error;
mod format;
mod inline;
mod parse;
mod proposed;
mod row;
#[cfg(test)]
mod tests;
mod tree;
mod unique;
mod write;

pub use change::{Change, Fate, Summary};
pub use error::{LabError, Place, Problem};
pub use format::Format;
pub use inline::load_text;
pub use parse::Source;
pub(crate) use parse::{board_key, power_of, relay_key};
pub use proposed::proposed_row;

use crate::logic::catalog::TimeLimits;
use crate::logic::check::Check;
use crate::logic::ids::{DeviceName, Mac};
use crate::logic::lifeguard::State;

/// What kinds of rows a lab has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A vendor's type and model.
    HardwareType,
    /// A template for a boot loader.
    PxeConfig,
    /// What gets installed.
    Image,
    /// What switches power.
    RelayBoard,
    /// A board.
    Device,
}

impl Kind {
    /// Every one, in the order in which rows refer to each other.
    pub const ALL: [Self; 5] =
        [Self::HardwareType, Self::PxeConfig, Self::Image, Self::RelayBoard, Self::Device];

    /// As they are named in lab files, in the same order.
    pub const NAMES: [&'static str; 5] = ["hardware_type", "pxe_config", "image", "relay_board", "device"];

    /// As in a lab file.
    pub fn name(self) -> &'static str {
        match self {
            Self::HardwareType => "hardware_type",
            Self::PxeConfig => "pxe_config",
            Self::Image => "image",
            Self::RelayBoard => "relay_board",
            Self::Device => "device",
        }
    }

    /// For people.
    pub fn label(self) -> &'static str {
        match self {
            Self::HardwareType => "hardware type",
            Self::PxeConfig => "PXE config",
            Self::Image => "image",
            Self::RelayBoard => "relay board",
            Self::Device => "device",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// The fields of a row, its key first.
    pub fn fields(self) -> &'static [&'static str] {
        match self {
            Self::HardwareType => &["type", "model", "ping_steady_s", "limits"],
            Self::PxeConfig => &["name", "description", "active", "contents", "file"],
            Self::Image => &[
                "name",
                "check",
                "second_stage",
                "boot_config_keys",
                "boot_config_defaults",
                "can_reuse",
                "hidden",
                "limits",
                "pxe",
            ],
            Self::RelayBoard => &["name", "fqdn", "imaging_server"],
            Self::Device => &[
                "name",
                "fqdn",
                "mac",
                "imaging_server",
                "relay_info",
                "environment",
                "hardware_type",
                "hardware_model",
                "processor",
                "tags",
                "comments",
                "inventory_id",
                "state",
            ],
        }
    }
}

/// The columns that a CSV file may have.
fn device_fields() -> String {
    Kind::Device.fields().join(", ")
}

/// Whether rows may be there already. It is judged in the transaction that writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exists {
    /// They are changed if they are, and made if they are not.
    #[default]
    Either,
    /// All are, or nothing is written.
    Yes,
    /// None is, or nothing is written.
    No,
}

/// What a lab file says. Every row knows its line, for messages about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lab {
    /// The file's name, for messages.
    pub origin: String,
    /// The imaging server of new devices and relay boards that name none.
    pub default_server: String,
    /// Whether its rows may be there already.
    pub exists: Exists,
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
    /// The PXE config's name; empty: the image cannot be put on that hardware any more.
    pub pxe_config: String,
}

/// A relay board.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RelayBoardEntry {
    /// Where it stands in the file, from 1.
    pub line: usize,
    /// Unique name.
    pub name: String,
    /// `host[:port]`, unique too; a new one has it.
    pub fqdn: Option<String>,
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
    /// Where it answers: a name or an address; a new one has it.
    pub fqdn: Option<String>,
    /// Its Ethernet address; the inner `None` takes it away.
    pub mac: Option<Option<Mac>>,
    /// The server that owns it.
    pub imaging_server: Option<String>,
    /// `host[:port]:bankB:relayR`, or empty: its power cannot be switched.
    pub relay_info: Option<String>,
    /// Its pool.
    pub environment: Option<String>,
    /// Type and model, which must be known; the inner `None` takes them away.
    pub hardware: Option<Option<(String, String)>>,
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

/// How a hardware type is written in messages and in `pxe` tables: type and model with a space between.
pub(crate) fn hardware_label(kind: &str, model: &str) -> String {
    format!("{kind} {model}").trim_end().to_owned()
}

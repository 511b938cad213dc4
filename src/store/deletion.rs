//! What can be deleted, and what stands in the way.
//!
//! Names only; how it is done and asked is `delete`'s.

use crate::lab::Kind;
use crate::logic::ids::DeviceName;
use std::fmt;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deletion {
    /// A device with its log.
    Device(DeviceName),
    /// A hardware type, and what images say of it.
    HardwareType { kind: String, model: String },
    /// An image, and what it says of hardware types.
    Image(String),
    /// A PXE config.
    PxeConfig(String),
    /// A relay board.
    RelayBoard(String),
}

impl Deletion {
    /// The kind of thing.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Device(_) => Kind::Device,
            Self::HardwareType { .. } => Kind::HardwareType,
            Self::Image(_) => Kind::Image,
            Self::PxeConfig(_) => Kind::PxeConfig,
            Self::RelayBoard(_) => Kind::RelayBoard,
        }
    }

    /// Its name, for people.
    pub fn name(&self) -> String {
        match self {
            Self::Device(name) => name.to_string(),
            Self::HardwareType { kind, model } => crate::lab::hardware_label(kind, model),
            Self::Image(name) | Self::PxeConfig(name) | Self::RelayBoard(name) => name.clone(),
        }
    }
}

impl fmt::Display for Deletion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind().label(), self.name())
    }
}

/// Why something stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InUse {
    /// A request holds the device.
    Claimed { request: i64 },
    /// The device is in the middle of something.
    Busy { state: String },
    /// Devices have this hardware type, hang on this relay board, or boot this PXE config: some of them.
    Devices { doing: &'static str, some: Names },
    /// Requests that are not closed want this image: some of them.
    Requests { some: Names },
    /// Closed requests are kept with their image's name: some of them.
    History { some: Names },
    /// So many of those are deleted as one call may take, and there are more: some of them.
    MoreHistory { some: Names },
    /// Images are installed by this PXE config: some of them.
    Images { some: Names },
    /// Every server boots boards with it.
    BuiltIn,
}

/// Some names, and whether there are more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// In order.
    pub shown: Vec<String>,
    /// There are others.
    pub more: bool,
}

/// How many names are shown: enough to find them all by, few enough for a sentence.
pub(super) const SHOWN: usize = 5;

impl Names {
    /// Of a list that has one more than is shown, if there are more.
    pub(super) fn of(mut shown: Vec<String>) -> Option<Self> {
        let more = shown.len() > SHOWN;
        shown.truncate(SHOWN);
        (!shown.is_empty()).then_some(Self { shown, more })
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        if self.more { f.write_str(" and others") } else { Ok(()) }
    }
}

impl fmt::Display for InUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claimed { request } => {
                write!(f, "request {request} holds it; close the request first")
            }
            Self::Busy { state } => write!(
                f,
                "it is in state {state}; wait until it is at rest or lock it out with please_offline, or force it"
            ),
            Self::Devices { doing, some } => write!(f, "devices {doing}: {some}; change those first"),
            Self::Requests { some } => write!(f, "requests want it: {some}; close those first"),
            Self::History { some } => write!(
                f,
                "closed requests that are still kept had it: {some}; hide the image, wait until they are old enough to be deleted, or force it, which deletes them"
            ),
            Self::MoreHistory { some } => {
                write!(
                    f,
                    "many closed requests that had it are deleted and more are left: {some}; say it again"
                )
            }
            Self::Images { some } => {
                write!(f, "it installs images: {some}; give those another PXE config first")
            }
            Self::BuiltIn => f.write_str("every server boots boards with it; change it instead"),
        }
    }
}

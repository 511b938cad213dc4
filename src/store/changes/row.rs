//! One change as a value: what it is about, what happened, and what a reader wants to know without asking again.
//!
//! How it lies in the store (`data` is a small JSON object) is known here; how the API shows it is not.

use crate::logic::ids::RequestId;
use crate::logic::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What changes are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A device; subject: its name.
    Device,
    /// A request; subject: its number.
    Request,
    /// An image, or its line of the matrix; subject: its name.
    Image,
    /// A PXE config; subject: its name.
    PxeConfig,
    /// A hardware type; subject: type and model.
    HardwareType,
    /// A relay board; subject: its name.
    RelayBoard,
    /// An imaging server; subject: its name.
    Server,
    /// A board that has turned to the pool and is no device; subject: its MAC.
    Candidate,
}

impl ChangeKind {
    /// All of them; the position of each is its index in arrays per kind.
    pub const ALL: [Self; 8] = [
        Self::Device,
        Self::Request,
        Self::Image,
        Self::PxeConfig,
        Self::HardwareType,
        Self::RelayBoard,
        Self::Server,
        Self::Candidate,
    ];

    /// Its name, as stored and as the API says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Request => "request",
            Self::Image => "image",
            Self::PxeConfig => "pxe_config",
            Self::HardwareType => "hardware_type",
            Self::RelayBoard => "relay_board",
            Self::Server => "server",
            Self::Candidate => "candidate",
        }
    }

    /// Its subjects are numbers and no names.
    pub const fn is_numbered(self) -> bool {
        matches!(self, Self::Request)
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeWhat {
    /// It was not there before.
    Created,
    /// It went to another state.
    State,
    /// Something else about it is different.
    Changed,
    /// It is gone.
    Deleted,
}

impl ChangeWhat {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Created, Self::State, Self::Changed, Self::Deleted];

    /// Its name, as stored and as the API says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::State => "state",
            Self::Changed => "changed",
            Self::Deleted => "deleted",
        }
    }

    /// What has that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|w| w.name() == name)
    }
}

/// A device after a change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceNews {
    /// State's name.
    pub state: String,
    /// The state it was in before; only where it went to another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// Pool.
    pub environment: String,
    /// The request that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<i64>,
    /// Installed image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The image that is being installed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_image: Option<String>,
    /// Percentage of the running installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
}

/// A device that is gone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeviceGone {
    /// The pool that it was in.
    pub environment: String,
}

/// A request after a change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestNews {
    /// State's name.
    pub state: String,
    /// The state it was in before; only where it went to another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// The device that it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The device that it held until now; only where it has let go of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was_device: Option<String>,
    /// When the reservation ends, in UTC milliseconds.
    pub expires: i64,
    /// Who asked.
    pub assignee: String,
}

/// What a reader need not ask for again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeData {
    /// Of a device.
    Device(DeviceNews),
    /// Of a device that is gone.
    DeviceGone(DeviceGone),
    /// Of a request.
    Request(RequestNews),
    /// Of everything else, and of what else is gone: name and number say it all.
    Nothing,
}

impl ChangeData {
    /// Cuts the texts that people choose to so many characters.
    pub(super) fn cut(&mut self, max: usize) {
        let text = match self {
            Self::Device(news) => &mut news.environment,
            Self::DeviceGone(gone) => &mut gone.environment,
            Self::Request(news) => &mut news.assignee,
            Self::Nothing => return,
        };
        if let Some((end, _)) = text.char_indices().nth(max) {
            text.truncate(end);
        }
    }

    /// As it is stored.
    pub(super) fn text(&self) -> String {
        let text = match self {
            Self::Device(news) => serde_json::to_string(news),
            Self::DeviceGone(gone) => serde_json::to_string(gone),
            Self::Request(news) => serde_json::to_string(news),
            Self::Nothing => return "{}".to_owned(),
        };
        text.expect("our own types hold only string keys")
    }

    /// What is stored for a change of `kind`. What cannot be read says nothing, for a reader that can go on is worth more
    /// than one that stands still before a damaged row.
    pub(super) fn parse(kind: ChangeKind, what: ChangeWhat, text: &str) -> Self {
        let read = match kind {
            ChangeKind::Device if what == ChangeWhat::Deleted => {
                serde_json::from_str(text).map(Self::DeviceGone)
            }
            _ if what == ChangeWhat::Deleted => return Self::Nothing,
            ChangeKind::Device => serde_json::from_str(text).map(Self::Device),
            ChangeKind::Request => serde_json::from_str(text).map(Self::Request),
            _ => return Self::Nothing,
        };
        read.unwrap_or_else(|error| {
            log::error!("a change of a {} cannot be read: {error}", kind.name());
            Self::Nothing
        })
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number. Numbers are in the order of commits, without gaps, from 1 on, and are never given twice.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub kind: ChangeKind,
    /// Which of them: a name, or the number of a request.
    pub subject: String,
    /// What happened.
    pub what: ChangeWhat,
    /// How it is now.
    pub data: ChangeData,
}

impl Change {
    /// The request that it is about, or whose device it is about.
    pub fn request(&self) -> Option<RequestId> {
        match (&self.data, self.kind) {
            (_, ChangeKind::Request) => self.subject.parse().ok().map(RequestId),
            (ChangeData::Device(news), _) => news.request.map(RequestId),
            _ => None,
        }
    }

    /// It is about this device, or about a request that holds it or has just let go of it.
    pub fn concerns(&self, device: &str) -> bool {
        match (&self.data, self.kind) {
            (_, ChangeKind::Device) => self.subject == device,
            (ChangeData::Request(news), _) => {
                [&news.device, &news.was_device].into_iter().flatten().any(|d| d == device)
            }
            _ => false,
        }
    }
}

/// Some changes in their order, and where they lie in all that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangesPage {
    /// In order, without gaps from the first to the last of them.
    pub changes: Vec<Change>,
    /// The last number that was looked at: where to go on. A row that cannot be read is looked at and left out.
    pub seen: u64,
    /// The first number that is kept; one more than `last` when none is. Whoever has seen less than the number before it has
    /// missed something.
    pub oldest: u64,
    /// The last number that was given, here or not.
    pub last: u64,
}

/// The last numbers that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastChanges {
    /// To any kind.
    pub all: u64,
    /// In the order of [`ChangeKind::ALL`].
    pub(super) of: [u64; ChangeKind::ALL.len()],
}

impl LastChanges {
    /// To one kind.
    pub fn of_kind(&self, kind: ChangeKind) -> u64 {
        self.of[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_stand_at_their_index_and_names_are_read_as_they_are_written() {
        for (index, kind) in ChangeKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(ChangeKind::parse(kind.name()), Some(kind));
        }
        for what in ChangeWhat::ALL {
            assert_eq!(ChangeWhat::parse(what.name()), Some(what));
        }
        assert_eq!((ChangeKind::parse("all"), ChangeWhat::parse("")), (None, None));
    }

    #[test]
    fn what_another_version_wrote_is_read_as_far_as_it_is_known() {
        let text = r#"{"state":"ready","colour":"green"}"#;
        let ChangeData::Device(news) = ChangeData::parse(ChangeKind::Device, ChangeWhat::State, text) else {
            panic!("it is a device's");
        };
        assert_eq!(news, DeviceNews { state: "ready".into(), ..DeviceNews::default() });
        for bad in ["", "null", r#"{"state":1}"#] {
            let read = ChangeData::parse(ChangeKind::Request, ChangeWhat::State, bad);
            assert_eq!(read, ChangeData::Nothing, "{bad}");
        }
    }
}

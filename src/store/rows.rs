//! What goes into and comes out of the store: plain values, no JSON shapes of the API and no SQL.
//!
//! Text that is JSON by nature (boot configs) stays text here; lists are lists.

use crate::logic::attempt::{Attempt, Purpose, Step};
use crate::logic::catalog::TimeLimits;
use crate::logic::check::Check;
use crate::logic::discovery::Seen;
use crate::logic::ids::{DeviceName, HardwareId, Mac, RequestId};
use crate::logic::lifeguard::{Boot, Claim, Counter, Device, Install};
use crate::logic::machine::Counters;
use crate::logic::mozpool::{Kind, Request, Wanted};
use crate::logic::report::Group;
use crate::logic::time::Timestamp;
use crate::store::Process;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Free devices that have all in common that a search asks for before it chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeKind {
    /// What they are.
    pub kind: Arc<Kind>,
    /// The image that is on them; empty when there is none.
    pub image: String,
    /// Their tags as they are stored.
    pub(super) tags_text: String,
}

/// A device as its layer loads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// Row number: another one under the same name is another device.
    pub id: i64,
    /// Its machine.
    pub machine: Device,
    /// What it is.
    pub info: DeviceInfo,
    /// Who has it.
    pub claim: Option<Claim>,
}

/// What a device is, as inventory says; the machine does not change it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceInfo {
    /// Where it answers: a name or an address.
    pub fqdn: String,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
    /// The server that owns it.
    pub imaging_server: String,
    /// `host[:port]:bankB:relayR`; empty when its power cannot be switched.
    pub relay_info: String,
    /// Its pool.
    pub environment: String,
    /// Decides PXE configs.
    pub hardware: Option<HardwareId>,
    /// E.g. `panda`; empty when not known.
    pub hardware_type: String,
    /// E.g. `ES Rev B2`; empty when not known.
    pub hardware_model: String,
}

/// A request as its layer loads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// Its machine.
    pub machine: Request,
    /// Who asked.
    pub assignee: String,
}

/// A request that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRequest {
    /// The server that owns it.
    pub server: String,
    /// Who asks.
    pub assignee: String,
    /// What for, in the requester's words; may be empty.
    pub reason: String,
    /// What is wanted.
    pub wanted: Wanted,
    /// When the reservation ends.
    pub expires: Timestamp,
    /// When the search ends.
    pub queue_until: Option<Timestamp>,
    /// Now.
    pub created: Timestamp,
}

/// What people note on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceEdit {
    /// Free text.
    Comments(String),
    /// The pool it belongs to.
    Environment(String),
}

/// What is kept no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooOld {
    /// Log lines that were written before.
    pub logs: Timestamp,
    /// Requests that expired before.
    pub requests: Timestamp,
    /// Changes that were made before.
    pub changes: Timestamp,
    /// What reports are made of and ended before.
    pub reports: Timestamp,
    /// Entries of the audit log that were made before.
    pub audit: Timestamp,
    /// Now, for what there is to tell about it.
    pub now: Timestamp,
}

/// How a device was for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpellRow {
    /// From when.
    pub since: Timestamp,
    /// Until when; `LASTS` while it is so.
    pub until: Timestamp,
    /// How.
    pub group: Group,
    /// The first state of the group, as it is stored.
    pub state: String,
    /// The image that was on it or being put there, if known.
    pub image: Option<String>,
    /// The request that held it at the beginning.
    pub request: Option<RequestId>,
    /// Why it had failed, if it had.
    pub cause: Option<String>,
}

/// A device that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingFailure {
    /// Which.
    pub device: DeviceName,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub cause: String,
}

/// What attempts must have in common to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AttemptKind {
    /// Number of the hardware type, 0 for none.
    pub hardware: i64,
    /// What for.
    pub purpose: Purpose,
    /// The image, empty for none.
    pub image: String,
}

/// An attempt as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptView {
    /// Its number; a later one of the same device has a larger.
    pub id: i64,
    /// What it can be compared with.
    pub kind: AttemptKind,
    /// Who waited for it; may have gone since.
    pub request: Option<RequestId>,
    /// All that happened.
    pub attempt: Attempt,
}

/// A step that comes from outside the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptStep {
    /// Whose.
    pub device: DeviceName,
    /// What.
    pub step: Step,
}

/// A line for a device's log from outside the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLogLine {
    /// Whose.
    pub device: DeviceName,
    /// When it came in.
    pub at: Timestamp,
    /// Where it comes from: `syslog`, `sut`, `tftp`, …
    pub source: String,
    /// The text.
    pub message: String,
}

/// A line from a sender that no device is known for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayLogLine {
    /// When it came in.
    pub at: Timestamp,
    /// The address it came from.
    pub sender: String,
    /// The text.
    pub message: String,
}

/// A stored log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// No other line of a device, or of a request, has it; of two lines of one kind the later one has the larger.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Where it comes from.
    pub source: String,
    /// The text.
    pub message: String,
}

/// A place in a device's log: between what was written there before and after. Lines of the machine and lines from the network
/// are numbered apart, each in the order in which they were written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Of lines that have a row of their own, those up to this number are before it.
    pub row: i64,
    /// The same for lines that came by syslog.
    pub line: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.row, self.line)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // No number that was given has more digits.
        let is_number = |part: &str| part.len() <= 18 && part.bytes().all(|b| b.is_ascii_digit());
        let number = |part: &str| if is_number(part) { part.parse::<i64>().map_err(|_| ()) } else { Err(()) };
        let (row, line) = text.split_once('-').ok_or(())?;
        Ok(Self { row: number(row)?, line: number(line)? })
    }
}

/// Which lines of a device's log are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSearch {
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// With this text in the message; letters match whatever their case. Empty: all.
    pub text: String,
    /// So many at most.
    pub limit: Option<usize>,
    /// From where.
    pub from: LogFrom,
}

/// Where a search in a log begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFrom {
    /// At the end, backwards.
    #[default]
    End,
    /// At this place, backwards.
    Before(Place),
    /// At this place, forwards.
    After(Place),
}

/// What a search in a log has found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// Lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Older lines are before this place.
    pub before: Place,
    /// Newer ones are behind this one.
    pub after: Place,
    /// There may be more in the direction of the search: the limit cut it, or it had looked at enough for one time.
    pub more: bool,
}

/// What from the network a device's log has behind a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind {
    /// Lines, of pieces that lie wholly behind it.
    pub lines: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Before the last piece, for whoever is too far behind to read all.
    pub near_end: Place,
}

/// Somebody who sends lines although no device is known for the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StraySender {
    /// The address.
    pub sender: String,
    /// The last name that it gave itself; empty when it gave none.
    pub hostname: String,
    /// Lines that have come; not all of them are kept.
    pub lines: u64,
    /// When the first of them came.
    pub first: Timestamp,
    /// When the last of them came.
    pub last: Timestamp,
}

/// A board that has turned to us and is no device of any server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateRow {
    /// Its network card.
    pub mac: Mac,
    /// Where it was last.
    pub address: String,
    /// The imaging server that it turned to last.
    pub imaging_server: String,
    /// When it turned to us first.
    pub first: Timestamp,
    /// When it did last.
    pub last: Timestamp,
    /// How often; in a note, how often more.
    pub seen: u64,
    /// What it asked for by TFTP, the last; empty for nothing.
    pub asked_for: String,
    /// What its agent said; `None` when none has registered.
    pub agent: Option<AgentWords>,
    /// Somebody wants to see no more of it.
    pub ignored: bool,
}

impl CandidateRow {
    /// As rules see it.
    pub fn seen_as(&self) -> Seen<'_> {
        let (hardware, pool) = self.agent.as_ref().map_or(("", ""), |a| (&*a.hardware, &*a.pool));
        Seen { mac: self.mac, address: &self.address, hardware, pool }
    }
}

/// What an agent says of its board when it registers. Nobody has checked it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentWords {
    /// When it said so.
    pub at: Timestamp,
    /// Operating system, in its words.
    pub os: String,
    /// Hardware, in its words.
    pub hardware: String,
    /// Where it would like to belong.
    pub pool: String,
    /// Where it takes commands.
    pub command_port: Option<u16>,
    /// Where it takes data.
    pub data_port: Option<u16>,
}

/// Which devices a list is to hold; every part that is given must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceFilter {
    /// State's name.
    pub state: Option<String>,
    /// Pool.
    pub environment: Option<String>,
    /// Installed image.
    pub image: Option<String>,
    /// Hardware type.
    pub hardware_type: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// A part of name, fqdn, MAC or comments, in any case.
    pub q: Option<String>,
    /// A part of `relay_info`, in any case.
    pub relay: Option<String>,
    /// Names after this one only.
    pub after: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A device as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    /// Row number.
    pub id: i64,
    /// Short name.
    pub name: DeviceName,
    /// Row number in an inventory, 0 when there is none.
    pub inventory_id: i64,
    /// What it is.
    pub info: DeviceInfo,
    /// Processor, e.g. `armv7`; empty when not known.
    pub processor: String,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// The state's name as stored, known to this program or not.
    pub state: String,
    /// When it entered the state.
    pub state_since: Timestamp,
    /// When the state's time is up.
    pub deadline: Option<Timestamp>,
    /// What has gone wrong how often.
    pub counters: Counters<Counter>,
    /// What is on it.
    pub installed: Option<Install>,
    /// What is being put there.
    pub next: Option<Install>,
    /// What its next network boot gets.
    pub boot: Option<Boot>,
    /// Percentage of the running installation.
    pub progress: Option<u8>,
    /// People's notes.
    pub comments: String,
    /// Its imaging server lives, as far as is known: it can be worked with.
    pub reachable: bool,
    /// The request that holds it.
    pub request: Option<RequestId>,
}

/// A request as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestView {
    /// Its machine's row.
    pub machine: Request,
    /// The server that owns it.
    pub server: String,
    /// Who asked.
    pub assignee: String,
    /// What for.
    pub reason: String,
    /// When it was made.
    pub created: Timestamp,
    /// The state of the device that it holds.
    pub device_state: Option<String>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Row number; 0 before it has one.
    pub id: i64,
    /// Unique name.
    pub name: String,
    /// Keys that a request for it must give.
    pub boot_config_keys: Vec<String>,
    /// JSON object of values that a request need not give; the request's own win. Empty text when there are none.
    pub boot_config_defaults: String,
    /// May be used again as it stands on a board.
    pub can_reuse: bool,
    /// Left out of lists.
    pub hidden: bool,
    /// How a board that runs it proves it.
    pub check: Check,
    /// File name of the script that installs it, below `second-stages/`; empty when its PXE config names one itself.
    pub second_stage: String,
    /// Its own time limits.
    pub limits: TimeLimits,
}

/// A PXE config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PxeConfigRow {
    /// Unique name.
    pub name: String,
    /// For people.
    pub description: String,
    /// Template text.
    pub contents: String,
    /// Offered for choice by hand.
    pub active: bool,
}

/// A relay board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayBoardRow {
    /// Unique name.
    pub name: String,
    /// `host[:port]`.
    pub fqdn: String,
    /// The server that talks to it.
    pub imaging_server: String,
}

/// An imaging server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRow {
    /// Unique name, as devices and requests name their owner.
    pub name: String,
    /// Its API: `http://host:port`, no slash at the end.
    pub url: String,
}

/// One start of an imaging server, as it makes itself known to its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The server's name.
    pub server: String,
    /// Tells this start from others.
    pub instance: String,
    /// When, by its own clock.
    pub started: Timestamp,
    /// The program's version.
    pub version: String,
    /// The schema version that it works with.
    pub schema: u32,
    /// The version of what servers say to each other; [`Beat::ALONE`] for one that has no secret to say it with.
    pub protocol: u32,
    /// Who it is.
    pub process: Process,
    /// For how long its count may stand still before it counts as gone.
    pub limit_ms: i64,
}

impl Beat {
    /// Works with the store alone.
    pub const ALONE: u32 = 0;
}

/// Whom a start of a server may come instead of, although they have not left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instead {
    /// Whoever it is: a lock says that they have ended.
    Anybody,
    /// Servers by name, while their count stands where it was seen: they are known to have ended, or have been silent for long.
    Of(Vec<(String, i64)>),
}

/// What became of a start of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// It is the one that counts.
    Done,
    /// These stand in its way: another start under its name, and where one of the two works alone, any other server.
    Taken(Vec<ServerSeen>),
}

/// What became of a beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beaten {
    /// It was counted.
    Counted,
    /// It was counted; others had taken the server for gone, and its boards can be had again.
    Back,
    /// Another start of the server has joined since, if there is still one.
    Replaced(Option<Box<ServerSeen>>),
    /// The store has been brought to this newer schema.
    Outdated(u32),
}

/// Whether a server lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liveliness {
    /// Who it is.
    pub beat: Beat,
    /// When it said last that it lives, by its own clock.
    pub last_seen: Timestamp,
    /// Counts up while it lives.
    pub beats: i64,
    /// Somebody has seen the count stand still for long, or it has left.
    pub gone: bool,
}

/// An imaging server as its pool sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSeen {
    /// Unique name.
    pub name: String,
    /// Its API; empty until it has been started once.
    pub url: String,
    /// How many devices it has.
    pub devices: u64,
    /// Whether it lives; `None` for one that has joined no pool.
    pub liveliness: Option<Liveliness>,
}

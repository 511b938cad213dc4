//! What the layers say to each other. Every type here is a closed set: what a thread can hear is what its enum has.
//!
//! Replies go through a channel of one place; whoever asked may have stopped waiting, so a failed reply is no error.

use crate::bmm::power::PowerAddress;
use crate::inventory::{Skipped, SourceError};
use crate::lab::{Change, Lab};
use crate::logic::attempt::Step;
use crate::logic::check::Check;
use crate::logic::events::{ImagingResult, Signal};
use crate::logic::ids::{DeviceName, Mac, RequestId};
use crate::logic::lifeguard::{self, Claim, Install, ProbeMode};
use crate::logic::machine::Epoch;
use crate::logic::mozpool;
use crate::logic::time::Timestamp;
use crate::store::{AgentWords, Deletion, DeviceEdit, NewRequest, StoreError, Sync, Synced};
use crossbeam_channel::Sender;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Messages that may wait for the *lifeguard* thread: a rack of 80 boards says ten things each while it images, and a burst
/// of a second's worth of group commits stands behind that.
pub const LIFEGUARD_QUEUE: usize = 4096;
/// Messages that may wait for the *mozpool* thread.
pub const MOZPOOL_QUEUE: usize = 4096;
/// Jobs that may wait for the *bmm* thread: one per device of a large server.
pub const BMM_QUEUE: usize = 8192;
/// Lines that may wait for the *journal* thread; some seconds of a rack that talks a lot.
pub const JOURNAL_QUEUE: usize = 16384;

/// Where an answer goes.
pub type Reply<T> = Sender<T>;

/// What the *lifeguard* thread hears from the API and from *mozpool*.
#[derive(Debug)]
pub enum LifeguardCommand {
    /// Something happened to a device. With `claim`, the sender has just claimed it.
    Event {
        device: DeviceName,
        event: lifeguard::Event,
        claim: Option<Claim>,
        reply: Option<Reply<DeviceAnswer>>,
    },
    /// A request wants its device prepared; answered by a [`MozpoolNotice`].
    Prepare {
        device: DeviceName,
        claim: Claim,
        epoch: Epoch,
        install: Install,
        prepare: mozpool::Preparation,
    },
    /// A request has let go of a device.
    Released { device: DeviceName, request: RequestId },
    /// Are you there? Nothing else.
    Ping { reply: Reply<()> },
    /// Somebody changes a note on a device.
    Edit { device: DeviceName, edit: DeviceEdit, reply: Reply<DeviceAnswer> },
    /// What would the device get from the network now?
    Explain { device: DeviceName, reply: Reply<BootAnswer> },
    /// What would the device get if a PXE config had these contents, and it booted for `install`? Changes nothing.
    Draft { device: DeviceName, contents: String, install: Option<Install>, reply: Reply<DraftAnswer> },
    /// Another server of the pool may have changed something that is kept in memory here.
    LookAgain { look: Box<Look> },
    /// What there is changes: devices, hardware types, images, PXE configs, relay boards.
    Administer { change: Box<Administration>, dry_run: bool, reply: Reply<AdminAnswer> },
}

/// What may be other than it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// These devices.
    pub devices: BTreeSet<DeviceName>,
    /// Images, hardware types and PXE configs.
    pub catalog: bool,
    /// Anything.
    pub all: bool,
}

impl Look {
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty() && !self.catalog && !self.all
    }
}

/// A change of what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Administration {
    /// Bring the store to what this says.
    Apply(Lab),
    /// Bring what comes from an inventory to what that says now.
    Sync(Sync),
    /// Delete something; `force`: even when work under way or history is in the way.
    Delete { what: Deletion, force: bool },
    /// Do not show this candidate any more, or show it again.
    Ignore { mac: Mac, ignored: bool },
}

/// How *lifeguard* answers to an [`Administration`].
#[derive(Debug)]
pub enum AdminAnswer {
    /// Done and on disk, or in a dry run what would be done.
    Done(Vec<Change>),
    /// The same of an inventory.
    Synced(Synced),
    /// Nothing changed.
    Refused(StoreError),
}

/// What the *inventory* thread hears.
#[derive(Debug)]
pub enum InventoryCommand {
    /// Read the inventory and bring the store to it, also when much changes at once if `ship_it` says so.
    Sync { dry_run: bool, ship_it: bool, reply: Reply<InventoryAnswer> },
}

/// How *inventory* answers.
#[derive(Debug)]
pub enum InventoryAnswer {
    /// Done and on disk, or in a dry run what would be done.
    Done(Box<InventoryReport>),
    /// The inventory could not be read; nothing changed.
    Unreadable(SourceError),
    /// *Lifeguard* would not; nothing changed.
    Refused(StoreError),
    /// *Lifeguard* has no room for a command; nothing changed.
    Busy,
    /// *Lifeguard* has not answered in time.
    NoAnswer,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryReport {
    /// What changed, and what waits.
    pub synced: Synced,
    /// Systems that are none of ours.
    pub skipped: Vec<Skipped>,
    /// All that the inventory told of.
    pub systems: usize,
    /// Nothing was written.
    pub dry_run: bool,
}

/// How *lifeguard* answers to what a device would get from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BootAnswer {
    /// This.
    Boot(Box<NetworkBoot>),
    /// This server has no such device.
    UnknownDevice,
    /// The store does not answer.
    Unavailable { why: String },
}

/// How *lifeguard* answers to a draft of a PXE config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DraftAnswer {
    /// The device's boot loader would read this.
    Text(String),
    /// It cannot be rendered; `line` within it, 0 when not known.
    Wrong { line: usize, why: String },
    /// This server has no such device.
    UnknownDevice,
    /// The store does not answer.
    Unavailable { why: String },
}

/// What a device would get from the network now, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkBoot {
    /// The device's state.
    pub state: lifeguard::State,
    /// The image that it is to get.
    pub image: Option<String>,
    /// Its type and model.
    pub hardware: String,
    /// The PXE config that the text is made of.
    pub pxe_config: String,
    /// It is a description, and no text.
    pub described: bool,
    /// A sentence for an operator.
    pub why: String,
    /// Why the device does not get what its state offers, if so.
    pub error: Option<String>,
    /// The names that it asks for, in order, as far as they are known.
    pub asks_for: Vec<String>,
    /// The first of them that is answered; empty when there is none.
    pub gets: String,
    /// The answer.
    pub text: String,
}

/// How *lifeguard* answers about a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// Done and on disk; the device is now in this state.
    Accepted { state: lifeguard::State },
    /// Nothing changed.
    Ignored { state: lifeguard::State, why: lifeguard::Ignored },
    /// This server has no such device.
    UnknownDevice,
    /// The store does not answer; nothing changed.
    Unavailable { why: String },
}

/// What the *mozpool* thread hears from the API.
#[derive(Debug)]
pub enum MozpoolCommand {
    /// Make a request and begin to look for a device.
    Create { new: Box<NewRequest>, reply: Reply<CreateAnswer> },
    /// Are you there? Nothing else.
    Ping { reply: Reply<()> },
    /// Something happened to a request. `who`: the address that the call came from, for the logs.
    Event { request: RequestId, event: RequestEvent, who: String, reply: Reply<RequestAnswer> },
}

/// What the API can do to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestEvent {
    /// Its owner or an operator is done with it; who, and why, as far as they say it.
    Close { who: Option<String>, reason: Option<String> },
    /// Hold it until then.
    Renew { expires: Timestamp },
    /// An event of the machine, by name.
    Signal { signal: mozpool::Signal, result: Option<ImagingResult> },
}

/// How *mozpool* answers to a new request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateAnswer {
    /// Made, on disk, and looked for; read it from the store. `busy`: it named a device that another request holds, and is closed.
    Created { request: RequestId, busy: bool },
    /// What it refers to was deleted while it was on its way; nothing was made.
    Refused { why: String },
    /// The store does not answer; nothing was made.
    Unavailable { why: String },
}

/// How *mozpool* answers about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestAnswer {
    /// Done and on disk.
    Accepted { state: mozpool::State },
    /// Nothing changed.
    Ignored { state: mozpool::State, why: mozpool::Ignored },
    /// This server has no such request, or it is closed.
    UnknownRequest,
    /// The store does not answer; nothing changed.
    Unavailable { why: String },
}

/// What *lifeguard* tells *mozpool*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MozpoolNotice {
    /// It took the order of `Prepare`.
    Contacted { request: RequestId, epoch: Epoch },
    /// It did not.
    Refused { request: RequestId, epoch: Epoch, why: String },
    /// An installation ended.
    Finished { request: RequestId, device: DeviceName, result: ImagingResult },
    /// A device is ready and nobody has it.
    DeviceFreed { device: DeviceName },
    /// What there is has changed: a request may find now what it did not find before.
    Administered,
}

/// What layers say to layers of another server of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerMessage {
    /// As [`LifeguardCommand::Prepare`]. What is to be installed the other server finds with the request, in the store.
    Prepare { device: DeviceName, claim: Claim, epoch: Epoch, prepare: mozpool::Preparation },
    /// As [`LifeguardCommand::Released`].
    Released { device: DeviceName, request: RequestId },
    /// As [`MozpoolNotice::Contacted`].
    Contacted { request: RequestId, epoch: Epoch },
    /// As [`MozpoolNotice::Refused`].
    Refused { request: RequestId, epoch: Epoch, why: String },
    /// As [`MozpoolNotice::Finished`].
    Finished { request: RequestId, device: DeviceName, result: ImagingResult },
    /// Do you take letters from here? Nothing else.
    Hello,
}

/// What the *bmm* thread hears.
#[derive(Debug)]
pub enum BmmJob {
    /// Cycle a device's power, in the queue of its relay board or power program.
    PowerCycle { device: DeviceName, epoch: Epoch, relay: PowerAddress, deadline: Timestamp },
    /// Find out whether a board is well. `host` is a name or an address.
    Probe { device: DeviceName, epoch: Epoch, host: String, check: Check, mode: ProbeMode, good: Signal },
    /// Let the SUT agent check its card.
    SdCard { device: DeviceName, epoch: Epoch, host: String },
    /// Forget waiting jobs and running watches of this device.
    Cancel { device: DeviceName },
    /// Are you there? Nothing else.
    Ping { reply: Reply<()> },
    /// Somebody works by hand, through the same queues.
    Manual { work: ManualWork, reply: Reply<ManualAnswer> },
}

/// Work by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManualWork {
    /// Off, wait, on.
    PowerCycle(PowerAddress),
    /// Off, and stays off.
    PowerOff(PowerAddress),
    /// On.
    PowerOn(PowerAddress),
    /// Is it on?
    ReadPower(PowerAddress),
    /// Two-way test of a relay board, `host[:port]`.
    TestBoard(String),
    /// One ping with its retries.
    Ping(String),
}

/// What came of work by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManualAnswer {
    /// It went well; or the board answered ping; or the device's power cannot be known.
    Ok,
    /// What its relay or program says of the device's power.
    Power(relayctl::PowerState),
    /// It did not; a sentence for an operator.
    Failed(String),
}

/// What *bmm* answers to *lifeguard*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BmmAnswer {
    /// The relay board has taken up the power cycle; its time starts now.
    PowerStarted { device: DeviceName, epoch: Epoch },
    /// A job's result. `detail`, when there is one, goes to the device's log.
    Finished { device: DeviceName, epoch: Epoch, signal: Signal, detail: Option<String> },
    /// A job could not be queued; the state's time limit asks again.
    Refused { device: DeviceName, epoch: Epoch },
    /// The last connection to a relay board (`host:port`), or the last run of a power program (by its queue), did or did not work: while it does not, devices that wait for it are timed out.
    BoardHealth { board: String, healthy: bool },
}

/// A board that has turned to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Its network card, as it says.
    pub mac: Mac,
    /// Where it is.
    pub address: IpAddr,
    /// When it did.
    pub at: Timestamp,
    /// What it asked for by TFTP; empty when its agent registered.
    pub asked_for: String,
    /// What its agent said; `None` when it asked for a file.
    pub agent: Option<AgentWords>,
}

/// What the *journal* thread hears. What boards say comes to it by the [`super::intake`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalLine {
    /// The devices are others now, or elsewhere.
    DevicesChanged,
    /// What was sent by TFTP to an address, or was not; with the MAC that asked for its config there. Not yet matched to a device.
    Tftp { from: IpAddr, mac: Option<Mac>, at: Timestamp, message: String, step: Option<Step> },
    /// What was sent by HTTP to an address. Not yet matched to a device either.
    Http { to: IpAddr, step: Step },
    /// A board turned to us; whether it is a device's is not yet looked at.
    Board(Box<Sighting>),
    /// A step of a known device's attempt.
    Step { device: DeviceName, step: Step },
    /// A line of a known device.
    Device { device: DeviceName, at: Timestamp, source: &'static str, message: String },
}

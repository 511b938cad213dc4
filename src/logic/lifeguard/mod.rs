//! The device machine: its words. The rows of its table are in `table`, the rules that read them in `step`.
//!
//! Its states and counters are in `state`.

mod failure;
mod limits;
mod proof;
pub mod state;
mod step;
mod table;
#[cfg(test)]
mod tests;

pub use failure::{Failure, Fetched, sentence, usual_cause};
pub use limits::{resume, time_limit_in, time_limit_s};
pub use proof::{BootToken, Doubt, NoBootToken, Proof};
pub use state::{Counter, State};
pub use step::{Moved, Rearmed, Step, step};
pub use table::{Count, Def, Enter, Go, OverLimit, Please, SOON_MAX, TABLE, at_rest, def};

use super::catalog::Catalog;
use super::check::Check;
use super::events::{ImagingResult, PleaseName, ReturnPolicy, Signal};
use super::ids::{DeviceName, HardwareId, ImageName, PxeConfigName, RequestId};
use super::machine::{Counters, Epoch};
use super::time::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Self-tests in a row that a device may begin by itself before it waits for a person. Three rides out a bad card slot
/// or a switch that reboots, and still ends a board that passes its self-test and never boots its system.
pub const SELF_HEALS_MAX: u16 = 3;
/// Failures older than this say nothing about a board's health any more: seven days, in milliseconds.
pub const FAILURE_MEMORY_MS: i64 = 7 * 24 * 3600 * 1000;
/// Failures remembered per device. More would not change the choice of a board.
pub const FAILURES_MAX: usize = 16;

/// An image on a device or on its way there, with the JSON text that parametrises it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Install {
    /// The image.
    pub image: ImageName,
    /// JSON text as the requester gave it; empty when there is none.
    pub boot_config: Arc<str>,
}

/// What a board gets when it boots from the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    /// Which PXE config is rendered for it.
    pub pxe_config: PxeConfigName,
    /// JSON text for its second stage when an operator chose the config by hand; otherwise the next image's counts.
    pub boot_config: Option<Arc<str>>,
}

/// One device's machine, as stored. Everything that decides its future is in here or in [`Facts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its short name.
    pub name: DeviceName,
    /// Where it is.
    pub state: State,
    /// Counts entries of states.
    pub epoch: Epoch,
    /// When it entered `state`.
    pub since: Timestamp,
    /// When the state's time is up; `None` waits for an event for ever.
    pub deadline: Option<Timestamp>,
    /// What went wrong how often.
    pub counters: Counters<Counter>,
    /// What is on the board, if known.
    pub installed: Option<Install>,
    /// What is being put there.
    pub next: Option<Install>,
    /// What is offered to the board when it boots from the network; `None` sends it to its own disk.
    pub boot: Option<Boot>,
    /// The token of the live system's present boot: what the board reports counts only with it. It stays when the boot config is
    /// taken away, for the live system runs on; the next power cycle brings another one, or none.
    pub boot_token: Option<BootToken>,
    /// The reboot after an installation has been seen, so that an answer to ping is the new system's.
    pub vanished: bool,
    /// The running operation is a self-test without a live image: the image's own check decides.
    pub self_testing: bool,
    /// Percentage of the running installation, as the board says.
    pub progress: Option<u8>,
    /// When it failed lately, oldest first, at most [`FAILURES_MAX`]. A bad image is not held against a board.
    pub failures: Vec<Timestamp>,
}

impl Device {
    /// A machine as `state` finds it on its first day; `since` is now and the state's time limit not yet set.
    pub fn new(name: DeviceName, state: State, now: Timestamp) -> Self {
        Self {
            name,
            state,
            epoch: Epoch::default(),
            since: now,
            deadline: (state == State::New).then_some(now),
            counters: Counters::default(),
            installed: None,
            next: None,
            boot: None,
            boot_token: None,
            vanished: false,
            self_testing: false,
            progress: None,
            failures: Vec::new(),
        }
    }

    /// Failures within [`FAILURE_MEMORY_MS`] before `now`: the measure of health when a board is chosen.
    pub fn recent_failures(&self, now: Timestamp) -> usize {
        self.failures.iter().filter(|at| now.ms_since(**at) < FAILURE_MEMORY_MS).count()
    }
}

/// The request that holds a device, and the server that owns the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which request.
    pub request: RequestId,
    /// The imaging server that owns it, by name.
    pub server: Arc<str>,
}

/// What `step` sees beside the device's row.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Images, hardware, PXE configs.
    pub catalog: &'a Catalog,
    /// What the device is.
    pub hardware: Option<HardwareId>,
    /// Its power can be switched.
    pub has_relay: bool,
    /// Who has it.
    pub claim: Option<&'a Claim>,
    /// For a boot of the live system that begins with this event: random, and never given before.
    pub boot_token: BootToken,
}

/// Something asked of a device, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// `please_self_test`
    SelfTest,
    /// `please_start_maintenance`
    StartMaintenance,
    /// `please_power_cycle`
    PowerCycle,
    /// `please_image`
    Image(Install),
    /// `please_offline`
    Offline,
    /// `please_online`
    Online,
}

impl Ask {
    /// Its public name.
    pub fn name(&self) -> PleaseName {
        match self {
            Self::SelfTest => PleaseName::SelfTest,
            Self::StartMaintenance => PleaseName::StartMaintenance,
            Self::PowerCycle => PleaseName::PowerCycle,
            Self::Image(_) => PleaseName::Image,
            Self::Offline => PleaseName::Offline,
            Self::Online => PleaseName::Online,
        }
    }
}

/// Everything that can happen to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A board or a person reports. `detail` is the reason that some events carry.
    Signal { signal: Signal, detail: Option<String>, proof: Proof },
    /// The hardware layer answers what the state entry `epoch` asked.
    Answer { epoch: Epoch, signal: Signal },
    /// The relay board took up the power cycle that `epoch` asked for; its clock starts now.
    PowerStarted { epoch: Epoch },
    /// The boot config that the state entry `epoch` offers cannot be made: its template is wrong, or gone.
    NoBootConfig { epoch: Epoch, why: String },
    /// The deadline may have passed. `waiting`: its power cycle still stands in the queue of a healthy relay board.
    Deadline { waiting: bool },
    /// The board says how far its installation is.
    Progress { percent: u8, proof: Proof },
    /// An event of a name that this program does not know, made fit for a log.
    Unknown { name: String, proof: Proof },
    /// Somebody asks.
    Please(Ask),
    /// The request that held it has ended.
    Released { policy: ReturnPolicy },
    /// An operator puts it into a state, if it is in `from`.
    Force { from: String, to: State, who: String },
    /// An operator chooses what the next network boot offers (`None`: nothing), beside the machine; with `cycles` the power goes off
    /// and on next, so that whatever runs then is another boot.
    Offer { boot: Option<Boot>, cycles: bool },
}

impl Event {
    /// What a board reports, by name, and what shows that it is the board's word; `None` for everything else.
    pub fn reported(&self) -> Option<(&str, Proof)> {
        match self {
            Self::Signal { signal, proof, .. } => Some((signal.name(), *proof)),
            Self::Progress { proof, .. } => Some((super::events::IMAGE_PROGRESS, *proof)),
            Self::Unknown { name, proof } => Some((name, *proof)),
            Self::Answer { .. }
            | Self::PowerStarted { .. }
            | Self::NoBootConfig { .. }
            | Self::Deadline { .. }
            | Self::Please(_)
            | Self::Released { .. }
            | Self::Force { .. }
            | Self::Offer { .. } => None,
        }
    }

    /// Whether it reports what the hardware layer alone can find out.
    pub fn is_for_the_hardware(&self) -> bool {
        matches!(self, Self::Signal { signal, .. } if signal.is_the_hardwares())
    }
}

/// What a probe of the board's health is to find out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeMode {
    /// Ask once; say [`Signal::CheckOk`] or [`Signal::Failed`].
    Once,
    /// Ask again and again while the state lasts; say `good` when the check has passed without a gap for `steady_s`.
    /// With `must_vanish`, answers before the first silence are an older system's: say [`Signal::Vanished`] when it comes.
    Until { steady_s: u32, must_vanish: bool },
}

/// Work for the hardware layer. It carries the epoch that asked, so that a late answer is recognised as late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Off, wait, on; answer `power_cycle_ok` or `power_cycle_failed`.
    PowerCycle { epoch: Epoch },
    /// Ask the board whether it is well; answer `good` or as the mode says.
    Probe { epoch: Epoch, check: Check, mode: ProbeMode, good: Signal },
    /// The SUT agent's card check; answer `sut_sdcard_ok` or `sut_sdcard_failed`.
    SdCard { epoch: Epoch },
    /// Forget queued work and running probes of this device: their answers are no longer wanted.
    Cancel,
    /// Tell the request how the installation ended.
    Report { claim: Claim, result: ImagingResult },
}

/// Why an event changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// The state does not know this event.
    NotExpected { event: &'static str, state: State },
    /// No event has this name.
    UnknownEvent(String),
    /// Nothing shows that the board says it, and that it says it now.
    Doubted { event: String, doubt: Doubt },
    /// The answer to an earlier attempt.
    Late { epoch: Epoch, now: Epoch },
    /// The deadline is later, or there is none.
    NotDue,
    /// Nothing to do: what was asked for is so already.
    AsItWas,
    /// No image of that name.
    UnknownImage(ImageName),
    /// The image cannot be put on this hardware.
    NoPxeConfig(ImageName),
    /// Somebody has the device.
    Assigned(RequestId),
    /// The compare-and-set found another state.
    OtherState { wanted: String, state: State },
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotExpected { event, state } => write!(f, "ignored event {event} in state {state}"),
            Self::UnknownEvent(name) => {
                write!(f, "ignored unknown event {name}; there is no event of this name")
            }
            Self::Doubted { event, doubt } => write!(f, "refused event {event}: {}", doubt.sentence()),
            Self::Late { epoch, now } => {
                write!(f, "ignored the answer to attempt {epoch}, the device is at attempt {now}")
            }
            Self::NotDue => f.write_str("the deadline has not passed"),
            Self::AsItWas => f.write_str("nothing to change"),
            Self::UnknownImage(image) => write!(f, "cannot image device: there is no image `{image}`"),
            Self::NoPxeConfig(image) => {
                write!(f, "cannot image device: no PXE config for image `{image}` on this hardware type")
            }
            Self::Assigned(request) => {
                write!(f, "the device is assigned to request {request}; return that first")
            }
            Self::OtherState { wanted, state } => {
                write!(
                    f,
                    "the device is in state {state}, not {wanted}; look again and repeat if still wanted"
                )
            }
        }
    }
}

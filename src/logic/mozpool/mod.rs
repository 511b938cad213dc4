//! The request machine: its words. The rows of its table are in `table`, the rules in `step`.
//!
//! What a request may ask for is in `wanted`, whether a board is that in `fit`, which of those that are it gets in `pick`,
//! and how a search is told in `census`.
//!
//! State names are public API and stored; they are never renamed.

mod census;
mod fit;
mod pick;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod wanted;

pub use self::census::{Census, Outcome};
pub use self::fit::{Board, Busy, Kind, PassedOver, Unfit, judge, kind_fits};
pub use self::wanted::{OneOf, Wanted};
pub use pick::{Candidate, Choice, pick, place};
pub use step::{Moved, Step, step};
pub use table::{Def, Enter, TABLE, def};

use super::events::ImagingResult;
use super::ids::{DeviceName, RequestId};
use super::machine::{Counters, Epoch, named_enum};
use super::time::Timestamp;
use std::fmt;

named_enum! {
    /// Where a request is.
    pub enum State {
        New = "new",
        FindingDevice = "finding_device",
        ContactLifeguard = "contact_lifeguard",
        ContactingLifeguard = "contacting_lifeguard",
        Pending = "pending",
        Ready = "ready",
        FailedDeviceNotFound = "failed_device_not_found",
        FailedBadImage = "failed_bad_image",
        FailedBadDevice = "failed_bad_device",
        FailedDeviceBusy = "failed_device_busy",
        Expired = "expired",
        Closed = "closed",
    }
}

impl State {
    /// Given up; the requester can only close it.
    pub fn is_failed(self) -> bool {
        self.name().starts_with("failed_")
    }
}

named_enum! {
    /// What is counted against a limit.
    pub enum Counter {
        FindingDevice = "finding_device",
        ContactingLifeguard = "contacting_lifeguard",
        Pending = "pending",
        BadImages = "bad_images",
    }
}

named_enum! {
    /// Events that the API may send to a request by name.
    pub enum Signal {
        FindDevice = "find_device",
        LifeguardContacted = "lifeguard_contacted",
        LifeguardFinished = "lifeguard_finished",
        Close = "close",
        Expire = "expire",
    }
}

/// One request's machine, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub id: RequestId,
    /// Where it is.
    pub state: State,
    /// Counts entries of states.
    pub epoch: Epoch,
    /// When the state's time is up.
    pub deadline: Option<Timestamp>,
    /// What went wrong how often.
    pub counters: Counters<Counter>,
    /// What is wanted.
    pub wanted: Wanted,
    /// The device that it holds.
    pub assigned: Option<DeviceName>,
    /// When the reservation ends.
    pub expires: Timestamp,
    /// When the search ends without a device, if the requester set a limit.
    pub queue_until: Option<Timestamp>,
}

impl Request {
    /// When the machine must be looked at again: its state's deadline, or its end.
    pub fn next_wake(&self) -> Option<Timestamp> {
        match self.state {
            State::Closed | State::Expired => None,
            _ => Some(self.deadline.map_or(self.expires, |d| d.min(self.expires))),
        }
    }
}

/// What is known of the device that a request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its state's name, as stored.
    pub state: String,
    /// The request that holds it.
    pub claimed_by: Option<RequestId>,
}

impl Named {
    /// It can be had now.
    pub fn is_free(&self) -> bool {
        self.claimed_by.is_none() && self.state == "ready"
    }
}

/// What the device layer is asked to do for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// It runs the image already: `please_power_cycle`.
    PowerCycle,
    /// `please_image`.
    Image,
}

/// Everything that can happen to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Begin.
    FindDevice,
    /// A device that fits and is free; the commit claims it. `reuse`: it runs the image already.
    Found { epoch: Epoch, device: DeviceName, prepare: Preparation },
    /// Another request was faster with every device that was tried; look again when the deadline comes.
    ClaimLost { epoch: Epoch },
    /// No free device fits. `named`: what is known of the one that was asked for (outer `None`: any would do).
    NoneFree { epoch: Epoch, named: Option<Option<Named>> },
    /// A device has become free somewhere; it may be worth looking.
    DeviceFreed,
    /// Lifeguard has taken the order. Without an epoch when it comes by the API.
    LifeguardContacted { epoch: Option<Epoch> },
    /// Lifeguard will not: the device is not ready any more.
    LifeguardRefused { epoch: Epoch, why: String },
    /// Lifeguard tells how the installation ended, or (`None`) that it is worth asking.
    LifeguardFinished { device: Option<DeviceName>, result: Option<ImagingResult> },
    /// A deadline may have passed. `stored`: the result that lies with the claim, if any;
    /// `prepare`: what the assigned device would need now.
    Deadline { stored: Option<ImagingResult>, prepare: Option<Preparation> },
    /// The device that it names is held by another request: it ends before it began.
    Busy { by: RequestId },
    /// Its owner or an operator is done with it.
    Close(Closer),
    /// Its time is over. `by`: whoever says so, whatever the clock says.
    Expire { by: Option<Closer> },
    /// Hold it until then.
    Renew { expires: Timestamp },
}

/// Who ends a request, and why; for the logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Closer {
    /// The address that the call came from.
    pub address: String,
    /// The name that the call gives, if any. Nobody checks it.
    pub who: Option<String>,
    /// In the caller's words, if any.
    pub reason: Option<String>,
}

impl fmt::Display for Closer {
    /// `by ann at 10.0.0.7: the rack is moved`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.who {
            Some(who) => write!(f, "by {who} at {}", self.address)?,
            None => write!(f, "from {}", self.address)?,
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// What the commit does to the request's claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimChange {
    /// Leave it.
    Keep,
    /// Insert the unique row; the commit fails with "claim lost" when another request has it.
    Take(DeviceName),
    /// Delete it.
    Drop(DeviceName),
}

/// Work to do after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Look for a device; answer `Found`, `ClaimLost` or `NoneFree`.
    Find { epoch: Epoch },
    /// Ask Lifeguard to prepare the device; answer `LifeguardContacted` or `LifeguardRefused`.
    Contact { epoch: Epoch, device: DeviceName, prepare: Preparation },
    /// Tell Lifeguard that the device is free again.
    Release { device: DeviceName },
}

/// Why an event changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// The state does not know this event.
    NotExpected { event: &'static str, state: State },
    /// The answer to an earlier attempt.
    Late,
    /// The deadline is later, or there is none.
    NotDue,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotExpected { event, state } => write!(f, "ignored event {event} in state {state}"),
            Self::Late => f.write_str("ignored the answer to an earlier attempt"),
            Self::NotDue => f.write_str("the deadline has not passed"),
        }
    }
}

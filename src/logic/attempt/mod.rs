//! A board's attempts: a power cycle and all that follows until the board rests or is given up, as a list of steps.
//!
//! Here are the words. `step` of the device machine says in [`Turn`]s how an attempt goes on; what comes from outside (files,
//! events, answers) joins it by device and time. `usual` says what attempts of a kind look like, `verdict` how one compares.

#[cfg(test)]
mod tests;
pub mod usual;
pub mod verdict;
pub mod words;

use super::ids::{ImageName, RequestId};
use super::lifeguard::State;
use super::machine::named_enum;
use super::time::Timestamp;

named_enum! {
    /// What an attempt is to achieve.
    pub enum Purpose {
        /// Install an image.
        Image = "image",
        /// Boot what is on the disk.
        PowerCycle = "power_cycle",
        /// Find out whether the board works.
        SelfTest = "self_test",
        /// Give a person a shell on it.
        Maintenance = "maintenance",
        /// A PXE config that a person has chosen by hand.
        Pxe = "pxe",
    }
}

named_enum! {
    /// How an attempt ended.
    pub enum Outcome {
        /// Not yet.
        Running = "running",
        /// The board rests, and is well.
        Ok = "ok",
        /// It took too long or something failed, and another attempt followed.
        Failed = "failed",
        /// The board was given up, or a person took it out of the attempt.
        GivenUp = "given_up",
    }
}

named_enum! {
    /// What a step tells of.
    pub enum StepKind {
        /// The machine entered a state.
        State = "state",
        /// The relay switched.
        Power = "power",
        /// A file went to the board by TFTP, or did not.
        Tftp = "tftp",
        /// The same by HTTP.
        Http = "http",
        /// The board said how far it is.
        Event = "event",
        /// Its first or last line of syslog.
        Syslog = "syslog",
        /// It stopped or began to answer.
        Ping = "ping",
        /// A check of what runs on it.
        Check = "check",
    }
}

/// Steps with this name of [`StepKind::Power`] begin a power cycle.
pub const POWER_OFF: &str = "off";
/// … and these end one: power is on again, and the relay says so.
pub const POWER_ON: &str = "on";
/// … or it could not be switched.
pub const POWER_FAILED: &str = "failed";

/// How an attempt goes on, as the device machine says; committed with the device's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Power is to be cycled: an attempt begins in this state. One that still runs has failed.
    Begin {
        /// What for.
        purpose: Purpose,
        /// The image that is to run afterwards, if it is known.
        image: Option<ImageName>,
        /// Who waits for it.
        request: Option<RequestId>,
        /// The state that was entered.
        state: State,
    },
    /// It is in another state now.
    Enter(State),
    /// It has ended in this state.
    End {
        /// Where.
        state: State,
        /// How.
        outcome: Outcome,
    },
}

/// Something that happened on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When; of what takes time, its end.
    pub at: Timestamp,
    /// Of what it tells.
    pub kind: StepKind,
    /// File, event or state; the same in every attempt of a kind.
    pub name: String,
    /// A few words for people.
    pub what: String,
    /// Bytes that went to the board.
    pub bytes: Option<u64>,
    /// Milliseconds that it took, up to `at`.
    pub took_ms: Option<u64>,
    /// It did not go as it should: a file that broke off, an event that was ignored, a check that failed.
    pub bad: bool,
}

impl Step {
    /// A step without bytes or duration.
    pub fn new(at: Timestamp, kind: StepKind, name: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at, kind, name: name.into(), what: what.into(), bytes: None, took_ms: None, bad: false }
    }

    /// The same, and so long did it take.
    #[must_use]
    pub fn took(mut self, ms: u64) -> Self {
        self.took_ms = Some(ms);
        self
    }

    /// The same, and so many bytes were sent.
    #[must_use]
    pub fn sent(mut self, bytes: u64) -> Self {
        self.bytes = Some(bytes);
        self
    }

    /// The same, and it is not as it should be if `bad`.
    #[must_use]
    pub fn is_bad(mut self, bad: bool) -> Self {
        self.bad = bad;
        self
    }

    /// The name as far as it is the same on every board: configs are asked for under a board's own name.
    pub fn key(&self) -> &str {
        if self.kind == StepKind::Tftp && self.name.contains(CONFIG_FOLDER) {
            BOOT_CONFIG
        } else {
            &self.name
        }
    }
}

/// Where boot loaders look for their config (PXELINUX, and U-Boot and iPXE after it).
const CONFIG_FOLDER: &str = "pxelinux.cfg/";
/// What people call what lies there.
pub const BOOT_CONFIG: &str = "boot config";

/// An attempt with its steps, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What for.
    pub purpose: Purpose,
    /// How it ended.
    pub outcome: Outcome,
    /// When power was to be cycled.
    pub started: Timestamp,
    /// When it ended; `None` while it runs.
    pub ended: Option<Timestamp>,
    /// The last state.
    pub state: String,
    /// All that is known of it.
    pub steps: Vec<Step>,
}

/// What was offered by hand is looked at for so long. The machine has no part in it and sees no end.
pub const PXE_LASTS_MS: i64 = 30 * 60 * 1000;

impl Attempt {
    /// Gives what was offered by hand its end, if that has come by now.
    pub fn settle(&mut self, now: Timestamp) {
        let end = self.started.plus_ms(PXE_LASTS_MS);
        if self.purpose == Purpose::Pxe && self.ended.unwrap_or(now) >= end {
            (self.ended, self.outcome) = (Some(end), Outcome::Ok);
            self.steps.retain(|step| step.at <= end);
        }
    }
}

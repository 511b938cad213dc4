//! How operations on power ended, counted since the start: `GET health` shows it beside *bmm*.

use super::{CommandFault, Outcome, PowerError};
use relayctl::power::Refusal;
use relayctl::{Fault, PowerAfter};
use std::sync::atomic::{AtomicU64, Ordering};

/// One of the ways in which an operation ends, in the order of [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Done,
    Unreachable,
    NoAnswer,
    WrongAnswer,
    NotMoved,
    ProgramFailed,
    OurTrouble,
}

/// As `GET health` calls them. What `power_may_be_off` counts is in one of the others, too.
const NAMES: [&str; 8] = [
    "power_done",
    "power_unreachable",
    "power_no_answer",
    "power_wrong_answer",
    "power_not_moved",
    "power_program_failed",
    "power_our_trouble",
    "power_may_be_off",
];
const MAY_BE_OFF: usize = NAMES.len() - 1;

/// The counters.
#[derive(Debug, Default)]
pub struct PowerCounts([AtomicU64; NAMES.len()]);

impl PowerCounts {
    /// One more.
    pub fn count(&self, outcome: &Outcome) {
        self.add(End::of(outcome) as usize);
        let power = match outcome {
            Ok(_) => None,
            Err(PowerError::Relay(error)) => Some(error.power),
            Err(PowerError::Command(error)) => Some(error.power),
        };
        if power == Some(PowerAfter::MayBeOff) {
            self.add(MAY_BE_OFF);
        }
    }

    fn add(&self, at: usize) {
        self.0[at].fetch_add(1, Ordering::Relaxed);
    }

    /// All of them, with their names.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        NAMES.into_iter().zip(self.0.iter().map(|n| n.load(Ordering::Relaxed))).collect()
    }
}

impl End {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Ok(_) => Self::Done,
            Err(PowerError::Relay(error)) => match error.fault {
                Fault::UnknownHost | Fault::Refused | Fault::Unreachable => Self::Unreachable,
                Fault::TimedOut => Self::NoAnswer,
                Fault::Closed | Fault::Reset | Fault::ShortReply { .. } | Fault::WrongReply(_) => {
                    Self::WrongAnswer
                }
                Fault::NotMoved { .. } => Self::NotMoved,
                Fault::ResolverBusy | Fault::TooLittleTime { .. } | Fault::Io(_) => Self::OurTrouble,
            },
            Err(PowerError::Command(error)) => match error.fault {
                CommandFault::Refused(Refusal::NotMoved { .. }) => Self::NotMoved,
                CommandFault::TimedOut { .. } => Self::NoAnswer,
                CommandFault::Refused(_) | CommandFault::System(_) => Self::OurTrouble,
                CommandFault::SwitchedOff
                | CommandFault::Missing
                | CommandFault::NotExecutable
                | CommandFault::Unsafe
                | CommandFault::Start(_)
                | CommandFault::Failed { .. }
                | CommandFault::NoStatus { .. } => Self::ProgramFailed,
            },
        }
    }
}

//! How operations on power ended, counted since the start, and what waits for relay boards and power programs: `GET health` shows
//! it beside *bmm*.

use super::{CommandFault, Outcome, PowerError};
use relayctl::power::Refusal;
use relayctl::{Fault, PowerAfter};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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

/// What waits and runs, as `GET health` calls it.
const QUEUES: [&str; 3] = ["jobs_waiting", "jobs_running", "longest_queue"];
/// Relay boards and power programs whose health is kept: more than one server has. Of more the first ones count.
const RELAYS_MAX: usize = 256;

/// The counters.
#[derive(Debug, Default)]
pub struct PowerCounts {
    ends: [AtomicU64; NAMES.len()],
    /// In the order of [`QUEUES`].
    queues: [AtomicU64; QUEUES.len()],
    /// Whether those that devices hang on work, by queue.
    relays: Mutex<BTreeMap<String, bool>>,
}

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
        self.ends[at].fetch_add(1, Ordering::Relaxed);
    }

    /// So many jobs wait, run, and wait in the longest queue.
    pub fn set_queues(&self, waiting: usize, running: usize, longest: usize) {
        for (place, n) in self.queues.iter().zip([waiting, running, longest]) {
            place.store(n as u64, Ordering::Relaxed);
        }
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A relay board or power program that devices hang on works, or does not.
    pub fn relay_is(&self, queue: &str, works: bool) {
        let mut kept = self.kept();
        if let Some(known) = kept.get_mut(queue) {
            *known = works;
        } else if kept.len() < RELAYS_MAX {
            kept.insert(queue.to_owned(), works);
        }
    }

    /// Those of which something is known, by queue, with whether they work.
    pub fn relays(&self) -> BTreeMap<String, bool> {
        self.kept().clone()
    }

    /// All numbers, with their names.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        let names = NAMES.into_iter().chain(QUEUES);
        names.zip(self.ends.iter().chain(&self.queues).map(|n| n.load(Ordering::Relaxed))).collect()
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

//! One operation on one device's power, in a worker's hands, and what its end says of the relay board or program itself.
//!
//! Blocking, under a deadline. The queue, the rest between connections and who is told are the dispatcher's. Which kind of
//! power it is stands in the device's address; off, wait, on and check are the same for all (`relayctl::power`).

mod address;
mod command;
mod counts;
mod program;

pub use address::{CommandAddress, PowerAddress, PowerAddressError, board_key, is_command_queue};
pub use command::{CommandError, CommandFault, Programs};
pub use counts::PowerCounts;

use crate::layers::messages::{ManualAnswer, ManualWork, Reply};
use crate::logic::ids::DeviceName;
use crate::logic::machine::Epoch;
use relayctl::{Action, BoardAddress, Fault, PowerState, RelayError, Settings};
use std::fmt;
use std::time::{Duration, Instant};

/// For one operation on a relay: a healthy cycle takes little more than a second, the rest is for a board that is slow to
/// accept. Less than the 60 s after which a device asks again.
pub const POWER_LIMIT: Duration = Duration::from_secs(30);
/// For the two-way test, for which somebody waits at a screen.
pub const TEST_LIMIT: Duration = Duration::from_secs(10);
/// How long a refusing board is asked again: it may still rest from a connection of somebody who works by hand.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// How all operations are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    /// How long a power cycle leaves a device off.
    pub pause: Duration,
    /// How long a relay board that refuses is asked again; see [`PATIENCE`].
    pub patience: Duration,
    /// The programs of `command:` devices.
    pub programs: Programs,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// This, with a device's power.
    Power(PowerAddress, Action),
    /// The two-way test.
    Test(BoardAddress),
}

impl Task {
    /// Its queue; see [`PowerAddress::queue`].
    pub fn queue(&self) -> String {
        match self {
            Self::Power(address, _) => address.queue(),
            Self::Test(board) => board_key(board),
        }
    }

    /// What the manual work is for the relays; `None` for a ping.
    ///
    /// # Errors
    /// A sentence about what is wrong with the board's address.
    pub fn of(work: &ManualWork) -> Result<Option<Self>, relayctl::AddressError> {
        Ok(Some(match work {
            ManualWork::PowerCycle(at) => Self::Power(at.clone(), Action::PowerCycle),
            ManualWork::PowerOff(at) => Self::Power(at.clone(), Action::PowerOff),
            ManualWork::PowerOn(at) => Self::Power(at.clone(), Action::PowerOn),
            ManualWork::ReadPower(at) => Self::Power(at.clone(), Action::Status),
            ManualWork::TestBoard(board) => Self::Test(board.parse()?),
            ManualWork::Ping(_) => return Ok(None),
        }))
    }
}

/// Who asked.
#[derive(Debug)]
pub enum Asker {
    /// A device's machine.
    Device { device: DeviceName, epoch: Epoch },
    /// Somebody by hand.
    Hand(Reply<ManualAnswer>),
}

/// A job in a board's queue.
#[derive(Debug)]
pub struct PowerJob {
    /// What to do.
    pub task: Task,
    /// For whom.
    pub asker: Asker,
}

/// What came of a task: the power seen at its end, where it has one and it is known.
pub type Outcome = Result<Option<PowerState>, PowerError>;

/// Why it came to nothing, as a sentence for the device's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerError {
    /// At a relay board.
    Relay(Box<RelayError>),
    /// In a program.
    Command(CommandError),
}

impl From<RelayError> for PowerError {
    fn from(error: RelayError) -> Self {
        Self::Relay(Box::new(error))
    }
}

impl fmt::Display for PowerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay(error) => error.fmt(f),
            Self::Command(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PowerError {}

/// Does it.
///
/// # Errors
/// [`PowerError`].
pub fn carry_out(task: &Task, ways: &Ways) -> Outcome {
    let Ways { pause, patience, ref programs } = *ways;
    let settings = |limit| Settings { pause, patience, ..Settings::new(Instant::now() + limit) };
    match task {
        Task::Power(PowerAddress::Relay(relay), action) => {
            Ok(Some(relayctl::run(relay, *action, &settings(POWER_LIMIT))?))
        }
        Task::Power(PowerAddress::Command(address), action) => {
            command::run(address, *action, pause, POWER_LIMIT, programs).map_err(PowerError::Command)
        }
        Task::Test(board) => Ok(relayctl::test(board, &settings(TEST_LIMIT)).map(|()| None)?),
    }
}

/// Whether the relay board, or what stands in its place, worked; `None` when the outcome does not tell.
pub fn board_works(outcome: &Outcome) -> Option<bool> {
    let fault = match outcome {
        Ok(_) => return Some(true),
        Err(PowerError::Command(error)) => return error.fault.works(),
        Err(PowerError::Relay(error)) => &error.fault,
    };
    match fault {
        // It answers, and it is this relay that does not move.
        Fault::NotMoved { .. } => Some(true),
        // It answers something: not well, but not away either.
        Fault::WrongReply(_) => None,
        // Our own trouble.
        Fault::TooLittleTime { .. } | Fault::ResolverBusy => None,
        Fault::UnknownHost
        | Fault::Refused
        | Fault::Unreachable
        | Fault::TimedOut
        | Fault::Closed
        | Fault::Reset
        | Fault::ShortReply { .. }
        | Fault::Io(_) => Some(false),
    }
}

#[cfg(test)]
mod tests;

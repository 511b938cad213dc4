//! One operation on one relay board, in a worker's hands, and what its end says of the board itself.
//!
//! Blocking, under a deadline. The queue, the rest between connections and who is told are the dispatcher's.

use crate::layers::messages::{ManualAnswer, ManualWork, Reply};
use crate::logic::ids::DeviceName;
use crate::logic::machine::Epoch;
use relayctl::{Action, BoardAddress, Fault, PowerState, RelayAddress, RelayError, Settings};
use std::time::{Duration, Instant};

/// For one operation on a relay: a healthy cycle takes little more than a second, the rest is for a board that is slow to
/// accept. Less than the 60 s after which a device asks again.
pub const POWER_LIMIT: Duration = Duration::from_secs(30);
/// For the two-way test, for which somebody waits at a screen.
pub const TEST_LIMIT: Duration = Duration::from_secs(10);
/// How long a refusing board is asked again: it may still rest from a connection of somebody who works by hand.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// What the layers call a relay board when they speak of it: `host:port` in lower case, as names differ by more than case.
pub fn board_key(board: &BoardAddress) -> String {
    board.to_string().to_ascii_lowercase()
}

/// What a relay board is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// This, with the power behind a relay.
    Relay(RelayAddress, Action),
    /// The two-way test.
    Test(BoardAddress),
}

impl Task {
    /// The board's queue; see [`board_key`].
    pub fn board(&self) -> String {
        board_key(match self {
            Self::Relay(address, _) => &address.board,
            Self::Test(board) => board,
        })
    }

    /// What the manual work is for the relays; `None` for a ping.
    ///
    /// # Errors
    /// A sentence about what is wrong with the board's address.
    pub fn of(work: &ManualWork) -> Result<Option<Self>, relayctl::AddressError> {
        Ok(Some(match work {
            ManualWork::PowerCycle(relay) => Self::Relay(relay.clone(), Action::PowerCycle),
            ManualWork::PowerOff(relay) => Self::Relay(relay.clone(), Action::PowerOff),
            ManualWork::PowerOn(relay) => Self::Relay(relay.clone(), Action::PowerOn),
            ManualWork::ReadPower(relay) => Self::Relay(relay.clone(), Action::Status),
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

/// What came of a task: the power seen at its end, where it has one.
pub type Outcome = Result<Option<PowerState>, RelayError>;

/// Does it. `pause`: how long a cycle leaves a device off; `patience`: see [`PATIENCE`].
///
/// # Errors
/// [`RelayError`].
pub fn carry_out(task: &Task, pause: Duration, patience: Duration) -> Outcome {
    let settings = |limit| Settings { pause, patience, ..Settings::new(Instant::now() + limit) };
    match task {
        Task::Relay(address, action) => relayctl::run(address, *action, &settings(POWER_LIMIT)).map(Some),
        Task::Test(board) => relayctl::test(board, &settings(TEST_LIMIT)).map(|()| None),
    }
}

/// Whether the connection to the board worked; `None` when the outcome does not tell.
pub fn board_works(outcome: &Outcome) -> Option<bool> {
    match outcome.as_ref().map_err(|e| &e.fault) {
        Ok(_) => Some(true),
        // It answers, and it is this relay that does not move.
        Err(Fault::NotMoved { .. }) => Some(true),
        // It answers something: not well, but not away either.
        Err(Fault::WrongReply(_)) => None,
        // Our own trouble.
        Err(Fault::TooLittleTime { .. } | Fault::ResolverBusy) => None,
        Err(
            Fault::UnknownHost
            | Fault::Refused
            | Fault::Unreachable
            | Fault::TimedOut
            | Fault::Closed
            | Fault::Reset
            | Fault::ShortReply { .. }
            | Fault::Io(_),
        ) => Some(false),
    }
}

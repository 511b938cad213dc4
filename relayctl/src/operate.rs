//! Whole operations on a relay board: connect, do, verify, close, under one deadline.
//!
//! A [`RelayBoard`] with the relay it is to move is a [`PowerSwitch`]. Keeps no queue and no rest between operations:
//! whoever owns the board must see to one operation at a time and a second of rest after each (ProXR hardware notes).

use crate::address::{Bank, BoardAddress, PowerState, Relay, RelayAddress, Wiring};
use crate::board::RelayBoard;
use crate::cycle::{Goal, PowerAfter};
use crate::error::{Fault, Operation, Place, RelayError, Step};
use crate::packet::Framing;
use crate::power::{Failure, PowerSwitch, Refusal, Times, Trouble, left, play};
use crate::proxr::{BankStatus, Command, Reply, ReplyError};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// How long a power cycle leaves the device off: long enough for its capacitors.
pub const PAUSE: Duration = Duration::from_secs(1);
/// What switching on again may take beyond the deadline: a board's rest after a close, a connection, four bytes.
pub const GRACE: Duration = Duration::from_secs(5);
/// Between two attempts to connect to a board that refuses.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How long a bank beyond the first may stay silent in [`board_status`]: those that a board does not have do.
const ABSENT_BANK: Duration = Duration::from_secs(1);

/// What to do with a device's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Give it, and check.
    PowerOn,
    /// Take it, and check.
    PowerOff,
    /// Take it, check, pause, give it, check.
    PowerCycle,
    /// Only look.
    Status,
}

impl Action {
    /// What is to be reached, with this pause for a power cycle.
    pub const fn goal(self, pause: Duration) -> Goal {
        match self {
            Self::PowerOn => Goal::Switch(PowerState::On),
            Self::PowerOff => Goal::Switch(PowerState::Off),
            Self::PowerCycle => Goal::Cycle(pause),
            Self::Status => Goal::Status,
        }
    }
}

/// How an operation is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// When it must have ended. Only a power cycle that failed half-way may take `grace` longer.
    pub deadline: Instant,
    /// How long a power cycle leaves the device off.
    pub pause: Duration,
    /// How long beyond the deadline a failed power cycle may try to give power again.
    pub grace: Duration,
    /// How long to try again when the first connection is refused (within the deadline). Zero for those who keep the
    /// board's rest themselves.
    pub patience: Duration,
    /// How commands travel.
    pub framing: Framing,
}

impl Settings {
    /// The usual settings: [`PAUSE`], [`GRACE`], no patience, plain commands.
    pub fn new(deadline: Instant) -> Self {
        let framing = Framing::default();
        Self { deadline, pause: PAUSE, grace: GRACE, patience: Duration::ZERO, framing }
    }
}

/// The power behind each relay of a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BankPower {
    status: BankStatus,
    wiring: Wiring,
}

impl BankPower {
    /// The power behind one of them.
    pub fn of(self, relay: Relay) -> PowerState {
        self.wiring.power_for(self.status.relay(relay))
    }
}

/// Carries out an action on one relay and gives the power the device was seen to have at its end.
///
/// # Errors
/// [`RelayError`] with the first fault. If a power cycle fails after it may have cut the power, power is given again
/// first, on the same connection or on new ones, for up to [`Settings::grace`] beyond the deadline;
/// [`RelayError::power`] says what came of it.
pub fn run(address: &RelayAddress, action: Action, settings: &Settings) -> Result<PowerState, RelayError> {
    let operation = match action {
        Action::PowerOn => Operation::PowerOn,
        Action::PowerOff => Operation::PowerOff,
        Action::PowerCycle => Operation::PowerCycle,
        Action::Status => Operation::Status,
    };
    let error = |Trouble { step, fault, power }| RelayError {
        board: address.board.clone(),
        place: Place::Relay(address.bank, address.relay),
        operation,
        step,
        fault,
        power,
    };
    let board = connect_patiently(&address.board, settings)
        .map_err(|fault| error(Trouble { step: Step::Connect, fault, power: PowerAfter::Untouched }))?;
    let peer = board.peer();
    let mut relay = OneRelay { address, framing: settings.framing, board: Some(board), peer };
    let times = Times { deadline: settings.deadline, grace: settings.grace };
    let seen = play(&mut relay, action.goal(settings.pause), &times).map_err(error)?;
    Ok(seen.expect("a relay always has a position"))
}

/// The power behind all eight relays of a bank, in one read.
///
/// # Errors
/// [`RelayError`].
pub fn bank_status(
    board: &BoardAddress,
    bank: Bank,
    wiring: Wiring,
    settings: &Settings,
) -> Result<BankPower, RelayError> {
    let at = Whole { board, place: Place::Bank(bank), operation: Operation::BankStatus };
    let mut line = at.connect(settings)?;
    at.read_bank(&mut line, bank, wiring, Step::Read, settings.deadline)
}

/// The power behind the relays of the first `banks` banks, on one connection. Banks that do not answer, and those after
/// them, are left out if there was an answer from the first: a board is silent about banks that it does not have.
///
/// # Errors
/// [`RelayError`].
pub fn board_status(
    board: &BoardAddress,
    banks: Bank,
    wiring: Wiring,
    settings: &Settings,
) -> Result<Vec<(Bank, BankPower)>, RelayError> {
    let mut seen = Vec::new();
    let mut line = None;
    for bank in Bank::up_to(banks) {
        let at = Whole { board, place: Place::Bank(bank), operation: Operation::BankStatus };
        let line = match &mut line {
            Some(line) => line,
            none => none.insert(at.connect(settings)?),
        };
        let limit = if seen.is_empty() {
            settings.deadline
        } else {
            settings.deadline.min(Instant::now() + ABSENT_BANK)
        };
        match at.read_bank(line, bank, wiring, Step::Read, limit) {
            Ok(power) => seen.push((bank, power)),
            Err(error) if error.fault == Fault::TimedOut && !seen.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(seen)
}

/// Gives all eight devices of a bank power, or takes it, and checks each.
///
/// # Errors
/// [`RelayError`].
pub fn switch_bank(
    board: &BoardAddress,
    bank: Bank,
    power: PowerState,
    wiring: Wiring,
    settings: &Settings,
) -> Result<BankPower, RelayError> {
    let operation = match power {
        PowerState::On => Operation::BankOn,
        PowerState::Off => Operation::BankOff,
    };
    let at = Whole { board, place: Place::Bank(bank), operation };
    let mut line = at.connect(settings)?;
    let command = Command::SwitchBank { bank, to: wiring.relay_for(power) };
    at.say(&mut line, command, Step::Switch(power), settings.deadline)?;
    let seen = at
        .read_bank(&mut line, bank, wiring, Step::Check(power), settings.deadline)
        .map_err(|error| RelayError { power: PowerAfter::Unverified, ..error })?;
    match Relay::all().all(|relay| seen.of(relay) == power) {
        true => Ok(seen),
        false => Err(at.error(Step::Check(power), Fault::NotMoved { wanted: power }, PowerAfter::Unverified)),
    }
}

/// The two-way test: whether the board is there and takes commands (reply 85 and nothing else).
///
/// # Errors
/// [`RelayError`]; a board in configuration mode is one.
pub fn test(board: &BoardAddress, settings: &Settings) -> Result<(), RelayError> {
    let at = Whole { board, place: Place::Board, operation: Operation::Test };
    let mut line = at.connect(settings)?;
    at.say(&mut line, Command::TwoWayTest, Step::Test, settings.deadline).map(|_| ())
}

/// An operation on more than one relay, for its errors.
struct Whole<'a> {
    board: &'a BoardAddress,
    place: Place,
    operation: Operation,
}

impl Whole<'_> {
    fn error(&self, step: Step, fault: Fault, power: PowerAfter) -> RelayError {
        let Self { board, place, operation } = self;
        RelayError { board: (*board).clone(), place: *place, operation: *operation, step, fault, power }
    }

    fn connect(&self, settings: &Settings) -> Result<RelayBoard, RelayError> {
        connect_patiently(self.board, settings)
            .map_err(|fault| self.error(Step::Connect, fault, PowerAfter::Untouched))
    }

    fn say(
        &self,
        line: &mut RelayBoard,
        command: Command,
        step: Step,
        limit: Instant,
    ) -> Result<Reply, RelayError> {
        line.exchange(command, limit).map_err(|Failure { fault, sent }| {
            let moved = sent && matches!(command, Command::SwitchBank { .. });
            let power = if moved { PowerAfter::Unverified } else { PowerAfter::Untouched };
            self.error(step, fault, power)
        })
    }

    fn read_bank(
        &self,
        line: &mut RelayBoard,
        bank: Bank,
        wiring: Wiring,
        step: Step,
        limit: Instant,
    ) -> Result<BankPower, RelayError> {
        match self.say(line, Command::ReadBank { bank }, step, limit)? {
            Reply::Bank(status) => Ok(BankPower { status, wiring }),
            Reply::Acknowledged | Reply::Relay(_) => unreachable!("the codec gives a bank for a bank"),
        }
    }
}

fn connect_patiently(board: &BoardAddress, settings: &Settings) -> Result<RelayBoard, Fault> {
    let until = settings.deadline.min(Instant::now() + settings.patience);
    loop {
        match RelayBoard::connect(board.host(), board.port(), settings.deadline) {
            Err(Fault::Refused) if Instant::now() + RECONNECT_PAUSE < until => thread::sleep(RECONNECT_PAUSE),
            done => return done.map(|board| board.speaking(settings.framing)),
        }
    }
}

/// One relay of a board, over a connection that may be lost and opened again.
struct OneRelay<'a> {
    address: &'a RelayAddress,
    framing: Framing,
    board: Option<RelayBoard>,
    /// Where the first connection went: a rescue must not hang on a name server.
    peer: SocketAddr,
}

impl OneRelay<'_> {
    fn exchange(&mut self, command: Command, limit: Instant) -> Result<Reply, Failure<Fault>> {
        match &mut self.board {
            Some(board) => board.exchange(command, limit),
            None => Err(Failure { fault: Fault::Closed, sent: false }),
        }
    }
}

impl PowerSwitch for OneRelay<'_> {
    type Fault = Fault;

    fn switch(&mut self, power: PowerState, limit: Instant) -> Result<(), Failure<Fault>> {
        let RelayAddress { bank, relay, wiring, .. } = *self.address;
        let to = wiring.relay_for(power);
        match self.exchange(Command::Switch { bank, relay, to }, limit)? {
            // A Fusion board says itself that the relay has not moved.
            Reply::Bank(status) if status.relay(relay) != to => {
                Err(Failure { fault: Refusal::NotMoved { wanted: power }.into(), sent: true })
            }
            _ => Ok(()),
        }
    }

    fn look(&mut self, limit: Instant) -> Result<Option<PowerState>, Failure<Fault>> {
        let RelayAddress { bank, relay, wiring, .. } = *self.address;
        match self.exchange(Command::ReadRelay { bank, relay }, limit)? {
            Reply::Relay(state) => Ok(Some(wiring.power_for(state))),
            Reply::Acknowledged | Reply::Bank(_) => unreachable!("the codec gives a relay for a relay"),
        }
    }

    fn reopen(&mut self, limit: Instant) -> Result<(), Failure<Fault>> {
        // Closed before it is opened again: the board serves one connection.
        self.board = None;
        let unsent = |fault| Failure { fault, sent: false };
        left(limit).map_err(|refusal| unsent(refusal.into()))?;
        self.board = Some(RelayBoard::connect_to(self.peer, limit).map_err(unsent)?.speaking(self.framing));
        Ok(())
    }

    fn usable_after(&self, fault: &Fault) -> bool {
        let usable = match fault {
            Fault::NotMoved { .. } => true,
            // Bytes too many, or of another framing, leave the line out of step.
            Fault::WrongReply(why) => matches!(why, ReplyError::WrongByte { .. }),
            _ => false,
        };
        usable && self.board.is_some()
    }

    fn rest(&self) -> Duration {
        RECONNECT_PAUSE
    }
}

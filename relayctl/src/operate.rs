//! Whole operations on a relay board: connect, do, verify, close, under one deadline.
//!
//! Carries out the moves of [`crate::cycle`] on a [`RelayBoard`]. Keeps no queue and no rest between operations:
//! whoever owns the board must see to one operation at a time and a second of rest after each (ProXR hardware notes).

use crate::address::{Bank, BoardAddress, PowerState, Relay, RelayAddress, Wiring};
use crate::board::{Failure, RelayBoard, left};
use crate::cycle::{Ending, Goal, Line, Move, PowerAfter, Report, Script};
use crate::error::{Fault, Operation, Place, RelayError, Step};
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

/// How an operation is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// When it must have ended. Only a power cycle that failed half-way may take `grace` longer.
    pub deadline: Instant,
    /// How long a power cycle leaves the device off.
    pub pause: Duration,
    /// What the relay's position means.
    pub wiring: Wiring,
    /// How long beyond the deadline a failed power cycle may try to give power again.
    pub grace: Duration,
    /// How long to try again when the first connection is refused (within the deadline). Zero for those who keep the
    /// board's rest themselves.
    pub patience: Duration,
}

impl Settings {
    /// The usual settings: [`PAUSE`], [`GRACE`], normally closed, no patience.
    pub fn new(deadline: Instant) -> Self {
        let wiring = Wiring::default();
        Self { deadline, pause: PAUSE, wiring, grace: GRACE, patience: Duration::ZERO }
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
    let (operation, goal) = match action {
        Action::PowerOn => (Operation::PowerOn, Goal::Switch(PowerState::On)),
        Action::PowerOff => (Operation::PowerOff, Goal::Switch(PowerState::Off)),
        Action::PowerCycle => (Operation::PowerCycle, Goal::Cycle(settings.pause)),
        Action::Status => (Operation::Status, Goal::Status),
    };
    let error = |(step, fault), power| RelayError {
        board: address.board.clone(),
        place: Place::Relay(address.bank, address.relay),
        operation,
        step,
        fault,
        power,
    };
    let board = connect_patiently(&address.board, settings)
        .map_err(|e| error((Step::Connect, e), PowerAfter::Untouched))?;
    if let Goal::Cycle(pause) = goal {
        // Better not begun than ended by the deadline with the device off.
        let left = settings.deadline.saturating_duration_since(Instant::now());
        if left <= pause {
            let fault = Fault::TooLittleTime { left, pause };
            return Err(error((Step::Begin, fault), PowerAfter::Untouched));
        }
    }
    let peer = board.peer();
    let mut player = Player { address, settings, board: Some(board), peer };
    let mut script = Script::new(goal);
    let mut first = None;
    loop {
        let next = script.next_move();
        let limit = if script.rescuing() { player.rescue_limit() } else { Ok(settings.deadline) };
        let report = match next {
            Move::End(Ending::Reached(power)) => return Ok(power),
            Move::End(Ending::Failed(power)) => {
                let fault = first.unwrap_or((Step::Begin, Fault::TimedOut));
                return Err(error(fault, power));
            }
            _ => limit
                .map_err(|fault| Failure { fault, sent: false })
                .and_then(|limit| player.play(next, limit)),
        };
        script.report(match report {
            Ok(Some(power)) => Report::Saw(power),
            Ok(None) => Report::Done,
            Err(Failure { fault, sent }) => {
                log::debug!("relay {address}: {next:?}: {fault}");
                let line = player.line_after(next, &fault);
                first.get_or_insert((step_of(next), fault));
                Report::Failed { line, sent }
            }
        });
    }
}

/// The power behind all eight relays of a bank.
///
/// # Errors
/// [`RelayError`].
pub fn bank_status(board: &BoardAddress, bank: Bank, settings: &Settings) -> Result<BankPower, RelayError> {
    let command = Command::ReadBank { bank };
    match once(board, Place::Bank(bank), Operation::BankStatus, Step::Read, command, settings)? {
        Reply::Bank(status) => Ok(BankPower { status, wiring: settings.wiring }),
        Reply::Acknowledged | Reply::Relay(_) => unreachable!("the codec gives a bank for a bank"),
    }
}

/// The two-way test: whether the board is there and takes commands (reply 85 and nothing else).
///
/// # Errors
/// [`RelayError`]; a board in configuration mode is one.
pub fn test(board: &BoardAddress, settings: &Settings) -> Result<(), RelayError> {
    once(board, Place::Board, Operation::Test, Step::Test, Command::TwoWayTest, settings).map(|_| ())
}

fn once(
    board: &BoardAddress,
    place: Place,
    operation: Operation,
    step: Step,
    command: Command,
    settings: &Settings,
) -> Result<Reply, RelayError> {
    let error = |step, fault| RelayError {
        board: board.clone(),
        place,
        operation,
        step,
        fault,
        power: PowerAfter::Untouched,
    };
    let mut line = connect_patiently(board, settings).map_err(|fault| error(Step::Connect, fault))?;
    line.exchange(command, settings.deadline).map_err(|failure| error(step, failure.fault))
}

fn connect_patiently(board: &BoardAddress, settings: &Settings) -> Result<RelayBoard, Fault> {
    let until = settings.deadline.min(Instant::now() + settings.patience);
    loop {
        match RelayBoard::connect(board.host(), board.port(), settings.deadline) {
            Err(Fault::Refused) if Instant::now() + RECONNECT_PAUSE < until => thread::sleep(RECONNECT_PAUSE),
            done => return done,
        }
    }
}

/// Does the moves of a script.
struct Player<'a> {
    address: &'a RelayAddress,
    settings: &'a Settings,
    board: Option<RelayBoard>,
    /// Where the first connection went: a rescue must not hang on a name server.
    peer: SocketAddr,
}

impl Player<'_> {
    fn rescue_deadline(&self) -> Instant {
        self.settings.deadline + self.settings.grace
    }

    /// Half of what is left, so that a connection that goes mute leaves time for another.
    fn rescue_limit(&self) -> Result<Instant, Fault> {
        left(self.rescue_deadline()).map(|left| Instant::now() + left / 2)
    }

    fn line_after(&self, next: Move, fault: &Fault) -> Line {
        let usable = match fault {
            // The pause ran out of time; nothing is wrong with the line.
            _ if matches!(next, Move::Wait(_)) => true,
            Fault::NotMoved { .. } => true,
            Fault::WrongReply(why) => !matches!(why, ReplyError::Extra { .. }),
            _ => false,
        };
        let now = Instant::now();
        if now + RECONNECT_PAUSE >= self.rescue_deadline() {
            Line::OutOfTime
        } else if usable && self.board.is_some() {
            Line::Usable
        } else {
            Line::Lost
        }
    }

    fn play(&mut self, next: Move, limit: Instant) -> Result<Option<PowerState>, Failure> {
        let RelayAddress { bank, relay, .. } = *self.address;
        let wiring = self.settings.wiring;
        let unsent = |fault| Failure { fault, sent: false };
        let not_moved = |wanted| Failure { fault: Fault::NotMoved { wanted }, sent: true };
        match next {
            Move::Switch(power) => {
                let to = wiring.relay_for(power);
                match self.exchange(Command::Switch { bank, relay, to }, limit)? {
                    Reply::Bank(status) if status.relay(relay) != to => Err(not_moved(power)),
                    _ => Ok(None),
                }
            }
            Move::Check(wanted) => match self.read(limit)? {
                seen if seen == wanted => Ok(None),
                _ => Err(not_moved(wanted)),
            },
            Move::Look => self.read(limit).map(Some),
            Move::Wait(pause) => {
                let left = left(limit).map_err(unsent)?;
                thread::sleep(pause.min(left));
                if left < pause { Err(unsent(Fault::TimedOut)) } else { Ok(None) }
            }
            Move::Reconnect => {
                self.board = None;
                // The board is known to need a rest after a close; asking in a tight loop would not shorten it.
                thread::sleep(RECONNECT_PAUSE);
                self.board = Some(RelayBoard::connect_to(self.peer, limit).map_err(unsent)?);
                Ok(None)
            }
            Move::End(_) => Ok(None),
        }
    }

    fn read(&mut self, limit: Instant) -> Result<PowerState, Failure> {
        let RelayAddress { bank, relay, .. } = *self.address;
        match self.exchange(Command::ReadRelay { bank, relay }, limit)? {
            Reply::Relay(state) => Ok(self.settings.wiring.power_for(state)),
            Reply::Acknowledged | Reply::Bank(_) => unreachable!("the codec gives a relay for a relay"),
        }
    }

    fn exchange(&mut self, command: Command, limit: Instant) -> Result<Reply, Failure> {
        match &mut self.board {
            Some(board) => board.exchange(command, limit),
            None => Err(Failure { fault: Fault::Closed, sent: false }),
        }
    }
}

fn step_of(next: Move) -> Step {
    match next {
        Move::Switch(power) => Step::Switch(power),
        Move::Check(power) => Step::Check(power),
        Move::Look => Step::Read,
        Move::Wait(_) => Step::Wait,
        Move::Reconnect | Move::End(_) => Step::Connect,
    }
}

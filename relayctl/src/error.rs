//! What can go wrong with a relay board, in sentences for the person who has to put it right.
//!
//! [`Fault`] is what happened on the line; [`RelayError`] adds the board, the operation, the step, and what is known
//! of the device's power now. No I/O here.

use crate::address::{Bank, BoardAddress, PowerState, Relay};
use crate::cycle::PowerAfter;
use crate::power::Refusal;
use crate::proxr::ReplyError;
use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

/// What was asked of the board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Give a device power.
    PowerOn,
    /// Take a device's power.
    PowerOff,
    /// Off and on again.
    PowerCycle,
    /// Read one relay.
    Status,
    /// Read a bank.
    BankStatus,
    /// Give all devices of a bank power.
    BankOn,
    /// Take the power of all devices of a bank.
    BankOff,
    /// The two-way test.
    Test,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PowerOn => "power on",
            Self::PowerOff => "power off",
            Self::PowerCycle => "power cycle",
            Self::Status => "status",
            Self::BankStatus => "bank status",
            Self::BankOn => "bank on",
            Self::BankOff => "bank off",
            Self::Test => "two-way test",
        })
    }
}

/// Where in the operation it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Looking up the board's name and connecting to it.
    Connect,
    /// Before the first command, deciding whether to begin.
    Begin,
    /// Commanding this power.
    Switch(PowerState),
    /// Reading back whether the device has this power.
    Check(PowerState),
    /// The pause of a power cycle.
    Wait,
    /// Reading a relay or a bank.
    Read,
    /// The two-way test.
    Test,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connecting"),
            Self::Begin => f.write_str("preparing it, nothing was switched"),
            Self::Switch(power) => write!(f, "switching the device {power}"),
            Self::Check(power) => write!(f, "checking that the device is {power}"),
            Self::Wait => f.write_str("waiting with the device off"),
            Self::Read => f.write_str("reading"),
            Self::Test => f.write_str("testing the link"),
        }
    }
}

/// What happened on the line to the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The name has no address.
    UnknownHost,
    /// Too many name look-ups are still waiting for an answer.
    ResolverBusy,
    /// The board, or something before it, refuses connections.
    Refused,
    /// No way there.
    Unreachable,
    /// Nothing came, or nothing could be sent, before the deadline.
    TimedOut,
    /// The time left is too short to begin a power cycle and end it.
    TooLittleTime {
        /// Time left.
        left: Duration,
        /// The pause alone.
        pause: Duration,
    },
    /// The board closed the connection instead of answering.
    Closed,
    /// The board broke the connection.
    Reset,
    /// A reply began and did not go on.
    ShortReply {
        /// What came of it.
        got: Vec<u8>,
    },
    /// The reply is none to this command.
    WrongReply(ReplyError),
    /// The board says it obeyed, and the relay is not where it should be.
    NotMoved {
        /// The power the device should have.
        wanted: PowerState,
    },
    /// Something else the system reports.
    Io(ErrorKind),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotMoved { wanted } => Self::NotMoved { wanted },
            Refusal::TooLittleTime { left, pause } => Self::TooLittleTime { left, pause },
            Refusal::TimedOut => Self::TimedOut,
        }
    }
}

impl Fault {
    /// What an I/O error means here.
    pub fn from_io(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => Self::Reset,
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Self::TimedOut,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Self::Unreachable,
            other => Self::Io(other),
        }
    }

    /// A short stable name for machines to read.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownHost => "unknown_host",
            Self::ResolverBusy => "resolver_busy",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::TooLittleTime { .. } => "too_little_time",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::ShortReply { .. } => "short_reply",
            Self::WrongReply(ReplyError::WrongByte { .. }) => "wrong_byte",
            Self::WrongReply(ReplyError::Extra { .. }) => "extra_byte",
            Self::WrongReply(ReplyError::ConfigurationMode) => "configuration_mode",
            Self::WrongReply(ReplyError::IsAPacket | ReplyError::NotAPacket { .. }) => "wrong_framing",
            Self::WrongReply(
                ReplyError::PacketLength { .. } | ReplyError::PacketTooShort | ReplyError::Checksum { .. },
            ) => "bad_packet",
            Self::NotMoved { .. } => "not_moved",
            Self::Io(_) => "io",
        }
    }

    /// What the person at the keyboard can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownHost => "check the name, and the name server",
            Self::ResolverBusy => {
                "the name server does not answer: check it, or give the board's address instead"
            }
            Self::Refused => {
                "it serves one connection at a time and rests a second after each, so try again; if it stays so, \
                 check the port and whether something else keeps a connection open"
            }
            Self::Unreachable => "check the board's address, its network cable and the route to it",
            Self::TimedOut => {
                "check the board's power and network cable, and that it has this bank; or allow more time"
            }
            Self::TooLittleTime { .. } => "allow more time",
            Self::Closed | Self::Reset => "try again; if it stays so, power the board itself off and on",
            Self::ShortReply { .. } => {
                "try again; if it stays so, check the link between network module and relays"
            }
            Self::WrongReply(ReplyError::ConfigurationMode) => {
                "set its PGM/RUN jumper to RUN and power the board itself off and on"
            }
            Self::WrongReply(ReplyError::IsAPacket) => "call it with --packets api",
            Self::WrongReply(ReplyError::NotAPacket { .. }) => "call it with --packets plain",
            Self::WrongReply(_) => {
                "check that this port is a ProXR relay board's and that nobody else talks to it"
            }
            Self::NotMoved { .. } => "check bank and relay number, the wiring setting, and the relay itself",
            Self::Io(_) => "see what the system says",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownHost => f.write_str("the host name is not known"),
            Self::ResolverBusy => f.write_str("too many look-ups of host names are waiting for an answer"),
            Self::Refused => f.write_str("the board refused the connection"),
            Self::Unreachable => f.write_str("the board cannot be reached"),
            Self::TimedOut => f.write_str("the board did not answer in time"),
            Self::TooLittleTime { left, pause } => {
                let (left, pause) = (left.as_secs_f32(), pause.as_secs_f32());
                write!(f, "{left:.1} s are left, too few for a power cycle with a pause of {pause:.1} s")
            }
            Self::Closed => f.write_str("the board closed the connection without an answer"),
            Self::Reset => f.write_str("the board broke the connection"),
            Self::ShortReply { got } => write!(f, "the board's answer broke off after {got:?}"),
            Self::WrongReply(why) => why.fmt(f),
            Self::NotMoved { wanted } => {
                write!(f, "the board acknowledged the command, but the device is not {wanted}")
            }
            Self::Io(kind) => write!(f, "input/output error: {kind}"),
        }
    }
}

impl std::error::Error for Fault {}

/// An operation on a relay board that failed: the first fault, and what is known of the device's power since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayError {
    /// The board.
    pub board: BoardAddress,
    /// The relay, or only the bank, where the operation has one.
    pub place: Place,
    /// What was asked.
    pub operation: Operation,
    /// Where it failed first.
    pub step: Step,
    /// What happened there.
    pub fault: Fault,
    /// What is known of the device's power now.
    pub power: PowerAfter,
}

/// How much of a board an operation concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The board as such.
    Board,
    /// One bank.
    Bank(Bank),
    /// One relay.
    Relay(Bank, Relay),
}

impl fmt::Display for RelayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "relay board {}", self.board)?;
        match self.place {
            Place::Board => {}
            Place::Bank(bank) => write!(f, ", bank {bank}")?,
            Place::Relay(bank, relay) => write!(f, ", bank {bank}, relay {relay}")?,
        }
        write!(
            f,
            ": {} failed while {}: {} ({})",
            self.operation,
            self.step,
            self.fault,
            self.fault.remedy()
        )?;
        f.write_str(self.power.and_then_what())
    }
}

impl std::error::Error for RelayError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

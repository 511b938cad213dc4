//! The ways a fake board can be bad, when, and what it then answers.
//!
//! Pure: decides what to do about a command; `serve` does it. Each kind is one seen on real boards or on the
//! networks before them.

use crate::address::RelayState;
use crate::proxr::{ACKNOWLEDGED, BankStatus, Command};
use std::time::Duration;

/// How a board acknowledges a switching command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// With 85.
    #[default]
    Plain,
    /// With the bank's number and its status, like Fusion ("ProXR Advanced") boards, which answer an API packet with one.
    Fusion,
}

/// One way of being bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Misbehaviour {
    /// None.
    #[default]
    None,
    /// Obeys and never answers.
    Mute,
    /// Does nothing and answers with this byte.
    Garbage(u8),
    /// Obeys, and answers switching commands with the first byte of a Fusion reply and no more.
    HalfReply,
    /// Obeys and sends a byte too many after its answer.
    ExtraByte,
    /// Does nothing and closes the connection instead of answering.
    Close,
    /// Does nothing and resets the connection instead of answering.
    Reset,
    /// Closes every connection as soon as it is accepted.
    CloseAfterAccept,
    /// Does not listen. A connection that is already open goes on.
    Refuse,
    /// Obeys at once and answers so much later.
    Slow(Duration),
    /// Obeys and answers byte by byte, so long before each.
    Dribble(Duration),
    /// Acknowledges, but its relays do not move.
    StuckRelay,
    /// Obeys, and the last byte of its answer is another: of a packet, the checksum.
    Garbled,
    /// Answers the two-way test with 86, and nothing else.
    ConfigurationMode,
}

/// When to be bad: after so many commands, for so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Plan {
    after: u32,
    /// `None`: for ever.
    count: Option<u32>,
    misbehaviour: Misbehaviour,
}

impl Plan {
    pub(super) fn always(misbehaviour: Misbehaviour) -> Self {
        Self { after: 0, count: None, misbehaviour }
    }

    pub(super) fn later(after: u32, count: u32, misbehaviour: Misbehaviour) -> Self {
        Self { after, count: Some(count), misbehaviour }
    }

    /// What holds now.
    pub(super) fn current(&self) -> Misbehaviour {
        if self.after == 0 && self.count != Some(0) { self.misbehaviour } else { Misbehaviour::None }
    }

    /// Takes one command and gives what holds for it.
    pub(super) fn take(&mut self) -> Misbehaviour {
        let current = self.current();
        match (self.after, &mut self.count) {
            (0, Some(count)) => *count = count.saturating_sub(1),
            (0, None) => {}
            (after, _) => self.after = after - 1,
        }
        current
    }
}

/// What a board does about a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Response {
    /// The relay moves.
    pub(super) obey: bool,
    pub(super) answer: Answer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Bytes {
        bytes: Vec<u8>,
        after: Duration,
        /// `after` is before each byte, not before all of them.
        each: bool,
    },
    Close,
    Reset,
}

/// Decides about a command to a bank that stands like this.
pub(super) fn respond(command: Command, before: BankStatus, dialect: Dialect, how: Misbehaviour) -> Response {
    // The status a board sends with its acknowledgement is read from the relays, so it tells of a stuck one.
    let status = match command {
        Command::Switch { relay, to, .. } if how != Misbehaviour::StuckRelay => before.with(relay, to),
        Command::SwitchBank { to, .. } if how != Misbehaviour::StuckRelay => BankStatus::all(to),
        _ => before,
    };
    let good = match (command, dialect) {
        (Command::Switch { .. } | Command::SwitchBank { .. }, Dialect::Plain) | (Command::TwoWayTest, _) => {
            vec![ACKNOWLEDGED]
        }
        (Command::Switch { bank, .. } | Command::SwitchBank { bank, .. }, Dialect::Fusion) => {
            vec![bank.number(), status.0]
        }
        (Command::ReadRelay { relay, .. }, _) => vec![u8::from(status.relay(relay) == RelayState::On)],
        (Command::ReadBank { .. }, _) => vec![status.0],
    };
    let says =
        |obey, bytes| Response { obey, answer: Answer::Bytes { bytes, after: Duration::ZERO, each: false } };
    match (how, command) {
        // The last two concern connections, not commands.
        // Garbled on its way, once it is whole.
        (
            Misbehaviour::None
            | Misbehaviour::Refuse
            | Misbehaviour::CloseAfterAccept
            | Misbehaviour::Garbled,
            _,
        ) => says(true, good),
        (Misbehaviour::Mute, _) => says(true, vec![]),
        (Misbehaviour::Garbage(byte), _) => says(false, vec![byte]),
        (Misbehaviour::HalfReply, Command::Switch { bank, .. } | Command::SwitchBank { bank, .. }) => {
            says(true, vec![bank.number()])
        }
        (Misbehaviour::HalfReply, _) => says(true, good),
        (Misbehaviour::ExtraByte, _) => says(true, [good, vec![0]].concat()),
        (Misbehaviour::Close, _) => Response { obey: false, answer: Answer::Close },
        (Misbehaviour::Reset, _) => Response { obey: false, answer: Answer::Reset },
        (Misbehaviour::Slow(after) | Misbehaviour::Dribble(after), _) => {
            let each = matches!(how, Misbehaviour::Dribble(_));
            Response { obey: true, answer: Answer::Bytes { bytes: good, after, each } }
        }
        (Misbehaviour::StuckRelay, _) => says(false, good),
        (Misbehaviour::ConfigurationMode, Command::TwoWayTest) => {
            says(false, vec![crate::proxr::CONFIGURATION_MODE])
        }
        (Misbehaviour::ConfigurationMode, _) => says(false, vec![]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_begins_and_ends_when_it_says() {
        let mut plan = Plan::later(2, 1, Misbehaviour::Mute);
        let taken: Vec<_> = (0..4).map(|_| plan.take()).collect();
        use Misbehaviour::{Mute, None};
        assert_eq!(taken, [None, None, Mute, None]);
        let mut plan = Plan::always(Mute);
        assert_eq!([plan.take(), plan.take(), plan.take()], [Mute; 3]);
        assert_eq!(Plan::default().take(), None);
    }
}

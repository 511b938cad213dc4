//! The ProXR command codec: commands to bytes and back, replies to values or a named reason.
//!
//! No socket, no clock, no power: only relays. Facts from NCD's ProXR and Fusion manuals: a command is 254, a
//! code, and for most codes a bank; 100-107 / 108-115 switch relay 1-8 off / on, 116-123 read one relay, 124 reads
//! a bank, 129 / 130 switch all relays of a bank off / on, 33 tests the link. How commands travel is `packet`'s business.

use crate::address::{Bank, Relay, RelayState};
use crate::packet::PACKET;
use std::fmt;

const HEADER: u8 = 254;
const TWO_WAY_TEST: u8 = 33;
const RELAY_OFF: u8 = 100;
const RELAY_ON: u8 = 108;
const READ_RELAY: u8 = 116;
const READ_BANK: u8 = 124;
const BANK_OFF: u8 = 129;
const BANK_ON: u8 = 130;

/// What ProXR boards answer to a command they have carried out.
pub const ACKNOWLEDGED: u8 = 85;
/// What a board in configuration mode answers to the two-way test.
pub const CONFIGURATION_MODE: u8 = 86;

/// The longest reply to any command here: a Fusion board's bank number and status.
pub const MAX_PAYLOAD: usize = 2;
/// The longest command here.
pub const MAX_COMMAND: usize = 3;

/// A command for a relay board.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Move one relay.
    Switch {
        /// In this bank.
        bank: Bank,
        /// This relay.
        relay: Relay,
        /// To this position.
        to: RelayState,
    },
    /// Move all eight relays of a bank.
    SwitchBank {
        /// This bank.
        bank: Bank,
        /// To this position.
        to: RelayState,
    },
    /// Read one relay.
    ReadRelay {
        /// In this bank.
        bank: Bank,
        /// This relay.
        relay: Relay,
    },
    /// Read all eight relays of a bank.
    ReadBank {
        /// This bank.
        bank: Bank,
    },
    /// Ask whether the board is there and ready for commands.
    TwoWayTest,
}

impl Command {
    /// The bytes to send.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::Switch { bank, relay, to } => {
                let base = match to {
                    RelayState::Off => RELAY_OFF,
                    RelayState::On => RELAY_ON,
                };
                vec![HEADER, base + relay.number() - 1, bank.number()]
            }
            Self::SwitchBank { bank, to: RelayState::Off } => vec![HEADER, BANK_OFF, bank.number()],
            Self::SwitchBank { bank, to: RelayState::On } => vec![HEADER, BANK_ON, bank.number()],
            Self::ReadRelay { bank, relay } => vec![HEADER, READ_RELAY + relay.number() - 1, bank.number()],
            Self::ReadBank { bank } => vec![HEADER, READ_BANK, bank.number()],
            Self::TwoWayTest => vec![HEADER, TWO_WAY_TEST],
        }
    }

    /// Reads a command from the start of `bytes`, as a board does: the command and its length, or `None` while more
    /// bytes must come.
    ///
    /// # Errors
    /// [`NotACommand`] with the bytes to skip.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, NotACommand> {
        match *bytes {
            [] | [HEADER] => Ok(None),
            [HEADER, TWO_WAY_TEST, ..] => Ok(Some((Self::TwoWayTest, 2))),
            [HEADER, RELAY_OFF..=READ_BANK | BANK_OFF | BANK_ON] => Ok(None),
            [HEADER, code @ (BANK_OFF | BANK_ON), bank, ..] => {
                let bank = Bank::new(bank).ok_or(NotACommand { skip: 3 })?;
                let to = if code == BANK_ON { RelayState::On } else { RelayState::Off };
                Ok(Some((Self::SwitchBank { bank, to }, 3)))
            }
            [HEADER, code @ RELAY_OFF..=READ_BANK, bank, ..] => {
                let bank = Bank::new(bank).ok_or(NotACommand { skip: 3 })?;
                let relay = |base: u8| Relay::new(code - base + 1).ok_or(NotACommand { skip: 3 });
                let command = match code {
                    RELAY_OFF..RELAY_ON => {
                        Self::Switch { bank, relay: relay(RELAY_OFF)?, to: RelayState::Off }
                    }
                    RELAY_ON..READ_RELAY => {
                        Self::Switch { bank, relay: relay(RELAY_ON)?, to: RelayState::On }
                    }
                    READ_RELAY..READ_BANK => Self::ReadRelay { bank, relay: relay(READ_RELAY)? },
                    _ => Self::ReadBank { bank },
                };
                Ok(Some((command, 3)))
            }
            [HEADER, ..] => Err(NotACommand { skip: 2 }),
            _ => Err(NotACommand { skip: 1 }),
        }
    }

    /// Reads the reply to this command from everything received since it was sent. `None` while more must come.
    ///
    /// # Errors
    /// [`ReplyError`]: no reply of this command begins, or goes on, like that.
    pub fn reply(self, bytes: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let wanted = self.wanted();
        let (reply, len) = match (self, bytes) {
            (_, []) => return Ok(None),
            (Self::Switch { .. } | Self::SwitchBank { .. }, &[ACKNOWLEDGED, ..]) => (Reply::Acknowledged, 1),
            // Fusion ("ProXR Advanced") boards answer with the bank and its status. No bank is numbered 85.
            (Self::Switch { bank, .. } | Self::SwitchBank { bank, .. }, &[first, ref rest @ ..])
                if first == bank.number() =>
            {
                match *rest {
                    [] => return Ok(None),
                    [status, ..] => (Reply::Bank(BankStatus(status)), 2),
                }
            }
            (Self::ReadRelay { .. }, &[0, ..]) => (Reply::Relay(RelayState::Off), 1),
            (Self::ReadRelay { .. }, &[1, ..]) => (Reply::Relay(RelayState::On), 1),
            (Self::ReadBank { .. }, &[status, ..]) => (Reply::Bank(BankStatus(status)), 1),
            (Self::TwoWayTest, &[ACKNOWLEDGED, ..]) => (Reply::Acknowledged, 1),
            (Self::TwoWayTest, &[CONFIGURATION_MODE, ..]) => return Err(ReplyError::ConfigurationMode),
            (_, &[PACKET, ..]) => return Err(ReplyError::IsAPacket),
            (_, &[got, ..]) => return Err(ReplyError::WrongByte { got, wanted }),
        };
        // A byte too many means that board and client no longer talk of the same command.
        match bytes.get(len) {
            Some(&extra) => Err(ReplyError::Extra { extra }),
            None => Ok(Some(reply)),
        }
    }

    /// What a good reply looks like, for messages.
    pub fn wanted(self) -> &'static str {
        match self {
            Self::Switch { .. } | Self::SwitchBank { .. } => "85, or the bank's number and its status",
            Self::ReadRelay { .. } => "0 or 1",
            Self::ReadBank { .. } => "one status byte",
            Self::TwoWayTest => "85",
        }
    }
}

/// A board's reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Done.
    Acknowledged,
    /// The position of the one relay asked for.
    Relay(RelayState),
    /// The positions of a whole bank.
    Bank(BankStatus),
}

/// The eight relays of a bank: bit 0 is relay 1, a set bit is a relay that is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BankStatus(pub u8);

impl BankStatus {
    /// All eight in this position.
    pub const fn all(position: RelayState) -> Self {
        match position {
            RelayState::On => Self(0xff),
            RelayState::Off => Self(0),
        }
    }

    /// The position of one of them.
    pub fn relay(self, relay: Relay) -> RelayState {
        if self.0 >> (relay.number() - 1) & 1 == 1 { RelayState::On } else { RelayState::Off }
    }

    /// The same bank with one relay moved.
    #[must_use]
    pub fn with(self, relay: Relay, to: RelayState) -> Self {
        let bit = 1 << (relay.number() - 1);
        match to {
            RelayState::On => Self(self.0 | bit),
            RelayState::Off => Self(self.0 & !bit),
        }
    }
}

/// Bytes that are no command this codec knows; a board passes over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACommand {
    /// How many bytes to pass over.
    pub skip: usize,
}

/// Why bytes are not the reply to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyError {
    /// No reply to this command has this byte here.
    WrongByte {
        /// The byte.
        got: u8,
        /// What should have come.
        wanted: &'static str,
    },
    /// The reply was complete and yet another byte came.
    Extra {
        /// The first byte too many.
        extra: u8,
    },
    /// The board is in configuration mode and takes no relay commands.
    ConfigurationMode,
    /// An API packet where a bare reply should come.
    IsAPacket,
    /// A bare byte where an API packet should come.
    NotAPacket {
        /// The byte.
        got: u8,
    },
    /// An API packet of a length that no reply has.
    PacketLength {
        /// The length it claims.
        got: u8,
    },
    /// A whole API packet with half a reply in it.
    PacketTooShort,
    /// The bytes of an API packet do not add up.
    Checksum {
        /// The checksum that came.
        got: u8,
        /// The sum of what came before it.
        wanted: u8,
    },
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongByte { got, wanted } => {
                write!(f, "the board answered byte {got} where {wanted} should come")
            }
            Self::Extra { extra } => write!(f, "the board sent byte {extra} that nothing had asked for"),
            Self::ConfigurationMode => f.write_str("the board is in configuration mode"),
            Self::IsAPacket => f.write_str("the board answered with an API packet to a plain command"),
            Self::NotAPacket { got } => {
                write!(f, "the board answered byte {got} where an API packet should come")
            }
            Self::PacketLength { got } => {
                write!(f, "the board sent an API packet of {got} bytes, which no reply has")
            }
            Self::PacketTooShort => f.write_str("the board sent an API packet with half a reply in it"),
            Self::Checksum { got, wanted } => {
                write!(
                    f,
                    "the board's API packet was garbled: its checksum is {got}, its bytes make {wanted}"
                )
            }
        }
    }
}

impl std::error::Error for ReplyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank(n: u8) -> Bank {
        Bank::new(n).unwrap()
    }
    fn relay(n: u8) -> Relay {
        Relay::new(n).unwrap()
    }
    fn every_command() -> Vec<Command> {
        let mut all = vec![Command::TwoWayTest];
        for bank in (1..=Bank::MAX).filter_map(Bank::new) {
            all.push(Command::ReadBank { bank });
            all.push(Command::SwitchBank { bank, to: RelayState::On });
            all.push(Command::SwitchBank { bank, to: RelayState::Off });
            for relay in Relay::all() {
                all.push(Command::ReadRelay { bank, relay });
                all.push(Command::Switch { bank, relay, to: RelayState::On });
                all.push(Command::Switch { bank, relay, to: RelayState::Off });
            }
        }
        all
    }

    #[test]
    fn commands_have_the_bytes_of_the_manual() {
        let check = |command: Command, bytes: &[u8]| assert_eq!(command.encode(), bytes, "{command:?}");
        check(Command::Switch { bank: bank(1), relay: relay(2), to: RelayState::On }, &[0xfe, 0x6d, 1]);
        check(Command::Switch { bank: bank(1), relay: relay(2), to: RelayState::Off }, &[0xfe, 0x65, 1]);
        check(Command::ReadRelay { bank: bank(1), relay: relay(2) }, &[0xfe, 0x75, 1]);
        check(Command::Switch { bank: bank(32), relay: relay(8), to: RelayState::On }, &[254, 115, 32]);
        check(Command::Switch { bank: bank(4), relay: relay(1), to: RelayState::Off }, &[254, 100, 4]);
        check(Command::ReadBank { bank: bank(3) }, &[254, 124, 3]);
        check(Command::SwitchBank { bank: bank(3), to: RelayState::Off }, &[254, 129, 3]);
        check(Command::SwitchBank { bank: bank(3), to: RelayState::On }, &[254, 130, 3]);
        check(Command::TwoWayTest, &[254, 33]);
    }

    #[test]
    fn a_board_reads_every_command_and_waits_for_its_last_byte() {
        for command in every_command() {
            let bytes = command.encode();
            assert_eq!(Command::decode(&bytes), Ok(Some((command, bytes.len()))));
            for n in 0..bytes.len() {
                assert_eq!(Command::decode(&bytes[..n]), Ok(None), "{command:?} cut at {n}");
            }
        }
    }

    #[test]
    fn what_is_no_command_is_passed_over_without_panic() {
        for a in 0..=255 {
            for b in 0..=255 {
                for c in [0, 1, 33, 85, 255] {
                    if let Err(NotACommand { skip }) = Command::decode(&[a, b, c]) {
                        assert!((1..=3).contains(&skip));
                    }
                }
            }
        }
        assert_eq!(Command::decode(&[254, 100, 0]), Err(NotACommand { skip: 3 }), "bank 0 is every bank");
        assert_eq!(Command::decode(&[254, 100, 33]), Err(NotACommand { skip: 3 }));
    }

    #[test]
    fn replies_are_read_as_they_arrive() {
        let switch = Command::Switch { bank: bank(2), relay: relay(3), to: RelayState::On };
        assert_eq!(switch.reply(&[]), Ok(None));
        assert_eq!(switch.reply(&[85]), Ok(Some(Reply::Acknowledged)));
        assert_eq!(switch.reply(&[2]), Ok(None), "a Fusion reply has a second byte");
        assert_eq!(switch.reply(&[2, 4]), Ok(Some(Reply::Bank(BankStatus(4)))));
        assert_eq!(switch.reply(&[2, 85]), Ok(Some(Reply::Bank(BankStatus(85)))));
        let wrong = |got| Err(ReplyError::WrongByte { got, wanted: switch.wanted() });
        assert_eq!(switch.reply(&[3]), wrong(3), "the number of another bank");
        assert_eq!(switch.reply(&[170, 1, 85, 0]), Err(ReplyError::IsAPacket));
        assert_eq!(switch.reply(&[85, 85]), Err(ReplyError::Extra { extra: 85 }));
        assert_eq!(switch.reply(&[2, 4, 9]), Err(ReplyError::Extra { extra: 9 }));
        let read = Command::ReadRelay { bank: bank(1), relay: relay(1) };
        assert_eq!(read.reply(&[1]), Ok(Some(Reply::Relay(RelayState::On))));
        assert_eq!(read.reply(&[0]), Ok(Some(Reply::Relay(RelayState::Off))));
        assert_eq!(read.reply(&[85]), Err(ReplyError::WrongByte { got: 85, wanted: "0 or 1" }));
        assert_eq!(Command::TwoWayTest.reply(&[85]), Ok(Some(Reply::Acknowledged)));
        assert_eq!(Command::TwoWayTest.reply(&[86]), Err(ReplyError::ConfigurationMode));
        assert_eq!(Command::TwoWayTest.reply(&[0]), Err(ReplyError::WrongByte { got: 0, wanted: "85" }));
    }

    #[test]
    fn bit_0_of_a_bank_is_relay_1() {
        let Ok(Some(Reply::Bank(status))) = Command::ReadBank { bank: bank(1) }.reply(&[0b1000_0001]) else {
            panic!("a bank's status is any byte")
        };
        let on: Vec<u8> =
            Relay::all().filter(|&r| status.relay(r) == RelayState::On).map(Relay::number).collect();
        assert_eq!(on, [1, 8]);
        assert_eq!(
            status.with(relay(1), RelayState::Off).with(relay(2), RelayState::On),
            BankStatus(0b1000_0010)
        );
    }
}

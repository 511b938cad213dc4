//! How commands and replies travel: bare, or each in an API packet with a length and a checksum.
//!
//! Pure. A packet is 170, the number of payload bytes, the payload, and the sum of all bytes before it modulo 256 (NCD's
//! API mode); a Fusion board answers a packet with a packet. Every ProXR board takes bare commands, Fusion boards included,
//! so bare is what holds unless somebody asks for packets. A board is not probed for them: one that does not know packets
//! may say nothing, and a probe that waits for nothing would lengthen every power cycle.

use crate::address::AddressError;
use crate::proxr::{Command, MAX_COMMAND, MAX_PAYLOAD, Reply, ReplyError};
use std::fmt;
use std::str::FromStr;

/// The first byte of an API packet.
pub const PACKET: u8 = 170;
/// Header, length and checksum.
const AROUND: usize = 3;
/// The longest reply there is, in whichever way it travels.
pub const MAX_REPLY: usize = MAX_PAYLOAD + AROUND;

/// How commands travel to a board, and replies back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Framing {
    /// As they are: every ProXR board understands this.
    #[default]
    Plain,
    /// In API packets, whose checksum finds a line that garbles bytes: Fusion boards only.
    Api,
}

impl Framing {
    /// The bytes to send for a command.
    pub fn encode(self, command: Command) -> Vec<u8> {
        match self {
            Self::Plain => command.encode(),
            Self::Api => wrap(&command.encode()),
        }
    }

    /// Reads the reply to a command from everything received since it was sent. `None` while more must come.
    ///
    /// # Errors
    /// [`ReplyError`]: no reply to this command begins, or goes on, like that.
    pub fn reply(self, command: Command, bytes: &[u8]) -> Result<Option<Reply>, ReplyError> {
        match self {
            Self::Plain => command.reply(bytes),
            Self::Api => match unwrap(bytes, MAX_PAYLOAD)? {
                None => Ok(None),
                Some(payload) => match command.reply(payload)? {
                    Some(reply) => Ok(Some(reply)),
                    None => Err(ReplyError::PacketTooShort),
                },
            },
        }
    }
}

impl FromStr for Framing {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text {
            "plain" => Ok(Self::Plain),
            "api" => Ok(Self::Api),
            _ => Err(AddressError::Framing(text.into())),
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Api => "api",
        })
    }
}

/// A payload of a few bytes as a packet.
pub fn wrap(payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).expect("commands and replies have a few bytes");
    let mut packet = vec![PACKET, len];
    packet.extend_from_slice(payload);
    packet.push(checksum(&packet));
    packet
}

/// The payload, at most `max` bytes, of the one packet that `bytes` are; `None` while more must come.
///
/// # Errors
/// [`ReplyError`]: not a packet of ours, a wrong checksum, or more than one packet.
fn unwrap(bytes: &[u8], max: usize) -> Result<Option<&[u8]>, ReplyError> {
    let len = match *bytes {
        [] | [PACKET] => return Ok(None),
        [PACKET, len, ..] if (1..=max).contains(&usize::from(len)) => usize::from(len),
        [PACKET, len, ..] => return Err(ReplyError::PacketLength { got: len }),
        [got, ..] => return Err(ReplyError::NotAPacket { got }),
    };
    let (Some(payload), Some(&got)) = (bytes.get(2..2 + len), bytes.get(2 + len)) else { return Ok(None) };
    let wanted = checksum(&bytes[..2 + len]);
    if got != wanted {
        return Err(ReplyError::Checksum { got, wanted });
    }
    match bytes.get(len + AROUND) {
        Some(&extra) => Err(ReplyError::Extra { extra }),
        None => Ok(Some(payload)),
    }
}

/// What a board sees in its input: a packet's payload and the packet's length; `None` while more must come.
///
/// # Errors
/// The input does not begin with a good packet.
pub fn read_packet(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, ReplyError> {
    let end = match *bytes {
        [PACKET, len, ..] => bytes.len().min(usize::from(len) + AROUND),
        _ => bytes.len(),
    };
    Ok(unwrap(&bytes[..end], MAX_COMMAND)?.map(|payload| (payload, end)))
}

fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{Bank, Relay, RelayState};
    use crate::proxr::BankStatus;

    fn bank(n: u8) -> Bank {
        Bank::new(n).unwrap()
    }

    /// Every command with every reply that a good board may give, as the bytes of its payload.
    fn every_reply() -> Vec<(Command, Vec<u8>)> {
        let mut all = vec![(Command::TwoWayTest, vec![85])];
        for bank in (1..=Bank::MAX).filter_map(Bank::new) {
            for status in [0, 1, 85, 86, 170, 254, 255] {
                all.push((Command::ReadBank { bank }, vec![status]));
                for to in [RelayState::On, RelayState::Off] {
                    all.push((Command::SwitchBank { bank, to }, vec![bank.number(), status]));
                    all.push((Command::SwitchBank { bank, to }, vec![85]));
                    for relay in Relay::all() {
                        all.push((Command::Switch { bank, relay, to }, vec![bank.number(), status]));
                        all.push((Command::Switch { bank, relay, to }, vec![85]));
                    }
                }
            }
            for relay in Relay::all() {
                all.extend([0, 1].map(|s| (Command::ReadRelay { bank, relay }, vec![s])));
            }
        }
        all
    }

    #[test]
    fn packets_have_the_bytes_of_the_manual() {
        let read = Command::ReadBank { bank: bank(1) };
        assert_eq!(Framing::Api.encode(read), [0xaa, 0x03, 0xfe, 0x7c, 0x01, 0x28]);
        let status = Ok(Some(Reply::Bank(BankStatus(0))));
        assert_eq!(Framing::Api.reply(read, &[0xaa, 0x01, 0x00, 0xab]), status);
        let relay_2 = Command::ReadRelay { bank: bank(1), relay: Relay::new(2).unwrap() };
        assert_eq!(Framing::Api.encode(relay_2), [0xaa, 0x03, 0xfe, 0x75, 0x01, 0x21]);
    }

    #[test]
    fn every_reply_cut_anywhere_waits_for_its_rest_and_a_byte_more_is_one_too_many() {
        for (command, payload) in every_reply() {
            for (framing, bytes) in [(Framing::Plain, payload.clone()), (Framing::Api, wrap(&payload))] {
                for cut in 0..bytes.len() {
                    assert_eq!(
                        framing.reply(command, &bytes[..cut]),
                        Ok(None),
                        "{command:?} {bytes:?} {cut}"
                    );
                }
                assert!(matches!(framing.reply(command, &bytes), Ok(Some(_))), "{command:?} {bytes:?}");
                for extra in [0, 85, 170, 255] {
                    let longer = [bytes.as_slice(), &[extra]].concat();
                    let what = format!("{command:?} {longer:?}");
                    assert_eq!(framing.reply(command, &longer), Err(ReplyError::Extra { extra }), "{what}");
                }
                assert!(bytes.len() <= MAX_REPLY);
            }
        }
    }

    #[test]
    fn a_garbled_byte_of_a_packet_is_never_a_reply() {
        for (command, payload) in every_reply() {
            let good = wrap(&payload);
            for at in 0..good.len() {
                for change in [1, 85, 128, 255] {
                    let mut bad = good.clone();
                    bad[at] = bad[at].wrapping_add(change);
                    let read = Framing::Api.reply(command, &bad);
                    assert!(!matches!(read, Ok(Some(_))), "{command:?} {good:?} as {bad:?}: {read:?}");
                }
            }
        }
    }

    #[test]
    fn whatever_comes_is_read_without_panic_and_more_bytes_never_mend_an_error() {
        // A small generator (xorshift) with a fixed seed: the same garbage in every run.
        let mut seed = 0x2545_f491_u32;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            seed.to_le_bytes()[0]
        };
        let commands = every_reply();
        for round in 0..20_000 {
            let command = commands[round % commands.len()].0;
            // Bytes that mean something come more often than chance would have them.
            let bytes: Vec<u8> = (0..8)
                .map(|_| [170, 1, 2, 85, 254, random(), random(), 0][usize::from(random() % 8)])
                .collect();
            for framing in [Framing::Plain, Framing::Api] {
                let mut over = false;
                for end in 0..=bytes.len() {
                    match framing.reply(command, &bytes[..end]) {
                        Err(_) => over = true,
                        Ok(_) => assert!(!over, "{framing} {command:?} {bytes:?} mended at {end}"),
                    }
                }
                assert!(over, "eight bytes are more than any reply: {framing} {command:?} {bytes:?}");
            }
            if let Ok(Some((payload, len))) = read_packet(&bytes) {
                assert_eq!(wrap(payload), bytes[..len]);
            }
        }
    }

    #[test]
    fn each_kind_of_board_is_told_from_the_other() {
        let test = Command::TwoWayTest;
        assert_eq!(Framing::Api.reply(test, &[85]), Err(ReplyError::NotAPacket { got: 85 }));
        assert_eq!(Framing::Plain.reply(test, &wrap(&[85])), Err(ReplyError::IsAPacket));
        assert_eq!(Framing::Api.reply(test, &wrap(&[86])), Err(ReplyError::ConfigurationMode));
        assert_eq!(Framing::Api.reply(test, &[170, 0, 170]), Err(ReplyError::PacketLength { got: 0 }));
        assert_eq!(Framing::Api.reply(test, &[170, 200]), Err(ReplyError::PacketLength { got: 200 }));
        let switch = Command::SwitchBank { bank: bank(2), to: RelayState::On };
        assert_eq!(Framing::Api.reply(switch, &wrap(&[2])), Err(ReplyError::PacketTooShort));
    }
}

//! One TFTP client: what it asks for in turn, and what it says to what it hears. Pure; `load` has the sockets and the clock.
//!
//! It does as boot loaders do: blocks are acknowledged at the end of a window or at its first gap (RFC 7440 section 4), a block that
//! comes again is acknowledged again, and nothing is repeated but after [`REPEAT`] without progress. Every byte is compared.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Silence after which a client repeats what it said last. Boot loaders take one second to five.
pub(crate) const REPEAT: Duration = Duration::from_secs(1);
/// Repetitions in a row before it gives up.
const TRIES: u32 = 8;

const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OACK: u16 = 6;

/// What a read request must bring.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    /// An error.
    Nothing,
    /// These bytes.
    Bytes(Arc<[u8]>),
}

/// A read request.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// As it goes over the wire.
    pub(crate) packet: Vec<u8>,
    /// What must come of it.
    pub(crate) wanted: Wanted,
}

impl Ask {
    /// A request in octet mode with these options.
    pub(crate) fn new(name: &str, options: &[(&str, u32)], wanted: Wanted) -> Self {
        let mut packet = vec![0, 1];
        let values: Vec<(&str, String)> = options.iter().map(|(k, v)| (*k, v.to_string())).collect();
        let words =
            [name, "octet"].into_iter().chain(values.iter().flat_map(|(key, value)| [*key, value.as_str()]));
        for word in words {
            packet.extend_from_slice(word.as_bytes());
            packet.push(0);
        }
        Self { packet, wanted }
    }

    /// A whole transfer that fits one block needs no connected socket.
    pub(crate) fn is_small(&self) -> bool {
        match &self.wanted {
            Wanted::Nothing => true,
            Wanted::Bytes(bytes) => bytes.len() < 512,
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It goes on.
    More,
    /// It has brought what it should.
    Done,
    /// It has not.
    Failed,
}

/// A client at one of its requests.
#[derive(Debug)]
pub(crate) struct Client {
    wanted: Wanted,
    blksize: usize,
    windowsize: u64,
    /// Whether anything but the request has been said.
    answered: bool,
    /// The last block that came in order.
    last: u64,
    /// The highest block of the server's present run through its window.
    high: u64,
    since_ack: u64,
    told_gap: bool,
    came_again: bool,
    tries: u32,
    /// When it repeats itself.
    pub(crate) deadline: Instant,
    /// An acknowledgement to be sent.
    pub(crate) ack: Option<u16>,
    /// Bytes of the file that are here and right.
    pub(crate) bytes: usize,
    /// Blocks that came more than once.
    pub(crate) again: u64,
}

impl Client {
    /// One that has just sent the request.
    pub(crate) fn new(ask: &Ask, now: Instant) -> Self {
        Self {
            wanted: ask.wanted.clone(),
            blksize: 512,
            windowsize: 1,
            answered: false,
            last: 0,
            high: 0,
            since_ack: 0,
            told_gap: false,
            came_again: false,
            tries: 0,
            deadline: now + REPEAT,
            ack: None,
            bytes: 0,
            again: 0,
        }
    }

    /// Whether the server has said anything.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered
    }

    /// Takes a packet. What it says to that is in `ack`.
    pub(crate) fn hear(&mut self, packet: &[u8], now: Instant) -> Heard {
        let [a, b, rest @ ..] = packet else { return Heard::Failed };
        match (u16::from_be_bytes([*a, *b]), rest) {
            (DATA, [a, b, data @ ..]) => self.block(u16::from_be_bytes([*a, *b]), data, now),
            (OACK, options) => self.options(options, now),
            (ERROR, _) if matches!(self.wanted, Wanted::Nothing) => Heard::Done,
            _ => Heard::Failed,
        }
    }

    fn options(&mut self, options: &[u8], now: Instant) -> Heard {
        if matches!(self.wanted, Wanted::Nothing) {
            return Heard::Failed;
        }
        if self.last > 0 {
            return Heard::More;
        }
        let mut words = options.split(|b| *b == 0).map(String::from_utf8_lossy);
        while let (Some(name), Some(value)) = (words.next(), words.next()) {
            let Ok(value) = value.parse::<u32>() else { return Heard::Failed };
            match name.to_ascii_lowercase().as_str() {
                "blksize" => self.blksize = value as usize,
                "windowsize" => self.windowsize = u64::from(value),
                _ => {}
            }
        }
        self.progress(now);
        self.say();
        Heard::More
    }

    fn block(&mut self, number: u16, data: &[u8], now: Instant) -> Heard {
        let Wanted::Bytes(file) = &self.wanted else { return Heard::Failed };
        // The number is the low half of the block's real one, which is near to the last that came.
        #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
        let ahead = number.wrapping_sub(self.last as u16).cast_signed();
        let Some(block) = self.last.checked_add_signed(i64::from(ahead)) else { return Heard::More };
        if block <= self.high {
            self.told_gap = false;
        }
        self.high = block;
        if block > self.last + 1 {
            if !self.told_gap {
                self.told_gap = true;
                self.say();
            }
            return Heard::More;
        }
        if block <= self.last {
            self.again += 1;
            self.came_again = true;
            return Heard::More;
        }
        let until = (self.bytes + self.blksize).min(file.len());
        if file.get(self.bytes..until) != Some(data) {
            return Heard::Failed;
        }
        self.bytes = until;
        self.last = block;
        self.since_ack += 1;
        self.progress(now);
        let last = data.len() < self.blksize;
        if last || self.since_ack >= self.windowsize {
            self.say();
        }
        if last { Heard::Done } else { Heard::More }
    }

    /// All that was there has been heard.
    pub(crate) fn pause(&mut self) {
        if std::mem::take(&mut self.came_again) && self.ack.is_none() {
            self.say();
        }
    }

    /// Its time is up: it repeats itself, or is at its end. A request that was never answered is repeated by the caller.
    pub(crate) fn time_out(&mut self, now: Instant) -> Heard {
        self.tries += 1;
        if self.tries > TRIES {
            return Heard::Failed;
        }
        self.deadline = now + REPEAT;
        self.told_gap = false;
        if self.answered {
            self.say();
        }
        Heard::More
    }

    fn progress(&mut self, now: Instant) {
        self.answered = true;
        self.came_again = false;
        self.tries = 0;
        self.deadline = now + REPEAT;
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is meant")]
    fn say(&mut self) {
        self.since_ack = 0;
        self.ack = Some(self.last as u16);
    }
}

/// As it goes over the wire.
pub(crate) fn ack(block: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (ACK.to_be_bytes(), block.to_be_bytes());
    [a, b, c, d]
}

/// The block of a DATA packet.
pub(crate) fn data_block(packet: &[u8]) -> Option<u16> {
    let [a, b, c, d, ..] = packet else { return None };
    (u16::from_be_bytes([*a, *b]) == DATA).then_some(u16::from_be_bytes([*c, *d]))
}

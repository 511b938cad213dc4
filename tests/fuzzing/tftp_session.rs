//! A whole TFTP session: a request, then whatever a client, a network and a forger may do to the transfer, one step a byte or two.
//!
//! What must hold, however evil the input:
//! - before anything is acknowledged no more is sent than the first answer, once for each time that it was asked for, and thrice by itself;
//! - before a block is acknowledged 128 KiB of the first window are sent, or three of them if that is more;
//! - after that each packet that comes and each run of the timer brings a window at most;
//! - nothing is acknowledged that was not sent;
//! - each block that is sent is that block of the file;
//! - the session ends by itself when nothing more comes;
//! - it ends well only when the last block was acknowledged, and a client that acknowledges what it has, however much of it is lost
//!   on the way, has the file then.

use std::time::Duration;
use tftpd::packet::{self, Packet};
use tftpd::rehearsal::Rehearsal;
use tftpd::{Config, Mode, Outcome};

/// Steps of the timer after which a session that hears nothing must be over: 60 s, with waits that double from 20 ms to 3 s.
const DEADLINES_MAX: usize = 64;
/// So often a first window is sent that nobody acknowledges a block of, and one of less than that is sent until it is so much.
const FIRST_WINDOWS_MAX: usize = 3;
const FIRST_BYTES_MAX: usize = 128 << 10;
/// The most that a first answer may be: a block without options, or an OACK with all four of them.
const FIRST_MAX: usize = 4 + 512;

/// A client that acknowledges what it has.
#[derive(Default)]
struct Client {
    file: Vec<u8>,
    /// The last block that it has.
    block: u64,
    has_last: bool,
}

/// The session, with what is counted of it.
struct Session {
    one: Rehearsal,
    /// As it travels.
    file: Vec<u8>,
    blksize: usize,
    window: usize,
    client: Client,
    /// Packets that the network is going to lose.
    lose: u8,
    /// The client never said what it does not mean, and nobody else did.
    honest: bool,
    first_answers: usize,
    /// Bytes of file sent after the client was heard and before it has acknowledged a block.
    first_bytes: usize,
    /// The last block that was sent.
    sent: u64,
}

/// What travels of a file in this mode (RFC 764).
fn travelling(content: &[u8], mode: Mode) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in content {
        match (mode, byte) {
            (Mode::Netascii, b'\n') => out.extend_from_slice(b"\r\n"),
            (Mode::Netascii, b'\r') => out.extend_from_slice(b"\r\0"),
            (Mode::Netascii | Mode::Octet, other) => out.push(*other),
        }
    }
    out
}

impl Session {
    /// Has the server send what is due, and the client take it. Gives how many packets went out.
    fn run(&mut self) -> usize {
        let mut packets = Vec::new();
        self.one.send(&mut |bytes| packets.push(bytes.to_vec()));
        for bytes in &packets {
            let heard = self.one.heard();
            assert!(heard || bytes.len() <= FIRST_MAX, "{} bytes to somebody unheard", bytes.len());
            self.first_answers += usize::from(!heard);
            if heard && self.one.acked() == 0 {
                self.first_bytes += bytes.len() - 4;
                let most = FIRST_BYTES_MAX.max(FIRST_WINDOWS_MAX * self.window * self.blksize);
                assert!(self.first_bytes <= most, "{} bytes to who acknowledged none", self.first_bytes);
            }
            self.check(bytes);
            if let Ok(Packet::Data { block, .. }) = packet::decode(bytes) {
                // What is sent is not acknowledged yet, and not far from what is.
                let acked = self.one.acked();
                let low = u16::try_from(acked & 0xffff).expect("masked");
                self.sent = self.sent.max(acked + u64::from(block.wrapping_sub(low)));
            }
            if self.lose > 0 {
                self.lose -= 1;
                continue;
            }
            self.take(bytes);
        }
        packets.len()
    }

    /// A block that is sent is one of the file: the one of its number that is not far from where the client is.
    fn check(&self, bytes: &[u8]) {
        let Ok(Packet::Data { block, data }) = packet::decode(bytes) else { return };
        let blocks = self.file.len() / self.blksize + 1;
        let fits = (usize::from(block)..=blocks).step_by(1 << 16).filter(|n| *n > 0).any(|n| {
            let begin = (n - 1) * self.blksize;
            data == &self.file[begin..self.file.len().min(begin + self.blksize)]
        });
        assert!(fits, "block {block} of {} bytes is none of the file", data.len());
    }

    fn take(&mut self, bytes: &[u8]) {
        let Ok(Packet::Data { block, data }) = packet::decode(bytes) else { return };
        if !self.client.has_last && (self.client.block + 1) & 0xffff == u64::from(block) {
            self.client.block += 1;
            self.client.file.extend_from_slice(data);
            self.client.has_last = data.len() < self.blksize;
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let before = self.first_answers;
        self.one.hear(bytes);
        assert!(self.one.acked() <= self.sent, "{} of {} sent", self.one.acked(), self.sent);
        assert!(self.run() <= self.window, "more than a window for one packet");
        assert!(self.one.heard() || self.first_answers <= before + 1);
    }

    fn acknowledge(&mut self) {
        let mut bytes = Vec::new();
        packet::encode_ack(&mut bytes, u16::try_from(self.client.block & 0xffff).expect("masked"));
        self.hear(&bytes);
    }

    fn wait_until(&mut self, at: Duration) {
        self.one.wait_until(at);
        assert!(self.run() <= self.window, "more than a window for one run of the timer");
    }
}

/// The target.
pub(crate) fn run(data: &[u8]) {
    // The first bytes are the size of the file and the request; every other byte is a step.
    let Some((&[size, kind, length], rest)) = data.split_first_chunk::<3>() else { return };
    let (request, steps) = rest.split_at(usize::from(length).min(rest.len()));
    let content: Vec<u8> = (0..usize::from(size) * 41)
        .map(|n| if kind & 1 == 0 { u8::try_from(n % 251).unwrap_or(0) } else { b"\r\na\n\rb"[n % 6] })
        .collect();
    let Some(one) = Rehearsal::begin(request, &content, &Config::default()) else { return };
    let granted = one.granted();
    let mut session = Session {
        file: travelling(&content, one.mode()),
        blksize: usize::from(granted.blksize.unwrap_or(512)),
        window: usize::from(granted.windowsize.unwrap_or(1)),
        client: Client::default(),
        lose: 0,
        honest: true,
        first_answers: 0,
        first_bytes: 0,
        sent: 0,
        one,
    };
    let mut asked = 1;
    session.run();
    let mut steps = steps.iter();
    while session.one.outcome().is_none() {
        let Some(step) = steps.next() else { break };
        match step >> 5 {
            // The client says what it has.
            0 | 1 => session.acknowledge(),
            // The network loses packets.
            2 => session.lose = step & 31,
            // Time passes: milliseconds, or until something happens.
            3 => session.wait_until(session.one.now() + Duration::from_millis(u64::from(step & 31))),
            4 => session.wait_until(session.one.deadline()),
            5 => {
                asked += 1;
                session.hear(request);
            }
            // Any ACK: of somebody who counts otherwise, or is somebody else.
            6 => {
                let block = [step & 31, steps.next().copied().unwrap_or(0)];
                session.honest = false;
                session.hear(&[0, 4, block[0], block[1]]);
            }
            // Any packet at all.
            _ => {
                let packet: Vec<u8> = steps.by_ref().take(usize::from(step & 31)).copied().collect();
                session.honest &=
                    !matches!(packet::decode(&packet), Ok(Packet::Ack { .. } | Packet::Error { .. }));
                asked += usize::from(matches!(packet::decode(&packet), Ok(Packet::ReadRequest { .. })));
                session.hear(&packet);
            }
        }
    }
    // Somebody who never answered was sent one answer for each request, and three in all by the timer.
    assert!(session.first_answers <= 2 + asked, "{} first answers", session.first_answers);
    // An honest client, on a network that loses nothing any more, gets the rest; one that is gone is given up.
    let is_there = kind & 2 == 0;
    session.lose = 0;
    let mut deadlines = 0;
    while session.one.outcome().is_none() {
        let had = session.client.block;
        if is_there && session.honest {
            session.acknowledge();
        }
        if session.client.block == had && session.one.outcome().is_none() {
            deadlines += 1;
            assert!(deadlines <= DEADLINES_MAX, "it does not end");
            session.wait_until(session.one.deadline());
        } else {
            deadlines = 0;
        }
    }
    if session.honest && session.one.outcome() == Some(Outcome::Complete) {
        assert!(
            session.client.has_last && session.client.file == session.file,
            "it ended well, without the file"
        );
    }
    if session.honest && is_there {
        let ends = matches!(
            session.one.outcome(),
            Some(Outcome::Complete | Outcome::Superseded | Outcome::TimedOut)
        );
        assert!(ends, "{:?}", session.one.outcome());
    }
}

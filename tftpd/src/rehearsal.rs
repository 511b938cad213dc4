//! One transfer without sockets and without a clock: packets go in, packets come out, and time is what the caller says.
//! It refuses to decide anything: request, options, blocks and transfer are those of the server, put together as `serving` does it.
//! For fuzzers and tests, which want to see a whole session within a microsecond.

use crate::config::Config;
use crate::content::{Blocks, Content};
use crate::options::{Options, grant};
use crate::packet::{self, DATA_HEADER, Mode, Packet};
use crate::serving::data_packets;
use crate::transfer::{Acked, Outcome, Output, Repeated, Transfer};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

/// Packets made at a time, as the server does in one turn.
const RUN: u16 = 64;

/// A transfer, from a request that was understood to its outcome.
pub struct Rehearsal {
    mode: Mode,
    transfer: Transfer,
    blocks: Blocks,
    begun: Instant,
    now: Duration,
    outcome: Option<Outcome>,
    out: Vec<u8>,
}

impl Rehearsal {
    /// What a server with this configuration begins when it gets `request` for `content`; `None` when it is no read request.
    pub fn begin(request: &[u8], content: &[u8], config: &Config) -> Option<Self> {
        let Ok(Packet::ReadRequest { mode, options, .. }) = packet::decode(request) else { return None };
        let content = Content::Bytes(content.into());
        let size = (mode == Mode::Octet).then(|| content.size());
        let granted = grant(&options, size, config.most(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let begun = Instant::now();
        let transfer = Transfer::new(granted, size, config.timing, begun);
        let blocks = Blocks::new(content, mode, transfer.blksize());
        Some(Self { mode, transfer, blocks, begun, now: Duration::ZERO, outcome: None, out: Vec::new() })
    }

    /// How the file travels.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What was granted.
    pub fn granted(&self) -> Options {
        *self.transfer.granted()
    }

    /// Whether the client has acknowledged anything.
    pub fn heard(&self) -> bool {
        self.transfer.heard()
    }

    /// The client has acknowledged every block up to this one.
    pub fn acked(&self) -> u64 {
        self.transfer.acked()
    }

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The client's packet arrives.
    pub fn hear(&mut self, bytes: &[u8]) {
        if self.outcome.is_some() {
            return;
        }
        let now = self.begun + self.now;
        match packet::decode(bytes) {
            Ok(Packet::Ack { block }) => {
                if self.transfer.on_ack(block, now) == Acked::Complete {
                    self.outcome = Some(Outcome::Complete);
                }
                self.blocks.release(self.transfer.acked());
            }
            Ok(Packet::Error { code, .. }) => self.outcome = Some(self.transfer.on_error(code)),
            Ok(Packet::ReadRequest { .. }) => {
                if self.transfer.on_repeated_request(now) == Repeated::StartedOver {
                    self.outcome = Some(Outcome::Superseded);
                }
            }
            Ok(_) | Err(_) => {}
        }
    }

    /// When something happens by itself, counted from the beginning.
    pub fn deadline(&self) -> Duration {
        self.transfer.deadline().saturating_duration_since(self.begun)
    }

    /// So much time has passed since the beginning; it does not go backwards.
    pub fn wait_until(&mut self, at: Duration) {
        self.now = self.now.max(at);
        if self.outcome.is_none() && self.now >= self.deadline() {
            self.outcome = self.transfer.on_deadline(self.begun + self.now);
        }
    }

    /// How much time has passed.
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Sends all that is due, packet by packet.
    pub fn send(&mut self, each: &mut dyn FnMut(&[u8])) {
        let (now, stride) = (self.begun + self.now, DATA_HEADER + self.transfer.blksize());
        while self.outcome.is_none() {
            let Some(output) = self.transfer.output(RUN) else { break };
            match output {
                Output::OptionAck => {
                    packet::encode_option_ack(&mut self.out, self.transfer.granted());
                    self.transfer.sent(output, 0, now);
                    each(&self.out);
                }
                Output::Blocks { first, count } => {
                    self.out.resize(usize::from(count) * stride, 0);
                    let made = data_packets(&mut self.blocks, first, stride, &mut self.out);
                    let Ok((count, len)) = made else {
                        self.outcome = Some(Outcome::ReadFailed);
                        break;
                    };
                    self.transfer.sent(Output::Blocks { first, count }, len, now);
                    self.out[..usize::from(count) * DATA_HEADER + len].chunks(stride).for_each(&mut *each);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_goes_as_it_does_over_sockets() {
        let request = b"\0\x01f\0octet\0blksize\x0010\0windowsize\x002\0";
        let mut one = Rehearsal::begin(request, b"twenty and five bytes now", &Config::default()).unwrap();
        let said = |one: &mut Rehearsal| {
            let mut words = Vec::new();
            one.send(&mut |bytes| words.push(String::from_utf8_lossy(bytes).into_owned()));
            words
        };
        assert_eq!(said(&mut one), ["\0\x06blksize\x0010\0windowsize\x002\0"]);
        assert!(!one.heard() && said(&mut one).is_empty());
        one.wait_until(one.deadline());
        assert_eq!(said(&mut one).len(), 1, "again");
        one.hear(b"\0\x04\0\0");
        assert_eq!(said(&mut one), ["\0\x03\0\x01twenty and", "\0\x03\0\x02 five byte"]);
        one.hear(b"\0\x04\0\x02");
        assert_eq!(said(&mut one), ["\0\x03\0\x03s now"]);
        one.hear(b"\0\x04\0\x03");
        assert_eq!((one.outcome(), said(&mut one).len()), (Some(Outcome::Complete), 0));
        assert!(Rehearsal::begin(b"\0\x02f\0octet\0", b"", &Config::default()).is_none());
    }
}

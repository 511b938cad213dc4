//! One transfer as a pure state machine: which packet goes next, what an ACK means, when to repeat, when to stop.
//! It refuses to know sockets, files and clocks: blocks are numbers here, and `now` comes from outside.
//! RFC 1350 (lockstep), RFC 7440 (windows), RFC 1123 section 4.2.3.1 (Sorcerer's Apprentice).

use crate::options::{DEFAULT_BLKSIZE, Options};
use std::time::{Duration, Instant};

/// When packets are repeated and when a transfer is given up. A client's own `timeout` option changes none of
/// this: ten of its time-outs make U-Boot abort the file, so it must never have to wait for one.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// From sending to repeating. Boards are a fraction of a millisecond away, and at 2 % loss a timer of a whole
    /// second leaves PXELINUX with half a kernel after two minutes.
    pub first_retry: Duration,
    /// The wait doubles with each repetition up to this, so that a board that is off costs next to nothing.
    pub longest_retry: Duration,
    /// From the last progress to giving up. U-Boot answers a repeated block once and is then mute for 5 s;
    /// a server that gives up after 3 s leaves it hanging.
    pub give_up: Duration,
    /// The same while the client has acknowledged nothing: its address may be forged, and every client that is
    /// alive asks again within this time.
    pub give_up_unheard: Duration,
    /// How often the first answer is sent before the client has acknowledged anything, for the same reason.
    pub unheard_sends: u32,
    /// A request that is repeated after this much silence comes from a client that has started over, as a
    /// power-cycled PXELINUX does from the same port; before it, it is a copy that the network delayed.
    pub restart_silence: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            first_retry: Duration::from_millis(100),
            longest_retry: Duration::from_secs(3),
            give_up: Duration::from_secs(60),
            give_up_unheard: Duration::from_secs(10),
            unheard_sends: 5,
            restart_silence: Duration::from_secs(1),
        }
    }
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The client acknowledged the last block.
    Complete,
    /// The client refused the options before it took any data. EDK II asks for a file's size in this way.
    Probed,
    /// The client ended it with this ERROR code.
    ClientError(u16),
    /// Nothing came from the client for too long.
    TimedOut,
    /// The client's host says that nobody listens on its port any more.
    PeerUnreachable,
    /// The file could not be read, or became shorter.
    ReadFailed,
    /// The client started over with a new request.
    Superseded,
    /// The server was stopped.
    Stopped,
}

impl Outcome {
    /// One word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Probed => "probed",
            Self::ClientError(_) => "client_error",
            Self::TimedOut => "timed_out",
            Self::PeerUnreachable => "peer_unreachable",
            Self::ReadFailed => "read_failed",
            Self::Superseded => "superseded",
            Self::Stopped => "stopped",
        }
    }
}

/// What to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    OptionAck,
    /// The DATA packet of this block, counted from 1 without wrapping.
    Block(u64),
}

/// What an ACK did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acked {
    /// Old, repeated or beyond what was sent: nothing changes.
    Ignored,
    /// Something may now be sent.
    Moved,
    Complete,
}

/// What a repeated request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeated {
    Ignored,
    /// The first answer is due again.
    Answered,
    /// The client forgot this transfer; it is to be replaced.
    StartedOver,
}

#[derive(Debug)]
pub(crate) struct Transfer {
    timing: Timing,
    granted: Options,
    blksize: usize,
    window: u64,
    /// Number of the last block, once known. It is the first one shorter than blksize, and may be empty.
    last: Option<u64>,
    /// The OACK has not been acknowledged (by an ACK of block 0).
    negotiating: bool,
    oack_due: bool,
    oacks_sent: u32,
    /// The client has acknowledged something: it exists and is where it says.
    heard: bool,
    acked: u64,
    /// Next block to send; falls back to `acked + 1` when blocks have to be repeated.
    next: u64,
    /// Highest block sent.
    high: u64,
    /// Some block of the present window was sent twice.
    resent: bool,
    /// The window that `acked` ended went over in one piece, so a second ACK of it is news; see `on_ack`.
    clean: bool,
    first_sends: u32,
    retry: Duration,
    retry_at: Instant,
    give_up_at: Instant,
    last_sent: Instant,
    last_heard: Instant,
    retransmissions: u64,
    bytes: u64,
}

impl Transfer {
    /// `size` is what the file has to offer in bytes, `None` where only reading tells (netascii).
    pub(crate) fn new(granted: Options, size: Option<u64>, timing: Timing, now: Instant) -> Self {
        let blksize = granted.blksize.unwrap_or(DEFAULT_BLKSIZE);
        Self {
            timing,
            granted,
            blksize: usize::from(blksize),
            window: u64::from(granted.windowsize.unwrap_or(1)),
            last: size.map(|size| size / u64::from(blksize) + 1),
            negotiating: !granted.is_empty(),
            oack_due: !granted.is_empty(),
            oacks_sent: 0,
            heard: false,
            acked: 0,
            next: 1,
            high: 0,
            resent: false,
            clean: true,
            first_sends: 0,
            retry: timing.first_retry,
            retry_at: now + timing.first_retry,
            give_up_at: now + timing.give_up_unheard,
            last_sent: now,
            last_heard: now,
            retransmissions: 0,
            bytes: 0,
        }
    }

    pub(crate) fn granted(&self) -> &Options {
        &self.granted
    }

    pub(crate) fn blksize(&self) -> usize {
        self.blksize
    }

    /// The client has every block up to this one.
    pub(crate) fn acked(&self) -> u64 {
        self.acked
    }

    pub(crate) fn retransmissions(&self) -> u64 {
        self.retransmissions
    }

    /// Bytes of file sent, each counted once.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The packet to send now, if any. Call [`Self::sent`] once it is on its way, then ask again.
    pub(crate) fn output(&self) -> Option<Output> {
        if self.negotiating {
            return self.oack_due.then_some(Output::OptionAck);
        }
        let within_window = self.next <= self.acked + self.window;
        let within_file = self.last.is_none_or(|last| self.next <= last);
        (within_window && within_file).then_some(Output::Block(self.next))
    }

    /// Notes that `output` went out, with `len` bytes of file in it.
    pub(crate) fn sent(&mut self, output: Output, len: usize, now: Instant) {
        match output {
            Output::OptionAck => {
                self.oack_due = false;
                self.oacks_sent += 1;
                self.clean = self.oacks_sent == 1;
                self.retransmissions += u64::from(self.oacks_sent > 1);
            }
            Output::Block(block) => {
                if block <= self.high {
                    self.retransmissions += 1;
                    self.resent = true;
                } else {
                    self.high = block;
                    self.bytes += len as u64;
                }
                if len < self.blksize {
                    self.last = Some(block);
                }
                self.next = block + 1;
            }
        }
        if !self.heard {
            self.first_sends += 1;
        }
        self.last_sent = now;
        self.retry_at = now + self.retry;
    }

    /// Takes in the ACK of `block`, a number modulo 65,536.
    pub(crate) fn on_ack(&mut self, block: u16, now: Instant) -> Acked {
        if self.negotiating {
            if block != 0 || self.oacks_sent == 0 {
                return Acked::Ignored;
            }
            self.negotiating = false;
            self.progress(now);
            return Acked::Moved;
        }
        // The window is far smaller than 65,536, so the distance from the last ACK is unambiguous.
        let ahead = u64::from(block.wrapping_sub((self.acked & 0xffff) as u16));
        if ahead == 0 {
            return self.on_repeated_ack(now);
        }
        if ahead > self.high - self.acked {
            return Acked::Ignored;
        }
        self.acked += ahead;
        self.progress(now);
        if self.last == Some(self.acked) {
            return Acked::Complete;
        }
        // An ACK from inside the window reports a gap behind it: go on from there (RFC 7440 section 4).
        let whole = self.acked == self.high;
        self.clean = whole && !self.resent;
        self.resent = !whole;
        self.next = self.acked + 1;
        Acked::Moved
    }

    /// In lockstep a repeated ACK must not repeat DATA, or each packet from then on goes out twice: the
    /// Sorcerer's Apprentice (RFC 1123 section 4.2.3.1). With a window it may be the report that the first block of
    /// the window is missing. It is believed once, and only if the window before went out once: a window sent
    /// twice brings a second ACK by itself, and believing that one would bring the Apprentice back.
    fn on_repeated_ack(&mut self, now: Instant) -> Acked {
        if self.window == 1 || !self.clean || self.high == self.acked {
            return Acked::Ignored;
        }
        self.clean = false;
        self.resent = true;
        self.next = self.acked + 1;
        self.last_heard = now;
        Acked::Moved
    }

    fn progress(&mut self, now: Instant) {
        self.heard = true;
        self.retry = self.timing.first_retry;
        self.retry_at = now + self.retry;
        self.give_up_at = now + self.timing.give_up;
        self.last_heard = now;
    }

    /// The client sent ERROR: the transfer is over, and this is what it was.
    pub(crate) fn on_error(&self, code: u16) -> Outcome {
        if self.high == 0 && code == crate::packet::ErrorCode::OptionsRefused.number() {
            return Outcome::Probed;
        }
        Outcome::ClientError(code)
    }

    /// The same request came again from the same port.
    pub(crate) fn on_repeated_request(&mut self, now: Instant) -> Repeated {
        if self.heard {
            let silent = now.saturating_duration_since(self.last_heard);
            return if silent >= self.timing.restart_silence {
                Repeated::StartedOver
            } else {
                Repeated::Ignored
            };
        }
        // PXELINUX asks again after 50 ms, when our first answer is still on its way.
        if now.saturating_duration_since(self.last_sent) < self.timing.first_retry {
            return Repeated::Ignored;
        }
        self.repeat();
        Repeated::Answered
    }

    /// When [`Self::on_deadline`] wants to be called.
    pub(crate) fn deadline(&self) -> Instant {
        if self.spent() { self.give_up_at } else { self.retry_at.min(self.give_up_at) }
    }

    /// Repeats what has not been acknowledged, or ends the transfer. Called too early it does nothing.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> Option<Outcome> {
        if now >= self.give_up_at {
            return Some(Outcome::TimedOut);
        }
        if now >= self.retry_at && !self.spent() {
            self.retry = (self.retry * 2).min(self.timing.longest_retry);
            self.retry_at = now + self.retry;
            self.repeat();
        }
        None
    }

    /// Nobody has answered the first packet, and it was sent as often as it may be.
    fn spent(&self) -> bool {
        !self.heard && self.first_sends >= self.timing.unheard_sends
    }

    fn repeat(&mut self) {
        self.oack_due = self.negotiating;
        self.next = self.acked + 1;
        self.clean = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Most, grant};

    /// Plays a script against a transfer of `size` bytes. Each line is `stimulus | what is sent then`; stimuli
    /// are `RRQ options`, `ACK n`, `ERROR n`, `+N` (N milliseconds pass) and `again` (the request is repeated).
    fn check(size: u64, script: &str) {
        let most = Most { blksize: 1468, windowsize: 64 };
        let mut now = Instant::now();
        let mut transfer: Option<Transfer> = None;
        for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let (stimulus, want) = line.split_once('|').expect("a line has a bar");
            let (word, rest) = stimulus.trim().split_once(' ').unwrap_or((stimulus.trim(), ""));
            let mut got = Vec::new();
            if word == "RRQ" {
                let mut wanted = Options::default();
                rest.split_whitespace()
                    .filter_map(|p| p.split_once('='))
                    .for_each(|(n, v)| wanted.read(n, v));
                transfer =
                    Some(Transfer::new(grant(&wanted, Some(size), most), Some(size), Timing::default(), now));
            }
            let t = transfer.as_mut().expect("the script begins with RRQ");
            match word {
                "RRQ" => {}
                "ACK" => match t.on_ack(rest.parse().expect("a block number"), now) {
                    Acked::Complete => got.push("complete".to_owned()),
                    Acked::Moved | Acked::Ignored => {}
                },
                "ERROR" => got.push(format!("{:?}", t.on_error(rest.parse().expect("a code")))),
                "again" => match t.on_repeated_request(now) {
                    Repeated::StartedOver => got.push("starts over".to_owned()),
                    Repeated::Ignored | Repeated::Answered => {}
                },
                wait => {
                    let until =
                        now + Duration::from_millis(wait.strip_prefix('+').expect(wait).parse().expect("ms"));
                    while got.is_empty() && t.deadline() <= until {
                        now = t.deadline();
                        got.extend(t.on_deadline(now).map(|o| format!("{o:?}")));
                        got.extend(drain(t, size, now));
                    }
                    now = until;
                }
            }
            if got.is_empty() {
                got = drain(t, size, now);
            }
            assert_eq!(got.join(" "), want.trim(), "at {line:?}");
        }
    }

    fn drain(t: &mut Transfer, size: u64, now: Instant) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(output) = t.output() {
            let len = match output {
                Output::OptionAck => 0,
                Output::Block(n) => (size - (n - 1) * t.blksize() as u64).min(t.blksize() as u64),
            };
            t.sent(output, usize::try_from(len).expect("small"), now);
            sent.push(match output {
                Output::OptionAck => format!("OACK {}", t.granted()),
                Output::Block(n) => format!("DATA{n}:{len}"),
            });
        }
        sent
    }

    #[test]
    fn lockstep_without_options() {
        check(
            1030,
            "RRQ    | DATA1:512
             ACK 1  | DATA2:512
             ACK 2  | DATA3:6
             ACK 3  | complete",
        );
        check(0, "RRQ | DATA1:0\n ACK 1 | complete");
        check(512, "RRQ | DATA1:512\n ACK 1 | DATA2:0\n ACK 2 | complete");
    }

    #[test]
    fn options_are_acknowledged_before_data_flows() {
        check(
            10,
            "RRQ blksize=8 tsize=0 | OACK blksize=8 tsize=10
             ACK 1 |
             ACK 0 | DATA1:8
             ACK 0 |
             ACK 1 | DATA2:2
             ACK 2 | complete",
        );
    }

    #[test]
    fn a_size_probe_is_no_failure_but_a_late_error_is() {
        check(10, "RRQ tsize=0 | OACK tsize=10\n ERROR 8 | Probed");
        check(10, "RRQ tsize=0 | OACK tsize=10\n ERROR 0 | ClientError(0)");
        check(10, "RRQ tsize=0 | OACK tsize=10\n ACK 0 | DATA1:10\n ERROR 8 | ClientError(8)");
    }

    #[test]
    fn the_sorcerers_apprentice_stays_out() {
        check(
            2000,
            "RRQ   | DATA1:512
             ACK 1 | DATA2:512
             ACK 1 |
             ACK 1 |
             ACK 2 | DATA3:512
             ACK 1 |
             ACK 2 |
             ACK 3 | DATA4:464
             ACK 9 |
             ACK 65535 |
             ACK 4 | complete",
        );
    }

    #[test]
    fn repetition_starts_at_a_tenth_of_a_second_doubles_and_ends_a_minute_after_progress() {
        check(
            2000,
            "RRQ    | DATA1:512
             ACK 1  | DATA2:512
             +99    |
             +1     | DATA2:512
             +199   |
             +1     | DATA2:512
             +400   | DATA2:512
             +800   | DATA2:512
             +1600  | DATA2:512
             +2999  |
             +1     | DATA2:512
             +3000  | DATA2:512
             ACK 2  | DATA3:512
             +100   | DATA3:512",
        );
        let mut now = Instant::now();
        let start = now;
        let mut t = Transfer::new(Options::default(), Some(2000), Timing::default(), now);
        drain(&mut t, 2000, now);
        assert_eq!(t.on_ack(1, now), Acked::Moved);
        let mut sends = 0;
        loop {
            sends += drain(&mut t, 2000, now).len();
            now = t.deadline();
            if let Some(outcome) = t.on_deadline(now) {
                assert_eq!(outcome, Outcome::TimedOut);
                break;
            }
        }
        assert_eq!(now - start, Duration::from_secs(60));
        assert_eq!(sends, 24, "0, 100, 300, 700, 1500, 3100 ms, then every 3 s");
        assert_eq!(t.retransmissions(), 23);
    }

    #[test]
    fn who_never_answers_gets_five_packets() {
        check(
            2000,
            "RRQ tsize=0 | OACK tsize=2000
             +100   | OACK tsize=2000
             +200   | OACK tsize=2000
             +400   | OACK tsize=2000
             +800   | OACK tsize=2000
             +8499  |
             +1     | TimedOut",
        );
    }

    #[test]
    fn a_repeated_request_is_answered_again_only_when_the_answer_is_overdue() {
        check(
            2000,
            "RRQ    | DATA1:512
             +50    |
             again  |
             +50    | DATA1:512
             +150   |
             again  | DATA1:512
             again  |
             ACK 1  | DATA2:512
             again  |
             ACK 2  | DATA3:512",
        );
    }

    #[test]
    fn a_repeated_request_after_silence_is_a_client_that_starts_over() {
        check(
            2000,
            "RRQ | DATA1:512\n ACK 1 | DATA2:512\n +100 | DATA2:512\n +900 | DATA2:512\n again | starts over",
        );
    }

    #[test]
    fn a_window_goes_out_at_once_and_a_gap_is_filled_from_the_acknowledged_block() {
        check(
            100,
            "RRQ blksize=8 windowsize=4 | OACK blksize=8 windowsize=4
             ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
             ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8
             ACK 6  | DATA7:8 DATA8:8 DATA9:8 DATA10:8
             ACK 6  |
             ACK 10 | DATA11:8 DATA12:8 DATA13:4
             +100   | DATA11:8 DATA12:8 DATA13:4
             ACK 12 | DATA13:4
             ACK 13 | complete",
        );
    }

    #[test]
    fn a_lost_first_block_of_a_window_is_repeated_without_waiting_but_only_once() {
        check(
            1000,
            "RRQ blksize=8 windowsize=4 | OACK blksize=8 windowsize=4
             ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
             ACK 0  | DATA1:8 DATA2:8 DATA3:8 DATA4:8
             ACK 0  |
             ACK 4  | DATA5:8 DATA6:8 DATA7:8 DATA8:8
             ACK 4  |
             ACK 8  | DATA9:8 DATA10:8 DATA11:8 DATA12:8
             ACK 8  | DATA9:8 DATA10:8 DATA11:8 DATA12:8
             ACK 8  |
             +100   | DATA9:8 DATA10:8 DATA11:8 DATA12:8",
        );
    }

    #[test]
    fn numbers_wrap_to_zero_and_go_on() {
        let now = Instant::now();
        let size = 8 * 140_000;
        let granted = Options { blksize: Some(8), windowsize: Some(16), ..Options::default() };
        let mut t = Transfer::new(granted, Some(size), Timing::default(), now);
        drain(&mut t, size, now);
        let mut complete = t.on_ack(0, now) == Acked::Complete;
        let mut rounds = 0;
        while !complete {
            drain(&mut t, size, now);
            rounds += 1;
            assert!(rounds < 10_000, "stuck at block {}", t.acked);
            complete = t.on_ack((t.high & 0xffff) as u16, now) == Acked::Complete;
        }
        assert_eq!((t.acked, t.bytes(), t.retransmissions()), (140_001, size, 0));
    }
}

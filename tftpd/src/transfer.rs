//! One transfer as a pure state machine: which packet goes next, what an ACK means, when to repeat, when to stop.
//! It refuses to know sockets, files and clocks: blocks are numbers here, and `now` comes from outside.
//! RFC 1350 (lockstep), RFC 7440 (windows), RFC 1123 section 4.2.3.1 (Sorcerer's Apprentice).

use crate::options::{DEFAULT_BLKSIZE, Options};
use crate::timing::{RetryTimer, Timing};
use std::time::{Duration, Instant};

/// So much of the first window and its copies is sent before any of it is acknowledged, or three copies if that is more: single
/// blocks and windows of three until the transfer is given up, windows of four, as EDK II has them, for three quarters of a minute.
const FIRST_WINDOWS_BYTES: u64 = 128 << 10;

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
    /// Nobody had acknowledged anything, and its place was needed for another.
    Displaced,
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
            Self::Displaced => "displaced",
            Self::Stopped => "stopped",
        }
    }
}

/// What to send next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    OptionAck,
    /// The DATA packets of so many blocks from this one on, counted from 1 without wrapping.
    Blocks {
        first: u64,
        count: u16,
    },
}

/// What an ACK did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acked {
    /// Old, repeated or beyond what was sent: nothing changes.
    Ignored,
    /// Something may now be sent.
    Moved,
    /// The same, and it has been sent before: the client lacks a part of the window.
    Gap,
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
    /// Highest block that was sent twice. The answer to a later one can be measured (Karn's rule, RFC 6298 section 3), and
    /// a window that begins with a repetition ends with new blocks: else back-off would last as long as the losses do.
    twice: u64,
    /// When blocks were last sent again.
    resent_at: Option<Instant>,
    /// The window that `acked` ended went over in one piece, so a second ACK of it is news; see `on_ack`.
    clean: bool,
    /// The first answer went out so often; what counts is copies, not packets.
    first_sends: u32,
    /// The first window is to go out, or went out, so often again.
    first_copies: u32,
    timer: RetryTimer,
    /// The timer ran out over the block that `acked` names, in lockstep: a second ACK of it would show that it did so
    /// too early.
    hasty: bool,
    /// The timer ran out since the last progress.
    overdue: bool,
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
            twice: 0,
            resent_at: None,
            clean: true,
            first_sends: 0,
            first_copies: 0,
            timer: RetryTimer::new(&timing),
            hasty: false,
            overdue: false,
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

    /// One block at a time: the client answers each.
    pub(crate) fn lockstep(&self) -> bool {
        self.window == 1
    }

    /// The client has acknowledged something.
    pub(crate) fn heard(&self) -> bool {
        self.heard
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

    /// The smoothed round-trip time to the client; zero until it was measured.
    pub(crate) fn round_trip(&self) -> Duration {
        self.timer.round_trip()
    }

    /// The packets to send now, if any, `most` of them at a time. Call [`Self::sent`] once they are on their way,
    /// then ask again.
    pub(crate) fn output(&self, most: u16) -> Option<Output> {
        if self.negotiating {
            return self.oack_due.then_some(Output::OptionAck);
        }
        let end = self.last.unwrap_or(u64::MAX).min(self.acked + self.window);
        let due = (end + 1).saturating_sub(self.next).min(u64::from(most));
        let count = u16::try_from(due).unwrap_or(u16::MAX);
        (count > 0).then_some(Output::Blocks { first: self.next, count })
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
            Output::Blocks { first, count } => {
                let end = first + u64::from(count) - 1;
                let again = end.min(self.high).saturating_sub(first - 1);
                if again > 0 {
                    self.resent = true;
                    self.twice = self.twice.max(end.min(self.high));
                    self.resent_at = Some(now);
                }
                self.retransmissions += again;
                // Only the last block is short, and a run that ends with new blocks holds no earlier last one.
                let new = if end > self.high { len as u64 - again * self.blksize as u64 } else { 0 };
                self.bytes += new;
                self.high = self.high.max(end);
                if len < usize::from(count) * self.blksize {
                    self.last = Some(end);
                }
                self.next = end + 1;
            }
        }
        if !self.heard {
            self.first_sends += 1;
        }
        self.last_sent = now;
        self.retry_at = now + self.timer.wait();
    }

    /// Takes in the ACK of `block`, a number modulo 65,536.
    pub(crate) fn on_ack(&mut self, block: u16, now: Instant) -> Acked {
        if self.negotiating {
            if block != 0 || self.oacks_sent == 0 {
                return Acked::Ignored;
            }
            self.negotiating = false;
            if self.oacks_sent == 1 {
                self.timer.negotiated(now.saturating_duration_since(self.last_sent));
            }
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
        // An ACK from inside the window reports a gap behind it: go on from there (RFC 7440 section 4).
        let whole = self.acked == self.high;
        if whole && self.acked > self.twice {
            self.timer.answered(now.saturating_duration_since(self.last_sent));
        }
        self.progress(now);
        if self.last == Some(self.acked) {
            return Acked::Complete;
        }
        self.clean = whole && !self.resent;
        self.resent = !whole;
        if whole || self.on_its_way(now) {
            self.next = self.next.max(self.acked + 1);
            return Acked::Moved;
        }
        self.next = self.acked + 1;
        Acked::Gap
    }

    /// What was sent again cannot have been answered yet, so this ACK speaks of the time before. A client that
    /// acknowledges each copy or late block of a window would otherwise get a window for each.
    fn on_its_way(&self, now: Instant) -> bool {
        let since = self.resent_at.map(|at| now.saturating_duration_since(at));
        since.is_some_and(|since| since < self.timer.quickest() / 2)
    }

    /// In lockstep a repeated ACK must not repeat DATA, or each packet from then on goes out twice: the
    /// Sorcerer's Apprentice (RFC 1123 section 4.2.3.1). With a window it may be the report that the first block of
    /// the window is missing. It is believed once, and only if the window before went out once: a window sent
    /// twice brings a second ACK by itself, and believing that one would bring the Apprentice back. And it must have
    /// taken the time of an answer, or it is a copy that the network made of the first one.
    fn on_repeated_ack(&mut self, now: Instant) -> Acked {
        if std::mem::take(&mut self.hasty) {
            self.timer.too_early();
        }
        let soon = now.saturating_duration_since(self.last_sent) < self.timer.quickest() / 2;
        if self.window == 1 || !self.clean || self.high == self.acked || soon {
            return Acked::Ignored;
        }
        self.resent = true;
        self.repeat();
        self.last_heard = now;
        Acked::Gap
    }

    fn progress(&mut self, now: Instant) {
        self.heard = true;
        // With a window some clients acknowledge each copy of a block they have, which proves nothing.
        self.timer.heard();
        self.hasty = std::mem::take(&mut self.overdue) && self.window == 1;
        self.retry_at = now + self.timer.wait();
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
            self.timer.in_vain();
            self.overdue = true;
            self.retry_at = now + self.timer.wait();
            self.repeat();
        }
        None
    }

    /// Nobody has acknowledged the first packet or the first window, and it was sent as often as it may be.
    fn spent(&self) -> bool {
        match (self.heard, self.acked) {
            (false, _) => self.first_sends >= self.timing.unheard_sends,
            // Of the options alone an ACK can be guessed: it is enough to send one to each port there is.
            (true, 0) => {
                let bytes = self.window.min(self.last.unwrap_or(self.window)) * self.blksize as u64;
                let most = (FIRST_WINDOWS_BYTES / bytes).max(u64::from(self.timing.unheard_sends));
                u64::from(self.first_copies) + 1 >= most
            }
            (true, _) => false,
        }
    }

    fn repeat(&mut self) {
        self.oack_due = self.negotiating;
        self.first_copies += u32::from(self.heard && self.acked == 0);
        self.next = self.acked + 1;
        self.clean = false;
    }
}

#[cfg(test)]
mod channel;
#[cfg(test)]
mod tests;

//! Where one message ends and the next begins on a TCP connection (RFC 6587 3.4).
//!
//! It knows neither sockets nor what a message says. Each frame is judged by its first bytes: `123 <` counts octets
//! (3.4.1), everything else runs to a line feed or NUL (3.4.2; Python ends its messages with NUL). Requiring the `<`
//! of a PRI behind the count keeps a plain line such as `12 disks found` from swallowing what follows it.
//!
//! Memory is bounded: of a longer frame the head is delivered, the rest is skipped, and the next frame is good again.

/// A count has at most this many digits. Six allow nearly a megabyte, far more than any sender sends; a longer number
/// is text, so that no broken peer makes us skip gigabytes.
const MAX_COUNT_DIGITS: usize = 6;

/// Cuts one connection's bytes into frames.
#[derive(Debug)]
pub struct Framer {
    max: usize,
    state: State,
    /// The current frame as far as it came, at most `max` bytes.
    frame: Vec<u8>,
    /// Whether bytes of the current frame were skipped.
    cut: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Perhaps in a count: all of `frame` is digits, and a blank if `blank`.
    Start { blank: bool },
    /// In a counted frame that lacks this many bytes, at least one.
    Counted(usize),
    /// In a line.
    Line,
}

const START: State = State::Start { blank: false };

impl Framer {
    /// A framer whose frames have at most `max` bytes (and at least what a count takes).
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max: max.max(MAX_COUNT_DIGITS + 1), state: START, frame: Vec::new(), cut: false }
    }

    /// Takes the next bytes and calls `deliver` for each frame that ends in them, with whether its tail was cut.
    pub fn push(&mut self, mut bytes: &[u8], deliver: &mut dyn FnMut(&[u8], bool)) {
        while let [first, rest @ ..] = bytes {
            match self.state {
                State::Start { blank } => match first {
                    b'0' if self.frame.is_empty() => self.state = State::Line,
                    b'0'..=b'9' if !blank && self.frame.len() < MAX_COUNT_DIGITS => {
                        self.frame.push(*first);
                        bytes = rest;
                    }
                    b' ' if !blank && !self.frame.is_empty() => {
                        self.frame.push(*first);
                        self.state = State::Start { blank: true };
                        bytes = rest;
                    }
                    b'<' if blank => {
                        let digits = self.frame.iter().take_while(|b| b.is_ascii_digit());
                        let count = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
                        self.frame.clear();
                        self.state = State::Counted(count);
                    }
                    // Not a count after all: what came so far is the head of a line.
                    _ => self.state = State::Line,
                },
                State::Counted(missing) => {
                    let (now, later) = bytes.split_at(missing.min(bytes.len()));
                    bytes = later;
                    self.state = State::Counted(missing - now.len());
                    if missing == now.len() {
                        self.end_with(now, deliver);
                    } else {
                        self.keep(now);
                    }
                }
                State::Line => match bytes.iter().position(|b| matches!(b, b'\n' | 0)) {
                    Some(at) => {
                        let (line, after) = bytes.split_at(at);
                        bytes = after.get(1..).unwrap_or_default();
                        self.end_with(line, deliver);
                    }
                    None => {
                        self.keep(bytes);
                        return;
                    }
                },
            }
        }
    }

    /// The connection ended: delivers what is left. A line may end so; a counted frame that lacks bytes is cut.
    pub fn finish(&mut self, deliver: &mut dyn FnMut(&[u8], bool)) {
        self.cut |= matches!(self.state, State::Counted(_));
        self.end(deliver);
    }

    /// Whether a frame has begun and not ended.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        self.state != START || !self.frame.is_empty()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.max - self.frame.len();
        self.cut |= bytes.len() > room;
        self.frame.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The frame ends with these bytes. One that came in one piece, as most do, is delivered from where it lies.
    fn end_with(&mut self, last: &[u8], deliver: &mut dyn FnMut(&[u8], bool)) {
        if !self.frame.is_empty() || self.cut || last.len() > self.max {
            self.keep(last);
            return self.end(deliver);
        }
        if !is_blank(last) {
            deliver(last, false);
        }
        self.state = START;
    }

    fn end(&mut self, deliver: &mut dyn FnMut(&[u8], bool)) {
        if !is_blank(&self.frame) {
            deliver(&self.frame, self.cut);
        }
        self.frame.clear();
        // A long frame is rare; a connection that had one does not hold its memory for hours.
        self.frame.shrink_to(1024);
        self.cut = false;
        self.state = START;
    }
}

/// Nothing between two ends is no frame: many senders put a line feed behind a counted frame, too.
fn is_blank(frame: &[u8]) -> bool {
    frame.iter().all(|b| matches!(b, b'\r' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 32;

    /// The frames of these pieces, `!` in front of cut ones, `$` before those that the connection's end delivered.
    fn frames(pieces: &[&[u8]]) -> Vec<String> {
        let mut out = Vec::new();
        let mut framer = Framer::new(MAX);
        let text =
            |frame: &[u8], cut| format!("{}{}", if cut { "!" } else { "" }, String::from_utf8_lossy(frame));
        for piece in pieces {
            framer.push(piece, &mut |frame, cut| out.push(text(frame, cut)));
            assert!(framer.frame.len() <= MAX);
        }
        framer.finish(&mut |frame, cut| out.push(format!("${}", text(frame, cut))));
        assert!(!framer.is_mid_frame());
        out
    }

    #[rustfmt::skip]
    const STREAMS: &[(&[u8], &[&str])] = &[
        (b"", &[]), (b"\n\n\r\n\0", &[]),
        (b"<13>a\n<14>b\n", &["<13>a", "<14>b"]),
        (b"<13>a\0<14>b\0", &["<13>a", "<14>b"]),                         // Python's SysLogHandler
        (b"<13>a\r\n<14>no end", &["<13>a\r", "$<14>no end"]),
        (b"5 <13>a5 <14>b", &["<13>a", "<14>b"]),
        (b"5 <13>a\n5 <14>b\n", &["<13>a", "<14>b"]),                     // counted, and a line feed as well
        (b"9 <13>a\nb\0c<14>line\n7 <13>xyz", &["<13>a\nb\0c", "<14>line", "<13>xyz"]),
        (b"9 <13>a", &["$!<13>a"]),                                       // cut by the end
        (b"12 disks found\n5 <13>a", &["12 disks found", "<13>a"]),       // a line that begins with a number
        (b"12\n12 \n5 <13>a", &["12", "12 ", "<13>a"]),
        (b"05 <13>a\n5 <13>b", &["05 <13>a", "<13>b"]),                   // a count has no leading zero
        (b"0 <13>a\n", &["0 <13>a"]),
        (b"9999999 <13>a\n5 <13>b", &["9999999 <13>a", "<13>b"]),         // too long to be a count
        (b"1 <2 <1", &["<", "<1"]),
        (b"5", &["$5"]), (b"5 ", &["$5 "]), (b"5 <", &["$!<"]),
        // Longer than a frame may be: the head, and then the next frame.
        (b"40 <13>456789012345678901234567890123456789<14>b\n", &["!<13>4567890123456789012345678901", "<14>b"]),
        (b"<13>456789012345678901234567890123456789\n<14>b\n", &["!<13>4567890123456789012345678901", "<14>b"]),
        (b"<13>456789012345678901234567890123456789", &["$!<13>4567890123456789012345678901"]),
        (b"32 <13>4567890123456789012345678901x\n", &["<13>4567890123456789012345678901", "x"]),
    ];

    #[test]
    fn frames_are_the_same_wherever_the_stream_is_split() {
        for (stream, want) in STREAMS {
            let what = String::from_utf8_lossy(stream);
            assert_eq!(frames(&[stream]), *want, "{what:?}");
            for at in 0..=stream.len() {
                let (a, b) = stream.split_at(at);
                assert_eq!(frames(&[a, b]), *want, "{what:?} split at {at}");
            }
            let single: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(frames(&single), *want, "{what:?} byte by byte");
        }
    }

    #[test]
    fn any_stream_comes_back_to_good_frames() {
        let mut state = 7_u64;
        for round in 0..5_000 {
            let mut stream = Vec::new();
            for _ in 0..20 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let choice = usize::try_from(state >> 40).unwrap();
                stream.push(b"0123456789 <>\n\0ax\xff"[choice % 18]);
            }
            // Nobody can skip less than a count that looked right; without one, a line feed is enough.
            let counted = stream.windows(2).any(|w| w == b" <");
            stream.extend_from_slice(b"\n<13>good\n");
            let got = frames(&[&stream]);
            assert!(
                counted || got.last().is_some_and(|f| f == "<13>good"),
                "round {round}: {stream:?} {got:?}"
            );
        }
    }
}

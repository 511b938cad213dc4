//! A piece of a device's log: many lines as one text, which is one row.
//!
//! Pure. A flood of lines costs the database as many rows as there are devices in it; whoever reads takes them apart again.

use crate::logic::ids::DeviceName;
use crate::logic::time::Timestamp;

/// Text of one piece at most. Showing the end of a log reads one or two pieces, so they are not larger; and not smaller, so that
/// a flood makes few.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Lines of one piece at most: what a line's number has room for.
pub const CHUNK_LINES: usize = 1 << LINE_BITS;
const LINE_BITS: u32 = 12;
/// Its time, a blank and a line end.
const AROUND_LINE: usize = 19 + 2;
/// Numbers of lines in pieces begin here, far beyond those that have a row of their own; all fit in 53 bits, for JSON.
pub(super) const FIRST_LINE_ID: i64 = 1 << 44;

/// Lines of one device, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// Whose.
    pub device: DeviceName,
    first: Timestamp,
    last: Timestamp,
    lines: usize,
    text: String,
}

impl LogChunk {
    /// A piece without lines, whose first will come at this time.
    pub fn new(device: DeviceName, at: Timestamp) -> Self {
        Self { device, first: at, last: at, lines: 0, text: String::new() }
    }

    /// Whether a line of that time and length still belongs here. One that is older than the last one does not: within a piece
    /// time goes forward, also when somebody sets the clock.
    pub fn fits(&self, at: Timestamp, bytes: usize) -> bool {
        self.lines == 0
            || (at >= self.last
                && self.lines < CHUNK_LINES
                && self.text.len() + AROUND_LINE + bytes < CHUNK_BYTES)
    }

    /// Appends a line that [`Self::fits`]. Line ends in it become visible signs.
    pub fn push(&mut self, at: Timestamp, message: &str) {
        use std::fmt::Write;
        match at.0 - self.first.0 {
            ms @ 0..=9 => self.text.push(char::from(b'0' + u8::try_from(ms).expect("one digit"))),
            ms => write!(self.text, "{ms}").expect("a string takes everything"),
        }
        self.text.push(' ');
        if message.contains('\n') {
            self.text.push_str(&message.replace('\n', "\u{240a}"));
        } else {
            self.text.push_str(message);
        }
        self.text.push('\n');
        self.last = at;
        self.lines += 1;
    }

    /// Times of the first and the last line.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        (self.first, self.last)
    }

    /// The lines.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many there are.
    pub fn lines(&self) -> usize {
        self.lines
    }
}

/// A line of a stored piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// Its number among all lines of pieces.
    pub(super) number: i64,
    pub(super) at: Timestamp,
    pub(super) message: &'a str,
}

/// The lines of the piece with this number. What is not a line of ours is shown whole, at the time of the first.
pub(super) fn lines(chunk: i64, first: Timestamp, text: &str) -> impl Iterator<Item = Line<'_>> {
    let base = chunk << LINE_BITS;
    text.split_terminator('\n').take(CHUNK_LINES).zip(0_i64..).map(move |(line, n)| {
        let split = line.split_once(' ').and_then(|(ms, rest)| Some((ms.parse::<i64>().ok()?, rest)));
        let (ms, message) = split.unwrap_or((0, line));
        Line { number: base + n, at: first.plus_ms(ms), message }
    })
}

/// The piece that holds the line of this number.
pub(super) fn chunk_of(line: i64) -> i64 {
    line >> LINE_BITS
}

/// The last number that a line of this piece could have.
pub(super) fn last_of(chunk: i64) -> i64 {
    (chunk << LINE_BITS) | ((1 << LINE_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_with_their_times_and_numbers() {
        let mut chunk = LogChunk::new("a".into(), Timestamp(1000));
        chunk.push(Timestamp(1000), "first");
        chunk.push(Timestamp(1007), "");
        chunk.push(Timestamp(2234), "two\nlines 5");
        assert_eq!(chunk.text(), "0 first\n7 \n1234 two\u{240a}lines 5\n");
        assert_eq!((chunk.span(), chunk.lines()), ((Timestamp(1000), Timestamp(2234)), 3));
        let got: Vec<_> =
            lines(3, Timestamp(1000), chunk.text()).map(|l| (l.number, l.at.0, l.message)).collect();
        let base = 3 << LINE_BITS;
        assert_eq!(
            got,
            [(base, 1000, "first"), (base + 1, 1007, ""), (base + 2, 2234, "two\u{240a}lines 5")]
        );
        assert!(got.iter().all(|(n, ..)| chunk_of(*n) == 3 && *n <= last_of(3)));
        assert_eq!(
            lines(1, Timestamp(5), "odd\n").map(|l| (l.at.0, l.message)).collect::<Vec<_>>(),
            [(5, "odd")]
        );
    }

    #[test]
    fn a_piece_ends_by_size_by_number_and_when_the_clock_goes_back() {
        let mut chunk = LogChunk::new("a".into(), Timestamp(9));
        assert!(chunk.fits(Timestamp(9), 1 << 20), "however long the first line is");
        chunk.push(Timestamp(9), "x");
        assert!(chunk.fits(Timestamp(9), 100) && !chunk.fits(Timestamp(8), 100));
        assert!(!chunk.fits(Timestamp(9), CHUNK_BYTES));
        for _ in 1..CHUNK_LINES {
            assert!(chunk.fits(Timestamp(9), 1));
            chunk.push(Timestamp(9), "x");
        }
        assert!(!chunk.fits(Timestamp(9), 1));
    }
}

//! Bodies in chunks (RFC 9112 section 7.1), decoded byte by byte as they come: strict in where lines end, for what two readers
//! take for different lengths is how calls are smuggled (section 11.2). Extensions and trailers are passed over, within limits.

/// Digits of a chunk's length: more than a terabyte is none.
const DIGITS_MAX: u8 = 10;
/// Bytes of one line that are passed over: nobody sends extensions.
const LINE_MAX: usize = 1024;
/// Bytes of all trailers.
const TRAILERS_MAX: usize = 4096;

/// A body whose chunks contradict themselves, in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadChunk(pub &'static str);

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Digits of a length, of which so many were there.
    Length {
        value: u64,
        digits: u8,
    },
    /// The rest of the line of a length, so many bytes long.
    Extension {
        value: u64,
        passed: usize,
    },
    /// Its line feed.
    LengthEnds {
        value: u64,
    },
    Data {
        left: u64,
    },
    /// The two bytes behind the data.
    DataEnds,
    DataFeeds,
    /// The beginning of a line behind the last chunk.
    Trailer,
    /// In one, with so many bytes of all of them so far.
    InTrailer,
    /// The line feed of one.
    TrailerFeeds,
    /// The last line feed.
    LastFeeds,
    Done,
}

/// Reads one body.
#[derive(Debug)]
pub struct Chunks {
    state: State,
    trailers: usize,
}

impl Default for Chunks {
    fn default() -> Self {
        Self { state: State::Length { value: 0, digits: 0 }, trailers: 0 }
    }
}

impl Chunks {
    /// The body has ended; what follows is another call.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Decodes into `out` until it is full, `input` is empty or the body ends; how many bytes it took, and how many it gave.
    ///
    /// # Errors
    /// [`BadChunk`]: where this body ends, nobody knows.
    pub fn decode(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize), BadChunk> {
        let (mut taken, mut given) = (0, 0);
        while let (Some(rest @ [byte, ..]), false) = (input.get(taken..), self.is_done()) {
            if let State::Data { left } = self.state {
                let room = rest.len().min(out.len() - given);
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(room);
                if count == 0 {
                    break;
                }
                out[given..given + count].copy_from_slice(&rest[..count]);
                (taken, given) = (taken + count, given + count);
                let left = left - count as u64;
                self.state = if left == 0 { State::DataEnds } else { State::Data { left } };
                continue;
            }
            self.state = self.after(*byte)?;
            taken += 1;
        }
        Ok((taken, given))
    }

    /// The state after a byte that is none of the body's own.
    fn after(&mut self, byte: u8) -> Result<State, BadChunk> {
        use State as S;
        Ok(match (self.state, byte) {
            (S::Length { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                if digits == DIGITS_MAX {
                    return Err(BadChunk("a chunk's length has too many digits"));
                }
                let digit = (byte as char).to_digit(16).expect("it is one of the sixteen");
                S::Length { value: value << 4 | u64::from(digit), digits: digits + 1 }
            }
            (S::Length { digits: 0, .. }, _) => return Err(BadChunk("a chunk has no length")),
            (S::Length { value, .. } | S::Extension { value, .. }, b'\r') => S::LengthEnds { value },
            (S::Length { value, .. }, b';') => S::Extension { value, passed: 0 },
            (S::Length { .. }, _) => return Err(BadChunk("a chunk's length is no number")),
            (S::Extension { .. }, b'\n') => return Err(BadChunk("a line ends without a carriage return")),
            (S::Extension { value, passed }, _) if passed < LINE_MAX => {
                S::Extension { value, passed: passed + 1 }
            }
            (S::Extension { .. }, _) => return Err(BadChunk("a chunk's extension is too long")),
            (S::LengthEnds { value: 0 }, b'\n') => S::Trailer,
            (S::LengthEnds { value }, b'\n') => S::Data { left: value },
            (S::DataEnds, b'\r') => S::DataFeeds,
            (S::DataFeeds, b'\n') => S::Length { value: 0, digits: 0 },
            (S::DataEnds | S::DataFeeds, _) => return Err(BadChunk("a chunk is longer than it says")),
            (S::Trailer, b'\r') => S::LastFeeds,
            (S::LastFeeds, b'\n') => S::Done,
            (S::InTrailer, b'\r') => S::TrailerFeeds,
            (S::TrailerFeeds, b'\n') => S::Trailer,
            (S::Trailer | S::InTrailer, b'\n')
            | (S::LengthEnds { .. } | S::LastFeeds | S::TrailerFeeds, _) => {
                return Err(BadChunk("a line ends with one half of its end"));
            }
            (S::Trailer | S::InTrailer, _) => {
                self.trailers += 1;
                if self.trailers > TRAILERS_MAX {
                    return Err(BadChunk("its trailers are too long"));
                }
                S::InTrailer
            }
            (S::Data { .. } | S::Done, _) => unreachable!("these are not asked"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in a body, how many bytes it took, and whether it ended.
    fn decoded(bytes: &[u8], piece: usize) -> Result<(Vec<u8>, usize, bool), BadChunk> {
        let (mut chunks, mut all, mut taken) = (Chunks::default(), Vec::new(), 0);
        for part in bytes.chunks(piece) {
            let mut at = 0;
            while at < part.len() && !chunks.is_done() {
                let mut out = [0; 3];
                let (took, gave) = chunks.decode(&part[at..], &mut out)?;
                assert!(took > 0 || gave > 0, "it goes on");
                all.extend_from_slice(&out[..gave]);
                at += took;
            }
            taken += at;
        }
        Ok((all, taken, chunks.is_done()))
    }

    #[test]
    fn chunks_are_put_together_in_any_pieces() {
        let body = b"5\r\nhello\r\n00A;name=\"x\"\r\n 0123\r\n678\r\n0\r\nTrailer: x\r\n\r\n";
        let text = [&body[..], b"GET"].concat();
        for piece in 1..text.len() {
            let (all, taken, done) = decoded(&text, piece).unwrap();
            assert_eq!(
                (all.as_slice(), taken, done),
                (&b"hello 0123\r\n678"[..], body.len(), true),
                "{piece}"
            );
        }
        assert_eq!(decoded(b"0\r\n\r\n", 1), Ok((Vec::new(), 5, true)));
        assert_eq!(decoded(b"2\r\nab\r\n", 9), Ok((b"ab".to_vec(), 7, false)), "its end is missing");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for body in [
            "\r\n",
            "zz\r\n",
            "-1\r\n",
            "0x5\r\nhello\r\n",
            "5\nhello\r\n",
            "5\r\nhello0\r\n",
            "5\r\nhello\n",
            "5\rhello",
            "5;x\n",
            "ffffffffffffffffff\r\n",
            "0\r\nx\n\r\n",
            "0\r\n\rx",
            "5 5\r\nhello\r\nx",
            "0\r\nx: y\r\r\n",
        ] {
            assert!(decoded(body.as_bytes(), 100).is_err(), "{body:?}");
        }
        assert!(decoded(format!("1;{}", "x".repeat(2000)).as_bytes(), 100).is_err());
        assert!(decoded(format!("0\r\n{}", "x: y\r\n".repeat(2000)).as_bytes(), 100).is_err());
    }
}

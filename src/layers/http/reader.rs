//! What a connection has said and nobody has read: whole calls are taken out of it, one after the other, with bodies that are
//! short. It never takes more memory than [`KEPT_MAX`], and how the bytes were cut into pieces on their way changes nothing.
//!
//! It knows neither sockets nor time.

use super::head::{Head, Length};
use super::refusal::Refusal;

/// The longest head: what browsers, scripts and boot loaders send stays below a kilobyte or two, paths included.
pub const HEAD_MAX: usize = 16 << 10;

/// Bodies up to this length are waited for before a thread is bothered: all that boards and most jobs send.
pub const BODY_HERE_MAX: usize = 4 << 10;

/// What is read from a socket at once.
pub const PIECE: usize = 16 << 10;

/// The most memory that one takes: a head without its end and a piece, in a buffer that grows by doubling; and a head whose body
/// is waited for, which takes less than that again, even if none of its bytes are text.
pub const KEPT_MAX: usize = 4 * (HEAD_MAX + PIECE);

/// Bytes of empty lines before a call that are passed over (RFC 9112 section 2.2); more are no client's slip.
const EMPTY_MAX: usize = 64;

/// The unread bytes of one connection.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    /// In these of them no head ends.
    searched: usize,
    /// Empty lines that were passed over since the last call.
    passed_over: usize,
    /// A head whose body is waited for.
    head: Option<Head>,
}

/// A call, as far as it was waited for.
#[derive(Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its head.
    pub head: Head,
    /// Its whole body; `None`: the body is longer, comes in chunks or waits to be asked for, and is still to be read.
    pub body: Option<Vec<u8>>,
}

impl Reader {
    /// Takes more. The caller takes out what is whole before it brings the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        debug_assert!(piece.len() <= PIECE, "a piece is as long as KEPT_MAX counts on");
        self.bytes.extend_from_slice(piece);
    }

    /// The next call; `None`: it is not all here.
    ///
    /// # Errors
    /// What comes is no call. Nothing after it is one.
    pub fn next_call(&mut self) -> Result<Option<Arrival>, Refusal> {
        if self.head.is_none() {
            self.head = self.next_head()?;
        }
        let Some(head) = &self.head else { return Ok(None) };
        let here = match head.body {
            Length::Known(0) => Some(0),
            Length::Known(length) if !head.expects => {
                usize::try_from(length).ok().filter(|length| *length <= BODY_HERE_MAX)
            }
            Length::Known(_) | Length::Chunked => None,
        };
        if here.is_some_and(|length| self.bytes.len() < length) {
            self.tidy();
            return Ok(None);
        }
        let body = here.map(|length| self.bytes.drain(..length).collect());
        self.tidy();
        Ok(self.head.take().map(|head| Arrival { head, body }))
    }

    fn next_head(&mut self) -> Result<Option<Head>, Refusal> {
        let empty = self.bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        if self.searched == 0 && empty > 0 {
            self.bytes.drain(..empty);
            self.passed_over += empty;
        }
        if self.passed_over > EMPTY_MAX {
            return Err(Refusal::Malformed("it is nothing but empty lines"));
        }
        match self.bytes.first() {
            None => {
                self.tidy();
                return Ok(None);
            }
            // TLS, among others, is known by its first byte, and need not be waited for.
            Some(first) if !first.is_ascii_graphic() => {
                return Err(Refusal::Malformed(
                    "it is no HTTP; https:// is for another server in front of this one",
                ));
            }
            Some(_) => {}
        }
        let Some(end) = self.end_of_head() else {
            if self.bytes.len() > HEAD_MAX {
                return Err(self.too_long());
            }
            self.tidy();
            return Ok(None);
        };
        if end > HEAD_MAX {
            return Err(self.too_long());
        }
        let head = Head::parse(&self.bytes[..end])?;
        self.bytes.drain(..end);
        (self.searched, self.passed_over) = (0, 0);
        Ok(Some(head))
    }

    /// Behind the empty line; what was looked at before is not looked at again.
    fn end_of_head(&mut self) -> Option<usize> {
        let bytes = &self.bytes;
        let mut from = self.searched;
        while let Some(at) = bytes.get(from..).and_then(|rest| rest.iter().position(|b| *b == b'\n')) {
            let next = from + at + 1;
            match &bytes[next..] {
                [b'\n', ..] => return Some(next + 1),
                [b'\r', b'\n', ..] => return Some(next + 2),
                // This line's end is looked at again when more has come.
                [] | [b'\r'] => {
                    self.searched = next - 1;
                    return None;
                }
                _ => from = next,
            }
        }
        self.searched = bytes.len();
        None
    }

    fn too_long(&self) -> Refusal {
        let has_line = self.bytes.iter().take(HEAD_MAX).any(|b| *b == b'\n');
        if has_line { Refusal::HeadTooLong } else { Refusal::TargetTooLong }
    }

    /// Whether a call has begun that is not all here.
    pub fn is_amid(&self) -> bool {
        self.head.is_some() || !self.bytes.is_empty()
    }

    /// Whether there are bytes behind the last call.
    pub fn has_more(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Bytes behind the last call, which are its body's or the next call's.
    pub fn unread(&self) -> &[u8] {
        &self.bytes
    }

    /// So many of them were read; there are as many.
    pub fn consume(&mut self, count: usize) {
        self.bytes.drain(..count);
        self.tidy();
    }

    /// How many bytes of memory this takes, with those that are not used yet.
    pub fn kept(&self) -> usize {
        self.bytes.capacity() + self.head.as_ref().map_or(0, Head::kept)
    }

    /// A connection that rests keeps no memory, and one that waits not much more than it has to.
    fn tidy(&mut self) {
        if self.bytes.capacity() > 2 * self.bytes.len() {
            self.bytes.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All calls in some bytes that come in pieces of a length, and how it ended.
    fn calls(bytes: &[u8], piece: usize) -> (Vec<Arrival>, Option<Refusal>) {
        let (mut reader, mut calls) = (Reader::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            reader.push(piece);
            assert!(reader.kept() <= KEPT_MAX);
            loop {
                match reader.next_call() {
                    Ok(Some(call)) => calls.push(call),
                    Ok(None) => break,
                    Err(why) => return (calls, Some(why)),
                }
            }
        }
        assert!(reader.is_amid() || reader.bytes.capacity() == 0, "who says nothing costs nothing");
        (calls, None)
    }

    #[test]
    fn calls_are_the_same_in_any_pieces() {
        let text = b"\r\nGET /1 HTTP/1.1\r\nA: b\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
            \n\nPUT /3 HTTP/1.0\nContent-Length: 3\n\n\r\n\r\r\n\nGET /4 HTTP/1.1\r\n\r\n\x16";
        let (whole, end) = calls(text, text.len());
        let targets: Vec<&str> = whole.iter().map(|call| call.head.target.as_str()).collect();
        assert_eq!(targets, ["/1", "/2", "/3", "/4"]);
        assert_eq!(whole[1].body.as_deref(), Some(&b"hello"[..]));
        assert_eq!(whole[2].body.as_deref(), Some(&b"\r\n\r"[..]), "a body is not looked into");
        assert!(matches!(end, Some(Refusal::Malformed(_))));
        for piece in 1..30 {
            assert_eq!(calls(text, piece), (whole.clone_all(), end), "pieces of {piece}");
        }
    }

    trait CloneAll {
        fn clone_all(&self) -> Vec<Arrival>;
    }

    impl CloneAll for Vec<Arrival> {
        fn clone_all(&self) -> Vec<Arrival> {
            self.iter().map(|c| Arrival { head: c.head.clone(), body: c.body.clone() }).collect()
        }
    }

    #[test]
    fn a_head_ends_within_its_limit() {
        let with = |length: usize| {
            let head = "GET / HTTP/1.1\r\nA: ";
            format!("{head}{}\r\n\r\n", "x".repeat(length - head.len() - 4))
        };
        for piece in [1000, PIECE] {
            assert_eq!(calls(with(HEAD_MAX).as_bytes(), piece).0.len(), 1);
            let refused = |text: &str| calls(text.as_bytes(), piece).1;
            assert_eq!(refused(&with(HEAD_MAX + 1)), Some(Refusal::HeadTooLong));
            assert_eq!(refused(&with(1 << 20)), Some(Refusal::HeadTooLong));
            assert_eq!(refused(&format!("GET /{}", "x".repeat(1 << 20))), Some(Refusal::TargetTooLong));
            assert_eq!(refused(&"A: b\r\n".repeat(100_000)), Some(Refusal::HeadTooLong));
            assert!(matches!(refused(&"\r\n".repeat(100)), Some(Refusal::Malformed(_))));
        }
    }

    #[test]
    fn a_head_whose_body_is_waited_for_counts_with_all_that_it_takes() {
        let mut reader = Reader::default();
        let head = "POST / HTTP/1.1\r\nContent-Length: 4096\r\nA: ";
        let head = format!("{head}{}\r\n\r\n", "x".repeat(HEAD_MAX - head.len() - 4));
        reader.push(head.as_bytes());
        assert!(reader.next_call().unwrap().is_none());
        assert!((HEAD_MAX..HEAD_MAX + 2048).contains(&reader.kept()), "{}", reader.kept());
        // None of these is UTF-8, and each becomes three bytes.
        let mut lines = b"POST / HTTP/1.1\r\nContent-Length: 4096\r\n".to_vec();
        for _ in 0..90 {
            lines.extend_from_slice(&[&b"A: "[..], &[0xff; 170], b"\r\n"].concat());
        }
        let mut reader = Reader::default();
        reader.push(&[&lines[..], b"\r\n"].concat());
        assert!(reader.next_call().unwrap().is_none());
        assert!((3 * 90 * 170..KEPT_MAX).contains(&reader.kept()), "{}", reader.kept());
    }

    #[test]
    fn a_body_that_is_long_or_has_to_be_asked_for_stays_where_it_is() {
        for line in [
            "Content-Length: 4097",
            "Transfer-Encoding: chunked",
            "Content-Length: 2\r\nExpect: 100-continue",
        ] {
            let text = format!("POST / HTTP/1.1\r\n{line}\r\n\r\nbo");
            let mut reader = Reader::default();
            reader.push(text.as_bytes());
            let call = reader.next_call().unwrap().unwrap();
            assert_eq!((call.body, reader.unread()), (None, &b"bo"[..]), "{line}");
        }
        let mut reader = Reader::default();
        reader.push(b"POST / HTTP/1.1\r\nContent-Length: 4096\r\n\r\n");
        assert!(reader.next_call().unwrap().is_none() && reader.is_amid());
        reader.push(&[b'x'; BODY_HERE_MAX]);
        assert_eq!(reader.next_call().unwrap().unwrap().body.unwrap().len(), BODY_HERE_MAX);
        assert!(!reader.is_amid());
    }
}

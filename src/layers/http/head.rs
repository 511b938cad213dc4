//! Heads of calls (RFC 9112 sections 2 to 4): the bytes up to the empty line become a method, a target, header lines, and what
//! they say of the body and of the connection.
//!
//! What two readers could take for different calls is refused (section 6.3, section 11.2): lengths that contradict each other, a
//! coding beside a length, a coding of HTTP/1.0. It knows neither sockets nor time.

use super::refusal::Refusal;

/// Lines of a head, at most. Browsers send some fifteen.
pub const LINES_MAX: usize = 100;

/// White space between words (RFC 9110 section 5.6.3); what Unicode has beside it is none here.
const WHITE: [char; 2] = [' ', '\t'];

/// Bytes of memory that a text takes beside its own: the allocator keeps its length there, and rounds it up.
const PER_TEXT: usize = 16;

/// A call's first lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// As it came; it is case-sensitive.
    pub method: String,
    /// What the call is about, in ASCII, still encoded.
    pub target: String,
    /// HTTP/1.1; otherwise 1.0.
    pub is_1_1: bool,
    /// Names and values, in their order.
    pub lines: Vec<(String, String)>,
    /// How long the body is.
    pub body: Length,
    /// Whether the caller wants the connection kept (section 9.3).
    pub keeps: bool,
    /// Whether the caller waits to be told before it sends the body (RFC 9110 section 10.1.1).
    pub expects: bool,
}

/// What a head says of its body (RFC 9112 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// So many bytes; 0 where nothing is said.
    Known(u64),
    /// It comes in chunks, the last of which is empty.
    Chunked,
}

impl Head {
    /// Reads a whole head, with the empty line that ends it.
    ///
    /// # Errors
    /// What is wrong with it; the connection cannot be used any more, for nobody knows where the next call begins.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut lines = [httparse::EMPTY_HEADER; LINES_MAX];
        let mut parsed = httparse::Request::new(&mut lines);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
            Ok(_) => return Err(Refusal::Malformed("its lines end where they should not")),
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooManyLines),
            Err(httparse::Error::Version) => return Err(Refusal::Version),
            Err(_) => return Err(Refusal::Malformed("it is no call of HTTP/1.0 or 1.1")),
        }
        let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
            return Err(Refusal::Malformed("it has no first line"));
        };
        if !target.is_ascii() {
            return Err(Refusal::Malformed("its target is not ASCII; other bytes are written as %XX"));
        }
        let lines: Vec<(String, String)> = parsed
            .headers
            .iter()
            .map(|line| (line.name.to_owned(), String::from_utf8_lossy(line.value).into_owned()))
            .collect();
        let is_1_1 = minor == 1;
        if all(&lines, "Host").count() > 1 {
            return Err(Refusal::Malformed("it names more than one host"));
        }
        let body = body_length(&lines, is_1_1)?;
        let is = |said: &str, word: &str| said.trim_matches(WHITE).eq_ignore_ascii_case(word);
        let says = |word: &str| all(&lines, "Connection").flat_map(|v| v.split(',')).any(|w| is(w, word));
        let keeps = !says("close") && (is_1_1 || says("keep-alive"));
        let waits = all(&lines, "Expect").any(|v| is(v, "100-continue"));
        let expects = waits && is_1_1 && body != Length::Known(0);
        let (method, target) = (method.to_owned(), target.to_owned());
        Ok(Self { method, target, is_1_1, lines, body, keeps, expects })
    }

    /// How many bytes of memory this takes beside its own.
    pub fn kept(&self) -> usize {
        let text = |text: &String| text.capacity() + PER_TEXT;
        let lines = self.lines.iter().map(|(name, value)| text(name) + text(value)).sum::<usize>();
        text(&self.method)
            + text(&self.target)
            + lines
            + self.lines.capacity() * size_of::<(String, String)>()
    }

    /// The value of the first line of that name.
    pub fn line(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The values of all lines of that name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
        all(&self.lines, name)
    }
}

fn all<'a>(lines: &'a [(String, String)], name: &'a str) -> impl DoubleEndedIterator<Item = &'a str> {
    lines.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// RFC 9112 section 6.3, and stricter where it allows both.
fn body_length(lines: &[(String, String)], is_1_1: bool) -> Result<Length, Refusal> {
    let mut lengths = all(lines, "Content-Length");
    let (length, another) = (lengths.next(), lengths.next());
    let mut codings = all(lines, "Transfer-Encoding");
    let (coding, another_coding) = (codings.next(), codings.next());
    match (length, another, coding) {
        (_, Some(_), _) => Err(Refusal::Malformed("it has more than one Content-Length")),
        (Some(_), _, Some(_)) => Err(Refusal::Malformed("it has a Content-Length and a Transfer-Encoding")),
        (None, None, None) => Ok(Length::Known(0)),
        (Some(text), None, None) => {
            let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let length = text.parse().ok().filter(|_| is_number);
            length.map(Length::Known).ok_or(Refusal::Malformed("its Content-Length is no number"))
        }
        (None, None, Some(_)) if !is_1_1 => Err(Refusal::Malformed("HTTP/1.0 has no Transfer-Encoding")),
        // One line and this one word. A list with empty places, a second line or other kinds of white space mean the same to some
        // readers, and to others something else.
        (None, None, Some(only)) if another_coding.is_none() && only.eq_ignore_ascii_case("chunked") => {
            Ok(Length::Chunked)
        }
        (None, None, Some(_)) => Err(Refusal::Coding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(first: &str, lines: &[&str]) -> Result<Head, Refusal> {
        let text = [&[first], lines, &["\r\n"]].concat().join("\r\n");
        Head::parse(text.as_bytes())
    }

    #[test]
    fn a_head_says_what_is_wanted_and_what_becomes_of_the_connection() {
        let call = head("POST /x?y HTTP/1.1", &["Host: h", "content-length: 5", "A: 1", "a: 2"]).unwrap();
        assert_eq!((call.method.as_str(), call.target.as_str(), call.is_1_1), ("POST", "/x?y", true));
        assert_eq!((call.body, call.keeps, call.expects), (Length::Known(5), true, false));
        assert_eq!((call.line("HOST"), call.line("none")), (Some("h"), None));
        assert_eq!(call.all("A").collect::<Vec<_>>(), ["1", "2"]);
        for (version, connection, keeps) in [
            ("1.1", "", true),
            ("1.1", "Upgrade, HTTP2-Settings", true),
            ("1.1", "te, CLOSE", false),
            ("1.0", "", false),
            ("1.0", "Keep-Alive", true),
            ("1.0", "keep-alive, close", false),
        ] {
            let line = format!("Connection: {connection}");
            let call = head(&format!("GET / HTTP/{version}"), &[&line]).unwrap();
            assert_eq!(call.keeps, keeps, "{version} {connection}");
        }
        let waits = "Expect: 100-Continue";
        assert!(head("PUT / HTTP/1.1", &[waits, "Content-Length: 1"]).unwrap().expects);
        assert!(!head("PUT / HTTP/1.1", &[waits]).unwrap().expects, "there is nothing to wait with");
        assert!(!head("PUT / HTTP/1.0", &[waits, "Content-Length: 1"]).unwrap().expects);
        assert!(Head::parse(b"GET / HTTP/1.0\n\n").is_ok(), "section 2.2 allows a bare LF");
    }

    #[test]
    fn what_two_readers_could_take_for_two_calls_is_refused() {
        let refused = |lines: &[&str]| head("POST / HTTP/1.1", lines).unwrap_err();
        for lines in [
            &["Content-Length: 5", "Transfer-Encoding: chunked"][..],
            &["Content-Length: 5", "Content-Length: 5"],
            &["Content-Length: 5", "Content-Length: 6"],
            &["Content-Length: 5, 5"],
            &["Content-Length: +5"],
            &["Content-Length: -5"],
            &["Content-Length: 0x5"],
            &["Content-Length:"],
            &["Content-Length: 18446744073709551616"],
            &["Content-Length : 5"],
            &["A: b", " folded: 1"],
            &["Host: a", "Host: b"],
            &["no colon"],
            &["A: b\rX: c"],
            &["A: \0"],
        ] {
            assert!(matches!(refused(lines), Refusal::Malformed(_)), "{lines:?}");
        }
        for coding in [
            "gzip, chunked",
            "identity",
            "chunked, chunked",
            "xchunked",
            "",
            ",chunked",
            "chunked,",
            "\u{85}chunked",
            "chunked\u{a0}",
            "chunked\u{2003}",
            "\"chunked\"",
            "chunked;q=1",
            "chunked\r\nTransfer-Encoding: chunked",
            "chunked\r\nTransfer-Encoding:",
        ] {
            assert_eq!(refused(&[&format!("Transfer-Encoding: {coding}")]), Refusal::Coding, "{coding:?}");
        }
        let old = head("POST / HTTP/1.0", &["Transfer-Encoding: chunked"]);
        assert!(matches!(old, Err(Refusal::Malformed(_))));
        let chunked = head("POST / HTTP/1.1", &["Transfer-Encoding: Chunked"]).unwrap();
        assert_eq!(chunked.body, Length::Chunked);
    }

    #[test]
    fn other_versions_and_too_many_lines_have_words_of_their_own() {
        assert_eq!(head("PRI * HTTP/2.0", &[]), Err(Refusal::Version));
        assert_eq!(head("GET / HTTP/9.9", &[]), Err(Refusal::Version));
        assert!(head("GET / HTTP/1.1", &["A: b"; LINES_MAX]).is_ok());
        assert_eq!(head("GET / HTTP/1.1", &["A: b"; LINES_MAX + 1]), Err(Refusal::TooManyLines));
        assert!(matches!(head("GET /\u{fc} HTTP/1.1", &[]), Err(Refusal::Malformed(_))));
    }
}

//! Answers as bytes on the wire (RFC 9112 section 4): a head that is put together in one piece and, while it is small, goes out
//! in one write with its body. `tiny_http` would send the two through buffers of a kilobyte.

use super::wire::{SERVER, header};
use crate::api::reply::Reply;
use crate::api::time::http_date;
use crate::clock::{Clock, SystemClock};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use tiny_http::{HTTPVersion, Method, Request, StatusCode};

/// A body up to this length is copied behind its head: that is less work than a second write.
pub(super) const COPIED_MAX: usize = 64 << 10;

/// Whether an answer with this status never has a body (RFC 9110 sections 15.3.5 and 15.4.5).
fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// What a caller wants of the shape of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    version: HTTPVersion,
    /// `Connection`, where there is something to say.
    connection: Option<&'static str>,
    /// All but the body.
    is_head: bool,
}

impl Shape {
    /// `tiny_http` decides whether the connection is kept, and this says so (RFC 9112 section 9.3): a caller of 1.0 that wants
    /// it kept must hear that it is, one of 1.1 that wants it closed should.
    pub(super) fn of(request: &Request) -> Self {
        let version = request.http_version().clone();
        let wish = header(request, "Connection").unwrap_or_default().to_ascii_lowercase();
        let connection = if wish.contains("close") {
            Some("close")
        } else if version == HTTPVersion(1, 0) && wish.contains("keep-alive") {
            Some("keep-alive")
        } else {
            None
        };
        Self { version, connection, is_head: *request.method() == Method::Head }
    }

    /// Whether an answer with this status has a body.
    pub(super) fn has_body(&self, status: u16) -> bool {
        !self.is_head && !is_bodiless(status)
    }
}

/// Writes a whole answer.
pub(super) fn answer(mut to: impl Write, shape: &Shape, reply: &Reply) -> io::Result<()> {
    let body = reply.bytes();
    let sent: &[u8] = if shape.has_body(reply.status) { body } else { &[] };
    let copied = sent.len() <= COPIED_MAX;
    let mut bytes = Vec::with_capacity(512 + if copied { sent.len() } else { 0 });
    head(&mut bytes, shape, reply.status, &reply.headers, body.len() as u64);
    if copied {
        bytes.extend_from_slice(sent);
        to.write_all(&bytes)?;
    } else {
        to.write_all(&bytes)?;
        to.write_all(sent)?;
    }
    to.flush()
}

/// Puts a head together: for a body of `length` bytes, which `HEAD` tells of, too.
pub(super) fn head(
    to: &mut Vec<u8>,
    shape: &Shape,
    status: u16,
    headers: &[(&'static str, String)],
    length: u64,
) {
    let HTTPVersion(major, minor) = shape.version;
    let mut line = |text: fmt::Arguments<'_>| {
        to.write_fmt(text).expect("memory takes everything");
        to.extend_from_slice(b"\r\n");
    };
    line(format_args!("HTTP/{major}.{minor} {status} {}", StatusCode(status).default_reason_phrase()));
    line(format_args!("Server: {SERVER}"));
    with_date(|date| line(format_args!("Date: {date}")));
    for (name, value) in headers {
        // `Reply::with` has seen to it that no value ends its line, and those of files are made of numbers.
        line(format_args!("{name}: {value}"));
    }
    if let Some(connection) = shape.connection {
        line(format_args!("Connection: {connection}"));
    }
    if !is_bodiless(status) {
        line(format_args!("Content-Length: {length}"));
    }
    to.extend_from_slice(b"\r\n");
}

/// The date of now, which is the same for all answers of a second.
fn with_date(then: impl FnOnce(&str)) {
    thread_local! {
        static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    let now = SystemClock.now();
    let second = now.0.div_euclid(1000);
    LAST.with_borrow_mut(|(of, date)| {
        if *of != second {
            (*of, *date) = (second, http_date(now));
        }
        then(date);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written, and in how many pieces.
    #[derive(Default)]
    struct Wire(Vec<u8>, usize);

    impl Write for Wire {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.extend_from_slice(bytes);
            self.1 += 1;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(reply: &Reply, is_head: bool) -> (String, usize) {
        let mut wire = Wire::default();
        let shape = Shape { version: HTTPVersion(1, 1), connection: None, is_head };
        answer(&mut wire, &shape, reply).unwrap();
        let text = String::from_utf8(wire.0).unwrap();
        let date = text.split("Date: ").nth(1).and_then(|t| t.split("\r\n").next()).unwrap();
        assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
        (text.replace(date, "NOW"), wire.1)
    }

    #[test]
    fn an_answer_is_one_piece_with_all_its_lines() {
        let reply = Reply::json_text(200, "{}").with("ETag", "W/\"1\"\r\nX: y");
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: {SERVER}\r\nDate: NOW\r\nContent-Type: application/json; charset=utf-8\r\n\
             ETag: W/\"1\"??X: y\r\nContent-Length: 2\r\n\r\n"
        );
        assert_eq!(written(&reply, false), (format!("{head}{{}}"), 1));
        assert_eq!(written(&reply, true), (head, 1), "the same without its body");
    }

    #[test]
    fn what_becomes_of_the_connection_is_said_where_it_is_not_clear() {
        use tiny_http::{Header, TestRequest};
        for (version, wish, said) in [
            ((1, 1), None, None),
            ((1, 1), Some("keep-alive"), None),
            ((1, 1), Some("Close"), Some("close")),
            ((1, 0), None, None),
            ((1, 0), Some("Keep-Alive"), Some("keep-alive")),
            ((1, 0), Some("close"), Some("close")),
        ] {
            let mut request = TestRequest::new().with_http_version(HTTPVersion(version.0, version.1));
            if let Some(wish) = wish {
                request = request.with_header(Header::from_bytes("Connection", wish).unwrap());
            }
            assert_eq!(Shape::of(&request.into()).connection, said, "{version:?} {wish:?}");
        }
    }

    #[test]
    fn what_has_no_body_says_no_length() {
        for status in [204, 304] {
            let (text, _) = written(&Reply::json_text(status, "{}"), false);
            assert!(text.ends_with("charset=utf-8\r\n\r\n") && !text.contains("Length"), "{text}");
        }
    }

    #[test]
    fn a_large_body_is_not_copied() {
        let body: std::sync::Arc<[u8]> = vec![b'x'; COPIED_MAX + 1].into();
        let (text, pieces) = written(&Reply::shared_json(body), false);
        assert_eq!(pieces, 2);
        assert!(text.ends_with(&"x".repeat(COPIED_MAX + 1)) && text.contains("Content-Length: 65537\r\n"));
    }
}

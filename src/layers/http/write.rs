//! Answers as bytes on the wire (RFC 9112 section 4): a head that is put together in one piece and, while it is small, goes out
//! in one write with its body.

use super::pace::Pace;
use super::request::{Request, Writer};
use super::wire::SERVER;
use crate::api::reply::Reply;
use crate::api::time::http_date;
use crate::clock::{Clock, SystemClock};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// A body up to this length is copied behind its head: that is less work than a second write.
pub(super) const COPIED_MAX: usize = 64 << 10;

/// A longer body goes out in pieces, between which its pace is looked at.
const PIECE: usize = 64 << 10;

/// How long one that takes a long answer may stand still at its beginning.
pub(super) const GRACE: Duration = Duration::from_secs(60);

/// Whether an answer with this status never has a body (RFC 9110 sections 15.3.5 and 15.4.5).
fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// What a caller wants of the shape of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    is_1_1: bool,
    /// The connection is for another call after this one.
    keeps: bool,
    /// All but the body.
    is_head: bool,
}

impl Shape {
    /// Of an answer that is given now.
    pub(super) fn of(request: &Request) -> Self {
        let head = request.head();
        Self { is_1_1: head.is_1_1, keeps: request.keeps(), is_head: head.method == "HEAD" }
    }

    /// Of an answer after which the connection ends, to a call with this method, as far as that is known.
    pub(super) fn closing(is_1_1: bool, method: &str) -> Self {
        Self { is_1_1, keeps: false, is_head: method == "HEAD" }
    }

    /// `Connection`, where there is something to say (RFC 9112 section 9.3): a caller of 1.0 that wants it kept must hear that
    /// it is, one of 1.1 should hear that it is not.
    fn connection(&self) -> Option<&'static str> {
        match (self.is_1_1, self.keeps) {
            (true, true) | (false, false) => None,
            (true, false) => Some("close"),
            (false, true) => Some("keep-alive"),
        }
    }

    /// Whether an answer with this status has a body.
    pub(super) fn has_body(&self, status: u16) -> bool {
        !self.is_head && !is_bodiless(status)
    }
}

/// Sends a whole answer.
pub(super) fn answer(mut to: Writer, shape: &Shape, reply: &Reply) -> io::Result<()> {
    let (bytes, rest) = pieces(shape, reply);
    if !rest.is_empty() {
        to.write_all(&bytes)?;
        send(&mut to, rest)?;
        to.finish();
    } else {
        to.finish_with(bytes);
    }
    Ok(())
}

/// Sends much, to whoever takes it at a pace.
fn send(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let (pace, mut sent) = (Pace::new(Instant::now(), GRACE), 0);
    while sent < bytes.len() {
        let piece = &bytes[sent..bytes.len().min(sent + PIECE)];
        // Not all of it: the system waits anew for each rest, so that whoever takes a byte each time would be waited for, for ever.
        match to.write(piece) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if Instant::now() > pace.until(sent as u64) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it reads too slowly"));
        }
    }
    Ok(())
}

/// A whole answer in one piece.
pub(super) fn whole(shape: &Shape, reply: &Reply) -> Vec<u8> {
    let (mut bytes, rest) = pieces(shape, reply);
    bytes.extend_from_slice(rest);
    bytes
}

/// The head with a body that is small, and one that is not.
fn pieces<'a>(shape: &Shape, reply: &'a Reply) -> (Vec<u8>, &'a [u8]) {
    let body = reply.bytes();
    let sent: &[u8] = if shape.has_body(reply.status) { body } else { &[] };
    let copied = sent.len() <= COPIED_MAX;
    let mut bytes = Vec::with_capacity(512 + if copied { sent.len() } else { 0 });
    head(&mut bytes, shape, reply.status, &reply.headers, body.len() as u64);
    if copied {
        bytes.extend_from_slice(sent);
        return (bytes, &[]);
    }
    (bytes, sent)
}

/// The words for a status (RFC 9110 section 15), for people; those that we give.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        422 => "Unprocessable Content",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        // The words may be left out (RFC 9112 section 4).
        _ => "",
    }
}

/// Puts a head together: for a body of `length` bytes, which `HEAD` tells of, too.
pub(super) fn head(
    to: &mut Vec<u8>,
    shape: &Shape,
    status: u16,
    headers: &[(&'static str, String)],
    length: u64,
) {
    let minor = u8::from(shape.is_1_1);
    let mut line = |text: fmt::Arguments<'_>| {
        to.write_fmt(text).expect("memory takes everything");
        to.extend_from_slice(b"\r\n");
    };
    line(format_args!("HTTP/1.{minor} {status} {}", reason(status)));
    line(format_args!("Server: {SERVER}"));
    with_date(|date| line(format_args!("Date: {date}")));
    for (name, value) in headers {
        // `Reply::with` has seen to it that no value ends its line, and those of files are made of numbers.
        line(format_args!("{name}: {value}"));
    }
    if let Some(connection) = shape.connection() {
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
    fn written(reply: &Reply, is_head: bool) -> (String, usize) {
        let shape = Shape { is_1_1: true, keeps: true, is_head };
        let (bytes, rest) = pieces(&shape, reply);
        let count = if rest.is_empty() { 1 } else { 2 };
        let text = String::from_utf8([&bytes, rest].concat()).unwrap();
        let date = text.split("Date: ").nth(1).and_then(|t| t.split("\r\n").next()).unwrap();
        assert!(date.ends_with(" GMT") && date.len() == 29, "{date}");
        (text.replace(date, "NOW"), count)
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
        for (is_1_1, keeps, said) in [
            (true, true, None),
            (true, false, Some("close")),
            (false, false, None),
            (false, true, Some("keep-alive")),
        ] {
            let shape = Shape { is_1_1, keeps, is_head: false };
            assert_eq!(shape.connection(), said);
            let text = String::from_utf8(whole(&shape, &Reply::empty(204))).unwrap();
            assert_eq!(text.contains("\r\nConnection: "), said.is_some());
            assert!(text.starts_with(if is_1_1 { "HTTP/1.1 204 No Content\r\n" } else { "HTTP/1.0 204 " }));
        }
    }

    #[test]
    fn a_refusal_of_head_has_no_body_either() {
        let reply = crate::api::reply::ApiError::CallsFull.reply();
        let refusal = |method| String::from_utf8(whole(&Shape::closing(true, method), &reply)).unwrap();
        assert!(refusal("HEAD").ends_with("\r\n\r\n") && refusal("HEAD").contains("Connection: close\r\n"));
        assert!(refusal("GET").ends_with('}') && refusal("-").ends_with('}'));
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

//! Answers as bytes on the wire (RFC 9112 section 4): a head that is put together in one piece and, while it is small, goes out
//! in one write with its body. `tiny_http` would send the two through buffers of a kilobyte.

use super::wire::SERVER;
use crate::api::reply::Reply;
use crate::api::time::http_date;
use crate::clock::{Clock, SystemClock};
use std::cell::RefCell;
use std::io::{self, Write};
use tiny_http::{HTTPVersion, StatusCode};

/// A body up to this length is copied behind its head: that is less work than a second write.
const COPIED_MAX: usize = 64 << 10;

/// Whether an answer with this status never has a body (RFC 9110 sections 15.3.5 and 15.4.5).
fn is_bodiless(status: u16) -> bool {
    matches!(status, 204 | 304)
}

/// Writes a whole answer; for `HEAD` all but its body.
pub(super) fn answer(
    mut to: impl Write,
    version: &HTTPVersion,
    reply: &Reply,
    is_head: bool,
) -> io::Result<()> {
    let body = reply.bytes();
    let sent: &[u8] = if is_head || is_bodiless(reply.status) { &[] } else { body };
    let copied = sent.len() <= COPIED_MAX;
    let mut bytes = Vec::with_capacity(512 + if copied { sent.len() } else { 0 });
    head(&mut bytes, version, reply, body.len())?;
    if copied {
        bytes.extend_from_slice(sent);
        to.write_all(&bytes)?;
    } else {
        to.write_all(&bytes)?;
        to.write_all(sent)?;
    }
    to.flush()
}

fn head(to: &mut Vec<u8>, version: &HTTPVersion, reply: &Reply, length: usize) -> io::Result<()> {
    let status = StatusCode(reply.status);
    let HTTPVersion(major, minor) = version;
    write!(to, "HTTP/{major}.{minor} {} {}\r\n", status.0, status.default_reason_phrase())?;
    write!(to, "Server: {SERVER}\r\nDate: ")?;
    with_date(|date| to.extend_from_slice(date.as_bytes()));
    to.extend_from_slice(b"\r\n");
    for (name, value) in &reply.headers {
        // `Reply::with` has seen to it that no value ends its line.
        write!(to, "{name}: {value}\r\n")?;
    }
    if !is_bodiless(reply.status) {
        write!(to, "Content-Length: {length}\r\n")?;
    }
    to.extend_from_slice(b"\r\n");
    Ok(())
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
        answer(&mut wire, &HTTPVersion(1, 1), reply, is_head).unwrap();
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

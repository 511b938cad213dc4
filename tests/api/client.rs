//! An HTTP client that sends exactly what a test says and shows exactly what came back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// Status, a space, the body.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.status, self.text())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.line()))
    }

    /// Status and the error's code.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().expect("an error has a code").to_owned())
    }

    /// The error's message.
    pub(crate) fn message(&self) -> String {
        self.json()["error"]["message"].as_str().expect("an error has a message").to_owned()
    }
}

/// Connects with limits, so that a test never hangs.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).expect("the server listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends `head` (lines without their ends) and `body`, and reads until the server closes.
pub(crate) fn send(addr: SocketAddr, head: &[&str], body: &[u8]) -> Answer {
    let mut stream = connect(addr);
    let mut bytes = head.join("\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes.extend_from_slice(body);
    stream.write_all(&bytes).expect("the server takes the call");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).expect("the server answers in time and closes");
    parse(&all)
}

/// Takes an answer apart.
pub(crate) fn parse(all: &[u8]) -> Answer {
    let end = all.windows(4).position(|w| w == b"\r\n\r\n").expect("an answer has a head");
    let head = std::str::from_utf8(&all[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status =
        lines.next().and_then(|l| l.split(' ').nth(1)).and_then(|s| s.parse().ok()).expect("a status line");
    let headers = lines
        .map(|l| l.split_once(": ").expect("a header line"))
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    Answer { status, headers, body: all[end + 4..].to_vec() }
}

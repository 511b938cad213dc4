//! A stream of server-sent events that goes on after breaks: from the place where it was, on the same server or another one.
//!
//! By hand over TCP, as HTTP/1.0, where the connection's end is the stream's: a client of whole answers cannot tell a quiet
//! server from a dead one. Ours says every 15 seconds that it lives.

use super::client::refused;
use super::{Client, RemoteError, tell};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Four times the server's sign of life.
const SILENCE: Duration = Duration::from_secs(60);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Between two tries, doubled each time up to the second one.
const WAIT_FIRST: Duration = Duration::from_millis(250);
const WAIT_MAX: Duration = Duration::from_secs(15);
/// The longest line: a change or a line of a log is some kilobytes.
const LINE_MAX: u64 = 4 << 20;
/// The longest refusal.
const REFUSAL_MAX: u64 = 64 << 10;

/// An event.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Event {
    /// Its kind's name.
    pub(in crate::cli) kind: String,
    pub(in crate::cli) data: Value,
}

/// Events without an end.
#[derive(Debug)]
pub(in crate::cli) struct Stream<'c> {
    client: &'c Client,
    /// Below the API.
    path: String,
    /// Of the last event; a server that is told goes on behind it.
    last_id: String,
    connection: Option<BufReader<TcpStream>>,
}

impl<'c> Stream<'c> {
    /// Nothing is called before the first event is asked for.
    pub(in crate::cli) fn new(client: &'c Client, path: &str) -> Self {
        Self { client, path: path.to_owned(), last_id: String::new(), connection: None }
    }

    /// The next event; waits for it, and comes back after breaks.
    ///
    /// # Errors
    /// No server could be reached at the very beginning, or one says no.
    pub(in crate::cli) fn next(&mut self) -> Result<Event, RemoteError> {
        let mut wait = WAIT_FIRST;
        loop {
            let read = match &mut self.connection {
                Some(_) => self.read_event(),
                None => self.connect().map(|()| None),
            };
            match read {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => continue,
                Err(error @ RemoteError::Unreachable { .. }) => {
                    self.connection = None;
                    self.client.next_server();
                    if self.last_id.is_empty() {
                        return Err(error);
                    }
                    if wait == WAIT_FIRST {
                        tell(&format!("{error}; going on as soon as it does"));
                    }
                    std::thread::sleep(wait);
                    wait = (wait * 2).min(WAIT_MAX);
                }
                Err(error @ RemoteError::Refused { status: 500..=599, .. }) if !self.last_id.is_empty() => {
                    tell(&format!("{error}; trying again"));
                    std::thread::sleep(wait);
                    wait = (wait * 2).min(WAIT_MAX);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn connect(&mut self) -> Result<(), RemoteError> {
        let broken = |e: io::Error| self.client.broken(&e);
        let base = self.client.base();
        let (host, prefix) = host_and_prefix(base);
        let mut stream = dial(host).map_err(broken)?;
        let id = match self.last_id.as_str() {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        let head = format!(
            "GET {prefix}/api/{} HTTP/1.0\r\nHost: {host}\r\nAccept: text/event-stream\r\n{id}\r\n",
            self.path
        );
        stream.write_all(head.as_bytes()).map_err(broken)?;
        let mut reader = BufReader::new(stream);
        let status_line = line(&mut reader).map_err(broken)?;
        while !line(&mut reader).map_err(broken)?.is_empty() {}
        let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        if status != 200 {
            let mut text = String::new();
            reader.take(REFUSAL_MAX).read_to_string(&mut text).map_err(broken)?;
            return Err(refused(base, status, &text));
        }
        self.connection = Some(reader);
        Ok(())
    }

    /// `None` for what is no event: a sign of life, or a place alone.
    fn read_event(&mut self) -> Result<Option<Event>, RemoteError> {
        let Some(reader) = &mut self.connection else { return Ok(None) };
        let (mut kind, mut data) = (String::new(), String::new());
        loop {
            let line = line(reader).map_err(|e| self.client.broken(&e))?;
            match line.split_once(':').map(|(field, value)| (field, value.strip_prefix(' ').unwrap_or(value)))
            {
                Some(("id", id)) => self.last_id = id.to_owned(),
                Some(("event", name)) => kind = name.to_owned(),
                Some(("data", text)) => data = text.to_owned(),
                Some(_) => {}
                None if data.is_empty() => return Ok(None),
                None => {
                    let data = serde_json::from_str(&data).map_err(|e| RemoteError::Strange {
                        url: self.client.base().to_owned(),
                        why: e.to_string(),
                    })?;
                    return Ok(Some(Event { kind, data }));
                }
            }
        }
    }
}

/// `host:port`, and what stands before `/api`.
fn host_and_prefix(base: &str) -> (&str, &str) {
    let rest = base.strip_prefix("http://").unwrap_or(base);
    match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    }
}

fn dial(host: &str) -> io::Result<TcpStream> {
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let host = if has_port { host.to_owned() } else { format!("{host}:80") };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in host.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_LIMIT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(SILENCE))?;
                stream.set_write_timeout(Some(SILENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A line without its end. The end of the stream is an error: it has none of its own.
fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut bytes = Vec::new();
    reader.take(LINE_MAX).read_until(b'\n', &mut bytes)?;
    if bytes.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"));
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_url_is_taken_apart() {
        assert_eq!(host_and_prefix("http://a:80"), ("a:80", ""));
        assert_eq!(host_and_prefix("http://[::1]:80/pool"), ("[::1]:80", "/pool"));
    }

    #[test]
    fn a_line_that_was_cut_off_is_none() {
        let mut text = &b"id: 7\r\nid: 8"[..];
        assert_eq!(line(&mut text).unwrap(), "id: 7");
        assert!(line(&mut text).is_err());
    }
}

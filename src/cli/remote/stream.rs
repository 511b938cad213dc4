//! A stream of server-sent events that goes on after breaks: from the place where it was, on the same server or another one.
//!
//! By hand over TCP, as HTTP/1.0, where the connection's end is the stream's: a client of whole answers cannot tell a quiet
//! server from a dead one. Ours says every 15 seconds that it lives. Over TLS it is the same: the limits are the socket's.

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
    connection: Option<BufReader<Connection>>,
}

/// What carries a stream.
trait Carries: Read + Write + std::fmt::Debug {}

impl<T: Read + Write + std::fmt::Debug> Carries for T {}

type Connection = Box<dyn Carries>;

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
        let Address { secure, host, port, prefix } = Address::of(base);
        let tcp = dial(host, port).map_err(broken)?;
        let mut stream: Connection = match secure {
            true => Box::new(self.client.trust().secure(host, tcp).map_err(broken)?),
            false => Box::new(tcp),
        };
        let who = match self.client.authorization() {
            Some(authorization) => format!("Authorization: {authorization}\r\n"),
            None => String::new(),
        };
        let id = match self.last_id.as_str() {
            "" => String::new(),
            id => format!("Last-Event-ID: {id}\r\n"),
        };
        let path = &self.path;
        let head = format!(
            "GET {prefix}/api/{path} HTTP/1.0\r\nHost: {host}:{port}\r\nAccept: text/event-stream\r\n{who}{id}\r\n"
        );
        stream.write_all(head.as_bytes()).map_err(broken)?;
        let mut reader = BufReader::new(stream);
        let status_line = line(&mut reader).map_err(broken)?;
        while !line(&mut reader).map_err(broken)?.is_empty() {}
        let status = status_line.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
        if status != 200 {
            let mut text = String::new();
            reader.take(REFUSAL_MAX).read_to_string(&mut text).map_err(broken)?;
            return Err(self.client.refused(base, status, &text));
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

/// A server's URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Address<'u> {
    /// https.
    secure: bool,
    /// A name or an address; one of IPv6 has its brackets.
    host: &'u str,
    port: u16,
    /// What stands before `/api`.
    prefix: &'u str,
}

impl<'u> Address<'u> {
    /// The URL has been checked when the server was found; one whose port is none ends where nobody answers.
    fn of(base: &'u str) -> Self {
        let (secure, rest) = match base.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, base.strip_prefix("http://").unwrap_or(base)),
        };
        let (authority, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let usual = if secure { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().unwrap_or(usual)),
            _ => (authority, usual),
        };
        Self { secure, host, port, prefix }
    }
}

fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host.trim_matches(['[', ']']), port).to_socket_addrs()? {
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
        let of = |url| {
            let Address { secure, host, port, prefix } = Address::of(url);
            (secure, host, port, prefix)
        };
        assert_eq!(of("http://a"), (false, "a", 80, ""));
        assert_eq!(of("http://a:8080"), (false, "a", 8080, ""));
        assert_eq!(of("http://[::1]:80/pool"), (false, "[::1]", 80, "/pool"));
        assert_eq!(of("https://[::1]/pool"), (true, "[::1]", 443, "/pool"));
        assert_eq!(of("https://a:8443"), (true, "a", 8443, ""));
    }

    #[test]
    fn a_line_that_was_cut_off_is_none() {
        let mut text = &b"id: 7\r\nid: 8"[..];
        assert_eq!(line(&mut text).unwrap(), "id: 7");
        assert!(line(&mut text).is_err());
    }
}

//! A call while a thread works on it: its head, its body wherever that is, and the way to answer it. One that is dropped without
//! an answer is answered 500, for then something here has failed.

use super::chunks::Chunks;
use super::client::Client;
use super::connection::{Connection, Line, Then, write_now};
use super::head::{Head, Length};
use super::pace::Pace;
use super::reader::Arrival;
use super::write::{self, Shape};
use crate::api::reply::ApiError;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a body may stand still at its beginning.
const BODY_GRACE: Duration = Duration::from_secs(10);

/// What asks for a body (RFC 9110 section 15.2.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A call.
pub(super) struct Request {
    head: Head,
    body: Body,
    /// The caller waits to be asked for its body.
    is_to_be_asked: bool,
    /// How long it may say nothing.
    silence: Duration,
    /// Who is given room and turns for it.
    client: Client,
    /// `None` once it is the answer's.
    connection: Option<Connection>,
}

/// What is left of a body.
enum Body {
    Here(Vec<u8>),
    Known(u64),
    Chunked(Chunks),
}

impl Request {
    pub(super) fn new(arrival: Arrival, connection: Connection, client: Client, silence: Duration) -> Self {
        let Arrival { head, body } = arrival;
        let body = match (body, head.body) {
            (Some(body), _) => Body::Here(body),
            (None, Length::Known(length)) => Body::Known(length),
            (None, Length::Chunked) => Body::Chunked(Chunks::default()),
        };
        let is_to_be_asked = head.expects;
        Self { head, body, is_to_be_asked, silence, client, connection: Some(connection) }
    }

    fn connection(&self) -> &Connection {
        self.connection.as_ref().expect("it is the answer's only when this is gone")
    }

    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.connection().peer
    }

    pub(super) fn client(&self) -> Client {
        self.client
    }

    pub(super) fn line(&self) -> Line {
        self.connection().line()
    }

    /// A body that has arrived whole; empty when it was taken, and when it is still to be read.
    pub(super) fn take_body(&mut self) -> Option<Vec<u8>> {
        match &mut self.body {
            Body::Here(body) => Some(std::mem::take(body)),
            Body::Known(_) | Body::Chunked(_) => None,
        }
    }

    /// Whether all of it is here.
    pub(super) fn has_arrived(&self) -> bool {
        matches!(self.body, Body::Here(_))
    }

    /// Reads a body that was not here, at a pace.
    pub(super) fn body(&mut self) -> BodyReader<'_> {
        let pace = Pace::new(Instant::now(), BODY_GRACE);
        BodyReader { request: self, pace, read: 0 }
    }

    /// Whether the connection is kept after the answer. One with a body on it that nobody has read is not: what is left of it
    /// would be the next call.
    pub(super) fn keeps(&self) -> bool {
        let is_read = match &self.body {
            Body::Here(_) => true,
            Body::Known(left) => *left == 0,
            Body::Chunked(chunks) => chunks.is_done(),
        };
        self.head.keeps && is_read && !self.connection().is_stopping()
    }

    /// To answer by hand.
    pub(super) fn into_writer(mut self) -> Writer {
        let then = if self.keeps() { Then::Keep } else { Then::Leave };
        let connection = self.connection.take().expect("it is the answer's only when this is gone");
        Writer { connection, then }
    }

    /// Takes it apart again: nobody can work on it.
    pub(super) fn into_connection(mut self) -> Connection {
        self.connection.take().expect("it is the answer's only when this is gone")
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let reply = ApiError::Internal.reply();
            let bytes = write::whole(&Shape::closing(self.head.is_1_1, &self.head.method), &reply);
            Writer { connection, then: Then::Leave }.finish_with(bytes);
        }
    }
}

/// Reads a body as it comes.
pub(super) struct BodyReader<'a> {
    request: &'a mut Request,
    pace: Pace,
    read: u64,
}

impl BodyReader<'_> {
    /// When whoever sends it has been waited for long enough.
    fn until(&self) -> Instant {
        self.pace.until(self.read).min(Instant::now() + self.request.silence)
    }
}

impl Read for BodyReader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let until = self.until();
        let Request { body, connection, is_to_be_asked, .. } = &mut *self.request;
        let connection = connection.as_mut().expect("it is the answer's only when this is gone");
        if std::mem::take(is_to_be_asked) && write_now(&connection.socket, CONTINUE)? < CONTINUE.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, "it does not read"));
        }
        let missing = || io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended before it");
        let count = match body {
            Body::Here(body) => {
                let count = body.len().min(into.len());
                into[..count].copy_from_slice(&body[..count]);
                body.drain(..count);
                count
            }
            Body::Known(left) => {
                let room = into.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                let unread = connection.reader.unread();
                let count = if room == 0 {
                    0
                } else if unread.is_empty() {
                    match connection.read_until(&mut into[..room], until)? {
                        0 => return Err(missing()),
                        count => count,
                    }
                } else {
                    let count = room.min(unread.len());
                    into[..count].copy_from_slice(&unread[..count]);
                    connection.reader.consume(count);
                    count
                };
                *left -= count as u64;
                count
            }
            Body::Chunked(chunks) => loop {
                if into.is_empty() || chunks.is_done() {
                    break 0;
                }
                let bad = |bad: super::chunks::BadChunk| io::Error::new(io::ErrorKind::InvalidData, bad.0);
                let (taken, given) = chunks.decode(connection.reader.unread(), into).map_err(bad)?;
                connection.reader.consume(taken);
                if given > 0 {
                    break given;
                }
                if !chunks.is_done() && !connection.fill_until(until)? {
                    return Err(missing());
                }
            },
        };
        self.read += count as u64;
        Ok(count)
    }
}

/// Sends an answer. One that is dropped before [`Self::finish`] leaves an answer unfinished, and the connection is closed.
pub(super) struct Writer {
    connection: Connection,
    then: Then,
}

impl Writer {
    /// For what is sent without us.
    pub(super) fn socket(&self) -> Arc<TcpStream> {
        Arc::clone(&self.connection.socket)
    }

    /// The answer has no end but the connection's.
    pub(super) fn ends_with_the_connection(&mut self) {
        self.then = Then::Leave;
    }

    /// The answer is out.
    pub(super) fn finish(self) {
        self.finish_with(Vec::new());
    }

    /// These bytes are the rest of the answer. What the system does not take at once is sent by *http-front*, so nobody waits
    /// here for a peer that reads slowly.
    pub(super) fn finish_with(self, mut bytes: Vec<u8>) {
        match write_now(&self.connection.socket, &bytes) {
            Ok(sent) => {
                if sent == bytes.len() {
                    bytes = Vec::new();
                } else {
                    // It may wait for long, and is to take no more room than it needs.
                    bytes = bytes.split_off(sent);
                }
                self.connection.give_back(bytes, self.then);
            }
            // It is gone, and dropping the connection says so.
            Err(error) => log::debug!("peer={} did not take the answer: {error}", self.connection.peer.ip()),
        }
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.connection.socket).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

//! The load generator: many keep-alive connections on one thread, each with so many calls under way.
//!
//! It shares two cores with what it measures, so it does little: bytes of requests come ready from the case, answers are only
//! split into status and body. A call's time is from the write of its last byte to the read of its answer's last byte.

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// A call that takes longer has no end: the daemon gives its layers 8 s.
const PATIENCE: Duration = Duration::from_secs(30);
/// Room for a small answer; large ones get what their head announces.
const ROOM: usize = 16 << 10;

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// No new calls after this time.
    After(Duration),
    /// No new calls after so many.
    Calls(u64),
}

/// What to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Who is called.
    pub(crate) to: SocketAddr,
    /// Connections, all of them busy all the time.
    pub(crate) connections: usize,
    /// Calls under way on each.
    pub(crate) pipeline: usize,
    /// How long.
    pub(crate) end: End,
}

/// The calls to make and what counts as a good answer.
pub(crate) trait Calls {
    /// Appends a whole HTTP request, for this connection.
    fn next(&mut self, connection: usize, out: &mut Vec<u8>);
    /// Whether an answer is what the case wants.
    fn is_good(&mut self, connection: usize, status: u16, body: &[u8]) -> bool;
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Answered calls.
    pub(crate) calls: u64,
    /// Of those, answers that were not what the case wants.
    pub(crate) bad: u64,
    /// One of them.
    pub(crate) first_bad: Option<String>,
    /// From the first call to the last answer.
    pub(crate) took: Duration,
    /// Bytes of all bodies.
    pub(crate) bytes: u64,
    /// Microseconds of each call, sorted.
    micros: Vec<u32>,
}

impl Measured {
    /// Calls per second.
    pub(crate) fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let calls = self.calls as f64;
        calls / self.took.as_secs_f64().max(f64::EPSILON)
    }

    /// The time in milliseconds that this share of the calls was not longer than.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let at = (self.micros.len() * percent).div_ceil(100).saturating_sub(1);
        self.micros.get(at).map_or(0.0, |us| f64::from(*us) / 1000.0)
    }
}

struct Line {
    stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    under_way: VecDeque<Instant>,
    buffer: Vec<u8>,
    filled: usize,
}

/// Calls until the end, and waits for what is under way then.
///
/// # Errors
/// A connection cannot be made or breaks, an answer is not HTTP, or none comes for [`PATIENCE`].
pub(crate) fn run(load: Load, calls: &mut dyn Calls) -> io::Result<Measured> {
    let mut poll = Poll::new()?;
    let mut lines = Vec::with_capacity(load.connections);
    for n in 0..load.connections {
        let mut stream = std::net::TcpStream::connect(load.to)?;
        stream.set_nodelay(true)?;
        // Once through, so that the time of the first call is not that of the connection.
        crate::boards::call(&mut stream, b"GET /api/version HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(n), Interest::READABLE | Interest::WRITABLE)?;
        let (out, under_way, buffer) = (Vec::new(), VecDeque::new(), vec![0; ROOM]);
        lines.push(Line { stream, out, sent: 0, under_way, buffer, filled: 0 });
    }
    let mut events = Events::with_capacity(load.connections.clamp(16, 1024));
    let mut measured = Measured::default();
    let (mut started, begun) = (0, Instant::now());
    let mut may_start = |now: Instant| {
        let more = match load.end {
            End::After(time) => now - begun < time,
            End::Calls(calls) => started < calls,
        };
        started += u64::from(more);
        more
    };
    for (n, line) in lines.iter_mut().enumerate() {
        line.call(n, load.pipeline, calls, &mut may_start)?;
    }
    while lines.iter().any(|l| !l.under_way.is_empty()) {
        match poll.poll(&mut events, Some(PATIENCE)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        }
        if events.is_empty() {
            return Err(io::Error::new(ErrorKind::TimedOut, format!("no answer for {PATIENCE:?}")));
        }
        for event in &events {
            let n = event.token().0;
            let Some(line) = lines.get_mut(n) else { continue };
            line.send()?;
            line.receive(n, calls, &mut measured)?;
            line.call(n, load.pipeline, calls, &mut may_start)?;
        }
    }
    measured.took = begun.elapsed();
    measured.micros.sort_unstable();
    Ok(measured)
}

impl Line {
    fn call(
        &mut self,
        n: usize,
        pipeline: usize,
        calls: &mut dyn Calls,
        may_start: &mut dyn FnMut(Instant) -> bool,
    ) -> io::Result<()> {
        let now = Instant::now();
        let mut added = false;
        while self.under_way.len() < pipeline && may_start(now) {
            calls.next(n, &mut self.out);
            self.under_way.push_back(now);
            added = true;
        }
        if added { self.send() } else { Ok(()) }
    }

    fn send(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(n) => self.sent += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    fn receive(&mut self, n: usize, calls: &mut dyn Calls, measured: &mut Measured) -> io::Result<()> {
        loop {
            let room = self.buffer.len() - self.filled;
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the server hung up")),
                Ok(read) => {
                    self.filled += read;
                    self.take_answers(n, calls, measured)?;
                    // Less than there was room for: the socket is empty, and its next byte wakes us.
                    if read < room {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take_answers(&mut self, n: usize, calls: &mut dyn Calls, measured: &mut Measured) -> io::Result<()> {
        let mut taken = 0;
        while let Some(head) = Head::parse(&self.buffer[taken..self.filled])? {
            let (body, end) = (taken + head.length, taken + head.length + head.body);
            if end > self.filled {
                if end - taken > self.buffer.len() {
                    self.buffer.resize(end - taken + ROOM, 0);
                }
                break;
            }
            let body = &self.buffer[body..end];
            measured.calls += 1;
            measured.bytes += body.len() as u64;
            if !calls.is_good(n, head.status, body) {
                measured.bad += 1;
                measured.first_bad.get_or_insert_with(|| {
                    format!("{} {}", head.status, String::from_utf8_lossy(&body[..body.len().min(300)]))
                });
            }
            let since =
                self.under_way.pop_front().ok_or_else(|| bad_http("an answer that nobody asked for"))?;
            measured.micros.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
            taken = end;
        }
        self.buffer.copy_within(taken..self.filled, 0);
        self.filled -= taken;
        if self.filled == self.buffer.len() {
            self.buffer.resize(self.filled + ROOM, 0);
        }
        Ok(())
    }
}

fn bad_http(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.to_owned())
}

/// Lengths of the head and of the body of an answer; `None`: its head is not all here.
///
/// # Errors
/// It is not HTTP.
pub(crate) fn split(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    Ok(Head::parse(bytes)?.map(|head| (head.length, head.body)))
}

struct Head {
    status: u16,
    /// Of the head itself, its empty line included.
    length: usize,
    body: usize,
}

impl Head {
    /// `None`: not all of it is here.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| bad_http("a head that is not text"))?;
        let status = text
            .get(9..12)
            .and_then(|s| s.parse().ok())
            .ok_or_else(|| bad_http("an answer without a status"))?;
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        let body = match (status, length) {
            (204 | 304, _) => 0,
            (_, Some(length)) => length,
            (_, None) => return Err(bad_http("an answer without a length")),
        };
        Ok(Some(Self { status, length: end + 4, body }))
    }
}

//! The *registration* thread: agents connect, say one line about their board, and hear `OK` or what was wrong with it.
//!
//! It matches no board to a device; the journal does. Nobody can stop it or make it grow: connections are bounded in number, also
//! from one address, in what they may say and in time, and words that the journal has no room for are refused, so that the agent
//! says them again.

pub mod line;

use super::budget::{Budget, ByAddress};
use super::messages::{JournalLine, Sighting};
use super::supervise::Exit;
use crate::clock::Clock;
use crate::store::AgentWords;
use crossbeam_channel::{Sender, TrySendError};
use line::{LINE_MAX, Refusal, Registration};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Connections at once: a rack whose boards boot together. Each lives for milliseconds, or until its time is up.
const CONNECTIONS_MAX: usize = 256;
/// The same from one address: a rack behind one, such as emulated boards.
const CONNECTIONS_PER_ADDRESS: usize = 64;
/// How long a connection may take, from its beginning to its end. Agents wait thirty seconds for their answer.
const LIMIT: Duration = Duration::from_secs(10);
/// Registrations of one address within a minute. An agent registers once a boot; behind one address may be a rack.
const PER_ADDRESS: u32 = 120;
/// Of all within a minute: several large racks.
const PER_MINUTE: u32 = 1000;
/// How long agents that are connected when we are told to stop may take to say their line: it is on its way, if any.
const STOP_WAIT: Duration = Duration::from_millis(100);
/// Bytes that are read and thrown away behind the line, so that the answer is not lost with a reset.
const BEHIND_MAX: usize = 64 * 1024;
/// Connections accepted before those that are open get their turn.
const ACCEPT_PORTION: usize = 64;
/// How long the listeners rest when the system refuses a connection; they stay ready all the while.
const ACCEPT_REST: Duration = Duration::from_secs(1);
const EVENTS: usize = 256;
const WAKER: Token = Token(0);

/// What it has done since it started, for whoever shows it.
#[derive(Debug, Default)]
pub struct Stats {
    /// Boards that registered.
    pub registered: AtomicU64,
    /// Lines that were no registration.
    pub refused: AtomicU64,
    /// Registrations that were too many for their address, for all, or for the journal.
    pub limited: AtomicU64,
    /// Connections that were closed at once because there were too many.
    pub connections_refused: AtomicU64,
    /// Connections that said no line before their time was up.
    pub timed_out: AtomicU64,
}

impl Stats {
    /// Every counter with its name.
    pub fn rows(&self) -> Vec<(&'static str, u64)> {
        [
            ("registered", &self.registered),
            ("refused", &self.refused),
            ("limited", &self.limited),
            ("connections_refused", &self.connections_refused),
            ("timed_out", &self.timed_out),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
        .to_vec()
    }

    fn one(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Ends the thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Asks it to end.
    ///
    /// # Errors
    /// The system could not wake the thread; it ends with the next connection.
    pub fn stop(&self) -> io::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.waker.wake()
    }
}

/// An address that cannot be had, and why.
#[derive(Debug)]
pub struct BindError {
    /// Which; `None` when the system refuses something that every system has.
    pub addr: Option<SocketAddr>,
    /// Why.
    pub source: io::Error,
}

/// Listeners that are bound. Bind as root, drop root, run it in its thread.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    stopper: Stopper,
    listeners: Vec<TcpListener>,
    stats: Arc<Stats>,
}

impl Server {
    /// Binds all addresses, or none.
    ///
    /// # Errors
    /// [`BindError`] names the first address that is not to be had.
    pub fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        Self::bind_or_take(addresses, |_| None)
    }

    /// The same; but an address for which `given` has a socket that listens already is listened to by that one.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn bind_or_take(
        addresses: &[SocketAddr],
        mut given: impl FnMut(SocketAddr) -> Option<std::net::TcpListener>,
    ) -> Result<Self, BindError> {
        let system = |source| BindError { addr: None, source };
        let poll = Poll::new().map_err(system)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(system)?);
        let mut listeners = Vec::new();
        for addr in addresses {
            let taken = |source| BindError { addr: Some(*addr), source };
            let mut listener = match given(*addr) {
                Some(listener) => {
                    listener.set_nonblocking(true).map_err(taken)?;
                    TcpListener::from_std(listener)
                }
                None => TcpListener::bind(*addr).map_err(taken)?,
            };
            let token = Token(1 + listeners.len());
            poll.registry().register(&mut listener, token, Interest::READABLE).map_err(system)?;
            listeners.push(listener);
        }
        let stopper = Stopper { stop: Arc::default(), waker };
        Ok(Self { poll, stopper, listeners, stats: Arc::default() })
    }

    /// Where it listens, with the ports that the system chose.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// What ends it.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What it does, to look at while it runs.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// The thread's body: words go to `lines`.
    pub fn run(self, lines: Sender<JournalLine>, clock: Arc<dyn Clock>) -> Exit {
        let now = Instant::now();
        let office = Office {
            lines,
            clock,
            stats: Arc::clone(&self.stats),
            by_address: ByAddress::default(),
            all: Budget::new(now),
        };
        Desk { server: self, office, connections: BTreeMap::new(), next: 0, ready: false, paused: None }.run()
    }
}

/// What becomes of a line.
struct Office {
    lines: Sender<JournalLine>,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    by_address: ByAddress,
    all: Budget,
}

impl Office {
    /// The answer to a line. Whoever says too much hears so without his line being read.
    fn answer(&mut self, line: &[u8], from: IpAddr, now: Instant) -> String {
        if !self.by_address.take(from, PER_ADDRESS, now) || self.all.take(PER_MINUTE, now).is_none() {
            Stats::one(&self.stats.limited);
            return "ERR too many registrations; try again in a minute\n".into();
        }
        let said = match Registration::parse(line) {
            Ok(said) => said,
            Err(why) => return self.refuse(why),
        };
        let Registration { mac, address, command_port, data_port, os, hardware, pool } = said;
        let at = self.clock.now();
        let agent = Some(AgentWords { at, os, hardware, pool, command_port, data_port });
        let address = address.unwrap_or(from);
        let sighting = Sighting { mac, address, at, asked_for: String::new(), agent };
        match self.lines.try_send(JournalLine::Board(Box::new(sighting))) {
            Ok(()) => {
                Stats::one(&self.stats.registered);
                "OK\n".into()
            }
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                Stats::one(&self.stats.limited);
                "ERR this server is busy; try again in a minute\n".into()
            }
        }
    }

    fn refuse(&self, why: Refusal) -> String {
        Stats::one(&self.stats.refused);
        format!("ERR {why}\n")
    }
}

/// An agent at work.
struct Connection {
    stream: TcpStream,
    from: IpAddr,
    until: Instant,
    line: Vec<u8>,
    /// It has its answer; this much of what it says behind its line was thrown away.
    answered: Option<usize>,
}

/// Who is there.
struct Desk {
    server: Server,
    office: Office,
    /// Numbers are given once: a late event of a closed connection meets nobody.
    connections: BTreeMap<usize, Connection>,
    next: usize,
    /// Connections may wait to be accepted.
    ready: bool,
    paused: Option<Instant>,
}

impl Desk {
    fn run(mut self) -> Exit {
        let mut events = Events::with_capacity(EVENTS);
        self.next = 1 + self.server.listeners.len();
        // Once told to stop, nobody is let in any more, and who is in has a moment to say his line.
        let mut until = None;
        loop {
            if self.server.stopper.stop.load(Ordering::Acquire) {
                let until = *until.get_or_insert(Instant::now() + STOP_WAIT);
                if self.connections.is_empty() || Instant::now() >= until {
                    return Exit::Stopped;
                }
            }
            let timeout = self.timeout(Instant::now());
            let timeout = until.map_or(timeout, |_| Some(timeout.unwrap_or(STOP_WAIT).min(STOP_WAIT)));
            match self.server.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Exit::Failed(format!("cannot wait for connections: {error}")),
                Ok(()) => {}
            }
            let now = Instant::now();
            let tokens: Vec<usize> = events.iter().map(|event| event.token().0).collect();
            for token in tokens {
                if (1..=self.server.listeners.len()).contains(&token) {
                    self.ready = true;
                } else {
                    self.read(token, now);
                }
            }
            self.close_late(now);
            if self.paused.is_some_and(|until| until <= now) {
                self.paused = None;
            }
            if self.ready && self.paused.is_none() && until.is_none() {
                self.accept(now);
            }
        }
    }

    /// How long nothing is to be done.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        let accept = self.ready.then(|| self.paused.unwrap_or(now));
        // Connections have one limit all: the oldest is the first to be late.
        let late = self.connections.values().next().map(|c| c.until);
        accept.into_iter().chain(late).min().map(|at| at.saturating_duration_since(now))
    }

    fn accept(&mut self, now: Instant) {
        self.ready = false;
        for n in 0..self.server.listeners.len() {
            for _ in 0..ACCEPT_PORTION {
                let Some(listener) = self.server.listeners.get(n) else { break };
                match listener.accept() {
                    Ok((stream, from)) => {
                        self.ready = true;
                        self.welcome(stream, from.ip().to_canonical(), now);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // The peer gave up while it waited (accept(2)).
                    Err(error)
                        if matches!(
                            error.kind(),
                            io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                        ) =>
                    {
                        self.ready = true;
                    }
                    Err(error) => {
                        log::warn!("registration: cannot accept connections: {error}");
                        (self.ready, self.paused) = (true, Some(now + ACCEPT_REST));
                        return;
                    }
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream, from: IpAddr, now: Instant) {
        let its = self.connections.values().filter(|c| c.from == from).count();
        let token = self.next;
        if self.connections.len() >= CONNECTIONS_MAX
            || its >= CONNECTIONS_PER_ADDRESS
            || self.server.poll.registry().register(&mut stream, Token(token), Interest::READABLE).is_err()
        {
            Stats::one(&self.office.stats.connections_refused);
            return;
        }
        self.next += 1;
        let until = now + LIMIT;
        self.connections.insert(token, Connection { stream, from, until, line: Vec::new(), answered: None });
        // What came before we listened is told of by no event, perhaps.
        self.read(token, now);
    }

    fn close_late(&mut self, now: Instant) {
        while let Some(first) = self.connections.first_entry().filter(|c| c.get().until <= now) {
            if first.remove().answered.is_none() {
                Stats::one(&self.office.stats.timed_out);
            }
        }
    }

    /// Reads what is there; the connection goes when it has ended or said too much.
    fn read(&mut self, token: usize, now: Instant) {
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if !connection.read(&mut self.office, now) {
            self.connections.remove(&token);
        }
    }
}

impl Connection {
    /// False when there is no more to come.
    fn read(&mut self, office: &mut Office, now: Instant) -> bool {
        let mut buffer = [0; 4096];
        loop {
            let read = match self.stream.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return false,
            };
            let bytes = buffer.get(..read).unwrap_or_default();
            if let Some(behind) = &mut self.answered {
                *behind += read;
                if read == 0 || *behind > BEHIND_MAX {
                    return false;
                }
                continue;
            }
            let end = bytes.iter().position(|b| *b == b'\n');
            self.line.extend_from_slice(bytes.get(..end.unwrap_or(read)).unwrap_or_default());
            if end.is_none() && read > 0 && self.line.len() <= LINE_MAX {
                continue;
            }
            // A line, the end of what it says, or more than a line may have. Nobody who says nothing is answered.
            if read == 0 && self.line.is_empty() {
                return false;
            }
            let answer = office.answer(&self.line, self.from, now);
            (self.line, self.answered) = (Vec::new(), Some(0));
            // A new socket has room for so few bytes; one that has none is not worth waiting for.
            let written = self.stream.write(answer.as_bytes());
            let ended = self.stream.shutdown(Shutdown::Write);
            if written.is_err() || ended.is_err() || read == 0 {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! The receiver's loop: all sockets, one thread, one place that waits.
//!
//! It knows no device and keeps no record: what comes in goes to the [`Sink`] at once. RFC 5426 (UDP) and RFC 6587
//! (TCP) rule it. No peer can stop it, starve the others or make it grow: every source gets a bounded portion of work
//! in turn, connections are limited in number and silence, and a refused connection or a failed read is an event.

use crate::config::{Config, Limits};
use crate::error::{BindError, RunError};
use crate::quiet::Quiet;
use crate::record::Record;
use crate::stats::Stats;
use crate::tcp::{Connection, Portion, TcpPort};
use crate::udp::{self, Datagram, UdpPort};
use mio::{Events, Interest, Poll, Token, Waker};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Reads of one socket before the others get their turn, each of many datagrams; also what the sink may flush after.
const UDP_PORTION: usize = 4;
/// Bytes read from one connection before the others get their turn: with all connections flooding, a round takes
/// sixteen megabytes, and the datagrams that come meanwhile fit in their socket's buffer.
const TCP_PORTION: usize = 64 * 1024;
/// How long connections stay unread before the sink is asked for room again: short beside what lies in their buffers.
const ROOM_REST: Duration = Duration::from_millis(5);
/// Failed reads of one UDP socket after which we wait for the poll to speak of it again. A failed read may have
/// consumed an error or a datagram, with good ones behind it; but a socket that only fails must not make us spin.
const UDP_FAILURES: usize = 8;
/// Connections accepted before those that are open get their turn.
const ACCEPT_PORTION: usize = 64;
/// How long a listener rests when the system refuses it a connection. It stays readable all the while, so without a
/// rest we would spin; a second is what a board's sender waits before it tries again.
const ACCEPT_REST: Duration = Duration::from_secs(1);
/// Between two looks for silent connections.
const SWEEP_REST: Duration = Duration::from_secs(1);
/// How long a stop may take to deliver what has already arrived. A flood would never end by itself; all buffers of all
/// connections take some seconds.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// A connection that says nothing for so long after our goodbye has said all: what its peer had sent is here by then.
const STOP_QUIET: Duration = Duration::from_millis(100);
/// Events taken from the kernel at once; those that do not fit come with the next poll.
const EVENTS: usize = 256;
const WAKER: Token = Token(0);

/// Takes the records. It is called by the receiving thread, which reads nothing meanwhile: it should not block.
pub trait Sink {
    /// A record from this address (IPv4 even if it came through an IPv6 socket), and the bytes it was read from.
    /// Of a datagram that is longer than any line we keep, the bytes are cut, too.
    fn record(&mut self, from: SocketAddr, record: Record<'_>, raw: &[u8]);

    /// Whether a line of so many bytes from this address (as in [`Self::record`]) is wanted. It is asked before the line is read, so that
    /// what is not wanted costs little. It is gone then, and the sink's to count.
    fn admits(&mut self, from: SocketAddr, bytes: usize) -> bool {
        let _ = (from, bytes);
        true
    }

    /// Whether whoever has this address is one of those whom all this is for: when connections are too many, others' are closed first.
    fn knows(&mut self, address: IpAddr) -> bool {
        let _ = address;
        true
    }

    /// The kernel dropped so many datagrams at our address `at` since it last said so; nobody knows whose they were.
    fn dropped(&mut self, at: SocketAddr, count: u64) {
        let _ = (at, count);
    }

    /// Whether there is room for more. While there is none, connections are not read, so that their senders wait; datagrams
    /// come all the same, for nobody can hold them back, and are the sink's to drop and count.
    fn has_room(&mut self) -> bool {
        true
    }

    /// Called after every batch of records and before waiting: the moment to flush.
    fn idle(&mut self) {}
}

/// Ends a running receiver from another thread or from its own sink.
#[derive(Debug, Clone)]
pub struct Stopper {
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Asks the receiver to deliver what has arrived and to end. May be called often, before the start, and after the end.
    ///
    /// # Errors
    /// The system could not wake the thread; it ends with the next line that arrives.
    pub fn stop(&self) -> io::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.waker.wake()
    }
}

/// Sockets that are bound already: asked for each address of a [`Config`], `None` for one that is to be bound.
pub struct Given<'a> {
    /// UDP sockets.
    pub udp: &'a mut dyn FnMut(SocketAddr) -> Option<std::net::UdpSocket>,
    /// TCP sockets that listen.
    pub tcp: &'a mut dyn FnMut(SocketAddr) -> Option<std::net::TcpListener>,
}

/// A receiver whose sockets are bound. Bind as root, drop root, move it into its thread, run it.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    stopper: Stopper,
    limits: Limits,
    udp: Vec<UdpPort>,
    tcp: Vec<TcpPort>,
    connections: BTreeMap<Token, Connection>,
    /// Connections get a number of their own for ever: a late event of a closed one must not meet its successor.
    next_token: usize,
    /// Sources that may have something to read. The poll speaks only when something is new (edge-triggered).
    ready: BTreeSet<Token>,
    /// Connections with something to read that the sink had no room for.
    held: BTreeSet<Token>,
    /// No connection becomes too silent before this.
    next_sweep: Option<Instant>,
    stats: Arc<Stats>,
    quiet: Quiet,
    buffer: Vec<u8>,
}

impl Server {
    /// Binds all addresses, or none.
    ///
    /// # Errors
    /// The first address that is not to be had.
    pub fn bind(config: &Config) -> Result<Self, BindError> {
        Self::bind_or_take(config, &mut Given { udp: &mut |_| None, tcp: &mut |_| None })
    }

    /// The same; but addresses for which `given` has sockets that are bound already, by a service manager for example, are listened
    /// to by those. What lies in them is received.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub fn bind_or_take(config: &Config, given: &mut Given<'_>) -> Result<Self, BindError> {
        if config.udp.is_empty() && config.tcp.is_empty() {
            return Err(BindError::NoAddress);
        }
        let poll = Poll::new().map_err(BindError::Poll)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(BindError::Poll)?);
        let mut next_token = WAKER.0 + 1;
        let mut udp = Vec::new();
        for &addr in &config.udp {
            let mut port = UdpPort::listen(addr, (given.udp)(addr), config.limits.udp_buffer_bytes)
                .map_err(|error| BindError::Udp(addr, error))?;
            poll.registry()
                .register(&mut port.socket, Token(next_token), Interest::READABLE)
                .map_err(BindError::Poll)?;
            next_token += 1;
            udp.push(port);
        }
        let mut tcp = Vec::new();
        for &addr in &config.tcp {
            let mut port =
                TcpPort::listen(addr, (given.tcp)(addr)).map_err(|error| BindError::Tcp(addr, error))?;
            poll.registry()
                .register(&mut port.listener, Token(next_token), Interest::READABLE)
                .map_err(BindError::Poll)?;
            next_token += 1;
            tcp.push(port);
        }
        Ok(Self {
            poll,
            stopper: Stopper { stop: Arc::default(), waker },
            limits: config.limits,
            udp,
            tcp,
            connections: BTreeMap::new(),
            next_token,
            ready: BTreeSet::new(),
            held: BTreeSet::new(),
            next_sweep: None,
            stats: Arc::default(),
            quiet: Quiet::default(),
            buffer: vec![0; udp::ROOM.max(TCP_PORTION)],
        })
    }

    /// The UDP addresses in the order of the configuration, with the ports that the system chose.
    #[must_use]
    pub fn udp_addrs(&self) -> Vec<SocketAddr> {
        self.udp.iter().map(|port| port.addr).collect()
    }

    /// The TCP addresses in the order of the configuration, with the ports that the system chose.
    #[must_use]
    pub fn tcp_addrs(&self) -> Vec<SocketAddr> {
        self.tcp.iter().map(|port| port.addr).collect()
    }

    /// What ends [`Server::run`].
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The counters; they outlive the receiver.
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.stats)
    }

    /// Receives until it is stopped; everything that arrived before the stop is delivered.
    ///
    /// # Errors
    /// The system no longer lets us wait for sockets.
    pub fn run(mut self, sink: &mut dyn Sink) -> Result<(), RunError> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.stopper.stop.load(Ordering::Acquire) {
            let timeout = self.timeout(Instant::now());
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(RunError::Poll)?,
            }
            self.ready.extend(events.iter().map(|event| event.token()).filter(|token| *token != WAKER));
            let now = Instant::now();
            self.wake_listeners(now);
            self.release(sink);
            self.turn(sink, now);
            self.close_idle(sink, now);
        }
        self.drain(sink);
        Ok(())
    }

    /// How long the poll may wait: not at all if a source was left unfinished, else until the next deadline.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        if !self.held.is_empty() {
            return Some(ROOM_REST);
        }
        let deadlines = self.tcp.iter().filter_map(|port| port.paused_until).chain(self.next_sweep);
        deadlines.min().map(|at| at.saturating_duration_since(now))
    }

    /// A listener whose rest is over has perhaps connections waiting, of which the poll told us long ago.
    fn wake_listeners(&mut self, now: Instant) {
        for (n, port) in self.tcp.iter_mut().enumerate() {
            if port.paused_until.is_some_and(|until| until <= now) {
                port.paused_until = None;
                self.ready.insert(Token(WAKER.0 + 1 + self.udp.len() + n));
            }
        }
    }

    /// Connections that were held back are ready again as soon as the sink has room.
    fn release(&mut self, sink: &mut dyn Sink) {
        if !self.held.is_empty() && sink.has_room() {
            self.ready.append(&mut self.held);
        }
    }

    /// Gives every ready source its portion; those with more to read stay ready.
    fn turn(&mut self, sink: &mut dyn Sink, now: Instant) {
        if self.ready.is_empty() {
            return;
        }
        for token in std::mem::take(&mut self.ready) {
            let Some(index) = token.0.checked_sub(WAKER.0 + 1) else { continue };
            let more = if index < self.udp.len() {
                self.read_udp(index, sink, now)
            } else if index - self.udp.len() < self.tcp.len() {
                self.accept(index - self.udp.len(), sink, now)
            } else if sink.has_room() {
                self.read_tcp(token, sink, now)
            } else {
                self.stats.connections_held.one();
                self.held.insert(token);
                false
            };
            if more {
                self.ready.insert(token);
            }
        }
        sink.idle();
    }

    fn read_udp(&mut self, index: usize, sink: &mut dyn Sink, now: Instant) -> bool {
        let Some(port) = self.udp.get_mut(index) else { return false };
        let mut desk = Desk { sink, stats: &self.stats, quiet: &mut self.quiet, now };
        let mut failures = 0;
        for _ in 0..UDP_PORTION {
            match port.receive(&mut self.buffer, &mut |datagram| desk.udp(&datagram)) {
                Ok(got) => {
                    if got.dropped > 0 {
                        desk.stats.dropped_by_kernel.add(got.dropped.into());
                        desk.complain(port.addr, || format!("{} datagrams lost: too slow", got.dropped));
                        desk.sink.dropped(port.addr, got.dropped.into());
                    }
                    desk.stats.receive_errors.add(got.nameless as u64);
                    if got.is_all {
                        return false;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    desk.stats.receive_errors.one();
                    desk.complain(port.addr, || format!("reading failed: {error}"));
                    failures += 1;
                    if failures == UDP_FAILURES {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Where a connection from this address finds a place. When all are taken, one is closed of whoever has most, those first whom
    /// the sink does not know: so neither one sender with many connections nor many that nobody knows keep a board out.
    fn place_for(&self, from: IpAddr, sink: &mut dyn Sink) -> Place {
        let mut numbers: HashMap<IpAddr, usize> = HashMap::new();
        for connection in self.connections.values() {
            *numbers.entry(connection.from.ip()).or_default() += 1;
        }
        let number = |ip: IpAddr| numbers.get(&ip).copied().unwrap_or(0);
        let its = number(from);
        if its >= self.limits.connections_per_source {
            return Place::None { its };
        }
        if self.connections.len() < self.limits.connections {
            return Place::Free;
        }
        let known: HashMap<IpAddr, bool> = numbers.keys().map(|ip| (*ip, sink.knows(*ip))).collect();
        let worth = |c: &Connection| (known.get(&c.from.ip()) == Some(&false), number(c.from.ip()));
        // Of those that are worth as little, the one that was silent longest.
        let least =
            self.connections.iter().max_by_key(|(_, c)| (worth(c), Reverse(c.deadline(Duration::ZERO))));
        match least {
            // It must not go back and forth: afterwards the newcomer has no more than the other one.
            Some((token, c)) if worth(c) > (!sink.knows(from), its + 1) => Place::Of(*token),
            Some(_) | None => Place::None { its },
        }
    }

    fn accept(&mut self, index: usize, sink: &mut dyn Sink, now: Instant) -> bool {
        let Some(port) = self.tcp.get_mut(index) else { return false };
        if port.paused_until.is_some() {
            return false;
        }
        for _ in 0..ACCEPT_PORTION {
            let Some(port) = self.tcp.get_mut(index) else { return false };
            let (mut stream, from) = match port.listener.accept() {
                Ok((stream, from)) => (stream, canonical(from)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                // The peer gave up while it waited: nobody's fault, and the next one may be fine (accept(2)).
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                    ) =>
                {
                    continue;
                }
                Err(error) => {
                    self.stats.accept_errors.one();
                    port.paused_until = Some(now + ACCEPT_REST);
                    if self.quiet.may_log(port.addr.ip(), now) {
                        log::warn!("syslog tcp {}: cannot accept connections: {error}", port.addr);
                    }
                    return false;
                }
            };
            match self.place_for(from.ip(), sink) {
                Place::Free => {}
                Place::Of(token) => {
                    self.stats.connections_displaced.one();
                    self.close(token, sink, now);
                }
                Place::None { its } => {
                    self.stats.connections_refused.one();
                    if self.quiet.may_log(from.ip(), now) {
                        log::warn!(
                            "syslog tcp {from}: refused, {} connections are open, {its} of them its own",
                            self.connections.len()
                        );
                    }
                    continue;
                }
            }
            let token = Token(self.next_token);
            if let Err(error) = self.poll.registry().register(&mut stream, token, Interest::READABLE) {
                self.stats.accept_errors.one();
                if self.quiet.may_log(from.ip(), now) {
                    log::warn!("syslog tcp {from}: cannot wait for its lines: {error}");
                }
                continue;
            }
            self.next_token += 1;
            self.stats.connections.one();
            self.stats.connections_open.add(1);
            let connection = Connection::new(stream, from, self.limits.frame_bytes, now);
            let deadline = connection.deadline(self.limits.idle);
            self.next_sweep = Some(self.next_sweep.map_or(deadline, |at| at.min(deadline)));
            self.connections.insert(token, connection);
            // What came before we registered it is an event, too; but it costs nothing to look at once.
            self.ready.insert(token);
        }
        true
    }

    fn read_tcp(&mut self, token: Token, sink: &mut dyn Sink, now: Instant) -> bool {
        // An event may be older than the close of its connection.
        let Some(connection) = self.connections.get_mut(&token) else { return false };
        let from = connection.from;
        let mut desk = Desk { sink, stats: &self.stats, quiet: &mut self.quiet, now };
        let buffer = self.buffer.get_mut(..TCP_PORTION).unwrap_or_default();
        match connection.read(buffer, now, &mut |frame, cut| desk.tcp(from, frame, cut)) {
            Portion::Drained => return false,
            Portion::More => return true,
            Portion::Closed => {}
            Portion::Broken(error) => {
                // A board that loses its power or is reset does this: normal here.
                desk.stats.receive_errors.one();
                log::debug!("syslog tcp {from}: {error}");
            }
        }
        self.close(token, sink, now);
        false
    }

    fn close(&mut self, token: Token, sink: &mut dyn Sink, now: Instant) {
        let Some(mut connection) = self.connections.remove(&token) else { return };
        let from = connection.from;
        if let Err(error) = self.poll.registry().deregister(&mut connection.stream) {
            // Closing the socket, which follows, does the same.
            log::debug!("syslog tcp {from}: deregister: {error}");
        }
        let mut desk = Desk { sink, stats: &self.stats, quiet: &mut self.quiet, now };
        connection.finish(&mut |frame, cut| desk.tcp(from, frame, cut));
        self.stats.connections_open.minus_one();
    }

    /// Closes the connections that were silent for too long. Deadlines only move later, so it is enough to look when
    /// the earliest one known was due.
    fn close_idle(&mut self, sink: &mut dyn Sink, now: Instant) {
        if self.next_sweep.is_none_or(|at| now < at) {
            return;
        }
        let limit = self.limits.idle;
        let silent: Vec<Token> = self
            .connections
            .iter()
            // One that we do not read is not silent.
            .filter(|(token, c)| c.deadline(limit) <= now && !self.held.contains(token))
            .map(|(token, _)| *token)
            .collect();
        for token in silent {
            if let Some(connection) = self.connections.get(&token) {
                log::debug!("syslog tcp {}: closed after {} s of silence", connection.from, limit.as_secs());
            }
            self.stats.connections_idle.one();
            self.close(token, sink, now);
        }
        let earliest = self.connections.values().map(|c| c.deadline(limit)).min();
        self.next_sweep = earliest.map(|at| at.max(now + SWEEP_REST));
        sink.idle();
    }

    /// The stop: reads what has arrived on all sockets, even on connections that were never accepted, then ends them.
    ///
    /// Peers are told goodbye first. Those that watch their connection close it, and then nothing of what they sent is lost;
    /// of the others that is read which comes without a pause.
    fn drain(&mut self, sink: &mut dyn Sink) {
        let end = Instant::now() + STOP_LIMIT;
        let ports = self.udp.len() + self.tcp.len();
        self.ready.extend((1..=ports).map(Token).chain(self.connections.keys().copied()));
        let mut events = Events::with_capacity(EVENTS);
        let (mut greeted, mut heard) = (0, Instant::now());
        loop {
            let now = Instant::now();
            if now >= end {
                log::warn!("syslog: stopped while lines were still arriving");
                break;
            }
            self.release(sink);
            self.turn(sink, now);
            for (token, connection) in self.connections.range(Token(greeted)..) {
                connection.say_goodbye();
                greeted = token.0 + 1;
            }
            if !self.ready.is_empty() {
                heard = now;
                continue;
            }
            if self.connections.is_empty() {
                break;
            }
            if !self.held.is_empty() {
                heard = now;
            }
            let quiet = now.saturating_duration_since(heard);
            if quiet >= STOP_QUIET {
                break;
            }
            let rest = if self.held.is_empty() { STOP_QUIET - quiet } else { ROOM_REST };
            match self.poll.poll(&mut events, Some(rest)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => break,
                _ => {}
            }
            // Ports have had their turn: what comes there now has come after the stop. That we were woken is no news either.
            self.ready.extend(events.iter().map(|event| event.token()).filter(|token| token.0 > ports));
            if !self.ready.is_empty() {
                heard = Instant::now();
            }
        }
        let now = Instant::now();
        while let Some(token) = self.connections.keys().next().copied() {
            self.close(token, sink, now);
        }
        sink.idle();
    }
}

/// What there is for one more connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    /// That of this connection, once it is closed.
    Of(Token),
    /// Its source has so many already.
    None {
        its: usize,
    },
}

/// Where received bytes become records; borrows from the server all that this needs.
struct Desk<'a> {
    sink: &'a mut dyn Sink,
    stats: &'a Stats,
    quiet: &'a mut Quiet,
    now: Instant,
}

impl Desk<'_> {
    fn udp(&mut self, datagram: &Datagram<'_>) {
        let from = canonical(datagram.from);
        if datagram.bytes.is_empty() {
            self.stats.malformed.one();
            self.complain(from, || "empty datagram".to_owned());
            return;
        }
        if !self.sink.admits(from, datagram.bytes.len()) {
            return;
        }
        self.stats.received_udp.one();
        self.deliver(from, datagram.bytes, datagram.cut);
    }

    fn tcp(&mut self, from: SocketAddr, bytes: &[u8], cut: bool) {
        if !self.sink.admits(from, bytes.len()) {
            return;
        }
        self.stats.received_tcp.one();
        self.deliver(from, bytes, cut);
    }

    fn deliver(&mut self, from: SocketAddr, bytes: &[u8], cut: bool) {
        let mut record = Record::parse(bytes);
        record.truncated |= cut;
        if record.truncated {
            self.stats.truncated.one();
            self.complain(from, || format!("line cut after {} bytes", bytes.len()));
        }
        if !record.pri_given && bytes.starts_with(b"<") {
            self.stats.malformed.one();
            self.complain(from, || "a line that begins with < but has no PRI".to_owned());
        }
        self.sink.record(from, record, bytes);
    }

    /// At most one line per source and minute.
    fn complain(&mut self, from: SocketAddr, what: impl FnOnce() -> String) {
        if self.quiet.may_log(from.ip(), self.now) {
            log::warn!("syslog {from}: {}", what());
        }
    }
}

/// An IPv4 peer of an IPv6 socket is shown and compared as IPv4.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::from((v4, v6.port())),
            // With its scope: a link-local address means nothing without it.
            None => addr,
        },
        SocketAddr::V4(_) => addr,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_the_ipv4_one_and_a_scope_stays() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(canonical(addr("[::ffff:10.0.0.7]:514")), addr("10.0.0.7:514"));
        assert_eq!(canonical(addr("[fe80::7%3]:514")), addr("[fe80::7%3]:514"));
        assert_ne!(canonical(addr("[fe80::7%3]:514")), addr("[fe80::7]:514"));
    }
}

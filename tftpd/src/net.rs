//! The server: one thread, one `mio::Poll`, one request socket per address and one socket per transfer.
//! It refuses to decide anything about a transfer (`transfer`), about who may have one (`sessions`) or about
//! what a file is (`Source`); it reads the clock, moves packets and gives every socket a bounded turn.

use crate::config::Config;
use crate::content::Blocks;
use crate::endpoint::{Endpoint, Sent};
use crate::listener::{Arrival, Listener};
use crate::name::{self, NameError};
use crate::options::grant;
use crate::packet::{self, DATA_HEADER, ErrorCode, Mode, Packet, data_header};
use crate::quiet::Quiet;
use crate::sessions::{Full, Key, Manner, Sessions, Slot};
use crate::source::{Refusal, Request, Source, TransferRecord};
use crate::stats::Stats;
use crate::transfer::{Acked, Outcome, Output, Repeated, Transfer};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Events taken from the kernel at a time; those that do not fit come with the next call.
const EVENTS: usize = 1024;
/// Requests answered before running transfers get their turn, packets taken in and sent before the next transfer
/// does. A window of 64 goes out in one turn, and no client can keep the thread to itself.
const REQUESTS_PER_TURN: usize = 64;
const RECEIVES_PER_TURN: usize = 16;
const SENDS_PER_TURN: usize = 64;
/// A request has at most 512 bytes (RFC 2347); longer packets are known as such and refused.
const INBOX: usize = 1500;
/// The largest packet that can be sent: RFC 2348's largest block and its header.
const OUTBOX: usize = DATA_HEADER + 65464;

const WAKER: Token = Token(0);
const FIRST_LISTENER: usize = 1;

/// An address could not be listened to.
#[derive(Debug)]
pub struct BindError {
    /// The address asked for; `None` when the fault lay elsewhere.
    pub address: Option<SocketAddr>,
    /// What the kernel said.
    pub cause: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "cannot listen for TFTP on {address} (UDP): {}", self.cause),
            None => write!(f, "cannot set up the TFTP server: {}", self.cause),
        }
    }
}

impl std::error::Error for BindError {}

/// The server could not go on.
#[derive(Debug)]
pub enum RunError {
    /// Waiting for packets failed.
    Poll(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Poll(cause) = self;
        write!(f, "the TFTP server cannot wait for packets: {cause}")
    }
}

impl std::error::Error for RunError {}

/// Ends a running server from any thread.
#[derive(Debug, Clone)]
pub struct Stopper {
    stopping: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Makes [`Server::run`] return soon: clients of running transfers are told by an ERROR, then it ends.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            log::error!("the TFTP server could not be woken to stop: {error}");
        }
    }
}

/// A server that listens. Binding and running are apart, so that a program can bind as root, drop its rights and
/// hand the server to a thread.
pub struct Server {
    poll: Poll,
    stopper: Stopper,
    listeners: Vec<Listener>,
    /// Request sockets that may hold more.
    waiting: VecDeque<usize>,
    core: Core,
}

/// Everything but the request sockets.
struct Core {
    config: Config,
    source: Box<dyn Source>,
    stats: Arc<Stats>,
    sessions: Sessions<Io>,
    /// Transfers that have something to take in or to send.
    ready: VecDeque<Slot>,
    quiet: Quiet,
    first_transfer: usize,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

/// What a transfer needs of the system.
struct Io {
    endpoint: Endpoint,
    blocks: Blocks,
    name: String,
    /// It stands in `ready`.
    queued: bool,
    /// Its send buffer was full, and it waits for room.
    blocked: bool,
}

impl Server {
    /// Listens on each of `addresses`; port 0 takes a free one.
    ///
    /// # Errors
    /// The first address that cannot be listened to, and why. An empty list is refused too.
    pub fn bind(
        addresses: &[SocketAddr],
        config: Config,
        source: impl Source + 'static,
    ) -> Result<Self, BindError> {
        let general = |cause| BindError { address: None, cause };
        if addresses.is_empty() {
            return Err(general(io::Error::new(
                io::ErrorKind::InvalidInput,
                "no address to listen on was given",
            )));
        }
        let poll = Poll::new().map_err(general)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(general)?);
        let mut listeners = Vec::with_capacity(addresses.len());
        for &address in addresses {
            let at = |cause| BindError { address: Some(address), cause };
            let mut listener = Listener::bind(address, config.receive_buffer).map_err(at)?;
            let token = Token(FIRST_LISTENER + listeners.len());
            poll.registry().register(&mut listener.socket, token, Interest::READABLE).map_err(at)?;
            listeners.push(listener);
        }
        let core = Core {
            source: Box::new(source),
            stats: Arc::default(),
            sessions: Sessions::new(config.max_transfers, config.max_transfers_per_address),
            ready: VecDeque::new(),
            quiet: Quiet::default(),
            first_transfer: FIRST_LISTENER + listeners.len(),
            inbox: vec![0; INBOX],
            outbox: vec![0; OUTBOX],
            config,
        };
        let stopper = Stopper { stopping: Arc::default(), waker };
        Ok(Self { poll, stopper, listeners, waiting: VecDeque::new(), core })
    }

    /// The addresses listened to, with the ports taken, in the order of [`Self::bind`].
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|l| l.local).collect()
    }

    /// A handle that ends [`Self::run`].
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The server's numbers, to be read while it runs and afterwards.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.core.stats)
    }

    /// Serves until [`Stopper::stop`].
    ///
    /// # Errors
    /// Only when the kernel refuses to wait; no client can cause it.
    pub fn run(mut self) -> Result<(), RunError> {
        let mut events = Events::with_capacity(EVENTS);
        let mut due = Vec::new();
        while !self.stopper.stopping.load(Ordering::Acquire) {
            let busy = !self.waiting.is_empty() || !self.core.ready.is_empty();
            let next = if busy { Some(Instant::now()) } else { self.core.sessions.next_deadline() };
            let timeout = next.map(|at| at.saturating_duration_since(Instant::now()));
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(RunError::Poll(e)),
            }
            for event in &events {
                self.take(event);
            }
            for _ in 0..self.waiting.len() {
                self.serve_requests();
            }
            for _ in 0..self.core.ready.len() {
                self.core.serve_next(&self.poll);
            }
            let now = Instant::now();
            due.extend(std::iter::from_fn(|| self.core.sessions.pop_due(now)));
            for slot in due.drain(..) {
                self.core.on_deadline(slot, &self.poll);
            }
        }
        for slot in self.core.sessions.running() {
            self.core.finish(slot, Outcome::Stopped);
        }
        Ok(())
    }

    fn take(&mut self, event: &mio::event::Event) {
        let Token(token) = event.token();
        if event.token() == WAKER {
            return; // The loop looks at the flag.
        }
        let Some(slot) = token.checked_sub(self.core.first_transfer) else {
            let listener = token - FIRST_LISTENER;
            if !self.waiting.contains(&listener) {
                self.waiting.push_back(listener);
            }
            return;
        };
        if event.is_writable() {
            self.core.unblock(slot, &self.poll);
        }
        self.core.enqueue(slot);
    }

    /// Answers a turn of requests from the socket that has waited longest.
    fn serve_requests(&mut self) {
        let Some(index) = self.waiting.pop_front() else { return };
        let Some(listener) = self.listeners.get_mut(index) else { return };
        let mut inbox = std::mem::take(&mut self.core.inbox);
        for _ in 0..REQUESTS_PER_TURN {
            match listener.receive(&mut inbox) {
                Ok(Some(arrival)) => self.core.on_datagram(listener, &arrival, &inbox, &self.poll),
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.core.inbox = inbox;
                    return;
                }
                // Such as no memory for a moment: the next datagram may fare better.
                Err(e) => log::debug!("listen={} receiving failed: {e}", listener.local),
            }
        }
        self.core.inbox = inbox;
        self.waiting.push_back(index);
    }
}

impl Core {
    fn on_datagram(&mut self, listener: &Listener, arrival: &Arrival, inbox: &[u8], poll: &Poll) {
        let now = Instant::now();
        let truncated = Err(packet::DecodeError::Truncated { len: arrival.len });
        let bytes = &inbox[..arrival.len];
        match if arrival.truncated { truncated } else { packet::decode(bytes) } {
            Ok(Packet::ReadRequest { path, mode, options }) => {
                self.stats.requests.add(1);
                let manner = Manner { mode, options };
                if let Err((code, text)) = self.on_request(arrival, path, manner, now, poll) {
                    log::debug!("peer={} file={path:?} refused: {text}", arrival.peer);
                    self.answer(listener, arrival, code, text);
                }
            }
            Ok(_) => self.on_malformed(arrival.peer.ip(), "the packet is no request", now),
            Err(error) => match error.answer() {
                Some((code, text)) => {
                    self.stats.refused.add(1);
                    self.answer(listener, arrival, code, text);
                }
                None => self.on_malformed(arrival.peer.ip(), error, now),
            },
        }
    }

    fn answer(&mut self, listener: &Listener, arrival: &Arrival, code: ErrorCode, text: &str) {
        let mut packet = std::mem::take(&mut self.outbox);
        packet::encode_error(&mut packet, code, text);
        listener.reply(arrival, &packet);
        packet.resize(OUTBOX, 0);
        self.outbox = packet;
    }

    fn on_malformed(&mut self, source: IpAddr, why: impl fmt::Display, now: Instant) {
        self.stats.malformed.add(1);
        if self.quiet.may_log(source, now) {
            log::warn!(
                "peer={source} sent what is not TFTP: {why} (more from there in the next minute is not logged)"
            );
        }
    }

    /// Begins a transfer, gives a repeated request to the one that runs, or says why not.
    fn on_request(
        &mut self,
        arrival: &Arrival,
        path: &str,
        manner: Manner,
        now: Instant,
        poll: &Poll,
    ) -> Result<(), (ErrorCode, &'static str)> {
        let (peer, local) = (arrival.peer, arrival.local.ip());
        let key = Key { peer, local, path: path.to_owned() };
        if let Some(slot) = self.sessions.find(&key) {
            if !self.replaces(slot, manner, now) {
                return Ok(());
            }
            self.finish(slot, Outcome::Superseded);
        }
        if let Err(full) = self.sessions.room_for(peer.ip()) {
            return Err(self.turn_away(peer.ip(), full, now));
        }
        let refuse = |stats: &Stats, refusal: &Refusal| {
            stats.refused.add(1);
            refusal.answer()
        };
        let name = match name::normalize(path) {
            Ok(name) => name,
            Err(NameError::Empty) => return Err(refuse(&self.stats, &Refusal::NotFound)),
            Err(NameError::Climbs | NameError::BadCharacter) => {
                return Err(refuse(&self.stats, &Refusal::AccessViolation));
            }
        };
        let request = Request { path, name: &name, mode: manner.mode, peer, local };
        let content = match self.source.open(&request) {
            Ok(content) => content,
            Err(refusal) => {
                if let Refusal::Failed(cause) = &refusal {
                    log::error!("file={name} cannot be opened: {cause}");
                }
                return Err(refuse(&self.stats, &refusal));
            }
        };
        let size = match manner.mode {
            Mode::Octet => Some(content.size()),
            Mode::Netascii => None, // How long the text becomes shows at its end.
        };
        let granted = grant(&manner.options, size, self.config.most(peer.ip()));
        let transfer = Transfer::new(granted, size, self.config.timing, now);
        let blocks = Blocks::new(content, manner.mode, transfer.blksize());
        let token = Token(self.first_transfer + self.sessions.next_slot());
        let endpoint = Endpoint::open(arrival.local).and_then(|mut endpoint| {
            poll.registry().register(&mut endpoint.socket, token, Interest::READABLE)?;
            Ok(endpoint)
        });
        let endpoint = match endpoint {
            Ok(endpoint) => endpoint,
            Err(cause) => {
                self.stats.limited.add(1);
                if self.quiet.may_log(peer.ip(), now) {
                    log::error!("peer={peer} no socket for a transfer: {cause}");
                }
                return Err(Refusal::Busy.answer());
            }
        };
        let io = Io { endpoint, blocks, name, queued: false, blocked: false };
        let slot = self.sessions.insert(key, manner, transfer, io, now);
        self.stats.active.set(self.sessions.len() as u64);
        self.enqueue(slot);
        Ok(())
    }

    /// Whether a request with the key of a running transfer puts another in its place.
    fn replaces(&mut self, slot: Slot, manner: Manner, now: Instant) -> bool {
        let Some(session) = self.sessions.get_mut(slot) else { return false };
        if session.manner != manner {
            return true;
        }
        self.stats.duplicates.add(1);
        match session.transfer.on_repeated_request(now) {
            Repeated::Ignored => false,
            Repeated::Answered => {
                self.enqueue(slot);
                false
            }
            Repeated::StartedOver => true,
        }
    }

    fn turn_away(&mut self, peer: IpAddr, full: Full, now: Instant) -> (ErrorCode, &'static str) {
        self.stats.limited.add(1);
        let (text, limit) = match full {
            Full::Server => ("too many transfers on this server, try again later", self.config.max_transfers),
            Full::Address => ("too many transfers for your address", self.config.max_transfers_per_address),
        };
        if self.quiet.may_log(peer, now) {
            log::warn!("peer={peer} turned away: {text} (limit {limit})");
        }
        (ErrorCode::NotDefined, text)
    }

    fn enqueue(&mut self, slot: Slot) {
        if let Some(session) = self.sessions.get_mut(slot)
            && !session.payload.queued
        {
            session.payload.queued = true;
            self.ready.push_back(slot);
        }
    }

    /// Gives the transfer that has waited longest its turn.
    fn serve_next(&mut self, poll: &Poll) {
        let Some(slot) = self.ready.pop_front() else { return };
        if let Some(session) = self.sessions.get_mut(slot) {
            session.payload.queued = false;
            self.serve(slot, poll);
        }
    }

    /// Takes in what has arrived for a transfer, then sends what is due.
    fn serve(&mut self, slot: Slot, poll: &Poll) {
        let now = Instant::now();
        let more = match self.take_in(slot, now) {
            Ok(more) => more,
            Err(outcome) => return self.finish(slot, outcome),
        };
        let more = match self.send(slot, now, poll) {
            Ok(unsent) => more || unsent,
            Err(outcome) => return self.finish(slot, outcome),
        };
        self.sessions.reschedule(slot);
        if more {
            self.enqueue(slot);
        }
    }

    fn on_deadline(&mut self, slot: Slot, poll: &Poll) {
        let now = Instant::now();
        // An ACK that lies in the socket beats the timer that has run out meanwhile.
        let mut over = self.take_in(slot, now).err();
        let Some(session) = self.sessions.get_mut(slot) else { return };
        over = over.or_else(|| session.transfer.on_deadline(now));
        over = over.or_else(|| match self.send(slot, now, poll) {
            Ok(unsent) => {
                if unsent {
                    self.enqueue(slot);
                }
                None
            }
            Err(outcome) => Some(outcome),
        });
        match over {
            Some(outcome) => self.finish(slot, outcome),
            None => {
                // What `take_in` left unread would get no new event.
                self.enqueue(slot);
                self.sessions.requeue(slot);
            }
        }
    }

    /// Reads a turn of packets. `Ok(true)`: there may be more. `Err`: the transfer is over.
    fn take_in(&mut self, slot: Slot, now: Instant) -> Result<bool, Outcome> {
        for _ in 0..RECEIVES_PER_TURN {
            let Some(session) = self.sessions.get_mut(slot) else { return Ok(false) };
            let (peer, io) = (session.key.peer, &mut session.payload);
            let (len, from) = match io.endpoint.receive(&mut self.inbox) {
                Ok(packet) => packet,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(_) if io.endpoint.peer_is_gone(peer) => return Err(Outcome::PeerUnreachable),
                Err(_) => continue,
            };
            let packet = packet::decode(&self.inbox[..len]);
            if from != peer {
                self.stats.strays.add(1);
                // Whoever answers an ERROR with an ERROR may talk to himself for ever.
                if !matches!(packet, Ok(Packet::Error { .. })) {
                    let mut stray = Vec::new();
                    packet::encode_error(&mut stray, ErrorCode::UnknownTransferId, "unknown transfer ID");
                    let _ = io.endpoint.send(&stray, from);
                }
                continue;
            }
            match packet {
                Ok(Packet::Ack { block }) => match session.transfer.on_ack(block, now) {
                    Acked::Complete => return Err(Outcome::Complete),
                    Acked::Moved => io.blocks.release(session.transfer.acked()),
                    Acked::Ignored => {}
                },
                Ok(Packet::Error { code, message }) => {
                    let outcome = session.transfer.on_error(code);
                    log::debug!("peer={peer} file={} client says error {code}: {message}", io.name);
                    return Err(outcome);
                }
                Ok(_) => self.on_malformed(from.ip(), "the packet has no place in a read", now),
                Err(error) => self.on_malformed(from.ip(), error, now),
            }
        }
        Ok(true)
    }

    /// Sends a turn of packets. `Ok(true)`: more are due. `Err`: the transfer is over.
    fn send(&mut self, slot: Slot, now: Instant, poll: &Poll) -> Result<bool, Outcome> {
        let Some(session) = self.sessions.get_mut(slot) else { return Ok(false) };
        let (peer, transfer, io) = (session.key.peer, &mut session.transfer, &mut session.payload);
        for _ in 0..SENDS_PER_TURN {
            if io.blocked {
                return Ok(false); // An event will say when there is room.
            }
            let Some(output) = transfer.output() else { return Ok(false) };
            let (sent, len) = match output {
                Output::OptionAck => {
                    // Rare and small: once per transfer.
                    let mut packet = Vec::new();
                    packet::encode_option_ack(&mut packet, transfer.granted());
                    (io.endpoint.send(&packet, peer), 0)
                }
                Output::Block(block) => {
                    let (header, payload) = self.outbox.split_at_mut(DATA_HEADER);
                    header.copy_from_slice(&data_header((block & 0xffff) as u16));
                    let len = io.blocks.read(block, payload).map_err(|cause| {
                        log::error!("file={} cannot be read: {cause}", io.name);
                        Outcome::ReadFailed
                    })?;
                    (io.endpoint.send(&self.outbox[..DATA_HEADER + len], peer), len)
                }
            };
            match sent {
                Sent::Done => {}
                Sent::Lost if io.endpoint.peer_is_gone(peer) => return Err(Outcome::PeerUnreachable),
                Sent::Lost => {}
                Sent::Blocked => {
                    io.blocked = true;
                    let token = Token(self.first_transfer + slot);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    if let Err(e) = poll.registry().reregister(&mut io.endpoint.socket, token, interest) {
                        // Its timer will try again.
                        log::debug!("peer={peer} cannot wait for room to send: {e}");
                        io.blocked = false;
                    }
                    return Ok(false);
                }
            }
            transfer.sent(output, len, now);
        }
        Ok(transfer.output().is_some())
    }

    /// There is room in the send buffer again.
    fn unblock(&mut self, slot: Slot, poll: &Poll) {
        let Some(session) = self.sessions.get_mut(slot) else { return };
        if !std::mem::take(&mut session.payload.blocked) {
            return;
        }
        // Without this each packet that leaves the buffer would wake the thread.
        let token = Token(self.first_transfer + slot);
        let socket = &mut session.payload.endpoint.socket;
        if let Err(e) = poll.registry().reregister(socket, token, Interest::READABLE) {
            log::debug!("peer={} cannot stop waiting for room to send: {e}", session.key.peer);
        }
    }

    /// Takes a transfer out of the table and tells everyone.
    fn finish(&mut self, slot: Slot, outcome: Outcome) {
        let Some(session) = self.sessions.remove(slot) else { return };
        // Closing the socket takes it out of the poll as well.
        let (peer, io, transfer) = (session.key.peer, session.payload, session.transfer);
        let farewell = match outcome {
            Outcome::ReadFailed => Some("server could not read the file"),
            Outcome::Stopped => Some("server is stopping"),
            Outcome::Complete
            | Outcome::Probed
            | Outcome::ClientError(_)
            | Outcome::TimedOut
            | Outcome::PeerUnreachable
            | Outcome::Superseded => None,
        };
        if let Some(text) = farewell {
            let mut packet = Vec::new();
            packet::encode_error(&mut packet, ErrorCode::NotDefined, text);
            let _ = io.endpoint.send(&packet, peer);
        }
        let record = TransferRecord {
            name: io.name,
            peer,
            local: session.key.local,
            bytes: transfer.bytes(),
            duration: session.started.elapsed(),
            retransmissions: transfer.retransmissions(),
            options: *transfer.granted(),
            outcome,
        };
        match outcome {
            Outcome::Complete => self.stats.transfers_done.add(1),
            Outcome::Probed => self.stats.probes.add(1),
            _ => self.stats.transfers_failed.add(1),
        }
        self.stats.bytes.add(record.bytes);
        self.stats.retransmissions.add(record.retransmissions);
        self.stats.active.set(self.sessions.len() as u64);
        self.source.finished(&record);
    }
}

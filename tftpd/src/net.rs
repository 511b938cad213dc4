//! The server: one thread, one `mio::Poll`, one request socket per address and one socket per transfer (or
//! none, where all share the port of the requests).
//! It refuses to know what a packet means: `requests` answers those of the request sockets, `serving` moves those
//! of transfers; here is who gets a turn, when, and what ends the loop.

use crate::config::Config;
use crate::listener::Listener;
use crate::serving::{Core, INBOX};
use crate::source::Source;
use crate::stats::Stats;
use crate::transfer::Outcome;
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Events taken from the kernel at a time; those that do not fit come with the next call.
const EVENTS: usize = 1024;
/// Requests answered before running transfers get their turn.
const REQUESTS_PER_TURN: usize = 64;
/// Transfers that have their turn before requests are looked at again: 64 full windows take some milliseconds.
const TRANSFERS_PER_TURN: usize = 64;

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
    /// The request that is being answered.
    inbox: Vec<u8>,
    /// Request sockets tell when there is room to send; only where transfers use them, and one found no room.
    minding_room: bool,
    core: Core,
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
        Self::bind_or_take(addresses, config, source, |_| None)
    }

    /// The same; but an address for which `given` has a socket that is bound already, by a service manager for example, is listened
    /// to by that one. It may hold requests that came before this process did, and they are answered.
    ///
    /// # Errors
    /// As [`Self::bind`]; also for a given IPv6 socket that takes IPv4, too.
    pub fn bind_or_take(
        addresses: &[SocketAddr],
        config: Config,
        source: impl Source + 'static,
        mut given: impl FnMut(SocketAddr) -> Option<std::net::UdpSocket>,
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
            let listener = match given(address) {
                Some(socket) => Listener::take(socket, config.receive_buffer),
                None => Listener::bind(address, config.receive_buffer),
            };
            let mut listener = listener.map_err(at)?;
            let token = Token(FIRST_LISTENER + listeners.len());
            poll.registry().register(&mut listener.socket, token, Interest::READABLE).map_err(at)?;
            listeners.push(listener);
        }
        if let Err(error) = config.reserve_descriptors(&listeners[0].socket) {
            log::debug!("the table of descriptors grows as it is needed: {error}");
        }
        let registry = poll.registry().try_clone().map_err(general)?;
        let core = Core::new(config, Box::new(source), registry, FIRST_LISTENER + listeners.len());
        let stopper = Stopper { stopping: Arc::default(), waker };
        Ok(Self {
            poll,
            stopper,
            listeners,
            waiting: VecDeque::new(),
            inbox: vec![0; INBOX],
            minding_room: false,
            core,
        })
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
        // The clock is read once a round. What a round sends bears the time of its beginning, some milliseconds ago at
        // worst, and is repeated that much earlier.
        let mut now = Instant::now();
        while !self.stopper.stopping.load(Ordering::Acquire) {
            let busy = !self.waiting.is_empty() || !self.core.ready.is_empty();
            let next = if busy { Some(now) } else { self.core.sessions.next_deadline() };
            let timeout = next.map(|at| at.saturating_duration_since(now));
            self.core.source.round_over();
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(RunError::Poll(e)),
            }
            now = Instant::now();
            for event in &events {
                self.take(event);
            }
            for _ in 0..self.waiting.len() {
                self.serve_requests();
            }
            self.give_turns(now);
            self.mind_room();
            // Those that find no place in this round are due in the next one, at once.
            due.extend(std::iter::from_fn(|| self.core.sessions.pop_due(now)).take(TRANSFERS_PER_TURN));
            for slot in due.drain(..) {
                self.core.on_deadline(slot, now);
            }
        }
        for slot in self.core.sessions.running() {
            self.core.finish(slot, Outcome::Stopped);
        }
        Ok(())
    }

    /// Waits for room to send on the request sockets while a transfer needs it, and no longer: each packet that leaves
    /// them would wake the thread.
    fn mind_room(&mut self) {
        let wanted = !self.core.held.is_empty();
        if wanted == std::mem::replace(&mut self.minding_room, wanted) {
            return;
        }
        let interest = if wanted { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        for (index, listener) in self.listeners.iter_mut().enumerate() {
            let token = Token(FIRST_LISTENER + index);
            if let Err(e) = self.poll.registry().reregister(&mut listener.socket, token, interest) {
                log::debug!("listen={} cannot wait for room to send: {e}", listener.local);
                self.core.unblock_held();
            }
        }
    }

    fn give_turns(&mut self, now: Instant) {
        for _ in 0..self.core.ready.len().min(TRANSFERS_PER_TURN) {
            self.core.serve_next(now);
        }
    }

    fn take(&mut self, event: &mio::event::Event) {
        let Token(token) = event.token();
        if event.token() == WAKER {
            return; // The loop looks at the flag.
        }
        let Some(port) = token.checked_sub(self.core.first_transfer) else {
            let listener = token - FIRST_LISTENER;
            if event.is_writable() {
                self.core.unblock_held();
            }
            if !self.waiting.contains(&listener) {
                self.waiting.push_back(listener);
            }
            return;
        };
        let Some(slot) = self.core.ports.slot_of(port) else {
            // The copy of a last ACK, most likely: counted, and not answered.
            let disturbed = self.core.ports.disturbed(port, &mut self.inbox);
            return self.core.stats.strays.add(u64::from(disturbed));
        };
        if event.is_writable() {
            self.core.unblock(slot);
        }
        self.core.enqueue(slot);
    }

    /// Answers a turn of requests from the socket that has waited longest.
    fn serve_requests(&mut self) {
        let Some(index) = self.waiting.pop_front() else { return };
        let Some(listener) = self.listeners.get_mut(index) else { return };
        for _ in 0..REQUESTS_PER_TURN {
            match listener.receive(&mut self.inbox) {
                Ok(Some(arrival)) => self.core.on_datagram(listener, &arrival, &self.inbox),
                Ok(None) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // Such as no memory for a moment: the next datagram may fare better.
                Err(e) => log::debug!("listen={} receiving failed: {e}", listener.local),
            }
        }
        self.waiting.push_back(index);
    }
}

#[cfg(test)]
mod tests;

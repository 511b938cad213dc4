//! The server: one thread, one `mio::Poll`, one request socket per address and one socket per transfer.
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
        let registry = poll.registry().try_clone().map_err(general)?;
        let core = Core::new(config, Box::new(source), registry, FIRST_LISTENER + listeners.len());
        let stopper = Stopper { stopping: Arc::default(), waker };
        Ok(Self { poll, stopper, listeners, waiting: VecDeque::new(), inbox: vec![0; INBOX], core })
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
            self.give_turns();
            let now = Instant::now();
            due.extend(std::iter::from_fn(|| self.core.sessions.pop_due(now)));
            for slot in due.drain(..) {
                self.core.on_deadline(slot);
            }
        }
        for slot in self.core.sessions.running() {
            self.core.finish(slot, Outcome::Stopped);
        }
        Ok(())
    }

    fn give_turns(&mut self) {
        for _ in 0..self.core.ready.len().min(TRANSFERS_PER_TURN) {
            self.core.serve_next();
        }
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
mod tests {
    use super::*;
    use crate::content::Content;
    use crate::packet::{self, Mode};
    use crate::{Options, Refusal, Request};
    use std::net::UdpSocket;
    use std::time::Duration;

    struct Fixed(&'static [u8]);

    impl Source for Fixed {
        fn open(&self, _: &Request<'_>) -> Result<Content, Refusal> {
            Ok(Content::Bytes(Arc::from(self.0)))
        }
    }

    fn ask(client: &UdpSocket, server: &Server, options: &Options) {
        let mut bytes = Vec::new();
        packet::encode_read_request(&mut bytes, "f", Mode::Octet, options);
        // Loopback has delivered it when this returns.
        client.send_to(&bytes, server.local_addrs()[0]).unwrap();
    }

    /// One round of the loop, without its wait.
    fn answer_requests(server: &mut Server) {
        server.waiting.push_back(0);
        server.serve_requests();
        for _ in 0..server.core.ready.len() {
            server.core.serve_next();
        }
    }

    fn client() -> UdpSocket {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }

    #[test]
    fn an_ack_and_the_next_request_for_the_same_file_may_come_together() {
        let config = Config::default();
        let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(b"text")).unwrap();
        let (client, mut buf) = (client(), [0; 100]);
        ask(&client, &server, &Options::default());
        answer_requests(&mut server);
        let (_, first) = client.recv_from(&mut buf).unwrap();
        client.send_to(b"\0\x04\0\x01", first).unwrap();
        ask(&client, &server, &Options::default());
        answer_requests(&mut server);
        let (len, second) = client.recv_from(&mut buf).unwrap();
        assert_eq!(&buf[..len], b"\0\x03\0\x01text");
        assert_ne!(first, second, "another transfer");
        let stats = server.stats();
        assert_eq!((stats.transfers_done.get(), stats.duplicates.get(), stats.active.get()), (1, 0, 1));
    }

    /// Whoever forges an address makes us send it an OACK of some bytes, however large a window he asks for.
    #[test]
    fn a_window_is_not_sent_before_the_client_is_heard() {
        static FILE: [u8; 60_000] = [7; 60_000];
        let config = Config::default();
        let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(&FILE)).unwrap();
        let (client, mut buf) = (client(), [0; 2000]);
        let wish = Options { windowsize: Some(64), ..Options::default() };
        ask(&client, &server, &wish);
        answer_requests(&mut server);
        let (len, transfer) = client.recv_from(&mut buf).unwrap();
        assert!(len < 30 && buf[1] == 6, "an OACK of {len} bytes");
        client.set_nonblocking(true).unwrap();
        for slot in server.core.sessions.running() {
            server.core.serve(slot);
        }
        assert!(client.recv_from(&mut buf).is_err(), "and nothing more");
        client.send_to(b"\0\x04\0\0", transfer).unwrap();
        for slot in server.core.sessions.running() {
            server.core.serve(slot);
        }
        let arrived = std::iter::from_fn(|| client.recv_from(&mut buf).ok()).count();
        assert_eq!(arrived, 64, "the window, in one turn");
    }

    #[test]
    fn a_crowd_of_windows_leaves_room_for_requests() {
        static FILE: [u8; 60_000] = [7; 60_000];
        let config = Config { max_transfers_per_address: 1000, ..Config::default() };
        let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(&FILE)).unwrap();
        let clients: Vec<UdpSocket> = (0..200).map(|_| client()).collect();
        for client in &clients {
            ask(client, &server, &Options::default());
        }
        for _ in 0..4 {
            answer_requests(&mut server);
        }
        assert_eq!(server.stats().active.get(), 200);
        for slot in server.core.sessions.running() {
            server.core.enqueue(slot);
        }
        server.give_turns();
        assert_eq!(server.core.ready.len(), 200 - TRANSFERS_PER_TURN, "the others wait for the next round");
    }
}

//! The fake board's thread: one `poll` over whatever socket it has and its owner's wake-up.
//!
//! Knows sockets and time; what to answer is decided in `faults`, what moved is kept in the shared state. A port
//! stays reserved by a socket that is bound but never listens, so that the board can refuse connections (close its
//! listener) and be found at the same port again.

use super::faults::{Answer, Dialect, Misbehaviour, respond};
use super::{FakeSettings, Observer, Sender, Shared};
use crate::address::Bank;
use crate::packet::{PACKET, read_packet, wrap};
use crate::proxr::{BankStatus, Command};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{Linger, ReuseAddr};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, getsockname, setsockopt, socket,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After a failure to listen again: somebody else may hold the port for a moment.
const LISTEN_AGAIN: Duration = Duration::from_millis(100);

/// A port that is ours, listening or not.
#[derive(Debug)]
pub(super) struct Port {
    addr: SocketAddr,
    /// Bound, never listening: connections to it are refused, and nobody is given the port.
    _bound: OwnedFd,
}

impl Port {
    pub(super) fn reserve(listen: SocketAddr) -> io::Result<(Self, SocketAddr)> {
        let family = if listen.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let bound = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        setsockopt(&bound, ReuseAddr, &true)?;
        bind(bound.as_raw_fd(), &SockaddrStorage::from(listen))?;
        let name: SockaddrStorage = getsockname(bound.as_raw_fd())?;
        let port =
            name.as_sockaddr_in().map(|a| a.port()).or_else(|| name.as_sockaddr_in6().map(|a| a.port()));
        let addr = SocketAddr::new(listen.ip(), port.unwrap_or(listen.port()));
        Ok((Self { addr, _bound: bound }, addr))
    }

    /// `std` sets `SO_REUSEADDR`, without which neither our own reservation nor old connections would let us.
    fn listen(&self) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(self.addr)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

pub(super) struct Server {
    port: Port,
    woken: UnixStream,
    shared: Arc<Shared>,
    banks: Bank,
    recovery: Duration,
    observer: Observer,
    listener: Option<TcpListener>,
    client: Option<Client>,
    /// No listening before this.
    rest_until: Instant,
    plans_taken: u64,
}

struct Client {
    stream: TcpStream,
    /// Received and not yet understood; never longer than one command and one read.
    pending: Vec<u8>,
    /// What is to be sent. While there is an answer, nothing is read.
    answer: Option<Pending>,
}

struct Pending {
    due: Instant,
    bytes: Vec<u8>,
    /// Byte by byte, this far apart.
    each: Option<Duration>,
}

impl Server {
    pub(super) fn new(
        port: Port,
        woken: UnixStream,
        shared: Arc<Shared>,
        settings: FakeSettings,
        observer: Observer,
    ) -> io::Result<Self> {
        let FakeSettings { banks, recovery, .. } = settings;
        // Listening before `start` returns, and a taken port is its error.
        let listener = Some(port.listen()?);
        let rest_until = Instant::now();
        Ok(Self {
            port,
            woken,
            shared,
            banks,
            recovery,
            observer,
            listener,
            client: None,
            rest_until,
            plans_taken: 0,
        })
    }

    pub(super) fn run(mut self) {
        loop {
            let (stop, misbehaviour, plans) = {
                let state = self.shared.lock();
                (state.stop, state.plan.current(), state.plans)
            };
            if stop {
                return;
            }
            let now = Instant::now();
            self.open_or_close(misbehaviour, now);
            if self.plans_taken != plans {
                self.plans_taken = plans;
                self.shared.lock().plans_taken = plans;
                self.shared.moved.notify_all();
            }
            if !self.wait(now) {
                return;
            }
            self.accept();
            self.serve(Instant::now());
        }
    }

    /// Listens exactly when a board like this would.
    fn open_or_close(&mut self, misbehaviour: Misbehaviour, now: Instant) {
        let patient = self.recovery.is_zero();
        let wanted = misbehaviour != Misbehaviour::Refuse
            && now >= self.rest_until
            && (patient || self.client.is_none());
        if !wanted {
            self.listener = None;
        } else if self.listener.is_none() {
            match self.port.listen() {
                Ok(listener) => self.listener = Some(listener),
                Err(error) => {
                    log::warn!("fake relay board: cannot listen on {} again: {error}", self.port.addr);
                    self.rest_until = now + LISTEN_AGAIN;
                }
            }
        }
    }

    /// The one place that waits. False if the system cannot.
    fn wait(&self, now: Instant) -> bool {
        let mut fds = vec![PollFd::new(self.woken.as_fd(), PollFlags::POLLIN)];
        let mut until = None;
        match &self.client {
            Some(Client { answer: Some(answer), .. }) => until = Some(answer.due),
            Some(client) => fds.push(PollFd::new(client.stream.as_fd(), PollFlags::POLLIN)),
            None => {}
        }
        match &self.listener {
            // Connections may wait in line while there is a client.
            Some(listener) if self.client.is_none() => {
                fds.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
            }
            Some(_) => {}
            None if self.rest_until > now => {
                until = Some(until.map_or(self.rest_until, |u: Instant| u.min(self.rest_until)));
            }
            // Told to refuse: only the owner can change that, and will wake us.
            None => {}
        }
        let timeout = until.map_or(PollTimeout::NONE, |until| {
            // Rounded up: waking a fraction early would spin until the time has come.
            let wait = until.saturating_duration_since(now) + Duration::from_micros(999);
            PollTimeout::try_from(wait.as_millis()).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => {
                log::error!("fake relay board on {}: cannot wait: {error}", self.port.addr);
                return false;
            }
        }
        // Whatever was to be told stands in the shared state.
        while matches!((&self.woken).read(&mut [0; 64]), Ok(n) if n > 0) {}
        true
    }

    fn accept(&mut self) {
        if self.client.is_some() {
            return;
        }
        let Some(Ok((stream, peer))) = self.listener.as_ref().map(TcpListener::accept) else { return };
        if let Err(error) = stream.set_nonblocking(true) {
            log::warn!("fake relay board: connection from {peer}: {error}");
            return;
        }
        if !self.recovery.is_zero() {
            self.listener = None;
        }
        let misbehaviour = {
            let mut state = self.shared.lock();
            state.connections += 1;
            state.plan.current()
        };
        self.shared.moved.notify_all();
        self.client = Some(Client { stream, pending: vec![], answer: None });
        if misbehaviour == Misbehaviour::CloseAfterAccept {
            self.hang_up(false);
        }
    }

    fn serve(&mut self, now: Instant) {
        let Some(client) = &mut self.client else { return };
        match client.answer.take() {
            Some(answer) if answer.due > now => {
                client.answer = Some(answer);
                return;
            }
            Some(Pending { mut bytes, each, .. }) => {
                if let Some(gap) = each
                    && bytes.len() > 1
                {
                    client.answer = Some(Pending { due: now + gap, bytes: bytes.split_off(1), each });
                }
                // Logged first: whoever has the reply may ask for the log at once.
                if !bytes.is_empty() {
                    self.shared.lock().note(Sender::Board, &bytes);
                }
                // A client that does not take two bytes is gone.
                if client.stream.write_all(&bytes).is_err() {
                    return self.hang_up(false);
                }
            }
            None => {
                let mut bytes = [0; 64];
                match client.stream.read(&mut bytes) {
                    Ok(0) => return self.hang_up(false),
                    Ok(n) => client.pending.extend_from_slice(&bytes[..n]),
                    Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                    Err(_) => return self.hang_up(false),
                }
            }
        }
        self.obey(now);
    }

    /// Carries out commands until one has an answer to be sent or more bytes must come.
    fn obey(&mut self, now: Instant) {
        while let Some(client) = &mut self.client
            && client.answer.is_none()
        {
            // Only Fusion boards know packets; to others their bytes are no commands, and the command within is one.
            let dialect = self.shared.lock().dialect;
            let knows_packets = dialect == Dialect::Fusion && client.pending.first() == Some(&PACKET);
            let found = if knows_packets {
                match read_packet(&client.pending) {
                    Ok(None) => return,
                    Ok(Some((payload, len))) => match Command::decode(payload) {
                        Ok(Some((command, n))) if n == payload.len() => Ok((command, len)),
                        _ => Err(len),
                    },
                    Err(_) => Err(1),
                }
            } else {
                match Command::decode(&client.pending) {
                    Ok(None) => return,
                    Ok(Some(found)) => Ok(found),
                    Err(why) => Err(why.skip),
                }
            };
            let (command, len) = match found {
                Ok(found) => found,
                Err(skip) => {
                    let skip = skip.min(client.pending.len());
                    self.shared.lock().note(Sender::Client, &client.pending[..skip]);
                    client.pending.drain(..skip);
                    continue;
                }
            };
            let bytes: Vec<u8> = client.pending.drain(..len).collect();
            let (answer, changes, garbled) = {
                let mut state = self.shared.lock();
                state.note(Sender::Client, &bytes);
                let how = state.plan.take();
                let bank = match command {
                    Command::Switch { bank, .. }
                    | Command::SwitchBank { bank, .. }
                    | Command::ReadRelay { bank, .. }
                    | Command::ReadBank { bank } => Some(bank),
                    Command::TwoWayTest => None,
                };
                let before = bank.map_or(BankStatus(0), |bank| *state.bank(bank));
                state.commands += 1;
                if bank.is_some_and(|bank| bank > self.banks) {
                    (Answer::Bytes { bytes: vec![], after: Duration::ZERO, each: false }, vec![], false)
                } else {
                    let response = respond(command, before, dialect, how);
                    let changes = if response.obey { state.switch(command) } else { vec![] };
                    (response.answer, changes, how == Misbehaviour::Garbled)
                }
            };
            // The relay has moved before the board says so.
            changes.into_iter().for_each(&mut self.observer);
            self.shared.moved.notify_all();
            match answer {
                Answer::Bytes { bytes, .. } if bytes.is_empty() => {}
                Answer::Bytes { bytes, after, each } => {
                    let mut bytes = if knows_packets { wrap(&bytes) } else { bytes };
                    if let (true, Some(last)) = (garbled, bytes.last_mut()) {
                        *last ^= 0x20;
                    }
                    let each = each.then_some(after);
                    client.answer = Some(Pending { due: now + after, bytes, each });
                }
                Answer::Close => return self.hang_up(false),
                Answer::Reset => return self.hang_up(true),
            }
        }
    }

    fn hang_up(&mut self, reset: bool) {
        let Some(client) = self.client.take() else { return };
        if reset {
            // Lingering for no time at all is how a socket is closed with a reset.
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            if let Err(error) = setsockopt(&client.stream, Linger, &linger) {
                log::warn!("fake relay board: cannot reset: {error}");
            }
        }
        drop(client);
        self.rest_until = Instant::now() + self.recovery;
    }
}

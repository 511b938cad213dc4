//! The thread that pings: one for all boards, with one ICMP socket per family.
//!
//! Datagram sockets where the system lets us (`net.ipv4.ping_group_range`), raw ones where we are root or have CAP_NET_RAW;
//! with neither, pings fail with a sentence and all else works. What to send when is `pings`, the bytes are `icmp`.

use super::icmp::{self, Echo, Family, Framing};
use super::pings::{Due, PINGS_MAX, Pings};
use super::{CheckError, Said, Ticket};
use crate::layers::supervise::Exit;
use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recvfrom, sendto, socket,
};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

const WAKE: Token = Token(0);
/// Datagrams read from a socket before others get their turn: a raw socket hears all ICMP that comes to this host.
const READ_MAX: usize = 512;

/// Why this host cannot ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingError {
    /// Neither kind of socket is permitted.
    NotPermitted(Family),
    /// The system does not have or give such sockets.
    System(Family, Errno),
}

impl fmt::Display for PingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotPermitted(family) => write!(
                f,
                "this server may not ping over {family}; let its group by net.ipv4.ping_group_range (sysctl), \
                 or give it CAP_NET_RAW"
            ),
            Self::System(family, errno) => {
                write!(f, "this server cannot ping over {family}: {}", errno.desc())
            }
        }
    }
}

impl std::error::Error for PingError {}

#[derive(Debug)]
struct Socket {
    fd: OwnedFd,
    family: Family,
    framing: Framing,
    /// The kernel numbers requests itself and shows us only the replies to them.
    kernel_id: bool,
}

/// The sockets to ping with. Open them before root is dropped.
#[derive(Debug)]
pub struct PingSockets {
    v4: Result<Socket, PingError>,
    v6: Result<Socket, PingError>,
}

impl PingSockets {
    /// Opens what the system permits; what is missing shows in [`Self::missing`] and fails pings only.
    pub fn open() -> Self {
        Self { v4: open(Family::V4), v6: open(Family::V6) }
    }

    /// What cannot be pinged, and why.
    pub fn missing(&self) -> impl Iterator<Item = PingError> + '_ {
        [&self.v4, &self.v6].into_iter().filter_map(|s| s.as_ref().err().copied())
    }

    fn of(&self, to: SocketAddr) -> Result<&Socket, PingError> {
        if to.is_ipv4() { &self.v4 } else { &self.v6 }.as_ref().map_err(|e| *e)
    }
}

fn open(family: Family) -> Result<Socket, PingError> {
    let (domain, protocol) = match family {
        Family::V4 => (AddressFamily::Inet, SockProtocol::Icmp),
        Family::V6 => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let refused = |e| matches!(e, Errno::EACCES | Errno::EPERM);
    match socket(domain, SockType::Datagram, flags, protocol) {
        Ok(fd) => return Ok(Socket { fd, family, framing: Framing::Bare, kernel_id: true }),
        // Old kernels have no such sockets, and say so in several ways.
        Err(e) if refused(e) || matches!(e, Errno::EPROTONOSUPPORT | Errno::ESOCKTNOSUPPORT) => {}
        Err(e) => return Err(PingError::System(family, e)),
    }
    let framing = if family == Family::V4 { Framing::Ipv4Header } else { Framing::Bare };
    match socket(domain, SockType::Raw, flags, protocol) {
        Ok(fd) => Ok(Socket { fd, family, framing, kernel_id: false }),
        Err(e) if refused(e) => Err(PingError::NotPermitted(family)),
        Err(e) => Err(PingError::System(family, e)),
    }
}

/// How others reach the thread. Dropping it ends the thread.
#[derive(Debug)]
pub struct Pinger {
    orders: Option<Sender<(Ticket, SocketAddr)>>,
    waker: Arc<Waker>,
}

impl Pinger {
    /// Orders a ping; its result comes as the thread was told to give them. False: too many wait.
    #[must_use]
    pub fn ping(&self, ticket: Ticket, to: SocketAddr) -> bool {
        let sent = match &self.orders {
            Some(orders) => match orders.try_send((ticket, to)) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => false,
                // The thread has ended and says so elsewhere.
                Err(TrySendError::Disconnected(_)) => false,
            },
            None => false,
        };
        self.wake();
        sent
    }

    fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake the ping thread: {error}");
        }
    }
}

impl Drop for Pinger {
    fn drop(&mut self) {
        // First hang up, then wake: the thread looks and finds nobody.
        self.orders = None;
        self.wake();
    }
}

/// The thread's part of it.
#[derive(Debug)]
pub struct PingThread {
    sockets: PingSockets,
    orders: Receiver<(Ticket, SocketAddr)>,
    poll: Poll,
    /// Kept open here too: a wake-up whose last owner is gone is taken back before it is seen.
    _waker: Arc<Waker>,
    pings: Pings,
    /// Turns a counter into cookies that nobody outside can foresee.
    secret: RandomState,
    count: u64,
    id: u16,
}

/// Makes both ends.
///
/// # Errors
/// The system gives no poll or wake-up.
pub fn pinger(sockets: PingSockets) -> io::Result<(Pinger, PingThread)> {
    let poll = Poll::new()?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
    for (token, socket) in [(1, &sockets.v4), (2, &sockets.v6)] {
        if let Ok(socket) = socket {
            let fd = socket.fd.as_raw_fd();
            poll.registry().register(&mut SourceFd(&fd), Token(token), Interest::READABLE)?;
        }
    }
    let (sender, orders) = bounded(PINGS_MAX);
    let secret = RandomState::new();
    let [a, b, ..] = secret.hash_one(u64::MAX).to_be_bytes();
    let id = u16::from_be_bytes([a, b]);
    let _waker = Arc::clone(&waker);
    let thread = PingThread { sockets, orders, poll, _waker, pings: Pings::default(), secret, count: 0, id };
    Ok((Pinger { orders: Some(sender), waker }, thread))
}

impl PingThread {
    /// Pings until the [`Pinger`] is dropped or `say`, which is told every result, returns false.
    pub fn run(mut self, mut say: impl FnMut(Ticket, Said) -> bool) -> Exit {
        let mut events = Events::with_capacity(8);
        let mut more_to_read = false;
        loop {
            let timeout = if more_to_read {
                Some(std::time::Duration::ZERO)
            } else {
                self.pings.next_wake().map(|at| at.saturating_duration_since(Instant::now()))
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Exit::Failed(format!("the ping thread cannot wait: {e}")),
            }
            let mut results = Vec::new();
            more_to_read = self.read(&mut results);
            let open = self.take_orders(&mut results);
            self.send(Instant::now(), &mut results);
            for (ticket, said) in results {
                if !say(ticket, said) {
                    return Exit::Lost("bmm");
                }
            }
            if !open {
                return Exit::Stopped;
            }
        }
    }

    fn take_orders(&mut self, results: &mut Vec<(Ticket, Said)>) -> bool {
        // As many as the channel holds: answers must not wait for ever behind new orders.
        for _ in 0..PINGS_MAX {
            match self.orders.try_recv() {
                Ok((ticket, to)) => {
                    self.count += 1;
                    let cookie = self.secret.hash_one(self.count);
                    if let Err(why) = self.sockets.of(to) {
                        // What has a loopback address is this host, and that lives: the demo's boards have such, and its user
                        // may be one who cannot ping, as on a Debian 12 without any changes.
                        let answer =
                            if to.ip().is_loopback() { Ok(()) } else { Err(CheckError::NoPing(why)) };
                        results.push((ticket, answer));
                    } else if !self.pings.start(ticket, to, cookie, Instant::now()) {
                        results.push((ticket, Err(CheckError::Busy)));
                    }
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        // The rest when the first of these is due again, 50 ms from now.
        true
    }

    fn send(&mut self, now: Instant, results: &mut Vec<(Ticket, Said)>) {
        while let Some(due) = self.pings.due(now) {
            let (to, sequence, cookie) = match due {
                Due::Silent(ticket) => {
                    results.push((ticket, Err(CheckError::NoReply)));
                    continue;
                }
                Due::Send { to, sequence, cookie } => (to, sequence, cookie),
            };
            let Ok(socket) = self.sockets.of(to) else { continue };
            let message = icmp::request(socket.family, Echo { id: self.id, sequence, cookie });
            let sent = sendto(socket.fd.as_raw_fd(), &message, &SockaddrStorage::from(to), MsgFlags::empty());
            match sent {
                Ok(_) => {}
                // As if it were lost on the way; with EHOSTUNREACH nobody answered ARP for an earlier one.
                Err(
                    Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR | Errno::EHOSTUNREACH | Errno::EHOSTDOWN,
                ) => {}
                Err(errno) => {
                    if let Some(ticket) = self.pings.forget(cookie) {
                        results.push((ticket, Err(CheckError::System(errno))));
                    }
                }
            }
        }
    }

    /// Reads what has come; true if there may be more.
    fn read(&mut self, results: &mut Vec<(Ticket, Said)>) -> bool {
        let mut more = false;
        for socket in [&self.sockets.v4, &self.sockets.v6].into_iter().flatten() {
            // The longest IPv4 header and our message fit; what is longer is not ours.
            let mut bytes = [0; 128];
            more |= (0..READ_MAX).all(|_| {
                match recvfrom::<SockaddrStorage>(socket.fd.as_raw_fd(), &mut bytes) {
                    Ok((len, Some(from))) => {
                        let echo = icmp::reply(socket.family, socket.framing, &bytes[..len]);
                        let ours = echo.filter(|e| socket.kernel_id || e.id == self.id);
                        if let (Some(echo), Some(from)) = (ours, address(&from))
                            && let Some(ticket) = self.pings.answered(from, echo.sequence, echo.cookie)
                        {
                            results.push((ticket, Ok(())));
                        }
                        true
                    }
                    Err(Errno::EAGAIN) => false,
                    // Errors that the network sent back for earlier requests come this way too, one at a time.
                    Ok((_, None)) | Err(_) => true,
                }
            });
        }
        more
    }
}

fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = from.as_sockaddr_in().map(|a| SocketAddr::from(*a));
    v4.or_else(|| from.as_sockaddr_in6().map(|a| SocketAddr::from(*a)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;
    use std::time::Duration;

    #[test]
    fn this_host_answers_over_both_families() {
        let sockets = PingSockets::open();
        let missing: Vec<_> = sockets.missing().map(|e| e.to_string()).collect();
        assert!(missing.is_empty(), "pings cannot be tested here: {missing:?}");
        let (pinger, thread) = pinger(sockets).unwrap();
        let (said, heard) = unbounded();
        let running = std::thread::spawn(move || thread.run(|t, s| said.send((t, s)).is_ok()));
        for (ticket, to) in [(1, "127.0.0.1:0"), (2, "[::1]:0")] {
            assert!(pinger.ping(Ticket(ticket), to.parse().unwrap()));
            let (of, answer) = heard.recv_timeout(Duration::from_secs(20)).unwrap();
            assert_eq!((of, answer), (Ticket(ticket), Ok(())), "{to}");
        }
        drop(pinger);
        assert_eq!(running.join().unwrap(), Exit::Stopped);
    }

    #[test]
    fn without_sockets_pings_fail_with_the_remedy() {
        let none = |family| Err(PingError::NotPermitted(family));
        let (pinger, thread) = pinger(PingSockets { v4: none(Family::V4), v6: none(Family::V6) }).unwrap();
        let (said, heard) = unbounded();
        let running = std::thread::spawn(move || thread.run(|t, s| said.send((t, s)).is_ok()));
        assert!(pinger.ping(Ticket(2), "127.0.1.7:0".parse().unwrap()));
        let (_, answer) = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(answer, Ok(()), "this host itself");
        assert!(pinger.ping(Ticket(1), "192.0.2.1:0".parse().unwrap()));
        let (_, answer) = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        let why = answer.unwrap_err();
        assert!(!why.is_the_boards());
        let text = why.to_string();
        assert!(text.contains("ping_group_range") && text.contains("CAP_NET_RAW"), "{text}");
        drop(pinger);
        assert_eq!(running.join().unwrap(), Exit::Stopped);
    }
}

//! One TCP listener and one TCP connection: accepting, reading in bounded portions, the idle limit.
//!
//! It knows frames but not what they say. A connection never writes: syslog over TCP has no answers (RFC 6587 3.3).

use crate::frame::Framer;
use mio::net::{TcpListener, TcpStream};
use nix::sys::socket::{setsockopt, sockopt};
use std::io::{self, Read};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

/// A board that lost power never closes its connection. The kernel asks after this silence in seconds, …
const KEEPALIVE_IDLE_S: u32 = 60;
/// … again every so many seconds, …
const KEEPALIVE_INTERVAL_S: u32 = 10;
/// … and gives up after so many questions: two minutes, about what a power cycle and a boot take.
const KEEPALIVE_PROBES: u32 = 6;

/// Kernel memory for what one connection has sent and we have not read, doubled by the kernel: some thousand lines. It is
/// also what must be read at a stop.
const CONNECTION_BUFFER: usize = 256 * 1024;

/// A listening socket.
#[derive(Debug)]
pub(crate) struct TcpPort {
    pub(crate) listener: TcpListener,
    pub(crate) addr: SocketAddr,
    /// Until when we do not accept, after the system refused us a connection.
    pub(crate) paused_until: Option<Instant>,
}

impl TcpPort {
    /// Takes the socket that listens already, or binds the address and listens.
    pub(crate) fn listen(addr: SocketAddr, given: Option<std::net::TcpListener>) -> io::Result<Self> {
        let listener = match given {
            Some(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)
            }
            None => TcpListener::bind(addr)?,
        };
        let addr = listener.local_addr()?;
        // Connections inherit it. Left alone, the kernel gives each up to six megabytes, for which there is nothing to gain.
        if let Err(error) = setsockopt(&listener, sockopt::RcvBuf, &CONNECTION_BUFFER) {
            log::debug!("tcp {addr}: the receive buffer stays as it is: {error}");
        }
        Ok(Self { listener, addr, paused_until: None })
    }
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    pub(crate) from: SocketAddr,
    framer: Framer,
    last_heard: Instant,
}

/// How a portion of reading ended.
#[derive(Debug)]
pub(crate) enum Portion {
    /// Nothing more to read now; the poll will tell.
    Drained,
    /// There may be more; others come first.
    More,
    /// The peer closed.
    Closed,
    /// The connection broke.
    Broken(io::Error),
}

impl Connection {
    pub(crate) fn new(stream: TcpStream, from: SocketAddr, max_frame: usize, now: Instant) -> Self {
        // All of these are precautions: a kernel that refuses one is no reason to refuse the connection.
        let wanted = setsockopt(&stream, sockopt::KeepAlive, &true)
            .and_then(|()| setsockopt(&stream, sockopt::TcpKeepIdle, &KEEPALIVE_IDLE_S))
            .and_then(|()| setsockopt(&stream, sockopt::TcpKeepInterval, &KEEPALIVE_INTERVAL_S))
            .and_then(|()| setsockopt(&stream, sockopt::TcpKeepCount, &KEEPALIVE_PROBES));
        if let Err(error) = wanted {
            log::debug!("tcp {from}: no keep-alive: {error}");
        }
        Self { stream, from, framer: Framer::new(max_frame), last_heard: now }
    }

    /// Reads as much as the buffer holds and delivers the frames that are complete.
    ///
    /// A short read is not taken for the end of what is there: the peer's close may stand behind it, and the poll
    /// has already told of both.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        now: Instant,
        deliver: &mut dyn FnMut(&[u8], bool),
    ) -> Portion {
        match self.stream.read(buffer) {
            Ok(0) => Portion::Closed,
            Ok(n) => {
                self.last_heard = now;
                self.framer.push(buffer.get(..n).unwrap_or_default(), deliver);
                Portion::More
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => Portion::Drained,
                io::ErrorKind::Interrupted => Portion::More,
                _ => Portion::Broken(error),
            },
        }
    }

    /// Tells the peer that we are leaving, so that it sends no more and closes; what it has sent is still read.
    pub(crate) fn say_goodbye(&self) {
        // A peer that has gone already needs no goodbye.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The end: delivers a frame that had begun.
    pub(crate) fn finish(mut self, deliver: &mut dyn FnMut(&[u8], bool)) {
        self.framer.finish(deliver);
    }

    /// When silence becomes too long.
    pub(crate) fn deadline(&self, idle_limit: Duration) -> Instant {
        self.last_heard + idle_limit
    }
}

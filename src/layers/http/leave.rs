//! How the HTTP threads go without losing a call: nobody is let in any more, and who is in is answered.
//!
//! A service manager may hold the listening socket, too, and give it to the daemon that follows: then who has not been let in is
//! answered by that one. So the socket must not be shut down, only left alone, and `tiny_http` 0.12 leaves it alone after its first
//! failed `accept`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tiny_http::{Request, Server};

/// A connection that was let in and says nothing for so long says nothing more: its call was on its way when we began to leave.
const QUIET: Duration = Duration::from_millis(50);
/// How long clients that call again and again, on connections that they keep, are answered.
const LIMIT: Duration = Duration::from_secs(1);
/// Between two looks for calls, while this lasts: `tiny_http` has no wait that leaves the other threads' words alone.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// For our own server to accept a call.
const OWN_WAIT: Duration = Duration::from_secs(1);

/// What lets connections in.
#[derive(Debug)]
pub(super) struct Gate(TcpListener);

impl Gate {
    /// Of the socket that connections come from.
    pub(super) fn of(listener: &TcpListener) -> io::Result<Self> {
        listener.try_clone().map(Self)
    }

    /// Lets nobody in any more: the first `accept` that finds nobody fails, also between two callers of many. The one that waits now ends
    /// with a call of our own. Whoever is given the socket next has it wait again ([`super::HttpServer::take`]).
    pub(super) fn close(self, addr: SocketAddr) {
        let mut own = addr;
        if addr.ip().is_unspecified() {
            own.set_ip(if addr.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
        }
        let closed = self.0.set_nonblocking(true).and_then(|()| TcpStream::connect_timeout(&own, OWN_WAIT));
        if let Err(error) = closed {
            log::warn!("cannot close {addr} to new calls: {error}; some may be lost");
        }
    }
}

/// Calls of those who were let in. Each thread that has had its word to leave asks for them.
pub(super) fn last_calls(server: &Server) -> impl Iterator<Item = Request> {
    let begun = Instant::now();
    let mut heard = begun;
    std::iter::from_fn(move || {
        loop {
            let until = (heard + QUIET).min(begun + LIMIT);
            if Instant::now() >= until {
                return None;
            }
            if let Ok(Some(request)) = server.try_recv() {
                heard = Instant::now();
                return Some(request);
            }
            // That was nothing, or the word for one of the other threads: it is put back, behind calls that have come meanwhile.
            server.unblock();
            std::thread::sleep(LOOK_EVERY);
        }
    })
}

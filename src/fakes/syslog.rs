//! How a board's syslog speaks: RFC 3164 over UDP, from the board's own address, without a host name.
//!
//! That is what busybox `syslogd -R` sends. Board clocks start at the epoch, so the stamps say how long the board has been up.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Instant;

/// Facility *user*, severity *notice*: what `logger` uses (RFC 3164 4.1.1).
const PRI: u8 = 13;

/// A board's way to its syslog server. Whatever does not arrive is lost, as with any UDP.
#[derive(Debug)]
pub(super) struct Syslog {
    socket: Option<UdpSocket>,
    up_since: Instant,
}

impl Syslog {
    /// From `address` to `server`; without a server nothing is sent.
    pub(super) fn new(address: IpAddr, server: Option<SocketAddr>, up_since: Instant) -> Self {
        let connect = |server| {
            let socket = UdpSocket::bind((address, 0)).ok()?;
            socket.connect(server).ok().map(|()| socket)
        };
        Self { socket: server.and_then(connect), up_since }
    }

    /// Sends one line.
    pub(super) fn send(&self, tag: &str, text: &str) {
        if let Some(socket) = &self.socket {
            let _ = socket.send(line(self.up_since.elapsed().as_secs(), tag, text).as_bytes());
        }
    }
}

fn line(up_s: u64, tag: &str, text: &str) -> String {
    let (h, m, s) = (up_s / 3600 % 24, up_s / 60 % 60, up_s % 60);
    format!("<{PRI}>Jan  1 {h:02}:{m:02}:{s:02} {tag}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_looks_as_busybox_sends_it() {
        assert_eq!(line(3725, "mobile-init", "hello"), "<13>Jan  1 01:02:05 mobile-init: hello");
    }
}

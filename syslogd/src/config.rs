//! What to listen on, and the bounds of what strangers may take.
//!
//! It reads no file and resolves no name; whoever has a configuration fills this in.

use crate::text::MAX_TEXT;
use std::net::SocketAddr;
use std::time::Duration;

/// What to listen on. Names are not resolved here: a syslog server must start before the name server does.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// UDP addresses. `[::]` hears IPv4, too, where the system's `net.ipv6.bindv6only` is 0.
    pub udp: Vec<SocketAddr>,
    /// TCP addresses.
    pub tcp: Vec<SocketAddr>,
    /// Bounds; the default is right for a rack.
    pub limits: Limits,
}

/// Bounds of what strangers may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// TCP connections open at once.
    pub connections: usize,
    /// TCP connections open at once from one address.
    pub connections_per_source: usize,
    /// Silence after which a TCP connection is closed.
    pub idle: Duration,
    /// Bytes of one TCP frame; the rest of a longer one is skipped.
    pub frame_bytes: usize,
    /// Kernel memory for each UDP socket, in bytes.
    pub udp_buffer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // One per board of a few racks, and relays; far below the usual 1024 files of a process.
            connections: 256,
            // One board that connects in a loop and never closes cannot take them all; a relay or a rack behind one
            // address still has enough.
            connections_per_source: 64,
            // Long, because a sender learns of a close only after it lost a line to it. Keep-alive finds dead boards.
            idle: Duration::from_secs(1800),
            // What of a line is kept in the end; more would be read to be thrown away.
            frame_bytes: MAX_TEXT,
            // Two hundred thousand lines of 200 bytes: a large rack that panics at once, while we get no processor for a
            // second. The kernel doubles the number and accounts 768 bytes for such a datagram. It is a limit: memory is
            // taken only while lines wait.
            udp_buffer_bytes: 80 * 1024 * 1024,
        }
    }
}

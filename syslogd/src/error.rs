//! Why the receiver does not start or does not go on, as sentences for an operator.
//!
//! No peer can cause any of these: what comes from the network is counted, logged and survived.

use std::net::SocketAddr;
use std::{fmt, io};

/// Why the receiver cannot listen.
#[derive(Debug)]
pub enum BindError {
    /// Neither a UDP nor a TCP address was given.
    NoAddress,
    /// This UDP address is not to be had: taken, not of this host, or a port below 1024 without the right to it.
    Udp(SocketAddr, io::Error),
    /// This TCP address is not to be had.
    Tcp(SocketAddr, io::Error),
    /// The system refused the means to wait for sockets, for example because of too many open files.
    Poll(io::Error),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("no address to listen on was given"),
            Self::Udp(addr, error) => write!(f, "cannot listen on udp {addr}: {error}"),
            Self::Tcp(addr, error) => write!(f, "cannot listen on tcp {addr}: {error}"),
            Self::Poll(error) => write!(f, "cannot wait for sockets: {error}"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoAddress => None,
            Self::Udp(_, error) | Self::Tcp(_, error) | Self::Poll(error) => Some(error),
        }
    }
}

/// Why the receiver ended although nobody asked. Peers cannot cause it.
#[derive(Debug)]
pub enum RunError {
    /// Waiting for sockets failed.
    Poll(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(error) => write!(f, "waiting for sockets failed: {error}"),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Poll(error) => Some(error),
        }
    }
}

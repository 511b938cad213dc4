//! Connections from a board's own address: the daemon knows by it who loads a file.
//!
//! The standard library cannot bind a TCP socket before it connects, and neither can the HTTP client; so this is its connector.

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, bind, connect, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// How long a connection may take; on one machine that is microseconds.
const CONNECT_S: i64 = 5;

/// Connects from this address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outward(pub(super) Ipv4Addr);

impl Outward {
    fn connect_to(self, to: SocketAddr) -> io::Result<TcpStream> {
        let (family, is_v4) = match to {
            SocketAddr::V4(_) => (AddressFamily::Inet, true),
            SocketAddr::V6(_) => (AddressFamily::Inet6, false),
        };
        let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        if is_v4 {
            // Two boards may use one port towards one server, as they have addresses of their own.
            setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
            bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(self.0, 0)))?;
        }
        // Of connect(2), too (socket(7)).
        setsockopt(&socket, sockopt::SendTimeout, &TimeVal::seconds(CONNECT_S))?;
        match to {
            SocketAddr::V4(to) => connect(socket.as_raw_fd(), &SockaddrIn::from(to))?,
            SocketAddr::V6(to) => connect(socket.as_raw_fd(), &SockaddrIn6::from(to))?,
        }
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Connector<()> for Outward {
    type Out = Line;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Line>, Error> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for to in details.addrs.iter() {
            match self.connect_to(*to) {
                Ok(stream) => {
                    let config = details.config;
                    let sizes = (config.input_buffer_size(), config.output_buffer_size());
                    return Ok(Some(Line { stream, buffers: LazyBuffers::new(sizes.0, sizes.1) }));
                }
                Err(error) => last = error,
            }
        }
        Err(last.into())
    }
}

/// A connection.
#[derive(Debug)]
pub(super) struct Line {
    stream: TcpStream,
    buffers: LazyBuffers,
}

/// What happened, or that it took too long.
fn told<T>(result: io::Result<T>, timeout: NextTimeout) -> Result<T, Error> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    })
}

fn limit(timeout: NextTimeout) -> Option<Duration> {
    timeout.not_zero().map(|t| *t)
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_write_timeout(limit(timeout))?;
        told(self.stream.write_all(&self.buffers.output()[..amount]), timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.set_read_timeout(limit(timeout))?;
        let read = loop {
            match self.stream.read(self.buffers.input_append_buf()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let amount = told(read, timeout)?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    /// Nothing is sent twice on one.
    fn is_open(&mut self) -> bool {
        false
    }
}

//! One UDP socket: bound with a large buffer, read one datagram at a time (RFC 5426).
//!
//! It knows no syslog. `receive` is the only place that reads, shaped so that one system call may fetch many later.

use mio::net::UdpSocket;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, getsockopt, recvmsg, setsockopt, sockopt,
};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

/// Room for every datagram that IP can carry (65,507 bytes of payload in IPv4, 65,527 in IPv6).
pub(crate) const MAX_DATAGRAM: usize = 65_536;

/// A bound socket.
#[derive(Debug)]
pub(crate) struct UdpPort {
    pub(crate) socket: UdpSocket,
    pub(crate) addr: SocketAddr,
    /// The kernel's count of dropped datagrams when we last heard of it; it wraps.
    dropped: u32,
    /// Where recvmsg puts that count.
    control: Vec<u8>,
}

/// What one read brought, besides the bytes in the caller's buffer.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddr,
    pub(crate) len: usize,
    /// How many datagrams the kernel dropped since the one before.
    pub(crate) dropped: u32,
}

impl UdpPort {
    /// Binds the address and asks for `buffer` bytes of kernel memory.
    pub(crate) fn bind(addr: SocketAddr, buffer: usize) -> io::Result<Self> {
        let socket = UdpSocket::bind(addr)?;
        let addr = socket.local_addr()?;
        // Root may exceed net.core.rmem_max, which is 208 KiB on most systems; others get what it allows.
        if setsockopt(&socket, sockopt::RcvBufForce, &buffer).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &buffer)?;
        }
        // The kernel doubles what was asked for, for its own accounting (socket(7)), and answers with the double.
        let got = getsockopt(&socket, sockopt::RcvBuf)? / 2;
        if got < buffer {
            log::warn!(
                "udp {addr}: the kernel buffers {got} bytes, {buffer} were wanted; bursts of lines may be lost \
                 (start as root, or raise net.core.rmem_max)"
            );
        }
        // Without it we would lose lines without knowing; but a kernel that cannot count is no reason not to listen.
        if let Err(error) = setsockopt(&socket, sockopt::RxqOvfl, &1) {
            log::warn!("udp {addr}: the kernel will not count dropped datagrams: {error}");
        }
        Ok(Self { socket, addr, dropped: 0, control: nix::cmsg_space!(u32) })
    }

    /// Reads one datagram; `WouldBlock` when there is none.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Datagram> {
        let fd = self.socket.as_raw_fd();
        let control = &mut self.control;
        let (from, len, total) = self.socket.try_io(|| {
            let mut parts = [IoSliceMut::new(buffer)];
            let message = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(control), MsgFlags::MSG_DONTWAIT)?;
            let total = message.cmsgs()?.find_map(|c| match c {
                ControlMessageOwned::RxqOvfl(total) => Some(total),
                _ => None,
            });
            Ok((message.address.as_ref().and_then(source), message.bytes, total))
        })?;
        let from = from.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        let total = total.unwrap_or(self.dropped);
        let dropped = total.wrapping_sub(self.dropped);
        self.dropped = total;
        Ok(Datagram { from, len, dropped })
    }
}

fn source(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|a| SocketAddr::V4(SocketAddrV4::from(*a)));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| SocketAddr::V6(SocketAddrV6::from(*a))))
}

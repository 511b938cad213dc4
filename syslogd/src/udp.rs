//! One UDP socket: bound with a large buffer, read many datagrams at a time (RFC 5426).
//!
//! It knows no syslog. `receive` is the only place that reads.

use crate::text::MAX_TEXT;
use mio::net::UdpSocket;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, getsockopt, recvmmsg, setsockopt, sockopt,
};
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

/// Room for one datagram: what is kept of a line in the end, and some padding around it. What is longer arrives cut.
const SLOT: usize = MAX_TEXT + 1024;
/// Datagrams that one system call may bring: its cost is a small part of theirs then, and the room for them is a megabyte.
const SLOTS: usize = 128;
/// So many are asked for at first. A quiet socket need not prepare for a flood at every line.
const SLOTS_FIRST: usize = 8;
/// The room that [`UdpPort::receive`] wants.
pub(crate) const ROOM: usize = SLOT * SLOTS;

/// A bound socket.
#[derive(Debug)]
pub(crate) struct UdpPort {
    pub(crate) socket: UdpSocket,
    pub(crate) addr: SocketAddr,
    /// The kernel's count of dropped datagrams when we last heard of it; it wraps.
    dropped: u32,
    /// Datagrams that the next read makes room for: twice as many as the last one brought.
    slots: usize,
}

/// One datagram.
#[derive(Debug)]
pub(crate) struct Datagram<'a> {
    pub(crate) from: SocketAddr,
    pub(crate) bytes: &'a [u8],
    /// It was longer than what we have room for.
    pub(crate) cut: bool,
}

/// What one read brought.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) datagrams: usize,
    /// How many datagrams the kernel dropped since the read before.
    pub(crate) dropped: u32,
    /// Datagrams without a source that we understand.
    pub(crate) nameless: usize,
    /// There was room for more than came.
    pub(crate) is_all: bool,
}

impl UdpPort {
    /// Takes the socket that is bound already, or binds the address, and asks for `buffer` bytes of kernel memory.
    pub(crate) fn listen(
        addr: SocketAddr,
        given: Option<std::net::UdpSocket>,
        buffer: usize,
    ) -> io::Result<Self> {
        let was_given = given.is_some();
        let socket = match given {
            Some(socket) => {
                socket.set_nonblocking(true)?;
                UdpSocket::from_std(socket)
            }
            None => UdpSocket::bind(addr)?,
        };
        let addr = socket.local_addr()?;
        // The kernel doubles what was asked for, for its own accounting (socket(7)), and answers with the double.
        let size = || getsockopt(&socket, sockopt::RcvBuf).map(|double| double / 2);
        // Root may exceed net.core.rmem_max, which is 208 KiB on most systems; others get what it allows. Who passed us a socket may
        // have been root, and to ask for it again would make it smaller.
        if (!was_given || size()? < buffer) && setsockopt(&socket, sockopt::RcvBufForce, &buffer).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &buffer)?;
        }
        let got = size()?;
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
        Ok(Self { socket, addr, dropped: 0, slots: SLOTS_FIRST })
    }

    /// Reads what is there, up to what `room` (of [`ROOM`] bytes) holds; `WouldBlock` when there is nothing.
    pub(crate) fn receive(
        &mut self,
        room: &mut [u8],
        deliver: &mut dyn FnMut(Datagram<'_>),
    ) -> io::Result<Received> {
        let fd = self.socket.as_raw_fd();
        // New for every read: the kernel writes into them how much it has used, and takes that for what there is the next time,
        // which after a read without a drop count is no room for one.
        let mut headers =
            MultiHeaders::<SockaddrStorage>::preallocate(self.slots, Some(nix::cmsg_space!(u32)));
        let slots = room.chunks_exact_mut(SLOT).take(self.slots);
        let mut slots: Vec<[IoSliceMut<'_>; 1]> = slots.map(|slot| [IoSliceMut::new(slot)]).collect();
        let mut got = Received { datagrams: 0, dropped: 0, nameless: 0, is_all: false };
        let mut total = self.dropped;
        self.socket.try_io(|| {
            let flags = MsgFlags::MSG_DONTWAIT;
            for message in recvmmsg(fd, &mut headers, slots.iter_mut(), flags, None)? {
                got.datagrams += 1;
                if let Some(ControlMessageOwned::RxqOvfl(count)) = message.cmsgs()?.next() {
                    total = count;
                }
                let Some(from) = message.address.as_ref().and_then(source) else {
                    got.nameless += 1;
                    continue;
                };
                let bytes = message.iovs().next().unwrap_or_default();
                deliver(Datagram { from, bytes, cut: message.flags.contains(MsgFlags::MSG_TRUNC) });
            }
            Ok(())
        })?;
        got.dropped = total.wrapping_sub(self.dropped);
        self.dropped = total;
        got.is_all = got.datagrams < self.slots;
        self.slots = (got.datagrams * 2).clamp(SLOTS_FIRST, SLOTS);
        Ok(got)
    }
}

fn source(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|a| SocketAddr::V4(SocketAddrV4::from(*a)));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| SocketAddr::V6(SocketAddrV6::from(*a))))
}

//! The way of one transfer to its client: a port of its own (RFC 1350 section 4, TID) at the address that was asked, or,
//! for firewalls that let only one port through, the port of the requests.
//! It refuses to know the transfer; it sends to the peer it is told and reports whom packets come from.
//!
//! A port of its own is connected: to strangers the kernel says that nobody listens there, as at every other port. An ERROR 5
//! (RFC 1350 section 4 asks for one) would show a forger, who looks through all ports from an address of his own, where he has to
//! send ACKs in the name of another. ip(7) IP_RECVERR reports a peer that is gone.

use crate::batch::Batching;
use crate::listener::{Outlet, address_of};
use mio::net::UdpSocket;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// Reports of lost packets read at one time. The queue is as long as the receive buffer, and a stranger fills it.
const MAX_REPORTS: usize = 64;

pub(crate) struct Endpoint {
    port: Port,
    /// How windows are sent to this client, once one was.
    pub(crate) batching: Option<Batching>,
    /// The address of ours that was asked, with port 0.
    local: SocketAddr,
}

enum Port {
    Own(UdpSocket),
    /// The port of the requests, which hands on what comes for this transfer.
    Shared(Outlet),
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Done,
    /// The send buffer is full: the same packet again once the socket is writable.
    Blocked,
    /// The packet could not be sent, or an earlier one came back; see [`Endpoint::peer_is_gone`].
    Lost,
}

impl Sent {
    /// What an error of sending means for the packet.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => Self::Blocked,
            // Unreachable networks, firewalls and full queues pass; until then it is a lost packet like others.
            _ => Self::Lost,
        }
    }
}

impl Endpoint {
    /// Binds a free port at `local`, whose own port is 0.
    pub(crate) fn open(local: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(local)?;
        if local.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
        } else {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
        }
        Ok(Self { port: Port::Own(socket), batching: None, local })
    }

    /// Sends from the port of the requests, as `local`.
    pub(crate) fn shared(outlet: Outlet, local: SocketAddr) -> Self {
        Self { port: Port::Shared(outlet), batching: None, local }
    }

    /// Whether it is a socket of its own at this address of ours.
    pub(crate) fn is_at(&self, local: SocketAddr) -> bool {
        self.local == local && self.own_socket().is_some()
    }

    /// From now on only what `peer` sends arrives, if the port is the transfer's own. What came before stays to be read.
    ///
    /// # Errors
    /// Those of connect(2): there is no way to that address.
    pub(crate) fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        match &self.port {
            Port::Own(socket) => socket.connect(peer),
            Port::Shared(_) => Ok(()),
        }
    }

    /// A transfer is over; what was learnt about the way there is no use to the next one.
    pub(crate) fn forget(&mut self) {
        self.batching = None;
    }

    /// The socket to wait for, if it is the transfer's own.
    pub(crate) fn socket(&mut self) -> Option<&mut UdpSocket> {
        match &mut self.port {
            Port::Own(socket) => Some(socket),
            Port::Shared(_) => None,
        }
    }

    /// The descriptor that lists of packets can be sent on.
    pub(crate) fn own_socket(&self) -> Option<&UdpSocket> {
        match &self.port {
            Port::Own(socket) => Some(socket),
            Port::Shared(_) => None,
        }
    }

    /// `peer` is the one it is connected to.
    pub(crate) fn send(&self, bytes: &[u8], peer: SocketAddr) -> Sent {
        let sent = match &self.port {
            // Connected, and without an address the kernel need not look for the way again: 3 to 6 % in lockstep.
            Port::Own(socket) => socket.send(bytes).map(drop),
            Port::Shared(outlet) => outlet.send(bytes, self.local, peer, None),
        };
        sent.map_or_else(|e| Sent::of(&e), |()| Sent::Done)
    }

    /// Sends `bytes` as packets of `segment` bytes.
    pub(crate) fn send_segmented(&self, bytes: &[u8], segment: u16, peer: SocketAddr) -> io::Result<()> {
        match &self.port {
            Port::Own(socket) => {
                let (parts, to) = ([IoSlice::new(bytes)], SockaddrStorage::from(peer));
                let cut = [ControlMessage::UdpGsoSegments(&segment)];
                sendmsg(socket.as_raw_fd(), &parts, &cut, MsgFlags::MSG_DONTWAIT, Some(&to))?;
                Ok(())
            }
            Port::Shared(outlet) => outlet.send(bytes, self.local, peer, Some(segment)),
        }
    }

    /// The next packet and its sender; `WouldBlock` when there is none.
    pub(crate) fn receive(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.port {
            Port::Own(socket) => socket.recv_from(buf),
            Port::Shared(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Reads what the network reported about packets sent earlier. True if one for `peer` met a closed port:
    /// the program there has ended. A host that is merely unreachable may come back, and clients of earlier
    /// transfers do not count. The shared port hears no such reports: they would be about all of its clients.
    pub(crate) fn peer_is_gone(&self, peer: SocketAddr) -> bool {
        let Port::Own(socket) = &self.port else { return false };
        let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let mut byte = [0];
        let mut gone = false;
        for _ in 0..MAX_REPORTS {
            let (fd, mut parts) = (socket.as_raw_fd(), [IoSliceMut::new(&mut byte)]);
            let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
            let Ok(report) = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags) else {
                break;
            };
            let ours = report.address.as_ref().and_then(address_of) == Some(peer);
            let Ok(controls) = report.cmsgs() else { continue };
            for message in controls {
                let (ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _)) =
                    message
                else {
                    continue;
                };
                gone |= ours && i32::try_from(error.ee_errno) == Ok(libc::ECONNREFUSED);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as StdSocket;
    use std::time::{Duration, Instant};

    /// Loopback reports a closed port at once, but in another context; bounded, in case it never does.
    fn wait_for_report(endpoint: &Endpoint, peer: SocketAddr) -> bool {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if endpoint.peer_is_gone(peer) {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    #[test]
    fn a_closed_port_is_reported_for_the_peer_it_belongs_to() {
        for ip in ["127.0.0.1", "::1"] {
            let endpoint = Endpoint::open(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
            let closed = StdSocket::bind(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
            let (alive, closed_at) = (StdSocket::bind((ip, 0)).unwrap(), closed.local_addr().unwrap());
            drop(closed);
            endpoint.connect(closed_at).unwrap();
            assert_eq!(endpoint.send(b"x", closed_at), Sent::Done);
            assert!(wait_for_report(&endpoint, closed_at), "{ip}");
            assert_eq!(endpoint.send(b"x", closed_at), Sent::Done);
            // The report is there when the next send stumbles over it; it is not about `alive`.
            let alive_at = alive.local_addr().unwrap();
            endpoint.connect(alive_at).unwrap();
            let until = Instant::now() + Duration::from_secs(5);
            while endpoint.send(b"y", alive_at) != Sent::Lost && Instant::now() < until {}
            assert!(!endpoint.peer_is_gone(alive_at));
            assert_eq!(endpoint.send(b"z", alive_at), Sent::Done);
        }
    }
}

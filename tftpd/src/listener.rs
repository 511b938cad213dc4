//! The socket that requests arrive at. It learns which of our addresses was asked, because the answer must come
//! from there: PXELINUX and EDK II drop anything else. It refuses to know what is asked.
//! ip(7) IP_PKTINFO, RFC 3542 section 6 (IPV6_PKTINFO), RFC 1123 section 4.2.3.5 (broadcasts are ignored).

use mio::net::UdpSocket;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, SockaddrStorage, bind,
    getsockopt, recvmsg, sendmsg, setsockopt, socket, sockopt,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

pub(crate) struct Listener {
    pub(crate) socket: UdpSocket,
    pub(crate) local: SocketAddr,
    /// A handle by which transfers send from this socket's port.
    pub(crate) outlet: Outlet,
    control: Vec<u8>,
    /// How many datagrams it had no room for, as the kernel last told; the count wraps.
    dropped: u32,
}

/// A datagram that arrived.
pub(crate) struct Arrival {
    pub(crate) len: usize,
    /// It was longer than the buffer.
    pub(crate) truncated: bool,
    /// How many were lost between the one before and this one, for want of room.
    pub(crate) dropped: u32,
    pub(crate) peer: SocketAddr,
    /// The address of ours that was asked, with port 0; for a link-local one with its interface.
    pub(crate) local: SocketAddr,
}

impl Listener {
    pub(crate) fn bind(address: SocketAddr, receive_buffer: usize) -> io::Result<Self> {
        let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(family, SockType::Datagram, flags, None)?;
        if !address.is_ipv4() {
            // One family per socket: `0.0.0.0` and `[::]` can then be listened to side by side.
            setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
        }
        enlarge(&fd, receive_buffer);
        prepare(&fd, address)?;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
        Self::on(fd)
    }

    /// Listens on a socket that somebody has bound for us.
    pub(crate) fn take(socket: std::net::UdpSocket, receive_buffer: usize) -> io::Result<Self> {
        let address = socket.local_addr()?;
        // Sockets of transfers are of one family (`endpoint`), and so must be the one that they come from.
        if address.is_ipv6() && !getsockopt(&socket, sockopt::Ipv6V6Only)? {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the socket that was passed takes IPv4, too; write BindIPv6Only=ipv6-only into its unit",
            ));
        }
        socket.set_nonblocking(true)?;
        let fd = OwnedFd::from(socket);
        // It may have more than we could get. The kernel answers with the double of what was asked for (socket(7)).
        if getsockopt(&fd, sockopt::RcvBuf)? / 2 < receive_buffer {
            enlarge(&fd, receive_buffer);
        }
        prepare(&fd, address)?;
        Self::on(fd)
    }

    fn on(fd: OwnedFd) -> io::Result<Self> {
        let outlet = Outlet(Arc::new(fd.try_clone()?));
        let socket = UdpSocket::from_std(std::net::UdpSocket::from(fd));
        let local = socket.local_addr()?;
        let control = nix::cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo, u32);
        Ok(Self { socket, local, outlet, control, dropped: 0 })
    }

    /// Takes in the next datagram; `Ok(None)` for one that is to be ignored, `WouldBlock` when there is none.
    pub(crate) fn receive(&mut self, buf: &mut [u8]) -> io::Result<Option<Arrival>> {
        let mut parts = [IoSliceMut::new(buf)];
        let fd = self.socket.as_raw_fd();
        let message =
            recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut self.control), MsgFlags::MSG_DONTWAIT)?;
        let (len, truncated) = (message.bytes, message.flags.contains(MsgFlags::MSG_TRUNC));
        let Some(peer) = message.address.as_ref().and_then(address_of) else { return Ok(None) };
        let (mut asked, mut lost) = (None, self.dropped);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::Ipv4PacketInfo(info) => asked = Some(asked_v4(&info)),
                ControlMessageOwned::Ipv6PacketInfo(info) => asked = Some(asked_v6(&info)),
                ControlMessageOwned::RxqOvfl(count) => lost = count,
                _ => {}
            }
        }
        let dropped = lost.wrapping_sub(self.dropped);
        self.dropped = lost;
        // Port 0 cannot be answered; only a forger sends from it.
        if peer.port() == 0 {
            return Ok(None);
        }
        let Some(local) = asked.unwrap_or(Some(SocketAddr::new(self.local.ip(), 0))) else { return Ok(None) };
        Ok(Some(Arrival { len, truncated, dropped, peer, local }))
    }

    /// Answers a datagram from the address that it was sent to. What cannot be sent now is lost, as any datagram
    /// may be; the client asks again.
    pub(crate) fn reply(&self, arrival: &Arrival, bytes: &[u8]) {
        if let Err(error) = send_from(self.socket.as_raw_fd(), bytes, arrival.local, arrival.peer, None) {
            log::debug!("peer={} an answer could not be sent: {error}", arrival.peer);
        }
    }
}

/// A smaller buffer than wished for is a smaller storm survived, not a reason to serve nothing.
fn enlarge(fd: &OwnedFd, receive_buffer: usize) {
    if setsockopt(fd, sockopt::RcvBufForce, &receive_buffer).is_err() {
        let _ = setsockopt(fd, sockopt::RcvBuf, &receive_buffer);
    }
}

/// Has the kernel tell what [`Listener::receive`] must know.
fn prepare(fd: &OwnedFd, address: SocketAddr) -> io::Result<()> {
    if address.is_ipv4() {
        setsockopt(fd, sockopt::Ipv4PacketInfo, &true)?;
    } else {
        setsockopt(fd, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    // Losses are told with the next datagram; a kernel without that loses as silently as any.
    let _ = setsockopt(fd, sockopt::RxqOvfl, &1);
    Ok(())
}

/// Sends from the port of a [`Listener`].
#[derive(Clone)]
pub(crate) struct Outlet(Arc<OwnedFd>);

impl Outlet {
    /// Sends to `peer` as our address `local`, in one packet or in packets of `segment` bytes.
    pub(crate) fn send(
        &self,
        bytes: &[u8],
        local: SocketAddr,
        peer: SocketAddr,
        segment: Option<u16>,
    ) -> io::Result<()> {
        send_from(self.0.as_raw_fd(), bytes, local, peer, segment)
    }
}

fn send_from(
    fd: RawFd,
    bytes: &[u8],
    local: SocketAddr,
    peer: SocketAddr,
    segment: Option<u16>,
) -> io::Result<()> {
    let (parts, peer) = ([IoSlice::new(bytes)], SockaddrStorage::from(peer));
    let cut = segment.as_ref().map(ControlMessage::UdpGsoSegments);
    let send = |from| match cut {
        Some(cut) => sendmsg(fd, &parts, &[from, cut], MsgFlags::MSG_DONTWAIT, Some(&peer)),
        None => sendmsg(fd, &parts, &[from], MsgFlags::MSG_DONTWAIT, Some(&peer)),
    };
    match local {
        SocketAddr::V4(local) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(*local.ip()).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            send(ControlMessage::Ipv4PacketInfo(&info))?;
        }
        SocketAddr::V6(local) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: local.ip().octets() },
                ipi6_ifindex: local.scope_id(),
            };
            send(ControlMessage::Ipv6PacketInfo(&info))?;
        }
    }
    Ok(())
}

pub(crate) fn address_of(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4(SocketAddrV4::from(*v4)));
    }
    address.as_sockaddr_in6().map(|v6| SocketAddr::V6(SocketAddrV6::from(*v6)))
}

/// `ipi_addr` is where the packet was sent, `ipi_spec_dst` our address to answer from: they differ for a broadcast. What lay in a
/// socket that was passed, from before we asked to be told, has no address to answer from (Linux, `ipv4_pktinfo_prepare`).
fn asked_v4(info: &libc::in_pktinfo) -> Option<SocketAddr> {
    let ip = Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr));
    let is_ours = info.ipi_addr.s_addr == info.ipi_spec_dst.s_addr
        || (info.ipi_spec_dst.s_addr == 0 && !ip.is_broadcast() && !ip.is_multicast());
    is_ours.then_some(SocketAddr::new(IpAddr::V4(ip), 0))
}

fn asked_v6(info: &libc::in6_pktinfo) -> Option<SocketAddr> {
    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
    let scope = if ip.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
    (!ip.is_multicast()).then_some(SocketAddr::V6(SocketAddrV6::new(ip, 0, 0, scope)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as StdSocket;

    #[test]
    fn what_the_receive_buffer_had_no_room_for_is_counted() {
        for any in ["127.0.0.1:0", "[::1]:0"] {
            let mut listener = Listener::bind(any.parse().unwrap(), 4096).unwrap();
            let client = StdSocket::bind(any).unwrap();
            for _ in 0..500 {
                client.send_to(&[7; 100], listener.local).unwrap();
            }
            let (mut buf, mut arrived, mut dropped) = ([0; 200], 0, 0);
            while let Ok(Some(arrival)) = listener.receive(&mut buf) {
                arrived += 1;
                dropped += arrival.dropped;
            }
            assert!(arrived < 500, "a buffer of 4 KiB does not hold 50 KB");
            // The kernel tells with a datagram that it queues after the loss.
            client.send_to(&[7; 100], listener.local).unwrap();
            let last = listener.receive(&mut buf).unwrap().unwrap();
            assert_eq!(arrived + dropped + last.dropped, 500, "{any}");
            client.send_to(&[7; 100], listener.local).unwrap();
            assert_eq!(listener.receive(&mut buf).unwrap().unwrap().dropped, 0, "told once");
        }
    }

    #[test]
    fn a_socket_that_was_passed_is_asked_what_came_before_and_must_be_of_one_family() {
        let passed = StdSocket::bind("0.0.0.0:0").expect("a free port");
        let port = passed.local_addr().expect("it is bound").port();
        let client = StdSocket::bind("127.0.0.1:0").expect("a free port");
        client.send_to(b"early", ("127.0.0.1", port)).expect("it is bound");
        let mut listener = Listener::take(passed, 4096).expect("IPv4 alone");
        client.send_to(b"late", ("127.0.0.1", port)).expect("it is bound");
        let mut buf = [0; 100];
        for want in [&b"early"[..], b"late"] {
            let arrival = listener.receive(&mut buf).expect("it has come").expect("it is answered");
            assert_eq!(&buf[..arrival.len], want);
            assert_eq!(arrival.local, "127.0.0.1:0".parse().expect("an address"), "and not 0.0.0.0");
        }
        let both = StdSocket::bind("[::]:0").expect("a free port");
        let Err(refused) = Listener::take(both, 4096) else { panic!("it takes IPv4, too") };
        assert!(refused.to_string().contains("BindIPv6Only=ipv6-only"), "{refused}");
    }
}

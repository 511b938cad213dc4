//! Several packets to one client in one system call: a window costs the kernel's way through the network once.
//! It refuses to know what is in the packets; all are of one size but the last, which may be shorter.
//! udp(7) UDP_SEGMENT (Linux 4.18), sendmmsg(2), sendto(2): each the way out when the one before is not to be had.

use crate::endpoint::{Endpoint, Sent};
use mio::net::UdpSocket;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, setsockopt, sockopt};
use std::io::IoSlice;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// Packets in one run. The kernel cuts at most 64 from one send (UDP_MAX_SEGMENTS, 128 since Linux 6.6).
pub(crate) const MAX_PACKETS: usize = 64;
/// Bytes in one run: the largest UDP payload that IPv4 has, less some for IPv6's longer header. A single packet may
/// be longer than that.
pub(crate) const MAX_BYTES: usize = 65_000;

/// How packets that are due together reach the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Batching {
    /// As one large datagram that the kernel or the network card cuts up (UDP segmentation offload).
    #[default]
    Segmented,
    /// As a list of datagrams in one system call.
    Listed,
    /// One by one.
    Single,
}

impl Batching {
    /// The best of what is wished for that this kernel has. One that does not know UDP_SEGMENT would send the large
    /// datagram whole, so it is asked rather than tried.
    pub(crate) fn supported(self) -> Self {
        let knows = || {
            let probe = std::net::UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0));
            probe.is_ok_and(|probe| setsockopt(&probe, sockopt::UdpGsoSegment, &0).is_ok())
        };
        if self == Self::Segmented && !knows() { Self::Listed } else { self }
    }
}

/// What sends batches.
pub(crate) struct Sender {
    batching: Batching,
}

impl Sender {
    pub(crate) fn new(batching: Batching) -> Self {
        Self { batching: batching.supported() }
    }

    /// Sends `packets`, each `stride` bytes long but the last one. Says how many are gone and what stopped it: with
    /// `Done` it is all of them; with `Lost` those after it count as lost, too; with `Blocked` they are still to be sent.
    pub(crate) fn send(
        &mut self,
        endpoint: &mut Endpoint,
        packets: &[u8],
        stride: usize,
        peer: SocketAddr,
    ) -> (usize, Sent) {
        let count = packets.len().div_ceil(stride);
        if count <= 1 {
            let sent = endpoint.send(packets, peer);
            return (usize::from(sent == Sent::Done), sent);
        }
        let batching = *endpoint.batching.get_or_insert(self.batching);
        if batching == Batching::Segmented {
            match send_segmented(endpoint, packets, stride, peer) {
                Ok(sent) => return (if sent == Sent::Done { count } else { 0 }, sent),
                Err(errno) => self.degrade(endpoint, peer, errno),
            }
        }
        if endpoint.batching == Some(Batching::Listed)
            && let Some(socket) = endpoint.own_socket()
        {
            match send_list(socket, packets, stride, peer) {
                Ok(gone) if gone == count => return (gone, Sent::Done),
                // The next call says what stopped it.
                Ok(gone) => {
                    let (more, sent) = self.send(endpoint, &packets[gone * stride..], stride, peer);
                    return (gone + more, sent);
                }
                Err(Errno::ENOSYS | Errno::EINVAL | Errno::EOPNOTSUPP) => {
                    self.batching = Batching::Single;
                    endpoint.batching = Some(Batching::Single);
                }
                Err(errno) => return (0, Sent::of(&errno.into())),
            }
        }
        for (gone, packet) in packets.chunks(stride).enumerate() {
            let sent = endpoint.send(packet, peer);
            if sent != Sent::Done {
                return (gone, sent);
            }
        }
        (count, Sent::Done)
    }

    /// Segmentation was refused. EMSGSIZE and EINVAL are about the way to this client: its packets do not fit an
    /// interface, which then cuts them up one by one. EIO is an interface that cannot do it at all (no checksums,
    /// IPsec); others may, but it costs little to stop trying.
    fn degrade(&mut self, endpoint: &mut Endpoint, peer: SocketAddr, errno: Errno) {
        endpoint.batching = Some(Batching::Listed);
        if !matches!(errno, Errno::EMSGSIZE | Errno::EINVAL) && self.batching == Batching::Segmented {
            self.batching = Batching::Listed;
            log::info!("peer={peer} windows are sent without segmentation offload from now on: {errno}");
        }
    }
}

/// How many are gone.
fn send_list(socket: &UdpSocket, packets: &[u8], stride: usize, peer: SocketAddr) -> nix::Result<usize> {
    let parts: Vec<[IoSlice<'_>; 1]> =
        packets.chunks(stride).take(MAX_PACKETS).map(|packet| [IoSlice::new(packet)]).collect();
    let peers = vec![Some(SockaddrStorage::from(peer)); parts.len()];
    let mut headers = MultiHeaders::preallocate(parts.len(), None);
    Ok(sendmmsg(socket.as_raw_fd(), &mut headers, &parts, &peers, [], MsgFlags::MSG_DONTWAIT)?.count())
}

/// `Err`: segmentation is not to be had here; nothing was sent.
fn send_segmented(
    endpoint: &Endpoint,
    packets: &[u8],
    stride: usize,
    peer: SocketAddr,
) -> Result<Sent, Errno> {
    let segment = u16::try_from(stride).map_err(|_| Errno::EINVAL)?;
    let Err(error) = endpoint.send_segmented(packets, segment, peer) else { return Ok(Sent::Done) };
    match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
        errno @ (Errno::EIO | Errno::EINVAL | Errno::EMSGSIZE | Errno::ENOPROTOOPT | Errno::EOPNOTSUPP) => {
            Err(errno)
        }
        _ => Ok(Sent::of(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket as StdSocket;
    use std::time::Duration;

    fn pair(ip: &str) -> (Endpoint, StdSocket, SocketAddr) {
        let endpoint = Endpoint::open(SocketAddr::new(ip.parse().unwrap(), 0)).unwrap();
        let client = StdSocket::bind((ip, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let peer = client.local_addr().unwrap();
        endpoint.connect(peer).unwrap();
        (endpoint, client, peer)
    }

    fn arrived(client: &StdSocket, count: usize) -> Vec<Vec<u8>> {
        let mut buf = [0; 2000];
        let mut next = || client.recv(&mut buf).map(|len| buf[..len].to_vec()).expect("a packet");
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn the_same_packets_arrive_in_each_way() {
        let packets: Vec<u8> = (0..516 * 20 + 7_u32).map(|n| n.to_le_bytes()[1]).collect();
        let want: Vec<Vec<u8>> = packets.chunks(516).map(<[u8]>::to_vec).collect();
        for ip in ["127.0.0.1", "::1"] {
            for way in [Batching::Segmented, Batching::Listed, Batching::Single] {
                let (mut endpoint, client, peer) = pair(ip);
                let mut sender = Sender::new(way);
                assert_eq!(sender.batching, way, "this kernel has all of them");
                assert_eq!(sender.send(&mut endpoint, &packets, 516, peer), (21, Sent::Done), "{way:?}");
                assert!(arrived(&client, 21) == want, "{way:?} {ip}");
                // What comes later on the same socket may be of another size.
                assert_eq!(sender.send(&mut endpoint, &packets[..1032], 516, peer), (2, Sent::Done));
                assert_eq!(sender.send(&mut endpoint, &packets[..100], 516, peer), (1, Sent::Done));
                assert_eq!(
                    arrived(&client, 3).iter().map(Vec::len).collect::<Vec<_>>(),
                    [516, 516, 100],
                    "{way:?} {ip}"
                );
            }
        }
    }

    /// More packets than Linux cuts from one send is a refusal (EINVAL) as real as any.
    #[test]
    fn a_refusal_of_segmentation_is_remembered_and_nothing_is_lost() {
        let (mut endpoint, client, peer) = pair("127.0.0.1");
        let mut sender = Sender::new(Batching::Segmented);
        let packets: Vec<u8> = (0..=199).flat_map(|n| [n; 8]).collect();
        let want: Vec<Vec<u8>> = packets.chunks(8).map(<[u8]>::to_vec).collect();
        assert_eq!(sender.send(&mut endpoint, &packets, 8, peer), (200, Sent::Done));
        assert!(arrived(&client, 200) == want);
        assert_eq!(endpoint.batching, Some(Batching::Listed));
        assert_eq!(sender.batching, Batching::Segmented, "it was about this socket");
        sender.degrade(&mut endpoint, peer, Errno::EIO);
        assert_eq!(sender.batching, Batching::Listed, "this is about the server");
        let (mut other, client, peer) = pair("127.0.0.1");
        assert_eq!(sender.send(&mut other, &packets[..24], 8, peer), (3, Sent::Done));
        assert_eq!((arrived(&client, 3).len(), other.batching), (3, Some(Batching::Listed)));
    }
}

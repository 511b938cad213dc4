//! The socket of a connection that `tiny_http` holds, as a descriptor of our own: for what its writer cannot do, which is
//! sendfile(2), and hanging up.
//!
//! `tiny_http` 0.12 hides its descriptors, so those of this process are looked through for the one whose ends are the
//! connection's. That takes a third of a microsecond each: nothing beside a file that is worth it.

use nix::libc;
use nix::sys::socket::{SockaddrStorage, getpeername};
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};

/// The socket between `peer` and our `port`. `None` when it is not found, or when two connections could be meant: one peer may
/// call two of our addresses from the same port.
///
/// Whoever asks holds the connection's writer, so that it stays open meanwhile.
pub(super) fn between(peer: SocketAddr, port: u16) -> io::Result<Option<TcpStream>> {
    let mut found: Option<TcpStream> = None;
    for entry in fs::read_dir("/proc/self/fd")? {
        let Some(number) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if !is_peer_of(number, peer) {
            continue;
        }
        let Some(socket) = duplicate(number)? else { continue };
        if !matches!((socket.peer_addr(), socket.local_addr()), (Ok(p), Ok(l)) if p == peer && l.port() == port)
        {
            continue;
        }
        match &found {
            // `tiny_http` has two descriptors of each connection.
            Some(other) if other.local_addr()? == socket.local_addr()? => {}
            Some(_) => return Ok(None),
            None => found = Some(socket),
        }
    }
    Ok(found)
}

/// Whether the descriptor is a socket that is connected to `peer`; it may be another one a moment later.
fn is_peer_of(number: RawFd, peer: SocketAddr) -> bool {
    let Ok(address) = getpeername::<SockaddrStorage>(number) else { return false };
    let same_port = |port| port == peer.port();
    match peer {
        SocketAddr::V4(v4) => {
            address.as_sockaddr_in().is_some_and(|a| same_port(a.port()) && a.ip() == *v4.ip())
        }
        SocketAddr::V6(v6) => {
            address.as_sockaddr_in6().is_some_and(|a| same_port(a.port()) && a.ip() == *v6.ip())
        }
    }
}

/// A descriptor of our own for what is behind `number`, if that is a socket.
fn duplicate(number: RawFd) -> io::Result<Option<TcpStream>> {
    // SAFETY: the call gets numbers only and writes to no memory of ours. That another thread may close `number` meanwhile
    // does no harm: it fails then, or we hold something else, which is looked at below.
    #[allow(unsafe_code)]
    let new = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if new < 0 {
        let error = io::Error::last_os_error();
        return if error.raw_os_error() == Some(libc::EBADF) { Ok(None) } else { Err(error) };
    }
    // SAFETY: the system has just made `new` for us. Nobody else knows it, so nobody else closes it.
    #[allow(unsafe_code)]
    let new = unsafe { OwnedFd::from_raw_fd(new) };
    let socket = TcpStream::from(new);
    match socket.local_addr() {
        Err(error) if error.raw_os_error() == Some(libc::ENOTSOCK) => {
            // The number was closed, and opened again for a file, between the look at it and the copy. Closing any descriptor
            // of a file takes all locks from it that this process has (fcntl(2)), which SQLite relies on: so it stays open.
            let _ = socket.into_raw_fd();
            Ok(None)
        }
        _ => Ok(Some(socket)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn a_connection_is_found_by_its_ends_and_is_the_same_one() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Others beside it, so that not just any is found.
        let mut pairs: Vec<(TcpStream, TcpStream)> = (0..8)
            .map(|_| {
                (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener.accept().unwrap().0)
            })
            .collect();
        for (n, (client, server)) in pairs.iter_mut().enumerate() {
            let also = server.try_clone().unwrap();
            let mut ours = between(client.local_addr().unwrap(), port).unwrap().unwrap();
            ours.write_all(&[u8::try_from(n).unwrap()]).unwrap();
            let mut byte = [99];
            client.read_exact(&mut byte).unwrap();
            assert_eq!(usize::from(byte[0]), n);
            drop(also);
        }
        let (client, server) = pairs.pop().unwrap();
        let peer = client.local_addr().unwrap();
        assert!(between(peer, port.wrapping_add(1)).unwrap().is_none(), "another port of ours");
        drop(server);
        assert!(between(peer, port).unwrap().is_none(), "it is closed");
    }

    #[test]
    fn of_two_that_could_be_meant_none_is_taken() {
        let wide = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = wide.local_addr().unwrap().port();
        let connect = |from: SocketAddr, to: [u8; 4]| {
            use nix::sys::socket::{
                AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
            };
            use std::os::fd::AsRawFd;
            let fd = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
            setsockopt(&fd, sockopt::ReuseAddr, &true).unwrap();
            let SocketAddr::V4(from) = from else { panic!("IPv4") };
            bind(fd.as_raw_fd(), &SockaddrIn::from(from)).unwrap();
            connect(fd.as_raw_fd(), &SockaddrIn::new(to[0], to[1], to[2], to[3], port)).unwrap();
            TcpStream::from(fd)
        };
        let first = connect("127.0.0.1:0".parse().unwrap(), [127, 0, 0, 1]);
        let peer = first.local_addr().unwrap();
        let _one = wide.accept().unwrap();
        assert!(between(peer, port).unwrap().is_some());
        let _second = connect(peer, [127, 0, 0, 2]);
        let _two = wide.accept().unwrap();
        assert!(between(peer, port).unwrap().is_none());
    }

    #[test]
    fn what_is_no_socket_is_not_given_away() {
        use std::os::fd::AsRawFd;
        let file = fs::File::open("/proc/self/stat").unwrap();
        assert!(duplicate(file.as_raw_fd()).unwrap().is_none());
        assert!(duplicate(-1).unwrap().is_none());
    }
}

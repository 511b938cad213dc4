//! Sockets that a service manager has opened for us and keeps while we restart (sd_listen_fds(3), systemd.socket(5)).
//!
//! A socket belongs to the setting that has its protocol and its address; in which order they are passed does not matter. One that no
//! setting asks for ends the start, for its clients would wait for somebody who never reads. It knows no service.

use super::DaemonError;
use crate::ports::Protocol;
use listenfd::ListenFd;
use nix::sys::socket::{getsockopt, sockopt};
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// The names of the units that the sockets come from, separated by colons.
const NAMES: &str = "LISTEN_FDNAMES";
/// The descriptor that the first one has (`SD_LISTEN_FDS_START`).
const FIRST: usize = 3;

/// A socket that nobody has asked for yet.
struct Passed<S> {
    socket: S,
    at: SocketAddr,
    /// Of its unit, or what `FileDescriptorName=` says.
    name: String,
}

/// All of them.
#[derive(Default)]
pub(super) struct PassedSockets {
    tcp: Vec<Passed<TcpListener>>,
    udp: Vec<Passed<UdpSocket>>,
}

impl PassedSockets {
    /// Takes what the environment tells of, which is nothing where no service manager has passed sockets to this very process.
    /// Once: the variables are gone afterwards.
    ///
    /// # Errors
    /// [`DaemonError::Bind`] names a descriptor that is no socket that we could listen on.
    pub(super) fn from_env() -> Result<Self, DaemonError> {
        let names = std::env::var(NAMES).unwrap_or_default();
        let mut names = names.split(':');
        let mut fds = ListenFd::from_env();
        let mut passed = Self::default();
        for n in 0..fds.len() {
            let name = names.next().filter(|n| !n.is_empty()).unwrap_or("no name").to_owned();
            passed.take(&mut fds, n, &name).map_err(|why| {
                DaemonError::Bind(format!(
                    "the service manager passes descriptor {} ({name}), which cannot be used: {why}; \
                     pass sockets of ListenStream=ADDRESS:PORT and ListenDatagram=ADDRESS:PORT with Accept=no",
                    FIRST + n
                ))
            })?;
        }
        Ok(passed)
    }

    fn take(&mut self, fds: &mut ListenFd, n: usize, name: &str) -> std::io::Result<()> {
        let name = name.to_owned();
        if let Ok(Some(socket)) = fds.take_udp_socket(n) {
            let at = socket.local_addr()?;
            self.udp.push(Passed { socket, at, name });
            return Ok(());
        }
        let Some(socket) = fds.take_tcp_listener(n)? else { return Ok(()) };
        if !getsockopt(&socket, sockopt::AcceptConn)? {
            return Err(std::io::Error::other("it is a TCP socket that does not listen"));
        }
        let at = socket.local_addr()?;
        self.tcp.push(Passed { socket, at, name });
        Ok(())
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.tcp.len() + self.udp.len()
    }

    /// The one that listens there.
    pub(super) fn tcp(&mut self, addr: SocketAddr) -> Option<TcpListener> {
        let n = self.tcp.iter().position(|passed| passed.at == addr)?;
        Some(self.tcp.swap_remove(n).socket)
    }

    /// The one that receives there.
    pub(super) fn udp(&mut self, addr: SocketAddr) -> Option<UdpSocket> {
        let n = self.udp.iter().position(|passed| passed.at == addr)?;
        Some(self.udp.swap_remove(n).socket)
    }

    /// All of them have been taken.
    ///
    /// # Errors
    /// [`DaemonError::Bind`] names the first one that is left.
    pub(super) fn all_taken(&self) -> Result<(), DaemonError> {
        let tcp = self.tcp.iter().map(|p| (Protocol::Tcp, p.at, &p.name));
        let udp = self.udp.iter().map(|p| (Protocol::Udp, p.at, &p.name));
        let Some((protocol, at, name)) = tcp.chain(udp).next() else { return Ok(()) };
        let settings = match protocol {
            Protocol::Tcp => "http.listen, syslog.tcp or registration.listen",
            Protocol::Udp => "tftp.listen or syslog.udp",
        };
        // What systemd makes of a port without an address.
        let any = if at.ip().is_unspecified() && at.is_ipv6() {
            format!(" (for IPv4 write 0.0.0.0:{} there)", at.port())
        } else {
            String::new()
        };
        Err(DaemonError::Bind(format!(
            "the service manager passes {protocol} {at} ({name}), and nothing is configured to listen there; \
             take it out of the socket unit{any}, or set {settings} to it"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed() -> (PassedSockets, SocketAddr, SocketAddr) {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = tcp.local_addr().expect("it is bound");
        let any = UdpSocket::bind("[::]:0").expect("a free port");
        let any_at = any.local_addr().expect("it is bound");
        let name = || "lab.socket".to_owned();
        let tcp = vec![Passed { socket: tcp, at, name: name() }];
        (PassedSockets { tcp, udp: vec![Passed { socket: any, at: any_at, name: name() }] }, at, any_at)
    }

    #[test]
    fn protocol_and_address_say_whose_a_socket_is() {
        let (mut passed, tcp, udp) = passed();
        assert!(passed.udp(tcp).is_none(), "another protocol");
        assert!(passed.tcp(SocketAddr::new(tcp.ip(), tcp.port().wrapping_add(1))).is_none());
        assert_eq!(passed.tcp(tcp).map(|s| s.local_addr().ok()), Some(Some(tcp)));
        assert!(passed.tcp(tcp).is_none(), "it is given once");
        assert!(passed.all_taken().is_err());
        assert!(passed.udp(udp).is_some());
        assert!(passed.all_taken().is_ok());
    }

    #[test]
    fn one_that_is_left_is_named_with_what_could_be_done() {
        let (mut passed, tcp, udp) = passed();
        let said = passed.all_taken().expect_err("both are left").to_string();
        assert_eq!(
            said,
            format!(
                "the service manager passes tcp {tcp} (lab.socket), and nothing is configured to listen there; \
                 take it out of the socket unit, or set http.listen, syslog.tcp or registration.listen to it"
            )
        );
        assert!(passed.tcp(tcp).is_some());
        let said = passed.all_taken().expect_err("one is left").to_string();
        let port = udp.port();
        assert!(said.contains(&format!("udp [::]:{port} ")), "{said}");
        assert!(said.contains(&format!("(for IPv4 write 0.0.0.0:{port} there)")), "{said}");
        assert!(said.ends_with("or set tftp.listen or syslog.udp to it"), "{said}");
    }
}

//! Can the daemon listen and ping? Or does it already?
//!
//! Ports are bound and let go again; a port that the running daemon of this store has is as good as a free one.

use super::{Finding, Server};
use crate::bmm::icmp::Family;
use crate::bmm::{PingError, PingSockets};
use crate::ports::{Protocol, explain_bind_error, who_holds};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// A bound port, held until all are tried: two services must not have the same one.
#[allow(dead_code, reason = "only held")]
enum Bound {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

pub(super) fn ports(server: &Server<'_>) -> Vec<Finding> {
    let config = server.config;
    let mut wanted = vec![("the API (http.listen)", Protocol::Tcp, config.http.listen)];
    let mut add = |service, protocol, addresses: &[SocketAddr]| {
        wanted.extend(addresses.iter().map(|a| (service, protocol, *a)));
    };
    if config.tftp.enabled {
        add("TFTP (tftp.listen)", Protocol::Udp, &config.tftp.listen);
    }
    if config.syslog.enabled {
        add("syslog (syslog.udp)", Protocol::Udp, &config.syslog.udp);
        add("syslog (syslog.tcp)", Protocol::Tcp, &config.syslog.tcp);
    }
    if config.registration.enabled {
        add("registration (registration.listen)", Protocol::Tcp, &config.registration.listen);
    }
    let mut held = Vec::new();
    let look = |(service, protocol, addr)| match bind(protocol, addr) {
        Ok(bound) => {
            held.push(bound);
            Finding::ok(format!("{service} can listen on {protocol} {addr}"))
        }
        Err(error) => match is_the_daemons(server.daemon, protocol, addr, &error) {
            Some(SERVICE_MANAGER) => Finding::ok(format!(
                "{service} {protocol} {addr}: the service manager holds it, for whom a socket unit names"
            )),
            Some(pid) => {
                Finding::ok(format!("{service} {protocol} {addr}: the running daemon has it (pid {pid})"))
            }
            None => Finding::fail(explain_bind_error(service, protocol, addr, &error), ""),
        },
    };
    wanted.into_iter().map(look).collect()
}

fn bind(protocol: Protocol, addr: SocketAddr) -> io::Result<Bound> {
    match protocol {
        Protocol::Tcp => TcpListener::bind(addr).map(Bound::Tcp),
        Protocol::Udp => UdpSocket::bind(addr).map(Bound::Udp),
    }
}

/// Holds sockets for daemons that it starts or restarts, and has them open beside these.
const SERVICE_MANAGER: u32 = 1;

/// Whose the port is, if it is taken by the daemon or for it; of a process that we may not see we believe it.
fn is_the_daemons(
    daemon: Option<u32>,
    protocol: Protocol,
    addr: SocketAddr,
    error: &io::Error,
) -> Option<u32> {
    if error.kind() != io::ErrorKind::AddrInUse {
        return None;
    }
    match who_holds(addr, protocol)?.process {
        Some((SERVICE_MANAGER, _)) => Some(SERVICE_MANAGER),
        Some((pid, _)) => daemon.filter(|daemon| pid == *daemon),
        None => daemon,
    }
}

pub(super) fn ping(_: &Server<'_>) -> Vec<Finding> {
    let missing: Vec<_> = PingSockets::open().missing().collect();
    if missing.is_empty() {
        return vec![Finding::ok("this user may ping")];
    }
    // Boards speak IPv4; a host without IPv6 is an ordinary host.
    let finding = |error: PingError| match error {
        PingError::NotPermitted(Family::V4) | PingError::System(Family::V4, _) => Finding::fail(error, ""),
        PingError::NotPermitted(Family::V6) | PingError::System(Family::V6, _) => Finding::warn(error, ""),
    };
    missing.into_iter().map(finding).collect()
}

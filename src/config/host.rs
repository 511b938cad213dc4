//! What the host says of itself, for settings that are left to it: its name and the address that boards reach it at.
//!
//! Asked once at start-up and passed in as values, so that reading a configuration stays pure.

use nix::net::if_::InterfaceFlags;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// Facts about the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Host {
    /// Its name, as `hostname` prints it.
    pub name: String,
    /// Its own address on the way to the default route.
    pub route_address: Option<IpAddr>,
    /// Addresses of its interfaces that are up, without loopback and link-local ones; IPv4 first, sorted.
    pub addresses: Vec<IpAddr>,
}

/// How the server came to its address; a guess among several deserves a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFrom {
    /// `server.address` says so.
    Configured,
    /// The API listens on this one address.
    Listen,
    /// It is the host's address on its default route.
    DefaultRoute,
    /// There is no default route; it is the first address of an interface.
    Interface,
    /// There is no network; boards on other hosts cannot reach it.
    Loopback,
}

impl Host {
    /// Asks the system. What it does not know stays empty.
    pub fn ask() -> Self {
        let name = nix::unistd::gethostname().ok().and_then(|n| n.into_string().ok()).unwrap_or_default();
        Self { name, route_address: route_address(), addresses: interface_addresses() }
    }

    /// The address that boards reach this server at, unless the configuration knows better.
    pub(super) fn address(&self, listen: IpAddr) -> (IpAddr, AddressFrom) {
        if !listen.is_unspecified() {
            return (listen, AddressFrom::Listen);
        }
        if let Some(address) = self.route_address {
            return (address, AddressFrom::DefaultRoute);
        }
        match self.addresses.first() {
            Some(&address) => (address, AddressFrom::Interface),
            None => (Ipv4Addr::LOCALHOST.into(), AddressFrom::Loopback),
        }
    }
}

/// Connecting a UDP socket sends nothing; it only makes the kernel choose a route and with it our own address.
fn route_address() -> Option<IpAddr> {
    // Documentation addresses (RFC 5737, RFC 3849): never on a local network, so only the default route leads there.
    [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")].into_iter().find_map(|(from, to)| {
        let socket = UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        let address = socket.local_addr().ok()?.ip();
        (!address.is_unspecified() && !address.is_loopback()).then_some(address)
    })
}

fn interface_addresses() -> Vec<IpAddr> {
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let mut addresses: Vec<IpAddr> = interfaces
        .filter(|i| i.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|i| {
            let address = i.address?;
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .filter(|a| !a.is_loopback() && !is_link_local(*a))
        .collect();
    addresses.sort();
    addresses.dedup();
    addresses
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_comes_from_the_best_source_there_is() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let host = |route: Option<&str>, addresses: &[&str]| Host {
            name: String::new(),
            route_address: route.map(ip),
            addresses: addresses.iter().map(|a| ip(a)).collect(),
        };
        let routed = host(Some("10.0.0.5"), &["10.0.0.5", "192.168.1.1"]);
        assert_eq!(routed.address(ip("192.168.1.1")), (ip("192.168.1.1"), AddressFrom::Listen));
        assert_eq!(routed.address(ip("0.0.0.0")), (ip("10.0.0.5"), AddressFrom::DefaultRoute));
        let alone = host(None, &["192.168.1.1"]);
        assert_eq!(alone.address(ip("::")), (ip("192.168.1.1"), AddressFrom::Interface));
        assert_eq!(host(None, &[]).address(ip("0.0.0.0")), (ip("127.0.0.1"), AddressFrom::Loopback));
    }

    #[test]
    fn the_system_answers() {
        let host = Host::ask();
        assert!(!host.name.is_empty());
        assert!(host.addresses.iter().all(|a| !a.is_loopback()), "{host:?}");
    }
}

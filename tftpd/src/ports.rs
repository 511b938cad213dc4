//! The sockets of transfers: which one serves which transfer, and those at rest until the next transfer needs one. A
//! board that asks for a hundred small files would otherwise have a socket made, bound, watched and closed for
//! every file.
//! It refuses to know packets; `serving` says which sockets may be used again.
//!
//! Who knows the port of a transfer can acknowledge it in another's name, and have whole files sent to that one. So a socket
//! serves one client address alone, which is who knows its port: a forger who has had it for himself never meets it again in a
//! transfer to somebody else.
//!
//! A transfer is known by its two ports (RFC 1350 section 4), so no packet of an earlier one may be taken for one of
//! the next: only a socket whose transfer ended well and with nothing sent twice comes here, it rests before it is used
//! again, and never serves the same port of the client twice in a row. What arrives at one that rests closes it.

use crate::endpoint::Endpoint;
use crate::sessions::Slot;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Sockets at rest. A storm of 30,000 small files a second has 600 of them at rest; each costs the kernel a kilobyte.
const MAX_AT_REST: usize = 1024;
/// How long a socket rests. Nothing stays longer in the switches of a rack: 20 ms are 2.5 MB of a gigabit line.
const REST: Duration = Duration::from_millis(20);
/// After so long it is closed: a boot loader that wanted another file has asked for it, and a port that is known to nobody any more
/// is better than one that may be.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Sockets of one client looked at for one that fits. With several addresses of ours the first may all be of another one;
/// they leave as others come.
const LOOKS: usize = 8;

/// A socket's place in the table, by which the poll knows it.
pub(crate) type PortId = usize;

/// A client's address, with port 0; that of a link-local one has its interface.
type Host = SocketAddr;

fn host_of(peer: SocketAddr) -> Host {
    let mut host = peer;
    host.set_port(0);
    host
}

struct Resting {
    id: PortId,
    endpoint: Endpoint,
    last: SocketAddr,
    since: Instant,
}

#[derive(Default)]
pub(crate) struct Ports {
    /// By the client, and in the order in which they came.
    resting: BTreeMap<(Host, u64), Resting>,
    /// Whose they are; the longest at rest first.
    order: BTreeMap<u64, Host>,
    /// How many ever came to rest.
    came: u64,
    serving: Vec<Option<Slot>>,
    free: Vec<PortId>,
}

impl Ports {
    /// A place for a new socket.
    pub(crate) fn enter(&mut self) -> PortId {
        self.free.pop().unwrap_or_else(|| {
            self.serving.push(None);
            self.serving.len() - 1
        })
    }

    /// The socket is closed.
    pub(crate) fn leave(&mut self, id: PortId) {
        self.serving[id] = None;
        self.free.push(id);
    }

    pub(crate) fn assign(&mut self, id: PortId, slot: Slot) {
        self.serving[id] = Some(slot);
    }

    /// The transfer that a socket serves; none: it rests.
    pub(crate) fn slot_of(&self, id: PortId) -> Option<Slot> {
        self.serving.get(id).copied().flatten()
    }

    /// A socket at `local` for a transfer to `peer`, if one that has served the same address has rested long enough.
    pub(crate) fn take(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
        now: Instant,
    ) -> Option<(PortId, Endpoint)> {
        self.close(|_, since| now.saturating_duration_since(since) >= KEPT_FOR);
        let host = host_of(peer);
        let mut own = self.resting.range((host, 0)..=(host, u64::MAX)).take(LOOKS);
        let fits = |one: &Resting| {
            let rested = now.saturating_duration_since(one.since) >= REST;
            rested && one.endpoint.is_at(local) && one.last != peer
        };
        let (&(_, number), _) = own.find(|(_, one)| fits(one))?;
        self.remove(host, number).map(|one| (one.id, one.endpoint))
    }

    /// Keeps a socket that has served `peer`. With more than `room` at rest the longest there is closed.
    pub(crate) fn rest(
        &mut self,
        id: PortId,
        mut endpoint: Endpoint,
        peer: SocketAddr,
        room: usize,
        now: Instant,
    ) {
        endpoint.forget();
        self.serving[id] = None;
        let (host, number) = (host_of(peer), self.came);
        self.came += 1;
        self.order.insert(number, host);
        self.resting.insert((host, number), Resting { id, endpoint, last: peer, since: now });
        self.close(|resting, _| resting > room.min(MAX_AT_REST));
    }

    /// Closes the one longest at rest, as long as it has to go for how many they are and since when it rests.
    fn close(&mut self, has_to_go: impl Fn(usize, Instant) -> bool) {
        while let Some((&number, &host)) = self.order.first_key_value() {
            let Some(oldest) = self.resting.get(&(host, number)) else { break };
            if !has_to_go(self.resting.len(), oldest.since) {
                break;
            }
            if let Some(one) = self.remove(host, number) {
                self.leave(one.id);
            }
        }
    }

    fn remove(&mut self, host: Host, number: u64) -> Option<Resting> {
        self.order.remove(&number);
        self.resting.remove(&(host, number))
    }

    /// The poll has news of a socket at rest. If something arrived there, it is closed, and whoever goes on sending
    /// hears from the kernel that nobody listens. `true`: something arrived.
    pub(crate) fn disturbed(&mut self, id: PortId, buf: &mut [u8]) -> bool {
        let Some((&(host, number), one)) = self.resting.iter().find(|(_, one)| one.id == id) else {
            return false;
        };
        // The news may be old: of the ACK that ended the transfer.
        let nothing = |e: io::Error| e.kind() == io::ErrorKind::WouldBlock;
        if one.endpoint.receive(buf).is_err_and(nothing) {
            return false;
        }
        self.remove(host, number);
        self.leave(id);
        true
    }

    /// Closes all that rest: the process has no descriptor left. `false`: there was none.
    pub(crate) fn close_resting(&mut self) -> bool {
        let any = !self.resting.is_empty();
        self.close(|_, _| true);
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    const HERE: &str = "127.0.0.1:0";

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    /// One that has served `peer` until `since`.
    fn rested(ports: &mut Ports, local: &str, peer: &str, since: Instant) -> PortId {
        let id = ports.enter();
        ports.assign(id, 7);
        let endpoint = Endpoint::open(at(local)).unwrap();
        ports.rest(id, endpoint, at(peer), MAX_AT_REST, since);
        id
    }

    #[test]
    fn a_socket_rests_and_then_serves_another_port_of_the_same_client() {
        let (mut ports, t0) = (Ports::default(), Instant::now());
        let first = rested(&mut ports, HERE, "127.0.0.2:1000", t0);
        let second = rested(&mut ports, HERE, "127.0.0.2:1001", t0);
        assert_eq!(ports.slot_of(first), None);
        let mut take = |local, peer: &str, now| ports.take(at(local), at(peer), now).map(|(id, _)| id);
        assert_eq!(take(HERE, "127.0.0.2:2", t0 + REST - Duration::from_millis(1)), None, "it rests");
        assert_eq!(take("127.0.0.9:0", "127.0.0.2:2", t0 + REST), None, "another address of ours");
        assert_eq!(take(HERE, "127.0.0.2:1000", t0 + REST), Some(second), "not to the port it served last");
        assert_eq!(take(HERE, "127.0.0.2:1000", t0 + REST), None);
        assert_eq!(take(HERE, "127.0.0.2:2", t0 + REST), Some(first));
    }

    /// He asks for sizes from his own address until a port that he knows is the longest at rest, then in another's name.
    #[test]
    fn nobody_is_served_from_a_port_that_another_address_knows() {
        let (mut ports, t0) = (Ports::default(), Instant::now());
        for n in 0..5 {
            rested(&mut ports, HERE, &format!("127.0.0.66:{}", 1000 + n), t0);
        }
        for victim in ["127.0.0.65:1000", "127.0.0.67:1000", "0.0.0.0:1000", "255.255.255.255:1000"] {
            assert!(ports.take(at(HERE), at(victim), t0 + REST).is_none(), "{victim}");
        }
        assert!(ports.take(at(HERE), at("127.0.0.66:1"), t0 + REST).is_some());
    }

    #[test]
    fn what_rests_for_long_is_closed() {
        let (mut ports, t0) = (Ports::default(), Instant::now());
        let first = rested(&mut ports, HERE, "127.0.0.2:1000", t0);
        rested(&mut ports, HERE, "127.0.0.3:1000", t0 + REST);
        assert!(ports.take(at(HERE), at("127.0.0.2:1"), t0 + KEPT_FOR).is_none());
        assert!(ports.take(at(HERE), at("127.0.0.3:1"), t0 + KEPT_FOR).is_some());
        assert_eq!((ports.resting.len(), ports.order.len(), ports.enter()), (0, 0, first));
    }

    #[test]
    fn what_arrives_at_a_socket_that_rests_closes_it() {
        let (mut ports, t0) = (Ports::default(), Instant::now());
        let id = rested(&mut ports, HERE, "127.0.0.2:1000", t0);
        let mut buf = [0; 10];
        assert!(!ports.disturbed(id, &mut buf), "nothing is there");
        let (_, one) = ports.resting.first_key_value().unwrap();
        let to = one.endpoint.own_socket().unwrap().local_addr().unwrap();
        UdpSocket::bind(HERE).unwrap().send_to(b"\0\x04\0\x01", to).unwrap();
        assert!(ports.disturbed(id, &mut buf));
        assert!(ports.take(at(HERE), at("127.0.0.2:1"), t0 + REST).is_none());
        UdpSocket::bind(to).expect("the port is free again");
        assert_eq!(ports.enter(), id, "and so is its place");
    }

    #[test]
    fn no_more_rest_than_there_is_room_for() {
        let (mut ports, t0) = (Ports::default(), Instant::now());
        for n in 0..5 {
            let id = ports.enter();
            let endpoint = Endpoint::open(at(HERE)).unwrap();
            // The later the smaller the address: who has to go is a question of time.
            let peer = format!("127.0.0.{}:1000", 9 - n);
            ports.rest(id, endpoint, at(&peer), 3, t0 + Duration::from_millis(n));
        }
        assert_eq!((ports.resting.len(), ports.serving.len()), (3, 4), "places are used again");
        let left: Vec<Instant> = ports.resting.values().rev().map(|one| one.since).collect();
        assert_eq!(left, [2, 3, 4].map(|n| t0 + Duration::from_millis(n)), "the oldest had to go");
        assert!(ports.close_resting());
        assert!(!ports.close_resting());
    }
}

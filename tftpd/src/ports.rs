//! The sockets of transfers: which one serves which transfer, and those at rest until the next transfer needs one. A
//! rack that asks for a hundred small files each would otherwise have a socket made, bound, watched and closed for
//! every file.
//! It refuses to know packets; `serving` says which sockets may be used again.
//!
//! A transfer is known by its two ports (RFC 1350 section 4), so no packet of an earlier one may be taken for one of
//! the next: only a socket whose transfer ended well and with nothing sent twice comes here, it rests before it is used
//! again, and never serves the same address twice in a row. What arrives at one that rests closes it.

use crate::endpoint::Endpoint;
use crate::sessions::Slot;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Sockets at rest. A storm of 30,000 small files a second has 600 of them at rest; each costs the kernel a kilobyte.
const MAX_AT_REST: usize = 1024;
/// How long a socket rests. Nothing stays longer in the switches of a rack: 20 ms are 2.5 MB of a gigabit line.
const REST: Duration = Duration::from_millis(20);
/// Sockets looked at for one that fits. With several addresses of ours the first may all be of another one; they leave
/// as others come.
const LOOKS: usize = 8;

/// A socket's place in the table, by which the poll knows it.
pub(crate) type PortId = usize;

struct Resting {
    id: PortId,
    endpoint: Endpoint,
    last: IpAddr,
    since: Instant,
}

#[derive(Default)]
pub(crate) struct Ports {
    /// The longest at rest first.
    resting: VecDeque<Resting>,
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

    /// A socket at `local` for a transfer to `peer`, if one has rested long enough.
    pub(crate) fn take(
        &mut self,
        local: SocketAddr,
        peer: IpAddr,
        now: Instant,
    ) -> Option<(PortId, Endpoint)> {
        let rested = |one: &&Resting| now.saturating_duration_since(one.since) >= REST;
        let mut looked_at = self.resting.iter().take(LOOKS).take_while(rested);
        let at = looked_at.position(|one| one.endpoint.is_at(local) && one.last != peer)?;
        self.resting.remove(at).map(|one| (one.id, one.endpoint))
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
        endpoint.forget(peer);
        self.serving[id] = None;
        self.resting.push_back(Resting { id, endpoint, last: peer.ip(), since: now });
        while self.resting.len() > room.min(MAX_AT_REST) {
            let Some(one) = self.resting.pop_front() else { break };
            self.leave(one.id);
        }
    }

    /// The poll has news of a socket at rest. If something arrived there, it is closed, and whoever goes on sending
    /// hears from the kernel that nobody listens. `true`: something arrived.
    pub(crate) fn disturbed(&mut self, id: PortId, buf: &mut [u8]) -> bool {
        let Some(at) = self.resting.iter().position(|one| one.id == id) else { return false };
        // The news may be old: of the ACK that ended the transfer.
        let nothing = |e: io::Error| e.kind() == io::ErrorKind::WouldBlock;
        if self.resting[at].endpoint.receive(buf).is_err_and(nothing) {
            return false;
        }
        self.resting.remove(at);
        self.leave(id);
        true
    }

    /// Closes all that rest: the process has no descriptor left. `false`: there was none.
    pub(crate) fn close_resting(&mut self) -> bool {
        let any = !self.resting.is_empty();
        while let Some(one) = self.resting.pop_front() {
            self.leave(one.id);
        }
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
    fn a_socket_rests_and_then_serves_another_address() {
        let (mut ports, t0) = (Ports::default(), Instant::now());
        let first = rested(&mut ports, HERE, "127.0.0.2:1000", t0);
        let second = rested(&mut ports, HERE, "127.0.0.3:1000", t0);
        assert_eq!(ports.slot_of(first), None);
        let mut take =
            |local, peer: &str, now| ports.take(at(local), peer.parse().unwrap(), now).map(|(id, _)| id);
        assert_eq!(take(HERE, "127.0.0.4", t0 + REST - Duration::from_millis(1)), None, "it rests");
        assert_eq!(take("127.0.0.9:0", "127.0.0.4", t0 + REST), None, "another address of ours");
        assert_eq!(take(HERE, "127.0.0.2", t0 + REST), Some(second), "not to the one it served last");
        assert_eq!(take(HERE, "127.0.0.2", t0 + REST), None);
        assert_eq!(take(HERE, "127.0.0.4", t0 + REST), Some(first));
    }

    #[test]
    fn what_arrives_at_a_socket_that_rests_closes_it() {
        let (mut ports, t0) = (Ports::default(), Instant::now());
        let id = rested(&mut ports, HERE, "127.0.0.2:1000", t0);
        let mut buf = [0; 10];
        assert!(!ports.disturbed(id, &mut buf), "nothing is there");
        let to = ports.resting[0].endpoint.own_socket().unwrap().local_addr().unwrap();
        UdpSocket::bind(HERE).unwrap().send_to(b"\0\x04\0\x01", to).unwrap();
        assert!(ports.disturbed(id, &mut buf));
        assert!(ports.take(at(HERE), "127.0.0.3".parse().unwrap(), t0 + REST).is_none());
        UdpSocket::bind(to).expect("the port is free again");
        assert_eq!(ports.enter(), id, "and so is its place");
    }

    #[test]
    fn no_more_rest_than_there_is_room_for() {
        let (mut ports, t0) = (Ports::default(), Instant::now());
        for n in 0..5 {
            let id = ports.enter();
            let endpoint = Endpoint::open(at(HERE)).unwrap();
            ports.rest(id, endpoint, at("127.0.0.2:1000"), 3, t0 + Duration::from_millis(n));
        }
        assert_eq!((ports.resting.len(), ports.serving.len()), (3, 4), "places are used again");
        assert_eq!(ports.resting[0].since, t0 + Duration::from_millis(2), "the oldest had to go");
        assert!(ports.close_resting());
        assert!(!ports.close_resting());
    }
}

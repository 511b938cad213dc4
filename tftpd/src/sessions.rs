//! The table of running transfers: which request is new, whose turn is next, how many there may be.
//! It refuses to know sockets and files: what a transfer needs of those is a payload `T` it only keeps.
//! A transfer is known by client address, port and name: lpxelinux and U-Boot ask for several files from one port.
//!
//! Who can forge addresses can begin transfers, but not acknowledge them. So a place that nobody has acknowledged anything for is
//! not taken but lent: when all are in use it is the first to be given to somebody else.

use crate::options::Options;
use crate::packet::Mode;
use crate::transfer::Transfer;
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// What makes two requests the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) peer: SocketAddr,
    /// The address of ours that was asked.
    pub(crate) local: IpAddr,
    /// The name as sent.
    pub(crate) path: String,
}

/// How the client asked. The same name asked for in another way is a new request: EDK II asks for the size
/// with `tsize` and for the file without, and the ERROR between the two may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) mode: Mode,
    pub(crate) options: Options,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    Server,
    Address,
}

/// A place in the table.
pub(crate) type Slot = usize;

pub(crate) struct Session<T> {
    pub(crate) key: Key,
    pub(crate) manner: Manner,
    pub(crate) transfer: Transfer,
    pub(crate) started: Instant,
    pub(crate) payload: T,
    /// What was sent to the client on credit, in bytes; see `credit`.
    pub(crate) owed: u32,
    /// Transfers to its address were acknowledged before.
    proven: bool,
    /// The earliest entry of the heap that speaks for this session.
    scheduled: Instant,
    /// Tells this session from an earlier one in the same slot.
    serial: u64,
}

pub(crate) struct Sessions<T> {
    max: usize,
    max_per_address: usize,
    slots: Vec<Option<Session<T>>>,
    free: Vec<Slot>,
    by_key: HashMap<Key, Slot>,
    /// The latest transfer of each client's port.
    by_peer: HashMap<(SocketAddr, IpAddr), Slot>,
    per_address: HashMap<IpAddr, usize>,
    /// Transfers that nobody has acknowledged anything of, in the order in which they give way: those of addresses that never
    /// acknowledged anything first, then the oldest.
    unheard: BTreeMap<(bool, u64), Slot>,
    /// The same by address.
    unheard_of: BTreeMap<(IpAddr, u64), Slot>,
    /// Deadlines that may be too early, never too late: an ACK moves a deadline back a thousand times a second
    /// and should not have to touch the heap. At most a few entries per session.
    due: BinaryHeap<Reverse<(Instant, Slot, u64)>>,
    serial: u64,
}

impl<T> Sessions<T> {
    pub(crate) fn new(max: usize, max_per_address: usize) -> Self {
        Self {
            max,
            max_per_address,
            slots: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            by_peer: HashMap::new(),
            per_address: HashMap::new(),
            unheard: BTreeMap::new(),
            unheard_of: BTreeMap::new(),
            due: BinaryHeap::new(),
            serial: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn find(&self, key: &Key) -> Option<Slot> {
        self.by_key.get(key).copied()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Session<T>> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// Whether one more transfer may begin for `peer`, whose address is `proven` when transfers to it were acknowledged before.
    /// `Some`: once this one, of which nobody has acknowledged anything, is out of the table.
    pub(crate) fn room_for(&self, peer: IpAddr, proven: bool) -> Result<Option<Slot>, Full> {
        if self.per_address.get(&peer).is_some_and(|&n| n >= self.max_per_address) {
            let mut own = self.unheard_of.range((peer, 0)..=(peer, u64::MAX));
            return own.next().map(|(_, slot)| Some(*slot)).ok_or(Full::Address);
        }
        if self.len() >= self.max {
            // Whoever has proven nothing does not push out who has.
            let first = self.unheard.iter().next().filter(|((other, _), _)| proven || !other);
            return first.map(|(_, slot)| Some(*slot)).ok_or(Full::Server);
        }
        Ok(None)
    }

    /// Enters a transfer whose key is not in the table, to an address that is `proven` as in [`Self::room_for`].
    pub(crate) fn insert(
        &mut self,
        key: Key,
        manner: Manner,
        transfer: Transfer,
        payload: T,
        proven: bool,
        now: Instant,
    ) -> Slot {
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        self.serial += 1;
        let (serial, scheduled) = (self.serial, transfer.deadline());
        *self.per_address.entry(key.peer.ip()).or_default() += 1;
        self.by_peer.insert((key.peer, key.local), slot);
        let before = self.by_key.insert(key.clone(), slot);
        debug_assert!(before.is_none(), "a key has one transfer");
        self.unheard.insert((proven, serial), slot);
        self.unheard_of.insert((key.peer.ip(), serial), slot);
        let session =
            Session { key, manner, transfer, started: now, payload, owed: 0, proven, scheduled, serial };
        match self.free.pop() {
            Some(_) => self.slots[slot] = Some(session),
            None => self.slots.push(Some(session)),
        }
        self.due.push(Reverse((scheduled, slot, serial)));
        slot
    }

    /// The client of this transfer has acknowledged something: its place is its own from now on.
    pub(crate) fn heard(&mut self, slot: Slot) {
        let Some(session) = self.slots.get(slot).and_then(Option::as_ref) else { return };
        self.unheard.remove(&(session.proven, session.serial));
        self.unheard_of.remove(&(session.key.peer.ip(), session.serial));
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Session<T>> {
        self.heard(slot);
        let session = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        self.by_key.remove(&session.key);
        if let Entry::Occupied(latest) = self.by_peer.entry((session.key.peer, session.key.local))
            && *latest.get() == slot
        {
            latest.remove();
        }
        let ip = session.key.peer.ip();
        if let Some(n) = self.per_address.get_mut(&ip) {
            *n -= 1;
            if *n == 0 {
                self.per_address.remove(&ip);
            }
        }
        Some(session)
    }

    /// Call after anything that may have moved the transfer's deadline.
    pub(crate) fn reschedule(&mut self, slot: Slot) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let deadline = session.transfer.deadline();
        if deadline < session.scheduled {
            session.scheduled = deadline;
            self.due.push(Reverse((deadline, slot, session.serial)));
        }
    }

    /// No transfer is due before this.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, ..))| *at)
    }

    /// A transfer whose deadline has come; the caller runs its `on_deadline` and then [`Self::requeue`]s it.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Slot> {
        while let Some(&Reverse((at, slot, serial))) = self.due.peek() {
            if at > now {
                return None;
            }
            self.due.pop();
            let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { continue };
            if session.serial != serial || session.scheduled != at {
                continue; // An earlier tenant, or an entry that a nearer deadline replaced.
            }
            let deadline = session.transfer.deadline();
            if deadline > now {
                session.scheduled = deadline;
                self.due.push(Reverse((deadline, slot, serial)));
                continue;
            }
            return Some(slot);
        }
        None
    }

    /// Puts a transfer that [`Self::pop_due`] gave out back among those that wait.
    pub(crate) fn requeue(&mut self, slot: Slot) {
        let Some(session) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        session.scheduled = session.transfer.deadline();
        self.due.push(Reverse((session.scheduled, slot, session.serial)));
    }

    /// A running transfer of this client with this address of ours, whatever its name.
    pub(crate) fn of_peer(&self, peer: SocketAddr, local: IpAddr) -> Option<Slot> {
        self.by_peer.get(&(peer, local)).copied()
    }

    /// Every slot in use.
    pub(crate) fn running(&self) -> Vec<Slot> {
        self.by_key.values().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Timing;
    use crate::transfer::{Acked, Outcome};
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    fn key(client: &str, path: &str) -> Key {
        let peer = client.parse().expect("an address");
        Key { peer, local: "10.0.0.1".parse().expect("an address"), path: path.to_owned() }
    }

    fn begin(sessions: &mut Sessions<()>, client: &str, path: &str, now: Instant) -> Result<Slot, Full> {
        begin_as(sessions, client, path, false, now)
    }

    /// As the server does: whoever has to give way is removed.
    fn begin_as(
        sessions: &mut Sessions<()>,
        client: &str,
        path: &str,
        proven: bool,
        now: Instant,
    ) -> Result<Slot, Full> {
        let key = key(client, path);
        if let Some(slot) = sessions.room_for(key.peer.ip(), proven)? {
            assert!(sessions.remove(slot).is_some(), "there is such a transfer");
        }
        let manner = Manner { mode: Mode::Octet, options: Options::default() };
        let mut transfer = Transfer::new(Options::default(), Some(1 << 30), Timing::default(), now);
        pump(&mut transfer, now);
        Ok(sessions.insert(key, manner, transfer, (), proven, now))
    }

    fn pump(transfer: &mut Transfer, now: Instant) -> u32 {
        let mut n = 0;
        while let Some(output) = transfer.output(1) {
            transfer.sent(output, 512, now);
            n += 1;
        }
        n
    }

    #[test]
    fn a_transfer_is_known_by_address_port_and_name() {
        let now = Instant::now();
        let mut s = Sessions::new(10, 10);
        let a = begin(&mut s, "10.0.0.9:49152", "a", now).unwrap();
        let b = begin(&mut s, "10.0.0.9:49152", "b", now).unwrap();
        assert_ne!(a, b, "another name from the same port is another transfer");
        assert_eq!(s.find(&key("10.0.0.9:49152", "a")), Some(a));
        assert_eq!(s.find(&key("10.0.0.9:49152", "b")), Some(b));
        assert_eq!(s.find(&key("10.0.0.9:49153", "a")), None);
        assert_eq!(s.find(&key("10.0.0.8:49152", "a")), None);
        let elsewhere = Key { local: "10.0.0.2".parse().unwrap(), ..key("10.0.0.9:49152", "a") };
        assert_eq!(s.find(&elsewhere), None, "asked at another address of ours");
        let of_peer = |s: &Sessions<()>| s.of_peer(elsewhere.peer, key("10.0.0.9:1", "").local);
        assert_eq!(of_peer(&s), Some(b), "the latest");
        assert_eq!(s.of_peer(elsewhere.peer, elsewhere.local), None);
        assert!(s.remove(a).is_some());
        assert!(s.remove(a).is_none());
        assert_eq!(s.find(&key("10.0.0.9:49152", "a")), None);
        assert_eq!(of_peer(&s), Some(b), "an older one has ended");
        assert!(s.remove(b).is_some());
        assert_eq!(of_peer(&s), None);
        assert_eq!(begin(&mut s, "10.0.0.9:49152", "c", now), Ok(b), "slots are used again");
    }

    #[test]
    fn there_is_a_limit_in_all_and_one_per_address() {
        let now = Instant::now();
        let mut s = Sessions::new(3, 2);
        let heard = |s: &mut Sessions<()>, client: &str| {
            let slot = begin(s, client, "f", now)?;
            s.heard(slot);
            Ok(slot)
        };
        let first = heard(&mut s, "10.0.0.9:1").unwrap();
        heard(&mut s, "10.0.0.9:2").unwrap();
        assert_eq!(heard(&mut s, "10.0.0.9:3"), Err(Full::Address));
        heard(&mut s, "10.0.0.8:1").unwrap();
        assert_eq!(heard(&mut s, "10.0.0.7:1"), Err(Full::Server));
        s.remove(first);
        assert!(heard(&mut s, "10.0.0.9:3").is_ok());
        assert_eq!((s.len(), s.unheard.len(), s.unheard_of.len()), (3, 0, 0));
    }

    #[test]
    fn who_was_never_heard_gives_way_the_oldest_first_and_strangers_before_others() {
        let now = Instant::now();
        let mut s = Sessions::new(4, 4);
        let heard = begin(&mut s, "10.0.0.1:1", "f", now).unwrap();
        s.heard(heard);
        let known = begin_as(&mut s, "10.0.0.2:1", "f", true, now).unwrap();
        let oldest = begin(&mut s, "10.0.0.3:1", "f", now).unwrap();
        begin(&mut s, "10.0.0.4:1", "f", now).unwrap();
        assert_eq!(s.room_for("10.0.0.5".parse().unwrap(), false), Ok(Some(oldest)));
        // However many come, those that were heard and those that are known stay.
        for n in 0..1000_u16 {
            begin(&mut s, &format!("10.1.{}.{}:1", n / 250, n % 250), "f", now).unwrap();
        }
        assert!(s.get_mut(heard).is_some() && s.find(&key("10.0.0.2:1", "f")) == Some(known));
        assert_eq!((s.len(), s.unheard.len(), s.unheard_of.len()), (4, 3, 3));
        // Among those that are known, too, a place is lent until something is acknowledged; to strangers it is not.
        for n in 1..=3 {
            begin_as(&mut s, &format!("10.0.9.{n}:1"), "f", true, now).unwrap();
        }
        assert_eq!(s.find(&key("10.0.0.2:1", "f")), None);
        assert_eq!(begin(&mut s, "10.0.0.6:1", "f", now), Err(Full::Server));
    }

    #[test]
    fn an_address_that_has_all_it_may_have_gives_up_its_own() {
        let now = Instant::now();
        let mut s = Sessions::new(10, 2);
        let (other, first) =
            (begin(&mut s, "10.0.0.8:1", "f", now).unwrap(), begin(&mut s, "10.0.0.9:1", "f", now).unwrap());
        let second = begin(&mut s, "10.0.0.9:2", "f", now).unwrap();
        s.heard(second);
        let third = begin(&mut s, "10.0.0.9:3", "f", now).unwrap();
        assert_eq!((third, s.find(&key("10.0.0.9:1", "f"))), (first, None), "the slot is used again");
        s.heard(third);
        assert_eq!(begin(&mut s, "10.0.0.9:4", "f", now), Err(Full::Address));
        assert!(s.get_mut(other).is_some());
    }

    #[test]
    fn deadlines_come_in_order_and_an_ack_moves_them() {
        let t0 = Instant::now();
        let mut s = Sessions::new(10, 10);
        let a = begin(&mut s, "10.0.0.1:1", "f", t0).unwrap();
        let b = begin(&mut s, "10.0.0.2:1", "f", t0 + 10 * MS).unwrap();
        assert_eq!(s.next_deadline(), Some(t0 + 100 * MS));
        assert_eq!(s.pop_due(t0 + 99 * MS), None);
        // `a` hears from its client at 50 ms, so it waits 150 ms from then on, and `b` is first at 110 ms.
        let transfer = &mut s.get_mut(a).unwrap().transfer;
        assert_eq!(transfer.on_ack(1, t0 + 50 * MS), Acked::Moved);
        pump(transfer, t0 + 50 * MS);
        s.reschedule(a);
        assert_eq!(s.pop_due(t0 + 109 * MS), None);
        assert_eq!(s.pop_due(t0 + 110 * MS), Some(b));
        assert_eq!(s.pop_due(t0 + 110 * MS), None, "given out once");
        let transfer = &mut s.get_mut(b).unwrap().transfer;
        assert_eq!(transfer.on_deadline(t0 + 110 * MS), None);
        assert_eq!(pump(transfer, t0 + 110 * MS), 1);
        s.requeue(b);
        assert_eq!(s.next_deadline(), Some(t0 + 200 * MS));
        // Back-off has put `b` at 310 ms; an ACK brings its next deadline forward again.
        let transfer = &mut s.get_mut(b).unwrap().transfer;
        assert_eq!(transfer.on_ack(1, t0 + 120 * MS), Acked::Moved);
        pump(transfer, t0 + 120 * MS);
        s.reschedule(b);
        assert_eq!(s.pop_due(t0 + 200 * MS), Some(a));
        assert_eq!(s.get_mut(a).unwrap().transfer.on_deadline(t0 + 200 * MS), None);
        s.requeue(a);
        assert_eq!(s.pop_due(t0 + 220 * MS), Some(b));
    }

    #[test]
    fn a_mute_client_costs_three_packets_and_then_leaves_the_table_and_the_heap() {
        let t0 = Instant::now();
        let mut s = Sessions::new(10, 10);
        begin(&mut s, "10.0.0.1:1", "f", t0).unwrap();
        let (mut sends, mut at) = (1, Vec::new());
        while let Some(deadline) = s.next_deadline() {
            let Some(slot) = s.pop_due(deadline) else { continue };
            let transfer = &mut s.get_mut(slot).unwrap().transfer;
            at.push((deadline - t0).as_millis());
            if let Some(outcome) = transfer.on_deadline(deadline) {
                assert_eq!(outcome, Outcome::TimedOut);
                s.remove(slot);
                continue;
            }
            sends += pump(transfer, deadline);
            s.requeue(slot);
        }
        assert_eq!((sends, at), (3, vec![100, 300, 10_000]));
        assert_eq!((s.len(), s.due.len(), s.per_address.len()), (0, 0, 0));
    }

    #[test]
    fn a_thousand_acks_leave_the_heap_small() {
        let t0 = Instant::now();
        let mut s = Sessions::new(10, 10);
        let a = begin(&mut s, "10.0.0.1:1", "f", t0).unwrap();
        for n in 1..=1000_u16 {
            let now = t0 + MS * u32::from(n);
            let transfer = &mut s.get_mut(a).unwrap().transfer;
            transfer.on_ack(n, now);
            pump(transfer, now);
            s.reschedule(a);
            assert_eq!(s.pop_due(now), None);
        }
        assert!(s.due.len() <= 2, "{} entries", s.due.len());
    }
}

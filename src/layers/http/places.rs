//! Which connections there are, by client, and which go first when there are too many: of the client that has most, the one that
//! has done nothing for longest. When they hold too much memory: of the client that holds most, the one that holds most. And until
//! when each may stay as it is.
//!
//! It decides with points in time that are passed in; it knows no sockets.

use super::client::Client;
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

/// All connections, by a number each.
#[derive(Debug)]
pub(super) struct Places {
    /// Nothing has happened before it.
    origin: Instant,
    /// How many connections each client has.
    own: Ranking,
    /// Those that nobody works on, with the time of their last call.
    resting: BTreeSet<(Client, Instant, usize)>,
    due: BTreeSet<(Instant, usize)>,
    /// Those that hold memory, with how many bytes.
    holding: BTreeSet<(Client, usize, usize)>,
    /// How many bytes each client holds.
    held_by: Ranking,
    /// All bytes.
    held: usize,
}

/// How much each client has of something, and who has most.
#[derive(Debug, Default)]
struct Ranking {
    of: HashMap<Client, usize>,
    /// The same, in the order of how much.
    in_order: BTreeSet<(usize, Client)>,
}

impl Ranking {
    /// A client has that much less of it, and that much more.
    fn change(&mut self, client: Client, less: usize, more: usize) {
        let own = self.of.entry(client).or_default();
        self.in_order.remove(&(*own, client));
        *own = own.saturating_sub(less) + more;
        if *own == 0 {
            self.of.remove(&client);
        } else {
            self.in_order.insert((*own, client));
        }
    }

    /// Those who have some, in that order.
    fn most_first(&self) -> impl Iterator<Item = Client> + '_ {
        self.in_order.iter().rev().map(|(_, client)| *client)
    }
}

impl Places {
    /// None yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            origin: now,
            own: Ranking::default(),
            resting: BTreeSet::new(),
            due: BTreeSet::new(),
            holding: BTreeSet::new(),
            held_by: Ranking::default(),
            held: 0,
        }
    }

    /// One more.
    pub(super) fn open(&mut self, client: Client) {
        self.own.change(client, 0, 1);
    }

    /// One less; it does not rest, holds nothing, and nothing of it is due.
    pub(super) fn close(&mut self, client: Client) {
        self.own.change(client, 1, 0);
    }

    /// It may be closed to make room for another one.
    pub(super) fn rest(&mut self, client: Client, since: Instant, place: usize) {
        self.resting.insert((client, since, place));
    }

    /// Something of it is worked on.
    pub(super) fn work(&mut self, client: Client, since: Instant, place: usize) {
        self.resting.remove(&(client, since, place));
    }

    /// A connection that held `old` bytes of memory holds `new` ones.
    pub(super) fn hold(&mut self, client: Client, place: usize, old: usize, new: usize) {
        if old == new {
            return;
        }
        self.holding.remove(&(client, old, place));
        if new > 0 {
            self.holding.insert((client, new, place));
        }
        self.held = self.held - old + new;
        self.held_by.change(client, old, new);
    }

    /// Bytes that all of them hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Who goes first when they hold too much. Who holds nothing stays: closing it would help nobody.
    pub(super) fn first_to_give_back(&self) -> Option<usize> {
        let client = self.held_by.most_first().next()?;
        let own = self.holding.range((client, 0, 0)..=(client, usize::MAX, usize::MAX));
        own.last().map(|(_, _, place)| *place)
    }

    /// What is due of a connection: nothing any more, or at another time.
    pub(super) fn arm(&mut self, place: usize, old: Option<Instant>, new: Option<Instant>) {
        if let Some(old) = old {
            self.due.remove(&(old, place));
        }
        if let Some(new) = new {
            self.due.insert((new, place));
        }
    }

    /// When something is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// A connection whose time is over. It is told once.
    pub(super) fn due(&mut self, now: Instant) -> Option<usize> {
        self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.pop_first().map(|(_, place)| place)
    }

    /// Who goes first.
    pub(super) fn first_to_go(&self) -> Option<usize> {
        self.own.most_first().find_map(|client| {
            let (owner, _, place) = self.resting.range((client, self.origin, 0)..).next()?;
            (*owner == client).then_some(*place)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn client(n: u8) -> Client {
        Client::of([10, 0, 0, n].into())
    }

    #[test]
    fn of_whom_has_most_the_one_that_rests_longest_goes_first() {
        let start = Instant::now();
        let (mut places, after) = (Places::new(start), |s| start + Duration::from_secs(s));
        for (place, (owner, since)) in
            [(1, 5), (2, 1), (2, 0), (2, 3), (1, 4), (3, 0)].into_iter().enumerate()
        {
            places.open(client(owner));
            places.rest(client(owner), after(since), place);
        }
        let mut gone = Vec::new();
        while let Some(place) = places.first_to_go() {
            let (owner, since) = [(1, 5), (2, 1), (2, 0), (2, 3), (1, 4), (3, 0)][place];
            places.work(client(owner), after(since), place);
            places.close(client(owner));
            gone.push(place);
        }
        // Of as many, it does not matter whose.
        assert_eq!(gone, [2, 1, 4, 5, 3, 0]);
        assert!(places.own.most_first().next().is_none() && places.own.of.is_empty());
    }

    #[test]
    fn who_is_worked_on_stays_although_it_has_most() {
        let start = Instant::now();
        let mut places = Places::new(start);
        for (place, owner) in [1, 1, 2].into_iter().enumerate() {
            places.open(client(owner));
            places.rest(client(owner), start, place);
        }
        places.work(client(1), start, 0);
        places.work(client(1), start, 1);
        assert_eq!(places.first_to_go(), Some(2));
        places.work(client(2), start, 2);
        assert_eq!(places.first_to_go(), None);
    }

    #[test]
    fn of_whom_holds_most_the_one_that_holds_most_gives_back_first() {
        let mut places = Places::new(Instant::now());
        for place in 0..20 {
            // This one has most connections, and none that holds anything.
            places.open(client(9));
            places.rest(client(9), places.origin, place);
        }
        let holds = [(1, 700), (2, 600), (2, 500), (3, 1)];
        for (at, (owner, bytes)) in (20..).zip(holds) {
            places.open(client(owner));
            places.hold(client(owner), at, 0, 1);
            places.hold(client(owner), at, 1, bytes);
        }
        let mut gone = Vec::new();
        while let Some(place) = places.first_to_give_back() {
            let (owner, bytes) = holds[place - 20];
            places.hold(client(owner), place, bytes, 0);
            gone.push((place, places.held()));
        }
        assert_eq!(gone, [(21, 1201), (20, 501), (22, 1), (23, 0)]);
        assert!(
            places.holding.is_empty()
                && places.held_by.most_first().next().is_none()
                && places.held_by.of.is_empty()
        );
    }

    #[test]
    fn what_is_due_comes_in_its_order_and_once() {
        let start = Instant::now();
        let (mut places, after) = (Places::new(start), |s| start + Duration::from_secs(s));
        places.arm(1, None, Some(after(2)));
        places.arm(2, None, Some(after(1)));
        assert_eq!((places.next_due(), places.due(start)), (Some(after(1)), None));
        assert_eq!(places.due(after(1)), Some(2));
        places.arm(2, Some(after(1)), Some(after(3)));
        assert_eq!((places.due(after(1)), places.due(after(9))), (None, Some(1)));
        places.arm(1, Some(after(2)), None);
        assert_eq!(places.next_due(), Some(after(3)));
    }
}

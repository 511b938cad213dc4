//! The queues in front of the relay boards: one connection at a time per board, a rest after each, the most urgent job first.
//!
//! A board's Ethernet module serves one connection, refuses others meanwhile, and needs a second after each close. What takes a
//! board's place where power is switched by programs has such a queue, too. This file knows no socket; it says which job may
//! start now and when to ask again.

use super::time::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Milliseconds that a board rests after a connection was closed.
pub const REST_MS: i64 = 1000;

/// Jobs that may wait for one board. 4 banks of 8 relays with one job each fit four times over; more means that nobody listens.
pub const QUEUE_MAX: usize = 256;

/// A board's network name with its port: what the queue belongs to.
pub type BoardKey = String;

/// Jobs of type `J`, each for one board.
#[derive(Debug)]
pub struct Dispatch<J> {
    boards: HashMap<BoardKey, Queue<J>>,
    order: u64,
    rest_ms: i64,
}

#[derive(Debug)]
struct Queue<J> {
    waiting: BinaryHeap<Reverse<Entry<J>>>,
    busy: bool,
    rests_until: Timestamp,
}

#[derive(Debug)]
struct Entry<J> {
    deadline: Timestamp,
    order: u64,
    job: J,
}

impl<J> PartialEq for Entry<J> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl<J> Eq for Entry<J> {}
impl<J> PartialOrd for Entry<J> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<J> Ord for Entry<J> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.deadline, self.order).cmp(&(other.deadline, other.order))
    }
}

impl<J> Dispatch<J> {
    /// No boards, no jobs; boards rest `rest_ms` after each connection ([`REST_MS`] for real ones).
    pub fn new(rest_ms: i64) -> Self {
        Self { boards: HashMap::new(), order: 0, rest_ms }
    }

    /// Puts `job` in line for `board`; gives it back when the line is full.
    pub fn push(&mut self, board: &str, deadline: Timestamp, job: J) -> Result<(), J> {
        let queue = self.boards.entry(board.to_owned()).or_insert_with(|| Queue {
            waiting: BinaryHeap::new(),
            busy: false,
            rests_until: Timestamp(i64::MIN),
        });
        if queue.waiting.len() >= QUEUE_MAX {
            return Err(job);
        }
        self.order += 1;
        queue.waiting.push(Reverse(Entry { deadline, order: self.order, job }));
        Ok(())
    }

    /// Takes the most urgent job of a board that is free and rested; that board is busy until [`Self::finished`].
    pub fn start(&mut self, now: Timestamp) -> Option<(BoardKey, J)> {
        self.start_where(now, |_| true)
    }

    /// The same among the boards that `may`.
    pub fn start_where(&mut self, now: Timestamp, may: impl Fn(&str) -> bool) -> Option<(BoardKey, J)> {
        // Somebody who works by hand may name any board; one that has nothing to do and has rested is forgotten.
        self.boards.retain(|_, q| q.busy || !q.waiting.is_empty() || q.rests_until > now);
        let (board, queue) = self
            .boards
            .iter_mut()
            .filter(|(b, q)| !q.busy && q.rests_until <= now && may(b))
            .filter_map(|(b, q)| {
                q.waiting.peek().map(|Reverse(e)| (e.deadline, e.order)).map(|key| (key, b, q))
            })
            .min_by_key(|(key, _, _)| *key)
            .map(|(_, b, q)| (b.clone(), q))?;
        let Reverse(entry) = queue.waiting.pop()?;
        queue.busy = true;
        Some((board, entry.job))
    }

    /// The connection to `board` was closed at `now`.
    pub fn finished(&mut self, board: &str, now: Timestamp) {
        self.finished_resting(board, now, self.rest_ms);
    }

    /// The same for one that rests so long.
    pub fn finished_resting(&mut self, board: &str, now: Timestamp, rest_ms: i64) {
        if let Some(queue) = self.boards.get_mut(board) {
            queue.busy = false;
            queue.rests_until = now.plus_ms(rest_ms);
        }
    }

    /// Takes out every waiting job that `drop` names and returns them.
    pub fn cancel(&mut self, mut drop: impl FnMut(&J) -> bool) -> Vec<J> {
        let mut gone = Vec::new();
        for queue in self.boards.values_mut() {
            if queue.waiting.iter().any(|Reverse(e)| drop(&e.job)) {
                for Reverse(entry) in std::mem::take(&mut queue.waiting).into_vec() {
                    if drop(&entry.job) {
                        gone.push(entry.job);
                    } else {
                        queue.waiting.push(Reverse(entry));
                    }
                }
            }
        }
        gone
    }

    /// When a resting board with waiting jobs may be used again; `None` when only an end of a job can change anything.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.next_wake_where(|_| true)
    }

    /// The same among the boards that `may`; see [`Self::start_where`].
    pub fn next_wake_where(&self, may: impl Fn(&str) -> bool) -> Option<Timestamp> {
        let ready = self.boards.iter().filter(|(b, q)| !q.busy && !q.waiting.is_empty() && may(b));
        ready.map(|(_, q)| q.rests_until).min()
    }

    /// Jobs in line or under way.
    pub fn len(&self) -> usize {
        self.boards.values().map(|q| q.waiting.len() + usize::from(q.busy)).sum()
    }

    /// Jobs in line, those under way, and those in the longest line.
    pub fn lengths(&self) -> (usize, usize, usize) {
        self.boards.values().fold((0, 0, 0), |(waiting, running, longest), queue| {
            let here = queue.waiting.len();
            (waiting + here, running + usize::from(queue.busy), longest.max(here))
        })
    }

    /// No job waits and none is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp(0);

    #[test]
    fn one_job_at_a_time_per_board_and_a_rest_after_each() {
        let mut d = Dispatch::new(REST_MS);
        d.push("a", Timestamp(10), 'x').unwrap();
        d.push("a", Timestamp(20), 'y').unwrap();
        d.push("b", Timestamp(30), 'z').unwrap();
        assert_eq!(d.lengths(), (3, 0, 2));
        assert_eq!(d.start(T0), Some(("a".into(), 'x')));
        assert_eq!(d.start(T0), Some(("b".into(), 'z')), "another board is free");
        assert_eq!(d.lengths(), (1, 2, 1));
        assert_eq!((d.start(T0), d.next_wake()), (None, None), "both are busy");
        d.finished("a", Timestamp(2000));
        assert_eq!(d.start(Timestamp(2999)), None, "it rests");
        assert_eq!(d.next_wake(), Some(Timestamp(3000)));
        assert_eq!(d.start(Timestamp(3000)), Some(("a".into(), 'y')));
    }

    #[test]
    fn the_most_urgent_job_goes_first_and_equals_keep_their_order() {
        let mut d = Dispatch::new(0);
        for (at, job) in [(50, "late"), (10, "first"), (10, "second")] {
            d.push("a", Timestamp(at), job).unwrap();
        }
        let mut order = Vec::new();
        while let Some((board, job)) = d.start(T0) {
            order.push(job);
            d.finished(&board, T0);
        }
        assert_eq!(order, ["first", "second", "late"]);
        assert!(d.is_empty());
    }

    #[test]
    fn a_cancelled_job_never_starts() {
        let mut d = Dispatch::new(0);
        for job in 0..5 {
            d.push("a", T0, job).unwrap();
        }
        assert_eq!(d.cancel(|j| j % 2 == 0).len(), 3);
        let mut left = Vec::new();
        while let Some((board, job)) = d.start(T0) {
            left.push(job);
            d.finished(&board, T0);
        }
        assert_eq!(left, [1, 3]);
    }

    #[test]
    fn a_board_with_nothing_to_do_is_forgotten() {
        let mut d = Dispatch::new(REST_MS);
        d.push("a", T0, 'x').unwrap();
        assert!(d.start(T0).is_some());
        d.finished("a", T0);
        assert_eq!((d.start(Timestamp(REST_MS - 1)), d.boards.len()), (None, 1), "it rests");
        assert_eq!((d.start(Timestamp(REST_MS)), d.boards.len()), (None, 0));
    }

    #[test]
    fn boards_that_may_not_are_passed_over_and_wake_nobody() {
        let mut d = Dispatch::new(REST_MS);
        d.push("no", Timestamp(10), 'x').unwrap();
        d.push("yes", Timestamp(20), 'y').unwrap();
        assert_eq!(d.start_where(T0, |board| board == "yes"), Some(("yes".into(), 'y')));
        assert_eq!(d.next_wake_where(|board| board == "yes"), None, "it is busy, and the other one may not");
        assert!(d.next_wake().is_some());
        d.finished_resting("yes", T0, 0);
        d.push("yes", T0, 'z').unwrap();
        assert_eq!(d.start_where(T0, |board| board == "yes"), Some(("yes".into(), 'z')), "it needed no rest");
    }

    #[test]
    fn the_line_has_an_end() {
        let mut d = Dispatch::new(0);
        for _ in 0..QUEUE_MAX {
            d.push("a", T0, ()).unwrap();
        }
        assert_eq!(d.push("a", T0, ()), Err(()));
        assert_eq!(d.push("b", T0, ()), Ok(()), "another board's line is its own");
    }
}

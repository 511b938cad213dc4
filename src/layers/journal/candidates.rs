//! Boards that have turned to us and that no device is known for, on their way to the store.
//!
//! Pure; time comes in. A board that asks again and again is written once a minute with a count, a flood of made-up MACs takes a
//! bounded part of memory and a bounded number of rows a minute, and what finds no place is counted.

use crate::layers::budget::Budget;
use crate::layers::messages::Sighting;
use crate::logic::ids::Mac;
use crate::store::CandidateRow;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The same news of a board is written once in this time.
const REST: Duration = Duration::from_secs(60);
/// Boards that are remembered between two writes: several times a large rack.
const BOARDS_MAX: usize = 1024;
/// Boards that were not remembered and are taken up within a minute: a large rack that is switched on, with some more. What is
/// left out comes again with the next try of its boot loader.
const NEW_PER_SPAN: u32 = 200;

/// What is said of a board: two things, each with a rest of its own, so that its agent's words need not wait for the rest of
/// what its boot loader said seconds before.
#[derive(Debug, Default)]
struct Board {
    asked: Option<Instant>,
    registered: Option<Instant>,
    waiting: Option<CandidateRow>,
}

impl Board {
    /// When what waits is to be written.
    fn due(&self, now: Instant) -> Option<Instant> {
        let waiting = self.waiting.as_ref()?;
        let after = |last: Option<Instant>| last.map_or(now, |at| at + REST);
        let asked = (!waiting.asked_for.is_empty()).then(|| after(self.asked));
        asked.into_iter().chain(waiting.agent.as_ref().map(|_| after(self.registered))).min()
    }

    fn rests(&self, now: Instant) -> bool {
        let rests = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < REST);
        self.waiting.is_some() || rests(self.asked) || rests(self.registered)
    }
}

/// The boards that wait, and those that were written lately.
#[derive(Debug)]
pub struct Candidates {
    boards: HashMap<Mac, Board>,
    /// Of boards that are not among those.
    fresh: Budget,
    /// On their way to the store.
    ready: Vec<CandidateRow>,
    /// When the next of those that wait is due.
    due: Option<Instant>,
    /// While all places are taken: none of them is free before.
    full_until: Option<Instant>,
    lost: u64,
}

impl Candidates {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        let (boards, ready) = (HashMap::new(), Vec::new());
        Self { boards, fresh: Budget::new(now), ready, due: None, full_until: None, lost: 0 }
    }

    /// Takes one in, or counts it. `server`: this one.
    pub fn note(&mut self, sighting: Sighting, server: &str, now: Instant) {
        let Sighting { mac, address, at, asked_for, agent } = sighting;
        if !self.boards.contains_key(&mac) && !self.make_room(now) {
            self.lost += 1;
            return;
        }
        let board = self.boards.entry(mac).or_default();
        let row = board.waiting.get_or_insert_with(|| CandidateRow {
            mac,
            address: String::new(),
            imaging_server: server.to_owned(),
            first: at,
            last: at,
            seen: 0,
            asked_for: String::new(),
            agent: None,
            ignored: false,
        });
        row.address = address.to_canonical().to_string();
        row.last = row.last.max(at);
        row.seen += 1;
        if !asked_for.is_empty() {
            row.asked_for = asked_for;
        }
        if agent.is_some() {
            row.agent = agent;
        }
        if let Some(due) = board.due(now) {
            self.due = Some(self.due.map_or(due, |d| d.min(due)));
        }
    }

    /// Whether one more board may be remembered.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.boards.len() >= BOARDS_MAX {
            if self.full_until.is_some_and(|until| now < until) {
                return false;
            }
            self.boards.retain(|_, board| board.rests(now));
            if self.boards.len() >= BOARDS_MAX {
                // A look at all of them a second is nothing, one for every packet of a flood would be.
                self.full_until = Some(now + Duration::from_secs(1));
                return false;
            }
        }
        self.fresh.take(NEW_PER_SPAN, now).is_some()
    }

    /// When [`Self::collect`] will find something.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Puts what is due, or with `all` everything, among what is to be written.
    pub fn collect(&mut self, now: Instant, all: bool) {
        if !(all || self.due.is_some_and(|due| due <= now)) {
            return;
        }
        self.due = None;
        for board in self.boards.values_mut() {
            let Some(due) = board.due(now) else { continue };
            if !all && due > now {
                self.due = Some(self.due.map_or(due, |d| d.min(due)));
                continue;
            }
            let Some(row) = board.waiting.take() else { continue };
            if !row.asked_for.is_empty() {
                board.asked = Some(now);
            }
            if row.agent.is_some() {
                board.registered = Some(now);
            }
            self.ready.push(row);
        }
    }

    /// What is to be written. While the store fails this grows by a row a minute for each board that is remembered; more than
    /// those of one minute are not kept.
    pub fn ready(&mut self) -> &[CandidateRow] {
        let over = self.ready.len().saturating_sub(BOARDS_MAX);
        self.lost += over as u64;
        self.ready.drain(..over);
        &self.ready
    }

    /// Whether something is to be written.
    pub fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// So many of the oldest are in the store.
    pub fn written(&mut self, rows: usize) {
        self.ready.drain(..rows.min(self.ready.len()));
    }

    /// Sightings that found no room since this was last asked.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::budget::SPAN;
    use crate::logic::time::Timestamp;
    use crate::store::AgentWords;

    fn mac(n: u32) -> Mac {
        let [a, b, c, d] = n.to_be_bytes();
        Mac([2, 0, a, b, c, d])
    }

    fn asks(n: u32, at: i64) -> Sighting {
        let address = [10, 0, 0, 1].into();
        Sighting { mac: mac(n), address, at: Timestamp(at), asked_for: "pxelinux.cfg/x".into(), agent: None }
    }

    fn registers(n: u32, at: i64) -> Sighting {
        let agent = Some(AgentWords { at: Timestamp(at), os: "linux".into(), ..AgentWords::default() });
        Sighting { asked_for: String::new(), agent, address: [10, 0, 0, 2].into(), ..asks(n, at) }
    }

    /// What is written now: MAC's number, how often, whether its agent spoke.
    fn written(candidates: &mut Candidates, now: Instant) -> Vec<(u64, bool)> {
        candidates.collect(now, false);
        let mut rows: Vec<_> = candidates.ready().iter().map(|r| (r.seen, r.agent.is_some())).collect();
        candidates.written(rows.len());
        rows.sort_unstable();
        rows
    }

    #[test]
    fn a_board_that_asks_in_circles_is_written_once_a_minute_with_a_count() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut candidates = Candidates::new(start);
        candidates.note(asks(1, 0), "s", start);
        assert_eq!(candidates.due(), Some(start));
        assert_eq!(written(&mut candidates, start), [(1, false)]);
        for n in 1..50 {
            candidates.note(asks(1, n), "s", at(1));
        }
        assert_eq!((written(&mut candidates, at(59)), candidates.due()), (vec![], Some(at(60))));
        assert_eq!(written(&mut candidates, at(60)), [(49, false)]);
        assert_eq!((written(&mut candidates, at(900)), candidates.due()), (vec![], None));
    }

    #[test]
    fn an_agents_words_do_not_wait_for_the_boot_loaders_rest() {
        let start = Instant::now();
        let mut candidates = Candidates::new(start);
        candidates.note(asks(1, 0), "s", start);
        written(&mut candidates, start);
        candidates.note(asks(1, 5), "s", start);
        candidates.note(registers(1, 7), "s", start);
        candidates.collect(start, false);
        let row = &candidates.ready()[0];
        assert_eq!((row.first, row.last, row.seen), (Timestamp(5), Timestamp(7), 2));
        assert_eq!(
            (&*row.address, &*row.asked_for, &*row.imaging_server),
            ("10.0.0.2", "pxelinux.cfg/x", "s")
        );
        assert_eq!(row.agent.as_ref().map(|a| &*a.os), Some("linux"));
        candidates.written(1);
        candidates.note(registers(1, 8), "s", start);
        assert_eq!(written(&mut candidates, start), [], "but have a rest themselves");
        candidates.collect(start, true);
        assert_eq!(candidates.ready().len(), 1, "at the end nothing waits");
    }

    #[test]
    fn made_up_macs_take_bounded_memory_and_a_bounded_number_of_rows() {
        let start = Instant::now();
        let mut candidates = Candidates::new(start);
        for n in 0..100_000 {
            candidates.note(asks(n, 0), "s", start);
        }
        let most = NEW_PER_SPAN as usize;
        assert_eq!(candidates.boards.len(), most);
        assert_eq!(written(&mut candidates, start).len(), most);
        assert_eq!(candidates.take_lost(), 100_000 - most as u64);
        // Those that are known are heard all the same.
        candidates.note(asks(0, 1), "s", start + REST);
        assert_eq!(written(&mut candidates, start + REST), [(1, false)]);
    }

    #[test]
    fn a_store_that_fails_makes_nothing_grow() {
        let start = Instant::now();
        let mut candidates = Candidates::new(start);
        let mut number = 0;
        for minute in 0..30 {
            let now = start + SPAN * minute;
            for _ in 0..1000 {
                number += 1;
                candidates.note(asks(number, 0), "s", now);
            }
            candidates.collect(now, false);
            assert!(candidates.ready().len() <= BOARDS_MAX && candidates.boards.len() <= BOARDS_MAX);
        }
        assert_eq!(candidates.ready().len(), BOARDS_MAX);
        assert!(candidates.take_lost() > 20_000);
    }

    #[test]
    fn full_places_are_looked_through_once_a_second() {
        let start = Instant::now();
        let mut candidates = Candidates::new(start);
        // Those that wait keep their places, whatever the budget says.
        for n in 0..u32::try_from(BOARDS_MAX).unwrap() {
            candidates.boards.insert(mac(n), Board { asked: Some(start), ..Board::default() });
        }
        candidates.note(asks(99_999, 0), "s", start);
        assert_eq!((candidates.take_lost(), candidates.full_until.is_some()), (1, true));
        candidates.note(asks(99_999, 0), "s", start + REST);
        assert_eq!((candidates.take_lost(), candidates.boards.len()), (0, 1), "the old ones make room");
    }
}

//! The last changes, ready to be sent: the cell that the *changes* thread fills and everybody who watches reads.
//!
//! It is bounded by their number, and each change is small. A watcher keeps nothing but a number of its own, however slow it
//! is; when what comes next has gone from here, the store has it, and when it has gone from there, the watcher is told so.

use super::query::Filter;
use crate::api::types::ChangeBody;
use crate::store::{Change, ChangeKind};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Changes kept in memory: two seconds at the highest rate, in which everybody who is awake has taken them, and some ten
/// megabytes at the very most.
pub const RECENT_MAX: usize = 10_000;

/// A change, and how it is written.
#[derive(Debug)]
pub struct Entry {
    /// The change.
    pub change: Change,
    /// As JSON.
    pub json: Box<str>,
}

impl From<Change> for Entry {
    fn from(change: Change) -> Self {
        let json =
            serde_json::to_string(&ChangeBody::from(&change)).expect("our own types hold only string keys");
        Self { json: json.into(), change }
    }
}

impl Entry {
    /// Its number.
    pub fn seq(&self) -> u64 {
        self.change.seq
    }

    /// What it is about.
    pub fn kind(&self) -> ChangeKind {
        self.change.kind
    }
}

/// What is found after a number.
#[derive(Debug)]
pub enum Found {
    /// These, of those up to the number `seen`, which is where to go on.
    Some {
        /// Those that are wanted, in order; perhaps none.
        entries: Vec<Arc<Entry>>,
        /// The last that was looked at.
        seen: u64,
    },
    /// What comes next is in the store only, or not there any more.
    Behind,
    /// The number has not been given yet; this is the last one.
    Ahead {
        /// The last that was given.
        last: u64,
    },
}

/// See above.
#[derive(Debug, Default)]
pub struct Recent {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Arc<Entry>>,
    /// Everything up to this number has been here.
    last: u64,
    closed: bool,
}

impl Kept {
    fn find(&self, after: u64, limit: usize, filter: &Filter) -> Found {
        if after > self.last {
            return Found::Ahead { last: self.last };
        }
        if after == self.last {
            return Found::Some { entries: Vec::new(), seen: after };
        }
        // The numbers have no gap, but for a row that could not be read.
        let start = self.entries.partition_point(|e| e.seq() <= after);
        if start == 0 && self.entries.front().is_none_or(|first| first.seq() != after + 1) {
            return Found::Behind;
        }
        let mut entries = Vec::new();
        for entry in self.entries.range(start..) {
            if filter.wants(&entry.change) {
                entries.push(Arc::clone(entry));
                if entries.len() == limit {
                    return Found::Some { entries, seen: entry.seq() };
                }
            }
        }
        Found::Some { entries, seen: self.last }
    }
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last number that has come in.
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// The first watchers that come find these: all up to `last`.
    pub(crate) fn begin(&self, entries: Vec<Entry>, last: u64) {
        self.lock().entries.clear();
        self.add(entries, last);
    }

    /// More, in order, after those that are here: all up to `last`.
    pub(crate) fn add(&self, entries: Vec<Entry>, last: u64) {
        let mut kept = self.lock();
        kept.last = last;
        kept.entries.extend(entries.into_iter().map(Arc::new));
        let too_many = kept.entries.len().saturating_sub(RECENT_MAX);
        kept.entries.drain(..too_many);
        drop(kept);
        self.changed.notify_all();
    }

    /// What there is after `after`, `limit` at most.
    pub fn find(&self, after: u64, limit: usize, filter: &Filter) -> Found {
        self.lock().find(after, limit, filter)
    }

    /// The same, but sleeps until something is wanted, `until` has come, nothing more will come, or `enough` is said when it is
    /// asked: at the beginning, after each change and after each [`Self::nudge`].
    pub fn wait(
        &self,
        after: u64,
        limit: usize,
        filter: &Filter,
        until: Instant,
        enough: impl Fn() -> bool,
    ) -> Found {
        let mut kept = self.lock();
        let mut from = after;
        loop {
            let found = kept.find(from, limit, filter);
            match &found {
                // What was looked at need not be looked at again.
                Found::Some { entries, seen } if entries.is_empty() => from = *seen,
                // Another server has told of it already.
                Found::Ahead { .. } => {}
                Found::Some { .. } | Found::Behind => return found,
            }
            let left = until.saturating_duration_since(Instant::now());
            if kept.closed || left == Duration::ZERO || enough() {
                return found;
            }
            kept = self.changed.wait_timeout(kept, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Has all watchers look again.
    pub fn nudge(&self) {
        drop(self.lock());
        self.changed.notify_all();
    }

    /// Nothing more will come: everybody who waits goes.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Nothing more will come.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::time::Timestamp;
    use crate::store::{ChangeData, ChangeWhat};

    const FOREVER: Duration = Duration::from_secs(60);

    fn entries(numbers: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
        let change = |seq| Change {
            seq,
            at: Timestamp(0),
            kind: if seq % 2 == 0 { ChangeKind::Image } else { ChangeKind::Server },
            subject: format!("x{seq}"),
            what: ChangeWhat::Created,
            data: ChangeData::Nothing,
        };
        numbers.map(change).map(Entry::from).collect()
    }

    fn images() -> Filter {
        Filter { kinds: vec![ChangeKind::Image], ..Filter::default() }
    }

    fn said(found: &Found) -> String {
        match found {
            Found::Some { entries, seen } => {
                let numbers: Vec<u64> = entries.iter().map(|e| e.seq()).collect();
                format!("{numbers:?} to {seen}")
            }
            Found::Behind => "behind".into(),
            Found::Ahead { last } => format!("ahead of {last}"),
        }
    }

    #[test]
    fn what_is_here_is_found_and_what_is_not_is_named() {
        let recent = Recent::default();
        recent.begin(entries(5..=8), 8);
        let find = |after, limit, filter: &Filter| said(&recent.find(after, limit, filter));
        let all = Filter::default();
        for (after, limit, filter, want) in [
            (4, 9, &all, "[5, 6, 7, 8] to 8"),
            (5, 2, &all, "[6, 7] to 7"),
            (8, 9, &all, "[] to 8"),
            (3, 9, &all, "behind"),
            (0, 9, &all, "behind"),
            (9, 9, &all, "ahead of 8"),
            (u64::MAX, 9, &all, "ahead of 8"),
            (4, 9, &images(), "[6, 8] to 8"),
            (4, 1, &images(), "[6] to 6"),
            (6, 9, &images(), "[8] to 8"),
        ] {
            assert_eq!(find(after, limit, filter), want, "after {after}");
        }
        recent.add(entries(9..=9), 9);
        assert_eq!(find(8, 9, &images()), "[] to 9");
    }

    #[test]
    fn only_so_many_are_kept() {
        let recent = Recent::default();
        let many = RECENT_MAX as u64 + 3;
        recent.begin(Vec::new(), 0);
        recent.add(entries(1..=many), many);
        assert_eq!(said(&recent.find(2, 1, &Filter::default())), "behind");
        assert_eq!(said(&recent.find(3, 1, &Filter::default())), "[4] to 4");
        assert_eq!(recent.last(), many);
        // After a gap, which only a damaged store can have, nobody is told that there was none.
        recent.begin(Vec::new(), many + 10);
        assert_eq!(said(&recent.find(many, 1, &Filter::default())), "behind");
    }

    #[test]
    fn who_waits_wakes_for_what_is_wanted_and_at_the_end() {
        let recent = Recent::default();
        recent.begin(Vec::new(), 0);
        let (until, recent) = (Instant::now() + FOREVER, &recent);
        std::thread::scope(|scope| {
            let wait = |after| said(&recent.wait(after, 9, &images(), until, || false));
            let waiting = scope.spawn(move || wait(0));
            recent.add(entries(1..=1), 1);
            recent.add(entries(2..=2), 2);
            assert_eq!(waiting.join().unwrap(), "[2] to 2");

            let idle = scope.spawn(move || wait(2));
            recent.add(entries(3..=3), 3);
            recent.close();
            let idle = idle.join().unwrap();
            assert!(["[] to 3", "[] to 2"].contains(&idle.as_str()), "{idle}");
            assert_eq!(
                said(&recent.wait(3, 9, &images(), until, || false)),
                "[] to 3",
                "at once from now on"
            );
        });
        let recent = Recent::default();
        let now = Instant::now();
        assert_eq!(said(&recent.wait(0, 9, &images(), now, || false)), "[] to 0", "time is up");
        assert_eq!(said(&recent.wait(0, 9, &images(), now + FOREVER, || true)), "[] to 0", "told to go");
    }
}

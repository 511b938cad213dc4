//! The store as a server sees it over a network: the real one, and time for every statement.
//!
//! All servers use one connection in turn, for only one of them runs at a time; a verb is carried out in one moment, at the end of
//! the time that it costs. How many statements a verb sends is what it sent the times before.

use super::actor::{Shared, Strings, open};
use crate::logic::ids::RequestId;
use crate::logic::time::Timestamp;
use crate::sim::watched::Watched;
use crate::store::through::{Between, Through};
use crate::store::*;
use std::collections::BTreeMap;

/// What things cost, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// A statement, in the database.
    pub statement_us: i64,
    /// A commit, on top: a disk's flush, or what a cluster's nodes say to each other.
    pub commit_us: i64,
    /// There and back between a server and the database, or between two servers.
    pub network_us: i64,
}

/// What there is of the database: its connection, the row that all take, and what is known of verbs.
pub(super) struct Database {
    /// In somebody's hands while a verb is carried out.
    pub(super) store: Option<Through<Watched>>,
    pub(super) now_us: i64,
    /// The row that counts changes is free again then.
    pub(super) free_us: i64,
    verbs: BTreeMap<&'static str, Verb>,
    pub(super) sums: Sums,
    /// Requests that have no board yet: since when.
    pub(super) asked: BTreeMap<RequestId, Timestamp>,
    /// Who owns a request.
    pub(super) owners: BTreeMap<RequestId, String>,
}

/// What is counted of everybody.
#[derive(Debug, Clone, Default)]
pub(super) struct Sums {
    pub(super) statements: u64,
    pub(super) commits: u64,
    /// Time for which the row was taken, and for which others waited for it, and how often it was taken.
    pub(super) held_us: i64,
    pub(super) waited_us: i64,
    pub(super) changes: u64,
    /// Commits of requests that lost their board to another server's request, or were overtaken.
    pub(super) lost_claims: u64,
    pub(super) stale: u64,
    /// From a request's making to its first board, in ms, and when that was.
    pub(super) claims: Vec<(i64, i64)>,
}

/// What a verb sent so far.
#[derive(Debug, Clone, Copy, Default)]
struct Verb {
    /// In the time that counts.
    calls: u64,
    sent: u64,
    items: u64,
    statements: u64,
    /// … of them behind the counter's row.
    behind: u64,
    counts: bool,
}

/// Before anything is known of a verb.
const FIRST_GUESS: u64 = 10;

impl Database {
    pub(super) fn new(store: Through<Watched>, now_us: i64) -> Self {
        Self {
            store: Some(store),
            now_us,
            free_us: now_us,
            verbs: BTreeMap::new(),
            sums: Sums::default(),
            asked: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// From here on it counts: what was learnt of verbs before stays.
    pub(super) fn begin(&mut self) {
        self.sums = Sums::default();
        self.verbs.values_mut().for_each(|verb| (verb.calls, verb.sent) = (0, 0));
    }

    /// Verbs with their calls and statements, those that send most first.
    pub(super) fn verbs(&self) -> Vec<(&'static str, u64, u64)> {
        let mut verbs: Vec<_> = self.verbs.iter().map(|(name, v)| (*name, v.calls, v.sent)).collect();
        verbs.sort_by_key(|(_, _, sent)| std::cmp::Reverse(*sent));
        verbs
    }

    /// What a verb with so many items will send: before and behind the counter's row; nothing behind it, when it does not take it.
    fn guess(&self, verb: &'static str, items: u64) -> (i64, Option<i64>) {
        let n = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        match self.verbs.get(verb) {
            Some(known) if known.items > 0 => {
                let all = n((known.statements * items).div_ceil(known.items));
                let behind = n((known.behind * items).div_ceil(known.items));
                if known.counts { ((all - behind).max(0), Some(behind)) } else { (all, None) }
            }
            _ => (n(FIRST_GUESS * items), None),
        }
    }

    fn learn(&mut self, verb: &'static str, items: u64) {
        let sent = tally::take();
        let known = self.verbs.entry(verb).or_default();
        known.calls += 1;
        known.sent += u64::from(sent.statements);
        known.items += items;
        known.statements += u64::from(sent.statements);
        if let Some(at) = sent.counted_at {
            known.behind += u64::from(sent.statements.saturating_sub(at));
            known.counts = true;
            self.sums.changes += 1;
        }
        self.sums.statements += u64::from(sent.statements);
    }
}

/// A thread's way to it.
pub(super) struct Far {
    pub(super) database: Shared<Database>,
    pub(super) strings: Strings,
    pub(super) latency: Latency,
    /// While a verb is carried out.
    pub(super) held: Option<Through<Watched>>,
}

impl Far {
    fn each_us(&self) -> i64 {
        self.latency.statement_us + self.latency.network_us
    }

    /// Time passes until the verb is carried out.
    fn way(&self, verb: &'static str, items: usize, writes: bool) -> Result<()> {
        let gone = || StoreError::Unavailable { doing: "answer", source: "the world has ended".into() };
        let (before, behind) = open(&self.database).guess(verb, items as u64);
        let commit_us = if writes { self.latency.commit_us } else { 0 };
        let Some(behind) = behind else {
            return if self.strings.wait(before * self.each_us() + commit_us) { Ok(()) } else { Err(gone()) };
        };
        if !self.strings.wait(before * self.each_us()) {
            return Err(gone());
        }
        let holds_us = behind * self.each_us() + commit_us;
        let mut database = open(&self.database);
        let (now_us, begins_us) = (database.now_us, database.free_us.max(database.now_us));
        database.free_us = begins_us + holds_us;
        database.sums.held_us += holds_us;
        database.sums.waited_us += begins_us - now_us;
        drop(database);
        if self.strings.wait(begins_us - now_us + holds_us) { Ok(()) } else { Err(gone()) }
    }

    /// A write of several things.
    fn write<T>(
        &mut self,
        verb: &'static str,
        items: usize,
        work: impl FnOnce(&mut Database, &mut dyn Store) -> Result<T>,
    ) -> Result<T> {
        self.way(verb, items, true)?;
        let mut database = open(&self.database);
        let mut store = database.store.take().expect("only one runs, and gives it back");
        tally::take();
        let done = work(&mut database, &mut store);
        database.store = Some(store);
        database.sums.commits += 1;
        database.learn(verb, items as u64);
        done
    }
}

/// Verbs that write, of those that are passed on one by one.
const WRITES: [&str; 4] = ["append_device_log", "append_attempt_steps", "beat", "join_pool"];

impl Between for Far {
    fn store(&mut self) -> &mut dyn Store {
        self.held.as_mut().expect("taken before every verb")
    }

    fn before(&mut self, verb: &'static str) -> Result<()> {
        self.way(verb, 1, WRITES.contains(&verb))?;
        self.held = open(&self.database).store.take();
        tally::take();
        Ok(())
    }

    fn after(&mut self, verb: &'static str, _: Option<&StoreError>) {
        let mut database = open(&self.database);
        database.store = self.held.take();
        database.sums.commits += u64::from(WRITES.contains(&verb));
        database.learn(verb, 1);
    }

    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        self.write("commit_devices", commits.len(), |database, store| {
            let done = store.commit_devices(commits)?;
            database.sums.stale += done.iter().filter(|d| **d != Committed::Done).count() as u64;
            Ok(done)
        })
    }

    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        if commits.is_empty() {
            return Ok(Vec::new());
        }
        self.write("commit_requests", commits.len(), |database, store| {
            let done = store.commit_requests(commits)?;
            for (commit, done) in commits.iter().zip(&done) {
                match done {
                    Committed::Done if commit.next.assigned.is_some() => {
                        if let Some(asked) = database.asked.remove(&commit.next.id) {
                            let now_ms = database.now_us / 1000;
                            database.sums.claims.push((now_ms, now_ms - asked.0));
                        }
                    }
                    Committed::Done if commit.next.state.is_failed() => {
                        database.asked.remove(&commit.next.id);
                    }
                    Committed::Done => {}
                    Committed::ClaimLost => database.sums.lost_claims += 1,
                    Committed::Stale => database.sums.stale += 1,
                }
            }
            Ok(done)
        })
    }

    fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
        if new.is_empty() {
            return Ok(Vec::new());
        }
        self.write("insert_requests", new.len(), |database, store| {
            let ids = store.insert_requests(new)?;
            for (id, new) in ids.iter().zip(new) {
                database.asked.insert(*id, new.created);
                database.owners.insert(*id, new.server.clone());
            }
            Ok(ids)
        })
    }
}

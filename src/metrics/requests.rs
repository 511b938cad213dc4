//! Requests as their layer commits them: how many there are in which state, who waits since when, how they ended, and how long it
//! took until they had their board.

use super::histogram::Histogram;
use super::table::Metric;
use super::text::Page;
use crate::logic::ids::RequestId;
use crate::logic::machine::Counters;
use crate::logic::mozpool::{Counter, Request, State};
use crate::logic::time::Timestamp;
use crate::store::{Committed, RequestCommit};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Upper bounds in seconds: a board that runs the image already needs a minute, one that gets it some, and a queue takes hours.
const READY_BOUNDS: [f64; 12] =
    [10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0];

/// What is counted.
#[derive(Debug)]
pub struct Requests {
    /// Those that are not closed: as many as their layer has.
    open: Mutex<BTreeMap<i64, Open>>,
    ready: Histogram,
    created: AtomicU64,
    /// By state.
    ended: Vec<AtomicU64>,
    /// By counter.
    retries: Vec<AtomicU64>,
}

/// How a request was.
#[derive(Debug)]
struct Open {
    state: State,
    created: Option<Timestamp>,
    counters: Counters<Counter>,
    had_board: bool,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            ready: Histogram::new(&READY_BOUNDS),
            created: AtomicU64::new(0),
            ended: State::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            retries: Counter::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

/// It will do nothing more by itself.
fn has_ended(state: State) -> bool {
    state.is_failed() || is_over(state)
}

/// … and is no longer its layer's.
fn is_over(state: State) -> bool {
    matches!(state, State::Closed | State::Expired)
}

/// It has no board yet.
fn waits(state: State) -> bool {
    matches!(state, State::New | State::FindingDevice)
}

impl Requests {
    fn open(&self) -> MutexGuard<'_, BTreeMap<i64, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// They were made then.
    pub fn created(&self, made: impl IntoIterator<Item = (RequestId, Timestamp)>) {
        let mut open = self.open();
        for (id, at) in made {
            self.created.fetch_add(1, Ordering::Relaxed);
            let counters = Counters::default();
            open.insert(id.0, Open { state: State::New, created: Some(at), counters, had_board: false });
        }
    }

    /// A request was read: it is so, whoever has made it so. `created`: when it was made, where that was read as well.
    pub fn loaded(&self, request: &Request, created: Option<Timestamp>) {
        let mut open = self.open();
        let known = open.remove(&request.id.0);
        if is_over(request.state) {
            return;
        }
        let fresh = Open {
            state: request.state,
            created: created.or_else(|| known.as_ref().and_then(|k| k.created)),
            counters: request.counters.clone(),
            had_board: request.state == State::Ready || known.is_some_and(|k| k.had_board),
        };
        open.insert(request.id.0, fresh);
    }

    /// There is no such request any more.
    pub fn gone(&self, id: RequestId) {
        self.open().remove(&id.0);
    }

    /// These commits came to that.
    pub fn committed(&self, commits: &[RequestCommit], outcomes: &[Committed]) {
        let mut open = self.open();
        for (RequestCommit { next, at, .. }, outcome) in commits.iter().zip(outcomes) {
            if *outcome == Committed::Done {
                self.moved(&mut open, next, *at);
            }
        }
    }

    fn moved(&self, open: &mut BTreeMap<i64, Open>, next: &Request, at: Timestamp) {
        let known = open.remove(&next.id.0);
        if has_ended(next.state) && !known.as_ref().is_some_and(|k| has_ended(k.state)) {
            self.ended[next.state as usize].fetch_add(1, Ordering::Relaxed);
        }
        let mut fresh = Open {
            state: next.state,
            created: known.as_ref().and_then(|k| k.created),
            counters: next.counters.clone(),
            had_board: false,
        };
        if let Some(known) = known {
            fresh.had_board = known.had_board;
            for (counter, n) in next.counters.iter() {
                let more = n.saturating_sub(known.counters.get(counter));
                self.retries[counter as usize].fetch_add(more.into(), Ordering::Relaxed);
            }
        }
        // Ready a second time: the first counts.
        if next.state == State::Ready && !fresh.had_board {
            fresh.had_board = true;
            if let Some(created) = fresh.created {
                self.ready.observe_ms(at.ms_since(created));
            }
        }
        if !is_over(next.state) {
            open.insert(next.id.0, fresh);
        }
    }

    pub(super) fn show(&self, page: &mut Page, now: Timestamp) {
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let mut by_state = vec![0_u64; State::ALL.len()];
        let mut oldest: Option<Timestamp> = None;
        for request in self.open().values() {
            by_state[request.state as usize] += 1;
            if waits(request.state) {
                oldest = oldest.into_iter().chain(request.created).min();
            }
        }
        let counted = || State::ALL.iter().zip(&by_state);
        for (state, n) in counted().filter(|(state, _)| !is_over(**state)) {
            page.add(Metric::Requests, &[state.name()], *n);
        }
        let waiting: u64 = counted().filter(|(state, _)| waits(**state)).map(|(_, n)| n).sum();
        page.add(Metric::RequestsWaiting, &[], waiting);
        let age_ms = oldest.map_or(0, |created| now.ms_since(created).max(0).unsigned_abs());
        page.add(Metric::OldestWaiting, &[], std::time::Duration::from_millis(age_ms).as_secs_f64());
        page.add(Metric::RequestsCreated, &[], load(&self.created));
        for (state, n) in State::ALL.iter().zip(&self.ended).filter(|(state, _)| has_ended(**state)) {
            page.add(Metric::RequestsEnded, &[state.name()], load(n));
        }
        page.add_histogram(Metric::ReadySeconds, &[], &self.ready.seen());
        for (counter, n) in Counter::ALL.iter().zip(&self.retries) {
            page.add(Metric::RequestRetries, &[counter.name()], load(n));
        }
    }
}

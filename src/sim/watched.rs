//! The store that the layers are given: the real one, with an eye on what is written, and failures on demand.
//!
//! A crash falls on a write: before it, and nothing is on disk, or after it, and what should have followed never happens.
//! From then on nothing answers; the world throws the layers away with all that was under way and loads them again.

use super::dice::Dice;
use super::ledger::{Shared, open};
use crate::clock::{Clock, ManualClock};
use crate::logic::ids::RequestId;
use crate::store::through::Between;
use crate::store::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is wrong with the store.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) dice: Dice,
    /// Nothing answers until then; steady time.
    pub(super) away_until_ms: i64,
    /// Probability that a write fails.
    pub(super) write_fails: f64,
    /// So many writes from now the daemon dies.
    pub(super) crash_in: Option<u32>,
    /// It has died.
    pub(super) dead: bool,
}

pub(super) type Troubles = Arc<Mutex<Trouble>>;

pub(super) fn troubles(shared: &Troubles) -> MutexGuard<'_, Trouble> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Written,
    /// Written, and nobody lives to hear of it.
    WrittenAndDead,
}

pub(super) struct Watched {
    pub(super) inner: Box<dyn Store>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) ledger: Shared,
    pub(super) troubles: Troubles,
}

fn unavailable<T>(doing: &'static str) -> Result<T> {
    Err(StoreError::Unavailable { doing, source: "simulated".into() })
}

impl Watched {
    fn read(&self, doing: &'static str) -> Result<()> {
        let t = troubles(&self.troubles);
        if t.dead || self.clock.steady_ms() < t.away_until_ms { unavailable(doing) } else { Ok(()) }
    }

    fn write(&self, doing: &'static str) -> Result<Fate> {
        self.read(doing)?;
        let t = &mut *troubles(&self.troubles);
        match &mut t.crash_in {
            Some(0) => {
                (t.dead, t.crash_in) = (true, None);
                if t.dice.chance(0.5) { Ok(Fate::WrittenAndDead) } else { unavailable(doing) }
            }
            Some(n) => {
                *n -= 1;
                Ok(Fate::Written)
            }
            None if t.dice.chance(t.write_fails) => unavailable(doing),
            None => Ok(Fate::Written),
        }
    }
}

/// The answer to a write that was carried out.
fn told<T>(fate: Fate, answer: T) -> Result<T> {
    if fate == Fate::Written { Ok(answer) } else { unavailable("answer") }
}

impl Between for Watched {
    fn store(&mut self) -> &mut dyn Store {
        &mut *self.inner
    }

    fn before(&mut self, verb: &'static str) -> Result<()> {
        self.read(verb)
    }

    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        let fate = self.write("write requests")?;
        let done = self.inner.commit_requests(commits)?;
        let mut ledger = open(&self.ledger);
        for (commit, done) in commits.iter().zip(&done) {
            if *done == Committed::Done {
                ledger.request_written(commit);
            }
        }
        drop(ledger);
        told(fate, done)
    }

    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        let fate = self.write("write devices")?;
        let done = self.inner.commit_devices(commits)?;
        let mut ledger = open(&self.ledger);
        for (commit, done) in commits.iter().zip(&done) {
            if *done == Committed::Done {
                ledger.device_written(commit, fate == Fate::Written);
            }
        }
        drop(ledger);
        told(fate, done)
    }

    fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
        let fate = self.write("make requests")?;
        let ids = self.inner.insert_requests(new)?;
        open(&self.ledger).requests_made(&ids, new);
        told(fate, ids)
    }
}

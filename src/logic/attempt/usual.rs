//! What attempts of one kind usually look like: when each step comes and how long it takes, from the last good ones.
//!
//! Medians, so that one attempt in which everything waited for a busy relay board moves nothing; and beside each how far from it
//! is still as usual.

use super::{Attempt, Step, StepKind};
use std::collections::HashMap;

/// Good attempts that are looked at: enough for a median that one bad day does not move, few enough to read each time.
pub const SAMPLES: usize = 20;
/// With fewer good attempts nothing is said to be usual.
pub const SAMPLES_LEAST: usize = 3;
/// Less than this is never late: clocks, queues and batches of lines.
const NOISE_MS: u64 = 1000;
/// Steps that are compared. A board that repeats itself for hours has no more that are usual.
const STEPS_MAX: usize = 500;

/// What is usual for attempts of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usual {
    /// How long an attempt takes; `None` while too few good ones are known.
    pub duration: Option<Typical>,
    /// Steps that most attempts have, in the order in which they usually come.
    pub steps: Vec<UsualStep>,
}

/// A number of milliseconds that varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Typical {
    /// In the middle.
    pub ms: u64,
    /// Up to this it is as usual.
    pub most_ms: u64,
}

/// A step that most attempts of a kind have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsualStep {
    /// Which.
    pub id: StepId,
    /// When it comes, after the start.
    pub at: Typical,
    /// How long it takes, if it takes time.
    pub took: Option<Typical>,
}

/// Which step of an attempt it is, the same on every board.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId {
    /// Its kind.
    pub kind: StepKind,
    /// See [`Step::key`].
    pub key: String,
    /// So many of that kind and name came before it.
    pub nth: usize,
}

/// The steps of an attempt with what tells them apart, in their order. Steps that went wrong are none that others could have.
pub(super) fn identified(attempt: &Attempt) -> impl Iterator<Item = (Option<StepId>, &Step)> {
    let mut seen: HashMap<(StepKind, &str), usize> = HashMap::new();
    attempt.steps.iter().take(STEPS_MAX).map(move |step| {
        if step.bad {
            return (None, step);
        }
        let nth = seen.entry((step.kind, step.key())).or_default();
        let id = StepId { kind: step.kind, key: step.key().to_owned(), nth: *nth };
        *nth += 1;
        (Some(id), step)
    })
}

impl Typical {
    /// Of some values.
    fn of(mut values: Vec<u64>) -> Option<Self> {
        values.sort_unstable();
        let ms = *values.get(values.len() / 2)?;
        let nearly_all = *values.get((values.len() * 9 / 10).min(values.len() - 1))?;
        let spread = (nearly_all - ms).saturating_mul(2).max(ms / 4).max(NOISE_MS);
        Some(Self { ms, most_ms: ms.saturating_add(spread) })
    }

    /// By how much this is more than usual, if it is.
    pub fn excess_ms(&self, ms: u64) -> Option<u64> {
        (ms > self.most_ms).then(|| ms - self.ms)
    }
}

impl Usual {
    /// Of these good attempts of one kind.
    pub fn of(good: &[Attempt]) -> Self {
        if good.len() < SAMPLES_LEAST {
            return Self::default();
        }
        let durations = good.iter().filter_map(|a| Some(ms(a, a.ended?)));
        let mut found: HashMap<StepId, (Vec<u64>, Vec<u64>)> = HashMap::new();
        for attempt in good {
            for (id, step) in identified(attempt) {
                let Some(id) = id else { continue };
                let (at, took) = found.entry(id).or_default();
                at.push(ms(attempt, step.at));
                took.extend(step.took_ms);
            }
        }
        let most = good.len() / 2;
        let step = |(id, (at, took)): (StepId, (Vec<u64>, Vec<u64>))| {
            // What only some attempts have says nothing about when it ought to come.
            if at.len() <= most {
                return None;
            }
            let took = if took.len() > most { Typical::of(took) } else { None };
            Some(UsualStep { id, at: Typical::of(at)?, took })
        };
        let mut steps: Vec<UsualStep> = found.into_iter().filter_map(step).collect();
        steps.sort_by(|a, b| (a.at.ms, &a.id).cmp(&(b.at.ms, &b.id)));
        Self { duration: Typical::of(durations.collect()), steps }
    }

    /// What is usual for this step, and its place in the usual order.
    pub(super) fn find(&self, id: &StepId) -> Option<(usize, &UsualStep)> {
        self.steps.iter().enumerate().find(|(_, step)| step.id == *id)
    }
}

/// Milliseconds from an attempt's start.
pub(super) fn ms(attempt: &Attempt, at: crate::logic::time::Timestamp) -> u64 {
    at.ms_since(attempt.started).max(0).unsigned_abs()
}

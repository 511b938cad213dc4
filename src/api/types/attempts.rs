//! What happened at boot.

use super::rfc3339;
use crate::logic::attempt::Step;
use crate::logic::attempt::usual::UsualStep;
use crate::logic::attempt::verdict::{Compared, Judged};
use crate::logic::catalog::Catalog;
use crate::logic::lifeguard::{State, def, time_limit_in};
use crate::logic::time::Timestamp;
use crate::store::{AttemptView, DeviceView};
use serde::Serialize;

/// `GET device/…/attempts`
#[derive(Debug, Serialize)]
pub struct Attempts {
    /// Whose.
    pub device: String,
    /// Its type and model.
    pub hardware: String,
    /// Newest first.
    pub attempts: Vec<AttemptBody>,
    /// There are older ones.
    pub more: bool,
}

/// One attempt.
#[derive(Debug, Serialize)]
pub struct AttemptBody {
    id: i64,
    purpose: &'static str,
    image: Option<String>,
    request_id: Option<i64>,
    started: String,
    ended: Option<String>,
    outcome: &'static str,
    state: String,
    duration_ms: u64,
    usual_duration_ms: Option<u64>,
    verdict: Option<String>,
    steps: Vec<StepBody>,
    missing: Vec<MissingBody>,
}

#[derive(Debug, Serialize)]
struct MissingBody {
    kind: &'static str,
    name: String,
    usual_ms: u64,
}

#[derive(Debug, Serialize)]
struct StepBody {
    at_ms: u64,
    kind: &'static str,
    what: String,
    name: String,
    bytes: Option<u64>,
    took_ms: Option<u64>,
    usual_ms: Option<u64>,
    late_ms: Option<u64>,
    slow: bool,
    bad: bool,
}

impl AttemptBody {
    /// With what was found by comparing it, at `now`.
    pub fn new(view: AttemptView, judged: Judged, usual_duration_ms: Option<u64>, now: Timestamp) -> Self {
        let attempt = view.attempt;
        let after = |at: Timestamp| at.ms_since(attempt.started).max(0).unsigned_abs();
        let step = |(step, compared): (Step, Compared)| StepBody {
            at_ms: after(step.at),
            kind: step.kind.name(),
            what: step.what,
            name: step.name,
            bytes: step.bytes,
            took_ms: step.took_ms,
            usual_ms: compared.usual_ms,
            late_ms: compared.late_ms,
            slow: compared.slow,
            bad: step.bad,
        };
        let missing = |step: UsualStep| MissingBody {
            kind: step.id.kind.name(),
            name: step.id.key,
            usual_ms: step.at.ms,
        };
        Self {
            id: view.id,
            purpose: attempt.purpose.name(),
            image: Some(view.kind.image).filter(|image| !image.is_empty()),
            request_id: view.request.map(|r| r.0),
            started: rfc3339(attempt.started),
            ended: attempt.ended.map(rfc3339),
            outcome: attempt.outcome.name(),
            state: attempt.state,
            duration_ms: after(attempt.ended.unwrap_or(now)),
            usual_duration_ms,
            verdict: judged.verdict,
            steps: attempt.steps.into_iter().zip(judged.steps).map(step).collect(),
            missing: judged.missing.into_iter().map(missing).collect(),
        }
    }
}

/// How often a device's state has gone wrong, in its details.
#[derive(Debug, Serialize)]
pub(super) struct Tries {
    counter: &'static str,
    used: u16,
    allowed: u16,
}

impl Tries {
    /// Of the state that a device is in, if that counts anything.
    pub(super) fn of(view: &DeviceView) -> Option<Self> {
        let count = def(State::parse(&view.state)?).count?;
        let used = view.counters.get(count.counter);
        Some(Self { counter: count.counter.name(), used, allowed: count.limit })
    }
}

/// The time limit of the state that a device is in, in seconds.
pub(super) fn limit_s(view: &DeviceView, catalog: &Catalog) -> Option<u32> {
    let image = view.next.as_ref().or(view.installed.as_ref()).map(|i| &i.image);
    time_limit_in(State::parse(&view.state)?, image, catalog, view.info.hardware)
}

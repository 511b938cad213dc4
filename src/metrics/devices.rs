//! Devices as their layer commits them: how long they were in states, how attempts ended, what failed, what was tried again.
//!
//! Of each device it remembers what the next commit is to be compared with, and nothing that the store does not have.

use super::histogram::Histogram;
use super::table::Metric;
use super::text::Page;
use crate::logic::attempt::{Outcome, Purpose, Step, StepKind, Turn};
use crate::logic::ids::DeviceName;
use crate::logic::lifeguard::{Counter, Device, State};
use crate::logic::machine::Counters;
use crate::logic::report::Group;
use crate::logic::time::Timestamp;
use crate::store::{Committed, DeviceCommit};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Upper bounds of states' durations in seconds: a relay takes two, an image some minutes, and the longest time limits are hours.
const STATE_BOUNDS: [f64; 11] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 7200.0];
/// Of attempts.
const ATTEMPT_BOUNDS: [f64; 11] =
    [10.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0];
/// Of steps: a kernel takes a second, an image some minutes.
const STEP_BOUNDS: [f64; 10] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];
/// Devices that are remembered. One that was deleted stays; beyond this all are forgotten, and known again when they move.
const KNOWN_MAX: usize = 100_000;

/// What is counted.
#[derive(Debug)]
pub struct Devices {
    known: Mutex<Known>,
    /// By state.
    in_state: Vec<Histogram>,
    /// By purpose, then by outcome.
    attempts: Vec<Histogram>,
    /// By outcome.
    ended: Vec<AtomicU64>,
    /// By kind.
    steps: Vec<StepCounts>,
    /// By counter.
    retries: Vec<AtomicU64>,
}

#[derive(Debug, Default)]
struct Known {
    devices: HashMap<DeviceName, Last>,
    /// By state and cause, both of which are words of this program.
    failures: BTreeMap<(&'static str, &'static str), u64>,
}

/// How a device was.
#[derive(Debug)]
struct Last {
    state: State,
    since: Timestamp,
    counters: Counters<Counter>,
    attempt: Option<(Purpose, Timestamp)>,
}

impl Last {
    fn of(device: &Device) -> Self {
        Self { state: device.state, since: device.since, counters: device.counters.clone(), attempt: None }
    }
}

#[derive(Debug)]
struct StepCounts {
    took: Histogram,
    well: AtomicU64,
    bad: AtomicU64,
}

impl Default for Devices {
    fn default() -> Self {
        let step = |_: &StepKind| StepCounts {
            took: Histogram::new(&STEP_BOUNDS),
            well: AtomicU64::new(0),
            bad: AtomicU64::new(0),
        };
        let ends = Purpose::ALL.len() * Outcome::ALL.len();
        Self {
            known: Mutex::default(),
            in_state: State::ALL.iter().map(|_| Histogram::new(&STATE_BOUNDS)).collect(),
            attempts: (0..ends).map(|_| Histogram::new(&ATTEMPT_BOUNDS)).collect(),
            ended: Outcome::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
            steps: StepKind::ALL.iter().map(step).collect(),
            retries: Counter::ALL.iter().map(|_| AtomicU64::new(0)).collect(),
        }
    }
}

fn add(to: &AtomicU64, n: u64) {
    to.fetch_add(n, Ordering::Relaxed);
}

impl Devices {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A device was read: it is so, whoever has made it so.
    pub fn loaded<'d>(&self, devices: impl IntoIterator<Item = &'d Device>) {
        let mut known = self.known();
        for device in devices {
            let attempt = known.devices.get(&device.name).and_then(|last| last.attempt);
            known.remember(device, attempt);
        }
    }

    /// These commits came to that.
    pub fn committed(&self, commits: &[DeviceCommit], outcomes: &[Committed]) {
        let mut known = self.known();
        for (commit, _) in commits.iter().zip(outcomes).filter(|(_, o)| **o == Committed::Done) {
            self.moved(&mut known, commit);
        }
    }

    fn moved(&self, known: &mut Known, commit: &DeviceCommit) {
        let DeviceCommit { next, turns, failure, at, .. } = commit;
        let last = known.devices.get(&next.name);
        if let Some(last) = last {
            let left = last.state != next.state || last.since != next.since;
            if left && Group::of(last.state, false) == Group::Working {
                self.in_state[last.state as usize].observe_ms(at.ms_since(last.since));
            }
            for (counter, n) in next.counters.iter() {
                let more = n.saturating_sub(last.counters.get(counter));
                add(&self.retries[counter as usize], more.into());
            }
        }
        let mut attempt = last.and_then(|last| last.attempt);
        for turn in turns {
            match turn {
                // One that still runs has failed.
                Turn::Begin { purpose, .. } => {
                    if attempt.is_some() {
                        self.attempt_ended(attempt, Outcome::Failed, *at);
                    }
                    attempt = Some((*purpose, *at));
                }
                Turn::Enter(_) => {}
                Turn::End { outcome, .. } => self.attempt_ended(attempt.take(), *outcome, *at),
            }
        }
        if let Some(failure) = failure {
            *known.failures.entry((failure.state.name(), failure.cause)).or_default() += 1;
        }
        known.remember(next, attempt);
    }

    /// `attempt`: what for, and when it began, if that is known.
    fn attempt_ended(&self, attempt: Option<(Purpose, Timestamp)>, outcome: Outcome, at: Timestamp) {
        add(&self.ended[outcome as usize], 1);
        if let Some((purpose, began)) = attempt {
            let place = purpose as usize * Outcome::ALL.len() + outcome as usize;
            self.attempts[place].observe_ms(at.ms_since(began));
        }
    }

    /// A step of an attempt was written.
    pub fn step(&self, step: &Step) {
        let counts = &self.steps[step.kind as usize];
        add(if step.bad { &counts.bad } else { &counts.well }, 1);
        if let Some(ms) = step.took_ms {
            counts.took.observe_ms(i64::try_from(ms).unwrap_or(i64::MAX));
        }
    }

    pub(super) fn show(&self, page: &mut Page) {
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        for (state, histogram) in State::ALL.iter().zip(&self.in_state) {
            let seen = histogram.seen();
            if seen.count() > 0 {
                page.add_histogram(Metric::DeviceStateSeconds, &[state.name()], &seen);
            }
        }
        for (place, histogram) in self.attempts.iter().enumerate() {
            let (purpose, outcome) = (place / Outcome::ALL.len(), place % Outcome::ALL.len());
            let labels = [Purpose::ALL[purpose].name(), Outcome::ALL[outcome].name()];
            let seen = histogram.seen();
            if seen.count() > 0 {
                page.add_histogram(Metric::AttemptSeconds, &labels, &seen);
            }
        }
        for (outcome, n) in Outcome::ALL.iter().zip(&self.ended).filter(|(o, _)| **o != Outcome::Running) {
            page.add(Metric::AttemptsEnded, &[outcome.name()], load(n));
        }
        for (kind, counts) in StepKind::ALL.iter().zip(&self.steps) {
            // States are the machine's own, and syslog is counted elsewhere.
            if matches!(kind, StepKind::State | StepKind::Syslog) {
                continue;
            }
            page.add(Metric::Steps, &[kind.name(), "ok"], load(&counts.well));
            page.add(Metric::Steps, &[kind.name(), "bad"], load(&counts.bad));
            let took = counts.took.seen();
            if took.count() > 0 {
                page.add_histogram(Metric::StepSeconds, &[kind.name()], &took);
            }
        }
        for (counter, n) in Counter::ALL.iter().zip(&self.retries) {
            page.add(Metric::DeviceRetries, &[counter.name()], load(n));
        }
        let failures = self.known().failures.clone();
        for ((state, cause), n) in failures {
            page.add(Metric::DeviceFailures, &[state, cause], n);
        }
    }
}

impl Known {
    fn remember(&mut self, device: &Device, attempt: Option<(Purpose, Timestamp)>) {
        if let Some(last) = self.devices.get_mut(&device.name) {
            *last = Last { attempt, ..Last::of(device) };
            return;
        }
        if self.devices.len() >= KNOWN_MAX {
            self.devices.clear();
        }
        self.devices.insert(device.name.clone(), Last { attempt, ..Last::of(device) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::lifeguard::Failure;
    use crate::logic::machine::Epoch;

    fn commit(device: &Device, at: i64, turns: Vec<Turn>) -> DeviceCommit {
        let at = Timestamp(at);
        DeviceCommit {
            next: device.clone(),
            expected: Epoch(0),
            log: Vec::new(),
            turns,
            result: None,
            failure: None,
            at,
        }
    }

    fn enter(device: &mut Device, state: State, at: i64) {
        (device.state, device.since) = (state, Timestamp(at));
    }

    fn lines(devices: &Devices, of: Metric) -> Vec<String> {
        let mut page = Page::default();
        devices.show(&mut page);
        let text = page.text(crate::metrics::Format::Prometheus);
        let lines = text.lines().filter(|l| l.starts_with(of.family().name) && !l.ends_with(" 0"));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn what_was_committed_is_counted_and_nothing_else() {
        let devices = Devices::default();
        let mut device = Device::new("a".into(), State::PxeBooting, Timestamp(0));
        devices.loaded([&device]);
        enter(&mut device, State::PxePowerCycling, 61_000);
        device.counters.increment(Counter::PxeBooting);
        let next = commit(&device, 61_000, Vec::new());
        devices.committed(std::slice::from_ref(&next), &[Committed::Stale]);
        assert_eq!(lines(&devices, Metric::DeviceStateSeconds), Vec::<String>::new());
        devices.committed(&[next], &[Committed::Done]);
        let lasted = lines(&devices, Metric::DeviceStateSeconds);
        assert!(
            lasted
                .contains(&"mozpool_device_state_duration_seconds_sum{state=\"pxe_booting\"} 61".to_owned()),
            "{lasted:?}"
        );
        assert_eq!(
            lines(&devices, Metric::DeviceRetries),
            ["mozpool_device_retries_total{what=\"pxe_booting\"} 1"]
        );

        // A commit that changes neither state nor counters says nothing new.
        devices.committed(&[commit(&device, 70_000, Vec::new())], &[Committed::Done]);
        assert_eq!(lines(&devices, Metric::DeviceRetries).len(), 1);
        assert_eq!(lines(&devices, Metric::DeviceStateSeconds), lasted);
    }

    #[test]
    fn an_attempt_that_is_overtaken_has_failed() {
        let devices = Devices::default();
        let device = Device::new("a".into(), State::PxePowerCycling, Timestamp(0));
        let begin = Turn::Begin {
            purpose: Purpose::Image,
            image: None,
            request: None,
            from: State::Ready,
            state: State::PxePowerCycling,
        };
        let end = Turn::End { state: State::Ready, outcome: Outcome::Ok };
        for (at, turn) in [(0, begin.clone()), (100_000, begin), (160_000, end.clone()), (170_000, end)] {
            devices.committed(&[commit(&device, at, vec![turn])], &[Committed::Done]);
        }
        assert_eq!(
            lines(&devices, Metric::AttemptsEnded),
            [
                "mozpool_attempts_ended_total{outcome=\"ok\"} 2",
                "mozpool_attempts_ended_total{outcome=\"failed\"} 1"
            ]
        );
        let sums = lines(&devices, Metric::AttemptSeconds);
        let sums: Vec<_> = sums.iter().filter(|l| l.contains("_sum")).collect();
        assert_eq!(
            sums,
            [
                "mozpool_attempt_duration_seconds_sum{purpose=\"image\",outcome=\"ok\"} 60",
                "mozpool_attempt_duration_seconds_sum{purpose=\"image\",outcome=\"failed\"} 100"
            ],
            "of the last one nobody knows when it began"
        );
    }

    #[test]
    fn failures_are_counted_by_state_and_cause() {
        let devices = Devices::default();
        let device = Device::new("a".into(), State::FailedPinging, Timestamp(0));
        let failure = Failure { state: State::FailedPinging, cause: "why", detail: "x".into(), image: None };
        let commit = DeviceCommit { failure: Some(failure), ..commit(&device, 0, Vec::new()) };
        devices.committed(&[commit.clone(), commit], &[Committed::Done; 2]);
        assert_eq!(
            lines(&devices, Metric::DeviceFailures),
            ["mozpool_device_failures_total{state=\"failed_pinging\",cause=\"why\"} 2"]
        );
    }
}

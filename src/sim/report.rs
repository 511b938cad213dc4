//! What came of a simulation: counted while it runs, printed at its end. The same run prints the same bytes.

use super::Settings;
use super::trace::stamp;
use crate::logic::lifeguard::State as S;
use crate::logic::mozpool::State as R;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// Counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests made.
    pub asked: u64,
    /// Seconds from being made to `ready`, of each request that got there.
    ready_after_s: Vec<u32>,
    /// How often requests ended in each failure.
    request_failures: BTreeMap<&'static str, u64>,
    /// How often requests looked for another board.
    pub other_board: u64,
    /// How often devices ended in each failure.
    device_failures: BTreeMap<&'static str, u64>,
    /// Power cycles, and those that failed.
    pub cycles: u64,
    pub failed_cycles: u64,
    /// What went wrong.
    faults: BTreeMap<&'static str, u64>,
    /// Events that machines decided on, and rows written.
    pub decisions: u64,
    pub commits: u64,
}

impl Stats {
    pub(super) fn fault(&mut self, what: &'static str) {
        *self.faults.entry(what).or_default() += 1;
    }

    pub(super) fn served(&mut self, after_ms: i64) {
        self.ready_after_s.push(u32::try_from(after_ms / 1000).unwrap_or(u32::MAX));
    }

    pub(super) fn cycled(&mut self, well: bool) {
        self.cycles += 1;
        self.failed_cycles += u64::from(!well);
    }

    pub(super) fn entered(&mut self, state: S) {
        if state.is_failed() {
            *self.device_failures.entry(state.name()).or_default() += 1;
        }
    }

    pub(super) fn request_entered(&mut self, before: R, state: R) {
        if state.is_failed() {
            *self.request_failures.entry(state.name()).or_default() += 1;
        }
        if state == R::FindingDevice && before != R::New {
            self.other_board += 1;
        }
    }

    /// Requests that got a board.
    pub fn ready(&self) -> usize {
        self.ready_after_s.len()
    }

    /// Seconds to `ready` that this share (0 to 1) of the served requests needed at most.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank"
    )]
    pub fn ready_quantile_s(&self, share: f64) -> Option<u32> {
        let mut sorted = self.ready_after_s.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied()
    }
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, in words.
    pub rule: &'static str,
    /// Which device or request.
    pub about: String,
    /// What was seen.
    pub detail: String,
    /// When: virtual milliseconds since the beginning.
    pub at_ms: i64,
    /// What happened to it before, oldest first.
    pub trace: Vec<String>,
}

/// The end of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was simulated.
    pub settings: Settings,
    /// What happened.
    pub stats: Stats,
    /// The first rule that was broken, if any was.
    pub violation: Option<Violation>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { devices, days, quiet_days, seed, faults, requests_per_day } = &self.settings;
        let s = &self.stats;
        writeln!(f, "{devices} devices, {days} days ({quiet_days} quiet), seed {seed}, faults {faults}")?;
        writeln!(f, "{requests_per_day} requests per device and day")?;
        writeln!(f)?;
        let quantile = |share| s.ready_quantile_s(share).map_or("-".to_owned(), |s| format!("{s} s"));
        writeln!(f, "requests made        {}", s.asked)?;
        writeln!(f, "  served             {}", s.ready())?;
        writeln!(f, "  time to ready      p50 {}, p99 {}", quantile(0.5), quantile(0.99))?;
        writeln!(f, "  took another board {}", s.other_board)?;
        for (state, n) in &s.request_failures {
            writeln!(f, "  {state:<26} {n}")?;
        }
        writeln!(f, "power cycles         {}, {} failed", s.cycles, s.failed_cycles)?;
        section(f, "devices that failed", 26, &s.device_failures)?;
        section(f, "what went wrong", 40, &s.faults)?;
        writeln!(f, "decisions            {}, rows written {}", s.decisions, s.commits)?;
        match &self.violation {
            None => writeln!(f, "violations           0"),
            Some(violation) => {
                writeln!(f, "violations           1")?;
                writeln!(f)?;
                violation.fmt(f)
            }
        }
    }
}

/// Counts below their heading; the heading says so where there are none.
fn section(
    f: &mut fmt::Formatter<'_>,
    heading: &str,
    width: usize,
    counts: &BTreeMap<&'static str, u64>,
) -> fmt::Result {
    writeln!(f, "{heading}{}", if counts.is_empty() { "  none" } else { "" })?;
    counts.iter().try_for_each(|(what, n)| writeln!(f, "  {what:<width$} {n}"))
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "BROKEN: {}", self.rule)?;
        writeln!(f, "  {} at {}: {}", self.about, stamp(self.at_ms), self.detail)?;
        let mut lines = String::new();
        for line in &self.trace {
            writeln!(lines, "    {line}")?;
        }
        f.write_str(&lines)
    }
}

impl Report {
    /// The same as JSON.
    pub fn json(&self) -> Value {
        let Settings { devices, days, quiet_days, seed, faults, requests_per_day } = &self.settings;
        let s = &self.stats;
        json!({
            "devices": devices,
            "days": days,
            "quiet_days": quiet_days,
            "seed": seed,
            "faults": faults.to_string(),
            "requests_per_day": requests_per_day,
            "requests": s.asked,
            "served": s.ready(),
            "ready_p50_s": s.ready_quantile_s(0.5),
            "ready_p99_s": s.ready_quantile_s(0.99),
            "other_board": s.other_board,
            "request_failures": s.request_failures,
            "power_cycles": s.cycles,
            "failed_power_cycles": s.failed_cycles,
            "device_failures": s.device_failures,
            "faults_seen": s.faults,
            "decisions": s.decisions,
            "commits": s.commits,
            "violation": self.violation.as_ref().map(Violation::json),
        })
    }
}

impl Violation {
    /// The same as JSON.
    pub(super) fn json(&self) -> Value {
        let Self { rule, about, detail, at_ms, trace } = self;
        json!({ "rule": rule, "about": about, "detail": detail, "at_ms": at_ms, "trace": trace })
    }
}

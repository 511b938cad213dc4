//! What came of a simulated pool: how much it carried, who was busy, and what all wait for.

use super::Settings;
use super::actor::open;
use super::cost::Latency;
use super::server::ROLES;
use super::world::World;
use crate::sim::{Stats, Violation};
use serde_json::{Value, json};
use std::fmt;

/// The beginning, in which the first boards are imaged, counts for nothing: so much of the time.
const WARM_UP: i64 = 4;
/// A request that has had no board for so long waits for one, or for a server that cannot keep up.
const LONG_MS: i64 = 10_000;

/// Verbs of the store that a report for people has.
const VERBS_SHOWN: usize = 6;

/// How much of its time a thread waits for the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Busy {
    /// Which.
    pub role: &'static str,
    /// Over all servers, 0 to 1.
    pub mean: f64,
    /// The server that is busiest.
    pub most: f64,
}

/// The end of a simulation.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was simulated.
    pub settings: Settings,
    /// Requests made, and those that a full queue turned away.
    pub asked: u64,
    pub turned_away: u64,
    /// Requests a minute that got a board, after the first quarter.
    pub carried: f64,
    /// Requests without a board for ten seconds and more, at the end.
    pub waiting: usize,
    /// Milliseconds from a request to its board: the middle, 99 of 100, the longest.
    pub claim_ms: [i64; 3],
    /// Seconds from a request to a board that is ready: the middle, 99 of 100.
    pub ready_s: [Option<u32>; 2],
    /// Milliseconds from a board's event to its answer: the middle, 99 of 100, the longest.
    pub event_ms: [f64; 3],
    /// Statements, commits, and commits that count a change, each second.
    pub statements: f64,
    pub commits: f64,
    pub changes: f64,
    /// The part of the time for which the row that counts changes was taken, and ms that one waited for it on average.
    pub row_taken: f64,
    pub row_wait_ms: f64,
    /// Boards that another server's request had taken in the meantime, and writes that found a newer row.
    pub lost_claims: u64,
    pub stale: u64,
    /// What is called most: the verb, its calls and statements a second.
    pub verbs: Vec<(&'static str, f64, f64)>,
    /// The threads.
    pub busy: Vec<Busy>,
    /// The most messages that waited for a device layer.
    pub longest_queue: usize,
    /// The first rule that was broken, if any was.
    pub violation: Option<Violation>,
}

#[expect(clippy::cast_precision_loss, reason = "figures with some digits")]
pub(super) fn of(world: &World, stats: &Stats, violation: Option<Violation>) -> Report {
    let settings = world.settings.clone();
    let database = open(&world.database);
    let sums = &database.sums;
    let now_ms = world.now_us / 1000;
    let all_us = i64::from(settings.minutes) * 60_000_000;
    let (all_s, begun_ms) = (all_us as f64 / 1e6, now_ms - all_us / 1000);
    let counts_from_ms = begun_ms + all_us / 1000 / WARM_UP;
    let counted_min = (now_ms - counts_from_ms).max(1) as f64 / 60_000.0;
    let mut claims: Vec<i64> = sums
        .claims
        .iter()
        .filter(|(at_ms, _)| *at_ms >= counts_from_ms)
        .map(|(_, took_ms)| *took_ms)
        .collect();
    claims.sort_unstable();
    let mut events = world.events_us.clone();
    events.sort_unstable();
    let busy = ROLES.iter().enumerate().map(|(role, name)| {
        let shares = world.servers.iter().map(|s| s.seats[role].busy_us as f64 / all_us as f64);
        let (sum, most) = shares.fold((0.0, 0.0), |(sum, most): (f64, f64), one| (sum + one, most.max(one)));
        Busy { role: name, mean: sum / world.servers.len() as f64, most }
    });
    Report {
        asked: world.asked,
        turned_away: world.turned_away,
        carried: claims.len() as f64 / counted_min,
        waiting: database.asked.values().filter(|at| now_ms - at.0 >= LONG_MS).count(),
        claim_ms: three(&claims),
        ready_s: [stats.ready_quantile_s(0.5), stats.ready_quantile_s(0.99)],
        event_ms: three(&events).map(|us| us as f64 / 1000.0),
        statements: sums.statements as f64 / all_s,
        commits: sums.commits as f64 / all_s,
        changes: sums.changes as f64 / all_s,
        row_taken: sums.held_us as f64 / all_us as f64,
        row_wait_ms: sums.waited_us as f64 / 1000.0 / sums.changes.max(1) as f64,
        lost_claims: sums.lost_claims,
        stale: sums.stale,
        verbs: database
            .verbs()
            .into_iter()
            .map(|(v, calls, sent)| (v, calls as f64 / all_s, sent as f64 / all_s))
            .collect(),
        busy: busy.collect(),
        longest_queue: world.servers.iter().map(|s| s.longest_queue).max().unwrap_or_default(),
        violation,
        settings,
    }
}

/// The middle, 99 of 100, and the last.
fn three(sorted: &[i64]) -> [i64; 3] {
    let at =
        |hundredth: usize| sorted.get((sorted.len() * hundredth / 100).min(sorted.len().saturating_sub(1)));
    [50, 99, 100].map(|n| at(n).copied().unwrap_or_default())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { servers, devices, minutes, per_minute, use_s, seed, latency } = &self.settings;
        let Latency { statement_us, commit_us, network_us } = *latency;
        #[expect(clippy::cast_precision_loss, reason = "figures with some digits")]
        let ms = |us: i64| us as f64 / 1000.0;
        writeln!(f, "{servers} servers, {devices} boards, {minutes} minutes, seed {seed}")?;
        writeln!(f, "{per_minute} requests a minute, each uses its board for {use_s} s")?;
        writeln!(
            f,
            "a statement {} ms, a commit {} ms, the network {} ms there and back",
            ms(statement_us),
            ms(commit_us),
            ms(network_us)
        )?;
        writeln!(f)?;
        writeln!(f, "requests made        {}", self.asked)?;
        writeln!(f, "  carried            {:.0} a minute", self.carried)?;
        writeln!(
            f,
            "  waiting at the end {} for ten seconds and more, {} turned away",
            self.waiting, self.turned_away
        )?;
        let [mid, most, last] = self.claim_ms;
        writeln!(f, "  to a board         p50 {mid} ms, p99 {most} ms, longest {last} ms")?;
        let quantile = |s: Option<u32>| s.map_or("-".to_owned(), |s| format!("{s} s"));
        writeln!(
            f,
            "  to ready           p50 {}, p99 {}",
            quantile(self.ready_s[0]),
            quantile(self.ready_s[1])
        )?;
        let [mid, most, last] = self.event_ms;
        writeln!(
            f,
            "events of boards     p50 {mid:.1} ms, p99 {most:.1} ms, longest {last:.1} ms to their answer"
        )?;
        writeln!(f, "lost to others       {} claims, {} other writes", self.lost_claims, self.stale)?;
        writeln!(f, "the database, a s    {:.0} statements, {:.1} commits", self.statements, self.commits)?;
        writeln!(
            f,
            "the counter's row    {:.1} commits a s take it, {:.1} % of the time; {:.2} ms of waiting each",
            self.changes,
            self.row_taken * 100.0,
            self.row_wait_ms
        )?;
        for (verb, calls, statements) in self.verbs.iter().take(VERBS_SHOWN) {
            writeln!(
                f,
                "  {verb:<18} {calls:8.1} a s, {:6.1} statements each",
                statements / calls.max(f64::MIN_POSITIVE)
            )?;
        }
        writeln!(f, "waits for the store, of a thread's time")?;
        for Busy { role, mean, most } in &self.busy {
            writeln!(f, "  {role:<10} {:5.1} %, busiest server {:5.1} %", mean * 100.0, most * 100.0)?;
        }
        writeln!(f, "device layer's queue {} at most", self.longest_queue)?;
        match &self.violation {
            None => writeln!(f, "violations           0"),
            Some(violation) => writeln!(f, "violations           1\n\n{violation}"),
        }
    }
}

impl Report {
    /// The same as JSON.
    pub fn json(&self) -> Value {
        let Settings { servers, devices, minutes, per_minute, use_s, seed, latency } = &self.settings;
        let busy = self.busy.iter().map(|b| (b.role.to_owned(), json!({"mean": b.mean, "most": b.most})));
        json!({
            "servers": servers,
            "devices": devices,
            "minutes": minutes,
            "per_minute": per_minute,
            "use_s": use_s,
            "seed": seed,
            "statement_us": latency.statement_us,
            "commit_us": latency.commit_us,
            "network_us": latency.network_us,
            "requests": self.asked,
            "turned_away": self.turned_away,
            "carried_per_minute": self.carried,
            "waiting": self.waiting,
            "claim_ms": self.claim_ms,
            "ready_s": self.ready_s,
            "event_ms": self.event_ms,
            "statements_per_s": self.statements,
            "commits_per_s": self.commits,
            "changes_per_s": self.changes,
            "row_taken": self.row_taken,
            "row_wait_ms": self.row_wait_ms,
            "lost_claims": self.lost_claims,
            "stale": self.stale,
            "verbs": self.verbs.iter().map(|(verb, calls, sent)| json!({
                "verb": verb, "calls_per_s": calls, "statements_per_s": sent,
            })).collect::<Vec<_>>(),
            "busy": busy.collect::<serde_json::Map<_, _>>(),
            "longest_queue": self.longest_queue,
            "violation": self.violation.as_ref().map(Violation::json),
        })
    }
}

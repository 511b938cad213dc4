//! The syslog receiver against rsyslog and syslog-ng, into files and into a database, and against a bare sink that only counts.
//!
//! What counts is what is stored: lines in files, rows in a table, lines in the store that the API searches.

mod send;
mod servers;

use super::goals::{Goal, Want};
use super::plan::Plan;
use super::table::{Metric, Results, Role, Rounds};
use send::Form;
use servers::{Contestant, Running};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) use servers::sink;

/// The part's name.
const PART: &str = "syslog";

const fn metric(name: &'static str, digits: usize, rounds: Rounds) -> Metric {
    Metric { name, digits, rounds, main: false, sparse: false }
}

/// The highest rate that was sent of which nothing was lost.
const RATE: Metric = Metric { main: true, ..metric("UDP messages/s without loss", 0, Rounds::Middle) };
/// Messages stored by the time from the first one sent to the last one stored.
const STORED: Metric = Metric { main: true, ..metric("TCP messages stored/s", 0, Rounds::Middle) };
/// Of those sent.
const LOST: Metric = metric("lost, %", 1, Rounds::Most);
/// What the server's processes used.
const CPU: Metric = metric("server CPU, µs per stored message", 2, Rounds::Middle);
const MEMORY: Metric = metric("server memory at most, MiB", 1, Rounds::Most);

const BURST: &str = "UDP, a burst";
const SUSTAINED: &str = "UDP, 4 s and stored 2 s later";
const FULL_SPEED: &str = "UDP, 200,000 messages at full speed";
const LINES: &str = "TCP, lines of RFC 3164";
const COUNTED: &str = "TCP, counted frames of RFC 5424";
const ENDED: &str = "TCP, SIGTERM behind the last message";

/// What is wanted.
pub(crate) const GOALS: &[Goal] = &[
    Goal { case: SUSTAINED, metric: &RATE, want: Want::TimesOf(3.0, "rsyslog") },
    Goal { case: SUSTAINED, metric: &RATE, want: Want::TimesOf(5.0, "rsyslog, MariaDB") },
    Goal { case: BURST, metric: &RATE, want: Want::TimesOf(1.0, "rsyslog tuned") },
    Goal { case: LINES, metric: &STORED, want: Want::TimesOf(0.5, "rsyslog") },
    Goal { case: COUNTED, metric: &STORED, want: Want::TimesOf(0.5, "rsyslog") },
    Goal { case: ENDED, metric: &LOST, want: Want::Most(0.0) },
];

/// Rates that are tried: each a tenth more than the one before.
fn rates() -> Vec<f64> {
    let mut rates = vec![4000.0];
    while rates.last().is_some_and(|r| *r < 600_000.0) {
        rates.push(rates.last().copied().unwrap_or(1.0) * 1.2);
    }
    rates
}

/// Runs the cases that the plan wants. Folders and files of its own go into `scratch`.
///
/// # Errors
/// A server cannot be had, or does not start.
pub(crate) fn run(plan: &Plan, scratch: &Path, results: &mut Results) -> io::Result<()> {
    let cases = [BURST, SUSTAINED, FULL_SPEED, LINES, COUNTED, ENDED];
    // A trial is to be short.
    let cases = cases.into_iter().filter(|c| !plan.smoke || [FULL_SPEED, COUNTED, ENDED].contains(c));
    let cases: Vec<&'static str> = cases.filter(|c| plan.wants(PART, c)).collect();
    if cases.is_empty() {
        return Ok(());
    }
    let contestants = servers::all(plan)?;
    for contestant in &contestants {
        results.add_server(contestant.name, contestant.role, &contestant.version);
    }
    let scratch = scratch.join(PART);
    for case in cases {
        for _ in 0..plan.rounds {
            for contestant in &contestants {
                if !plan.has_server(contestant.name) {
                    continue;
                }
                once(plan, case, contestant, &scratch, results)
                    .map_err(|e| io::Error::other(format!("{case} with {}: {e}", contestant.name)))?;
                println!("{case:<40} {:<18} {}", contestant.name, results.line(case, contestant.name));
            }
        }
    }
    Ok(())
}

fn once(
    plan: &Plan,
    case: &'static str,
    contestant: &Contestant,
    scratch: &Path,
    results: &mut Results,
) -> io::Result<()> {
    let mut running = contestant.start(scratch)?;
    let watch = running.server.watch();
    let name = contestant.name;
    let few: usize = if plan.smoke { 2_000 } else { 200_000 };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rates are small")]
    let within = |seconds: f64| move |rate: f64| (rate * seconds) as usize;
    // A database needs minutes for what a file takes in seconds.
    let many = match few {
        2_000 => 2_000,
        _ if case == ENDED || plan.quick => 200_000,
        _ if name.contains("MariaDB") => 200_000,
        _ => 2_000_000,
    };
    let mut sent = 0;
    let mut add = |metric, value| results.add(case, name, metric, value);
    let mut took = None;
    match case {
        BURST => {
            // A server that loses some at a rate loses them in the first seconds.
            let count = |rate| few.min(within(4.0)(rate));
            add(&RATE, search(plan, &mut running, &mut sent, count, Duration::from_secs(30))?);
        }
        SUSTAINED => {
            let count = within(if plan.quick { 1.0 } else { 4.0 });
            add(&RATE, search(plan, &mut running, &mut sent, count, Duration::from_secs(2))?);
        }
        FULL_SPEED => {
            send::datagrams(running.udp, few, None)?;
            sent = few as u64;
            settle(&mut running, sent, Duration::from_secs(60))?;
        }
        _ => {
            let form = if case == COUNTED { Form::Counted } else { Form::Lines };
            let to = running.tcp[usize::from(form == Form::Counted)];
            let begun = Instant::now();
            send::streams(to, many, form, send::SENDERS)?;
            sent = many as u64;
            if case != ENDED {
                settle(&mut running, sent, Duration::from_secs(60))?;
                took = Some(begun.elapsed());
            }
        }
    }
    // The processes must still be there when their time is read.
    let (used, stored) = if case == ENDED {
        drop(watch);
        (None, running.end()?)
    } else {
        let used = watch.finish();
        (Some(used), running.end()?)
    };
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let (sent, stored) = (sent as f64, stored as f64);
    if let Some(took) = took {
        add(&STORED, stored / took.as_secs_f64());
    }
    if !matches!(case, BURST | SUSTAINED) {
        add(&LOST, 100.0 * (1.0 - stored / sent).max(0.0));
    }
    if let Some(used) = used {
        add(&MEMORY, used.peak_mb);
        if stored > 0.0 {
            add(&CPU, used.cpu_s * 1e6 / stored);
        }
    }
    if plan.smoke && contestant.role == Role::Ours && stored < sent && !matches!(case, BURST | SUSTAINED) {
        return Err(io::Error::other(format!("{stored} of {sent} messages are stored")));
    }
    Ok(())
}

/// Waits until all that were sent are stored, or no more are, or the time is up; says whether all are.
fn settle(running: &mut Running, all: u64, limit: Duration) -> io::Result<bool> {
    /// Nothing more is stored for so long: nothing more will be.
    const QUIET: Duration = Duration::from_secs(3);
    let begun = Instant::now();
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let stored = running.stored()?;
        if stored >= all {
            return Ok(true);
        }
        if stored != last {
            (last, since) = (stored, Instant::now());
        }
        if since.elapsed() > QUIET.min(limit) || begun.elapsed() > limit {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The highest rate of which nothing is lost; all that were sent are added to `sent`.
fn search(
    plan: &Plan,
    running: &mut Running,
    sent: &mut u64,
    count: impl Fn(f64) -> usize,
    limit: Duration,
) -> io::Result<f64> {
    let rates = rates();
    let mut best = 0.0;
    let (mut low, mut high) = (0, rates.len());
    if plan.smoke {
        (low, high) = (0, 1);
    }
    while low < high {
        let middle = usize::midpoint(low, high);
        let Some(&rate) = rates.get(middle) else { break };
        let before = running.stored()?;
        let count = count(rate);
        let took = send::datagrams(running.udp, count, Some(rate))?;
        *sent += count as u64;
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let really = count as f64 / took.as_secs_f64();
        if settle(running, before + count as u64, limit)? {
            // The sender may have been the slower one.
            best = f64::max(best, really.min(rate));
            low = middle + 1;
        } else {
            high = middle;
            // What is still on its way must not be counted with the next rate.
            settle(running, u64::MAX, Duration::from_secs(20))?;
        }
    }
    Ok(best)
}

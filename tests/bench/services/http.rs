//! HTTP files against nginx: the daemon as it is run, with its access log, and Debian's nginx with its own defaults.
//!
//! Files lie in the page cache, and clients throw away what they get, so that the servers are most of what is measured. Each
//! run has a server of its own, freshly started; servers take turns.

mod load;
mod servers;

use super::goals::{Goal, Want};
use super::plan::Plan;
use super::process::Usage;
use super::table::{Metric, Results, Rounds};
use load::{Load, Measured};
use servers::Contestant;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// The part's name.
const PART: &str = "http";

const fn metric(name: &'static str, digits: usize, rounds: Rounds) -> Metric {
    Metric { name, digits, rounds, main: false, sparse: false }
}

/// Megabytes (10⁶) of bodies a second.
const RATE: Metric = Metric { main: true, ..metric("MB/s", 0, Rounds::Middle) };
/// Files a second, a connection each.
const REQUESTS: Metric = Metric { main: true, ..metric("files/s", 0, Rounds::Middle) };
/// From connecting to the last byte.
const P50: Metric = metric("a file, p50, ms", 2, Rounds::Middle);
const P99: Metric = metric("a file, p99, ms", 2, Rounds::Middle);
/// What the server's processes used.
const CPU: Metric = metric("server CPU, ms per GiB", 1, Rounds::Middle);
const CPU_REQUEST: Metric = metric("server CPU, µs per file", 1, Rounds::Middle);
const MEMORY: Metric = metric("server memory at most, MiB", 1, Rounds::Most);

/// A case.
#[derive(Debug, Clone, Copy)]
struct Case {
    /// As it stands in the tables.
    name: &'static str,
    /// How many clients begin at once.
    clients: usize,
    /// How many files each asks for, one after the other.
    files: usize,
    /// Bytes of a file.
    size: usize,
    /// Whether clients have the bytes copied to them, as real ones do; otherwise they have them thrown away unseen.
    copied: bool,
}

const ONE: &str = "1 client × 256 MiB";
const RACK: &str = "80 clients × 256 MiB";
const RACK_COPIED: &str = "80 clients × 256 MiB, which they copy";
const SMALL: &str = "80 clients × 250 files of 16 KiB";

const CASES: &[Case] = &[
    Case { name: ONE, clients: 1, files: 4, size: 256 << 20, copied: false },
    Case { name: RACK, clients: 80, files: 1, size: 256 << 20, copied: false },
    Case { name: RACK_COPIED, clients: 80, files: 1, size: 256 << 20, copied: true },
    Case { name: SMALL, clients: 80, files: 250, size: 16 << 10, copied: true },
];

/// What is wanted. Small files are no goal: boards ask for a handful of them.
pub(crate) const GOALS: &[Goal] = &[
    Goal { case: RACK, metric: &RATE, want: Want::TimesOf(0.9, "nginx") },
    Goal { case: RACK, metric: &CPU, want: Want::AtMostTimesOf(1.3, "nginx") },
    Goal { case: RACK_COPIED, metric: &RATE, want: Want::TimesOf(0.9, "nginx") },
    Goal { case: RACK_COPIED, metric: &CPU, want: Want::AtMostTimesOf(1.3, "nginx") },
];

impl Case {
    /// The case as the plan wants it: to see that it runs, little is enough.
    fn of(self, plan: &Plan) -> Self {
        match (plan.smoke, plan.quick) {
            (true, _) => {
                Self { clients: self.clients.min(4), files: 1, size: self.size.min(1 << 20), ..self }
            }
            (_, true) => Self { size: self.size.min(32 << 20), ..self },
            _ => self,
        }
    }

    fn is_small(&self) -> bool {
        self.name == SMALL
    }
}

/// Runs the cases that the plan wants. Folders and files of its own go into `scratch`.
///
/// # Errors
/// A server cannot be had, does not start, or sends something else than the file.
pub(crate) fn run(plan: &Plan, scratch: &Path, results: &mut Results) -> io::Result<()> {
    let cases: Vec<Case> = CASES.iter().filter(|c| plan.wants(PART, c.name)).map(|c| c.of(plan)).collect();
    if cases.is_empty() {
        return Ok(());
    }
    let contestants = servers::all(plan)?;
    for contestant in &contestants {
        results.add_server(&contestant.name, contestant.role, &contestant.version);
    }
    let root = scratch.join("files");
    std::fs::create_dir_all(&root)?;
    for case in &cases {
        write_file(&root.join("file"), case.size)?;
        for _ in 0..plan.rounds {
            for contestant in &contestants {
                let (measured, usage) = once(case, contestant, &root, scratch)
                    .map_err(|e| io::Error::other(format!("{} with {}: {e}", case.name, contestant.name)))?;
                let mut line = Results::default();
                add(&mut line, case, "", &measured, usage);
                println!("{:<44} {:<12} {}", case.name, contestant.name, line.line(case.name, ""));
                add(results, case, &contestant.name, &measured, usage);
            }
        }
    }
    Ok(())
}

/// Bytes that no file system or network makes less of.
fn write_file(path: &Path, size: usize) -> io::Result<()> {
    let mut random = File::open("/dev/urandom")?;
    let mut file = File::create(path)?;
    io::copy(&mut io::Read::take(&mut random, size as u64), &mut file)?;
    file.flush()?;
    // Nothing is written back while it is measured.
    file.sync_all()
}

/// One run of a case against a server.
fn once(case: &Case, contestant: &Contestant, root: &Path, scratch: &Path) -> io::Result<(Measured, Usage)> {
    let (server, at) = contestant.start(root, scratch)?;
    let load = Load {
        server: at,
        clients: case.clients,
        files: case.files,
        size: case.size as u64,
        copied: case.copied,
    };
    let watch = server.watch();
    let measured = load::run(&load)?;
    let usage = watch.finish();
    server.end()?;
    Ok((measured, usage))
}

#[expect(clippy::cast_precision_loss, reason = "counts and sizes are small")]
fn add(results: &mut Results, case: &Case, server: &str, measured: &Measured, usage: Usage) {
    let seconds = measured.took.as_secs_f64().max(f64::EPSILON);
    let mut add = |metric, value| results.add(case.name, server, metric, value);
    if case.is_small() {
        let files = measured.files.len() as f64;
        add(&REQUESTS, files / seconds);
        add(&P50, measured.percentile_ms(50));
        add(&P99, measured.percentile_ms(99));
        add(&CPU_REQUEST, 1e6 * usage.cpu_s / files);
    } else {
        add(&RATE, measured.bytes as f64 / 1e6 / seconds);
        add(&CPU, 1e3 * usage.cpu_s / (measured.bytes as f64 / f64::from(1 << 30)));
    }
    add(&MEMORY, usage.peak_mb);
}

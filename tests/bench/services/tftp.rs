//! The TFTP server against tftpd-hpa, atftpd, dnsmasq, the `tftpd` crate, and bare loops.
//!
//! Each case is run against each server in turn, and that several times; each run has a server of its own, freshly started.

mod cases;
mod client;
mod floor;
mod load;
mod servers;

use super::plan::Plan;
use super::process::{Server, Usage};
use super::table::{Results, Role};
use cases::{
    AGAIN, CPU, CPU_REQUEST, Case, FAILED, Kind, MEMORY, P50, P99, RATE, REQUESTS, TRANSFER_P50,
    TRANSFER_P99, UNFINISHED,
};
use load::{Load, Measured};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use servers::{Contestant, Files};
use std::io;
use std::net::SocketAddrV4;
use std::path::Path;

pub(crate) use cases::GOALS;

/// The part's name.
const PART: &str = "tftp";

/// Runs the cases that the plan wants. Folders and files of its own go into `scratch`.
///
/// # Errors
/// A server cannot be had, or does not start.
pub(crate) fn run(plan: &Plan, scratch: &Path, results: &mut Results) -> io::Result<()> {
    let cases: Vec<Case> = cases::all(plan).into_iter().filter(|c| plan.wants(PART, c.name)).collect();
    if cases.is_empty() {
        return Ok(());
    }
    let contestants = servers::all(plan)?;
    for contestant in &contestants {
        results.add_server(&contestant.name, contestant.role, &contestant.version);
    }
    let mut files: Option<Files> = None;
    for case in &cases {
        if files.as_ref().is_none_or(|f| f.kernel.len() != case.file_bytes()) {
            files = Some(Files::write(scratch.join("root"), case.file_bytes())?);
        }
        let Some(files) = &files else { continue };
        for round in 0..plan.rounds {
            for contestant in &contestants {
                let rounds = if contestant.role == Role::Peer { case.peer_rounds } else { case.rounds };
                if round >= rounds {
                    continue;
                }
                let (measured, usage) = once(case, contestant, files, scratch)?;
                println!("{:<44} {:<12} {}", case.name, contestant.name, said(case, &measured, usage));
                add(results, case, &contestant.name, &measured, usage);
                if plan.smoke && measured.failed + measured.unfinished > 0 {
                    let what = "a run that is only a trial has failed";
                    return Err(io::Error::other(format!("{} with {}: {what}", case.name, contestant.name)));
                }
            }
        }
    }
    Ok(())
}

/// Becomes the bare loop when the arguments say so.
pub(crate) fn floor_server(arguments: &[String]) -> Option<io::Result<()>> {
    floor::Bare::parse(arguments).map(|bare| floor::serve(&bare))
}

/// One run of a case against a server.
fn once(
    case: &Case,
    contestant: &Contestant,
    files: &Files,
    scratch: &Path,
) -> io::Result<(Measured, Usage)> {
    let free = sched_getaffinity(Pid::from_raw(0))?;
    if case.one_core {
        sched_setaffinity(Pid::from_raw(0), &one_of(&free)?)?;
    }
    // What it inherits is where it stays.
    let started = contestant.start(case, files, scratch);
    let measured = started.and_then(|(server, at)| measure(case, files, &server, at));
    sched_setaffinity(Pid::from_raw(0), &free)?;
    measured.map_err(|e| io::Error::other(format!("{} with {}: {e}", case.name, contestant.name)))
}

fn measure(case: &Case, files: &Files, server: &Server, at: SocketAddrV4) -> io::Result<(Measured, Usage)> {
    let load = Load {
        server: at,
        clients: case.clients,
        asks: case.asks(files),
        loss: case.loss,
        gro: case.gro,
        limit: case.limit,
    };
    let watch = server.watch();
    let measured = load::run(&load)?;
    Ok((measured, watch.finish()))
}

/// The last of these cores.
fn one_of(cores: &CpuSet) -> io::Result<CpuSet> {
    let mut one = CpuSet::new();
    let last = (0..CpuSet::count()).rev().find(|n| cores.is_set(*n).unwrap_or(false));
    one.set(last.unwrap_or(0))?;
    Ok(one)
}

#[expect(clippy::cast_precision_loss, reason = "counts and sizes are small")]
fn add(results: &mut Results, case: &Case, server: &str, measured: &Measured, usage: Usage) {
    let seconds = measured.took.as_secs_f64().max(f64::EPSILON);
    let mut add = |metric, value| results.add(case.name, server, metric, value);
    match case.kind {
        Kind::File(_) => {
            add(&RATE, measured.bytes as f64 / 1e6 / seconds);
            let gib = measured.bytes as f64 / f64::from(1 << 30);
            if gib > 0.0 {
                add(&CPU, usage.cpu_s / gib);
            }
            let blocks = measured.bytes as f64 / f64::from(case.blksize);
            add(&AGAIN, 1000.0 * measured.again as f64 / blocks.max(1.0));
        }
        Kind::Configs(_) => {
            add(&REQUESTS, measured.done as f64 / seconds);
            add(&P50, measured.percentile_ms(50));
            add(&P99, measured.percentile_ms(99));
            if measured.done > 0 {
                add(&CPU_REQUEST, 1e6 * usage.cpu_s / measured.done as f64);
            }
        }
    }
    add(&MEMORY, usage.peak_mb);
    add(&FAILED, measured.failed as f64);
    if case.to_the_end {
        if measured.done > 0 && matches!(case.kind, Kind::File(_)) {
            add(&TRANSFER_P50, measured.percentile_ms(50));
            add(&TRANSFER_P99, measured.percentile_ms(99));
        }
        add(&UNFINISHED, measured.unfinished as f64);
    }
}

/// A run in a line: somebody may be watching.
fn said(case: &Case, measured: &Measured, usage: Usage) -> String {
    let mut results = Results::default();
    add(&mut results, case, "", measured, usage);
    results.line(case.name, "")
}

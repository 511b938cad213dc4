//! Benchmarks of the services against the programs that people run today, each case against each of them in one run.
//!
//! `cargo bench --bench services` prints tables; with `-- --write` it puts them into `docs/benchmarks.md`, which says what the
//! cases are. Words choose parts and cases (`-- tftp "window 16"`); `--quick`, `--ours-only`, `--servers hpa,dnsmasq`, `--rounds 5`
//! and `--program before=/path/to/tftpd` do less, or more. Under `cargo test` our own programs run once, tiny, and prove nothing
//! but that this goes on running.

#![expect(clippy::print_stdout, reason = "a program's output")]

mod document;
mod machine;
mod services {
    //! The parts, and what they share.
    pub(crate) mod goals;
    pub(crate) mod http;
    pub(crate) mod peers;
    pub(crate) mod plan;
    pub(crate) mod process;
    pub(crate) mod syslog;
    pub(crate) mod table;
    pub(crate) mod tftp;
}

use services::goals::{self, Goal};
use services::plan::Plan;
use services::table::Results;
use services::{http, syslog, tftp};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// A service with its cases.
struct Part {
    /// The word that chooses it, and the name of its markers in the document.
    name: &'static str,
    run: fn(&Plan, &Path, &mut Results) -> io::Result<()>,
    goals: &'static [Goal],
}

const PARTS: &[Part] = &[
    Part { name: "tftp", run: tftp::run, goals: tftp::GOALS },
    Part { name: "http", run: http::run, goals: http::GOALS },
    Part { name: "syslog", run: syslog::run, goals: syslog::GOALS },
];

/// Runs the parts that are wanted, prints their tables and writes them if asked.
fn run(plan: &Plan) -> io::Result<()> {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    for part in PARTS {
        let mut results = Results::default();
        let begun = Instant::now();
        let where_at = format!("{}, load before: {}", machine::describe(scratch.path()), load());
        (part.run)(plan, scratch.path(), &mut results)?;
        let tables = results.markdown();
        if tables.is_empty() {
            continue;
        }
        let took = begun.elapsed().as_secs();
        let goals = goals::table(part.goals, &results);
        let text = format!("Measured on: {where_at}. Took {took} s.\n\n{goals}\n{tables}");
        println!("\n## {}\n\n{text}", part.name);
        if plan.write && plan.is_whole(part.name) {
            let document = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md");
            let marker = |what| format!("<!-- {}: {what} -->", part.name);
            document::rewrite(&document, &marker("begin"), &marker("end"), &text)?;
        }
    }
    Ok(())
}

/// How many processes wanted to run in the last minute: what the figures are worth.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(done) = tftp::floor_server(&arguments) {
        return report(done.map_err(|e| e.to_string()));
    }
    if let Some(done) = syslog::sink(&arguments) {
        return report(done.map_err(|e| e.to_string()));
    }
    if arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    report(Plan::from_arguments(arguments.into_iter()).and_then(|plan| run(&plan).map_err(|e| e.to_string())))
}

fn report(done: Result<(), String>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

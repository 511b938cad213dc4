//! Benchmarks of the control plane: the built daemon on a real disk, generated labs, a load generator of our own.
//!
//! `cargo bench --bench control-plane` prints tables; with `-- --write` it puts them into `docs/benchmarks.md` and everything
//! into a JSON file beside the build. `-- --sizes 10,800 --only reads --seconds 2` does less. Under `cargo test` everything runs
//! once and proves nothing but that it runs.

#![expect(clippy::print_stdout, reason = "a program's output")]

mod boards;
mod calls;
mod cases;
mod daemon;
mod document;
mod floor;
mod goals;
mod lab;
mod load;
mod machine;
mod ready;
mod report;

use report::{Report, Row};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Devices of the labs.
    sizes: Vec<usize>,
    /// Parts: `api`, `ready`, `start`.
    only: Option<String>,
    /// Only cases whose names have this.
    case: Option<String>,
    /// For each case.
    time: Duration,
    /// Calls of each case instead, to see that it runs.
    calls: Option<u64>,
    /// After a start, before it counts as at rest.
    settle: Duration,
    /// How long the rest is watched.
    rest: Duration,
    /// Single requests, and requests at once.
    singles: usize,
    at_once: Vec<usize>,
    /// Devices of the lab whose start is measured.
    large: usize,
    /// Where the store lies.
    disk: PathBuf,
    /// Put the tables into the document.
    write: bool,
}

impl Plan {
    fn full() -> Self {
        Self {
            sizes: vec![10, 800, 5000, 50_000],
            only: None,
            case: None,
            time: Duration::from_secs(3),
            calls: None,
            settle: Duration::from_secs(10),
            rest: Duration::from_secs(20),
            singles: 11,
            at_once: vec![80, 800],
            large: 50_000,
            disk: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            write: false,
        }
    }

    /// Everything once, small.
    fn smoke() -> Self {
        Self {
            sizes: vec![3],
            time: Duration::from_millis(1),
            calls: Some(20),
            settle: Duration::ZERO,
            rest: Duration::from_millis(1),
            singles: 1,
            at_once: vec![3],
            large: 3,
            ..Self::full()
        }
    }

    fn from_arguments(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let arguments: Vec<String> = arguments.collect();
        // Cargo says so when it benches; under `cargo test` it does not.
        let mut plan = if arguments.iter().any(|a| a == "--bench") { Self::full() } else { Self::smoke() };
        let mut rest = arguments.into_iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} wants a value"));
            let number = |text: String| text.parse().map_err(|_| format!("{text} is not a number"));
            match argument.as_str() {
                "--write" => plan.write = true,
                "--only" => plan.only = Some(value()?),
                "--case" => plan.case = Some(value()?),
                "--disk" => plan.disk = value()?.into(),
                "--seconds" => plan.time = Duration::from_secs(number(value()?)?),
                "--sizes" => {
                    let sizes = value()?;
                    let sizes: Result<Vec<_>, _> = sizes.split(',').map(|n| number(n.to_owned())).collect();
                    plan.sizes = sizes?.into_iter().map(|n| usize::try_from(n).unwrap_or(1)).collect();
                }
                // What cargo and its test runner say to everybody.
                _ => {}
            }
        }
        Ok(plan)
    }

    /// Whether a case of that name is to be measured.
    pub(crate) fn has_case(&self, name: &str) -> bool {
        self.case.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|p| p == part))
    }

    /// Somebody may be watching.
    pub(crate) fn say(&self, row: &Row) {
        let figures: Vec<String> = row.figures.iter().map(|f| format!("{} {}", f.shown, f.column)).collect();
        println!("{:>6}  {}: {}", row.devices, row.case, figures.join(", "));
    }
}

fn run(plan: &Plan) -> std::io::Result<Report> {
    let disk = &plan.disk;
    let mut report = Report { machine: machine::describe(disk), rows: Vec::new() };
    println!("{}", report.machine);
    let rows = &mut report.rows;
    if plan.wants("api") {
        let scratch = tempfile::tempdir_in(disk)?;
        let floor = cases::Floor::measure(plan, scratch.path(), rows)?;
        rows.iter().for_each(|row| plan.say(row));
        for &devices in &plan.sizes {
            cases::api(plan, disk, devices, floor, rows)?;
        }
    }
    if plan.wants("ready") {
        let measured = ready::run(disk, plan.singles, &plan.at_once)?;
        measured.iter().for_each(|row| plan.say(row));
        rows.extend(measured);
    }
    if plan.wants("start") {
        cases::start(plan, disk, plan.large, rows)?;
    }
    let goals = goals::rows(rows);
    rows.splice(0..0, goals);
    Ok(report)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [serve, at, bytes] = arguments.as_slice()
        && serve == floor::SERVE
    {
        let served = bytes.parse().map_err(std::io::Error::other).and_then(|bytes| floor::serve(at, bytes));
        return if served.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    if arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let done = Plan::from_arguments(arguments.into_iter()).and_then(|plan| {
        let report = run(&plan).map_err(|e| e.to_string())?;
        println!("\n{}", report.markdown());
        let json = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("control-plane.json");
        report.write_json(&json).map_err(|e| e.to_string())?;
        if plan.write {
            let document = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md");
            report.rewrite(&document).map_err(|e| e.to_string())?;
        }
        Ok(())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

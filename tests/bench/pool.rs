//! What a store that several servers share costs, and what three servers carry on one: the built daemons, real databases on a
//! disk that is written through, emulated boards that take no time.
//!
//! `cargo bench --bench pool` prints tables; with `-- --write` it puts them into `docs/benchmarks.md`. `-- --only path,three`,
//! `--seconds N`, `--singles N`, `--boards N` do less or more. It needs the Debian packages mariadb-server and galera-4.

#![expect(clippy::print_stdout, reason = "a program's output")]
#![allow(dead_code, reason = "its parts are those of another bench, too")]

mod boards;
mod calls;
mod daemon;
mod document;
mod floor;
mod growth;
mod lab;
mod load;
mod machine;
#[path = "../support/mariadb.rs"]
mod mariadb;
mod ready;
mod report;
mod three;

use boards::Relays;
use daemon::Daemon;
use lab::{Kind, Lab, Site};
use mariadb::{Server, galera};
use report::{Report, Row};
use std::io;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The tables stand between these two lines of the document.
const BEGIN: &str = "<!-- pool: begin -->";
const END: &str = "<!-- pool: end -->";
/// What a request may cost on a MariaDB, in times of what it costs on SQLite.
const PATH_GOAL: f64 = 3.0;
/// Requests that are not measured: caches fill, statements are prepared.
const WARM_UP: usize = 3;
/// Boards of the lab in which single requests are measured.
const FEW: usize = 16;

/// What to measure.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    only: Option<String>,
    /// Single requests on each store.
    singles: usize,
    /// For each load on three servers.
    time: Duration,
    /// Boards of each of three servers.
    boards: usize,
    disk: PathBuf,
    write: bool,
}

impl Plan {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut plan = Self {
            only: None,
            singles: 31,
            time: Duration::from_secs(60),
            boards: 80,
            disk: PathBuf::from(env!("CARGO_TARGET_TMPDIR")),
            write: false,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
            let number = |text: String| text.parse::<u32>().map_err(|_| format!("{text} is not a number"));
            let small = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
            match argument.as_str() {
                "--write" => plan.write = true,
                "--only" => plan.only = Some(value()?),
                "--disk" => plan.disk = value()?.into(),
                "--seconds" => plan.time = Duration::from_secs(number(value()?)?.into()),
                "--singles" => plan.singles = small(number(value()?)?),
                "--boards" => plan.boards = small(number(value()?)?),
                // What cargo says to everybody.
                _ => {}
            }
        }
        Ok(plan)
    }

    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.split(',').any(|p| p == part))
    }
}

/// A MariaDB that writes through to its disk, as one that is relied on; the tests' own do not.
fn durable() -> Vec<String> {
    [
        "--innodb-flush-log-at-trx-commit=1",
        "--innodb-flush-method=fsync",
        "--innodb-doublewrite=1",
        "--debug-no-sync=0",
        "--innodb-buffer-pool-size=256M",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// One store with a daemon, and what single requests took on it.
struct Path {
    name: &'static str,
    relays: Relays,
    // In the order in which they end.
    daemon: Daemon,
    stream: TcpStream,
    _lab: Lab,
    own_ms: Vec<f64>,
}

impl Path {
    fn new(plan: &Plan, name: &'static str, store: Option<String>) -> io::Result<Self> {
        let relays = Relays::start()?;
        let site = Site { store, ..Site::alone() };
        let lab = Lab::at(site, &plan.disk, FEW, Kind::Still, relays.port)?;
        let daemon = lab.serve()?;
        relays.connect(daemon.http, Lab::tftp(daemon.http));
        let stream = TcpStream::connect(daemon.http)?;
        stream.set_nodelay(true)?;
        Ok(Self { name, relays, daemon, stream, _lab: lab, own_ms: Vec::new() })
    }

    fn once(&mut self) -> io::Result<f64> {
        let (took, off) = ready::single(self.daemon.http, &mut self.stream, &self.relays)?;
        Ok(took.saturating_sub(off).as_secs_f64() * 1000.0)
    }
}

/// The same request on each kind of store, one after the other in turn.
fn path(plan: &Plan, maria: &Server, rows: &mut Vec<Row>) -> io::Result<()> {
    let nodes = galera::nodes(3);
    let cluster = galera::start(&nodes);
    cluster[0].sql("CREATE DATABASE bench");
    let hosts: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let galera = format!("mysql://root@{}/bench", hosts.join(","));
    let mut paths = vec![
        Path::new(plan, "SQLite, a file with full sync", None)?,
        Path::new(plan, "MariaDB, flushed at each commit", Some(maria.url(&maria.database())))?,
        Path::new(plan, "Galera of three nodes", Some(galera))?,
    ];
    for turn in 0..WARM_UP + plan.singles {
        for path in &mut paths {
            let own_ms = path.once()?;
            if turn >= WARM_UP {
                path.own_ms.push(own_ms);
            }
        }
    }
    let middle = |path: &mut Path| {
        path.own_ms.sort_unstable_by(f64::total_cmp);
        path.own_ms[path.own_ms.len() / 2]
    };
    let first = middle(&mut paths[0]);
    for path in &mut paths {
        let own_ms = middle(path);
        let row = Row::new("One request, from the call to a board that is ready", path.name, FEW)
            .with("the system's own, ms", own_ms, 1)
            .with("times SQLite", own_ms / first, 2);
        rows.push(match path.name.starts_with("MariaDB") {
            true => row
                .with("wanted at most", PATH_GOAL, 1)
                .with_text("met", if own_ms <= PATH_GOAL * first { "yes" } else { "no" }),
            false => row,
        });
    }
    Ok(())
}

fn run(plan: &Plan) -> io::Result<Report> {
    let mut report = Report { machine: machine::describe(&plan.disk), rows: Vec::new() };
    println!("{}", report.machine);
    let maria = Server::own(&durable());
    if plan.wants("path") {
        path(plan, &maria, &mut report.rows)?;
    }
    if plan.wants("three") {
        three::run(plan, &maria, &mut report.rows)?;
    }
    Ok(report)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let done = Plan::from_arguments(arguments.into_iter()).and_then(|plan| {
        let report = run(&plan).map_err(|e| e.to_string())?;
        println!("\n{}", report.markdown());
        let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        report.write_json(&target.join("pool.json")).map_err(|e| e.to_string())?;
        if plan.write {
            let document = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md");
            document::rewrite(&document, BEGIN, END, &report.markdown()).map_err(|e| e.to_string())?;
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

//! A server under attack: 10,000 connections that say nothing, 2,000 that send a head byte by byte, a head without an end, 100,000
//! made-up TFTP requests a second and a flood of syslog, all at once; and those who mean well.
//!
//! `cargo bench --bench hostile` prints a table; `-- --write` puts it into `docs/benchmarks.md`. `--seconds N` makes it shorter or
//! longer, `--program PATH` attacks another build. It asserts nothing. Attackers, good clients and the server share the machine.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

#[path = "hostile/attack.rs"]
mod attack;
#[allow(dead_code, reason = "it is every bench's")]
mod document;
#[path = "hostile/good.rs"]
mod good;
mod machine;
#[path = "../support/mod.rs"]
mod support;

use attack::{Attack, Scale, Targets};
use good::{Good, Served};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use support::{Daemon, Lab};

/// All that is done to it.
const SCALE: Scale = Scale { idle: 10_000, slow: 2_000, tftp_per_s: 100_000, syslog_per_s: 50_000 };
/// For so long.
const SECONDS: u64 = 60;
/// The file that a good board loads.
const FILE_LEN: usize = 2_000_000;
/// Between two looks at the process.
const LOOK: Duration = Duration::from_millis(200);
/// How long good clients are measured before, and after.
const CALM: Duration = Duration::from_secs(5);
/// It has not recovered within this.
const GIVE_UP: Duration = Duration::from_secs(120);

/// What a run is asked for.
struct Plan {
    seconds: u64,
    program: PathBuf,
    write: bool,
}

impl Plan {
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_mozpool"));
        let mut plan = Self { seconds: SECONDS, program, write: false };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
            match argument.as_str() {
                "--seconds" => plan.seconds = value()?.parse().map_err(|_| "--seconds wants a number")?,
                "--program" => plan.program = value()?.into(),
                "--write" => plan.write = true,
                "--bench" => {}
                other => return Err(format!("{other} is not known")),
            }
        }
        Ok(plan)
    }
}

/// A value of /proc/PID/status (proc(5)); 0 for a process that is gone.
fn status(pid: u32, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// The most that was seen of a process.
#[derive(Default)]
struct Most {
    rss_kib: u64,
    threads: u64,
}

impl Most {
    fn look(&mut self, pid: u32) {
        self.rss_kib = self.rss_kib.max(status(pid, "VmRSS:"));
        self.threads = self.threads.max(status(pid, "Threads:"));
    }

    fn row(&self) -> String {
        format!("{} | {}", document::grouped(self.rss_kib as f64 / 1024.0, 0), self.threads)
    }
}

/// Good clients for so long, and the most of the process meanwhile.
fn watch(daemon: &Daemon, seconds: Duration) -> (Served, Most) {
    let good = Good::begin(daemon.http, daemon.tftp, "good", FILE_LEN);
    let (begun, mut most) = (Instant::now(), Most::default());
    while begun.elapsed() < seconds {
        most.look(daemon.pid());
        std::thread::sleep(LOOK);
    }
    (good.end(), most)
}

fn ms(times: &mut [Duration], share: f64) -> String {
    times.sort_unstable();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of a list")]
    let at = ((times.len() as f64 - 1.0) * share).round().max(0.0) as usize;
    times.get(at).map_or_else(|| "–".to_owned(), |t| document::grouped(t.as_secs_f64() * 1000.0, 1))
}

fn row(name: &str, served: &mut Served, most: &Most) -> String {
    let Served { calls, failed, transfers, broken } = served;
    format!(
        "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        calls.len(),
        failed.len(),
        ms(calls, 0.5),
        ms(calls, 0.99),
        ms(calls, 1.0),
        transfers.len(),
        broken.len(),
        ms(transfers, 1.0),
        most.row()
    )
}

/// How long it takes until a call on a new connection and a transfer succeed, one after the other.
fn recovery(daemon: &Daemon) -> Option<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < GIVE_UP {
        if good::call(daemon.http, None).is_ok() && good::transfer(daemon.tftp, "good").is_ok() {
            return Some(begun.elapsed());
        }
    }
    None
}

fn run(plan: &Plan) -> String {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let lab = Lab::new();
    for (name, len) in [("good", FILE_LEN), ("hostile", FILE_LEN)] {
        std::fs::write(lab.path("tftp").join(name), vec![b'x'; len]).unwrap();
    }
    let mut command = Command::new(&plan.program);
    // Its log is read by us, and a line for each call would be measured with it.
    command.arg("--config").arg(lab.config()).env("RUST_LOG", "error,mozpool::daemon=info");
    let daemon = Daemon::run(command, support::LIMIT);
    let (mut before, calm) = watch(&daemon, CALM);
    let targets = Targets { http: daemon.http, tftp: daemon.tftp, syslog: daemon.syslog };
    let attack = Attack::begin(SCALE, targets);
    let (mut during, most) = watch(&daemon, Duration::from_secs(plan.seconds));
    let held = attack.done.held.load(Ordering::Relaxed);
    let done = attack.end();
    let recovered = recovery(&daemon);
    let (mut after, end) = watch(&daemon, CALM);
    let count = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    let per_s = |n: u64| document::grouped(n as f64 / plan.seconds as f64, 0);
    let mut text = String::from(
        "| | calls | failed | p50, ms | p99, ms | longest, ms | TFTP transfers of 2 MB | failed | longest, ms | memory at most, MiB \
         | threads at most |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    text += &row("before", &mut before, &calm);
    text += &row("attacked", &mut during, &most);
    text += &row("after", &mut after, &end);
    text += &format!(
        "\nThe attack of {} s: {held} connections were held at its end, {} were opened; {} TFTP requests and {} syslog datagrams a \
         second left; {} MB of a head without an end. ",
        plan.seconds,
        document::grouped(count(&done.opened) as f64, 0),
        per_s(count(&done.tftp)),
        per_s(count(&done.syslog)),
        count(&done.endless_bytes) / 1_000_000,
    );
    text += &match recovered {
        Some(time) => {
            format!("After its end a call and a transfer succeeded within {:.2} s.\n", time.as_secs_f64())
        }
        None => format!("It did not recover within {} s.\n", GIVE_UP.as_secs()),
    };
    for (what, why) in [("call", during.failed.last()), ("transfer", during.broken.last())] {
        if let Some(why) = why {
            text += &format!("The last {what} that failed: {why}.\n");
        }
    }
    text
}

fn main() -> ExitCode {
    let plan = match Plan::from_arguments(std::env::args().skip(1)) {
        Ok(plan) => plan,
        Err(why) => {
            println!("{why}");
            return ExitCode::FAILURE;
        }
    };
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown");
    let text = run(&plan);
    let text =
        format!("Measured on: {}, load before: {load}.\n\n{text}", machine::describe(Path::new("/tmp")));
    println!("{text}");
    if plan.write {
        let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/benchmarks.md");
        let written = document::rewrite(&document, "<!-- hostile: begin -->", "<!-- hostile: end -->", &text);
        if let Err(error) = written {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

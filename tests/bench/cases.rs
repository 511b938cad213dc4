//! The cases: reads, lists, events, start and memory, for each size of a lab.

use crate::calls::{Ignored, Moves, Reads};
use crate::daemon::Daemon;
use crate::floor;
use crate::lab::{Kind, Lab};
use crate::load::{self, Calls, End, Load, Measured};
use crate::report::{Row, to_f64};
use crate::{Plan, boards, goals};
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const READS: &str = "Reads";
const EVENTS: &str = "Events";
const START: &str = "Start, memory, rest";
/// Connections that read at the same moment, and clients of an ordinary lab.
const READERS: usize = 16;
/// A list of thousands of devices keeps one core busy for its copying: more readers only wait.
const LIST_READERS: usize = 4;
/// Boards that report at the same moment: three racks that image, each board with its next event as soon as the last is
/// answered; and some, for the time that one event takes.
const MANY: usize = 240;
const SOME: usize = 32;
/// Calls before anything is counted, for each connection: caches fill, threads start.
const WARM_UP: u64 = 20;
/// Port on which no relay board listens: discard, RFC 863.
const NO_RELAYS: u16 = 9;

/// What a bare server and a bare database do here.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Floor {
    reads: f64,
    commits: f64,
}

struct Case<'a> {
    table: &'static str,
    name: &'a str,
    devices: usize,
    connections: usize,
    /// The original's calls per second, as they were measured.
    original: Option<String>,
    /// What the bare server or database does.
    floor: Option<f64>,
}

impl Floor {
    /// Measures both, and says so in rows.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn measure(plan: &Plan, disk: &Path, rows: &mut Vec<Row>) -> io::Result<Self> {
        /// As long as the answer of `state`.
        const SMALL: usize = 17;
        let bare = Daemon::floor(SMALL)?;
        let case = Case {
            table: READS,
            name: "bare HTTP server, a constant",
            devices: 0,
            connections: READERS,
            original: None,
            floor: None,
        };
        let (row, reads) = measure(plan, &bare, &case, &mut Reads::one("version", "", 200))?;
        rows.push(row);
        drop(bare);
        let commits = floor::commits_per_second(disk, plan.time)?;
        rows.push(Row::new(EVENTS, "bare database, a row a commit, one writer", 0).with(
            "per second",
            commits,
            0,
        ));
        Ok(Self { reads: reads.rate(), commits })
    }
}

fn measure(
    plan: &Plan,
    daemon: &Daemon,
    case: &Case<'_>,
    calls: &mut dyn Calls,
) -> io::Result<(Row, Measured)> {
    let warm_up = plan.calls.unwrap_or(WARM_UP * case.connections as u64);
    let load = |end| Load { to: daemon.http, connections: case.connections, pipeline: 1, end };
    load::run(load(End::Calls(warm_up)), calls)?;
    let before = daemon.usage();
    let measured = load::run(load(plan.calls.map_or(End::After(plan.time), End::Calls)), calls)?;
    let after = daemon.usage();
    if let Some(bad) = &measured.first_bad {
        return Err(io::Error::other(format!(
            "{} at {} devices: {} of {} answers are wrong, such as {bad}",
            case.name, case.devices, measured.bad, measured.calls
        )));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    let calls = measured.calls.max(1) as f64;
    let mut row =
        Row::new(case.table, format!("{}, {} connections", case.name, case.connections), case.devices)
            .with("per second", measured.rate(), 0)
            .with("p50, ms", measured.percentile_ms(50), 2)
            .with("p99, ms", measured.percentile_ms(99), 2)
            .with("server CPU, ms a call", (after.cpu_s - before.cpu_s) * 1000.0 / calls, 3)
            .with("memory, MB", after.rss_mb, 0);
    if let Some(floor) = case.floor {
        row = row.with("of the bare one", measured.rate() / floor, 2);
    }
    if let Some(original) = &case.original {
        row = row.with_text("the original", original.clone());
    }
    Ok((row, measured))
}

/// What the original did, on a machine of the same kind.
fn original(case: &str, devices: usize) -> Option<String> {
    let found = goals::ORIGINAL.iter().find(|(name, of, ..)| *name == case && *of == devices);
    found.map(|(.., low, high)| if low == high { format!("{low}") } else { format!("{low}–{high}") })
}

/// Reads and events in a lab of so many devices.
///
/// # Errors
/// The daemon does not start, or an answer is wrong.
pub(crate) fn api(
    plan: &Plan,
    disk: &Path,
    devices: usize,
    floor: Floor,
    rows: &mut Vec<Row>,
) -> io::Result<()> {
    let lab = Lab::new(disk, devices, Kind::Still, NO_RELAYS)?;
    let daemon = lab.serve()?;
    // Beside the case with most connections stands what the original did.
    let read = |name, connections| Case {
        table: READS,
        name,
        devices,
        connections,
        original: if connections == 1 { None } else { original(name, devices) },
        floor: Some(floor.reads),
    };
    let list = |name, connections| Case { floor: None, ..read(name, connections) };
    let mut run = |case: &Case<'_>, calls: &mut dyn Calls| -> io::Result<()> {
        if !plan.has_case(case.name) {
            return Ok(());
        }
        let (row, _) = measure(plan, &daemon, case, calls)?;
        plan.say(&row);
        rows.push(row);
        Ok(())
    };
    const DETAILS: &str = "device/list/?details=1";
    run(&read("state of a device", 1), &mut Reads::of_devices("state", devices))?;
    run(&read("state of a device", READERS), &mut Reads::of_devices("state", devices))?;
    run(&read("status of a device", READERS), &mut Reads::of_devices("status", devices))?;
    run(&list("list with details", 1), &mut Reads::one(DETAILS, "", 200))?;
    run(&list("list with details", LIST_READERS), &mut Reads::one(DETAILS, "", 200))?;
    let tag = tag_of(&daemon, DETAILS)?.ok_or_else(|| io::Error::other("lists have no entity tag"))?;
    let more = format!("If-None-Match: {tag}\r\n");
    run(&read("unchanged list", READERS), &mut Reads::one(DETAILS, &more, 304))?;
    run(&list("list of names", LIST_READERS), &mut Reads::one("device/list/", "", 200))?;
    run(&list("list of requests", LIST_READERS), &mut Reads::one("request/list/", "", 200))?;
    let event = |name, connections| Case {
        table: EVENTS,
        floor: Some(floor.commits),
        original: if connections < MANY.min(devices) { None } else { original(name, devices) },
        ..read(name, connections)
    };
    let (some, many) = (devices.min(SOME), devices.min(MANY));
    run(&event("ignored event", MANY), &mut Ignored::new(devices))?;
    run(&event("transition", many), &mut Moves::new(devices.min(4 * many), many))?;
    if some < many {
        run(&event("transition", some), &mut Moves::new(some, some))?;
    }
    run(&event("transition", 1), &mut Moves::new(1, 1))?;
    Ok(())
}

/// The entity tag of an answer, if it has one.
fn tag_of(daemon: &Daemon, path: &str) -> io::Result<Option<String>> {
    let mut stream = TcpStream::connect(daemon.http)?;
    let request = format!("GET /api/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    let (head, _) = boards::call_with_head(&mut stream, request.as_bytes())?;
    let tag = head.lines().find_map(|l| l.split_once(':').filter(|(n, _)| n.eq_ignore_ascii_case("etag")));
    Ok(tag.map(|(_, value)| value.trim().to_owned()))
}

/// How a lab of so many devices starts, what it takes, and what it does while nothing happens.
///
/// # Errors
/// The daemon does not start.
pub(crate) fn start(plan: &Plan, disk: &Path, devices: usize, rows: &mut Vec<Row>) -> io::Result<()> {
    for (kind, name) in [(Kind::Running, "a lab that runs"), (Kind::Names, "boards with names nobody knows")]
    {
        let lab = Lab::new(disk, devices, kind, NO_RELAYS)?;
        let daemon = lab.serve()?;
        // The start's own work is over after this, whatever it is.
        std::thread::sleep(plan.settle);
        let before = daemon.usage();
        std::thread::sleep(plan.rest);
        let after = daemon.usage();
        let row = Row::new(START, name, devices)
            .with("imported, s", lab.imported_in.as_secs_f64(), 2)
            .with("first answer, s", daemon.started_in.as_secs_f64(), 2)
            .with("memory, MB", after.rss_mb, 0)
            .with("at most, MB", after.peak_mb, 0)
            .with("CPU at rest, ms a second", (after.cpu_s - before.cpu_s) * 1000.0 / seconds(plan.rest), 1)
            .with("memory a device, KB", after.rss_mb * 1024.0 / to_f64(devices), 1);
        plan.say(&row);
        rows.push(row);
    }
    Ok(())
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64().max(f64::EPSILON)
}

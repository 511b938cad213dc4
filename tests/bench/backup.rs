//! What a backup and a look for damage cost, on a store as large as one is told: how long they take, and what commits notice of them.
//!
//! `cargo bench --bench backup -- [MIB]`, 1024 unless said. It prints figures and asserts none: those belong to the machine it runs on.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a program for developers")]

mod machine;

use mozpool::clock::{Clock, SystemClock};
use mozpool::lab::Lab;
use mozpool::store::{DeviceLogLine, Location, LogChunk, ServerRow, Store};
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const BOARDS: usize = 800;
/// As long as what boards say is.
const LINE: usize = 100;
/// Commits that are timed alone, before the backup and after it.
const ALONE: Duration = Duration::from_secs(20);
/// Between two commits: a busy lab has that many batches a second.
const PACE: Duration = Duration::from_millis(50);

fn name(n: usize) -> String {
    format!("board-{:03}", n % BOARDS)
}

/// A lab whose boards have said `mib` mebibytes.
fn fill(store: &mut dyn Store, mib: u64) {
    let now = SystemClock.now();
    let server = ServerRow { name: "here".into(), url: "http://here".into() };
    store.register_server(&server, now).expect("it takes a server");
    let mut text = "[[hardware_type]]\ntype = \"panda\"\n".to_owned();
    for n in 0..BOARDS {
        let name = name(n);
        text += &format!("[[device]]\nname = \"{name}\"\nfqdn = \"{name}.lab\"\nhardware_type = \"panda\"\n");
    }
    let lab = Lab::parse(&text, "bench.toml", "here").expect("a lab");
    store.apply_lab(&lab, false, now).expect("it takes a lab");
    let mut n = 0;
    while store.log_bytes().expect("it counts") >> 20 < mib {
        let chunks: Vec<LogChunk> = (0..256)
            .map(|_| {
                n += 1;
                let mut chunk = LogChunk::new(name(n).into(), now);
                let mut line = format!("line {n} ");
                // No two pieces alike, and nothing that a file system could make smaller than text.
                while line.len() < LINE {
                    line += &format!("{:x}", n.wrapping_mul(0x9e37_79b9) ^ line.len());
                }
                while chunk.fits(now, line.len()) {
                    chunk.push(now, &line);
                }
                chunk
            })
            .collect();
        store.append_log_chunks(&chunks, false).expect("it takes pieces");
    }
}

/// Milliseconds of durable commits at [`PACE`], until `enough`.
fn commits(location: &Location, mut enough: impl FnMut() -> bool) -> Vec<f64> {
    let mut store = location.open().expect("it opens");
    let mut took = Vec::new();
    while !enough() {
        let line = DeviceLogLine {
            device: name(took.len()).into(),
            at: SystemClock.now(),
            source: "statemachine".into(),
            message: "entering state pxe_booting".into(),
        };
        let begun = Instant::now();
        store.append_device_log(&[line]).expect("it takes a line");
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
        std::thread::sleep(PACE.saturating_sub(begun.elapsed()));
    }
    took
}

fn row(what: &str, mut ms: Vec<f64>) {
    ms.sort_by(f64::total_cmp);
    assert!(!ms.is_empty(), "{what}: at least one commit");
    let at = |percent: usize| ms.get((ms.len() - 1) * percent / 100).copied().unwrap_or(f64::NAN);
    println!("| {what} | {} | {:.1} | {:.1} | {:.1} |", ms.len(), at(50), at(99), at(100));
}

/// Has the system forget what it has in memory of the file.
fn forget(path: &Path) {
    let file = File::open(path).expect("it is there");
    file.sync_all().expect("it is written");
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED).expect("it is advice");
}

fn look(location: &Location) -> f64 {
    let begun = Instant::now();
    assert!(location.look_for_damage(|| false).expect("it can be read"), "it is whole");
    begun.elapsed().as_secs_f64()
}

fn main() {
    let mib = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(1024);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let path = folder.path().join("mozpool.db");
    let location = Location::sqlite(&path);
    fill(&mut *location.open().expect("a new store"), mib);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("Measured on: {}; load before: {}\n", machine::describe(folder.path()), load.trim());
    println!("| commits | number | ms, middle | 99th percentile | longest |\n|---|---|---|---|---|");
    let alone = |what| {
        let until = Instant::now() + ALONE;
        row(what, commits(&location, || Instant::now() >= until));
    };
    alone("before");
    let done = AtomicBool::new(false);
    let (beside, took, found) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| commits(&location, || done.load(Ordering::SeqCst)));
        let begun = Instant::now();
        let found = location.back_up(&folder.path().join("copy.db"), false);
        let took = begun.elapsed().as_secs_f64();
        done.store(true, Ordering::SeqCst);
        (writer.join().expect("it does not panic"), took, found.expect("a copy"))
    });
    row("while it is copied", beside);
    alone("after");
    println!("\nBackup of {} MiB with verification: {took:.1} s", found.bytes >> 20);
    println!("All pages looked at, from memory: {:.1} s", look(&location));
    forget(&path);
    println!("The same from the disk: {:.1} s", look(&location));
}

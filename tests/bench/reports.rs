//! How long reports about a year of 800 boards take, on a store that is filled by hand.
//!
//! `cargo bench --bench reports -- [REQUESTS PER BOARD AND DAY …]`. It prints figures and asserts none: those belong to the machine
//! it runs on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a program for developers")]

use mozpool::logic::report::{Availability, By, Failures, Name, Ready, Use, Window, report};
use mozpool::logic::time::Timestamp;
use mozpool::store::{Location, Store};
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::Instant;

const BOARDS: i64 = 800;
const DAYS: i64 = 365;
const DAY_MS: i64 = 86_400_000;
/// 2026-01-01T00:00:00Z
const FIRST: i64 = 1_767_225_600_000;
const IMAGES: [&str; 5] = ["debian", "b2g", "android", "yocto", "buildroot"];

/// What so many requests per board and day leave behind: each a free, a working and a used spell, and an outcome; one in fifty
/// a failure before.
fn fill(path: &Path, per_day: i64) -> (i64, i64) {
    drop(Location::sqlite(path.to_owned()).open().unwrap());
    let mut db = Connection::open(path).unwrap();
    let tx = db.transaction().unwrap();
    let (mut spells, mut outcomes) = (0, 0);
    {
        let mut subject = tx
            .prepare("INSERT INTO spell_subjects (device, server, environment, hardware, image) VALUES (?, ?, ?, ?, ?)")
            .unwrap();
        for board in 0..BOARDS {
            for image in IMAGES {
                let (server, environment) = (format!("img{}.lab", board / 80), format!("env{}", board % 7));
                let hardware = ["panda ES", "pi 4", "pc"][usize::try_from(board % 3).unwrap()];
                subject
                    .execute(params![format!("board-{board:04}"), server, environment, hardware, image])
                    .unwrap();
            }
        }
        let mut spell = tx
            .prepare(
                "INSERT INTO device_spells (subject_id, grp, state, request_id, since, until, cause, detail) \
                 VALUES (?, ?, 'ready', NULL, ?, ?, ?, ?)",
            )
            .unwrap();
        let mut outcome = tx
            .prepare("INSERT INTO request_outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'returned')")
            .unwrap();
        let slot = DAY_MS / per_day;
        // In the order of time, as it would have come.
        for n in 0..DAYS * per_day {
            for board in 0..BOARDS {
                let image = (n + board) % 5;
                let subject = board * 5 + image + 1;
                let begin = FIRST + n * slot + board * 1000;
                let (taken, ready) = (begin + slot / 3, begin + slot / 3 + 240_000 + board * 100);
                if (n * BOARDS + board) % 50 == 0 {
                    let cause =
                        ["no power", "no ping", "no live system"][usize::try_from(board % 3).unwrap()];
                    spell
                        .execute(params![subject, "failed", taken, taken, cause, ", 31 times in a row"])
                        .unwrap();
                    spells += 1;
                }
                for (group, since, until) in
                    [("free", begin, taken), ("working", taken, ready), ("used", ready, begin + slot)]
                {
                    spell.execute(params![subject, group, since, until, None::<&str>, None::<&str>]).unwrap();
                    spells += 1;
                }
                outcomes += 1;
                outcome
                    .execute(params![
                        outcomes,
                        format!("img{}.lab", board / 80),
                        format!("ci-{}", n % 40),
                        IMAGES[usize::try_from(image).unwrap()],
                        format!("env{}", board % 7),
                        "panda ES",
                        format!("board-{board:04}"),
                        taken,
                        ready,
                        begin + slot
                    ])
                    .unwrap();
            }
        }
    }
    tx.commit().unwrap();
    (spells, outcomes)
}

fn make(store: &mut dyn Store, name: Name, by: By, window: Window) -> usize {
    match name {
        Name::Status => 0,
        Name::Availability => {
            let mut sums = Availability::new(by, window);
            store.spells(window, &mut |spell| sums.add(spell)).unwrap();
            sums.rows().rows.len()
        }
        Name::Ready => {
            let mut waits = Ready::new(by, window);
            store.outcomes(window, &mut |outcome| waits.add(outcome)).unwrap();
            waits.rows().rows.len()
        }
        Name::Failures => {
            let mut counts = Failures::new(by, window);
            store.failures(window, &mut |failed| counts.add(failed)).unwrap();
            counts.rows(|_| String::new()).rows.len()
        }
        Name::Use => {
            let mut held = Use::new(by, window);
            store.outcomes(window, &mut |outcome| held.add(outcome)).unwrap();
            held.rows().rows.len()
        }
    }
}

fn main() {
    let per_day: Vec<i64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    for per_day in if per_day.is_empty() { vec![1, 3] } else { per_day } {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mozpool.db");
        let (spells, outcomes) = fill(&path, per_day);
        let mib = std::fs::metadata(&path).unwrap().len() >> 20;
        println!("{per_day} requests per board and day: {spells} spells, {outcomes} outcomes, {mib} MiB");
        let mut store = Location::sqlite(path).open().unwrap();
        let to = Timestamp(FIRST + DAYS * DAY_MS);
        for days in [30, 365] {
            let window = Window { from: to.plus_ms(-days * DAY_MS), to };
            for name in Name::ALL.iter().filter(|n| **n != Name::Status) {
                for by in report(*name).by {
                    let started = Instant::now();
                    let rows = make(store.as_mut(), *name, *by, window);
                    let ms = started.elapsed().as_secs_f64() * 1000.0;
                    println!("  {days:3} days  {name:12} by {by:11} {rows:5} rows  {ms:7.0} ms");
                }
            }
        }
    }
}

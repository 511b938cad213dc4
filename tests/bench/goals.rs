//! What was wanted, beside what was measured: a table made from the rows, so that nobody's hope gets into it.

use crate::report::{Figure, Row};

const TABLE: &str = "Goals";

/// The original's calls per second, lowest and highest of what was measured, by what and for how many devices. 4.2.1 with
/// MariaDB 10.11, both on a machine of the same kind (two shared virtual cores, Debian 12).
pub(crate) const ORIGINAL: &[(&str, usize, f64, f64)] = &[
    ("state of a device", 10, 1025.0, 1025.0),
    ("state of a device", 800, 970.0, 970.0),
    ("state of a device", 5000, 751.0, 751.0),
    ("list with details", 10, 320.0, 463.0),
    ("list with details", 800, 23.0, 37.0),
    ("list with details", 5000, 5.0, 5.0),
    ("ignored event", 10, 166.0, 227.0),
    ("ignored event", 800, 174.0, 187.0),
    ("ignored event", 5000, 185.0, 246.0),
    ("transition", 10, 95.0, 161.0),
    ("transition", 800, 116.0, 118.0),
    ("transition", 5000, 146.0, 176.0),
];
/// So many times the original's rate.
const TIMES: f64 = 50.0;

/// A limit that a column of some rows must keep: what, beginning of the case, devices, column, and the most or the least.
const LIMITS: &[(&str, &str, usize, &str, Limit)] = &[
    ("state, 99 of 100 calls, ms", "state of a device, 16", 5000, "p99, ms", Limit::Most(10.0)),
    ("list with details, 99 of 100 calls, ms", "list with details, 1 ", 5000, "p99, ms", Limit::Most(10.0)),
    ("transition, 99 of 100 calls, ms", "transition, 32", 5000, "p99, ms", Limit::Most(10.0)),
    ("list with details of all, ms", "list with details, 1 ", 5000, "p50, ms", Limit::Most(20.0)),
    ("durable transitions a second", "transition, 240", 5000, "per second", Limit::Least(5000.0)),
    ("one request, the system's own ms", "one request", 800, "the system's own, ms", Limit::Most(50.0)),
    ("80 at once, the system's own ms", "the last of 80 ", 800, "the system's own, ms", Limit::Most(1000.0)),
    ("start, s", "a lab that runs", 50_000, "first answer, s", Limit::Most(5.0)),
    ("memory, MB", "a lab that runs", 50_000, "at most, MB", Limit::Most(500.0)),
    ("memory after all reads and events, MB", "transition, 1 ", 50_000, "memory, MB", Limit::Most(500.0)),
];

#[derive(Clone, Copy)]
enum Limit {
    Most(f64),
    Least(f64),
}

/// The rows of the table; goals whose cases were not run are left out.
pub(crate) fn rows(measured: &[Row]) -> Vec<Row> {
    let mut rows = Vec::new();
    for &(case, devices, low, high) in ORIGINAL {
        // The case with most connections: the first that was measured with the original's figures beside it.
        let found = measured.iter().find(|r| {
            r.devices == devices
                && r.case.starts_with(case)
                && r.figures.iter().any(|f| f.column == "the original")
        });
        let Some(rate) = found.and_then(|r| value(r, "per second")) else { continue };
        let verdict = match rate {
            rate if rate >= TIMES * high => "yes",
            rate if rate >= TIMES * low => "of its lower figure",
            _ => "no",
        };
        let row = Row::new(TABLE, format!("{case}, times the original's rate"), devices);
        rows.push(row.with("wanted", TIMES, 0).with("measured", rate / high, 0).with_text("met", verdict));
    }
    for &(goal, case, devices, column, limit) in LIMITS {
        let found = measured.iter().find(|r| r.devices == devices && r.case.starts_with(case));
        let Some(value) = found.and_then(|r| value(r, column)) else { continue };
        let digits = if value < 10.0 { 2 } else { 0 };
        let (wanted, met) = match limit {
            Limit::Most(most) => (format!("under {most}"), value < most),
            Limit::Least(least) => (format!("{least} or more"), value >= least),
        };
        let row = Row::new(TABLE, goal, devices).with_text("wanted", wanted).with("measured", value, digits);
        rows.push(row.with_text("met", if met { "yes" } else { "no" }));
    }
    rows
}

fn value(row: &Row, column: &str) -> Option<f64> {
    row.figures.iter().find(|f: &&Figure| f.column == column)?.value
}

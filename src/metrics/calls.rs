//! Calls of the API by kind, status and duration. A kind is a number here: a route's place in the table of routes.

use super::histogram::Histogram;
use super::table::Metric;
use super::text::Page;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Statuses that are counted each for itself: those that the API's document promises, and what HTTP itself answers.
const STATUSES: [u16; 20] =
    [200, 201, 204, 206, 302, 304, 307, 400, 403, 404, 405, 409, 410, 411, 412, 413, 416, 417, 500, 503];
/// Upper bounds in seconds: a read takes a millisecond, a commit some, a relay board's test up to ten seconds.
const BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0];

/// The counts of all kinds.
#[derive(Debug)]
pub struct Calls(Box<[Kind]>);

#[derive(Debug)]
struct Kind {
    /// In the order of [`STATUSES`], and one for all others.
    by_status: [AtomicU64; STATUSES.len() + 1],
    bytes: AtomicU64,
    took: Histogram,
}

impl Calls {
    /// For so many kinds.
    pub fn new(kinds: usize) -> Self {
        let kind = |_| Kind {
            by_status: Default::default(),
            bytes: AtomicU64::new(0),
            took: Histogram::new(&BOUNDS),
        };
        Self((0..kinds).map(kind).collect())
    }

    /// A call was answered. `took`: how long that took, where it says something about this server.
    pub fn count(&self, kind: usize, status: u16, bytes: u64, took: Option<Duration>) {
        let Some(kind) = self.0.get(kind) else { return };
        let place = STATUSES.iter().position(|s| *s == status).unwrap_or(STATUSES.len());
        kind.by_status[place].fetch_add(1, Ordering::Relaxed);
        kind.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(took) = took {
            kind.took.observe(took);
        }
    }

    /// Puts the kinds that have been called on a page; `name` gives method and path of a kind.
    pub fn show(&self, page: &mut Page, name: impl Fn(usize) -> (&'static str, &'static str)) {
        let load = |n: &AtomicU64| n.load(Ordering::Relaxed);
        for (number, kind) in self.0.iter().enumerate() {
            let (method, path) = name(number);
            let mut called = false;
            for (place, n) in kind.by_status.iter().enumerate().filter(|(_, n)| load(n) > 0) {
                called = true;
                let status = STATUSES.get(place).map_or_else(|| "other".to_owned(), u16::to_string);
                page.add(Metric::HttpRequests, &[method, path, &status], load(n));
            }
            if called {
                page.add(Metric::HttpBytes, &[method, path], load(&kind.bytes));
            }
            let took = kind.took.seen();
            if took.count() > 0 {
                page.add_histogram(Metric::HttpSeconds, &[method, path], &took);
            }
        }
    }
}

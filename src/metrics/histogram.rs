//! How often something took how long, counted by any number of threads without waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations between fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds in seconds, rising; above the last one there is one place more.
    bounds: &'static [f64],
    counts: Box<[AtomicU64]>,
    sum_us: AtomicU64,
}

/// What a histogram had counted when it was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Upper bounds in seconds.
    pub bounds: &'static [f64],
    /// How many came between each bound and the one before; the last is for what is above all.
    pub counts: Vec<u64>,
    /// Of all.
    pub sum: Duration,
}

impl Seen {
    /// How many in all.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Histogram {
    /// Has counted nothing.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_us: AtomicU64::new(0),
        }
    }

    /// One more.
    pub fn observe(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The same for what was measured in milliseconds; before its beginning is no time.
    pub fn observe_ms(&self, ms: i64) {
        self.observe(Duration::from_millis(ms.max(0).unsigned_abs()));
    }

    /// Its numbers now. They are read one by one, so the sum may be that of one observation more or less.
    pub fn seen(&self) -> Seen {
        Seen {
            bounds: self.bounds,
            counts: self.counts.iter().map(|n| n.load(Ordering::Relaxed)).collect(),
            sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)),
        }
    }
}

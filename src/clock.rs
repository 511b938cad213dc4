//! The only place that asks the system what time it is.
//!
//! Everything else gets a `Timestamp` passed in, or a `Clock` that a test can hold still.

pub use crate::logic::time::Timestamp;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Something that knows what time it is.
pub trait Clock: Send + Sync {
    /// Now, in UTC milliseconds.
    fn now(&self) -> Timestamp;

    /// A clock that nobody sets, from an origin of its own: only differences between two of its readings mean something.
    fn steady_ms(&self) -> i64 {
        self.now().0
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // Before 1970 only when the board has no battery; then 0 serves as well as anything.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn steady_ms(&self) -> i64 {
        static ORIGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        i64::try_from(ORIGIN.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// Microseconds of `CLOCK_MONOTONIC`, which service managers order messages by.
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let (s, ns) =
        (u64::try_from(now.tv_sec).unwrap_or_default(), u64::try_from(now.tv_nsec).unwrap_or_default());
    s.saturating_mul(1_000_000).saturating_add(ns / 1000)
}

/// The system's clock may be put right by hours: by a person, or by NTP some time after the start. Whoever keeps deadlines
/// in UTC asks this before he looks at them, and moves them by as much.
#[derive(Debug, Clone, Copy)]
pub struct StepWatch {
    /// UTC less the steady clock, when they were last compared.
    offset_ms: i64,
}

impl StepWatch {
    /// Differences up to this are slewing, suspended threads and rounding: no deadline is shorter.
    const TOLERATED_MS: i64 = 2000;

    /// Begins to watch.
    pub fn of(clock: &dyn Clock) -> Self {
        Self { offset_ms: clock.now().0.saturating_sub(clock.steady_ms()) }
    }

    /// By how many milliseconds the clock was put forward (or, negative, back) since the last look; 0 if it was not.
    pub fn step_ms(&mut self, clock: &dyn Clock) -> i64 {
        let offset_ms = clock.now().0.saturating_sub(clock.steady_ms());
        let step_ms = offset_ms.saturating_sub(self.offset_ms);
        if step_ms.abs() <= Self::TOLERATED_MS {
            return 0;
        }
        self.offset_ms = offset_ms;
        step_ms
    }
}

/// The system's time at the start, and from there on a clock that nobody sets: for waits of seconds, which must neither
/// end early nor last for hours because the system's clock was put right.
#[derive(Debug, Clone, Copy)]
pub struct SteadyClock {
    start: Timestamp,
    since: Instant,
}

impl SteadyClock {
    /// Starts with the system's time.
    pub fn start() -> Self {
        Self { start: SystemClock.now(), since: Instant::now() }
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        self.start.plus_ms(i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands until it is moved: for tests.
#[derive(Debug, Default)]
pub struct ManualClock {
    steady_ms: AtomicI64,
    offset_ms: AtomicI64,
}

impl ManualClock {
    /// Stands at `now`.
    pub fn at(now: Timestamp) -> Self {
        Self { steady_ms: AtomicI64::new(now.0), offset_ms: AtomicI64::new(0) }
    }

    /// Moves by `ms`.
    pub fn advance_ms(&self, ms: i64) {
        self.steady_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Somebody sets it: UTC jumps by `ms`, and no time passes.
    pub fn put_right_ms(&self, ms: i64) {
        self.offset_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.steady_ms() + self.offset_ms.load(Ordering::SeqCst))
    }

    fn steady_ms(&self) -> i64 {
        self.steady_ms.load(Ordering::SeqCst)
    }
}

//! How slow a peer may be that sends us something long, or takes it: whoever stays below holds a thread that others need.

use std::time::{Duration, Instant};

/// Bytes in a second, on average. A telephone line is four times as fast.
const BYTES_PER_S: u64 = 1024;

/// Of one body or answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    since: Instant,
    grace: Duration,
}

impl Pace {
    /// From now on, after so long a time in which anything goes.
    pub(super) fn new(since: Instant, grace: Duration) -> Self {
        Self { since, grace }
    }

    /// Until when the byte after so many must have come.
    pub(super) fn until(self, bytes: u64) -> Instant {
        // A day is as good as more; it keeps the sum from overflowing.
        let earned = Duration::from_secs((bytes / BYTES_PER_S).min(86_400));
        self.since + self.grace + earned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_brings_more_has_more_time() {
        let now = Instant::now();
        let pace = Pace::new(now, Duration::from_secs(10));
        assert_eq!(pace.until(0), now + Duration::from_secs(10));
        assert_eq!(pace.until(4096), now + Duration::from_secs(14));
        assert_eq!(pace.until(u64::MAX), now + Duration::from_secs(86_410));
    }
}

//! Keeps the log readable when somebody sends noise: one line per source and minute.
//! It refuses to know what is logged; what is not logged is still counted by the caller.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(60);
/// Sources remembered at once. Addresses can be forged, so there must be an end; a lab segment has fewer.
const MAX_SOURCES: usize = 256;
/// Between two searches for a place while all are taken.
const LOOK_REST: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Quiet {
    last: HashMap<IpAddr, Instant>,
    /// When all places were last found taken; looking again at once would cost a walk for every datagram of a flood.
    full_at: Option<Instant>,
}

impl Quiet {
    /// Whether a line about this source may be written now. While too many sources are remembered it may not.
    pub(crate) fn may_log(&mut self, source: IpAddr, now: Instant) -> bool {
        let old = |at: &Instant| now.saturating_duration_since(*at) >= PAUSE;
        if let Some(at) = self.last.get_mut(&source) {
            let may = old(at);
            if may {
                *at = now;
            }
            return may;
        }
        if self.last.len() >= MAX_SOURCES {
            if self.full_at.is_some_and(|at| now.saturating_duration_since(at) < LOOK_REST) {
                return false;
            }
            self.last.retain(|_, at| !old(at));
            if self.last.len() >= MAX_SOURCES {
                self.full_at = Some(now);
                return false;
            }
        }
        self.last.insert(source, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_source_and_minute_and_a_bounded_memory() {
        let t0 = Instant::now();
        let mut quiet = Quiet::default();
        let ip = |n: u32| IpAddr::from(n.to_be_bytes());
        assert!(quiet.may_log(ip(1), t0));
        assert!(!quiet.may_log(ip(1), t0 + PAUSE - Duration::from_millis(1)));
        assert!(quiet.may_log(ip(2), t0));
        assert!(quiet.may_log(ip(1), t0 + PAUSE));
        for n in 0..10_000 {
            quiet.may_log(ip(n), t0 + PAUSE);
        }
        assert_eq!(quiet.last.len(), MAX_SOURCES);
        assert!(!quiet.may_log(ip(99_999), t0 + PAUSE));
        assert!(quiet.may_log(ip(99_999), t0 + PAUSE * 2));
    }
}

//! Who was complained about lately: one log line per source and minute, whatever a broken board sends.
//!
//! It does not log and asks no clock. Its memory is bounded; when it is full of fresh entries, new sources go unlogged
//! for up to a minute (they are still counted by the caller).

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// At most one log line per source in this time.
const REST: Duration = Duration::from_secs(60);
/// Sources remembered: several times a large rack, and less than 100 KiB.
const MAX_SOURCES: usize = 1024;

/// The sources that rest, each with the time of its last log line.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    last: HashMap<IpAddr, Instant>,
    /// When the map was last found full of fresh entries; looking again at once would cost a walk per packet.
    full_at: Option<Instant>,
}

impl Quiet {
    /// Whether a line about this source may be logged now; if so, it counts as logged.
    pub(crate) fn may_log(&mut self, source: IpAddr, now: Instant) -> bool {
        let rests = |at: Instant| now.saturating_duration_since(at) < REST;
        if let Some(at) = self.last.get_mut(&source) {
            return if rests(*at) {
                false
            } else {
                *at = now;
                true
            };
        }
        if self.last.len() >= MAX_SOURCES {
            if self.full_at.is_some_and(|at| now.saturating_duration_since(at) < Duration::from_secs(1)) {
                return false;
            }
            self.last.retain(|_, at| rests(*at));
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
    use std::net::Ipv4Addr;

    #[test]
    fn one_line_per_source_and_minute_in_bounded_memory() {
        let source = |n: u32| IpAddr::V4(Ipv4Addr::from_bits(n));
        let start = Instant::now();
        let mut quiet = Quiet::default();
        assert!(quiet.may_log(source(1), start));
        assert!(!quiet.may_log(source(1), start + REST - Duration::from_millis(1)));
        assert!(quiet.may_log(source(2), start));
        assert!(quiet.may_log(source(1), start + REST));
        for n in 0..5000 {
            quiet.may_log(source(n), start + REST);
        }
        assert_eq!(quiet.last.len(), MAX_SOURCES);
        assert!(!quiet.may_log(source(9999), start + REST));
        assert!(quiet.may_log(source(9999), start + 2 * REST));
        assert_eq!(quiet.last.len(), 1);
    }
}

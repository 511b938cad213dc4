//! Who sends lines although no device is known for them: one log line per source and minute, with a count.
//!
//! Pure. Its memory is bounded; when it is full of fresh sources, further ones are kept aside like all strays, but not logged.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// At most one log line per source in this time.
const REST: Duration = Duration::from_secs(60);
/// Sources remembered: several times a large rack.
const SOURCES_MAX: usize = 1024;

/// Sources, each with the time of its last log line and the lines since.
#[derive(Debug, Default)]
pub struct Strays(HashMap<IpAddr, (Instant, u64)>);

impl Strays {
    /// A line has come from `source`. Gives how many have since the last log line, this one included, when it is time for another.
    pub fn note(&mut self, source: IpAddr, now: Instant) -> Option<u64> {
        let rests = |at: Instant| now.saturating_duration_since(at) < REST;
        if let Some((at, count)) = self.0.get_mut(&source) {
            *count += 1;
            if rests(*at) {
                return None;
            }
            *at = now;
            return Some(std::mem::take(count));
        }
        if self.0.len() >= SOURCES_MAX {
            self.0.retain(|_, (at, _)| rests(*at));
            if self.0.len() >= SOURCES_MAX {
                return None;
            }
        }
        self.0.insert(source, (now, 0));
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_source_is_named_once_a_minute_with_its_count() {
        let (a, b) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut strays = Strays::default();
        assert_eq!(strays.note(a, at(0)), Some(1));
        assert_eq!(strays.note(a, at(1)), None);
        assert_eq!(strays.note(b, at(2)), Some(1));
        assert_eq!(strays.note(a, at(59)), None);
        assert_eq!(strays.note(a, at(60)), Some(3));
        assert_eq!(strays.note(a, at(61)), None);
    }

    #[test]
    fn a_forged_flood_takes_no_memory() {
        let start = Instant::now();
        let mut strays = Strays::default();
        let source = |n: u32| IpAddr::from(Ipv4Addr::from_bits(n));
        let logged = (0..10_000).filter(|n| strays.note(source(*n), start).is_some()).count();
        assert_eq!((logged, strays.0.len()), (SOURCES_MAX, SOURCES_MAX));
        assert_eq!(strays.note(source(99_999), start + REST), Some(1), "the old ones make room");
        assert_eq!(strays.0.len(), 1);
    }
}

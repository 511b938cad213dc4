//! Who sends lines although no device is known for them: how many, and some of what they say.
//!
//! Pure. Its memory is bounded: of a sender that floods, and of a flood of senders, a part is kept and all is counted. The log
//! hears of each source once a minute.

use crate::layers::intake::Line;
use crate::logic::time::Timestamp;
use crate::store::{StrayLogLine, StraySender};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// At most one log line per source in this time.
const REST: Duration = Duration::from_secs(60);
/// Sources remembered: several times a large rack.
const SOURCES_MAX: usize = 1024;
/// Lines of one sender that are kept of one batch: enough to see what it is.
const LINES_OF_ONE: u64 = 20;
/// Lines that are kept of one batch.
const LINES_MAX: usize = 500;
/// Bytes of one line that are kept.
const LINE_BYTES_MAX: usize = 1024;
/// The sender of lines of senders that were too many at once.
const OTHERS: &str = "others";

/// Sources, each with the time of its last log line and the lines since.
#[derive(Debug, Default)]
pub struct Strays {
    sources: HashMap<IpAddr, (Instant, u64)>,
    /// While all places are taken: none of them is free before. A flood of forged sources must not cost a look at all of them a line.
    full_until: Option<Instant>,
}

impl Strays {
    /// A line has come from `source`. Gives how many have since the last log line, this one included, when it is time for another.
    pub fn note(&mut self, source: IpAddr, now: Instant) -> Option<u64> {
        let rests = |at: Instant| now.saturating_duration_since(at) < REST;
        if let Some((at, count)) = self.sources.get_mut(&source) {
            *count += 1;
            if rests(*at) {
                return None;
            }
            *at = now;
            return Some(std::mem::take(count));
        }
        if self.sources.len() >= SOURCES_MAX {
            if self.full_until.is_some_and(|until| now < until) {
                return None;
            }
            self.sources.retain(|_, (at, _)| rests(*at));
            if self.sources.len() >= SOURCES_MAX {
                self.full_until = self.sources.values().map(|(at, _)| *at + REST).min();
                return None;
            }
        }
        self.sources.insert(source, (now, 0));
        Some(1)
    }
}

/// Lines of unknown senders on their way to the store.
#[derive(Debug, Default)]
pub struct Aside {
    lines: Vec<StrayLogLine>,
    senders: Vec<StraySender>,
    /// Where a sender stands in that list.
    places: HashMap<String, usize>,
}

impl Aside {
    /// Takes a line in; counts it in any case.
    pub fn add(&mut self, line: &Line<'_>) {
        let Some(place) = self.count(line.from.to_string(), 1, line.at) else { return };
        let Some(known) = self.senders.get_mut(place) else { return };
        if !line.hostname.is_empty() && known.hostname != line.hostname {
            line.hostname.clone_into(&mut known.hostname);
        }
        if known.lines <= LINES_OF_ONE && self.lines.len() < LINES_MAX {
            let longest = line.message.len().min(LINE_BYTES_MAX);
            let end = (0..=longest).rev().find(|n| line.message.is_char_boundary(*n)).unwrap_or(0);
            let message = line.message.get(..end).unwrap_or_default().to_owned();
            self.lines.push(StrayLogLine { at: line.at, sender: known.sender.clone(), message });
        }
    }

    /// A line of our own, about lines that are gone; they count for their sender all the same. It is kept in any case; the caller
    /// has few.
    pub fn remark(&mut self, sender: &str, gone: u64, at: Timestamp, message: String) {
        let Some(known) = self.count(sender.to_owned(), gone, at).and_then(|n| self.senders.get(n)) else {
            return;
        };
        self.lines.push(StrayLogLine { at, sender: known.sender.clone(), message });
    }

    /// Counts lines of a sender, or of the others when there are too many; gives its place among those that are counted.
    fn count(&mut self, sender: String, lines: u64, at: Timestamp) -> Option<usize> {
        let has_room = self.places.len() < SOURCES_MAX || self.places.contains_key(&sender);
        let sender = if has_room { sender } else { OTHERS.to_owned() };
        let place = *self.places.entry(sender).or_insert_with_key(|sender| {
            let (sender, hostname) = (sender.clone(), String::new());
            self.senders.push(StraySender { sender, hostname, lines: 0, first: at, last: at });
            self.senders.len() - 1
        });
        let known = self.senders.get_mut(place)?;
        known.lines += lines;
        known.last = at;
        Some(place)
    }

    /// Lines to be stored.
    pub fn lines(&self) -> &[StrayLogLine] {
        &self.lines
    }

    /// Senders to be counted.
    pub fn senders(&self) -> &[StraySender] {
        &self.senders
    }

    /// The lines are on disk.
    pub fn lines_written(&mut self) {
        self.lines.clear();
    }

    /// The senders are on disk.
    pub fn senders_written(&mut self) {
        self.senders.clear();
        self.places.clear();
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
        assert_eq!((logged, strays.sources.len()), (SOURCES_MAX, SOURCES_MAX));
        assert_eq!(strays.full_until, Some(start + REST), "until then none is looked through");
        assert_eq!(strays.note(source(99_999), start + REST), Some(1), "the old ones make room");
        assert_eq!(strays.sources.len(), 1);
    }

    #[test]
    fn all_is_counted_and_a_part_is_kept() {
        let mut aside = Aside::default();
        let long = "ä".repeat(2000);
        let mut add = |from: u32, at, hostname, message: &str| {
            let from = Ipv4Addr::from_bits(from).into();
            aside.add(&Line { from, at: Timestamp(at), hostname, message });
        };
        for n in 0..30 {
            add(1, n, if n == 3 { "rack-7" } else { "" }, &long);
        }
        for n in 2..3000 {
            add(n, 50, "", "x");
        }
        let first = &aside.senders()[0];
        assert_eq!((&*first.sender, &*first.hostname, first.lines), ("0.0.0.1", "rack-7", 30));
        assert_eq!((first.first, first.last), (Timestamp(0), Timestamp(29)));
        assert_eq!(aside.lines().iter().filter(|l| l.sender == "0.0.0.1").count(), 20);
        assert_eq!(aside.lines()[0].message.len(), 1024);
        assert_eq!((aside.lines().len(), aside.senders().len()), (LINES_MAX, SOURCES_MAX + 1));
        let others = aside.senders().last().unwrap();
        assert_eq!((&*others.sender, others.lines), (OTHERS, 2999 - SOURCES_MAX as u64));
        aside.lines_written();
        aside.senders_written();
        assert!(aside.lines().is_empty() && aside.senders().is_empty() && aside.places.is_empty());
    }
}

//! When another server of the pool counts as gone: its count has stood still for long enough, as seen from here.
//!
//! Only time in which the store answered us is counted. After the store itself was away, nobody has beaten, and nobody may be
//! taken for gone because of that.

use std::collections::HashMap;
use std::hash::Hash;

/// How long a server's count has stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    beats: i64,
    silent_ms: i64,
}

impl Silence {
    /// Seen for the first time.
    pub fn begin(beats: i64) -> Self {
        Self { beats, silent_ms: 0 }
    }

    /// The count as it is now, `since_ms` after the look before; a look counts for `most_ms` at most. Returns for how long it
    /// has stood still.
    pub fn look(&mut self, beats: i64, since_ms: i64, most_ms: i64) -> i64 {
        if beats == self.beats {
            self.silent_ms = self.silent_ms.saturating_add(since_ms.clamp(0, most_ms));
        } else {
            *self = Self::begin(beats);
        }
        self.silent_ms
    }
}

/// What is known of somebody who stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Their count moves, or their process is seen.
    Lives,
    /// Their process has ended, or their count has stood still for their limit.
    Gone,
    /// Nobody can say yet; `first`: this is the first look at them.
    Unknown { first: bool },
}

/// Watches who stands in the way of a start, until each of them lives or is gone.
#[derive(Debug)]
pub struct Watch<K>(HashMap<K, (i64, Silence)>);

impl<K> Default for Watch<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Hash + Eq> Watch<K> {
    /// A look counts for so long at most: the store may have been away in between, and nobody was silent then.
    const LOOK_MOST_MS: i64 = 1000;

    /// A look at one of them, `since_ms` after the look before. `alive`: whether their process is, if it can be seen from here.
    pub fn look(&mut self, who: K, beats: i64, since_ms: i64, alive: Option<bool>, limit_ms: i64) -> Verdict {
        let first = !self.0.contains_key(&who);
        let (begun, silence) = self.0.entry(who).or_insert_with(|| (beats, Silence::begin(beats)));
        let silent_ms = if first { 0 } else { silence.look(beats, since_ms, Self::LOOK_MOST_MS) };
        match alive {
            Some(true) => Verdict::Lives,
            _ if *begun != beats => Verdict::Lives,
            Some(false) => Verdict::Gone,
            None if silent_ms >= limit_ms => Verdict::Gone,
            None => Verdict::Unknown { first },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_stands_in_the_way_lives_or_is_gone_in_the_end() {
        let mut watch = Watch::default();
        assert_eq!(watch.look("seen", 1, 0, Some(true), 2000), Verdict::Lives);
        assert_eq!(watch.look("ended", 1, 0, Some(false), 2000), Verdict::Gone);
        assert_eq!(watch.look("far", 1, 900, None, 2000), Verdict::Unknown { first: true });
        assert_eq!(watch.look("far", 1, 900, None, 2000), Verdict::Unknown { first: false });
        assert_eq!(watch.look("far", 1, 3_600_000, None, 2000), Verdict::Unknown { first: false });
        assert_eq!(watch.look("far", 1, 900, None, 2000), Verdict::Gone, "silent for 2.8 s");
        assert_eq!(watch.look("far", 2, 900, None, 2000), Verdict::Lives);
        assert_eq!(watch.look("far", 2, 900, None, 2000), Verdict::Lives, "it was seen to move");
    }

    #[test]
    fn only_looks_that_found_the_same_count() {
        let mut silence = Silence::begin(7);
        assert_eq!(silence.look(7, 2000, 4000), 2000);
        assert_eq!(silence.look(7, 2000, 4000), 4000);
        assert_eq!(silence.look(8, 2000, 4000), 0, "it lives");
        assert_eq!(silence.look(8, 2000, 4000), 2000);
        assert_eq!(silence.look(3, 2000, 4000), 0, "another start of it");
    }

    #[test]
    fn an_hour_without_a_store_is_one_look() {
        let mut silence = Silence::begin(7);
        assert_eq!(silence.look(7, 3_600_000, 4000), 4000);
        assert_eq!(silence.look(7, -5, 4000), 4000);
    }
}

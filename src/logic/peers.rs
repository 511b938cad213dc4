//! When another server of the pool counts as gone: its count has stood still for long enough, as seen from here.
//!
//! Only time in which the store answered us is counted. After the store itself was away, nobody has beaten, and nobody may be
//! taken for gone because of that.

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

#[cfg(test)]
mod tests {
    use super::*;

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

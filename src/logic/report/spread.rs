//! How long something took, many times over: the middle, what nine of ten do not exceed, the worst.
//!
//! Exact: all values are kept, four bytes each, which is a megabyte or two for a year of a large lab.

/// Times in milliseconds, in no order.
#[derive(Debug, Clone, Default)]
pub struct Spread(Vec<u32>);

impl Spread {
    /// One more, in milliseconds; what is longer than seven weeks counts as that, and what is negative as nothing.
    pub fn add(&mut self, ms: i64) {
        self.0.push(u32::try_from(ms.max(0)).unwrap_or(u32::MAX));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest value that at least `percent` of all do not exceed (nearest rank), in milliseconds; `None` of none.
    pub fn percentile(&mut self, percent: usize) -> Option<i64> {
        let rank = (self.0.len() * percent.min(100)).div_ceil(100).max(1);
        let at = rank - 1;
        if at >= self.0.len() {
            return None;
        }
        Some(i64::from(*self.0.select_nth_unstable(at).1))
    }

    /// The longest, in milliseconds.
    pub fn max(&self) -> Option<i64> {
        self.0.iter().max().map(|ms| i64::from(*ms))
    }
}

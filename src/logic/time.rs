//! Points in time as the whole program keeps them: UTC milliseconds.
//!
//! This file knows no clock; `crate::clock` asks the system. Deadlines are points, waits are seconds with `_s` in the name.

/// UTC, milliseconds since 1970-01-01. Negative values are before it and legal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This point plus `seconds`; saturates instead of wrapping.
    pub fn plus_s(self, seconds: u32) -> Self {
        self.plus_ms(i64::from(seconds) * 1000)
    }

    /// This point plus `milliseconds`, which may be negative; saturates instead of wrapping.
    pub fn plus_ms(self, milliseconds: i64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `earlier` to here; negative when `earlier` is later.
    pub fn ms_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

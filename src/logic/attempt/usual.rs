//! What attempts of one kind usually look like: when each step comes and how long it takes, from the last good ones.

use super::Attempt;

/// Good attempts that are looked at: enough for a median that one bad day does not move, few enough to read each time.
pub const SAMPLES: usize = 20;
/// With fewer good attempts nothing is said to be usual.
pub const SAMPLES_LEAST: usize = 3;

/// What is usual for attempts of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usual {
    /// How long an attempt takes, in milliseconds.
    pub duration_ms: Option<u64>,
}

impl Usual {
    /// Of these good attempts of one kind.
    pub fn of(good: &[Attempt]) -> Self {
        let _ = good;
        Self::default()
    }
}

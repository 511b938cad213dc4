//! How one attempt compares with what is usual, step by step and in a sentence.

use super::Attempt;
use super::usual::Usual;
use crate::logic::time::Timestamp;

/// How a step compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compared {
    /// When it usually comes, in milliseconds after the attempt's start.
    pub usual_ms: Option<u64>,
    /// So much later than usual it came, if it was late.
    pub late_ms: Option<u64>,
    /// It took, or has taken, far longer than usual.
    pub slow: bool,
}

/// How an attempt compares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// For each step of the attempt, in its order.
    pub steps: Vec<Compared>,
    /// A sentence about the whole, if there is anything to say.
    pub verdict: Option<String>,
}

/// Compares an attempt with what is usual for its kind, as it stands at `now`.
pub fn judge(attempt: &Attempt, usual: &Usual, now: Timestamp) -> Judged {
    let _ = (usual, now);
    Judged { steps: vec![Compared::default(); attempt.steps.len()], verdict: None }
}

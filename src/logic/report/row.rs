//! What a report consists of in the end: cells in rows, in the order of the report's columns.

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// How many.
    Count(u64),
    /// How long.
    Seconds(f64),
    /// What part of the whole, from 0 to 100.
    Percent(f64),
    /// There is no such value, such as the longest of none.
    Nothing,
}

impl Cell {
    /// Milliseconds as seconds.
    pub(super) fn ms(ms: i64) -> Self {
        // Exact up to some hundred thousand years.
        #[expect(clippy::cast_precision_loss, reason = "times of a report are far below 2^53 ms")]
        Self::Seconds(ms as f64 / 1000.0)
    }

    /// `part` of `whole`, with two places; nothing without a whole.
    pub(super) fn share(part: i64, whole: i64) -> Self {
        if whole <= 0 {
            return Self::Nothing;
        }
        #[expect(clippy::cast_precision_loss, reason = "four digits are shown")]
        let share = part as f64 / whole as f64;
        Self::Percent((share * 10_000.0).round() / 100.0)
    }

    /// A number of things.
    pub(super) fn count(n: usize) -> Self {
        Self::Count(u64::try_from(n).unwrap_or(u64::MAX))
    }
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// One for each of what it is grouped by, in order.
    pub rows: Vec<Vec<Cell>>,
    /// All of them together; `None` when there are none, or where the sum would say nothing.
    pub total: Option<Vec<Cell>>,
}

/// What the row of all is called.
pub(super) const ALL: &str = "all";

//! The time that a report is about, and its days. A day is a day of the calendar in UTC, for all servers alike.

use crate::logic::time::Timestamp;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// From one point in time up to another, which does not belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Where it begins.
    pub from: Timestamp,
    /// Where it ends; never before it begins.
    pub to: Timestamp,
}

impl Window {
    /// Today up to `now` and so many whole days before it.
    pub fn days(days: u32, now: Timestamp) -> Self {
        Self { from: start_of_day(now).plus_ms(-i64::from(days) * DAY_MS), to: now }
    }

    /// Whether a point lies in it.
    pub fn has(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// The part of a time that lies in it; `None` when there is none. What has no length has no part.
    pub fn clip(self, since: Timestamp, until: Timestamp) -> Option<Self> {
        let part = Self { from: since.max(self.from), to: until.min(self.to) };
        (part.from < part.to).then_some(part)
    }

    /// How long it is, in milliseconds.
    pub fn ms(self) -> i64 {
        self.to.ms_since(self.from)
    }

    /// Its parts by days, with the number of the day.
    pub fn by_day(self) -> Days {
        Days { left: self }
    }
}

/// See [`Window::by_day`].
#[derive(Debug, Clone)]
pub struct Days {
    left: Window,
}

impl Iterator for Days {
    type Item = (i64, Window);

    fn next(&mut self) -> Option<Self::Item> {
        let Window { from, to } = self.left;
        if from >= to {
            return None;
        }
        let next_day = start_of_day(from).plus_ms(DAY_MS);
        let end = next_day.min(to);
        self.left.from = end;
        Some((day_of(from), Window { from, to: end }))
    }
}

/// The number of the day that a point lies in, from 1970-01-01.
pub(super) fn day_of(at: Timestamp) -> i64 {
    at.0.div_euclid(DAY_MS)
}

fn start_of_day(at: Timestamp) -> Timestamp {
    Timestamp(at.0.saturating_sub(at.0.rem_euclid(DAY_MS)))
}

/// `2026-11-22` of a day's number: the proleptic Gregorian calendar, counted in years from March, so that the leap day is the
/// last of its year.
pub fn date(day: i64) -> String {
    // From 0000-03-01 to 1970-01-01, and the days of 400 years, after which the calendar repeats.
    const EPOCH_DAYS: i64 = 719_468;
    const ERA_DAYS: i64 = 146_097;
    let since_march_0 = day + EPOCH_DAYS;
    let (era, of_era) = (since_march_0.div_euclid(ERA_DAYS), since_march_0.rem_euclid(ERA_DAYS));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = 400 * era + year_of_era + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

//! Reports: from what is kept of devices and requests to rows that people read. Which there are stands in `table`.
//!
//! Times come in as values, rows of the store one by one: a year of a large lab need not fit into memory.

mod availability;
mod failures;
mod group;
mod people;
mod row;
mod spread;
mod status;
mod table;
#[cfg(test)]
mod tests;
mod window;

pub use self::availability::Availability;
pub use self::failures::{Failed, Failures};
pub use self::group::Group;
pub use self::people::{Outcome, Ready, Use};
pub use self::row::{Cell, Rows};
pub use self::spread::Spread;
pub use self::status::Status;
pub use self::table::{By, Column, Kind, Name, REPORTS, Report, columns, report};
pub use self::window::{DAY_MS, Days, Window, date};

use super::time::Timestamp;

/// The end of what still lasts: later than every time.
pub const LASTS: Timestamp = Timestamp(i64::MAX);

/// What a device was when something was noted of it; empty texts for what was not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Subject {
    /// Its name.
    pub device: String,
    /// The imaging server that owned it.
    pub server: String,
    /// Its pool.
    pub environment: String,
    /// Type and model with a blank between.
    pub hardware: String,
    /// What was on it, or being put there.
    pub image: String,
}

/// How long a device was in one group of states without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell<'a> {
    /// Which device, and what it was.
    pub subject: &'a Subject,
    /// How it was.
    pub group: Group,
    /// From when.
    pub since: Timestamp,
    /// Until when; [`LASTS`] while it is so.
    pub until: Timestamp,
}

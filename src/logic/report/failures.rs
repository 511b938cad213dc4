//! What went wrong with devices: how often, with how many of them, and when last.

use super::row::ALL;
use super::table::label_at;
use super::{By, Cell, Rows, Subject, Window};
use crate::logic::time::Timestamp;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

/// A device was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed<'a> {
    /// Which device, and what it was; its image is the one that was being installed.
    pub subject: &'a Subject,
    /// What kind of thing went wrong, in words that are the same each time.
    pub cause: &'a str,
    /// When.
    pub at: Timestamp,
}

/// Counts failures.
#[derive(Debug)]
pub struct Failures {
    window: Window,
    by: By,
    /// The second label is the image, where the first is a cause.
    counts: BTreeMap<(String, String), Count>,
    all: Count,
}

#[derive(Debug, Default)]
struct Count {
    count: usize,
    devices: HashSet<String>,
    last: Timestamp,
}

impl Count {
    fn add(&mut self, failed: Failed<'_>) {
        self.count += 1;
        if !self.devices.contains(&failed.subject.device) {
            self.devices.insert(failed.subject.device.clone());
        }
        self.last = self.last.max(failed.at);
    }

    fn cells(&self, write_time: fn(Timestamp) -> String) -> [Cell; 3] {
        [Cell::count(self.count), Cell::count(self.devices.len()), Cell::Text(write_time(self.last))]
    }
}

impl Failures {
    /// Of a window.
    pub fn new(by: By, window: Window) -> Self {
        Self { window, by, counts: BTreeMap::new(), all: Count::default() }
    }

    /// One more, if it lies in the window.
    pub fn add(&mut self, failed: Failed<'_>) {
        if !self.window.has(failed.at) {
            return;
        }
        let key = match self.by {
            By::Cause => (failed.cause.to_owned(), failed.subject.image.clone()),
            by => (label_at(by, failed.subject, failed.at), String::new()),
        };
        self.counts.entry(key).or_default().add(failed);
        self.all.add(failed);
    }

    /// The report's rows: days in their order, all else by how often it happened. `write_time` writes the last column.
    pub fn rows(self, write_time: fn(Timestamp) -> String) -> Rows {
        let mut counts: Vec<_> = self.counts.into_iter().collect();
        if self.by != By::Day {
            counts.sort_by_key(|(_, count)| Reverse(count.count));
        }
        let row = |(first, second): (String, String), count: &Count| {
            let mut cells = vec![Cell::Text(first)];
            if self.by == By::Cause {
                cells.push(Cell::Text(second));
            }
            cells.extend(count.cells(write_time));
            cells
        };
        let rows: Vec<_> = counts.into_iter().map(|(key, count)| row(key, &count)).collect();
        let total = (!rows.is_empty()).then(|| row((ALL.to_owned(), ALL.to_owned()), &self.all));
        Rows { rows, total }
    }
}

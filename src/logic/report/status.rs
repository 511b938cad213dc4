//! How many devices are how, now.

use super::row::ALL;
use super::table::label;
use super::{By, Cell, Group, Rows, Subject};
use std::collections::BTreeMap;

/// Counts devices.
#[derive(Debug)]
pub struct Status {
    by: By,
    counts: BTreeMap<String, [usize; Group::ALL.len()]>,
}

impl Status {
    /// None yet.
    pub fn new(by: By) -> Self {
        Self { by, counts: BTreeMap::new() }
    }

    /// One more device.
    pub fn add(&mut self, subject: &Subject, group: Group) {
        self.counts.entry(label(self.by, subject).to_owned()).or_default()[group as usize] += 1;
    }

    /// The report's rows.
    pub fn rows(self) -> Rows {
        let mut all = [0; Group::ALL.len()];
        let mut rows = Vec::with_capacity(self.counts.len());
        for (label, counts) in self.counts {
            for (sum, n) in all.iter_mut().zip(counts) {
                *sum += n;
            }
            rows.push(row(label, counts));
        }
        let total = (!rows.is_empty()).then(|| row(ALL.to_owned(), all));
        Rows { rows, total }
    }
}

fn row(label: String, counts: [usize; Group::ALL.len()]) -> Vec<Cell> {
    let mut cells = vec![Cell::Text(label), Cell::count(counts.iter().sum())];
    cells.extend(counts.map(Cell::count));
    cells
}

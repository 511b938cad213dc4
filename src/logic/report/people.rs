//! What became of requests: how long they waited for their board, and how long they had it.

use super::row::ALL;
use super::table::{label, label_at};
use super::{By, Cell, LASTS, Rows, Spread, Subject, Window, date};
use crate::logic::time::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// One request, from asking to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome<'a> {
    /// The device that it got, or what was wanted where it got none.
    pub subject: &'a Subject,
    /// Who asked.
    pub assignee: &'a str,
    /// When.
    pub asked: Timestamp,
    /// When its board was ready, if it ever was.
    pub ready: Option<Timestamp>,
    /// When it ended; [`LASTS`] while it has not.
    pub ended: Timestamp,
    /// It ended because no board could be had.
    pub failed: bool,
}

fn label_of(by: By, outcome: Outcome<'_>, at: Timestamp) -> String {
    match by {
        By::Assignee => outcome.assignee.to_owned(),
        by => label_at(by, outcome.subject, at),
    }
}

/// How long requests waited. A request counts where it was asked for, and once it is known how that went.
#[derive(Debug)]
pub struct Ready {
    window: Window,
    by: By,
    waits: BTreeMap<String, Waits>,
    all: Waits,
}

#[derive(Debug, Default)]
struct Waits {
    ready: Spread,
    failed: usize,
    given_up: usize,
}

impl Waits {
    fn add(&mut self, outcome: Outcome<'_>) {
        match outcome.ready {
            Some(ready) => self.ready.add(ready.ms_since(outcome.asked)),
            None if outcome.failed => self.failed += 1,
            None => self.given_up += 1,
        }
    }

    fn row(mut self, label: String) -> Vec<Cell> {
        let cell = |ms: Option<i64>| ms.map_or(Cell::Nothing, Cell::ms);
        vec![
            Cell::Text(label),
            Cell::count(self.ready.count()),
            cell(self.ready.percentile(50)),
            cell(self.ready.percentile(90)),
            cell(self.ready.max()),
            Cell::count(self.failed),
            Cell::count(self.given_up),
        ]
    }
}

impl Ready {
    /// Of a window.
    pub fn new(by: By, window: Window) -> Self {
        Self { window, by, waits: BTreeMap::new(), all: Waits::default() }
    }

    /// One more request, if it was asked for in the window and waits no longer.
    pub fn add(&mut self, outcome: Outcome<'_>) {
        let waits = outcome.ready.is_none() && outcome.ended == LASTS;
        if waits || !self.window.has(outcome.asked) {
            return;
        }
        self.waits.entry(label_of(self.by, outcome, outcome.asked)).or_default().add(outcome);
        self.all.add(outcome);
    }

    /// The report's rows.
    pub fn rows(self) -> Rows {
        let rows: Vec<_> = self.waits.into_iter().map(|(label, waits)| waits.row(label)).collect();
        let total = (!rows.is_empty()).then(|| self.all.row(ALL.to_owned()));
        Rows { rows, total }
    }
}

/// How long boards were held ready. A request counts in every window, and on every day, in which it had its board.
#[derive(Debug)]
pub struct Use {
    window: Window,
    by: By,
    held: BTreeMap<String, Held>,
    all: Held,
}

#[derive(Debug, Default, Clone, Copy)]
struct Held {
    requests: usize,
    ms: i64,
}

impl Held {
    fn add(&mut self, ms: i64) {
        self.requests += 1;
        self.ms += ms;
    }

    fn row(self, label: String) -> Vec<Cell> {
        vec![Cell::Text(label), Cell::count(self.requests), Cell::ms(self.ms)]
    }
}

impl Use {
    /// Of a window that ends now or earlier.
    pub fn new(by: By, window: Window) -> Self {
        Self { window, by, held: BTreeMap::new(), all: Held::default() }
    }

    /// One more request, of which only what lies in the window counts.
    pub fn add(&mut self, outcome: Outcome<'_>) {
        let Some(part) = outcome.ready.and_then(|ready| self.window.clip(ready, outcome.ended)) else {
            return;
        };
        self.all.add(part.ms());
        let mut add = |label: String, ms| self.held.entry(label).or_default().add(ms);
        match self.by {
            By::Day => part.by_day().for_each(|(day, part)| add(date(day), part.ms())),
            By::Assignee => add(outcome.assignee.to_owned(), part.ms()),
            by => add(label(by, outcome.subject).to_owned(), part.ms()),
        }
    }

    /// The report's rows: days in their order, all else by how long.
    pub fn rows(self) -> Rows {
        let mut held: Vec<_> = self.held.into_iter().collect();
        if self.by != By::Day {
            held.sort_by_key(|(_, held)| Reverse(held.ms));
        }
        let rows: Vec<_> = held.into_iter().map(|(label, held)| held.row(label)).collect();
        let total = (!rows.is_empty()).then(|| self.all.row(ALL.to_owned()));
        Rows { rows, total }
    }
}

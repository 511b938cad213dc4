//! What part of their time devices were how: spells, cut to the window, added up.
//!
//! Only time that something is known of counts: a board that was made yesterday has a day of a month. A year of a large lab is
//! millions of spells, so all that depends on the subject alone is looked up once per subject.

use super::row::ALL;
use super::table::label;
use super::{By, Cell, Group, Rows, Spell, Subject, Window, date};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Adds spells up.
#[derive(Debug)]
pub struct Availability {
    window: Window,
    by: By,
    /// What is known of the subjects that were seen, by their place.
    seen: Vec<Option<Seen>>,
    /// Numbers of devices by name, and of sums by what they are of.
    devices: HashMap<String, u32>,
    labels: BTreeMap<String, usize>,
    sums: Vec<Sum>,
    days: BTreeMap<i64, Sum>,
    all: [i64; Group::ALL.len()],
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    device: u32,
    sum: usize,
}

#[derive(Debug, Default)]
struct Sum {
    ms: [i64; Group::ALL.len()],
    devices: HashSet<u32>,
}

fn row(label: String, devices: usize, ms: [i64; Group::ALL.len()]) -> Vec<Cell> {
    let whole = ms.iter().sum();
    let mut cells = vec![Cell::Text(label), Cell::count(devices), Cell::ms(whole)];
    cells.extend(ms.map(|ms| Cell::share(ms, whole)));
    cells
}

impl Availability {
    /// Of a window that ends now or earlier.
    pub fn new(by: By, window: Window) -> Self {
        Self {
            window,
            by,
            seen: Vec::new(),
            devices: HashMap::new(),
            labels: BTreeMap::new(),
            sums: Vec::new(),
            days: BTreeMap::new(),
            all: [0; Group::ALL.len()],
        }
    }

    /// One more spell, of which only what lies in the window counts.
    pub fn add(&mut self, spell: Spell<'_>) {
        let Some(part) = self.window.clip(spell.since, spell.until) else { return };
        let seen = match self.seen.get(spell.place) {
            Some(Some(seen)) => *seen,
            _ => self.see(spell.place, spell.subject),
        };
        let group = spell.group as usize;
        self.all[group] += part.ms();
        if self.by != By::Day {
            self.sums[seen.sum].ms[group] += part.ms();
            return;
        }
        for (day, part) in part.by_day() {
            let sum = self.days.entry(day).or_default();
            sum.ms[group] += part.ms();
            sum.devices.insert(seen.device);
        }
    }

    fn see(&mut self, place: usize, subject: &Subject) -> Seen {
        let fresh = u32::try_from(self.devices.len()).unwrap_or(u32::MAX);
        let device = *self.devices.entry(subject.device.clone()).or_insert(fresh);
        let fresh = self.sums.len();
        let sum = *self.labels.entry(label(self.by, subject).to_owned()).or_insert(fresh);
        if sum == fresh {
            self.sums.push(Sum::default());
        }
        self.sums[sum].devices.insert(device);
        if self.seen.len() <= place {
            self.seen.resize(place + 1, None);
        }
        let seen = Seen { device, sum };
        self.seen[place] = Some(seen);
        seen
    }

    /// The report's rows.
    pub fn rows(self) -> Rows {
        let Self { by, labels, sums, days, all, devices, .. } = self;
        let rows: Vec<_> = if by == By::Day {
            days.into_iter().map(|(day, sum)| row(date(day), sum.devices.len(), sum.ms)).collect()
        } else {
            labels.into_iter().map(|(label, n)| row(label, sums[n].devices.len(), sums[n].ms)).collect()
        };
        let total = (!rows.is_empty()).then(|| row(ALL.to_owned(), devices.len(), all));
        Rows { rows, total }
    }
}

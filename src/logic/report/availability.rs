//! What part of their time devices were how: spells, cut to the window, added up.
//!
//! Only time that something is known of counts: a board that was made yesterday has a day of a month.

use super::row::ALL;
use super::table::label;
use super::{By, Cell, Group, Rows, Spell, Window, date};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Adds spells up.
#[derive(Debug)]
pub struct Availability {
    window: Window,
    by: By,
    sums: BTreeMap<String, Sum>,
    days: BTreeMap<i64, Sum>,
    all: Sum,
    /// Numbers of devices' names, so that a set of them costs little.
    devices: HashMap<String, u32>,
}

#[derive(Debug, Default)]
struct Sum {
    ms: [i64; Group::ALL.len()],
    devices: HashSet<u32>,
}

impl Sum {
    fn add(&mut self, device: u32, group: Group, ms: i64) {
        self.ms[group as usize] += ms;
        self.devices.insert(device);
    }

    fn row(&self, label: String) -> Vec<Cell> {
        let whole = self.ms.iter().sum();
        let mut cells = vec![Cell::Text(label), Cell::count(self.devices.len()), Cell::ms(whole)];
        cells.extend(self.ms.iter().map(|ms| Cell::share(*ms, whole)));
        cells
    }
}

impl Availability {
    /// Of a window that ends now or earlier.
    pub fn new(by: By, window: Window) -> Self {
        let (sums, days, all, devices) = (BTreeMap::new(), BTreeMap::new(), Sum::default(), HashMap::new());
        Self { window, by, sums, days, all, devices }
    }

    /// One more spell, of which only what lies in the window counts.
    pub fn add(&mut self, spell: Spell<'_>) {
        let Some(part) = self.window.clip(spell.since, spell.until) else { return };
        let fresh = u32::try_from(self.devices.len()).unwrap_or(u32::MAX);
        let device = match self.devices.get(&spell.subject.device) {
            Some(n) => *n,
            None => {
                self.devices.insert(spell.subject.device.clone(), fresh);
                fresh
            }
        };
        self.all.add(device, spell.group, part.ms());
        if self.by == By::Day {
            for (day, part) in part.by_day() {
                self.days.entry(day).or_default().add(device, spell.group, part.ms());
            }
            return;
        }
        let label = label(self.by, spell.subject);
        match self.sums.get_mut(label) {
            Some(sum) => sum.add(device, spell.group, part.ms()),
            None => self.sums.entry(label.to_owned()).or_default().add(device, spell.group, part.ms()),
        }
    }

    /// The report's rows.
    pub fn rows(self) -> Rows {
        let by_day = self.days.into_iter().map(|(day, sum)| sum.row(date(day)));
        let rows: Vec<_> = self.sums.into_iter().map(|(label, sum)| sum.row(label)).chain(by_day).collect();
        let total = (!rows.is_empty()).then(|| self.all.row(ALL.to_owned()));
        Rows { rows, total }
    }
}

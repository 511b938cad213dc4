//! How long everything took, against the goals.

use crate::fault::Kind;
use std::collections::BTreeMap;
use std::time::Duration;

/// The healthy part gives boards again.
pub(crate) const SERVICE: Duration = Duration::from_secs(10);
/// Everything is back after the fault is over.
pub(crate) const BACK: Duration = Duration::from_secs(60);
/// The test fails only beyond this many times the goals: the machine may be building something else.
pub(crate) const GENEROUS: u32 = 6;

/// What one fault cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// The longest that somebody waited for a board who had asked a healthy server.
    pub(crate) service: Duration,
    /// From healing until all servers and nodes work.
    pub(crate) whole: Duration,
    /// From healing until a board of each server, asked for at another, is installed and ready.
    pub(crate) back: Duration,
}

/// All costs, by kind.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<Kind, Vec<Cost>>);

impl Figures {
    pub(crate) fn add(&mut self, kind: Kind, cost: Cost) {
        self.0.entry(kind).or_default().push(cost);
    }

    /// A table: median and worst of each kind.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "| fault | times | longest wait for a board (goal {} s) | all work after | all back after (goal {} s) |\n|---|---|---|---|---|\n",
            SERVICE.as_secs(),
            BACK.as_secs()
        );
        for (kind, costs) in &self.0 {
            let pair = |of: fn(&Cost) -> Duration| {
                let mut all: Vec<Duration> = costs.iter().map(of).collect();
                all.sort();
                let s = |d: Duration| format!("{:.1}", d.as_secs_f64());
                format!("{}, at most {}", s(all[all.len() / 2]), s(all[all.len() - 1]))
            };
            text += &format!(
                "| {} | {} | {} | {} | {} |\n",
                kind.text(),
                costs.len(),
                pair(|c| c.service),
                pair(|c| c.whole),
                pair(|c| c.back)
            );
        }
        text
    }
}

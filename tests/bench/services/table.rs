//! What was measured: by part, case, server and metric, one value a round; as tables in which servers stand side by side.

use crate::document::grouped;
use std::fmt::Write as _;

/// Something that is measured of each case and server.
#[derive(Debug)]
pub(crate) struct Metric {
    /// The heading of its table, with the unit.
    pub(crate) name: &'static str,
    /// Digits after the point.
    pub(crate) digits: usize,
    /// What becomes of several rounds.
    pub(crate) rounds: Rounds,
    /// Whether its table has the ratios.
    pub(crate) main: bool,
    /// Cases in which it is nought for every server are left out.
    pub(crate) sparse: bool,
}

/// What becomes of the values of several rounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// The one in the middle.
    Middle,
    /// The highest: for failures and memory.
    Most,
}

/// What a server is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A program of this workspace.
    Ours,
    /// Another build of it, to compare.
    Variant,
    /// A bare loop that does as little as can be.
    Floor,
    /// What people run today.
    Peer,
}

/// A server of a part of the run.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// As it stands above its column.
    pub(crate) name: String,
    /// What it is to us.
    pub(crate) role: Role,
    /// Which version.
    pub(crate) version: String,
}

#[derive(Debug)]
struct Cell {
    case: String,
    server: String,
    metric: &'static Metric,
    values: Vec<f64>,
}

/// Everything that a part of the run has measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    columns: Vec<Column>,
    cells: Vec<Cell>,
}

impl Results {
    /// Adds a server; columns stand in this order.
    pub(crate) fn add_server(&mut self, name: &str, role: Role, version: &str) {
        if !self.columns.iter().any(|c| c.name == name) {
            self.columns.push(Column { name: name.to_owned(), role, version: version.to_owned() });
        }
    }

    /// Adds the value of a round.
    pub(crate) fn add(&mut self, case: &str, server: &str, metric: &'static Metric, value: f64) {
        let found =
            self.cells.iter_mut().find(|c| c.case == case && c.server == server && is(c.metric, metric));
        match found {
            Some(cell) => cell.values.push(value),
            None => self.cells.push(Cell {
                case: case.to_owned(),
                server: server.to_owned(),
                metric,
                values: vec![value],
            }),
        }
    }

    /// The value of all rounds; `None` when nothing was measured.
    pub(crate) fn value(&self, case: &str, server: &str, metric: &Metric) -> Option<f64> {
        let cell =
            self.cells.iter().find(|c| c.case == case && c.server == server && is(c.metric, metric))?;
        let mut values = cell.values.clone();
        values.sort_unstable_by(f64::total_cmp);
        match cell.metric.rounds {
            Rounds::Middle => {
                let (low, high) = (values.get((values.len() - 1) / 2)?, values.get(values.len() / 2)?);
                Some(f64::midpoint(*low, *high))
            }
            Rounds::Most => values.last().copied(),
        }
    }

    /// The server of that role with the highest value, and the value.
    pub(crate) fn best(&self, case: &str, role: Role, metric: &Metric) -> Option<(&str, f64)> {
        let of_role = self.columns.iter().filter(|c| c.role == role);
        let values = of_role.filter_map(|c| Some((c.name.as_str(), self.value(case, &c.name, metric)?)));
        values.max_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// A table for each metric, with the servers beside each other; first a line that names them.
    pub(crate) fn markdown(&self) -> String {
        const FINE: &str = "writing to a String does not fail";
        let versions = self.columns.iter().filter(|c| !c.version.is_empty());
        let versions: Vec<String> = versions.map(|c| format!("{} {}", c.name, c.version)).collect();
        let mut text =
            if versions.is_empty() { String::new() } else { format!("{}.\n", versions.join(", ")) };
        let mut metrics: Vec<&'static Metric> = Vec::new();
        for cell in &self.cells {
            if !metrics.iter().any(|m| is(m, cell.metric)) {
                metrics.push(cell.metric);
            }
        }
        for metric in metrics {
            let rows = self.rows(metric);
            if rows.is_empty() {
                continue;
            }
            write!(text, "\n| {} |", metric.name).expect(FINE);
            for column in &self.columns {
                write!(text, " {} |", column.name).expect(FINE);
            }
            let ratios: &[(&str, Role)] =
                if metric.main { &[("× best peer", Role::Peer), ("× floor", Role::Floor)] } else { &[] };
            for (heading, _) in ratios {
                write!(text, " {heading} |").expect(FINE);
            }
            write!(text, "\n|---|{}\n", "--:|".repeat(self.columns.len() + ratios.len())).expect(FINE);
            for case in rows {
                write!(text, "| {case} |").expect(FINE);
                for column in &self.columns {
                    let value = self.value(case, &column.name, metric);
                    write!(text, " {} |", value.map_or(String::new(), |v| grouped(v, metric.digits)))
                        .expect(FINE);
                }
                for (_, role) in ratios {
                    let ratio = self.ratio(case, metric, *role);
                    write!(text, " {} |", ratio.map_or(String::new(), |r| format!("{r:.2}"))).expect(FINE);
                }
                text.push('\n');
            }
        }
        text
    }

    /// What was measured of one case and server, in a line.
    pub(crate) fn line(&self, case: &str, server: &str) -> String {
        let cells = self.cells.iter().filter(|c| c.case == case && c.server == server);
        let shown = cells.filter_map(|c| {
            let value = self.value(case, server, c.metric)?;
            let name = c.metric.name;
            (!c.metric.sparse || value > 0.0).then(|| format!("{name} {}", grouped(value, c.metric.digits)))
        });
        shown.collect::<Vec<_>>().join(" · ")
    }

    /// Our value as a multiple of the best one of that role.
    pub(crate) fn ratio(&self, case: &str, metric: &Metric, role: Role) -> Option<f64> {
        let (_, ours) = self.best(case, Role::Ours, metric)?;
        let (_, other) = self.best(case, role, metric)?;
        (other > 0.0).then_some(ours / other)
    }

    /// The cases of a metric's table, in the order in which they were measured.
    fn rows(&self, metric: &Metric) -> Vec<&str> {
        let mut rows: Vec<&str> = Vec::new();
        for cell in self.cells.iter().filter(|c| is(c.metric, metric)) {
            if !rows.contains(&cell.case.as_str()) {
                rows.push(&cell.case);
            }
        }
        let nought = |case: &str| {
            let all = self.columns.iter().filter_map(|c| self.value(case, &c.name, metric));
            all.into_iter().all(|v| v == 0.0)
        };
        rows.retain(|case| !metric.sparse || !nought(case));
        rows
    }
}

fn is(a: &Metric, b: &Metric) -> bool {
    a.name == b.name
}

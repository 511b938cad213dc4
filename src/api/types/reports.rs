//! Reports, histories and the repair list as they are sent.

use crate::api::time::rfc3339;
use crate::logic::report::{Cell, Column, LASTS, REPORTS, columns};
use crate::logic::time::Timestamp;
use crate::store::SpellRow;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// `GET report/list`
#[derive(Debug, Serialize)]
pub struct ReportList {
    reports: Vec<ReportListed>,
}

#[derive(Debug, Serialize)]
struct ReportListed {
    name: &'static str,
    title: &'static str,
    about: &'static str,
    by: Vec<&'static str>,
    columns: Vec<ColumnBody>,
}

/// A column, as it is described.
#[derive(Debug, Serialize)]
pub struct ColumnBody {
    name: &'static str,
    title: &'static str,
    kind: &'static str,
}

impl From<Column> for ColumnBody {
    fn from(Column { name, title, kind }: Column) -> Self {
        Self { name, title, kind: kind.name() }
    }
}

impl ReportList {
    /// Of all that there are, with the columns of the first way to group.
    pub fn all() -> Self {
        let listed = |r: &'static crate::logic::report::Report| ReportListed {
            name: r.name.name(),
            title: r.title,
            about: r.about,
            by: r.by.iter().map(|by| by.name()).collect(),
            columns: r
                .by
                .first()
                .map_or(Vec::new(), |by| columns(r, *by))
                .into_iter()
                .map(Into::into)
                .collect(),
        };
        Self { reports: REPORTS.iter().map(listed).collect() }
    }
}

/// `GET report/…`
#[derive(Debug, Serialize)]
pub struct ReportBody {
    /// Its name.
    pub report: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// The beginning of its time.
    pub from: String,
    /// The end.
    pub to: String,
    /// What its rows are about.
    pub by: &'static str,
    /// Its columns.
    pub columns: Vec<ColumnBody>,
    /// Its rows.
    pub rows: Vec<RowBody>,
    /// All of them together.
    pub total: Option<RowBody>,
}

/// Cells by the names of their columns, in order.
#[derive(Debug)]
pub struct RowBody(pub Vec<(&'static str, Cell)>);

impl Serialize for RowBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, cell) in &self.0 {
            match cell {
                Cell::Text(text) => map.serialize_entry(name, text)?,
                Cell::Count(n) => map.serialize_entry(name, n)?,
                Cell::Seconds(n) | Cell::Percent(n) => map.serialize_entry(name, n)?,
                Cell::Nothing => map.serialize_entry(name, &())?,
            }
        }
        map.end()
    }
}

/// `GET device/…/history`
#[derive(Debug, Serialize)]
pub struct History {
    /// The newest first.
    pub history: Vec<SpellBody>,
}

/// How a device was for a while.
#[derive(Debug, Serialize)]
pub struct SpellBody {
    at: String,
    group: &'static str,
    state: String,
    cause: Option<String>,
    image: Option<String>,
    request_id: Option<i64>,
    lasted_s: f64,
    lasts: bool,
}

impl SpellBody {
    /// As it stands at `now`.
    pub fn new(row: SpellRow, now: Timestamp) -> Self {
        let SpellRow { since, until, group, state, image, request, cause } = row;
        let lasts = until == LASTS;
        let until = if lasts { now } else { until };
        Self {
            at: rfc3339(since),
            group: group.name(),
            state,
            cause,
            image,
            request_id: request.map(|r| r.0),
            lasted_s: seconds(until.ms_since(since).max(0)),
            lasts,
        }
    }
}

fn seconds(ms: i64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no device is older than 2^53 ms")]
    let s = ms as f64 / 1000.0;
    s
}

/// `GET repair/list`
#[derive(Debug, Serialize)]
pub struct Repairs {
    /// By relay board, bank and relay.
    pub devices: Vec<Repair>,
}

/// A device that waits for a person.
#[derive(Debug, Serialize)]
pub struct Repair {
    /// Which.
    pub name: String,
    /// Its state.
    pub state: String,
    /// Since when.
    pub since: String,
    /// Why, in a sentence.
    pub cause: String,
    /// Its pool.
    pub environment: String,
    /// What it is.
    pub hardware_type: String,
    /// What it is.
    pub hardware_model: String,
    /// Where its power hangs.
    pub relay_info: String,
    /// The server that owns it.
    pub imaging_server: String,
    /// People's notes.
    pub comments: String,
    /// How often it has failed within a week.
    pub failures: usize,
    /// The end of its log.
    pub last_log: Vec<RepairLine>,
}

/// A line of a log.
#[derive(Debug, Serialize)]
pub struct RepairLine {
    timestamp: String,
    source: String,
    message: String,
}

impl From<crate::store::LogLine> for RepairLine {
    fn from(line: crate::store::LogLine) -> Self {
        Self { timestamp: super::iso_micros(line.at), source: line.source, message: line.message }
    }
}

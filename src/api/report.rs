//! Calls about how it went: reports, and how a device was.
//!
//! Here the query becomes a window and a way to group; `logic::report` makes the rows, of what the store hands on piece by piece.

use super::reply::{ApiError, Reply, Result};
use super::time::{read_date, read_rfc3339, rfc3339};
use super::types::{History, ReportBody, ReportList, RowBody, SpellBody};
use super::{Ctx, csv, device};
use crate::logic::report::{
    Availability, By, Cell, Column, DAY_MS, Failures, Group, Name, Ready, Report, Rows, Status, Subject, Use,
    Window, columns, report,
};
use crate::logic::time::Timestamp;
use crate::store::{DeviceFilter, DeviceView};

/// What paths of reports begin with.
pub(super) const PREFIX: &str = "/api/report/";

/// Days that a report is about unless somebody says otherwise.
const DAYS: u32 = 30;
/// The longest time that a report may be about: nothing is kept for longer.
const DAYS_MAX: u32 = 3660;
/// Spells in a history unless somebody says otherwise, and at most.
const HISTORY: usize = 50;
const HISTORY_MAX: usize = 1000;

#[expect(clippy::unnecessary_wraps, reason = "handlers have one signature")]
pub(super) fn list(_: &mut Ctx<'_>) -> Result<Reply> {
    Ok(Reply::json(&ReportList::all()))
}

pub(super) fn make(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("report");
    let Some(name) = Name::parse(name) else {
        return Err(ApiError::NotFound { kind: "report", name: name.to_owned() });
    };
    let report = report(name);
    let by = by(ctx, report)?;
    let as_csv = as_csv(ctx)?;
    let window = window(ctx)?;
    let rows = match name {
        Name::Status => status(ctx, by)?,
        Name::Availability => {
            let mut sums = Availability::new(by, window);
            ctx.store.spells(window, &mut |spell| sums.add(spell))?;
            sums.rows()
        }
        Name::Ready => {
            let mut waits = Ready::new(by, window);
            ctx.store.outcomes(window, &mut |outcome| waits.add(outcome))?;
            waits.rows()
        }
        Name::Failures => {
            let mut counts = Failures::new(by, window);
            ctx.store.failures(window, &mut |failed| counts.add(failed))?;
            counts.rows(rfc3339)
        }
        Name::Use => {
            let mut held = Use::new(by, window);
            ctx.store.outcomes(window, &mut |outcome| held.add(outcome))?;
            held.rows()
        }
    };
    // How it is now is about no other time.
    let window = if name == Name::Status { Window { from: ctx.now, to: ctx.now } } else { window };
    let columns = columns(report, by);
    Ok(if as_csv { csv_of(report, &columns, rows) } else { json_of(report, by, window, columns, rows) })
}

fn status(ctx: &mut Ctx<'_>, by: By) -> Result<Rows> {
    let mut counts = Status::new(by);
    for DeviceView { info, state, installed, request, name, .. } in
        ctx.store.devices(&DeviceFilter::default())?
    {
        let group = Group::of_name(&state, request.is_some());
        let hardware = [info.hardware_type, info.hardware_model].join(" ").trim().to_owned();
        let subject = Subject {
            device: name.to_string(),
            server: info.imaging_server,
            environment: info.environment,
            hardware,
            image: installed.map(|i| i.image.to_string()).unwrap_or_default(),
        };
        counts.add(&subject, group);
    }
    Ok(counts.rows())
}

fn json_of(report: &Report, by: By, window: Window, columns: Vec<Column>, rows: Rows) -> Reply {
    let row = |cells: Vec<Cell>| RowBody(columns.iter().map(|c| c.name).zip(cells).collect());
    let total = rows.total.map(row);
    let rows = rows.rows.into_iter().map(row).collect();
    Reply::json(&ReportBody {
        report: report.name.name(),
        title: report.title,
        from: rfc3339(window.from),
        to: rfc3339(window.to),
        by: by.name(),
        columns: columns.into_iter().map(Into::into).collect(),
        rows,
        total,
    })
}

fn csv_of(report: &Report, columns: &[Column], rows: Rows) -> Reply {
    let mut text = String::new();
    csv::write(&mut text, columns.iter().map(|c| c.name));
    for row in rows.rows {
        let cells: Vec<String> = row
            .into_iter()
            .map(|cell| match cell {
                Cell::Text(text) => csv::harmless(&text),
                Cell::Count(n) => n.to_string(),
                Cell::Seconds(n) | Cell::Percent(n) => n.to_string(),
                Cell::Nothing => String::new(),
            })
            .collect();
        csv::write(&mut text, cells.iter().map(String::as_str));
    }
    Reply { headers: Vec::new(), ..Reply::text(text) }
        .with("Content-Type", "text/csv; charset=utf-8; header=present")
        .with("Content-Disposition", format!("attachment; filename=\"{}.csv\"", report.name))
}

fn given(ctx: &Ctx<'_>, key: &str) -> Option<String> {
    ctx.call.query(key).filter(|v| !v.is_empty())
}

fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

fn bad<T>(why: String) -> Result<T> {
    Err(ApiError::BadValue { why })
}

fn by(ctx: &Ctx<'_>, report: &Report) -> Result<By> {
    let usual = *report.by.first().expect("every report has a way to group; a test walks them");
    let Some(text) = given(ctx, "by") else { return Ok(usual) };
    match By::parse(&text).filter(|by| report.by.contains(by)) {
        Some(by) => Ok(by),
        None => {
            let names: Vec<&str> = report.by.iter().map(|by| by.name()).collect();
            bad(format!("by is `{}`; the report {} is by {}", shown(&text), report.name, names.join(", ")))
        }
    }
}

fn as_csv(ctx: &Ctx<'_>) -> Result<bool> {
    match given(ctx, "format").as_deref() {
        None | Some("json") => Ok(false),
        Some("csv") => Ok(true),
        Some(other) => bad(format!("format is `{}`; it should be csv or json", shown(other))),
    }
}

/// The time that is asked about, which ends now at the latest.
fn window(ctx: &Ctx<'_>) -> Result<Window> {
    let days = device::number(ctx, "days")?;
    let from = given(ctx, "from").map(|text| read(&text, "from", Timestamp(0))).transpose()?;
    let to = given(ctx, "to").map(|text| read(&text, "to", Timestamp(DAY_MS))).transpose()?;
    if days.is_some() && from.is_some() {
        return bad("days and from are two beginnings of the same time; give one of them".into());
    }
    let to = to.unwrap_or(ctx.now).min(ctx.now);
    let too_long = |n: String| bad(format!("{n} are too many; a report is about {DAYS_MAX} days at most"));
    let window = match from {
        Some(from) => Window { from, to },
        None => {
            let days = days.unwrap_or(DAYS.into());
            match u32::try_from(days).ok().filter(|n| *n <= DAYS_MAX) {
                Some(days) => Window::days(days, to),
                None => return too_long(format!("{days} days")),
            }
        }
    };
    if window.from > window.to {
        let (from, to) = (rfc3339(window.from), rfc3339(window.to));
        return bad(format!("from is {from}, which is later than the end, {to}"));
    }
    if window.ms() > (i64::from(DAYS_MAX) + 1) * DAY_MS {
        return too_long(format!("{} days", window.ms() / DAY_MS));
    }
    Ok(window)
}

/// A date, which stands for its beginning and so much more, or a time.
fn read(text: &str, key: &str, end_of_day: Timestamp) -> Result<Timestamp> {
    // In a query a `+` is a blank, and the one before a zone is easily left as it is.
    let text = text.replace(' ', "+");
    let date = read_date(&text).map(|day| day.plus_ms(end_of_day.0));
    match date.or_else(|| read_rfc3339(&text)) {
        Some(at) => Ok(at),
        None => bad(format!(
            "{key} is `{}`; it should be a date or a time with its zone, such as 2026-11-22 or 2026-11-22T11:49:06Z",
            shown(&text)
        )),
    }
}

pub(super) fn history(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let limit = device::number(ctx, "limit")?.and_then(|n| usize::try_from(n).ok());
    let limit = match limit {
        None => HISTORY,
        Some(0) => HISTORY_MAX,
        Some(n) => n.min(HISTORY_MAX),
    };
    let rows = ctx.store.device_history(&device.name, limit)?;
    let now = ctx.now;
    Ok(Reply::json(&History { history: rows.into_iter().map(|row| SpellBody::new(row, now)).collect() }))
}

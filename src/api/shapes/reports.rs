//! Reports, histories and the repair list.

use super::answers::DEVICE_STATE_KIND;
use super::queries::reports;
use crate::api::openapi::about::{Query, query};
use crate::api::openapi::shape::{Kind, Shape, needed};
use crate::logic::report::{By, Group, Kind as ColumnKind};

fn bys() -> Vec<&'static str> {
    By::ALL.iter().map(|by| by.name()).collect()
}

fn groups() -> Vec<&'static str> {
    Group::ALL.iter().map(|g| g.name()).collect()
}

fn column_kinds() -> Vec<&'static str> {
    ColumnKind::ALL.iter().map(|k| k.name()).collect()
}

/// Of `report/…`.
pub const REPORT_QUERY: &[Query] = &[
    query(
        "days",
        Kind::Whole(0, Some(3660)),
        "Today and so many whole days before it, in UTC; 30 unless given.",
    ),
    query("from", Kind::Text, "Instead: the beginning, a date or a time with its zone (RFC 3339)."),
    query("to", Kind::Text, "The end; of a date its end. Now unless given."),
    query(
        "by",
        Kind::Words(bys),
        "What the rows are about, one of the report's `by`; its first unless given.",
    ),
    query("format", Kind::Words(|| vec!["csv", "json"]), "JSON unless given."),
];

/// Of `device/…/history`.
pub const DEVICE_HISTORY: &[Query] =
    &[query("limit", Kind::Whole(0, None), "The last so many; 1000 at most, 50 unless given.")];

const COLUMN: Shape = Shape {
    name: "ReportColumn",
    doc: "A column of a report.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "The key of its values in a row."),
        needed("title", Kind::Text, "Its heading."),
        needed("kind", Kind::Words(column_kinds), "Of what its values are; `percent` goes from 0 to 100."),
    ],
    example: r#"{"name": "median", "title": "Median", "kind": "seconds"}"#,
};

const LISTED: Shape = Shape {
    name: "ReportListed",
    doc: "A report that there is.",
    bases: &[],
    fields: &[
        needed("name", Kind::Words(reports), "Its name in paths."),
        needed("title", Kind::Text, "Its heading."),
        needed("about", Kind::Text, "What it answers."),
        needed("by", Kind::List(&Kind::Words(bys)), "What it can be grouped by, the usual one first."),
        needed("columns", Kind::List(&Kind::Of(&COLUMN)), "As it has them when it is grouped as usual."),
    ],
    example: "",
};

/// `report/list`
pub const REPORTS: Shape = Shape {
    name: "Reports",
    doc: "Which reports there are.",
    bases: &[],
    fields: &[needed("reports", Kind::List(&Kind::Of(&LISTED)), "")],
    example: "",
};

/// `report/…`
pub const REPORT: Shape = Shape {
    name: "Report",
    doc: "A report.",
    bases: &[],
    fields: &[
        needed("report", Kind::Words(reports), "Its name."),
        needed("title", Kind::Text, "Its heading."),
        needed("from", Kind::Time, "The beginning of the time that it is about."),
        needed("to", Kind::Time, "The end; never later than now."),
        needed("by", Kind::Words(bys), "What its rows are about."),
        needed("columns", Kind::List(&Kind::Of(&COLUMN)), "Its columns, in order."),
        needed(
            "rows",
            Kind::List(&Kind::Object),
            "A value by the name of each column; `null` where there is none.",
        ),
        needed("total", Kind::OrNull(&Kind::Object), "The row of all; `null` without rows."),
    ],
    example: r#"{"report": "use", "title": "Use", "from": "2026-10-23T00:00:00.000Z", "to": "2026-11-22T11:49:06.581Z", "by": "assignee",
        "columns": [{"name": "assignee", "title": "Assignee", "kind": "text"}, {"name": "requests", "title": "Requests", "kind": "count"},
        {"name": "held", "title": "Held", "kind": "seconds"}],
        "rows": [{"assignee": "ci", "requests": 12, "held": 43200.0}], "total": {"assignee": "all", "requests": 12, "held": 43200.0}}"#,
};

const SPELL: Shape = Shape {
    name: "Spell",
    doc: "How a device was for a while.",
    bases: &[],
    fields: &[
        needed("at", Kind::Time, "From when."),
        needed(
            "group",
            Kind::Words(groups),
            "`free`: ready and nobody's. `used`: ready and held by a request. `working`: the machine is at it. `failed`: given up. `out`: not in the machine's hands.",
        ),
        needed("state", DEVICE_STATE_KIND, "The first state of it."),
        needed("cause", Kind::OrNull(&Kind::Text), "Why it had failed, in a sentence."),
        needed("image", Kind::OrNull(&Kind::Text), "What was on it, or being put there."),
        needed(
            "request_id",
            Kind::OrNull(&Kind::Whole(1, None)),
            "The request that held it at the beginning.",
        ),
        needed("lasted_s", Kind::Anything, "Seconds, a number; until now while it lasts."),
        needed("lasts", Kind::Bool, "It is so now."),
    ],
    example: "",
};

/// `device/…/history`
pub const HISTORY: Shape = Shape {
    name: "History",
    doc: "How a device was, the newest first.",
    bases: &[],
    fields: &[needed("history", Kind::List(&Kind::Of(&SPELL)), "")],
    example: "",
};

const REPAIR_LINE: Shape = Shape {
    name: "RepairLine",
    doc: "A line of a device's log.",
    bases: &[],
    fields: &[
        needed("timestamp", Kind::OldTime, "When, in UTC."),
        needed("source", Kind::Text, "Who says so."),
        needed("message", Kind::Text, "What."),
    ],
    example: "",
};

const REPAIR: Shape = Shape {
    name: "Repair",
    doc: "A device that waits for a person.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name."),
        needed("state", DEVICE_STATE_KIND, "The state in which it waits."),
        needed("since", Kind::Time, "Since when."),
        needed("cause", Kind::Text, "Why it failed, in a sentence."),
        needed("environment", Kind::Text, "Its pool."),
        needed("hardware_type", Kind::Text, "What it is."),
        needed("hardware_model", Kind::Text, "What it is."),
        needed("relay_info", Kind::Text, "Where its power hangs."),
        needed("imaging_server", Kind::Text, "The server that owns it."),
        needed("comments", Kind::Text, "People's notes."),
        needed("failures", Kind::Whole(0, None), "How often it has failed within a week."),
        needed(
            "last_log",
            Kind::List(&Kind::Of(&REPAIR_LINE)),
            "The last ten lines of its log, oldest first.",
        ),
    ],
    example: "",
};

/// `repair/list`
pub const REPAIRS: Shape = Shape {
    name: "Repairs",
    doc: "Devices that wait for a person, by relay board, bank and relay.",
    bases: &[],
    fields: &[needed("devices", Kind::List(&Kind::Of(&REPAIR)), "")],
    example: r#"{"devices": []}"#,
};

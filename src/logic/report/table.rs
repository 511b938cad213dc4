//! Every report: its name, what it is about, what it can be grouped by, and its columns.
//!
//! Names are public: they are added to, never changed.

use super::Subject;
use crate::logic::machine::named_enum;
use crate::logic::time::Timestamp;

named_enum! {
    /// Which report.
    pub enum Name {
        Status = "status",
        Availability = "availability",
        Ready = "ready",
        Failures = "failures",
        Use = "use",
    }
}

named_enum! {
    /// What the rows of a report are about, one each.
    pub enum By {
        Hardware = "hardware",
        Environment = "environment",
        Image = "image",
        Server = "server",
        Device = "device",
        Assignee = "assignee",
        /// Of a failure: together with the image.
        Cause = "cause",
        /// Of the calendar, in UTC.
        Day = "day",
    }
}

named_enum! {
    /// Of what the values of a column are.
    pub enum Kind {
        Text = "text",
        Count = "count",
        Seconds = "seconds",
        /// From 0 to 100.
        Percent = "percent",
    }
}

/// One column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// For programs.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Of what its values are.
    pub kind: Kind,
}

/// One report.
#[derive(Debug)]
pub struct Report {
    /// Which.
    pub name: Name,
    /// Its heading.
    pub title: &'static str,
    /// What it answers, in a sentence.
    pub about: &'static str,
    /// What it can be grouped by; by the first unless somebody says otherwise.
    pub by: &'static [By],
    /// Its columns, behind those that say what a row is about.
    pub columns: &'static [Column],
}

const fn text(name: &'static str, title: &'static str) -> Column {
    Column { name, title, kind: Kind::Text }
}
const fn count(name: &'static str, title: &'static str) -> Column {
    Column { name, title, kind: Kind::Count }
}
const fn seconds(name: &'static str, title: &'static str) -> Column {
    Column { name, title, kind: Kind::Seconds }
}
const fn percent(name: &'static str, title: &'static str) -> Column {
    Column { name, title, kind: Kind::Percent }
}

/// Every report, in the order in which people read them.
pub const REPORTS: &[Report] = &[
    Report {
        name: Name::Status,
        title: "Status",
        about: "How many devices are free, used, working, failed or out now.",
        by: &[By::Hardware, By::Environment, By::Image, By::Server],
        columns: &[
            count("devices", "Devices"),
            count("free", "Free"),
            count("used", "Used"),
            count("working", "Working"),
            count("failed", "Failed"),
            count("out", "Out"),
        ],
    },
    Report {
        name: Name::Availability,
        title: "Availability",
        about: "What part of their time devices were free, used, working, failed or out.",
        by: &[By::Hardware, By::Environment, By::Image, By::Server, By::Device, By::Day],
        columns: &[
            count("devices", "Devices"),
            seconds("time", "Time"),
            percent("free", "Free"),
            percent("used", "Used"),
            percent("working", "Working"),
            percent("failed", "Failed"),
            percent("out", "Out"),
        ],
    },
    Report {
        name: Name::Ready,
        title: "Time to ready",
        about: "How long requests waited until their board was ready, and how many got none.",
        by: &[By::Image, By::Hardware, By::Environment, By::Server, By::Assignee, By::Day],
        columns: &[
            count("count", "Ready"),
            seconds("median", "Median"),
            seconds("p90", "90 %"),
            seconds("max", "Longest"),
            count("failed", "Failed"),
            count("given_up", "Given up"),
        ],
    },
    Report {
        name: Name::Failures,
        title: "Failures",
        about: "What went wrong with devices, how often, and with how many of them.",
        by: &[By::Cause, By::Image, By::Hardware, By::Environment, By::Server, By::Device, By::Day],
        columns: &[count("count", "Failures"), count("devices", "Devices"), text("last", "Last")],
    },
    Report {
        name: Name::Use,
        title: "Use",
        about: "How long boards were held ready for whom, and how many requests that were.",
        by: &[By::Assignee, By::Environment, By::Hardware, By::Image, By::Server, By::Day],
        columns: &[count("requests", "Requests"), seconds("held", "Held")],
    },
];

/// The row of a report.
pub fn report(name: Name) -> &'static Report {
    REPORTS.iter().find(|r| r.name == name).expect("every report has a row; a test walks them")
}

/// The columns of a report that is grouped so.
pub fn columns(report: &Report, by: By) -> Vec<Column> {
    let keys: &[Column] = match by {
        By::Hardware => &[text("hardware", "Hardware")],
        By::Environment => &[text("environment", "Environment")],
        By::Image => &[text("image", "Image")],
        By::Server => &[text("server", "Server")],
        By::Device => &[text("device", "Device")],
        By::Assignee => &[text("assignee", "Assignee")],
        By::Cause => &[text("cause", "Cause"), text("image", "Image")],
        By::Day => &[text("day", "Day")],
    };
    keys.iter().chain(report.columns).copied().collect()
}

/// What a subject is counted under; a report by day, assignee or cause knows better and does not ask.
pub(super) fn label(by: By, subject: &Subject) -> &str {
    match by {
        By::Hardware => &subject.hardware,
        By::Environment => &subject.environment,
        By::Image => &subject.image,
        By::Server => &subject.server,
        By::Device => &subject.device,
        By::Assignee | By::Cause | By::Day => "",
    }
}

/// As [`label`], of a point in time where that counts.
pub(super) fn label_at(by: By, subject: &Subject, at: Timestamp) -> String {
    match by {
        By::Day => super::date(super::window::day_of(at)),
        other => label(other, subject).to_owned(),
    }
}

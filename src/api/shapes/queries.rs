//! What the names in paths and the keys in queries mean.

use crate::api::openapi::about::{Query, flag, query};
use crate::api::openapi::shape::Kind;
use crate::lab;
use crate::logic::events::{IMAGE_PROGRESS, PleaseName, Signal};
use crate::logic::lifeguard;
use crate::logic::report::REPORTS;
use crate::store::ChangeKind;

/// What `{name}` in a path stands for.
#[derive(Debug)]
pub struct PathParameter {
    /// Between the braces.
    pub name: &'static str,
    /// In paths that begin so.
    pub below: &'static str,
    /// Of what it is.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
    /// JSON text of one, or the text itself.
    pub example: &'static str,
}

/// Every name that a path has.
pub const PATH_PARAMETERS: &[PathParameter] = &[
    PathParameter {
        name: "device",
        below: "",
        kind: Kind::Segment,
        doc: "A device's name.",
        example: "board-001",
    },
    PathParameter {
        name: "requested",
        below: "",
        kind: Kind::Segment,
        doc: "`any`, or the name of the device that it must be.",
        example: "any",
    },
    PathParameter {
        name: "request",
        below: "",
        kind: Kind::Whole(1, None),
        doc: "A request's number; other texts name none.",
        example: "1",
    },
    PathParameter {
        name: "board",
        below: "",
        kind: Kind::Segment,
        doc: "A relay board's name.",
        example: "relay-1",
    },
    PathParameter {
        name: "name",
        below: "/api/bmm/",
        kind: Kind::Segment,
        doc: "A PXE config's name.",
        example: "maintenance",
    },
    PathParameter {
        name: "name",
        below: "/api/image/",
        kind: Kind::Segment,
        doc: "An image's name.",
        example: "b2g",
    },
    PathParameter {
        name: "name",
        below: "/api/relay/",
        kind: Kind::Segment,
        doc: "A relay board's name.",
        example: "relay-1",
    },
    PathParameter {
        name: "name",
        below: "/api/device/",
        kind: Kind::Segment,
        doc: "A device's name.",
        example: "board-001",
    },
    PathParameter { name: "type", below: "", kind: Kind::Segment, doc: "A hardware type.", example: "panda" },
    PathParameter {
        name: "model",
        below: "",
        kind: Kind::Segment,
        doc: "A model of the type.",
        example: "ES",
    },
    PathParameter {
        name: "report",
        below: "",
        kind: Kind::Words(reports),
        doc: "A report's name.",
        example: "availability",
    },
    PathParameter {
        name: "mac",
        below: "",
        kind: Kind::Segment,
        doc: "A candidate's MAC address, in any spelling.",
        example: "0a:0b:0c:0d:0e:09",
    },
    PathParameter { name: "token", below: "", kind: Kind::Segment, doc: "A token's name.", example: "ci" },
    PathParameter {
        name: "event",
        below: "",
        kind: Kind::Segment,
        doc: "What happened or is asked. An event that nobody knows is ignored, with a line in the log.",
        example: "please_power_cycle",
    },
    PathParameter {
        name: "from",
        below: "",
        kind: Kind::Segment,
        doc: "The state that the device must be in; one in `unknown` takes any.",
        example: "ready",
    },
    PathParameter {
        name: "to",
        below: "",
        kind: Kind::Words(device_states),
        doc: "The state to put it into.",
        example: "locked_out",
    },
];

/// Names of the reports.
pub(super) fn reports() -> Vec<&'static str> {
    REPORTS.iter().map(|r| r.name.name()).collect()
}

/// Names of the states of a device.
pub(super) fn device_states() -> Vec<&'static str> {
    lifeguard::State::ALL.iter().map(|s| s.name()).collect()
}

/// Names of the events that a device's machine knows.
pub fn device_events() -> Vec<&'static str> {
    let please = PleaseName::ALL.iter().map(|p| p.name());
    let signals = Signal::ALL.iter().map(|s| s.name());
    please.chain(signals).chain([IMAGE_PROGRESS]).collect()
}

const LIMIT: Query = query("limit", Kind::Whole(0, None), "At most so many; 0 is no limit.");

/// Of `device/list`.
pub const DEVICE_LIST: &[Query] = &[
    flag("details", "All about each device instead of its name; any value."),
    query("state", Kind::Text, "Only those in this state."),
    query("environment", Kind::Text, "Only those of this pool."),
    query("image", Kind::Text, "Only those with this image installed."),
    query("hardware_type", Kind::Text, "Only those of this type."),
    query("tag", Kind::Text, "Only those with this tag."),
    query("q", Kind::Text, "Only those with this in name, fqdn, MAC or comments, in any case."),
    query("relay", Kind::Text, "Only those with this in `relay_info`, in any case: whose power hangs there."),
    query("after", Kind::Text, "Only names that come after this one: the next page."),
    LIMIT,
];

/// Of `events`.
pub const CHANGES: &[Query] = &[
    query("after", Kind::Whole(0, None), "The last change that is known; without it, all until now are."),
    query("limit", Kind::Whole(0, None), "At most so many at once; a thousand at most, and unless given."),
    query("timeout", Kind::Whole(0, None), "Seconds to wait for the first; 30 unless given, 50 at most."),
    query("kind", Kind::WordList(change_kinds), "Only changes of these kinds of things."),
    query("device", Kind::Text, "Only those about this device, or a request that holds it."),
    query("request", Kind::Whole(0, None), "Only those about this request, or the device that it holds."),
    flag(
        "stream",
        "As `Accept: text/event-stream` does, for clients that cannot say it; any value but `0`, `no` and `false`.",
    ),
];

/// Names of the kinds of things that change.
pub(super) fn change_kinds() -> Vec<&'static str> {
    ChangeKind::ALL.iter().map(|k| k.name()).collect()
}

const DRY_RUN: Query =
    flag("dry_run", "Says what would change, and changes nothing; any value but `0`, `no` and `false`.");

/// Of calls that make or change a row.
pub const PUT: &[Query] = &[
    DRY_RUN,
    query(
        "exists",
        Kind::Words(|| vec!["yes", "no"]),
        "`no`: only if it is new, else 409. `yes`: only if it is there, else 404.",
    ),
];

/// Of `candidate/list`.
pub const CANDIDATE_LIST: &[Query] =
    &[flag("ignored", "Ignored ones, too; any value but `0`, `no` and `false`.")];

/// Of `candidate/…/accept`.
pub const ACCEPT: &[Query] = &[DRY_RUN];

/// Of `candidate/…/ignore`.
pub const IGNORE: &[Query] = &[flag("undo", "Look at it again; any value but `0`, `no` and `false`.")];

/// Of calls that delete.
pub const DELETE: &[Query] = &[
    DRY_RUN,
    flag(
        "force",
        "Also a device at work, or an image with the closed requests that had it; never over a claim.",
    ),
];

/// Of `lab/import`.
pub const IMPORT: &[Query] = &[
    DRY_RUN,
    query("format", Kind::Words(formats), "Instead of the `Content-Type`."),
    query("origin", Kind::Text, "Name of the file, for messages."),
];

/// Of `inventory/sync`.
pub const INVENTORY_SYNC: &[Query] =
    &[DRY_RUN, flag("ship_it", "Also when more devices change at once than pass without a word.")];

/// Of `lab/export`.
pub const EXPORT: &[Query] = &[
    query("format", Kind::Words(formats), "TOML unless given; CSV has the devices alone."),
    query("kind", Kind::Words(|| lab::Kind::NAMES.to_vec()), "Rows of this kind only."),
];

fn formats() -> Vec<&'static str> {
    lab::Format::ALL.iter().map(|f| f.name()).collect()
}

/// Of `device/…/state`.
pub const DEVICE_STATE: &[Query] = &[flag("cache", "The answer may be kept for five seconds; any value.")];

/// Of `device/…/log`.
pub const DEVICE_LOG: &[Query] = &[
    query("timeperiod", Kind::Whole(0, None), "Only lines of the last so many seconds; 0 is no limit."),
    query(
        "limit",
        Kind::Whole(0, None),
        "So many lines, the last ones unless `after` is given; 0 is as many as one answer holds.",
    ),
    query("q", Kind::Text, "Only lines with this text in the message; letters match whatever their case."),
    query(
        "before",
        Kind::Place,
        "Only lines before this place, which an answer named: the page of older ones.",
    ),
    query(
        "after",
        Kind::Place,
        "Only lines that were stored behind this place: what has come since; `before` counts more.",
    ),
    flag(
        "follow",
        "A stream of server-sent events that goes on as the log grows, after the last `limit` lines or behind `after`; any value but `0`, `no` and `false`.",
    ),
];

/// Of `log/unknown`.
pub const UNKNOWN_SENDERS: &[Query] = &[
    query(
        "limit",
        Kind::Whole(0, None),
        "The last so many lines of each sender, 1000 at most; 10 unless given.",
    ),
    query("address", Kind::Text, "Only the sender with this address."),
];

/// Of a device's events, for boards that can only GET; the body's keys win.
pub const DEVICE_EVENT: &[Query] = &[
    query("percent", Kind::Whole(0, Some(100)), "Of `image_progress`: how much of the image is written."),
    query("reason", Kind::Text, "Why; for the device's log."),
    query("message", Kind::Text, "The same as `reason`, which wins."),
];

/// Of `bmm/pxe_config/list`.
pub const PXE_CONFIG_LIST: &[Query] = &[flag("active_only", "Only those that are offered; any value.")];

/// Of `request/list`.
pub const REQUEST_LIST: &[Query] = &[flag("include_closed", "Those that have ended, too; any value.")];

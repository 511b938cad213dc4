//! Answers.

use super::queries::device_states;
use crate::api::openapi::shape::{Kind, Shape, needed, optional};
use crate::logic::mozpool;

pub(super) const DEVICE_STATE_KIND: Kind = Kind::OpenWords(device_states);
pub(super) const REQUEST_STATE_KIND: Kind = Kind::Words(request_states);

fn request_states() -> Vec<&'static str> {
    mozpool::State::ALL.iter().map(|s| s.name()).collect()
}

/// Words for programs that an error can have.
const CODES: &[&str] = &[
    "bad_json",
    "not_an_object",
    "missing_key",
    "wrong_type",
    "bad_value",
    "foreign_origin",
    "foreign_host",
    "no_such_path",
    "not_found",
    "method_not_allowed",
    "conflict",
    "bad_row",
    "changes_gone",
    "too_large",
    "bad_call",
    "bad_version",
    "bad_coding",
    "head_too_long",
    "too_slow",
    "bad_range",
    "condition_failed",
    "internal",
    "busy",
    "no_answer",
    "store_unavailable",
    "owner_unknown",
];

/// Every error.
pub const ERROR: Shape = Shape {
    name: "Error",
    doc: "What is wrong.",
    bases: &[],
    fields: &[needed("error", Kind::Of(&ERROR_INSIDE), "")],
    example: r#"{"error": {"code": "not_found", "message": "there is no device `panda-9999`", "detail": {"kind": "device", "name": "panda-9999"}}}"#,
};

const ERROR_INSIDE: Shape = Shape {
    name: "ErrorInside",
    doc: "One error.",
    bases: &[],
    fields: &[
        needed("code", Kind::OpenWords(|| CODES.to_vec()), "For programs; it does not change."),
        needed("message", Kind::Text, "For people: what is wrong, and what would be right."),
        optional("detail", Kind::Anything, "More for programs, where there is more."),
    ],
    example: "",
};

/// `{}`
pub const DONE: Shape =
    Shape { name: "Done", doc: "It is done, or runs on.", bases: &[], fields: &[], example: "{}" };

/// `version`
pub const VERSION: Shape = Shape {
    name: "Version",
    doc: "This program's version.",
    bases: &[],
    fields: &[needed("version", Kind::Text, "")],
    example: r#"{"version": "0.1.0"}"#,
};

const SERVICE: Shape = Shape {
    name: "Service",
    doc: "A part of the process.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "As its threads are called."),
        needed(
            "state",
            Kind::Words(|| vec!["running", "off", "ended"]),
            "`off`: not configured. `ended`: the process is about to end, too.",
        ),
        needed(
            "listens",
            Kind::List(&Kind::Text),
            "Where, as `tcp://ADDRESS:PORT` or `udp://ADDRESS:PORT`; nowhere for most.",
        ),
        optional("queued", Kind::Whole(0, None), "Messages that wait for it."),
        optional(
            "queue_max",
            Kind::Whole(0, None),
            "Messages that may wait for it; beyond that callers get 503.",
        ),
        optional(
            "counters",
            Kind::Object,
            "What it has counted since it started, by name; names may be added.",
        ),
    ],
    example: r#"{"name": "lifeguard", "state": "running", "listens": [], "queued": 0, "queue_max": 4096}"#,
};

/// `health`
pub const HEALTH: Shape = Shape {
    name: "Health",
    doc: "What the process consists of and whether it runs.",
    bases: &[],
    fields: &[
        needed("status", Kind::Words(|| vec!["ok", "failing"]), ""),
        needed("server", Kind::Text, "This server's name."),
        needed("version", Kind::Text, "This program's version."),
        needed("started", Kind::Time, "When the process started."),
        needed("services", Kind::List(&Kind::Of(&SERVICE)), ""),
    ],
    example: "",
};

const READINESS_CHECK: Shape = Shape {
    name: "ReadinessCheck",
    doc: "Something that must answer.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "`store` or a layer."),
        needed("ok", Kind::Bool, "It has answered."),
        optional("why", Kind::Text, "Why it is not well."),
    ],
    example: r#"{"name": "store", "ok": true}"#,
};

/// `ready`
pub const READINESS: Shape = Shape {
    name: "Readiness",
    doc: "Whether the store and all layers answer.",
    bases: &[],
    fields: &[
        needed("ready", Kind::Bool, "All of them do."),
        needed("checks", Kind::List(&Kind::Of(&READINESS_CHECK)), "One by one."),
    ],
    example: r#"{"ready": true, "checks": [{"name": "store", "ok": true}]}"#,
};

/// `device/list`
pub const DEVICES: Shape = Shape {
    name: "Devices",
    doc: "Devices by name; with `details`, all about them.",
    bases: &[],
    fields: &[needed(
        "devices",
        Kind::Either(&[Kind::List(&Kind::Text), Kind::List(&Kind::Of(&DEVICE_DETAILS))]),
        "",
    )],
    example: r#"{"devices": ["panda-0001", "panda-0002"]}"#,
};

/// A device.
pub const DEVICE_DETAILS: Shape = Shape {
    name: "Device",
    doc: "All about a device.",
    bases: &[],
    fields: &[
        needed("id", Kind::Whole(1, None), "Its number in the store."),
        needed("name", Kind::Text, "Its name."),
        needed("fqdn", Kind::Text, "Where it is reached: a name or an address."),
        needed("inventory_id", Kind::Whole(i64::MIN, None), "Its number in an inventory; 0 for none."),
        needed("mac_address", Kind::Text, "Twelve hex digits, or nothing."),
        needed("imaging_server", Kind::Text, "The server that owns it."),
        needed(
            "relay_info",
            Kind::Text,
            "What its power hangs on: `host:bankN:relayN`, `command:PROGRAM ARGUMENT…`, or nothing.",
        ),
        needed("state", DEVICE_STATE_KIND, "Where its machine is."),
        needed("comments", Kind::Text, "People's notes."),
        needed("image", Kind::OrNull(&Kind::Text), "The image that is installed."),
        needed("boot_config", Kind::JsonText, "With what it was installed."),
        needed("environment", Kind::Text, "Its pool."),
        needed("request_id", Kind::OrNull(&Kind::Whole(1, None)), "The request that holds it."),
        needed("hardware_type", Kind::Text, "Type, which decides its PXE config."),
        needed("hardware_model", Kind::Text, "Model."),
        needed("processor", Kind::Text, "Processor."),
        needed("tags", Kind::List(&Kind::Text), "What else it has."),
        needed("next_image", Kind::OrNull(&Kind::Text), "The image that is being installed."),
        needed("state_since", Kind::Time, "When it entered its state."),
        needed("reachable", Kind::Bool, "Its imaging server lives; if not, nobody is given the device."),
    ],
    example: "",
};

/// `device/…/state`
pub const DEVICE_STATE_ONLY: Shape = Shape {
    name: "DeviceState",
    doc: "A device's state.",
    bases: &[],
    fields: &[needed("state", DEVICE_STATE_KIND, "")],
    example: r#"{"state": "ready"}"#,
};

const LOG_LINE: Shape = Shape {
    name: "LogLine",
    doc: "A line of a log.",
    bases: &[],
    fields: &[
        needed("id", Kind::Whole(1, None), "Its number; later lines have larger ones."),
        needed("timestamp", Kind::OldTime, "When."),
        needed("source", Kind::Text, "Who says it: `statemachine`, `syslog`, `bmm`, …"),
        needed("message", Kind::Text, "What it says."),
    ],
    example: r#"{"id": 7, "timestamp": "2026-11-22T11:49:06.581000", "source": "statemachine", "message": "entering state ready"}"#,
};

const LINES: Kind = Kind::List(&Kind::Of(&LOG_LINE));

/// `device/…/status`
pub const DEVICE_STATUS: Shape = Shape {
    name: "DeviceStatus",
    doc: "A device's state and the last hundred lines of its log.",
    bases: &[],
    fields: &[needed("state", DEVICE_STATE_KIND, ""), needed("log", LINES, "Oldest first.")],
    example: r#"{"state": "ready", "log": []}"#,
};

/// `request/…/status`
pub const REQUEST_STATUS: Shape = Shape {
    name: "RequestStatus",
    doc: "A request's state and the last hundred lines of its log.",
    bases: &[],
    fields: &[needed("state", REQUEST_STATE_KIND, ""), needed("log", LINES, "Oldest first.")],
    example: r#"{"state": "pending", "log": []}"#,
};

/// `device/…/log`
pub const LOG_PAGE: Shape = Shape {
    name: "LogPage",
    doc: "Lines of a log, and where it goes on.",
    bases: &[&LOG],
    fields: &[
        needed("before", Kind::Place, "Older lines are before this place; for `before`."),
        needed("after", Kind::Place, "Newer lines are behind this place; for `after`."),
        needed(
            "more",
            Kind::Bool,
            "There may be more lines in the direction of the search: the limit cut it, or it had looked at enough.",
        ),
    ],
    example: r#"{"log": [], "before": "12-4096", "after": "99-8191", "more": false}"#,
};

const UNKNOWN_LINE: Shape = Shape {
    name: "UnknownLine",
    doc: "A line of a sender that no device is known for.",
    bases: &[],
    fields: &[
        needed("timestamp", Kind::OldTime, "When it came."),
        needed("message", Kind::Text, "The first 1024 bytes of it."),
    ],
    example: "",
};

const UNKNOWN_SENDER: Shape = Shape {
    name: "UnknownSender",
    doc: "Somebody who sends syslog lines although no device is known for the address.",
    bases: &[],
    fields: &[
        needed(
            "address",
            Kind::Text,
            "Where they come from; `syslog` and `others` stand for what has no single address.",
        ),
        needed("hostname", Kind::OrNull(&Kind::Text), "The last name that it gave itself."),
        needed("lines", Kind::Whole(0, None), "How many have come; not all of them are kept."),
        needed("first", Kind::Time, "When the first came."),
        needed("last", Kind::Time, "When the last came."),
        needed("log", Kind::List(&Kind::Of(&UNKNOWN_LINE)), "Some of the last lines, oldest first."),
    ],
    example: "",
};

/// `log/unknown`
pub const UNKNOWN: Shape = Shape {
    name: "UnknownSenders",
    doc: "Who sends syslog lines although no device is known for the address.",
    bases: &[],
    fields: &[needed("senders", Kind::List(&Kind::Of(&UNKNOWN_SENDER)), "The last heard first.")],
    example: r#"{"senders": []}"#,
};

/// `…/log`
pub const LOG: Shape = Shape {
    name: "Log",
    doc: "Lines of a log.",
    bases: &[],
    fields: &[needed("log", LINES, "Oldest first.")],
    example: r#"{"log": []}"#,
};

/// `device/…/event/…`
pub const EVENT_ANSWER: Shape = Shape {
    name: "EventAnswer",
    doc: "What became of an event.",
    bases: &[],
    fields: &[
        needed("accepted", Kind::Bool, "It had an effect."),
        needed("state", Kind::Words(device_states), "The device's state afterwards."),
        optional("why", Kind::Text, "Why it had none."),
    ],
    example: r#"{"accepted": true, "state": "pc_power_cycling"}"#,
};

/// `device/…/power`
pub const POWER: Shape = Shape {
    name: "Power",
    doc: "What the relay says of the device's power.",
    bases: &[],
    fields: &[needed("power", Kind::Words(|| vec!["on", "off", "unknown"]), "")],
    example: r#"{"power": "on"}"#,
};

/// `device/…/pxe`
pub const PXE: Shape = Shape {
    name: "Pxe",
    doc: "What the device would get from the network now, and why.",
    bases: &[],
    fields: &[
        needed("device", Kind::Text, ""),
        needed("state", DEVICE_STATE_KIND, ""),
        needed("image", Kind::OrNull(&Kind::Text), "What it is to get, if anything."),
        needed("hardware", Kind::Text, "Its type and model."),
        needed("pxe_config", Kind::Text, "What the text is made of."),
        needed(
            "form",
            Kind::Words(|| vec!["description", "text"]),
            "Whether that PXE config says what to boot, or is a template of the text.",
        ),
        needed("why", Kind::Text, "For people."),
        needed("error", Kind::OrNull(&Kind::Text), "Why it does not get what its state offers, if so."),
        needed(
            "asks_for",
            Kind::List(&Kind::Text),
            "The names that PXELINUX and U-Boot ask for, in order, as far as they are known.",
        ),
        needed("gets", Kind::Text, "The first of them that is answered; empty without a MAC address."),
        needed("text", Kind::Text, "The answer."),
    ],
    example: r#"{"device": "panda-0001", "state": "ready", "image": null, "hardware": "panda ES", "pxe_config": "local-boot", "form": "description", "why": "in state ready nothing is offered to it: it boots its own disk", "error": null, "asks_for": ["pxelinux.cfg/01-0a-0b-0c-0d-0e-01", "pxelinux.cfg/default"], "gets": "pxelinux.cfg/default", "text": "default local\nprompt 0\n\nlabel local\n  localboot -1\n"}"#,
};

/// `device/…/pxe-draft`
pub const PXE_DRAFT: Shape = Shape {
    name: "PxeDraft",
    doc: "What the device would get if a PXE config had these contents.",
    bases: &[],
    fields: &[
        needed("device", Kind::Text, ""),
        needed("image", Kind::OrNull(&Kind::Text), "The image that it would boot for, if one was named."),
        needed("text", Kind::OrNull(&Kind::Text), "What its boot loader would read; `null` with an error."),
        needed("error", Kind::OrNull(&Kind::Of(&PXE_DRAFT_ERROR)), "Why there is no text."),
    ],
    example: r#"{"device": "panda-0001", "image": null, "text": "default panda-0001\n", "error": null}"#,
};

/// In [`PXE_DRAFT`].
pub const PXE_DRAFT_ERROR: Shape = Shape {
    name: "PxeDraftError",
    doc: "Why contents cannot be rendered.",
    bases: &[],
    fields: &[
        needed("line", Kind::OrNull(&Kind::Whole(1, None)), "The line of the contents, where it is known."),
        needed("why", Kind::Text, "For people."),
    ],
    example: r#"{"line": 3, "why": "undefined value"}"#,
};

/// `device/…/ping`, `relay/…/test`
pub const SUCCESS: Shape = Shape {
    name: "Success",
    doc: "Whether it answered as it should.",
    bases: &[],
    fields: &[needed("success", Kind::Bool, "")],
    example: r#"{"success": true}"#,
};

/// What will do: a text, or a list where there are several.
const VALUES: Kind = Kind::Either(&[Kind::Text, Kind::List(&Kind::Text)]);
const WISH: Kind = Kind::Either(&[Kind::Null, Kind::Text, Kind::List(&Kind::Text)]);

/// What every shape of a request begins with.
const REQUEST_CORE: Shape = Shape {
    name: "RequestCore",
    doc: "What was asked for, and what came of it.",
    bases: &[],
    fields: &[
        needed("id", Kind::Whole(1, None), "Its number."),
        needed("requested_device", Kind::Text, "The device that was named, or `any`."),
        needed("assigned_device", Kind::Text, "The device that it has; nothing while it looks for one."),
        needed("assignee", Kind::Text, "Who asked."),
        needed("boot_config", Kind::JsonText, "What the second stage is told."),
        needed("environment", VALUES, "The pool that was asked for, or `any`."),
        needed("expires", Kind::OldTime, "When it ends by itself."),
        needed("image", Kind::Text, "The image."),
    ],
    example: "",
};

/// A request as it was just made.
pub const REQUEST: Shape = Shape {
    name: "Request",
    doc: "A request.",
    bases: &[&REQUEST_CORE],
    fields: &[needed("url", Kind::Text, "Where its calls begin, at its owner; it ends in a slash.")],
    example: "",
};

/// Answer to a new request.
pub const REQUEST_MADE: Shape = Shape {
    name: "RequestMade",
    doc: "The request that was made; the board comes later.",
    bases: &[],
    fields: &[needed("request", Kind::Of(&REQUEST), "")],
    example: "",
};

/// What joins it once the request is under way.
const REQUEST_STANDING: Shape = Shape {
    name: "RequestStanding",
    doc: "Where a request is, and what a board for it must be.",
    bases: &[],
    fields: &[
        needed("state", REQUEST_STATE_KIND, "Where its machine is."),
        needed("device_state", DEVICE_STATE_KIND, "The state of its device; nothing without one."),
        needed("imaging_server", Kind::Text, "The server that owns it."),
        needed("created", Kind::Time, "When it was made."),
        needed("hardware_type", WISH, "What was asked for."),
        needed("hardware_model", WISH, "What was asked for."),
        needed("processor", WISH, "What was asked for."),
        needed("tags", Kind::List(&VALUES), "What was asked for."),
        needed("queue_until", Kind::OrNull(&Kind::Time), "When the search ends, if that was said."),
    ],
    example: "",
};

const REQUEST_NOW: Shape = Shape {
    name: "RequestNow",
    doc: "A request and where it is.",
    bases: &[&REQUEST, &REQUEST_STANDING],
    fields: &[needed("reason", Kind::Text, "What for.")],
    example: "",
};

/// `request/…/details`
pub const REQUEST_DETAILS: Shape = Shape {
    name: "RequestDetails",
    doc: "All about a request; clients of old look for the same under `request`.",
    bases: &[&REQUEST_NOW],
    fields: &[needed("request", Kind::Of(&REQUEST_NOW), "The same again.")],
    example: "",
};

/// `request/list`
pub const REQUESTS: Shape = Shape {
    name: "Requests",
    doc: "Requests by number, of all servers.",
    bases: &[],
    fields: &[needed("requests", Kind::List(&Kind::Of(&REQUEST_LISTED)), "")],
    example: r#"{"requests": []}"#,
};

const REQUEST_LISTED: Shape = Shape {
    name: "RequestListed",
    doc: "A request in the list.",
    bases: &[&REQUEST_CORE, &REQUEST_STANDING],
    fields: &[],
    example: "",
};

/// `environment/list`
pub const ENVIRONMENTS: Shape = Shape {
    name: "Environments",
    doc: "Environments that devices are in, sorted.",
    bases: &[],
    fields: &[needed("environments", Kind::List(&Kind::Text), "")],
    example: r#"{"environments": ["production", "tests"]}"#,
};

/// `image/list`
pub const IMAGES: Shape = Shape {
    name: "Images",
    doc: "Images by name, without the hidden ones.",
    bases: &[],
    fields: &[needed("images", Kind::List(&Kind::Of(&IMAGE)), "")],
    example: r#"{"images": []}"#,
};

const IMAGE: Shape = Shape {
    name: "Image",
    doc: "An image.",
    bases: &[],
    fields: &[
        needed("id", Kind::Whole(1, None), "Its number in the store."),
        needed("name", Kind::Text, "Its name."),
        needed("boot_config_keys", Kind::List(&Kind::Text), "Keys that a request for it must have."),
        needed("can_reuse", Kind::Bool, "A device that has it already need not be imaged again."),
        needed("has_sut_agent", Kind::Bool, "Its systems are checked by their SUT agent."),
        needed("hidden", Kind::Bool, "It is not listed; it may be asked for."),
    ],
    example: r#"{"id": 3, "name": "b2g", "boot_config_keys": ["b2gbase"], "can_reuse": true, "has_sut_agent": false, "hidden": false}"#,
};

/// `bmm/pxe_config/list`
pub const PXE_CONFIGS: Shape = Shape {
    name: "PxeConfigs",
    doc: "Names of PXE configs, sorted.",
    bases: &[],
    fields: &[needed("pxe_configs", Kind::List(&Kind::Text), "")],
    example: r#"{"pxe_configs": ["image", "maintenance"]}"#,
};

/// `bmm/pxe_config/…/details`
pub const PXE_CONFIG_DETAILS: Shape = Shape {
    name: "PxeConfigDetails",
    doc: "A PXE config.",
    bases: &[],
    fields: &[needed("details", Kind::Of(&PXE_CONFIG), "")],
    example: "",
};

const PXE_CONFIG: Shape = Shape {
    name: "PxeConfig",
    doc: "What boot loaders get.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name."),
        needed("description", Kind::Text, "What for."),
        needed("contents", Kind::Text, "Its template."),
        needed("active", Kind::Bool, "It is offered."),
    ],
    example: r#"{"name": "local-boot", "description": "boots the local disk", "contents": "DEFAULT local", "active": true}"#,
};

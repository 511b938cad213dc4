//! What there is, as rows of a lab file: bodies of calls that change them, and answers that show them.
//!
//! In a body every key may be left out, and stays as it is then; `null` takes away what may be missing.

use super::answers::DEVICE_DETAILS;
use super::attempts::TRIES;
use crate::api::openapi::shape::{Field, Kind, Shape, needed, optional};

const TEXT: Kind = Kind::OrNull(&Kind::Text);
const TEXTS: Kind = Kind::OrNull(&Kind::List(&Kind::Text));
const OBJECT: Kind = Kind::OrNull(&Kind::Object);
const SAME_NAME: Field = optional("name", Kind::Text, "The same as in the path.");

/// Of `PUT device/…`.
pub const DEVICE_ROW: Shape = Shape {
    name: "DeviceRow",
    doc: "Fields of a device, named as in a lab file. A new one needs `fqdn`.",
    bases: &[&DEVICE_FIELDS],
    fields: &[SAME_NAME],
    example: r#"{"fqdn": "10.9.0.101", "mac": "0a:0b:0c:0d:0e:01", "tags": ["wifi"]}"#,
};

/// The same without its name.
pub(super) const DEVICE_FIELDS: Shape = Shape {
    name: "DeviceFields",
    doc: "Fields of a device.",
    bases: &[],
    fields: &[
        optional("fqdn", Kind::Text, "Where it is reached: a name or an address."),
        optional("mac", TEXT, "Twelve hex digits, in any spelling."),
        optional(
            "imaging_server",
            Kind::Text,
            "The server that owns it; the one that is asked unless given.",
        ),
        optional(
            "relay_info",
            TEXT,
            "What its power hangs on: `host:bankN:relayN`, or `command:PROGRAM ARGUMENT…`.",
        ),
        optional("environment", TEXT, "Its pool."),
        optional("hardware_type", TEXT, "Type, which must be known."),
        optional("hardware_model", TEXT, "Model of the type."),
        optional("processor", TEXT, "Processor."),
        optional("tags", TEXTS, "What else it has."),
        optional("comments", TEXT, "People's notes."),
        optional("inventory_id", Kind::OrNull(&Kind::Whole(i64::MIN, None)), "Its number in an inventory."),
        optional("state", Kind::Text, "Of a new one: the state to begin in."),
    ],
    example: "",
};

/// `device/…/details`, and what a device became.
pub const DEVICE_FULL: Shape = Shape {
    name: "DeviceFull",
    doc: "As in the list, and what is to be known of one alone.",
    bases: &[&DEVICE_DETAILS],
    fields: &[
        needed("mac", Kind::Text, "Its MAC address with colons, or nothing."),
        needed("deadline", Kind::OrNull(&Kind::Time), "When its state's time limit passes."),
        needed("progress", Kind::OrNull(&Kind::Whole(0, Some(100))), "How much of its image is written."),
        needed("pxe_config", TEXT, "What its next network boot is offered by hand or by its machine."),
        needed(
            "attempt",
            Kind::OrNull(&Kind::Of(&TRIES)),
            "How often its state has gone wrong; `null` where nothing is counted.",
        ),
        needed(
            "limit_s",
            Kind::OrNull(&Kind::Whole(0, None)),
            "The time limit of its state, in seconds; `null` for none.",
        ),
    ],
    example: "",
};

/// Of `PUT hardware_type/…`.
pub const HARDWARE_TYPE_ROW: Shape = Shape {
    name: "HardwareTypeRow",
    doc: "Fields of a hardware type, named as in a lab file.",
    bases: &[],
    fields: &[
        optional("type", Kind::Text, "The same as in the path."),
        optional("model", Kind::Text, "The same as in the path."),
        optional(
            "ping_steady_s",
            Kind::OrNull(&Kind::Whole(0, None)),
            "Seconds without a gap for which it must answer ping.",
        ),
        optional("limits", OBJECT, "Time limits in seconds, by state."),
    ],
    example: r#"{"ping_steady_s": 10, "limits": {"pxe_booting": 300}}"#,
};

/// A hardware type.
pub const HARDWARE_TYPE: Shape = Shape {
    name: "HardwareType",
    doc: "A hardware type.",
    bases: &[],
    fields: &[
        needed("type", Kind::Text, "Type."),
        needed("model", Kind::Text, "Model, or nothing."),
        needed("ping_steady_s", Kind::Whole(0, None), "Seconds without a gap for which it must answer ping."),
        needed("limits", Kind::Object, "Time limits in seconds, by state."),
    ],
    example: r#"{"type": "panda", "model": "ES", "ping_steady_s": 10, "limits": {}}"#,
};

/// `hardware_type/list`
pub const HARDWARE_TYPES: Shape = Shape {
    name: "HardwareTypes",
    doc: "Hardware types.",
    bases: &[],
    fields: &[needed("hardware_types", Kind::List(&Kind::Of(&HARDWARE_TYPE)), "")],
    example: r#"{"hardware_types": []}"#,
};

/// Of `PUT image/…`.
pub const IMAGE_ROW: Shape = Shape {
    name: "ImageRow",
    doc: "Fields of an image, named as in a lab file.",
    bases: &[],
    fields: &[
        SAME_NAME,
        optional("check", TEXT, "How its systems are checked: `ping`, `sut`, `ssh`, `tcp:PORT`, …"),
        optional("second_stage", TEXT, "The script that installs it."),
        optional("boot_config_keys", TEXTS, "Keys that a request for it must have."),
        optional(
            "boot_config_defaults",
            Kind::Either(&[Kind::Object, Kind::Text, Kind::Null]),
            "What is told unless a request says otherwise.",
        ),
        optional("can_reuse", Kind::Bool, "A device that has it already need not be imaged again."),
        optional("hidden", Kind::Bool, "It is not listed."),
        optional("limits", OBJECT, "Time limits in seconds, by state."),
        optional(
            "pxe",
            OBJECT,
            "PXE configs by hardware, as `type model`; `*` is all, `null` takes one away.",
        ),
    ],
    example: r#"{"second_stage": "write-image.sh", "pxe": {"*": "image"}}"#,
};

/// `image/…/details`
pub const IMAGE_FULL: Shape = Shape {
    name: "ImageFull",
    doc: "All about an image.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name."),
        needed("check", Kind::Text, "How its systems are checked."),
        needed("second_stage", Kind::Text, "The script that installs it."),
        needed("boot_config_keys", Kind::List(&Kind::Text), "Keys that a request for it must have."),
        needed(
            "boot_config_defaults",
            Kind::Either(&[Kind::Object, Kind::Text]),
            "What is told unless a request says otherwise.",
        ),
        needed("can_reuse", Kind::Bool, "A device that has it already need not be imaged again."),
        needed("hidden", Kind::Bool, "It is not listed."),
        needed("limits", Kind::Object, "Time limits in seconds, by state."),
        needed("pxe", Kind::Object, "PXE configs by hardware."),
    ],
    example: "",
};

/// Of `PUT bmm/pxe_config/…`.
pub const PXE_CONFIG_ROW: Shape = Shape {
    name: "PxeConfigRow",
    doc: "Fields of a PXE config, named as in a lab file. A new one needs `contents`.",
    bases: &[],
    fields: &[
        SAME_NAME,
        optional("description", TEXT, "What for."),
        optional("active", Kind::Bool, "It is offered."),
        optional("contents", Kind::Text, "Its template."),
    ],
    example: r#"{"contents": "DEFAULT local"}"#,
};

/// What a PXE config became.
pub const PXE_CONFIG_FULL: Shape = Shape {
    name: "PxeConfigFull",
    doc: "A PXE config.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name."),
        needed("description", Kind::Text, "What for."),
        needed("active", Kind::Bool, "It is offered."),
        needed("contents", Kind::Text, "Its template."),
    ],
    example: "",
};

/// Of `PUT relay/…`.
pub const RELAY_BOARD_ROW: Shape = Shape {
    name: "RelayBoardRow",
    doc: "Fields of a relay board, named as in a lab file. A new one needs `fqdn`.",
    bases: &[],
    fields: &[
        SAME_NAME,
        optional("fqdn", Kind::Text, "Where it is reached, with a port if it is not 2101."),
        optional("imaging_server", Kind::Text, "The server that switches it."),
    ],
    example: r#"{"fqdn": "relay-1.lab.example"}"#,
};

/// A relay board.
pub const RELAY_BOARD: Shape = Shape {
    name: "RelayBoard",
    doc: "A relay board.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name."),
        needed("fqdn", Kind::Text, "Where it is reached."),
        needed("imaging_server", Kind::Text, "The server that switches it."),
    ],
    example: r#"{"name": "relay-1", "fqdn": "relay-1.lab.example", "imaging_server": "mozpool-1"}"#,
};

/// `relay/list`
pub const RELAY_BOARDS: Shape = Shape {
    name: "RelayBoards",
    doc: "Relay boards.",
    bases: &[],
    fields: &[needed("relay_boards", Kind::List(&Kind::Of(&RELAY_BOARD)), "")],
    example: r#"{"relay_boards": []}"#,
};

/// Of imports and dry runs.
pub const DIFFERENCES: Shape = Shape {
    name: "Differences",
    doc: "What has changed, or would.",
    bases: &[],
    fields: &[
        needed("changes", Kind::List(&Kind::Text), "One line for each difference."),
        needed("dry_run", Kind::Bool, "Nothing was written."),
        needed("summary", Kind::Object, "By kind, how many rows are `new`, `changed` or `deleted`."),
    ],
    example: r#"{"changes": ["device b-1: tags (nothing) -> x"], "dry_run": true, "summary": {"device": {"changed": 1}}}"#,
};

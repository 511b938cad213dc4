//! Bodies that calls take. A key whose value may be `null` may as well be left out.

use crate::api::openapi::shape::{Kind, Shape, needed, optional};
use crate::api::types::VALUES_MAX;
use crate::logic::events::ImagingResult;

const LINE_OR_NOT: Kind = Kind::OrNull(&Kind::Line);
const LINES: Kind = Kind::Few(&Kind::Line, VALUES_MAX);
const ONE_OF: Kind = Kind::Either(&[Kind::Line, LINES, Kind::Null]);
const TAGS: Kind = Kind::OrNull(&Kind::UpTo(&Kind::Either(&[Kind::Line, LINES]), VALUES_MAX));
const BOOT_CONFIG: Kind = Kind::Either(&[Kind::Object, Kind::JsonText, Kind::Null]);

/// Of `device/…/request`.
pub const NEW_REQUEST: Shape = Shape {
    name: "NewRequest",
    doc: "What is asked for. Beside these keys stand those that the image wants for its boot config (`boot_config_keys` in \
          the list of images); `null` is enough there.",
    bases: &[],
    fields: &[
        needed("assignee", Kind::Name, "Who asks; `requester` is understood, too."),
        needed("duration", Kind::Duration, "Seconds until the request ends by itself."),
        needed("image", Kind::Text, "Name of the image to be installed."),
        optional(
            "environment",
            ONE_OF,
            "The pool, or several of which any will do; `any` is every one, as is none.",
        ),
        optional("hardware_type", ONE_OF, "What it must be, or several of which any will do."),
        optional("hardware_model", ONE_OF, "What it must be, or several of which any will do."),
        optional("processor", ONE_OF, "What it must be, or several of which any will do."),
        optional("tags", TAGS, "The board must have them all; of a list in place of a tag, one."),
        optional(
            "queue_limit",
            Kind::Either(&[Kind::Seconds(0, None), Kind::Null]),
            "Seconds to wait for a free board at most.",
        ),
        optional("reason", LINE_OR_NOT, "What for; people read it."),
    ],
    example: r#"{"assignee": "ci-job-4711", "duration": 1800, "image": "demo", "environment": "any"}"#,
};

/// Of `request/…/return`.
pub const RETURN: Shape = Shape {
    name: "Return",
    doc: "Who gives it back and why, for the logs. Returning always works, so what cannot be read says nothing.",
    bases: &[],
    fields: &[
        optional("who", Kind::Text, "Who; `by` is understood, too."),
        optional("reason", Kind::Text, "Why."),
    ],
    example: r#"{"who": "ann@example.com", "reason": "needed for a demo"}"#,
};

/// Of `request/…/renew`.
pub const RENEWAL: Shape = Shape {
    name: "Renewal",
    doc: "For how long the device is wanted.",
    bases: &[],
    fields: &[needed("duration", Kind::Duration, "Seconds from now.")],
    example: r#"{"duration": 3600}"#,
};

/// Of a request's events.
pub const REQUEST_EVENT: Shape = Shape {
    name: "RequestEvent",
    doc: "What comes with an event of a request.",
    bases: &[],
    fields: &[optional(
        "imaging_result",
        Kind::OrNull(&Kind::Words(imaging_results)),
        "Of `lifeguard_finished`: how the installation ended.",
    )],
    example: r#"{"imaging_result": "complete"}"#,
};

fn imaging_results() -> Vec<&'static str> {
    ImagingResult::ALL.iter().map(|r| r.name()).collect()
}

/// Of a device's events.
pub const DEVICE_EVENT_BODY: Shape = Shape {
    name: "DeviceEvent",
    doc: "What comes with an event of a device. `please_image` needs `image` and `boot_config`, `image_progress` needs \
          `percent`; the others need nothing.",
    bases: &[],
    fields: &[
        optional("image", Kind::OrNull(&Kind::Text), "Of `please_image`: name of the image to be installed."),
        optional(
            "boot_config",
            BOOT_CONFIG,
            "Of `please_image`: what the image is to be told; an object or its JSON text.",
        ),
        optional(
            "percent",
            Kind::Either(&[Kind::Seconds(0, Some(100)), Kind::Null]),
            "Of `image_progress`: how much of the image is written.",
        ),
        optional("reason", Kind::OrNull(&Kind::Text), "Why; for the device's log."),
        optional("message", Kind::OrNull(&Kind::Text), "The same as `reason`, which wins."),
    ],
    example: r#"{"image": "demo", "boot_config": {}}"#,
};

/// Of `device/…/power-cycle`.
pub const POWER_CYCLE: Shape = Shape {
    name: "PowerCycle",
    doc: "What the device is to boot; nothing is its own disk.",
    bases: &[],
    fields: &[
        optional("pxe_config", Kind::OrNull(&Kind::Text), "Name of a PXE config."),
        optional(
            "boot_config",
            BOOT_CONFIG,
            "What the second stage is to be told; an object or its JSON text.",
        ),
    ],
    example: r#"{"pxe_config": "maintenance"}"#,
};

/// Of `device/…/pxe-draft`.
pub const PXE_DRAFT_BODY: Shape = Shape {
    name: "PxeDraftBody",
    doc: "A PXE config that is being written.",
    bases: &[],
    fields: &[
        needed("contents", Kind::Text, "What it would hold."),
        optional(
            "image",
            Kind::OrNull(&Kind::Text),
            "The image that the device would boot for; without one there are made-up words for what the contents want of a boot config.",
        ),
    ],
    example: r#"{"contents": "default {{ device.name }}"}"#,
};

/// Of `device/…/set-comments`.
pub const COMMENTS: Shape = Shape {
    name: "Comments",
    doc: "People's notes.",
    bases: &[],
    fields: &[needed("comments", Kind::Text, "The new ones, which may be empty.")],
    example: r#"{"comments": "new SD card on Monday"}"#,
};

/// Of `device/…/set-environment`.
pub const ENVIRONMENT: Shape = Shape {
    name: "Environment",
    doc: "A pool.",
    bases: &[],
    fields: &[needed("environment", Kind::Environment, "Its name.")],
    example: r#"{"environment": "production"}"#,
};

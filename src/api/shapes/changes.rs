//! Live changes.

use super::answers::{DEVICE_STATE_KIND, REQUEST_STATE_KIND};
use super::queries::change_kinds;
use crate::api::openapi::shape::{Kind, Shape, needed};
use crate::store::ChangeWhat;

/// `events`
pub const CHANGES_PAGE: Shape = Shape {
    name: "Changes",
    doc: "Changes in order, without gaps in what was asked for.",
    bases: &[],
    fields: &[
        needed("changes", Kind::List(&Kind::Of(&CHANGE)), "Oldest first; none when the time is up."),
        needed("last", Kind::Whole(0, None), "Where to go on: the next call's `after`."),
    ],
    example: r#"{"changes": [{"seq": 9, "at": "2026-11-22T11:49:06.581Z", "kind": "image", "what": "changed", "data": {"name": "b2g"}}], "last": 9}"#,
};

const CHANGE: Shape = Shape {
    name: "Change",
    doc: "Something that is different now.",
    bases: &[],
    fields: &[
        needed(
            "seq",
            Kind::Whole(1, None),
            "Its number; the next change has the next one, across restarts, too.",
        ),
        needed("at", Kind::Time, "When."),
        needed("kind", Kind::OpenWords(change_kinds), "Of what."),
        needed("what", Kind::OpenWords(whats), "What happened to it."),
        needed(
            "data",
            Kind::Either(&[
                Kind::Of(&DEVICE_CHANGED),
                Kind::Of(&DEVICE_GONE),
                Kind::Of(&REQUEST_CHANGED),
                Kind::Of(&NUMBER_CHANGED),
                Kind::Of(&NAME_CHANGED),
            ]),
            "Of a device or a request how it is now; of others its name or number.",
        ),
    ],
    example: "",
};

fn whats() -> Vec<&'static str> {
    ChangeWhat::ALL.iter().map(|w| w.name()).collect()
}

const WAS: Kind = Kind::OrNull(&Kind::Text);

const DEVICE_CHANGED: Shape = Shape {
    name: "DeviceChanged",
    doc: "A device after a change.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name."),
        needed("state", DEVICE_STATE_KIND, "Its state."),
        needed("was", WAS, "The state before, if it is another."),
        needed("environment", Kind::Text, "Its pool."),
        needed("request_id", Kind::OrNull(&Kind::Whole(1, None)), "The request that holds it."),
        needed("image", Kind::OrNull(&Kind::Text), "The image that is installed."),
        needed("next_image", Kind::OrNull(&Kind::Text), "The image that is being installed."),
        needed("progress", Kind::OrNull(&Kind::Whole(0, Some(100))), "How much of it is written."),
    ],
    example: "",
};

const DEVICE_GONE: Shape = Shape {
    name: "DeviceGone",
    doc: "A device that was deleted.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name."),
        needed("environment", Kind::Text, "The pool that it was in."),
        needed("request_id", Kind::Null, "No request holds it."),
    ],
    example: r#"{"name": "board-1", "environment": "any", "request_id": null}"#,
};

const REQUEST_CHANGED: Shape = Shape {
    name: "RequestChanged",
    doc: "A request after a change.",
    bases: &[],
    fields: &[
        needed("id", Kind::Whole(1, None), "Its number."),
        needed("state", REQUEST_STATE_KIND, "Its state."),
        needed("was", WAS, "The state before, if it is another."),
        needed("assigned_device", Kind::Text, "The device that it has, or nothing."),
        needed("was_assigned_device", WAS, "The device that it had before, if it has let go of it."),
        needed("expires", Kind::OldTime, "When it ends by itself."),
        needed("assignee", Kind::Text, "Who asked."),
    ],
    example: "",
};

const NUMBER_CHANGED: Shape = Shape {
    name: "NumberChanged",
    doc: "Something with a number.",
    bases: &[],
    fields: &[needed("id", Kind::Whole(1, None), "Its number.")],
    example: r#"{"id": 7}"#,
};

const NAME_CHANGED: Shape = Shape {
    name: "NameChanged",
    doc: "Something with a name.",
    bases: &[],
    fields: &[needed("name", Kind::Text, "Its name.")],
    example: r#"{"name": "b2g"}"#,
};

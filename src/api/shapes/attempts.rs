//! What happened at boot.

use super::answers::DEVICE_STATE_KIND;
use crate::api::openapi::about::{Query, query};
use crate::api::openapi::shape::{Kind, Shape, needed};
use crate::logic::attempt::{Outcome, Purpose, StepKind};

const MS: Kind = Kind::Whole(0, None);
const MS_OR_NULL: Kind = Kind::OrNull(&MS);

/// Of `device/…/attempts`.
pub const ATTEMPTS_QUERY: &[Query] = &[
    query("limit", Kind::Whole(0, None), "At most so many; 20 unless given, 100 at most."),
    query("before", Kind::Whole(0, None), "Only those with a lower number: the page of older ones."),
];

fn purposes() -> Vec<&'static str> {
    Purpose::ALL.iter().map(|p| p.name()).collect()
}

fn outcomes() -> Vec<&'static str> {
    Outcome::ALL.iter().map(|o| o.name()).collect()
}

fn step_kinds() -> Vec<&'static str> {
    StepKind::ALL.iter().map(|k| k.name()).collect()
}

const STEP: Shape = Shape {
    name: "Step",
    doc: "Something that happened in an attempt.",
    bases: &[],
    fields: &[
        needed("at_ms", MS, "When, in milliseconds after the attempt's start; of what takes time, its end."),
        needed(
            "kind",
            Kind::Words(step_kinds),
            "`state`: a state was entered. `power`: the relay switched. `tftp`, `http`: a file was sent. `event`: the board said \
             something. `syslog`: its first and last line. `ping`: it began or stopped to answer. `check`: a check of what runs on it.",
        ),
        needed("what", Kind::Text, "A few words for people."),
        needed("name", Kind::Text, "File, event or state."),
        needed("bytes", MS_OR_NULL, "Bytes that were sent."),
        needed("took_ms", MS_OR_NULL, "How long it took, up to `at_ms`; of a state, how long it lasted."),
        needed("usual_ms", MS_OR_NULL, "When it usually comes; `null` if too few good attempts are known."),
        needed("late_ms", MS_OR_NULL, "How much later than usual it came, if it was late."),
        needed("slow", Kind::Bool, "It took far longer than usual."),
        needed(
            "bad",
            Kind::Bool,
            "It did not go as it should: a file that broke off, an event that was ignored.",
        ),
    ],
    example: r#"{"at_ms": 9120, "kind": "tftp", "what": "sent", "name": "live/vmlinuz", "bytes": 8675309, "took_ms": 2410,
        "usual_ms": 9000, "late_ms": null, "slow": false, "bad": false}"#,
};

const MISSING: Shape = Shape {
    name: "MissingStep",
    doc: "Something that usually comes and has not come.",
    bases: &[],
    fields: &[
        needed("kind", Kind::Words(step_kinds), "As of a step."),
        needed(
            "name",
            Kind::Text,
            "File or event; `boot config` for a boot loader's config, whatever its name.",
        ),
        needed("usual_ms", MS, "When it usually comes, in milliseconds after the attempt's start."),
    ],
    example: r#"{"kind": "event", "name": "mobile_init_started", "usual_ms": 24100}"#,
};

const ATTEMPT: Shape = Shape {
    name: "Attempt",
    doc: "A power cycle and all that followed until the board rested or was given up.",
    bases: &[],
    fields: &[
        needed("id", Kind::Whole(1, None), "Its number; later ones have larger numbers."),
        needed(
            "purpose",
            Kind::Words(purposes),
            "What it was to achieve; `pxe` is a PXE config that was offered by hand.",
        ),
        needed("image", Kind::OrNull(&Kind::Text), "The image that was to run afterwards."),
        needed("request_id", Kind::OrNull(&Kind::Whole(1, None)), "The request that held the device then."),
        needed("started", Kind::Time, "When power was to be cycled."),
        needed("ended", Kind::OrNull(&Kind::Time), "`null` while it runs."),
        needed(
            "outcome",
            Kind::Words(outcomes),
            "`ok`: the board rests and is well. `failed`: another attempt followed. `given_up`: none did, or a person stepped in.",
        ),
        needed("state", DEVICE_STATE_KIND, "The last state of it."),
        needed("duration_ms", MS, "How long it took, or has taken until now."),
        needed("usual_duration_ms", MS_OR_NULL, "How long a good one of its kind usually takes."),
        needed("verdict", Kind::OrNull(&Kind::Text), "How it compares with what is usual, in a sentence."),
        needed("steps", Kind::List(&Kind::Of(&STEP)), "In order of time."),
        needed(
            "missing",
            Kind::List(&Kind::Of(&MISSING)),
            "What usually comes after the last of these and has not come, in the usual order; nothing for one that went well.",
        ),
    ],
    example: "",
};

/// `device/…/attempts`
pub const ATTEMPTS: Shape = Shape {
    name: "Attempts",
    doc: "What happened when a device booted.",
    bases: &[],
    fields: &[
        needed("device", Kind::Text, "Its name."),
        needed("hardware", Kind::Text, "Its type and model."),
        needed("attempts", Kind::List(&Kind::Of(&ATTEMPT)), "Newest first."),
        needed("more", Kind::Bool, "There are older ones."),
    ],
    example: r#"{"device": "panda-0001", "hardware": "panda ES", "attempts": [], "more": false}"#,
};

/// Of a device's details.
pub const TRIES: Shape = Shape {
    name: "Tries",
    doc: "How often something has gone wrong in the device's state since it last went right.",
    bases: &[],
    fields: &[
        needed("counter", Kind::Text, "What is counted."),
        needed("used", Kind::Whole(0, None), "How often."),
        needed("allowed", Kind::Whole(0, None), "How often that is forgiven."),
    ],
    example: r#"{"counter": "pxe_booting", "used": 1, "allowed": 30}"#,
};

//! The imaging servers of the pool: what is said of them, and what they say to each other.

use crate::api::openapi::shape::{Kind, Shape, needed};

const SERVER: Shape = Shape {
    name: "Server",
    doc: "An imaging server. What is `null` is not known: the server has never joined the pool.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Its name; devices and requests name their owner by it."),
        needed("url", Kind::Text, "Its API, or nothing."),
        needed("alive", Kind::Bool, "It has said lately that it lives, or it is the one that answers."),
        needed("last_seen", Kind::OrNull(&Kind::Time), "When it said so last, by its own clock."),
        needed("started", Kind::OrNull(&Kind::Time), "When its process started."),
        needed("version", Kind::OrNull(&Kind::Text), "Its program's version."),
        needed(
            "schema_version",
            Kind::OrNull(&Kind::Whole(0, None)),
            "The schema version that it works with.",
        ),
        needed(
            "protocol",
            Kind::OrNull(&Kind::Whole(0, None)),
            "The version of what it says to other servers.",
        ),
        needed("devices", Kind::Whole(0, None), "How many devices it has."),
        needed(
            "fault",
            Kind::OrNull(&Kind::Text),
            "Why the server that answers cannot work with it although it lives: another version, another secret, no answer.",
        ),
    ],
    example: "",
};

/// `server/list`
pub const SERVERS: Shape = Shape {
    name: "Servers",
    doc: "The imaging servers of the pool, by name.",
    bases: &[],
    fields: &[needed("servers", Kind::List(&Kind::Of(&SERVER)), "")],
    example: "",
};

/// Body of `peer/letter`
pub const LETTER: Shape = Shape {
    name: "Letter",
    doc: "A letter of another imaging server, with its seal.",
    bases: &[],
    fields: &[
        needed(
            "letter",
            Kind::Text,
            "JSON text; what stands in it is the servers' own affair and may change.",
        ),
        needed("seal", Kind::Text, "HMAC-SHA-256 of the text by the pool's secret, in hex."),
    ],
    example: r#"{"letter": "{}", "seal": "00"}"#,
};

/// `peer/letter`
pub const LETTER_ANSWER: Shape = Shape {
    name: "LetterAnswer",
    doc: "What became of the messages in a letter, in their order.",
    bases: &[],
    fields: &[needed(
        "fates",
        Kind::List(&Kind::Words(|| vec!["taken", "late", "again"])),
        "`again`: it is to come once more.",
    )],
    example: r#"{"fates": ["taken"]}"#,
};

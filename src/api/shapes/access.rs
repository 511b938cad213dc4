//! Who may do what: sessions, tokens, the audit log.

use crate::access::Role;
use crate::api::openapi::about::{Query, query};
use crate::api::openapi::shape::{Kind, Shape, needed, optional};

fn roles() -> Vec<&'static str> {
    Role::ALL.iter().map(|role| role.name()).collect()
}

const ENVIRONMENTS: Kind = Kind::List(&Kind::Text);

/// Body of `POST session`
pub const LOGIN: Shape = Shape {
    name: "Login",
    doc: "A token.",
    bases: &[],
    fields: &[needed("token", Kind::Text, "Its text, which begins with `mzp_`.")],
    example: r#"{"token": "mzp_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#,
};

/// `session`
pub const SESSION: Shape = Shape {
    name: "Session",
    doc: "Who calls.",
    bases: &[],
    fields: &[
        needed(
            "mode",
            Kind::OpenWords(|| vec!["open", "token"]),
            "`open`: this server asks nobody; `token`: it asks who calls.",
        ),
        needed("name", Kind::OrNull(&Kind::Text), "The name of the token; nothing where nobody is known."),
        needed("role", Kind::OrNull(&Kind::OpenWords(roles)), "What they may do."),
        needed("environments", ENVIRONMENTS, "Only in these; none: in all."),
        needed(
            "csrf",
            Kind::OrNull(&Kind::Text),
            "What a page says as `X-CSRF-Token` with each call that changes something.",
        ),
        needed("expires", Kind::OrNull(&Kind::Time), "When session or token ends."),
    ],
    example: "",
};

const TOKEN: Shape = Shape {
    name: "Token",
    doc: "A token, without its secret.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Whose it is, or what for."),
        needed("role", Kind::OpenWords(roles), "What its holder may do."),
        needed("environments", ENVIRONMENTS, "Only in these; none: in all."),
        needed("made", Kind::Time, "When it was made."),
        needed("expires", Kind::OrNull(&Kind::Time), "From when on it is good no more."),
        needed("last_used", Kind::OrNull(&Kind::Text), "The day, in UTC, on which it was used last."),
        needed("proxy", Kind::Bool, "It has no secret: a reverse proxy names its holder."),
    ],
    example: "",
};

/// `token/list`
pub const TOKENS: Shape = Shape {
    name: "Tokens",
    doc: "Tokens, by name.",
    bases: &[],
    fields: &[needed("tokens", Kind::List(&Kind::Of(&TOKEN)), "")],
    example: "",
};

/// Body of `POST token`
pub const NEW_TOKEN: Shape = Shape {
    name: "NewToken",
    doc: "A token that is to be made.",
    bases: &[],
    fields: &[
        needed("name", Kind::TokenName, "Whose it is, or what for: letters, digits, and `. _ @ + -`."),
        needed("role", Kind::Words(roles), "What its holder may do."),
        optional(
            "environments",
            Kind::OrNull(&Kind::UpTo(&Kind::Environment, 100)),
            "Only in these; none: in all.",
        ),
        optional(
            "days",
            Kind::OrNull(&Kind::Whole(1, Some(3650))),
            "For so long it is good; for ever without.",
        ),
        optional("proxy", Kind::OrNull(&Kind::Bool), "No secret is made: a reverse proxy names the holder."),
    ],
    example: r#"{"name": "builder", "role": "requester", "environments": ["tests"], "days": 365}"#,
};

/// `POST token`
pub const TOKEN_MADE: Shape = Shape {
    name: "TokenMade",
    doc: "A token as it was just made.",
    bases: &[&TOKEN],
    fields: &[needed("token", Kind::OrNull(&Kind::Text), "Its text, this once; nothing with `proxy`.")],
    example: "",
};

const ENTRY: Shape = Shape {
    name: "AuditEntry",
    doc: "What somebody has done, or has tried to.",
    bases: &[],
    fields: &[
        needed("id", Kind::Whole(0, None), "Its number."),
        needed("time", Kind::Time, "When."),
        needed("who", Kind::Text, "A token's name, a user of the server, or words in brackets."),
        needed("role", Kind::Text, "With which role; empty for none."),
        needed(
            "via",
            Kind::Text,
            "How they were known: `token`, `session`, `proxy`, `ticket`, `open`, `cli`, or empty.",
        ),
        needed("from", Kind::Text, "From which address; empty on the server itself."),
        needed("method", Kind::Text, "Method of the call."),
        needed("path", Kind::Text, "Its path, without the query."),
        needed("status", Kind::Whole(0, Some(999)), "Status of the answer."),
        optional("device", Kind::Text, "Which device it was about."),
        optional("request", Kind::Whole(0, None), "Which request it was about."),
    ],
    example: "",
};

/// `audit`
pub const AUDIT: Shape = Shape {
    name: "Audit",
    doc: "Entries of the audit log, the newest first.",
    bases: &[],
    fields: &[
        needed("entries", Kind::List(&Kind::Of(&ENTRY)), ""),
        needed("more", Kind::Bool, "There are older ones; `before` leads on."),
    ],
    example: "",
};

/// Of `audit`
pub const AUDIT_QUERY: &[Query] = &[
    query("limit", Kind::Whole(0, None), "So many entries: 100 without it, 1000 at most."),
    query("before", Kind::Whole(0, None), "Those with a lower number."),
    query("who", Kind::Text, "Of this name alone."),
    query("what", Kind::Text, "With this text in the path, or in the device's name."),
];

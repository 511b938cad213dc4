//! What a row of the route table says about its call beyond path and handler: what it takes, what it answers.

use super::shape::{Kind, Shape};

/// What a call is about: a heading in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Who asks for boards.
    Requests,
    /// One board's state.
    Devices,
    /// Power, network boot, signs of life.
    Hardware,
    /// What there is to ask for.
    Pool,
    /// How it went.
    Reports,
    /// What there is, changed.
    Admin,
    /// Who may do what.
    Access,
    /// This server.
    Server,
}

impl Tag {
    /// All, in the order of the document.
    pub const ALL: &'static [Self] = &[
        Self::Requests,
        Self::Devices,
        Self::Hardware,
        Self::Pool,
        Self::Reports,
        Self::Admin,
        Self::Access,
        Self::Server,
    ];

    /// As it stands in the document.
    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Devices => "devices",
            Self::Hardware => "hardware",
            Self::Pool => "pool",
            Self::Reports => "reports",
            Self::Admin => "administration",
            Self::Access => "access",
            Self::Server => "server",
        }
    }

    /// What is found under it.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Requests => "Asking for a board, keeping it, giving it back.",
            Self::Devices => {
                "Boards under management: what they are, what happens to them, what is asked of them."
            }
            Self::Hardware => "Work by hand on power, network boot and relay boards.",
            Self::Pool => "What there is to ask for: images, environments, PXE configs.",
            Self::Reports => "How it went: reports, what became of devices, what is to be repaired.",
            Self::Admin => "Making, changing and deleting what there is, one at a time or as a lab file.",
            Self::Access => "Who may do what: sessions of pages, tokens, the audit log.",
            Self::Server => "This server: its version, its health, this document.",
        }
    }
}

/// A key of the query.
#[derive(Debug)]
pub struct Query {
    /// Key.
    pub name: &'static str,
    /// Of what its value is.
    pub kind: Kind,
    /// What it does.
    pub doc: &'static str,
    /// It works without a value, too.
    pub flag: bool,
}

/// A key that needs a value.
pub const fn query(name: &'static str, kind: Kind, doc: &'static str) -> Query {
    Query { name, kind, doc, flag: false }
}

/// A key that counts by being there.
pub const fn flag(name: &'static str, doc: &'static str) -> Query {
    Query { name, kind: Kind::Text, doc, flag: true }
}

/// The body that a call takes.
#[derive(Debug, Clone, Copy)]
pub enum Takes {
    /// None is looked at.
    Nothing,
    /// One may come.
    Maybe(&'static Shape),
    /// One may come, and what cannot be read of it says nothing.
    Read(&'static Shape),
    /// One must come.
    This(&'static Shape),
    /// One may come, and keys that it does not name are refused.
    Row(&'static Shape),
    /// Text of one of these media types; none is an empty one.
    One(&'static [Media]),
}

/// A media type and what is in it.
pub type Media = (&'static str, Kind);

/// What an answer holds.
#[derive(Debug, Clone, Copy)]
pub enum Holds {
    /// No body.
    Nothing,
    /// JSON.
    Json(Kind),
    /// One of these, as the caller asks.
    One(&'static [Media]),
}

/// An answer that is no error.
#[derive(Debug, Clone, Copy)]
pub struct Gives {
    /// HTTP status.
    pub status: u16,
    /// When it comes.
    pub doc: &'static str,
    /// Its body.
    pub holds: Holds,
}

/// 200 with this object.
pub const fn ok(shape: &'static Shape) -> Gives {
    json(200, Kind::Of(shape), shape.doc)
}

/// JSON with this status.
pub const fn json(status: u16, kind: Kind, doc: &'static str) -> Gives {
    Gives { status, doc, holds: Holds::Json(kind) }
}

/// 200 with one of these, as the caller asks.
pub const fn one_of(media: &'static [Media], doc: &'static str) -> Gives {
    Gives { status: 200, doc, holds: Holds::One(media) }
}

/// A status without a body.
pub const fn empty(status: u16, doc: &'static str) -> Gives {
    Gives { status, doc, holds: Holds::Nothing }
}

/// An error that this call can have beyond those that follow from its kind: its status, and when.
pub type Fails = (u16, &'static str);

/// All of it.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Name of the operation, for generated clients; it does not change.
    pub id: &'static str,
    /// Its heading.
    pub tag: Tag,
    /// More than the row's line says; empty where that is enough.
    pub more: &'static str,
    /// Keys of the query.
    pub query: &'static [Query],
    /// Its body.
    pub takes: Takes,
    /// Answers that are no errors, and those that are but have a body of their own.
    pub gives: &'static [Gives],
    /// Errors.
    pub fails: &'static [Fails],
}

impl About {
    /// What a row says that says nothing; a test refuses it.
    pub const NOTHING: Self = Self {
        id: "",
        tag: Tag::Server,
        more: "",
        query: &[],
        takes: Takes::Nothing,
        gives: &[],
        fails: &[],
    };
}

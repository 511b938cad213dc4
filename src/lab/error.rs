//! What can be wrong in a lab file, and where: file, line, row, field, and the way out.

use crate::bmm::power::PowerAddressError;
use crate::logic::check::BadCheck;
use crate::logic::ids::BadMac;
use std::fmt;

/// A place in a lab file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub origin: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// E.g. ``device `panda-0001` ``; empty when the file cannot be read that far.
    pub row: String,
    /// The field; empty for the row as a whole.
    pub field: &'static str,
}

/// Why a lab file is refused. Nothing of it has been used then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabError {
    /// Where. Boxed, because results that carry it are passed up through many hands.
    pub at: Box<Place>,
    /// What.
    pub problem: Problem,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The file, or one that it names, cannot be read.
    Unreadable { path: String, why: String },
    /// Not TOML, or not the fields and types that a lab file has.
    Syntax(String),
    /// A name that could not stand in a URL or a host name.
    Name { text: String, longest: usize },
    /// A network name with something in it that no such name has.
    Host(String),
    /// `any` is how requests ask for anything, `*` how images name all hardware, `list` how the API is asked for all.
    Reserved(String),
    /// Must not be empty.
    Empty,
    /// Said twice in the file: on `line`, or where the format has no lines, in the row called `by`.
    Twice { text: String, line: usize, by: String },
    /// No field of this kind of row, or no kind of row.
    UnknownField { field: String, known: &'static [&'static str] },
    /// A field that every row of the kind has.
    Missing(&'static str),
    /// A value of another type.
    Type { wanted: &'static str, found: &'static str },
    /// A number that the field has no room for.
    Range { number: i64, wanted: &'static str },
    /// The row's key differs from the one that was named beside it.
    Renamed,
    /// A file is named where none can be read.
    NoFiles,
    /// A text that should be a JSON object.
    NoObject,
    /// A PXE config whose template cannot be rendered; `line` within it.
    Template { line: usize, why: String },
    /// A new row without what it must have.
    NewWithout(&'static str),
    /// A device that a request holds keeps its imaging server.
    Claimed { request: i64 },
    /// A row of the store that this file does not mention has it.
    Taken { text: String, by: String },
    /// Not a MAC address.
    Mac(BadMac),
    /// Not a relay board.
    Relay(relayctl::AddressError),
    /// Nothing that power could hang on.
    Power(PowerAddressError),
    /// Not a health check.
    Check(BadCheck),
    /// No state of a device.
    State(String),
    /// A time limit that would pass before anything can happen.
    NoTime(String),
    /// Not the plain name of a file.
    SecondStage(String),
    /// Both `contents` and `file`.
    BothTexts,
    /// A new PXE config without text.
    NoText,
    /// JSON has no such value.
    NotJson(String),
    /// A model without a type.
    ModelOnly,
    /// No such hardware type in the file or the store.
    UnknownHardware(String),
    /// Two hardware types that are written alike.
    AmbiguousHardware(String),
    /// No such PXE config in the file or the store.
    UnknownPxeConfig(String),
    /// Neither the row nor the caller says which server.
    NoServer,
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { origin, line, row, field } = &*self.at;
        // A file that cannot be read is named by its problem.
        let origin = match &self.problem {
            Problem::Unreadable { path, .. } if path == origin => "",
            _ => origin.as_str(),
        };
        f.write_str(origin)?;
        if *line > 0 {
            write!(f, ":{line}")?;
        }
        if *line > 0 || !origin.is_empty() {
            f.write_str(": ")?;
        }
        match (row.as_str(), *field) {
            ("", "") => {}
            (row, "") => write!(f, "{row}: ")?,
            ("", field) => write!(f, "{field}: ")?,
            (row, field) => write!(f, "{row}, {field}: ")?,
        }
        match self.problem.of_one_row() {
            Some(words) if self.at.origin.is_empty() => f.write_str(&words),
            _ => self.problem.fmt(f),
        }
    }
}

impl std::error::Error for LabError {}

impl LabError {
    /// The row is right in itself: what keeps it from being so will pass.
    pub fn is_of_now(&self) -> bool {
        matches!(self.problem, Problem::Claimed { .. })
    }
}

impl Problem {
    /// In other words where a row came by itself, so that there is no file to add another to.
    fn of_one_row(&self) -> Option<String> {
        Some(match self {
            Self::UnknownHardware(text) => {
                format!("there is no hardware type `{text}`; add it first, or correct type and model")
            }
            Self::UnknownPxeConfig(text) => {
                format!("there is no PXE config `{text}`; add it first, or correct the name")
            }
            Self::Taken { text, by } => {
                format!("`{text}` belongs to {by}; correct it, or change that one first")
            }
            Self::Type { wanted, found } => format!("expected {wanted}, found {found}"),
            _ => return None,
        })
    }

    pub(super) fn type_of(wanted: &'static str, found: &super::tree::Value) -> Self {
        Self::Type { wanted, found: found.kind() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, why } => {
                write!(f, "cannot read {path}: {why}; check the path and its rights")
            }
            Self::Syntax(what) => {
                write!(f, "{what}; see the sample lab file for the fields and how they are written")
            }
            Self::Name { text, longest } => write!(
                f,
                "`{text}` cannot be a name; write 1 to {longest} letters, digits, dots, dashes or underscores"
            ),
            Self::Host(text) => {
                write!(f, "`{text}` is not a network name; write a name or an address without spaces")
            }
            Self::Reserved(text) => write!(f, "`{text}` stands for all of them; choose another name"),
            Self::Empty => {
                f.write_str("must not be empty; write a value, or leave the field out where it is optional")
            }
            Self::Twice { text, line: 0, by } => {
                write!(f, "`{text}` is already used by `{by}`; change one of the two")
            }
            Self::Twice { text, line, .. } => {
                write!(f, "`{text}` is already used on line {line}; change one of the two")
            }
            Self::UnknownField { field, known } => {
                write!(f, "unknown field `{field}`; the fields are {}", known.join(", "))
            }
            Self::Missing(field) => write!(f, "missing field `{field}`; add it"),
            Self::Type { wanted, found } => {
                write!(
                    f,
                    "expected {wanted}, found {found}; see the sample lab file for how fields are written"
                )
            }
            Self::Range { number, wanted } => {
                write!(f, "expected {wanted}, found {number}; write a number that is in range")
            }
            Self::Renamed => f.write_str(
                "is not the name in the path, and rows are not renamed; add a new one and delete the old one",
            ),
            Self::NoFiles => {
                f.write_str("the server reads no files for a caller; write the text as `contents`")
            }
            Self::NoObject => f.write_str("expected a table, or a text that is a JSON object such as {}"),
            Self::Template { line: 0, why } => write!(f, "{why}; correct the template"),
            Self::Template { line, why } => write!(f, "line {line} of the text: {why}; correct the template"),
            Self::NewWithout(field) => write!(f, "is new and has no {field}; add `{field}`"),
            Self::Claimed { request } => write!(
                f,
                "request {request} holds the device, which cannot go to another imaging server now; close the request first"
            ),
            Self::Taken { text, by } => {
                write!(
                    f,
                    "`{text}` belongs to {by} in the store; correct this row, or add that one to the file and change it"
                )
            }
            Self::Mac(e) => e.fmt(f),
            Self::Relay(e) => e.fmt(f),
            Self::Power(e) => e.fmt(f),
            Self::Check(e) => e.fmt(f),
            Self::State(text) => {
                write!(
                    f,
                    "`{text}` is not a state of a device; write one such as new, ready, locked_out or pxe_booting"
                )
            }
            Self::NoTime(state) => {
                write!(f, "0 seconds for {state} would pass before anything can happen; write at least 1")
            }
            Self::SecondStage(text) => {
                write!(
                    f,
                    "`{text}` is not the plain name of a file; write one that lies in the second-stages directory"
                )
            }
            Self::BothTexts => f.write_str("has `contents` and `file`; keep one of them"),
            Self::NoText => f.write_str("is new and has no text; add `contents` or `file`"),
            Self::NotJson(key) => {
                write!(
                    f,
                    "the value of `{key}` cannot be written as JSON; use text, whole numbers, finite numbers, booleans, lists and tables"
                )
            }
            Self::ModelOnly => f.write_str("a model without `hardware_type` says nothing; add the type"),
            Self::UnknownHardware(text) => write!(
                f,
                "hardware type `{text}` is neither in this file nor in the store; add a [[hardware_type]] with that type and model, or correct the name"
            ),
            Self::AmbiguousHardware(text) => {
                write!(
                    f,
                    "`{text}` means more than one hardware type; give one of them another type or model"
                )
            }
            Self::UnknownPxeConfig(text) => write!(
                f,
                "PXE config `{text}` is neither in this file nor in the store; add a [[pxe_config]] of that name, or correct it"
            ),
            Self::NoServer => f.write_str("no imaging server is named; add `imaging_server`"),
        }
    }
}

//! Why an inventory could not be read: what, where, and what to do.

use crate::lab::LabError;
use std::fmt;

/// Why an inventory could not be read. Nothing of it was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceError {
    /// There is none.
    NotConfigured,
    /// The source needs a setting that is empty.
    Unset { setting: &'static str, source: &'static str },
    /// A file or folder cannot be read.
    File { path: String, why: String },
    /// A folder without a single file that could have devices.
    NoFiles { path: String },
    /// A lab file that is wrong; it names file and line.
    Lab(LabError),
    /// A lab file with rows that are no devices.
    OtherRows { path: String, line: usize, kind: &'static str },
    /// No answer, or one that breaks off.
    Unreachable { url: String, why: String },
    /// An answer that is none.
    Status { url: String, status: u16 },
    /// An answer that is not JSON, or breaks off.
    NotJson { url: String, why: String },
    /// JSON of another shape.
    Shape { place: String, pointer: String, wanted: &'static str, found: &'static str },
    /// Pages do not add up to what was announced.
    Truncated { url: String, got: usize, said: u64 },
    /// The next page is on another server.
    Elsewhere { url: String, next: String },
    /// It does not end.
    TooMuch { url: String, what: String },
    /// A system whose fields cannot be a device's.
    Row { place: String, error: LabError },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConfigured => {
                f.write_str("no inventory is configured; set inventory.source, and what it needs")
            }
            Self::Unset { setting, source } => {
                write!(f, "{setting} is empty, and inventory.source = \"{source}\" needs it")
            }
            Self::File { path, why } => {
                write!(f, "cannot read {path}: {why}; correct the setting, or let the daemon's user read it")
            }
            Self::NoFiles { path } => {
                write!(f, "{path} has no file that ends in .toml, .json or .csv; correct inventory.path")
            }
            Self::Lab(error) => error.fmt(f),
            Self::OtherRows { path, line, kind } => write!(
                f,
                "{path}:{line}: an inventory has devices alone; keep {kind} rows in another place and give them to \
                 `mozpool lab import`"
            ),
            Self::Unreachable { url, why } => write!(f, "the inventory at {url} does not answer: {why}"),
            Self::Status { url, status } => {
                write!(f, "the inventory answers HTTP status {status} at {url}; ")?;
                f.write_str(match status {
                    300..=399 => "set inventory.url to where it really is",
                    401 | 403 => "look at inventory.user, password_file and token_file",
                    404 => "look at inventory.url and inventory.source",
                    _ => "look at its log",
                })
            }
            Self::NotJson { url, why } => write!(f, "what the inventory answers at {url} is not JSON: {why}"),
            Self::Shape { place, pointer, wanted, found } => {
                let pointer = if pointer.is_empty() { "the whole" } else { pointer };
                write!(f, "{place}: {pointer} is {found}; it should be {wanted}")
            }
            Self::Truncated { url, got, said } => {
                write!(
                    f,
                    "{url}: there should be {said} and there are {got}; it has changed meanwhile, or breaks off"
                )
            }
            Self::Elsewhere { url, next } => write!(
                f,
                "{url} says that it goes on at {next}, another server, which must not see the credentials; set \
                 inventory.url to that address, or correct the inventory's idea of its own"
            ),
            Self::TooMuch { url, what } => write!(f, "{url}: {what}; look at inventory.filter"),
            Self::Row { place, error } => write!(f, "{place}: {error}"),
        }
    }
}

impl std::error::Error for SourceError {}

impl SourceError {
    /// The inventory is at fault for now, and another try may find it well.
    pub fn is_of_now(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Truncated { .. } => true,
            Self::Status { status, .. } => *status >= 500,
            _ => false,
        }
    }
}

//! The seam between the server and whoever has the files: a [`Source`] answers each request at once.
//! It refuses to know where bytes come from; a directory ([`Root`]) is the source at hand.
//! Refusals become the ERROR packets of RFC 1350 and never carry a path of the server.

use crate::content::Content;
use crate::options::Options;
use crate::packet::{ErrorCode, Mode};
use crate::root::{Root, RootError};
use crate::transfer::Outcome;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A read request, as a source sees it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The name as the client sent it.
    pub path: &'a str,
    /// The same relative to the root: see [`crate::name::normalize`].
    pub name: &'a str,
    /// Octet or netascii.
    pub mode: Mode,
    /// Who asks, with the port of this request.
    pub peer: SocketAddr,
    /// Which of our addresses was asked.
    pub local: IpAddr,
}

/// Why a request gets no file. Each becomes an ERROR at once: silence costs a boot loader a minute and a half.
#[derive(Debug)]
pub enum Refusal {
    /// There is no such file. Boot loaders go on to the next name within milliseconds.
    NotFound,
    /// There is something, but not for clients.
    AccessViolation,
    /// Too much is going on; the client may ask again.
    Busy,
    /// The file could not be opened, for a reason that is for the log and not for the client.
    Failed(io::Error),
}

impl Refusal {
    /// What the client is told.
    pub fn answer(&self) -> (ErrorCode, &'static str) {
        match self {
            Self::NotFound => (ErrorCode::FileNotFound, "file not found"),
            Self::AccessViolation => (ErrorCode::AccessViolation, "access denied"),
            Self::Busy => (ErrorCode::NotDefined, "server is busy, try again later"),
            Self::Failed(_) => (ErrorCode::NotDefined, "server could not read the file"),
        }
    }
}

/// What is left of a transfer when it is over.
#[derive(Debug, Clone)]
pub struct TransferRecord {
    /// The normalized name of the file.
    pub name: String,
    /// Whom it went to.
    pub peer: SocketAddr,
    /// Which of our addresses it came from.
    pub local: IpAddr,
    /// Bytes of file sent, each counted once.
    pub bytes: u64,
    /// Bytes that the file has, where that is known before its end (not in netascii).
    pub size: Option<u64>,
    /// The smoothed round-trip time to the client; zero when none was measured.
    pub round_trip: Duration,
    /// From the request to the end.
    pub duration: Duration,
    /// Packets that were sent again.
    pub retransmissions: u64,
    /// What was granted; empty for a transfer without options.
    pub options: Options,
    /// How it ended.
    pub outcome: Outcome,
}

/// Whoever has the files. All calls come from the server's only thread, so they must not wait for anything.
pub trait Source: Send {
    /// What this request gets.
    ///
    /// # Errors
    /// A [`Refusal`] is the client's answer, not a fault of the server.
    fn open(&self, request: &Request<'_>) -> Result<Content, Refusal>;

    /// A transfer is over, well or badly.
    fn finished(&self, record: &TransferRecord) {
        let _ = record;
    }

    /// Whether a client is known to have this address, from somebody who can tell. Its requests are counted by themselves then, and a flood of
    /// requests in the names of others keeps it waiting for nothing. What an address has said itself proves nothing: it can be forged.
    fn trusts(&self, address: IpAddr) -> bool {
        let _ = address;
        false
    }

    /// The server has given everyone a turn and is about to wait: after each few dozen requests of a storm, and within
    /// milliseconds of the call before. What was put off may be done now.
    fn round_over(&self) {}
}

/// A directory serves the regular files beneath it.
impl Source for Root {
    fn open(&self, request: &Request<'_>) -> Result<Content, Refusal> {
        let (file, metadata) = self.open_file(request.name).map_err(Refusal::from)?;
        Ok(Content::File { file, len: metadata.len() })
    }
}

impl From<RootError> for Refusal {
    fn from(error: RootError) -> Self {
        match error {
            RootError::NotFound | RootError::NotAFile => Self::NotFound,
            RootError::BadName(_) | RootError::Escapes | RootError::Denied => Self::AccessViolation,
            RootError::Io(cause) => Self::Failed(cause),
        }
    }
}

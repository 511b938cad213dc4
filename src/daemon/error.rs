//! Why a daemon does not start or does not go on, as sentences for an operator.
//!
//! Nothing that comes from the network causes any of these.

use crate::boot::render::RenderError;
use crate::layers::supervise::Exit;
use crate::seal::BadSecret;
use crate::store::StoreError;
use std::fmt;

/// Why the daemon could not start, or ended.
#[derive(Debug)]
pub enum DaemonError {
    /// A port cannot be had; the text says who has it or what to do.
    Bind(String),
    /// A folder that is served cannot be opened.
    Folder { setting: &'static str, path: String, source: String },
    /// The user to become does not exist, or root is needed to become it.
    User { user: String, source: String },
    /// The store.
    Store(StoreError),
    /// The pool's secret cannot be used.
    Secret(BadSecret),
    /// The boot config that every board gets cannot be rendered.
    LocalBoot(RenderError),
    /// A thread ended unasked.
    Ended { thread: String, exit: Exit },
    /// The system refuses something that every system has.
    System { doing: &'static str, source: std::io::Error },
}

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind(text) => f.write_str(text),
            Self::Folder { setting, path, source } => {
                write!(f, "cannot open {path} ({setting}): {source}; create it or change the setting")
            }
            Self::User { user, source } => {
                write!(
                    f,
                    "cannot become user {user} (server.user): {source}; create it, and start the daemon as root"
                )
            }
            Self::Store(error) => error.fmt(f),
            Self::Secret(error) => error.fmt(f),
            Self::LocalBoot(error) => write!(f, "{error}; put it right with `mozpool db import`"),
            Self::Ended { thread, exit } => write!(f, "thread {thread} ended: {exit}"),
            Self::System { doing, source } => write!(f, "cannot {doing}: {source}"),
        }
    }
}

impl std::error::Error for DaemonError {}

impl From<StoreError> for DaemonError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

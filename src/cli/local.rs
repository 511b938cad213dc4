//! The store of this server, for what is done by hand on it while the daemon runs.
//!
//! It makes no store and upgrades none: that is the daemon's, which keeps a copy of what was before.

use super::exit::Exit;
use crate::access::BadWish;
use crate::config::Config;
use crate::store::{BadLocation, Location, Store, StoreError};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why it could not be done.
#[derive(Debug)]
pub enum LocalError {
    /// The configuration's store is none.
    Location(BadLocation),
    /// There is none yet.
    NoStore(PathBuf),
    /// It is of another version.
    Schema { found: u32, known: u32 },
    /// It refused.
    Store(StoreError),
    /// No such token can be.
    Wish(BadWish),
    /// There is one of this name.
    Taken(String),
    /// There is none of this name.
    NoSuchToken(String),
    /// The system gives no random numbers.
    Random(std::io::Error),
}

impl LocalError {
    /// What `main` exits with.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Wish(_) => Exit::Usage.into(),
            Self::NoSuchToken(_) => Exit::NoSuch.into(),
            Self::Location(_)
            | Self::NoStore(_)
            | Self::Schema { .. }
            | Self::Store(_)
            | Self::Taken(_)
            | Self::Random(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Location(error) => error.fmt(f),
            Self::NoStore(path) => write!(
                f,
                "{}: there is no store yet; start the daemon once, which makes it, or name the right configuration with --config",
                path.display()
            ),
            Self::Schema { found, known } => write!(
                f,
                "the store has schema version {found}, this program works with {known}; start the daemon of this program once, which \
                 brings the store up to date"
            ),
            Self::Store(error) => {
                write!(f, "{error}; call it as the user that the daemon runs as, or as root")
            }
            Self::Wish(error) => error.fmt(f),
            Self::Taken(name) => {
                write!(f, "there is a token {name} already; revoke it first, or choose another name")
            }
            Self::NoSuchToken(name) => {
                write!(
                    f,
                    "there is no token `{}`; `mozpool token list` has those that there are",
                    name.escape_debug()
                )
            }
            Self::Random(error) => write!(f, "the system gives no random numbers: {error}"),
        }
    }
}

/// Opens the store that the configuration names.
///
/// # Errors
/// [`LocalError`]; nothing was made.
pub(super) fn open(config: &Config) -> Result<Box<dyn Store>, LocalError> {
    let location: Location = config.store_url.parse().map_err(LocalError::Location)?;
    if let Some(path) = location.path()
        && matches!(path.try_exists(), Ok(false))
    {
        return Err(LocalError::NoStore(path.to_owned()));
    }
    match location.schema().map_err(LocalError::Store)? {
        (found, known) if found != known => Err(LocalError::Schema { found, known }),
        _ => location.open().map_err(LocalError::Store),
    }
}

/// Who does it, for the audit log: the user of this process, or who has become root for it.
pub(super) fn who() -> String {
    let uid = nix::unistd::getuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    let name = user.map_or_else(|| format!("uid {uid}"), |user| user.name);
    match std::env::var("SUDO_USER") {
        Ok(sudo) if uid.is_root() && sudo != name && !sudo.is_empty() => format!("{sudo} as {name}"),
        _ => name,
    }
}

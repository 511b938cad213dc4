//! The daemon. A place holder: it says that it cannot serve yet.

use crate::config::Config;
use std::fmt;

/// Why the daemon ended.
#[derive(Debug)]
pub struct DaemonError;

impl fmt::Display for DaemonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this build cannot serve")
    }
}

impl std::error::Error for DaemonError {}

/// Serves until it is told to stop.
///
/// # Errors
/// [`DaemonError`].
pub fn run(_config: Config) -> Result<(), DaemonError> {
    Err(DaemonError)
}

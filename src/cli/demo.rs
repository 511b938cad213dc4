//! `mozpool demo`. A place holder.

use std::fmt;

/// An emulated rack and the real daemon, to look at: no root, no set-up
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Why the demo failed.
#[derive(Debug)]
pub struct DemoError;

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this build has no demo")
    }
}

impl std::error::Error for DemoError {}

/// Runs the demo.
///
/// # Errors
/// [`DemoError`].
pub fn run(_args: &Args) -> Result<(), DemoError> {
    Err(DemoError)
}

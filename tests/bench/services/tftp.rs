//! The TFTP server against tftpd-hpa, atftpd, dnsmasq, the `tftpd` crate, and a bare loop.

use super::goals::Goal;
use super::plan::Plan;
use super::table::Results;
use std::io;
use std::path::Path;

/// What is wanted.
pub(crate) const GOALS: &[Goal] = &[];

/// Runs the cases that the plan wants. Folders and files of its own go into `scratch`.
///
/// # Errors
/// A server cannot be had, or does not start.
pub(crate) fn run(_plan: &Plan, _scratch: &Path, _results: &mut Results) -> io::Result<()> {
    Ok(())
}

/// Becomes the bare loop when the arguments say so.
pub(crate) fn floor_server(_arguments: &[String]) -> Option<io::Result<()>> {
    None
}

//! HTTP files against nginx.

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

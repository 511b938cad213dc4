//! `--verbose`: what the library logs, on standard error.
//!
//! A logger of a few lines, because one for daemons would be more than this program itself.

use log::{LevelFilter, Log, Metadata, Record};
use std::io::{self, Write};

struct Trace;

impl Log for Trace {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let _ = writeln!(io::stderr(), "relayctl: {}", record.args());
    }

    fn flush(&self) {}
}

/// Warnings always, everything with `verbose`.
pub(crate) fn init(verbose: bool) {
    let level = if verbose { LevelFilter::Debug } else { LevelFilter::Warn };
    // Fails only if there is a logger already, and nobody else sets one.
    if log::set_logger(&Trace).is_ok() {
        log::set_max_level(level);
    }
}

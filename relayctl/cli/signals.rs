//! SIGTERM, SIGINT and SIGHUP: waited for, or put off.
//!
//! A thread of `signal-hook` sees them; nothing runs in a signal handler.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io::{self, Write};
use std::thread;

/// From now on the signals that would end this process only say, on standard error, what it does first. What it does
/// must end by itself.
pub(crate) fn defer(doing: &'static str) {
    let Ok(mut signals) = Signals::new([SIGTERM, SIGINT, SIGHUP]) else { return };
    // Ends with the process.
    let _ = thread::Builder::new().name("signals".into()).spawn(move || {
        for _ in signals.forever() {
            let _ = writeln!(io::stderr(), "relayctl: {doing}");
        }
    });
}

/// The signals that ask a server to stop, registered.
pub(crate) fn to_stop() -> io::Result<Signals> {
    Signals::new([SIGTERM, SIGINT])
}

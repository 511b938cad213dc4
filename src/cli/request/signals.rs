//! Signals that want us to end, as messages: what is held is given back first.

use crate::cli::remote::RemoteError;
use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// More of them at once than anybody sends; what is more says nothing new.
const QUEUE: usize = 8;

/// Who listens.
#[derive(Debug)]
pub(super) struct Signals(pub(super) Receiver<i32>);

/// Listens from now on. What the caller has ignored (nohup(1) does it with SIGHUP) stays so.
pub(super) fn listen() -> Result<Signals, RemoteError> {
    let failed = |source| RemoteError::System { doing: "listen for signals", source };
    // Where our caller has ignored it, nobody learns how a child ended (wait(2)); what handles it ends that.
    if is_ignored(SIGCHLD) {
        signal_hook::flag::register(SIGCHLD, Arc::new(AtomicBool::new(false))).map_err(failed)?;
    }
    let wanted = [SIGINT, SIGQUIT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted).map_err(failed)?;
    let (tx, rx) = bounded(QUEUE);
    let forward = move || {
        for signal in signals.forever() {
            let _ = tx.try_send(signal);
        }
    };
    std::thread::Builder::new().name("signals".into()).spawn(forward).map_err(failed)?;
    Ok(Signals(rx))
}

impl Signals {
    /// As shells say it.
    pub(super) fn exit_code(&self, signal: i32) -> u8 {
        128_u8.saturating_add(u8::try_from(signal).unwrap_or_default())
    }

    /// Forgets those that have come.
    pub(super) fn forget(&self) {
        while self.0.try_recv().is_ok() {}
    }
}

/// As Linux says in proc(5); elsewhere it is taken for no.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

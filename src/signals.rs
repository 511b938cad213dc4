//! SIGTERM and SIGINT as a message, so that threads can wait for them together with everything else.

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Receives one message per signal to stop. A second one while the first is being obeyed ends the process at once, for an
/// operator who does not want to wait.
///
/// # Errors
/// When the system refuses the handlers.
pub fn stop_signals() -> std::io::Result<Receiver<()>> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let (tx, rx) = bounded(1);
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked {
                log::warn!("signal {signal} again: stopping at once");
                std::process::exit(130);
            }
            asked = true;
            let _ = tx.try_send(());
        }
    })?;
    Ok(rx)
}

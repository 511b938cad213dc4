//! SIGTERM, SIGINT and SIGHUP as messages, so that threads can wait for them together with everything else.

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// What operators may ask of a daemon: a message per wish.
#[derive(Debug)]
pub struct Asked {
    /// To stop.
    pub stop: Receiver<()>,
    /// To read the configuration again. Wishes that come while one is being obeyed are one.
    pub reload: Receiver<()>,
}

/// Handlers that remember signals until somebody listens.
#[derive(Debug)]
pub struct Handlers(Signals);

impl Handlers {
    /// For a daemon. No thread is started yet, so that what the process gives up is given up by all of its threads.
    ///
    /// # Errors
    /// When the system refuses the handlers.
    pub fn of_daemon() -> std::io::Result<Self> {
        Ok(Self(Signals::new([SIGTERM, SIGINT, SIGHUP])?))
    }

    /// Starts the thread that listens. A second signal to stop while the first is being obeyed ends the process at once, for an
    /// operator who does not want to wait.
    ///
    /// # Errors
    /// When the system refuses the thread.
    pub fn listen(mut self) -> std::io::Result<Asked> {
        let (stop_tx, stop) = bounded(1);
        let (reload_tx, reload) = bounded(1);
        std::thread::Builder::new().name("signals".into()).spawn(move || {
            let mut asked = false;
            for signal in self.0.forever() {
                if signal == SIGHUP {
                    // Full: it is to be read anyway.
                    let _ = reload_tx.try_send(());
                    continue;
                }
                if asked {
                    log::warn!("signal {signal} again: stopping at once");
                    std::process::exit(130);
                }
                asked = true;
                let _ = stop_tx.try_send(());
            }
        })?;
        Ok(Asked { stop, reload })
    }
}

/// Receives one message when a signal to stop comes; as in [`Handlers::listen`] the second one ends the process. SIGHUP does what it
/// does to any program.
///
/// # Errors
/// When the system refuses the handlers.
pub fn stop_signals() -> std::io::Result<Receiver<()>> {
    Ok(Handlers(Signals::new([SIGTERM, SIGINT])?).listen()?.stop)
}

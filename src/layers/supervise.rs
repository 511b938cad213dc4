//! Threads are named, owned and missed: whoever ends says why, and the process does not go on without it.
//!
//! A thread that ends unasked, panics or loses a neighbour makes the daemon stop with exit code 1; systemd starts it again,
//! and every machine goes on from its stored row. That is better than a daemon that looks alive and does half of its work.

use crossbeam_channel::Sender;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

/// Why a thread ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was asked to.
    Stopped,
    /// The neighbour of this name no longer listens or speaks.
    Lost(&'static str),
    /// It cannot go on; a sentence for an operator.
    Failed(String),
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Lost(neighbour) => write!(f, "lost its neighbour {neighbour}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Runs `f` in a thread of that name and tells `ended` how it ended, a panic included.
pub fn spawn(
    name: &str,
    ended: Sender<(String, Exit)>,
    f: impl FnOnce() -> Exit + Send + 'static,
) -> JoinHandle<()> {
    let (thread_name, panicked) = (name.to_owned(), name.to_owned());
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let exit = catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(|s| (*s).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned())
                    .unwrap_or_else(|| "no message".to_owned());
                Exit::Failed(format!("thread {panicked} panicked: {text}"))
            });
            // Nobody listens any more only when the process is on its way out.
            let _ = ended.send((thread_name, exit));
        })
        .expect("the system refuses a thread only when it is out of memory or processes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;

    #[test]
    fn a_panic_is_reported_with_the_threads_name() {
        let (ended, reports) = bounded(1);
        spawn("doomed", ended, || panic!("out of relays")).join().unwrap();
        assert_eq!(
            reports.recv(),
            Ok(("doomed".to_owned(), Exit::Failed("thread doomed panicked: out of relays".to_owned())))
        );
    }
}

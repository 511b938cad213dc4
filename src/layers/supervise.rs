//! How threads begin and how it is noticed that they have ended.
//!
//! Every thread tells why it ends; one that panics is told of by the guard it leaves behind. What follows is the daemon's to decide.

use crossbeam_channel::Sender;
use std::thread::{Builder, JoinHandle};

/// Why a thread has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was told to.
    Stopped,
    /// The thread that it speaks to is gone.
    Lost(&'static str),
    /// It cannot go on; a sentence for an operator.
    Failed(String),
}

/// Starts a thread that reports its end, a panic too, on `ended`.
///
/// # Panics
/// When the system has no room for another thread; this happens at start-up only.
pub fn spawn(
    name: &str,
    ended: Sender<(String, Exit)>,
    f: impl FnOnce() -> Exit + Send + 'static,
) -> JoinHandle<()> {
    let thread_name = name.to_owned();
    Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let exit = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f))
                .unwrap_or_else(|_| Exit::Failed("it panicked; the log says where".into()));
            // Nobody listens any more only when the process is about to end.
            let _ = ended.send((thread_name, exit));
        })
        .expect("a thread can be started while the program starts")
}

//! How threads begin and end: each has a name, and each says why it ended.
//!
//! A panic is an end like any other: it is caught, told, and whoever supervises decides. Nothing dies in silence.

use crossbeam_channel::Sender;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

/// Why a thread ended. Anything but `Stopped` makes the supervisor end the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was told to.
    Stopped,
    /// This neighbour is gone.
    Lost(&'static str),
    /// It cannot go on; a sentence for an operator.
    Failed(String),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Lost(neighbour) => write!(f, "lost its neighbour {neighbour}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Starts the thread `name`, which says on `ended` why it ended, also when it panics.
///
/// # Panics
/// When the system gives no more threads: nothing of the daemon works then, and a restart is the remedy.
pub fn spawn(
    name: &str,
    ended: Sender<(String, Exit)>,
    f: impl FnOnce() -> Exit + Send + 'static,
) -> JoinHandle<()> {
    let told = name.to_owned();
    let run = move || {
        let exit = catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| {
            Exit::Failed(format!("thread {told} panicked: {}", message(panic.as_ref())))
        });
        // Whoever listened may be gone already; then nobody needs to know.
        let _ = ended.send((told, exit));
    };
    Builder::new().name(name.to_owned()).spawn(run).expect("the system has a thread left for us")
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::unbounded;

    #[test]
    fn a_panic_is_told_with_its_thread_and_message() {
        let (ended, told) = unbounded();
        spawn("worker-7", ended, || panic!("no {}", "luck")).join().unwrap();
        let why = "thread worker-7 panicked: no luck".to_owned();
        assert_eq!(told.recv(), Ok(("worker-7".to_owned(), Exit::Failed(why))));
    }

    #[test]
    fn an_end_is_told_with_its_reason() {
        let (ended, told) = unbounded();
        spawn("a", ended, || Exit::Lost("journal")).join().unwrap();
        assert_eq!(told.recv(), Ok(("a".to_owned(), Exit::Lost("journal"))));
    }
}

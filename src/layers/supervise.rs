//! How a thread ends, and how its end is noticed: whatever it was, it is sent to whoever supervises.
//!
//! It decides nothing; the supervisor ends the process for every end but the one it asked for.

use crossbeam_channel::Sender;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};

/// Why a thread ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It was told to.
    Stopped,
    /// A neighbour that it cannot do without is gone.
    Lost(&'static str),
    /// Something that it cannot go on after.
    Failed(String),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("stopped"),
            Self::Lost(neighbour) => write!(f, "lost {neighbour}"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// Starts a thread whose end, panics included, is sent to `ended`, which must have room for every thread.
pub fn spawn(
    name: &str,
    ended: Sender<(String, Exit)>,
    f: impl FnOnce() -> Exit + Send + 'static,
) -> JoinHandle<()> {
    let named = name.to_owned();
    let body = move || {
        // The thread's state is gone with it; nobody can see it half-changed.
        let exit = catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Exit::Failed(said(&*panic)));
        // No supervisor any more: the process is ending anyway.
        let _ = ended.send((named, exit));
    };
    Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("the system has room for a few threads at start-up")
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "without a word".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::bounded;

    #[test]
    fn every_end_is_told() {
        let (ended, ends) = bounded(3);
        for (name, handle) in [
            ("stops", spawn("stops", ended.clone(), || Exit::Stopped)),
            ("loses", spawn("loses", ended.clone(), || Exit::Lost("journal"))),
            ("panics", spawn("panics", ended.clone(), || panic!("at {}", 7))),
        ] {
            handle.join().expect(name);
        }
        let mut all: Vec<String> = ends.try_iter().map(|(name, exit)| format!("{name}: {exit}")).collect();
        all.sort();
        assert_eq!(all, ["loses: lost journal", "panics: failed: panicked: at 7", "stops: stopped"]);
    }
}

//! Is the store whole, after a stop that left no time to close it? Before anybody works with it, and where that would keep boards
//! waiting, beside the work.
//!
//! SQLite itself survives a kill and a power cut; disks, memory and people do not always. Damage that is found before the work begins
//! ends the daemon, for nobody depends on it yet. What is found later is told, and a person says when the store is replaced:
//! whatever meets the damage fails, and all else goes on.

use crate::store::{Location, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// So long boards and people wait. From a disk that reads 100 MiB a second it is enough for a store of a gibibyte; what the system
/// has in memory, as after a kill, is looked at ten times as fast.
const BEFORE: Duration = Duration::from_secs(10);
/// So long it goes on beside the work. The store's log cannot be emptied meanwhile.
const BESIDE: Duration = Duration::from_secs(600);

/// The look at the store, if it was to be looked at.
#[derive(Debug)]
pub(super) struct Soundness {
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct State {
    checking: AtomicBool,
    damaged: AtomicBool,
    stop: AtomicBool,
}

impl Soundness {
    /// Looks at a store that was not closed, before it is opened for work.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is damaged.
    pub(super) fn look(location: &Location) -> Result<Self, StoreError> {
        Self::look_for(location, BEFORE)
    }

    fn look_for(location: &Location, before: Duration) -> Result<Self, StoreError> {
        let state = Arc::new(State::default());
        if !location.is_suspect() {
            return Ok(Self { state, thread: None });
        }
        let begun = Instant::now();
        if location.is_sound(move || begun.elapsed() >= before)? {
            let took = begun.elapsed().as_secs_f64();
            log::info!("the store was not closed when the daemon ended last; it is whole ({took:.1} s)");
            return Ok(Self { state, thread: None });
        }
        log::warn!(
            "the store was not closed when the daemon ended last; whether it is whole is looked at while it is used"
        );
        state.checking.store(true, Ordering::SeqCst);
        let (of_thread, location) = (Arc::clone(&state), location.clone());
        let thread =
            std::thread::Builder::new().name("integrity".into()).spawn(move || of_thread.go_on(&location));
        let thread =
            thread.inspect_err(|e| log::warn!("the store is not looked at, there is no thread for it: {e}"));
        Ok(Self { state, thread: thread.ok() })
    }

    /// For `GET health` and monitors, as 0 and 1.
    pub(super) fn rows(&self) -> impl Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static {
        let state = Arc::clone(&self.state);
        move || {
            let is = |flag: &AtomicBool| u64::from(flag.load(Ordering::SeqCst));
            vec![("checking", is(&state.checking)), ("damaged", is(&state.damaged))]
        }
    }

    /// Ends the look, wherever it is.
    pub(super) fn stop(self) {
        self.state.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread {
            // Nobody waits for what it would have found.
            let _ = thread.join();
        }
    }
}

impl State {
    fn go_on(self: Arc<Self>, location: &Location) {
        let begun = Instant::now();
        let asked = Arc::clone(&self);
        let found = location.is_sound(move || asked.stop.load(Ordering::SeqCst) || begun.elapsed() >= BESIDE);
        match found {
            Ok(true) => log::info!("the store is whole ({:.0} s)", begun.elapsed().as_secs_f64()),
            Ok(false) if self.stop.load(Ordering::SeqCst) => {}
            Ok(false) => log::warn!(
                "after {} s not all of the store was looked at; `mozpool db verify` does it without haste",
                BESIDE.as_secs()
            ),
            Err(error @ StoreError::Corrupt { .. }) => {
                self.damaged.store(true, Ordering::SeqCst);
                log::error!("{error}. What does not meet the damage goes on; choose the time");
            }
            Err(error) => log::warn!("whether the store is whole is not known: {error}"),
        }
        self.checking.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;
    use std::path::Path;

    /// A store that its last user has not closed, and somebody who keeps it so.
    fn left_open(path: &Path) -> (Location, Box<dyn crate::store::Store>) {
        let location = Location::sqlite(path);
        let mut store = location.open().expect("a new store");
        let server = crate::store::ServerRow { name: "s1".into(), url: String::new() };
        store.register_server(&server, crate::logic::time::Timestamp(0)).expect("it writes");
        (location, store)
    }

    fn counted(soundness: &Soundness) -> Vec<u64> {
        soundness.rows()().into_iter().map(|(_, n)| n).collect()
    }

    #[test]
    fn what_takes_too_long_is_looked_at_beside_the_work() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (location, _store) = left_open(&dir.path().join("s.db"));
        let mut soundness = Soundness::look_for(&location, Duration::ZERO).expect("it waits for nothing");
        let thread = soundness.thread.take().expect("it goes on");
        thread.join().expect("it ends by itself");
        assert_eq!(counted(&soundness), [0, 0], "it is whole");
        let soundness = Soundness::look(&location).expect("it is whole");
        assert!(soundness.thread.is_none(), "there was time enough");
    }

    #[test]
    fn damage_that_is_found_late_is_told_and_ends_nothing() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("s.db");
        let (location, _store) = left_open(&path);
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a file");
        // All pages but the first, which says what there is. Newer ones of some of them are in the log.
        let rest = file.metadata().expect("a file").len().saturating_sub(4096);
        if rest == 0 {
            // Nothing has gone from the log into the file yet.
            rusqlite::Connection::open(&path)
                .and_then(|c| c.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
                .expect("nobody writes");
        }
        let rest = file.metadata().expect("a file").len() - 4096;
        file.write_all_at(&vec![0xa5; usize::try_from(rest).expect("small")], 4096).expect("it is there");
        let state = Arc::new(State::default());
        Arc::clone(&state).go_on(&location);
        assert_eq!(counted(&Soundness { state, thread: None }), [0, 1]);
    }
}

//! The *changes* thread: reads what has changed from the store, in order, and keeps the last of it ready for those who watch.
//!
//! It is woken by the store's bell and reads by number, so nothing is told twice or left out, whatever happened to the process
//! that wrote it. While the store does not answer, watchers wait; they are told everything when it is back.

use super::supervise::Exit;
use crate::api::events::{Entry, RECENT_MAX, Recent};
use crate::store::{Bell, Result, Store};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Rows read at once: a millisecond or two.
const PAGE: usize = 1000;
/// Between two readings: changes that come in a flood are told in bunches, so that a hundred watchers do not wake for each.
const REST: Duration = Duration::from_millis(5);
/// When the store has failed, it is asked again after this.
const STORE_REST: Duration = Duration::from_secs(1);
/// Other servers may write to the same store, and their bells are not heard here.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// The thread's state.
pub struct Feed {
    store: Box<dyn Store>,
    bell: Arc<Bell>,
    recent: Arc<Recent>,
    stopping: Arc<AtomicBool>,
    /// Everything up to this number has been told.
    told: u64,
}

/// Tells the thread to end.
#[derive(Debug)]
pub struct Stopper {
    bell: Arc<Bell>,
    stopping: Arc<AtomicBool>,
}

impl Stopper {
    /// It ends at once.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.bell.nudge();
    }
}

impl Feed {
    /// Reads the last changes into `recent`; `store` was opened at the place whose `bell` this is.
    ///
    /// # Errors
    /// The store's.
    pub fn load(mut store: Box<dyn Store>, bell: Arc<Bell>, recent: Arc<Recent>) -> Result<Self> {
        let told = begin(store.as_mut(), &recent)?;
        Ok(Self { store, bell, recent, stopping: Arc::default(), told })
    }

    /// What ends it.
    pub fn stopper(&self) -> Stopper {
        Stopper { bell: Arc::clone(&self.bell), stopping: Arc::clone(&self.stopping) }
    }

    /// The thread's body.
    pub fn run(mut self) -> Exit {
        let mut failing = false;
        loop {
            let told = self.told;
            self.sleep(if failing { STORE_REST } else { LOOK_ANYWAY }, |last| last > told && !failing);
            if self.stopping.load(Ordering::SeqCst) {
                self.recent.close();
                return Exit::Stopped;
            }
            match self.read() {
                Ok(()) if failing => {
                    log::info!("the store answers again; watchers are told what they have missed");
                }

                Ok(()) => {}
                Err(error) if failing => log::debug!("{error}"),
                Err(error) => {
                    log::error!("{error}; those who watch for changes wait for the store");
                    failing = true;
                    continue;
                }
            }
            failing = false;
            self.sleep(REST, |_| false);
        }
    }

    /// Until `done` of the last number, the stop, or `limit`.
    fn sleep(&self, limit: Duration, done: impl Fn(u64) -> bool) {
        self.bell.wait_until(limit, |last| done(last) || self.stopping.load(Ordering::SeqCst));
    }

    /// Tells everything that is there.
    fn read(&mut self) -> Result<()> {
        loop {
            let page = self.store.changes(self.told, PAGE)?;
            if page.oldest > self.told + 1 || page.last < self.told {
                // More than is kept has come since we last looked, or the store was exchanged under us.
                log::warn!("changes from {} to {} were not read in time", self.told + 1, page.oldest - 1);
                self.told = begin(self.store.as_mut(), &self.recent)?;
                return Ok(());
            }
            let is_full = page.seen >= self.told + PAGE as u64;
            if page.seen > self.told {
                self.told = page.seen;
                self.recent.add(page.changes.into_iter().map(Entry::from).collect(), page.seen);
            }
            if !is_full || self.stopping.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }
}

/// Puts the last changes of the store into `recent`; returns the number of the last.
fn begin(store: &mut dyn Store, recent: &Recent) -> Result<u64> {
    let last = store.last_changes()?.all;
    let page = store.changes(last.saturating_sub(RECENT_MAX as u64), RECENT_MAX)?;
    // In a lab where nothing has happened for long, none is kept any more, and the numbers go on all the same.
    let told = page.seen.max(last);
    recent.begin(page.changes.into_iter().map(Entry::from).collect(), told);
    Ok(told)
}

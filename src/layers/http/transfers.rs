//! A bounded number of threads for what may take long: files, and bodies that arrive slowly.
//!
//! Counts and waits; it knows neither files nor HTTP.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Counts the transfer threads.
pub(super) struct Transfers {
    running: Mutex<usize>,
    changed: Condvar,
    max: usize,
}

impl Transfers {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { running: Mutex::new(0), changed: Condvar::new(), max })
    }

    pub(super) fn enter(self: &Arc<Self>) -> Option<Slot> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if *running >= self.max {
            return None;
        }
        *running += 1;
        Some(Slot(Arc::clone(self)))
    }

    /// As [`Self::enter`], but waits for a place, `patience` at most.
    pub(super) fn enter_within(self: &Arc<Self>, patience: Duration) -> Option<Slot> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut running, _) = self
            .changed
            .wait_timeout_while(running, patience, |n| *n >= self.max)
            .unwrap_or_else(PoisonError::into_inner);
        if *running >= self.max {
            return None;
        }
        *running += 1;
        Some(Slot(Arc::clone(self)))
    }

    /// Waits until none runs, `grace` at most; returns how many still do.
    pub(super) fn wait_until_idle(&self, grace: Duration) -> usize {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (running, _) = self
            .changed
            .wait_timeout_while(running, grace, |n| *n > 0)
            .unwrap_or_else(PoisonError::into_inner);
        *running
    }
}

/// One transfer's place.
pub(super) struct Slot(Arc<Transfers>);

impl Drop for Slot {
    fn drop(&mut self) {
        *self.0.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}

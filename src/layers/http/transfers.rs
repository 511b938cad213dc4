//! A bounded number of threads for what may take long: files, and bodies that arrive slowly. No client has all of them.
//!
//! Counts and waits; it knows neither files nor HTTP.

use super::client::{Client, may_take};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts the transfer threads.
pub(super) struct Transfers {
    running: Mutex<Running>,
    changed: Condvar,
    max: usize,
    /// One client has so many at most.
    each_max: usize,
}

#[derive(Default)]
struct Running {
    all: usize,
    of: HashMap<Client, usize>,
}

impl Transfers {
    pub(super) fn new(max: usize) -> Arc<Self> {
        Self::with(max, max)
    }

    /// With so few that three quarters would be all of them: the last one is for somebody else.
    pub(super) fn never_all_of_one(max: usize) -> Arc<Self> {
        Self::with(max, max.saturating_sub(1).max(1))
    }

    fn with(max: usize, each_max: usize) -> Arc<Self> {
        Arc::new(Self { running: Mutex::default(), changed: Condvar::new(), max, each_max })
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_place(&self, running: &Running, client: Client) -> bool {
        let own = running.of.get(&client).copied().unwrap_or_default();
        own < self.each_max && may_take(own, self.max.saturating_sub(running.all))
    }

    fn take(self: &Arc<Self>, mut running: MutexGuard<'_, Running>, client: Client) -> Option<Slot> {
        if !self.has_place(&running, client) {
            return None;
        }
        running.all += 1;
        *running.of.entry(client).or_default() += 1;
        Some(Slot { of: Arc::clone(self), client })
    }

    pub(super) fn enter(self: &Arc<Self>, client: Client) -> Option<Slot> {
        self.take(self.lock(), client)
    }

    /// As [`Self::enter`], but waits for a place, `patience` at most.
    pub(super) fn enter_within(self: &Arc<Self>, client: Client, patience: Duration) -> Option<Slot> {
        let full = |running: &mut Running| !self.has_place(running, client);
        let (running, _) = self
            .changed
            .wait_timeout_while(self.lock(), patience, full)
            .unwrap_or_else(PoisonError::into_inner);
        self.take(running, client)
    }

    /// Whether none runs.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().all == 0
    }

    /// Waits until none runs, `grace` at most; returns how many still do.
    pub(super) fn wait_until_idle(&self, grace: Duration) -> usize {
        let (running, _) = self
            .changed
            .wait_timeout_while(self.lock(), grace, |running| running.all > 0)
            .unwrap_or_else(PoisonError::into_inner);
        running.all
    }
}

/// One transfer's place.
pub(super) struct Slot {
    of: Arc<Transfers>,
    client: Client,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut running = self.of.lock();
        running.all -= 1;
        let own = running.of.get_mut(&self.client).expect("it was counted when it was given");
        *own -= 1;
        if *own == 0 {
            running.of.remove(&self.client);
        }
        drop(running);
        self.of.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_places_one_is_left_for_somebody_else() {
        let [one, other] = [1, 2].map(|n| Client::of([10, 0, 0, n].into()));
        let places = Transfers::never_all_of_one(2);
        let held = places.enter(one).expect("both are free");
        assert!(places.enter(one).is_none(), "the last one is not for it");
        assert!(places.enter(other).is_some() && !places.is_idle());
        drop(held);
        assert!(places.is_idle() && Transfers::never_all_of_one(1).enter(one).is_some());
    }
}

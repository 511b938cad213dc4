//! Somebody who listens for long: whether they still may.

use super::{Access, Key};
use crate::logic::time::Timestamp;
use crate::store::{self, Store};
use std::time::Instant;

/// By what a listener is known, and when it was looked at last.
#[derive(Debug, Clone)]
pub struct Stays {
    key: Option<Key>,
    looked: Instant,
}

impl Stays {
    /// Looked at just now; `None` for a server that asks nobody.
    pub(super) fn new(key: Option<Key>) -> Self {
        Self { key, looked: Instant::now() }
    }

    /// Whether it may go on: its token or session is looked at now and then, by one of all streams that have the same. A store that
    /// does not answer ends no stream; there is nothing new in it then, either.
    pub fn may_go_on(
        &mut self,
        access: &Access,
        now: Timestamp,
        open: impl FnOnce() -> store::Result<Box<dyn Store>>,
    ) -> bool {
        if self.key.is_none() || self.looked.elapsed() < access.rules.recheck {
            return true;
        }
        self.looked = Instant::now();
        self.is_good(access, now, open)
    }

    /// Whether its token or session is good, as far as was known half of that while ago.
    pub fn is_good(
        &self,
        access: &Access,
        now: Timestamp,
        open: impl FnOnce() -> store::Result<Box<dyn Store>>,
    ) -> bool {
        let Some(key) = &self.key else { return true };
        let fresh = access.rules.recheck / 2;
        if access.known.is_good(key, now, fresh) {
            return true;
        }
        match open().and_then(|mut store| access.known.find(key, store.as_mut(), now, fresh)) {
            Ok(found) => found.is_some(),
            Err(error) => {
                log::warn!("whether somebody may go on listening cannot be told now: {error}");
                true
            }
        }
    }
}

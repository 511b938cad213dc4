//! Whom this process has looked up lately.
//!
//! Every call names its caller, and a busy lab has thousands a second by a handful of tokens: each is asked for in the store once in
//! a while, and not with each call. The while is short enough that a token which any server has revoked is good for two seconds
//! more at most. What is not known is asked for each time, so that a new token works at once.

use crate::access::Digest;
use crate::logic::time::Timestamp;
use crate::store::{self, Store, TokenRow};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For so long what the store has said is believed: with a slow call below two seconds.
pub(super) const FRESH: Duration = Duration::from_millis(1500);
/// Callers that are remembered: more than a lab has, and a few hundred kilobytes.
const KNOWN_MAX: usize = 1024;

/// What a caller is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A token's secret.
    Token(Digest),
    /// A session's.
    Session(Digest),
    /// The name of somebody whom a reverse proxy names.
    User(String),
    /// The name of a token's holder, whom another server of the pool names.
    Holder(String),
}

type Found = (TokenRow, Option<Timestamp>);

/// Those who were looked up.
#[derive(Debug, Default)]
pub(super) struct Known {
    callers: Mutex<HashMap<Key, (Found, Instant)>>,
    /// On which day a token was said to be used, by its name and when it was made: the name may be given again.
    used: Mutex<HashMap<(String, Timestamp), Timestamp>>,
}

impl Known {
    /// The token, and when the session ends, if it is one; nothing for those that are not there or good no more. What was asked
    /// within `fresh` is not asked again.
    ///
    /// # Errors
    /// The store's.
    pub(super) fn find(
        &self,
        key: &Key,
        store: &mut dyn Store,
        now: Timestamp,
        fresh: Duration,
    ) -> store::Result<Option<Found>> {
        if let Some(found) = self.remembered(key, fresh) {
            return Ok(good(found, now));
        }
        // Before the store is asked: what is revoked meanwhile counts as old sooner.
        let asked = Instant::now();
        let found = match key {
            Key::Token(digest) => store.token_of_hash(digest)?.map(|row| (row, None)),
            Key::Session(digest) => store.session(digest)?.map(|(row, ends)| (row, Some(ends))),
            Key::User(name) => store.token_of_name(name)?.filter(|row| row.proxy).map(|row| (row, None)),
            Key::Holder(name) => store.token_of_name(name)?.map(|row| (row, None)),
        };
        let mut callers = lock(&self.callers);
        match &found {
            Some(found) => {
                if callers.len() >= KNOWN_MAX {
                    callers.retain(|_, (_, at)| at.elapsed() < FRESH);
                }
                if callers.len() < KNOWN_MAX {
                    callers.insert(key.clone(), (found.clone(), asked));
                }
            }
            None => {
                callers.remove(key);
            }
        }
        drop(callers);
        Ok(found.and_then(|found| good(found, now)))
    }

    /// What was asked within `fresh`.
    fn remembered(&self, key: &Key, fresh: Duration) -> Option<Found> {
        let callers = lock(&self.callers);
        callers.get(key).filter(|(_, at)| at.elapsed() < fresh).map(|(found, _)| found.clone())
    }

    /// Whether somebody was asked for within `fresh`, and was there.
    pub(super) fn is_good(&self, key: &Key, now: Timestamp, fresh: Duration) -> bool {
        self.remembered(key, fresh).is_some_and(|found| good(found, now).is_some())
    }

    /// Asks the store for everybody anew.
    pub(super) fn forget(&self) {
        lock(&self.callers).clear();
    }

    /// Asks it for this one anew.
    pub(super) fn forget_one(&self, key: &Key) {
        lock(&self.callers).remove(key);
    }

    /// Nobody has said yet that the token was used today.
    pub(super) fn is_first_use(&self, token: &TokenRow, today: Timestamp) -> bool {
        let key = (token.name.clone(), token.made);
        let mut used = lock(&self.used);
        if used.get(&key).is_some_and(|day| *day >= today) {
            return false;
        }
        if used.len() >= KNOWN_MAX {
            used.clear();
        }
        used.insert(key, today);
        true
    }
}

fn good((row, ends): Found, now: Timestamp) -> Option<Found> {
    (row.is_good(now) && ends.is_none_or(|end| now < end)).then_some((row, ends))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Role, Wish};

    #[test]
    fn a_token_that_is_made_anew_under_its_name_is_used_for_the_first_time() {
        let known = Known::default();
        let wish =
            Wish { name: "ci".into(), role: Role::Viewer, environments: vec![], days: None, proxy: false };
        let token = |made| TokenRow::new(wish.clone(), Timestamp(made));
        let (today, tomorrow) = (Timestamp(0), Timestamp(86_400_000));
        assert!(known.is_first_use(&token(1), today));
        assert!(!known.is_first_use(&token(1), today));
        assert!(known.is_first_use(&token(2), today));
        assert!(known.is_first_use(&token(1), tomorrow));
    }
}

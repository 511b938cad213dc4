//! A store that fails when it is told to: what is written stays, what is asked for is refused.
//!
//! A test can break one of the verbs, by name, and leave the others alone.

use crate::store::through::Between;
use crate::store::*;
use std::sync::{Arc, Mutex};

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing answers.
    All,
    /// This verb does not.
    Verb(&'static str),
    /// This verb does not the next time, and then all is well.
    Once(&'static str),
    /// What this verb reads makes no sense.
    Corrupt(&'static str),
    /// What is to be written of this device refers to something that is gone.
    Device(&'static str),
}

pub(super) type Switch = Arc<Mutex<Option<Trouble>>>;
/// Done once, before the next commit of requests: what another server does at that moment.
pub(super) type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

pub(super) struct Faulty {
    pub(super) inner: Box<dyn Store>,
    pub(super) switch: Switch,
    pub(super) meanwhile: Meanwhile,
}

impl Faulty {
    fn check(&self, verb: &'static str) -> Result<()> {
        let mut switch = self.switch.lock().unwrap();
        match *switch {
            Some(Trouble::Once(v)) if v == verb => {
                *switch = None;
                Err(StoreError::Unavailable { doing: verb, source: "told to, once".into() })
            }
            Some(Trouble::All) => Err(StoreError::Unavailable { doing: verb, source: "told to".into() }),
            Some(Trouble::Verb(v)) if v == verb => {
                Err(StoreError::Unavailable { doing: verb, source: "told to".into() })
            }
            Some(Trouble::Corrupt(v)) if v == verb => Err(StoreError::Corrupt { what: "told to".into() }),
            _ => Ok(()),
        }
    }
}

impl Between for Faulty {
    fn store(&mut self) -> &mut dyn Store {
        &mut *self.inner
    }

    fn before(&mut self, verb: &'static str) -> Result<()> {
        self.check(verb)
    }

    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        self.check("commit_requests")?;
        if let Some(meanwhile) = self.meanwhile.lock().unwrap().take() {
            meanwhile();
        }
        self.inner.commit_requests(commits)
    }

    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        self.check("commit_devices")?;
        match *self.switch.lock().unwrap() {
            Some(Trouble::Device(name)) if commits.iter().any(|c| &*c.next.name == name) => {
                Err(StoreError::Refused { why: "told to".into() })
            }
            _ => self.inner.commit_devices(commits),
        }
    }
}

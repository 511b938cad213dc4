//! What an emulated board went through, for those who watch: the truth to hold against what the daemon says.
//!
//! Written by the board's thread, read by the demo. Counts only: it does not grow with time.

use super::mishap::{HiccupKind, Mishap};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What happened to one board so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Story {
    /// How often power came.
    pub power_ons: u32,
    /// Mishaps that came to pass, and how often.
    pub mishaps: BTreeMap<Mishap, u32>,
    /// The last of them.
    pub last: Option<Mishap>,
    /// A hiccup that this board's power-on brought upon its relay board; how often any did.
    pub hiccups: u32,
    /// The last of those.
    pub last_hiccup: Option<HiccupKind>,
    /// How often an image was written to the end.
    pub installed: u32,
    /// What the board itself could not make sense of, last.
    pub trouble: Option<String>,
}

impl Story {
    /// All mishaps that came to pass.
    pub fn mishap_count(&self) -> u32 {
        self.mishaps.values().sum()
    }
}

/// A board's story, shared.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<Story>>);

impl Notes {
    /// As it stands now.
    pub fn read(&self) -> Story {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn write(&self, f: impl FnOnce(&mut Story)) {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

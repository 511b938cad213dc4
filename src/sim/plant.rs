//! Where tests plant bugs: the rules that the layers decide by and the store that they write to may be replaced.
//!
//! In the program nothing is planted.

use crate::layers::{lifeguard, mozpool};
use crate::store::Store;

/// What is planted; nothing by default.
#[derive(Clone, Copy, Default)]
pub(super) struct Plant {
    pub(super) device: Option<fn() -> lifeguard::Rule>,
    pub(super) request: Option<fn() -> mozpool::Rule>,
    pub(super) store: Option<fn(Box<dyn Store>) -> Box<dyn Store>>,
}

impl Plant {
    pub(super) fn device_rule(&self) -> Option<lifeguard::Rule> {
        self.device.map(|rule| rule())
    }

    pub(super) fn request_rule(&self) -> Option<mozpool::Rule> {
        self.request.map(|rule| rule())
    }

    pub(super) fn store(&self, inner: Box<dyn Store>) -> Box<dyn Store> {
        match self.store {
            Some(plant) => plant(inner),
            None => inner,
        }
    }
}

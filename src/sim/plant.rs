//! Where tests plant bugs: the rules that the layers decide by, the store that they write to, and the relay boards' queues
//! may be replaced.
//!
//! In the program nothing is planted.

use crate::bmm::power;
use crate::layers::{lifeguard, mozpool};
use crate::store::Store;
use relayctl::BoardAddress;

/// What is planted; nothing by default.
#[derive(Clone, Copy, Default)]
pub(super) struct Plant {
    pub(super) device: Option<fn() -> lifeguard::Rule>,
    pub(super) request: Option<fn() -> mozpool::Rule>,
    pub(super) store: Option<fn(Box<dyn Store>) -> Box<dyn Store>>,
    pub(super) board_key: Option<fn(&BoardAddress) -> String>,
}

impl Plant {
    pub(super) fn device_rule(&self) -> Option<lifeguard::Rule> {
        self.device.map(|rule| rule())
    }

    pub(super) fn request_rule(&self) -> Option<mozpool::Rule> {
        self.request.map(|rule| rule())
    }

    /// Whose queue a job joins.
    pub(super) fn board_key(&self, board: &BoardAddress) -> String {
        self.board_key.map_or_else(|| power::board_key(board), |key| key(board))
    }

    pub(super) fn store(&self, inner: Box<dyn Store>) -> Box<dyn Store> {
        match self.store {
            Some(plant) => plant(inner),
            None => inner,
        }
    }
}

//! The one cell that two layers share: which board gets which boot config.
//!
//! *Lifeguard* publishes, the *tftp* thread reads. Only boards that are to boot from the network are in it, so it stays small in
//! a large pool. It needs no store: TFTP goes on answering when the database does not.

use super::path::{ConfigName, config_name};
use crate::logic::ids::Mac;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Rendered configs by board, and the one for all others.
#[derive(Debug)]
pub struct BootTable {
    boards: RwLock<HashMap<Mac, Arc<[u8]>>>,
    default: RwLock<Arc<[u8]>>,
}

/// What the table says to a requested path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// These bytes.
    Text(Arc<[u8]>),
    /// No such file: the boot loader tries its next name, and in the end `default`.
    NotFound,
    /// Not a boot config; look for a file.
    NotOurs,
}

impl BootTable {
    /// Every board gets `default`.
    pub fn new(default: &str) -> Self {
        Self { boards: RwLock::default(), default: RwLock::new(default.as_bytes().into()) }
    }

    /// Gives every board without a config of its own this text from now on.
    pub fn publish_default(&self, text: &str) {
        *self.default.write().unwrap_or_else(PoisonError::into_inner) = text.as_bytes().into();
    }

    /// Gives `mac` this text from now on, or (`None`) what every board gets.
    pub fn publish(&self, mac: Mac, text: Option<&str>) {
        // A writer that panicked left a map that is whole: inserts and removals are one step.
        let mut boards = self.boards.write().unwrap_or_else(PoisonError::into_inner);
        match text {
            Some(text) => boards.insert(mac, text.as_bytes().into()),
            None => boards.remove(&mac),
        };
    }

    /// What to answer to a request for `path` (no leading slash).
    pub fn answer(&self, path: &str) -> Answer {
        match config_name(path) {
            None => Answer::NotOurs,
            Some(ConfigName::Default) => {
                Answer::Text(self.default.read().unwrap_or_else(PoisonError::into_inner).clone())
            }
            Some(ConfigName::Other) => Answer::NotFound,
            Some(ConfigName::Board(mac)) => {
                let boards = self.boards.read().unwrap_or_else(PoisonError::into_inner);
                boards.get(&mac).map_or(Answer::NotFound, |text| Answer::Text(text.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_gets_its_config_while_it_is_published() {
        let table = BootTable::new("local");
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let path = "pxelinux.cfg/01-02-00-00-00-00-01";
        assert_eq!(table.answer(path), Answer::NotFound);
        table.publish(mac, Some("image"));
        assert_eq!(table.answer(path), Answer::Text(b"image"[..].into()));
        assert_eq!(table.answer("pxelinux.cfg/default"), Answer::Text(b"local"[..].into()));
        table.publish(mac, None);
        assert_eq!(table.answer(path), Answer::NotFound);
        assert_eq!(table.answer("pxelinux.0"), Answer::NotOurs);
    }
}

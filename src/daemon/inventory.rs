//! The inventory's thread as the daemon sees it: how it is started, and left behind if it has to be.

use crate::clock::Clock;
use crate::config::Config;
use crate::layers::inventory::{self, InventoryLayer};
use crate::layers::messages::LifeguardCommand;
use crate::layers::supervise::{Exit, spawn};
use crate::store::Store;
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// What a run of the inventory gets before the process ends without it: time to give up its lease.
const INVENTORY_GRACE: Duration = Duration::from_secs(2);

/// The thread that reads the inventory. It may be waiting for a server that does not answer: then the process ends without it,
/// for all that it would still do is ask *lifeguard*, which is gone.
pub(super) struct Inventory {
    stop: Sender<()>,
    over: Receiver<()>,
}

impl Inventory {
    /// Starts it; the second value is how the API speaks to it.
    pub(super) fn start(
        config: &Config,
        store: Box<dyn Store>,
        clock: Arc<dyn Clock>,
        lifeguard: Sender<LifeguardCommand>,
        ended: &Sender<(String, Exit)>,
    ) -> (Self, inventory::Way) {
        let book = Arc::new(inventory::Book::default());
        let (stop, stop_rx) = bounded(0);
        let (commands, commands_rx) = bounded(inventory::QUEUE);
        let (over_tx, over) = bounded(0);
        let settings =
            inventory::Settings { server: config.server.name.clone(), inventory: config.inventory.clone() };
        let layer = InventoryLayer::new(settings, store, clock, lifeguard, Arc::clone(&book));
        let inbox = inventory::Inbox { stop: stop_rx.clone(), commands: commands_rx };
        spawn("inventory", ended.clone(), move || {
            let exit = layer.run(&inbox);
            drop(over_tx);
            exit
        });
        let inventory = config.inventory.clone();
        (Self { stop, over }, inventory::Way { commands, stop: stop_rx, book, inventory })
    }

    /// Ends it, and waits a moment for that.
    pub(super) fn stop(self) {
        drop(self.stop);
        let _ = self.over.recv_timeout(INVENTORY_GRACE);
    }
}

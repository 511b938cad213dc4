//! Two servers, one store, one lease: the inventory is read by one of them, and by the other when that one is gone.

use crate::support::wait_for;
use crossbeam_channel::{Receiver, Sender, bounded};
use mozpool::clock::SystemClock;
use mozpool::config::{Inventory, InventorySource};
use mozpool::layers::inventory::{Book, By, Inbox, InventoryLayer, Settings};
use mozpool::layers::messages::{AdminAnswer, Administration, LifeguardCommand};
use mozpool::layers::supervise::Exit;
use mozpool::store::{Location, Synced};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A server's *inventory* thread, and a *lifeguard* that says yes to everything.
struct Server {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Exit>>,
    book: Arc<Book>,
    heard: Receiver<usize>,
}

fn server(name: &str, location: &Location, inventory: &Inventory) -> Server {
    let (stop, stop_rx) = bounded(0);
    let (commands, commands_rx) = bounded(1);
    let (lifeguard, orders) = bounded(4);
    let (heard_tx, heard) = bounded(1000);
    std::thread::spawn(move || {
        // The way of the API stays open as long as the thread lives.
        let _commands = commands;
        for order in orders {
            if let LifeguardCommand::Administer { change, reply, .. } = order {
                let Administration::Sync(sync) = *change else { panic!("{change:?}") };
                heard_tx.send(sync.wanted.len()).unwrap();
                reply.send(AdminAnswer::Synced(Synced::default())).unwrap();
            }
        }
    });
    let book = Arc::new(Book::default());
    let settings = Settings { server: name.into(), inventory: inventory.clone() };
    let layer = InventoryLayer::new(
        settings,
        location.open().unwrap(),
        Arc::new(SystemClock),
        lifeguard,
        Arc::clone(&book),
    );
    let inbox = Inbox { stop: stop_rx, commands: commands_rx };
    let thread = std::thread::spawn(move || layer.run(&inbox));
    Server { stop: Some(stop), thread: Some(thread), book, heard }
}

impl Server {
    fn stop(&mut self) {
        drop(self.stop.take());
        assert_eq!(self.thread.take().unwrap().join().unwrap(), Exit::Stopped);
    }
}

#[test]
fn one_of_two_servers_reads_the_inventory_and_the_other_when_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lab.toml");
    let row = "fqdn = 'b'\nmac = '020000000001'\nimaging_server = 's1'\nrelay_info = 'r:bank1:relay1'\n";
    std::fs::write(&file, format!("[[device]]\nname = 'b'\n{row}")).unwrap();
    let inventory = Inventory {
        source: InventorySource::Files,
        path: Some(file.clone()),
        interval_s: 1,
        ..Inventory::default()
    };
    let location = Location::sqlite(folder.path().join("store.db"));
    let mut store = location.open().unwrap();

    let mut first = server("s1", &location, &inventory);
    assert_eq!(first.heard.recv_timeout(crate::support::LIMIT), Ok(1), "its first run is due at once");
    let mut second = server("s2", &location, &inventory);
    // s2 has looked, found that it is not its turn, and looks again when s1's lease ends.
    wait_for("s2 to look", || second.book.read().next);
    assert_eq!(store.lease("inventory").unwrap().unwrap().holder, "s1");
    for _ in 0..2 {
        assert_eq!(first.heard.recv_timeout(crate::support::LIMIT), Ok(1), "s1 keeps it from run to run");
    }
    assert_eq!(second.heard.try_iter().count(), 0);
    assert_eq!(second.book.read().last, None);

    // A run that fails is noted, and comes again.
    std::fs::write(&file, "[[device]]\n").unwrap();
    let last = wait_for("a run that fails", || first.book.read().last.filter(|run| run.outcome.is_err()));
    assert_eq!(last.by, By::Timer);
    assert!(last.outcome.unwrap_err().contains("lab.toml:1: "));
    let failed = first.book.rows();
    assert!(failed.iter().any(|(name, n)| *name == "failed" && *n > 0), "{failed:?}");
    std::fs::write(&file, format!("[[device]]\nname = 'b'\n{row}")).unwrap();
    wait_for("the next run", || first.book.read().last.filter(|run| run.outcome.is_ok()));

    // It stops, and gives the lease up.
    first.stop();
    assert_eq!(second.heard.recv_timeout(crate::support::LIMIT), Ok(1));
    assert_eq!(store.lease("inventory").unwrap().unwrap().holder, "s2");
    second.stop();
}

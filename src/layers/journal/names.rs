//! The *names* thread: which addresses the devices have now, for the journal.
//!
//! Asking a name server may take as long as it likes, so it happens here and not where lines wait. It reads the devices from its own
//! store, looks their names up one after another, and hands the journal a new map. A look-up that does not come back is left behind.

use super::senders::Senders;
use crate::layers::supervise::Exit;
use crate::logic::ids::DeviceName;
use crate::store::{DeviceFilter, Store, StoreError};
use crossbeam_channel::{Receiver, Sender, TrySendError, after, bounded, select_biased};
use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How old the map gets: a board whose DHCP lease moves is found again within this time.
const REFRESH: Duration = Duration::from_secs(30);
/// An unknown sender makes us look at once, but a flood of them not all the time.
const REST: Duration = Duration::from_secs(2);
/// How long the first map may take, on which lines wait, and each later one.
const FIRST_BUDGET: Duration = Duration::from_secs(1);
const BUDGET: Duration = REFRESH;
/// How long one look-up is waited for; a name server on the same network answers in milliseconds.
const LOOKUP: Duration = Duration::from_secs(2);
/// A name that was not found is not asked for again so soon: a rack of dead names would keep a slow name server busy.
const FORGET: Duration = Duration::from_secs(300);
/// Look-ups that may be left behind at once; as long as there are so many, the name server is down and no more are asked.
const LEFT_MAX: usize = 4;

/// Where it hears from and speaks to.
#[derive(Debug)]
pub struct Inbox {
    /// Time to end.
    pub stop: Receiver<()>,
    /// Somebody unknown is sending; of one place, as often is as good as once.
    pub wanted: Receiver<()>,
    /// New maps, of one place.
    pub senders: Sender<Arc<Senders>>,
}

/// Lists the devices whose lines come to this server: short name and fqdn.
pub type List = Box<dyn FnMut() -> Result<Vec<(DeviceName, String)>, StoreError> + Send>;
/// Asks the system for a name's addresses; may block. None at all: not known.
pub type LookUp = fn(&str) -> Vec<IpAddr>;

/// The devices that `server` owns.
pub fn devices_of(mut store: Box<dyn Store>, server: String) -> List {
    Box::new(move || {
        let ours = store.devices(&DeviceFilter::default())?.into_iter();
        let ours = ours.filter(|device| device.info.imaging_server == server);
        Ok(ours.map(|device| (device.name, device.info.fqdn)).collect())
    })
}

/// Asks the system's resolver.
pub fn system(name: &str) -> Vec<IpAddr> {
    // The port is of no meaning; the interface wants one.
    (name, 0).to_socket_addrs().map(|found| found.map(|a| a.ip()).collect()).unwrap_or_default()
}

/// The thread's body.
pub fn run(inbox: &Inbox, mut list: List, look_up: LookUp) -> Exit {
    let mut resolver = Resolver { look_up, known: HashMap::new(), left: Arc::default() };
    let mut budget = FIRST_BUDGET;
    loop {
        match list() {
            Ok(devices) => {
                let Some(senders) = resolver.senders(&devices, &inbox.stop, Instant::now() + budget) else {
                    return Exit::Stopped;
                };
                if let Err(TrySendError::Disconnected(_)) = inbox.senders.try_send(Arc::new(senders)) {
                    return Exit::Lost("journal");
                }
            }
            Err(error) => log::warn!("the addresses of the devices stay as they were: {error}"),
        }
        budget = BUDGET;
        select_biased! {
            recv(inbox.stop) -> _ => return Exit::Stopped,
            recv(after(REST)) -> _ => {}
        }
        select_biased! {
            recv(inbox.stop) -> _ => return Exit::Stopped,
            recv(inbox.wanted) -> wanted => if wanted.is_err() { return Exit::Lost("journal") },
            recv(after(REFRESH)) -> _ => {}
        }
    }
}

struct Resolver {
    look_up: LookUp,
    /// What names had when last asked, and when that was.
    known: HashMap<String, (Vec<IpAddr>, Instant)>,
    left: Arc<AtomicUsize>,
}

impl Resolver {
    /// The map of these devices; names that are not asked for until then keep what they had. `None` when it is time to end.
    fn senders(
        &mut self,
        devices: &[(DeviceName, String)],
        stop: &Receiver<()>,
        until: Instant,
    ) -> Option<Senders> {
        let mut senders = Senders::new(devices.iter().map(|(name, fqdn)| (name, fqdn.as_str())));
        self.known.retain(|name, _| devices.iter().any(|(_, fqdn)| fqdn == name));
        for (device, fqdn) in devices.iter().filter(|(_, f)| !f.is_empty() && f.parse::<IpAddr>().is_err()) {
            let fresh = |(found, at): &(Vec<IpAddr>, Instant)| found.is_empty() && at.elapsed() < FORGET;
            if Instant::now() < until && !self.known.get(fqdn).is_some_and(fresh) {
                match self.ask(fqdn, stop) {
                    Asked::Stop => return None,
                    // What it had stays: a name server that is down moves no board.
                    Asked::Nothing => {
                        let entry =
                            self.known.entry(fqdn.clone()).or_insert_with(|| (Vec::new(), Instant::now()));
                        entry.1 = Instant::now();
                    }
                    Asked::Found(found) => {
                        self.known.insert(fqdn.clone(), (found, Instant::now()));
                    }
                    Asked::Busy => {}
                }
            }
            for address in self.known.get(fqdn).map(|(found, _)| found.as_slice()).unwrap_or_default() {
                senders.add_address(*address, device);
            }
        }
        Some(senders)
    }

    fn ask(&self, name: &str, stop: &Receiver<()>) -> Asked {
        if self.left.load(Ordering::Relaxed) >= LEFT_MAX {
            return Asked::Busy;
        }
        let (answer, answers) = bounded(1);
        let (look_up, owned, left) = (self.look_up, name.to_owned(), self.left.clone());
        left.fetch_add(1, Ordering::Relaxed);
        let asking = std::thread::Builder::new().name("look-up".into()).spawn(move || {
            let found = look_up(&owned);
            left.fetch_sub(1, Ordering::Relaxed);
            // Nobody waits any more when it took too long.
            let _ = answer.send(found);
        });
        if asking.is_err() {
            self.left.fetch_sub(1, Ordering::Relaxed);
            return Asked::Busy;
        }
        select_biased! {
            recv(stop) -> _ => Asked::Stop,
            recv(answers) -> found => match found {
                Ok(found) if !found.is_empty() => Asked::Found(found),
                _ => Asked::Nothing,
            },
            recv(after(LOOKUP)) -> _ => Asked::Nothing,
        }
    }
}

enum Asked {
    Found(Vec<IpAddr>),
    Nothing,
    /// Too many look-ups are still out.
    Busy,
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, fqdn: &str) -> (DeviceName, String) {
        (name.into(), fqdn.into())
    }

    /// A name server that knows one board and is mute for another.
    fn look_up(name: &str) -> Vec<IpAddr> {
        match name {
            "panda-1.lab" => vec![[10, 0, 0, 1].into()],
            "mute.lab" => loop {
                std::thread::park();
            },
            _ => Vec::new(),
        }
    }

    fn resolver() -> Resolver {
        Resolver { look_up, known: HashMap::new(), left: Arc::default() }
    }

    #[test]
    fn names_become_addresses_and_a_mute_name_server_stops_nobody() {
        let (_stop_it, stop) = bounded(1);
        let mut resolver = resolver();
        let devices = [
            device("mute", "mute.lab"),
            device("panda-1", "panda-1.lab"),
            device("panda-2", "10.0.0.2"),
            device("panda-3", ""),
            device("panda-4", "nowhere.lab"),
        ];
        let until = Instant::now() + Duration::from_secs(60);
        let senders = resolver.senders(&devices, &stop, until).unwrap();
        for (from, want) in
            [([10, 0, 0, 1], Some("panda-1")), ([10, 0, 0, 2], Some("panda-2")), ([10, 0, 0, 3], None)]
        {
            assert_eq!(senders.device(from.into(), None).map(|d| &**d), want);
        }
        // Both failures are remembered, so that the next round costs nothing; what is gone is forgotten.
        assert_eq!(resolver.left.load(Ordering::Relaxed), 1);
        let begin = Instant::now();
        assert_eq!(resolver.senders(&devices, &stop, until).unwrap(), senders);
        assert!(begin.elapsed() < LOOKUP, "a name that did not answer was asked again at once");
        resolver.senders(&devices[2..3], &stop, until);
        assert!(resolver.known.is_empty());
    }

    #[test]
    fn without_time_only_what_needs_no_asking_is_known() {
        let (_stop_it, stop) = bounded(1);
        let devices = [device("panda-1", "panda-1.lab"), device("panda-2", "10.0.0.2")];
        let senders = resolver().senders(&devices, &stop, Instant::now()).unwrap();
        assert_eq!(senders.device([10, 0, 0, 1].into(), None), None);
        assert_eq!(senders.device([10, 0, 0, 2].into(), None).map(|d| &**d), Some("panda-2"));
    }

    #[test]
    fn the_thread_ends_while_a_name_server_is_mute() {
        let (stop_it, stop) = bounded(1);
        let (_wanted, wanted) = bounded(1);
        let (senders, _maps) = bounded(1);
        let (asked, asks) = bounded(1);
        let list: List = Box::new(move || {
            let _ = asked.try_send(());
            Ok(vec![device("mute", "mute.lab")])
        });
        let inbox = Inbox { stop, wanted, senders };
        let thread = std::thread::spawn(move || run(&inbox, list, look_up));
        asks.recv_timeout(Duration::from_secs(10)).unwrap();
        stop_it.send(()).unwrap();
        assert_eq!(thread.join().unwrap(), Exit::Stopped);
    }

    #[test]
    fn a_wish_brings_a_new_map() {
        let (_stop_it, stop) = bounded(1);
        let (wish, wanted) = bounded(1);
        let (senders, maps) = bounded(1);
        let mut round = 0u8;
        let list: List = Box::new(move || {
            round += 1;
            Ok(vec![device("panda-1", &format!("10.0.0.{round}"))])
        });
        let inbox = Inbox { stop, wanted, senders };
        let thread = std::thread::spawn(move || run(&inbox, list, look_up));
        for n in 1..=2 {
            let map = maps.recv_timeout(Duration::from_secs(20)).expect("well before the next refresh");
            assert!(map.device([10, 0, 0, n].into(), None).is_some(), "round {n}");
            wish.send(()).unwrap();
        }
        drop((maps, wish));
        assert_eq!(thread.join().unwrap(), Exit::Lost("journal"));
    }
}

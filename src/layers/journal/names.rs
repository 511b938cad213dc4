//! The *names* thread: what the devices' names mean now, for the journal.
//!
//! Asking a name server may take as long as it likes, so it happens here and not where lines wait. The journal hands over the names
//! and gets their addresses; a look-up that does not come back is left behind, so that the thread ends when it is told to.

use super::senders::Addresses;
use crossbeam_channel::{Receiver, Sender, after, bounded, select_biased};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long one look-up is waited for; a name server on the same network answers in milliseconds.
const LOOKUP: Duration = Duration::from_secs(2);
/// How long one round may take. Names that are not reached keep what they had; the next round begins with what is left.
const BUDGET: Duration = Duration::from_secs(30);
/// A name that was not found is not asked for again so soon: a rack of dead names would keep a slow name server busy.
const FORGET: Duration = Duration::from_secs(300);
/// Look-ups that may be left behind at once; as long as there are so many, the name server is down and no more are asked.
const LEFT_MAX: usize = 4;

/// Asks for a name's addresses; may block. None at all: not known.
pub type LookUp = fn(&str) -> Vec<IpAddr>;

/// Asks the system's resolver.
pub fn system(name: &str) -> Vec<IpAddr> {
    // The port is of no meaning; the interface wants one.
    (name, 0).to_socket_addrs().map(|found| found.map(|a| a.ip()).collect()).unwrap_or_default()
}

/// The thread's body: for each list of names, what they mean. Ends when nobody has names any more, or with `stop`.
pub fn run(stop: &Receiver<()>, names: &Receiver<Vec<String>>, found: &Sender<Addresses>, look_up: LookUp) {
    let mut resolver = Resolver::new(look_up);
    loop {
        select_biased! {
            recv(stop) -> _ => return,
            recv(names) -> names => {
                let Ok(names) = names else { return };
                let Some(addresses) = resolver.look_up_all(&names, stop, Instant::now() + BUDGET) else { return };
                // A journal that has not taken the last answer gets the next one.
                let _ = found.try_send(addresses);
            }
        }
    }
}

#[derive(Debug)]
struct Resolver {
    look_up: LookUp,
    known: Addresses,
    /// Names that were not found, and when.
    missed: Vec<(String, Instant)>,
    /// Look-ups that are under way, most of them left behind.
    left: Arc<AtomicUsize>,
}

impl Resolver {
    fn new(look_up: LookUp) -> Self {
        Self { look_up, known: Addresses::new(), missed: Vec::new(), left: Arc::default() }
    }

    /// What these names mean; those that are not reached until then keep what they had. `None` when it is time to end.
    fn look_up_all(&mut self, names: &[String], stop: &Receiver<()>, until: Instant) -> Option<Addresses> {
        self.known.retain(|name, _| names.contains(name));
        self.missed.retain(|(name, at)| at.elapsed() < FORGET && names.contains(name));
        for name in names {
            if Instant::now() >= until {
                break;
            }
            if self.missed.iter().any(|(missed, _)| missed == name) {
                continue;
            }
            match self.ask(name, stop) {
                Asked::Stop => return None,
                Asked::Busy => break,
                Asked::Found(addresses) => {
                    self.known.insert(name.clone(), addresses);
                }
                // What it had stays: a name server that is down moves no board.
                Asked::Nothing => self.missed.push((name.clone(), Instant::now())),
            }
        }
        Some(self.known.clone())
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

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).into()).collect()
    }

    #[test]
    fn a_mute_name_server_keeps_nobody_waiting_twice() {
        let (_stop_it, stop) = bounded(1);
        let mut resolver = Resolver::new(look_up);
        let asked = names(&["mute.lab", "nowhere.lab", "panda-1.lab"]);
        let until = Instant::now() + BUDGET;
        let want = Addresses::from([("panda-1.lab".into(), vec![[10, 0, 0, 1].into()])]);
        assert_eq!(resolver.look_up_all(&asked, &stop, until), Some(want.clone()));
        assert_eq!((resolver.missed.len(), resolver.left.load(Ordering::Relaxed)), (2, 1));
        let begin = Instant::now();
        assert_eq!(resolver.look_up_all(&asked, &stop, until), Some(want));
        assert!(begin.elapsed() < LOOKUP, "a name that did not answer was asked for again at once");
        assert_eq!(
            resolver.look_up_all(&[], &stop, until),
            Some(Addresses::new()),
            "what is gone is forgotten"
        );
        assert!(resolver.missed.is_empty());
    }

    #[test]
    fn what_is_known_stays_while_there_is_no_time_or_no_name_server() {
        let (_stop_it, stop) = bounded(1);
        let mut resolver = Resolver::new(look_up);
        let asked = names(&["panda-1.lab"]);
        let now = Instant::now();
        assert_eq!(resolver.look_up_all(&asked, &stop, now), Some(Addresses::new()), "no time, not asked");
        let known = resolver.look_up_all(&asked, &stop, now + BUDGET).unwrap();
        assert_eq!(known.len(), 1);
        resolver.look_up = |_| Vec::new();
        assert_eq!(resolver.look_up_all(&asked, &stop, now + BUDGET), Some(known));
    }

    #[test]
    fn the_thread_ends_while_a_name_server_is_mute() {
        let (stop_it, stop) = bounded(0);
        let (ask, asked) = bounded(0);
        let (answer, _answers) = bounded(1);
        let thread = std::thread::spawn(move || run(&stop, &asked, &answer, look_up));
        // With no place in the channel this returns when the thread has the names.
        ask.send(names(&["mute.lab"])).unwrap();
        let begin = Instant::now();
        drop(stop_it);
        thread.join().unwrap();
        assert!(begin.elapsed() < LOOKUP, "it waited for the name server");
    }
}

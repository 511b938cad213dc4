//! The *names* thread: what the devices' names mean now, for the journal.
//!
//! Asking a name server may take as long as it likes, so it happens here and not where lines wait. The journal hands over the names
//! when they have changed and gets their addresses; a look-up that does not come back is left behind, so that the thread ends
//! when it is told to. However many names there are, a round asks again for a bounded number of them, in turn.

use super::senders::Addresses;
use crossbeam_channel::{Receiver, Sender, after, bounded, select_biased};
use std::collections::{HashMap, HashSet, VecDeque};
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
/// Between two rounds: a board whose address changes is found again within this time in a lab of [`AGAIN_MAX`] names, and in a
/// larger one within as many rounds as it takes.
const ROUND_EVERY: Duration = Duration::from_secs(30);
/// Names that a round asks for again: work that does not grow with the lab, and three racks within one round.
const AGAIN_MAX: usize = 240;
/// Workers at once, those with it that are left behind; as long as there are so many, the name server is down and nothing more
/// is asked.
const LEFT_MAX: usize = 5;

/// Asks for a name's addresses; may block. None at all: not known.
pub type LookUp = fn(&str) -> Vec<IpAddr>;

/// Asks the system's resolver.
pub fn system(name: &str) -> Vec<IpAddr> {
    // The port is of no meaning; the interface wants one.
    (name, 0).to_socket_addrs().map(|found| found.map(|a| a.ip()).collect()).unwrap_or_default()
}

/// The thread's body: what the names mean, for each list of them and whenever that changes. Ends when nobody has names any more,
/// or with `stop`.
pub fn run(stop: &Receiver<()>, names: &Receiver<Vec<String>>, found: &Sender<Addresses>, look_up: LookUp) {
    let mut resolver = Resolver::new(look_up);
    loop {
        let is_new = select_biased! {
            recv(stop) -> _ => return,
            recv(names) -> names => {
                let Ok(names) = names else { return };
                resolver.take(names);
                true
            }
            recv(after(ROUND_EVERY)) -> _ => false,
        };
        let Some(changed) = resolver.round(stop, Instant::now() + BUDGET) else { return };
        // A journal that has not taken the last answer is told with the next round.
        if (is_new || changed || resolver.untold)
            && let Err(full) = found.try_send(resolver.known.clone())
        {
            resolver.untold = full.is_full();
        } else {
            resolver.untold = false;
        }
    }
}

#[derive(Debug)]
struct Resolver {
    look_up: LookUp,
    known: Addresses,
    /// Names that were never asked for.
    fresh: VecDeque<String>,
    /// All others; the next to be asked again comes first.
    asked: VecDeque<String>,
    /// Names that were not found, and when.
    missed: HashMap<String, Instant>,
    /// The journal has not taken what is known.
    untold: bool,
    worker: Option<Worker>,
    /// Workers that live, most of them left behind with a look-up that does not come back.
    left: Arc<AtomicUsize>,
}

impl Resolver {
    fn new(look_up: LookUp) -> Self {
        Self {
            look_up,
            known: Addresses::new(),
            fresh: VecDeque::new(),
            asked: VecDeque::new(),
            missed: HashMap::new(),
            untold: false,
            worker: None,
            left: Arc::default(),
        }
    }

    /// These are the names from now on; what is known of them stays.
    fn take(&mut self, names: Vec<String>) {
        let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
        self.known.retain(|name, _| wanted.contains(name.as_str()));
        self.missed.retain(|name, _| wanted.contains(name.as_str()));
        self.asked.retain(|name| wanted.contains(name.as_str()));
        let asked: HashSet<String> = self.asked.iter().cloned().collect();
        self.fresh = names.into_iter().filter(|name| !asked.contains(name)).collect();
    }

    /// Asks for names that are new, then again for some of the others; those that are not reached until then keep what they
    /// had. True when an address has changed, `None` when it is time to end.
    fn round(&mut self, stop: &Receiver<()>, until: Instant) -> Option<bool> {
        let mut changed = false;
        let again = self.asked.len().min(AGAIN_MAX);
        for _ in 0..self.fresh.len() + again {
            if Instant::now() >= until {
                break;
            }
            let is_fresh = !self.fresh.is_empty();
            let Some(name) = self.fresh.pop_front().or_else(|| self.asked.pop_front()) else { break };
            if self.missed.get(&name).is_some_and(|at| at.elapsed() < FORGET) {
                self.asked.push_back(name);
                continue;
            }
            match self.ask(&name, stop) {
                Asked::Stop => return None,
                Asked::Busy => {
                    // It is the first again the next time.
                    let line = if is_fresh { &mut self.fresh } else { &mut self.asked };
                    line.push_front(name);
                    break;
                }
                Asked::Found(addresses) => {
                    self.missed.remove(&name);
                    changed |= self.known.get(&name) != Some(&addresses);
                    self.known.insert(name.clone(), addresses);
                    self.asked.push_back(name);
                }
                // What it had stays: a name server that is down moves no board.
                Asked::Nothing => {
                    self.missed.insert(name.clone(), Instant::now());
                    self.asked.push_back(name);
                }
            }
        }
        Some(changed)
    }

    fn ask(&mut self, name: &str, stop: &Receiver<()>) -> Asked {
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None if self.left.load(Ordering::Relaxed) >= LEFT_MAX => return Asked::Busy,
            None => match Worker::start(self.look_up, &self.left) {
                Ok(worker) => worker,
                Err(_) => return Asked::Busy,
            },
        };
        // It waits for nothing else, so there is room.
        let _ = worker.ask.send(name.to_owned());
        let answer = select_biased! {
            recv(stop) -> _ => return Asked::Stop,
            recv(worker.answers) -> found => found,
            // The worker is left behind, and ends when its look-up does.
            recv(after(LOOKUP)) -> _ => return Asked::Nothing,
        };
        match answer {
            Ok(found) => {
                self.worker = Some(worker);
                if found.is_empty() { Asked::Nothing } else { Asked::Found(found) }
            }
            Err(_) => Asked::Nothing,
        }
    }
}

/// A thread that asks for one name after another, as long as it answers in time.
#[derive(Debug)]
struct Worker {
    ask: Sender<String>,
    answers: Receiver<Vec<IpAddr>>,
}

impl Worker {
    fn start(look_up: LookUp, left: &Arc<AtomicUsize>) -> std::io::Result<Self> {
        let ((ask, names), (answer, answers)) = (bounded::<String>(1), bounded(1));
        let counted = Arc::clone(left);
        left.fetch_add(1, Ordering::Relaxed);
        let thread = std::thread::Builder::new().name("look-up".into()).spawn(move || {
            for name in names {
                if answer.send(look_up(&name)).is_err() {
                    break;
                }
            }
            counted.fetch_sub(1, Ordering::Relaxed);
        });
        match thread {
            Ok(_) => Ok(Self { ask, answers }),
            Err(error) => {
                left.fetch_sub(1, Ordering::Relaxed);
                Err(error)
            }
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

    fn look_up_all(
        resolver: &mut Resolver,
        asked: &[String],
        stop: &Receiver<()>,
        until: Instant,
    ) -> Addresses {
        resolver.take(asked.to_vec());
        resolver.round(stop, until).expect("nobody stops it");
        resolver.known.clone()
    }

    #[test]
    fn a_mute_name_server_keeps_nobody_waiting_twice() {
        let (_stop_it, stop) = bounded(1);
        let mut resolver = Resolver::new(look_up);
        let asked = names(&["mute.lab", "nowhere.lab", "panda-1.lab"]);
        let until = Instant::now() + BUDGET;
        let want = Addresses::from([("panda-1.lab".into(), vec![[10, 0, 0, 1].into()])]);
        assert_eq!(look_up_all(&mut resolver, &asked, &stop, until), want);
        assert_eq!(
            (resolver.missed.len(), resolver.left.load(Ordering::Relaxed)),
            (2, 2),
            "one mute, one at work"
        );
        let begin = Instant::now();
        assert_eq!(resolver.round(&stop, until), Some(false), "nothing new");
        assert_eq!(look_up_all(&mut resolver, &asked, &stop, until), want);
        assert!(begin.elapsed() < LOOKUP, "a name that did not answer was asked for again at once");
        let none = look_up_all(&mut resolver, &[], &stop, until);
        assert_eq!(none, Addresses::new(), "what is gone is forgotten");
        assert!(resolver.missed.is_empty() && resolver.asked.is_empty() && resolver.fresh.is_empty());
    }

    #[test]
    fn what_is_known_stays_while_there_is_no_time_or_no_name_server() {
        let (_stop_it, stop) = bounded(1);
        let mut resolver = Resolver::new(look_up);
        let asked = names(&["panda-1.lab"]);
        let now = Instant::now();
        let none = look_up_all(&mut resolver, &asked, &stop, now);
        assert_eq!(none, Addresses::new(), "no time, not asked");
        let known = look_up_all(&mut resolver, &asked, &stop, now + BUDGET);
        assert_eq!(known.len(), 1);
        resolver.look_up = |_| Vec::new();
        assert_eq!(look_up_all(&mut resolver, &asked, &stop, now + BUDGET), known);
    }

    #[test]
    fn a_round_asks_for_all_new_names_and_again_for_a_bounded_number_of_others_in_turn() {
        use std::sync::Mutex;
        static ASKED: Mutex<Vec<String>> = Mutex::new(Vec::new());
        let asked = || std::mem::take(&mut *ASKED.lock().unwrap());
        let (_stop_it, stop) = bounded(1);
        let mut resolver = Resolver::new(|name| {
            ASKED.lock().unwrap().push(name.into());
            vec![[10, 0, 0, 1].into()]
        });
        let all: Vec<String> = (0..AGAIN_MAX + 5).map(|n| format!("b{n:04}")).collect();
        let until = Instant::now() + BUDGET;
        look_up_all(&mut resolver, &all, &stop, until);
        assert_eq!(asked(), all);
        assert_eq!(resolver.round(&stop, until), Some(false));
        assert_eq!(asked(), all[..AGAIN_MAX]);
        assert_eq!(resolver.round(&stop, until), Some(false));
        assert_eq!(asked()[..6], [&all[AGAIN_MAX..], &all[..1]].concat(), "those whose turn did not come");
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

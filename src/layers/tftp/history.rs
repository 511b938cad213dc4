//! Who asked, and how much of it is told: the way of the *tftp* thread's lines to the journal.
//!
//! A boot loader that asks for `pxelinux.cfg/01-<mac>` says who it is; its address keeps that MAC for the files around it. Which
//! device this is, the journal knows. Nothing here waits: a line that finds no room is counted, and the log says how many.

use crate::clock::Clock;
use crate::layers::budget::{Budget, SPAN};
use crate::layers::messages::{JournalLine, Sighting};
use crate::logic::attempt::Step;
use crate::logic::ids::Mac;
use crossbeam_channel::{Sender, TrySendError};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Addresses whose MAC is remembered: several times the largest pool of one server. A forger who asks from more costs others
/// that memory, so that their lines go by address alone until they ask for their config again.
const ADDRESSES_MAX: usize = 4096;
/// Lines of one board within [`SPAN`]. A boot takes four to eight; a boot loader that runs in circles takes thousands.
const LINES_PER_BOARD: u32 = 60;
/// Between two searches for a place while all are taken.
const LOOK_REST: Duration = Duration::from_secs(1);
/// How long a board that asks for its config again and again is not told of again.
const ASKED_REST: Duration = Duration::from_secs(10);
/// Longest name of a file that is told of.
const NAME_MAX: usize = 200;
/// Lines of all others together: a rack whose boards ask for their loaders for the first time, several times over.
const LINES_OF_OTHERS: u32 = 1000;

#[derive(Debug)]
struct Board {
    mac: Mac,
    asked: Instant,
    /// When the journal was told of which MAC last.
    told: Option<(Mac, Instant)>,
    budget: Budget,
}

/// What addresses have said of themselves. Pure.
#[derive(Debug)]
struct Boards {
    known: HashMap<IpAddr, Board>,
    others: Budget,
    /// All places are taken by young ones: none is looked for before. A flood of forged addresses must not cost a look at all of
    /// them each.
    full_until: Option<Instant>,
}

impl Boards {
    fn new(now: Instant) -> Self {
        Self { known: HashMap::new(), others: Budget::new(now), full_until: None }
    }

    /// A config was asked for in the name of this MAC.
    fn note(&mut self, address: IpAddr, mac: Mac, now: Instant) {
        if let Some(board) = self.known.get_mut(&address) {
            (board.mac, board.asked) = (mac, now);
            return;
        }
        if self.known.len() >= ADDRESSES_MAX {
            if self.full_until.is_some_and(|until| now < until) {
                return;
            }
            self.known.retain(|_, board| now.saturating_duration_since(board.asked) < SPAN);
            if self.known.len() >= ADDRESSES_MAX {
                self.full_until = Some(now + LOOK_REST);
                return;
            }
        }
        self.known.insert(address, Board { mac, asked: now, told: None, budget: Budget::new(now) });
    }

    /// Whether the journal was told just now that this board asked for its config.
    fn rests(&mut self, address: IpAddr, mac: Mac, now: Instant) -> bool {
        let Some(board) = self.known.get_mut(&address) else { return false };
        let rests =
            |(told, at): (Mac, Instant)| told == mac && now.saturating_duration_since(at) < ASKED_REST;
        if board.told.is_some_and(rests) {
            return true;
        }
        board.told = Some((mac, now));
        false
    }

    fn mac(&self, address: IpAddr) -> Option<Mac> {
        self.known.get(&address).map(|board| board.mac)
    }

    fn take(&mut self, address: IpAddr, now: Instant) -> Option<u64> {
        match self.known.get_mut(&address) {
            Some(board) => board.budget.take(LINES_PER_BOARD, now),
            None => self.others.take(LINES_OF_OTHERS, now),
        }
    }
}

/// The way to the journal.
pub struct History {
    lines: Sender<JournalLine>,
    clock: Arc<dyn Clock>,
    /// Lines that the journal had no room for, for whoever shows it.
    lost: Arc<AtomicU64>,
    /// Of these, the ones that the log has told of.
    reported: Cell<u64>,
    boards: RefCell<Boards>,
    /// Of lines that stand in the daemon's log alone, of all boards together.
    log: RefCell<Budget>,
    /// Of boards that ask for their config and perhaps are no devices, all together.
    asking: RefCell<Budget>,
}

impl History {
    /// Lines go to `lines`; those that find no room are counted in `lost`.
    pub fn new(lines: Sender<JournalLine>, clock: Arc<dyn Clock>, lost: Arc<AtomicU64>) -> Self {
        let now = Instant::now();
        let (boards, log) = (RefCell::new(Boards::new(now)), RefCell::new(Budget::new(now)));
        let asking = RefCell::new(Budget::new(now));
        Self { lines, clock, lost, reported: Cell::new(0), boards, log, asking }
    }

    /// A board asked for its config and there is none of its own: perhaps nobody knows it. The journal finds out.
    pub fn asked(&self, address: IpAddr, mac: Mac, name: &str) {
        let (address, now) = (address.to_canonical(), Instant::now());
        if self.boards.borrow_mut().rests(address, mac, now)
            || self.asking.borrow_mut().take(LINES_OF_OTHERS, now).is_none()
        {
            return;
        }
        let asked_for = name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
        let sighting = Sighting { mac, address, at: self.clock.now(), asked_for, agent: None };
        if let Err(TrySendError::Full(_)) = self.lines.try_send(JournalLine::Board(Box::new(sighting))) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the daemon's log may have one more line that a forger could have made, and how many before it were left out.
    pub fn may_log(&self) -> Option<u64> {
        self.log.borrow_mut().take(LINES_OF_OTHERS, Instant::now())
    }

    /// The boot loader at this address says that it is this board's.
    pub fn identified(&self, address: IpAddr, mac: Mac) {
        self.boards.borrow_mut().note(address.to_canonical(), mac, Instant::now());
    }

    /// Whether a boot loader at this address has said whose it is.
    pub fn knows(&self, address: IpAddr) -> bool {
        self.boards.borrow().mac(address.to_canonical()).is_some()
    }

    /// Tells the board at this address something, which may be a step of its attempt; false when it has heard enough for now.
    pub fn tell(&self, address: IpAddr, mut message: String, step: Option<Step>) -> bool {
        let address = address.to_canonical();
        let mut boards = self.boards.borrow_mut();
        let Some(left_out) = boards.take(address, Instant::now()) else { return false };
        if left_out > 0 {
            message
                .push_str(&format!(" (and {left_out} more that are not listed: too many within a minute)"));
        }
        let (at, mac) = (self.clock.now(), boards.mac(address));
        let step = step.map(|step| Step { at, ..step });
        let line = JournalLine::Tftp { from: address, mac, at, message, step };
        match self.lines.try_send(line) {
            Ok(()) => {
                let lost = self.lost.load(Ordering::Relaxed);
                let since = lost - self.reported.replace(lost);
                if since > 0 {
                    log::warn!("the journal had no room for lines about transfers; lost={since}");
                }
            }
            // The journal stops before TFTP does; what ends in between is in the daemon's log only.
            Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::logic::time::Timestamp;
    use crossbeam_channel::bounded;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    #[test]
    fn a_board_that_runs_in_circles_is_told_of_so_often_a_minute_and_then_counted() {
        let start = Instant::now();
        let mut boards = Boards::new(start);
        boards.note(address(1), Mac([2; 6]), start);
        let told =
            |boards: &mut Boards, n, at| (0..500).filter(|_| boards.take(address(n), at).is_some()).count();
        assert_eq!(told(&mut boards, 1, start), 60);
        assert_eq!(told(&mut boards, 2, start), 500, "others have their own");
        assert_eq!(told(&mut boards, 3, start), 500);
        assert_eq!(told(&mut boards, 4, start), 0, "and share it");
        let later = start + SPAN;
        assert_eq!(boards.take(address(1), later), Some(440));
        assert_eq!(boards.take(address(1), later), Some(0));
        assert_eq!(boards.take(address(4), later), Some(500));
    }

    #[test]
    fn forged_configs_take_no_memory_and_old_addresses_make_room() {
        let start = Instant::now();
        let mut boards = Boards::new(start);
        for n in 0..10_000 {
            boards.note(address(n), Mac([2; 6]), start);
        }
        assert_eq!((boards.known.len(), boards.mac(address(9999))), (ADDRESSES_MAX, None));
        boards.note(address(7), Mac([4; 6]), start + SPAN / 2);
        boards.note(address(9999), Mac([6; 6]), start + SPAN);
        assert_eq!(boards.mac(address(9999)), Some(Mac([6; 6])));
        assert_eq!(
            (boards.known.len(), boards.mac(address(7))),
            (2, Some(Mac([4; 6]))),
            "the youngest stays"
        );
    }

    #[test]
    fn the_daemons_log_does_not_grow_with_requests_either() {
        let history = History::new(bounded(1).0, Arc::new(ManualClock::at(Timestamp(5))), Arc::default());
        let begun = Instant::now();
        let said = (0..5000).filter(|_| history.may_log().is_some()).count();
        assert!(said == 1000 || begun.elapsed() >= SPAN, "{said}");
    }

    #[test]
    fn a_board_that_asks_is_told_of_once_in_a_while_and_a_flood_of_macs_is_bounded() {
        let (send, lines) = bounded(10_000);
        let history = History::new(send, Arc::new(ManualClock::at(Timestamp(5))), Arc::default());
        let begun = Instant::now();
        let config = "pxelinux.cfg/01-02-02-02-02-02-02\n";
        for _ in 0..50 {
            history.identified(address(1), Mac([2; 6]));
            history.asked(address(1), Mac([2; 6]), config);
        }
        let told: Vec<JournalLine> = lines.try_iter().collect();
        let want = Sighting {
            mac: Mac([2; 6]),
            address: address(1),
            at: Timestamp(5),
            asked_for: config.trim_end().into(),
            agent: None,
        };
        assert_eq!(told.first(), Some(&JournalLine::Board(Box::new(want))));
        assert!(told.len() == 1 || begun.elapsed() >= ASKED_REST, "{}", told.len());
        for n in 0..5000_u32 {
            let [a, b, c, d] = n.to_be_bytes();
            history.asked(address(n), Mac([4, 4, a, b, c, d]), config);
        }
        let told = lines.try_iter().count();
        assert!(told == 999 || begun.elapsed() >= SPAN, "{told}");
    }

    #[test]
    fn a_full_journal_costs_a_count_and_no_time() {
        let (send, lines) = bounded(1);
        let lost = Arc::new(AtomicU64::new(0));
        let history = History::new(send, Arc::new(ManualClock::at(Timestamp(5))), lost.clone());
        let board: IpAddr = "::ffff:10.0.0.7".parse().unwrap();
        assert!(!history.knows(board));
        history.identified(board, Mac([2; 6]));
        assert!(history.knows([10, 0, 0, 7].into()));
        for n in 0..4 {
            assert!(history.tell(board, n.to_string(), None));
        }
        let (from, mac) = ([10, 0, 0, 7].into(), Some(Mac([2; 6])));
        let want = JournalLine::Tftp { from, mac, at: Timestamp(5), message: "0".into(), step: None };
        assert_eq!(lines.try_iter().collect::<Vec<_>>(), [want]);
        assert_eq!(lost.load(Ordering::Relaxed), 3);
        drop(lines);
        assert!(history.tell(board, "after the journal".into(), None));
        assert_eq!(lost.load(Ordering::Relaxed), 3);
    }
}

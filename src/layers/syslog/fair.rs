//! Whose lines are taken when there are more than can be: boards' before strangers', and among boards those of who says least.
//!
//! Pure; time comes in. It is asked before a line is read, so that a flood costs little more than its way out of the kernel. Who is a
//! board's the journal knows and tells ([`Known`]): addresses of devices, and those from which a device's name came.
//!
//! Strangers' lines are counted and some are kept aside, for people to see what a new rack says. So they get a number of lines a
//! second, each and together, and a small part of the room. Boards get all there is until little is left; from then on nobody gets
//! more than his share of it.

use crate::layers::intake::{Fill, Known};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Lines of one stranger at once: a kernel's whole boot, or that of a rack behind one address …
const LINES_AT_ONCE: u32 = 20_000;
/// … and a second: more than anybody reads, and a few thousandths of a core.
const LINES_PER_S: u32 = 500;
/// Lines of all strangers together at once: some racks that are switched on before anybody has told of them …
const ALL_LINES_AT_ONCE: u32 = 100_000;
/// … and a second: some hundredths of a core.
const ALL_LINES_PER_S: u32 = 5_000;
/// Strangers have this part of the room: a flood of them is a short wait for the lines of boards behind it.
const STRANGERS_PART: usize = 8;
/// From this part of the room on, in quarters, it is shared.
const SHARED_QUARTER: usize = 3;
/// Senders that are told apart: some pools. Strangers beyond them, and anybody before the journal has told, have
/// what all strangers have.
const SENDERS_MAX: usize = 8192;
/// Between two searches for senders that may be forgotten. Each looks at all of them.
const SEARCH_REST: Duration = Duration::from_secs(1);

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is taken, if there is room.
    Take,
    /// It is a board's that has more waiting than its share: lost, and said to be in its log.
    BeyondShare,
    /// It is a stranger's, of whom enough was heard: counted.
    PassOver,
}

/// So much at once, and so much a second.
#[derive(Debug, Clone, Copy)]
struct Rate {
    /// When as many seconds have passed as the lines so far are worth.
    until: Instant,
}

impl Rate {
    fn take(&mut self, at_once: u32, per_s: u32, now: Instant) -> bool {
        let one = Duration::from_secs(1) / per_s;
        let until = self.until.max(now) + one;
        let takes = until.saturating_duration_since(now) <= one * at_once;
        if takes {
            self.until = until;
        }
        takes
    }
}

#[derive(Debug, Clone, Copy)]
struct Sender {
    is_known: bool,
    /// Its bytes in the batch of this number.
    bytes: usize,
    batch: u64,
    rate: Rate,
}

/// What all senders have had.
#[derive(Debug)]
pub(super) struct Fair {
    known: Known,
    senders: HashMap<IpAddr, Sender>,
    /// Of this batch: who has lines in it, and the bytes of strangers.
    batch: u64,
    number: usize,
    strangers: usize,
    strangers_rate: Rate,
    next_search: Instant,
}

impl Fair {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            known: Known::default(),
            senders: HashMap::new(),
            batch: 0,
            number: 0,
            strangers: 0,
            strangers_rate: Rate { until: now },
            next_search: now,
        }
    }

    /// From now on these are boards' addresses.
    pub(super) fn tell(&mut self, known: Known) {
        self.known = known;
        for (address, sender) in &mut self.senders {
            sender.is_known = self.known.has(*address);
        }
    }

    /// Whether it is a board's address.
    pub(super) fn knows(&self, address: IpAddr) -> bool {
        self.known.has(address.to_canonical())
    }

    /// What becomes of a line of so many bytes, while the room is as full as `fill` says.
    pub(super) fn judge(&mut self, from: IpAddr, bytes: usize, fill: Fill, now: Instant) -> Verdict {
        if fill.batch != self.batch {
            (self.batch, self.number, self.strangers) = (fill.batch, 0, 0);
        }
        let from = from.to_canonical();
        let Some(sender) = self.sender(from, now) else { return self.judge_stranger(bytes, fill, now) };
        let is_new = sender.batch != fill.batch;
        let has = if is_new { 0 } else { sender.bytes };
        let is_known = sender.is_known;
        if !is_known {
            // Its own first: who floods alone takes nothing from the others.
            if !sender.rate.take(LINES_AT_ONCE, LINES_PER_S, now) {
                return Verdict::PassOver;
            }
            if self.judge_stranger(bytes, fill, now) == Verdict::PassOver {
                return Verdict::PassOver;
            }
        }
        let number = self.number + usize::from(is_new);
        let shared = fill.max / 4 * SHARED_QUARTER;
        if fill.used >= shared && has > shared / number.max(1) {
            return if is_known { Verdict::BeyondShare } else { Verdict::PassOver };
        }
        self.number = number;
        if let Some(sender) = self.senders.get_mut(&from) {
            (sender.bytes, sender.batch) = (has + bytes, fill.batch);
        }
        Verdict::Take
    }

    /// What all strangers together have.
    fn judge_stranger(&mut self, bytes: usize, fill: Fill, now: Instant) -> Verdict {
        if self.strangers >= fill.max / STRANGERS_PART
            || !self.strangers_rate.take(ALL_LINES_AT_ONCE, ALL_LINES_PER_S, now)
        {
            return Verdict::PassOver;
        }
        self.strangers += bytes;
        Verdict::Take
    }

    fn sender(&mut self, from: IpAddr, now: Instant) -> Option<&mut Sender> {
        if !self.senders.contains_key(&from) {
            if self.senders.len() >= SENDERS_MAX && now >= self.next_search {
                self.next_search = now + SEARCH_REST;
                let batch = self.batch;
                self.senders.retain(|_, sender| sender.batch == batch || sender.rate.until > now);
            }
            let is_known = self.known.has(from);
            // Boards are as many as there are devices; strangers can be made up, and so can everybody of whom nothing was told yet.
            let is_device = is_known && self.known.is_told();
            if self.senders.len() >= SENDERS_MAX && !is_device {
                return None;
            }
            // Of no batch yet: its first line counts it.
            let batch = self.batch.wrapping_sub(1);
            self.senders.insert(from, Sender { is_known, bytes: 0, batch, rate: Rate { until: now } });
        }
        self.senders.get_mut(&from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1 << 20;
    const LINE: usize = 200;

    fn address(n: u32) -> IpAddr {
        IpAddr::from(n.to_be_bytes())
    }

    fn fair(boards: std::ops::Range<u32>, now: Instant) -> Fair {
        let mut fair = Fair::new(now);
        fair.tell(Known::of(boards.map(address).collect()));
        fair
    }

    /// Lines of these senders in turn, as many as there are, into a room of [`MAX`] that nobody empties; gives how many each got in.
    fn flood(fair: &mut Fair, senders: &[u32], lines: usize, now: Instant) -> Vec<usize> {
        let (mut used, mut taken) = (0, vec![0; senders.len()]);
        for _ in 0..lines {
            for (sender, taken) in senders.iter().zip(&mut taken) {
                let fill = Fill { used, max: MAX, batch: 7 };
                if fair.judge(address(*sender), LINE, fill, now) == Verdict::Take && used < MAX {
                    used += LINE;
                    *taken += 1;
                }
            }
        }
        taken
    }

    #[test]
    fn a_board_alone_may_have_three_quarters_and_who_comes_later_finds_room() {
        let now = Instant::now();
        let mut fair = fair(1..10, now);
        assert_eq!(flood(&mut fair, &[1], 10_000, now), [MAX * 3 / 4 / LINE + 1]);
        let fill = Fill { used: MAX * 3 / 4 + 10, max: MAX, batch: 7 };
        assert_eq!(fair.judge(address(1), LINE, fill, now), Verdict::BeyondShare);
        assert_eq!(fair.judge(address(2), LINE, fill, now), Verdict::Take);
        // It has taken the batch in its hands.
        let fill = Fill { batch: 8, ..fill };
        assert_eq!(fair.judge(address(1), LINE, fill, now), Verdict::Take, "in the next it has nothing yet");
    }

    #[test]
    fn a_flood_of_one_board_leaves_the_others_their_share() {
        let now = Instant::now();
        let mut fair = fair(1..10, now);
        // The first says fifty lines for each of the others.
        let senders: Vec<u32> = std::iter::repeat_n(1, 50).chain(2..=5).collect();
        let taken = flood(&mut fair, &senders, 250, now);
        assert_eq!(taken[50..], [250; 4], "all that they said");
    }

    #[test]
    fn strangers_have_an_eighth_and_so_many_lines_a_second_each_and_together() {
        let now = Instant::now();
        let mut fair = fair(1..10, now);
        let all: Vec<u32> = (1..=9).chain(1000..1200).collect();
        let taken = flood(&mut fair, &all, 200, now);
        assert_eq!(taken[..9], [200; 9], "no board loses a line");
        assert_eq!(taken[9..].iter().sum::<usize>(), MAX / STRANGERS_PART / LINE + 1);

        // With all the room there is.
        let empty = |batch| Fill { used: 0, max: 1 << 40, batch };
        let mut fair = Fair::new(now);
        fair.tell(Known::of(Default::default()));
        let mut heard = |from: u32, at: Instant| {
            (0..300_000).filter(|_| fair.judge(address(from), LINE, empty(9), at) == Verdict::Take).count()
        };
        assert_eq!(heard(1, now), LINES_AT_ONCE as usize);
        let later = now + Duration::from_secs(1);
        assert_eq!(heard(1, later), LINES_PER_S as usize);
        let rest: usize = (2..20).map(|n| heard(n, later)).sum();
        assert_eq!(
            rest + LINES_PER_S as usize,
            (ALL_LINES_AT_ONCE - LINES_AT_ONCE + ALL_LINES_PER_S) as usize
        );
        assert_eq!(heard(1, now + Duration::from_secs(3600)), LINES_AT_ONCE as usize, "never more than that");
    }

    #[test]
    fn the_more_speak_the_less_one_may_have_when_little_is_left() {
        let now = Instant::now();
        let mut fair = fair(1..20, now);
        let (empty, full) =
            (|batch| Fill { used: 0, max: MAX, batch }, |batch| Fill { used: MAX / 4 * 3, max: MAX, batch });
        let share = MAX / 4 * 3 / 5;
        assert_eq!(fair.judge(address(1), share + 1, empty(1), now), Verdict::Take);
        for n in 2..=4 {
            assert_eq!(fair.judge(address(n), LINE, empty(1), now), Verdict::Take);
        }
        assert_eq!(fair.judge(address(1), LINE, full(1), now), Verdict::Take, "of four it has its share");
        assert_eq!(fair.judge(address(5), LINE, full(1), now), Verdict::Take);
        assert_eq!(fair.judge(address(1), LINE, full(1), now), Verdict::BeyondShare, "and of five more");
        // The journal takes the batch, and nobody has anything in the next one.
        assert_eq!(fair.judge(address(1), share + 1, full(2), now), Verdict::Take);
        assert_eq!(fair.judge(address(1), LINE, full(2), now), Verdict::Take, "it speaks alone");
        // A stranger has a share like others, and what he loses is in no device's log.
        for n in 1..=9 {
            fair.judge(address(n), LINE, empty(3), now);
        }
        assert_eq!(fair.judge(address(99), MAX / STRANGERS_PART - 1, empty(3), now), Verdict::Take);
        assert_eq!(fair.judge(address(99), LINE, full(3), now), Verdict::PassOver);
        assert_eq!(
            fair.judge(address(99), LINE, empty(3), now),
            Verdict::PassOver,
            "strangers have an eighth"
        );
        assert_eq!(fair.judge(address(99), LINE, empty(4), now), Verdict::Take, "of each batch");
    }

    #[test]
    fn who_has_said_much_is_not_forgotten_for_made_up_senders() {
        let now = Instant::now();
        let mut fair = fair(1..3, now);
        let fill = |batch| Fill { used: 0, max: 1 << 40, batch };
        while fair.judge(address(7), 1, fill(1), now) == Verdict::Take {}
        let (later, full) = (now + 2 * SEARCH_REST, Fill { used: 3 << 38, ..fill(2) });
        fair.judge(address(2), LINE, fill(2), now);
        assert_eq!(fair.judge(address(1), 3 << 38, fill(2), now), Verdict::Take);
        for n in 0..20_000 {
            fair.judge(address(1000 + n), 1, fill(2), if n < 10_000 { now } else { later });
        }
        assert_eq!(fair.judge(address(1), LINE, full, later), Verdict::BeyondShare, "in this batch");
        // All that have spoken in the batch before go, but for the one that has said too much.
        let again = (0..LINES_AT_ONCE).filter(|_| fair.judge(address(7), 1, fill(3), later) == Verdict::Take);
        assert!(again.count() <= 2 * LINES_PER_S as usize);
    }

    #[test]
    fn made_up_senders_take_no_memory_and_boards_are_told_apart_all_the_same() {
        let now = Instant::now();
        let mut fair = fair(1..4, now);
        let fill = Fill { used: 0, max: MAX, batch: 1 };
        for n in 0..50_000 {
            fair.judge(address(1000 + n), 1, fill, now);
        }
        assert_eq!(fair.senders.len(), SENDERS_MAX);
        assert_eq!(fair.judge(address(1), LINE, fill, now), Verdict::Take);
        assert!(fair.senders.contains_key(&address(1)));
        let (later, fill) = (now + 10 * SEARCH_REST, Fill { batch: 2, ..fill });
        fair.judge(address(999), 1, fill, later);
        assert_eq!(fair.senders.len(), 1, "who is quiet is forgotten");
    }

    #[test]
    fn who_becomes_a_device_is_no_stranger_any_more() {
        let now = Instant::now();
        let mut fair = fair(1..2, now);
        let fill = Fill { used: 0, max: MAX, batch: 1 };
        let mapped = |n: u32| IpAddr::from(std::net::Ipv4Addr::from(n).to_ipv6_mapped());
        while fair.judge(address(7), 1, fill, now) == Verdict::Take {}
        fair.tell(Known::of([address(7)].into()));
        assert_eq!(fair.judge(mapped(7), 1, fill, now), Verdict::Take);
        assert_eq!(fair.senders.len(), 1, "an address is the same however it is written");
        // Before the journal has told of any device, everybody may be one.
        let mut early = Fair::new(now);
        assert!((0..100_000).all(|_| early.judge(address(7), 1, fill, now) == Verdict::Take));
    }

    #[test]
    fn made_up_senders_take_no_memory_before_the_journal_has_told_of_any_device() {
        let now = Instant::now();
        let mut early = Fair::new(now);
        let fill = Fill { used: 0, max: MAX, batch: 1 };
        for n in 0..50_000 {
            early.judge(address(1000 + n), 1, fill, now);
        }
        assert_eq!(early.senders.len(), SENDERS_MAX);
        // Who comes late has what strangers have, until the journal tells.
        assert_eq!(early.judge(address(1), MAX, fill, now), Verdict::Take);
        assert_eq!(early.judge(address(1), LINE, fill, now), Verdict::PassOver);
        early.tell(Known::of([address(1)].into()));
        assert_eq!(early.judge(address(1), LINE, fill, now), Verdict::Take);
        assert_eq!(early.senders.len(), SENDERS_MAX + 1);
    }
}

//! Which pings are under way, when to try again, when to give up.
//!
//! Pure: told the time, says what to send. The numbers are `fping -r4 -t50`'s: 5 tries, the first answered within 50 ms or
//! followed by a second, each wait half as long again; 0.66 s for a dead board.

use super::Ticket;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Requests sent before a board counts as silent.
pub const TRIES: u16 = 5;
/// How long the first is waited for.
pub const FIRST_WAIT: Duration = Duration::from_millis(50);
/// Pings under way at once. One per probed device; more than that many devices no server has.
pub const PINGS_MAX: usize = 8192;

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// Send a request.
    Send { to: SocketAddr, sequence: u16, cookie: u64 },
    /// All tries were in vain.
    Silent(Ticket),
}

#[derive(Debug)]
struct Pending {
    ticket: Ticket,
    to: SocketAddr,
    sent: u16,
    wait: Duration,
}

/// All pings under way, by cookie.
#[derive(Debug, Default)]
pub struct Pings {
    pending: HashMap<u64, Pending>,
    /// One entry per ping; that of an answered ping stays until its time comes, a quarter of a second at most.
    timers: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Pings {
    /// Begins a ping, whose first request is due at once. False: too many are under way, or the cookie is taken.
    #[must_use]
    pub fn start(&mut self, ticket: Ticket, to: SocketAddr, cookie: u64, now: Instant) -> bool {
        if self.pending.len() >= PINGS_MAX || self.pending.contains_key(&cookie) {
            return false;
        }
        self.pending.insert(cookie, Pending { ticket, to, sent: 0, wait: FIRST_WAIT });
        self.timers.push(Reverse((now, cookie)));
        true
    }

    /// The next thing that is due at `now`; call until `None`.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        while let Some(&Reverse((at, cookie))) = self.timers.peek()
            && at <= now
        {
            self.timers.pop();
            let Some(ping) = self.pending.get_mut(&cookie) else { continue };
            if ping.sent == TRIES {
                let ticket = ping.ticket;
                self.pending.remove(&cookie);
                return Some(Due::Silent(ticket));
            }
            let (to, sequence) = (ping.to, ping.sent);
            ping.sent += 1;
            self.timers.push(Reverse((now + ping.wait, cookie)));
            ping.wait = ping.wait * 3 / 2;
            return Some(Due::Send { to, sequence, cookie });
        }
        None
    }

    /// A reply came; whose, if it answers a request of ours to that very address. Late replies to earlier tries count.
    pub fn answered(&mut self, from: SocketAddr, sequence: u16, cookie: u64) -> Option<Ticket> {
        self.pending.get(&cookie).filter(|p| p.to.ip() == from.ip() && sequence < p.sent)?;
        self.forget(cookie)
    }

    /// Ends a ping without a result.
    pub fn forget(&mut self, cookie: u64) -> Option<Ticket> {
        self.pending.remove(&cookie).map(|p| p.ticket)
    }

    /// When to ask [`Self::due`] again.
    pub fn next_wake(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> SocketAddr {
        "192.0.2.7:0".parse().unwrap()
    }

    #[test]
    fn a_dead_board_is_tried_five_times_in_two_thirds_of_a_second() {
        let start = Instant::now();
        let mut pings = Pings::default();
        assert!(pings.start(Ticket(1), board(), 77, start));
        let mut seen = Vec::new();
        while let Some(at) = pings.next_wake() {
            while let Some(due) = pings.due(at) {
                seen.push(((at - start).as_millis(), due));
            }
        }
        let send = |ms, sequence| (ms, Due::Send { to: board(), sequence, cookie: 77 });
        let expected = [
            send(0, 0),
            send(50, 1),
            send(125, 2),
            send(237, 3),
            send(406, 4),
            (659, Due::Silent(Ticket(1))),
        ];
        assert_eq!(seen, expected);
        assert!(pings.pending.is_empty());
    }

    #[test]
    fn only_the_pinged_board_can_answer_and_only_once() {
        let now = Instant::now();
        let mut pings = Pings::default();
        assert!(pings.start(Ticket(1), board(), 77, now));
        assert_eq!(pings.answered(board(), 0, 77), None, "nothing was sent yet");
        assert!(pings.due(now).is_some());
        assert_eq!(pings.answered("192.0.2.8:0".parse().unwrap(), 0, 77), None, "another address");
        assert_eq!(pings.answered(board(), 1, 77), None, "a try that was not made");
        assert_eq!(pings.answered(board(), 0, 78), None, "another cookie");
        assert_eq!(pings.answered(board(), 0, 77), Some(Ticket(1)));
        assert_eq!(pings.answered(board(), 0, 77), None, "a duplicate");
        assert_eq!(pings.due(now + Duration::from_secs(1)), None, "no further tries");
        assert_eq!(pings.next_wake(), None);
    }

    #[test]
    fn pings_under_way_are_bounded() {
        let now = Instant::now();
        let mut pings = Pings::default();
        for cookie in 0..PINGS_MAX as u64 {
            assert!(pings.start(Ticket(cookie), board(), cookie, now));
        }
        assert!(!pings.start(Ticket(0), board(), u64::MAX, now));
        assert!(pings.forget(3).is_some());
        assert!(pings.start(Ticket(0), board(), u64::MAX, now));
        assert!(!pings.start(Ticket(0), board(), u64::MAX, now), "a cookie names one ping");
    }
}

//! How often calls of a client were refused of late: whoever guesses is slowed down, and does not fill the audit log.

use crate::layers::http::Client;
use crate::logic::time::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Refusals that a client may have in a minute: a person mistypes a few times, a program does it for ever.
pub const TRIES_MAX: u64 = 10;
/// They are counted together for so long.
const WINDOW_MS: i64 = 60_000;
/// Clients that are counted one by one. Beyond them all others count as one, which is `None`.
const CLIENTS_MAX: usize = 1024;

/// Refusals that were not told one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Whose; `None` for all for whom there was no room.
    pub(super) client: Option<Client>,
    /// How many.
    pub(super) more: u64,
    /// When the minute began in which they were.
    pub(super) since: Timestamp,
}

#[derive(Debug)]
struct Window {
    since: Timestamp,
    count: u64,
}

impl Window {
    fn is_over(&self, now: Timestamp) -> bool {
        // A clock that was put back ends it, too.
        !(0..WINDOW_MS).contains(&(now.0.saturating_sub(self.since.0)))
    }
}

/// Refusals by client.
#[derive(Debug, Default)]
pub(super) struct Tries(Mutex<HashMap<Option<Client>, Window>>);

impl Tries {
    /// Counts a refusal. Whether there were few enough to be told one by one; and of windows that are over, how many more there
    /// were.
    pub(super) fn failed(&self, client: Option<Client>, now: Timestamp) -> (bool, Vec<LeftOut>) {
        let over = self.over(now);
        let mut windows = self.lock();
        let room = windows.len() < CLIENTS_MAX || windows.contains_key(&client);
        let client = if room { client } else { None };
        let window = windows.entry(client).or_insert(Window { since: now, count: 0 });
        window.count += 1;
        (window.count <= TRIES_MAX, over)
    }

    /// Whether there were so many that nothing is tried any more. For whom there is no room are all others.
    pub(super) fn are_too_many(&self, client: Option<Client>, now: Timestamp) -> bool {
        let windows = self.lock();
        let own = windows.get(&client);
        let own = own.or_else(|| windows.get(&None).filter(|_| windows.len() >= CLIENTS_MAX));
        own.is_some_and(|w| !w.is_over(now) && w.count >= TRIES_MAX)
    }

    /// Forgets windows that are over; how many more there were in them than were told one by one.
    pub(super) fn over(&self, now: Timestamp) -> Vec<LeftOut> {
        self.forget(|window| window.is_over(now))
    }

    /// The same for all windows, for nobody counts any more.
    pub(super) fn end(&self) -> Vec<LeftOut> {
        self.forget(|_| true)
    }

    fn forget(&self, is_over: impl Fn(&Window) -> bool) -> Vec<LeftOut> {
        let mut over = Vec::new();
        self.lock().retain(|client, window| {
            let is_over = is_over(window);
            if is_over && window.count > TRIES_MAX {
                let more = window.count - TRIES_MAX;
                over.push(LeftOut { client: *client, more, since: window.since });
            }
            !is_over
        });
        over
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Option<Client>, Window>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn client(n: u32) -> Option<Client> {
        Some(Client::of(IpAddr::from(n.to_be_bytes())))
    }

    #[test]
    fn ten_a_minute_are_told_and_the_rest_is_counted() {
        let tries = Tries::default();
        let (a, b) = (client(1), client(2));
        let at = |s: i64| Timestamp(s * 1000);
        let left_out = |client, more, s| vec![LeftOut { client, more, since: at(s) }];
        for n in 0..10 {
            assert!(!tries.are_too_many(a, at(n)));
            assert_eq!(tries.failed(a, at(n)), (true, vec![]));
        }
        assert!(tries.are_too_many(a, at(10)) && !tries.are_too_many(b, at(10)));
        assert_eq!(tries.failed(a, at(11)), (false, vec![]));
        assert_eq!(tries.failed(b, at(60)), (true, left_out(a, 1, 0)));
        assert!(!tries.are_too_many(a, at(60)));
        for _ in 0..12 {
            tries.failed(b, at(61));
        }
        assert_eq!(tries.over(at(119)), []);
        assert_eq!(tries.end(), left_out(b, 3, 60), "nobody counts any more");
        assert_eq!(tries.end(), []);
    }

    #[test]
    fn many_clients_take_no_more_room_and_are_slowed_down_together() {
        let tries = Tries::default();
        for n in 0..5000 {
            tries.failed(client(n), Timestamp(0));
        }
        assert_eq!(tries.lock().len(), CLIENTS_MAX + 1);
        assert!(
            tries.are_too_many(client(4999), Timestamp(0)) && tries.are_too_many(client(9999), Timestamp(0))
        );
        assert!(!tries.are_too_many(client(0), Timestamp(0)), "who has a window of their own is not");
        assert!(!tries.are_too_many(client(4999), Timestamp(60_000)));
    }

    #[test]
    fn a_machine_with_many_addresses_is_one_client() {
        let tries = Tries::default();
        for n in 0..10 {
            let address: IpAddr = format!("2001:db8::{n}").parse().unwrap();
            tries.failed(Some(Client::of(address)), Timestamp(0));
        }
        let another = Client::of("2001:db8::ffff:1".parse().unwrap());
        assert!(tries.are_too_many(Some(another), Timestamp(0)));
    }
}

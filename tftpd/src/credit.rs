//! What is sent to addresses from which nothing has been heard yet: so much at once and so much a second, to each and in all.
//! It refuses to know packets and transfers; time comes in.
//!
//! The source address of a datagram can be forged, and then the answer goes to somebody else. What a request costs is therefore
//! lent to its address, and given back when the client acknowledges something, which only who receives our packets can do. So a
//! board that loads a thousand files never notices a limit, and a forger can have nobody sent more than one account holds.
//!
//! Addresses that the source of the files trusts, because somebody has told it whose they are, owe for themselves alone: what is forged
//! in the name of others does not stand in their way.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// What looking at a datagram costs, in bytes: the headers of an answer's packet, and the smallest frame of Ethernet.
pub(crate) const LOOK: u32 = 64;
/// The most that a request may cost: [`LOOK`] and a first answer, which is a block of 512 bytes or less.
pub(crate) const REQUEST: u32 = LOOK + 4 + 512;
/// Lent at once for each transfer that an address may have: fifty names in vain, more than any boot loader tries.
const LENT_PER_TRANSFER: u32 = 4 << 10;
/// Lent for each a second: a boot loader that runs in circles is told a dozen times a second that there is no such file.
const LENT_PER_TRANSFER_AND_S: u32 = 1 << 10;
/// Accounts of strangers share this part of what the whole table of transfers would have. A rack that is switched on asks for
/// its loader, acknowledges it and is no stranger any more.
const STRANGERS_PART: u32 = 2;
/// Addresses that are remembered: several times the largest pool of one server, in a megabyte.
const ADDRESSES_MAX: usize = 8192;
/// When all are in use, this part of those that acknowledged something is forgotten, who was heard longest ago. So newcomers find
/// room, and looking for it costs each of them next to nothing.
const FORGOTTEN_PART: usize = 8;
/// How long an address that has acknowledged something is no stranger: the boards of a rack that is off for a weekend are not
/// missed, for others are forgotten only when there is no more room.
const KNOWN_FOR: Duration = Duration::from_secs(24 * 3600);
/// Between two searches for accounts that may be forgotten. Each looks at all of them.
const SEARCH_REST: Duration = Duration::from_secs(1);

/// How much is lent: at once, and how quickly it is as if it had been given back.
#[derive(Debug, Clone, Copy)]
struct Terms {
    at_once: Duration,
    bytes_per_s: u32,
}

impl Terms {
    fn of(transfers: usize, part: u32) -> Self {
        let transfers = u32::try_from(transfers).unwrap_or(u32::MAX);
        // Less than one request at once would be nothing at all.
        let bytes = (transfers.saturating_mul(LENT_PER_TRANSFER) / part).max(2 * REQUEST);
        let bytes_per_s = (transfers.saturating_mul(LENT_PER_TRANSFER_AND_S) / part).max(REQUEST);
        Self { at_once: price(bytes, bytes_per_s), bytes_per_s }
    }
}

/// The time in which so many bytes are as if they had been given back.
fn price(bytes: u32, bytes_per_s: u32) -> Duration {
    Duration::from_nanos(u64::from(bytes) * 1_000_000_000 / u64::from(bytes_per_s.max(1)))
}

/// One debt, as the time when it will be gone. (The generic cell rate algorithm of ATM: a bucket that needs no refilling.)
#[derive(Debug, Clone, Copy)]
struct Debt {
    until: Instant,
}

impl Debt {
    fn with(self, bytes: u32, terms: Terms, now: Instant) -> Option<Self> {
        let until = self.until.max(now) + price(bytes, terms.bytes_per_s);
        (until.saturating_duration_since(now) <= terms.at_once).then_some(Self { until })
    }

    fn without(self, bytes: u32, terms: Terms) -> Self {
        Self { until: self.until.checked_sub(price(bytes, terms.bytes_per_s)).unwrap_or(self.until) }
    }
}

/// Whom something is lent to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Debtor {
    account: IpAddr,
    is_trusted: bool,
}

impl Debtor {
    /// A client at this address, which `is_trusted` when the source knows whose it is. Of others the networks count in IPv6: whoever
    /// has one has 2^64 addresses there, and they may all be his.
    pub(crate) fn new(address: IpAddr, is_trusted: bool) -> Self {
        let account = match address.to_canonical() {
            IpAddr::V6(one) if !is_trusted => IpAddr::V6(Ipv6Addr::from_bits(one.to_bits() >> 64 << 64)),
            one => one,
        };
        Self { account, is_trusted }
    }
}

#[derive(Debug, Clone, Copy)]
struct Account {
    debt: Debt,
    /// When something was last acknowledged from there.
    heard: Option<Instant>,
}

/// The accounts of all addresses.
#[derive(Debug)]
pub(crate) struct Credits {
    each: Terms,
    strangers_terms: Terms,
    accounts: HashMap<IpAddr, Account>,
    /// Of all addresses that are not trusted and from which nothing was ever heard, together.
    strangers: Debt,
    /// All accounts were in use when we last looked for one.
    next_search: Instant,
}

impl Credits {
    /// For a server that has at most `transfers` at once, and `transfers_per_address` with one address.
    pub(crate) fn new(transfers: usize, transfers_per_address: usize, now: Instant) -> Self {
        Self {
            each: Terms::of(transfers_per_address, 1),
            strangers_terms: Terms::of(transfers, STRANGERS_PART),
            accounts: HashMap::new(),
            strangers: Debt { until: now },
            next_search: now,
        }
    }

    /// Whether there is somebody: it is trusted, or something was heard from there before.
    pub(crate) fn proven(&self, debtor: Debtor) -> bool {
        debtor.is_trusted || self.accounts.get(&debtor.account).is_some_and(|account| account.heard.is_some())
    }

    /// Lends a datagram's [`LOOK`], if all that may follow from it could be lent, too.
    pub(crate) fn look(&mut self, debtor: Debtor, now: Instant) -> bool {
        self.lend_if(debtor, LOOK, REQUEST, now)
    }

    /// Lends `bytes`, or not.
    pub(crate) fn lend(&mut self, debtor: Debtor, bytes: u32, now: Instant) -> bool {
        self.lend_if(debtor, bytes, bytes, now)
    }

    /// Lends `bytes` if there is room for `most`.
    fn lend_if(&mut self, debtor: Debtor, bytes: u32, most: u32, now: Instant) -> bool {
        let account = self.accounts.get(&debtor.account).copied();
        let none = Account { debt: Debt { until: now }, heard: None };
        let Account { debt, heard } = account.unwrap_or(none);
        let Some(own) = debt.with(most, self.each, now).and_then(|_| debt.with(bytes, self.each, now)) else {
            return false;
        };
        if heard.is_none() && !debtor.is_trusted {
            let all = self.strangers;
            let room = all.with(most, self.strangers_terms, now);
            let Some(all) = room.and_then(|_| all.with(bytes, self.strangers_terms, now)) else {
                return false;
            };
            self.strangers = all;
        }
        // Without an account of its own a stranger has the share of all of them: forged addresses must not cost memory.
        if account.is_some() || self.has_place(debtor.is_trusted, now) {
            self.accounts.insert(debtor.account, Account { debt: own, heard });
        }
        true
    }

    /// This client has acknowledged something, for which `bytes` were lent: they are given back, and it is no
    /// stranger any more.
    pub(crate) fn heard(&mut self, debtor: Debtor, bytes: u32, now: Instant) {
        let has_place = self.accounts.contains_key(&debtor.account) || self.has_place(true, now);
        if !has_place {
            self.strangers = self.strangers.without(bytes, self.strangers_terms);
            return;
        }
        let none = Account { debt: Debt { until: now }, heard: None };
        let account = self.accounts.entry(debtor.account).or_insert(none);
        if account.heard.replace(now).is_none() && !debtor.is_trusted {
            self.strangers = self.strangers.without(bytes, self.strangers_terms);
        }
        account.debt = account.debt.without(bytes, self.each);
    }

    /// Whether one more address can be remembered: for a stranger when others without debts, or that were heard long ago, can be
    /// forgotten; for one that `is_there` in any case, but for the moment in which the debts of strangers take most places.
    fn has_place(&mut self, is_there: bool, now: Instant) -> bool {
        if self.accounts.len() < ADDRESSES_MAX {
            return true;
        }
        if now < self.next_search && !is_there {
            return false;
        }
        self.next_search = now + SEARCH_REST;
        self.accounts.retain(|_, account| match account.heard {
            None => account.debt.until > now,
            Some(at) => now.saturating_duration_since(at) < KNOWN_FOR,
        });
        if self.accounts.len() >= ADDRESSES_MAX && is_there {
            self.forget_longest_silent();
        }
        self.accounts.len() < ADDRESSES_MAX
    }

    fn forget_longest_silent(&mut self) {
        let mut heard: Vec<Instant> = self.accounts.values().filter_map(|account| account.heard).collect();
        // Where strangers' debts are the most of it, they are gone in some milliseconds.
        if heard.len() < ADDRESSES_MAX / 2 {
            return;
        }
        let at = heard.len() / FORGOTTEN_PART;
        let (_, &mut limit, _) = heard.select_nth_unstable(at);
        self.accounts.retain(|_, account| account.heard.is_none_or(|at| at > limit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn address(n: u32) -> Debtor {
        Debtor::new(IpAddr::from(n.to_be_bytes()), false)
    }

    fn board(n: u32) -> Debtor {
        Debtor::new(IpAddr::from(n.to_be_bytes()), true)
    }

    /// How many requests in a row are answered with a first block.
    fn blocks(credits: &mut Credits, from: u32, now: Instant) -> u32 {
        blocks_to(credits, address(from), now)
    }

    fn blocks_to(credits: &mut Credits, debtor: Debtor, now: Instant) -> u32 {
        let mut n = 0;
        while credits.look(debtor, now) {
            assert!(credits.lend(debtor, REQUEST - LOOK, now), "whoever is looked at is answered");
            n += 1;
        }
        n
    }

    #[test]
    fn an_address_that_never_answers_gets_so_much_at_once_and_so_much_a_second() {
        let t0 = Instant::now();
        let mut credits = Credits::new(2048, 64, t0);
        assert_eq!(blocks(&mut credits, 1, t0), (64 << 12) / REQUEST);
        assert_eq!(blocks(&mut credits, 1, t0), 0);
        let later = blocks(&mut credits, 1, t0 + S);
        assert!((112..=113).contains(&later), "64 KiB, and what was left over: {later}");
        assert_eq!(blocks(&mut credits, 2, t0 + S), (64 << 12) / REQUEST, "another has its own");
        assert_eq!(blocks(&mut credits, 1, t0 + 3600 * S), (64 << 12) / REQUEST, "never more than that");
    }

    #[test]
    fn what_is_acknowledged_was_never_lent() {
        let t0 = Instant::now();
        let mut credits = Credits::new(2048, 1, t0);
        for n in 0..100_000 {
            assert!(credits.look(address(1), t0) && credits.lend(address(1), 516, t0), "{n}");
            credits.heard(address(1), LOOK + 516, t0);
        }
        assert!(credits.proven(address(1)) && !credits.proven(address(2)));
        let forged = blocks(&mut credits, 1, t0);
        assert_eq!(forged, (1 << 12) / REQUEST, "the debts of others are not forgiven with it");
    }

    #[test]
    fn strangers_share_what_there_is_and_leave_those_alone_who_are_known() {
        let t0 = Instant::now();
        let mut credits = Credits::new(2048, 64, t0);
        assert!(credits.look(address(1), t0));
        credits.heard(address(1), LOOK, t0);
        let mut once =
            |n: &u32| credits.look(address(*n), t0) && credits.lend(address(*n), REQUEST - LOOK, t0);
        let answered = (100..20_000).filter(&mut once).count();
        assert_eq!(answered, (4 << 20) / REQUEST as usize, "2 KiB for each of 2048 transfers");
        assert!(!credits.look(address(2), t0), "a flood of forged addresses stands in the way of a new one");
        assert!(blocks(&mut credits, 1, t0) > 400, "and not of a board that was here before");
        assert!(credits.look(address(2), t0 + S), "it comes through a little later");
    }

    #[test]
    fn what_a_stranger_acknowledges_is_there_for_the_others_again() {
        let t0 = Instant::now();
        let mut credits = Credits::new(64, 64, t0);
        let all = (1..).map_while(|n| Some(blocks(&mut credits, n, t0)).filter(|n| *n > 0)).sum::<u32>();
        assert_eq!(all, (64 << 11) / REQUEST);
        credits.heard(address(1), 10 * REQUEST, t0);
        assert_eq!(blocks(&mut credits, 9, t0), 10);
        // From now on it owes for itself alone, and so does what it gives back.
        credits.heard(address(1), 10 * REQUEST, t0);
        assert_eq!(blocks(&mut credits, 9, t0), 0);
        assert_eq!(blocks(&mut credits, 1, t0), (64 << 12) / REQUEST - all + 20);

        // One that cannot be remembered gives back as well.
        let mut credits = Credits::new(1 << 20, 2048, t0);
        for n in 0..10_000 {
            credits.lend(address(n), REQUEST, t0);
        }
        while credits.lend(address(20_000), 1 << 20, t0) {}
        while credits.lend(address(20_000), 1, t0) {}
        assert!(!credits.look(address(20_001), t0));
        credits.heard(address(20_000), REQUEST, t0);
        assert!(!credits.proven(address(20_000)) && credits.look(address(20_001), t0));
    }

    #[test]
    fn the_smallest_server_answers_a_request() {
        let t0 = Instant::now();
        let mut credits = Credits::new(0, 0, t0);
        assert_eq!(blocks(&mut credits, 1, t0), 2);
        assert_eq!(blocks(&mut credits, 1, t0 + S), 1);
    }

    #[test]
    fn a_board_that_somebody_told_of_owes_for_itself_alone() {
        let t0 = Instant::now();
        let mut credits = Credits::new(2048, 64, t0);
        assert!(credits.proven(board(1)) && !credits.proven(address(1)));
        while credits.look(address(2), t0) || credits.look(address(3), t0) {}
        let others = (4..).find(|n| blocks(&mut credits, *n, t0) == 0).expect("the sum ends");
        assert!(
            others > 10 && !credits.look(address(others + 1), t0),
            "strangers have all that they may have"
        );
        assert_eq!(
            blocks_to(&mut credits, board(1), t0),
            (64 << 12) / REQUEST,
            "its own account is as always"
        );
        assert!(!credits.look(board(1), t0), "and no larger");
        // What it acknowledges frees nothing that strangers owe.
        credits.heard(board(1), 100 * REQUEST, t0);
        assert!(!credits.look(address(others + 1), t0));
        assert_eq!(blocks_to(&mut credits, board(1), t0), 100);
    }

    #[test]
    fn a_network_of_ipv6_is_one_stranger_and_its_boards_are_each_their_own() {
        let t0 = Instant::now();
        let mut credits = Credits::new(2048, 64, t0);
        let at = |text: &str, is_trusted| Debtor::new(text.parse().expect("an address"), is_trusted);
        while credits.look(at("fd00:0:0:1::1", false), t0) {}
        assert!(!credits.look(at("fd00::1:ffff:0:0:9", false), t0), "another of the same 64 bits");
        assert!(credits.look(at("fd00:0:0:2::1", false), t0), "another network");
        assert!(credits.look(at("fd00:0:0:1::1", true), t0));
        credits.heard(at("fd00:0:0:3::1", false), 0, t0);
        assert!(credits.proven(at("fd00:0:0:3::2", false)));
        credits.heard(at("::ffff:10.0.0.1", false), 0, t0);
        assert!(credits.proven(at("10.0.0.1", false)) && !credits.proven(at("10.0.0.2", false)));
    }

    #[test]
    fn who_fills_all_accounts_does_not_shut_out_newcomers() {
        let t0 = Instant::now();
        let mut credits = Credits::new(2048, 64, t0);
        let later = |n: u32| t0 + Duration::from_millis(n.into());
        let full = u32::try_from(ADDRESSES_MAX).expect("it fits");
        (0..full).for_each(|n| credits.heard(address(n), 0, later(n)));
        // A stranger is nobody that others are forgotten for.
        assert!(credits.look(address(full), later(full)));
        assert!(credits.proven(address(0)) && credits.accounts.len() == ADDRESSES_MAX);
        credits.heard(address(full), 0, later(full));
        assert!(credits.proven(address(full)));
        let part = full / u32::try_from(FORGOTTEN_PART).expect("it fits");
        let is_known = |n: &u32| credits.proven(address(*n));
        assert_eq!((0..=full).find(is_known), Some(part + 1), "those heard longest ago had to go");
        assert_eq!((0..=full).filter(is_known).count(), (full - part) as usize, "and no others");
        // Nor do strangers that owe nothing any more, however many, cost others their place.
        for n in full..3 * full {
            credits.look(address(n), later(2 * full));
        }
        assert_eq!(credits.accounts.len(), ADDRESSES_MAX);
        credits.heard(address(9 * full), 0, later(2 * full) + S / 2);
        assert!(credits.proven(address(9 * full)) && credits.proven(address(part + 1)));
        // One that is trusted has an account in any case, or nothing would end what is forged in its name.
        let mut credits = Credits::new(2048, 64, t0);
        (0..full).for_each(|n| credits.heard(address(n), 0, t0));
        assert!((0..5000).filter(|_| credits.look(board(full), t0)).count() < 5000);
    }

    #[test]
    fn forged_addresses_take_no_memory_and_who_is_known_is_not_forgotten_for_them() {
        let t0 = Instant::now();
        let mut credits = Credits::new(1 << 20, 64, t0);
        credits.heard(address(1), 0, t0);
        for n in 0..50_000 {
            credits.look(address(100 + n), t0);
        }
        assert_eq!(credits.accounts.len(), ADDRESSES_MAX);
        credits.heard(address(2), 0, t0);
        assert!(!credits.proven(address(2)), "all places are taken, by debts");
        // Debts of some bytes are gone after a second, and the next newcomer makes room.
        credits.heard(address(3), 0, t0 + 2 * S);
        assert!(credits.proven(address(1)) && credits.proven(address(3)));
        assert_eq!(credits.accounts.len(), 2);
    }
}

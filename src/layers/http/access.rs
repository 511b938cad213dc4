//! The access log: who, what, status, how much and how long, a line for each call; and for a client whose calls fail and
//! fail, a few lines and then a count, so that it fills neither the log nor the memory.
//!
//! A client is an address, or with IPv6 the network that a machine chooses its addresses from: who has 2^64 of them has one count.
//!
//! Decides by a point in time that is passed in; its lines of calls go to the log with the target `mozpool::access`.

use super::client::Client;
use crate::access::redacted;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For so long lines are counted together.
const WINDOW: Duration = Duration::from_secs(10);
/// Lines with a status of 400 and more that a client may cause in a window, and other lines that say what it did: what a CI job or
/// a board does wrong in earnest stays far below, and a client that fails for ever fills a few megabytes in an hour.
const LINES_MAX: u32 = 20;
/// Clients that are counted one by one; more at once than a lab has machines. The rest are counted together.
const CLIENTS_MAX: usize = 1024;
/// Characters of a method that are shown; the longest that is registered has 17.
const METHOD_SHOWN: usize = 32;
/// Characters of a target that are shown: a path with a query, not a hostile kilobyte.
const TARGET_SHOWN: usize = 300;
/// Characters of an assignee that are shown.
const WHO_SHOWN: usize = 80;

/// What is said of a call.
pub(super) struct Line<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) took: Duration,
    pub(super) peer: IpAddr,
    /// Whose request it was about.
    pub(super) who: Option<&'a str>,
}

/// Writes the lines of one server.
#[derive(Default)]
pub(super) struct AccessLog(Mutex<Counts>);

impl AccessLog {
    /// Writes a line, or counts it.
    pub(super) fn call(&self, line: &Line<'_>, now: Instant) {
        // Who is told that there is no room comes again at once, and sooner than one who was told that he is wrong.
        if line.status < 400 || self.may_write(line.peer, now) {
            log::info!(target: "mozpool::access", "{}", text(line));
        }
    }

    /// Writes another line that a client has caused, or counts it with those of its failed calls.
    pub(super) fn event(&self, peer: IpAddr, level: log::Level, what: impl FnOnce() -> String, now: Instant) {
        if self.may_write(peer, now) {
            log::log!(level, "peer={peer} {}", what());
        }
    }

    fn may_write(&self, peer: IpAddr, now: Instant) -> bool {
        let (write, over) = {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let over = counts.over(now);
            (counts.may_write(Some(Client::of(peer)), now), over)
        };
        report(&over);
        write
    }

    /// Says how many lines were left out in windows that are over; somebody calls it now and then.
    pub(super) fn tidy(&self, now: Instant) {
        let over = self.0.lock().unwrap_or_else(PoisonError::into_inner).over(now);
        report(&over);
    }

    /// When there may be something to say.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next
    }

    /// The same for all windows, for the server ends.
    pub(super) fn end(&self, now: Instant) {
        self.tidy(now + WINDOW);
    }
}

fn report(over: &[(Option<Client>, u64)]) {
    for (client, left_out) in over {
        let client = client.map_or_else(|| "(others)".to_owned(), |c| c.to_string());
        log::warn!(
            target: "mozpool::access",
            "peer={client} {left_out} more calls that failed within {} s are not shown one by one",
            WINDOW.as_secs()
        );
    }
}

fn text(line: &Line<'_>) -> String {
    let Line { method, target, status, bytes, took, peer, who } = line;
    let ms = took.as_secs_f64() * 1000.0;
    let (method, target) = (cut(method, METHOD_SHOWN), shown(target));
    let mut text = format!("{method} {target} {status} {ms:.1} ms {bytes} B peer={peer}");
    if let Some(who) = who {
        // Writing to a text does not fail.
        let _ = write!(text, " assignee=\"{}\"", cut(who, WHO_SHOWN));
    }
    text
}

/// A target as logs show it: without secrets, and not for ever.
pub(super) fn shown(target: &str) -> String {
    cut(&redacted(target), TARGET_SHOWN).into_owned()
}

/// A text as it is shown. Nearly always that is as it is: a character at a time would cost more than the rest of the line.
fn cut(text: &str, max: usize) -> Cow<'_, str> {
    let is_plain = text.len() <= max
        && text.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\'' | b'\\'));
    if is_plain { Cow::Borrowed(text) } else { text.chars().take(max).flat_map(char::escape_debug).collect() }
}

/// How many lines clients have caused.
#[derive(Default)]
struct Counts {
    /// `None`: all for whom there was no room.
    clients: HashMap<Option<Client>, Window>,
    /// When the oldest window ends.
    next: Option<Instant>,
}

struct Window {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Counts {
    /// Takes out the windows that have ended, and says how many lines they have left out.
    fn over(&mut self, now: Instant) -> Vec<(Option<Client>, u64)> {
        if self.next.is_none_or(|next| now < next) {
            return Vec::new();
        }
        let mut over = Vec::new();
        self.clients.retain(|client, window| {
            let open = now < window.since + WINDOW;
            if !open && window.left_out > 0 {
                over.push((*client, window.left_out));
            }
            open
        });
        self.next = self.clients.values().map(|w| w.since + WINDOW).min();
        over
    }

    fn may_write(&mut self, client: Option<Client>, now: Instant) -> bool {
        let full = self.clients.len() >= CLIENTS_MAX;
        let key = if full && !self.clients.contains_key(&client) { None } else { client };
        let window = self.clients.entry(key).or_insert(Window { since: now, lines: 0, left_out: 0 });
        self.next = Some(self.next.map_or(now + WINDOW, |next| next.min(window.since + WINDOW)));
        if window.lines < LINES_MAX {
            window.lines += 1;
            return true;
        }
        window.left_out += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u32) -> Option<Client> {
        Some(Client::of(IpAddr::from(n.to_be_bytes())))
    }

    #[test]
    fn a_peer_whose_calls_all_fail_gets_some_lines_and_then_a_count() {
        let (mut counts, start) = (Counts::default(), Instant::now());
        let written = (0..100).filter(|_| counts.may_write(peer(1), start)).count();
        assert_eq!(written, usize::try_from(LINES_MAX).unwrap());
        assert!(counts.may_write(peer(2), start), "another peer is not held responsible");
        let late = start + WINDOW - Duration::from_millis(1);
        assert!(counts.over(late).is_empty() && !counts.may_write(peer(1), late));
        assert_eq!(counts.over(start + WINDOW), [(peer(1), 81)]);
        assert!(counts.over(start + WINDOW).is_empty(), "it is said once");
        assert!(counts.may_write(peer(1), start + WINDOW), "a new window");
        assert!(counts.clients.len() == 1, "who was quiet is forgotten");
    }

    #[test]
    fn windows_end_each_at_its_time() {
        let (mut counts, start) = (Counts::default(), Instant::now());
        let half = start + WINDOW / 2;
        for _ in 0..=LINES_MAX {
            counts.may_write(peer(1), start);
            counts.may_write(peer(2), half);
        }
        assert_eq!(counts.over(start + WINDOW), [(peer(1), 1)]);
        assert!(counts.over(start + WINDOW).is_empty());
        assert_eq!(counts.over(half + WINDOW), [(peer(2), 1)]);
        assert!(counts.next.is_none());
    }

    #[test]
    fn a_million_peers_take_no_more_room_than_a_thousand() {
        let (mut counts, start) = (Counts::default(), Instant::now());
        let written = (0..1_000_000).filter(|n| counts.may_write(peer(*n), start)).count();
        assert_eq!(counts.clients.len(), CLIENTS_MAX + 1);
        assert_eq!(written, CLIENTS_MAX + usize::try_from(LINES_MAX).unwrap());
        let over = counts.over(start + WINDOW);
        assert_eq!(over, [(None, 1_000_000 - u64::try_from(written).unwrap())]);
        assert!(counts.clients.is_empty());
    }

    #[test]
    fn addresses_of_one_machine_are_counted_together() {
        let (log, now) = (AccessLog::default(), Instant::now());
        let written = |peer: &str| log.may_write(peer.parse().unwrap(), now);
        assert_eq!((0..100).filter(|n| written(&format!("2001:db8::{n:x}"))).count(), 20);
        assert!(written("2001:db8:0:1::1") && written("10.0.0.1"));
    }

    #[test]
    fn a_line_says_who_what_and_how_long_and_stays_one_line() {
        let call = |method: &str, target: &str, who: Option<&str>| {
            text(&Line {
                method,
                target,
                status: 204,
                bytes: 7,
                took: Duration::from_micros(1234),
                peer: [10, 0, 0, 1].into(),
                who,
            })
        };
        let line = |target: &str, who: Option<&str>| call("POST", target, who);
        assert_eq!(line("/api/x?a=\n", None), "POST /api/x?a=\\n 204 1.2 ms 7 B peer=10.0.0.1");
        assert_eq!(
            line("/x", Some("ann\"\n")),
            "POST /x 204 1.2 ms 7 B peer=10.0.0.1 assignee=\"ann\\\"\\n\""
        );
        let long = |letter: &str| letter.repeat(10_000);
        assert!(call(&long("M"), &long("x"), Some(&long("y"))).len() < 500);
        assert!(call("G\nT", "/", None).starts_with("G\\nT / "));
    }
}

//! Tickets: what a browser carries from one server of a pool to the one that owns what it wants to change.
//!
//! Its session's cookie stays with the host that gave it, so the server that redirects names the caller to the owner, under
//! the seal of the pool, for one call and half a minute. A ticket that comes again in that time does the same call again.

use super::token::is_name;
use crate::seal::Secret;
use sha2::{Digest as _, Sha256};

/// The key of the query that has it.
pub const TICKET_KEY: &str = "ticket";
/// How long one is good: a browser follows a redirect at once, and servers' clocks differ a little.
pub const TICKET_LIFE_S: u32 = 30;

/// The one call that a ticket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errand<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path and query, without the ticket.
    pub target: &'a str,
    /// Its body, which a browser sends again as it was (307).
    pub body: &'a [u8],
}

/// Who calls, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket<'a> {
    /// The name of the caller's token.
    pub name: &'a str,
    /// What they may do with it.
    pub errand: Errand<'a>,
}

impl Ticket<'_> {
    /// Sealed, and good until `ends_ms`.
    pub fn seal(&self, secret: &Secret, ends_ms: i64) -> String {
        format!("{ends_ms}~{}~{}", self.name, secret.seal(&self.text(ends_ms)))
    }

    /// A letter between servers begins with a brace, so that no seal of the one is one of the other.
    fn text(&self, ends_ms: i64) -> String {
        let Self { name, errand: Errand { method, target, body } } = self;
        let body: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("ticket\n{ends_ms}\n{name}\n{method}\n{target}\n{body}")
    }

    /// Whose ticket `text` is, if it is one for this call and good at `now_ms`.
    pub fn open<'t>(text: &'t str, secret: &Secret, errand: Errand<'_>, now_ms: i64) -> Option<&'t str> {
        let mut parts = text.splitn(3, '~');
        let (ends, name, seal) = (parts.next()?, parts.next()?, parts.next()?);
        let ends_ms: i64 = ends.parse().ok()?;
        // One that is good for longer than any was ever given is another clock's, or a mistake.
        let latest = now_ms.saturating_add(2 * 1000 * i64::from(TICKET_LIFE_S));
        let in_time = now_ms < ends_ms && ends_ms <= latest;
        let ticket = Ticket { name, errand };
        (in_time && is_name(name) && secret.has_sealed(&ticket.text(ends_ms), seal)).then_some(name)
    }
}

/// A target with a ticket in its query.
pub fn with_ticket(target: &str, ticket: &str) -> String {
    let joint = if target.contains('?') { '&' } else { '?' };
    format!("{target}{joint}{TICKET_KEY}={ticket}")
}

/// A target without its ticket, which is the last key of its query, and the ticket.
pub fn split_ticket(target: &str) -> Option<(&str, &str)> {
    let at = target.rfind(['?', '&'])?;
    let ticket = target[at + 1..].strip_prefix(TICKET_KEY)?.strip_prefix('=')?;
    Some((&target[..at], ticket))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_good_for_one_call_of_one_caller_and_half_a_minute() {
        let secret = Secret::of_text("0123456789abcdef");
        let errand = Errand { method: "POST", target: "/api/device/p%201/power-off?x=1", body: b"{}" };
        let sealed = Ticket { name: "ann@lab", errand }.seal(&secret, 31_000);
        let target = with_ticket(errand.target, &sealed);
        let (rest, text) = split_ticket(&target).unwrap();
        assert_eq!((rest, text), (errand.target, sealed.as_str()));
        let open = |text: &str, method, target, now| {
            Ticket::open(text, &secret, Errand { method, target, ..errand }, now).map(str::to_owned)
        };
        assert_eq!(open(text, "POST", errand.target, 1000).as_deref(), Some("ann@lab"));
        assert_eq!(open(text, "POST", errand.target, 30_999).as_deref(), Some("ann@lab"));
        let other = Secret::of_text("0123456789abcdeF");
        assert_eq!(Ticket::open(text, &other, errand, 1000), None);
        assert_eq!(Ticket::open(text, &secret, Errand { body: b"", ..errand }, 1000), None);
        for (text, method, target, now) in [
            (text, "POST", errand.target, 31_000),
            (text, "POST", errand.target, -60_000),
            (text, "GET", errand.target, 1000),
            (text, "POST", "/api/device/p%201/power-off", 1000),
            (&text.replace("ann", "bob"), "POST", errand.target, 1000),
            (&text.replace("31000", "32000"), "POST", errand.target, 1000),
            (&text[..text.len() - 1], "POST", errand.target, 1000),
            ("", "POST", errand.target, 1000),
            ("1~2", "POST", errand.target, 1000),
        ] {
            assert_eq!(open(text, method, target, now), None, "{text} {method} {target} {now}");
        }
    }

    #[test]
    fn only_the_last_key_of_a_query_is_one() {
        assert_eq!(split_ticket("/x?ticket=a"), Some(("/x", "a")));
        for none in ["/x", "/x?a=1", "/ticket=1", "/x?ticket=a&b=1", "/x?tickets=1", "/x?ticket"] {
            assert_eq!(split_ticket(none), None, "{none}");
        }
    }
}

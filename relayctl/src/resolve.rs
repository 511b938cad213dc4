//! Host names to addresses, within a deadline.
//!
//! The system's resolver blocks for as long as it likes (with a dead name server tens of seconds) and cannot be
//! interrupted; so a look-up that needs it runs in a thread that is abandoned when the time is up. The number of
//! such threads is bounded, and each ends when the resolver gives up. Addresses are never looked up.

use crate::error::Fault;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// Look-ups at once. One worker per relay board asks at a time; more than this are a name server that is down.
const MAX_LOOKUPS: usize = 32;
/// Addresses of one name that are tried; a relay board has one or two.
const MAX_ADDRESSES: usize = 8;

static LOOKUPS: AtomicUsize = AtomicUsize::new(0);

/// Gives its place back however the look-up ends.
struct Place;

impl Place {
    fn take() -> Option<Self> {
        let add = |n| (n < MAX_LOOKUPS).then_some(n + 1);
        LOOKUPS.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).ok().map(|_| Self)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        LOOKUPS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The addresses of `host`, IPv4 first: the boards' network modules speak nothing else.
///
/// # Errors
/// [`Fault`], never later than the deadline.
pub fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let place = Place::take().ok_or(Fault::ResolverBusy)?;
    let (answer, asked) = mpsc::sync_channel(1);
    let name = host.to_owned();
    let look_up = move || {
        let found: io::Result<Vec<SocketAddr>> =
            (name.as_str(), port).to_socket_addrs().map(Iterator::collect);
        drop(place);
        // Nobody listens any more when the deadline has passed.
        let _ = answer.send(found);
    };
    thread::Builder::new().name("relay-resolve".into()).spawn(look_up).map_err(|e| Fault::Io(e.kind()))?;
    let left = deadline.saturating_duration_since(Instant::now());
    let mut found = match asked.recv_timeout(left) {
        Ok(Ok(found)) if !found.is_empty() => found,
        Ok(_) => return Err(Fault::UnknownHost),
        Err(_) => return Err(Fault::TimedOut),
    };
    found.sort_by_key(SocketAddr::is_ipv6);
    found.truncate(MAX_ADDRESSES);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// One test, because the bound on look-ups is the whole process's.
    #[test]
    fn names_come_ipv4_first_and_look_ups_are_bounded() {
        assert_eq!(resolve("::1", 7, Instant::now()), Ok(vec!["[::1]:7".parse().unwrap()]));
        assert_eq!(resolve("192.0.2.1", 7, Instant::now()), Ok(vec!["192.0.2.1:7".parse().unwrap()]));
        let soon = Instant::now() + Duration::from_secs(20);
        let found = resolve("localhost", 7, soon).unwrap();
        assert!(found[0].is_ipv4() && found.iter().all(|a| a.ip().is_loopback()), "{found:?}");

        let mut held = vec![];
        while let Some(place) = Place::take() {
            held.push(place);
        }
        assert_eq!(held.len(), MAX_LOOKUPS);
        assert_eq!(resolve("localhost", 7, soon), Err(Fault::ResolverBusy));
        assert_eq!(resolve("192.0.2.1", 7, soon), Ok(vec!["192.0.2.1:7".parse().unwrap()]), "needs no place");
        drop(held);
        assert!(resolve("localhost", 7, soon).is_ok(), "places come back");
    }
}

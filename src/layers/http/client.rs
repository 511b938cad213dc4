//! Who calls, as far as room and turns are shared out: an address, or with IPv6 the network that a machine chooses its addresses
//! from. And what one of them may have of something that is bounded.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One caller, or all behind one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Client(IpAddr);

impl Client {
    /// Whose address this is. A machine with IPv6 has 2^64 of them (RFC 4291 section 2.5.1), so these count as one.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

/// As a log names it.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(network) => write!(f, "{network}/64"),
        }
    }
}

/// Whether somebody who has `own` places gets one of the `free` ones. One alone has three quarters of all: a rack behind one
/// address and a CI server with hundreds of jobs live with that, and a quarter is left for everybody else, of whom the next
/// has three quarters of that.
pub(super) fn may_take(own: usize, free: usize) -> bool {
    free > 0 && own <= free.saturating_mul(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_one_client_with_all_its_addresses() {
        let client = |text: &str| Client::of(text.parse().unwrap());
        assert_eq!(client("10.0.0.1"), client("::ffff:10.0.0.1"));
        assert_ne!(client("10.0.0.1"), client("10.0.0.2"));
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:0:0:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(
            [client("10.0.0.1"), client("2001:db8::1")].map(|c| c.to_string()),
            ["10.0.0.1", "2001:db8::/64"]
        );
    }

    #[test]
    fn one_alone_gets_three_quarters_and_the_next_still_gets_most_of_the_rest() {
        let takes = |mut free: usize| {
            let mut own = 0;
            while may_take(own, free) {
                (own, free) = (own + 1, free - 1);
            }
            own
        };
        assert_eq!([1, 2, 4, 8, 256, 512].map(takes), [1, 2, 4, 7, 193, 385]);
        assert_eq!(takes(256 - 193), 48);
        assert!(!may_take(0, 0));
    }
}

//! Where something is, as a `Host` header, an `Origin` or a URL names it: host and port.

use std::net::IpAddr;

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// A name in lower case, or an address; one of IPv6 in brackets.
    pub host: String,
    /// `None` where nothing says it.
    pub port: Option<u16>,
}

impl Place {
    /// Of `host`, `host:port` or `[v6]:port`, as a `Host` header has it (RFC 9110 section 7.2).
    pub fn of_authority(authority: &str) -> Option<Self> {
        let (host, port) = match authority.rfind(']') {
            Some(end) => authority.split_at(end + 1),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => Some(digits.parse().ok()?),
            None if port.is_empty() => None,
            None => return None,
        };
        let clean = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
        (!host.is_empty() && host.chars().all(clean)).then(|| Self { host: host.to_ascii_lowercase(), port })
    }

    /// Of a URL without a path or an origin, with the port that its scheme implies.
    pub fn of_url(url: &str) -> Option<Self> {
        let (scheme, authority) = url.split_once("://")?;
        let usual = match scheme.to_ascii_lowercase().as_str() {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let place = Self::of_authority(authority.trim_end_matches('/'))?;
        Some(Self { port: Some(place.port.unwrap_or(usual)), ..place })
    }

    /// Its host, if that is an address and no name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether its host is `localhost` or below it, which is this machine for whoever asks (RFC 6761 section 6.3).
    pub fn is_localhost(&self) -> bool {
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        name == "localhost" || name.ends_with(".localhost")
    }

    /// Whether it is this machine, and reached by nobody else.
    pub fn is_local(&self) -> bool {
        self.is_localhost() || self.address().is_some_and(|address| address.to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_few_names() {
        for (url, is_local) in [
            ("http://localhost:8080", true),
            ("http://LOCALHOST.", true),
            ("http://a.localhost", true),
            ("http://127.0.0.1", true),
            ("http://127.9.9.9:1/", true),
            ("http://[::1]:8080", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://notlocalhost", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("https://pool.example.com", false),
            ("http://10.0.0.1", false),
            ("http://[2001:db8::1]", false),
        ] {
            assert_eq!(Place::of_url(url).map(|place| place.is_local()), Some(is_local), "{url}");
        }
    }
}

//! Whether a server asks who calls.

use super::place::Place;
use std::fmt;
use std::net::IpAddr;

/// What is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModeSetting {
    /// It goes by who can reach the server.
    #[default]
    Auto,
    /// It asks nobody.
    Open,
    /// It asks everybody.
    Token,
}

/// What holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whoever reaches the server may do everything.
    Open,
    /// Whoever is known by a token may do what it is for.
    Token,
}

impl Mode {
    /// As it is configured and shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ModeSetting {
    /// As it is written.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "open" => Some(Self::Open),
            "token" => Some(Self::Token),
            _ => None,
        }
    }

    /// What holds for a server that listens on `listen` and says of itself that it is at `url`. Behind a reverse proxy others reach
    /// it whatever its own address is, and a URL of more than this machine says that there is one.
    pub fn on(self, listen: IpAddr, has_proxies: bool, url: Option<&str>) -> Mode {
        let is_local = |url: &str| Place::of_url(url).is_some_and(|place| place.is_local());
        match self {
            Self::Open => Mode::Open,
            Self::Token => Mode::Token,
            Self::Auto if listen.to_canonical().is_loopback() && !has_proxies && url.is_none_or(is_local) => {
                Mode::Open
            }
            Self::Auto => Mode::Token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_may_unasked() {
        for (listen, want) in [
            ("127.0.0.1", Mode::Open),
            ("127.9.9.9", Mode::Open),
            ("::1", Mode::Open),
            ("::ffff:127.0.0.1", Mode::Open),
            ("0.0.0.0", Mode::Token),
            ("::", Mode::Token),
            ("10.0.0.1", Mode::Token),
        ] {
            let listen = listen.parse().unwrap();
            assert_eq!(ModeSetting::Auto.on(listen, false, None), want, "{listen}");
            let url = Some("http://localhost:8080");
            assert_eq!(ModeSetting::Auto.on(listen, false, url), want, "{listen} by a name of this machine");
            assert_eq!(ModeSetting::Auto.on(listen, true, None), Mode::Token, "{listen} behind a proxy");
            for url in ["https://pool.example.com", "http://10.0.0.1:8080", "nonsense"] {
                let mode = ModeSetting::Auto.on(listen, false, Some(url));
                assert_eq!(mode, Mode::Token, "{listen} at {url}");
            }
            assert_eq!(ModeSetting::Open.on(listen, true, Some("https://pool.example.com")), Mode::Open);
            assert_eq!(ModeSetting::Token.on(listen, false, None), Mode::Token);
        }
    }
}

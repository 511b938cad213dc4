//! Health checks: how an image says that a board which runs it works.
//!
//! Parsed once from the image's `check` text; the layer below carries them out.

use std::fmt;
use std::str::FromStr;

/// What proves that a board runs its image.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Check {
    /// Nothing can be asked of it; it counts as working.
    None,
    /// Answers ICMP echo. Boot loaders answer too, so after imaging only an unbroken run counts.
    #[default]
    Ping,
    /// Runs the SUT agent of Mozilla's test boards (TCP 20701).
    Sut,
    /// Accepts a connection on this TCP port.
    Tcp(u16),
    /// Greets with an SSH banner on port 22.
    Ssh,
    /// Answers `GET` of this path on port 80 (or of `:PORT/path`) with a 2xx status.
    Http {
        /// TCP port, 80 unless the text names one.
        port: u16,
        /// Path with its leading `/`.
        path: String,
    },
}

/// A check's text that means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCheck(pub String);

impl fmt::Display for BadCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a health check; write none, ping, sut, ssh, tcp:PORT, http:/PATH or http:PORT/PATH",
            self.0
        )
    }
}

impl std::error::Error for BadCheck {}

impl FromStr for Check {
    type Err = BadCheck;

    fn from_str(text: &str) -> Result<Self, BadCheck> {
        let bad = || BadCheck(text.chars().take(80).collect());
        let port = |p: &str| p.parse().ok().filter(|p| *p != 0).ok_or_else(bad);
        match text.split_once(':') {
            None => match text {
                "none" => Ok(Self::None),
                "ping" => Ok(Self::Ping),
                "sut" => Ok(Self::Sut),
                "ssh" => Ok(Self::Ssh),
                _ => Err(bad()),
            },
            Some(("tcp", p)) => Ok(Self::Tcp(port(p)?)),
            Some(("http", rest)) => {
                let (p, path) = rest.split_at(rest.find('/').ok_or_else(bad)?);
                if path.bytes().any(|b| !(0x21..=0x7e).contains(&b)) {
                    return Err(bad());
                }
                Ok(Self::Http { port: if p.is_empty() { 80 } else { port(p)? }, path: path.into() })
            }
            Some(_) => Err(bad()),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Ping => f.write_str("ping"),
            Self::Sut => f.write_str("sut"),
            Self::Tcp(port) => write!(f, "tcp:{port}"),
            Self::Ssh => f.write_str("ssh"),
            Self::Http { port: 80, path } => write!(f, "http:{path}"),
            Self::Http { port, path } => write!(f, "http:{port}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_written_as_it_is_read() {
        for text in ["none", "ping", "sut", "ssh", "tcp:5555", "http:/installed", "http:8000/a?b=c"] {
            assert_eq!(text.parse::<Check>().unwrap().to_string(), text);
        }
        assert_eq!("http:80/x".parse::<Check>().unwrap().to_string(), "http:/x");
    }

    #[test]
    fn nonsense_is_refused_with_the_choices() {
        for text in
            ["", "pong", "tcp:", "tcp:0", "tcp:65536", "http:", "http:x", "http:/a b", "ftp:21", "http:0/"]
        {
            assert!(text.parse::<Check>().unwrap_err().to_string().contains("tcp:PORT"), "{text}");
        }
    }
}

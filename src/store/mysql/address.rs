//! Which database, written as one line: `mysql://USER:PASSWORD@HOST:PORT,HOST2/DATABASE?KEY=VALUE&…`.
//!
//! Pure, but for the password's file, which is read when a connection is made, so that a new password needs no restart. What
//! is shown of an address never holds the password, nor anything else that stands behind the database's name.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where MariaDB listens unless it is said otherwise.
const PORT: u16 = 3306;
/// Database nodes that one line may name: a cluster of more is asked by its first ones.
const ENDPOINTS_MAX: usize = 16;
/// Seconds that may be set for making a connection, and what holds otherwise. Every node that does not answer costs so much
/// once, so it is short.
const CONNECT_S: (u64, u64, u64) = (1, 60, 2);
/// The same for one statement. The slowest are reports over years.
const STATEMENT_S: (u64, u64, u64) = (1, 3600, 10);

/// One node of the database.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) enum Endpoint {
    /// By TCP: name or address, and port.
    Tcp(String, u16),
    /// A socket of this machine.
    Socket(String),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "socket {path}"),
        }
    }
}

/// Whether what is said to the database can be read on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Tls {
    /// It can.
    Off,
    /// It cannot, and the database has proved who it is.
    On,
    /// It cannot, but nobody knows who is at the other end.
    Unverified,
}

/// How to reach a database.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::store) struct Address {
    pub(super) user: String,
    password: String,
    password_file: Option<PathBuf>,
    /// At least one, the preferred one first.
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) database: String,
    pub(in crate::store) tls: Tls,
    /// Certificates that are trusted beside the public ones.
    pub(super) ca: Option<PathBuf>,
    pub(super) connect: Duration,
    pub(super) statement: Duration,
}

/// What is wrong with the line. No part of it is repeated that could be a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadAddress {
    /// No user is named before the `@`.
    User,
    /// No host, or something that is none.
    Host,
    /// No database, or a name with signs that no name of a database needs.
    Database,
    /// A `%` that two hexadecimal digits do not follow, or text that is not UTF-8 then.
    Percent,
    /// A key that there is not.
    Key(String),
    /// A value that the key of this name does not take.
    Value(&'static str),
    /// A password and a file with a password.
    TwoPasswords,
}

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = "write mysql://USER:PASSWORD@HOST:PORT/DATABASE";
        match self {
            Self::User => write!(f, "the database's address names no user; {form}"),
            Self::Host => write!(f, "the database's address names no host, or one that cannot be; {form}"),
            Self::Database => {
                write!(f, "the database's address names no database of letters, digits, - and _; {form}")
            }
            Self::Percent => f.write_str(
                "the database's address has a % in it that no two hexadecimal digits follow; write %25 for a % in a password",
            ),
            Self::Key(key) => write!(
                f,
                "the database's address has a `{key}` behind the ?; there are password_file, socket, tls, ca, connect_s and statement_s"
            ),
            Self::Value("tls") => {
                f.write_str("the database's address has a tls= that is none of off, on and unverified")
            }
            Self::Value(key @ ("connect_s" | "statement_s")) => {
                let (least, most, _) = if *key == "connect_s" { CONNECT_S } else { STATEMENT_S };
                write!(f, "the database's address has a {key}= that is no number of seconds from {least} to {most}")
            }
            Self::Value(key) => write!(f, "the database's address has a {key}= that is no absolute path"),
            Self::TwoPasswords => {
                f.write_str("the database's address has a password and a password_file; leave one of them out")
            }
        }
    }
}

impl fmt::Display for Address {
    /// Who, where, which; no password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mysql://{}@", self.user)?;
        for (i, endpoint) in self.endpoints.iter().enumerate() {
            write!(f, "{}{endpoint}", if i > 0 { "," } else { "" })?;
        }
        write!(f, "/{}", self.database)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Address {
    /// The files that it names, which are read again for each connection.
    pub(in crate::store) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.password_file, &self.ca].into_iter().flatten().map(PathBuf::as_path)
    }

    /// Reads what stands behind `mysql:`.
    pub(in crate::store) fn parse(rest: &str) -> Result<Self, BadAddress> {
        let rest = rest.strip_prefix("//").ok_or(BadAddress::Host)?;
        let (rest, options) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may hold an @ and a host may not.
        let (who, rest) = rest.rsplit_once('@').ok_or(BadAddress::User)?;
        let (user, password) = who.split_once(':').unwrap_or((who, ""));
        let (hosts, database) = rest.split_once('/').ok_or(BadAddress::Database)?;
        let named = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if database.is_empty() || database.len() > 64 || !database.bytes().all(named) {
            return Err(BadAddress::Database);
        }
        let seconds = |s| Duration::from_secs(s);
        let mut address = Self {
            user: decode(user)?,
            password: decode(password)?,
            password_file: None,
            endpoints: Vec::new(),
            database: database.to_owned(),
            tls: Tls::Off,
            ca: None,
            connect: seconds(CONNECT_S.2),
            statement: seconds(STATEMENT_S.2),
        };
        if address.user.is_empty() {
            return Err(BadAddress::User);
        }
        let (mut tls, mut socket) = (None, None);
        for option in options.split('&').filter(|o| !o.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decode(value)?;
            let path = |key| match value.starts_with('/') {
                true => Ok(PathBuf::from(&value)),
                false => Err(BadAddress::Value(key)),
            };
            let number = |key, (least, most, _): (u64, u64, u64)| match value.parse() {
                Ok(n) if (least..=most).contains(&n) => Ok(seconds(n)),
                _ => Err(BadAddress::Value(key)),
            };
            match key {
                "password_file" => address.password_file = Some(path("password_file")?),
                "socket" => socket = Some(path("socket")?),
                "ca" => address.ca = Some(path("ca")?),
                "connect_s" => address.connect = number("connect_s", CONNECT_S)?,
                "statement_s" => address.statement = number("statement_s", STATEMENT_S)?,
                "tls" => {
                    tls = Some(match value.as_str() {
                        "off" => Tls::Off,
                        "on" => Tls::On,
                        "unverified" => Tls::Unverified,
                        _ => return Err(BadAddress::Value("tls")),
                    });
                }
                _ => return Err(BadAddress::Key(key.chars().take(20).collect())),
            }
        }
        // Who names certificates to trust wants them to be looked at.
        address.tls = tls.unwrap_or(if address.ca.is_some() { Tls::On } else { Tls::Off });
        if address.password_file.is_some() && !address.password.is_empty() {
            return Err(BadAddress::TwoPasswords);
        }
        address.endpoints = match socket {
            Some(path) if hosts.is_empty() || hosts == "localhost" => {
                vec![Endpoint::Socket(path.display().to_string())]
            }
            Some(_) => return Err(BadAddress::Host),
            None => hosts.split(',').map(endpoint).collect::<Result<_, _>>()?,
        };
        if address.endpoints.len() > ENDPOINTS_MAX {
            return Err(BadAddress::Host);
        }
        Ok(address)
    }

    /// The password, from its file if it has one.
    ///
    /// # Errors
    /// Why the file cannot be read, in a sentence.
    pub(super) fn password(&self) -> Result<String, String> {
        let Some(path) = &self.password_file else { return Ok(self.password.clone()) };
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(e) => Err(format!(
                "the database's password cannot be read from {}: {e}; write it there, readable for the user that runs mozpool alone",
                path.display()
            )),
        }
    }

    /// It leaves this machine, and anybody on the way can read it.
    pub(in crate::store) fn is_open_to_all(&self) -> bool {
        let leaves = |endpoint: &Endpoint| match endpoint {
            Endpoint::Socket(_) => false,
            Endpoint::Tcp(host, _) => {
                host != "localhost" && !host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        };
        self.tls == Tls::Off && self.endpoints.iter().any(leaves)
    }
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn endpoint(text: &str) -> Result<Endpoint, BadAddress> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(BadAddress::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| BadAddress::Host)?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(BadAddress::Host)?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || !host.bytes().all(named) {
        return Err(BadAddress::Host);
    }
    let port = match port {
        None => PORT,
        Some(port) => port.parse().ok().filter(|p| *p > 0).ok_or(BadAddress::Host)?,
    };
    Ok(Endpoint::Tcp(host.to_owned(), port))
}

/// `%40` becomes `@`.
fn decode(text: &str) -> Result<String, BadAddress> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or(BadAddress::Percent);
        let (high, low) = (digit()?, digit()?);
        bytes.push(u8::try_from(high * 16 + low).map_err(|_| BadAddress::Percent)?);
    }
    String::from_utf8(bytes).map_err(|_| BadAddress::Percent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, BadAddress> {
        Address::parse(text)
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let a = parse("//mozpool:s%40e:c@ret@db1,db2:3307,[fd00::2]:3308/pool?tls=unverified&connect_s=9")
            .unwrap();
        assert_eq!((a.password().unwrap().as_str(), a.connect.as_secs()), ("s@e:c@ret", 9));
        assert!(a.tls == Tls::Unverified);
        for text in [a.to_string(), format!("{a:?}")] {
            assert_eq!(text, "mysql://mozpool@db1:3306,db2:3307,[fd00::2]:3308/pool");
        }
        let a = parse("//mozpool@/pool?socket=/run/mysqld/mysqld.sock").unwrap();
        assert_eq!(a.to_string(), "mysql://mozpool@socket /run/mysqld/mysqld.sock/pool");
    }

    #[test]
    fn a_password_comes_from_a_file_as_it_is_then() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("password");
        let a = parse(&format!("//mozpool@db/pool?password_file={}", file.display())).unwrap();
        let error = a.password().unwrap_err();
        assert!(error.contains("cannot be read from") && error.contains("password: No such file"), "{error}");
        for word in ["one", "two words"] {
            std::fs::write(&file, format!("{word}\n")).unwrap();
            assert_eq!(a.password().unwrap(), word);
        }
    }

    #[test]
    fn trusted_certificates_mean_that_they_are_looked_at() {
        assert!(parse("//u@db/d?ca=/etc/ssl/lab.pem").unwrap().tls == Tls::On);
        assert!(parse("//u@db/d?ca=/etc/ssl/lab.pem&tls=unverified").unwrap().tls == Tls::Unverified);
        assert!(parse("//u@db/d").unwrap().is_open_to_all());
        for text in ["//u@localhost,127.0.0.1,[::1]/d", "//u@db/d?tls=on", "//u@/d?socket=/s"] {
            assert!(!parse(text).unwrap().is_open_to_all(), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_and_no_password_with_it() {
        for (text, want) in [
            ("mozpool:secret@db/d", BadAddress::Host),
            ("//db/d", BadAddress::User),
            ("//:secret@db/d", BadAddress::User),
            ("//u:secret@/d", BadAddress::Host),
            ("//u:secret@db:0/d", BadAddress::Host),
            ("//u:secret@db,/d", BadAddress::Host),
            ("//u:secret@[db]/d", BadAddress::Host),
            ("//u:secret@db", BadAddress::Database),
            ("//u:secret@db/", BadAddress::Database),
            ("//u:secret@db/a`b", BadAddress::Database),
            ("//u:se%zzcret@db/d", BadAddress::Percent),
            ("//u:%ff@db/d", BadAddress::Percent),
            ("//u:secret@db/d?colour=red", BadAddress::Key("colour".into())),
            ("//u:secret@db/d?tls=maybe", BadAddress::Value("tls")),
            ("//u:secret@db/d?connect_s=0", BadAddress::Value("connect_s")),
            ("//u:secret@db/d?ca=lab.pem", BadAddress::Value("ca")),
            ("//u:secret@db/d?password_file=/p", BadAddress::TwoPasswords),
            ("//u@db/d?socket=/s", BadAddress::Host),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error, want, "{text}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}

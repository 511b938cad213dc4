//! The line by which an agent registers its board: `register NAME=<mac>&IPADDR=…&CMDPORT=…&DATAPORT=…&OS=…&HARDWARE=…&POOL=…`.
//!
//! Pure. Values are URL-encoded. Any bytes may come: they become a value with all checks done, or a refusal that says what was
//! wrong. Keys that nobody here knows are left out. An agent that takes a line with "ok" in it for success reads every answer,
//! so no refusal has these letters next to each other.

use crate::logic::ids::Mac;
use std::fmt;
use std::net::IpAddr;

/// Longest line that is read: all values at their longest, encoded, come to less.
pub const LINE_MAX: usize = 2048;
/// Longest value that is kept, in characters; more is cut.
const VALUE_MAX: usize = 100;
/// What every line begins with.
const COMMAND: &str = "register ";

/// What an agent has said of its board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Its network card.
    pub mac: Mac,
    /// Where it says that it is; `None`: where it came from.
    pub address: Option<IpAddr>,
    /// Where it takes commands.
    pub command_port: Option<u16>,
    /// Where it takes data.
    pub data_port: Option<u16>,
    /// Operating system, in its words.
    pub os: String,
    /// Hardware, in its words.
    pub hardware: String,
    /// Where it would like to belong.
    pub pool: String,
}

/// Why a line is no registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is longer than [`LINE_MAX`].
    TooLong,
    /// It is not text, or not when it is decoded.
    NotText,
    /// It does not begin as it should.
    NotRegister,
    /// `NAME` is missing, or no MAC address.
    NoMac,
    /// `IPADDR` is no address.
    BadAddress,
    /// This is no port.
    BadPort(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the line is longer than {LINE_MAX} bytes"),
            Self::NotText => f.write_str("the line is not UTF-8 text, or its %-escapes are wrong"),
            Self::NotRegister => f.write_str("the line must begin with `register NAME=` and a MAC address"),
            Self::NoMac => f.write_str("NAME must be the board's MAC address, 12 hex digits"),
            Self::BadAddress => f.write_str("IPADDR must be the board's IP address"),
            Self::BadPort(key) => write!(f, "{key} must be a port, 1 to 65535"),
        }
    }
}

impl std::error::Error for Refusal {}

impl Registration {
    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// [`Refusal`] says what was wrong first.
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        if line.len() > LINE_MAX {
            return Err(Refusal::TooLong);
        }
        let line = std::str::from_utf8(line).map_err(|_| Refusal::NotText)?.trim();
        let is_it = line.get(..COMMAND.len()).is_some_and(|start| start.eq_ignore_ascii_case(COMMAND));
        let fields = line.get(COMMAND.len()..).filter(|_| is_it).ok_or(Refusal::NotRegister)?;
        let (mut mac, mut address, mut command_port, mut data_port) = (None, None, None, None);
        let (mut os, mut hardware, mut pool) = Default::default();
        for field in fields.split('&') {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            let value = decode(value.trim())?;
            match key.trim() {
                "NAME" => mac = Some(value.parse().map_err(|_| Refusal::NoMac)?),
                "IPADDR" if !value.is_empty() => {
                    let given: IpAddr = value.parse().map_err(|_| Refusal::BadAddress)?;
                    // An agent whose network is not up yet says 0.0.0.0.
                    address = Some(given.to_canonical()).filter(|a| !a.is_unspecified());
                }
                "CMDPORT" => command_port = port("CMDPORT", &value)?,
                "DATAPORT" => data_port = port("DATAPORT", &value)?,
                "OS" => os = value,
                "HARDWARE" => hardware = value,
                "POOL" => pool = value,
                _ => {}
            }
        }
        let mac = mac.ok_or(Refusal::NoMac)?;
        Ok(Self { mac, address, command_port, data_port, os, hardware, pool })
    }
}

fn port(key: &'static str, value: &str) -> Result<Option<u16>, Refusal> {
    if value.is_empty() {
        return Ok(None);
    }
    value.parse().ok().filter(|port| *port > 0).map(Some).ok_or(Refusal::BadPort(key))
}

/// A value without its URL encoding, on one line and not too long.
fn decode(value: &str) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    loop {
        rest = match rest {
            [] => break,
            [b'%', high, low, behind @ ..] => {
                let digit = |b: u8| char::from(b).to_digit(16).ok_or(Refusal::NotText);
                let byte = digit(*high)? << 4 | digit(*low)?;
                bytes.push(u8::try_from(byte).map_err(|_| Refusal::NotText)?);
                behind
            }
            [b'%', ..] => return Err(Refusal::NotText),
            [b'+', behind @ ..] => {
                bytes.push(b' ');
                behind
            }
            [byte, behind @ ..] => {
                bytes.push(*byte);
                behind
            }
        };
    }
    let text = String::from_utf8(bytes).map_err(|_| Refusal::NotText)?;
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(VALUE_MAX).collect();
    Ok(line.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "register NAME=0a%3A0b%3A0c%3A0d%3A0e%3A0f&IPADDR=10.0.0.7&CMDPORT=20701&DATAPORT=20700&OS=Android+2.2&HARDWARE=Tegra%20250&POOL=staging&ROTATION=0\r\n";

    #[test]
    fn a_whole_line_is_read() {
        let full = Registration {
            mac: Mac([0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f]),
            address: Some([10, 0, 0, 7].into()),
            command_port: Some(20701),
            data_port: Some(20700),
            os: "Android 2.2".into(),
            hardware: "Tegra 250".into(),
            pool: "staging".into(),
        };
        assert_eq!(Registration::parse(FULL.as_bytes()), Ok(full.clone()));
        let short = Registration::parse(b"REGISTER NAME=0a0b0c0d0e0f&IPADDR=0.0.0.0&CMDPORT=").unwrap();
        assert_eq!((short.mac, short.address, short.command_port), (full.mac, None, None));
        let v6 = Registration::parse(b"register NAME=0a0b0c0d0e0f&IPADDR=::ffff:10.0.0.7").unwrap();
        assert_eq!(v6.address, full.address);
        let odd =
            Registration::parse("register OS=%00%0aä&NAME=0a0b0c0d0e0f&OS&HARDWARE=a%0D%0Ab".as_bytes())
                .unwrap();
        assert_eq!((&*odd.os, &*odd.hardware), ("", "a  b"), "the last word counts, and is one line");
        let long = format!("register NAME=0a0b0c0d0e0f&POOL={}", "ä".repeat(500));
        assert_eq!(Registration::parse(long.as_bytes()).unwrap().pool.chars().count(), VALUE_MAX);
    }

    #[test]
    fn what_is_no_registration_is_refused_with_what_is_wrong() {
        for (line, want) in [
            (&b""[..], Refusal::NotRegister),
            (b"register", Refusal::NotRegister),
            (b"GET / HTTP/1.1", Refusal::NotRegister),
            (b"\xff\xfe", Refusal::NotText),
            ("registerä NAME=0a0b0c0d0e0f".as_bytes(), Refusal::NotRegister),
            (b"register ", Refusal::NotRegister),
            (b"register IPADDR=10.0.0.7", Refusal::NoMac),
            (b"register NAME=panda-1", Refusal::NoMac),
            (b"register NAME=", Refusal::NoMac),
            (b"register NAME=0a0b0c0d0e0f&IPADDR=here", Refusal::BadAddress),
            (b"register NAME=0a0b0c0d0e0f&CMDPORT=0", Refusal::BadPort("CMDPORT")),
            (b"register NAME=0a0b0c0d0e0f&DATAPORT=65536", Refusal::BadPort("DATAPORT")),
            (b"register NAME=0a0b0c0d0e0f&OS=%4", Refusal::NotText),
            (b"register NAME=0a0b0c0d0e0f&OS=%zz", Refusal::NotText),
            (b"register NAME=0a0b0c0d0e0f&OS=%ff", Refusal::NotText),
            (&[b'x'; LINE_MAX + 1], Refusal::TooLong),
        ] {
            assert_eq!(Registration::parse(line), Err(want), "{}", line.escape_ascii());
        }
    }

    /// An agent that looks for these letters must not take a refusal for success.
    #[test]
    fn no_refusal_has_an_ok_in_it() {
        use Refusal::{BadAddress, BadPort, NoMac, NotRegister, NotText, TooLong};
        for refusal in
            [TooLong, NotText, NotRegister, NoMac, BadAddress, BadPort("CMDPORT"), BadPort("DATAPORT")]
        {
            let text = refusal.to_string().to_lowercase();
            assert!(!text.contains("ok") && !text.contains('\n'), "{text}");
        }
    }

    /// Bytes drawn from what lines are made of, so that many get far; what is read is always plain.
    #[test]
    fn any_bytes_give_a_value_or_a_refusal() {
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |n: usize| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            usize::try_from(dice % n as u64).unwrap()
        };
        let pieces: [&[u8]; 16] = [
            b"register ",
            b"NAME=",
            b"0a0b0c0d0e0f",
            b"&",
            b"=",
            b"%",
            b"%41",
            b"%ff",
            b"+",
            b"\0",
            b"\xc3",
            b"OS=",
            b"CMDPORT=",
            b"20701",
            b"IPADDR=",
            b"10.0.0.7",
        ];
        let (mut good, mut bad) = (0, 0);
        for _ in 0..20_000 {
            let mut line = if next(4) > 0 { FULL.trim_end().as_bytes().to_vec() } else { Vec::new() };
            for _ in 0..next(5) {
                let at = next(line.len() + 1);
                let piece = pieces[next(pieces.len())];
                line.splice(at..at, piece.iter().copied());
            }
            if next(4) == 0 {
                line.truncate(next(line.len() + 1));
            }
            match Registration::parse(&line) {
                Ok(Registration { os, hardware, pool, .. }) => {
                    good += 1;
                    for text in [os, hardware, pool] {
                        assert!(
                            text.chars().count() <= VALUE_MAX && !text.chars().any(char::is_control),
                            "{text:?}"
                        );
                    }
                }
                Err(_) => bad += 1,
            }
        }
        assert!(good > 1000 && bad > 1000, "{good} {bad}: both ends are reached");
    }
}

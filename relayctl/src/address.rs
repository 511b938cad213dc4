//! Which relay, on which board, and what its contact means for the device behind it.
//!
//! Knows the text forms (`HOST[:PORT]`, `HOST[:PORT]:bankB:relayR[:no]`) and the limits of the hardware, nothing of
//! sockets. Limits: 32 banks of 8 relays per controller (ProXR manual); bank 0 means "every bank" on the wire and
//! therefore cannot be said here.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The TCP port NCD's Ethernet modules listen on.
pub const DEFAULT_PORT: u16 = 2101;

/// Longest host name accepted, in bytes (RFC 1035 section 2.3.4, without the final dot).
const MAX_HOST_LEN: usize = 253;

/// A bank of eight relays, 1 to 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bank(u8);

impl Bank {
    /// The highest bank a controller can have.
    pub const MAX: u8 = 32;

    /// The bank with this number, if there can be one.
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// Its number, 1 to 32.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Every bank from the first to this one.
    pub fn up_to(last: Self) -> impl Iterator<Item = Self> {
        (1..=last.0).map(Self)
    }
}

/// A relay within its bank, 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Relay(u8);

impl Relay {
    /// Relays in a bank.
    pub const MAX: u8 = 8;

    /// The relay with this number, if there can be one.
    pub const fn new(number: u8) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// Its number, 1 to 8.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Every relay of a bank, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=Self::MAX).map(Self)
    }
}

/// Whether the *device* has power. What the relay does to bring that about is [`Wiring`]'s business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PowerState {
    /// The device has power.
    On,
    /// The device has no power.
    Off,
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

impl FromStr for PowerState {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text {
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(AddressError::Power(text.into())),
        }
    }
}

/// Whether the relay's coil is energised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelayState {
    /// Energised: the normally-closed contact is open.
    On,
    /// At rest: the normally-closed contact is closed.
    Off,
}

impl fmt::Display for RelayState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// The contact the device's supply runs through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Wiring {
    /// Relay on cuts the power: a relay board that dies leaves its devices running.
    #[default]
    NormallyClosed,
    /// Relay on gives the power.
    NormallyOpen,
}

impl Wiring {
    /// The relay state that gives the device this power.
    pub const fn relay_for(self, power: PowerState) -> RelayState {
        match (self, power) {
            (Self::NormallyClosed, PowerState::Off) | (Self::NormallyOpen, PowerState::On) => RelayState::On,
            (Self::NormallyClosed, PowerState::On) | (Self::NormallyOpen, PowerState::Off) => RelayState::Off,
        }
    }

    /// The power a device has behind a relay in this state.
    pub const fn power_for(self, relay: RelayState) -> PowerState {
        match (self, relay) {
            (Self::NormallyClosed, RelayState::On) | (Self::NormallyOpen, RelayState::Off) => PowerState::Off,
            (Self::NormallyClosed, RelayState::Off) | (Self::NormallyOpen, RelayState::On) => PowerState::On,
        }
    }
}

impl FromStr for Wiring {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        match text {
            "nc" => Ok(Self::NormallyClosed),
            "no" => Ok(Self::NormallyOpen),
            _ => Err(AddressError::Wiring(text.into())),
        }
    }
}

impl fmt::Display for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NormallyClosed => "nc",
            Self::NormallyOpen => "no",
        })
    }
}

/// Where a relay board listens. Text form: `HOST[:PORT]`, IPv6 addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BoardAddress {
    host: String,
    port: u16,
}

impl BoardAddress {
    /// Checks a host (a name, an IPv4 address, or an IPv6 address without brackets) and joins it with a port.
    ///
    /// # Errors
    /// [`AddressError`] if the host cannot be one, or the port is 0.
    pub fn new(host: &str, port: u16) -> Result<Self, AddressError> {
        if port == 0 {
            return Err(AddressError::Port("0".into()));
        }
        let is_name =
            |h: &str| h.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        let fits = !host.is_empty() && host.len() <= MAX_HOST_LEN;
        if !fits || !(is_name(host) || host.parse::<Ipv6Addr>().is_ok()) || host.starts_with(['-', '.']) {
            return Err(AddressError::Host(host.into()));
        }
        Ok(Self { host: host.into(), port })
    }

    /// Host name or address, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// TCP port, never 0.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, with_default_port: bool) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if with_default_port || self.port != DEFAULT_PORT { write!(f, ":{}", self.port) } else { Ok(()) }
    }
}

impl fmt::Display for BoardAddress {
    /// Always with the port: this is what operators read in messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, true)
    }
}

impl FromStr for BoardAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(rest) = text.strip_prefix('[') {
            let Some((host, after)) = rest.split_once(']') else {
                return Err(AddressError::Host(text.into()));
            };
            if host.parse::<Ipv6Addr>().is_err() {
                return Err(AddressError::Host(text.into()));
            }
            return match after.strip_prefix(':') {
                Some(port) => Self::new(host, parse_port(port)?),
                None if after.is_empty() => Self::new(host, DEFAULT_PORT),
                None => Err(AddressError::Host(text.into())),
            };
        }
        match text.split_once(':') {
            None => Self::new(text, DEFAULT_PORT),
            // Two colons without brackets: where would the address end and the port begin?
            Some(_) if text.parse::<Ipv6Addr>().is_ok() => Err(AddressError::Brackets(text.into())),
            Some((host, port)) => Self::new(host, parse_port(port)?),
        }
    }
}

/// One relay: what a device's `relay_info` says. Text form: `HOST[:PORT]:bankB:relayR`, and `:no` behind it where the
/// device hangs on the normally-open contact.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RelayAddress {
    /// The board it sits on.
    pub board: BoardAddress,
    /// Its bank.
    pub bank: Bank,
    /// Its number within the bank.
    pub relay: Relay,
    /// The contact that the device's supply runs through.
    pub wiring: Wiring,
}

impl fmt::Display for RelayAddress {
    /// The text form, port and wiring only where they are not the usual ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.board.write(f, false)?;
        write!(f, ":bank{}:relay{}", self.bank.0, self.relay.0)?;
        if self.wiring == Wiring::default() { Ok(()) } else { write!(f, ":{}", self.wiring) }
    }
}

impl FromStr for RelayAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let form = || AddressError::Form(text.into());
        let (text, wiring) = match text.rsplit_once(':') {
            Some((rest, last)) if last.parse::<Wiring>().is_ok() => (rest, last.parse()?),
            _ => (text, Wiring::default()),
        };
        // From the right, because the host may have a port, and colons of its own.
        let mut parts = text.rsplitn(3, ':');
        let relay = parts.next().and_then(|p| p.strip_prefix("relay")).ok_or_else(form)?;
        let bank = parts.next().and_then(|p| p.strip_prefix("bank")).ok_or_else(form)?;
        let board = parts.next().ok_or_else(form)?.parse()?;
        Ok(Self { board, bank: bank.parse()?, relay: relay.parse()?, wiring })
    }
}

impl FromStr for Bank {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        number(text).and_then(Self::new).ok_or_else(|| AddressError::Bank(text.into()))
    }
}

impl FromStr for Relay {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        number(text).and_then(Self::new).ok_or_else(|| AddressError::Relay(text.into()))
    }
}

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    number(text).filter(|&port| port != 0).ok_or_else(|| AddressError::Port(text.into()))
}

/// Digits only: `str::parse` would also take a plus sign.
fn number<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// What is wrong with an address. Each sentence says what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressError {
    /// Not of the form of `relay_info` at all.
    Form(String),
    /// Neither a host name nor an address.
    Host(String),
    /// An IPv6 address that could run into its port.
    Brackets(String),
    /// Not a TCP port.
    Port(String),
    /// Not a bank number.
    Bank(String),
    /// Not a relay number.
    Relay(String),
    /// Not a power state.
    Power(String),
    /// Not a kind of wiring.
    Wiring(String),
    /// Not a way for commands to travel.
    Framing(String),
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(text) => write!(
                f,
                "{text:?} does not say where a relay is; write HOST[:PORT]:bankB:relayR, for example \
                 panda-relay-001.example.com:bank1:relay3"
            ),
            Self::Host(text) => write!(
                f,
                "{text:?} is not a host; write a name such as panda-relay-001, an address such as 10.0.0.5, or \
                 an IPv6 address in brackets such as [fd00::5]"
            ),
            Self::Brackets(text) => write!(f, "{text:?} is an IPv6 address; write it in brackets: [{text}]"),
            Self::Port(text) => write!(
                f,
                "{text:?} is not a TCP port; write a number from 1 to 65535, or leave it out for {DEFAULT_PORT}"
            ),
            Self::Bank(text) => write!(f, "{text:?} is not a bank; write a number from 1 to {}", Bank::MAX),
            Self::Relay(text) => {
                write!(f, "{text:?} is not a relay; write a number from 1 to {}", Relay::MAX)
            }
            Self::Power(text) => write!(f, "{text:?} is not a power state; write on or off"),
            Self::Wiring(text) => write!(
                f,
                "{text:?} is not a kind of wiring; write nc (normally closed: relay on cuts the power) or no \
                 (normally open: relay on gives it)"
            ),
            Self::Framing(text) => write!(
                f,
                "{text:?} is not a way to send commands; write plain (every board) or api (Fusion boards, with \
                 checksums)"
            ),
        }
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn same(text: &str, host: &str, port: u16, bank: u8, relay: u8) {
        let address: RelayAddress = text.parse().unwrap();
        assert_eq!(address.board.host(), host);
        assert_eq!(address.board.port(), port);
        assert_eq!((address.bank.number(), address.relay.number()), (bank, relay));
        assert_eq!(address.to_string(), text);
    }

    #[track_caller]
    fn wrong(text: &str, sentence: &str) {
        let said = text.parse::<RelayAddress>().unwrap_err().to_string();
        assert!(said.contains(sentence), "{text:?} gave {said:?}, wanted {sentence:?}");
    }

    #[test]
    fn relay_info_is_read_and_given_back() {
        same("panda-relay-001.p1.example.com:bank1:relay3", "panda-relay-001.p1.example.com", 2101, 1, 3);
        same("relay_7:2102:bank32:relay8", "relay_7", 2102, 32, 8);
        same("10.0.0.5:bank4:relay1", "10.0.0.5", 2101, 4, 1);
        same("[fd00::5]:bank1:relay1", "fd00::5", 2101, 1, 1);
        same("[::1]:4000:bank2:relay2", "::1", 4000, 2, 2);
        same("relay_7:2102:bank32:relay8:no", "relay_7", 2102, 32, 8);
    }

    #[test]
    fn a_relay_says_which_contact_is_wired_when_it_is_not_the_usual_one() {
        let wiring = |text: &str| text.parse::<RelayAddress>().unwrap().wiring;
        assert_eq!(wiring("host:bank1:relay3"), Wiring::NormallyClosed);
        assert_eq!(wiring("host:bank1:relay3:nc"), Wiring::NormallyClosed);
        assert_eq!(wiring("host:bank1:relay3:no"), Wiring::NormallyOpen);
        // A host of that name is still one.
        assert_eq!(wiring("no:bank1:relay3"), Wiring::NormallyClosed);
    }

    #[test]
    fn the_usual_port_may_be_written_and_means_the_same() {
        let long: RelayAddress = "host:2101:bank1:relay1".parse().unwrap();
        assert_eq!(long, "host:bank1:relay1".parse().unwrap());
        assert_eq!(long.board.to_string(), "host:2101");
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        wrong("", "HOST[:PORT]:bankB:relayR");
        wrong("host", "HOST[:PORT]:bankB:relayR");
        wrong("host:relay1:bank1", "HOST[:PORT]:bankB:relayR");
        wrong("bank1:relay1", "HOST[:PORT]:bankB:relayR");
        wrong("host:bank0:relay1", "\"0\" is not a bank; write a number from 1 to 32");
        wrong("host:bank33:relay1", "\"33\" is not a bank");
        wrong("host:bank256:relay1", "\"256\" is not a bank");
        wrong("host:bank+1:relay1", "\"+1\" is not a bank");
        wrong("host:bank:relay1", "\"\" is not a bank");
        wrong("host:bank1:relay0", "\"0\" is not a relay; write a number from 1 to 8");
        wrong("host:bank1:relay9", "\"9\" is not a relay");
        wrong("host:http:bank1:relay1", "\"http\" is not a TCP port; write a number from 1 to 65535");
        wrong("host:0:bank1:relay1", "\"0\" is not a TCP port");
        wrong("host:65536:bank1:relay1", "\"65536\" is not a TCP port");
        wrong(":bank1:relay1", "\"\" is not a host");
        wrong("my host:bank1:relay1", "\"my host\" is not a host");
        wrong("-host:bank1:relay1", "is not a host");
        wrong("fd00::5:bank1:relay1", "write it in brackets: [fd00::5]");
        wrong("[fd00::5:bank1:relay1", "is not a host");
        wrong("[host]:bank1:relay1", "is not a host");
        wrong("[::1]2101:bank1:relay1", "is not a host");
        wrong(&format!("{}:bank1:relay1", "a".repeat(254)), "is not a host");
    }

    #[test]
    fn normally_closed_wiring_turns_relay_and_power_around() {
        assert_eq!(Wiring::default().relay_for(PowerState::Off), RelayState::On);
        assert_eq!(Wiring::default().relay_for(PowerState::On), RelayState::Off);
        assert_eq!(Wiring::NormallyOpen.relay_for(PowerState::On), RelayState::On);
        for wiring in [Wiring::NormallyClosed, Wiring::NormallyOpen] {
            assert_eq!(wiring.to_string().parse(), Ok(wiring));
            for power in [PowerState::On, PowerState::Off] {
                assert_eq!(wiring.power_for(wiring.relay_for(power)), power);
                assert_eq!(power.to_string().parse(), Ok(power));
            }
        }
        assert!("yes".parse::<PowerState>().is_err() && "nx".parse::<Wiring>().is_err());
    }
}

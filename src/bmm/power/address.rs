//! Where a device's power hangs: what its `relay_info` says, whichever kind it is.
//!
//! `HOST[:PORT]:bankB:relayR[:no]` is a relay of a ProXR board, `command:PROGRAM [ARGUMENT]...` a program of the admin's. This
//! is where the two kinds are told apart. It knows no configuration: whether there is such a program is found out by whoever
//! runs it.

use relayctl::{AddressError, BoardAddress, RelayAddress, Wiring};
use std::fmt;
use std::str::FromStr;

/// What a command begins with.
const COMMAND: &str = "command:";
/// Longest program name; what `ls` shows in one column.
const PROGRAM_MAX: usize = 64;
/// Arguments: a host, an outlet, and some to spare.
const ARGUMENTS_MAX: usize = 8;
/// Longest text of a command; that of `relay_info` in a lab file has no other limit.
const TEXT_MAX: usize = 512;

/// Where a device's power hangs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PowerAddress {
    /// On a relay.
    Relay(RelayAddress),
    /// On whatever a program switches.
    Command(CommandAddress),
}

impl PowerAddress {
    /// The queue that its work stands in. Of a relay: its board's. Of a command: that of all devices with the same program
    /// and first argument, which is the host where there is one, for a power strip's controller is as small a computer as a
    /// relay board's.
    pub fn queue(&self) -> String {
        match self {
            Self::Relay(relay) => board_key(&relay.board),
            Self::Command(command) => command.queue(),
        }
    }

    /// Equal for two texts that mean the same power, however they are spelt.
    pub fn identity(&self) -> String {
        match self {
            // Two devices on one relay are so also if only one of them is wired normally open.
            Self::Relay(relay) => {
                RelayAddress { wiring: Wiring::default(), ..relay.clone() }.to_string().to_lowercase()
            }
            Self::Command(command) => command.to_string(),
        }
    }

    /// The relay, where it is one.
    pub fn relay(&self) -> Option<&RelayAddress> {
        match self {
            Self::Relay(relay) => Some(relay),
            Self::Command(_) => None,
        }
    }
}

impl From<RelayAddress> for PowerAddress {
    fn from(relay: RelayAddress) -> Self {
        Self::Relay(relay)
    }
}

/// What the layers call a relay board when they speak of it: `host:port` in lower case, as names differ by more than case.
pub fn board_key(board: &BoardAddress) -> String {
    board.to_string().to_ascii_lowercase()
}

/// Whether a queue is of commands.
pub fn is_command_queue(queue: &str) -> bool {
    // No relay board's key: a program's name begins with a letter, a port does not.
    queue.strip_prefix(COMMAND).is_some_and(|program| program.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// A program and what it is called with. There is no shell: no character of it means anything but itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CommandAddress {
    program: String,
    arguments: Vec<String>,
}

impl CommandAddress {
    /// Its plain file name.
    pub fn program(&self) -> &str {
        &self.program
    }

    /// What stands before `on`, `off` or `status` when it is called.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    fn queue(&self) -> String {
        let first = self.arguments.first().map(|a| format!(" {a}")).unwrap_or_default();
        format!("{COMMAND}{}{first}", self.program)
    }
}

impl fmt::Display for CommandAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{COMMAND}{}", self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

impl fmt::Display for PowerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relay(relay) => relay.fmt(f),
            Self::Command(command) => command.fmt(f),
        }
    }
}

impl FromStr for PowerAddress {
    type Err = PowerAddressError;
    fn from_str(text: &str) -> Result<Self, PowerAddressError> {
        match (text.parse::<RelayAddress>(), text.strip_prefix(COMMAND)) {
            // First, because a relay board may be called "command".
            (Ok(relay), _) => Ok(Self::Relay(relay)),
            (Err(_), Some(command)) => command.parse().map(Self::Command),
            (Err(error), None) => Err(PowerAddressError::Relay(error)),
        }
    }
}

impl FromStr for CommandAddress {
    type Err = PowerAddressError;
    /// Reads what stands behind `command:`.
    fn from_str(text: &str) -> Result<Self, PowerAddressError> {
        if text.len() > TEXT_MAX {
            return Err(PowerAddressError::TooLong { bytes: text.len() });
        }
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let program = words.next().unwrap_or_default();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let is_name = program.len() <= PROGRAM_MAX
            && program.starts_with(|c: char| c.is_ascii_alphabetic())
            && program.bytes().all(plain);
        if !is_name {
            return Err(PowerAddressError::Program(program.into()));
        }
        let arguments: Vec<String> = words.map(str::to_owned).collect();
        if arguments.len() > ARGUMENTS_MAX {
            return Err(PowerAddressError::TooMany { arguments: arguments.len() });
        }
        // A program takes what begins with a dash for an option, and a careless script gives it to another one. The rest are
        // characters that no shell, no path and no format that such a script may use the word in would take for its own.
        let harmless =
            |b: u8| plain(b) || matches!(b, b':' | b'@' | b',' | b'=' | b'+' | b'/' | b'[' | b']' | b'%');
        let fits = |a: &str| a.bytes().all(harmless) && !a.starts_with('-') && !a.contains("..");
        if let Some(bad) = arguments.iter().find(|a| !fits(a)) {
            return Err(PowerAddressError::Argument(bad.clone()));
        }
        Ok(Self { program: program.into(), arguments })
    }
}

/// What is wrong with a `relay_info`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PowerAddressError {
    /// As a relay.
    Relay(AddressError),
    /// Not the plain name of a program.
    Program(String),
    /// An argument that might mean more than itself.
    Argument(String),
    /// Too many of them.
    TooMany { arguments: usize },
    /// Longer than any that makes sense.
    TooLong { bytes: usize },
}

impl fmt::Display for PowerAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A word that stands alone may have been meant as either.
            Self::Relay(error @ AddressError::Form(_)) => {
                write!(f, "{error}; or command:PROGRAM [ARGUMENT]... for a program that switches power")
            }
            Self::Relay(error) => error.fmt(f),
            Self::Program(text) => write!(
                f,
                "{text:?} is not the name of a power program; write command:PROGRAM [ARGUMENT]..., the program by its file \
                 name in the folder of power programs, without slashes, for example command:power-ipmi bmc-17.example.com"
            ),
            Self::Argument(text) => write!(
                f,
                "{text:?} cannot be given to a power program; write letters, digits and any of . _ - : @ , = + / % [ ], \
                 with neither a dash in front nor two dots in a row"
            ),
            Self::TooMany { arguments } => {
                write!(
                    f,
                    "{arguments} arguments are too many for a power program; write at most {ARGUMENTS_MAX}"
                )
            }
            Self::TooLong { bytes } => {
                write!(f, "{bytes} bytes are too long for a power program's call; write at most {TEXT_MAX}")
            }
        }
    }
}

impl std::error::Error for PowerAddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn command(text: &str) -> CommandAddress {
        match text.parse() {
            Ok(PowerAddress::Command(command)) => command,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[track_caller]
    fn wrong(text: &str, sentence: &str) {
        let said = text.parse::<PowerAddress>().unwrap_err().to_string();
        assert!(said.contains(sentence), "{text:?} gave {said:?}, wanted {sentence:?}");
    }

    #[test]
    fn both_kinds_are_read_and_given_back() {
        for text in ["relay-1.lab:bank1:relay3", "[fd00::5]:2102:bank2:relay1:no", "command:bank1:relay1"] {
            let address: PowerAddress = text.parse().unwrap();
            assert!(address.relay().is_some(), "{text}");
            assert_eq!(address.to_string(), text);
        }
        let ipmi = command("command:power-ipmi  bmc-17.example.com   3 ");
        assert_eq!(
            (ipmi.program(), ipmi.arguments()),
            ("power-ipmi", &["bmc-17.example.com", "3"].map(String::from)[..])
        );
        assert_eq!(ipmi.to_string(), "command:power-ipmi bmc-17.example.com 3");
        assert_eq!(command("command:usb-hub /dev/ttyACM0").arguments(), ["/dev/ttyACM0"]);
        assert!(command("command:all").arguments().is_empty());
    }

    #[test]
    fn devices_of_one_controller_share_a_queue_and_no_power() {
        let power = |text: &str| text.parse::<PowerAddress>().unwrap();
        let (a, b) = (power("command:pdu pdu-1 4"), power("command:pdu pdu-1 5"));
        assert_eq!((a.queue(), a.queue() == b.queue()), ("command:pdu pdu-1".into(), true));
        assert_ne!(a.identity(), b.identity());
        assert_ne!(a.queue(), power("command:pdu pdu-2 4").queue());
        assert_ne!(a.queue(), power("command:PDU pdu-1 4").queue(), "a program's name is a file's");
        let (a, b) = (power("Relay-1:bank1:relay1"), power("relay-1:2101:bank1:relay1:no"));
        assert_eq!((a.queue(), a.identity()), (b.queue(), b.identity()));
        assert!(is_command_queue("command:pdu pdu-1") && is_command_queue("command:all"));
        assert!(!is_command_queue(&power("command:bank1:relay1").queue()), "a relay board of that name");
    }

    #[test]
    fn nothing_that_a_shell_or_a_path_could_read_otherwise_is_taken() {
        for text in
            ["", "/bin/sh", "../sh", "a/b", ".hidden", "-rf", "x;y", "$(x)", "1st", "ä", "bank1:relay9:x"]
        {
            wrong(&format!("command:{text}"), "is not the name of a power program");
        }
        for argument in [
            "-h",
            "--config=/etc/x",
            "$HOME",
            "`id`",
            "a;b",
            "a|b",
            "a&b",
            "'a",
            "\"a",
            "a\\b",
            "*",
            "~",
            "../x",
            "a\tb",
            "a\nb",
            "ü",
            "a\0b",
            "<x",
            "#",
        ] {
            wrong(&format!("command:pdu {argument}"), "cannot be given to a power program");
        }
        wrong("command:pdu 1 2 3 4 5 6 7 8 9", "9 arguments are too many");
        wrong(&format!("command:pdu {}", "a".repeat(600)), "604 bytes are too long");
        wrong("host", "or command:PROGRAM [ARGUMENT]...");
        wrong("host:bank1:relay9", "\"9\" is not a relay");
    }
}

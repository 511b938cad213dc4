//! Whether a report is that of a board's present boot: its boot token, what a report shows, and why it is not believed.
//!
//! Each power-on that is meant to boot the live system puts a fresh token on the kernel line, and the live system shows it with
//! all that it reports. So what an earlier boot says late, what another board says, and what somebody makes up is told from
//! what the board says now. Whoever can read what the boot loader reads knows the token, too: TFTP hides nothing.

use crate::logic::machine::named_enum;
use std::fmt;
use std::str::FromStr;

/// Which boot of a board a report belongs to: 128 bits that nobody can guess. Its text never reaches a log.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BootToken([u8; Self::BYTES]);

impl BootToken {
    /// Its length: 128 bits, which nobody hits by trying.
    pub const BYTES: usize = 16;

    /// Of bytes that must be random.
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// As it stands on the kernel line and in the store: hex digits in lower case.
    pub fn text(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether they are the same. Takes as long for one that is nearly right as for others.
    pub fn is(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for BootToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BootToken(…)")
    }
}

/// A text is no boot token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoBootToken;

impl fmt::Display for NoBootToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a boot token has {} hex digits", 2 * BootToken::BYTES)
    }
}

impl std::error::Error for NoBootToken {}

impl FromStr for BootToken {
    type Err = NoBootToken;

    fn from_str(text: &str) -> Result<Self, NoBootToken> {
        let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(NoBootToken);
        let mut bytes = [0; Self::BYTES];
        let mut rest = text.as_bytes();
        for byte in &mut bytes {
            let [high, low, after @ ..] = rest else { return Err(NoBootToken) };
            *byte = digit(*high)? << 4 | digit(*low)?;
            rest = after;
        }
        if rest.is_empty() { Ok(Self(bytes)) } else { Err(NoBootToken) }
    }
}

/// What shows that a report comes from the board, and from its present boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Somebody says it who may operate the device.
    Operator,
    /// None beyond what was seen: it comes from the board's address where that decides, or this lab believes all boards.
    NotNeeded,
    /// It may come from the board; the boot token that it shows, if any, decides.
    Boot(Option<BootToken>),
    /// It comes from another address than the board's; nothing else counts.
    Foreign,
    /// It shows this, and comes from another address than the board's name was last found to mean.
    FromElsewhere(BootToken),
    /// The board's address would decide, and is not known here.
    NoAddress,
}

named_enum! {
    /// Why a report is not believed. The names are labels of a metric.
    pub enum Doubt {
        /// It comes from another address than the board's.
        Foreign = "foreign",
        /// It shows no boot token.
        NoToken = "no_token",
        /// Its boot token is not that of the present boot.
        OtherBoot = "other_boot",
        /// The board's address would decide, and is not known.
        NoAddress = "no_address",
        /// It is an answer of the hardware layer, which no board can know of itself.
        NotForBoards = "not_for_boards",
    }
}

impl Doubt {
    /// What to tell an operator.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Foreign => "it comes from another address than the device's",
            Self::NoToken => {
                "it shows no boot token; a live image that is older than this server is to be built again"
            }
            Self::OtherBoot => {
                "its boot token is not that of the device's present boot: an earlier boot says it, or another board"
            }
            Self::NoAddress => {
                "the device's address is not known here, or is another by now, so nobody can tell yet whether it comes from there"
            }
            Self::NotForBoards => {
                "no board can say it: the hardware layer finds it out; who may operate the device can say it with a token of the API"
            }
        }
    }
}

impl Proof {
    /// Whether this is enough for a board whose present boot has this token.
    ///
    /// # Errors
    /// Why it is not.
    pub fn holds_for(self, present: Option<&BootToken>) -> Result<(), Doubt> {
        match (self, present) {
            (Self::Operator | Self::NotNeeded, _) => Ok(()),
            // It has what only this boot was given: perhaps the board has another address since the name was looked up.
            (Self::FromElsewhere(shown), Some(present)) if shown.is(present) => Err(Doubt::NoAddress),
            (Self::Foreign | Self::FromElsewhere(_), _) => Err(Doubt::Foreign),
            (Self::NoAddress, _) => Err(Doubt::NoAddress),
            (Self::Boot(None), _) => Err(Doubt::NoToken),
            (Self::Boot(Some(shown)), Some(present)) if shown.is(present) => Ok(()),
            (Self::Boot(Some(_)), _) => Err(Doubt::OtherBoot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_is_written_and_never_shown() {
        let token = BootToken::new(std::array::from_fn(|n| u8::try_from(n * 17 % 256).unwrap()));
        assert_eq!(token.text(), "00112233445566778899aabbccddeeff");
        assert_eq!(token.text().parse(), Ok(token));
        assert_eq!(token.text().to_uppercase().parse(), Ok(token));
        assert!(!format!("{token:?}").contains("11"));
        for wrong in ["", "00", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeff0"] {
            assert_eq!(wrong.parse::<BootToken>(), Err(NoBootToken), "{wrong}");
        }
        for wrong in ["0g112233445566778899aabbccddeeff", "é0112233445566778899aabbccddeeff"] {
            assert_eq!(wrong.parse::<BootToken>(), Err(NoBootToken), "{wrong}");
        }
    }

    #[test]
    fn only_the_token_of_the_present_boot_is_proof() {
        let [now, before] = [BootToken::new([1; 16]), BootToken::new([2; 16])];
        for (proof, present, want) in [
            (Proof::Operator, None, Ok(())),
            (Proof::NotNeeded, None, Ok(())),
            (Proof::Boot(Some(now)), Some(now), Ok(())),
            (Proof::Boot(Some(before)), Some(now), Err(Doubt::OtherBoot)),
            (Proof::Boot(Some(before)), None, Err(Doubt::OtherBoot)),
            (Proof::Boot(None), Some(now), Err(Doubt::NoToken)),
            (Proof::Boot(None), None, Err(Doubt::NoToken)),
            (Proof::Foreign, Some(now), Err(Doubt::Foreign)),
            (Proof::FromElsewhere(now), Some(now), Err(Doubt::NoAddress)),
            (Proof::FromElsewhere(before), Some(now), Err(Doubt::Foreign)),
            (Proof::FromElsewhere(before), None, Err(Doubt::Foreign)),
            (Proof::NoAddress, Some(now), Err(Doubt::NoAddress)),
        ] {
            assert_eq!(proof.holds_for(present.as_ref()), want, "{proof:?} {present:?}");
        }
    }
}

//! Names and numbers of things, as types, so that one is never taken for another.
//!
//! Nothing here checks that a thing exists; the store does.

use std::fmt;
use std::sync::Arc;

/// A device's short name, e.g. `panda-0001`. Cheap to clone: it travels with every message.
pub type DeviceName = Arc<str>;
/// An image's name, e.g. `b2g`.
pub type ImageName = Arc<str>;
/// A PXE config's name.
pub type PxeConfigName = Arc<str>;

/// The image that tests a board; a PXE config for it makes self-tests real (see `start_self_test`).
pub const SELF_TEST_IMAGE: &str = "self-test";
/// The image that gives an operator a shell on the board.
pub const MAINTENANCE_IMAGE: &str = "maintenance";

/// The PXE config that boards get to which nothing else is offered: it boots their own disk.
pub const LOCAL_BOOT_PXE_CONFIG: &str = "local-boot";

/// A request's number, unique in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub i64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Row number of a hardware type (a vendor's type and model), which decides the PXE config of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HardwareId(pub i64);

/// An Ethernet address. Shown with colons; the API writes 12 hex digits, PXELINUX asks with dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

/// What was wrong with the text of a MAC address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadMac(pub String);

impl fmt::Display for BadMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a MAC address; write 12 hex digits, with colons, dashes or nothing between pairs",
            self.0
        )
    }
}

impl std::error::Error for BadMac {}

impl std::str::FromStr for Mac {
    type Err = BadMac;

    fn from_str(text: &str) -> Result<Self, BadMac> {
        let bad = || BadMac(text.chars().take(40).collect());
        let mut bytes = [0u8; 6];
        let mut rest = text.as_bytes();
        for (i, byte) in bytes.iter_mut().enumerate() {
            if i > 0
                && let [b':' | b'-', after @ ..] = rest
            {
                rest = after;
            }
            let [hi, lo, after @ ..] = rest else { return Err(bad()) };
            let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or_else(bad);
            *byte = digit(*hi)? << 4 | digit(*lo)?;
            rest = after;
        }
        if rest.is_empty() { Ok(Self(bytes)) } else { Err(bad()) }
    }
}

impl Mac {
    /// The six bytes in lower-case hex, with `separator` between them.
    pub fn join(self, separator: &str) -> String {
        self.0.map(|b| format!("{b:02x}")).join(separator)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.join(":"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_read_in_all_three_spellings() {
        let mac = Mac([0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0xff]);
        for text in ["0a0b0c0d0eff", "0A:0b:0c:0d:0e:FF", "0a-0b-0c-0d-0e-ff"] {
            assert_eq!(text.parse(), Ok(mac), "{text}");
        }
        assert_eq!((mac.join(""), mac.join("-")), ("0a0b0c0d0eff".into(), "0a-0b-0c-0d-0e-ff".into()));
    }

    #[test]
    fn what_is_not_a_mac_is_refused() {
        for text in [
            "",
            "0a0b0c0d0e",
            "0a0b0c0d0eff0",
            "0g0b0c0d0eff",
            ":0a0b0c0d0eff",
            "0a::0b0c0d0eff",
            "é0b0c0d0eff",
        ] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
    }
}

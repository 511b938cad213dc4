//! The file names by which boot loaders ask for their config.
//!
//! PXELINUX and U-Boot try `pxelinux.cfg/<uuid>`, `pxelinux.cfg/01-<mac>`, the IPv4 address in hex shortened digit by digit, and
//! `pxelinux.cfg/default`, with the boot file's directory in front. We answer the MAC and the default.

use crate::logic::ids::Mac;

/// A config file that we make ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigName {
    /// `pxelinux.cfg/01-aa-bb-cc-dd-ee-ff`: one board's own. `01` is the hardware type Ethernet (RFC 1700).
    Board(Mac),
    /// `pxelinux.cfg/default`: every other board's.
    Default,
    /// Another name below `pxelinux.cfg/`: not ours to answer, and not a file either.
    Other,
}

/// Reads a requested path, already without leading slashes; `None` when it is not below a `pxelinux.cfg` directory.
pub fn config_name(path: &str) -> Option<ConfigName> {
    let mut segments = path.rsplit('/');
    let name = segments.next()?;
    if segments.next()? != "pxelinux.cfg" {
        return None;
    }
    let board = || {
        let mac = name.strip_prefix("01-")?;
        // Only the spelling with dashes: 12 digits without them would be taken for another scheme's name.
        (mac.len() == 17 && mac.bytes().skip(2).step_by(3).all(|b| b == b'-')).then(|| mac.parse().ok())?
    };
    Some(match name {
        "default" => ConfigName::Default,
        _ => board().map_or(ConfigName::Other, ConfigName::Board),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_boot_loaders_ask_for() {
        let mac = Mac([0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x01]);
        for (path, want) in [
            ("pxelinux.cfg/01-0a-0b-0c-0d-0e-01", Some(ConfigName::Board(mac))),
            ("pxe/pxelinux.cfg/01-0A-0B-0C-0D-0E-01", Some(ConfigName::Board(mac))),
            ("pxelinux.cfg/default", Some(ConfigName::Default)),
            ("pxelinux.cfg/0A090065", Some(ConfigName::Other)),
            ("pxelinux.cfg/default-arm", Some(ConfigName::Other)),
            ("pxelinux.cfg/01-0a0b0c0d0e01", Some(ConfigName::Other)),
            ("pxelinux.cfg/01-0a-0b-0c-0d-0e-é", Some(ConfigName::Other)),
            ("pxelinux.0", None),
            ("default", None),
            ("live/amd64/vmlinuz", None),
            ("", None),
        ] {
            assert_eq!(config_name(path), want, "{path}");
        }
    }
}

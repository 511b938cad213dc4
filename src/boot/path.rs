//! The file names by which boot loaders ask for their config.
//!
//! PXELINUX and U-Boot ask for one after the other until they get one ([`asked_names`]), with the boot file's directory in
//! front. We answer the board's own by its MAC and the default, and say at once that the others are not there: silence would
//! cost a U-Boot a minute for each.

use crate::logic::ids::Mac;
use std::net::Ipv4Addr;

/// Where configs lie, as boot loaders see it.
const FOLDER: &str = "pxelinux.cfg";

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

/// The names that a board asks for, as far as a server can know them: by its MAC, where that is known, and by the address that
/// DHCP gives it. In front of them a board may ask by its UUID, and U-Boot goes on to `default-ARCH-SOC` and `default-ARCH` before `default`.
pub fn asked_names(mac: Option<Mac>, address: Option<Ipv4Addr>) -> Vec<String> {
    let mut names: Vec<String> = mac.iter().map(|mac| format!("{FOLDER}/01-{}", mac.join("-"))).collect();
    if let Some(address) = address {
        let hex = format!("{:08X}", address.to_bits());
        names.extend((1..=hex.len()).rev().filter_map(|n| Some(format!("{FOLDER}/{}", hex.get(..n)?))));
    }
    names.push(format!("{FOLDER}/default"));
    names
}

/// Reads a requested path, already without leading slashes; `None` when it is not below a `pxelinux.cfg` directory.
pub fn config_name(path: &str) -> Option<ConfigName> {
    let mut segments = path.rsplit('/');
    let name = segments.next()?;
    if segments.next()? != FOLDER {
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

    const MAC: Mac = Mac([0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x01]);

    #[test]
    fn names_that_boot_loaders_ask_for() {
        for (path, want) in [
            ("pxelinux.cfg/01-0a-0b-0c-0d-0e-01", Some(ConfigName::Board(MAC))),
            ("pxe/pxelinux.cfg/01-0A-0B-0C-0D-0E-01", Some(ConfigName::Board(MAC))),
            ("pxelinux.cfg/default", Some(ConfigName::Default)),
            ("a/b/pxelinux.cfg/default", Some(ConfigName::Default)),
            ("pxelinux.cfg/b8945908-d6a6-41a9-611d-74a6ab80b83d", Some(ConfigName::Other)),
            ("pxelinux.cfg/0A090065", Some(ConfigName::Other)),
            ("pxelinux.cfg/0", Some(ConfigName::Other)),
            ("pxelinux.cfg/default-arm-omap4", Some(ConfigName::Other)),
            ("pxelinux.cfg/default-arm", Some(ConfigName::Other)),
            ("pxelinux.cfg/01-0a0b0c0d0e01", Some(ConfigName::Other)),
            ("pxelinux.cfg/01-0a-0b-0c-0d-0e-é", Some(ConfigName::Other)),
            ("pxelinux.cfg/", Some(ConfigName::Other)),
            ("pxelinux.0", None),
            ("default", None),
            ("boot.scr.uimg", None),
            ("pxelinux.cfg/dtb/board.dtb", None),
            ("live/amd64/vmlinuz", None),
            ("", None),
        ] {
            assert_eq!(config_name(path), want, "{path}");
        }
    }

    /// The order that U-Boot 2023.01 and PXELINUX 6.04 were seen to ask in.
    #[test]
    fn a_board_asks_by_its_mac_then_its_address_and_then_as_all_do() {
        let names = asked_names(Some(MAC), Some(Ipv4Addr::new(10, 9, 0, 101)));
        let files: Vec<&str> = names.iter().filter_map(|n| n.strip_prefix("pxelinux.cfg/")).collect();
        let hex = ["0A090065", "0A09006", "0A0900", "0A090", "0A09", "0A0", "0A", "0"];
        assert_eq!(files, [&["01-0a-0b-0c-0d-0e-01"], &hex[..], &["default"]].concat());
        assert_eq!(asked_names(None, None), ["pxelinux.cfg/default"]);
        assert_eq!(
            asked_names(Some(MAC), None),
            ["pxelinux.cfg/01-0a-0b-0c-0d-0e-01", "pxelinux.cfg/default"]
        );
        assert_eq!(config_name(&names[0]), Some(ConfigName::Board(MAC)));
    }
}

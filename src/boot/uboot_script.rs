//! A script as U-Boot's `source` takes it: the legacy image format, as `mkimage -T script` writes it.
//!
//! A header of 64 bytes, big-endian, with CRC-32 of itself and of the data; the data are a list of lengths that ends with 0,
//! and the text (U-Boot's include/image.h, `struct legacy_img_hdr`).

use std::sync::Arc;

/// By this name U-Boot's distribution boot asks the network for a script, when it has come to `dhcp` in its `boot_targets`.
pub const SCRIPT_NAME: &str = "boot.scr.uimg";

/// Longest name in a header; a name of this length ends without a zero.
const NAME_MAX: usize = 32;
const MAGIC: u32 = 0x2705_1956;
const OS_LINUX: u8 = 5;
const ARCH_ARM: u8 = 2;
const TYPE_SCRIPT: u8 = 6;
const NOT_COMPRESSED: u8 = 0;

/// What a U-Boot gets that asks for [`SCRIPT_NAME`], unless there is such a file: it looks for its PXE config.
pub fn network_script() -> Arc<[u8]> {
    image("Mozpool", include_str!("../../init-scripts/u-boot/network.cmd")).into()
}

/// `text` as an image with this name. `source` looks at sums and type alone, so the architecture fits every board.
fn image(name: &str, text: &str) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_be_bytes();
    let mut data = Vec::with_capacity(8 + text.len());
    data.extend(length(text.len()));
    data.extend([0; 4]);
    data.extend(text.as_bytes());

    let mut header = Vec::with_capacity(64);
    header.extend(MAGIC.to_be_bytes());
    // The header's own sum, counted with zeros in its place; then the time, load and entry addresses, of no use here.
    header.extend([0; 4]);
    header.extend([0; 4]);
    header.extend(length(data.len()));
    header.extend([0; 8]);
    header.extend(crc32(&data).to_be_bytes());
    header.extend([OS_LINUX, ARCH_ARM, TYPE_SCRIPT, NOT_COMPRESSED]);
    header.extend(name.bytes().take(NAME_MAX));
    header.resize(64, 0);
    let sum = crc32(&header).to_be_bytes();
    header[4..8].copy_from_slice(&sum);
    header.extend(data);
    header
}

/// CRC-32 as in Ethernet, zip and PNG (ISO 3309), bit by bit: it is counted once, over a page of text.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_that_everybody_counts() {
        // The check value of CRC-32 in every catalogue of such sums.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    /// Byte by byte what u-boot-tools writes.
    #[test]
    fn it_is_what_mkimage_makes() {
        let folder = tempfile::tempdir().unwrap();
        let (script, made) = (folder.path().join("x.cmd"), folder.path().join("x.scr"));
        for (name, text) in [
            ("Mozpool", include_str!("../../init-scripts/u-boot/network.cmd")),
            ("a name of more than thirty-two bytes", "echo a\n"),
        ] {
            std::fs::write(&script, text).unwrap();
            let mkimage = std::process::Command::new("mkimage")
                .args(["-A", "arm", "-O", "linux", "-T", "script", "-C", "none", "-n", name, "-d"])
                .args([&script, &made])
                .env("SOURCE_DATE_EPOCH", "0")
                .output()
                .expect("mkimage of the Debian package u-boot-tools");
            assert!(mkimage.status.success(), "{}", String::from_utf8_lossy(&mkimage.stderr));
            assert!(image(name, text) == std::fs::read(&made).unwrap(), "{name}");
        }
        assert_eq!(
            *network_script(),
            *image("Mozpool", include_str!("../../init-scripts/u-boot/network.cmd"))
        );
    }
}

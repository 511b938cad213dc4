//! The live systems of the section `[pxe]`: the usual one, and those of hardware that needs another.

use super::document::{Document, Entry};
use crate::boot::render::{LiveSystems, LiveValues};
use std::collections::BTreeMap;
use toml::de::DeValue;

const NO_FILE: &str = "is not a file below the TFTP root";
const NO_CONSOLE: &str = "is not a kernel's console";
const WRITE_CONSOLE: &str = "what stands behind console= on its command line, for example \"ttyS0,115200\"";

/// Reads `pxe.live_*`, `pxe.console` and `[pxe.live."TYPE MODEL"]`.
pub(super) fn systems(document: &mut Document<'_>) -> LiveSystems {
    let usual = LiveValues {
        kernel: file(document, "live_kernel", "live/amd64/vmlinuz"),
        initrd: file(document, "live_initrd", "live/amd64/initrd.img"),
        fdt: document.value(
            ("pxe", "live_fdt"),
            String::new(),
            NO_FILE,
            "for example \"dtb/omap4-panda-es.dtb\"",
            file_or_none,
        ),
        console: document.value(("pxe", "console"), String::new(), NO_CONSOLE, WRITE_CONSOLE, console),
    };
    let mut by_hardware = BTreeMap::new();
    for (hardware, entry) in document.invented("pxe", "live") {
        by_hardware.insert(hardware, other(document, entry, &usual));
    }
    LiveSystems { usual, by_hardware }
}

/// One for special hardware: what it does not say is as usual.
fn other<'t>(document: &mut Document<'t>, entry: Entry<'t>, usual: &LiveValues) -> LiveValues {
    let mut live = usual.clone();
    for (key, entry) in document.inside(entry) {
        let write = match key.as_str() {
            "fdt" => "for example \"dtb/omap4-panda-es.dtb\"",
            "initrd" => "for example \"live/arm64/initrd.img\"",
            _ => "for example \"live/arm64/vmlinuz\"",
        };
        let (place, value) = match key.as_str() {
            "kernel" => (&mut live.kernel, document.read(&entry, NO_FILE, write, file_name)),
            "initrd" => (&mut live.initrd, document.read(&entry, NO_FILE, write, file_name)),
            "fdt" => (&mut live.fdt, document.read(&entry, NO_FILE, write, file_or_none)),
            "console" => (&mut live.console, document.read(&entry, NO_CONSOLE, WRITE_CONSOLE, console)),
            _ => {
                document.unknown(&entry, "kernel, initrd, fdt, console");
                continue;
            }
        };
        if let Some(value) = value {
            *place = value;
        }
    }
    live
}

fn file(document: &mut Document<'_>, key: &'static str, default: &str) -> String {
    let write = format!("for example \"{default}\"");
    document.value(("pxe", key), default.to_owned(), NO_FILE, &write, file_name)
}

/// A name below the TFTP root, as a boot loader asks for it.
fn file_name(value: &DeValue<'_>) -> Option<String> {
    let name = value.as_str()?;
    // Blanks end a name in a PXELINUX config.
    let part = |p: &str| !p.is_empty() && p != ".." && p != "." && p.chars().all(|c| c.is_ascii_graphic());
    name.split('/').all(part).then(|| name.to_owned())
}

/// The same, or nothing: the boot loader has it.
fn file_or_none(value: &DeValue<'_>) -> Option<String> {
    file_name(value).or_else(|| value.as_str().filter(|t| t.is_empty()).map(str::to_owned))
}

fn console(value: &DeValue<'_>) -> Option<String> {
    value.as_str().filter(|c| c.chars().all(|c| c.is_ascii_graphic())).map(str::to_owned)
}

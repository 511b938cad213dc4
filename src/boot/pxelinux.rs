//! A description as the text that PXELINUX reads, and U-Boot (`pxe get`), and with `/` before its files extlinux.
//!
//! Keywords: <https://wiki.syslinux.org/wiki/index.php?title=Config>, and U-Boot's doc/README.pxe for `fdt` and `fdtdir`.

use super::description::{Description, DeviceTree};
use std::fmt::Write;

/// The text, for a PXE config of this name.
pub fn text(name: &str, description: &Description) -> String {
    let kernel = match description {
        // -1 makes PXELINUX go on to the next boot device; U-Boot leaves `pxe boot` and goes on to its next target.
        Description::Local => return entry("local", "  localboot -1\n"),
        Description::Network(kernel) => kernel,
    };
    let mut lines = String::new();
    let mut line = |keyword: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "  {keyword} {value}");
    };
    line("kernel", &kernel.kernel);
    if let Some(initrd) = &kernel.initrd {
        line("initrd", initrd);
    }
    match &kernel.device_tree {
        Some(DeviceTree::File(file)) => line("fdt", file),
        Some(DeviceTree::Folder(folder)) => line("fdtdir", folder),
        None => {}
    }
    if !kernel.args.is_empty() {
        line("append", &kernel.args);
    }
    // A label ends at a blank, and is shown on a terminal.
    let label: String = name.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' }).collect();
    entry(&label, &lines)
}

fn entry(label: &str, lines: &str) -> String {
    format!("default {label}\nprompt 0\n\nlabel {label}\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::super::description::Kernel;
    use super::*;

    #[test]
    fn each_part_is_a_line() {
        let kernel = Kernel {
            kernel: "live/arm64/vmlinuz".into(),
            initrd: Some("live/arm64/initrd.img".into()),
            device_tree: Some(DeviceTree::File("dtb/board.dtb".into())),
            args: "console=ttyS0 panic=10".into(),
        };
        assert_eq!(
            text("my image", &Description::Network(kernel.clone())),
            "default my-image\nprompt 0\n\nlabel my-image\n  kernel live/arm64/vmlinuz\n  initrd live/arm64/initrd.img\n  \
             fdt dtb/board.dtb\n  append console=ttyS0 panic=10\n"
        );
        let device_tree = Some(DeviceTree::Folder("dtb".into()));
        let kernel = Kernel { initrd: None, device_tree, args: String::new(), ..kernel };
        assert_eq!(
            text("x", &Description::Network(kernel)),
            "default x\nprompt 0\n\nlabel x\n  kernel live/arm64/vmlinuz\n  fdtdir dtb\n"
        );
        assert_eq!(
            text("local-boot", &Description::Local),
            "default local\nprompt 0\n\nlabel local\n  localboot -1\n"
        );
    }
}

//! Are the files there that boards ask for?
//!
//! Looked at as the daemon serves them: below the roots, as this user, no further than a link leads out.

use super::{Finding, Server};
use std::io;
use std::path::Path;
use tftpd::{Root, RootError};

/// What a PC's firmware loads first, and where Debian has it. U-Boot boards need neither.
const PXELINUX: [(&str, &str); 2] = [
    ("pxelinux.0", "apt install pxelinux, then copy /usr/lib/PXELINUX/pxelinux.0 there"),
    (
        "ldlinux.c32",
        "apt install syslinux-common, then copy /usr/lib/syslinux/modules/bios/ldlinux.c32 there",
    ),
];

pub(super) fn file_root(server: &Server<'_>) -> Vec<Finding> {
    vec![match open_root("http.files", &server.config.http.files) {
        Ok(_) => Finding::ok(server.config.http.files.display()),
        Err(finding) => finding,
    }]
}

/// The scripts that the images name.
pub(super) fn second_stages(server: &Server<'_>) -> Vec<Finding> {
    let (Some(stored), Ok(root)) = (&server.stored, Root::open(&server.config.http.files)) else {
        return Vec::new();
    };
    let folder = server.config.http.files.join("second-stages");
    let remedy = format!("copy the scripts that come with mozpool to {}", folder.display());
    let mut findings = Vec::new();
    let mut good = 0;
    for image in stored.images.iter().filter(|i| !i.second_stage.is_empty()) {
        match root.open_file(&format!("second-stages/{}", image.second_stage)) {
            Ok(_) => good += 1,
            Err(error) => findings.push(Finding::fail(
                format!("image {}: {}", image.name, missing(&folder.join(&image.second_stage), &error)),
                &remedy,
            )),
        }
    }
    findings.push(Finding::ok(format!("{good} images have their script")));
    findings
}

pub(super) fn tftp_root(server: &Server<'_>) -> Vec<Finding> {
    let (tftp, pxe) = (&server.config.tftp, &server.config.pxe);
    if !tftp.enabled {
        return vec![Finding::warn("tftp.enabled is false", "boards must get their PXE configs elsewhere")];
    }
    let root = match open_root("tftp.root", &tftp.root) {
        Ok(root) => root,
        Err(finding) => return vec![finding],
    };
    let mut findings = vec![Finding::ok(tftp.root.display())];
    for (name, remedy) in PXELINUX {
        if let Err(error) = root.open_file(name) {
            let what = format!("{}: PCs cannot boot", missing(&tftp.root.join(name), &error));
            findings.push(Finding::warn(what, remedy));
        }
    }
    let usual = &pxe.live.usual;
    let mut files = vec![
        ("pxe.live_kernel".to_owned(), &usual.kernel),
        ("pxe.live_initrd".to_owned(), &usual.initrd),
        ("pxe.live_fdt".to_owned(), &usual.fdt),
    ];
    for (hardware, live) in &pxe.live.by_hardware {
        let keys = [("kernel", &live.kernel), ("initrd", &live.initrd), ("fdt", &live.fdt)];
        let setting = |key| format!("pxe.live.\"{hardware}\".{key}");
        // What it takes over from the usual one is looked at above.
        let taken_over = [&usual.kernel, &usual.initrd, &usual.fdt];
        let own = keys.into_iter().zip(taken_over).filter(|((_, name), usual)| name != usual);
        files.extend(own.map(|((key, name), _)| (setting(key), name)));
    }
    for (setting, name) in files.iter().filter(|(_, name)| !name.is_empty()) {
        findings.push(match root.open_file(name) {
            Ok(_) => Finding::ok(format!("{setting}: {name}")),
            Err(error) => Finding::fail(
                format!("{setting}: {}: no board can be imaged", missing(&tftp.root.join(name), &error)),
                "build the live image and put it there, or change the setting",
            ),
        });
    }
    findings
}

fn open_root(setting: &str, path: &Path) -> Result<Root, Finding> {
    Root::open(path).map_err(|error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => format!("mkdir -p {}, or change the setting", path.display()),
            io::ErrorKind::PermissionDenied => "make it readable for the user that runs mozpool".to_owned(),
            _ => "name a folder".to_owned(),
        };
        Finding::fail(format!("{setting}: {}: {error}", path.display()), remedy)
    })
}

fn missing(path: &Path, error: &RootError) -> String {
    format!("{}: {error}", path.display())
}

//! The demo's folder: files that boards download, the store, and the configuration that points at them.
//!
//! Temporary, readable by nobody else, and removed at the end.

use super::DemoError;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Host};
use crate::fakes::Rack;
use crate::lab::Lab;
use crate::store::{Location, StoreError};
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The image that the demo installs.
pub(super) const IMAGE: &str = "demo";
const IMAGE_FILE: &str = "images/demo.img";
/// A mebibyte: enough for a download to take packets, little enough for hundreds of boards.
const IMAGE_BYTES: usize = 1 << 20;
/// Boot files; what is in them does not matter to boards that are not there.
const BOOT_FILES: [(&str, usize); 2] = [("live/vmlinuz", 64 << 10), ("live/initrd.img", 128 << 10)];
/// What the daemon calls itself.
const SERVER: &str = "demo";

const SECOND_STAGES: [(&str, &str); 3] = [
    ("write-image.sh", include_str!("../../../init-scripts/second-stages/write-image.sh")),
    ("self-test.sh", include_str!("../../../init-scripts/second-stages/self-test.sh")),
    ("maintenance.sh", include_str!("../../../init-scripts/second-stages/maintenance.sh")),
];

/// The folder; dropping it removes it.
#[derive(Debug)]
pub(super) struct Home(PathBuf);

impl Home {
    pub(super) fn new() -> Result<Self, DemoError> {
        let parent = std::env::temp_dir();
        // A folder that is there already is another demo's, or was left by one that was killed.
        for attempt in 0..100 {
            let path = parent.join(format!("mozpool-demo-{}-{attempt}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => {
                    return Err(DemoError::System { doing: "make a temporary folder", source });
                }
            }
        }
        let source = std::io::ErrorKind::AlreadyExists.into();
        Err(DemoError::System { doing: "find a free name for a temporary folder", source })
    }

    /// Writes files and store, and gives the configuration that uses them.
    pub(super) fn prepare(&self, rack: &Rack) -> Result<Config, DemoError> {
        self.write_files().map_err(|source| DemoError::System { doing: "write the demo's files", source })?;
        let config = Config::parse(&self.config_text(), &Host::ask()).map_err(DemoError::Config)?;
        let text = rack
            .lab(IMAGE, IMAGE_FILE, IMAGE_BYTES as u64)
            .map_err(|source| DemoError::System { doing: "describe the emulated rack", source })?;
        let lab = Lab::parse(&text, "the demo's lab", SERVER).map_err(DemoError::Lab)?;
        import(&config.store_url, &lab).map_err(DemoError::Store)?;
        Ok(config)
    }

    fn write_files(&self) -> std::io::Result<()> {
        let write = |root: &str, name: &str, bytes: &[u8]| {
            let path = self.0.join(root).join(name);
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(path, bytes)
        };
        for (name, size) in BOOT_FILES {
            write("tftp", name, &vec![0x5a; size])?;
        }
        for (name, text) in SECOND_STAGES {
            write("files/second-stages", name, text.as_bytes())?;
        }
        write("files", IMAGE_FILE, &vec![0xa5; IMAGE_BYTES])
    }

    fn config_text(&self) -> String {
        let quoted = |path: PathBuf| toml::Value::from(path.to_string_lossy().into_owned()).to_string();
        let path = |name: &str| quoted(self.0.join(name));
        let store = toml::Value::from(format!("sqlite:{}", self.0.join("mozpool.db").display()));
        format!(
            r#"[server]
name = "{SERVER}"
address = "127.0.0.1"
[store]
url = {store}
[http]
listen = "127.0.0.1:0"
files = {files}
[tftp]
listen = ["127.0.0.1:0"]
root = {tftp}
[syslog]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
[registration]
enabled = true
listen = ["127.0.0.1:0"]
[pxe]
live_kernel = "live/vmlinuz"
live_initrd = "live/initrd.img"
console = ""
[relays]
rest_ms = 20
"#,
            files = path("files"),
            tftp = path("tftp"),
        )
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Err(why) = fs::remove_dir_all(&self.0) {
            log::warn!("cannot remove {}: {why}", self.0.display());
        }
    }
}

fn import(store_url: &str, lab: &Lab) -> Result<(), StoreError> {
    let location: Location = store_url
        .parse()
        .map_err(|e: crate::store::BadLocation| StoreError::Refused { why: e.to_string() })?;
    location.open()?.apply_lab(lab, false, SystemClock.now()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{Pace, RackSettings};

    #[test]
    fn a_home_is_complete_private_and_gone_afterwards() {
        use std::os::unix::fs::PermissionsExt;
        let rack =
            Rack::new(RackSettings { boards: 3, flaky: 0.0, seed: 0, pace: Pace::default(), loss: 0.0 })
                .unwrap();
        let home = Home::new().unwrap();
        let path = home.0.clone();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        let config = home.prepare(&rack).unwrap();
        assert!(config.store_url.contains(path.to_str().unwrap()), "{}", config.store_url);
        assert_eq!(fs::metadata(path.join("files/images/demo.img")).unwrap().len(), 1 << 20);
        let location: Location = config.store_url.parse().unwrap();
        assert_eq!(location.open().unwrap().device_names().unwrap().len(), 3);
        let other = Home::new().unwrap();
        assert_ne!(other.0, path);
        drop(home);
        assert!(!path.exists());
    }
}

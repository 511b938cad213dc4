//! A generated lab of any size: a folder on a real disk with configuration and store, and the daemon on it.

use crate::daemon::{Daemon, free_port};
use mozpool::clock::{Clock, SystemClock};
use mozpool::lab::Lab as LabFile;
use mozpool::store::Location;
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No state's time limit passes while a case runs.
const LONG_S: u32 = 86_400;
/// Time between two checks of a board at rest, as the machine has it; checks of a lab that runs are spread over it.
const CHECK_EVERY_S: usize = 600;

/// What kind of lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing happens by itself.
    Still,
    /// As a lab that has been running for long: boards that answer ping are checked every ten minutes.
    Running,
    /// The same, with names instead of addresses, which no name server knows.
    Names,
}

/// Whose lab it is, and where its store.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// The server's name.
    pub(crate) server: String,
    /// The number of its first device, from 0.
    pub(crate) first: usize,
    /// The store, as a configuration names it, unless it is a file of the lab's own.
    pub(crate) store: Option<String>,
    /// The secret of a pool, unless the server is alone.
    pub(crate) secret: Option<PathBuf>,
}

impl Site {
    /// One server and its file.
    pub(crate) fn alone() -> Self {
        Self { server: "bench".into(), first: 0, store: None, secret: None }
    }
}

/// A lab.
#[derive(Debug)]
pub(crate) struct Lab {
    folder: tempfile::TempDir,
    site: Site,
    devices: usize,
    /// How long it took to read and write it all.
    pub(crate) imported_in: Duration,
}

/// The name of a device, from 0.
pub(crate) fn name(n: usize) -> String {
    format!("board-{:05}", n + 1)
}

/// An address of a device's own, in a network of loopback addresses.
fn address(network: u8, n: usize) -> Ipv4Addr {
    let [.., a, b, c] = (n + 1).to_be_bytes();
    Ipv4Addr::new(127, network + a, b, c)
}

impl Lab {
    /// A lab of so many devices, imported, in a folder below `disk`. `relays`: the port that relay boards answer on, at an
    /// address for each device.
    ///
    /// # Errors
    /// The disk or the store refuses.
    pub(crate) fn new(disk: &Path, devices: usize, kind: Kind, relays: u16) -> io::Result<Self> {
        Self::at(Site::alone(), disk, devices, kind, relays)
    }

    /// The same for a server of a pool. A store that is not a file keeps the deadlines of an import: all devices are due at once.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(crate) fn at(site: Site, disk: &Path, devices: usize, kind: Kind, relays: u16) -> io::Result<Self> {
        let folder = tempfile::tempdir_in(disk)?;
        for name in ["files/second-stages", "tftp"] {
            std::fs::create_dir_all(folder.path().join(name))?;
        }
        std::fs::write(folder.path().join("files/second-stages/write-image.sh"), "#!/bin/sh\n")?;
        let mut lab = Self { folder, site, devices, imported_in: Duration::ZERO };
        let begun = Instant::now();
        let text = lab.text(kind, relays);
        let file = LabFile::parse(&text, "lab.toml", &lab.site.server).map_err(io::Error::other)?;
        let location = match &lab.site.store {
            Some(url) => url.parse::<Location>().map_err(io::Error::other)?,
            None => Location::sqlite(lab.store()),
        };
        let mut store = location.open().map_err(io::Error::other)?;
        store.apply_lab(&file, false, SystemClock.now()).map_err(io::Error::other)?;
        drop(store);
        lab.imported_in = begun.elapsed();
        if lab.site.store.is_none() {
            lab.spread_deadlines(kind).map_err(io::Error::other)?;
        }
        Ok(lab)
    }

    /// Where its files are.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("mozpool.db")
    }

    /// Starts the daemon.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn serve(&self) -> io::Result<Daemon> {
        let http = free_port()?;
        let config = self.path("mozpool.toml");
        std::fs::write(&config, self.config(http))?;
        Daemon::serve(&config, http, &self.path("log"))
    }

    /// Where boards fetch their boot configs: the port after the API's.
    pub(crate) fn tftp(http: SocketAddr) -> SocketAddr {
        SocketAddr::new(http.ip(), http.port())
    }

    fn config(&self, http: SocketAddr) -> String {
        let folder = self.folder.path().display();
        let ip = http.ip();
        let Site { server, store, secret, .. } = &self.site;
        let store = store.clone().unwrap_or_else(|| format!("sqlite:{folder}/mozpool.db"));
        let peers = secret.as_ref().map(|path| format!("[peers]\nsecret_file = \"{}\"\n", path.display()));
        format!(
            r#"[server]
name = "{server}"
address = "{ip}"
[store]
url = "{store}"
[http]
listen = "{http}"
files = "{folder}/files"
[tftp]
listen = ["{tftp}"]
root = "{folder}/tftp"
[syslog]
udp = ["{ip}:0"]
tcp = ["{ip}:0"]
[relays]
rest_ms = 0
# All boards are one client here.
[boards]
events = "plain"
{peers}"#,
            peers = peers.unwrap_or_default(),
            tftp = Self::tftp(http),
        )
    }

    fn text(&self, kind: Kind, relays: u16) -> String {
        let long = ["pxe_booting", "mobile_init_started", "image_downloading", "image_extracting"];
        let mut limits: Vec<String> = long.iter().map(|state| format!("{state} = {LONG_S}")).collect();
        if kind == Kind::Still {
            limits.push(format!("ready = {LONG_S}"));
        }
        let mut text = format!(
            r#"[[hardware_type]]
type = "bench board"
limits = {{ {limits} }}

[[image]]
name = "bench"
check = "none"
second_stage = "write-image.sh"
boot_config_keys = ["url"]
pxe = {{ "bench board" = "image" }}
"#,
            limits = limits.join(", ")
        );
        for n in self.site.first..self.site.first + self.devices {
            let name = name(n);
            let [.., a, b, c] = (n + 1).to_be_bytes();
            let fqdn = match kind {
                Kind::Names => format!("{name}.lab.invalid"),
                Kind::Still | Kind::Running => address(80, n).to_string(),
            };
            write!(
                text,
                r#"
[[device]]
name = "{name}"
fqdn = "{fqdn}"
mac = "02:4d:50:{a:02x}:{b:02x}:{c:02x}"
relay_info = "{relay}:{relays}:bank1:relay1"
hardware_type = "bench board"
environment = "bench"
processor = "armv7"
tags = ["linux", "panda", "rack-{rack}"]
comments = "in the third room, second row"
state = "ready"
"#,
                relay = address(120, n),
                rack = n / 80 + 1,
            )
            .expect("writing to a String does not fail");
        }
        text
    }

    /// As if the boards had been looked after for a while: an imported row is due at once, all of them at the same moment.
    fn spread_deadlines(&self, kind: Kind) -> rusqlite::Result<()> {
        let now = SystemClock.now().0;
        let db = rusqlite::Connection::open(self.store())?;
        let every_ms = i64::try_from(CHECK_EVERY_S * 1000).expect("a small number");
        let long_ms = i64::from(LONG_S) * 1000;
        match kind {
            Kind::Still => db.execute("UPDATE devices SET deadline = ?", [now + long_ms])?,
            Kind::Running | Kind::Names => {
                db.execute("UPDATE devices SET deadline = ? + id * 7919 % ?", [now, every_ms])?
            }
        };
        db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
    }
}

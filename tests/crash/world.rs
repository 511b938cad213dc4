//! What the daemon is crashed in: a folder with its configuration and files, an emulated rack, and a bench board that no
//! thread plays.
//!
//! The first start takes free ports, all later ones the same: boards and clients go on talking to the address they know.

use crate::support::{Daemon, LIMIT, mozpool};
use mozpool::fakes::{Pace, Rack, RackSettings};
use relayctl::{Bank, FakeBoard, FakeSettings, PowerState, Relay};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Boards of the rack; they share two relay boards.
const BOARDS: u16 = 12;
/// Bytes of the image: enough for a kill to fall into a download.
const IMAGE_BYTES: usize = 256 << 10;
/// Where the bench board's system would answer; the rack's own boards have other addresses of 127.77.0.0/16.
const BENCH_IP: Ipv4Addr = Ipv4Addr::new(127, 77, 255, 253);
/// What its boot loader asks for.
pub(crate) const BENCH_FILE: &str = "pxelinux.cfg/01-02-4d-50-01-00-01";
/// A start reads a few dozen rows and takes some hundred milliseconds on a busy machine. The shortest patience around it is
/// that of an emulated board's firmware, 5 s; a daemon that stays away longer fails boots that went well.
const START_LIMIT: Duration = Duration::from_secs(5);

/// See above.
pub(crate) struct World {
    folder: tempfile::TempDir,
    /// The boards that play themselves.
    pub(crate) rack: Rack,
    bench_power: FakeBoard,
    ports: Option<[u16; 4]>,
    /// The longest start so far.
    pub(crate) slowest_start: Duration,
}

impl World {
    /// With a store that has been imported, and nothing running.
    pub(crate) fn new(seed: u64) -> Self {
        let settings = RackSettings { boards: BOARDS, flaky: 0.0, seed, pace: Pace::default(), loss: 0.0 };
        let rack = Rack::new(settings).unwrap();
        let bench_power = FakeBoard::start("127.0.0.1:0".parse().unwrap(), FakeSettings::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let world = Self { folder, rack, bench_power, ports: None, slowest_start: Duration::ZERO };
        let script = b"#!/bin/sh\n".to_vec();
        for (name, bytes) in [
            ("tftp/live/vmlinuz", vec![0x5a; 64 << 10]),
            ("tftp/live/initrd.img", vec![0x5a; 128 << 10]),
            ("files/second-stages/write-image.sh", script.clone()),
            ("files/second-stages/self-test.sh", script.clone()),
            ("files/second-stages/maintenance.sh", script),
            ("files/images/demo.img", vec![0xa5; IMAGE_BYTES]),
        ] {
            let path = world.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        world.write_config();
        let lab = world.path("lab.toml");
        std::fs::write(&lab, world.lab()).unwrap();
        let output = mozpool(&world.path("mozpool.toml")).args(["db", "import"]).arg(lab).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An address of our own: while the daemon is dead, no client's outgoing connection can be given its port.
    fn address() -> Ipv4Addr {
        let [.., hi, lo] = std::process::id().to_be_bytes();
        Ipv4Addr::new(127, 78, hi, lo)
    }

    fn write_config(&self) {
        let [http, tftp, syslog, syslog_tcp] = self.ports.unwrap_or_default();
        let ip = Self::address();
        let folder = self.folder.path().display();
        let text = format!(
            r#"[server]
name = "s1"
address = "{ip}"
[store]
url = "sqlite:{folder}/mozpool.db"
[http]
listen = "{ip}:{http}"
files = "{folder}/files"
[tftp]
listen = ["{ip}:{tftp}"]
root = "{folder}/tftp"
[syslog]
udp = ["{ip}:{syslog}"]
tcp = ["{ip}:{syslog_tcp}"]
[pxe]
live_kernel = "live/vmlinuz"
live_initrd = "live/initrd.img"
console = ""
[relays]
rest_ms = 20
# The test speaks for the bench board, from an address that is not that board's.
[boards]
gateways = ["127.0.0.1"]
"#
        );
        std::fs::write(self.path("mozpool.toml"), text).unwrap();
    }

    /// The rack's lab and the bench board, whose boot may take as long as the test.
    fn lab(&self) -> String {
        let lab = self.rack.lab("demo", "images/demo.img", IMAGE_BYTES as u64).unwrap();
        // Without a first self-test, so that the first requests find boards.
        let lab = lab.replace("environment = \"demo\"", "environment = \"demo\"\nstate = \"ready\"");
        // A kill loses the relay boards' queues, and this limit is what asks again: with the usual one, boards would do little
        // else than wait for it between two kills.
        let lab = lab.replace("power_cycling = 10", "power_cycling = 3");
        format!(
            r#"{lab}
[[hardware_type]]
type = "bench board"
limits = {{ pxe_booting = 86400, image_pinging = 2 }}

[[image]]
name = "bench"
check = "tcp:{port}"
second_stage = "write-image.sh"
boot_config_keys = ["url"]
pxe = {{ "bench board" = "image" }}

[[device]]
name = "bench"
fqdn = "{BENCH_IP}"
mac = "02:4d:50:01:00:01"
relay_info = "{relay}:bank1:relay1"
hardware_type = "bench board"
environment = "bench"
state = "ready"
"#,
            port = self.rack.check_port().unwrap(),
            relay = self.bench_power.addr(),
        )
    }

    /// Starts the daemon; the first start connects the boards.
    pub(crate) fn start(&mut self) -> Daemon {
        let begun = Instant::now();
        let daemon = Daemon::start(&self.path("mozpool.toml"), LIMIT);
        let took = begun.elapsed();
        assert!(took < START_LIMIT, "a start took {took:?}");
        self.slowest_start = self.slowest_start.max(took);
        if self.ports.is_none() {
            self.rack.connect(daemon.tftp).unwrap();
            let at = [daemon.http, daemon.tftp, daemon.syslog, daemon.syslog_tcp];
            self.ports = Some(at.map(|a: SocketAddr| a.port()));
            self.write_config();
        }
        daemon
    }

    /// A daemon that is not waited for, to be killed before it is up.
    pub(crate) fn start_blindly(&self) -> std::process::Child {
        let mut command = mozpool(&self.path("mozpool.toml"));
        command.arg("serve").stderr(std::process::Stdio::null()).spawn().unwrap()
    }

    /// A copy of the store as a crash left it, which the next start has not seen. The original is not touched: recovering it
    /// is the daemon's part.
    pub(crate) fn copy_of_store(&self) -> PathBuf {
        let copy = self.path("copy.db");
        let _ = std::fs::remove_file(self.path("copy.db-shm"));
        for end in ["", "-wal"] {
            let (from, to) = (self.path(&format!("mozpool.db{end}")), self.path(&format!("copy.db{end}")));
            match std::fs::copy(from, &to) {
                Ok(_) => {}
                // No write-ahead log: there was nothing in it.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => drop(std::fs::remove_file(to)),
                Err(e) => panic!("{e}"),
            }
        }
        copy
    }

    /// Boards that were used, and that their relay keeps without power.
    pub(crate) fn without_power(&self) -> Vec<String> {
        let mut names = self.rack.lost_power();
        let (bank, relay) = (Bank::new(1).unwrap(), Relay::new(1).unwrap());
        if self.bench_power.power(bank, relay) == PowerState::Off {
            names.push("bench".into());
        }
        names
    }

    /// The bench board's installed system comes up.
    pub(crate) fn bench_system(&self) -> TcpListener {
        TcpListener::bind((BENCH_IP, self.rack.check_port().unwrap())).unwrap()
    }
}

//! The rig for real boards in QEMU: network namespaces of its own (`rig/net.sh`) with our daemon on the ports that boot ROMs
//! ask, dnsmasq for DHCP only, and a relay board whose clicks start and kill QEMU.
//!
//! QEMU runs without KVM, so every limit is a multiple of what an idle machine takes (a boot: about 15 s). Needs root.

use super::{Daemon, mozpool, wait_at_most};
use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// For an operation of a board: several boots on a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(420);

/// What differs between the boards that the rig has.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// As `board.sh` and `installed-os.sh` call it.
    pub name: &'static str,
    /// Debian's name of its architecture.
    pub arch: &'static str,
    /// As the kernel calls its serial port.
    pub console: &'static str,
    /// How the installed system's image is compressed, as `installed-os.sh` wants it.
    pub compressed: &'static str,
    /// The configuration's `, fdt = "…"`, where the board gets a device tree from the network.
    pub device_tree: &'static str,
    /// Boot loaders below the TFTP root: files of this machine, and the Debian packages that have them.
    pub loaders: &'static [(&'static str, &'static str)],
}

/// BIOS, iPXE, PXELINUX.
pub const PC: Kind = Kind {
    name: "pc",
    arch: "amd64",
    console: "ttyS0,115200",
    compressed: "gz xz zst",
    device_tree: "",
    loaders: &[
        ("/usr/lib/PXELINUX/pxelinux.0", "pxelinux"),
        ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common"),
    ],
};

/// An arm64 board with U-Boot, as Debian builds it.
pub const UBOOT: Kind = Kind {
    name: "uboot",
    arch: "arm64",
    console: "ttyAMA0,115200",
    compressed: "gz",
    device_tree: ", fdt = \"dtb/virt.dtb\"",
    loaders: &[],
};

/// Namespaces, DHCP, the relay board, and what the daemon serves.
pub struct Rig {
    folder: tempfile::TempDir,
    id: String,
    kind: Kind,
    link: &'static str,
    relays: Option<Child>,
    /// The namespace that we came from.
    home: File,
    /// sha256 of each variant of the installed system's image, by file name.
    images: Vec<(String, String)>,
}

/// A script or program of the project's.
pub fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
}

/// What it prints; it must end well.
pub fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Rig {
    /// One board `board-1` without power, and a store with `lab`.
    pub fn up(kind: Kind, lab: &str) -> Self {
        Self::up_through("", kind, lab)
    }

    /// The same behind a bad cable: options of `rig/lossy-link`.
    pub fn up_through(link: &'static str, kind: Kind, lab: &str) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "network namespaces and taps need root: run the tests as root"
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        // A process may have seven: net.sh takes no more than 8 characters, and the number of a process has up to 7.
        static RIGS: AtomicU8 = AtomicU8::new(0);
        let letter = char::from(b't' + RIGS.fetch_add(1, Ordering::Relaxed));
        let id = format!("{letter}{}", std::process::id());
        let home = File::open("/proc/thread-self/ns/net").expect("every thread has a network namespace");
        let mut rig = Self { folder, id, kind, link, relays: None, home, images: Vec::new() };
        {
            // Two that download packages would be in each other's way.
            static FILLING: Mutex<()> = Mutex::new(());
            let _one = FILLING.lock();
            rig.fill_folders(lab);
        }
        run(rig.env(script("tests/rig/net.sh").args(["up", &rig.id, "1"])));
        // From here on this thread lives in the server's namespace, and with it every process that it starts.
        let namespace = File::open(rig.namespace()).expect("net.sh has made it");
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter it");
        rig.start_relays();
        rig
    }

    /// The file that names the server's network namespace while the rig is up.
    pub fn namespace(&self) -> PathBuf {
        PathBuf::from(format!("/run/netns/mp{}-srv", self.id))
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn env<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command
            .env("RIG_DIR", self.path("rig"))
            .env("RIG_OWNER", std::process::id().to_string())
            .env("RIG_BOARD", self.kind.name)
            .env("RIG_LINK", self.link)
    }

    /// The live image and boot loader for TFTP, second stages and the image of an installed system for HTTP.
    fn fill_folders(&mut self, lab: &str) {
        let (tftp, images) = (self.path("tftp"), self.path("files/images"));
        std::fs::create_dir_all(&tftp).expect("a folder");
        std::fs::create_dir_all(&images).expect("a folder");
        // Packages are kept between runs; what is made of them is made anew.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        let build = script("init-scripts/live-image/build.sh")
            .args(["--arch", self.kind.arch, "--out"])
            .arg(&tftp)
            .arg("--cache")
            .arg(&cache)
            .stdout(Stdio::null())
            .status();
        assert!(build.expect("the recipe runs").success(), "the live image could not be built");
        run(script("tests/rig/installed-os.sh")
            .args(["--board", self.kind.name, "--name", "demo-os", "--as", self.kind.compressed, "--out"])
            .arg(&images)
            .arg("--cache")
            .arg(&cache));
        let sums = std::fs::read_to_string(images.join("demo-os.sha256")).expect("installed-os.sh wrote it");
        self.images = sums
            .lines()
            .filter_map(|l| l.split_once("  "))
            .map(|(sum, name)| (name.trim_start_matches('*').to_owned(), sum.to_owned()))
            .collect();
        for (from, package) in self.kind.loaders {
            let name = Path::new(from).file_name().expect("a file");
            std::fs::copy(from, tftp.join(name)).unwrap_or_else(|e| panic!("{from}: {e}; install {package}"));
        }
        run(Command::new("cp").arg("-r").arg("init-scripts/second-stages").arg(self.path("files")));
        std::fs::write(self.path("mozpool.toml"), self.config()).expect("the configuration");
        std::fs::write(self.path("lab.toml"), lab).expect("the lab file");
        run(mozpool(&self.path("mozpool.toml")).args(["db", "import"]).arg(self.path("lab.toml")));
    }

    fn config(&self) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            r#"
[server]
name = "imaging-1"
address = "10.9.0.1"
[store]
url = "sqlite:{store}"
[http]
listen = "10.9.0.1:8080"
files = "{files}"
[auth]
mode = "open"
[tftp]
listen = ["0.0.0.0:69"]
root = "{tftp}"
[syslog]
udp = ["0.0.0.0:514"]
tcp = ["0.0.0.0:514"]
[pxe]
[pxe.live]
"{kind} qemu" = {{ kernel = "live/{arch}/vmlinuz", initrd = "live/{arch}/initrd.img", console = "{console}"{device_tree} }}
"#,
            store = path("mozpool.db"),
            files = path("files"),
            tftp = path("tftp"),
            arch = self.kind.arch,
            console = self.kind.console,
            kind = self.kind.name,
            device_tree = self.kind.device_tree,
        )
    }

    /// A relay board that starts and kills QEMU.
    fn start_relays(&mut self) {
        // Built beside our own program, because it is a package of its own.
        let relayctl = Path::new(env!("CARGO_BIN_EXE_mozpool")).with_file_name("relayctl");
        assert!(relayctl.exists(), "{} is missing; `cargo build --workspace` makes it", relayctl.display());
        let board = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rig/board.sh");
        let mut command = Command::new(relayctl);
        command.args(["fake", "--listen", "127.0.0.1:2101", "--on-change"]).arg(board);
        let log = File::create(self.path("relays.log")).expect("a file");
        let child = self.env(&mut command).stdout(log).spawn().expect("relayctl runs");
        self.relays = Some(child);
        super::wait_for("the relay board", || {
            std::fs::read_to_string(self.path("relays.log")).ok().filter(|l| l.contains("listening on"))
        });
    }

    /// Starts the daemon.
    pub fn serve(&self) -> Daemon {
        Daemon::start(&self.path("mozpool.toml"), PATIENCE)
    }

    /// What the board wrote to its serial port.
    pub fn serial(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.path("rig/board-1.serial")).unwrap_or_default())
            .into_owned()
    }

    /// The end of all that could explain a failure.
    fn evidence(&self) -> String {
        let tail = |text: String| {
            let lines: Vec<_> = text.lines().collect();
            lines[lines.len().saturating_sub(40)..].join("\n")
        };
        let file = |name: &str| std::fs::read_to_string(self.path(name)).unwrap_or_default();
        format!(
            "== serial\n{}\n== relays\n{}\n== qemu\n{}\n== dhcp\n{}",
            tail(self.serial()),
            tail(file("relays.log")),
            tail(file("rig/board-1.qemu")),
            tail(file("rig/dnsmasq.log"))
        )
    }

    /// What a request gives to have this variant of the installed system's image.
    pub fn boot_config(&self, variant: &str) -> Value {
        let (_, sum) =
            self.images.iter().find(|(n, _)| n == variant).unwrap_or_else(|| panic!("{:?}", self.images));
        json!({"url": format!("http://10.9.0.1:8080/files/images/{variant}"), "sha256": sum})
    }

    /// The page that only the installed system has. PXELINUX answers ping as well, so the board may still be on its way there.
    pub fn installed_page(&self) -> String {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
        let page = || agent.get("http://10.9.0.101/installed").call().ok();
        let mut page = wait_at_most(PATIENCE, "the installed system's web server", page);
        page.body_mut().read_to_string().expect("text")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stdout, reason = "a failed test's evidence")]
            {
                println!("{}", self.evidence());
            }
        }
        if let Some(mut relays) = self.relays.take() {
            let _ = relays.kill();
            let _ = relays.wait();
        }
        // From outside, because net.sh ends every process inside.
        let _ = nix::sched::setns(&self.home, nix::sched::CloneFlags::CLONE_NEWNET);
        let _ = self.env(script("tests/rig/net.sh").args(["down", &self.id])).status();
    }
}

/// Asks for any board with the image `demo-os`; the request's number.
pub fn request(daemon: &Daemon, boot_config: &Value) -> i64 {
    let mut body = json!({"assignee": "ci@example.com", "duration": 3600, "image": "demo-os"});
    for (key, value) in boot_config.as_object().expect("an object") {
        body[key] = value.clone();
    }
    daemon.post("device/any/request", body)["request"]["id"].as_i64().expect("a number")
}

/// Returns it.
pub fn close(daemon: &Daemon, id: i64) {
    let (status, answer) = daemon.call("POST", &format!("request/{id}/return"), None);
    assert_eq!(status, 204, "{answer}");
    assert_eq!(daemon.get(&format!("request/{id}/status"))["state"], "closed");
}

/// The states that the device entered, in order, after the first `skip` of them.
pub fn states(daemon: &Daemon, skip: usize) -> Vec<String> {
    let lines = daemon.log("statemachine").into_iter();
    lines.filter_map(|l| l.strip_prefix("entering state ").map(str::to_owned)).skip(skip).collect()
}

/// The states of a self-test.
pub const SELF_TEST: [&str; 6] = [
    "start_self_test",
    "pxe_power_cycling",
    "pxe_booting",
    "mobile_init_started",
    "self_test_running",
    "ready",
];

/// The states of an installation.
pub const IMAGING: [&str; 9] = [
    "start_pxe_boot",
    "pxe_power_cycling",
    "pxe_booting",
    "mobile_init_started",
    "image_downloading",
    "image_extracting",
    "image_pinging",
    "operation_complete",
    "ready",
];

//! A real board, end to end: a QEMU PC behind a relay boots by iPXE and PXELINUX from our TFTP server, is imaged by our live
//! system, boots what was written to its disk, and is handed over.
//!
//! In network namespaces of its own (`rig/net.sh`): our daemon on the ports that boot ROMs ask, dnsmasq for DHCP only. QEMU
//! runs without KVM, so every limit is a multiple of what an idle machine takes (a boot: about 15 s). Needs root.

mod support;

use serde_json::{Value, json};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{Daemon, mozpool};

/// For an operation of a board: several boots on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(420);

/// Namespaces, DHCP, the relay board, and what the daemon serves.
struct Rig {
    folder: tempfile::TempDir,
    id: String,
    relays: Option<Child>,
    /// The namespace that we came from.
    home: File,
    /// sha256 of each variant of the installed system's image, by file name.
    images: Vec<(String, String)>,
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(name))
}

fn run(command: &mut Command) -> String {
    let output = command.stderr(Stdio::inherit()).output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

impl Rig {
    fn up() -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "network namespaces and taps need root: run the tests as root"
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let id = format!("t{}", std::process::id());
        let home = File::open("/proc/thread-self/ns/net").expect("every thread has a network namespace");
        let mut rig = Self { folder, id, relays: None, home, images: Vec::new() };
        rig.fill_folders();
        run(rig.env(script("tests/rig/net.sh").args(["up", &rig.id, "1"])));
        // From here on this thread lives in the server's namespace, and with it every process that it starts.
        let namespace = File::open(format!("/run/netns/mp{}-srv", rig.id)).expect("net.sh has made it");
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("root may enter it");
        rig.start_relays();
        rig
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn env<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("RIG_DIR", self.path("rig")).env("RIG_OWNER", std::process::id().to_string())
    }

    /// The live image and boot loader for TFTP, second stages and the image of an installed system for HTTP.
    fn fill_folders(&mut self) {
        let (tftp, images) = (self.path("tftp"), self.path("files/images"));
        std::fs::create_dir_all(&tftp).expect("a folder");
        std::fs::create_dir_all(&images).expect("a folder");
        // Packages are kept between runs; what is made of them is made anew.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages");
        let build = script("init-scripts/live-image/build.sh")
            .args(["--arch", "amd64", "--out"])
            .arg(&tftp)
            .arg("--cache")
            .arg(&cache)
            .stdout(Stdio::null())
            .status();
        assert!(build.expect("the recipe runs").success(), "the live image could not be built");
        run(script("tests/rig/installed-os.sh")
            .arg("--out")
            .arg(&images)
            .args(["--name", "demo-os", "--cache"])
            .arg(&cache));
        let sums = std::fs::read_to_string(images.join("demo-os.sha256")).expect("installed-os.sh wrote it");
        self.images = sums
            .lines()
            .filter_map(|l| l.split_once("  "))
            .map(|(sum, name)| (name.trim_start_matches('*').to_owned(), sum.to_owned()))
            .collect();
        for (from, package) in [
            ("/usr/lib/PXELINUX/pxelinux.0", "pxelinux"),
            ("/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common"),
        ] {
            let name = Path::new(from).file_name().expect("a file");
            std::fs::copy(from, tftp.join(name)).unwrap_or_else(|e| panic!("{from}: {e}; install {package}"));
        }
        run(Command::new("cp").arg("-r").arg("init-scripts/second-stages").arg(self.path("files")));
        std::fs::write(self.path("mozpool.toml"), self.config()).expect("the configuration");
        std::fs::write(self.path("lab.toml"), LAB).expect("the lab file");
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
[tftp]
listen = ["0.0.0.0:69"]
root = "{tftp}"
[syslog]
udp = ["0.0.0.0:514"]
tcp = ["0.0.0.0:514"]
[pxe]
console = "ttyS0,115200"
"#,
            store = path("mozpool.db"),
            files = path("files"),
            tftp = path("tftp"),
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
        support::wait_for("the relay board", || {
            std::fs::read_to_string(self.path("relays.log")).ok().filter(|l| l.contains("listening on"))
        });
    }

    fn serve(&self) -> Daemon {
        Daemon::start(&self.path("mozpool.toml"), PATIENCE)
    }

    /// What the board wrote to its serial port.
    fn serial(&self) -> String {
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

    fn boot_config(&self, variant: &str) -> Value {
        let (_, sum) =
            self.images.iter().find(|(n, _)| n == variant).unwrap_or_else(|| panic!("{:?}", self.images));
        json!({"url": format!("http://10.9.0.1:8080/files/images/{variant}"), "sha256": sum})
    }

    /// The page that only the installed system has.
    fn installed_page(&self) -> String {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(10))).build().into();
        let mut page =
            agent.get("http://10.9.0.101/installed").call().expect("the installed system has a web server");
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

/// Limits are wide where a boot happens: two processors emulate the board, and run other tests beside it.
const LAB: &str = r#"
[[hardware_type]]
type = "pc"
model = "qemu"
limits = { mobile_init_started = 60, pc_rebooting = 5, pc_pinging = 20, image_pinging = 20 }

[[image]]
name = "demo-os"
check = "ping"
second_stage = "write-image.sh"
boot_config_keys = ["url", "sha256"]
pxe = { "pc qemu" = "image" }

[[image]]
name = "self-test"
pxe = { "pc qemu" = "self-test" }

[[image]]
name = "maintenance"
pxe = { "pc qemu" = "maintenance" }

[[relay_board]]
name = "relays-1"
fqdn = "127.0.0.1"

[[device]]
name = "board-1"
fqdn = "10.9.0.101"
mac = "52:54:00:09:00:01"
relay_info = "127.0.0.1:bank1:relay1"
hardware_type = "pc"
hardware_model = "qemu"
environment = "test"
"#;

fn request(daemon: &Daemon, boot_config: &Value) -> i64 {
    let mut body = json!({"assignee": "ci@example.com", "duration": 3600, "image": "demo-os"});
    for (key, value) in boot_config.as_object().expect("an object") {
        body[key] = value.clone();
    }
    daemon.post("device/any/request", body)["request"]["id"].as_i64().expect("a number")
}

fn close(daemon: &Daemon, id: i64) {
    let (status, answer) = daemon.call("POST", &format!("request/{id}/return"), None);
    assert_eq!(status, 204, "{answer}");
    assert_eq!(daemon.get(&format!("request/{id}/status"))["state"], "closed");
}

/// The states that the device entered, in order, after the first `skip` of them.
fn states(daemon: &Daemon, skip: usize) -> Vec<String> {
    let lines = daemon.log("statemachine").into_iter();
    lines.filter_map(|l| l.strip_prefix("entering state ").map(str::to_owned)).skip(skip).collect()
}

const SELF_TEST: [&str; 6] = [
    "start_self_test",
    "pxe_power_cycling",
    "pxe_booting",
    "mobile_init_started",
    "self_test_running",
    "ready",
];
const IMAGING: [&str; 9] = [
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

#[test]
fn a_real_board_is_tested_imaged_used_returned_and_survives_our_crash() {
    let rig = Rig::up();
    let daemon = rig.serve();

    // A new board tests itself, from its first power-on.
    daemon.wait_for_state("ready");
    assert_eq!(states(&daemon, 0), SELF_TEST);
    let facts = daemon.log("syslog");
    for fact in ["52:54:00:09:00:01", "vda"] {
        assert!(
            facts.iter().any(|l| l.contains("fact ") && l.contains(fact)),
            "no fact with {fact} in {facts:#?}"
        );
    }

    // Imaged, checked, handed over.
    let id = request(&daemon, &rig.boot_config("demo-os.img.gz"));
    daemon.wait_for_request(id, "ready");
    assert_eq!(states(&daemon, SELF_TEST.len()), IMAGING);
    assert_eq!(rig.installed_page().trim(), "demo-os");
    let log = daemon.log("syslog");
    for part in ["mobile-init", "write-image"] {
        assert!(log.iter().any(|l| l.contains(part)), "nothing from {part} in {log:#?}");
    }

    // Returned, power-cycled: its own system comes up again.
    close(&daemon, id);
    let seen = states(&daemon, 0).len();
    daemon.event("please_power_cycle", json!({}));
    daemon.wait_for_state("ready");
    let wanted = ["pc_power_cycling", "pc_rebooting", "pc_pinging", "operation_complete", "ready"];
    assert_eq!(states(&daemon, seen), wanted);
    assert_eq!(rig.installed_page().trim(), "demo-os");

    // Maintenance, and out of it through a self-test, which leaves the installed system alone.
    daemon.event("please_start_maintenance", json!({}));
    daemon.wait_for_state("maintenance_mode");
    let seen = states(&daemon, 0).len();
    daemon.event("please_self_test", json!({}));
    daemon.wait_for_state("ready");
    assert_eq!(states(&daemon, seen), SELF_TEST);

    // A wrong checksum is the image's fault: the request ends so, the board heals.
    let mut wrong = rig.boot_config("demo-os.img.xz");
    wrong["sha256"] = json!("0".repeat(64));
    let id = request(&daemon, &wrong);
    daemon.wait_for_request(id, "failed_bad_image");
    daemon.wait_for_state("ready");
    let log = daemon.log("statemachine");
    assert!(log.iter().any(|l| l.starts_with("image_failed: checksum: expected 0000")), "{log:#?}");
    assert!(log.contains(&"entering state failed_image".to_owned()), "{log:#?}");
    close(&daemon, id);

    // Killed while the board writes its disk, started again: the request still becomes ready.
    let id = request(&daemon, &rig.boot_config("demo-os.img.zst"));
    let killed_in = support::wait_at_most(PATIENCE, "the board to install", || {
        Some(daemon.state()).filter(|s| s == "image_downloading" || s == "image_extracting")
    });
    daemon.kill();
    let daemon = rig.serve();
    daemon.wait_for_request(id, "ready");
    assert_eq!(rig.installed_page().trim(), "demo-os", "killed in {killed_in}");
    let log = daemon.get(&format!("request/{id}/log"));
    assert!(!log.to_string().contains("has failed"), "{log}");
    assert!(daemon.terminate().success());

    let namespace = PathBuf::from(format!("/run/netns/mp{}-srv", rig.id));
    drop(rig);
    assert!(!namespace.exists(), "{} is left behind", namespace.display());
}

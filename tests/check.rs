//! `mozpool check` on the built program: what is well, what is not, what it says to do, and that it changes nothing.

mod support;

use relayctl::{FakeBoard, FakeSettings};
use serde_json::Value;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use support::{Lab, mozpool};

/// A server that lacks nothing, and whose parts a test takes away.
struct Site {
    folder: tempfile::TempDir,
    relays: FakeBoard,
    /// `key = value` lines by section that replace the usual ones.
    changes: Vec<(&'static str, &'static str, String)>,
}

/// Files that boards ask for.
const FILES: [&str; 8] = [
    "files/second-stages/self-test.sh",
    "files/second-stages/maintenance.sh",
    "files/second-stages/write-image.sh",
    "tftp/pxelinux.0",
    "tftp/ldlinux.c32",
    "tftp/live/amd64/vmlinuz",
    "tftp/live/amd64/initrd.img",
    "state/.keep",
];

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in FILES {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it has one"))
                .expect("a folder in the temporary one");
            std::fs::write(path, "x").expect("a file in the temporary folder");
        }
        let relays = FakeBoard::start("127.0.0.1:0".parse().expect("an address"), FakeSettings::default())
            .expect("a fake relay board");
        Self { folder, relays, changes: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        let path = |name: &str| format!("\"{}\"", self.path(name).display());
        let store = format!("\"sqlite:{}\"", self.path("state/mozpool.db").display());
        let any = || "\"127.0.0.1:0\"".to_owned();
        let mut settings = vec![
            ("server", "name", "\"s1\"".to_owned()),
            ("server", "address", "\"127.0.0.1\"".into()),
            ("store", "url", store),
            ("http", "listen", any()),
            ("http", "files", path("files")),
            ("tftp", "listen", format!("[{}]", any())),
            ("tftp", "root", path("tftp")),
            ("syslog", "udp", format!("[{}]", any())),
            ("syslog", "tcp", format!("[{}]", any())),
        ];
        for (section, key, value) in &self.changes {
            settings.retain(|(s, k, _)| (s, k) != (section, key));
            settings.push((section, key, value.clone()));
        }
        let mut text = String::new();
        for section in ["server", "store", "http", "tftp", "syslog", "registration", "pxe", "relays"] {
            text += &format!("[{section}]\n");
            for (_, key, value) in settings.iter().filter(|(s, _, _)| *s == section) {
                text += &format!("{key} = {value}\n");
            }
        }
        let file = self.path("mozpool.toml");
        std::fs::write(&file, text).expect("the configuration");
        file
    }

    fn import(&self, lab: &str) {
        let file = self.path("lab.toml");
        std::fs::write(&file, lab).expect("the lab file");
        let output = mozpool(&self.config()).args(["db", "import"]).arg(file).output().expect("mozpool runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn import_usual(&self) {
        self.import(&format!(
            "[[relay_board]]\nname = \"relays-1\"\nfqdn = \"{}\"\n\
             [[image]]\nname = \"web\"\nsecond_stage = \"write-image.sh\"\n",
            self.relays.addr()
        ));
    }

    /// What `check --json` says: exit code, and `check level what; remedy` lines.
    fn check(&self) -> (Option<i32>, Vec<String>) {
        check(&self.config())
    }
}

fn check(config: &std::path::Path) -> (Option<i32>, Vec<String>) {
    let output = mozpool(config).args(["check", "--json"]).output().expect("mozpool runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
    let row = |row: &Value| {
        format!(
            "{} {} {}; {}",
            text(row, "check"),
            text(row, "level"),
            text(row, "what"),
            text(row, "remedy")
        )
    };
    let rows: Vec<String> = json["checks"].as_array().expect("a list").iter().map(row).collect();
    let failed = rows.iter().any(|r| level(r) == "fail");
    assert_eq!(json["ok"], !failed);
    assert_eq!(output.status.code(), Some(i32::from(failed)));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.contains("not fit to serve"), failed, "{said}");
    (output.status.code(), rows)
}

fn level(row: &str) -> &str {
    row.split(' ').find(|w| ["ok", "warn", "fail"].contains(w)).expect("every row has a level")
}

/// The rows that are not well, but for ping, which depends on who runs the tests.
fn bad(rows: &[String]) -> Vec<&str> {
    rows.iter().map(String::as_str).filter(|r| level(r) != "ok" && !r.starts_with("ping ")).collect()
}

#[test]
fn a_server_that_lacks_nothing_is_fit() {
    let site = Site::new();
    site.import_usual();
    let (_, rows) = site.check();
    assert_eq!(bad(&rows), [""; 0]);
    let relays = format!("relay boards ok relays-1 ({}) answers; ", site.relays.addr());
    for want in [
        "second stages ok 3 images have their script; ",
        "pxe configs ok 4 PXE configs make a text; ",
        &relays,
    ] {
        assert!(rows.iter().any(|r| r == want), "{want}: {rows:#?}");
    }
    // For people: the same rows, and a summary.
    let output = mozpool(&site.config()).arg("check").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("ok    store "), "{text}");
    let oks = text.lines().filter(|l| l.starts_with("ok ")).count();
    assert!(text.contains(&format!("\n{oks} ok, ")), "{text}");
}

#[test]
fn a_check_makes_no_store_and_takes_no_lock() {
    let site = Site::new();
    let (_, rows) = site.check();
    let want = format!("store ok {} will be made by the daemon; ", site.path("state/mozpool.db").display());
    assert_eq!(rows[0], want);
    let left: Vec<_> =
        std::fs::read_dir(site.path("state")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, [".keep"]);

    std::fs::remove_dir_all(site.path("state")).unwrap();
    let (code, rows) = site.check();
    assert_eq!(code, Some(1));
    let folder = site.path("state").display().to_string();
    assert_eq!(
        bad(&rows),
        [format!(
            "store fail {folder}: there is no such folder for the store; \
             mkdir -p {folder} and give it to the user that runs mozpool"
        )]
    );
}

#[test]
fn a_taken_port_says_which_and_who() {
    let mut site = Site::new();
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    let (tcp, udp) = ((tcp.local_addr().unwrap(), tcp), (udp.local_addr().unwrap(), udp));
    site.changes.push(("http", "listen", format!("\"{}\"", tcp.0)));
    site.changes.push(("tftp", "listen", format!("[\"{}\"]", udp.0)));
    let (_, rows) = site.check();
    let bad = bad(&rows);
    let me = format!("(pid {})", std::process::id());
    for (row, want) in bad.iter().zip([
        format!("ports fail the API (http.listen) cannot listen on tcp {}: the port is taken by ", tcp.0),
        format!("ports fail TFTP (tftp.listen) cannot listen on udp {}: the port is taken by ", udp.0),
    ]) {
        assert!(row.starts_with(&want) && row.contains(&me), "{row}");
    }
    assert_eq!(bad.len(), 2, "{bad:#?}");
}

#[test]
fn two_services_cannot_have_the_same_port() {
    let mut site = Site::new();
    // Nobody else binds a port of this address meanwhile: it is this test's own.
    site.changes.push(("http", "listen", "\"127.77.77.77:8080\"".into()));
    site.changes.push(("syslog", "tcp", "[\"127.77.77.77:8080\"]".into()));
    site.changes.push(("registration", "enabled", "true".into()));
    site.changes.push(("registration", "listen", "[\"127.77.77.77:8080\"]".into()));
    let (_, rows) = site.check();
    let bad = bad(&rows);
    assert_eq!(bad.len(), 2, "{bad:#?}");
    assert!(bad[0].contains("syslog (syslog.tcp) cannot listen on tcp 127.77.77.77:8080"), "{bad:#?}");
    assert!(bad[0].contains("the port is taken by mozpool (pid "), "{bad:#?}");
    assert!(
        bad[1].contains("registration (registration.listen) cannot listen on tcp 127.77.77.77:8080"),
        "{bad:#?}"
    );
}

#[test]
fn missing_files_are_named_with_what_they_are_for() {
    let mut site = Site::new();
    // What it takes over from the usual one is not missing twice.
    site.changes.push(("pxe", "live", "{ panda = { kernel = \"live/armhf/vmlinuz\" } }".into()));
    site.import_usual();
    for name in FILES.iter().filter(|n| !n.contains("self-test") && !n.contains("state")) {
        std::fs::remove_file(site.path(name)).unwrap();
    }
    let (code, rows) = site.check();
    assert_eq!(code, Some(1));
    let said: Vec<String> =
        bad(&rows).iter().map(|r| r.replace(&site.folder.path().display().to_string(), "…")).collect();
    assert_eq!(
        said,
        [
            "second stages fail image maintenance: …/files/second-stages/maintenance.sh: there is no such file; copy the scripts that come with mozpool to …/files/second-stages",
            "second stages fail image web: …/files/second-stages/write-image.sh: there is no such file; copy the scripts that come with mozpool to …/files/second-stages",
            "tftp root warn …/tftp/pxelinux.0: there is no such file: PCs cannot boot; apt install pxelinux, then copy /usr/lib/PXELINUX/pxelinux.0 there",
            "tftp root warn …/tftp/ldlinux.c32: there is no such file: PCs cannot boot; apt install syslinux-common, then copy /usr/lib/syslinux/modules/bios/ldlinux.c32 there",
            "tftp root fail pxe.live_kernel: …/tftp/live/amd64/vmlinuz: there is no such file: no board can be imaged; build the live image and put it there, or change the setting",
            "tftp root fail pxe.live_initrd: …/tftp/live/amd64/initrd.img: there is no such file: no board can be imaged; build the live image and put it there, or change the setting",
            "tftp root fail pxe.live.\"panda\".kernel: …/tftp/live/armhf/vmlinuz: there is no such file: no board can be imaged; build the live image and put it there, or change the setting",
        ]
    );
    for root in ["files", "tftp"] {
        std::fs::remove_dir_all(site.path(root)).unwrap();
    }
    let (_, rows) = site.check();
    let bad = bad(&rows);
    assert_eq!(bad.len(), 2, "{bad:#?}");
    let tftp = site.path("tftp").display().to_string();
    assert_eq!(
        bad[1],
        format!(
            "tftp root fail tftp.root: {tftp}: No such file or directory (os error 2); mkdir -p {tftp}, or change the setting"
        )
    );
}

#[test]
fn what_is_wrong_in_the_store_is_found() {
    let site = Site::new();
    // A port that was just given back: nobody listens there.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.import(&format!(
        "[[relay_board]]\nname = \"relays-9\"\nfqdn = \"{gone}\"\n\
         [[pxe_config]]\nname = \"odd\"\ncontents = \"kernel {{{{ devise.name }}}}\"\n"
    ));
    let (code, rows) = site.check();
    assert_eq!(code, Some(1));
    let bad = bad(&rows);
    assert_eq!(bad.len(), 2, "{bad:#?}");
    assert!(bad[0].starts_with("pxe configs fail PXE config odd, line 1: "), "{bad:#?}");
    assert!(bad[0].ends_with("; put it right in a lab file and `mozpool db import` that"), "{bad:#?}");
    assert!(bad[1].starts_with(&format!("relay boards fail relays-9: relay board {gone}")), "{bad:#?}");

    std::fs::write(site.path("state/mozpool.db"), "not a database, and longer than SQLite's header").unwrap();
    let (code, rows) = site.check();
    assert_eq!(code, Some(1));
    assert!(
        rows[0].starts_with("store fail ") && rows[0].contains(" is not a SQLite database; "),
        "{rows:#?}"
    );
}

#[test]
fn what_the_running_daemon_holds_counts_as_well() {
    let lab = Lab::new();
    let daemon = lab.serve();
    // The ports that the system gave it, as a lab's configuration would name them.
    let text = std::fs::read_to_string(lab.config()).unwrap();
    let text = text
        .replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{}\"", daemon.http))
        .replace("listen = [\"127.0.0.1:0\"]", &format!("listen = [\"{}\"]", daemon.tftp))
        .replace("udp = [\"127.0.0.1:0\"]", &format!("udp = [\"{}\"]", daemon.syslog));
    // One port is somebody else's: ours.
    let foreign = TcpListener::bind("127.0.0.1:0").unwrap();
    let foreign_addr = foreign.local_addr().unwrap();
    let text = text.replace("tcp = [\"127.0.0.1:0\"]", &format!("tcp = [\"{foreign_addr}\"]"));
    let file = lab.path("running.toml");
    std::fs::write(&file, text).unwrap();
    let (_, rows) = check(&file);
    assert!(rows[0].starts_with("store ok a running daemon has it: process "), "{rows:#?}");
    let ports: Vec<_> = rows.iter().filter(|r| r.starts_with("ports ")).collect();
    assert_eq!(ports.iter().filter(|r| r.contains("the running daemon has it")).count(), 3, "{ports:#?}");
    let failed: Vec<_> = ports.iter().filter(|r| level(r) == "fail").collect();
    let want =
        format!("ports fail syslog (syslog.tcp) cannot listen on tcp {foreign_addr}: the port is taken by ");
    assert!(failed.len() == 1 && failed[0].starts_with(&want), "{ports:#?}");
    assert!(daemon.terminate().success());
}

#[test]
fn power_programs_are_there_and_nobody_elses() {
    let mut site = Site::new();
    let folder = site.path("power");
    std::fs::create_dir(&folder).expect("a folder in the temporary one");
    mode(&folder, 0o755);
    site.changes.push(("relays", "power_programs", format!("\"{}\"", folder.display())));
    site.import_usual();
    site.import(
        "[[device]]\nname = \"b-1\"\nfqdn = \"b-1\"\nrelay_info = \"command:good 1\"\n\
         [[device]]\nname = \"b-2\"\nfqdn = \"b-2\"\nrelay_info = \"command:good 2\"\n\
         [[device]]\nname = \"b-3\"\nfqdn = \"b-3\"\nrelay_info = \"command:gone\"\n\
         [[device]]\nname = \"b-4\"\nfqdn = \"b-4\"\nrelay_info = \"command:open\"\n",
    );
    for (name, bits) in [("good", 0o755), ("open", 0o777)] {
        std::fs::write(folder.join(name), "#!/bin/sh\n").expect("a file");
        mode(&folder.join(name), bits);
    }
    let (_, rows) = site.check();
    let good = format!("power programs ok {} switches b-1 and 1 more; ", folder.join("good").display());
    assert!(rows.contains(&good), "{rows:#?}");
    let bad = bad(&rows);
    assert_eq!(bad.len(), 2, "{bad:#?}");
    assert!(bad[0].contains("gone, which switches b-3: there is no such program"), "{bad:#?}");
    assert!(bad[1].contains("open, which switches b-4: others than root could change it"), "{bad:#?}");
}

fn mode(path: &std::path::Path, bits: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(bits)).expect("it is ours");
}

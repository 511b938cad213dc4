//! Real clients through a cable that loses, doubles, reorders and delays whole Ethernet frames: every file arrives byte for byte.
//!
//! In network namespaces of its own (`tests/rig/net.sh`, `tests/rig/lossy-link`), because no other place has such a cable. Needs
//! root. The server's own client, on loopback, is in `transfers.rs`; what is new here are other people's.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{Running, noise};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tftpd::{Config, FetchOptions, fetch};

/// Clients wait for seconds when their own packets are lost, some for six at a time.
const PATIENCE: &str = "120";

/// The namespaces of one test.
struct Cable {
    folder: tempfile::TempDir,
    id: String,
}

impl Cable {
    /// A server's side and a clients' side with a link of these options between them.
    fn lay(name: char, link: &str) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "network namespaces need root: run the tests as root");
        let cable =
            Self { folder: tempfile::tempdir().unwrap(), id: format!("{name}{}", std::process::id()) };
        let up = cable.script().args(["up", &cable.id, "0"]).env("RIG_LINK", link).status();
        assert!(up.unwrap().success(), "net.sh has said why");
        cable
    }

    fn script(&self) -> Command {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/rig/net.sh"));
        script.env("RIG_DIR", self.folder.path()).env("RIG_OWNER", std::process::id().to_string());
        script
    }

    /// Runs `what` on a side, "srv" or "lab"; sockets made there, and threads with theirs, stay there.
    fn on<T: Send>(&self, side: &str, what: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("/run/netns/mp{}-{side}", self.id)).unwrap();
        std::thread::scope(|scope| {
            let there = scope.spawn(|| {
                setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
                what()
            });
            there.join().unwrap()
        })
    }

    fn serve(&self, files: &[(&str, &[u8])]) -> Running {
        self.on("srv", || Running::start(&["10.9.0.1:0"], Config::default(), files))
    }

    /// A folder for what a client gets.
    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    }

    /// What the cable says that it has done, both ways together.
    fn frames(&self, what: &str) -> u64 {
        let report = std::fs::read_to_string(self.folder.path().join("link.json")).unwrap();
        let key = format!("\"{what}\": ");
        report.split(&key).skip(1).map(|t| t.split([',', '}']).next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        let down = self.script().args(["down", &self.id]).status();
        assert!(down.is_ok_and(|d| d.success()) || std::thread::panicking());
    }
}

/// A client: its name, Debian package, arguments, and what is typed into it. `{port}` is filled in, `_` is a blank inside an
/// argument, and the file arrives as `got`.
struct Client {
    program: &'static str,
    package: &'static str,
    file: &'static str,
    arguments: &'static str,
    typed: &'static str,
}

const fn client(
    program: &'static str,
    package: &'static str,
    file: &'static str,
    arguments: &'static str,
    typed: &'static str,
) -> Client {
    Client { program, package, file, arguments, typed }
}

/// Where a client can be told to wait for less than its usual five or six seconds, it is.
const CLIENTS: &[Client] = &[
    client(
        "tftp",
        "tftp-hpa",
        "noise",
        "10.9.0.1 {port}",
        "binary\nrexmt 1\ntimeout 60\nget dir/noise got\nquit\n",
    ),
    // Its default is netascii, which it turns back into our line ends.
    client("tftp", "tftp-hpa", "text", "10.9.0.1 {port}", "rexmt 1\ntimeout 60\nget dir/text got\nquit\n"),
    client("atftp", "atftp", "noise", "--tftp-timeout 1 --get -r dir/noise -l got 10.9.0.1 {port}", ""),
    client(
        "atftp",
        "atftp",
        "large",
        "--tftp-timeout 1 --option blksize_1408 --option windowsize_8 --get -r dir/large -l got 10.9.0.1 {port}",
        "",
    ),
    client(
        "atftp",
        "atftp",
        "large",
        "--tftp-timeout 1 --option tsize_0 --option windowsize_16 --get -r dir/large -l got 10.9.0.1 {port}",
        "",
    ),
    client("curl", "curl", "noise", "-sf --connect-timeout 6 -o got tftp://10.9.0.1:{port}//dir/noise", ""),
    client(
        "curl",
        "curl",
        "large",
        "-sf --connect-timeout 6 --tftp-blksize 1468 -o got tftp://10.9.0.1:{port}//dir/large",
        "",
    ),
    client("busybox", "busybox", "large", "tftp -g -r dir/large -l got -b 1468 10.9.0.1 {port}", ""),
];

impl Client {
    /// Runs it to its end in `folder`. `timeout` is for a client without a limit of its own.
    fn run(&self, folder: &Path, port: u16) {
        let port = port.to_string();
        // atftp has much to say about a bad network.
        let log = File::create(folder.join("log")).unwrap();
        let mut child = Command::new("timeout")
            .args([PATIENCE, self.program])
            .args(self.arguments.split(' ').map(|a| a.replace("{port}", &port).replace('_', " ")))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(self.typed.as_bytes()).unwrap();
        let code = child.wait().unwrap().code();
        // timeout(1) says 127 for a program that is not there.
        assert_ne!(
            code,
            Some(127),
            "{} is missing: install the Debian package {}",
            self.program,
            self.package
        );
        let log = std::fs::read_to_string(folder.join("log")).unwrap();
        assert_eq!(code, Some(0), "{} {}: {log}", self.program, self.arguments);
    }
}

/// All clients at once. Returns packets that the server had to repeat.
fn everyone_gets_everything(cable: &Cable) -> u64 {
    let text = "one\ntwo\r\n\nfour\n".repeat(4000).into_bytes();
    let files = [("noise", noise(60_001)), ("text", text), ("large", noise(300_000))];
    let named: Vec<(String, &[u8])> = files.iter().map(|(n, b)| (format!("dir/{n}"), &b[..])).collect();
    let named: Vec<(&str, &[u8])> = named.iter().map(|(n, b)| (n.as_str(), *b)).collect();
    let server = cable.serve(&named);
    let port = server.address().port();
    cable.on("lab", || {
        std::thread::scope(|scope| {
            for (n, client) in CLIENTS.iter().enumerate() {
                let folder = cable.folder(&format!("client-{n}"));
                let (_, want) = files.iter().find(|(name, _)| *name == client.file).unwrap();
                scope.spawn(move || {
                    client.run(&folder, port);
                    let got = std::fs::read(folder.join("got")).unwrap();
                    assert!(got == *want, "{} {}: {} bytes", client.program, client.arguments, got.len());
                });
            }
            // Ours beside them, with a window as large as they come.
            let want = &files[2].1;
            scope.spawn(move || {
                let how = FetchOptions {
                    windowsize: Some(64),
                    packet_timeout: Duration::from_millis(500),
                    ..FetchOptions::default()
                };
                assert!(fetch(([10, 9, 0, 1], port).into(), "dir/large", &how).unwrap().bytes == *want);
            });
        });
    });
    server.stats.retransmissions.get()
}

#[test]
fn real_clients_through_a_good_cable() {
    let cable = Cable::lay('g', "--delay-ms 0.5");
    everyone_gets_everything(&cable);
    assert_eq!((cable.frames("lost"), cable.frames("giant"), cable.frames("overrun")), (0, 0, 0));
}

#[test]
fn real_clients_through_loss_duplication_reordering_and_delay() {
    let cable = Cable::lay('b', "--loss 5 --duplicate 5 --reorder 5 --delay-ms 2 --seed 20");
    let repeated = everyone_gets_everything(&cable);
    for what in ["lost", "duplicated", "reordered"] {
        assert!(cable.frames(what) > 50, "{what}: {}", cable.frames(what));
    }
    assert_eq!(cable.frames("giant"), 0);
    assert!(repeated > 0, "without repetitions nothing can have arrived");
}

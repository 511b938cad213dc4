//! The program as its users meet it: arguments, printed addresses, signals and exit codes.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{PATIENCE, noise};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tftpd::{FetchOptions, fetch};

fn tftpd(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_tftpd"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Its exit code and what it wrote to stderr.
fn end(mut child: Child) -> (Option<i32>, String) {
    let until = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("the program did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (status.code(), text)
}

#[test]
fn it_serves_until_a_signal_and_exits_with_0() {
    let dir = tempfile::tempdir().unwrap();
    let file = noise(50_000);
    std::fs::write(dir.path().join("f"), &file).unwrap();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let root = dir.path().to_str().unwrap();
        let mut child = tftpd(&["--root", root, "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for _ in 0..2 {
            let line = lines.next().expect("an address is printed").unwrap();
            let address: SocketAddr = line.strip_prefix("listening on ").expect(&line).parse().unwrap();
            assert!(fetch(address, "f", &FetchOptions::default()).unwrap().bytes == file);
        }
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let (code, log) = end(child);
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("file=f peer=127.0.0.1:") && log.contains("complete bytes=50000"), "{log}");
    }
}

#[test]
fn usage_is_2_and_failure_is_1_with_one_line_that_says_why() {
    assert_eq!(end(tftpd(&[])).0, Some(2));
    assert_eq!(end(tftpd(&["--root", "/", "--listen", "nonsense"])).0, Some(2));
    assert_eq!(end(tftpd(&["--root", "/", "--mtu", "12"])).0, Some(2));
    let (code, log) = end(tftpd(&["--root", "/nowhere/at/all"]));
    assert_eq!((code, log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.starts_with("tftpd: cannot serve /nowhere/at/all: "), "{log}");
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let (code, log) = end(tftpd(&["--root", "/", "--listen", &taken]));
    assert_eq!((code, log.lines().count()), (Some(1), 1), "{log}");
    assert!(log.contains(&taken) && log.contains("in use"), "{log}");
}

//! The daemon while it is attacked with everything at once: those who mean well are served, and it takes neither memory nor
//! threads for the others. The short form of `cargo bench --bench hostile`; nothing here is about time.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

#[path = "bench/hostile/attack.rs"]
mod attack;
#[path = "bench/hostile/good.rs"]
mod good;
mod support;

use attack::{Attack, Scale, Targets};
use good::Good;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Daemon, Lab, wait_for};

/// The file that the good board loads; larger than what fits into a few packets.
const FILE_LEN: usize = 200_000;

/// A value of /proc/PID/status (proc(5)).
fn status(daemon: &Daemon, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// What `GET health` has counted of a service.
fn counted(daemon: &Daemon, service: &str, what: &str) -> u64 {
    let health = daemon.get("health");
    let all = health["services"].as_array().unwrap();
    let of_it = all.iter().find(|one| one["name"] == service).unwrap();
    of_it["counters"][what].as_u64().unwrap()
}

#[test]
fn good_clients_are_served_while_everything_else_is_done_to_it() {
    let lab = Lab::new();
    for (name, len) in [("good", FILE_LEN), ("hostile", 100)] {
        std::fs::write(lab.path("tftp").join(name), vec![b'x'; len]).unwrap();
    }
    let daemon = lab.serve();
    good::call(daemon.http, None).unwrap();
    let (threads, memory) = (status(&daemon, "Threads:"), status(&daemon, "VmRSS:"));
    let scale = Scale { idle: 300, slow: 100, tftp_per_s: 2000, syslog_per_s: 2000 };
    let targets = Targets { http: daemon.http, tftp: daemon.tftp, syslog: daemon.syslog };
    let attack = Attack::begin(scale, targets);
    wait_for("all attackers to be there", || {
        let done = &attack.done;
        let is_there = done.held.load(Ordering::Relaxed) >= 400
            && done.endless_bytes.load(Ordering::Relaxed) > 1_000_000
            && done.tftp.load(Ordering::Relaxed) > 2000
            && done.syslog.load(Ordering::Relaxed) > 2000;
        is_there.then_some(())
    });
    let good = Good::begin(daemon.http, daemon.tftp, "good", FILE_LEN);
    let begun = counted(&daemon, "http", "connections");
    wait_for("good clients to be served meanwhile", || {
        let most = status(&daemon, "Threads:");
        assert!(most < threads + 60, "{threads} threads became {most}: none is an idle connection's");
        let calls = counted(&daemon, "http", "connections") > begun + 50;
        let refused = counted(&daemon, "http", "too_long") > 0;
        (calls && refused && good.answered() > 20 && counted(&daemon, "tftp", "transfers_done") > 0)
            .then_some(())
    });
    let served = good.end();
    assert_eq!(served.failed, Vec::<String>::new());
    assert!(!served.transfers.is_empty(), "no file arrived: {:?}", served.broken.last());
    // What syslog may keep in memory is most of it.
    let grown = status(&daemon, "VmHWM:").saturating_sub(memory);
    assert!(grown < 128 << 10, "it has grown by {grown} KiB");
    attack.end();
    good::call(daemon.http, None).unwrap();
    assert_eq!(good::transfer(daemon.tftp, "good").unwrap(), FILE_LEN);
    assert!(!daemon.said().iter().any(|line| line.contains(" error ") || line.contains("panicked")));
}

/// The power comes back, and the daemon has just begun: it has heard of none of its boards yet. Forgers are quicker than they.
#[test]
fn boards_that_were_never_heard_are_answered_while_strangers_have_had_all_that_they_may() {
    const BOARDS: u32 = 30;
    let at = |n: u32| UdpSocket::bind((Ipv4Addr::from_bits(0x7f20_0000 + n), 0)).unwrap();
    let lab = Lab::new();
    let text = std::fs::read_to_string(lab.config()).unwrap();
    // Strangers are sent 20 KiB at once, and 5 KiB a second.
    std::fs::write(lab.config(), text.replace("[tftp]\n", "[tftp]\ntransfers_max = 10\n")).unwrap();
    let devices: String = (1..=BOARDS)
        .map(|n| {
            let address = Ipv4Addr::from_bits(0x7f20_0000 + n);
            format!("[[device]]\nname = \"told-{n}\"\nfqdn = \"{address}\"\nstate = \"locked_out\"\n")
        })
        .collect();
    std::fs::write(lab.path("more.toml"), devices).unwrap();
    let import =
        support::mozpool(&lab.config()).args(["db", "import"]).arg(lab.path("more.toml")).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    std::fs::write(lab.path("tftp").join("f"), vec![b'x'; 5000]).unwrap();
    let daemon = lab.serve();
    let strangers: Vec<UdpSocket> = (0x1_0000..0x1_00c8).map(at).collect();
    let ask = |from: &UdpSocket| {
        from.send_to(b"\0\x01f\0octet\0", daemon.tftp).unwrap();
    };
    // More than they are given back in the meantime, and the table is full of their transfers.
    let flood = || strangers.iter().for_each(ask);
    let answer = |board: &UdpSocket, patience| {
        let mut buf = [0; 600];
        board.set_read_timeout(Some(patience)).unwrap();
        let (len, _) = board.recv_from(&mut buf).ok()?;
        assert_eq!((len, &buf[..4]), (516, b"\0\x03\0\x01".as_slice()));
        Some(())
    };
    let first = at(1);
    wait_for("the daemon to have read where its boards are", || {
        flood();
        ask(&first);
        answer(&first, Duration::from_millis(500))
    });
    for n in 2..=BOARDS {
        let board = at(n);
        flood();
        ask(&board);
        assert!(answer(&board, support::LIMIT).is_some(), "board {n} is not answered");
    }
    assert!(counted(&daemon, "tftp", "throttled") > 1000, "strangers are kept waiting");
}

#[test]
fn a_system_without_descriptors_does_not_end_it() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let descriptors = || std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    assert_eq!(counted(&daemon, "http", "accept_errors"), 0, "and who is answered finds all stores open");
    let limit = descriptors() + 20;
    let lowered = Command::new("prlimit")
        .args([format!("--pid={}", daemon.pid()), format!("--nofile={limit}:{limit}")])
        .status()
        .expect("prlimit runs; install the Debian package util-linux");
    assert!(lowered.success());
    let mut crowd: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(daemon.http).unwrap()).collect();
    wait_for("the system to refuse a connection", || {
        daemon.said().iter().any(|line| line.contains("cannot accept an HTTP connection")).then_some(())
    });
    // The last of them is let in, too, for those that rest have to go.
    let last = crowd.last_mut().unwrap();
    last.set_read_timeout(Some(support::LIMIT)).unwrap();
    last.write_all(b"GET /api/version HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert!(counted(&daemon, "http", "accept_errors") > 0 && counted(&daemon, "http", "displaced") > 0);
}

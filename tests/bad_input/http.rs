//! HTTP below the API: request lines, headers and bodies that are none, paths that climb, clients that are slow or many.

use crate::rig::{FLOOD, Rig, SECRET, connect, hear_out};
use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};

/// The first words of an answer.
fn status(answer: &str) -> &str {
    answer.get(..12).unwrap_or(answer)
}

/// What is sent, and how it is answered.
#[rustfmt::skip]
const ROWS: &[(&[u8], &str)] = &[
    (b"", ""),
    (b"\r\n\r\n", ""),
    (b"GARBAGE\r\n\r\n", "HTTP/1.1 400"),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", "HTTP/1.1 400"),
    (b"GET /api/version\r\n\r\n", "HTTP/1.1 400"),
    (b"GET  /api/version HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
    (b"GET /api/ver sion HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
    (b"GET /api/version HTTP/1.1 \r\n\r\n", "HTTP/1.1 400"),
    (b"GET /api/version HTTP/9.9\r\n\r\n", "HTTP/1.1 505"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 505"),
    (b"G\xc3\x9cT / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
    (b"GET /\xff HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
    (b"GET /\x01 HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\nNoColon\r\n\r\n", "HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\nName : x\r\n\r\n", "HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\n: x\r\n\r\n", "HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", "HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", "HTTP/1.1 400"),
    (b"GET / HTTP/1.1\r\nA: caf\xe9\r\nConnection: close\r\n\r\n", "HTTP/1.1 200"),
    (b"GET / HTTP/1.1\nConnection: close\n\n", "HTTP/1.1 200"),
    (b"\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 200"),
    (b"BREW /api/version HTTP/1.1\r\nConnection: close\r\n\r\n", "HTTP/1.1 405"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: +1\r\n\r\n1", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", "HTTP/1.1 413"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n", "HTTP/1.1 413"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 268435456\r\n\r\nx", "HTTP/1.1 413"),
    (b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 9\r\n\r\n{", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\nx", "HTTP/1.1 413"),
    (b"POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n", "HTTP/1.1 400"),
    (b"POST /api/request/1/return HTTP/1.1\r\nExpect: a miracle\r\n\r\n", "HTTP/1.1 417"),
];

#[test]
fn what_is_no_http_is_refused_once_in_the_log() {
    let mut rig = Rig::start();
    rig.remember();
    for (bytes, want) in ROWS {
        let shown = bytes.escape_ascii();
        assert_eq!(status(&rig.raw(bytes)), *want, "{shown}");
    }
    rig.is_well();
    rig.nothing_changed();
    let complaints = rig.complaints();
    assert_eq!(complaints.len(), 1, "one source, one minute: {complaints:#?}");
    assert!(complaints[0].contains("peer=127.0.0.1"), "{complaints:#?}");
}

#[test]
fn refused_calls_do_not_fill_the_log() {
    let mut rig = Rig::start();
    rig.remember();
    for n in 0..300 {
        let path = ["/api/none", "/files/out", "/files/%2e%2e/secret", "/api/device/board-2/state"][n % 4];
        let answer = rig.raw(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
        assert_eq!(status(&answer), "HTTP/1.1 404");
    }
    rig.is_well();
    let refused = rig.said().into_iter().filter(|l| l.contains("404") || l.contains("not served"));
    let refused: Vec<String> = refused.collect();
    assert!((1..=2).contains(&refused.len()), "{refused:#?}");
}

#[test]
fn heads_without_an_end_are_cut_off_and_cost_no_memory() {
    let mut rig = Rig::start();
    rig.remember();
    let mut line = b"GET / HTTP/1.1\r\nX: ".to_vec();
    line.resize(64 << 20, b'x');
    assert_eq!(status(&rig.raw(&line)), "HTTP/1.1 431");
    let mut path = b"GET /".to_vec();
    path.resize(64 << 20, b'x');
    assert_eq!(status(&rig.raw(&path)), "HTTP/1.1 431");
    let many = ["GET / HTTP/1.1\r\n", &"A: b\r\n".repeat(100_000)].concat();
    assert_eq!(status(&rig.raw(many.as_bytes())), "HTTP/1.1 431");
    let mut chunk = b"POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunk.resize(64 << 20, b'1');
    assert_eq!(status(&rig.raw(&chunk)), "HTTP/1.1 400");
    rig.memory_is_bounded("endless heads");
    rig.is_well();
    rig.nothing_changed();
}

#[test]
fn paths_that_leave_the_root_get_nothing() {
    let rig = Rig::start();
    for path in [
        "/files/../secret",
        "/files/%2e%2e/secret",
        "/files/%2E%2e%2fsecret",
        "/files/%252e%252e/secret",
        "/files/..%5csecret",
        "/files/x/../../secret",
        "/files//../secret",
        "/files/out",
        "/files/absolute",
        "/files/up/secret",
        "/files/loop",
        "/files/hello%00",
        "/files/hello%0a",
        "/files/%00",
        "/files/%",
        "/files/%zz",
        "/files/%c0%ae%c0%ae/secret",
        "/files/",
        "/files/.",
        "/files//etc/passwd",
        "/files/%2fetc%2fpasswd",
        "/files/<script>alert(1)</script>",
        "http://h/files/../secret",
        "/api/device/..%2f..%2fsecret/state",
        "/api/device/%00/state",
        "/api/bmm/pxe_config/..%2fsecret/details",
        "/api/relay/%0a127.0.0.1:1/test",
    ] {
        let answer = rig.raw(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
        assert_eq!(status(&answer), "HTTP/1.1 404", "{path}: {answer}");
        assert!(!answer.contains(SECRET) && !answer.contains("root:"), "{path}: {answer}");
        assert!(!answer.contains(rig.lab.path("").to_str().unwrap()), "{path} shows where we are: {answer}");
        // Markup in a name stays text: nothing is sent as a page.
        assert!(answer.to_ascii_lowercase().contains("content-type: application/json"), "{answer}");
    }
    let long = format!("GET /files/{} HTTP/1.0\r\n\r\n", "a/".repeat(4000));
    assert_eq!(status(&rig.raw(long.as_bytes())), "HTTP/1.1 404");
    rig.is_well();
    rig.nothing_changed();
}

#[test]
fn stalled_clients_delay_nobody() {
    let rig = Rig::start();
    std::fs::File::create(rig.lab.path("files/big")).unwrap().set_len(64 << 20).unwrap();
    // More than there are threads for calls, of every kind: nothing, half a head, half a body, a file that nobody takes.
    let mut stalled = Vec::new();
    for n in 0..60 {
        let mut stream = connect(rig.daemon.http);
        let words: &[u8] = match n % 4 {
            0 => b"",
            1 => b"POST /api/device/board-1/event/please_self_test HTTP/1.1\r\nContent-",
            2 => b"POST /api/device/board-1/event/please_self_test HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
            _ => b"GET /files/big HTTP/1.1\r\n\r\n",
        };
        stream.write_all(words).unwrap();
        stalled.push(stream);
    }
    let began = Instant::now();
    for n in 0..50 {
        let answer = rig.daemon.event("image_progress", json!({"percent": n}));
        assert_eq!(answer["state"], "ready");
    }
    let took = began.elapsed();
    println!("50 events beside 60 stalled connections: {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(stalled);
    rig.is_well();
    assert_eq!(rig.daemon.state(), "ready");
}

/// More connections at once than a process has files by default; then room for the next one again.
#[test]
fn thousands_of_connections_do_not_end_the_daemon() {
    let mut rig = Rig::start();
    rig.remember();
    let (soft, hard) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    let wanted = hard.min(4096);
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, wanted.max(soft), hard)
        .unwrap();
    let crowd: Vec<_> =
        (0..2000).filter_map(|_| std::net::TcpStream::connect(rig.daemon.http).ok()).collect();
    assert!(crowd.len() > 1500, "{}", crowd.len());
    assert!(rig.daemon.fetch("hello").is_ok(), "TFTP does not mind");
    rig.memory_is_bounded("2000 connections");
    drop(crowd);
    crate::support::wait_for("room for the next connection", || {
        let answer = rig.raw(b"GET /api/version HTTP/1.0\r\n\r\n");
        (status(&answer) == "HTTP/1.1 200").then_some(())
    });
    rig.is_well();
    rig.nothing_changed();
    let complaints = rig.complaints();
    assert!(complaints.len() <= 1, "one source, one minute: {complaints:#?}");
}

#[test]
fn a_flood_of_bad_requests_costs_neither_memory_nor_log() {
    let mut rig = Rig::start();
    rig.remember();
    let began = Instant::now();
    let hurry = std::thread::available_parallelism().map_or(2, usize::from).max(2);
    std::thread::scope(|scope| {
        for first in 0..hurry {
            let rig = &rig;
            scope.spawn(move || {
                for n in (first..FLOOD / 4).step_by(hurry) {
                    let (bytes, want) = ROWS[n % ROWS.len()];
                    assert_eq!(status(&rig.raw(bytes)), want);
                }
            });
        }
        // On one connection, as a board in a loop would.
        let mut stream = connect(rig.daemon.http);
        let call = b"POST /api/device/board-1/event/please_image HTTP/1.1\r\nContent-Length: 3\r\n\r\n{x}";
        for _ in 0..FLOOD / 400 {
            stream.write_all(&call.repeat(100)).unwrap();
        }
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let answers = hear_out(&mut stream);
        assert_eq!(answers.matches("HTTP/1.1 400").count(), FLOOD / 400 * 100);
    });
    println!("{} bad requests in {:?}", FLOOD / 2, began.elapsed());
    rig.memory_is_bounded("bad requests");
    rig.is_well();
    rig.nothing_changed();
    let said = rig.said().len();
    assert!(said < 100, "{said} lines");
}

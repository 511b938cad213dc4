//! HTTP below the API: request lines, headers and bodies that are none, paths that climb, clients that are slow.
//!
//! How many connections there may be, how long a head, and how slow a call is asked in `tests/api/connections.rs`.

use crate::rig::{FLOOD, Rig, SECRET, connect, hear_out};
use serde_json::json;
use std::io::Write;
use std::time::{Duration, Instant};

/// The status of an answer; empty when there was none.
fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// What is no good request. It is answered with an error or by hanging up.
const NONSENSE: &[&[u8]] = &[
    b"",
    b"\r\n\r\n",
    b"GARBAGE\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
    b"GET /api/version\r\n\r\n",
    b"GET /api/version HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nNoColon\r\n\r\n",
    b"BREW /api/version HTTP/1.1\r\nConnection: close\r\n\r\n",
    b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\nConnection: close\r\n\r\n",
    b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 268435456\r\n\r\nx",
    b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 9\r\n\r\n{",
    b"POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/request/1/return HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
];

#[test]
fn what_is_no_http_changes_nothing() {
    let mut rig = Rig::start();
    rig.remember();
    for bytes in NONSENSE {
        let answer = rig.raw(bytes);
        let refused = status(&answer).is_empty() || status(&answer).starts_with(['4', '5']);
        assert!(refused, "{}: {answer}", bytes.escape_ascii());
    }
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
        assert_eq!(status(&answer), "404", "{path}: {answer}");
        assert!(!answer.contains(SECRET) && !answer.contains("root:"), "{path}: {answer}");
        assert!(!answer.contains(rig.lab.path("").to_str().unwrap()), "{path} shows where we are: {answer}");
        // Markup in a name stays text: nothing is sent as a page.
        assert!(answer.to_ascii_lowercase().contains("content-type: application/json"), "{answer}");
    }
    let long = format!("GET /files/{} HTTP/1.0\r\n\r\n", "a/".repeat(4000));
    assert_eq!(status(&rig.raw(long.as_bytes())), "404");
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
    // A stalled client is waited for a minute; who waits for one of them waits longer than this.
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
    drop(stalled);
    rig.is_well();
    assert_eq!(rig.daemon.state(), "ready");
}

#[test]
fn a_flood_of_bad_calls_costs_no_memory() {
    let mut rig = Rig::start();
    rig.remember();
    // On one connection, as a board in a loop would.
    let mut stream = connect(rig.daemon.http);
    let call = b"POST /api/device/board-1/event/please_image HTTP/1.1\r\nContent-Length: 3\r\n\r\n{x}";
    for _ in 0..FLOOD / 400 {
        stream.write_all(&call.repeat(100)).unwrap();
    }
    stream.write_all(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let answers = hear_out(&mut stream);
    assert_eq!(answers.matches("HTTP/1.1 400").count(), FLOOD / 400 * 100);
    rig.memory_is_bounded("bad calls");
    rig.is_well();
    rig.nothing_changed();
}

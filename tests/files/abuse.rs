//! Callers that are broken, or mean us ill.

use crate::client::{connect, send};
use crate::rig::{BIG, Rig, pattern};
use std::io::{Read, Write};
use std::time::Instant;

#[test]
fn bodies_that_nobody_wants_harm_nobody() {
    let rig = Rig::start();
    let say = |words: &str| {
        let mut stream = connect(rig.daemon.http);
        stream.write_all(words.as_bytes()).unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        String::from_utf8(status.to_vec()).unwrap()
    };
    // What is left of a body is read before the next call; nothing makes room for terabytes.
    for method in ["GET", "HEAD", "PUT"] {
        for length in ["99999999999999", "18446744073709551615"] {
            let answer = say(&format!("{method} /files/ten HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"));
            assert_eq!(answer, "HTTP/1.1 413", "{method} {length}");
        }
    }
    rig.hears(&["announced a body of 99999999999999 bytes"]);
    let body = "x".repeat(5000);
    let twice = format!(
        "GET /files/ten HTTP/1.1\r\nContent-Length: 5000\r\n\r\n{body}GET /files/ten HTTP/1.0\r\n\r\n"
    );
    let answer = send(
        rig.daemon.http,
        &["GET /files/ten HTTP/1.1", "Connection: close", "Content-Length: 5000"],
        body.as_bytes(),
    );
    assert_eq!(answer.line(), "200 0123456789");
    let mut stream = connect(rig.daemon.http);
    stream.write_all(twice.as_bytes()).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    assert_eq!(all.matches("0123456789").count(), 2, "{all}");
    let long = "x".repeat(2 << 20);
    let answer = say(&format!("GET /files/ten HTTP/1.1\r\nContent-Length: {}\r\n\r\n{long}", long.len()));
    assert_eq!(answer, "HTTP/1.1 413");
    let waits = "GET /files/ten HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n12345";
    assert_eq!(say(waits), "HTTP/1.1 100");
    rig.is_well();
}

#[test]
fn odd_ranges_are_answered_at_once_and_as_little_as_one_file() {
    let rig = Rig::start();
    rig.put("big", 3 << 20);
    let many = |range: &str, times: usize| format!("Range: bytes={}", vec![range; times].join(","));
    for (range, status) in [
        (many("0-", 5000), 200),
        (many("-1", 5000), 200),
        (format!("Range: bytes={}-", "9".repeat(15_000)), 416),
        (format!("Range: bytes=-{}", "9".repeat(15_000)), 206),
        (format!("Range: {}", "bytes=".repeat(2500)), 200),
        ("Range: bytes=-0".into(), 416),
        ("Range: bytes=-9223372036854775808".into(), 206),
        ("Range: bytes=9223372036854775807-9223372036854775808".into(), 416),
        ("Range: bytes=18446744073709551616-".into(), 416),
        ("Range: bytes=--1".into(), 200),
        ("Range: bytes=2-1".into(), 200),
        ("Range: bytes=\u{1}-\u{2}".into(), 400),
        ("Range:".into(), 200),
    ] {
        let answer = rig.get("big", &[&range]);
        let shown: String = range.chars().take(60).collect();
        assert_eq!(answer.status, status, "{shown}");
        match status {
            400 => {}
            416 => assert_eq!(answer.header("content-range"), Some("bytes */3145728"), "{shown}"),
            _ => assert_eq!(answer.body.len(), 3 << 20, "{shown}"),
        }
    }
    // Conditions as long as a head may be are read once, longer ones not at all.
    for (times, status) in [(3500, 200), (200_000, 431)] {
        let tags = format!("If-None-Match: {}", "\"x\",".repeat(times));
        assert_eq!(rig.get("ten", &[&tags]).status, status);
        let wishes = format!("Accept-Encoding: {}", "gzip;q=1,".repeat(times / 2));
        assert_eq!(rig.get("ten", &[&wishes]).status, status);
    }
    rig.is_well();
}

#[test]
fn who_hangs_up_is_noticed_and_told_in_the_log() {
    let rig = Rig::start();
    rig.put("big", BIG);
    let mut stream = rig.begin("big");
    let mut some = [0; 100_000];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    let line = rig.hears(&[" info ", "/files/big broken off after", &format!("of {BIG} bytes")]);
    let sent: usize = line.split("after ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(sent > 10_000 && sent < BIG, "{line}");
    // The access log has the same number.
    rig.hears(&["mozpool::access: GET /files/big 200 ", &format!(" {sent} B ")]);
    rig.is_well();
}

#[test]
fn who_reads_a_byte_at_a_time_holds_up_nobody() {
    let rig = Rig::start();
    rig.put("big", BIG);
    let mut slow = rig.begin("big");
    let began = Instant::now();
    for n in 0..20_u8 {
        slow.read_exact(&mut [0]).unwrap();
        assert_eq!(rig.get("ten", &[]).line(), "200 0123456789");
        let answer = rig.daemon.event("image_progress", serde_json::json!({ "percent": n }));
        assert_eq!(answer["state"], "ready");
    }
    assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    assert!(rig.get("big", &[]).body == pattern(0, BIG), "another one gets it whole beside it");
}

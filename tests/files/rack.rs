//! A whole rack at once, and more than there are places.

use crate::client::connect;
use crate::rig::{BIG, Rig};
use serde_json::json;
use std::io::{Read, Write};

#[test]
fn a_rack_is_served_at_once_and_its_events_do_not_wait() {
    let rig = Rig::start();
    std::fs::File::create(rig.path("big")).unwrap().set_len(BIG as u64).unwrap();
    // All are under way, and none of them reads: none is over when the last begins.
    let mut boards: Vec<_> = (0..80).map(|_| rig.begin("big")).collect();
    for board in &mut boards {
        let mut status = [0; 12];
        board.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
    // A body that comes after its head takes a thread of its own, which downloads do not take away.
    let body = json!({ "percent": 1, "message": "x".repeat(2000) });
    assert_eq!(rig.daemon.event("image_progress", body)["state"], "ready");
    let status = std::fs::read_to_string(format!("/proc/{}/status", rig.daemon.pid())).unwrap();
    let rss: usize = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    assert!(rss < 80 * 1024, "a place costs little, but all of this takes {rss} KiB");
    let readers: Vec<_> = boards
        .into_iter()
        .take(8)
        .map(|board| {
            std::thread::spawn(move || {
                board.shutdown(std::net::Shutdown::Write).unwrap();
                std::io::copy(&mut board.take(BIG as u64), &mut std::io::sink()).unwrap()
            })
        })
        .collect();
    for reader in readers {
        assert_eq!(reader.join().unwrap(), BIG as u64);
    }
    rig.is_well();
}

#[test]
fn who_finds_no_place_is_told_when_to_come_again() {
    let rig = Rig::start_with("downloads_max = 2");
    rig.put("big", BIG);
    let held: Vec<_> = (0..2)
        .map(|_| {
            let stream = rig.begin("big");
            assert_ne!(stream.peek(&mut [0]).unwrap(), 0);
            stream
        })
        .collect();
    for _ in 0..3 {
        let third = rig.get("ten", &[]);
        assert_eq!(third.error(), (503, "busy".into()));
        assert_eq!(third.header("retry-after"), Some("5"));
    }
    // A board's event whose body comes late is not turned away for other boards' images.
    let body = json!({ "percent": 1, "message": "x".repeat(2000) }).to_string();
    let mut late = connect(rig.daemon.http);
    let head = format!(
        "POST /api/device/board-1/event/image_progress HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    late.write_all(head.as_bytes()).unwrap();
    late.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(held);
    // The answer is there a moment before its own place is free again, so the next one may still find none.
    crate::support::wait_for("a place", || (rig.get("ten", &[]).status == 200).then_some(()));
    crate::support::wait_for("another", || (rig.get("ten", &[]).status == 200).then_some(()));
}

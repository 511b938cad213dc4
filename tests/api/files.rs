//! Files for boards.

use crate::client::connect;
use crate::world::{Options, World, start, start_with};
use std::io::{Read, Write};
use std::os::unix::fs::symlink;

fn with_files(world: &World) {
    let dir = world.files.path();
    std::fs::create_dir_all(dir.join("second-stages")).unwrap();
    std::fs::write(dir.join("ten"), "0123456789").unwrap();
    std::fs::write(dir.join("empty"), "").unwrap();
    std::fs::write(dir.join("second-stages/write image.sh"), "#!/bin/sh\n").unwrap();
    std::fs::write(dir.parent().unwrap().join("mozpool-secret"), "secret").unwrap();
    symlink("../mozpool-secret", dir.join("out")).unwrap();
    symlink("/etc/passwd", dir.join("passwd")).unwrap();
}

#[test]
fn a_file_is_sent_whole_with_what_tells_it_apart() {
    let world = start();
    with_files(&world);
    let answer = world.get("/files/ten");
    assert_eq!(answer.line(), "200 0123456789");
    assert_eq!(answer.header("content-length"), Some("10"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert!(answer.header("last-modified").unwrap().ends_with(" GMT"));
    let etag = answer.header("etag").unwrap().to_owned();
    let script = world.get("/files/second-stages/write%20image.sh");
    assert_eq!(script.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(world.get("/files/empty").line(), "200 ");
    let head = world.call("HEAD", "/files/ten", &["Range: bytes=1-2"], b"");
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("10"), 0));
    let again = world.call("GET", "/files/ten", &[&format!("If-None-Match: {etag}")], b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(etag.as_str()));
    std::fs::write(world.files.path().join("ten"), "9876543210").unwrap();
    assert_ne!(
        world.get("/files/ten").header("etag"),
        Some(etag.as_str()),
        "another content has another tag"
    );
}

#[test]
fn a_file_is_no_page_of_ours_whatever_is_in_it() {
    let world = start();
    with_files(&world);
    std::fs::write(world.files.path().join("x.svg"), "<svg onload='x'/>").unwrap();
    let etag = world.get("/files/x.svg").header("etag").unwrap().to_owned();
    for headers in [&[][..], &["Range: bytes=0-1"], &[&format!("If-None-Match: {etag}")]] {
        let answer = world.call("GET", "/files/x.svg", headers, b"");
        assert_eq!(answer.header("content-security-policy"), Some("sandbox"), "{}", answer.status);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{}", answer.status);
    }
}

#[test]
fn a_part_is_sent() {
    let world = start();
    with_files(&world);
    let etag = world.get("/files/ten").header("etag").unwrap().to_owned();
    let get = |headers: &[&str]| world.call("GET", "/files/ten", headers, b"");
    for (range, body, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=9-99", "9", "bytes 9-9/10"),
    ] {
        let answer = get(&[&format!("Range: {range}")]);
        assert_eq!(answer.line(), format!("206 {body}"), "{range}");
        assert_eq!(answer.header("content-range"), Some(content_range));
        assert_eq!(answer.header("content-length"), Some(body.len().to_string().as_str()));
    }
    assert_eq!(get(&["Range: bytes=0-1,4-5"]).line(), "200 0123456789", "several at once get all of it");
    assert_eq!(get(&["Range: bytes=2-4", &format!("If-Range: {etag}")]).status, 206);
    assert_eq!(get(&["Range: bytes=2-4", "If-Range: \"old\""]).status, 200);
    let outside = get(&["Range: bytes=10-"]);
    assert_eq!(outside.error(), (416, "bad_range".into()));
    assert_eq!(outside.header("content-range"), Some("bytes */10"));
}

#[test]
fn nothing_outside_is_reached() {
    let world = start();
    with_files(&world);
    for path in [
        "/files/../mozpool-secret",
        "/files/%2e%2e/mozpool-secret",
        "/files/second-stages/../../mozpool-secret",
        "/files/..%2fmozpool-secret",
        "/files/second-stages%2f..%2f..%2fmozpool-secret",
        "/files/%2e%2e%5cmozpool-secret",
        "/files//etc/passwd",
        "/files/%2fetc%2fpasswd",
        "/files/out",
        "/files/passwd",
        "/files/ten%00.sh",
        "/files/second-stages",
        "/files/",
        "/files/none",
        "/files/%ff",
    ] {
        let answer = world.get(path);
        assert_eq!(answer.error(), (404, "not_found".into()), "{path}");
        let dir = world.files.path().to_str().unwrap();
        assert!(!answer.text().contains(dir), "{path} shows where the files are");
    }
    std::fs::remove_file(world.files.path().parent().unwrap().join("mozpool-secret")).ok();
}

/// Larger than what sockets hold, so that a download without a reader stays where it is.
const BIG: usize = 64 << 20;

#[test]
fn downloads_take_no_api_thread_and_have_a_limit() {
    let world = start_with(&Options { threads: 1, transfers_max: 2, ..Options::default() });
    with_files(&world);
    std::fs::File::create(world.files.path().join("big")).unwrap().set_len(BIG as u64).unwrap();
    let begin = || {
        let mut stream = connect(world.addr);
        stream.write_all(b"GET /files/big HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        stream
    };
    let (mut first, second) = (begin(), begin());
    assert_eq!(world.get("/api/version").status, 200, "the only API thread is free");
    let third = world.get("/files/ten");
    assert_eq!(third.error(), (503, "busy".into()));
    assert_eq!(third.header("retry-after"), Some("5"));
    // One ends as it should, the other by its peer's going away; then there is room again.
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).unwrap();
    let head = rest.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(rest.len() - head, BIG, "it was sent whole");
    drop(second);
    let room = (0..1000).any(|_| {
        std::thread::yield_now();
        world.get("/files/ten").status == 200
    });
    assert!(room, "a transfer that ended has left its place");
}

#[test]
fn a_download_is_cut_off_at_the_end() {
    let mut world = start();
    std::fs::File::create(world.files.path().join("big")).unwrap().set_len(BIG as u64).unwrap();
    let mut stream = connect(world.addr);
    stream.write_all(b"GET /files/big HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    world.begin_stop();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < BIG, "all {} bytes came", rest.len());
    world.stop();
}

#[test]
fn a_peer_that_takes_nothing_loses_its_place() {
    let silence = std::time::Duration::from_millis(400);
    let world = start_with(&Options { threads: 1, transfers_max: 1, silence, ..Options::default() });
    with_files(&world);
    std::fs::File::create(world.files.path().join("big")).unwrap().set_len(BIG as u64).unwrap();
    let mut stream = connect(world.addr);
    stream.write_all(b"GET /files/big HTTP/1.1\r\n\r\n").unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    let began = std::time::Instant::now();
    while world.get("/files/ten").status == 503 {
        assert!(began.elapsed().as_secs() < 20, "the place is still taken");
        std::thread::yield_now();
    }
    assert!(began.elapsed() >= silence / 2, "it was taken at first");
}

//! Lists that have not changed, and clients that all come at once.

use crate::client::{connect, parse};
use crate::world::{Options, start, start_with};
use mozpool::logic::time::Timestamp;
use mozpool::store::DeviceEdit;
use std::io::{Read, Write};
use std::net::TcpStream;

const LISTS: [&str; 5] = [
    "/api/device/list/",
    "/api/device/list/?details=1",
    "/api/device/list/?state=ready",
    "/api/request/list/",
    "/api/request/list/?include_closed=1",
];

#[test]
fn an_unchanged_list_is_304_and_a_changed_one_is_sent_again() {
    let world = start();
    let ask = |path: &str, tag: &str| world.call("GET", path, &[&format!("If-None-Match: {tag}")], b"");
    let mut tags = Vec::new();
    for path in LISTS {
        let first = world.get(path);
        let tag = first.header("ETag").unwrap_or_else(|| panic!("{path} has no tag")).to_owned();
        assert_eq!(first.header("Cache-Control"), Some("no-cache"), "kept, but never used unasked");
        let same = ask(path, &tag);
        assert_eq!((same.status, same.body.len(), same.header("ETag")), (304, 0, Some(&*tag)), "{path}");
        let head = world.call("HEAD", path, &[], b"");
        assert_eq!(head.header("Content-Length"), Some(&*first.body.len().to_string()), "{path}");
        tags.push(tag);
    }
    let edit = DeviceEdit::Comments("moved to the fourth room".into());
    assert!(world.location.open().unwrap().edit_device("panda-0001", &edit, Timestamp(0)).unwrap());
    for (path, tag) in LISTS.iter().zip(&tags) {
        let other = ask(path, tag);
        assert_eq!(other.status, 200, "{path}");
        assert_ne!(other.header("ETag"), Some(&**tag), "{path}");
    }
    assert!(world.get(LISTS[1]).text().contains("moved to the fourth room"));
}

#[test]
fn clients_that_come_at_once_and_stay_are_all_served() {
    const CLIENTS: usize = 200;
    // Nobody is hung up on for being silent while the test runs: what was left would be served then.
    let world = start_with(&Options { silence: std::time::Duration::from_secs(300), ..Options::default() });
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| connect(world.addr)).collect();
    for client in &mut clients {
        client.write_all(b"GET /api/device/panda-0001/state HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    for (n, client) in clients.iter_mut().enumerate() {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"}") {
            let mut chunk = [0; 1024];
            let read = client.read(&mut chunk).unwrap_or_else(|e| panic!("client {n} of {CLIENTS}: {e}"));
            assert_ne!(read, 0, "client {n} was hung up on");
            bytes.extend_from_slice(&chunk[..read]);
        }
        assert_eq!(parse(&bytes).line(), r#"200 {"state":"ready"}"#);
    }
}

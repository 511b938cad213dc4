//! Files that change while they are sent, and between two calls for them.

use crate::rig::{BIG, Rig, pattern};
use std::fs::{File, FileTimes};
use std::io::Read;
use std::os::unix::fs::FileExt;

/// What comes on a connection until it ends, without the head.
fn rest(mut stream: std::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    crate::client::parse(&all).body
}

/// Begins a download of `big` and waits until it is under way. The connection is one that would be kept, unless `header` says
/// otherwise.
fn under_way(rig: &Rig, header: &str) -> std::net::TcpStream {
    rig.put("big", BIG);
    let stream = rig.begin_with("big", header);
    assert_ne!(stream.peek(&mut [0]).unwrap(), 0);
    stream
}

#[test]
fn a_file_that_is_cut_ends_the_connection() {
    let rig = Rig::start();
    let stream = under_way(&rig, "Host: h");
    File::options().write(true).open(rig.path("big")).unwrap().set_len(1000).unwrap();
    let got = rest(stream);
    assert!(got.len() < BIG, "nothing is made up for what is not there any more");
    rig.hears(&[" warn ", "/files/big broken off after", &format!("of {BIG} bytes"), "replace files by mv"]);
    rig.is_well();
}

#[test]
fn a_file_that_is_written_to_ends_the_connection() {
    let rig = Rig::start();
    let stream = under_way(&rig, "Host: h");
    let file = File::options().write(true).open(rig.path("big")).unwrap();
    file.write_all_at(b"other", BIG as u64 - 5).unwrap();
    assert!(rest(stream).len() < BIG, "a mixture is not sent as if it were whole");
    rig.hears(&[" warn ", "/files/big broken off after", "written to meanwhile"]);
    rig.is_well();
}

#[test]
fn a_file_that_is_replaced_is_sent_as_it_was() {
    let rig = Rig::start();
    let stream = under_way(&rig, "Connection: close");
    rig.put("new", 1000);
    std::fs::rename(rig.path("new"), rig.path("big")).unwrap();
    assert!(rest(stream) == pattern(0, BIG));
    assert!(rig.get("big", &[]).body == pattern(0, 1000));
    let stream = under_way(&rig, "Connection: close");
    std::fs::remove_file(rig.path("big")).unwrap();
    assert!(rest(stream) == pattern(0, BIG));
    assert_eq!(rig.get("big", &[]).status, 404);
}

#[test]
fn going_on_with_another_content_begins_anew() {
    let rig = Rig::start();
    let get = |headers: &[&str]| rig.get("ten", headers);
    let first = get(&[]);
    let (tag, date) = (first.header("etag").unwrap(), first.header("last-modified").unwrap());
    let part = "Range: bytes=8-";
    assert_eq!(get(&[part, &format!("If-Range: {tag}")]).line(), "206 89");
    assert_eq!(get(&[part, &format!("If-Match: {tag}")]).line(), "206 89");
    assert_eq!(get(&[part, &format!("If-Unmodified-Since: {date}")]).line(), "206 89");
    // Written over with the same size, and dated back as `cp -p` does: images that are built reproducibly have one date.
    let file = File::options().write(true).open(rig.path("ten")).unwrap();
    let before = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"abcdefghij", 0).unwrap();
    file.set_times(FileTimes::new().set_modified(before)).unwrap();
    assert_eq!(get(&[]).header("last-modified"), Some(date), "it looks the same");
    assert_eq!(get(&[part, &format!("If-Range: {tag}")]).line(), "200 abcdefghij");
    assert_eq!(get(&[part, &format!("If-Match: {tag}")]).error(), (412, "condition_failed".into()));
    assert_eq!(get(&[&format!("If-None-Match: {tag}")]).status, 200);
    rig.age("ten", 60);
    let older = get(&[&format!("If-Modified-Since: {date}")]);
    assert_eq!((older.status, older.body.len()), (304, 0), "it was not changed since");
    assert_eq!(get(&[part, &format!("If-Range: {date}")]).line(), "200 abcdefghij");
}

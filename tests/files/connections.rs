//! Downloads on connections that are kept, ended, and used for several at once.

use crate::client::{connect, parse};
use crate::rig::{BIG, Rig, pattern};
use std::io::{Read, Write};
use std::net::TcpStream;

/// One answer with a body of `Content-Length`, of several on a connection.
fn next(stream: &mut TcpStream) -> crate::client::Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let mut answer = parse(&head);
    let length = answer.header("content-length").map_or(0, |l| l.parse().unwrap());
    answer.body = vec![0; length];
    stream.read_exact(&mut answer.body).unwrap();
    answer
}

#[test]
fn several_on_one_connection_come_whole_and_in_order() {
    let rig = Rig::start();
    rig.put("big", BIG);
    rig.put("small", 1000);
    let mut stream = connect(rig.daemon.http);
    // All at once: the server works on them at the same time, and the large one does not use its writer.
    for name in ["big", "small", "big", "none", "small"] {
        stream.write_all(format!("GET /files/{name} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).unwrap();
    }
    stream.write_all(b"GET /api/version HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    let got: Vec<_> = (0..6).map(|_| next(&mut stream)).collect();
    assert_eq!(got.iter().map(|a| a.status).collect::<Vec<_>>(), [200, 200, 200, 404, 200, 200]);
    assert!(got[0].body == pattern(0, BIG) && got[2].body == pattern(0, BIG));
    assert!(got[1].body == pattern(0, 1000) && got[4].body == pattern(0, 1000));
    assert!(got[5].text().contains("version"));
}

#[test]
fn a_connection_is_kept_or_ended_as_the_caller_wants_it() {
    let rig = Rig::start();
    rig.put("big", 3 << 20);
    for name in ["big", "ten", "none"] {
        let ends = |wish: &str| {
            let mut stream = connect(rig.daemon.http);
            stream.write_all(format!("GET /files/{name} {wish}\r\n\r\n").as_bytes()).unwrap();
            let answer = next(&mut stream);
            let said = answer.header("connection").map(str::to_owned);
            // Another call is answered, or the end is read.
            let _ = stream.write_all(b"GET /files/ten HTTP/1.0\r\n\r\n");
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest);
            (said.unwrap_or_default(), rest.is_empty())
        };
        assert_eq!(ends("HTTP/1.0"), (String::new(), true), "{name}: boot loaders wait for the end");
        assert_eq!(ends("HTTP/1.0\r\nConnection: keep-alive"), ("keep-alive".into(), false), "{name}");
        assert_eq!(ends("HTTP/1.1\r\nConnection: close"), ("close".into(), true), "{name}");
        assert_eq!(ends("HTTP/1.1"), (String::new(), false), "{name}");
    }
}

#[test]
fn parts_of_large_files_are_the_right_ones() {
    let rig = Rig::start();
    rig.put("big", BIG);
    for (range, start, size) in [
        ("0-", 0, BIG),
        ("1-", 1, BIG - 1),
        ("1048575-2097152", 1_048_575, 1_048_578),
        ("-3145729", BIG - 3_145_729, 3_145_729),
        ("65536-131071", 65_536, 65_536),
        ("65535-131071", 65_535, 65_537),
        ("50331647-99999999999999999999", BIG - 1, 1),
    ] {
        let answer = rig.get("big", &[&format!("Range: bytes={range}")]);
        assert_eq!(answer.status, 206, "{range}");
        let want = format!("bytes {start}-{}/{BIG}", start + size - 1);
        assert_eq!(answer.header("content-range"), Some(want.as_str()));
        assert!(answer.body == pattern(start, size), "{range}");
    }
    let head = rig.call("HEAD", "big", &[]);
    assert_eq!((head.header("content-length"), head.body.len()), (Some("50331648"), 0));
}

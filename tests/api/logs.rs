//! Logs of devices: pages, searches, streams that go on as a log grows; and senders that no device is known for.

use crate::client::connect;
use crate::world::{NOW, World, start};
use mozpool::logic::time::Timestamp;
use mozpool::store::{Deletion, DeviceLogLine, LogChunk, Store};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// Lines of panda-0002, as the journal would write them: `text NUMBER`, one a second, in two pieces.
fn say(store: &mut dyn Store, numbers: std::ops::Range<i64>, text: &str) {
    let at = |n: i64| Timestamp(NOW - 10_000_000).plus_ms(1000 * n);
    let mut chunk = LogChunk::new("panda-0002".into(), at(numbers.start));
    for n in numbers {
        let message = format!("{text} {n}");
        if !chunk.fits(at(n), message.len()) {
            let next = LogChunk::new("panda-0002".into(), at(n));
            store.append_log_chunks(&[std::mem::replace(&mut chunk, next)], true).unwrap();
        }
        chunk.push(at(n), &message);
    }
    store.append_log_chunks(&[chunk], true).unwrap();
}

/// Messages of an answer, and its places.
fn page(world: &World, query: &str) -> (Vec<String>, String, String, bool) {
    let answer = world.get(&format!("/api/device/panda-0002/log/?{query}"));
    assert_eq!(answer.status, 200, "{query}: {}", answer.line());
    let json = answer.json();
    let lines = json["log"].as_array().unwrap().iter();
    let text = |key: &str| json[key].as_str().unwrap().to_owned();
    (
        lines.map(|l| l["message"].as_str().unwrap().to_owned()).collect(),
        text("before"),
        text("after"),
        json["more"].as_bool().unwrap(),
    )
}

#[test]
fn a_log_is_read_in_pages_and_what_has_come_since() {
    let world = start();
    let mut store = world.location.open().unwrap();
    say(&mut *store, 0..25, "line");
    let (lines, mut before, after, mut more) = page(&world, "limit=10");
    assert_eq!((lines.first().unwrap().as_str(), lines.len(), more), ("line 15", 10, true));
    let mut all = lines;
    while more {
        let (mut older, place, _, is_more) = page(&world, &format!("limit=10&before={before}"));
        older.append(&mut all);
        (all, before, more) = (older, place, is_more);
    }
    assert_eq!(all, (0..25).map(|n| format!("line {n}")).collect::<Vec<_>>());
    let (lines, _, same, more) = page(&world, &format!("after={after}"));
    assert!(lines.is_empty() && same == after && !more);
    say(&mut *store, 25..28, "new");
    let (lines, _, place, more) = page(&world, &format!("limit=2&after={after}"));
    assert_eq!((lines, more), (vec!["new 25".to_owned(), "new 26".into()], true));
    assert_eq!(page(&world, &format!("limit=2&after={place}")).0, ["new 27"]);

    for query in
        ["before=x", "after=1", "after=1-", "before=-1-2", "after=1-2-3", "after=1-9223372036854775807"]
    {
        let answer = world.get(&format!("/api/device/panda-0002/log?{query}"));
        assert_eq!(answer.error(), (400, "bad_value".into()), "{query}");
    }
    let far = "9".repeat(18);
    assert_eq!(page(&world, &format!("after={far}-{far}")).0, [""; 0]);
    assert_eq!(page(&world, &format!("limit=1&before={far}-{far}")).0, ["new 27"]);
    let (none, before, after, more) = page(&world, "before=0-0");
    assert_eq!((none.len(), before.as_str(), after.as_str(), more), (0, "0-0", "0-0", false), "a place");
    assert_eq!(page(&world, "limit=1&before=&after=").0, ["new 27"], "empty is as good as none");
}

#[test]
fn a_log_is_searched_whatever_the_case() {
    let world = start();
    let mut store = world.location.open().unwrap();
    say(&mut *store, 0..5000, "kernel: all is well with unit");
    say(&mut *store, 5000..5002, "Kernel: ERROR in unit");
    let machine = DeviceLogLine {
        device: "panda-0002".into(),
        at: Timestamp(NOW),
        source: "statemachine".into(),
        message: "an Error of 100 % it is".into(),
    };
    store.append_device_log(&[machine]).unwrap();
    let found = ["Kernel: ERROR in unit 5000", "Kernel: ERROR in unit 5001", "an Error of 100 % it is"];
    assert_eq!(page(&world, "q=error").0, found);
    assert_eq!(page(&world, "q=eRROR&limit=1").0, found[2..]);
    assert_eq!(page(&world, "q=UNIT%201234").0, ["kernel: all is well with unit 1234"]);
    assert_eq!(page(&world, "q=100%20%25").0, found[2..]);
    assert_eq!(page(&world, "q=no%20such").0, [""; 0]);
    assert_eq!(page(&world, "q=&limit=1").0, found[2..]);
}

/// Reads a stream of server-sent events.
struct Follower {
    reader: BufReader<TcpStream>,
    id: String,
}

impl Follower {
    fn open(world: &World, query: &str, header: &str) -> Self {
        let mut stream = connect(world.addr);
        let target = format!("/api/device/panda-0002/log/?follow=1&{query}");
        write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\n{header}\r\n").unwrap();
        let mut follower = Self { reader: BufReader::new(stream), id: String::new() };
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(follower.reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/event-stream"), "{head}");
        follower
    }

    /// Kind and data of the next event.
    fn event(&mut self) -> (String, serde_json::Value) {
        let mut kind = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.reader.read_line(&mut line).unwrap(), 0, "the stream has ended");
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut kind),
                Some(("data", data)) => return (kind, serde_json::from_str(data).unwrap()),
                Some(("id", id)) => id.clone_into(&mut self.id),
                _ => {}
            }
        }
    }

    fn lines(&mut self, count: usize) -> Vec<String> {
        let mut line = || match self.event() {
            (kind, data) if kind == "line" => data["message"].as_str().unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        (0..count).map(|_| line()).collect()
    }
}

#[test]
fn a_log_is_followed_as_it_grows() {
    let world = start();
    let mut store = world.location.open().unwrap();
    say(&mut *store, 0..30, "line");
    let mut follower = Follower::open(&world, "limit=2", "");
    assert_eq!(follower.lines(2), ["line 28", "line 29"]);
    say(&mut *store, 30..33, "new");
    assert_eq!(follower.lines(3), ["new 30", "new 31", "new 32"]);
    // Whoever comes back says where he was, and his header counts more than the address.
    let mut picky = Follower::open(&world, "q=NEW&after=0-0", "");
    assert_eq!(picky.lines(3), ["new 30", "new 31", "new 32"]);
    say(&mut *store, 33..34, "other");
    say(&mut *store, 34..35, "new");
    assert_eq!(picky.lines(1), ["new 34"]);
    assert_eq!(follower.lines(2), ["other 33", "new 34"]);
    let place = follower.id.clone();
    drop(follower);
    let header = format!("Last-Event-ID: {place}\r\n");
    let mut again = Follower::open(&world, "after=0-0", &header);
    assert_eq!(again.lines(2), ["other 33", "new 34"], "behind the last piece that was whole");

    // More than anybody reads comes at once: the stream says how much it leaves out.
    let mut late = Follower::open(&world, "limit=1", "");
    assert_eq!(late.lines(1), ["new 34"]);
    let long = "x".repeat(1000);
    let mut flood = Vec::new();
    for n in 0..5000 {
        let mut chunk = LogChunk::new("panda-0002".into(), Timestamp(NOW));
        chunk.push(Timestamp(NOW), &format!("{long} {n}"));
        flood.push(chunk);
    }
    store.append_log_chunks(&flood, true).unwrap();
    let (kind, data) = late.event();
    assert_eq!((kind.as_str(), data["lines"].as_u64()), ("skipped", Some(4999)));
    assert!(late.lines(1)[0].ends_with(" 4999"));
    // A device that goes takes its followers along, and who comes back is told so.
    let gone = Deletion::Device("panda-0002".into());
    store.delete(&gone, true, false, Timestamp(NOW)).unwrap();
    let mut line = String::new();
    while line != "0\r\n" {
        line.clear();
        assert_ne!(late.reader.read_line(&mut line).unwrap(), 0, "the answer is whole");
    }
    let answer = world.get("/api/device/none/log/?follow=1");
    assert_eq!(answer.status, 404);
}

#[test]
fn followers_are_sent_away_when_the_server_stops() {
    let mut world = start();
    let mut store = world.location.open().unwrap();
    say(&mut *store, 0..2, "line");
    let mut follower = Follower::open(&world, "", "");
    assert_eq!(follower.lines(2).len(), 2);
    world.begin_stop();
    let mut line = String::new();
    while line != "0\r\n" {
        line.clear();
        assert_ne!(follower.reader.read_line(&mut line).unwrap(), 0, "the answer is whole");
    }
}

#[test]
fn unknown_senders_are_shown_with_their_last_lines() {
    let world = start();
    let answer = world.get("/api/log/unknown/");
    let one = r#"{"address":"10.0.0.77","hostname":"new-board","lines":3,"first":"2026-11-22T11:46:40.000Z","last":"2026-11-22T11:48:20.000Z","log":[{"timestamp":"2026-11-22T11:46:40.000000","message":"one"},{"timestamp":"2026-11-22T11:48:20.000000","message":"two"}]}"#;
    let json = answer.json();
    assert_eq!(json["senders"][0], serde_json::from_str::<serde_json::Value>(one).unwrap());
    assert_eq!(
        (json["senders"].as_array().unwrap().len(), &json["senders"][1]["hostname"]),
        (2, &serde_json::Value::Null)
    );
    let json = world.get("/api/log/unknown/?address=10.0.0.77&limit=1").json();
    assert_eq!(json["senders"].as_array().unwrap().len(), 1);
    assert_eq!(json["senders"][0]["log"][0]["message"], "two");
    assert_eq!(world.get("/api/log/unknown?limit=x").error(), (400, "bad_value".into()));
}

//! Live changes: what is told, when a call waits and when it does not, streams, and clients that are confused or too slow.

use crate::client::{Answer, connect, parse};
use crate::world::{Options, World, start, start_with};
use mozpool::logic::ids::RequestId;
use mozpool::logic::lifeguard::{Install, State};
use mozpool::logic::machine::Epoch;
use mozpool::logic::mozpool::Wanted;
use mozpool::logic::time::Timestamp;
use mozpool::store::{DeviceCommit, DeviceEdit, NewRequest, Store};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// When everything here happens.
const AT: Timestamp = Timestamp(crate::world::NOW);

/// Streams on which nothing happens speak soon.
fn lively() -> Options {
    Options { silence: Duration::from_secs(2), ..Options::default() }
}

/// Puts a device into a state, as its layer would.
fn put(store: &mut dyn Store, name: &str, state: State) {
    let old = store.load_device(name).unwrap().unwrap().machine;
    let (expected, mut next) = (old.epoch, old);
    next.state = state;
    next.epoch = Epoch(expected.0 + 1);
    store
        .commit_devices(&[DeviceCommit {
            next,
            expected,
            log: vec![],
            turns: vec![],
            result: None,
            failure: None,
            at: AT,
        }])
        .unwrap();
}

fn note(store: &mut dyn Store, name: &str) {
    assert!(store.edit_device(name, &DeviceEdit::Comments("x".into()), AT).unwrap());
}

/// Makes so many requests, a change each.
fn ask(store: &mut dyn Store, many: u64, assignee: &str) {
    let install = Install { image: "b2g".into(), boot_config: "{}".into() };
    let wanted = Wanted {
        device: None,
        environment: None,
        install,
        hardware_type: None,
        hardware_model: None,
        processor: None,
        tags: vec![],
    };
    let new = NewRequest {
        server: "img1.lab".into(),
        assignee: assignee.into(),
        reason: String::new(),
        wanted,
        expires: AT.plus_s(60),
        queue_until: None,
        created: AT,
    };
    let all: Vec<NewRequest> = (0..many).map(|_| new.clone()).collect();
    store.insert_requests(&all).unwrap();
}

/// Numbers and subjects of an answer, and where to go on.
fn told(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.line());
    let json = answer.json();
    let changes = json["changes"].as_array().unwrap().iter();
    let text = |c: &serde_json::Value| {
        let subject = c["data"]["name"].as_str().map(str::to_owned);
        format!("{} {}", c["seq"], subject.unwrap_or_else(|| c["data"]["id"].to_string()))
    };
    format!("{} | {}", changes.map(text).collect::<Vec<_>>().join(", "), json["last"])
}

/// Three changes: of panda-0001, of request 1, of panda-0002.
fn three(world: &World) -> Box<dyn Store> {
    let mut store = world.location.open().unwrap();
    put(&mut *store, "panda-0001", State::PcPowerCycling);
    let request = store.load_request(RequestId(1)).unwrap().unwrap().machine;
    let mut commit = mozpool::store::RequestCommit {
        expected: request.epoch,
        next: request,
        claim: mozpool::logic::mozpool::ClaimChange::Keep,
        device_log: None,
        log: vec![],
        at: AT,
    };
    commit.next.expires = AT.plus_s(7200);
    store.commit_requests(&[commit]).unwrap();
    note(&mut *store, "panda-0002");
    store
}

/// Until the thread that tells of changes has told of this one.
fn until_told(world: &World, seq: u64) {
    let answer = world.get(&format!("/api/events?after={}&timeout=50", seq - 1));
    assert!(told(&answer).contains(&format!("{seq} ")), "{}", answer.line());
}

#[test]
fn what_has_changed_is_told_in_full() {
    let world = start();
    assert_eq!(world.get("/api/events?timeout=0").line(), r#"200 {"changes":[],"last":0}"#);
    let mut store = three(&world);
    until_told(&world, 3);
    let answer = world.get("/api/events/?after=0");
    assert_eq!(
        answer.line(),
        concat!(
            r#"200 {"changes":["#,
            r#"{"seq":1,"at":"2026-11-22T11:49:06.581Z","kind":"device","what":"state","data":{"name":"panda-0001","#,
            r#""state":"pc_power_cycling","was":"ready","environment":"production","request_id":1,"image":"b2g","#,
            r#""next_image":null,"progress":null}},"#,
            r#"{"seq":2,"at":"2026-11-22T11:49:06.581Z","kind":"request","what":"changed","data":{"id":1,"state":"ready","#,
            r#""was":null,"assigned_device":"panda-0001","was_assigned_device":null,"expires":"2026-11-22T13:49:06.581000","assignee":"ann"}},"#,
            r#"{"seq":3,"at":"2026-11-22T11:49:06.581Z","kind":"device","what":"changed","data":{"name":"panda-0002","#,
            r#""state":"b2g_downloading","was":null,"environment":"tests","request_id":null,"image":null,"#,
            r#""next_image":"b2g","progress":null}}],"last":3}"#
        )
    );
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let lab = "[[image]]\nname = 'new'\n[[relay_board]]\nname = 'r9'\nfqdn = 'r9'\n";
    let lab = mozpool::lab::Lab::parse(lab, "lab.toml", "img1.lab").unwrap();
    store.apply_lab(&lab, false, AT).unwrap();
    until_told(&world, 5);
    assert_eq!(
        world.get("/api/events?after=3").line(),
        concat!(
            r#"200 {"changes":["#,
            r#"{"seq":4,"at":"2026-11-22T11:49:06.581Z","kind":"image","what":"created","data":{"name":"new"}},"#,
            r#"{"seq":5,"at":"2026-11-22T11:49:06.581Z","kind":"relay_board","what":"created","data":{"name":"r9"}}],"#,
            r#""last":5}"#
        )
    );
}

#[test]
fn a_client_gets_what_it_asks_for_and_is_told_where_to_go_on() {
    let world = start();
    let _store = three(&world);
    until_told(&world, 3);
    for (query, want) in [
        ("after=0", "1 panda-0001, 2 1, 3 panda-0002 | 3"),
        ("after=1", "2 1, 3 panda-0002 | 3"),
        ("after=0&limit=1", "1 panda-0001 | 1"),
        ("after=0&kind=request", "2 1 | 3"),
        ("after=0&kind=image,request", "2 1 | 3"),
        ("after=0&kind=device&limit=1", "1 panda-0001 | 1"),
        // Its own changes, and those of the request that holds it; and the other way round.
        ("after=0&device=panda-0001", "1 panda-0001, 2 1 | 3"),
        ("after=0&request=1", "1 panda-0001, 2 1 | 3"),
        ("after=0&device=panda-0001&kind=request", "2 1 | 3"),
        ("after=2&device=panda-0001&timeout=0", " | 3"),
        ("after=0&device=nope&timeout=0", " | 3"),
        ("after=3&timeout=0", " | 3"),
        // From now on.
        ("timeout=0", " | 3"),
    ] {
        assert_eq!(told(&world.get(&format!("/api/events?{query}"))), want, "{query}");
    }
}

#[test]
fn who_follows_a_device_hears_what_lets_go_of_it_and_where_it_was_when_it_goes() {
    let world = start();
    let mut store = world.location.open().unwrap();
    let request = store.load_request(RequestId(1)).unwrap().unwrap().machine;
    let expected = request.epoch;
    let mut next = request.clone();
    (next.state, next.epoch) = (mozpool::logic::mozpool::State::Closed, expected.next());
    let commit = mozpool::store::RequestCommit {
        expected,
        next,
        claim: mozpool::logic::mozpool::ClaimChange::Drop("panda-0001".into()),
        device_log: None,
        log: vec![],
        at: AT,
    };
    store.commit_requests(&[commit]).unwrap();
    store.delete(&mozpool::store::Deletion::Device("panda-0001".into()), false, false, AT).unwrap();
    until_told(&world, 3);
    let all = world.get("/api/events?after=0&device=panda-0001").json();
    assert_eq!(
        told(&world.get("/api/events?after=0&device=panda-0001")),
        "1 1, 2 panda-0001, 3 panda-0001 | 3"
    );
    let data = |n: usize| all["changes"][n]["data"].to_string();
    let let_go = r#""assigned_device":"","was_assigned_device":"panda-0001","#;
    assert!(data(0).contains(let_go), "{}", data(0));
    assert_eq!(data(2), r#"{"name":"panda-0001","environment":"production","request_id":null}"#);
    assert_eq!(told(&world.get("/api/events?after=0&device=panda-0002&timeout=0")), " | 3");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let world = start();
    for query in ["after=x", "after=-1", "limit=x", "timeout=1.5", "request=one", "kind=devices"] {
        assert_eq!(world.get(&format!("/api/events?{query}")).error(), (400, "bad_value".into()), "{query}");
    }
    assert_eq!(world.post("/api/events", "{}").error(), (405, "method_not_allowed".into()));
    let bad = world.call("GET", "/api/events", &["Accept: text/event-stream", "Last-Event-ID: x"], b"");
    assert_eq!(bad.error(), (400, "bad_value".into()));
    let head = world.call("HEAD", "/api/events", &["Accept: text/event-stream"], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("Content-Type"), Some("text/event-stream; charset=utf-8"));
    let head = world.call("HEAD", "/api/events", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0), "it does not wait");
}

#[test]
fn numbers_that_are_gone_or_not_yet_given_are_410() {
    let world = start();
    let mut store = three(&world);
    until_told(&world, 3);
    for path in
        ["/api/events?after=4", "/api/events?after=99999999999999999999", "/api/events?after=4&stream"]
    {
        let answer = world.get(path);
        assert_eq!(answer.error(), (410, "changes_gone".into()), "{path}");
        assert_eq!(answer.json()["error"]["detail"]["last"], 3);
        assert!(answer.message().contains("go on after 3"), "{}", answer.message());
    }
    // What is in memory is told from memory, although it is not kept any more; a new server has only what is kept.
    let old = Timestamp(i64::MIN);
    let too_old = mozpool::store::TooOld {
        logs: old,
        requests: old,
        changes: AT.plus_s(1),
        reports: old,
        audit: old,
        now: AT,
    };
    store.prune(&too_old, 2).unwrap();
    assert_eq!(told(&world.get("/api/events?after=0")), "1 panda-0001, 2 1, 3 panda-0002 | 3");
    let world = world.again();
    let answer = world.get("/api/events?after=1");
    assert_eq!(answer.error(), (410, "changes_gone".into()));
    assert!(answer.message().contains("kept from number 3 on"), "{}", answer.message());
    assert_eq!(told(&world.get("/api/events?after=2")), "3 panda-0002 | 3");
}

/// More than memory holds is told from the store.
#[test]
fn whoever_was_away_for_long_is_told_from_the_store() {
    let world = start_with(&lively());
    let mut store = three(&world);
    let many = mozpool::api::events::RECENT_MAX as u64 + 500;
    ask(&mut *store, many, "ci");
    until_told(&world, 3 + many);
    assert_eq!(told(&world.get("/api/events?after=0&limit=2")), "1 panda-0001, 2 1 | 2");
    // Nothing of that kind in the first thousand: it says so rather than look through everything.
    assert_eq!(told(&world.get("/api/events?after=3&kind=device")), " | 1003");
    let mut stream = Stream::open(&world, "after=1&kind=device", &[]);
    assert_eq!(stream.event().0, 3);
    stream.skip_to(3 + many);
    let mut stream = Stream::open(&world, "after=0", &[]);
    for seq in 1..=3 + many {
        assert_eq!(stream.event().0, seq);
    }
}

#[test]
fn a_call_waits_until_something_happens_that_it_wants() {
    let world = start();
    let mut waiting = begin(&world, "/api/events?after=0&device=panda-0004&timeout=50");
    let mut store = three(&world);
    until_told(&world, 3);
    assert!(nothing_yet(&mut waiting), "none of these is its device");
    note(&mut *store, "panda-0004");
    assert_eq!(told(&finish(waiting)), "4 panda-0004 | 4");
    // Nothing happens: the answer says up to where it has looked.
    assert_eq!(told(&world.get("/api/events?after=3&kind=image&timeout=1")), " | 4");
}

#[test]
fn so_many_may_wait_and_others_are_served_all_the_same() {
    let world = start_with(&Options { watchers_max: 3, threads: 2, ..Options::default() });
    // Each has its place when its answer has begun.
    let mut streams: Vec<Stream> = (0..3).map(|_| Stream::open(&world, "after=0", &[])).collect();
    let answer = world.get("/api/events?after=0&timeout=50");
    assert_eq!(answer.error(), (503, "busy".into()));
    assert_eq!(answer.header("Retry-After"), Some("5"));
    assert_eq!(world.get("/api/version").status, 200, "two threads serve while three wait");
    assert_eq!(
        told(&world.get("/api/events?after=0&timeout=0")),
        " | 0",
        "what needs no waiting is answered"
    );
    drop(three(&world));
    for stream in &mut streams {
        assert_eq!(stream.event().0, 1);
    }
}

#[test]
fn a_stream_tells_of_changes_as_they_come_and_goes_on_where_it_was() {
    let world = start_with(&lively());
    let mut stream = Stream::open(&world, "", &["Accept: text/event-stream"]);
    assert_eq!(stream.header("Content-Type"), "text/event-stream; charset=utf-8");
    let mut store = three(&world);
    let (seq, kind, data) = stream.event();
    assert_eq!((seq, kind.as_str(), &data["data"]["was"]), (1, "device", &"ready".into()));
    assert_eq!(data["seq"], 1);
    assert_eq!((stream.event().1.as_str(), stream.event().0), ("request", 3));
    drop(stream);
    note(&mut *store, "panda-0001");
    // As a browser does when it comes back: the header counts more than the address.
    let headers = ["Accept: text/event-stream", "Last-Event-ID: 2"];
    let mut stream = Stream::open(&world, "after=0&kind=device", &headers);
    assert_eq!((stream.event().0, stream.event().0), (3, 4));
    // A stream that wants nothing of what happens still says where to go on.
    let mut other = Stream::open(&world, "after=0&kind=image&stream=1", &[]);
    other.skip_to(4);
    // HTTP/1.0 knows no pieces.
    let mut old = connect(world.addr);
    old.write_all(b"GET /api/events?after=3&stream HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    let mut old = BufReader::new(old);
    while !text.contains("\"seq\":4") {
        assert_ne!(old.read_line(&mut text).unwrap(), 0, "{text}");
    }
    assert!(text.starts_with("HTTP/1.0 200 OK\r\n") && !text.contains("chunked"), "{text}");
}

/// Something has come back already.
fn is_answered(call: &TcpStream) -> bool {
    call.set_nonblocking(true).unwrap();
    let answered = call.peek(&mut [0]).is_ok();
    call.set_nonblocking(false).unwrap();
    answered
}

#[test]
fn a_stop_ends_all_waiting_at_once() {
    let mut world = start_with(&Options { watchers_max: 2, ..Options::default() });
    let mut stream = Stream::open(&world, "after=0", &[]);
    let is_refused = || world.get("/api/events?after=0&timeout=1").status == 503;
    let waiting = loop {
        let waiting = begin(&world, "/api/events?after=0&timeout=50");
        // It has the second place when others get none, again and again: who asks holds one for a moment, too, and then this
        // one may have got none itself.
        while !is_answered(&waiting) && !(0..20).all(|_| is_refused()) {}
        if !is_answered(&waiting) {
            break waiting;
        }
    };
    world.begin_stop();
    assert_eq!(told(&finish(waiting)), " | 0");
    let rest = stream.rest();
    assert!(!rest.contains("data: "), "it ends as it should: {rest}");
    world.stop();
}

#[test]
fn a_client_that_says_more_does_not_want_to_wait() {
    let world = start_with(&Options { threads: 2, ..Options::default() });
    for first in ["/api/events?after=0&timeout=50", "/api/events?after=0&stream"] {
        let mut stream = connect(world.addr);
        let mut text = format!("GET {first} HTTP/1.1\r\nHost: x\r\n\r\n");
        // More than there are threads, all behind one that would wait for ever.
        for _ in 0..5 {
            text.push_str("GET /api/version HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        text.push_str("GET /api/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(text.as_bytes()).unwrap();
        let mut all = String::new();
        stream.read_to_string(&mut all).unwrap();
        assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 7, "{all}");
    }
    assert_eq!(world.get("/api/version").status, 200);
}

/// One that reads nothing is hung up on; in the meantime it costs nobody else anything.
#[test]
fn a_stream_that_nobody_reads_ends() {
    let silence = Duration::from_secs(2);
    let world = start_with(&Options { threads: 2, watchers_max: 1, silence, ..Options::default() });
    let mut deaf = connect(world.addr);
    nix::sys::socket::setsockopt(&deaf, nix::sys::socket::sockopt::RcvBuf, &2048).unwrap();
    deaf.write_all(b"GET /api/events?after=0&stream HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    deaf.read_exact(&mut first).unwrap();
    let mut store = world.location.open().unwrap();
    // More than all buffers on the way can hold.
    for _ in 0..3 {
        ask(&mut *store, 8000, &"ci".repeat(100));
        assert_eq!(world.get("/api/version").status, 200);
    }
    let free = || world.get("/api/events?after=0&timeout=50&kind=image").status != 503;
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !free() {
        assert!(std::time::Instant::now() < end, "its place is given to somebody else in the end");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends a call and does not wait for its answer.
fn begin(world: &World, target: &str) -> TcpStream {
    let mut stream = connect(world.addr);
    write!(stream, "GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

fn finish(mut stream: TcpStream) -> Answer {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    parse(&all)
}

fn nothing_yet(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let is_quiet = matches!(stream.peek(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    is_quiet
}

/// A client of server-sent events that believes nothing.
struct Stream {
    reader: BufReader<TcpStream>,
    head: String,
    /// The last number that was told.
    id: u64,
}

impl Stream {
    fn open(world: &World, query: &str, headers: &[&str]) -> Self {
        let stream_key = if headers.is_empty() { "&stream" } else { "" };
        let mut stream = connect(world.addr);
        let mut head = format!("GET /api/events?{query}{stream_key} HTTP/1.1\r\nHost: x\r\n");
        headers.iter().for_each(|h| head.push_str(&format!("{h}\r\n")));
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let mut stream = Self { reader, head, id: 0 };
        assert!(stream.piece().unwrap().starts_with("retry: "));
        stream
    }

    fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|l| l.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_default().to_owned()
    }

    /// Everything up to the next empty line, without the framing of pieces; `None` at the end.
    fn piece(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.reader.read_line(&mut line).unwrap(), 0, "it breaks off after {text}");
            let line = line.trim_end();
            match line {
                "0" => return None,
                "" if !text.is_empty() => return Some(text),
                "" => {}
                // The size of a piece.
                size if !size.contains(':') => {}
                line => {
                    if let Some(id) = line.strip_prefix("id: ") {
                        self.id = id.parse().unwrap();
                    }
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }

    /// The next event: number, kind, data.
    fn event(&mut self) -> (u64, String, serde_json::Value) {
        loop {
            let piece = self.piece().expect("the stream goes on");
            let field = |name: &str| piece.lines().find_map(|l| l.strip_prefix(name)).map(str::to_owned);
            if let (Some(kind), Some(data)) = (field("event: "), field("data: ")) {
                return (self.id, kind, serde_json::from_str(&data).unwrap());
            }
        }
    }

    /// Until it says that everything up to `id` has been looked at.
    fn skip_to(&mut self, id: u64) {
        while self.id < id {
            let piece = self.piece().expect("the stream goes on");
            assert!(!piece.contains("data: "), "{piece}");
        }
    }

    /// What comes until its end.
    fn rest(&mut self) -> String {
        let mut all = String::new();
        while let Some(piece) = self.piece() {
            all.push_str(&piece);
        }
        all
    }
}

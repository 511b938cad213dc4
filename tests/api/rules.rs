//! What holds for every call: paths, methods, owners, origins, bodies, busy layers, the end.

use crate::client::{connect, parse, send};
use crate::world::{Options, start, start_with};
use mozpool::access::Mode;
use mozpool::api::access::Rules;
use mozpool::clock::{Clock, Timestamp};
use mozpool::layers::supervise::Exit;
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn every_method_takes_the_path_with_and_without_its_slash() {
    let world = start();
    for path in ["/api/request/1/return", "/api/request/1/return/"] {
        assert_eq!(world.post(path, "{}").status, 204, "{path}");
    }
    for path in ["/api/version", "/api/version/", "/api/version/?x=1"] {
        assert_eq!(world.get(path).status, 200, "{path}");
    }
    assert_eq!(world.get("/api/device/panda%2D0001/state").status, 200, "escapes are resolved");
}

#[test]
fn unknown_paths_and_wrong_methods() {
    let world = start();
    for path in ["/api", "/api/", "/api/nothing", "/nothing", "/api/device/x/y/z", "/files"] {
        let answer = world.get(path);
        assert_eq!(answer.error(), (404, "no_such_path".into()), "{path}");
    }
    for (method, path, allow) in [
        ("POST", "/api/version", "GET, HEAD, OPTIONS"),
        ("DELETE", "/api/request/1/return/", "POST, OPTIONS"),
        ("PUT", "/api/device/panda-0001/event/ping_ok", "GET, HEAD, POST, OPTIONS"),
        ("POST", "/", "GET, HEAD, OPTIONS"),
        ("POST", "/files/x", "GET, HEAD, OPTIONS"),
    ] {
        let answer = world.call(method, path, &[], b"");
        assert_eq!(answer.error(), (405, "method_not_allowed".into()), "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    let root = world.get("/");
    assert_eq!((root.status, root.header("location")), (302, Some("/ui/")), "people find the page");
}

#[test]
fn head_is_get_without_the_body() {
    let world = start();
    let get = world.get("/api/device/list");
    let head = world.call("HEAD", "/api/device/list", &[], b"");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(get.body.len().to_string().as_str()));
    assert_eq!(world.call("HEAD", "/api/device/none/state", &[], b"").status, 404);
}

#[test]
fn what_is_another_server_s_is_sent_there_with_its_query() {
    let world = start();
    for (method, target, status) in [
        ("GET", "/api/device/panda-0003/event/ping_ok/?a=b&c=%20d", 302),
        ("HEAD", "/api/device/panda-0003/ping", 302),
        ("POST", "/api/device/panda-0003/event/ping_ok?x", 307),
        ("POST", "/api/device/panda-0003/power-cycle/", 307),
        ("POST", "/api/request/3/renew/", 307),
        ("GET", "/api/relay/relay-2/test/", 302),
    ] {
        let answer = world.call(method, target, &[], b"");
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{method} {target}");
        assert_eq!(answer.header("location"), Some(format!("http://img2.lab:8080{target}").as_str()));
    }
    assert_eq!(world.get("/api/device/panda-0003/status").status, 200, "reads are answered by any server");
    assert_eq!(world.get("/api/request/3/details").status, 200);
    let body = r#"{"assignee":"a","duration":60,"image":"android"}"#;
    assert_eq!(
        world.post("/api/device/panda-0003/request/", body).status,
        200,
        "a request is ours wherever the device is"
    );
    let answer = world.post("/api/device/panda-0005/event/ping_ok", "");
    assert_eq!(answer.error(), (503, "owner_unknown".into()), "its server has never been seen");
}

#[test]
fn missing_wins_over_elsewhere_and_elsewhere_over_foreign() {
    let world = start();
    let evil = ["Origin: http://evil.example"];
    assert_eq!(world.call("POST", "/api/device/none/power-cycle", &evil, b"").status, 404);
    assert_eq!(world.call("POST", "/api/device/panda-0003/power-cycle", &evil, b"").status, 307);
    assert_eq!(world.call("POST", "/api/device/panda-0001/power-cycle", &evil, b"").status, 403);
    assert_eq!(
        world.call("POST", "/api/device/panda-0001/power-cycle", &evil, b"{").status,
        403,
        "before the body"
    );
}

#[test]
fn pages_of_known_servers_may_and_others_may_not() {
    let world = start();
    for origin in
        ["http://img2.lab:8080", "http://IMG2.lab:8080", "https://img1.lab:8080", "http://localhost:1"]
    {
        let header = format!("Origin: {origin}");
        for (method, target) in
            [("POST", "/api/device/panda-0001/set-comments"), ("GET", "/api/device/panda-0001/event/ping_ok")]
        {
            let answer = world.call(method, target, &[&header], br#"{"comments":"x"}"#);
            assert_eq!(answer.status, 200, "{origin}");
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
        let answer = world.call("POST", "/api/request/1/renew", &[&header], b"{}");
        assert_eq!(answer.status, 400);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin), "errors may be read as well");
    }
    for _ in 0..8 {
        world.heard();
    }
    for (method, target) in [
        ("POST", "/api/device/panda-0001/set-comments"),
        ("GET", "/api/device/panda-0001/power-off"),
        ("GET", "/api/relay/relay-1/test"),
        ("POST", "/api/request/1/return"),
        ("POST", "/api/device/any/request"),
    ] {
        for origin in ["http://evil.example", "http://img2.lab", "null", ""] {
            let answer = world.call(method, target, &[&format!("Origin: {origin}")], b"{}");
            assert_eq!(answer.error(), (403, "foreign_origin".into()), "{method} {target} {origin}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert!(world.heard_nothing());
    let read = world.call("GET", "/api/device/list", &["Origin: http://evil.example"], b"");
    assert_eq!((read.status, read.header("access-control-allow-origin")), (200, None));
}

#[test]
fn links_and_pictures_of_other_sites_do_nothing() {
    let world = start();
    let cross_site = "Sec-Fetch-Site: cross-site";
    for (method, target) in
        [("GET", "/api/device/panda-0001/power-off"), ("GET", "/api/device/panda-0001/event/ping_ok")]
    {
        let answer = world.call(method, target, &[cross_site], b"");
        assert_eq!(answer.error(), (403, "foreign_origin".into()), "{target}");
    }
    assert!(world.heard_nothing());
    assert_eq!(world.call("GET", "/api/device/list", &[cross_site], b"").status, 200);
    let known = [cross_site, "Origin: http://img2.lab:8080"];
    assert_eq!(world.call("GET", "/api/device/panda-0001/power-off", &known, b"").status, 200);
    for own in ["Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"] {
        assert_eq!(world.call("GET", "/api/device/panda-0001/power-off", &[own], b"").status, 200);
    }
}

#[test]
fn a_server_that_is_open_for_this_machine_alone_answers_to_no_name_that_may_be_anybodys() {
    let by_name = |world: &crate::world::World, path: &str, host: &str| {
        let head = [&format!("GET {path} HTTP/1.1"), &format!("Host: {host}"), "Connection: close"];
        send(world.addr, &head, b"")
    };
    let rules = Rules { any_host: false, ..Rules::of(Mode::Open) };
    let world = start_with(&Options { rules, ..Options::default() });
    for path in
        ["/api/device/list", "/api/device/panda-0001/power-off", "/api/device/panda-0001/event/ping_ok"]
    {
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", ""]
        {
            assert_eq!(by_name(&world, path, host).error(), (403, "foreign_host".into()), "{path} {host}");
        }
    }
    assert!(world.heard_nothing());
    for host in ["localhost", "LOCALHOST:8080", "127.0.0.1", "[::1]:8080", "10.0.0.1:8080"] {
        assert_eq!(by_name(&world, "/api/device/list", host).status, 200, "{host}");
    }
    assert_eq!(by_name(&world, "/api/version", "evil.example").status, 200, "what anybody may know");
    let told = by_name(&world, "/api/device/list", "pool.lab");
    assert!(told.message().contains("auth.mode"), "{}", told.message());
    // By hand it was said that whoever reaches it may.
    assert_eq!(by_name(&start(), "/api/device/list", "pool.lab").status, 200);
}

#[test]
fn a_preflight_is_answered() {
    let world = start();
    let wants = [
        "Origin: http://img2.lab:8080",
        "Access-Control-Request-Headers: content-type",
        "Access-Control-Request-Method: POST",
    ];
    // Of another server's device too: browsers do not follow redirects of preflights.
    for path in ["/api/device/panda-0001/power-cycle/", "/api/device/panda-0003/power-cycle/"] {
        let answer = world.call("OPTIONS", path, &wants, b"");
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        for (name, value) in [
            ("allow", "POST, OPTIONS"),
            ("access-control-allow-origin", "http://img2.lab:8080"),
            ("access-control-allow-methods", "POST, OPTIONS"),
            ("access-control-allow-headers", "content-type"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }
    let foreign =
        world.call("OPTIONS", "/api/device/panda-0001/power-cycle/", &["Origin: http://evil.example"], b"");
    assert_eq!(foreign.status, 403);
    let plain = world.call("OPTIONS", "/api/version", &[], b"");
    assert_eq!((plain.status, plain.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(world.call("OPTIONS", "/api/nothing", &[], b"").status, 404);
}

#[test]
fn a_body_has_a_limit_and_arrives_as_it_likes() {
    let world = start();
    let comments = |n: usize| format!(r#"{{"comments":"{}"}}"#, "x".repeat(n));
    let fits = comments((1 << 20) - 15);
    assert_eq!(fits.len(), 1 << 20);
    assert_eq!(world.post("/api/device/panda-0001/set-comments", &fits).status, 200);
    let answer = world.post("/api/device/panda-0001/set-comments", &comments((1 << 20) - 14));
    assert_eq!(answer.error(), (413, "too_large".into()));
    assert_eq!(answer.message(), "the body is too long; 1048576 bytes at most");

    let head = ["POST /api/device/panda-0001/set-comments HTTP/1.1", "Host: h", "Connection: close"];
    let chunked = [&head[..], &["Transfer-Encoding: chunked"]].concat();
    assert_eq!(
        send(world.addr, &chunked, b"5\r\n{\"com\r\n0b\r\nments\":\"c\"}\r\n0\r\n\r\n").line(),
        "200 null"
    );
    assert_eq!(world.heard().len(), r#"panda-0001 Comments("")"#.len() + (1 << 20) - 15);
    assert_eq!(world.heard(), r#"panda-0001 Comments("c")"#);

    let expects = [&head[..], &["Content-Length: 16", "Expect: 100-continue"]].concat();
    let answer = send(world.addr, &expects, br#"{"comments":"d"}"#);
    assert_eq!(answer.status, 100);
    assert_eq!(parse(&answer.body).line(), "200 null");
    assert_eq!(world.heard(), r#"panda-0001 Comments("d")"#);

    let upgrades =
        [&head[..2], &["Content-Length: 16", "Connection: close, Upgrade", "Upgrade: h2c"]].concat();
    assert_eq!(send(world.addr, &upgrades, br#"{"comments":"e"}"#).line(), "200 null");
}

#[test]
fn an_absurd_length_does_not_end_the_server() {
    let world = start();
    let mut stream = connect(world.addr);
    stream
        .write_all(b"POST /api/request/1/return HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n")
        .unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    assert_eq!(world.get("/api/version").status, 200);
}

/// A board's busybox: HTTP/1.1 with `Connection: close`, or HTTP/1.0, and a form's content type.
#[test]
fn scripts_with_wget_and_old_pages_are_understood() {
    let world = start();
    let form = ["Content-Type: application/x-www-form-urlencoded"];
    let answer = world.call("POST", "/api/device/panda-0001/event/b2g_rebooting/", &form, b"{}");
    assert_eq!(answer.status, 200);
    let old = ["GET /api/device/panda-0001/event/b2g_rebooting/ HTTP/1.0", "User-Agent: Wget"];
    assert_eq!(send(world.addr, &old, b"").line(), r#"200 {"accepted":true,"state":"ready"}"#);
    let bare = ["POST /api/request/1/return/ HTTP/1.0"];
    assert_eq!(send(world.addr, &bare, b"").status, 204, "a POST without a length has no body");
}

#[test]
fn a_connection_may_be_used_again() {
    let world = start();
    let mut stream = connect(world.addr);
    let body = r#"{"duration":5}"#;
    let first =
        format!("POST /api/request/1/renew/ HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let second = "GET /api/device/panda-0001/state HTTP/1.1\r\nConnection: close\r\n\r\n";
    stream.write_all((first + second).as_bytes()).unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let text = String::from_utf8(all).unwrap();
    assert!(text.starts_with("HTTP/1.1 204") && text.ends_with(r#"{"state":"ready"}"#), "{text}");
}

#[test]
fn a_full_layer_is_busy() {
    let world = start_with(&Options { stuck: Some(0), ..Options::default() });
    let create = r#"{"assignee":"a","duration":60,"image":"android"}"#;
    for (target, body) in [
        ("/api/device/panda-0001/event/ping_ok", ""),
        ("/api/device/panda-0001/set-comments", r#"{"comments":""}"#),
        ("/api/device/panda-0001/power-cycle", ""),
        ("/api/device/panda-0001/power-off", ""),
        ("/api/device/any/request", create),
        ("/api/request/1/renew", r#"{"duration":1}"#),
        ("/api/request/1/return", ""),
    ] {
        let answer = world.post(target, body);
        assert_eq!(answer.error(), (503, "busy".into()), "{target}");
        assert_eq!(answer.header("retry-after"), Some("5"));
    }
    assert_eq!(world.get("/api/device/panda-0001/ping").error(), (503, "busy".into()));
    assert_eq!(world.get("/api/device/panda-0001/status").status, 200, "reading goes on");
}

#[test]
fn a_silent_layer_is_not_waited_for_for_ever() {
    let world = start();
    world.answers().silent = true;
    let started = std::time::Instant::now();
    let answer = world.get("/api/device/panda-0001/event/ping_ok");
    // The scripted layer drops the command: that is noticed at once.
    assert_eq!(answer.error(), (503, "no_answer".into()));
    assert!(started.elapsed().as_secs() < 10);
    let stuck = start_with(&Options { stuck: Some(1), ..Options::default() });
    let answer = stuck.post("/api/device/any/request", r#"{"assignee":"a","duration":60,"image":"android"}"#);
    assert_eq!(answer.error(), (503, "no_answer".into()));
    let waited = started.elapsed().as_secs();
    assert!((8..10).contains(&waited), "creation is answered within ten seconds, not in {waited}");
}

#[test]
fn it_stops_when_told() {
    let mut world = start();
    assert_eq!(world.get("/api/version").status, 200);
    // An idle connection does not keep it.
    let _idle = connect(world.addr);
    world.stop();
    let mut ends: Vec<(String, Exit)> = world.ended.try_iter().collect();
    ends.sort_by(|a, b| a.0.cmp(&b.0));
    let names = ["http-1", "http-2", "http-3", "http-4", "http-front"];
    let want: Vec<(String, Exit)> = names.map(|n| (n.to_owned(), Exit::Stopped)).into();
    assert_eq!(ends, want);
}

#[test]
fn a_taken_port_is_told() {
    let world = start();
    let error = mozpool::layers::http::HttpServer::bind(world.addr).unwrap_err().to_string();
    assert!(error.contains(&format!("cannot listen on {} for HTTP", world.addr)), "{error}");
    assert!(error.contains(&format!("sport = :{}", world.addr.port())), "{error}");
}

/// Panics when it is asked for the third time.
struct BrokenClock(std::sync::atomic::AtomicUsize);

impl Clock for BrokenClock {
    fn now(&self) -> Timestamp {
        let asked = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        assert_ne!(asked, 2, "this test wants a handler to panic");
        Timestamp(0)
    }
}

#[test]
fn a_fault_of_ours_is_answered_and_the_thread_goes_on() {
    let clock = std::sync::Arc::new(BrokenClock(0.into()));
    let world = start_with(&Options { threads: 1, clock: Some(clock), ..Options::default() });
    let statuses: Vec<u16> = (0..5).map(|_| world.get("/api/device/panda-0001/state").status).collect();
    assert_eq!(statuses, [200, 200, 500, 200, 200]);
    assert!(world.ended.is_empty(), "no thread has ended");
}

#[test]
fn who_says_nothing_is_hung_up_on_and_others_are_still_served() {
    let silence = Duration::from_millis(400);
    let world = start_with(&Options { threads: 1, transfers_max: 1, silence, ..Options::default() });
    let mut idle = connect(world.addr);
    let mut kept = connect(world.addr);
    kept.write_all(b"GET /api/version HTTP/1.1\r\n\r\n").unwrap();
    let mut half = connect(world.addr);
    half.write_all(b"POST /api/request/1/renew HTTP/1.1\r\nContent-Length: 5000\r\n\r\n{").unwrap();
    // Each ends when the server hangs up, well before the client's own patience does.
    let mut ends = Vec::new();
    for stream in [&mut idle, &mut kept, &mut half] {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        ends.push(if bytes.is_empty() { 0 } else { parse(&bytes).status });
    }
    assert_eq!(ends, [0, 200, 400]);
    // Nobody but the server itself has called for longer than it would wait.
    let mut another = connect(world.addr);
    for _ in 0..3 {
        another.read_to_end(&mut Vec::new()).unwrap();
        another = connect(world.addr);
    }
    assert_eq!(world.get("/api/version").status, 200);
    assert!(world.ended.is_empty(), "no thread has ended");
}

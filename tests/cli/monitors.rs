//! `check --remote`, the plugin for monitors: what it says and ends with, of a server that is well and of others.

use crate::world::{Said, World, alone, end};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// Looks with these options, and with limits that no machine's disk is beyond.
fn look(world: &World, options: &[&str]) -> Said {
    let mut command = alone(world, &["check", "--remote"]);
    end(command.args(options).args(["--warning-disk", "0%", "--critical-disk", "0%"]))
}

#[track_caller]
fn says(said: &Said, code: i32, begins: &str) {
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
    assert!(said.out.starts_with(begins), "{}", said.out);
    assert_eq!((said.out.lines().count(), said.err.as_str()), (1, ""), "one line is all: {}", said.out);
}

/// Answers every call as told, until the test ends.
fn server(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move |stream: TcpStream| -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let target = lines.next().and_then(Result::ok).unwrap_or_default();
        while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
        let (status, body) = answer(target.split(' ').nth(1).unwrap_or_default());
        let length = body.len();
        write!(&stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(serve(stream))));
    url
}

#[test]
fn a_running_server_is_looked_at_with_limits() {
    let world = World::with(2);
    let url = format!("http://{}", world.daemon().http);
    let said = look(&world, &[&url]);
    says(
        &said,
        0,
        "OK - 0 of 2 boards have failed; none waits | failed=0;0.1;0.5;0;2 free=2;;;0;2 used=0;;;0;2 ",
    );
    assert!(said.out.contains(" waiting=0;;;0 oldest_wait=0s;1800;7200;0 store_free="), "{}", said.out);
    // As other commands find it, without a URL of its own.
    let said = end(alone(
        &world,
        &["check", "--remote", "--timeout", "30s", "--warning-disk", "0%", "--critical-disk=0%"],
    )
    .env("MOZPOOL_URL", &url));
    says(&said, 0, "OK - ");

    world.daemon().post("device/board-001/state-change/ready/to/failed_power_cycling", json!({}));
    says(
        &look(&world, &[&url, "--critical-failed", "1"]),
        1,
        "WARNING - 1 of 2 boards have failed; none waits | failed=1;0.1;1;",
    );
    says(
        &look(&world, &[&url, "--critical-failed", "40%"]),
        2,
        "CRITICAL - 1 of 2 boards have failed; none waits | failed=1;0.1;0.8;",
    );
    says(
        &look(&world, &[&url, "--warning-failed", "1", "--critical-failed", "1"]),
        0,
        "OK - 1 of 2 boards have failed; ",
    );

    world.daemon().post("device/board-002/state-change/ready/to/locked_out", json!({}));
    world.done(&["request", "new", "demo"]);
    let well = [&url, "--warning-failed", "2", "--critical-failed", "2"];
    let waits = |options: &[&str]| look(&world, &[&well, options].concat());
    says(&waits(&["--warning-wait", "0s"]), 1, "WARNING - 1 request waits for a board, the oldest for ");
    says(
        &waits(&["--warning-wait", "0s", "--critical-wait", "0s"]),
        2,
        "CRITICAL - 1 request waits for a board",
    );
    says(&waits(&[]), 0, "OK - 1 of 2 boards have failed; 1 request waits, the oldest for ");
}

#[test]
fn a_server_that_is_gone_or_hangs_is_critical() {
    let mut world = World::with(1);
    let url = format!("http://{}", world.daemon().http);
    world.kill();
    says(&look(&world, &[&url]), 2, &format!("CRITICAL - {url} does not answer: "));
    // It takes the connection, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    says(&look(&world, &[&url, "--timeout", "1s"]), 2, &format!("CRITICAL - {url} does not answer: "));
}

#[test]
fn a_server_that_says_that_it_is_not_well_is_believed() {
    let world = World::with(1);
    let url = server(|target| match target {
        "/api/ready" => {
            let checks = json!([{"name": "store", "ok": false, "why": "it does not | answer"}, {"name": "bmm", "ok": true}]);
            (503, json!({ "ready": false, "checks": checks }).to_string())
        }
        _ => (200, "mozpool_build_info{version=\"1\"} 1\nmozpool_service_up{service=\"tftp\"} 0\n".into()),
    });
    says(
        &look(&world, &[&url]),
        2,
        "CRITICAL - store: it does not   answer; tftp has ended; no boards; none waits | waiting=0;",
    );
}

#[test]
fn what_cannot_be_judged_is_unknown() {
    let world = World::with(1);
    let url = format!("http://{}", world.daemon().http);
    let stranger = server(|_| (200, "hello".into()));
    says(&look(&world, &[&stranger]), 3, "UNKNOWN - ");
    let older = server(|target| if target == "/metrics" { (404, "{}".into()) } else { (200, "{}".into()) });
    says(&look(&world, &[&older]), 3, "UNKNOWN - ");
    for (option, value) in
        [("--warning-failed", "many"), ("--critical-disk", "7"), ("--warning-wait", "soon")]
    {
        let said = end(&mut alone(&world, &["check", "--remote", &url, option, value]));
        says(&said, 3, &format!("UNKNOWN - {option} is `{value}`"));
    }
    says(
        &look(&world, &["imaging-1.lab"]),
        3,
        "UNKNOWN - `imaging-1.lab` (from --url) is not a server's URL",
    );
    // What clap refuses is not taken for a server that is down, where a monitor asks.
    assert_eq!(end(&mut alone(&world, &["check", "--remote", &url, "--nonsense"])).code, 3);
    assert_eq!(end(&mut alone(&world, &["check", "--nonsense"])).code, 2);
    assert_eq!(end(&mut alone(&world, &["check", "--help"])).code, 0);
}

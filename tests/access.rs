//! The access log of the built daemon: every call has its line, and a client whose calls all fail has a few and a count.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod support;

use serde_json::json;
use support::{Daemon, Lab, wait_for};

/// The access log's lines that have `part`, without time and level.
fn lines(daemon: &Daemon, part: &str) -> Vec<String> {
    let said = daemon.said().into_iter().filter(|l| l.contains(" mozpool::access: ") && l.contains(part));
    said.map(|l| l.split_once("mozpool::access: ").unwrap().1.to_owned()).collect()
}

/// The only line that has `part`, without how long the call took.
fn line(daemon: &Daemon, part: &str) -> String {
    let line = wait_for(part, || lines(daemon, part).pop());
    let words: Vec<&str> = line.split(' ').collect();
    let ms = words.iter().position(|w| *w == "ms").unwrap();
    assert!(words[ms - 1].parse::<f64>().is_ok_and(|ms| ms >= 0.0), "{line}");
    [&words[..ms - 1], &words[ms + 1..]].concat().join(" ")
}

#[test]
fn every_call_says_who_what_status_bytes_and_time() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.get("device/board-1/state?first");
    assert_eq!(line(&daemon, "?first"), "GET /api/device/board-1/state?first 200 17 B peer=127.0.0.1");

    let id = daemon.request();
    let made = line(&daemon, "POST /api/device/any/request ");
    assert!(
        made.starts_with("POST /api/device/any/request 200 ") && made.ends_with(" assignee=\"ci\""),
        "{made}"
    );
    daemon.post(&format!("request/{id}/return?second"), json!({}));
    let returned = format!("POST /api/request/{id}/return?second 204 0 B peer=127.0.0.1 assignee=\"ci\"");
    assert_eq!(line(&daemon, "?second"), returned);
    daemon.call("GET", "device/none/state?third", None);
    assert!(line(&daemon, "?third").starts_with("GET /api/device/none/state?third 404 "));
    assert!(daemon.terminate().success());
}

#[test]
fn a_client_that_is_always_wrong_does_not_fill_the_log() {
    let lab = Lab::new();
    let daemon = lab.serve();
    for _ in 0..500 {
        assert_eq!(daemon.call("GET", "wrong", None).0, 404);
    }
    daemon.get("version?right");
    assert!(
        line(&daemon, "?right").starts_with("GET /api/version?right 200 "),
        "what is right is always shown"
    );
    // All windows end with the server, whether or not their time is over.
    let said = daemon.terminate_and_hear();
    let of =
        |part: &str| said.iter().filter(|l| l.contains(" mozpool::access: ") && l.contains(part)).count();
    let shown = of("GET /api/wrong 404");
    let left_out: usize = said
        .iter()
        .filter_map(|l| {
            l.split_once(" peer=127.0.0.1 ")?
                .1
                .strip_suffix(" more calls that failed within 10 s are not shown one by one")
        })
        .map(|n| n.parse::<usize>().unwrap())
        .sum();
    assert_eq!(shown + left_out, 500, "none is lost without a word");
    assert!(left_out > 0 && shown > 0, "{shown} shown, {left_out} left out");
}

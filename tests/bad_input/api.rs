//! The API's calls with bodies, names and numbers that cannot be meant: never a fault of ours, always a word on what is right.

use crate::rig::Rig;
use crate::support::wait_for;
use mozpool::api::call::Verb;
use mozpool::api::routes::ROUTES;
use mozpool::lab::Kind;
use serde_json::{Value, json};

/// Would begin a log line of its own if anything let it.
const FORGED: &str = "x\r\n2001-01-01T00:00:00.000Z info forged: entering state ready\u{1b}[2J\u{0}";

/// Bodies that are no object.
fn no_objects() -> Vec<Vec<u8>> {
    let texts = [
        "[",
        "[]",
        "3",
        "\"x\"",
        "true",
        "{\"a\":",
        "{\"a\" 1}",
        "{'a':1}",
        "{}{}",
        "NaN",
        "\0",
        "a=1&b=2",
        "{\"duration\":1e999999}",
        "<xml/>",
        "\u{feff}{}",
    ];
    let mut all: Vec<Vec<u8>> = texts.iter().map(|t| t.as_bytes().to_vec()).collect();
    all.push(b"{\"a\":\"\xff\"}".to_vec());
    all.push(b"{\"a\":\"\\ud800\"}".to_vec());
    all.push(b"[".repeat(200_000));
    all.push(b"{\"a\":".repeat(100_000));
    all
}

/// Values of every type and at every limit.
fn odd_values() -> Vec<Value> {
    let mut all = vec![
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(0.5),
        json!(1e300),
        json!(-1e300),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(4_294_967_296_u64),
        json!(""),
        json!(" "),
        json!("12x"),
        json!("-1"),
        json!("99999999999999999999"),
        json!("../../etc/passwd"),
        json!("<b>&\"'{{7*7}}"),
        json!([]),
        json!([1]),
        json!([[]]),
        json!({}),
        json!({"a": {"b": []}}),
        json!(FORGED),
    ];
    all.push(json!("x".repeat(100_000)));
    all
}

/// Every key that any call reads.
const KEYS: &[&str] = &[
    "assignee",
    "requester",
    "duration",
    "image",
    "environment",
    "hardware_type",
    "hardware_model",
    "processor",
    "tags",
    "queue_limit",
    "reason",
    "message",
    "percent",
    "comments",
    "pxe_config",
    "boot_config",
    "imaging_result",
    "url",
];

/// Paths of a route with good and bad names.
fn paths(pattern: &str) -> Vec<String> {
    let mut all = Vec::new();
    for event in ["please_image", "image_progress", "image_failed", "please_nothing", "%0aforged", "<b>"] {
        let path = pattern
            // Otherwise it waits for something to happen.
            .replace("/api/events", "/api/events?timeout=0")
            .replace("{requested}", "any")
            .replace("{device}", "board-1")
            .replace("{request}", "1")
            .replace("{event}", event)
            .replace("{from}", "new")
            .replace("{to}", if event == "please_image" { "ready" } else { event })
            .replace("{board}", "none")
            .replace("{type}", event)
            .replace("{name}", "none");
        if !all.contains(&path) {
            all.push(path);
        }
    }
    all
}

fn send(rig: &Rig, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    let answer = rig.raw(&bytes);
    let status = answer.get(9..12).and_then(|s| s.parse().ok());
    let status = status.unwrap_or_else(|| panic!("{method} {path}: no answer to {}", body.escape_ascii()));
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

/// An answer that a caller can do something with.
fn is_useful(status: u16, answer: &Value, of: &str) {
    assert!(status < 500 && status != 0, "{of}: {status} {answer}");
    if status >= 400 && answer.get("request").is_none() {
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.len() > 15 && answer["error"]["code"].is_string(), "{of}: {status} {answer}");
        assert!(!message.contains("panicked") && !message.contains(".rs:"), "{of}: {answer}");
    }
}

/// Every field of every kind of row, with every odd value: in a row of its own, and in an import.
#[test]
fn no_row_is_a_fault_of_ours() {
    let rig = Rig::start();
    let before = rig.daemon.get("lab/export?format=json");
    let good = |kind: Kind, name: &str| match kind {
        Kind::HardwareType => json!({ "type": name }),
        Kind::PxeConfig => json!({ "name": name, "contents": "x" }),
        Kind::Image => json!({ "name": name }),
        Kind::RelayBoard | Kind::Device => json!({ "name": name, "fqdn": "x.lab" }),
    };
    let path = |kind: Kind| match kind {
        Kind::HardwareType => "hardware_type/new",
        Kind::PxeConfig => "bmm/pxe_config/new",
        Kind::Image => "image/new",
        Kind::RelayBoard => "relay/new",
        Kind::Device => "device/new",
    };
    let mut calls = 0;
    for kind in Kind::ALL {
        for field in kind.fields().iter().chain(&["nothing", FORGED]) {
            for value in odd_values() {
                let mut row = good(kind, "new");
                row[*field] = value;
                let put = row.to_string();
                let lab = json!({ kind.name(): [good(kind, "first"), row] }).to_string();
                let import = "/api/lab/import?format=json&dry_run=1";
                for (method, path, text) in
                    [("PUT", format!("/api/{}?dry_run=1", path(kind)), put), ("POST", import.to_owned(), lab)]
                {
                    let (status, answer) = send(&rig, method, &path, text.as_bytes());
                    is_useful(status, &answer, &format!("{method} {path} {}", &text[..text.len().min(300)]));
                    assert!(
                        status < 300 || answer["error"]["code"] == "bad_row",
                        "{method} {path}: {answer}"
                    );
                    calls += 1;
                }
            }
        }
        for value in odd_values() {
            let text = json!({ kind.name(): value }).to_string();
            let (status, answer) = send(&rig, "POST", "/api/lab/import?format=json", text.as_bytes());
            is_useful(status, &answer, &text[..text.len().min(300)]);
        }
    }
    for format in ["toml", "json", "csv"] {
        for body in no_objects() {
            let path = format!("/api/lab/import?format={format}&origin={}", "%0d%0a2001-01-01".repeat(30));
            let (status, answer) = send(&rig, "POST", &path, &body);
            is_useful(status, &answer, &format!("{path} {}", body[..body.len().min(40)].escape_ascii()));
            calls += 1;
        }
    }
    println!("{calls} calls");
    assert_eq!(rig.daemon.get("lab/export?format=json"), before, "nothing was written");
    assert!(
        !rig.said().iter().any(|l| l.contains("panicked") || l.starts_with("2001-01-01")),
        "{:#?}",
        rig.said()
    );
}

#[test]
fn no_body_and_no_name_is_a_fault_of_ours() {
    let rig = Rig::start();
    // A request for the calls about requests, which then is over.
    let id = rig.daemon.request();
    assert_eq!(id, 1);
    rig.daemon.post("request/1/return", json!({}));
    let mut calls = 0;
    for route in ROUTES {
        let method = format!("{:?}", route.verb).to_uppercase();
        // Deletions are only asked for: the others need the board.
        let suffix = if route.verb == Verb::Delete { "?dry_run=1" } else { "" };
        for path in paths(route.path) {
            let (method, path) = (method.as_str(), format!("{path}{suffix}"));
            for body in no_objects() {
                let (status, answer) = send(&rig, method, &path, &body);
                is_useful(
                    status,
                    &answer,
                    &format!("{method} {path} {}", body[..body.len().min(40)].escape_ascii()),
                );
                calls += 1;
            }
            if route.verb != Verb::Post {
                continue;
            }
            let good = json!({
                "assignee": "ci", "duration": 60, "image": "web", "url": null, "queue_limit": 0, "percent": 1,
                "boot_config": "{}", "comments": "", "environment": "test",
            });
            for key in KEYS {
                for value in odd_values() {
                    let mut body = good.clone();
                    body[key] = value;
                    let text = body.to_string();
                    let (status, answer) = send(&rig, method, &path, text.as_bytes());
                    is_useful(
                        status,
                        &answer,
                        &format!("{method} {path} {key}: {}", &text[..text.len().min(300)]),
                    );
                    calls += 1;
                }
            }
        }
    }
    println!("{calls} calls");
    let said = rig.said();
    assert!(!said.iter().any(|l| l.starts_with("2001-01-01")), "a forged line");
    assert!(!said.iter().any(|l| l.contains("panicked") || l.contains(" error ")), "{said:#?}");
    let log = rig.daemon.get("device/board-1/log?limit=0");
    for line in log["log"].as_array().unwrap() {
        let message = line["message"].as_str().unwrap();
        assert!(!message.chars().any(char::is_control), "{message:?}");
        assert!(message.len() < 10_000, "{}", message.len());
    }
    for id in 1..50 {
        let (status, log) = rig.daemon.call("GET", &format!("request/{id}/log"), None);
        for line in log["log"].as_array().into_iter().flatten().filter(|_| status == 200) {
            let message = line["message"].as_str().unwrap();
            assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }
    assert_eq!(rig.daemon.fetch("hello").unwrap(), "hello\n");
    assert!(rig.daemon.get("version")["version"].is_string());
}

/// Call, key, value, and words of the answer that help.
#[test]
fn refusals_say_what_would_be_right() {
    let mut rig = Rig::start();
    rig.remember();
    let request = "/api/device/any/request";
    #[rustfmt::skip]
    let rows: &[(&str, &str, Value, &str)] = &[
        (request, "duration", json!(1e300), "1 to "),
        (request, "duration", json!(-5), "1 to "),
        (request, "duration", json!("12x"), "a number of seconds"),
        (request, "duration", json!("99999999999999999999"), "1 to "),
        (request, "duration", json!([]), "a number of seconds"),
        (request, "assignee", json!(7), "a string"),
        (request, "assignee", json!("  "), "who asks"),
        (request, "assignee", json!(FORGED), "control characters"),
        (request, "assignee", json!("x".repeat(10_000)), "at most"),
        (request, "reason", json!(FORGED), "control characters"),
        (request, "tags", json!("wifi"), "a list of strings"),
        (request, "queue_limit", json!(-1), "0 or more"),
        ("/api/device/board-1/set-environment", "environment", json!("any"), "any"),
        ("/api/device/board-1/set-environment", "environment", json!(FORGED), "control characters"),
        ("/api/device/board-1/set-environment", "environment", json!("x".repeat(10_000)), "at most"),
        ("/api/device/board-1/set-comments", "comments", json!({"a": 1}), "a string"),
        ("/api/device/board-1/event/image_progress", "percent", json!(101), "0 to 100"),
        ("/api/device/board-1/event/image_progress", "percent", json!("half"), "0 to 100"),
        ("/api/device/board-1/event/please_image", "boot_config", json!("{"), "JSON"),
        ("/api/device/board-1/event/please_image", "image", json!({}), "a string"),
        ("/api/device/board-1/power-cycle", "boot_config", json!([1]), "JSON object"),
    ];
    for (path, key, value, words) in rows {
        let mut body =
            json!({"assignee": "ci", "duration": 60, "image": "web", "url": null, "boot_config": "{}"});
        body[*key] = value.clone();
        let (status, answer) = send(&rig, "POST", path, body.to_string().as_bytes());
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 400 && message.contains(words), "{path} {key}: {status} {answer}");
        assert!(message.len() < 500, "{message}");
    }
    for (query, status) in [
        ("limit=x", 400),
        ("limit=-1", 400),
        ("limit=1e3", 400),
        ("timeperiod=12x", 400),
        ("timeperiod=%00", 400),
        ("limit=99999999999999999999999", 200),
        ("timeperiod=99999999999999999999999", 200),
        ("limit=%31", 200),
        ("limit=&timeperiod=", 200),
        ("limit", 200),
        ("%zz=%zz&&&===", 200),
    ] {
        let (got, answer) = send(&rig, "GET", &format!("/api/device/board-1/log?{query}"), b"");
        assert_eq!(got, status, "{query}: {answer}");
    }
    for device in ["none", "board-1%00", "board-1%0a", "BOARD-1%20", "%ff", "<script>", "any", "..", "%2e%2e"]
    {
        for call in ["state", "log", "status", "bootconfig", "event/ping_ok", "power", "ping"] {
            let (status, answer) = send(&rig, "GET", &format!("/api/device/{device}/{call}"), b"");
            assert_eq!(
                (status, &answer["error"]["code"]),
                (404, &json!("not_found")),
                "{device} {call}: {answer}"
            );
        }
    }
    for id in ["0", "-1", "1.5", "x", "99999999999999999999", "+1", "%31%00", "0x1"] {
        let (status, answer) = send(&rig, "GET", &format!("/api/request/{id}/status"), b"");
        assert_eq!(status, 404, "{id}: {answer}");
    }
    rig.nothing_changed();
    rig.is_well();
}

/// A board's words reach logs as words.
#[test]
fn nobody_forges_a_log_line() {
    let rig = Rig::start();
    let body = json!({"reason": FORGED}).to_string();
    send(&rig, "POST", "/api/device/board-1/event/image_failed", body.as_bytes());
    send(&rig, "POST", "/api/device/board-1/event/%0d%0a2001-01-01T00:00:00.000Z%20info", b"{}");
    send(
        &rig,
        "GET",
        "/api/device/board-1/event/image_failed?reason=a%0a2001-01-01T00:00:00.000Z%20info",
        b"",
    );
    send(&rig, "POST", "/api/device/board-1/state-change/x%0a2001-01-01/to/ready", b"{}");
    send(&rig, "POST", "/api/device/board-1/state-change/ready/to/pc_rebooting%0a2001-01-01", b"{}");
    rig.daemon.event("please_power_cycle", json!({}));
    rig.daemon.post("device/board-1/event/pc_rebooting", json!({"message": FORGED}));
    wait_for("the board's way", || (rig.daemon.state() != "ready").then_some(()));
    let said = rig.daemon.said();
    assert!(!said.iter().any(|l| l.starts_with("2001-01-01")), "{said:#?}");
    let log = rig.daemon.get("device/board-1/log?limit=0");
    for line in log["log"].as_array().unwrap() {
        let message = line["message"].as_str().unwrap();
        assert!(!message.chars().any(char::is_control), "{message:?}");
    }
}

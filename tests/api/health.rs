//! Whether the server lives, and whether it can work.

use crate::world::{Options, start, start_with};
use serde_json::json;

#[test]
fn health_shows_what_runs_and_asks_nobody() {
    // Layers that take nothing: nobody waits for them here.
    let world = start_with(&Options { stuck: Some(3), ..Options::default() });
    let answer = world.get("/api/health");
    assert_eq!(
        answer.json(),
        json!({
            "status": "ok",
            "server": "img1.lab",
            "version": env!("CARGO_PKG_VERSION"),
            "started": "2026-11-22T11:47:36.581Z",
            "services": [
                { "name": "http", "state": "running", "listens": ["tcp://127.0.0.1:8080"] },
                { "name": "lifeguard", "state": "running", "listens": [], "queued": 0, "queue_max": 3 },
                { "name": "tftp", "state": "off", "listens": [] },
                { "name": "syslog", "state": "running", "listens": ["udp://[::1]:10514"] },
            ],
        })
    );
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")));
    world.post("/api/device/panda-0001/power-off", "");
    assert_eq!(
        world.get("/api/device/panda-0001/event/ping_ok").status,
        503,
        "it waits in lifeguard's queue"
    );
    assert_eq!(world.get("/api/health/").json()["services"][1]["queued"], 1);
}

#[test]
fn a_process_that_loses_a_part_is_not_well() {
    let world = start();
    world.vitals.ended("http-2");
    let answer = world.get("/api/health");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert_eq!(answer.json()["status"], "failing");
    assert_eq!(answer.json()["services"][0]["state"], "ended");
}

#[test]
fn ready_is_when_store_and_layers_answer() {
    let world = start();
    let answer = world.get("/api/ready");
    let ok = |name: &str| json!({ "name": name, "ok": true });
    let checks = json!([ok("store"), ok("mozpool"), ok("lifeguard"), ok("bmm")]);
    assert_eq!((answer.status, answer.json()), (200, json!({ "ready": true, "checks": checks })));

    world.answers().silent = true;
    let answer = world.get("/api/ready/");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    let lost = json!({ "name": "lifeguard", "ok": false, "why": "its thread has not taken the question" });
    let checks = json!([ok("store"), ok("mozpool"), lost, ok("bmm")]);
    assert_eq!(answer.json(), json!({ "ready": false, "checks": checks }));
}

#[test]
fn layers_that_hang_and_layers_that_are_full_are_not_ready() {
    let why = |stuck| {
        let world = start_with(&Options { stuck: Some(stuck), ..Options::default() });
        let answer = world.get("/api/ready");
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["checks"][0], json!({ "name": "store", "ok": true }));
        let checks = answer.json()["checks"].as_array().unwrap()[1..].to_vec();
        checks.iter().map(|c| c["why"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(why(1), vec!["it has not answered within 2 s"; 3]);
    assert_eq!(why(0), vec!["its queue is full"; 3]);
}

#[test]
fn without_a_store_it_is_not_ready_and_lives() {
    let world = start();
    world.break_store();
    let answer = world.get("/api/ready");
    assert_eq!(
        answer.json()["checks"][0],
        json!({ "name": "store", "ok": false, "why": "it does not answer" })
    );
    assert_eq!((answer.status, world.get("/api/health").status), (503, 200));
}

#[test]
fn a_scrape_of_a_server_without_its_store_has_all_but_the_devices() {
    let world = start();
    let has = |line: &str| world.get("/metrics").text().lines().any(|l| l == line);
    assert!(
        has("mozpool_store_readable 1") && has("mozpool_devices_in_state{state=\"ready\"} 1"),
        "two more are others'"
    );
    // It goes on with what it has read before as long as nothing changes, so the store is lost before it is asked.
    let world = start();
    world.sql("ALTER TABLE devices RENAME TO lost");
    let answer = world.get("/metrics");
    let has = |line: &str| answer.text().lines().any(|l| l == line);
    assert_eq!(answer.status, 200);
    assert!(has("mozpool_store_readable 0"), "{}", answer.text());
    assert!(!answer.text().contains("\nmozpool_devices{"));
    assert!(has("mozpool_service_up{service=\"syslog\"} 1") && has("mozpool_requests_waiting 0"));
    assert!(!answer.text().contains("service=\"tftp\""), "what is switched off is neither up nor down");
}

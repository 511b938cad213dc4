//! The daemon while its database goes away, and when it is back.

use crate::mariadb::Server;
use crate::support::{Daemon, LIMIT, Lab, wait_for};
use serde_json::json;

#[test]
fn a_daemon_goes_on_without_its_database_and_with_it_again() {
    let server = Server::own(&[]);
    server.sql("CREATE DATABASE pool");
    let lab = Lab::on(&server.url("pool"));
    let daemon = Daemon::start(&lab.config(), LIMIT);
    let first = daemon.request();
    daemon.wait_for_state("pxe_booting");

    let folder = server.kill();
    // What boards need to boot is in memory.
    let config = daemon.fetch("pxelinux.cfg/01-02-00-00-00-00-01").unwrap();
    assert!(config.contains("kernel"), "{config}");
    let body = json!({ "assignee": "ci", "duration": 600, "image": "web", "url": "http://x/image" });
    let (status, said) = daemon.call("POST", "device/any/request/", Some(body.clone()));
    assert_eq!(status, 503, "{said}");
    let retry = retry_after(&daemon, "/api/request/list/");
    assert!(retry.is_some_and(|s| s > 0), "readers are told when to come again: {retry:?}");
    // The board goes on meanwhile; what it says is not lost.
    let events = ["mobile_init_started"];
    for event in events {
        let (status, said) = daemon.call("POST", &format!("device/board-1/event/{event}/"), Some(json!({})));
        assert!([200, 202, 503].contains(&status), "{status} {said}");
    }

    let server = Server::start(folder, &[]);
    let second = wait_for("requests to be taken again", || {
        let (status, said) = daemon.call("POST", "device/any/request/", Some(body.clone()));
        (status < 300 || status == 409).then_some(said)
    });
    assert!(second.is_object(), "{second}");
    let known = daemon.get(&format!("request/{first}/status/"));
    assert_eq!(known["state"], json!("pending"), "what was acknowledged is there: {known}");
    assert!(
        daemon
            .said()
            .iter()
            .any(|line| line.contains("wait for the store") || line.contains("the store failed"))
    );
    assert!(daemon.terminate().success());
    drop(server);
}

/// The answer's `Retry-After` of a call that cannot be answered now.
fn retry_after(daemon: &Daemon, path: &str) -> Option<u64> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent.get(format!("http://{}{path}", daemon.http)).call().unwrap();
    assert_eq!(answer.status().as_u16(), 503);
    answer.headers().get("retry-after")?.to_str().ok()?.parse().ok()
}

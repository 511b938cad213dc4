//! What happens is counted, on the built daemon: each number moves when its thing happens, and by as much.

use crate::scrape::{fetch, scrape};
use crate::support::{Daemon, Lab, mozpool, wait_for};
use mozpool::metrics::FAMILIES;
use serde_json::json;
use std::net::{TcpListener, UdpSocket};

const BOOT_FILE: &str = "pxelinux.cfg/01-02-00-00-00-00-01";

/// Plays the board until its image runs.
fn install(daemon: &Daemon) {
    daemon.wait_for_state("pxe_booting");
    assert!(daemon.fetch(BOOT_FILE).is_ok());
    for event in ["mobile_init_started", "image_downloading", "image_extracting", "image_rebooting"] {
        daemon.event(event, json!({}));
    }
}

#[test]
fn a_request_its_board_and_its_power_are_counted() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let first = scrape(daemon.http);
    assert_eq!(first.content_type, "text/plain; version=0.0.4; charset=utf-8");
    for family in FAMILIES {
        assert_eq!(first.types[family.name], family.kind.name(), "{}", family.name);
    }
    let free = r#"mozpool_devices{group="free",environment="test",hardware_type="test board"}"#;
    assert!((first.value(free) - 1.0).abs() < 0.1, "{}", first.text);

    let id = daemon.request();
    let waiting = daemon.request();
    wait_for("the second one to wait", || {
        let now = scrape(daemon.http);
        (now.value("mozpool_requests_waiting") > 0.0
            && now.value("mozpool_requests_oldest_waiting_seconds") > 0.0)
            .then_some(())
    });
    install(&daemon);
    daemon.wait_for_request(id, "ready");
    let ready = scrape(daemon.http);
    let is = |series: &str, want: f64| {
        let value = ready.value(series);
        assert!((value - want).abs() < 0.1, "{series} is {value}, not {want}\n{}", ready.text);
    };
    is("mozpool_requests_created_total", 2.0);
    is(r#"mozpool_requests{state="ready"}"#, 1.0);
    is(r#"mozpool_requests{state="finding_device"}"#, 1.0);
    is("mozpool_request_ready_duration_seconds_count", 1.0);
    is(r#"mozpool_devices_in_state{state="ready"}"#, 1.0);
    is(&free.replace("free", "used"), 1.0);
    is(r#"mozpool_power_operations_total{result="done"}"#, 1.0);
    is(r#"mozpool_attempts_ended_total{outcome="ok"}"#, 1.0);
    is(r#"mozpool_attempt_duration_seconds_count{purpose="image",outcome="ok"}"#, 1.0);
    is(r#"mozpool_device_state_duration_seconds_count{state="image_extracting"}"#, 1.0);
    is(&format!(r#"mozpool_relay_up{{relay="{}"}}"#, lab.relays.addr()), 1.0);
    is(r#"mozpool_tftp_transfers_total{result="done"}"#, 1.0);
    is(
        r#"mozpool_http_requests_total{method="POST",route="/api/device/{requested}/request",status="200"}"#,
        2.0,
    );
    is(
        r#"mozpool_http_requests_total{method="POST",route="/api/device/{device}/event/{event}",status="200"}"#,
        4.0,
    );
    assert!(
        ready.value(r#"mozpool_store_operation_duration_seconds_count{operation="commit_devices"}"#) > 5.0
    );
    assert!(ready.sum("mozpool_changes_total", &[]) > first.sum("mozpool_changes_total", &[]));
    assert!(ready.value("mozpool_tftp_sent_bytes_total") > 50.0 && ready.value("process_open_fds") > 10.0);
    // What the board did goes to the journal, which writes it a moment later.
    wait_for("the power cycle's duration", || {
        let now = scrape(daemon.http);
        (now.value(r#"mozpool_attempt_step_duration_seconds_count{kind="power"}"#) > 0.0).then_some(())
    });

    for request in [id, waiting] {
        daemon.post(&format!("request/{request}/return"), json!({}));
    }
    let done = scrape(daemon.http);
    assert!((done.value(r#"mozpool_requests_ended_total{how="closed"}"#) - 2.0).abs() < 0.1);
    assert!(done.sum("mozpool_requests", &[]).abs() < 0.1, "{}", done.text);
}

#[test]
fn what_waits_after_a_restart_has_waited_before() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let held = daemon.request();
    let waits = daemon.request();
    let age = |daemon: &Daemon| scrape(daemon.http).value("mozpool_requests_oldest_waiting_seconds");
    let before = wait_for("some age", || Some(age(&daemon)).filter(|age| *age > 0.1));
    daemon.kill();
    let daemon = lab.serve();
    assert!(age(&daemon) > before, "it was made before the restart");
    let _ = held;
    daemon.post(&format!("request/{waits}/return"), json!({}));
    assert!(age(&daemon).abs() < 0.001);
}

#[test]
fn what_fails_is_counted_by_its_cause() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.post("device/board-1/state-change/ready/to/failed_pinging", json!({}));
    let now = scrape(daemon.http);
    let failed = r#"mozpool_device_failures_total{state="failed_pinging",cause="a person has put it there"}"#;
    assert!((now.value(failed) - 1.0).abs() < 0.1, "{}", now.text);
}

#[test]
fn a_relay_board_that_is_broken_is_down_and_one_that_is_nobodys_is_not_told() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.event("please_power_cycle", json!({}));
    daemon.wait_for_state("ready");
    assert_eq!(scrape(daemon.http).of("mozpool_relay_up").len(), 1);
    // Nobody listens there any more, and at this address nobody else will.
    let broken = TcpListener::bind("127.0.0.77:0").unwrap().local_addr().unwrap();
    let text = format!("[[device]]\nname = \"board-1\"\nrelay_info = \"{broken}:bank1:relay1\"\n");
    let file = lab.path("broken.toml");
    std::fs::write(&file, text).unwrap();
    let url = format!("http://{}", daemon.http);
    let import = mozpool(&lab.config()).args(["lab", "import", "--url", &url]).arg(file).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    daemon.event("please_power_cycle", json!({}));
    let down = format!(r#"mozpool_relay_up{{relay="{broken}"}}"#);
    // A scrape's numbers are read one after the other: what is new in one need not be in another before the next scrape.
    let now = wait_for("the relay board to be missed, and its jobs to be counted", || {
        let now = scrape(daemon.http);
        let operations = |labels: &[&str]| now.sum("mozpool_power_operations_total", labels);
        let failed = operations(&[]) > operations(&["done"]);
        let is_down = now.of("mozpool_relay_up").iter().any(|(series, up)| *series == down && *up < 0.5);
        (failed && is_down).then_some(now)
    });
    assert_eq!(now.of("mozpool_relay_up").len(), 1, "the other one is nobody's any more");
}

#[test]
fn lines_and_files_are_counted() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    sender.send_to(b"<13>hello", daemon.syslog).unwrap();
    assert!(daemon.fetch("no/such/file").is_err());
    let now = wait_for("the line to be written", || {
        let now = scrape(daemon.http);
        (now.value("mozpool_journal_lines_written_total") > 0.0).then_some(now)
    });
    assert!((now.value(r#"mozpool_syslog_records_received_total{transport="udp"}"#) - 1.0).abs() < 0.1);
    assert!(
        (now.value(r#"mozpool_tftp_requests_refused_total{why="request"}"#) - 1.0).abs() < 0.1,
        "{}",
        now.text
    );
}

#[test]
fn odd_and_many_environments_neither_break_nor_fill_the_page() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let odd = "a\"b\\c,d}é";
    daemon.post("device/board-1/set-environment", json!({ "environment": odd }));
    let now = scrape(daemon.http);
    let labels = r#"group="free",environment="a\"b\\c,d}é",hardware_type="test board""#;
    assert!((now.value(&format!("mozpool_devices{{{labels}}}")) - 1.0).abs() < 0.1, "{}", now.text);

    let mut text = String::new();
    let long = "x".repeat(300);
    for n in 0..300 {
        // The last hundred differ only where nobody looks any more.
        let environment = if n < 200 { format!("e{n}") } else { format!("{long}{n}") };
        text += &format!(
            "[[device]]\nname = \"d{n}\"\nfqdn = \"d{n}.lab\"\nenvironment = \"{environment}\"\nstate = \"locked_out\"\n"
        );
    }
    let file = lab.path("many.toml");
    std::fs::write(&file, text).unwrap();
    let url = format!("http://{}", daemon.http);
    let import = mozpool(&lab.config()).args(["lab", "import", "--url", &url]).arg(file).output().unwrap();
    assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    let now = scrape(daemon.http);
    let series = now.of("mozpool_devices");
    assert!(series.len() <= 101 * 5, "{} series", series.len());
    let all: f64 = series.iter().map(|(_, n)| n).sum();
    assert!((all - 301.0).abs() < 0.1, "{all} devices");
    assert!(now.sum("mozpool_devices", &[r#"environment="(other)""#]) > 100.0);
    let longest = series.iter().map(|(series, _)| series.len()).max().unwrap();
    assert!(longest < 300, "{longest} characters");
    assert!(!now.text.contains("d17"), "no device has a series of its own");
}

#[test]
fn both_formats_say_the_same() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let open = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let (media, text) = fetch(daemon.http, open);
    assert_eq!(media, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("\n# EOF\n"));
    let plain = scrape(daemon.http);
    let names = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|l| !l.starts_with('#'));
        // The calls that the two scrapes themselves were are not the same.
        let lines = lines.filter(|l| !l.contains("mozpool_http_") && !l.contains("_store_operation_"));
        lines.map(|l| l.rsplit_once(' ').unwrap().0.to_owned()).collect()
    };
    assert_eq!(names(&text), names(&plain.text));
}

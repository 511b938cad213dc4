//! The built daemon with a relay board of ours, and a board that the test plays: requests, power, boot configs, crashes.

mod support;

use relayctl::PowerState;
use serde_json::json;
use std::process::Stdio;
use support::{Lab, mozpool, wait_for};

const BOOT_FILE: &str = "pxelinux.cfg/01-02-00-00-00-00-01";

/// Plays the board from the boot loader to the moment when it writes its disk.
fn boot_and_extract(daemon: &support::Daemon) {
    daemon.wait_for_state("pxe_booting");
    let config = daemon.fetch(BOOT_FILE).expect("its own boot config");
    assert!(config.contains("/files/second-stages/write-image.sh"), "{config}");
    assert!(config.contains(&format!("mozpool-server={}", daemon.http)), "{config}");
    daemon.event("mobile_init_started", json!({}));
    assert!(daemon.fetch(BOOT_FILE).is_err(), "the next boot is from its own disk");
    daemon.event("image_downloading", json!({}));
    let boot_config = daemon.get("device/board-1/bootconfig");
    assert_eq!(boot_config, json!({"url": "http://x/image"}));
    daemon.event("image_extracting", json!({}));
}

#[test]
fn a_request_powers_images_checks_and_hands_over() {
    let lab = Lab::new();
    let daemon = lab.serve();
    assert!(daemon.fetch("pxelinux.cfg/default").expect("for everybody").contains("localboot"));
    let id = daemon.request();
    boot_and_extract(&daemon);
    assert_eq!(lab.power(), PowerState::On);
    daemon.event("image_progress", json!({"percent": 50}));
    daemon.event("image_rebooting", json!({}));
    daemon.wait_for_request(id, "ready");
    let states: Vec<_> =
        daemon.log("statemachine").into_iter().filter(|l| l.starts_with("entering")).collect();
    let wanted = [
        "start_pxe_boot",
        "pxe_power_cycling",
        "pxe_booting",
        "mobile_init_started",
        "image_downloading",
        "image_extracting",
        "image_pinging",
        "operation_complete",
        "ready",
    ];
    assert_eq!(states, wanted.map(|s| format!("entering state {s}")));

    // The same again: the image is on it, so it needs only a power cycle … but `web` may not be reused.
    let (status, _) = daemon.call("POST", &format!("request/{id}/return"), None);
    assert_eq!(status, 204);
    assert_eq!(daemon.get(&format!("request/{id}/status"))["state"], "closed");
    daemon.event("please_power_cycle", json!({}));
    daemon.wait_for_state("ready");
    let device = daemon.get("device/list?details=1")["devices"][0].clone();
    assert_eq!((&device["image"], &device["request_id"]), (&json!("web"), &json!(null)));
    assert!(daemon.terminate().success());
}

#[test]
fn a_daemon_killed_in_the_middle_goes_on_where_it_was() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let id = daemon.request();
    boot_and_extract(&daemon);
    daemon.kill();
    let daemon = lab.serve();
    assert_eq!(daemon.state(), "image_extracting");
    daemon.event("image_rebooting", json!({}));
    daemon.wait_for_request(id, "ready");
    assert_eq!(daemon.get(&format!("request/{id}/details"))["assigned_device"], "board-1");
}

#[test]
fn a_bad_image_ends_the_request_honestly_and_the_board_heals() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let id = daemon.request();
    for _ in 0..2 {
        boot_and_extract(&daemon);
        daemon.event("image_failed", json!({"reason": "checksum: expected 1 got 2"}));
        // There is no live self-test in this lab: it is a power cycle and the check of nothing but ping.
        wait_for("the board to heal", || (daemon.state() != "image_extracting").then_some(()));
    }
    daemon.wait_for_request(id, "failed_bad_image");
    daemon.wait_for_state("ready");
    assert_eq!(lab.power(), PowerState::On);
    let log = daemon.log("statemachine");
    assert!(log.iter().any(|l| l.contains("checksum: expected 1 got 2")), "{log:#?}");
    let (status, _) = daemon.call("POST", &format!("request/{id}/return"), None);
    assert_eq!((status, &daemon.get(&format!("request/{id}/status"))["state"]), (204, &json!("closed")));
}

#[test]
fn what_happened_is_in_reports_also_after_a_kill() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let had = daemon.request();
    boot_and_extract(&daemon);
    daemon.event("image_rebooting", json!({}));
    daemon.wait_for_request(had, "ready");
    daemon.kill();
    let daemon = lab.serve();
    daemon.post(&format!("request/{had}/return"), json!({}));
    daemon.wait_for_state("ready");
    let failed = daemon.request();
    for _ in 0..2 {
        boot_and_extract(&daemon);
        daemon.event("image_failed", json!({"reason": "checksum: expected 1 got 2"}));
        wait_for("the board to heal", || (daemon.state() != "image_extracting").then_some(()));
    }
    daemon.wait_for_request(failed, "failed_bad_image");
    daemon.wait_for_state("ready");
    daemon.post("device/board-1/state-change/ready/to/failed_pinging", json!({}));

    let history = daemon.get("device/board-1/history");
    let history: Vec<_> = history["history"].as_array().expect("spells").iter().rev().collect();
    let groups: Vec<_> = history.iter().map(|s| s["group"].as_str().expect("a group")).collect();
    assert_eq!(
        groups,
        // Installed, used, returned; given to the request twice, and each time the image failed and the board healed.
        [
            "free", "working", "used", "free", "working", "failed", "working", "free", "working", "failed",
            "working", "free", "failed", "working"
        ],
        "{history:#?}"
    );
    assert_eq!((&history[2]["request_id"], &history[2]["image"]), (&json!(had), &json!("web")));
    assert_eq!(history[5]["cause"], "it says that the image is bad: checksum: expected 1 got 2");
    assert_eq!(history[12]["cause"], "a person has put it there, from 127.0.0.1");

    let rows = |report: &str| daemon.get(&format!("report/{report}"))["rows"].clone();
    let used = &rows("use")[0];
    assert_eq!((&used["assignee"], &used["requests"]), (&json!("ci"), &json!(1)), "{used}");
    let ready = &rows("ready?by=hardware")[0];
    assert_eq!(
        (&ready["hardware"], &ready["count"], &ready["failed"]),
        (&json!("test board"), &json!(1), &json!(1)),
        "{ready}"
    );
    let bad_image = &rows("failures")[0];
    assert_eq!((&bad_image["count"], &bad_image["image"]), (&json!(2), &json!("web")), "{bad_image}");
    assert_eq!(rows("availability?by=device")[0]["device"], "board-1");
    assert_eq!(rows("status")[0]["working"], 1);
}

#[test]
fn what_is_repaired_leaves_the_repair_list() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.post("device/board-1/set-comments", json!({"comments": "loose plug?"}));
    daemon.post("device/board-1/state-change/ready/to/failed_power_cycling", json!({}));
    let list = daemon.get("repair/list");
    let [board] = &list["devices"].as_array().expect("devices")[..] else { panic!("{list}") };
    assert_eq!(
        (&board["state"], &board["comments"]),
        (&json!("failed_power_cycling"), &json!("loose plug?"))
    );
    assert_eq!(board["cause"], "a person has put it there, from 127.0.0.1");
    assert_eq!(board["failures"], 1);
    let log = board["last_log"].as_array().expect("lines");
    assert_eq!(log.last().expect("a line")["message"], "device has failed: failed_power_cycling", "{log:#?}");
    daemon.event("please_self_test", json!({}));
    assert_eq!(daemon.get("repair/list"), json!({"devices": []}));
    daemon.wait_for_state("ready");
}

#[test]
fn a_named_board_in_use_is_a_conflict() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let id = daemon.request();
    let body = json!({"assignee": "eve", "duration": 60, "image": "web", "url": null});
    let (status, answer) = daemon.call("POST", "device/board-1/request", Some(body));
    assert_eq!(status, 409, "{answer}");
    assert_eq!(answer["request"]["assignee"], "eve", "{answer}");
    let second = answer["request"]["id"].as_i64().expect("a number");
    assert_eq!(daemon.get(&format!("request/{second}/status"))["state"], "closed");
    assert_ne!(daemon.get(&format!("request/{id}/status"))["state"], "closed");
}

#[test]
fn a_waiting_request_gets_the_board_the_moment_it_is_free() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let first = daemon.request();
    let second = daemon.request();
    assert_eq!(daemon.get(&format!("request/{second}/status"))["state"], "finding_device");
    boot_and_extract(&daemon);
    daemon.event("image_rebooting", json!({}));
    daemon.wait_for_request(first, "ready");
    daemon.post(&format!("request/{first}/return"), json!({}));
    let asked = std::time::Instant::now();
    daemon.wait_for_request(second, "pending");
    assert!(asked.elapsed() < std::time::Duration::from_secs(9), "it waited for its ten seconds");
}

#[test]
fn locked_out_means_hands_off() {
    let lab = Lab::new();
    let daemon = lab.serve();
    assert_eq!(daemon.event("please_offline", json!({}))["state"], "locked_out");
    let before = lab.relays.connections();
    for path in ["power-cycle", "power-off", "power-on", "clear-pxe"] {
        let (status, answer) = daemon.call("POST", &format!("device/board-1/{path}"), None);
        assert_eq!(status, 409, "{path}: {answer}");
    }
    assert_eq!(lab.relays.connections(), before);
    assert_eq!(daemon.event("please_online", json!({}))["state"], "pc_power_cycling");
    daemon.wait_for_state("ready");
}

#[test]
fn a_change_is_told_to_whoever_waits_and_none_is_lost_or_told_twice_by_a_kill() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let start = daemon.get("events?timeout=0")["last"].as_u64().expect("a number");
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| daemon.get(&format!("events?after={start}&device=board-1&timeout=50")));
        daemon.event("please_power_cycle", json!({}));
        waiting.join().expect("it is told")
    });
    let first = &answer["changes"][0];
    assert_eq!(
        (&first["seq"], &first["kind"], &first["what"]),
        (&json!(start + 1), &json!("device"), &json!("state"))
    );
    assert_eq!(first["data"]["was"], "ready");
    assert_eq!(first["data"]["state"], "pc_power_cycling");
    daemon.wait_for_state("ready");

    // A client that follows, is cut off by a crash, and goes on after the last that it has heard.
    let mut heard = Vec::new();
    support::Stream::open(daemon.http, start).read_until(&mut heard, |c| c["data"]["state"] == "ready");
    daemon.event("please_offline", json!({}));
    daemon.kill();
    let daemon = lab.serve();
    daemon.event("please_online", json!({}));
    let last = heard.last().expect("some")["seq"].as_u64().expect("a number");
    let mut stream = support::Stream::open(daemon.http, last);
    stream.read_until(&mut heard, |c| c["data"]["was"] == "locked_out");
    let numbers: Vec<u64> = heard.iter().map(|c| c["seq"].as_u64().expect("a number")).collect();
    assert_eq!(numbers, (start + 1..=start + numbers.len() as u64).collect::<Vec<_>>());
    assert!(heard.iter().any(|c| c["data"]["state"] == "locked_out"), "acknowledged before the kill");
    // Who has heard of it sees it, and a stop does not wait for who listens.
    assert_ne!(daemon.state(), "locked_out");
    assert!(daemon.terminate().success());
}

#[test]
fn what_a_board_says_is_in_its_log() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.send_to(b"<13>Jan  1 00:00:01 init: hello <script>", daemon.syslog).expect("it is sent");
    let line = wait_for("the line", || daemon.log("syslog").into_iter().next());
    assert_eq!(line, "init: hello <script>");
}

#[test]
fn a_second_daemon_on_the_same_store_refuses_to_start() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let second = mozpool(&lab.config()).arg("serve").stderr(Stdio::piped()).output().expect("it runs");
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("process {}", daemon.pid())), "{said}");
}

#[test]
fn a_taken_port_is_named_with_its_holder() {
    let lab = Lab::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("it is bound");
    let text = std::fs::read_to_string(lab.config()).expect("the configuration");
    let text = text.replacen("127.0.0.1:0", &addr.to_string(), 1);
    std::fs::write(lab.config(), text).expect("the configuration");
    let output = mozpool(&lab.config()).arg("serve").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&addr.to_string()) && said.contains(&std::process::id().to_string()), "{said}");
}

#[test]
fn stopping_in_the_middle_of_a_power_cycle_leaves_the_board_on() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.event("please_power_cycle", json!({}));
    let bank = relayctl::Bank::new(1).expect("bank 1");
    let relay = relayctl::Relay::new(1).expect("relay 1");
    // Boards start without power here, so the cycle's own "off" shows in the wire log only.
    wait_for("the cycle to begin", || (lab.relays.connections() > 0).then_some(()));
    assert!(daemon.terminate().success());
    assert!(lab.relays.wait_for_power(bank, relay, PowerState::On, support::LIMIT));
}

#[test]
fn a_daemon_started_by_root_becomes_its_user_and_still_pings() {
    assert!(nix::unistd::geteuid().is_root(), "becoming another user needs root: run the tests as root");
    let lab = Lab::new();
    let text = std::fs::read_to_string(lab.config()).expect("the configuration");
    std::fs::write(lab.config(), text.replacen("[server]", "[server]\nuser = \"nobody\"", 1))
        .expect("the configuration");
    let owned = std::process::Command::new("chown").args(["-R", "nobody"]).arg(lab.folder.path()).status();
    assert!(owned.expect("chown runs").success());
    let daemon = lab.serve();
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("it runs");
    assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"), "{status}");
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    // The socket was opened before.
    assert_eq!(daemon.get("device/board-1/ping"), json!({"success": true}));
    assert!(daemon.terminate().success());
}

/// Every name that U-Boot asks for, in its order, with the boot file's folder in front or not: the answer is an error or a text,
/// and it comes at once, for only that makes a board go on.
#[test]
fn a_u_boot_finds_its_config_behind_all_the_names_that_are_not_there() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.event("please_start_maintenance", json!({}));
    daemon.wait_for_state("pxe_booting");
    for folder in ["", "/", "boot/", "/a/b/"] {
        let ask = |name: &str| daemon.fetch(&format!("{folder}pxelinux.cfg/{name}"));
        let hex = ["7F000001", "7F00000", "7F0000", "7F000", "7F00", "7F0", "7F", "7"];
        let uuid = "b8945908-d6a6-41a9-611d-74a6ab80b83d";
        let other_board = "01-02-00-00-00-00-02";
        for name in [&[uuid, other_board][..], &hex, &["default-arm-omap4", "default-arm"]].concat() {
            match ask(name) {
                // RFC 1350 section 5: file not found.
                Err(tftpd::FetchError::Refused { code: 1, .. }) => {}
                other => panic!("{folder}{name}: {other:?}"),
            }
        }
        assert!(ask("01-02-00-00-00-00-01").expect("its own").contains("maintenance.sh"), "{folder}");
        assert!(ask("default").expect("for everybody").contains("localboot -1"), "{folder}");
    }
}

#[test]
fn a_u_boot_that_asks_for_a_script_is_told_to_look_for_its_config() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let fetch = |name: &str| {
        let options =
            tftpd::FetchOptions { local: Some([127, 0, 0, 1].into()), ..tftpd::FetchOptions::default() };
        tftpd::fetch(daemon.tftp, name, &options).map(|f| f.bytes)
    };
    for name in ["boot.scr.uimg", "boot/boot.scr.uimg"] {
        let script = fetch(name).expect("a script");
        let text = String::from_utf8_lossy(&script);
        assert!(text.contains("if pxe get; then pxe boot; fi"), "{name}: {text}");
    }
    assert!(fetch("boot.scr").is_err(), "that name is another one");
    // What a lab puts there goes before ours.
    std::fs::write(lab.path("tftp/boot.scr.uimg"), "theirs").expect("a file");
    assert_eq!(fetch("boot.scr.uimg").expect("a file"), b"theirs");
}

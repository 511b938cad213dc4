//! Boards are not trusted: a daemon is told by curl, from several addresses, what a board might say, and what it might not.

#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod support;

use std::process::Command;
use support::{Daemon, Lab, wait_for};

/// The board's address, as the lab has it, and another one.
const OWN: &str = "127.0.0.1";
const OTHER: &str = "127.0.0.2";

/// The status of an answer to a report, and the answer's text.
fn report(daemon: &Daemon, from: &str, token: Option<&str>, event: &str) -> (String, String) {
    let url = format!("http://{}/api/device/board-1/event/{event}/", daemon.http);
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "60", "--noproxy", "*", "--interface", from, "-d", "{}"]);
    curl.args(["-w", "\n%{http_code}", &url]);
    if let Some(token) = token {
        curl.args(["-H", &format!("Mozpool-Boot: {token}")]);
    }
    let output = curl.output().expect("the Debian package curl");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.to_owned(), body.to_owned())
}

/// Waits until the board is to boot its live system; the token that it is to show.
fn booting(daemon: &Daemon) -> String {
    daemon.wait_for_state("pxe_booting");
    daemon.token_offered("board-1").expect("a token on its kernel line")
}

fn refused(daemon: &Daemon) -> Vec<String> {
    let mut lines = daemon.log("statemachine");
    lines.retain(|line| line.starts_with("refused event"));
    lines
}

#[test]
fn only_the_board_in_its_present_boot_is_believed() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.request();
    let first = booting(&daemon);
    let wrong = "0".repeat(32);
    for (from, token) in
        [(OWN, None), (OWN, Some(&*wrong)), (OWN, Some("x")), (OTHER, Some(&*first)), (OTHER, None)]
    {
        let (status, body) = report(&daemon, from, token, "mobile_init_started");
        assert_eq!(status, "403", "{from} {token:?}: {body}");
        assert!(body.contains("\"not_the_board\"") && !body.contains(&first), "{body}");
        assert_eq!(daemon.state(), "pxe_booting", "{from} {token:?}");
    }
    assert_eq!(report(&daemon, OWN, Some(&first), "mobile_init_started").0, "200");
    assert_eq!(daemon.state(), "mobile_init_started");

    // It is given up and booted again; the first boot comes late.
    assert_eq!(report(&daemon, OWN, Some(&first), "mobile_init_failed").0, "200");
    let second = booting(&daemon);
    assert_ne!(first, second);
    let (status, body) = report(&daemon, OWN, Some(&first), "mobile_init_started");
    assert_eq!((status.as_str(), &*daemon.state()), ("403", "pxe_booting"), "{body}");
    assert!(body.contains("not that of the device's present boot"), "{body}");
    assert_eq!(report(&daemon, OWN, Some(&second), "mobile_init_started").0, "200");

    // Told once for each reason and boot, and counted each time.
    let told = wait_for("the log to have it", || Some(refused(&daemon)).filter(|lines| lines.len() == 4));
    assert!(told.iter().all(|line| !line.contains(&first) && !line.contains(&second)), "{told:?}");
    let services = daemon.get("health")["services"].clone();
    let lifeguard = services.as_array().unwrap().iter().find(|s| s["name"] == "lifeguard").unwrap().clone();
    let counted = ["foreign", "no_token", "other_boot", "no_address", "not_for_boards"]
        .map(|reason| lifeguard["counters"][format!("refused_{reason}")].as_u64().unwrap());
    assert_eq!(counted, [2, 2, 2, 0, 0]);
    // Neither the daemon's log nor what people are shown has a token.
    let shown = daemon.get("device/board-1/pxe").to_string();
    let said = daemon.terminate_and_hear().join("\n");
    for token in [&first, &second] {
        assert!(!said.contains(token.as_str()) && !shown.contains(token.as_str()), "{shown}\n{said}");
    }
}

#[test]
fn no_board_speaks_for_the_hardware() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.request();
    let token = booting(&daemon);
    assert_eq!(report(&daemon, OWN, Some(&token), "mobile_init_started").0, "200");
    for event in ["image_downloading", "image_extracting", "image_rebooting"] {
        assert_eq!(report(&daemon, OWN, Some(&token), event).0, "200", "{event}");
    }
    // That what it runs is well is for the checks from outside to say.
    let (status, body) = report(&daemon, OWN, Some(&token), "ping_ok");
    assert_eq!(status, "403", "{body}");
    assert!(body.contains("\"not_the_board\"") && body.contains("the hardware layer finds it out"), "{body}");
}

#[test]
fn a_daemon_that_is_killed_knows_the_boot_when_it_is_back() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.request();
    let token = booting(&daemon);
    daemon.kill();
    let daemon = lab.serve();
    assert_eq!(daemon.token_offered("board-1").as_ref(), Some(&token));
    assert_eq!(report(&daemon, OWN, None, "mobile_init_started").0, "403");
    assert_eq!(report(&daemon, OWN, Some(&token), "mobile_init_started").0, "200");
    // In the middle of its work the token stands on no boot config any more.
    daemon.kill();
    let daemon = lab.serve();
    assert_eq!(daemon.token_offered("board-1"), None);
    assert_eq!(report(&daemon, OWN, None, "image_downloading").0, "403");
    assert_eq!(report(&daemon, OWN, Some(&token), "image_downloading").0, "200");
    assert_eq!(daemon.state(), "image_downloading");
}

#[test]
fn a_reload_makes_do_with_less() {
    let lab = Lab::new();
    let config = std::fs::read_to_string(lab.config()).unwrap();
    let daemon = lab.serve();
    daemon.request();
    booting(&daemon);
    assert_eq!(report(&daemon, OWN, None, "mobile_init_started").0, "403");
    let reload = |section: &str| {
        std::fs::write(lab.config(), format!("{config}[boards]\n{section}\n")).unwrap();
        let before = daemon.said().len();
        let pid = nix::unistd::Pid::from_raw(daemon.pid().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGHUP).unwrap();
        wait_for("the reload", || {
            daemon.said()[before..].iter().any(|l| l.contains("holds from now on")).then_some(())
        });
    };
    reload("events = \"address\"");
    assert_eq!(report(&daemon, OTHER, None, "mobile_init_started").0, "403");
    assert_eq!(report(&daemon, OWN, None, "mobile_init_started").0, "200");
    reload(&format!("events = \"address\"\ngateways = [\"{OTHER}\"]"));
    assert_eq!(report(&daemon, OTHER, None, "image_downloading").0, "200");
    reload("events = \"plain\"");
    assert_eq!(report(&daemon, "127.0.0.3", None, "image_extracting").0, "200");
    assert_eq!(daemon.state(), "image_extracting");
    assert_eq!(
        report(&daemon, OWN, None, "ping_ok").0,
        "403",
        "the hardware's word is no board's in any of them"
    );
    // What people ask needed no proof in any of them.
    assert_eq!(report(&daemon, OTHER, None, "please_offline").0, "200");
}

//! The built program: words, JSON, exit codes, mistakes, and both of its sides together.
#![allow(clippy::unwrap_used)]

use relayctl::fake::Misbehaviour;
use relayctl::{Bank, FakeBoard, FakeSettings, PowerState, Relay};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

fn fake() -> FakeBoard {
    FakeBoard::start("127.0.0.1:0".parse().unwrap(), FakeSettings::default()).unwrap()
}
fn power(board: &FakeBoard) -> PowerState {
    board.power(Bank::new(1).unwrap(), Relay::new(3).unwrap())
}

fn relayctl(args: &str) -> (i32, String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_relayctl")).args(args.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code().expect("not killed"), text(done.stdout), text(done.stderr))
}

#[track_caller]
fn says(args: &str, stdout: &str) {
    assert_eq!(relayctl(args), (0, stdout.into(), String::new()), "relayctl {args}");
}

#[test]
fn the_words_are_those_scripts_know() {
    let board = fake();
    let at = board.addr();
    says(&format!("status {at} 1 3"), "bank 1, relay 3 status: off\n");
    says(&format!("turnon {at} 1 3"), "OK\n");
    assert_eq!(power(&board), PowerState::On);
    says(&format!("status {at} 1 3"), "bank 1, relay 3 status: on\n");
    says(&format!("turnoff {at} 1 3"), "OK\n");
    assert_eq!(power(&board), PowerState::Off);
    says(&format!("powercycle {at} 1 3"), "OK\n");
    assert_eq!(power(&board), PowerState::On);
    says(&format!("status --wiring no {at} 1 3"), "bank 1, relay 3 status: off\n");
    says(&format!("test {at}"), "OK\n");
    let (code, bank, _) = relayctl(&format!("bank {at} 1"));
    let lines: Vec<&str> = bank.lines().collect();
    assert_eq!((code, lines.len()), (0, 8));
    assert_eq!(lines[2], "bank 1, relay 3 status: on");
    assert_eq!(lines[7], "bank 1, relay 8 status: off");
}

#[track_caller]
fn json_of(args: &str) -> (i32, Value) {
    let (code, out, _) = relayctl(args);
    assert_eq!(out.lines().count(), 1, "{out}");
    (code, serde_json::from_str(&out).unwrap())
}

#[test]
fn json_is_one_object_for_success_and_failure() {
    let board = fake();
    let at = board.addr();
    let one = |power| json!({ "ok": true, "board": at.to_string(), "bank": 1, "relay": 3, "power": power });
    assert_eq!(json_of(&format!("status --json {at} 1 3")), (0, one("off")));
    assert_eq!(json_of(&format!("turnon --json {at} 1 3")), (0, one("on")));
    assert_eq!(json_of(&format!("test --json {at}")), (0, json!({ "ok": true, "board": at.to_string() })));
    let (code, bank) = json_of(&format!("bank {at} 1 --json"));
    assert_eq!((code, &bank["relays"]["3"], &bank["relays"]["4"]), (0, &json!("on"), &json!("off")));
    board.set_misbehaviour(Misbehaviour::StuckRelay);
    let (code, failed) = json_of(&format!("turnoff --json {at} 1 3"));
    assert_eq!(code, 1);
    assert_eq!((&failed["ok"], &failed["fault"]), (&json!(false), &json!("not_moved")));
    assert_eq!(
        (&failed["step"], &failed["power"]),
        (&json!("checking that the device is off"), &json!("unverified"))
    );
}

#[test]
fn failures_say_failed_and_why_within_the_time_limit() {
    let board = fake();
    board.set_misbehaviour(Misbehaviour::Mute);
    let at = board.addr();
    for args in ["turnon {} 1 3", "turnoff {} 1 3", "status {} 1 3", "test {}", "bank {} 1"] {
        let begun = Instant::now();
        let (code, out, why) = relayctl(&format!("{} --timeout 0.2", args.replace("{}", &at.to_string())));
        assert_eq!((code, out.as_str()), (1, "FAILED\n"), "{args}");
        assert!(why.contains("did not answer in time") && why.contains(&at.to_string()), "{why}");
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

#[test]
fn mistakes_exit_2_and_say_what_would_be_right() {
    let check = |args: &str, right: &str| {
        let (code, out, why) = relayctl(args);
        assert_eq!((code, out.as_str()), (2, ""), "relayctl {args}");
        assert!(why.contains(right), "relayctl {args}: {why}");
    };
    check("status host 0 1", "write a number from 1 to 32");
    check("status host 33 1", "write a number from 1 to 32");
    check("status host 1 9", "write a number from 1 to 8");
    check("status host 1 x", "write a number from 1 to 8");
    check("status host:http 1 1", "write a number from 1 to 65535");
    check("status host:0 1 1", "write a number from 1 to 65535");
    check("status ho/st 1 1", "is not a host");
    check("status fd00::5 1 1", "[fd00::5]");
    check("status host 1", "<RELAY>");
    check("status host 1 1 --timeout 0", "number of seconds");
    check("status host 1 1 --wiring yes", "nc (normally closed");
    check("frobnicate host 1 1", "unrecognized subcommand");
    check("", "Usage");
    check("fake --banks 0", "write a number from 1 to 32");
    check("fake --listen here", "127.0.0.1:2101");
    check("fake --initial maybe", "write on or off");
}

#[test]
fn help_has_examples_and_exit_codes() {
    let (code, help, _) = relayctl("--help");
    assert_eq!(code, 0);
    for part in ["relayctl powercycle panda-relay-001 1 3", "Exit codes", "power of the device"] {
        assert!(help.contains(part), "{part}");
    }
}

/// `relayctl fake`, killed if a test fails.
struct Fake {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Fake {
    fn start(args: &[&str]) -> (Self, SocketAddr) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_relayctl"))
            .args(["fake", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut fake = Self { child, lines };
        let addr = fake.line().strip_prefix("listening on ").expect("first line").parse().unwrap();
        (fake, addr)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().into()
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("/bin/sh")
                .args(["-c", &format!("kill -{signal} {pid}")])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_program_cycles_its_own_fake_board_which_runs_a_command_per_change() {
    let on_change = "echo command rack1";
    let (mut fake, at) = Fake::start(&["--initial", "on", "--recovery-ms", "100", "--on-change", on_change]);
    says(&format!("powercycle {at} 1 3"), "OK\n");
    // The board rests now; the program waits for it.
    says(&format!("turnoff {at} 4 8"), "OK\n");
    let seen: Vec<String> = (0..6).map(|_| fake.line()).collect();
    let expected = [
        "bank 1, relay 3: off",
        "command rack1 1 3 off",
        "bank 1, relay 3: on",
        "command rack1 1 3 on",
        "bank 4, relay 8: off",
        "command rack1 4 8 off",
    ];
    assert_eq!(seen, expected);
    fake.signal("TERM");
    assert_eq!(fake.child.wait().unwrap().code(), Some(0));
}

#[test]
fn control_c_ends_the_fake_board_with_0() {
    let (mut fake, _) = Fake::start(&[]);
    fake.signal("INT");
    assert_eq!(fake.child.wait().unwrap().code(), Some(0));
    assert_eq!(fake.line(), "");
}

#[test]
fn a_taken_port_is_a_failure_with_the_address() {
    let board = fake();
    let (code, _, why) = relayctl(&format!("fake --listen {}", board.addr()));
    assert_eq!(code, 1);
    assert!(why.contains(&board.addr().to_string()) && why.contains("in use"), "{why}");
}

#[test]
fn control_c_does_not_leave_a_device_off() {
    let settings = FakeSettings { initial: PowerState::On, ..FakeSettings::default() };
    let board = FakeBoard::start("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_relayctl"))
        .args(["powercycle", &board.addr().to_string(), "1", "3"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (bank, relay) = (Bank::new(1).unwrap(), Relay::new(3).unwrap());
    assert!(board.wait_for_power(bank, relay, PowerState::Off, Duration::from_secs(20)));
    let kill = format!("kill -INT {0} && kill -TERM {0}", child.id());
    assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(power(&board), PowerState::On);
    let said = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(said.contains("finishing the power cycle"), "{said}");
}

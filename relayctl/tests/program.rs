//! The built program: words, JSON, exit codes, mistakes, and both of its sides together.
#![allow(clippy::unwrap_used)]

use relayctl::fake::{Dialect, Misbehaviour};
use relayctl::{Bank, FakeBoard, FakeSettings, PowerState, Relay};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_relayctl"));
    // Nobody listens at port 1.
    command.env("MOZPOOL_URL", "http://127.0.0.1:1").args(args.split_whitespace()).stdin(Stdio::null());
    let done = command.output().unwrap();
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
    says(&format!("turnon --force {at} 1 3"), "OK\n");
    assert_eq!(power(&board), PowerState::On);
    says(&format!("status {at} 1 3"), "bank 1, relay 3 status: on\n");
    says(&format!("turnoff --force {at} 1 3"), "OK\n");
    assert_eq!(power(&board), PowerState::Off);
    says(&format!("powercycle --force {at} 1 3"), "OK\n");
    assert_eq!(power(&board), PowerState::On);
    says(&format!("status --wiring no {at} 1 3"), "bank 1, relay 3 status: off\n");
    says(&format!("off --force {at} 1 3"), "OK\n");
    says(&format!("on --force {at} 1 3"), "OK\n");
    says(&format!("test {at}"), "OK\n");
    let (code, bank, _) = relayctl(&format!("bank {at} 1"));
    let lines: Vec<&str> = bank.lines().collect();
    assert_eq!((code, lines.len()), (0, 8));
    assert_eq!(lines[2], "bank 1, relay 3 status: on");
    assert_eq!(lines[7], "bank 1, relay 8 status: off");
    says(&format!("status {at} 1"), &bank);
    let (code, all, why) = relayctl(&format!("status {at}"));
    assert_eq!((code, all.lines().count(), why.as_str()), (0, 32, ""));
    assert!(all.starts_with(&bank), "{all}");
    // Banks that are not there are silent, which is no failure.
    let (code, all, _) = relayctl(&format!("status --json {at} --banks 6"));
    let all: Value = serde_json::from_str(&all).unwrap();
    assert_eq!((code, all["banks"].as_object().unwrap().len()), (0, 4), "{all}");
}

#[test]
fn a_bank_is_switched_when_somebody_says_yes() {
    let board = fake();
    let at = board.addr();
    let (code, out, why) = relayctl(&format!("bank-on --force {at} 1"));
    assert_eq!((code, out.as_str()), (5, "FAILED\n"));
    assert!(why.contains("add --yes"), "{why}");
    assert_eq!(power(&board), PowerState::Off);
    let would =
        format!("would switch on all eight devices of bank 1 of relay board {at}; nothing was switched\n");
    says(&format!("bank-on --force --dry-run {at} 1"), &would);
    assert_eq!(board.connections(), 0);
    says(&format!("bank-on --force --yes {at} 1"), "OK\n");
    assert!(Relay::all().all(|relay| board.power(Bank::new(1).unwrap(), relay) == PowerState::On));
    assert_eq!(board.power(Bank::new(2).unwrap(), Relay::new(3).unwrap()), PowerState::Off);
    let (code, off) = json_of(&format!("bank-off --json --force --yes {at} 1"));
    assert_eq!((code, &off["ok"], &off["relays"]["8"]), (0, &json!(true), &json!("off")));
    assert_eq!(power(&board), PowerState::Off);
    board.set_misbehaviour(Misbehaviour::StuckRelay);
    let (code, stuck) = json_of(&format!("bank-on --json --force --yes {at} 1"));
    assert_eq!((code, &stuck["fault"], &stuck["power"]), (7, &json!("not_moved"), &json!("unverified")));
}

#[test]
fn packets_are_spoken_where_they_are_asked_for() {
    let board = fake();
    let at = board.addr();
    board.set_dialect(Dialect::Fusion);
    for packets in ["api", "plain"] {
        says(&format!("turnon --force --packets {packets} {at} 1 3"), "OK\n");
        assert_eq!(power(&board), PowerState::On);
        says(&format!("test --packets {packets} {at}"), "OK\n");
        says(&format!("powercycle --force --packets {packets} {at} 1 3"), "OK\n");
        says(&format!("bank-off --force --yes --packets {packets} {at} 1"), "OK\n");
        assert_eq!(power(&board), PowerState::Off);
    }
    board.set_misbehaviour(Misbehaviour::Garbled);
    let (code, failed) = json_of(&format!("turnon --json --force --packets api {at} 1 3"));
    assert_eq!((code, &failed["fault"], &failed["power"]), (4, &json!("bad_packet"), &json!("unverified")));
    assert!(failed["error"].as_str().unwrap().contains("garbled: its checksum is"), "{failed}");
    board.set_misbehaviour(Misbehaviour::None);
    board.set_dialect(Dialect::Plain);
    let (code, failed) = json_of(&format!("test --json --packets api {at}"));
    assert_eq!((code, &failed["fault"]), (4, &json!("wrong_framing")));
    assert!(failed["error"].as_str().unwrap().contains("--packets plain"), "{failed}");
}

#[test]
fn every_way_of_being_bad_has_its_sentence_and_exit_code() {
    for (how, code, fault, sentence) in [
        (Misbehaviour::Garbage(42), 4, "wrong_byte", "answered byte 42 where"),
        (Misbehaviour::HalfReply, 4, "short_reply", "broke off after [1]"),
        (Misbehaviour::ExtraByte, 4, "extra_byte", "nothing had asked for"),
        (Misbehaviour::Close, 4, "closed", "closed the connection without an answer"),
        (Misbehaviour::Reset, 4, "reset", "broke the connection"),
        (Misbehaviour::Mute, 6, "timed_out", "did not answer in time"),
        (Misbehaviour::Slow(Duration::from_secs(20)), 6, "timed_out", "did not answer in time"),
        (Misbehaviour::StuckRelay, 7, "not_moved", "the device is not on"),
        (Misbehaviour::Refuse, 3, "refused", "serves one connection at a time"),
    ] {
        let board = fake();
        board.set_misbehaviour(how);
        let (exit, failed) = json_of(&format!("turnon --json --force --timeout 0.3 {} 1 3", board.addr()));
        assert_eq!((exit, &failed["fault"]), (code, &json!(fault)), "{how:?}: {failed}");
        let said = failed["error"].as_str().unwrap();
        assert!(said.contains(sentence) && said.contains(&board.addr().to_string()), "{how:?}: {said}");
    }
    let board = fake();
    board.set_misbehaviour(Misbehaviour::ConfigurationMode);
    let (exit, failed) = json_of(&format!("test --json {}", board.addr()));
    assert_eq!((exit, &failed["fault"]), (4, &json!("configuration_mode")));
    assert!(failed["error"].as_str().unwrap().contains("PGM/RUN jumper"), "{failed}");
    let (exit, failed) = json_of("status --json no-such-board.invalid 1 1");
    assert_eq!((exit, &failed["fault"]), (3, &json!("unknown_host")));
}

#[test]
fn a_device_that_is_left_off_has_an_exit_code_of_its_own() {
    let settings = FakeSettings { initial: PowerState::On, ..FakeSettings::default() };
    let board = FakeBoard::start("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    board.misbehave_later(2, 1000, Misbehaviour::StuckRelay);
    let (exit, failed) = json_of(&format!("powercycle --json --force {} 1 3", board.addr()));
    assert_eq!((exit, &failed["power"]), (8, &json!("may_be_off")), "{failed}");
}

#[test]
fn a_second_client_is_refused_and_gets_its_turn() {
    let recovery = Duration::from_millis(200);
    let settings = FakeSettings { recovery, ..FakeSettings::default() };
    let board = FakeBoard::start("127.0.0.1:0".parse().unwrap(), settings).unwrap();
    let mut first = std::net::TcpStream::connect(board.addr()).unwrap();
    first.write_all(&relayctl::proxr::Command::TwoWayTest.encode()).unwrap();
    assert_eq!(first.read(&mut [0; 8]).unwrap(), 1, "it is served, and therefore alone");
    let short = relayctl(&format!("status --json --timeout 0.2 {} 1 3", board.addr()));
    assert!(short.0 == 3 && short.1.contains("refused"), "{short:?}");
    std::thread::scope(|scope| {
        let status = scope.spawn(|| relayctl(&format!("status {} 1 3", board.addr())));
        drop(first);
        assert_eq!(status.join().unwrap(), (0, "bank 1, relay 3 status: off\n".into(), String::new()));
    });
}

#[test]
fn completion_and_manual_are_made_from_the_command_line() {
    for (shell, word) in
        [("bash", "complete -F"), ("zsh", "#compdef relayctl"), ("fish", "complete -c relayctl")]
    {
        let (code, text, why) = relayctl(&format!("completion {shell}"));
        assert_eq!((code, why.as_str()), (0, ""));
        assert!(text.contains(word) && text.contains("bank-off"), "{shell}: {text}");
    }
    let (code, page, _) = relayctl("man");
    assert_eq!(code, 0);
    assert!(page.contains(".TH relayctl 1") && page.contains("Exit codes"), "{page}");
    let dir = std::env::temp_dir().join(format!("relayctl-man-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    let (code, ..) = relayctl(&format!("man --dir {}", dir.display()));
    let made = std::fs::read_to_string(dir.join("relayctl-bank-off.1")).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(code, 0);
    assert!(made.contains("dry"), "{made}");
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
    assert_eq!(json_of(&format!("turnon --json --force {at} 1 3")), (0, one("on")));
    assert_eq!(json_of(&format!("test --json {at}")), (0, json!({ "ok": true, "board": at.to_string() })));
    let (code, bank) = json_of(&format!("bank {at} 1 --json"));
    assert_eq!((code, &bank["relays"]["3"], &bank["relays"]["4"]), (0, &json!("on"), &json!("off")));
    board.set_misbehaviour(Misbehaviour::StuckRelay);
    let (code, failed) = json_of(&format!("turnoff --json --force {at} 1 3"));
    assert_eq!(code, 7);
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
        assert_eq!((code, out.as_str()), (6, "FAILED\n"), "{args}");
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
    check("turnon host 1", "<RELAY>");
    check("watch host --interval 1", "from 2 to 3600");
    check("test host --packets maybe", "write plain");
    check("completion csh", "possible values: bash, zsh, fish");
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
    for part in [
        "relayctl powercycle panda-relay-001 1 3",
        "Exit codes",
        "power of the device",
        "  5  refused by the guard",
        "  8  a power cycle failed and the device may be without power",
    ] {
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
    says(&format!("powercycle --force {at} 1 3"), "OK\n");
    // The board rests now; the program waits for it.
    says(&format!("turnoff --force {at} 4 8"), "OK\n");
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
        .args(["powercycle", "--force", &board.addr().to_string(), "1", "3"])
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

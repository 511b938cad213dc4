//! `mozpool demo`, built and run as a user would: the daemon, an emulated rack, exit codes, and nothing left behind.
//!
//! The demo itself checks from outside that every board has power and none had two owners; here its word is taken for that.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn demo(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mozpool"));
    command.arg("demo").args(args).env("TMPDIR", folder).env_remove("RUST_LOG").stdin(Stdio::null());
    command
}

/// Runs it in a temporary folder of its own, which must be empty afterwards.
fn run(args: &[&str]) -> (Output, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = demo(folder.path(), args).output().expect("the built program runs");
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder is still there").collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    let text = String::from_utf8(output.stdout.clone()).expect("text");
    (output, text)
}

#[test]
fn ten_boards_are_installed_and_it_ends_well() {
    let (output, text) = run(&["--once"]);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("10 of 10 ready"), "{text}");
    assert!(text.contains("every board has power, none had two owners"), "{text}");
    assert!(text.contains("http://127.0.0.1:"), "{text}");
    assert!(!text.contains('\x1b'), "colours in a pipe: {text:?}");
    // Each board's life is told: it installs, and it is ready.
    for number in 1..=10 {
        let board = format!("board-{number:03}");
        let lines: Vec<&str> = text.lines().filter(|l| l.contains(&board)).collect();
        assert!(lines.iter().any(|l| l.ends_with("new system is to come up")), "{board}: {lines:?}");
        assert!(lines.last().unwrap().ends_with("ready"), "{board}: {lines:?}");
    }
}

#[test]
fn a_flaky_rack_heals_or_fails_honestly() {
    let (output, text) = run(&["--once", "--flaky", "0.3", "--seed", "1", "--boards", "8"]);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let entry = |word: &str| {
        text.lines()
            .find_map(|l| l.strip_prefix(&format!("  {word:<9} ")))
            .unwrap_or_else(|| panic!("no {word} in {text}"))
    };
    let ready: usize = entry("boards").split(' ').next().unwrap().parse().unwrap();
    let failed = text.lines().filter(|l| l.starts_with("  failed ")).count();
    assert_eq!(ready + failed, 8, "every request ends: {text}");
    // With this seed something goes wrong on the first power-on of some boards, whatever the machine's speed.
    let mishaps: u32 = entry("mishaps").split(':').next().unwrap().parse().unwrap();
    assert!(mishaps > 0, "{text}");
    assert!(text.contains("healed after: "), "{text}");
    assert_eq!(entry("checked"), "every board has power, none had two owners");
}

#[test]
fn a_rack_that_loses_packets_while_it_boots_is_installed_all_the_same() {
    let (output, text) = run(&["--once", "--loss", "0.05", "--seed", "1"]);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("10 of 10 ready"), "{text}");
}

#[test]
fn it_stays_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = demo(folder.path(), &["--boards", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let api = lines.find_map(|l| l.unwrap().strip_prefix("  API       ").map(str::to_owned)).unwrap();
    assert!(lines.any(|l| l.unwrap().contains("Ctrl-C")), "it ended by itself");
    // It serves: the board that was asked for is there, and a request more can be made for it.
    let answer = ureq::get(format!("{api}device/list/?details=1"))
        .call()
        .unwrap()
        .body_mut()
        .read_to_string()
        .unwrap();
    assert!(answer.contains("\"state\":\"ready\""), "{answer}");
    ureq::post(format!("{api}request/1/return/")).send("{}").unwrap();
    assert!(lines.any(|l| l.unwrap().ends_with("board-001  ● free")), "a change is told");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn wrong_usage_says_what_would_be_right() {
    for (args, hint) in [
        (["--flaky", "2"], "from 0 (never) to 1 (always)"),
        (["--boards", "0"], "1..=500"),
        (["--seed", "x"], "invalid digit"),
    ] {
        let (output, _) = run(&args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(hint), "{error}");
    }
}

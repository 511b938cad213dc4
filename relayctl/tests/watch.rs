//! `relayctl watch`: lines, JSON, a terminal with a keyboard, and that a board is left free for others.
#![allow(clippy::unwrap_used)]

use nix::pty::openpty;
use relayctl::fake::Misbehaviour;
use relayctl::{Action, FakeBoard, FakeSettings, PowerState, Settings};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn watch(board: &FakeBoard, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relayctl"));
    command.arg("watch").arg(board.addr().to_string()).args(args.split_whitespace());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
fn fake(settings: FakeSettings) -> FakeBoard {
    FakeBoard::start("127.0.0.1:0".parse().unwrap(), settings).unwrap()
}
fn signal(child: &Child, signal: &str) {
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("/bin/sh").args(["-c", &kill]).status().unwrap().success());
}

#[test]
fn without_a_terminal_each_bank_is_a_line_and_the_last_look_the_exit_code() {
    let board = fake(FakeSettings { initial: PowerState::On, ..FakeSettings::default() });
    let done = watch(&board, "--count 1 --banks 2").output().unwrap();
    let out = String::from_utf8(done.stdout).unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!((done.status.code(), lines.len()), (Some(0), 2), "{out}");
    assert!(lines[0].contains("Z bank 1: 1=on 2=on") && lines[0].ends_with("8=on (8 on)"), "{out}");
    assert!(!out.contains('\x1b'), "{out}");

    let done = watch(&board, "--count 1 --json").output().unwrap();
    let object: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((&object["ok"], &object["banks"]["4"]["8"]), (&json!(true), &json!("on")));
    assert!(object["at_ms"].as_u64().unwrap() > 1_700_000_000_000);

    board.set_misbehaviour(Misbehaviour::CloseAfterAccept);
    let done = watch(&board, "--count 1").output().unwrap();
    assert_eq!((done.status.code(), done.stdout.len()), (Some(4), 0));
    assert!(String::from_utf8(done.stderr).unwrap().contains(&board.addr().to_string()));
}

#[test]
fn it_goes_on_when_the_board_is_away_and_leaves_it_free_for_others() {
    let recovery = Duration::from_millis(50);
    let board = fake(FakeSettings { recovery, ..FakeSettings::default() });
    board.set_misbehaviour(Misbehaviour::Close);
    let mut child = watch(&board, "--banks 1 --interval 2").spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap());
    let mut said = String::new();
    errors.read_line(&mut said).unwrap();
    assert!(said.contains("closed the connection"), "{said}");
    board.set_misbehaviour(Misbehaviour::None);
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("bank 1: 1=off"), "{line}");
    // Between two looks the board's only connection is free.
    let at = format!("{}:bank1:relay1", board.addr()).parse().unwrap();
    let mut settings = Settings::new(Instant::now() + Duration::from_secs(20));
    settings.patience = Duration::from_secs(20);
    assert_eq!(relayctl::run(&at, Action::PowerOn, &settings), Ok(PowerState::On));
    line.clear();
    lines.read_line(&mut line).unwrap();
    assert!(line.contains("bank 1: 1=on 2=off"), "{line}");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn on_a_terminal_a_table_is_drawn_in_place_and_q_ends_it() {
    let board = fake(FakeSettings::default());
    let terminal = openpty(None, None).unwrap();
    let slave = File::from(terminal.slave);
    let mut command = watch(&board, "--banks 1");
    command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
    let mut child = command.spawn().unwrap();
    drop(command);
    let before = nix::sys::termios::tcgetattr(&slave).unwrap().local_flags;
    let mut master = File::from(terminal.master);
    let mut seen = String::new();
    let mut bytes = [0; 1024];
    while !seen.contains("   1  off  off") {
        let n = master.read(&mut bytes).unwrap();
        seen.push_str(&String::from_utf8_lossy(&bytes[..n]));
    }
    assert!(
        seen.contains("\x1b[?1049h") && seen.contains("\x1b[H") && seen.contains("bank    1    2"),
        "{seen:?}"
    );
    // A key that means nothing, and the one that does.
    master.write_all(b"xq").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let flags = nix::sys::termios::tcgetattr(&slave).unwrap().local_flags;
    assert!(flags.contains(nix::sys::termios::LocalFlags::ICANON), "the terminal is as before ({before:?})");
    drop(slave);
    // Until everybody has closed it, then EIO.
    let mut rest = Vec::new();
    let _ = master.read_to_end(&mut rest);
    assert!(String::from_utf8_lossy(&rest).contains("\x1b[?1049l"), "back to the first screen");
}

//! `mozpool log`, and the logs of boards and requests below their own names.

use crate::support::wait_for;
use crate::world::World;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

/// A program that goes on and on.
struct Follower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Follower {
    fn start(world: &World, words: &[&str]) -> Self {
        let mut child = world.command(words).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn until(&mut self, text: &str) -> String {
        self.lines
            .find_map(|line| line.ok().filter(|l| l.contains(text)))
            .unwrap_or_else(|| panic!("no {text}"))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn logs_are_read_searched_and_followed_through_a_restart() {
    let mut world = World::with(2);
    let mut pool = Follower::start(&world, &["log", "-f"]);
    let mut board = Follower::start(&world, &["device", "log", "-f", "board-001"]);
    let mut both = Follower::start(&world, &["log", "--follow", "board-001", "--json"]);
    world.done(&["device", "please", "self-test", "board-001"]);
    pool.until("device board-001: ready -> ");
    board.until("entering state self_test_running");
    let line: serde_json::Value = serde_json::from_str(&both.until("all tests passed")).unwrap();
    assert_eq!(line["source"], "syslog");

    let lines = world.done(&["device", "log", "board-001", "-n", "3"]);
    assert_eq!(lines.lines().count(), 3, "{lines}");
    let found = world.done(&["log", "board-001", "-q", "TESTS PASSED", "--since", "1h"]);
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("Z") || found.starts_with("20"), "{found}");
    assert!(!world.json(&["device", "log", "board-001"]).as_array().unwrap().is_empty());
    assert_eq!(world.run(&["log", "nobody"]).code, 3);

    world.kill_and_start();
    // Both go on where they were.
    world.done(&["device", "please", "offline", "board-001"]);
    pool.until("-> locked_out");
    board.until("locked_out");
    let changes = world.done(&["log", "-n", "2"]);
    assert_eq!(changes.lines().count(), 2, "{changes}");
    assert!(changes.contains("-> locked_out"), "{changes}");
    assert_eq!(world.run(&["log", "-q", "x"]).code, 2);
}

#[test]
fn a_requests_log_is_followed_to_its_end() {
    let world = World::with(1);
    let id = world.board();
    let mut request = Follower::start(&world, &["request", "log", "-f", &id]);
    request.until("entering state ready");
    world.done(&["request", "return", &id, "--yes"]);
    request.until("closed");
    wait_for("its end", || request.child.try_wait().unwrap().filter(std::process::ExitStatus::success));
    let log = world.done(&["request", "log", &id, "-q", "looked for a board"]);
    assert_eq!(log.lines().count(), 1, "{log}");
    assert_eq!(world.done(&["log", &id, "-n", "1"]).lines().count(), 1);
    assert_eq!(world.run(&["log", "4711"]).code, 3);
}

#[test]
fn who_speaks_and_is_not_known_is_named() {
    let world = World::with(1);
    assert_eq!(world.done(&["log", "unknown"]), "nobody: every line came from a board that is known\n");
    let socket = std::net::UdpSocket::bind("127.0.0.9:0").unwrap();
    let mut text = String::new();
    wait_for("the unknown sender", || {
        socket.send_to(b"<13>stranger kernel: who am \x1b[1mI", world.daemon().syslog).unwrap();
        text = world.done(&["log", "unknown"]);
        text.contains("127.0.0.9").then_some(())
    });
    assert!(text.contains("who am") && !text.contains('\x1b'), "{text:?}");
    assert_eq!(world.json(&["log", "unknown"])["senders"][0]["address"], "127.0.0.9");
    assert_eq!(world.run(&["log", "unknown", "-f"]).code, 2);
}

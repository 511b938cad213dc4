//! `mozpool request`: making, waiting, keeping, returning, and the exit codes that tell why there is no board.

use crate::support::wait_for;
use crate::world::World;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_board_is_asked_for_waited_for_kept_and_returned() {
    let world = World::with(2);
    let said = world.run(&[
        "request",
        "new",
        "demo",
        "--assignee",
        "ci-4711",
        "--duration",
        "1h30m",
        "--environment",
        "demo,other",
        "--hardware-type",
        "emulated board",
        "--processor",
        "emulated",
        "--reason",
        "try it",
        "-k",
        "colour=red",
    ]);
    assert_eq!((said.code, said.out.as_str()), (0, "1\n"), "{}", said.err);
    assert!(said.err.contains("`mozpool request wait 1`"), "{}", said.err);
    let said = world.run(&["request", "wait", "1"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.starts_with("request  1\ndevice   board-00"), "{}", said.out);
    assert!(said.out.contains("\naddress  127.77.0."), "{}", said.out);
    // Not on a terminal: a line per change, and the first and the last of them for sure.
    let lines: Vec<&str> = said.err.lines().collect();
    assert!(lines.last().unwrap().ends_with(" is ready"), "{lines:?}");
    assert!(!said.err.contains(['\r', '\x1b']), "{lines:?}");

    let request = world.json(&["request", "show", "1"]);
    assert_eq!(
        (&request["assignee"], &request["environment"], &request["reason"], &request["hardware_type"]),
        (&json!("ci-4711"), &json!(["demo", "other"]), &json!("try it"), &json!("emulated board"))
    );
    let shown = world.done(&["request", "show", "1", "-n", "2"]);
    assert!(shown.contains("\nexpires           20") && shown.contains("(in 1h "), "{shown}");
    let list = world.done(&["request", "list"]);
    assert!(list.lines().nth(1).unwrap().starts_with(" 1  ready"), "{list}");
    assert_eq!(world.json(&["request", "list", "--mine"]), json!([]));
    assert_eq!(world.done(&["request", "list", "assignee=ci-4711"]).lines().count(), 2);

    let renewed = world.done(&["request", "renew", "1", "--duration", "2d"]);
    assert!(renewed.starts_with("request 1 is yours for 2d from now, until 20"), "{renewed}");
    assert!(world.refused(2, &["request", "renew", "1", "--duration", "soon"]).contains("such as 90s, 45m"));
    // Somebody else's: it is asked.
    let why = world.refused(5, &["request", "return", "1"]);
    assert!(why.contains("This ends request 1 of ci-4711, who holds board-00"), "{why}");
    assert_eq!(world.state_of_request("1"), "ready");
    assert_eq!(
        world.done(&["request", "return", "1", "--yes", "--reason", "mine now"]),
        "request 1 is returned\n"
    );
    assert_eq!(world.state_of_request("1"), "closed");
    assert!(world.done(&["request", "log", "1"]).contains("mine now"));
    // And once more, which needs nobody's consent.
    assert_eq!(world.done(&["request", "return", "1"]), "request 1 had ended already: closed\n");
    assert_eq!(world.run(&["request", "renew", "1"]).code, 1);
    assert_eq!(world.done(&["request", "list"]).lines().count(), 1);
    assert_eq!(world.done(&["request", "list", "--all"]).lines().count(), 2);
    assert_eq!(world.run(&["request", "wait", "1"]).code, 122);
}

#[test]
fn why_there_is_no_board_is_an_exit_code() {
    let world = World::with(1);
    let said =
        world.run(&["request", "new", "demo", "--wait", "--hardware-type", "toaster", "--queue-limit", "1s"]);
    assert_eq!((said.code, said.out.as_str()), (120, ""), "{}", said.err);
    assert!(said.err.contains("has no board: failed_device_not_found: "), "{}", said.err);
    assert_eq!(world.run(&["request", "new", "nothing", "--wait"]).code, 3);
    assert_eq!(world.run(&["request", "new", "demo", "-k", "duration=5"]).code, 2);
    let id = world.board();
    let why = world.refused(120, &["request", "new", "demo", "--device", "board-001"]);
    assert!(why.contains("another request holds board-001"), "{why}");
    // With the tags of nobody, and one of several.
    assert_eq!(
        world.run(&["request", "new", "demo", "-w", "--tag", "a,b", "--tag", "c", "--queue-limit", "0"]).code,
        120
    );
    world.done(&["request", "return", &id, "-y"]);
    // A board that cannot boot, and is the only one that is wanted.
    world.done(&["device", "edit", "board-001", "mac=02:00:00:00:99:99"]);
    world.done(&[
        "hardware",
        "edit",
        "emulated board",
        r#"limits={"pxe_booting": 1, "pxe_power_cycling": 5}"#,
    ]);
    let mut command = world.command(&["request", "new", "demo", "--wait", "--device", "board-001"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("boots over the network")));
    world.done(&["device", "force", "board-001", "pxe_booting", "failed_pxe_booting", "-y"]);
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(121));
}

#[test]
fn who_stops_waiting_for_a_new_board_gives_it_back() {
    let world = World::with(1);
    let held = world.board();
    let mut command = world.command(&["request", "new", "demo", "--wait", "--queue-limit", "10m"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // It says why it waits.
    assert!(lines.any(|line| line.unwrap().contains("looks for a board: No board: of 1, 1 ")));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(world.state_of_request("2"), "closed");
    // Who waits for a request that is there only stops waiting.
    let id = world.done(&["request", "new", "demo"]).trim().to_owned();
    let mut child = world.command(&["request", "wait", &id]).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("looks for a board")));
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    child.wait().unwrap();
    assert_eq!(world.state_of_request(&id), "finding_device");
    world.done(&["request", "return", &held, "-y"]);
    wait_for("the next in the queue", || (world.state_of_request(&id) == "ready").then_some(()));
}

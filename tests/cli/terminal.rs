//! On a terminal: widths, colours, questions, progress in one line, and Ctrl-C.

use crate::support::wait_for;
use crate::tty::Tty;
use crate::world::World;

/// Columns that a line takes on the screen, without what only colours it.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => drop(chars.by_ref().find(char::is_ascii_alphabetic)),
            '\r' => {}
            c => out.push(c),
        }
    }
    out
}

#[test]
fn tables_fit_the_terminal_and_are_coloured() {
    let world = World::with(2);
    world.done(&["device", "comment", "board-001", &"漢字 and the fan is loud ".repeat(9)]);
    let (code, shown) = Tty::run(&world.command(&["device", "list"]), 72).end();
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("\x1b[32mready\x1b[0m"), "{shown:?}");
    let lines: Vec<String> = plain(&shown).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[1].ends_with('…'), "{lines:?}");
    for line in &lines {
        let wide = line.chars().map(|c| if c as u32 > 0x2fff { 2 } else { 1 }).sum::<usize>();
        assert!(wide <= 72, "{wide}: {line}");
    }
    let mut command = world.command(&["device", "list"]);
    command.env("NO_COLOR", "1").env("COLUMNS", "200");
    let (_, shown) = Tty::run(&command, 72).end();
    assert!(!shown.contains('\x1b'), "{shown:?}");
    assert!(
        shown.lines().any(|line| line.chars().count() > 100),
        "$COLUMNS goes before the terminal: {shown}"
    );
    // Nothing is cut where it is no terminal.
    assert!(world.done(&["device", "list"]).contains(&"and the fan is loud 漢字 ".repeat(8)));
}

#[test]
fn what_cannot_be_undone_is_asked() {
    let world = World::with(1);
    world.done(&["device", "power", "on", "board-001"]);
    for (answer, code, power) in [("n\n", 5, "on"), ("\n", 5, "on"), ("yes\n", 0, "off")] {
        let mut tty = Tty::run(&world.command(&["device", "power", "off", "board-001"]), 100);
        tty.wait_for("Go on? [y/N] ");
        tty.types(answer);
        let (ended, shown) = tty.end();
        assert_eq!(ended, code, "{shown}");
        assert!(
            shown.contains("This takes the power of board-001 until somebody gives it again."),
            "{shown}"
        );
        assert_eq!(world.done(&["device", "power", "status", "board-001"]), format!("board-001: {power}\n"));
    }
}

#[test]
fn progress_is_one_line_that_changes() {
    let world = World::with(1);
    let (code, shown) = Tty::run(&world.command(&["request", "new", "demo", "--wait"]), 60).end();
    assert_eq!(code, 0, "{shown}");
    let (progress, answer) = shown.rsplit_once("\r\x1b[K").unwrap();
    assert!(answer.starts_with("request  1\r\ndevice   board-001\r\n"), "{answer:?}");
    assert!(!progress.contains('\n'), "one line: {progress:?}");
    let drawn: Vec<&str> = progress.split('\r').filter(|l| !l.is_empty()).collect();
    assert!(drawn.len() > 1 && drawn.iter().all(|line| line.starts_with("request 1  0:")), "{drawn:?}");
    // Why it waits is a long sentence, and stays in the line.
    let mut tty = Tty::run(&world.command(&["request", "new", "demo", "--wait"]), 60);
    tty.wait_for("looks for a board: No board: of 1");
    tty.types("\x03");
    let (code, shown) = tty.end();
    assert_eq!(code, 130, "{shown}");
    // The terminal itself shows the key.
    for line in shown.replace("^C", "").split('\r').map(plain) {
        assert!(line.chars().count() < 60, "{line}");
    }
    assert_eq!(world.state_of_request("2"), "closed");
}

#[test]
fn control_c_is_the_commands_and_the_board_comes_back() {
    let world = World::with(1);
    let script = "trap 'echo heard >> $0/signals' INT; touch $0/runs; until test -e $0/go; do sleep 0.05; done; exit 4";
    let folder = world.path("home");
    let mut command = world.command(&["request", "new", "demo", "--", "sh", "-c", script]);
    command.arg(&folder);
    let mut tty = Tty::run(&command, 80);
    wait_for("the command", || folder.join("runs").exists().then_some(()));
    tty.types("\x03");
    let signals = || std::fs::read_to_string(folder.join("signals")).unwrap_or_default();
    wait_for("Ctrl-C", || (!signals().is_empty()).then_some(()));
    // As a shell that is worked with does, the command goes on; the board stays.
    assert_eq!(world.state_of_request("1"), "ready");
    std::fs::write(folder.join("go"), "").unwrap();
    let (code, shown) = tty.end();
    assert_eq!(code, 4, "{shown}");
    assert_eq!(signals(), "heard\n", "once, and not by us once more");
    assert_eq!(world.state_of_request("1"), "closed");

    // One that does not care ends, and so do we.
    std::fs::remove_file(folder.join("runs")).unwrap();
    // The shell waits for its last command, too: dash loses an interrupt that comes as it becomes that command.
    let script = "touch $0/runs; sleep 600; exit 3";
    let mut command = world.command(&["request", "new", "demo", "--", "sh", "-c", script]);
    command.arg(&folder);
    let mut tty = Tty::run(&command, 80);
    wait_for("the command", || folder.join("runs").exists().then_some(()));
    tty.types("\x03");
    assert_eq!(tty.end().0, 130);
    assert_eq!(world.state_of_request("2"), "closed");
}

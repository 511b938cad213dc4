//! `mozpool status`, `report`, `repair`, and what is made from the definition.

use crate::world::World;
use std::process::Command;

#[test]
fn one_screen_says_how_the_pool_is() {
    let world = World::with(3);
    let id = world.board();
    world.done(&["device", "please", "offline", "board-003"]);
    world.done(&["device", "environment", "board-003", "other"]);
    let waiting = world.json(&["request", "new", "demo", "--device", "board-003", "--queue-limit", "5m"]);
    let text = world.done(&["status"]);
    for line in [
        "ENVIRONMENT  FREE  USED  WORKING  FAILED  OUT  TOTAL",
        "demo            1     1        0       0    0      2",
        "other           0     0        0       0    1      1",
        "all             1     1        0       0    1      3",
        "2 requests, 1 waits for a board",
    ] {
        assert!(text.lines().any(|l| l == line), "no `{line}` in\n{text}");
    }
    assert!(text.starts_with("s1 (http://127.0.0.1:") && text.contains(": well\n"), "{text}");
    assert!(text.contains("services: http, "), "{text}");
    let json = world.json(&["status"]);
    assert_eq!((&json["devices"]["used"], &json["well"]), (&1.into(), &true.into()));
    assert_eq!(json["queue"][0]["id"], waiting["id"]);
    world.done(&["request", "return", &id, "-y"]);
}

#[test]
fn reports_are_listed_shown_and_exported() {
    let world = World::with(2);
    world.board();
    let list = world.done(&["report"]);
    for name in ["status", "availability", "ready", "failures", "use"] {
        assert!(list.lines().any(|l| l.starts_with(name)), "no {name} in\n{list}");
    }
    let status = world.done(&["report", "status", "--by", "environment"]);
    assert!(status.lines().any(|l| l.starts_with("demo ")), "{status}");
    let time = world.done(&["report", "availability", "--days", "7"]);
    assert!(time.contains(" %"), "{time}");
    let csv = world.done(&["report", "ready", "--csv", "--from", "2020-01-01"]);
    assert!(csv.lines().count() >= 2 && csv.lines().next().unwrap().contains("median"), "{csv}");
    assert_eq!(world.json(&["report", "use"])["report"], "use");
    assert_eq!(world.run(&["report", "nothing"]).code, 3);
    assert_eq!(world.run(&["report", "use", "--by", "colour"]).code, 1);
    assert_eq!(world.run(&["report", "use", "--days", "1", "--from", "2020-01-01"]).code, 2);
}

#[test]
fn what_has_failed_is_told_with_where_and_why() {
    let world = World::with(2);
    assert_eq!(world.done(&["repair"]), "nothing is to be repaired\n");
    world.done(&["device", "force", "board-002", "ready", "failed_self_test", "--yes"]);
    world.done(&["device", "comment", "board-002", "smells"]);
    let text = world.done(&["repair"]);
    assert!(text.starts_with("board-002  failed_self_test, since "), "{text}");
    for part in [":bank1:relay1, demo, emulated board, s1\n", "  why      ", "  comment  smells\n"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert_eq!(world.json(&["repair"])["devices"][0]["name"], "board-002");
}

#[test]
fn completion_and_manual_pages_are_made_from_the_definition() {
    let mozpool = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mozpool")).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (shell, part) in
        [("bash", "mozpool__subcmd__request"), ("zsh", "#compdef mozpool"), ("fish", "complete -c mozpool")]
    {
        let text = mozpool(&["completion", shell]);
        assert!(text.contains(part), "no {part} for {shell}");
        assert!(text.contains("power-cycle"), "the values of arguments are completed, too: {shell}");
    }
    assert!(mozpool(&["man"]).contains(".TH mozpool 1"));
    let folder = tempfile::tempdir().unwrap();
    mozpool(&["man", folder.path().to_str().unwrap()]);
    for name in ["mozpool.1", "mozpool-request-new.1", "mozpool-device-power-off.1"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }
    let bash = folder.path().join("completion");
    std::fs::write(&bash, mozpool(&["completion", "bash"])).unwrap();
    assert!(Command::new("bash").arg("-n").arg(bash).status().unwrap().success(), "bash understands it");
}

//! `mozpool device` and the things around it.

use crate::support::wait_for;
use crate::world::World;
use serde_json::json;

#[test]
fn boards_are_listed_found_and_shown() {
    let world = World::with(3);
    world.done(&["device", "comment", "board-002", "by the \x1b[31mdoor"]);
    world.done(&["device", "environment", "board-003", "other"]);

    let all = world.done(&["device", "list"]);
    assert!(all.starts_with("NAME       STATE  ENVIRONMENT  HARDWARE TYPE"), "{all}");
    assert!(all.contains("by the ^[[31mdoor") && !all.contains('\x1b'), "{all:?}");
    assert_eq!(world.done(&["device", "list", "--names"]), "board-001\nboard-002\nboard-003\n");
    assert_eq!(world.done(&["device", "list", "--names", "environment=other"]), "board-003\n");
    assert_eq!(world.done(&["device", "list", "--names", "-q", "DOOR"]), "board-002\n");
    assert_eq!(world.done(&["device", "list", "--names", "--group", "failed,out"]), "");
    assert_eq!(
        world.done(&["device", "list", "--names", "--group", "free", "--state", "ready"]).lines().count(),
        3
    );
    assert!(world.refused(2, &["device", "list", "--group", "lost"]).contains("free"));
    assert!(world.refused(2, &["device", "list", "colour=red"]).contains("a device has no field colour"));
    assert_eq!(world.json(&["device", "list", "-q", "001"])[0]["name"], "board-001");

    let shown = world.done(&["device", "show", "board-002"]);
    assert!(shown.starts_with("name            board-002\nstate           ready (free), since "), "{shown}");
    assert!(shown.contains("next check"), "{shown}");
    assert_eq!(world.json(&["device", "show", "board-002"])["comments"], "by the \x1b[31mdoor");
    assert!(world.refused(3, &["device", "show", "nobody"]).contains("there is no device `nobody`"));
    let cleared = world.done(&["device", "comment", "board-002", ""]);
    assert_eq!(cleared, "board-002: no comments\n");
}

#[test]
fn what_is_asked_of_boards_is_accepted_or_refused_with_a_reason() {
    let world = World::with(3);
    let please = |words: &[&str]| world.run(&[&["device", "please"], words].concat());
    let said = please(&["offline", "board-001", "board-002"]);
    assert_eq!(
        (said.code, said.out.as_str()),
        (0, "board-001: accepted, now locked_out\nboard-002: accepted, now locked_out\n")
    );
    // One that refuses and one that is not there do not keep the others from it.
    let said = please(&["self-test", "board-001", "board-003", "board-9"]);
    assert_eq!(said.code, 1, "{}", said.err);
    let lines: Vec<&str> = said.out.lines().collect();
    assert!(lines[0].starts_with("board-001: refused: "), "{lines:?}");
    assert!(lines[1].starts_with("board-003: accepted, now "), "{lines:?}");
    assert!(lines[2].starts_with("board-9: refused: there is no device"), "{lines:?}");
    let shelf = world.json(&["device", "please", "online", "board-001"]);
    assert_eq!((&shelf[0]["device"], &shelf[0]["accepted"]), (&json!("board-001"), &json!(true)));
    for board in ["board-001", "board-003"] {
        wait_for("the self-test's end", || {
            (world.json(&["device", "show", board])["state"] == "ready").then_some(())
        });
    }
    assert_eq!(please(&["image", "board-001"]).code, 2, "an image must be named");
    assert_eq!(please(&["offline", "board-001", "--image", "demo"]).code, 2);
    assert_eq!(please(&["image", "board-001", "--image", "demo", "--boot-config", "[1]"]).code, 2);
    let said = please(&[
        "image",
        "board-001",
        "--image",
        "demo",
        "-k",
        "who=me",
        "--boot-config",
        r#"{"who": "x", "n": 1}"#,
    ]);
    assert_eq!(said.code, 0, "{}", said.err);
    let told = world.daemon().get("device/board-001/bootconfig");
    assert_eq!((&told["who"], &told["n"]), (&json!("me"), &json!(1)), "-k goes before the object");
    wait_for("the image", || {
        let board = world.json(&["device", "show", "board-001"]);
        (board["state"] == "ready" && board["image"] == "demo").then_some(())
    });
    assert_eq!(please(&["power-cycle", "board-001"]).code, 0);
    assert_eq!(please(&["maintenance", "board-003"]).code, 0);
}

#[test]
fn power_ping_pxe_and_force() {
    let world = World::with(2);
    let power = |what: &str| world.run(&["device", "power", what, "board-001"]);
    assert_eq!(
        world.done(&["device", "power", "on", "board-001", "board-002"]),
        "board-001: has power\nboard-002: has power\n"
    );
    assert_eq!(world.done(&["device", "power", "status", "board-001"]), "board-001: on\n");
    let why = world.refused(5, &["device", "power", "off", "board-001"]);
    assert!(why.contains("This takes the power of board-001") && why.contains("--yes"), "{why}");
    assert_eq!(power("status").out, "board-001: on\n", "nothing was done");
    assert_eq!(world.done(&["device", "power", "off", "board-001", "--yes"]), "board-001: has no power\n");
    assert_eq!(power("status").out, "board-001: off\n");
    assert_eq!(
        world.json(&["device", "power", "status", "board-001"]),
        json!([{"power": "off", "device": "board-001"}])
    );
    assert_eq!(world.done(&["device", "power", "cycle", "board-001"]), "board-001: is power-cycled\n");
    wait_for("its power", || (power("status").out == "board-001: on\n").then_some(()));

    // Every address of the emulated boards is on this machine, so it answers whether or not the board lives.
    assert_eq!(world.done(&["device", "ping", "board-001"]), "board-001: answers\n");
    assert_eq!(world.done(&["device", "pxe", "clear", "board-001"]), "board-001: boots its own disk\n");
    assert_eq!(
        world.done(&["device", "pxe", "boot", "board-002", "maintenance", "-k", "a=b"]),
        "board-002: is power-cycled and boots maintenance\n"
    );
    assert_eq!(world.run(&["device", "pxe", "boot", "board-002", "nothing"]).code, 1);

    let id = world.board();
    let held = world.json(&["request", "show", &id])["assigned_device"].as_str().unwrap().to_owned();
    let why = world.refused(5, &["device", "power", "cycle", &held]);
    assert!(why.contains(&format!("request {id} holds {held}")), "{why}");
    assert_eq!(world.run(&["device", "pxe", "boot", &held, "maintenance"]).code, 5);

    let why = world.refused(5, &["device", "force", &held, "ready", "troubleshooting"]);
    assert!(why.contains(&format!("This puts {held} from ready into troubleshooting")), "{why}");
    let forced = world.done(&["device", "force", &held, "ready", "troubleshooting", "--yes"]);
    assert_eq!(forced, format!("{held}: ready -> troubleshooting\n"));
    assert_eq!(
        world.run(&["device", "force", &held, "ready", "new", "-y"]).code,
        1,
        "it is not ready any more"
    );
}

#[test]
fn a_boot_is_told_step_by_step() {
    let world = World::with(1);
    world.board();
    let timeline = world.done(&["device", "timeline", "board-001"]);
    assert!(timeline.starts_with("attempt "), "{timeline}");
    for part in [": image demo, for request 1\n", "live/vmlinuz", "mobile_init_started", "ready", "KIND"] {
        assert!(timeline.contains(part), "no {part} in {timeline}");
    }
    let json = world.json(&["device", "timeline", "board-001", "-n", "5"]);
    assert_eq!(json["attempts"][0]["purpose"], "image");
    let id = json["attempts"][0]["id"].to_string();
    let none = world.done(&["device", "timeline", "board-001", "--before", &id]);
    assert_eq!(none, "board-001: nothing is known of its boots\n");
    let history = world.done(&["device", "history", "board-001", "-n", "10"]);
    assert!(history.starts_with("SINCE (UTC)"), "{history}");
    for word in ["used", "working", "free", "so far"] {
        assert!(history.contains(word), "no {word} in {history}");
    }
    assert_eq!(world.run(&["device", "history", "nobody"]).code, 3);
}

/// What `tests/admin.rs` does not do with things that are no boards.
#[test]
fn things_are_looked_at_changed_and_asked_before_they_go() {
    let world = World::with(1);
    assert!(world.done(&["image", "list", "name=demo"]).contains("\ndemo  tcp:"));
    assert_eq!(world.done(&["image", "add", "plain", "check=none"]), "image plain: new\n1 change written\n");
    world.done(&["image", "show", "plain"]);
    let why = world.refused(5, &["image", "delete", "plain"]);
    assert!(why.contains("This deletes the image `plain` for good."), "{why}");
    assert_eq!(
        world.done(&["image", "delete", "plain", "--yes"]),
        "image plain: deleted\n1 change written\n"
    );
    assert!(world.done(&["image", "edit", "demo", "hidden=true"]).contains("hidden false -> true"));

    world.done(&["device", "add", "spare", "fqdn=10.9.9.9", "state=locked_out"]);
    assert!(
        world.refused(2, &["device", "edit", "spare", "state=ready"]).contains("`mozpool device please`")
    );
    assert!(world.done(&["device", "edit", "spare", "tags=wifi"]).contains("tags"));
    world.done(&["device", "delete", "spare", "--dry-run"]);
    world.done(&["device", "delete", "spare", "-y"]);

    world.done(&["hardware", "add", "cubie", "ping_steady_s=3"]);
    world.done(&["hardware", "show", "cubie"]);
    world.done(&["hardware", "edit", "cubie", "ping_steady_s=4"]);
    assert!(world.done(&["hardware", "list", "type=cubie"]).contains("cubie"));
    world.done(&["hardware", "delete", "cubie", "-y"]);

    world.done(&["pxe", "add", "mine", "contents=DEFAULT x"]);
    assert!(world.done(&["pxe", "show", "mine"]).contains("DEFAULT x"));
    world.done(&["pxe", "edit", "mine", "description=my own"]);
    assert!(world.done(&["pxe", "list"]).contains("my own"));
    world.done(&["pxe", "delete", "mine", "-y"]);
    assert!(world.done(&["pxe", "render", "board-001"]).starts_with("board       board-001\n"));

    let relay = world.json(&["relay", "list"])[0]["name"].as_str().unwrap().to_owned();
    assert_eq!(world.done(&["relay", "test", &relay]), format!("{relay}: answers as it should\n"));
    world.done(&["relay", "add", "dead", "fqdn=127.0.0.1:9"]);
    assert_eq!(world.run(&["relay", "test", "dead"]).code, 1);
    world.done(&["relay", "edit", "dead", "fqdn=127.0.0.2:9"]);
    assert!(world.done(&["relay", "show", "dead"]).contains("127.0.0.2:9"));
    world.done(&["relay", "delete", "dead", "-y"]);

    let file = world.path("out.toml");
    let file = file.to_str().unwrap();
    world.done(&["lab", "export", file]);
    assert_eq!(world.done(&["lab", "import", file, "--dry-run"]), "nothing to change\n");
}

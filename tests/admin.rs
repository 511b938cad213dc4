//! A running daemon whose devices, images and PXE configs are changed from the command line, and that takes them up at once.

mod support;

use serde_json::{Value, json};
use std::process::{Command, Output};
use support::{Daemon, Lab, mozpool, wait_for};

/// What a command said, after it has done its work.
#[track_caller]
fn done(command: &mut Command) -> String {
    let output = command.output().expect("mozpool runs");
    let (out, err) = said(&output);
    assert!(output.status.success(), "{command:?}\n{out}{err}");
    out
}

/// Its exit code and its sentence.
#[track_caller]
fn refused(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("mozpool runs");
    let (out, err) = said(&output);
    assert_eq!(out, "", "{command:?}");
    (output.status.code().expect("no signal"), err)
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it speaks UTF-8");
    (text(&output.stdout), text(&output.stderr))
}

/// `mozpool` as a client of `daemon`.
fn client(lab: &Lab, daemon: &Daemon, words: &[&str]) -> Command {
    let mut command = mozpool(&lab.config());
    command.args(words).env("MOZPOOL_URL", format!("http://{}/api/", daemon.http));
    command
}

#[test]
fn a_running_daemon_takes_up_a_board_that_is_imported() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let run = |words: &[&str]| done(&mut client(&lab, &daemon, words));
    let file = lab.path("more.toml");
    let path = file.to_str().expect("a plain path");
    std::fs::write(lab.path("mine.cfg.j2"), "DEFAULT mine\nLABEL mine\n  APPEND who={{ device.name }}\n")
        .expect("a file");
    std::fs::write(
        &file,
        format!(
            r#"
[[pxe_config]]
name = "mine"
file = "mine.cfg.j2"

[[image]]
name = "self-test"
pxe = {{ "test board" = "mine" }}

[[device]]
name = "board-2"
fqdn = "127.0.0.1"
mac = "02:00:00:00:00:02"
relay_info = "{}:bank1:relay2"
hardware_type = "test board"
environment = "test"
"#,
            lab.relays.addr()
        ),
    )
    .expect("a file");
    let wanted = concat!(
        "PXE config mine: new\nimage self-test on test board: PXE config mine\ndevice board-2: new\n",
        "in all: device 1 new; image 1 changed; pxe config 1 new\n3 changes"
    );
    assert_eq!(
        run(&["lab", "import", path, "--dry-run"]),
        format!("{wanted}; nothing was written (--dry-run)\n")
    );
    assert_eq!(run(&["lab", "import", path]), format!("{wanted} written\n"));
    assert_eq!(run(&["lab", "import", path]), "nothing to change\n");

    // It begins its life: power is cycled, and it is offered its self-test.
    let boot_file = "pxelinux.cfg/01-02-00-00-00-00-02";
    let text = wait_for("its boot config", || daemon.fetch(boot_file).ok());
    assert_eq!(text, "DEFAULT mine\nLABEL mine\n  APPEND who=board-2\n");
    wait_for("its power cycle", || {
        (daemon.get("device/board-2/status")["state"] == "pxe_booting").then_some(())
    });
    // A template that changes reaches boards that boot it now, and a bad one nobody.
    let bad = refused(&mut client(&lab, &daemon, &["pxe", "edit", "mine", "contents={{ nothing }}"]));
    assert_eq!(bad.0, 1);
    assert!(
        bad.1.starts_with("mozpool: pxe_config `mine`, contents: line 1 of the text: undefined value"),
        "{}",
        bad.1
    );
    let bad = refused(&mut client(&lab, &daemon, &["pxe", "edit", "mine", "contents=[boot]\nkernal = 'x'"]));
    assert!(
        bad.1.starts_with(
            "mozpool: pxe_config `mine`, contents: line 2 of the text: [boot] has no key kernal;"
        ),
        "{}",
        bad.1
    );
    run(&["pxe", "edit", "mine", "contents=[boot]\nkernel = 'k'\nargs = 'who={{ device.name }}'"]);
    let shown = run(&["pxe", "render", "board-2"]);
    let text = daemon.fetch(boot_file).expect("a boot config");
    let token = daemon.token_offered("board-2").expect("its kernel line has one");
    let text = text.replace(&token, "(hidden)");
    assert_eq!(
        text,
        "default mine\nprompt 0\n\nlabel mine\n  kernel k\n  append who=board-2 mozpool-boot=(hidden)\n"
    );
    let (head, rendered) = shown.split_once("\n\n").expect("two parts");
    assert_eq!(rendered, text);
    for line in [
        "board       board-2".to_owned(),
        "state       pxe_booting".to_owned(),
        "PXE config  mine (a description)".to_owned(),
        format!("asks for    {boot_file}  gets it"),
    ] {
        assert!(head.lines().any(|l| l == line), "no `{line}` in {head}");
    }
    let (code, _) = refused(&mut client(&lab, &daemon, &["pxe", "render", "nobody"]));
    assert_eq!(code, 3);
    run(&["pxe", "edit", "mine", "contents=DEFAULT other"]);
    assert_eq!(daemon.fetch(boot_file).expect("a boot config"), "DEFAULT other\n");
    // So does a new address, and the old one is forgotten.
    run(&["device", "edit", "board-2", "mac=020000000009", "comments=by hand"]);
    assert!(daemon.fetch(boot_file).is_err());
    assert!(daemon.fetch("pxelinux.cfg/01-02-00-00-00-00-09").is_ok());

    // It is at work, so it stays; by force it goes, and nothing of it is left.
    let (code, why) = refused(&mut client(&lab, &daemon, &["device", "delete", "board-2", "--yes"]));
    assert_eq!(code, 1);
    assert!(why.contains("it is in state pxe_booting; wait until it is at rest"), "{why}");
    assert_eq!(
        run(&["device", "delete", "board-2", "--force", "--yes"]),
        "device board-2: deleted\n1 change written\n"
    );
    assert!(daemon.fetch("pxelinux.cfg/01-02-00-00-00-00-09").is_err());
    assert_eq!(refused(&mut client(&lab, &daemon, &["device", "show", "board-2"])).0, 3);
    assert!(daemon.terminate().success());
}

#[test]
fn a_claimed_device_stays_and_goes_when_it_is_returned() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let id = daemon.request();
    let delete = || client(&lab, &daemon, &["device", "delete", "board-1", "--force", "--yes"]);
    let (code, why) = refused(&mut delete());
    assert_eq!(code, 1);
    assert_eq!(
        why,
        format!(
            "mozpool: device board-1 cannot be deleted: request {id} holds it; close the request first\n"
        )
    );
    assert_eq!(daemon.call("POST", &format!("request/{id}/return"), None).0, 204);
    wait_for("the claim's end", || delete().output().expect("mozpool runs").status.success().then_some(()));
    assert_eq!(daemon.get("device/list"), json!({"devices": []}));
    let (_, answer) = daemon.call("POST", "device/board-1/event/please_offline", Some(json!({})));
    assert_eq!(answer["error"]["code"], "not_found");
    assert!(daemon.terminate().success());
}

#[test]
fn things_are_listed_shown_added_edited_and_deleted() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let run = |words: &[&str]| done(&mut client(&lab, &daemon, words));
    let no = |words: &[&str]| refused(&mut client(&lab, &daemon, words));
    assert_eq!(
        run(&["hardware", "add", "cubie/A 10", "ping_steady_s=3", r#"limits={"pxe_booting": 90}"#]),
        "hardware type cubie A 10: new\n1 change written\n"
    );
    assert_eq!(
        run(&["hardware", "list", "type=cubie"]),
        "TYPE   MODEL  PING STEADY S  LIMITS\ncubie  A 10               3  pxe_booting: 90\n"
    );
    assert_eq!(no(&["hardware", "add", "cubie/A 10"]).0, 1);
    assert_eq!(
        no(&["hardware", "edit", "cubie/A 11", "ping_steady_s=3"]),
        (3, "mozpool: there is no hardware type `cubie A 11`\n".into())
    );
    assert_eq!(
        run(&["hardware", "delete", "cubie/A 10", "--yes"]),
        "hardware type cubie A 10: deleted\n1 change written\n"
    );

    assert_eq!(run(&["relay", "add", "r1", "fqdn=relay.example"]), "relay board r1: new\n1 change written\n");
    assert_eq!(
        run(&["relay", "show", "r1"]),
        "name            r1\nfqdn            relay.example\nimaging_server  s1\n"
    );
    run(&["relay", "delete", "r1", "--yes"]);

    assert_eq!(
        run(&["image", "edit", "web", "hidden=true", "second_stage=", "--dry-run"]),
        "image web: second_stage write-image.sh -> (nothing)\nimage web: hidden false -> true\nin all: image 1 changed\n2 changes; nothing was written (--dry-run)\n"
    );
    let image: Value = serde_json::from_str(&run(&["image", "show", "web", "--json"])).expect("JSON");
    assert_eq!((&image["hidden"], &image["pxe"]), (&json!(false), &json!({"test board": "image"})));
    assert!(run(&["pxe", "list"]).contains("\nlocal-boot   true    boots the board's own disk\n"));
    let devices = run(&["device", "list", "environment=test"]);
    assert!(devices.lines().nth(1).is_some_and(|l| l.starts_with("board-1  ready  test")), "{devices}");
    assert_eq!(no(&["device", "list", "colour=red"]).0, 2);
    assert_eq!(no(&["device", "add", "x", "fqdn"]).0, 2);
    assert_eq!(no(&["device", "add", "x", "fqdn=a b"]), (1, "mozpool: device `x`, fqdn: `a b` is not a network name; write a name or an address without spaces\n".into()));

    // Out and in again, in every format.
    for name in ["all.toml", "all.json", "devices.csv"] {
        let path = lab.path(name);
        let path = path.to_str().expect("a plain path");
        run(&["lab", "export", path]);
        assert_eq!(run(&["lab", "import", path]), "nothing to change\n", "{name}");
    }
    let mut late = client(&lab, &daemon, &["device", "list"]);
    assert!(daemon.terminate().success());
    let (code, why) = refused(&mut late);
    assert_eq!(code, 4);
    assert!(why.contains("does the daemon run there?"), "{why}");
}

#[test]
fn offline_import_says_how_it_goes_while_the_daemon_runs() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let file = lab.path("lab.toml");
    let (code, why) = refused(mozpool(&lab.config()).args(["db", "import"]).arg(file));
    assert_eq!(code, 1);
    assert!(why.ends_with("or import while it runs, with `mozpool lab import`\n"), "{why}");
    assert!(daemon.terminate().success());
}

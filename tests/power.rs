//! Power in the built daemon: `relayctl`'s guard asks it, devices hang on programs, and the documents' samples do what they say.

mod support;

use relayctl::PowerState;
use serde_json::json;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Daemon, Lab, mozpool, wait_for};

/// The built `relayctl`, which asks this daemon.
fn relayctl(daemon: &Daemon, args: &[&str]) -> (Option<i32>, String) {
    relayctl_with("", daemon, args)
}

/// The same with a token; empty: with none.
fn relayctl_with(token: &str, daemon: &Daemon, args: &[&str]) -> (Option<i32>, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_mozpool")).with_file_name("relayctl");
    assert!(program.exists(), "{} is missing; `cargo build --workspace` makes it", program.display());
    let url = format!("http://{}", daemon.http);
    let mut command = Command::new(program);
    // What the user who runs the tests has set for himself stays out.
    let command = command.env_remove("HOME").env_remove("XDG_CONFIG_HOME").env_remove("MOZPOOL_TOKEN_FILE");
    let done =
        command.env("MOZPOOL_URL", url).env("MOZPOOL_TOKEN", token).args(args).output().expect("it runs");
    (done.status.code(), String::from_utf8(done.stderr).expect("text"))
}

#[test]
fn relayctl_leaves_the_power_of_a_device_alone_that_the_daemon_works_with() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let board = lab.relays.addr().to_string();
    let (code, said) = relayctl(&daemon, &["turnon", &board, "1", "1"]);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("board-1, which is ready"), "{said}");
    let (code, said) = relayctl(&daemon, &["bank-on", "--yes", &board, "1"]);
    assert!(code == Some(5) && said.contains("board-1"), "{said}");
    assert_eq!((lab.relays.connections(), lab.power()), (0, PowerState::Off));

    // Who has it is said.
    let body = json!({"assignee": "alice", "duration": 600, "image": "web", "boot_config": "{}", "url": "x"});
    let (status, made) = daemon.call("POST", "device/board-1/request", Some(body));
    assert_eq!(status, 200, "{made}");
    let id = made["request"]["id"].as_i64().expect("a number");
    let held = wait_for("the request to hold the board", || {
        let (_, said) = relayctl(&daemon, &["turnon", &board, "1", "1"]);
        said.contains("reserved by alice until 20").then_some(said)
    });
    assert!(held.contains(&format!("request {id}")), "{held}");
    daemon.call("POST", &format!("request/{id}/return"), Some(json!({})));

    // Relays of nobody are anybody's, and so are devices that the daemon keeps its hands off.
    assert_eq!(relayctl(&daemon, &["turnon", &board, "1", "2"]), (Some(0), String::new()));
    wait_for("the board to be locked out", || {
        daemon.event("please_offline", json!({}));
        (daemon.state() == "locked_out").then_some(())
    });
    let (code, said) = wait_for("the relay board to be free", || {
        let done = relayctl(&daemon, &["turnoff", &board, "1", "1"]);
        (done.0 != Some(3)).then_some(done)
    });
    assert_eq!((code, said.as_str(), lab.power()), (Some(0), "", PowerState::Off));
}

#[test]
fn relayctl_shows_a_token_to_a_daemon_that_asks_for_one() {
    let lab = Lab::new();
    let text = fs::read_to_string(lab.config()).expect("the configuration");
    fs::write(lab.config(), text + "[auth]\nmode = \"token\"\n").expect("the configuration");
    let daemon = lab.serve();
    let board = lab.relays.addr().to_string();
    let made = mozpool(&lab.config()).args(["token", "create", "hand", "--role", "viewer"]).output();
    let token = String::from_utf8(made.expect("mozpool runs").stdout).expect("text");
    let (code, said) = relayctl(&daemon, &["turnoff", &board, "1", "1"]);
    assert!(code == Some(5) && said.contains("not known whose power this is"), "{said}");
    let (code, said) = relayctl_with(token.trim(), &daemon, &["turnoff", &board, "1", "1"]);
    assert!(code == Some(5) && said.contains("board-1, which is ready"), "{said}");
    assert_eq!(lab.relays.connections(), 0);
    assert_eq!(relayctl_with(token.trim(), &daemon, &["turnon", &board, "1", "2"]), (Some(0), String::new()));
}

/// Puts a program where the daemon looks for them. Another process writes it: one that we had open for writing could not be run.
fn program(folder: &Path, name: &str, script: &str) {
    fs::create_dir_all(folder).expect("a folder in the temporary one");
    fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("it is ours");
    let path = folder.join(name);
    let mut tee = Command::new("tee");
    let mut tee = tee.arg(&path).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("tee runs");
    tee.stdin.take().expect("it is piped").write_all(script.as_bytes()).expect("it reads");
    assert!(tee.wait().expect("it ends").success());
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn a_device_hangs_on_a_program_and_the_api_cannot_name_any_other() {
    let lab = Lab::new();
    let folder = lab.path("power");
    let script = "#!/bin/sh\nd=${0%/*}\necho \"$*\" >> $d/calls\n\
                  case $2 in status) cat $d/state ;; *) echo $2 > $d/state ;; esac\n";
    program(&folder, "switch", script);
    let mut config = fs::read_to_string(lab.config()).expect("the configuration");
    config += &format!("power_programs = \"{}\"\n", folder.display());
    fs::write(lab.config(), config).expect("the configuration");
    let file = lab.path("power.toml");
    fs::write(&file, "[[device]]\nname = \"board-1\"\nrelay_info = \"command:switch outlet-7\"\n")
        .expect("a file");
    let done = mozpool(&lab.config()).args(["db", "import"]).arg(&file).output().expect("mozpool runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let daemon = lab.serve();
    daemon.event("please_power_cycle", json!({}));
    daemon.wait_for_state("ready");
    let calls = || fs::read_to_string(folder.join("calls")).unwrap_or_default();
    let cycle = "outlet-7 off\noutlet-7 status\noutlet-7 on\noutlet-7 status\n";
    assert!(calls().starts_with(cycle), "{}", calls());
    assert_eq!(daemon.get("device/board-1/power")["power"], "on");
    fs::write(folder.join("state"), "unknown\n").expect("a file");
    assert_eq!(daemon.get("device/board-1/power")["power"], "unknown");

    // What is no plain name of a program is refused; a name that the folder does not have runs nothing.
    for relay_info in ["command:/bin/sh", "command:../switch", "command:switch ;id", "command:switch -x"] {
        let (status, answer) = rewire(&daemon, relay_info);
        assert!(status == 400 && answer.contains("relay_info"), "{relay_info}: {answer}");
    }
    let (status, answer) = rewire(&daemon, "command:sh");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(daemon.get("device/board-1/power")["power"], "unknown");
    daemon.event("please_power_cycle", json!({}));
    let told = wait_for("the missing program in the board's log", || {
        daemon.log("bmm").into_iter().find(|line| line.contains("power program `sh`"))
    });
    assert!(told.contains("there is no such program"), "{told}");
}

/// Somebody changes where the board's power hangs.
fn rewire(daemon: &Daemon, relay_info: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let call = agent.put(format!("http://{}/api/device/board-1", daemon.http));
    let body = json!({ "relay_info": relay_info }).to_string();
    let mut answer = call.content_type("application/json").send(body).expect("the API answers");
    (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
}

/// The samples of the documents: each block that begins with its file's name.
fn samples() -> Vec<(String, String)> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md"))
        .expect("it is there");
    let blocks = text.split("\n```").filter(|b| b.contains("# /etc/mozpool/power/"));
    blocks
        .map(|block| {
            let script = block.split_once('\n').expect("a block has lines").1;
            let name = script
                .lines()
                .nth(1)
                .and_then(|l| l.rsplit('/').next())
                .expect("its second line is its name");
            (name.split(' ').next().expect("a word").to_owned(), script.to_owned())
        })
        .collect()
}

/// Programs that stand in for those that the samples call: each keeps one power, as its tool would, and answers in its words.
const STAND_INS: &[(&str, &str)] = &[
    (
        "ipmitool",
        "case $* in *'-H host '*'power on') echo on > $S ;; *'-H host '*'power off') echo off > $S ;;\n\
         *'power status') echo \"Chassis Power is $(cat $S)\" ;; *) exit 9 ;; esac",
    ),
    (
        "curl",
        "case $* in *//host/cm?cmnd=Power%20on) echo on > $S ;; *//host/cm?cmnd=Power%20off) echo off > $S ;;\n\
         *//host/cm?cmnd=Power) ;; *) exit 9 ;; esac\necho \"{\\\"POWER\\\":\\\"$(tr a-z A-Z < $S)\\\"}\"",
    ),
    (
        "snmpset",
        "case $* in *'host '*.3' i 1') echo on > $S ;; *'host '*.3' i 2') echo off > $S ;; *) exit 9 ;; esac",
    ),
    ("snmpget", "case $(cat $S) in on) echo 1 ;; off) echo 2 ;; esac"),
    (
        "pduclient",
        "case $* in *'--hostname host --port 3 --command o'*) ;; *) exit 9 ;; esac\nfor last; do :; done\necho $last > $S",
    ),
];

#[test]
fn the_samples_of_the_documents_switch_and_say_what_they_see() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let state = folder.path().join("state");
    for (name, body) in STAND_INS {
        program(folder.path(), name, &format!("#!/bin/sh\nS={}\n{body}\n", state.display()));
    }
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let samples = samples();
    let names: Vec<&str> = samples.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["power-ipmi", "power-tasmota", "power-snmp", "power-pdudaemon"]);
    for (name, script) in &samples {
        program(folder.path(), name, script);
        fs::write(&state, "off\n").expect("a file");
        let run = |verb: &str| {
            let mut command = Command::new(folder.path().join(name));
            let done =
                command.env_clear().env("PATH", &path).args(["host", "3", verb]).output().expect("it runs");
            assert!(done.status.success(), "{name} {verb}: {}", String::from_utf8_lossy(&done.stderr));
            String::from_utf8(done.stdout).expect("text").trim().to_owned()
        };
        // pdudaemon switches and does not tell.
        let knows = name != "power-pdudaemon";
        for power in ["on", "off"] {
            run(power);
            let kept = fs::read_to_string(&state).expect("the stand-in keeps it");
            assert_eq!(
                (kept.trim(), run("status").as_str()),
                (power, if knows { power } else { "unknown" }),
                "{name}"
            );
        }
    }
}

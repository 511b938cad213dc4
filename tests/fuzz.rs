//! The API under fire from schemathesis: a client that reads the API's own document and makes calls of it, right ones and
//! wrong ones, and finds each answer that the document does not promise, and each fault of ours (500, 503).
//!
//! The daemon is the built one, with fake relay boards and devices that answer ping. What schemathesis looks at and what not,
//! with the reasons, stands in `tests/fuzz/schemathesis.toml`; its version and those of all that it needs in
//! `tests/fuzz/requirements.txt`, which pip installs into a folder below the build's. Longer:
//! `FUZZ_EXAMPLES=500 FUZZ_SEED=7 cargo test --test fuzz`.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod support;

use mozpool::api::call::{Call, Verb};
use mozpool::api::routes::{Found, ROUTES, find};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{Daemon, Lab, mozpool, wait_for};

/// Calls of each kind per route; with these the run takes one to two minutes on two cores.
const EXAMPLES: &str = "25";
/// The same calls each time.
const SEED: &str = "20261122";

/// Calls that a stranger cannot make succeed: the first does only when the device happens to be in the state that it names, the
/// second wants the seal of another server.
const NOT_BY_GUESSING: [&str; 2] = ["forceDeviceState", "takeLetter"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a program to its end; what it says is shown when it fails.
fn run(command: &mut Command, hint: &str) -> String {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{shown}: {e}; {hint}"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{shown}: {}; {hint}\n{text}", output.status);
    text
}

/// A folder with the pinned tools, made once for each set of them.
fn tools() -> PathBuf {
    let list = root().join("tests/fuzz/requirements.txt");
    let wanted = std::fs::read_to_string(&list).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-tools");
    let made = folder.join("made-of");
    if std::fs::read_to_string(&made).is_ok_and(|have| have == wanted) {
        return folder.join("bin");
    }
    let _ = std::fs::remove_dir_all(&folder);
    let hint = "the Debian package python3-venv and a way to the Python package index are needed";
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder), hint);
    let pip = folder.join("bin/pip");
    let flags = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "-r",
    ];
    run(Command::new(pip).args(flags).arg(&list), hint);
    std::fs::write(made, wanted).unwrap();
    folder.join("bin")
}

/// Boards beside the one that every lab has, one without a relay and one in a state that nobody knows; an image that wants
/// nothing; and an inventory with a board of another server.
fn furnish(lab: &Lab) {
    let mut text = String::from(
        "[[image]]\nname = \"plain\"\nsecond_stage = \"write-image.sh\"\npxe = { \"test board\" = \"image\" }\n\
         [[device]]\nname = \"no-relay\"\nfqdn = \"127.0.0.1\"\nhardware_type = \"test board\"\nstate = \"ready\"\n\
         [[device]]\nname = \"lost\"\nfqdn = \"127.0.0.1\"\nstate = \"unknown\"\n",
    );
    let relays = lab.relays.addr();
    text += &format!("[[relay_board]]\nname = \"relay-1\"\nfqdn = \"{relays}\"\n");
    for n in 2..=5 {
        text += &format!(
            "[[device]]\nname = \"board-{n}\"\nfqdn = \"127.0.0.1\"\nmac = \"02:00:00:00:00:0{n}\"\n\
             relay_info = \"{relays}:bank1:relay{n}\"\nhardware_type = \"test board\"\nenvironment = \"test\"\n\
             tags = [\"wifi\"]\nstate = \"ready\"\n"
        );
    }
    for n in 1..=3 {
        text += &format!("[[device]]\nname = \"spare-{n}\"\nfqdn = \"127.0.0.1\"\nstate = \"locked_out\"\n");
    }
    let file = lab.path("more.toml");
    std::fs::write(&file, text).unwrap();
    run(mozpool(&lab.config()).args(["db", "import"]).arg(file), "the lab file is wrong");
    let inventory = lab.path("inventory.toml");
    let board = "[[device]]\nname = \"far\"\nfqdn = \"far\"\nmac = \"02:00:00:00:00:0f\"\nimaging_server = \"elsewhere\"\n\
                 relay_info = \"relay-far:bank1:relay1\"\n";
    std::fs::write(&inventory, board).unwrap();
    let config = std::fs::read_to_string(lab.config()).unwrap();
    let section = format!("[inventory]\nsource = \"files\"\npath = \"{}\"\n", inventory.display());
    std::fs::write(lab.config(), config + &section).unwrap();
}

fn save_document(daemon: &Daemon, lab: &Lab) -> PathBuf {
    let path = lab.path("openapi.json");
    std::fs::write(&path, daemon.get("openapi.json").to_string()).unwrap();
    path
}

/// Operations that were answered with a success, by the access log, which shows every one.
fn succeeded(daemon: &Daemon) -> BTreeSet<&'static str> {
    let route = |line: &String| {
        let words: Vec<&str> = line.split_once(" mozpool::access: ")?.1.split(' ').collect();
        let verb = Some(Verb::parse(words.first()?)).filter(|verb| *verb != Verb::Head)?;
        let good = words.get(2)?.starts_with('2');
        match find(ROUTES, &Call::new(verb, *words.get(1)?)) {
            Found::Route(route, _) if good => Some(route.about.id),
            _ => None,
        }
    };
    daemon.said().iter().filter_map(route).collect()
}

#[test]
fn the_document_is_valid_and_the_api_keeps_it() {
    let tools = tools();
    let lab = Lab::new();
    furnish(&lab);
    let daemon = lab.serve();
    let document = save_document(&daemon, &lab);
    run(
        Command::new(tools.join("openapi-spec-validator")).arg(document),
        "the document breaks OpenAPI's own rules",
    );

    for _ in 0..4 {
        let body = serde_json::json!({ "assignee": "fuzz", "duration": 3600, "image": "plain" });
        daemon.post("device/any/request", body);
    }
    // Tokens and boards that nobody knows, as schemathesis.toml names them.
    for n in 1..=6 {
        let body = serde_json::json!({ "name": format!("job-{n}"), "role": "viewer" });
        assert_eq!(daemon.call("POST", "token", Some(body)).0, 201);
    }
    for n in 10..34 {
        assert!(daemon.fetch(&format!("pxelinux.cfg/01-06-00-00-00-00-{n}")).is_err());
    }
    wait_for("all to be noted", || {
        (daemon.get("candidate/list")["candidates"].as_array().unwrap().len() == 24).then_some(())
    });
    let setting = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let url = format!("http://{}/api/openapi.json", daemon.http);
    let text = run(
        Command::new(tools.join("schemathesis"))
            .arg("--config-file")
            .arg(root().join("tests/fuzz/schemathesis.toml"))
            .args(["run", &url, "--seed", &setting("FUZZ_SEED", SEED)])
            .args(["--max-examples", &setting("FUZZ_EXAMPLES", EXAMPLES)])
            .args(["--phases", "examples,coverage,fuzzing,stateful"])
            .env("NO_COLOR", "1")
            .env("SCHEMATHESIS_HOOKS", root().join("tests/fuzz/hooks.py"))
            .env_remove("http_proxy")
            .current_dir(lab.folder.path()),
        "an answer is not as documented, or is a fault of ours",
    );
    #[allow(clippy::print_stdout, reason = "a test's own output")]
    {
        println!("{text}");
    }
    assert!(text.contains("No issues found"), "schemathesis says nothing of its end");
    assert!(!daemon.said().iter().any(|l| l.contains("panicked")), "a handler has panicked");
    let good = succeeded(&daemon);
    let ids = ROUTES.iter().map(|r| r.about.id);
    let never: Vec<&str> = ids.filter(|id| !good.contains(id) && !NOT_BY_GUESSING.contains(id)).collect();
    assert!(never.is_empty(), "nothing was found out about {never:?}: no call of it has ever succeeded");
    assert_eq!(daemon.call("GET", "ready", None).0, 200, "it still works");
    assert!(daemon.terminate().success());
}

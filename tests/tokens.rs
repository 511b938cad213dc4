//! The built daemon when it asks who calls, and what is done by hand on its server: tokens made, listed and revoked, the audit log
//! read, beside the running daemon.

mod support;

use serde_json::{Value, json};
use std::process::Output;
use support::{Daemon, Lab, mozpool, wait_for};

/// A lab whose daemon listens where others reach it, too; `more` goes into `[auth]`.
fn lab(listen: &str, more: &str) -> Lab {
    let lab = Lab::new();
    let text = std::fs::read_to_string(lab.config()).expect("the configuration");
    let text = text.replacen("127.0.0.1:0", listen, 1) + &format!("[auth]\n{more}\n");
    std::fs::write(lab.config(), text).expect("the configuration");
    lab
}

fn run(lab: &Lab, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = mozpool(&lab.config()).args(args).output().expect("mozpool runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

/// Status and JSON of a call with a token.
fn call(daemon: &Daemon, token: &str, method: &str, path: &str) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(support::LIMIT))
        .build()
        .into();
    let url = format!("http://127.0.0.1:{}/api/{path}", daemon.http.port());
    let bearer = format!("Bearer {token}");
    let answer = match method {
        "GET" => agent.get(&url).header("Authorization", &bearer).call(),
        _ => agent.post(&url).header("Authorization", &bearer).send("{}"),
    };
    let mut answer = answer.unwrap_or_else(|e| panic!("{method} {url}: {e}"));
    let text = answer.body_mut().read_to_string().expect("a body");
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[test]
fn a_server_that_others_reach_asks_and_one_on_loopback_does_not() {
    for (listen, more, mode) in [
        ("127.0.0.1:0", "", "open"),
        ("0.0.0.0:0", "", "token"),
        ("0.0.0.0:0", "mode = \"open\"", "open"),
        ("127.0.0.1:0", "mode = \"token\"", "token"),
        ("127.0.0.1:0", "proxy_header = \"X-Remote-User\"\nproxies = [\"127.0.0.1\"]", "token"),
    ] {
        let lab = lab(listen, more);
        let daemon = lab.serve();
        let (status, session) = call(&daemon, "", "GET", "session");
        assert_eq!((status, &session["mode"]), (200, &json!(mode)), "{listen} {more}");
    }
}

#[test]
fn a_server_on_loopback_that_says_it_is_elsewhere_has_a_proxy_and_asks() {
    for (url, mode) in [("https://pool.example.com", "token"), ("http://localhost:8080", "open")] {
        let lab = lab("127.0.0.1:0", "");
        let text = std::fs::read_to_string(lab.config()).expect("the configuration");
        let text = text.replacen("[server]", &format!("[server]\nurl = \"{url}\""), 1);
        std::fs::write(lab.config(), text).expect("the configuration");
        let (status, session) = call(&lab.serve(), "", "GET", "session");
        assert_eq!((status, &session["mode"]), (200, &json!(mode)), "{url}");
    }
}

#[test]
fn tokens_are_made_and_revoked_beside_the_daemon() {
    let lab = lab("0.0.0.0:0", "");
    let daemon = lab.serve();
    assert!(
        daemon.said().iter().any(|line| line.contains("mozpool token create NAME --role admin")),
        "it says that nobody can change anything yet"
    );
    assert_eq!(call(&daemon, "mzp_x", "POST", "device/board-1/clear-pxe").0, 401);

    let (code, token, told) = run(&lab, &["token", "create", "ann", "--role", "admin", "--days", "7"]);
    assert_eq!(code, Some(0), "{told}");
    let token = token.strip_suffix('\n').expect("a line").to_owned();
    assert!(token.len() == 47 && token.starts_with("mzp_"), "standard output is the token alone: {token}");
    assert!(told.contains("ann is admin until ") && told.contains("shown this once"), "{told}");
    assert_eq!(call(&daemon, &token, "POST", "device/board-1/clear-pxe").0, 200, "it works at once");

    let (code, none, told) =
        run(&lab, &["token", "create", "bob@lab", "--role", "viewer", "--environment", "x", "--proxy"]);
    assert_eq!((code, none.as_str()), (Some(0), ""), "{told}");
    let (code, _, told) = run(&lab, &["token", "create", "ann", "--role", "viewer"]);
    assert!(code == Some(1) && told.contains("there is a token ann already"), "{told}");
    for (args, want) in [
        (&["token", "create", "a b", "--role", "viewer"][..], "cannot have the name `a b`"),
        (&["token", "create", "x", "--role", "root"], "viewer, requester, operator, admin, server"),
        (&["token", "create", "x", "--role", "viewer", "--days", "0"], "1 to 3650 days, not for 0"),
    ] {
        let (code, _, told) = run(&lab, args);
        assert!(code == Some(2) && told.contains(want), "{args:?}: {told}");
    }

    let (_, list, _) = run(&lab, &["token", "list"]);
    assert!(list.lines().nth(1).expect("a row").starts_with("ann      admin"), "{list}");
    let (_, list, _) = run(&lab, &["token", "list", "--json"]);
    let list: Value = serde_json::from_str(&list).expect("JSON");
    assert_eq!(
        (&list["tokens"][1]["proxy"], &list["tokens"][1]["environments"]),
        (&json!(true), &json!(["x"]))
    );

    let (code, _, told) = run(&lab, &["token", "revoke", "ann"]);
    assert_eq!(code, Some(0), "{told}");
    wait_for("the daemon to notice", || (call(&daemon, &token, "GET", "device/list").0 == 401).then_some(()));
    assert_eq!(run(&lab, &["token", "revoke", "ann"]).0, Some(3));

    let (code, log, _) = run(&lab, &["audit", "--since", "1h", "--json"]);
    assert_eq!(code, Some(0));
    let told: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let shown =
        |entry: &Value| format!("{} {} {}", entry["via"], entry["method"], entry["path"]).replace('"', "");
    let told: Vec<String> = told.iter().map(shown).collect();
    for want in [
        "cli POST /api/token ann admin",
        "token POST /api/device/board-1/clear-pxe",
        "cli DELETE /api/token/ann",
    ] {
        assert_eq!(told.iter().filter(|line| *line == want).count(), 1, "{want}: {told:?}");
    }
    assert!(!log.contains(&token) && !log.contains(&token[4..]));
    let (_, log, _) = run(&lab, &["audit", "--who", "ann", "--limit", "1"]);
    assert!(log.contains("clear-pxe") && log.lines().count() == 2, "{log}");
    // Neither has the daemon said it to its log.
    let said = daemon.terminate_and_hear();
    assert!(!said.iter().any(|line| line.contains(&token[4..])));
}

#[test]
fn by_hand_no_store_is_made_and_none_is_upgraded() {
    let lab = lab("127.0.0.1:0", "");
    let text = std::fs::read_to_string(lab.config()).expect("the configuration");
    std::fs::write(lab.config(), text.replace("mozpool.db", "other.db")).expect("the configuration");
    let (code, _, told) = run(&lab, &["token", "list"]);
    assert!(code == Some(1) && told.contains("there is no store yet; start the daemon once"), "{told}");
    assert!(!lab.path("other.db").exists());
}

#[test]
fn check_says_who_may_call() {
    for (listen, more, want) in [
        ("127.0.0.1:0", "", "ok access whoever reaches 127.0.0.1:0 may do everything"),
        ("0.0.0.0:0", "mode = \"open\"", "warn access auth.mode is \"open\": whoever reaches 0.0.0.0:0 may"),
        ("0.0.0.0:0", "", "warn access there is no token of the role admin"),
        ("0.0.0.0:0", "proxy_header = \"X-User\"", "no proxy is believed"),
    ] {
        let lab = lab(listen, more);
        let (_, told, _) = run(&lab, &["check"]);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(want), "{listen} {more}: {told}");
    }
}

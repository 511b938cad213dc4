//! The guard, against a daemon of a few lines: what it refuses, what it lets pass, and that silence alone stops nobody.
//!
//! The real daemon's answers are held to the same keys in the main package's tests.
#![allow(clippy::unwrap_used)]

use relayctl::{Bank, FakeBoard, FakeSettings, PowerState, Relay};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

fn board() -> FakeBoard {
    FakeBoard::start("127.0.0.1:0".parse().unwrap(), FakeSettings::default()).unwrap()
}
fn power(board: &FakeBoard) -> PowerState {
    board.power(Bank::new(1).unwrap(), Relay::new(3).unwrap())
}

/// Answers every call with what `answer` makes of its path, and tells the paths.
fn daemon(answer: impl Fn(&str) -> String + Send + 'static) -> (SocketAddr, mpsc::Receiver<String>) {
    daemon_that_asks(move |path, _| ("200 OK".into(), answer(path)))
}

/// Answers with the status (and headers) and the body that `answer` makes of a path and of what `Authorization` says.
fn daemon_that_asks(
    answer: impl Fn(&str, &str) -> (String, String) + Send + 'static,
) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, paths) = mpsc::channel();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let path = lines.next().and_then(|l| Some(l.split(' ').nth(1)?.to_owned())).unwrap_or_default();
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let who = head.iter().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("authorization").then_some(value)
            });
            let (status, body) = answer(&path, who.unwrap_or_default());
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _ = tell.send(path);
        }
    });
    (addr, paths)
}

fn device(name: &str, relay_info: &str, state: &str, request: Option<i64>) -> Value {
    json!({ "name": name, "relay_info": relay_info, "state": state, "request_id": request })
}

/// A daemon with these devices, request 17 of which alice has.
fn daemon_with(devices: &[Value]) -> (SocketAddr, mpsc::Receiver<String>) {
    let list = json!({ "devices": devices }).to_string();
    daemon(move |path| match path {
        "/api/request/17/details/" => {
            json!({ "assignee": "alice", "expires": "2026-11-22T15:45:55.494000" }).to_string()
        }
        _ => list.clone(),
    })
}

fn relayctl(url: &str, args: &str) -> (i32, String, String) {
    relayctl_with(&[("MOZPOOL_URL", url)], args)
}

/// Runs it with nothing of its environment but what `variables` say.
fn relayctl_with(variables: &[(&str, &str)], args: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relayctl"));
    let command = command.env_clear().envs(variables.iter().copied());
    let done = command.args(args.split_whitespace()).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code().expect("not killed"), text(done.stdout), text(done.stderr))
}

#[test]
fn a_managed_devices_power_is_left_alone_unless_forced() {
    let board = board();
    let at = board.addr();
    let ours = format!("LOCALHOST:{}:bank1:relay3", at.port());
    let (api, paths) = daemon_with(&[
        device("panda-2", &format!("127.0.0.1:{}:bank1:relay4", at.port()), "ready", None),
        device("panda-9", "127.0.0.1:1:bank1:relay3", "ready", None),
        device("panda-1", &ours, "ready", Some(17)),
    ]);
    let url = format!("http://{api}/");
    // The inventory calls the board by its name, the operator by its address.
    for command in ["turnon", "turnoff", "powercycle"] {
        let (code, out, why) = relayctl(&url, &format!("{command} {at} 1 3"));
        assert_eq!((code, out.as_str()), (5, "FAILED\n"), "{why}");
        for part in ["panda-1, which is ready", "reserved by alice until 2026-11-22T15:45", "--force"] {
            assert!(why.contains(part), "{part}: {why}");
        }
        assert!(!why.contains("panda-2") && !why.contains("panda-9"), "{why}");
    }
    assert_eq!(board.connections(), 0, "not even connected");
    let asked: Vec<String> = paths.try_iter().collect();
    assert_eq!(asked[0], "/api/device/list/?details=1&relay=:bank1:relay3");

    let (code, out, _) = relayctl(&url, &format!("turnon --json {at} 1 3"));
    let refused: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &refused["fault"], &refused["power"]), (5, &json!("guarded"), &json!("untouched")));
    let (code, _, why) = relayctl(&url, &format!("turnon --dry-run {at} 1 3"));
    assert!(code == 5 && why.contains("panda-1"), "a dry run asks, too: {why}");

    // Looking is free, force is force, and neither asks.
    let _ = paths.try_iter().count();
    assert_eq!(relayctl(&url, &format!("status {at} 1 3")).0, 0);
    assert_eq!(relayctl(&url, &format!("turnon --force {at} 1 3")), (0, "OK\n".into(), String::new()));
    assert_eq!((power(&board), paths.try_iter().count()), (PowerState::On, 0));
}

#[test]
fn what_belongs_to_nobody_or_to_a_locked_out_device_is_switched_in_silence() {
    let board = board();
    let at = board.addr();
    let (api, _) = daemon_with(&[device("panda-1", &format!("{at}:bank1:relay3"), "locked_out", None)]);
    let ok = (0, "OK\n".to_owned(), String::new());
    assert_eq!(relayctl(&format!("http://{api}"), &format!("turnon {at} 1 3")), ok);
    assert_eq!(relayctl(&format!("http://{api}/api"), &format!("turnon {at} 1 4")), ok);
    // --server counts more than the environment.
    let (code, ..) = relayctl("http://127.0.0.1:1", &format!("turnoff --server http://{api} {at} 1 3"));
    assert_eq!((code, power(&board)), (0, PowerState::Off));
}

#[test]
fn a_bank_is_refused_for_each_device_that_hangs_on_it() {
    let board = board();
    let at = board.addr();
    let (api, paths) = daemon_with(&[
        device("panda-1", &format!("{at}:bank1:relay3"), "ready", None),
        device("panda-2", &format!("{at}:bank1:relay5:no"), "pxe_booting", None),
        device("panda-3", &format!("{at}:bank1:relay6"), "locked_out", None),
        device("panda-4", &format!("{at}:bank2:relay1"), "ready", None),
        device("panda-5", "command:power-ipmi bmc1", "ready", None),
    ]);
    let (code, _, why) = relayctl(&format!("http://{api}"), &format!("bank-off --yes {at} 1"));
    assert_eq!(code, 5);
    assert!(why.contains("panda-1, which is ready; and of panda-2, which is pxe_booting"), "{why}");
    assert!(!why.contains("panda-3") && !why.contains("panda-4"), "{why}");
    assert_eq!(paths.recv().unwrap(), "/api/device/list/?details=1&relay=:bank1:");
    assert_eq!(board.connections(), 0);
}

/// A server as it is when it is installed: no token, no answer.
fn installed(token: &'static str, list: String) -> SocketAddr {
    let asks = move |_: &str, who: &str| match who == format!("Bearer {token}") {
        true => ("200 OK".into(), list.clone()),
        false => ("401 Unauthorized\r\nWWW-Authenticate: Bearer".into(), r#"{"error": {}}"#.into()),
    };
    daemon_that_asks(asks).0
}

#[test]
fn a_server_that_asks_for_tokens_is_shown_the_one_that_mozpool_would_show() {
    let board = board();
    let at = board.addr();
    let list = json!({ "devices": [device("panda-1", &format!("{at}:bank1:relay3"), "ready", None)] });
    let url = format!("http://{}", installed("mzp_good", list.to_string()));
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_str().unwrap();
    let ours = folder.path().join(".config/mozpool");
    std::fs::create_dir_all(&ours).unwrap();
    let private = |name: &str, text: &str| {
        let path = ours.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let good = private("good", "mzp_good\n");

    // Nobody says who calls: then nobody knows whose power it is.
    let (code, _, why) =
        relayctl_with(&[("MOZPOOL_URL", &url), ("HOME", home)], &format!("turnoff {at} 1 3"));
    assert_eq!(code, 5, "{why}");
    for part in ["not known whose power", "asks who calls", "--token-file", "--force"] {
        assert!(why.contains(part), "{part}: {why}");
    }
    let (code, _, why) =
        relayctl_with(&[("MOZPOOL_URL", &url), ("MOZPOOL_TOKEN", "mzp_bad")], &format!("turnoff {at} 1 3"));
    assert!(code == 5 && why.contains("does not take the token from $MOZPOOL_TOKEN"), "{why}");
    assert!(!why.contains("mzp_"), "a secret does not belong there: {why}");

    // Each way to say it, the strongest first.
    let knows = |variables: &[(&str, &str)], args: &str| {
        let (code, _, why) = relayctl_with(variables, &format!("turnoff {args} {at} 1 3"));
        assert!(code == 5 && why.contains("panda-1, which is ready"), "{variables:?}: {why}");
    };
    let bad = ("MOZPOOL_TOKEN", "mzp_bad");
    knows(&[("MOZPOOL_URL", &url), bad], &format!("--token-file {good}"));
    knows(&[("MOZPOOL_URL", &url), ("MOZPOOL_TOKEN", "mzp_good"), ("MOZPOOL_TOKEN_FILE", "/none")], "");
    knows(&[("MOZPOOL_URL", &url), ("MOZPOOL_TOKEN_FILE", &good)], "");
    let client = ours.join("client.toml");
    std::fs::write(&client, format!("urls = ['http://127.0.0.1:1', '{url}']\ntoken_file = '{good}'\n"))
        .unwrap();
    knows(&[("HOME", home)], "");
    std::fs::remove_file(client).unwrap();
    let usual = private("token", "mzp_good\n");
    knows(&[("MOZPOOL_URL", &url), ("HOME", home)], "");
    // What others can read is not shown, and with that the server says nothing.
    std::fs::set_permissions(&usual, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, why) =
        relayctl_with(&[("MOZPOOL_URL", &url), ("HOME", home)], &format!("turnoff {at} 1 3"));
    assert!(code == 5 && why.contains("chmod 600"), "{why}");
    assert_eq!(board.connections(), 0);

    // What is nobody's may be switched by who is known.
    let known = [("MOZPOOL_URL", url.as_str()), ("MOZPOOL_TOKEN", "mzp_good")];
    assert_eq!(relayctl_with(&known, &format!("turnon {at} 1 4")), (0, "OK\n".into(), String::new()));
}

#[test]
fn a_server_of_the_pool_that_knows_more_is_asked_with_the_token() {
    let board = board();
    let at = board.addr();
    let (list, place) =
        (json!({ "devices": [] }).to_string(), format!("http://{}", installed("mzp_a", "{}".into())));
    let behind = format!("http://{}/api/device/list/", installed("mzp_a", list));
    let to = |place: String| {
        daemon_that_asks(move |_, _| (format!("302 Found\r\nLocation: {place}"), String::new())).0
    };
    let run = |server: SocketAddr| {
        let known = [("MOZPOOL_URL", &*format!("http://{server}")), ("MOZPOOL_TOKEN", "mzp_a")];
        relayctl_with(&known, &format!("turnon {at} 1 4"))
    };
    assert_eq!(run(to(behind)).0, 0);
    let (code, _, why) = run(to(place.replace("http:", "https:")));
    assert!(code == 5 && why.contains("plain http only"), "{why}");
}

#[test]
fn who_answers_and_does_not_say_whose_it_is_is_no_silence() {
    let board = board();
    let at = board.addr();
    // No Mozpool; one that cannot look; something that is no URL; one that only https leads to.
    let (strange, _) = daemon(|_| "<html>It works!</html>".into());
    let (other, _) = daemon(|_| "{}".into());
    let (ill, _) = daemon_that_asks(|_, _| ("503 Service Unavailable".into(), "{}".into()));
    for (url, part) in [
        (format!("http://{strange}"), "does not answer as Mozpool does"),
        (format!("http://{other}"), "does not answer as Mozpool does"),
        (format!("http://{ill}"), "HTTP status 503"),
        ("host".into(), "not a server's URL"),
        ("https://127.0.0.1:1".into(), "speaks no https"),
    ] {
        let (code, out, said) = relayctl(&url, &format!("powercycle {at} 1 3"));
        assert_eq!((code, out.as_str()), (5, "FAILED\n"), "{url}: {said}");
        assert!(said.contains("not known whose power") && said.contains(part), "{url}: {said}");
    }
    assert_eq!(board.connections(), 0);
}

#[test]
fn a_daemon_that_does_not_answer_stops_nobody() {
    let board = board();
    let at = board.addr();
    let (code, out, said) = relayctl("http://127.0.0.1:1", &format!("powercycle {at} 1 3"));
    assert_eq!((code, out.as_str()), (0, "OK\n"), "{said}");
    assert!(
        said.contains("could not ask Mozpool whose power this is") && said.contains("going on"),
        "{said}"
    );
    // Somebody who takes the call and never answers: not for long.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let begun = Instant::now();
    let (code, _, said) =
        relayctl(&format!("http://{}", mute.local_addr().unwrap()), &format!("turnon {at} 1 3"));
    assert_eq!(code, 0);
    assert!(said.contains("going on"), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn the_daemon_is_found_by_this_machines_configuration() {
    let board = board();
    let at = board.addr();
    let (api, _) = daemon_with(&[device("panda-1", &format!("{at}:bank1:relay3"), "ready", None)]);
    let file = std::env::temp_dir().join(format!("relayctl-guard-{}.toml", std::process::id()));
    let run = |text: &str| {
        std::fs::write(&file, text).unwrap();
        let config = [("MOZPOOL_CONFIG", file.to_str().unwrap())];
        let (code, _, said) = relayctl_with(&config, &format!("turnon {at} 1 3"));
        (code, said)
    };
    let found = run(&format!("[http]\nlisten = \"0.0.0.0:{}\"\n", api.port()));
    let broken = run("not = TOML = at all");
    std::fs::remove_file(&file).unwrap();
    assert!(found.0 == 5 && found.1.contains("panda-1"), "{}", found.1);
    assert!(broken.0 == 5 && broken.1.contains("cannot be read as TOML"), "{}", broken.1);
}

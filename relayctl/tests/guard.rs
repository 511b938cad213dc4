//! The guard, against a daemon of a few lines: what it refuses, what it lets pass, and that it never stops who cannot ask.
//!
//! The real daemon's answers are held to the same keys in the main package's tests.
#![allow(clippy::unwrap_used)]

use relayctl::{Bank, FakeBoard, FakeSettings, PowerState, Relay};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
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
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (tell, paths) = mpsc::channel();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let path = lines.next().and_then(|l| Some(l.split(' ').nth(1)?.to_owned())).unwrap_or_default();
            lines.find(String::is_empty);
            let body = answer(&path);
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_relayctl"));
    let command = command.env("MOZPOOL_URL", url).args(args.split_whitespace()).stdin(Stdio::null());
    let done = command.output().unwrap();
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

#[test]
fn who_cannot_be_asked_stops_nobody() {
    let board = board();
    let at = board.addr();
    // Nobody there; somebody who is no Mozpool; something that is no URL.
    let (strange, _) = daemon(|_| "<html>It works!</html>".into());
    let (other, _) = daemon(|_| "{}".into());
    for url in [
        "http://127.0.0.1:1".to_owned(),
        format!("http://{strange}"),
        format!("http://{other}"),
        "host".into(),
    ] {
        let (code, out, said) = relayctl(&url, &format!("powercycle {at} 1 3"));
        assert_eq!((code, out.as_str()), (0, "OK\n"), "{url}: {said}");
        assert!(
            said.contains("could not ask Mozpool whose power this is") && said.contains("going on"),
            "{said}"
        );
    }
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_relayctl"));
        let command = command.env_remove("MOZPOOL_URL").env("MOZPOOL_CONFIG", &file);
        let done = command.args(["turnon", &at.to_string(), "1", "3"]).output().unwrap();
        (done.status.code().unwrap(), String::from_utf8(done.stderr).unwrap())
    };
    let found = run(&format!("[http]\nlisten = \"0.0.0.0:{}\"\n", api.port()));
    let broken = run("not = TOML = at all");
    std::fs::remove_file(&file).unwrap();
    assert!(found.0 == 5 && found.1.contains("panda-1"), "{}", found.1);
    assert!(broken.0 == 0 && broken.1.contains("cannot be read as TOML"), "{}", broken.1);
}

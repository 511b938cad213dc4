//! Boards that turn to the pool and are no devices: `mozpool candidate`, a real boot loader's question, a real agent's line.

use crate::support::{Daemon, wait_for};
use crate::world::World;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Where the daemon lets agents register.
fn registration(daemon: &Daemon) -> SocketAddr {
    let health = daemon.get("health");
    let services = health["services"].as_array().unwrap();
    let service = services.iter().find(|s| s["name"] == "registration").unwrap();
    assert_eq!(service["state"], "running");
    service["listens"][0].as_str().unwrap().trim_start_matches("tcp://").parse().unwrap()
}

/// What an agent hears to its line.
fn say(to: SocketAddr, line: &[u8]) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(line).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn candidates(daemon: &Daemon, query: &str) -> Vec<Value> {
    daemon.get(&format!("candidate/list{query}"))["candidates"].as_array().unwrap().clone()
}

fn wait_for_candidates(daemon: &Daemon, number: usize) -> Vec<Value> {
    wait_for("candidates", || Some(candidates(daemon, "")).filter(|all| all.len() == number))
}

#[test]
fn a_board_that_nobody_knows_is_listed_accepted_and_tests_itself() {
    let world = World::with(2);
    let daemon = world.daemon();
    let details = daemon.get("device/board-002/details");
    let text = |key: &str| details[key].as_str().unwrap().to_owned();
    let (mac, relay, fqdn) = (text("mac"), text("relay_info"), text("fqdn"));
    world.done(&["device", "delete", "board-002", "--force", "-y"]);
    assert_eq!(
        world.done(&["candidate", "list"]),
        "no candidates: every board that turned to this pool is known\n"
    );

    // A boot loader asks, and is answered as every stranger is.
    let config = format!("pxelinux.cfg/01-{}", mac.replace(':', "-"));
    let refused = daemon.fetch(&config).unwrap_err();
    assert!(refused.to_string().contains("not found"), "{refused}");
    let known = daemon.fetch("pxelinux.cfg/default").unwrap();
    let found = wait_for_candidates(daemon, 1).remove(0);
    assert_eq!((&found["mac"], &found["address"]), (&mac.clone().into(), &"127.0.0.1".into()));
    assert_eq!((&found["asked_for"], &found["agent"]), (&config.clone().into(), &Value::Null));
    assert_eq!(found["imaging_server"], "s1");
    let table = world.done(&["candidate", "list"]);
    let row = table.lines().nth(1).unwrap();
    assert!(row.starts_with(&mac) && row.contains("board-") && row.contains(&config), "{table}");

    // An agent on it says more, and is one line in the list all the same.
    let line = format!(
        "register NAME={}&OS=Linux&HARDWARE=%3Cb%3Eemulated&POOL=x&CMDPORT=20701\r\n",
        mac.replace(':', "%3A")
    );
    assert_eq!(say(registration(daemon), line.as_bytes()), "OK\n");
    wait_for("its agent's words", || {
        Some(candidates(daemon, "")).filter(|all| all[0]["agent"]["hardware"] == "<b>emulated")
    });
    assert_eq!(candidates(daemon, "").len(), 1);

    let fields = [
        "name=board-002",
        &format!("relay_info={relay}"),
        &format!("fqdn={fqdn}"),
        "environment=demo",
        "hardware_type=emulated board",
    ];
    let accept = [&["candidate", "accept", &mac][..], &fields].concat();
    assert!(world.done(&[&accept[..], &["--dry-run"]].concat()).starts_with("device board-002: new\n"));
    assert_eq!(candidates(daemon, "").len(), 1, "a dry run changes nothing");
    assert!(world.done(&accept).starts_with("device board-002: new\n"));
    assert_eq!(candidates(daemon, "?ignored"), [] as [Value; 0], "it is a device, and no candidate any more");
    // It is power-cycled, boots the live system by its own config, tests itself, and is free.
    wait_for("the board to be ready", || {
        (daemon.get("device/board-002/state")["state"] == "ready").then_some(())
    });
    wait_for("its history to say that it asked for its own config", || {
        daemon.get("device/board-002/log?limit=0").to_string().contains(&config).then_some(())
    });
    assert_eq!(daemon.fetch("pxelinux.cfg/default").unwrap(), known);
    assert_eq!(world.run(&["candidate", "accept", &mac]).code, 3, "there is nothing left to accept");
    // Now it is known: its agent's words go to its log.
    assert_eq!(say(registration(daemon), line.as_bytes()), "OK\n");
    wait_for("a line of its log", || {
        let log = daemon.get("device/board-002/log?q=agent%20registered")["log"].to_string();
        log.contains("agent registered from 127.0.0.1, os Linux, hardware <b>emulated, pool x").then_some(())
    });
    assert_eq!(candidates(daemon, "?ignored"), [] as [Value; 0]);
}

#[test]
fn a_rule_takes_boards_in_and_what_is_ignored_stays_so() {
    let world = World::with(1);
    let daemon = world.daemon();
    let at = registration(daemon);
    assert_eq!(say(at, b"register NAME=020000aaaa01&IPADDR=127.0.0.1&POOL=By-Rule&HARDWARE=Board\n"), "OK\n");
    let row = wait_for("the device", || {
        Some(daemon.call("GET", "device/rule-aaaa01/details", None)).filter(|(s, _)| *s == 200)
    })
    .1;
    assert_eq!((&row["environment"], &row["mac"]), (&"ruled".into(), &"02:00:00:aa:aa:01".into()));
    assert_eq!((&row["hardware_type"], &row["fqdn"]), (&"emulated board".into(), &"127.0.0.1".into()));

    // The second has a name that is taken: it waits for a person.
    daemon.post("device/rule-aaaa01/set-comments", serde_json::json!({"comments": "by rule"}));
    assert_eq!(say(at, b"register NAME=020001aaaa01&IPADDR=127.0.0.1&POOL=by-rule\n"), "OK\n");
    assert_eq!(say(at, b"register NAME=020000bbbb02&POOL=elsewhere\n"), "OK\n");
    let waiting = wait_for_candidates(daemon, 2);
    assert!(
        waiting.iter().any(|c| c["mac"] == "02:00:01:aa:aa:01" && c["proposal"]["name"] == "rule-aaaa01")
    );
    wait_for("the log to say so", || {
        daemon
            .said()
            .iter()
            .any(|l| l.contains("a rule cannot take it: device rule-aaaa01 is there already"))
            .then_some(())
    });

    assert_eq!(world.done(&["candidate", "ignore", "02-00-00-bb-bb-02"]), "02-00-00-bb-bb-02: is ignored\n");
    assert_eq!(candidates(daemon, "").len(), 1);
    assert_eq!(say(at, b"register NAME=020000bbbb02&POOL=by-rule\n"), "OK\n");
    assert_eq!(world.json(&["candidate", "list", "--ignored"])["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(
        daemon.call("GET", "device/rule-bbbb02/details", None).0,
        404,
        "no rule takes what a person ignores"
    );
    world.done(&["candidate", "ignore", "020000bbbb02", "--undo"]);
    assert_eq!(candidates(daemon, "").len(), 2);
    assert_eq!(world.run(&["candidate", "ignore", "nonsense"]).code, 3);
    assert_eq!(world.run(&["candidate", "ignore", "02:00:00:00:00:00"]).code, 3);
    assert_eq!(world.run(&["candidate", "accept", "020000bbbb02", "colour=red"]).code, 1);
    let taken = world.run(&["candidate", "accept", "020000bbbb02", "name=board-001"]);
    assert!(taken.code == 1 && taken.err.contains("board-001 is there already"), "{}", taken.err);
}

#[test]
fn floods_and_garbage_leave_a_bounded_list_and_a_daemon_that_answers() {
    let world = World::with(1);
    let daemon = world.daemon();
    let at = registration(daemon);
    for line in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xff\0\xff\n", b"register NAME=../../etc\n", &[b'A'; 10_000]]
    {
        let answer = say(at, line);
        assert!(answer.starts_with("ERR ") && !answer.to_lowercase().contains("ok"), "{answer}");
    }
    // A forger's boot loader: a datagram for each MAC, and nobody waits for the answers.
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut macs = 0..=u32::MAX;
    let mut flood = || {
        for n in macs.by_ref().take(500) {
            let [a, b, c, d] = n.to_be_bytes();
            let ask = format!("\0\x01pxelinux.cfg/01-06-06-{a:02x}-{b:02x}-{c:02x}-{d:02x}\0octet\0");
            socket.send_to(ask.as_bytes(), daemon.tftp).expect("it is sent");
        }
    };
    let counter = |name: &str| {
        let health = daemon.get("health");
        let services = health["services"].as_array().unwrap().clone();
        let journal = services.into_iter().find(|s| s["name"] == "journal").unwrap();
        journal["counters"][name].as_u64().unwrap()
    };
    // The kernel drops what a busy machine does not fetch in time, so it goes on until enough has arrived.
    wait_for("some of them to be written and the others to be counted", || {
        flood();
        (counter("candidates") >= 200 && counter("candidates_lost") > 0).then_some(())
    });
    let listed = candidates(daemon, "").len();
    // A budget a minute, of which a slow machine may see two.
    assert!((200..=400).contains(&listed), "{listed}");
    assert_eq!(daemon.get("device/board-001/state")["state"], "ready");
    assert!(daemon.fetch("pxelinux.cfg/default").is_ok());
}

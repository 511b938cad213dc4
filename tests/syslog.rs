//! What boards say, through the built daemon into the store: nothing lost at a stop, losses and strangers visible, sizes kept.

mod support;

use mozpool::store::{Location, LogFrom, LogSearch, Place, Store};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use support::{Daemon, LIMIT, Lab, wait_for};

/// The store of a daemon that has ended, or runs.
fn store(lab: &Lab) -> Box<dyn Store> {
    Location::sqlite(lab.path("mozpool.db")).open().expect("the store")
}

/// Lines from the network in the log of the board.
fn stored(lab: &Lab) -> u64 {
    store(lab).log_behind("board-1", Place::default()).expect("the store works").expect("the board").lines
}

/// A counter of a part of the process.
fn counter(daemon: &Daemon, part: &str, name: &str) -> u64 {
    let health = daemon.get("health");
    let parts = health["services"].as_array().expect("a list");
    let part = parts.iter().find(|p| p["name"] == part).expect("such a part");
    part["counters"][name].as_u64().unwrap_or_else(|| panic!("{name} in {part}"))
}

/// A board that sends lines until the other side says goodbye, as a sender does that watches its connection.
fn sender(daemon: &Daemon, number: usize, sent: &Arc<AtomicU64>) -> JoinHandle<()> {
    let mut stream = TcpStream::connect(daemon.syslog_tcp).expect("it listens");
    // What the system keeps for it is sent by then, too, and should not take long to read.
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::SndBuf, &(64 << 10)).expect("any size");
    let mut ears = stream.try_clone().expect("a second handle");
    let (sent, told) = (Arc::clone(sent), Arc::new(AtomicBool::new(false)));
    let hears = Arc::clone(&told);
    let ear = std::thread::spawn(move || {
        assert_eq!(ears.read(&mut [0]).expect("nothing is broken off"), 0, "a goodbye and no words");
        hears.store(true, Ordering::SeqCst);
    });
    std::thread::spawn(move || {
        let mut n = 0_u64;
        while !told.load(Ordering::SeqCst) {
            let mut piece = String::new();
            for _ in 0..20 {
                // Every other line is counted, and the other ends with a line feed.
                let line = format!("<13>sender-{number}: {n} {}", "x".repeat(150));
                match n % 2 {
                    0 => piece.push_str(&format!("{} {line}", line.len())),
                    _ => piece.push_str(&format!("{line}\n")),
                }
                n += 1;
            }
            stream.write_all(piece.as_bytes()).expect("it is still read");
            sent.fetch_add(20, Ordering::SeqCst);
        }
        stream.shutdown(Shutdown::Write).expect("it is still open");
        ear.join().expect("it has heard");
    })
}

#[test]
fn senders_under_full_load_lose_nothing_when_the_daemon_is_told_to_end() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let sent = Arc::new(AtomicU64::new(0));
    let senders: Vec<_> = (0..4).map(|number| sender(&daemon, number, &sent)).collect();
    wait_for("some load", || (sent.load(Ordering::SeqCst) > 20_000).then_some(()));
    assert!(daemon.terminate().success());
    senders.into_iter().for_each(|s| s.join().expect("all was read"));
    assert_eq!(stored(&lab), sent.load(Ordering::SeqCst));
}

#[test]
fn what_was_sent_before_a_stop_is_stored() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let mut tcp = TcpStream::connect(daemon.syslog_tcp).expect("it listens");
    for n in 0..300 {
        udp.send_to(format!("<13>udp: {n}").as_bytes(), daemon.syslog).expect("it is sent");
        writeln!(tcp, "<13>tcp: {n}").expect("it is sent");
    }
    // The connection stays open, and its peer is deaf to goodbyes.
    assert!(daemon.terminate().success());
    let search = LogSearch { limit: None, from: LogFrom::End, ..LogSearch::default() };
    let lines = store(&lab).search_log("board-1", &search).expect("the store works").lines;
    for kind in ["udp", "tcp"] {
        let of_kind = lines.iter().filter(|l| l.source == "syslog").map(|l| l.message.as_str());
        let numbers = of_kind.filter_map(|m| m.strip_prefix(kind)?.strip_prefix(": "));
        assert!(numbers.eq((0..300).map(|n| n.to_string())), "{kind}");
    }
}

#[test]
fn strangers_and_what_is_wrong_are_shown() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let stranger = UdpSocket::bind("127.0.0.9:0").expect("all of 127/8 is this host");
    let say = |text: &str| stranger.send_to(text.as_bytes(), daemon.syslog).expect("it is sent");
    say("<13>Nov 22 13:00:00 board-1 app: I say who I am");
    say("<13>Nov 22 13:00:00 nobody app: who am I");
    let line = wait_for("the line", || daemon.log("syslog").into_iter().next());
    assert_eq!(line, "app: I say who I am");
    let senders = wait_for("the stranger", || {
        let answer = daemon.get("log/unknown");
        let senders = answer["senders"].as_array().expect("a list").clone();
        (!senders.is_empty()).then_some(senders)
    });
    let [one] = &senders[..] else { panic!("{senders:?}") };
    let shown = (&one["address"], &one["hostname"], &one["lines"], &one["log"][0]["message"]);
    assert_eq!(shown, (&"127.0.0.9".into(), &"nobody".into(), &Value::from(1), &"app: who am I".into()));

    let mut tcp = TcpStream::connect(daemon.syslog_tcp).expect("it listens");
    writeln!(tcp, "<13>{}", "x".repeat(20_000)).expect("it is sent");
    writeln!(tcp, "<13>short").expect("it is sent");
    wait_for("the next line", || daemon.log("syslog").iter().any(|l| l == "short").then_some(()));
    let long = daemon.log("syslog").into_iter().find(|l| l.starts_with("xxx")).expect("its head");
    assert!(long.ends_with('…') && long.len() < 9000, "{} bytes", long.len());
    for (part, name, want) in [
        ("syslog", "truncated", 1),
        ("syslog", "received_udp", 2),
        ("syslog", "received_tcp", 2),
        ("syslog", "dropped_by_kernel", 0),
        ("syslog", "connections_open", 1),
        ("syslog", "lost", 0),
        ("journal", "strays", 1),
        ("journal", "lost", 0),
    ] {
        assert_eq!(counter(&daemon, part, name), want, "{part} {name}");
    }
    assert!(counter(&daemon, "journal", "written") >= 4);
}

#[test]
fn a_flood_of_strangers_costs_a_board_no_line() {
    const PIECES: u64 = 80;
    const PIECE: u64 = 500;
    let lab = Lab::new();
    let daemon = lab.serve();
    let stranger = UdpSocket::bind("127.0.0.9:0").expect("all of 127/8 is this host");
    let board = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for piece in 1..=PIECES {
        for n in 0..PIECE {
            stranger.send_to(format!("<13>flood: {n}").as_bytes(), daemon.syslog).expect("it is sent");
        }
        board.send_to(format!("<13>board: {piece}").as_bytes(), daemon.syslog).expect("it is sent");
        // No more than the smallest of buffers holds: this is not about the kernel.
        wait_for("the piece", || {
            let seen = counter(&daemon, "syslog", "received_udp") + counter(&daemon, "syslog", "passed_over");
            (seen == piece * (PIECE + 1)).then_some(())
        });
    }
    assert!(counter(&daemon, "syslog", "passed_over") > 0);
    assert_eq!(counter(&daemon, "syslog", "lost"), 0);
    let senders = daemon.get("log/unknown")["senders"].as_array().expect("a list").clone();
    assert_eq!(senders[0]["address"], "127.0.0.9", "enough of it is kept to be seen");
    assert!(daemon.terminate().success());
    assert_eq!(stored(&lab), PIECES);
}

#[test]
fn the_store_does_not_grow_beyond_its_limit() {
    let lab = Lab::new();
    let text = std::fs::read_to_string(lab.config()).expect("the configuration");
    std::fs::write(lab.config(), text.replace("[syslog]", "[syslog]\nmax_mib = 16"))
        .expect("the configuration");
    let daemon = lab.serve();
    let mut tcp = TcpStream::connect(daemon.syslog_tcp).expect("it listens");
    // Three times as much as may be.
    let text = "x".repeat(7900);
    for n in 0..6000 {
        writeln!(tcp, "<13>flood: {n} {text}").expect("it is sent");
    }
    writeln!(tcp, "<13>flood: the last").expect("it is sent");
    let last = "flood: the last";
    wait_for("the last line", || {
        let page = daemon.get("device/board-1/log?limit=1&q=flood");
        (page["log"][0]["message"] == last).then_some(())
    });
    let held = wait_for("room", || {
        let held = counter(&daemon, "journal", "bytes");
        (held <= 16 << 20 && counter(&daemon, "journal", "bytes_dropped") > 0).then_some(held)
    });
    assert!(held > 12 << 20, "no more is taken than must be: {held}");
    assert!(daemon.terminate().success());
    let left = stored(&lab);
    assert!((1500..2200).contains(&left), "{left} lines");
    let size = std::fs::metadata(lab.path("mozpool.db")).expect("the store").len();
    assert!(size < 48 << 20, "what was deleted is used again: {size} bytes");
    assert_eq!(counter_of_first(&lab), 6001 - left, "the oldest went");
}

/// The number of the oldest line that is left.
fn counter_of_first(lab: &Lab) -> u64 {
    let search = LogSearch {
        limit: Some(1),
        text: "flood".into(),
        from: LogFrom::After(Place::default()),
        since: None,
    };
    let page = store(lab).search_log("board-1", &search).expect("the store works");
    let number = page.lines.first().and_then(|l| l.message.split(' ').nth(1)?.parse().ok());
    number.unwrap_or_else(|| panic!("{:.200?} within {LIMIT:?}", page.lines))
}

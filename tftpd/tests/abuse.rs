//! What broken boot loaders, port scanners and forgers send, packet by packet: each gets what it deserves, is counted, and
//! leaves the server serving. Refusals of good requests and limits are in `answers.rs`, floods of nonsense in `fuzz.rs`.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{PATIENCE, Raw, Running, noise, options};
use std::net::SocketAddr;
use std::time::Duration;
use tftpd::{Config, FetchOptions, Outcome, Root, Server, Timing, fetch};

/// A request that is answered at once: whatever was said before it on the same socket has been dealt with.
const MARKER: &[u8] = b"\0\x01marker\0octet\0";
const MARKER_ANSWER: &str = "ERROR 1 file not found";
/// Longer than any test: nothing is repeated by itself.
const NEVER: Duration = Duration::from_secs(3600);

/// A server that repeats nothing by itself, so that what comes twice was brought about.
fn patient(files: &[(&str, &[u8])]) -> Running {
    let timing = Timing {
        first_retry: NEVER,
        shortest_retry: NEVER,
        longest_retry: NEVER,
        restart_silence: NEVER,
        ..Timing::default()
    };
    Running::start(&["127.0.0.1:0"], Config { timing, ..Config::default() }, files)
}

/// A server that repeats quickly and gives up soon.
fn hasty(give_up_ms: u64, files: &[(&str, &[u8])]) -> Running {
    let ms = Duration::from_millis;
    let timing = Timing {
        first_retry: ms(5),
        shortest_retry: ms(5),
        give_up_unheard: ms(give_up_ms),
        give_up: ms(give_up_ms),
        ..Timing::default()
    };
    Running::start(&["127.0.0.1:0"], Config { timing, ..Config::default() }, files)
}

/// Nothing is left over, and the next one is served.
fn serves(server: &Running) {
    let file = fetch(server.address(), "good", &FetchOptions::default()).unwrap();
    assert_eq!(file.bytes, b"as ever");
}

const GOOD: (&str, &[u8]) = ("good", b"as ever");

#[derive(Debug, PartialEq, Clone, Copy)]
enum Count {
    Malformed,
    Refused,
}

#[test]
fn what_is_no_request_is_counted_and_gets_its_error_or_silence() {
    use Count::{Malformed, Refused};
    let server = Running::local(&[GOOD]);
    let (long, huge) = ([b"\0\x01".as_slice(), &[b'a'; 600], b"\0octet\0"].concat(), vec![0; 60_000]);
    let none = MARKER_ANSWER;
    let rows: &[(&[u8], &str, Count)] = &[
        // Too short, too long, no such packet, packets of a transfer.
        (b"", "", Malformed),
        (b"\0", "", Malformed),
        (b"\0\x01", "", Malformed),
        (b"\x01\0good\0octet\0", "", Malformed),
        (b"\0\0good\0octet\0", "", Malformed),
        (b"\0\x07good\0octet\0", "", Malformed),
        (b"\xff\xff\xff\xff", "", Malformed),
        (b"\0\x03\0\x01data", "", Malformed),
        (b"\0\x04\0\0", "", Malformed),
        (b"\0\x04\0", "", Malformed),
        (b"\0\x05\0\0stop\0", "", Malformed),
        (b"\0\x06blksize\x00512\0", "", Malformed),
        (&huge, "", Malformed),
        // Cut off within its fields.
        (b"\0\x01good", "", Malformed),
        (b"\0\x01good\0", "", Malformed),
        (b"\0\x01good\0oct", "", Malformed),
        (b"\0\x01good\0\xff\xfe\0", "", Malformed),
        // Names that nothing can have.
        (b"\0\x01\0octet\0", none, Refused),
        (b"\0\x01..\0octet\0", "ERROR 2 access denied", Refused),
        (b"\0\x01../good\0octet\0", "ERROR 2 access denied", Refused),
        (b"\0\x01/../good\0octet\0", "ERROR 2 access denied", Refused),
        (b"\0\x01x/../../good\0octet\0", "ERROR 2 access denied", Refused),
        (b"\0\x01..\\good\0octet\0", "ERROR 2 access denied", Refused),
        (b"\0\x01C:\\good\0octet\0", "ERROR 2 access denied", Refused),
        (b"\0\x01\\\\server\\good\0octet\0", "ERROR 2 access denied", Refused),
        (b"\0\x01good\n\0octet\0", "ERROR 2 access denied", Refused),
        (b"\0\x01%2e%2e/good\0octet\0", none, Refused),
        (&long, none, Refused),
        // A NUL in the name ends it, and what follows is no mode.
        (b"\0\x01good\0../good\0octet\0", "ERROR 4 only modes octet and netascii are served", Refused),
        (b"\0\x01good\0\0", "ERROR 4 only modes octet and netascii are served", Refused),
        // Writing, whatever else is said.
        (b"\0\x02good\0octet\0", "ERROR 2 this server is read-only", Refused),
        (b"\0\x02good\0netascii\0tsize\x007\0blksize\x00512\0", "ERROR 2 this server is read-only", Refused),
        (b"\0\x02../good\0mail\0", "ERROR 2 this server is read-only", Refused),
    ];
    let mut raw = Raw::new();
    let numbers = || (server.stats.malformed.get(), server.stats.refused.get());
    for (bytes, want, count) in rows {
        let (malformed, refused) = numbers();
        raw.send(server.address(), bytes);
        raw.send(server.address(), MARKER);
        let mut heard = raw.read().0;
        if want.is_empty() {
            assert_eq!(heard, MARKER_ANSWER, "{bytes:?}");
        } else {
            assert_eq!(heard, *want, "{bytes:?}");
            heard = raw.read().0;
            assert_eq!(heard, MARKER_ANSWER, "{bytes:?}");
        }
        let own = if *count == Malformed { (1, 0) } else { (0, 1) };
        assert_eq!(numbers(), (malformed + own.0, refused + own.1 + 1), "{bytes:?}");
    }
    assert!(raw.nothing_waits());
    assert!(server.no_record(), "none of these was a transfer");
    serves(&server);
}

#[test]
fn options_that_make_no_sense_are_cut_or_passed_over() {
    let server = patient(&[GOOD, ("f", &noise(2000)), ("empty", b"")]);
    for (name, wish, want) in [
        ("f", "BLKSIZE=1024 TsIzE=0", "OACK blksize=1024 tsize=2000"),
        ("f", "blksize=7", "DATA 1:512"),
        ("f", "blksize=0 windowsize=0 timeout=0", "DATA 1:512"),
        ("f", "blksize=8", "OACK blksize=8"),
        ("f", "blksize=65464", "OACK blksize=1468"),
        ("f", "blksize=65465", "OACK blksize=1468"),
        ("f", "blksize=99999999999999999999999", "DATA 1:512"),
        ("f", "blksize=-1", "DATA 1:512"),
        ("f", "blksize=+512", "DATA 1:512"),
        ("f", "blksize=0x200", "DATA 1:512"),
        ("f", "blksize= tsize=", "DATA 1:512"),
        ("f", "=512", "DATA 1:512"),
        ("f", "windowsize=65535", "OACK windowsize=64"),
        ("f", "windowsize=65536 timeout=256", "OACK windowsize=64"),
        ("f", "timeout=255", "OACK timeout=255"),
        ("f", "tsize=18446744073709551615", "OACK tsize=2000"),
        ("f", "blksize=600 blksize=700", "OACK blksize=600"),
        ("f", "multicast= rollover=1 utimeout=10 x=y", "DATA 1:512"),
        ("empty", "tsize=0", "OACK tsize=0"),
        ("empty", "", "DATA 1:0"),
    ] {
        let mut bytes = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
        for pair in wish.split_whitespace() {
            let (option, value) = pair.split_once('=').unwrap();
            bytes.extend([option.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
        }
        let mut raw = Raw::new();
        raw.send(server.address(), &bytes);
        let (heard, transfer) = raw.read();
        assert_eq!(heard, want, "{wish}");
        raw.send(transfer, b"\0\x05\0\0next\0");
        server.record();
    }
    // What is cut off, empty or no text is passed over like every option that nobody knows.
    for rest in [&b"blksize"[..], b"blksize\0", b"blksize\x001024", b"\0\0\0\0", b"\xff\xfe\0\xff\0"] {
        let mut raw = Raw::new();
        raw.send(server.address(), &[b"\0\x01f\0octet\0", rest].concat());
        assert_eq!(raw.read().0, "DATA 1:512", "{rest:?}");
    }
    assert_eq!(server.stats.malformed.get(), 0);
    serves(&server);
}

#[test]
fn what_makes_no_sense_at_a_transfers_port_is_counted_and_changes_nothing() {
    let file = noise(1200);
    let server = patient(&[GOOD, ("f", &file)]);
    let mut raw = Raw::new();
    raw.ask(server.address(), "f", options(""));
    let (words, transfer) = raw.read();
    assert_eq!(words, "DATA 1:512");
    let huge = vec![4; 40_000];
    let nonsense: &[&[u8]] = &[
        b"",
        b"\0",
        b"\0\x04",
        b"\0\x04\0",
        b"\0\x03\0\x01data",
        b"\0\x06blksize\x00512\0",
        b"\0\x01f\0octet\0",
        b"\0\x02f\0octet\0",
        b"\0\x09\0\x01",
        b"\0\x05\0",
        &huge,
    ];
    for bytes in nonsense {
        raw.send(transfer, bytes);
    }
    // ACKs of blocks that were never sent, and of the one before the first.
    for block in [0, 2, 3, 500, 32_768, 65_535] {
        raw.ack(transfer, block);
    }
    for (block, want) in [(1, "DATA 2:512"), (2, "DATA 3:176")] {
        raw.ack(transfer, block);
        assert_eq!(raw.read(), (want.to_owned(), transfer));
    }
    raw.ack(transfer, 3);
    let record = server.record();
    assert_eq!((record.outcome, record.bytes, record.retransmissions), (Outcome::Complete, 1200, 0));
    assert!(raw.nothing_waits());
    assert_eq!(server.stats.malformed.get(), nonsense.len() as u64);
    serves(&server);
}

#[test]
fn replayed_acks_and_requests_bring_nothing_twice() {
    let file = noise(512 * 20);
    let server = patient(&[GOOD, ("f", &file)]);
    let mut raw = Raw::new();
    raw.ask(server.address(), "f", options(""));
    let transfer = raw.read().1;
    for block in 1..=20_u16 {
        raw.ask(server.address(), "f", options(""));
        raw.send(server.address(), MARKER);
        assert_eq!(raw.read(), (MARKER_ANSWER.to_owned(), server.address()), "and nothing else");
        for old in (0..=block).rev() {
            raw.ack(transfer, old);
            raw.ack(transfer, block);
        }
        let len = if block == 20 { 0 } else { 512 };
        assert_eq!(raw.read(), (format!("DATA {}:{len}", block + 1), transfer));
    }
    raw.ack(transfer, 21);
    assert_eq!((server.record().retransmissions, raw.nothing_waits()), (0, true));
    assert_eq!(server.stats.duplicates.get(), 20);
    serves(&server);
}

#[test]
fn a_forged_request_brings_one_small_answer_and_a_few_repetitions() {
    let file = noise(1 << 20);
    for (wish, answer_len, most) in [
        ("", 516, 3 * 516),
        ("tsize=0 blksize=1408", 29, 3 * 29),
        ("windowsize=65535 blksize=65464 tsize=0", 43, 3 * 43),
    ] {
        let server = hasty(1500, &[GOOD, ("f", &file)]);
        let mut victim = Raw::new();
        victim.ask(server.address(), "f", options(wish));
        assert_eq!(server.record().outcome, Outcome::TimedOut);
        let (mut bytes, mut packets, mut buf) = (0, 0, [0; 2000]);
        victim.socket.set_nonblocking(true).unwrap();
        while let Ok(len) = victim.socket.recv(&mut buf) {
            (bytes, packets) = (bytes + len, packets + 1);
            assert_eq!(len, answer_len, "{wish}");
        }
        // Fewer only where the machine was too busy to repeat them all in time.
        assert!((1..=3).contains(&packets) && bytes <= most, "{wish}: {packets} packets, {bytes} bytes");
        assert_eq!((server.stats.transfers_failed.get(), server.stats.active.get()), (1, 0));
        serves(&server);
    }
}

#[test]
fn a_request_forged_again_and_again_brings_no_more_than_an_answer_each() {
    let server = hasty(300, &[GOOD, ("f", &noise(1 << 20))]);
    let mut victim = Raw::new();
    for _ in 0..200 {
        victim.ask(server.address(), "f", options("windowsize=64"));
    }
    let mut another = Raw::new();
    another.send(server.address(), MARKER);
    assert_eq!(another.read().0, MARKER_ANSWER);
    // One, or more where the machine was so busy that the first had ended before the last request was seen.
    let mut transfers = 0;
    while transfers == 0 || server.stats.active.get() > 0 {
        assert_eq!(server.record().outcome, Outcome::TimedOut);
        transfers += 1;
    }
    // Whatever the timers did meanwhile: an answer each at the most, and the three of one that nobody hears.
    let mut packets = 0;
    let mut buf = [0; 2000];
    victim.socket.set_nonblocking(true).unwrap();
    while let Ok(len) = victim.socket.recv(&mut buf) {
        packets += 1;
        assert!(len < 30, "no DATA before somebody has answered");
    }
    assert!((1..=200 + 3 * transfers).contains(&packets), "{packets}");
    assert_eq!(server.stats.requests.get(), 201);
    serves(&server);
}

#[test]
fn a_client_that_asks_again_from_a_new_port_gets_its_file_and_leaves_nothing_behind() {
    let file = noise(5000);
    let server = hasty(300, &[GOOD, ("f", &file)]);
    let mut first = Raw::new();
    first.ask(server.address(), "f", options(""));
    assert_eq!(first.read().0, "DATA 1:512");
    assert!(fetch(server.address(), "f", &FetchOptions::default()).unwrap().bytes == file);
    let mut outcomes = [server.record().outcome, server.record().outcome];
    outcomes.sort_by_key(|o| o.as_str());
    assert_eq!(outcomes, [Outcome::Complete, Outcome::TimedOut]);
    assert_eq!((server.stats.active.get(), server.stats.duplicates.get()), (0, 0));
    serves(&server);
}

#[test]
fn a_client_that_falls_silent_is_given_up_and_costs_little_until_then() {
    let server = hasty(1500, &[GOOD, ("f", &noise(1 << 20))]);
    let mut raw = Raw::new();
    raw.ask(server.address(), "f", options("windowsize=8"));
    let transfer = raw.read().1;
    raw.ack(transfer, 0);
    while raw.read().0 != "DATA 8:512" {}
    let record = server.record();
    assert_eq!((record.outcome, record.bytes), (Outcome::TimedOut, 8 * 512));
    // 5, 10, 20 … 640 ms: eight windows fit into a second and a half.
    // A busy machine keeps the client waiting, and the OACK may have gone out again, four times at most.
    assert!(record.retransmissions <= 8 * 8 + 4, "{record:?}");
    assert_eq!((server.stats.active.get(), server.stats.transfers_failed.get()), (0, 1));
    serves(&server);
}

#[test]
fn an_error_ends_a_transfer_whenever_it_comes_and_only_the_first_is_a_probe() {
    for (blocks, code, want) in [
        (0, 8, Outcome::Probed),
        (0, 0, Outcome::ClientError(0)),
        (1, 8, Outcome::ClientError(8)),
        (2, 65_535, Outcome::ClientError(65_535)),
    ] {
        let server = patient(&[GOOD, ("f", &noise(5000))]);
        let mut raw = Raw::new();
        raw.ask(server.address(), "f", options("tsize=0"));
        let (words, transfer) = raw.read();
        assert_eq!(words, "OACK tsize=5000");
        for block in 0..blocks {
            raw.ack(transfer, block);
            assert_eq!(raw.read().0, format!("DATA {}:512", block + 1));
        }
        let [a, b] = u16::to_be_bytes(code);
        raw.send(transfer, &[0, 5, a, b, b'x']);
        assert_eq!(server.record().outcome, want, "{code} after {blocks} blocks");
        let probes = u64::from(want == Outcome::Probed);
        assert_eq!((server.stats.probes.get(), server.stats.transfers_failed.get()), (probes, 1 - probes));
        raw.ack(transfer, blocks);
        serves(&server);
        assert!(raw.nothing_waits());
    }
}

#[test]
fn numbers_wrap_twice_with_a_window_and_small_blocks() {
    let file = noise(128 * 132_000 + 5);
    let server = Running::local(&[("f", &file)]);
    let how = FetchOptions { blksize: Some(128), windowsize: Some(64), ..FetchOptions::default() };
    assert!(fetch(server.address(), "f", &how).unwrap().bytes == file);
    assert_eq!(server.record().outcome, Outcome::Complete);
}

/// Names against a real directory, in which everything leads astray.
#[test]
fn no_name_leads_out_of_the_root_or_makes_the_server_wait() {
    let top = tempfile::tempdir().unwrap();
    let root = top.path().join("root");
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(root.join("good"), "as ever").unwrap();
    std::fs::write(top.path().join("secret"), "secret").unwrap();
    let secret = top.path().join("secret").to_str().unwrap().to_owned();
    for (link, to) in [
        ("relative", "../secret"),
        ("absolute", secret.as_str()),
        ("up", ".."),
        ("loop", "loop"),
        ("device", "/dev/zero"),
        ("process", "/proc/self/environ"),
        ("inside", "sub/../good"),
    ] {
        std::os::unix::fs::symlink(to, root.join(link)).unwrap();
    }
    // Opening a pipe that nobody writes to waits for a writer.
    let made = std::process::Command::new("mkfifo").arg(root.join("pipe")).status();
    assert!(made.is_ok_and(|s| s.success()), "mkfifo is of the Debian package coreutils");
    let server =
        Server::bind(&["127.0.0.1:0".parse().unwrap()], Config::default(), Root::open(&root).unwrap())
            .unwrap();
    let (address, stopper): (SocketAddr, _) = (server.local_addrs()[0], server.stopper());
    let thread = std::thread::spawn(move || server.run());
    let mut raw = Raw::new();
    raw.socket.set_read_timeout(Some(PATIENCE)).unwrap();
    for (name, code) in [
        ("relative", 2),
        ("absolute", 2),
        ("up/secret", 2),
        ("up/root/good", 2),
        ("device", 2),
        ("process", 2),
        ("sub", 1),
        ("pipe", 1),
        ("good/x", 1),
        ("sub/../good", 2),
        ("/etc/passwd", 1),
        (secret.as_str(), 1),
    ] {
        raw.ask(address, name, options(""));
        let heard = raw.read().0;
        assert!(heard.starts_with(&format!("ERROR {code} ")), "{name}: {heard}");
        assert!(!heard.contains("secret") && !heard.contains("root"), "{name}: {heard}");
    }
    raw.ask(address, "loop", options(""));
    assert!(raw.read().0.starts_with("ERROR "), "a loop ends");
    for name in ["good", "inside"] {
        assert_eq!(fetch(address, name, &FetchOptions::default()).unwrap().bytes, b"as ever", "{name}");
    }
    stopper.stop();
    thread.join().unwrap().unwrap();
}

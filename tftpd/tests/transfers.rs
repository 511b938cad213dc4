//! Whole files through real sockets: every size around a block, wrapping block numbers, windows, bad networks, crowds.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;
#[path = "common/relay.rs"]
mod relay;

use common::{Random, Running, noise, options};
use relay::{Relay, Weather};
use std::io::Write;
use std::time::Duration;
use tftpd::{Config, FetchError, FetchOptions, Mode, Outcome, Root, Server, fetch};

fn lockstep() -> FetchOptions {
    FetchOptions { blksize: None, tsize: false, ..FetchOptions::default() }
}

#[test]
fn every_size_around_a_block_arrives_with_and_without_options() {
    for blksize in [None, Some(8_u16), Some(1408), Some(1468)] {
        let block = usize::from(blksize.unwrap_or(512));
        for size in [0, 1, block - 1, block, block + 1, 4 * block, 37 * block + 5] {
            let file = noise(size);
            let server = Running::local(&[("boot/f", &file)]);
            for windowsize in [None, Some(1), Some(4), Some(16)] {
                let how = FetchOptions { blksize, windowsize, ..lockstep() };
                let fetched = fetch(server.address(), "/boot/f", &how).unwrap();
                assert!(fetched.bytes == file, "{size} bytes, {how:?}");
                let want = tftpd::Options { blksize, windowsize, ..Default::default() };
                assert_eq!(fetched.oack.unwrap_or_default(), want);
                let record = server.record();
                assert_eq!(
                    (record.outcome, record.bytes, record.name.as_str()),
                    (Outcome::Complete, size as u64, "boot/f")
                );
            }
            assert_eq!((server.stats.transfers_done.get(), server.stats.active.get()), (4, 0));
        }
    }
}

#[test]
fn a_file_of_more_than_65535_blocks_arrives() {
    let file = noise(8 * 66_000 + 3);
    let server = Running::local(&[("f", &file)]);
    for windowsize in [None, Some(16)] {
        let how = FetchOptions { blksize: Some(8), windowsize, ..FetchOptions::default() };
        let fetched = fetch(server.address(), "f", &how).unwrap();
        assert!(fetched.bytes == file, "window {windowsize:?}");
        assert_eq!(server.record().bytes, file.len() as u64);
    }
}

#[test]
fn grants_are_limited_by_the_configuration() {
    let config = Config { mtu: 1500, max_windowsize: 8, ..Config::default() };
    let server = Running::start(&["127.0.0.1:0", "[::1]:0"], config, &[("f", &noise(5000))]);
    let how = FetchOptions { blksize: Some(65464), windowsize: Some(500), ..FetchOptions::default() };
    let oack = fetch(server.addresses[0], "f", &how).unwrap().oack;
    assert_eq!(oack, Some(options("blksize=1468 windowsize=8 tsize=5000")));
    let oack = fetch(server.addresses[1], "f", &how).unwrap().oack;
    assert_eq!(oack, Some(options("blksize=1448 windowsize=8 tsize=5000")));
    let config = Config { mtu: u16::MAX, ..Config::default() };
    let file = noise(200_000);
    let server = Running::start(&["127.0.0.1:0"], config, &[("f", &file)]);
    let fetched = fetch(server.address(), "f", &FetchOptions { windowsize: None, ..how }).unwrap();
    assert_eq!(fetched.oack, Some(options("blksize=65464 tsize=200000")));
    assert!(fetched.bytes == file);
}

#[test]
fn text_is_translated_in_netascii_and_its_size_is_not_promised() {
    let server = Running::local(&[("t", b"one\ntwo\rthree\n")]);
    let how = FetchOptions {
        mode: Mode::Netascii,
        blksize: Some(8),
        windowsize: Some(2),
        ..FetchOptions::default()
    };
    let fetched = fetch(server.address(), "t", &how).unwrap();
    assert_eq!(fetched.bytes, b"one\r\ntwo\r\0three\r\n");
    assert_eq!(fetched.oack, Some(options("blksize=8 windowsize=2")));
}

#[test]
fn a_bad_network_only_costs_time() {
    let file = noise(100_000);
    let server = Running::local(&[("f", &file)]);
    for seed in 1..=4_u64 {
        let weather = Weather { lose: 4, double: 5, reorder: 5 };
        for (windowsize, mode) in [(None, Mode::Octet), (Some(4), Mode::Octet), (Some(16), Mode::Netascii)] {
            let relay = Relay::start(server.address(), weather, seed);
            let packet_timeout = Duration::from_millis(300);
            let how = FetchOptions { windowsize, mode, packet_timeout, ..FetchOptions::default() };
            let fetched = fetch(relay.address, "f", &how);
            let fetched = fetched.unwrap_or_else(|e| panic!("seed {seed}, window {windowsize:?}: {e}"));
            let want = if mode == Mode::Octet { file.clone() } else { netascii(&file) };
            assert!(fetched.bytes == want, "seed {seed}, window {windowsize:?}");
        }
    }
}

fn netascii(bytes: &[u8]) -> Vec<u8> {
    let pair = |&b: &u8| match b {
        b'\n' => vec![b'\r', b'\n'],
        b'\r' => vec![b'\r', 0],
        _ => vec![b],
    };
    bytes.iter().flat_map(pair).collect()
}

/// Sorcerer's Apprentice: with every packet doubled on its way, the server does not double them once more.
#[test]
fn doubled_packets_do_not_multiply() {
    let file = noise(512 * 400);
    let server = Running::local(&[("f", &file)]);
    // In lockstep a busy machine may run into the timer now and then; the Apprentice would repeat all 400. With a
    // window a second ACK is believed to report a loss after every other window, and never after each.
    for (windowsize, most) in [(None, 100), (Some(8), 300)] {
        let relay = Relay::start(server.address(), Weather { double: 100, ..Weather::default() }, 1);
        let how = FetchOptions { blksize: Some(512), windowsize, ..FetchOptions::default() };
        assert!(fetch(relay.address, "f", &how).unwrap().bytes == file);
        let record = server.record();
        assert_eq!(record.outcome, Outcome::Complete);
        assert!(record.retransmissions < most, "window {windowsize:?}: {} repeated", record.retransmissions);
    }
}

#[test]
fn a_crowd_is_served_at_once() {
    let file = noise(150_000);
    let server = Running::start(&["0.0.0.0:0"], Config::default(), &[("f", &file)]);
    let port = server.address().port();
    std::thread::scope(|scope| {
        for n in 1..=40_u8 {
            let file = &file;
            scope.spawn(move || {
                let local = Some([127, 0, 1, n].into());
                let windowsize = Some(u16::from(n % 5)).filter(|&w| w > 0);
                let how = FetchOptions { local, windowsize, ..FetchOptions::default() };
                let fetched = fetch(([127, 0, 0, 1], port).into(), "f", &how).unwrap();
                assert!(fetched.bytes == *file, "client {n}");
            });
        }
    });
    for _ in 0..40 {
        let record = server.record();
        assert!(matches!(record.outcome, Outcome::Complete), "{record:?}");
    }
}

#[test]
fn a_directory_is_served_and_nothing_outside_of_it() {
    let top = tempfile::tempdir().unwrap();
    let file = noise(1 << 20);
    std::fs::create_dir_all(top.path().join("root/sub")).unwrap();
    std::fs::File::create(top.path().join("root/sub/kernel")).unwrap().write_all(&file).unwrap();
    std::fs::write(top.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink("../secret", top.path().join("root/out")).unwrap();
    let root = Root::open(top.path().join("root")).unwrap();
    let server = Server::bind(&["127.0.0.1:0".parse().unwrap()], Config::default(), root).unwrap();
    let (address, stopper) = (server.local_addrs()[0], server.stopper());
    let thread = std::thread::spawn(move || server.run());
    let how = FetchOptions { windowsize: Some(16), ..FetchOptions::default() };
    assert!(fetch(address, "sub/kernel", &how).unwrap().bytes == file);
    for (path, want) in
        [("sub", 1), ("none", 1), ("out", 2), ("../secret", 2), ("/../secret", 2), ("a\\b", 2)]
    {
        let Err(FetchError::Refused { code, message }) = fetch(address, path, &how) else { panic!("{path}") };
        assert_eq!(code, want, "{path}");
        assert!(!message.contains(top.path().to_str().unwrap()) && !message.contains("secret"), "{message}");
    }
    stopper.stop();
    thread.join().unwrap().unwrap();
}

#[test]
fn noise_changes_nothing() {
    let server = Running::local(&[("f", b"content")]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = Random(7);
    let mut sent = 0;
    for _ in 0..2000 {
        let mut bytes = random.next().to_le_bytes().repeat(3);
        bytes[..2].copy_from_slice(&[0, 9]);
        sent += u64::from(socket.send_to(&bytes, server.address()).is_ok());
    }
    socket.send_to(&[0; 1600], server.address()).unwrap();
    socket.send_to(&[], server.address()).unwrap();
    assert_eq!(fetch(server.address(), "f", &FetchOptions::default()).unwrap().bytes, b"content");
    // The request came after all of it on the same socket.
    assert_eq!(server.stats.malformed.get(), sent + 2);
    assert_eq!((server.stats.requests.get(), server.stats.refused.get()), (1, 0));
}

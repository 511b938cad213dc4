//! Floods of requests in the name of others: whoever is asked for gets little, and boards boot all the while. A forged address is here
//! one of our own that never answers; the server cannot tell the difference.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{Raw, Running, noise, options};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tftpd::{Config, FetchOptions, Timing, fetch};

/// Longer than any test: no place is free because its time is up.
const NEVER: Duration = Duration::from_secs(3600);
/// For each transfer that an address may have: so many bytes at once, and so many a second (`credit`).
const LENT: u64 = 4 << 10;
const LENT_PER_S: u64 = 1 << 10;
/// Of these, what each answer costs beside its own bytes.
const LOOK: u64 = 64;
/// A request for a file, by somebody who forges his address.
const REQUEST: &[u8] = b"\0\x01f\0octet\0";

fn server(max_transfers: usize, max_transfers_per_address: usize, file: &[u8]) -> Running {
    let timing = Timing { give_up_unheard: NEVER, ..Timing::default() };
    let config = Config { max_transfers, max_transfers_per_address, timing, ..Config::default() };
    Running::start(&["127.0.0.1:0"], config, &[("f", file)])
}

/// Somebody at one of the sixteen million addresses of this host.
fn at(n: u32) -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::from_bits(0x7f10_0000 + n), 0)).unwrap()
}

/// What has come to a socket by now.
fn heard(socket: &UdpSocket) -> Vec<usize> {
    socket.set_nonblocking(true).unwrap();
    let mut buf = [0; 2000];
    std::iter::from_fn(|| socket.recv(&mut buf).ok()).collect()
}

/// What can have been lent for each transfer since then.
fn lent(begun: Instant) -> u64 {
    LENT + LENT_PER_S * u64::try_from(begun.elapsed().as_millis()).unwrap() / 1000 + 1
}

/// Returns when all that was sent before has been dealt with.
fn all_is_read(server: &Running, datagrams: u64) {
    let stats = &server.stats;
    let seen = || stats.requests.get() + stats.throttled.get() + stats.dropped.get();
    let until = Instant::now() + common::PATIENCE;
    while seen() < datagrams {
        assert!(Instant::now() < until, "{} of {datagrams} were read", seen());
        std::thread::yield_now();
    }
}

#[test]
fn forged_requests_that_fill_the_table_give_way_to_a_board() {
    let file = noise(100_000);
    let server = server(50, 50, &file);
    // No more than strangers are sent at once; and none of them closes his port, which would be noticed.
    let forgers: Vec<UdpSocket> = (0..150).map(at).collect();
    for forger in &forgers {
        forger.send_to(REQUEST, server.address()).unwrap();
    }
    all_is_read(&server, 150);
    assert!(fetch(server.address(), "f", &FetchOptions::default()).unwrap().bytes == file);
    assert!(server.stats.displaced.get() >= 100, "{:?}", server.stats);
    assert_eq!(server.stats.limited.get(), 0, "nobody was turned away for want of a place");
}

/// Ends the flood, also when the test fails.
struct EndOf<'a>(&'a AtomicBool);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_board_boots_while_the_flood_goes_on() {
    let file = noise(300_000);
    // A table of two hundred places, which the flood could fill a hundred times over in each second.
    let server = server(200, 64, &file);
    let (over, address) = (AtomicBool::new(false), server.address());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let forgers: Vec<UdpSocket> = (0..500).map(at).collect();
            while !over.load(Ordering::Relaxed) {
                for forger in &forgers {
                    // An ICMP message about an earlier answer may come first.
                    let _ = forger.send_to(REQUEST, address);
                    while forger.set_nonblocking(true).is_ok() && forger.recv(&mut [0; 600]).is_ok() {}
                }
            }
        });
        // What a boot loader does: it asks again when nobody answers, and then for one file after the other.
        let mut served = 0;
        let _end = EndOf(&over);
        let until = Instant::now() + common::PATIENCE;
        while served < 20 {
            assert!(Instant::now() < until, "{served} files came through: {:?}", server.stats);
            let got = fetch(server.address(), "f", &FetchOptions::default());
            served += u32::from(got.is_ok_and(|got| got.bytes == file));
        }
    });
    assert!(server.stats.throttled.get() > 0 && server.stats.displaced.get() > 0, "{:?}", server.stats);
}

#[test]
fn requests_in_a_boards_own_name_do_not_take_its_places() {
    let file = noise(5000);
    let server = server(100, 8, &file);
    let forgers: Vec<UdpSocket> = (0..20).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for forger in &forgers {
        forger.send_to(REQUEST, server.address()).unwrap();
    }
    all_is_read(&server, 20);
    assert!(fetch(server.address(), "f", &FetchOptions::default()).unwrap().bytes == file);
    assert_eq!((server.stats.limited.get(), server.stats.displaced.get()), (0, 13));
}

#[test]
fn a_victim_is_sent_no_more_than_one_account_holds_however_often_its_address_is_forged() {
    for (name, what) in [("f", "blocks"), ("no-such-file", "errors")] {
        let server = server(2048, 2, &noise(1 << 20));
        // From many ports, for a request from the same one is a repeated one.
        let (victims, begun): (Vec<UdpSocket>, _) = ((0..200).map(|_| at(1)).collect(), Instant::now());
        let request = [b"\0\x01", name.as_bytes(), b"\0octet\0"].concat();
        for victim in victims.iter().cycle().take(3000) {
            victim.send_to(&request, server.address()).unwrap();
        }
        all_is_read(&server, 3000);
        // Another is answered all the same, at once.
        let mut another = Raw::at("127.0.0.9:0");
        another.ask(server.address(), "f", options("tsize=0"));
        assert_eq!(another.read().0, format!("OACK tsize={}", 1 << 20));
        let bytes: u64 = victims.iter().flat_map(heard).map(|len| LOOK + len as u64).sum();
        let most = 2 * lent(begun);
        assert!(bytes > 0 && bytes <= most, "{bytes} bytes of {what}");
        assert!(server.stats.throttled.get() > 0);
    }
}

#[test]
fn who_answers_never_comes_to_an_end_of_it() {
    // 16 KiB at once for each address: two hundred requests for this file.
    let server = server(10, 4, b"as ever");
    for n in 0..500 {
        let got = fetch(server.address(), "f", &FetchOptions::default());
        assert_eq!(got.unwrap_or_else(|e| panic!("file {n}: {e}")).bytes, b"as ever");
    }
    assert_eq!(server.stats.throttled.get(), 0);
}

/// He knows the port of a transfer of his own, which is over, and asks in a victim's name until he is served from there.
#[test]
fn a_port_that_a_forger_has_had_serves_no_other_address() {
    let server = server(2048, 64, &noise(100_000));
    let (mut known, until) = (std::collections::HashSet::new(), Instant::now() + common::PATIENCE);
    // He meets one of his own again, so the others have rested as well.
    let mut meets_again = false;
    while known.len() < 20 || !meets_again {
        assert!(Instant::now() < until, "{} ports, none of them twice", known.len());
        let mut forger = Raw::at("127.0.0.66:0");
        forger.ask(server.address(), "f", options("tsize=0"));
        let (words, port) = forger.read();
        assert_eq!(words, "OACK tsize=100000");
        forger.send(port, b"\0\x05\0\x08no\0");
        assert_eq!(server.record().outcome, tftpd::Outcome::Probed);
        meets_again |= !known.insert(port);
    }
    for n in 0..64 {
        let mut victim = Raw::at("127.0.0.67:0");
        victim.ask(server.address(), "f", options("windowsize=64"));
        let (_, port) = victim.read();
        assert!(!known.contains(&port), "request {n} is served from {port}");
    }
}

#[test]
fn one_port_for_all_lends_no_more_to_who_forges_acks_too() {
    let config = Config { single_port: true, max_transfers_per_address: 2, ..Config::default() };
    let server = Running::start(&["127.0.0.1:0"], config, &[("f", b"as ever")]);
    let (victim, begun) = (at(3), Instant::now());
    for _ in 0..1000 {
        victim.send_to(REQUEST, server.address()).unwrap();
        victim.send_to(b"\0\x04\0\x01", server.address()).unwrap();
    }
    all_is_read(&server, 1000);
    let address: SocketAddr = server.address();
    assert_eq!(fetch(address, "f", &FetchOptions::default()).unwrap().bytes, b"as ever");
    let packets = heard(&victim).len() as u64;
    let most = 2 * lent(begun) / (LOOK + 11);
    assert!((1..=most).contains(&packets), "{packets} of {most}");
}

//! What single packets get: refusals, repeated requests, strangers, limits, clients that vanish, and the end.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{PATIENCE, Raw, Running, noise, options};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use tftpd::{Config, FetchError, FetchOptions, Outcome, Refusal, Server, Timing, fetch};

fn plain() -> tftpd::Options {
    tftpd::Options::default()
}

#[test]
fn what_cannot_be_served_is_refused_at_once_from_the_port_that_was_asked() {
    let server = Running::local(&[("f", b"x")]);
    let rows: &[(&[u8], &str)] = &[
        (b"\0\x01none\0octet\0", "ERROR 1 file not found"),
        (b"\0\x01/\0octet\0", "ERROR 1 file not found"),
        (b"\0\x01\xff\xfe\0octet\0", "ERROR 1 file not found"),
        (b"\0\x01../f\0octet\0", "ERROR 2 access denied"),
        (b"\0\x01a\\f\0octet\0", "ERROR 2 access denied"),
        (b"\0\x02f\0octet\0", "ERROR 2 this server is read-only"),
        (b"\0\x01f\0mail\0", "ERROR 4 only modes octet and netascii are served"),
    ];
    let mut raw = Raw::new();
    for (bytes, want) in rows {
        raw.send(server.address(), bytes);
        assert_eq!(raw.read(), ((*want).to_owned(), server.address()), "{bytes:?}");
    }
    assert_eq!(server.stats.refused.get(), rows.len() as u64);
    assert_eq!(server.stats.malformed.get(), 0);
}

#[test]
fn the_answer_comes_from_the_address_that_was_asked() {
    let server = Running::start(&["0.0.0.0:0", "[::]:0"], Config::default(), &[("f", b"hello")]);
    let (v4, v6) = (server.addresses[0].port(), server.addresses[1].port());
    let rows = [("0.0.0.0:0", "127.0.0.1", v4), ("0.0.0.0:0", "127.0.0.2", v4), ("[::]:0", "::1", v6)];
    for (from, ip, port) in rows {
        let asked = SocketAddr::new(ip.parse().unwrap(), port);
        let mut raw = Raw::at(from);
        raw.ask(asked, "f", options("tsize=0"));
        let (words, transfer) = raw.read();
        assert_eq!((words.as_str(), transfer.ip()), ("OACK tsize=5", asked.ip()));
        assert_ne!(transfer.port(), port, "a transfer has a port of its own");
        raw.ack(transfer, 0);
        assert_eq!(raw.read(), ("DATA 1:5".to_owned(), transfer));
        raw.ack(transfer, 1);
        assert_eq!((server.record().local, server.stats.active.get()), (asked.ip(), 0));
        // A connected socket takes nothing from any other address: refusals must pass it as well.
        let mut raw = Raw::at(from);
        raw.socket.connect(asked).unwrap();
        raw.socket.send(b"\0\x01none\0octet\0").unwrap();
        assert_eq!(raw.read().0, "ERROR 1 file not found");
    }
}

#[test]
fn a_repeated_request_belongs_to_its_transfer_and_another_name_does_not() {
    let server = Running::local(&[("a", &noise(2000)), ("b", &noise(700))]);
    let mut raw = Raw::new();
    raw.ask(server.address(), "a", plain());
    let (words, first) = raw.read();
    assert_eq!(words, "DATA 1:512");
    raw.ack(first, 1);
    assert_eq!(raw.read(), ("DATA 2:512".to_owned(), first));
    raw.ask(server.address(), "a", plain());
    raw.ask(server.address(), "b", plain());
    // Both requests went through the same socket in this order, so the first has been dealt with.
    let (words, second) = loop {
        let (words, from) = raw.read();
        if from != first {
            break (words, from);
        }
        assert_eq!(words, "DATA 2:512", "the first transfer may only repeat itself");
    };
    assert_eq!(words, "DATA 1:512");
    assert_eq!((server.stats.duplicates.get(), server.stats.active.get()), (1, 2));
    raw.ack(second, 1);
    loop {
        let (words, from) = raw.read();
        if from == second && words == "DATA 2:188" {
            break;
        }
    }
    raw.ack(second, 2);
    assert_eq!((server.record().name.as_str(), server.stats.active.get()), ("b", 1));
}

#[test]
fn a_client_that_starts_over_gets_a_new_transfer() {
    let timing = Timing { restart_silence: Duration::ZERO, ..Timing::default() };
    let config = Config { timing, ..Config::default() };
    let server = Running::start(&["127.0.0.1:0"], config, &[("a", &noise(2000))]);
    let mut raw = Raw::new();
    raw.ask(server.address(), "a", plain());
    let (_, first) = raw.read();
    raw.ack(first, 1);
    assert_eq!(raw.read().0, "DATA 2:512");
    raw.ask(server.address(), "a", plain());
    assert_eq!(server.record().outcome, Outcome::Superseded);
    let second = loop {
        let (words, from) = raw.read();
        if from != first {
            assert_eq!(words, "DATA 1:512");
            break from;
        }
    };
    // Asked in another way it is another request, whatever the timing: the ERROR after a probe may be lost.
    raw.ask(server.address(), "a", options("tsize=0"));
    assert_eq!(server.record().outcome, Outcome::Superseded);
    let words = loop {
        let (words, from) = raw.read();
        if from != second {
            break words;
        }
    };
    assert_eq!(words, "OACK tsize=2000");
}

#[test]
fn a_size_probe_ends_with_error_8_and_is_no_failure() {
    let server = Running::local(&[("f", &noise(2000))]);
    let mut raw = Raw::new();
    raw.ask(server.address(), "f", options("tsize=0 blksize=1468 windowsize=4"));
    let (words, transfer) = raw.read();
    assert_eq!(words, "OACK blksize=1468 tsize=2000 windowsize=4");
    raw.send(transfer, b"\0\x05\0\x08User aborted the transfer\0");
    assert_eq!(server.record().outcome, Outcome::Probed);
    assert_eq!((server.stats.probes.get(), server.stats.transfers_failed.get()), (1, 0));
}

/// A forger who looks through all ports from his own address must not see which of them acknowledgements have to go to.
#[test]
fn to_strangers_a_transfers_port_is_as_closed_as_any() {
    let server = Running::start(&["0.0.0.0:0"], Config::default(), &[("f", &noise(600))]);
    let mut raw = Raw::new();
    raw.ask(SocketAddr::new([127, 0, 0, 1].into(), server.address().port()), "f", plain());
    let (_, transfer) = raw.read();
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for local in ["127.0.0.1:0", "127.0.0.2:0"] {
        for bytes in [b"\0\x04\0\x01".as_slice(), b"\0\x03\0\x01x", b"\0\x05\0\0stop\0", b"junk"] {
            let heard = [transfer, closed].map(|to| {
                let stranger = UdpSocket::bind(local).unwrap();
                stranger.set_read_timeout(Some(PATIENCE)).unwrap();
                stranger.connect(to).unwrap();
                stranger.send(bytes).unwrap();
                stranger.recv(&mut [0; 600]).map_err(|e| e.kind())
            });
            assert_eq!(heard, [Err(std::io::ErrorKind::ConnectionRefused); 2], "{local} {bytes:?}");
        }
    }
    raw.ack(transfer, 1);
    while raw.read().0 != "DATA 2:88" {}
    raw.ack(transfer, 2);
    assert_eq!(server.record().outcome, Outcome::Complete);
    assert_eq!(server.stats.strays.get(), 0);
}

#[test]
fn limits_refuse_with_a_clear_text_and_are_counted() {
    let config = Config { max_transfers: 3, max_transfers_per_address: 2, ..Config::default() };
    let server = Running::start(&["0.0.0.0:0"], config, &[("f", &noise(600))]);
    let at = SocketAddr::new([127, 0, 0, 1].into(), server.address().port());
    let begin = |local: &str| {
        let mut raw = Raw::at(local);
        raw.ask(at, "f", plain());
        let (words, transfer) = raw.read();
        // Only who has acknowledged something keeps his place.
        if words == "DATA 1:512" {
            raw.ack(transfer, 1);
            while raw.read().0 != "DATA 2:88" {}
        }
        (words, raw)
    };
    let (first, held) = begin("127.0.0.1:0");
    let (second, _held) = begin("127.0.0.1:0");
    let (third, _) = begin("127.0.0.1:0");
    let (fourth, _held) = begin("127.0.0.2:0");
    let (fifth, _) = begin("127.0.0.3:0");
    assert_eq!([first, second, fourth], ["DATA 1:512"; 3].map(str::to_owned));
    assert_eq!(third, "ERROR 0 too many transfers for your address");
    assert_eq!(fifth, "ERROR 0 too many transfers on this server, try again later");
    assert_eq!((server.stats.limited.get(), server.stats.active.get()), (2, 3));
    // Whoever vanishes makes room at once, for its closed port is reported.
    drop(held);
    assert_eq!(server.record().outcome, Outcome::PeerUnreachable);
    assert_eq!(begin("127.0.0.1:0").0, "DATA 1:512");
}

#[test]
fn a_mute_client_gets_three_packets() {
    let ms = Duration::from_millis;
    let timing = Timing { first_retry: ms(5), give_up_unheard: ms(500), ..Timing::default() };
    let config = Config { timing, ..Config::default() };
    let server = Running::start(&["127.0.0.1:0"], config, &[("f", &noise(600))]);
    let mut raw = Raw::new();
    raw.ask(server.address(), "f", plain());
    let record = server.record();
    assert_eq!((record.outcome, record.retransmissions), (Outcome::TimedOut, 2));
    assert!(record.duration >= ms(500), "{:?}", record.duration);
    for _ in 0..3 {
        assert_eq!(raw.read().0, "DATA 1:512");
    }
    assert!(raw.nothing_waits());
}

#[test]
fn stopping_tells_the_clients_and_ends_the_thread() {
    let mut server = Running::local(&[("f", &noise(600))]);
    let mut raw = Raw::new();
    raw.ask(server.address(), "f", plain());
    assert_eq!(raw.read().0, "DATA 1:512");
    server.stop().unwrap();
    assert_eq!(server.record().outcome, Outcome::Stopped);
    while raw.read().0 != "ERROR 0 server is stopping" {}
    // Its port is free again.
    UdpSocket::bind(server.address()).unwrap();
}

#[test]
fn a_taken_port_is_named() {
    struct Nothing;
    impl tftpd::Source for Nothing {
        fn open(&self, _: &tftpd::Request<'_>) -> Result<tftpd::Content, Refusal> {
            Err(Refusal::Busy)
        }
    }
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let Err(error) = Server::bind(&[address], Config::default(), Nothing) else {
        panic!("the port is taken")
    };
    assert_eq!(error.address, Some(address));
    assert_eq!(error.cause.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    assert!(Server::bind(&[], Config::default(), Nothing).is_err());
}

#[test]
fn the_client_keeps_its_limits() {
    let server = Running::local(&[("f", &noise(5000))]);
    let short = FetchOptions { max_bytes: 4999, ..FetchOptions::default() };
    assert!(matches!(fetch(server.address(), "f", &short), Err(FetchError::TooLarge { max_bytes: 4999 })));
    let unsized_ = FetchOptions { tsize: false, ..short };
    assert!(matches!(fetch(server.address(), "f", &unsized_), Err(FetchError::TooLarge { .. })));
    assert_eq!([server.record().outcome, server.record().outcome], [Outcome::ClientError(3); 2]);
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let ms = Duration::from_millis;
    let brief = FetchOptions { packet_timeout: ms(20), overall: ms(200), ..FetchOptions::default() };
    let result = fetch(silent.local_addr().unwrap(), "f", &brief);
    assert!(matches!(result, Err(FetchError::TimedOut { received: 0 })), "{result:?}");
    let mut buf = [0; 100];
    assert!(silent.recv(&mut buf).is_ok() && silent.recv(&mut buf).is_ok(), "it asked more than once");
}

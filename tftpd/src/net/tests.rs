//! The server's rounds by hand, without its thread: what meets in one round, who has a turn, and what is counted.

use super::*;
use crate::content::Content;
use crate::packet::{self, Mode};
use crate::{Batching, FetchOptions, Options, Refusal, Request, fetch};
use std::net::UdpSocket;
use std::time::Duration;

struct Fixed(&'static [u8]);

impl Source for Fixed {
    fn open(&self, _: &Request<'_>) -> Result<Content, Refusal> {
        Ok(Content::Bytes(Arc::from(self.0)))
    }
}

fn ask(client: &UdpSocket, server: &Server, options: &Options) {
    let mut bytes = Vec::new();
    packet::encode_read_request(&mut bytes, "f", Mode::Octet, options);
    // Loopback has delivered it when this returns.
    client.send_to(&bytes, server.local_addrs()[0]).unwrap();
}

/// One round of the loop, without its wait.
fn answer_requests(server: &mut Server) {
    server.waiting.push_back(0);
    server.serve_requests();
    for _ in 0..server.core.ready.len() {
        server.core.serve_next(Instant::now());
    }
}

fn client() -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client
}

#[test]
fn an_ack_and_the_next_request_for_the_same_file_may_come_together() {
    let config = Config::default();
    let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(b"text")).unwrap();
    let (client, mut buf) = (client(), [0; 100]);
    ask(&client, &server, &Options::default());
    answer_requests(&mut server);
    let (_, first) = client.recv_from(&mut buf).unwrap();
    client.send_to(b"\0\x04\0\x01", first).unwrap();
    ask(&client, &server, &Options::default());
    answer_requests(&mut server);
    let (len, second) = client.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..len], b"\0\x03\0\x01text");
    assert_ne!(first, second, "another transfer");
    let stats = server.stats();
    assert_eq!((stats.transfers_done.get(), stats.duplicates.get(), stats.active.get()), (1, 0, 1));
}

/// A socket is used again by the same address, and what comes from the port that it served before is not taken for the next one's.
#[test]
fn the_next_request_of_a_client_gets_a_rested_socket_and_nothing_of_the_one_before() {
    let config = Config::default();
    let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(b"text")).unwrap();
    let at = |ip: &str| UdpSocket::bind((ip, 0)).unwrap();
    let (former, next, mut buf) = (at("127.0.0.2"), at("127.0.0.2"), [0; 100]);
    let mut first_answer = |server: &mut Server, client: &UdpSocket| {
        client.set_nonblocking(true).unwrap();
        ask(client, server, &Options::default());
        server.waiting.push_back(0);
        server.serve_requests();
        assert!(server.core.ready.is_empty(), "nothing is put off");
        let (len, from) = client.recv_from(&mut buf).expect("it is answered in the same turn");
        assert_eq!(&buf[..len], b"\0\x03\0\x01text");
        (server.core.sessions.running()[0], from)
    };
    let (slot, port) = first_answer(&mut server, &former);
    // Twice, as a network may have it: the copy is there before the socket is connected to the next one.
    former.send_to(b"\0\x04\0\x01", port).unwrap();
    former.send_to(b"\0\x04\0\x01", port).unwrap();
    server.core.serve(slot, Instant::now());
    let until = Instant::now() + Duration::from_secs(20);
    let slot = loop {
        let (slot, from) = first_answer(&mut server, &next);
        if from == port {
            break slot;
        }
        server.core.finish(slot, Outcome::TimedOut); // Its socket is closed, for nobody knows what is on its way.
        assert!(Instant::now() < until, "the socket that was acknowledged is used again");
    };
    former.send_to(b"\0\x04\0\x01", port).unwrap();
    server.core.serve(slot, Instant::now());
    let stats = server.stats();
    assert_eq!((stats.strays.get(), stats.transfers_done.get(), stats.active.get()), (1, 1, 1));
    assert!(former.recv_from(&mut [0; 100]).is_err(), "an ERROR would end what it may be doing now");
    next.send_to(b"\0\x04\0\x01", port).unwrap();
    server.core.serve(slot, Instant::now());
    assert_eq!((stats.transfers_done.get(), stats.active.get()), (2, 0));
}

/// Whoever forges an address makes us send it an OACK of some bytes, however large a window he asks for.
#[test]
fn a_window_is_not_sent_before_the_client_is_heard() {
    static FILE: [u8; 60_000] = [7; 60_000];
    let config = Config::default();
    let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(&FILE)).unwrap();
    let (client, mut buf) = (client(), [0; 2000]);
    let wish = Options { windowsize: Some(64), ..Options::default() };
    ask(&client, &server, &wish);
    answer_requests(&mut server);
    let (len, transfer) = client.recv_from(&mut buf).unwrap();
    assert!(len < 30 && buf[1] == 6, "an OACK of {len} bytes");
    client.set_nonblocking(true).unwrap();
    for slot in server.core.sessions.running() {
        server.core.serve(slot, Instant::now());
    }
    assert!(client.recv_from(&mut buf).is_err(), "and nothing more");
    client.send_to(b"\0\x04\0\0", transfer).unwrap();
    for slot in server.core.sessions.running() {
        server.core.serve(slot, Instant::now());
    }
    let arrived = std::iter::from_fn(|| client.recv_from(&mut buf).ok()).count();
    assert_eq!(arrived, 64, "the window, in one turn");
}

#[test]
fn who_never_answers_costs_three_packets_and_is_counted() {
    let config = Config::default();
    let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(b"text")).unwrap();
    let (client, mut buf) = (client(), [0; 100]);
    ask(&client, &server, &Options::default());
    answer_requests(&mut server);
    while let Some(at) = server.core.sessions.next_deadline() {
        if let Some(slot) = server.core.sessions.pop_due(at) {
            server.core.on_deadline(slot, at);
        }
    }
    client.set_nonblocking(true).unwrap();
    assert_eq!(std::iter::from_fn(|| client.recv_from(&mut buf).ok()).count(), 3);
    let stats = server.stats();
    let counted = [&stats.transfers_failed, &stats.vanished, &stats.unheard, &stats.active];
    assert_eq!(counted.map(crate::stats::Counter::get), [1, 1, 1, 0]);
    assert_eq!(stats.retransmissions.get(), 2);
}

#[test]
fn gaps_and_acks_that_change_nothing_are_counted() {
    static FILE: [u8; 60_000] = [7; 60_000];
    let config = Config::default();
    let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(&FILE)).unwrap();
    let (client, mut buf) = (client(), [0; 600]);
    ask(&client, &server, &Options { windowsize: Some(4), ..Options::default() });
    answer_requests(&mut server);
    let (_, transfer) = client.recv_from(&mut buf).unwrap();
    let slot = server.core.sessions.running()[0];
    for ack in [0, 2, 1, 9] {
        client.send_to(&[0, 4, 0, ack], transfer).unwrap();
        server.core.serve(slot, Instant::now() + Duration::from_secs(1));
    }
    let stats = server.stats();
    assert_eq!((stats.gaps.get(), stats.ignored_acks.get()), (1, 2));
    client.send_to(b"\0\x05\0\0no\0", transfer).unwrap();
    server.core.serve(slot, Instant::now());
    assert_eq!((stats.transfers_failed.get(), stats.vanished.get()), (1, 0), "it said goodbye");
}

#[test]
fn one_port_serves_all_where_that_is_wished() {
    static FILE: [u8; 300_000] = [7; 300_000];
    for (listen, batching) in [
        ("127.0.0.1:0", Batching::Segmented),
        ("[::1]:0", Batching::Segmented),
        ("127.0.0.1:0", Batching::Single),
    ] {
        let config = Config { single_port: true, batching, ..Config::default() };
        let server = Server::bind(&[listen.parse().unwrap()], config, Fixed(&FILE)).unwrap();
        let (address, stopper, stats) = (server.local_addrs()[0], server.stopper(), server.stats());
        let thread = std::thread::spawn(move || server.run());
        std::thread::scope(|scope| {
            for windowsize in [None, Some(2), Some(16), Some(64)] {
                scope.spawn(move || {
                    let how = FetchOptions { windowsize, ..FetchOptions::default() };
                    assert!(fetch(address, "f", &how).unwrap().bytes == FILE, "{windowsize:?} {batching:?}");
                });
            }
        });
        // By hand: all comes from the port that was asked, and another name from the same port is the next file.
        let client = UdpSocket::bind((address.ip(), 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (mut bytes, mut buf) = (Vec::new(), [0; 1000]);
        for name in ["a", "b"] {
            packet::encode_read_request(&mut bytes, name, Mode::Octet, &Options::default());
            client.send_to(&bytes, address).unwrap();
            let (len, from) = client.recv_from(&mut buf).unwrap();
            assert_eq!((from, len, &buf[..4]), (address, 516, b"\0\x03\0\x01".as_slice()));
        }
        client.send_to(b"\0\x04\0\x01", address).unwrap();
        assert_eq!(client.recv_from(&mut buf).unwrap().0, 516);
        assert_eq!(&buf[..4], b"\0\x03\0\x02");
        client.send_to(b"\0\x05\0\0enough\0", address).unwrap();
        let stranger = UdpSocket::bind((address.ip(), 0)).unwrap();
        stranger.send_to(b"\0\x04\0\x01", address).unwrap();
        assert!(fetch(address, "f", &FetchOptions::default()).is_ok());
        // The answer to this comes after all that came before it has been taken in.
        client.send_to(b"\0\x01f\0mail\0", address).unwrap();
        client.recv_from(&mut buf).unwrap();
        assert_eq!((stats.transfers_done.get(), stats.transfers_failed.get()), (5, 2));
        assert!(stats.strays.get() >= 1, "an ACK of nobody's transfer is counted and not answered");
        stranger.set_nonblocking(true).unwrap();
        assert!(stranger.recv_from(&mut buf).is_err());
        stopper.stop();
        thread.join().unwrap().unwrap();
    }
}

#[test]
fn who_waits_for_room_on_the_shared_port_goes_on_when_there_is_some() {
    let config = Config { single_port: true, ..Config::default() };
    let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(b"text")).unwrap();
    let client = client();
    ask(&client, &server, &Options::default());
    server.waiting.push_back(0);
    server.serve_requests();
    let slot = server.core.sessions.running()[0];
    server.core.sessions.get_mut(slot).unwrap().payload.blocked = true;
    server.core.held.push(slot);
    server.give_turns(Instant::now());
    assert!(server.core.ready.is_empty(), "it has had its turn, and could not use it");
    server.mind_room();
    let mut events = Events::with_capacity(8);
    // Its buffer is empty, so the first event says that there is room.
    server.poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
    events.iter().for_each(|event| server.take(event));
    server.mind_room();
    assert!(!server.minding_room);
    server.give_turns(Instant::now());
    assert_eq!(client.recv_from(&mut [0; 100]).unwrap().0, 8);
}

#[test]
fn a_crowd_of_windows_leaves_room_for_requests() {
    static FILE: [u8; 60_000] = [7; 60_000];
    let config = Config { max_transfers_per_address: 1000, ..Config::default() };
    let mut server = Server::bind(&["127.0.0.1:0".parse().unwrap()], config, Fixed(&FILE)).unwrap();
    let clients: Vec<UdpSocket> = (0..200).map(|_| client()).collect();
    for client in &clients {
        ask(client, &server, &Options::default());
    }
    for _ in 0..4 {
        answer_requests(&mut server);
    }
    assert_eq!(server.stats().active.get(), 200);
    for slot in server.core.sessions.running() {
        server.core.enqueue(slot);
    }
    server.give_turns(Instant::now());
    assert_eq!(server.core.ready.len(), 200 - TRANSFERS_PER_TURN, "the others wait for the next round");
}

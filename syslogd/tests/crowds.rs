//! Too many who want too much: who keeps his place, and whose lines are not even read. The sink here knows IPv4 and no IPv6.
#![allow(clippy::unwrap_used)] // clippy knows test functions, but not their helpers

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use syslogd::{Config, Limits, Record, RunError, Server, Sink, Stats, StatsNow, Stopper};

/// Longer than anything takes on a busy machine, so that only a fault reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lets everybody in, or knows nobody but IPv4.
struct Choosy {
    knows_all: bool,
    lines: Sender<String>,
}

impl Sink for Choosy {
    fn record(&mut self, _: SocketAddr, record: Record<'_>, _: &[u8]) {
        self.lines.send(record.message.into_owned()).expect("the test listens until the server has ended");
    }

    fn admits(&mut self, from: SocketAddr, _: usize) -> bool {
        self.knows(from.ip())
    }

    fn knows(&mut self, address: IpAddr) -> bool {
        self.knows_all || address.is_ipv4()
    }
}

struct Running {
    /// By IPv4 and by IPv6.
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    stats: Arc<Stats>,
    stopper: Stopper,
    lines: Receiver<String>,
    thread: JoinHandle<Result<(), RunError>>,
}

fn start(connections: usize, knows_all: bool) -> Running {
    let any: Vec<SocketAddr> = ["127.0.0.1:0", "[::1]:0"].map(|at| at.parse().unwrap()).into();
    let limits = Limits { connections, connections_per_source: 6, ..Limits::default() };
    let server = Server::bind(&Config { udp: any.clone(), tcp: any, limits }).unwrap();
    let (udp, tcp) = (server.udp_addrs(), server.tcp_addrs());
    let (stats, stopper, (to, lines)) = (server.stats(), server.stopper(), channel());
    let thread = thread::spawn(move || server.run(&mut Choosy { knows_all, lines: to }));
    Running { udp, tcp, stats, stopper, lines, thread }
}

impl Running {
    fn wait_for(&self, what: &str, enough: impl Fn(&StatsNow) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !enough(&self.stats.now()) {
            assert!(Instant::now() < end, "{what}: {:?}", self.stats.now());
            thread::yield_now();
        }
    }

    /// One more connection; returns when the server has decided about it.
    fn connect(&self, to: SocketAddr) -> TcpStream {
        let decided = |s: &StatsNow| s.connections + s.connections_refused;
        let before = decided(&self.stats.now());
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.wait_for("a decision", |s| decided(s) > before);
        stream
    }

    fn stop(self) -> Vec<String> {
        self.stopper.stop().unwrap();
        self.thread.join().unwrap().unwrap();
        self.lines.iter().collect()
    }
}

fn is_closed(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(bytes) => bytes == 0,
        // What lay unread there makes a reset of the end.
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn who_has_most_gives_a_place_to_who_has_fewer_and_not_the_other_way_round() {
    let server = start(4, true);
    let mut many: Vec<TcpStream> = (0..4).map(|_| server.connect(server.tcp[0])).collect();
    // All but the first say something, so that it is the one that was silent longest.
    for stream in &mut many[1..] {
        stream.write_all(b"<13>here\n").unwrap();
        assert_eq!(server.lines.recv_timeout(PATIENCE).unwrap(), "here");
    }
    let mut few = vec![server.connect(server.tcp[1])];
    assert!(is_closed(&mut many[0]));
    few.push(server.connect(server.tcp[1]));
    let now = server.stats.now();
    assert_eq!((now.connections_displaced, now.connections_refused, now.connections_open), (2, 0, 4));
    // Two and two: neither gets more.
    for to in [server.tcp[0], server.tcp[1]] {
        assert!(is_closed(&mut server.connect(to)));
    }
    let now = server.stats.now();
    assert_eq!((now.connections_displaced, now.connections_refused), (2, 2));
    few[0].write_all(b"<13>kept\n").unwrap();
    assert_eq!(server.lines.recv_timeout(PATIENCE).unwrap(), "kept");
    drop(few);
    server.stop();
}

#[test]
fn who_is_known_finds_a_place_among_strangers_and_strangers_none_among_the_known() {
    let server = start(4, false);
    let _strangers: Vec<TcpStream> = (0..4).map(|_| server.connect(server.tcp[1])).collect();
    let mut known: Vec<TcpStream> = (0..4).map(|_| server.connect(server.tcp[0])).collect();
    let now = server.stats.now();
    assert_eq!((now.connections_displaced, now.connections_refused, now.connections_open), (4, 0, 4));
    assert!(is_closed(&mut server.connect(server.tcp[1])));
    assert!(is_closed(&mut server.connect(server.tcp[0])), "and not of its like that have fewer");
    for stream in &mut known {
        stream.write_all(b"<13>kept\n").unwrap();
        assert_eq!(server.lines.recv_timeout(PATIENCE).unwrap(), "kept");
    }
    assert_eq!(server.stats.now().connections_refused, 2);
    server.stop();
}

#[test]
fn lines_that_the_sink_does_not_want_are_not_read() {
    let server = start(4, false);
    let (wanted, not) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("[::1]:0").unwrap());
    let mut stream = server.connect(server.tcp[1]);
    for n in 0..100 {
        not.send_to(b"<13>no\0 line", server.udp[1]).unwrap();
        stream.write_all(b"<nonsense\n").unwrap();
        wanted.send_to(format!("<13>{n}").as_bytes(), server.udp[0]).unwrap();
        assert_eq!(server.lines.recv_timeout(PATIENCE).unwrap(), n.to_string());
    }
    let stats = Arc::clone(&server.stats);
    assert_eq!(server.stop(), [""; 0]);
    let now = stats.now();
    assert_eq!((now.received_udp, now.received_tcp, now.malformed), (100, 0, 0));
}

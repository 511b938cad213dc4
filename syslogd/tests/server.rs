//! The receiver on real sockets: ports chosen by the system, real `logger` and busybox as senders.
//!
//! Nothing here sleeps to wait for something; what should happen has a deadline, and what should have happened before
//! a stop was sent before it.
#![allow(clippy::unwrap_used)] // clippy knows test functions, but not their helpers

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use syslogd::text::MAX_TEXT;
use syslogd::{BindError, Config, Limits, Record, RunError, Server, Sink, Stats, Stopper};

/// Longer than anything takes on a busy machine, so that only a fault reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

type Received = (SocketAddr, Record<'static>, Vec<u8>);

/// Passes records on only when the server says that a batch is over: a server that forgets it fails every test.
struct Batches {
    batch: Vec<Received>,
    to: Sender<Received>,
    has_room: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
}

impl Sink for Batches {
    fn record(&mut self, from: SocketAddr, record: Record<'_>, raw: &[u8]) {
        self.batch.push((from, record.into_owned(), raw.to_vec()));
    }

    fn has_room(&mut self) -> bool {
        self.has_room.load(Ordering::SeqCst)
    }

    fn dropped(&mut self, _: SocketAddr, count: u64) {
        self.dropped.fetch_add(count, Ordering::SeqCst);
    }

    fn idle(&mut self) {
        for received in self.batch.drain(..) {
            self.to.send(received).expect("the test holds the receiver until the server has ended");
        }
    }
}

struct Running {
    udp: SocketAddr,
    tcp: SocketAddr,
    stats: Arc<Stats>,
    stopper: Stopper,
    records: Receiver<Received>,
    /// Whether the sink takes what can wait.
    has_room: Arc<AtomicBool>,
    /// What the sink was told of.
    dropped: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), RunError>>,
}

fn bind(limits: Limits) -> Server {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Server::bind(&Config { udp: vec![any], tcp: vec![any], limits }).unwrap()
}

fn run(server: Server) -> Running {
    let (to, records) = channel();
    let (udp, tcp) = (server.udp_addrs()[0], server.tcp_addrs()[0]);
    let (stats, stopper) = (server.stats(), server.stopper());
    let (has_room, dropped) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let mut sink =
        Batches { batch: Vec::new(), to, has_room: Arc::clone(&has_room), dropped: Arc::clone(&dropped) };
    let thread = thread::spawn(move || server.run(&mut sink));
    Running { udp, tcp, stats, stopper, records, has_room, dropped, thread }
}

fn start() -> Running {
    run(bind(Limits::default()))
}

impl Running {
    fn next(&self) -> Received {
        self.records.recv_timeout(PATIENCE).expect("a record should have arrived")
    }

    fn message(&self) -> String {
        self.next().1.message.into_owned()
    }

    /// Waits until the server has counted so far.
    fn wait_for(&self, what: &str, enough: impl Fn(&syslogd::StatsNow) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !enough(&self.stats.now()) {
            assert!(Instant::now() < end, "{what}: {:?}", self.stats.now());
            thread::yield_now();
        }
    }

    /// Stops the server and returns what it had not yet handed over.
    fn stop(self) -> Vec<Received> {
        self.stopper.stop().unwrap();
        self.thread.join().unwrap().unwrap();
        self.records.iter().collect()
    }
}

fn sender(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect(to).unwrap();
    socket
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether the server closed this connection; waits for it.
fn assert_closed(stream: &mut TcpStream) {
    match stream.read(&mut [0]) {
        Ok(0) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        other => panic!("the server should have closed the connection: {other:?}"),
    }
}

#[test]
fn a_datagram_becomes_a_record_with_its_source_and_its_bytes() {
    let server = start();
    let socket = sender(server.udp);
    let line = b"<12>Jan  1 00:00:07 mobile-init.sh[312]: no disk\0";
    socket.send(line).unwrap();
    let (from, record, raw) = server.next();
    assert_eq!(from, socket.local_addr().unwrap());
    assert_eq!(record, Record::parse(line));
    assert_eq!(raw, line);
    assert_eq!(server.stats.now().received_udp, 1);
    assert!(server.stop().is_empty());
}

#[test]
fn an_ipv4_sender_to_an_ipv6_socket_keeps_its_ipv4_address() {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let config = Config { udp: vec![any], tcp: vec![any], limits: Limits::default() };
    let server = run(Server::bind(&config).unwrap());
    let v4 = |addr: SocketAddr| SocketAddr::from((Ipv4Addr::LOCALHOST, addr.port()));
    let socket = sender(v4(server.udp));
    socket.send(b"<13>by udp").unwrap();
    assert_eq!(server.next().0, socket.local_addr().unwrap());
    let mut stream = connect(v4(server.tcp));
    stream.write_all(b"<13>by tcp\n").unwrap();
    assert_eq!(server.next().0, stream.local_addr().unwrap());
    server.stop();
}

#[test]
fn an_empty_datagram_is_counted_and_not_delivered() {
    let server = start();
    let socket = sender(server.udp);
    socket.send(b"").unwrap();
    socket.send(b"<999>no pri").unwrap();
    assert_eq!(server.message(), "<999>no pri");
    assert_eq!(server.stats.now().malformed, 2);
    assert_eq!(server.stats.now().received_udp, 1);
    assert!(server.stop().is_empty());
}

#[test]
fn the_largest_datagram_arrives_cut() {
    let server = start();
    let socket = sender(server.udp);
    socket.send(&[b'x'; 65_507]).unwrap();
    let (_, record, raw) = server.next();
    assert!(record.truncated && record.message.len() == MAX_TEXT, "{}", record.message.len());
    assert!(raw.len() > MAX_TEXT && raw.iter().all(|b| *b == b'x'), "{}", raw.len());
    socket.send(b"<13>good").unwrap();
    assert_eq!(server.message(), "good");
    assert_eq!(server.stats.now().truncated, 1);
    server.stop();
}

#[test]
fn tcp_takes_lines_and_counted_frames_in_any_pieces() {
    let server = start();
    let mut stream = connect(server.tcp);
    stream.set_nodelay(true).unwrap();
    for piece in ["<13>one\n<13>tw", "o\n9 <13>", "three13 <13>four\nmore", "<13>five\r\n<13>no end"] {
        stream.write_all(piece.as_bytes()).unwrap();
    }
    let got: Vec<String> = (0..5).map(|_| server.message()).collect();
    assert_eq!(got, ["one", "two", "three", "four\u{240a}more", "five"]);
    drop(stream);
    assert_eq!(server.message(), "no end");
    server.wait_for("closed", |s| s.connections_open == 0);
    assert_eq!(server.stats.now().received_tcp, 6);
    assert_eq!(server.stats.now().connections, 1);
    server.stop();
}

#[test]
fn a_frame_longer_than_allowed_is_cut_and_the_next_one_is_good() {
    let server = run(bind(Limits { frame_bytes: 100, ..Limits::default() }));
    let mut stream = connect(server.tcp);
    let long = format!("<13>{}", "x".repeat(50_000));
    write!(stream, "{} {long}<13>after counted\n{long}\n<13>after a line\n", long.len()).unwrap();
    for good in ["after counted", "after a line"] {
        let (_, record, raw) = server.next();
        assert_eq!((record.truncated, raw.len(), record.message.len()), (true, 100, 96));
        let (_, record, _) = server.next();
        assert_eq!((record.truncated, &*record.message), (false, good));
    }
    assert_eq!(server.stats.now().truncated, 2);
    server.stop();
}

#[test]
fn connections_over_the_limit_are_refused_until_one_closes() {
    let server = run(bind(Limits { connections: 3, ..Limits::default() }));
    let mut served: Vec<TcpStream> = Vec::new();
    for n in 0..3 {
        let mut stream = connect(server.tcp);
        writeln!(stream, "<13>hello {n}").unwrap();
        assert_eq!(server.message(), format!("hello {n}"));
        served.push(stream);
    }
    for _ in 0..40 {
        assert_closed(&mut connect(server.tcp));
    }
    writeln!(served[0], "<13>still here").unwrap();
    assert_eq!(server.message(), "still here");
    drop(served.pop());
    server.wait_for("closed", |s| s.connections_open == 2);
    let mut stream = connect(server.tcp);
    writeln!(stream, "<13>in its place").unwrap();
    assert_eq!(server.message(), "in its place");
    let stats = server.stats.now();
    assert_eq!((stats.connections, stats.connections_open, stats.connections_refused), (4, 3, 40));
    server.stop();
}

#[test]
fn one_source_cannot_take_all_connections() {
    let server = run(bind(Limits { connections_per_source: 2, ..Limits::default() }));
    let mut mine: Vec<TcpStream> = (0..2).map(|_| connect(server.tcp)).collect();
    assert_closed(&mut connect(server.tcp));
    // All of 127/8 is this host, so another address can be had without any set-up.
    let script = "
import socket, sys
sender = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 20, ('127.0.0.9', 0))
sender.sendall(b'<13>from another')
";
    send_with("python3", "python3", &["-c", script, &server.tcp.port().to_string()]);
    let (from, record, _) = server.next();
    assert_eq!((from.ip().to_string().as_str(), &*record.message), ("127.0.0.9", "from another"));
    writeln!(mine[1], "<13>still here").unwrap();
    assert_eq!(server.message(), "still here");
    assert_eq!(server.stats.now().connections_refused, 1);
    server.stop();
}

#[test]
fn pythons_sysloghandler_is_understood() {
    let server = start();
    let script = "
import logging, logging.handlers as h, socket, sys
log = logging.getLogger()
for port, kind in ((sys.argv[1], socket.SOCK_DGRAM), (sys.argv[2], socket.SOCK_STREAM)):
    handler = h.SysLogHandler(('127.0.0.1', int(port)), h.SysLogHandler.LOG_DAEMON, kind)
    handler.ident = 'agent: '
    log.addHandler(handler)
log.error('it failed: gr\u{fc}n')
log.warning('second')
";
    let (udp, tcp) = (server.udp.port().to_string(), server.tcp.port().to_string());
    send_with("python3", "python3", &["-c", script, &udp, &tcp]);
    let got: Vec<Record<'_>> = (0..4).map(|_| server.next().1).collect();
    for (text, severity) in [("it failed: gr\u{fc}n", "err"), ("second", "warning")] {
        let these = got.iter().filter(|r| r.message == text);
        let shown = these.map(|r| (r.facility.name(), r.severity.name(), r.tag.as_deref()));
        assert_eq!(shown.collect::<Vec<_>>(), [("daemon", severity, Some("agent")); 2], "{got:?}");
    }
    server.stop();
}

#[test]
fn a_silent_connection_is_closed_and_what_it_began_is_delivered() {
    let server = run(bind(Limits { idle: Duration::from_millis(100), ..Limits::default() }));
    let mut stream = connect(server.tcp);
    stream.write_all(b"20 <13>unfinished").unwrap();
    let begun = Instant::now();
    assert_closed(&mut stream);
    assert!(begun.elapsed() < PATIENCE / 2, "{:?}", begun.elapsed());
    let (_, record, _) = server.next();
    assert_eq!((&*record.message, record.truncated), ("unfinished", true));
    server.wait_for("closed", |s| s.connections_idle == 1 && s.connections_open == 0);
    // The next ones: one that talks while the other is found silent, and is then silent itself.
    let (mut silent, mut talking) = (connect(server.tcp), connect(server.tcp));
    silent.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    while silent.read(&mut [0]).is_err() {
        talking.write_all(b".").unwrap();
    }
    server.wait_for("one closed", |s| s.connections_idle == 2 && s.connections_open == 1);
    assert_closed(&mut talking);
    server.stop();
}

#[test]
fn connections_wait_while_there_is_no_room_and_datagrams_do_not() {
    let idle = Duration::from_millis(100);
    let server = run(bind(Limits { idle, ..Limits::default() }));
    server.has_room.store(false, Ordering::SeqCst);
    let mut stream = connect(server.tcp);
    stream.write_all(b"<13>patient\n").unwrap();
    server.wait_for("held", |s| s.connections_held > 0);
    let begun = Instant::now();
    // Long after a silent one would have been closed.
    while begun.elapsed() < 15 * idle {
        sender(server.udp).send(b"<13>hasty").unwrap();
        assert_eq!(server.message(), "hasty");
    }
    assert_eq!((server.stats.now().received_tcp, server.stats.now().connections_idle), (0, 0));
    server.has_room.store(true, Ordering::SeqCst);
    assert_eq!(server.message(), "patient");
    assert_closed(&mut stream);
    server.stop();
}

#[test]
fn a_stop_waits_for_room() {
    let server = start();
    server.has_room.store(false, Ordering::SeqCst);
    let mut stream = connect(server.tcp);
    stream.write_all(b"<13>patient\n").unwrap();
    server.wait_for("held", |s| s.connections_held > 0);
    server.stopper.stop().unwrap();
    // Its goodbye, and then a good while beyond the silence that would end it.
    assert_closed(&mut stream);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        assert!(server.records.recv_timeout(Duration::from_millis(50)).is_err());
    }
    server.has_room.store(true, Ordering::SeqCst);
    let left = server.stop();
    assert_eq!(left.iter().map(|(_, r, _)| &*r.message).collect::<Vec<_>>(), ["patient"]);
}

#[test]
fn a_flood_on_one_connection_does_not_starve_the_others() {
    let server = run(bind(Limits::default()));
    let flooding = Arc::new(AtomicBool::new(true));
    let flood = {
        let (flooding, mut stream) = (Arc::clone(&flooding), connect(server.tcp));
        let lines = "<13>flood\n".repeat(1000);
        thread::spawn(move || {
            while flooding.load(Ordering::Relaxed) {
                stream.write_all(lines.as_bytes()).unwrap();
            }
        })
    };
    server.wait_for("flood", |s| s.received_tcp > 10_000);
    let socket = sender(server.udp);
    let mut other = connect(server.tcp);
    socket.send(b"<13>by udp").unwrap();
    writeln!(other, "<13>by tcp").unwrap();
    let (mut udp, mut tcp) = (false, false);
    let end = Instant::now() + PATIENCE;
    while !(udp && tcp) {
        assert!(Instant::now() < end, "udp {udp}, tcp {tcp}");
        let message = server.message();
        udp |= message == "by udp";
        tcp |= message == "by tcp";
    }
    flooding.store(false, Ordering::Relaxed);
    flood.join().unwrap();
    server.stop();
}

#[test]
fn a_stop_delivers_everything_that_had_arrived() {
    let server = bind(Limits::default());
    let (udp, tcp) = (sender(server.udp_addrs()[0]), server.tcp_addrs()[0]);
    // All of it lies in the kernel before the server looks for the first time, and then it is told to stop.
    for n in 0..1000 {
        udp.send(format!("<13>datagram {n}").as_bytes()).unwrap();
    }
    let mut streams: Vec<TcpStream> = (0..20).map(|_| connect(tcp)).collect();
    for (n, stream) in streams.iter_mut().enumerate() {
        write!(stream, "{}<13>unfinished {n}", "<13>line\n".repeat(50)).unwrap();
    }
    server.stopper().stop().unwrap();
    let running = run(server);
    let stats = Arc::clone(&running.stats);
    let got = running.stop();
    let count = |wanted: &str| got.iter().filter(|(_, r, _)| r.message.starts_with(wanted)).count();
    assert_eq!((count("datagram"), count("line"), count("unfinished")), (1000, 1000, 20));
    assert_eq!((stats.now().received_udp, stats.now().received_tcp), (1000, 1020));
    assert_eq!((stats.now().dropped_by_kernel, stats.now().connections_open), (0, 0));
}

#[test]
fn what_the_kernel_drops_is_counted() {
    let server = bind(Limits { udp_buffer_bytes: 16 * 1024, ..Limits::default() });
    let socket = sender(server.udp_addrs()[0]);
    for _ in 0..1000 {
        socket.send(&[b'x'; 500]).unwrap();
    }
    let running = run(server);
    running.next();
    // The count travels with a datagram that found room after the loss.
    let end = Instant::now() + PATIENCE;
    let mut sent = 1000;
    while running.stats.now().dropped_by_kernel == 0 {
        assert!(Instant::now() < end, "{:?}", running.stats.now());
        socket.send(b"<13>after").unwrap();
        sent += 1;
        running.next();
    }
    let (stats, told) = (Arc::clone(&running.stats), Arc::clone(&running.dropped));
    running.stop();
    let stats = stats.now();
    assert_eq!(told.load(Ordering::SeqCst), stats.dropped_by_kernel, "the sink hears of all");
    assert!(stats.received_udp < 1000, "{stats:?}");
    assert_eq!(stats.received_udp + stats.dropped_by_kernel, sent, "{stats:?}");
}

#[test]
fn an_address_that_is_not_to_be_had_is_named() {
    let server = start();
    let taken = |udp: &[SocketAddr], tcp: &[SocketAddr]| {
        let config = Config { udp: udp.to_vec(), tcp: tcp.to_vec(), limits: Limits::default() };
        Server::bind(&config).unwrap_err()
    };
    let error = taken(&[server.udp], &[]);
    assert!(
        matches!(&error, BindError::Udp(addr, e) if *addr == server.udp && e.kind() == io::ErrorKind::AddrInUse)
    );
    assert!(error.to_string().starts_with(&format!("cannot listen on udp {}: ", server.udp)), "{error}");
    let error = taken(&[], &[server.tcp]);
    assert!(
        matches!(error, BindError::Tcp(addr, e) if addr == server.tcp && e.kind() == io::ErrorKind::AddrInUse)
    );
    assert!(matches!(taken(&[], &[]), BindError::NoAddress));
    server.stop();
}

/// Runs a sender to its end.
fn send_with(program: &str, package: &str, args: &[&str]) {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program} of the Debian package {package} does not start: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn logger_of_util_linux_is_understood_in_all_its_forms() {
    let server = start();
    let (udp, tcp) = (server.udp.port().to_string(), server.tcp.port().to_string());
    let to_udp = ["-n", "127.0.0.1", "-P", &udp, "-d", "-t", "sketch", "-p", "daemon.err"];
    let to_tcp = ["-n", "127.0.0.1", "-P", &tcp, "-T", "-t", "sketch", "-p", "daemon.err"];
    let forms: [(&[&str], &[&str], bool); 6] = [
        (&to_udp, &["--rfc3164"], false),
        (&to_udp, &["--rfc5424"], true),
        (&to_udp, &["--rfc5424=notime,notq,nohost"], false),
        (&to_tcp, &["--rfc3164"], false),
        (&to_tcp, &["--rfc5424"], true),
        (&to_tcp, &["--rfc5424", "--octet-count"], true),
    ];
    for (target, form, utc) in forms {
        send_with("logger", "bsdutils", &[target, form, &["gr\u{fc}n: 100 %"]].concat());
        let (_, record, _) = server.next();
        let shown = format!("{form:?} {record:?}");
        assert_eq!((record.facility.name(), record.severity.name()), ("daemon", "err"), "{shown}");
        assert_eq!(record.tag.as_deref(), Some("sketch"), "{shown}");
        assert_eq!(record.message, "gr\u{fc}n: 100 %", "{shown}");
        assert_eq!(record.hostname.is_some(), !form[0].contains("nohost"), "{shown}");
        assert_eq!(record.timestamp.is_some(), !form[0].contains("notime"), "{shown}");
        assert_eq!(record.timestamp.and_then(|t| t.utc_ms).is_some(), utc, "{shown}");
    }
    server.stop();
}

#[test]
fn busybox_logger_through_busybox_syslogd_is_understood() {
    let server = start();
    let target = format!("127.0.0.1:{}", server.udp.port());
    // busybox logger knows only /dev/log, so both get a /dev of their own, which ends with the namespace. The loop
    // ends when busybox listens or dies; all ends when we close the script's input, at the latest by a panic here.
    let script = r#"
        mount -t tmpfs none "$2" && touch "$2/null" && mount --bind /dev/null "$2/null" && mount --rbind "$2" /dev || exit 1
        busybox syslogd -n -R "$1" & pid=$!
        until [ -S /dev/log ]; do kill -0 $pid || exit 1; done
        busybox logger -t mobile-init.sh -p daemon.err "no disk: sda" && busybox logger "plain words" || exit 1
        cat; kill $pid
    "#;
    let dev = std::env::temp_dir().join(format!("syslogd-test-{}", std::process::id()));
    std::fs::create_dir(&dev).unwrap();
    let mut child = Command::new("unshare")
        .args(["-m", "sh", "-c", script, "sh", &target, dev.to_str().unwrap()])
        .stdin(Stdio::piped())
        .spawn()
        .expect("unshare of the Debian package util-linux should start");
    let hint = "needs root and the Debian package busybox-static";
    loop {
        let (_, record, raw) = server.records.recv_timeout(PATIENCE).expect(hint);
        let shown = String::from_utf8_lossy(&raw).into_owned();
        assert!(record.hostname.is_none(), "{shown}");
        if record.tag.as_deref() == Some("mobile-init.sh") {
            assert_eq!((record.facility.name(), record.severity.name()), ("daemon", "err"), "{shown}");
            assert_eq!(record.message, "no disk: sda", "{shown}");
            assert!(record.timestamp.is_some(), "{shown}");
            break;
        }
        // What busybox says about itself comes first.
        assert_eq!(record.tag.as_deref(), Some("syslogd"), "{shown}");
    }
    let (_, record, raw) = server.next();
    assert_eq!(record.message, "plain words", "{}", String::from_utf8_lossy(&raw));
    drop(child.stdin.take());
    child.wait().unwrap();
    std::fs::remove_dir(&dev).unwrap();
    server.stop();
}

//! The thread as a whole, over real sockets.

use super::*;
use crate::clock::ManualClock;
use crate::logic::ids::Mac;
use crate::logic::time::Timestamp;
use crossbeam_channel::{Receiver, bounded};
use std::net::TcpStream as Plain;
use std::thread::JoinHandle;

/// More than anything here takes.
const LONG: Duration = Duration::from_secs(20);
const GOOD: &[u8] = b"register NAME=0a:0b:0c:0d:0e:0f&IPADDR=10.0.0.7&CMDPORT=20701&DATAPORT=20700&OS=Android&HARDWARE=Tegra&POOL=a%20b\r\n";

struct Rig {
    address: SocketAddr,
    lines: Receiver<JournalLine>,
    stats: Arc<Stats>,
    stopper: Stopper,
    thread: JoinHandle<Exit>,
}

fn start(room: usize) -> Rig {
    let server = Server::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
    let (address, stats, stopper) = (server.local_addrs()[0], server.stats(), server.stopper());
    let (send, lines) = bounded(room);
    let clock = Arc::new(ManualClock::at(Timestamp(5)));
    let thread = std::thread::spawn(move || server.run(send, clock));
    Rig { address, lines, stats, stopper, thread }
}

impl Rig {
    fn connect(&self) -> Plain {
        let stream = Plain::connect(self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream
    }

    /// What is answered to these bytes, sent whole; ends when the server does.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        hear(stream)
    }

    fn stop(self) -> Vec<JournalLine> {
        self.stopper.stop().unwrap();
        assert_eq!(self.thread.join().unwrap(), Exit::Stopped);
        self.lines.try_iter().collect()
    }
}

fn hear(mut stream: Plain) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn an_agent_that_says_a_good_line_is_told_of_and_hears_ok() {
    let rig = start(10);
    assert_eq!(rig.say(GOOD), "OK\n");
    let Ok(JournalLine::Board(said)) = rig.lines.recv_timeout(LONG) else { panic!("it is told of") };
    assert_eq!((said.mac, said.address), (Mac([10, 11, 12, 13, 14, 15]), [10, 0, 0, 7].into()));
    assert_eq!((said.at, &*said.asked_for), (Timestamp(5), ""));
    let agent = said.agent.unwrap();
    assert_eq!((&*agent.os, &*agent.hardware, &*agent.pool), ("Android", "Tegra", "a b"));
    assert_eq!((agent.command_port, agent.data_port), (Some(20701), Some(20700)));

    // In pieces, without an end of line, and from where it says nothing of an address.
    let mut stream = rig.connect();
    for piece in [&b"regis"[..], b"ter NAME=0a0b", b"0c0d0e0f"] {
        stream.write_all(piece).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(hear(stream), "OK\n");
    let Ok(JournalLine::Board(said)) = rig.lines.recv_timeout(LONG) else { panic!("it is told of") };
    assert_eq!(said.address, IpAddr::from([127, 0, 0, 1]));
    assert_eq!(rig.stats.registered.load(Ordering::Relaxed), 2);
    assert_eq!(rig.stop(), []);
}

#[test]
fn garbage_is_refused_in_a_line_and_nothing_of_it_is_told() {
    let rig = start(10);
    for (bytes, want) in [
        (&b"\n"[..], "ERR the line must begin"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "ERR the line must begin"),
        (b"\xff\xfe\0\n", "ERR the line is not UTF-8"),
        (b"register NAME=panda\n", "ERR NAME must be"),
        (&[b'x'; 50_000], "ERR the line is longer"),
    ] {
        let answer = rig.say(bytes);
        assert!(answer.starts_with(want) && answer.ends_with('\n'), "{answer}");
    }
    drop(rig.connect());
    assert_eq!(rig.say(GOOD), "OK\n", "and it goes on");
    assert_eq!(rig.stats.refused.load(Ordering::Relaxed), 5);
    assert_eq!(rig.stop().len(), 1);
}

#[test]
fn those_who_say_nothing_keep_nobody_out_and_too_many_are_refused() {
    let rig = start(1000);
    let silent: Vec<Plain> = (0..CONNECTIONS_PER_ADDRESS - 1).map(|_| rig.connect()).collect();
    assert_eq!(rig.say(GOOD), "OK\n", "one place is left");
    let last = rig.connect();
    // Accepted in order: when this one is refused, all before it have their places.
    let mut refused = rig.connect();
    let mut byte = [0];
    assert!(matches!(refused.read(&mut byte), Ok(0) | Err(_)), "closed at once");
    assert_eq!(rig.stats.connections_refused.load(Ordering::Relaxed), 1);
    drop((silent, last));
    assert_eq!(rig.stop().len(), 1);
}

#[test]
fn a_flood_of_good_lines_is_bounded() {
    let rig = start(10_000);
    let (mut good, mut limited) = (0, 0);
    let begun = Instant::now();
    for _ in 0..PER_ADDRESS + 30 {
        match &*rig.say(GOOD) {
            "OK\n" => good += 1,
            answer => {
                assert!(answer.starts_with("ERR too many"), "{answer}");
                assert!(!answer.to_lowercase().contains("ok"));
                limited += 1;
            }
        }
    }
    assert!((good, limited) == (PER_ADDRESS, 30) || begun.elapsed() >= super::super::budget::SPAN);
    assert_eq!(rig.stop().len(), good as usize);
}

#[test]
fn a_full_journal_is_said_to_the_agent() {
    let rig = start(1);
    assert_eq!(rig.say(GOOD), "OK\n");
    let busy = rig.say(GOOD);
    assert!(busy.starts_with("ERR this server is busy") && !busy.to_lowercase().contains("ok"), "{busy}");
    assert_eq!(rig.stats.limited.load(Ordering::Relaxed), 1);
    assert_eq!(rig.stop().len(), 1);
}

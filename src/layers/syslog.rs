//! The *syslog* thread: what boards say, put down for the journal as lines that an operator wants to read.
//!
//! It matches no sender to a device and never waits: a datagram that finds no room is dropped and counted, and the journal says
//! whose; a connection waits. The time is ours; a board without a battery-backed clock lives in 1970.

mod fair;

use super::intake::{Intake, JournalIsGone};
use super::supervise::Exit;
use crate::clock::Clock;
use fair::{Fair, Verdict};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use syslogd::{Record, Server, Severity, Sink, Stopper};

/// Between two lines in the log about strangers of whom enough was heard.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Hands records on.
struct JournalSink {
    intake: Arc<Intake>,
    clock: Arc<dyn Clock>,
    stopper: Stopper,
    journal_is_gone: bool,
    fair: Fair,
    /// Of the addresses of boards that `fair` was told of.
    version: u64,
    passed_over: PassedOver,
}

/// Lines of strangers that were not taken, until the log says so.
struct PassedOver {
    lines: u64,
    last: Option<SocketAddr>,
    /// When it may say so again.
    due: Instant,
}

impl PassedOver {
    fn count(&mut self, from: SocketAddr) {
        self.lines += 1;
        self.last = Some(from);
    }

    fn say(&mut self, now: Instant) {
        let Some(from) = self.last.filter(|_| now >= self.due) else { return };
        log::warn!(
            "{} lines of senders that are no devices were passed over, the last from {from}: they were too many",
            self.lines
        );
        *self = Self { lines: 0, last: None, due: now + SAY_EVERY };
    }
}

impl Sink for JournalSink {
    fn admits(&mut self, from: SocketAddr, bytes: usize) -> bool {
        match self.fair.judge(from.ip(), bytes, self.intake.fill(), Instant::now()) {
            Verdict::Take => return true,
            Verdict::BeyondShare => self.intake.lose(from.ip()),
            Verdict::PassOver => {
                self.intake.pass_over();
                self.passed_over.count(from);
            }
        }
        false
    }

    fn record(&mut self, from: SocketAddr, record: Record<'_>, _raw: &[u8]) {
        let hostname = record.hostname.as_deref().unwrap_or_default();
        self.intake.put(from.ip(), self.clock.now(), hostname, |text| write_text(text, &record));
    }

    fn knows(&mut self, address: IpAddr) -> bool {
        self.fair.knows(address)
    }

    fn idle(&mut self) {
        if let Some(known) = self.intake.known_since(&mut self.version) {
            self.fair.tell(known);
        }
        self.passed_over.say(Instant::now());
        if self.intake.ring() == Err(JournalIsGone)
            && !std::mem::replace(&mut self.journal_is_gone, true)
            && let Err(error) = self.stopper.stop()
        {
            log::warn!("the syslog receiver ends with its next line: {error}");
        }
    }

    fn dropped(&mut self, at: SocketAddr, count: u64) {
        self.intake.dropped_by_kernel(at, count);
    }

    fn has_room(&mut self) -> bool {
        self.intake.has_room()
    }
}

/// `tag[pid]: message`, as in every system's log file; what is worse than a warning says so, because the severity is not kept.
fn write_text(text: &mut String, record: &Record<'_>) {
    if let Some(tag) = &record.tag {
        text.push_str(tag);
        if let Some(pid) = &record.pid {
            text.extend(["[", &**pid, "]"]);
        }
        text.push_str(": ");
    }
    if record.pri_given && record.severity <= Severity::Error {
        text.extend(["<", record.severity.name(), "> "]);
    }
    text.push_str(&record.message);
    if record.truncated {
        text.push('…');
    }
}

/// The thread's body. The server's own [`Stopper`] ends it.
pub fn run(server: Server, intake: Arc<Intake>, clock: Arc<dyn Clock>) -> Exit {
    let stopper = server.stopper();
    let now = Instant::now();
    let mut sink = JournalSink {
        intake,
        clock,
        stopper,
        journal_is_gone: false,
        fair: Fair::new(now),
        version: 0,
        passed_over: PassedOver { lines: 0, last: None, due: now },
    };
    match server.run(&mut sink) {
        Ok(()) if sink.journal_is_gone => Exit::Lost("journal"),
        Ok(()) => Exit::Stopped,
        Err(error) => Exit::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::intake::Batch;
    use super::*;
    use crate::clock::ManualClock;
    use crate::logic::time::Timestamp;
    use crossbeam_channel::Receiver;
    use std::net::UdpSocket;
    use std::thread::JoinHandle;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(20);

    struct Rig {
        board: UdpSocket,
        to: SocketAddr,
        intake: Arc<Intake>,
        bell: Receiver<()>,
        stopper: Stopper,
        stats: Arc<syslogd::Stats>,
        thread: JoinHandle<Exit>,
    }

    fn start(room: usize) -> Rig {
        let config = syslogd::Config { udp: vec!["127.0.0.1:0".parse().unwrap()], ..Default::default() };
        let server = Server::bind(&config).unwrap();
        let to = server.udp_addrs()[0];
        let (stopper, stats) = (server.stopper(), server.stats());
        let (intake, bell) = Intake::new(room);
        let intake = Arc::new(intake);
        let clock = Arc::new(ManualClock::at(Timestamp(5)));
        let theirs = Arc::clone(&intake);
        let thread = std::thread::spawn(move || run(server, theirs, clock));
        Rig { board: UdpSocket::bind("127.0.0.1:0").unwrap(), to, intake, bell, stopper, stats, thread }
    }

    impl Rig {
        fn say(&self, text: &str) {
            self.board.send_to(text.as_bytes(), self.to).unwrap();
        }
    }

    #[test]
    fn a_datagram_becomes_a_line() {
        let rig = start(1000);
        rig.say("<13>Nov 22 13:00:00 panda-1 mobile-init[12]: partitioning");
        rig.bell.recv_timeout(LONG).unwrap();
        let mut batch = Batch::default();
        assert!(rig.intake.exchange(&mut batch));
        let line = batch.next_line().unwrap();
        assert_eq!((line.from.to_string().as_str(), line.at), ("127.0.0.1", Timestamp(5)));
        assert_eq!((line.hostname, line.message), ("panda-1", "mobile-init[12]: partitioning"));
        assert_eq!(batch.next_line(), None);
        rig.stopper.stop().unwrap();
        assert_eq!(rig.thread.join().unwrap(), Exit::Stopped);
    }

    #[test]
    fn without_room_lines_are_counted_and_without_a_journal_it_ends() {
        let rig = start(1);
        for _ in 0..5 {
            rig.say("x");
        }
        // A stop delivers what has arrived first.
        rig.stopper.stop().unwrap();
        assert_eq!(rig.thread.join().unwrap(), Exit::Stopped);
        assert_eq!(rig.intake.lost(), 4);

        let rig = start(1);
        drop(rig.bell);
        rig.board.send_to(b"x", rig.to).unwrap();
        assert_eq!(rig.thread.join().unwrap(), Exit::Lost("journal"));
    }

    #[test]
    fn boards_are_heard_through_a_flood_and_what_is_passed_over_is_counted() {
        const BOARD: [u8; 4] = [127, 0, 0, 1];
        // An eighth of it holds 300 such lines, and the flood has thousands.
        let rig = start(300_000);
        rig.intake.know(super::super::intake::Known::of([BOARD.into()].into()));
        rig.say("told");
        rig.bell.recv_timeout(LONG).expect("from now on it knows");
        let stranger = UdpSocket::bind("127.0.0.9:0").expect("all of 127/8 is this host");
        let (mut board_lines, begun) = (1, Instant::now());
        for n in 0_u64..20 {
            for _ in 0..100 {
                stranger.send_to(&[b'x'; 100], rig.to).expect("it is sent");
            }
            rig.say(&n.to_string());
            board_lines += 1;
            // No more than the smallest of buffers holds: this is not about the kernel.
            while rig.stats.now().received_udp + rig.intake.passed_over() < 1 + 101 * (n + 1) {
                assert!(begun.elapsed() < LONG, "it reads");
                std::thread::yield_now();
            }
        }
        rig.stopper.stop().expect("it runs");
        assert_eq!(rig.thread.join().expect("no panic"), Exit::Stopped);
        let mut batch = Batch::default();
        assert!(rig.intake.exchange(&mut batch));
        let (mut boards, mut strangers) = (0, 0);
        while let Some(line) = batch.next_line() {
            if line.from == std::net::IpAddr::from(BOARD) { boards += 1 } else { strangers += 1 }
        }
        assert_eq!((boards, rig.intake.lost()), (board_lines, 0));
        assert!((100..1000).contains(&strangers), "{strangers}");
        assert_eq!(rig.intake.passed_over(), 2000 - strangers);
    }

    #[test]
    fn text_is_what_a_log_file_would_have() {
        for (bytes, want) in [
            (&b"<13>Jan  1 00:00:00 root: text"[..], "root: text"),
            (b"<30>Nov 22 13:00:00 board udhcpc[3]: lease", "udhcpc[3]: lease"),
            (b"<11>Nov 22 13:00:00 board dd: no space", "dd: <err> no space"),
            (b"just words", "just words"),
            (b"<165>1 2026-11-22T13:00:00Z board app 77 ID47 - hello", "app[77]: hello"),
        ] {
            let mut text = String::new();
            write_text(&mut text, &Record::parse(bytes));
            assert_eq!(text, want);
        }
    }
}

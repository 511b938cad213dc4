//! The *syslog* thread: what boards say, handed to the journal as lines that an operator wants to read.
//!
//! It matches no sender to a device and never waits: a line that the journal has no room for is dropped and counted, and the journal
//! says how many. The time is ours; a board without a battery-backed clock lives in 1970.

use super::messages::JournalLine;
use super::supervise::Exit;
use crate::clock::Clock;
use crossbeam_channel::{Sender, TrySendError};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use syslogd::{Record, Server, Severity, Sink, Stopper};

/// Hands records on.
struct JournalSink {
    lines: Sender<JournalLine>,
    clock: Arc<dyn Clock>,
    /// Lines that the journal had no room for.
    lost: Arc<AtomicU64>,
    stopper: Stopper,
    journal_is_gone: bool,
}

impl Sink for JournalSink {
    fn record(&mut self, from: SocketAddr, record: Record, _raw: &[u8]) {
        let line = JournalLine::Syslog {
            from: from.ip(),
            at: self.clock.now(),
            message: text_of(&record),
            hostname: record.hostname,
        };
        match self.lines.try_send(line) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Disconnected(_)) => {
                if !std::mem::replace(&mut self.journal_is_gone, true)
                    && let Err(error) = self.stopper.stop()
                {
                    log::warn!("the syslog receiver ends with its next line: {error}");
                }
            }
        }
    }
}

/// `tag[pid]: message`, as in every system's log file; what is worse than a warning says so, because the severity is not kept.
fn text_of(record: &Record) -> String {
    let mut text = String::new();
    if let Some(tag) = &record.tag {
        text.push_str(tag);
        if let Some(pid) = &record.pid {
            text.extend(["[", pid, "]"]);
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
    text
}

/// The thread's body. The server's own [`Stopper`] ends it.
pub fn run(server: Server, lines: Sender<JournalLine>, clock: Arc<dyn Clock>, lost: Arc<AtomicU64>) -> Exit {
    let stopper = server.stopper();
    let mut sink = JournalSink { lines, clock, lost, stopper, journal_is_gone: false };
    match server.run(&mut sink) {
        Ok(()) if sink.journal_is_gone => Exit::Lost("journal"),
        Ok(()) => Exit::Stopped,
        Err(error) => Exit::Failed(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::logic::time::Timestamp;
    use crossbeam_channel::{Receiver, bounded};
    use std::net::UdpSocket;
    use std::thread::JoinHandle;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(20);

    struct Rig {
        board: UdpSocket,
        to: SocketAddr,
        lines: Receiver<JournalLine>,
        dropped: Arc<AtomicU64>,
        stopper: Stopper,
        thread: JoinHandle<Exit>,
    }

    fn start(room: usize) -> Rig {
        let config = syslogd::Config { udp: vec!["127.0.0.1:0".parse().unwrap()], ..Default::default() };
        let server = Server::bind(&config).unwrap();
        let to = server.udp_addrs()[0];
        let stopper = server.stopper();
        let (send, lines) = bounded(room);
        let dropped = Arc::new(AtomicU64::new(0));
        let clock = Arc::new(ManualClock::at(Timestamp(5)));
        let counter = dropped.clone();
        let thread = std::thread::spawn(move || run(server, send, clock, counter));
        Rig { board: UdpSocket::bind("127.0.0.1:0").unwrap(), to, lines, dropped, stopper, thread }
    }

    impl Rig {
        fn say(&self, text: &str) {
            self.board.send_to(text.as_bytes(), self.to).unwrap();
        }
    }

    #[test]
    fn a_datagram_becomes_a_line() {
        let rig = start(10);
        rig.say("<13>Nov 22 13:00:00 panda-1 mobile-init[12]: partitioning");
        let want = JournalLine::Syslog {
            from: [127, 0, 0, 1].into(),
            hostname: Some("panda-1".into()),
            at: Timestamp(5),
            message: "mobile-init[12]: partitioning".into(),
        };
        assert_eq!(rig.lines.recv_timeout(LONG), Ok(want));
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
        assert_eq!(rig.dropped.load(Ordering::Relaxed), 4);

        let rig = start(1);
        drop(rig.lines);
        rig.board.send_to(b"x", rig.to).unwrap();
        assert_eq!(rig.thread.join().unwrap(), Exit::Lost("journal"));
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
            assert_eq!(text_of(&Record::parse(bytes)), want);
        }
    }
}

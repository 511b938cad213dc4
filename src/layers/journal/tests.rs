//! The thread as a whole: a real thread and real channels on a store that can be made to fail.

use super::*;
use crate::clock::ManualClock;
use crate::layers::messages::Sighting;
use crate::logic::time::Timestamp;
use crate::store::{AgentWords, CHUNK_BYTES, StoreError};
use crossbeam_channel::bounded;
use std::collections::BTreeMap;
use std::thread::JoinHandle;

/// Room for what boards say in these tests.
const INTAKE: usize = 10 << 20;
/// More than anything here takes; a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(20);
const NOW: Timestamp = Timestamp(100 * DAY_MS);

#[derive(Default)]
struct Shelf {
    devices: Vec<(DeviceName, String)>,
    macs: Vec<(Mac, DeviceName)>,
    lines: Vec<String>,
    failures_to_come: u32,
    /// The same, of pieces alone.
    chunk_failures_to_come: u32,
    prunes: Vec<(i64, i64, i64)>,
    prunes_to_come: u32,
    /// Of pieces, whether the disk has them.
    durable: Vec<bool>,
    /// Bytes of each device's pieces.
    held: BTreeMap<i64, u64>,
    senders: Vec<String>,
}

/// A store that writes to a shelf and tells of each write.
struct Fake {
    shelf: Arc<Mutex<Shelf>>,
    wrote: Sender<()>,
    /// Tells of each look at the devices.
    listed: Sender<()>,
}

impl Fake {
    fn put(&mut self, lines: Vec<String>) -> Result<()> {
        let mut shelf = self.shelf.lock().unwrap();
        if shelf.failures_to_come > 0 {
            shelf.failures_to_come -= 1;
            return Err(StoreError::Unavailable { doing: "write log lines", source: "disk full".into() });
        }
        shelf.lines.extend(lines);
        let _ = self.wrote.try_send(());
        Ok(())
    }
}

impl LogStore for Fake {
    fn devices_version(&mut self) -> Result<u64> {
        Ok(self.shelf.lock().unwrap().devices.len() as u64)
    }
    fn devices_of(&mut self, server: &str) -> Result<Vec<(DeviceName, String)>> {
        assert_eq!(server, "imaging-1");
        let devices = self.shelf.lock().unwrap().devices.clone();
        // Only then: the test puts others on the shelf as soon as it hears this.
        let _ = self.listed.try_send(());
        Ok(devices)
    }
    fn macs_of(&mut self, _: &str) -> Result<Vec<(Mac, DeviceName)>> {
        Ok(self.shelf.lock().unwrap().macs.clone())
    }
    fn append_device_log(&mut self, lines: &[DeviceLogLine]) -> Result<()> {
        self.put(lines.iter().map(|l| format!("{} {} {}", l.device, l.source, l.message)).collect())
    }
    fn append_stray_log(&mut self, lines: &[StrayLogLine], keep: usize) -> Result<()> {
        assert_eq!(keep, STRAYS_KEPT);
        self.put(lines.iter().map(|l| format!("? {} {}", l.sender, l.message)).collect())
    }
    fn append_log_chunks(&mut self, chunks: &[LogChunk], durable: bool) -> Result<()> {
        let mut shelf = self.shelf.lock().unwrap();
        if shelf.chunk_failures_to_come > 0 {
            shelf.chunk_failures_to_come -= 1;
            return Err(StoreError::Unavailable { doing: "write pieces", source: "disk full".into() });
        }
        drop(shelf);
        let line =
            |c: &LogChunk, l: &str| format!("{} syslog {}", c.device, l.split_once(' ').expect("a time").1);
        let lines = chunks.iter().flat_map(|c| c.text().lines().map(|l| line(c, l))).collect();
        self.put(lines)?;
        self.shelf.lock().unwrap().durable.push(durable);
        Ok(())
    }
    fn note_stray_senders(&mut self, senders: &[StraySender], keep: usize) -> Result<()> {
        assert_eq!(keep, STRAY_SENDERS_KEPT);
        let shown = senders.iter().map(|s| format!("{} {} {}", s.sender, s.hostname, s.lines));
        self.shelf.lock().unwrap().senders.extend(shown);
        Ok(())
    }
    fn append_attempt_steps(&mut self, steps: &[AttemptStep]) -> Result<()> {
        self.put(steps.iter().map(|s| format!("{} step {}", s.device, s.step.name)).collect())
    }
    fn note_candidates(&mut self, seen: &[CandidateRow], keep: usize) -> Result<Vec<CandidateRow>> {
        assert_eq!(keep, CANDIDATES_KEPT);
        // A line for each time: whether those of one moment come together is the threads' affair.
        let times = |c: &CandidateRow| usize::try_from(c.seen).unwrap();
        let line = |c: &CandidateRow| format!("! {} {}", c.mac, c.imaging_server);
        self.put(seen.iter().flat_map(|c| std::iter::repeat_n(line(c), times(c))).collect())?;
        Ok(seen.to_vec())
    }
    fn log_bytes(&mut self) -> Result<u64> {
        Ok(self.shelf.lock().unwrap().held.values().sum())
    }
    fn largest_log(&mut self) -> Result<Option<(i64, u64)>> {
        let shelf = self.shelf.lock().unwrap();
        Ok(shelf.held.iter().max_by_key(|(_, bytes)| **bytes).map(|(d, b)| (*d, *b)))
    }
    fn drop_oldest_chunks(&mut self, device: i64, bytes: u64) -> Result<u64> {
        let mut shelf = self.shelf.lock().unwrap();
        let held = shelf.held.get_mut(&device).unwrap();
        // Pieces are whole.
        let dropped = bytes.next_multiple_of(CHUNK_BYTES as u64).min(*held);
        *held -= dropped;
        Ok(dropped)
    }
    fn prune(&mut self, too_old: &TooOld, limit: usize) -> Result<bool> {
        assert_eq!(limit, PRUNE_ROWS);
        assert_eq!(too_old.reports, NOW.plus_ms(-400 * DAY_MS));
        let mut shelf = self.shelf.lock().unwrap();
        let days = |t: Timestamp| t.0 / DAY_MS;
        shelf.prunes.push((days(too_old.logs), days(too_old.requests), days(too_old.changes)));
        shelf.prunes_to_come = shelf.prunes_to_come.saturating_sub(1);
        if shelf.prunes_to_come == 0 {
            let _ = self.wrote.try_send(());
        }
        Ok(shelf.prunes_to_come > 0)
    }
}

struct Rig {
    shelf: Arc<Mutex<Shelf>>,
    /// After each write, and when pruning is done.
    wrote: Receiver<()>,
    /// After each look at the devices.
    listed: Receiver<()>,
    lines: Option<Sender<JournalLine>>,
    intake: Arc<Intake>,
    bell: Arc<LogBell>,
    stats: Arc<Stats>,
    stop: Sender<()>,
    thread: JoinHandle<Exit>,
}

fn device(name: &str, fqdn: &str) -> (DeviceName, String) {
    (name.into(), fqdn.into())
}

/// A journal that knows `panda-1` at 10.0.0.1, on a store that fails so often first, and has so many rounds of old rows.
fn start(failures_to_come: u32, prunes_to_come: u32) -> Rig {
    let devices = vec![device("panda-1", "10.0.0.1")];
    start_with(Shelf { devices, failures_to_come, prunes_to_come, ..Shelf::default() })
}

fn settings() -> Settings {
    Settings {
        server: "imaging-1".into(),
        keep: Arc::new(Keep {
            log_days: 14.into(),
            log_bytes_max: (100 << 20).into(),
            request_days: 7.into(),
            report_days: 400.into(),
            audit_days: 365.into(),
        }),
    }
}

fn start_with(shelf: Shelf) -> Rig {
    let shelf = Arc::new(Mutex::new(shelf));
    let ((tell, wrote), (tell_listed, listed)) = (bounded(1), bounded(1));
    let fake = Fake { shelf: shelf.clone(), wrote: tell, listed: tell_listed };
    let (lines, lines_in) = bounded(JOURNAL_QUEUE);
    let (stop, stop_in) = bounded(1);
    let (intake, bell) = Intake::new(INTAKE);
    let intake = Arc::new(intake);
    let mut journal = Journal::new(fake, Arc::new(ManualClock::at(NOW)), settings());
    journal.look_up = |name| if name == "panda-2.lab" { vec![[10, 0, 0, 2].into()] } else { Vec::new() };
    let stats = journal.stats();
    let inbox = Inbox { lines: lines_in, intake: Arc::clone(&intake), bell };
    let bell = journal.bell();
    let thread = std::thread::spawn(move || journal.run(&inbox, &stop_in));
    Rig { shelf, wrote, listed, lines: Some(lines), intake, bell, stats, stop, thread }
}

impl Rig {
    fn say(&self, from: [u8; 4], message: &str) {
        self.intake.put(from.into(), NOW, "", |text| text.push_str(message));
        self.intake.ring().unwrap();
    }

    /// Ends the journal and gives what is on the shelf.
    fn end(self, exit: &Exit) -> Vec<String> {
        assert_eq!(&self.thread.join().unwrap(), exit);
        std::mem::take(&mut self.shelf.lock().unwrap().lines)
    }

    fn stop(self) -> Vec<String> {
        self.stop.send(()).unwrap();
        self.end(&Exit::Stopped)
    }
}

#[test]
fn a_line_reaches_its_device_without_anything_else_happening() {
    let rig = start(0, 0);
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    rig.say([10, 0, 0, 1], "hello");
    rig.wrote.recv_timeout(LONG).expect("written within the batch's wait");
    assert_eq!(rig.shelf.lock().unwrap().lines, ["panda-1 syslog hello"]);
    assert_eq!(rig.stop().len(), 1);
}

#[test]
fn everything_is_written_at_the_end() {
    let rig = start(0, 0);
    for n in 0..3000 {
        rig.say([10, 0, 0, 1], &n.to_string());
    }
    let want: Vec<String> = (0..3000).map(|n| format!("panda-1 syslog {n}")).collect();
    assert_eq!(rig.stop(), want);
}

#[test]
fn a_stray_is_kept_aside_and_looked_for_among_the_devices() {
    let rig = start(0, 0);
    rig.listed.recv_timeout(LONG).expect("read at start");
    rig.shelf.lock().unwrap().devices.push(device("panda-9", "10.0.0.9"));
    rig.say([10, 0, 0, 9], "who am I");
    rig.listed.recv_timeout(LONG).expect("read again long before it would be time");
    rig.say([10, 0, 0, 9], "now you know");
    let stats = rig.stats.clone();
    // In one batch, device logs are written first.
    let mut lines = rig.stop();
    lines.sort();
    assert_eq!(lines, ["? 10.0.0.9 who am I", "panda-9 syslog now you know"]);
    assert_eq!((stats.written.load(Ordering::Relaxed), stats.strays.load(Ordering::Relaxed)), (2, 1));
}

/// A board says who it is, by its agent or its boot loader.
fn sighting(mac: Mac, by_agent: bool) -> JournalLine {
    let words = AgentWords { os: "linux".into(), command_port: Some(7), ..AgentWords::default() };
    let (asked_for, agent) = if by_agent { (String::new(), Some(words)) } else { ("x".into(), None) };
    let address = [10, 0, 0, 7].into();
    JournalLine::Board(Box::new(Sighting { mac, address, at: NOW, asked_for, agent }))
}

#[test]
fn a_board_that_is_no_device_is_noted_and_a_devices_agent_speaks_in_its_log() {
    let (known, stranger) = (Mac([2; 6]), Mac([4; 6]));
    let devices = vec![device("panda-1", "10.0.0.1")];
    let macs = vec![(known, "panda-1".into())];
    let rig = start_with(Shelf { devices, macs, failures_to_come: 1, ..Shelf::default() });
    let lines = rig.lines.as_ref().unwrap();
    for (mac, by_agent) in
        [(known, false), (stranger, false), (stranger, false), (known, true), (stranger, true)]
    {
        lines.send(sighting(mac, by_agent)).unwrap();
    }
    let stats = rig.stats.clone();
    let mut written = rig.stop();
    written.sort();
    assert_eq!(
        written,
        [
            "! 04:04:04:04:04:04 imaging-1",
            "! 04:04:04:04:04:04 imaging-1",
            "! 04:04:04:04:04:04 imaging-1",
            "panda-1 agent agent registered from 10.0.0.7, os linux, command port 7",
        ],
        "once each, although the store failed at first"
    );
    assert_eq!(stats.candidates.load(Ordering::Relaxed), 3);
}

#[test]
fn a_device_that_is_announced_is_no_stray() {
    let rig = start(0, 0);
    rig.listed.recv_timeout(LONG).expect("read at start");
    // Its first round is over: what comes now, it hears in the order of its ears.
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    rig.shelf.lock().unwrap().devices.push(device("panda-9", "10.0.0.9"));
    rig.lines.as_ref().unwrap().send(JournalLine::DevicesChanged).unwrap();
    rig.say([10, 0, 0, 9], "here I am");
    rig.listed.recv_timeout(LONG).expect("read again at once");
    let stats = rig.stats.clone();
    assert_eq!(rig.stop(), ["panda-9 syslog here I am"]);
    assert_eq!(stats.strays.load(Ordering::Relaxed), 0);
}

#[test]
fn lines_wait_at_the_start_until_names_are_looked_up() {
    let rig = start_with(Shelf { devices: vec![device("panda-2", "panda-2.lab")], ..Shelf::default() });
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    rig.say([10, 0, 0, 2], "hello");
    rig.wrote.recv_timeout(LONG).expect("written");
    assert_eq!(rig.stop(), ["panda-2 syslog hello"]);
}

#[test]
fn a_store_that_fails_loses_nothing_when_it_comes_back() {
    let rig = start(2, 0);
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    rig.say([10, 0, 0, 1], "a");
    rig.say([10, 0, 0, 9], "b");
    rig.wrote.recv_timeout(LONG).expect("tried again after half a second and one more");
    let stats = rig.stats.clone();
    let shelf = rig.shelf.clone();
    assert_eq!(rig.stop(), ["panda-1 syslog a", "? 10.0.0.9 b"]);
    assert_eq!(shelf.lock().unwrap().senders, ["10.0.0.9  1"]);
    assert_eq!(stats.failures.load(Ordering::Relaxed), 2);
}

#[test]
fn at_the_end_a_failing_store_is_tried_again_and_given_up() {
    let rig = start(2, 0);
    rig.say([10, 0, 0, 1], "a");
    assert_eq!(rig.stop(), ["panda-1 syslog a"]);
    let rig = start(u32::MAX, 0);
    rig.say([10, 0, 0, 1], "a");
    assert_eq!(rig.stop(), [""; 0]);
}

#[test]
fn what_found_no_room_is_said_where_it_is_missing() {
    let rig = start(0, 0);
    // So much that some is lost, whenever the journal comes to take it.
    for _ in 0..3 {
        rig.intake.put([10, 0, 0, 1].into(), NOW, "", |text| text.push_str(&"x".repeat(INTAKE)));
    }
    rig.intake.dropped_by_kernel("0.0.0.0:514".parse().unwrap(), 3);
    rig.intake.ring().unwrap();
    let (intake, stats) = (rig.intake.clone(), rig.stats.clone());
    let lines = rig.stop();
    let lost = intake.lost();
    assert!(lost > 0 && stats.lost.load(Ordering::Relaxed) == lost);
    let said = lines.iter().filter(|l| l.starts_with("panda-1 journal ")).map(|l| {
        let count = l.split(' ').nth(2).unwrap().parse::<u64>().unwrap();
        assert!(l.ends_with("lines lost: they came faster than they could be stored"), "{l}");
        count
    });
    assert_eq!(said.sum::<u64>(), lost);
    let want = "? syslog 3 datagrams to udp 0.0.0.0:514 lost in the kernel, nobody knows whose";
    assert!(lines.iter().any(|l| l == want), "{lines:.100?}");
}

#[test]
fn a_flood_is_written_whole_and_the_disk_is_not_asked_every_time() {
    let rig = start(0, 0);
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    let seen = rig.bell.writes();
    let text = "y".repeat(1000);
    for n in 0..20_000 {
        // The sender can wait, as one by TCP does.
        while !rig.intake.has_room() {
            std::thread::yield_now();
        }
        rig.say([10, 0, 0, 1], &format!("{n} {text}"));
    }
    assert_ne!(rig.bell.wait(seen, LONG), seen, "those who follow are told");
    let shelf = rig.shelf.clone();
    let lines = rig.stop();
    assert_eq!(lines.len(), 20_000);
    assert!(lines.iter().enumerate().all(|(n, l)| l.starts_with(&format!("panda-1 syslog {n} "))));
    let shelf = shelf.lock().unwrap();
    assert!(shelf.durable.len() > 3 && shelf.durable.contains(&false), "{:?}", shelf.durable);
    assert_eq!(shelf.durable.last(), Some(&true), "the last ones are on the disk");
}

#[test]
fn lines_behind_which_none_come_are_on_the_disk_with_their_batch() {
    let rig = start(0, 0);
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    // Much sooner than a sync would be due.
    for n in 0..5 {
        rig.say([10, 0, 0, 1], &n.to_string());
        rig.wrote.recv_timeout(LONG).expect("written");
    }
    let shelf = rig.shelf.clone();
    assert_eq!(rig.stop().len(), 5);
    assert_eq!(shelf.lock().unwrap().durable, [true; 5]);
}

#[test]
fn lines_behind_many_news_are_written_at_the_end() {
    let rig = start(0, 0);
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    let lines = rig.lines.clone().unwrap();
    for _ in 0..JOURNAL_QUEUE - 1 {
        lines.try_send(JournalLine::DevicesChanged).unwrap();
    }
    let message = "the last".to_owned();
    lines
        .try_send(JournalLine::Device { device: "panda-1".into(), at: NOW, source: "sut", message })
        .unwrap();
    assert_eq!(rig.stop(), ["panda-1 sut the last"]);
}

#[test]
fn whoever_holds_most_makes_room() {
    let mib = 1 << 20;
    let held = [(1, 80 * mib), (2, 10 * mib), (3, 30 * mib)].into();
    let rig = start_with(Shelf { held, ..Shelf::default() });
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    let end = Instant::now() + LONG;
    while rig.stats.bytes.load(Ordering::Relaxed) > 100 * mib || rig.stats.bytes.load(Ordering::Relaxed) == 0
    {
        assert!(Instant::now() < end, "{:?}", rig.stats);
        std::thread::yield_now();
    }
    let (stats, shelf) = (rig.stats.clone(), rig.shelf.clone());
    rig.stop();
    let shelf = shelf.lock().unwrap();
    assert_eq!((shelf.held[&2], shelf.held[&3]), (10 * mib, 30 * mib));
    assert_eq!(stats.bytes_dropped.load(Ordering::Relaxed), 80 * mib - shelf.held[&1]);
    assert!(shelf.held[&1] >= 58 * mib, "not more than it must: {}", shelf.held[&1]);
}

#[test]
fn two_that_hold_as_much_make_room_together() {
    let mib = 1 << 20;
    let rig = start_with(Shelf { held: [(1, 130 * mib), (2, 120 * mib)].into(), ..Shelf::default() });
    let end = Instant::now() + LONG;
    let held = || rig.shelf.lock().unwrap().held.clone();
    while held().values().sum::<u64>() > 100 * mib {
        assert!(Instant::now() < end, "{:?}", held());
        std::thread::yield_now();
    }
    assert!(held().values().all(|bytes| *bytes > 25 * mib), "{:?}", held());
    rig.stop();
}

#[test]
fn what_is_written_before_the_store_fails_is_not_written_again() {
    let rig = start_with(Shelf {
        devices: vec![device("panda-1", "10.0.0.1")],
        chunk_failures_to_come: 1,
        ..Shelf::default()
    });
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    let message = "b".to_owned();
    // Both are of one batch: the bell is rung when both are there.
    rig.intake.put([10, 0, 0, 1].into(), NOW, "", |text| text.push('a'));
    let line = JournalLine::Device { device: "panda-1".into(), at: NOW, source: "sut", message };
    rig.lines.as_ref().unwrap().send(line).unwrap();
    rig.intake.ring().unwrap();
    let stats = rig.stats.clone();
    assert_eq!(rig.stop(), ["panda-1 sut b", "panda-1 syslog a"]);
    assert_eq!(stats.failures.load(Ordering::Relaxed), 1);
}

#[test]
fn more_than_a_batch_waits_at_the_end() {
    let rig = start(0, 0);
    rig.wrote.recv_timeout(LONG).expect("pruned at start");
    let text = "x".repeat(8000);
    // Nobody rings.
    for _ in 0..INTAKE / 8192 {
        rig.intake.put([10, 0, 0, 1].into(), NOW, "", |t| t.push_str(&text));
    }
    assert_eq!((rig.stop().len(), INTAKE / 8192 * 8000 > 2 * backlog::BATCH_BYTES), (INTAKE / 8192, true));
}

#[test]
fn old_rows_go_in_small_portions_between_the_lines() {
    let rig = start(0, 3);
    rig.wrote.recv_timeout(LONG).expect("three rounds");
    rig.say([10, 0, 0, 1], "a");
    let shelf = rig.shelf.clone();
    assert_eq!(rig.stop(), ["panda-1 syslog a"]);
    assert_eq!(shelf.lock().unwrap().prunes, [(86, 93, 93); 3]);
}

#[test]
fn a_clock_that_leaps_ahead_deletes_nothing() {
    let shelf = Arc::new(Mutex::new(Shelf::default()));
    let fake = Fake { shelf: shelf.clone(), wrote: bounded(1).0, listed: bounded(1).0 };
    let clock = Arc::new(ManualClock::at(NOW));
    let mut journal = Journal::new(fake, clock.clone(), settings());
    clock.put_right_ms(30 * DAY_MS);
    journal.prune();
    assert!(shelf.lock().expect("nobody panics with it").prunes.is_empty());
    clock.put_right_ms(-30 * DAY_MS);
    journal.prune_at = Instant::now();
    journal.prune();
    assert_eq!(shelf.lock().expect("nobody panics with it").prunes, [(86, 93, 93)]);
}

#[test]
fn a_lost_neighbour_ends_it_with_everything_written() {
    let mut rig = start(0, 0);
    rig.say([10, 0, 0, 1], "a");
    rig.lines = None;
    assert_eq!(rig.end(&Exit::Lost("everybody who has something to say")), ["panda-1 syslog a"]);
}

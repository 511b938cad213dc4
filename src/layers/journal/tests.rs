//! The thread as a whole: a real thread and real channels on a store that can be made to fail.

use super::*;
use crate::clock::ManualClock;
use crate::logic::time::Timestamp;
use crate::store::StoreError;
use crossbeam_channel::bounded;
use std::sync::Mutex;
use std::thread::JoinHandle;

/// More than anything here takes; a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(20);
const NOW: Timestamp = Timestamp(100 * DAY_MS);

#[derive(Default)]
struct Shelf {
    devices: Vec<(DeviceName, String)>,
    macs: Vec<(Mac, DeviceName)>,
    lines: Vec<String>,
    failures_to_come: u32,
    prunes: Vec<(i64, i64, i64)>,
    prunes_to_come: u32,
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
    fn prune(&mut self, too_old: &TooOld, limit: usize) -> Result<bool> {
        assert_eq!(limit, PRUNE_ROWS);
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
    dropped: Arc<AtomicU64>,
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

fn start_with(shelf: Shelf) -> Rig {
    let shelf = Arc::new(Mutex::new(shelf));
    let ((tell, wrote), (tell_listed, listed)) = (bounded(1), bounded(1));
    let fake = Fake { shelf: shelf.clone(), wrote: tell, listed: tell_listed };
    let (lines, lines_in) = bounded(JOURNAL_QUEUE);
    let (stop, stop_in) = bounded(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let settings = Settings { server: "imaging-1".into(), log_retention_days: 14, request_retention_days: 7 };
    let mut journal = Journal::new(fake, Arc::new(ManualClock::at(NOW)), settings, dropped.clone());
    journal.look_up = |name| if name == "panda-2.lab" { vec![[10, 0, 0, 2].into()] } else { Vec::new() };
    let stats = journal.stats();
    let thread = std::thread::spawn(move || journal.run(&lines_in, &stop_in));
    Rig { shelf, wrote, listed, lines: Some(lines), dropped, stats, stop, thread }
}

impl Rig {
    fn say(&self, from: [u8; 4], message: &str) {
        let line =
            JournalLine::Syslog { from: from.into(), hostname: None, at: NOW, message: message.into() };
        self.lines.as_ref().unwrap().send_timeout(line, LONG).unwrap();
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

#[test]
fn a_device_that_is_announced_is_no_stray() {
    let rig = start(0, 0);
    rig.listed.recv_timeout(LONG).expect("read at start");
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
    assert_eq!(rig.stop(), ["panda-1 syslog a", "? 10.0.0.9 b"]);
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
fn what_others_dropped_is_said() {
    let rig = start(0, 0);
    rig.dropped.store(37, Ordering::Relaxed);
    rig.say([10, 0, 0, 1], "a");
    let stats = rig.stats.clone();
    assert_eq!(
        rig.stop(),
        ["panda-1 syslog a", "? syslog and TFTP 37 lines lost: the journal could not keep up"]
    );
    assert_eq!(stats.lost.load(Ordering::Relaxed), 37);
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
fn a_lost_neighbour_ends_it_with_everything_written() {
    let mut rig = start(0, 0);
    rig.say([10, 0, 0, 1], "a");
    rig.lines = None;
    assert_eq!(rig.end(&Exit::Lost("everybody who has something to say")), ["panda-1 syslog a"]);
}

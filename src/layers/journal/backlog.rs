//! Lines on their way to the store: gathered into batches, kept while the store does not answer, counted when they are too many.
//!
//! Pure: time comes in, what is due goes out. It knows no store and no thread.

use super::senders::Senders;
use crate::layers::messages::JournalLine;
use crate::logic::ids::DeviceName;
use crate::logic::time::Timestamp;
use crate::store::{DeviceLogLine, StrayLogLine};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Lines after which a batch is written at once. One transaction of this size costs a few milliseconds; larger ones save nothing.
pub const BATCH_LINES: usize = 500;
/// How long the first line of a batch waits for others: short enough for whoever watches a board's log.
pub const BATCH_WAIT: Duration = Duration::from_millis(200);
/// Bytes of text that are kept while the store does not answer: some minutes of a rack that talks a lot.
pub const BACKLOG_BYTES: usize = 16 * 1024 * 1024;
/// What a line costs beyond its text, about; so that empty lines are not free.
const LINE_BYTES: usize = 160;
/// The first wait after the store failed; it doubles up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// What `add` did with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Added {
    /// It waits to be written to a device's log.
    Device,
    /// No device is known for its sender; it waits to be written aside.
    Stray(IpAddr),
    /// There is no room; it is counted and gone.
    Lost,
    /// No line at all: the devices are others now.
    News,
}

/// The lines that wait.
#[derive(Debug, Default)]
pub struct Backlog {
    device: Vec<DeviceLogLine>,
    stray: Vec<StrayLogLine>,
    /// What they take in memory, about.
    bytes: usize,
    /// Lines that found no room, by device; `None`: of unknown senders. One number for each device that exists.
    lost: BTreeMap<Option<DeviceName>, u64>,
    /// When the next batch is due.
    due: Option<Instant>,
    /// The wait after the last failure; `None` while all is well.
    retry: Option<Duration>,
}

impl Backlog {
    /// Takes a line in.
    pub fn add(&mut self, line: JournalLine, senders: &Senders, now: Instant) -> Added {
        let (device, stray_from, at, source, message) = match line {
            JournalLine::DevicesChanged => return Added::News,
            JournalLine::Device { device, at, source, message } => (Some(device), None, at, source, message),
            JournalLine::Syslog { from, hostname, at, message } => {
                let device = senders.device(from, hostname.as_deref()).cloned();
                let stray_from = if device.is_none() { Some(from) } else { None };
                (device, stray_from, at, "syslog", message)
            }
            JournalLine::Tftp { from, mac, at, mut message } => {
                let by_mac = mac.and_then(|mac| senders.device_with(mac));
                let device = by_mac.or_else(|| senders.device(from, None)).cloned();
                let stray_from = if device.is_none() { Some(from) } else { None };
                if device.is_none() {
                    // Lines kept aside have no source of their own.
                    message.insert_str(0, "tftp: ");
                }
                (device, stray_from, at, "tftp", message)
            }
        };
        if self.bytes + LINE_BYTES + message.len() > BACKLOG_BYTES {
            *self.lost.entry(device).or_default() += 1;
            return Added::Lost;
        }
        self.bytes += LINE_BYTES + message.len();
        self.due.get_or_insert(now + BATCH_WAIT);
        match (device, stray_from) {
            (Some(device), _) => {
                self.device.push(DeviceLogLine { device, at, source: source.to_owned(), message });
                Added::Device
            }
            (None, from) => {
                let from = from.expect("a line without a device has a sender");
                self.stray.push(StrayLogLine { at, sender: from.to_string(), message });
                Added::Stray(from)
            }
        }
    }

    /// Writes aside that a sender had to drop so many lines before they came here.
    pub fn note_drops(&mut self, sender: &str, count: u64, at: Timestamp, now: Instant) {
        let message = format!("{count} lines lost: the journal could not keep up");
        // Bounded by the caller, who asks at most once per batch; must not be lost with the lines.
        self.bytes += LINE_BYTES + message.len();
        self.due.get_or_insert(now + BATCH_WAIT);
        self.stray.push(StrayLogLine { at, sender: sender.to_owned(), message });
    }

    /// When [`Self::next`] will have something; `None`: not before another line comes.
    pub fn due(&self) -> Option<Instant> {
        // While the store fails, a full batch waits for the retry like every other.
        let full = self.retry.is_none() && self.lines() >= BATCH_LINES;
        self.due.map(|due| if full { due - BATCH_WAIT } else { due })
    }

    /// The next batch, oldest lines first, if it is due or `all` is to go; it stays here until [`Self::written`].
    pub fn next(&self, now: Instant, all: bool) -> Option<(&[DeviceLogLine], &[StrayLogLine])> {
        if self.lines() == 0 || !(all || self.due().is_some_and(|due| due <= now)) {
            return None;
        }
        let device = &self.device[..self.device.len().min(BATCH_LINES)];
        Some((device, &self.stray[..self.stray.len().min(BATCH_LINES)]))
    }

    /// So many of the oldest lines are on disk.
    pub fn written(&mut self, device: usize, stray: usize) {
        let text = self.device.drain(..device).map(|l| l.message.len()).sum::<usize>()
            + self.stray.drain(..stray).map(|l| l.message.len()).sum::<usize>();
        self.bytes = self.bytes.saturating_sub(text + (device + stray) * LINE_BYTES);
    }

    /// A whole batch went well. What was lost meanwhile is now said, where it is missing; `at` is the time of those lines.
    pub fn recovered(&mut self, at: Timestamp, now: Instant) {
        self.retry = None;
        for (device, count) in std::mem::take(&mut self.lost) {
            let message = format!("{count} lines lost: the store did not answer");
            self.bytes += LINE_BYTES + message.len();
            match device {
                Some(device) => {
                    self.device.push(DeviceLogLine { device, at, source: "journal".into(), message });
                }
                None => self.stray.push(StrayLogLine { at, sender: "unknown senders".into(), message }),
            }
        }
        // What is left has waited long enough.
        self.due = if self.lines() == 0 { None } else { Some(now) };
    }

    /// The store failed: the batch stays and is due again later. Gives the wait.
    pub fn failed(&mut self, now: Instant) -> Duration {
        let wait = self.retry.map_or(RETRY_FIRST, |last| (last * 2).min(RETRY_LAST));
        self.retry = Some(wait);
        self.due = Some(now + wait);
        wait
    }

    /// Whether the store failed when it was last asked.
    pub fn is_failing(&self) -> bool {
        self.retry.is_some()
    }

    /// Lines that wait.
    pub fn lines(&self) -> usize {
        self.device.len() + self.stray.len()
    }

    /// Lines that were lost and not yet said to be.
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::ids::Mac;
    use std::collections::HashMap;

    const DEVICE: &str = "panda-1";

    fn line(message: &str) -> JournalLine {
        JournalLine::Device {
            device: DEVICE.into(),
            at: Timestamp(7),
            source: "sut",
            message: message.into(),
        }
    }

    fn syslog(from: [u8; 4], message: &str) -> JournalLine {
        JournalLine::Syslog { from: from.into(), hostname: None, at: Timestamp(7), message: message.into() }
    }

    fn senders() -> Senders {
        Senders::new(&[(DEVICE.into(), "10.0.0.1".into())], &HashMap::new())
    }

    #[test]
    fn lines_wait_a_little_for_others_and_a_full_batch_does_not() {
        let (senders, start) = (senders(), Instant::now());
        let mut backlog = Backlog::default();
        assert_eq!((backlog.due(), backlog.next(start, true)), (None, None));
        assert_eq!(backlog.add(syslog([10, 0, 0, 1], "a"), &senders, start), Added::Device);
        assert_eq!(
            backlog.add(syslog([10, 0, 0, 9], "b"), &senders, start + BATCH_WAIT / 2),
            Added::Stray([10, 0, 0, 9].into())
        );
        assert_eq!(backlog.due(), Some(start + BATCH_WAIT), "the first line counts");
        assert_eq!(backlog.next(start + BATCH_WAIT / 2, false), None);
        let (device, stray) = backlog.next(start + BATCH_WAIT, false).unwrap();
        assert_eq!((&*device[0].device, &*device[0].source, &*device[0].message), (DEVICE, "syslog", "a"));
        assert_eq!((&*stray[0].sender, &*stray[0].message), ("10.0.0.9", "b"));
        backlog.written(1, 1);
        backlog.recovered(Timestamp(8), start + BATCH_WAIT);
        assert_eq!((backlog.lines(), backlog.bytes, backlog.due()), (0, 0, None));

        for n in 0..=BATCH_LINES {
            let is_full = backlog.due().is_some_and(|due| due <= start);
            assert_eq!(is_full, n >= BATCH_LINES, "after {n} lines");
            backlog.add(line(&n.to_string()), &senders, start);
        }
        let (device, _) = backlog.next(start, false).unwrap();
        assert_eq!((device.len(), &*device[0].message), (BATCH_LINES, "0"));
        backlog.written(BATCH_LINES, 0);
        backlog.recovered(Timestamp(8), start);
        assert_eq!(backlog.next(start, false).map(|(d, _)| d.len()), Some(1));
    }

    #[test]
    fn a_transfer_goes_to_the_board_that_said_its_mac_or_else_to_that_of_the_address() {
        let (mine, other) = (Mac([2; 6]), Mac([4; 6]));
        let senders = senders().with_macs(&[(mine, "panda-2".into())]);
        let mut backlog = Backlog::default();
        let start = Instant::now();
        for (from, mac, want) in [
            ([10, 0, 0, 9], Some(mine), Added::Device),
            ([10, 0, 0, 1], Some(mine), Added::Device),
            ([10, 0, 0, 1], Some(other), Added::Device),
            ([10, 0, 0, 1], None, Added::Device),
            ([10, 0, 0, 9], Some(other), Added::Stray([10, 0, 0, 9].into())),
        ] {
            let line = JournalLine::Tftp { from: from.into(), mac, at: Timestamp(7), message: "x".into() };
            assert_eq!(backlog.add(line, &senders, start), want, "{from:?} {mac:?}");
        }
        let (device, stray) = backlog.next(start, true).unwrap();
        let devices: Vec<(&str, &str)> = device.iter().map(|l| (&*l.device, &*l.source)).collect();
        let (one, two) = ((DEVICE, "tftp"), ("panda-2", "tftp"));
        assert_eq!(devices, [two, two, one, one]);
        assert_eq!((&*stray[0].sender, &*stray[0].message), ("10.0.0.9", "tftp: x"));
    }

    #[test]
    fn while_the_store_fails_lines_wait_and_the_rest_is_counted() {
        let (senders, start) = (senders(), Instant::now());
        let mut backlog = Backlog::default();
        let text = "x".repeat(8000);
        let mut waits = Vec::new();
        let mut lost = 0;
        while lost < 3 {
            lost += u64::from(backlog.add(line(&text), &senders, start) == Added::Lost);
        }
        assert_eq!(backlog.add(syslog([10, 0, 0, 9], &text), &senders, start), Added::Lost);
        assert!(backlog.bytes <= BACKLOG_BYTES && backlog.bytes > BACKLOG_BYTES - 9000);
        assert_eq!(backlog.lost(), 4);
        for _ in 0..8 {
            waits.push(backlog.failed(start).as_millis());
            assert_eq!(backlog.next(start + BATCH_WAIT, false), None, "it rests although the batch is full");
            assert!(backlog.is_failing());
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);

        let later = start + RETRY_LAST;
        let kept = backlog.lines();
        let mut seen = 0;
        let mut last = Vec::new();
        while let Some((device, stray)) = backlog.next(later, false) {
            let sizes = (device.len(), stray.len());
            last = device.iter().map(|l| format!("{} {}", l.source, l.message)).collect();
            last.extend(stray.iter().map(|l| format!("{} {}", l.sender, l.message)));
            seen += sizes.0 + sizes.1;
            backlog.written(sizes.0, sizes.1);
            backlog.recovered(Timestamp(9), later);
        }
        assert_eq!(seen, kept + 2);
        assert_eq!((backlog.bytes, backlog.lost(), backlog.is_failing()), (0, 0, false));
        // The line of strays comes with the first batch that has room for it; the device's, in its order, with the last.
        assert_eq!(last.last().map(String::as_str), Some("journal 3 lines lost: the store did not answer"));
    }
}

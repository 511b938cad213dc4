//! Lines on their way from *syslog* to *journal*: a place in memory where they wait, bounded in bytes.
//!
//! The receiving thread never waits here: what finds no room is dropped and counted by its sender. Lines lie one behind the other
//! in one text, so that a flood costs no allocation per line; the journal takes all that is there at once and gives its emptied
//! one in exchange.

use crate::logic::time::Timestamp;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes that may wait: two bursts of 200,000 lines of 200 bytes and what goes with them, while the store takes none.
pub const WAITING_BYTES_MAX: usize = 128 << 20;
/// Senders whose lost lines are counted one by one between two looks of the journal: several times a large rack.
const LOSERS_MAX: usize = 1024;
/// An emptied batch of more than this is given back to the system: it was a flood's.
const KEPT_BYTES: usize = 8 << 20;

/// A line as it lies in a batch: its name and its message are the next bytes of the text.
#[derive(Debug, Clone, Copy)]
struct Entry {
    from: IpAddr,
    at: Timestamp,
    hostname: u32,
    message: u32,
}

/// Lines, and what was lost before they came.
#[derive(Debug, Default)]
pub struct Batch {
    text: String,
    entries: Vec<Entry>,
    lost: Losses,
    /// Lines that were read, and where their bytes end.
    read: (usize, usize),
}

/// Lines that are gone, by whose they were as far as that is known.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Losses {
    /// For lack of room here, by sender.
    pub by_sender: HashMap<IpAddr, u64>,
    /// For lack of room here, of senders that were too many to count.
    pub of_others: u64,
    /// Datagrams that the kernel dropped, by the address that they were sent to.
    pub by_kernel: HashMap<SocketAddr, u64>,
}

impl Losses {
    /// Nothing is lost.
    pub fn is_empty(&self) -> bool {
        self.by_sender.is_empty() && self.of_others == 0 && self.by_kernel.is_empty()
    }

    /// For lack of room here, and dropped by the kernel.
    pub fn counts(&self) -> (u64, u64) {
        (self.by_sender.values().sum::<u64>() + self.of_others, self.by_kernel.values().sum())
    }

    /// So many lines of this sender more. Of too many senders only their sum is kept.
    fn count(&mut self, from: IpAddr, lines: u64) {
        if self.by_sender.len() < LOSERS_MAX || self.by_sender.contains_key(&from) {
            *self.by_sender.entry(from).or_default() += lines;
        } else {
            self.of_others += lines;
        }
    }

    /// Those and these.
    pub fn add(&mut self, more: &Self) {
        for (from, lines) in &more.by_sender {
            self.count(*from, *lines);
        }
        self.of_others += more.of_others;
        for (at, count) in &more.by_kernel {
            *self.by_kernel.entry(*at).or_default() += count;
        }
    }
}

/// A line in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The address it came from.
    pub from: IpAddr,
    /// When it came.
    pub at: Timestamp,
    /// The name that its sender gave itself; empty when it gave none.
    pub hostname: &'a str,
    /// What it says.
    pub message: &'a str,
}

impl Batch {
    fn bytes(&self) -> usize {
        self.text.len() + self.entries.len() * size_of::<Entry>()
    }

    /// The next line; `None` when all were read.
    pub fn next_line(&mut self) -> Option<Line<'_>> {
        let (n, begin) = self.read;
        let entry = self.entries.get(n)?;
        let middle = begin + entry.hostname as usize;
        let end = middle + entry.message as usize;
        self.read = (n + 1, end);
        let part = |from, to| self.text.get(from..to).unwrap_or_default();
        Some(Line {
            from: entry.from,
            at: entry.at,
            hostname: part(begin, middle),
            message: part(middle, end),
        })
    }

    /// Whether all lines were read.
    pub fn is_read(&self) -> bool {
        self.read.0 >= self.entries.len()
    }

    /// What was lost before these lines; asked once.
    pub fn take_losses(&mut self) -> Losses {
        std::mem::take(&mut self.lost)
    }

    fn clear(&mut self) {
        if self.bytes() > KEPT_BYTES {
            *self = Self::default();
        }
        self.text.clear();
        self.entries.clear();
        self.read = (0, 0);
    }
}

/// Addresses of boards. By default every address may be one: the journal has not told yet.
#[derive(Debug, Clone, Default)]
pub struct Known(Option<Arc<HashSet<IpAddr>>>);

impl Known {
    /// These and no others.
    pub fn of(addresses: HashSet<IpAddr>) -> Self {
        Self(Some(Arc::new(addresses)))
    }

    /// Whether the journal has told.
    pub fn is_told(&self) -> bool {
        self.0.is_some()
    }

    /// Whether lines from this address are a board's.
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.as_ref().is_none_or(|all| all.contains(&address))
    }
}

/// How full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Bytes that wait, those in the journal's hands among them.
    pub used: usize,
    /// How many may.
    pub max: usize,
    /// A number for the batch that is being gathered; the next has another.
    pub batch: u64,
}

/// The place where lines wait.
#[derive(Debug)]
pub struct Intake {
    waiting: Mutex<Batch>,
    /// Bytes that wait, to be read without the lock.
    gathered: AtomicUsize,
    /// Batches that the journal has taken.
    batches: AtomicU64,
    /// Whom the journal knows, and how often it has said so.
    known: Mutex<Known>,
    known_version: AtomicU64,
    passed_over: AtomicU64,
    /// Bytes of the batch that the journal has in its hands.
    in_hand: AtomicUsize,
    max: usize,
    lost: AtomicU64,
    bell: Sender<()>,
}

/// The journal does not listen any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalIsGone;

impl Intake {
    /// An empty one with room for `max` bytes, and the bell that the journal hears.
    pub fn new(max: usize) -> (Self, Receiver<()>) {
        // One ring that has not been heard is enough.
        let (bell, heard) = bounded(1);
        let intake = Self {
            waiting: Mutex::default(),
            gathered: AtomicUsize::new(0),
            batches: AtomicU64::new(0),
            known: Mutex::default(),
            known_version: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
            in_hand: AtomicUsize::new(0),
            max,
            lost: AtomicU64::new(0),
            bell,
        };
        (intake, heard)
    }

    fn lock(&self) -> MutexGuard<'_, Batch> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a line down, or counts it as lost. `write` appends the message.
    pub fn put(&self, from: IpAddr, at: Timestamp, hostname: &str, write: impl FnOnce(&mut String)) {
        let mut waiting = self.lock();
        if waiting.bytes() + self.in_hand.load(Ordering::Relaxed) >= self.max {
            self.lost.fetch_add(1, Ordering::Relaxed);
            waiting.lost.count(from, 1);
            return;
        }
        let begin = waiting.text.len();
        waiting.text.push_str(hostname);
        let middle = waiting.text.len();
        write(&mut waiting.text);
        let length = |from: usize, to: usize| u32::try_from(to - from).expect("a line is some kilobytes");
        let (hostname, message) = (length(begin, middle), length(middle, waiting.text.len()));
        waiting.entries.push(Entry { from, at, hostname, message });
        self.gathered.store(waiting.bytes(), Ordering::Relaxed);
    }

    /// Counts a line of this sender as lost.
    pub fn lose(&self, from: IpAddr) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.lock().lost.count(from, 1);
    }

    /// Counts a line of somebody who is no device, and of whom enough was heard.
    pub fn pass_over(&self) {
        self.passed_over.fetch_add(1, Ordering::Relaxed);
    }

    /// Lines of strangers that were not taken since the start.
    pub fn passed_over(&self) -> u64 {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// How full it is, without waiting for anybody.
    pub fn fill(&self) -> Fill {
        let used = self.gathered.load(Ordering::Relaxed) + self.in_hand.load(Ordering::Relaxed);
        Fill { used, max: self.max, batch: self.batches.load(Ordering::Relaxed) }
    }

    /// From now on these are the addresses of boards.
    pub fn know(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
        self.known_version.fetch_add(1, Ordering::Release);
    }

    /// The addresses of boards, if that is something else than at `version`, which is brought up to date.
    pub fn known_since(&self, version: &mut u64) -> Option<Known> {
        let now = self.known_version.load(Ordering::Acquire);
        if now == std::mem::replace(version, now) {
            return None;
        }
        Some(self.known.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The kernel dropped so many datagrams that were sent to `at`.
    pub fn dropped_by_kernel(&self, at: SocketAddr, count: u64) {
        *self.lock().lost.by_kernel.entry(at).or_default() += count;
    }

    /// Whether there is room for those who can wait. The other half is for those who cannot.
    pub fn has_room(&self) -> bool {
        let (used, max) = self.used();
        used < max / 2
    }

    /// Whether a line waits, beside those that the journal has in its hands.
    pub fn has_lines(&self) -> bool {
        !self.lock().entries.is_empty()
    }

    /// Bytes that wait, and how many may.
    pub fn used(&self) -> (usize, usize) {
        (self.lock().bytes() + self.in_hand.load(Ordering::Relaxed), self.max)
    }

    /// Lines that found no room since the start.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Tells the journal that there is something.
    ///
    /// # Errors
    /// It does not listen any more.
    pub fn ring(&self) -> Result<(), JournalIsGone> {
        match self.bell.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => Ok(()),
            Err(TrySendError::Disconnected(())) => Err(JournalIsGone),
        }
    }

    /// Exchanges a batch that was read for what waits; false when nothing does.
    pub fn exchange(&self, batch: &mut Batch) -> bool {
        batch.clear();
        let mut waiting = self.lock();
        std::mem::swap(&mut *waiting, batch);
        self.in_hand.store(batch.bytes(), Ordering::Relaxed);
        self.gathered.store(0, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        !batch.entries.is_empty() || !batch.lost.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(intake: &Intake, from: [u8; 4], hostname: &str, message: &str) {
        intake.put(from.into(), Timestamp(7), hostname, |text| text.push_str(message));
    }

    fn shown(batch: &mut Batch) -> Vec<String> {
        std::iter::from_fn(|| {
            batch.next_line().map(|l| format!("{} {} {} {}", l.from, l.at.0, l.hostname, l.message))
        })
        .collect()
    }

    #[test]
    fn lines_come_out_as_they_were_put_down() {
        let (intake, bell) = Intake::new(10_000);
        let mut batch = Batch::default();
        assert!(!intake.exchange(&mut batch));
        put(&intake, [10, 0, 0, 1], "grün", "ein Wort");
        put(&intake, [10, 0, 0, 2], "", "");
        assert_eq!((intake.ring(), intake.ring(), bell.len()), (Ok(()), Ok(()), 1));
        assert!(intake.exchange(&mut batch));
        put(&intake, [10, 0, 0, 1], "", "later");
        assert_eq!(shown(&mut batch), ["10.0.0.1 7 grün ein Wort", "10.0.0.2 7  "]);
        assert!(intake.exchange(&mut batch));
        assert_eq!(shown(&mut batch), ["10.0.0.1 7  later"]);
        assert!(!intake.exchange(&mut batch));
        drop(bell);
        assert_eq!(intake.ring(), Err(JournalIsGone));
    }

    #[test]
    fn what_finds_no_room_is_counted_by_its_sender_in_bounded_memory() {
        let (intake, _bell) = Intake::new(1000);
        assert!(intake.has_room());
        for n in 0..40 {
            put(&intake, [10, 0, 0, n % 2], "", &"x".repeat(50));
        }
        assert!(!intake.has_room());
        let (half, _bell_of_half) = Intake::new(1000);
        while half.has_room() {
            put(&half, [10, 0, 0, 1], "", &"x".repeat(50));
        }
        put(&half, [10, 0, 0, 1], "", "x");
        assert_eq!(half.lost(), 0, "the other half is for those who cannot wait");
        let (used, max) = intake.used();
        assert!(used >= max && used < max + 100, "{used}");
        let mut batch = Batch::default();
        assert!(intake.exchange(&mut batch));
        // What the journal has in its hands is not free yet.
        put(&intake, [10, 0, 0, 9], "", "x");
        let kept = shown(&mut batch).len() as u64;
        let lost = batch.take_losses();
        let of = |n: u8| lost.by_sender.get(&IpAddr::from([10, 0, 0, n])).copied().unwrap_or(0);
        assert_eq!((kept + of(0) + of(1), lost.of_others), (40, 0));
        assert!(of(0) > 10 && of(1) > 10, "{lost:?}");
        intake.dropped_by_kernel("10.0.0.1:514".parse().unwrap(), 3);
        assert!(intake.exchange(&mut batch), "losses are news, too");
        assert_eq!(shown(&mut batch), [""; 0]);
        let lost = batch.take_losses();
        assert_eq!((lost.by_sender.len(), lost.by_kernel.values().sum::<u64>()), (1, 3));
        assert_eq!(intake.lost(), 40 - kept + 1);

        for n in 0..3000_u32 {
            intake.put(std::net::Ipv4Addr::from_bits(n).into(), Timestamp(7), "", |t| {
                t.push_str(&"x".repeat(1000));
            });
        }
        assert!(intake.exchange(&mut batch));
        let lost = batch.take_losses();
        assert_eq!((lost.by_sender.len(), lost.of_others), (LOSERS_MAX, 2999 - LOSERS_MAX as u64));
    }
}

//! Lines on their way to the store: gathered into batches, kept while the store does not answer, counted when they are too many.
//!
//! Pure: time comes in, what is due goes out. It knows no store and no thread.

use super::candidates::Candidates;
use super::senders::Senders;
use super::steps::Steps;
use super::strays::Aside;
use crate::layers::intake::{Line, Losses};
use crate::layers::messages::{JournalLine, Sighting};
use crate::logic::attempt::Step;
use crate::logic::ids::DeviceName;
use crate::logic::time::Timestamp;
use crate::store::{
    AgentWords, AttemptStep, CandidateRow, DeviceLogLine, LogChunk, StrayLogLine, StraySender,
};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Lines of the layers after which a batch is written at once. One transaction of this size costs a few milliseconds; larger
/// ones save nothing.
pub const BATCH_LINES: usize = 500;
/// The same in bytes, for what comes from the network: some milliseconds in which nobody else can write.
pub const BATCH_BYTES: usize = 4 << 20;
/// How long the first line of a batch waits for others: short enough for whoever watches a board's log.
pub const BATCH_WAIT: Duration = Duration::from_millis(200);
/// Bytes of text that are kept while the store does not answer: some minutes of a rack that talks a lot. What comes from the
/// network has more room where it waits before it comes here.
pub const BACKLOG_BYTES: usize = 16 * 1024 * 1024;
/// What a line costs beyond its text, about; so that empty lines are not free.
const LINE_BYTES: usize = 160;
/// The first wait after the store failed; it doubles up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// What `add` did with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It waits to be written to a device's log.
    Device,
    /// No device is known for its sender; it waits to be written aside.
    Stray(IpAddr),
    /// There is no room; it is counted and gone.
    Lost,
    /// It was of a board's boot, and no device is known for its address.
    Nobody,
    /// A board that is no device's waits to be written.
    Candidate,
    /// No line at all: the devices are others now.
    News,
}

/// What is to be written now. Whoever has written a part of it says so with the `…_written` of its name.
#[derive(Debug)]
pub struct Due<'a> {
    /// Lines of the layers.
    pub lines: &'a [DeviceLogLine],
    /// Steps of attempts.
    pub steps: &'a [AttemptStep],
    /// What boards say.
    pub chunks: &'a [LogChunk],
    /// Some of what unknown senders say.
    pub stray: &'a [StrayLogLine],
    /// Who they are.
    pub senders: &'a [StraySender],
    /// Boards that are no devices.
    pub candidates: &'a [CandidateRow],
    /// More of what boards say waits behind it.
    pub more: bool,
}

/// The lines that wait.
#[derive(Debug)]
pub struct Backlog {
    server: String,
    candidates: Candidates,
    lines: Vec<DeviceLogLine>,
    /// Pieces that take more lines.
    open: HashMap<DeviceName, LogChunk>,
    /// Pieces that do not.
    full: Vec<LogChunk>,
    steps: Steps,
    aside: Aside,
    /// What they take in memory, about.
    bytes: usize,
    /// Lines that found no room, by device. One number for each device that exists.
    lost: BTreeMap<DeviceName, u64>,
    /// What was lost before it came here, and not yet said to be.
    gone: Losses,
    /// When the next batch is due.
    due: Option<Instant>,
    /// The wait after the last failure; `None` while all is well.
    retry: Option<Duration>,
}

impl Backlog {
    /// An empty one of this imaging server.
    pub fn new(server: &str, now: Instant) -> Self {
        Self {
            server: server.to_owned(),
            candidates: Candidates::new(now),
            lines: Vec::new(),
            open: HashMap::new(),
            full: Vec::new(),
            steps: Steps::default(),
            aside: Aside::default(),
            bytes: 0,
            lost: BTreeMap::new(),
            gone: Losses::default(),
            due: None,
            retry: None,
        }
    }

    /// Takes a line of a layer in.
    pub fn add(&mut self, line: JournalLine, senders: &Senders, now: Instant) -> Added {
        let (device, at, source, message) = match line {
            JournalLine::DevicesChanged => return Added::News,
            JournalLine::Device { device, at, source, message } => (device, at, source, message),
            JournalLine::Step { device, step } => return self.add_step(&device, step, now),
            JournalLine::Board(sighting) => {
                match (senders.device_with(sighting.mac), sighting.agent.as_ref()) {
                    (None, _) => {
                        self.candidates.note(*sighting, &self.server, now);
                        return Added::Candidate;
                    }
                    // A device's own boot loader asks for its config; that has its place elsewhere.
                    (Some(_), None) => return Added::Nobody,
                    (Some(device), Some(agent)) => {
                        (device.clone(), sighting.at, "agent", registered(&sighting, agent))
                    }
                }
            }
            JournalLine::Http { to, step } => {
                return match senders.device(to, "").cloned() {
                    Some(device) => self.add_step(&device, step, now),
                    None => Added::Nobody,
                };
            }
            JournalLine::Tftp { from, mac, at, message, step } => {
                let Some(device) = senders.device_of_boot(from, mac) else {
                    // Lines kept aside have no source of their own.
                    self.due.get_or_insert(now + BATCH_WAIT);
                    let message = &format!("tftp: {message}");
                    self.aside.add(&Line { from, at, hostname: "", message });
                    return Added::Stray(from);
                };
                let device = device.clone();
                if let Some(step) = step {
                    self.add_step(&device, step, now);
                }
                (device, at, "tftp", message)
            }
        };
        if self.bytes + LINE_BYTES + message.len() > BACKLOG_BYTES {
            *self.lost.entry(device).or_default() += 1;
            return Added::Lost;
        }
        self.push(device, at, source, message);
        self.due.get_or_insert(now + BATCH_WAIT);
        Added::Device
    }

    fn add_step(&mut self, device: &DeviceName, step: Step, now: Instant) -> Added {
        if self.steps.add(device, step) {
            self.due.get_or_insert(now + BATCH_WAIT);
        }
        Added::Device
    }

    fn push(&mut self, device: DeviceName, at: Timestamp, source: &str, message: String) {
        self.bytes += LINE_BYTES + message.len();
        self.lines.push(DeviceLogLine { device, at, source: source.to_owned(), message });
    }

    /// Takes a line from the network in. The caller asks [`Self::is_full`] before.
    pub fn add_syslog(&mut self, line: &Line<'_>, senders: &Senders, now: Instant) -> Added {
        self.due.get_or_insert(now + BATCH_WAIT);
        let Some(device) = senders.device(line.from, line.hostname) else {
            self.aside.add(line);
            return Added::Stray(line.from);
        };
        let chunk = match self.open.get_mut(device) {
            Some(chunk) if chunk.fits(line.at, line.message.len()) => chunk,
            other => {
                self.bytes += LINE_BYTES;
                let new = LogChunk::new(device.clone(), line.at);
                match other {
                    Some(chunk) => {
                        self.full.push(std::mem::replace(chunk, new));
                        chunk
                    }
                    None => self.open.entry(device.clone()).or_insert(new),
                }
            }
        };
        let before = chunk.text().len();
        chunk.push(line.at, line.message);
        self.bytes += chunk.text().len() - before;
        Added::Device
    }

    /// Whether what is here should be written before more is taken from the network. While the store fails, half of the room
    /// is for the layers.
    pub fn is_full(&self) -> bool {
        self.bytes >= if self.is_failing() { BACKLOG_BYTES / 2 } else { BATCH_BYTES }
    }

    /// Lines from the network were lost before they came here: says so with the next batch.
    pub fn note_losses(&mut self, losses: &Losses, now: Instant) {
        if !losses.is_empty() {
            self.gone.add(losses);
            self.due.get_or_insert(now + BATCH_WAIT);
        }
    }

    /// Says of what was lost on the way here where it is missing, and gives it: one line for each sender in a batch, however
    /// often some was lost, and none more while the store fails.
    pub fn tell_losses(&mut self, senders: &Senders, at: Timestamp) -> Losses {
        if self.is_failing() {
            return Losses::default();
        }
        let losses = std::mem::take(&mut self.gone);
        // As many at most as the intake counts one by one.
        for (from, count) in &losses.by_sender {
            let message = format!("{count} lines lost: they came faster than they could be stored");
            match senders.device(*from, "").cloned() {
                Some(device) => self.push(device, at, "journal", message),
                None => self.aside.remark(&from.to_string(), *count, at, message),
            }
        }
        if losses.of_others > 0 {
            let message = format!(
                "{} lines of many senders lost: they came faster than they could be stored",
                losses.of_others
            );
            self.aside.remark("syslog", losses.of_others, at, message);
        }
        for (to, count) in &losses.by_kernel {
            let message = format!("{count} datagrams to udp {to} lost in the kernel, nobody knows whose");
            self.aside.remark("syslog", *count, at, message);
        }
        losses
    }

    /// When [`Self::next`] will have something; `None`: not before another line comes.
    pub fn due(&self) -> Option<Instant> {
        // While the store fails, candidates wait for the retry like everything else.
        let candidates = self.candidates.due().filter(|_| self.retry.is_none());
        let due = self.lines_due();
        due.into_iter().chain(candidates).min()
    }

    fn lines_due(&self) -> Option<Instant> {
        // While the store fails, a full batch waits for the retry like every other.
        let full = self.retry.is_none() && (self.lines.len() >= BATCH_LINES || self.is_full());
        self.due.map(|due| if full { due - BATCH_WAIT } else { due })
    }

    /// Candidates whose time has come, or with `all` every one, go with the next batch.
    pub fn collect_candidates(&mut self, now: Instant, all: bool) {
        self.candidates.collect(now, all);
        if self.candidates.is_ready() && self.due.is_none() {
            self.due = Some(now);
        }
    }

    /// So many of the oldest candidates are in the store.
    pub fn candidates_written(&mut self, rows: usize) {
        self.candidates.written(rows);
    }

    /// Sightings of boards that found no room since this was last asked.
    pub fn take_candidates_lost(&mut self) -> u64 {
        self.candidates.take_lost()
    }

    /// The next batch, oldest lines first, if it is due or `all` is to go; it stays here until it is said to be written.
    pub fn next(&mut self, now: Instant, all: bool) -> Option<Due<'_>> {
        if self.is_empty() || !(all || self.due().is_some_and(|due| due <= now)) {
            return None;
        }
        self.full.extend(self.open.drain().map(|(_, chunk)| chunk));
        let mut bytes = 0;
        let fit = |chunk: &&LogChunk| {
            bytes += chunk.text().len();
            bytes <= BATCH_BYTES
        };
        let chunks = self.full.iter().take_while(fit).count().max(1).min(self.full.len());
        Some(Due {
            lines: &self.lines[..self.lines.len().min(BATCH_LINES)],
            steps: self.steps.batch(),
            chunks: &self.full[..chunks],
            stray: self.aside.lines(),
            senders: self.aside.senders(),
            candidates: self.candidates.ready(),
            more: chunks < self.full.len(),
        })
    }

    /// So many of the oldest lines of layers are on disk.
    pub fn lines_written(&mut self, lines: usize) {
        let text: usize = self.lines.drain(..lines).map(|l| l.message.len()).sum();
        self.bytes = self.bytes.saturating_sub(text + lines * LINE_BYTES);
    }

    /// So many of the oldest steps are in the store.
    pub fn steps_written(&mut self, steps: usize) {
        self.steps.written(steps);
    }

    /// Steps that found no room since this was last asked.
    pub fn take_steps_lost(&mut self) -> u64 {
        self.steps.take_lost()
    }

    /// So many of the oldest pieces are on disk.
    pub fn chunks_written(&mut self, chunks: usize) {
        let text: usize = self.full.drain(..chunks).map(|c| c.text().len()).sum();
        self.bytes = self.bytes.saturating_sub(text + chunks * LINE_BYTES);
    }

    /// What was kept aside is on disk: the lines, and with `senders` who sent them.
    pub fn aside_written(&mut self, senders: bool) {
        if senders { self.aside.senders_written() } else { self.aside.lines_written() }
    }

    /// A whole batch went well. What was lost meanwhile is now said, where it is missing; `at` is the time of those lines.
    pub fn recovered(&mut self, at: Timestamp, now: Instant) {
        self.retry = None;
        for (device, count) in std::mem::take(&mut self.lost) {
            let message = format!("{count} lines lost: the store did not answer");
            self.push(device, at, "journal", message);
        }
        // What is left has waited long enough.
        self.due = if self.is_empty() { None } else { Some(now) };
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

    fn is_empty(&self) -> bool {
        let aside = self.aside.lines().is_empty() && self.aside.senders().is_empty();
        let gone = self.gone.is_empty();
        let rows = self.lines.is_empty() && self.steps.is_empty() && !self.candidates.is_ready();
        rows && self.open.is_empty() && self.full.is_empty() && aside && gone
    }

    /// Lines that wait.
    pub fn lines(&self) -> usize {
        let chunks = self.open.values().chain(&self.full).map(LogChunk::lines);
        self.lines.len() + chunks.sum::<usize>() + self.aside.lines().len()
    }

    /// Lines that were lost and not yet said to be.
    pub fn lost(&self) -> u64 {
        self.lost.values().sum()
    }
}

/// What the log of a device has of its agent.
fn registered(sighting: &Sighting, agent: &AgentWords) -> String {
    let port = |port: Option<u16>| port.map(|p| p.to_string()).unwrap_or_default();
    let said = [
        ("os", agent.os.clone()),
        ("hardware", agent.hardware.clone()),
        ("pool", agent.pool.clone()),
        ("command port", port(agent.command_port)),
        ("data port", port(agent.data_port)),
    ];
    let said = said.iter().filter(|(_, text)| !text.is_empty());
    let said: String = said.map(|(what, text)| format!(", {what} {text}")).collect();
    format!("agent registered from {}{said}", sighting.address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logic::attempt::StepKind;
    use crate::logic::ids::Mac;

    const DEVICE: &str = "panda-1";

    fn line(message: &str) -> JournalLine {
        JournalLine::Device {
            device: DEVICE.into(),
            at: Timestamp(7),
            source: "sut",
            message: message.into(),
        }
    }

    fn syslog(from: [u8; 4], message: &str) -> Line<'_> {
        Line { from: from.into(), hostname: "", at: Timestamp(7), message }
    }

    fn senders() -> Senders {
        Senders::new(&[(DEVICE.into(), "10.0.0.1".into())], &HashMap::new())
    }

    /// Says that all of the next batch is on disk; gives its sizes.
    fn write(backlog: &mut Backlog, now: Instant) -> Option<(usize, usize, usize)> {
        let due = backlog.next(now, false)?;
        let sizes = (due.lines.len(), due.chunks.len(), due.stray.len());
        backlog.lines_written(sizes.0);
        backlog.chunks_written(sizes.1);
        backlog.aside_written(false);
        backlog.aside_written(true);
        backlog.recovered(Timestamp(9), now);
        Some(sizes)
    }

    #[test]
    fn lines_wait_a_little_for_others_and_a_full_batch_does_not() {
        let (senders, start) = (senders(), Instant::now());
        let mut backlog = Backlog::new("here", Instant::now());
        assert!(backlog.due().is_none() && backlog.next(start, true).is_none());
        assert_eq!(backlog.add_syslog(&syslog([10, 0, 0, 1], "a"), &senders, start), Added::Device);
        let half = start + BATCH_WAIT / 2;
        assert_eq!(
            backlog.add_syslog(&syslog([10, 0, 0, 9], "b"), &senders, half),
            Added::Stray([10, 0, 0, 9].into())
        );
        assert_eq!(backlog.add(line("c"), &senders, half), Added::Device);
        assert_eq!(backlog.due(), Some(start + BATCH_WAIT), "the first line counts");
        assert!(backlog.next(half, false).is_none());
        let due = backlog.next(start + BATCH_WAIT, false).unwrap();
        assert_eq!((&*due.chunks[0].device, due.chunks[0].text()), (DEVICE, "0 a\n"));
        assert_eq!((&*due.stray[0].sender, &*due.stray[0].message), ("10.0.0.9", "b"));
        assert_eq!((&*due.lines[0].message, due.senders[0].lines), ("c", 1));
        assert_eq!(write(&mut backlog, start + BATCH_WAIT), Some((1, 1, 1)));
        assert_eq!((backlog.lines(), backlog.bytes, backlog.due()), (0, 0, None));

        for n in 0..=BATCH_LINES {
            let is_full = backlog.due().is_some_and(|due| due <= start);
            assert_eq!(is_full, n >= BATCH_LINES, "after {n} lines");
            backlog.add(line(&n.to_string()), &senders, start);
        }
        assert_eq!(write(&mut backlog, start), Some((BATCH_LINES, 0, 0)));
        assert_eq!(write(&mut backlog, start), Some((1, 0, 0)));

        let text = "x".repeat(200);
        let mut lines = 0;
        while !backlog.is_full() {
            assert_ne!(backlog.due(), Some(start));
            backlog.add_syslog(&syslog([10, 0, 0, 1], &text), &senders, start);
            lines += 1;
        }
        assert!((BATCH_BYTES / 210..BATCH_BYTES / 200).contains(&lines), "{lines}");
        assert_eq!(backlog.due(), Some(start));
        let (_, chunks, _) = write(&mut backlog, start).unwrap();
        assert!(chunks >= BATCH_BYTES / crate::store::CHUNK_BYTES, "{chunks}");
        while write(&mut backlog, start).is_some() {}
        assert_eq!((backlog.lines(), backlog.bytes, backlog.due()), (0, 0, None));
    }

    #[test]
    fn a_transfer_goes_to_the_board_whose_address_it_is_or_else_to_that_of_the_mac() {
        let (mine, other) = (Mac([2; 6]), Mac([4; 6]));
        let senders = senders().with_macs(&[(mine, "panda-2".into())]);
        let mut backlog = Backlog::new("here", Instant::now());
        let start = Instant::now();
        for (from, mac, want) in [
            ([10, 0, 0, 9], Some(mine), Added::Device),
            ([10, 0, 0, 1], Some(mine), Added::Device),
            ([10, 0, 0, 1], Some(other), Added::Device),
            ([10, 0, 0, 1], None, Added::Device),
            ([10, 0, 0, 9], Some(other), Added::Stray([10, 0, 0, 9].into())),
        ] {
            let line = JournalLine::Tftp {
                from: from.into(),
                mac,
                at: Timestamp(7),
                message: "x".into(),
                step: None,
            };
            assert_eq!(backlog.add(line, &senders, start), want, "{from:?} {mac:?}");
        }
        let due = backlog.next(start, true).unwrap();
        let devices: Vec<(&str, &str)> = due.lines.iter().map(|l| (&*l.device, &*l.source)).collect();
        let (one, two) = ((DEVICE, "tftp"), ("panda-2", "tftp"));
        assert_eq!(devices, [two, one, one, one], "a board does not write into another's log");
        assert_eq!((&*due.stray[0].sender, &*due.stray[0].message), ("10.0.0.9", "tftp: x"));
    }

    #[test]
    fn steps_are_the_boards_that_was_named_or_whose_address_it_is_and_nobody_elses() {
        let (senders, start) = (senders(), Instant::now());
        let mut backlog = Backlog::new("here", Instant::now());
        let step = |name: &str| Step::new(Timestamp(7), StepKind::Http, name, "sent");
        let http = |from: [u8; 4]| JournalLine::Http { to: from.into(), step: step("a.img") };
        assert_eq!(backlog.add(http([10, 0, 0, 9]), &senders, start), Added::Nobody);
        assert!(backlog.due().is_none() && backlog.is_empty(), "strangers leave nothing behind");
        assert_eq!(backlog.add(http([10, 0, 0, 1]), &senders, start), Added::Device);
        assert_eq!(backlog.due(), Some(start + BATCH_WAIT));
        let own = JournalLine::Step { device: "panda-2".into(), step: step("on") };
        assert_eq!(backlog.add(own, &senders, start), Added::Device);
        // A transfer is a line and a step.
        let (from, mac, at, message) = ([10, 0, 0, 1].into(), None, Timestamp(7), "sent vmlinuz: …".into());
        let tftp = JournalLine::Tftp { from, mac, at, message, step: Some(step("vmlinuz")) };
        assert_eq!(backlog.add(tftp, &senders, start), Added::Device);
        backlog.failed(start);
        assert!(backlog.next(start + BATCH_WAIT, false).is_none(), "they wait while the store fails");
        let due = backlog.next(start + BATCH_WAIT, true).unwrap();
        let told: Vec<_> = due.steps.iter().map(|s| format!("{} {}", s.device, s.step.name)).collect();
        assert_eq!(told, ["panda-1 a.img", "panda-2 on", "panda-1 vmlinuz"]);
        assert_eq!(due.lines.len(), 1);
        backlog.steps_written(2);
        assert_eq!(backlog.next(start, true).unwrap().steps.len(), 1);
        backlog.steps_written(1);
        backlog.lines_written(1);
        assert!(backlog.is_empty());
    }

    #[test]
    fn while_the_store_fails_lines_wait_and_the_rest_is_counted() {
        let (senders, start) = (senders(), Instant::now());
        let mut backlog = Backlog::new("here", Instant::now());
        let text = "x".repeat(8000);
        let mut waits = Vec::new();
        let mut lost = 0;
        while lost < 3 {
            lost += u64::from(backlog.add(line(&text), &senders, start) == Added::Lost);
        }
        assert!(backlog.is_full(), "no more is taken from the network");
        assert!(backlog.bytes <= BACKLOG_BYTES && backlog.bytes > BACKLOG_BYTES - 9000);
        assert_eq!(backlog.lost(), 3);
        for _ in 0..8 {
            waits.push(backlog.failed(start).as_millis());
            assert!(backlog.next(start + BATCH_WAIT, false).is_none(), "it rests although the batch is full");
            assert!(backlog.is_failing());
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert!(backlog.is_full(), "it is as full as it may be");

        let later = start + RETRY_LAST;
        let kept = backlog.lines();
        backlog.add_syslog(&syslog([10, 0, 0, 1], "y"), &senders, later);
        let mut seen = 0;
        let mut last = String::new();
        while let Some(due) = backlog.next(later, false) {
            last = due.lines.last().map(|l| format!("{} {}", l.source, l.message)).unwrap_or_default();
            seen += write(&mut backlog, later).unwrap().0;
        }
        assert_eq!(seen, kept + 1);
        assert_eq!((backlog.bytes, backlog.lost(), backlog.is_failing()), (0, 0, false));
        assert_eq!(last, "journal 3 lines lost: the store did not answer");
    }

    #[test]
    fn losses_are_said_where_lines_are_missing() {
        let (senders, now) = (senders(), Instant::now());
        let mut backlog = Backlog::new("here", Instant::now());
        backlog.note_losses(&Losses::default(), now);
        assert_eq!(backlog.due(), None);
        let losses = |from: [u8; 4], lines, of_others, dropped| Losses {
            by_sender: [(from.into(), lines)].into(),
            of_others,
            by_kernel: [("0.0.0.0:514".parse().unwrap(), dropped)].into(),
        };
        for _ in 0..2 {
            backlog.note_losses(&losses([10, 0, 0, 1], 2, 1, 3), now);
        }
        backlog.note_losses(&losses([10, 0, 0, 9], 5, 4, 1), now);
        backlog.failed(now);
        assert!(backlog.tell_losses(&senders, Timestamp(8)).is_empty(), "not while the store fails");
        backlog.recovered(Timestamp(8), now);
        assert_eq!(backlog.tell_losses(&senders, Timestamp(8)).counts(), (15, 7));
        assert!(backlog.tell_losses(&senders, Timestamp(8)).is_empty(), "said once");
        let due = backlog.next(now + BATCH_WAIT, false).unwrap();
        let lines: Vec<String> =
            due.lines.iter().map(|l| format!("{} {} {}", l.device, l.source, l.message)).collect();
        assert_eq!(lines, ["panda-1 journal 4 lines lost: they came faster than they could be stored"]);
        let stray: Vec<String> = due.stray.iter().map(|l| format!("{} {}", l.sender, l.message)).collect();
        assert_eq!(
            stray,
            [
                "10.0.0.9 5 lines lost: they came faster than they could be stored",
                "syslog 6 lines of many senders lost: they came faster than they could be stored",
                "syslog 7 datagrams to udp 0.0.0.0:514 lost in the kernel, nobody knows whose",
            ]
        );
        let senders: Vec<_> = due.senders.iter().map(|s| (&*s.sender, s.lines)).collect();
        assert_eq!(senders, [("10.0.0.9", 5), ("syslog", 13)], "so that they are found");
    }
}

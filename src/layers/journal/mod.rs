//! The *journal* thread: what boards and layers say, into the device logs; and what is too old, out of them.
//!
//! It writes in batches on its own connection, so that a chatty rack costs the machines nothing. While the store does not answer, a
//! bounded backlog waits; what finds no room is counted, and the count is written where the lines are missing.

pub mod accept;
pub mod backlog;
pub mod candidates;
mod doubt;
mod keep;
pub mod names;
mod room;
pub mod senders;
mod stats;
pub mod steps;
pub mod strays;
mod vouched;

pub use stats::Stats;

use super::boards::Boards;
use super::intake::{Batch, Intake, Known};
use super::messages::{JOURNAL_QUEUE, JournalLine};
use super::supervise::Exit;
use crate::clock::Clock;
use crate::logic::ids::{DeviceName, Mac};
use crate::store::{
    AttemptStep, CandidateRow, ChangeKind, DeviceLogLine, LogChunk, Result, Store, StrayLogLine, StraySender,
    TooOld,
};
use accept::Acceptance;
use backlog::{Added, BATCH_LINES, Backlog};
use crossbeam_channel::{Receiver, Sender, TrySendError, at, bounded, select_biased};
use doubt::Doubt;
pub use keep::Keep;
use names::LookUp;
use room::Room;
use senders::{Addresses, Senders};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use strays::Strays;
use vouched::Vouched;

/// Lines of unknown senders that are kept: enough to see what a new rack says, little enough for a port scan not to matter.
pub const STRAYS_KEPT: usize = 10_000;
/// Unknown senders that are remembered: some large racks.
pub const STRAY_SENDERS_KEPT: usize = 1_000;
/// Boards that are no devices and are remembered, and as many that somebody ignores: some large racks.
pub const CANDIDATES_KEPT: usize = 1_000;
/// While a flood lasts, its lines are on the disk, and not only with the system, after this time at most: a sync for every batch
/// would make it wait for the disk. The last batch of a flood, and a batch by itself, are synced at once.
const SYNC_EVERY: Duration = Duration::from_millis(500);
/// How long lines are sorted before it is seen what else there is to do; less than a batch waits.
const SORT_WHILE: Duration = Duration::from_millis(100);
/// How often old lines are looked for.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// Rows deleted at once: some milliseconds, in which lines wait.
const PRUNE_ROWS: usize = 1000;
/// Between two such deletions lines are written, and others have the database.
const PRUNE_REST: Duration = Duration::from_millis(50);
/// When the store refused to delete, it is asked again after this time.
const PRUNE_RETRY: Duration = Duration::from_secs(60);
/// How long lines wait at the start until the devices' names are looked up; then only lines of those that are not are strays.
const FIRST_NAMES: Duration = Duration::from_secs(1);
/// How often it is looked whether the devices have changed.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// An unknown sender makes us look sooner, but a flood of them not all the time.
const REFRESH_REST: Duration = Duration::from_secs(2);
/// How often it is looked for answers to what was ordered by rule, while one is to come: they are only for the log.
const ANSWERS_REST: Duration = Duration::from_millis(500);
/// Writes that are tried at the end; a store that is gone must not keep the daemon from ending.
const LAST_TRIES: u32 = 3;
const LAST_REST: Duration = Duration::from_millis(300);
/// Changes are kept so long: a client that was away over a long weekend goes on where it was. Whoever was away longer reads the
/// lists again.
const CHANGES_DAYS: u32 = 7;
const DAY_MS: i64 = 86_400_000;

/// The part of the store that is the journal's.
pub trait LogStore: Send {
    /// As long as this stays, so do the devices.
    fn devices_version(&mut self) -> Result<u64>;
    /// Short names and fqdns of the devices that `server` owns.
    fn devices_of(&mut self, server: &str) -> Result<Vec<(DeviceName, String)>>;
    /// The MACs of the devices that `server` owns.
    fn macs_of(&mut self, server: &str) -> Result<Vec<(Mac, DeviceName)>>;
    /// See [`Store::append_device_log`].
    fn append_device_log(&mut self, lines: &[DeviceLogLine]) -> Result<()>;
    /// See [`Store::append_stray_log`].
    fn append_stray_log(&mut self, lines: &[StrayLogLine], keep: usize) -> Result<()>;
    /// See [`Store::append_log_chunks`].
    fn append_log_chunks(&mut self, chunks: &[LogChunk], durable: bool) -> Result<()>;
    /// See [`Store::append_attempt_steps`].
    fn append_attempt_steps(&mut self, steps: &[AttemptStep]) -> Result<()>;
    /// See [`Store::note_stray_senders`].
    fn note_stray_senders(&mut self, senders: &[StraySender], keep: usize) -> Result<()>;
    /// See [`Store::note_candidates`].
    fn note_candidates(&mut self, seen: &[CandidateRow], keep: usize) -> Result<Vec<CandidateRow>>;
    /// See [`Store::log_bytes`].
    fn log_bytes(&mut self) -> Result<u64>;
    /// See [`Store::largest_log`].
    fn largest_log(&mut self) -> Result<Option<(i64, u64)>>;
    /// See [`Store::drop_oldest_chunks`].
    fn drop_oldest_chunks(&mut self, device: i64, bytes: u64) -> Result<u64>;
    /// See [`Store::prune`].
    fn prune(&mut self, too_old: &TooOld, limit: usize) -> Result<bool>;
}

impl LogStore for Box<dyn Store> {
    fn devices_version(&mut self) -> Result<u64> {
        Ok(self.last_changes()?.of_kind(ChangeKind::Device))
    }
    fn devices_of(&mut self, server: &str) -> Result<Vec<(DeviceName, String)>> {
        self.device_addresses(server)
    }
    fn macs_of(&mut self, server: &str) -> Result<Vec<(Mac, DeviceName)>> {
        self.device_macs(server)
    }
    fn append_device_log(&mut self, lines: &[DeviceLogLine]) -> Result<()> {
        (**self).append_device_log(lines)
    }
    fn append_stray_log(&mut self, lines: &[StrayLogLine], keep: usize) -> Result<()> {
        (**self).append_stray_log(lines, keep)
    }
    fn append_log_chunks(&mut self, chunks: &[LogChunk], durable: bool) -> Result<()> {
        (**self).append_log_chunks(chunks, durable)
    }
    fn append_attempt_steps(&mut self, steps: &[AttemptStep]) -> Result<()> {
        (**self).append_attempt_steps(steps)
    }
    fn note_stray_senders(&mut self, senders: &[StraySender], keep: usize) -> Result<()> {
        (**self).note_stray_senders(senders, keep)
    }
    fn note_candidates(&mut self, seen: &[CandidateRow], keep: usize) -> Result<Vec<CandidateRow>> {
        (**self).note_candidates(seen, keep)
    }
    fn log_bytes(&mut self) -> Result<u64> {
        (**self).log_bytes()
    }
    fn largest_log(&mut self) -> Result<Option<(i64, u64)>> {
        (**self).largest_log()
    }
    fn drop_oldest_chunks(&mut self, device: i64, bytes: u64) -> Result<u64> {
        (**self).drop_oldest_chunks(device, bytes)
    }
    fn prune(&mut self, too_old: &TooOld, limit: usize) -> Result<bool> {
        (**self).prune(too_old, limit)
    }
}

/// What the journal needs to know of its server.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The imaging server whose devices send their lines here.
    pub server: String,
    /// What is kept, and how long.
    pub keep: Arc<Keep>,
}

/// Rung after every write, for those who follow a log: they wait for another number of writes.
#[derive(Debug, Default)]
pub struct LogBell {
    writes: Mutex<u64>,
    rung: Condvar,
}

impl LogBell {
    /// How often something was written.
    pub fn writes(&self) -> u64 {
        *self.writes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is written after it was `seen` times, or until then; returns how often it was.
    pub fn wait(&self, seen: u64, limit: Duration) -> u64 {
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.rung.wait_timeout_while(writes, limit, |writes| *writes == seen);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn ring(&self) {
        *self.writes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.rung.notify_all();
    }
}

/// Where lines come from.
#[derive(Debug)]
pub struct Inbox {
    /// Those of the layers.
    pub lines: Receiver<JournalLine>,
    /// Those of the network …
    pub intake: Arc<Intake>,
    /// … of which this tells.
    pub bell: Receiver<()>,
}

/// The thread's state.
pub struct Journal<S = Box<dyn Store>> {
    store: S,
    settings: Settings,
    clock: Arc<dyn Clock>,
    stats: Arc<Stats>,
    bell: Arc<LogBell>,
    look_up: LookUp,
    devices: Vec<(DeviceName, String)>,
    macs: Vec<(Mac, DeviceName)>,
    /// Of `devices`; `None` before they are read.
    version: Option<u64>,
    found: Addresses,
    senders: Senders,
    backlog: Backlog,
    acceptance: Option<Acceptance>,
    /// Told what names mean, too.
    boards: Option<Arc<Boards>>,
    /// Lines from the network that are not in the backlog yet.
    in_hand: Batch,
    /// When what was written last was on the disk for sure.
    synced: Instant,
    room: Room,
    strays: Strays,
    vouched: Vouched,
    /// The receiver has been told whose addresses are boards'.
    is_told: bool,
    refreshed: Instant,
    refresh_at: Instant,
    prune_at: Instant,
    doubt: Doubt,
}

/// The ends of the channels to *names* that are the journal's.
struct Names {
    ask: Sender<Vec<String>>,
    found: Receiver<Addresses>,
}

impl<S: LogStore> Journal<S> {
    /// A journal that writes to `store`.
    pub fn new(store: S, clock: Arc<dyn Clock>, settings: Settings) -> Self {
        let now = Instant::now();
        let room = Room::new(settings.keep.log_bytes_max.load(Ordering::Relaxed), now);
        let backlog = Backlog::new(&settings.server, now);
        let doubt = Doubt::new(&*clock);
        Self {
            store,
            settings,
            clock,
            stats: Arc::default(),
            bell: Arc::default(),
            look_up: names::system,
            devices: Vec::new(),
            macs: Vec::new(),
            version: None,
            found: Addresses::new(),
            senders: Senders::default(),
            backlog,
            acceptance: None,
            boards: None,
            in_hand: Batch::default(),
            synced: now,
            room,
            strays: Strays::default(),
            vouched: Vouched::default(),
            is_told: false,
            refreshed: now,
            refresh_at: now,
            prune_at: now,
            doubt,
        }
    }

    /// The same, with boards that become devices by rule.
    #[must_use]
    pub fn accepting(self, acceptance: Acceptance) -> Self {
        Self { acceptance: Some(acceptance), ..self }
    }

    /// The same, telling those who ask whether a call is a board's what the devices' names mean.
    #[must_use]
    pub fn finding(self, boards: Arc<Boards>) -> Self {
        Self { boards: Some(boards), ..self }
    }

    /// The same, with a look at the disk that the store's file is on.
    #[must_use]
    pub fn on_disk(mut self, file: PathBuf) -> Self {
        let free = move || crate::metrics::storage::room(&file);
        self.room = self.room.on_disk(Box::new(free));
        self
    }

    /// What it does, to look at while it runs.
    pub fn stats(&self) -> Arc<Stats> {
        self.stats.clone()
    }

    /// Rung after its writes.
    pub fn bell(&self) -> Arc<LogBell> {
        self.bell.clone()
    }

    /// The thread's body: ends when `stop` is told or dropped, after it has written what is in its inbox.
    pub fn run(mut self, inbox: &Inbox, stop: &Receiver<()>) -> Exit {
        let (stop_names, names_stop) = bounded(0);
        // Of one place each: a round that is not over yet makes the next one pointless.
        let ((ask, asked), (answer, found), look_up) = (bounded(1), bounded(1), self.look_up);
        let names = std::thread::Builder::new()
            .name("names".into())
            .spawn(move || names::run(&names_stop, &asked, &answer, look_up));
        let names = match names {
            Ok(thread) => thread,
            Err(error) => return Exit::Failed(format!("there is no thread to look names up with: {error}")),
        };
        let exit = self.listen(inbox, stop, &Names { ask, found });
        self.finish(inbox);
        drop(stop_names);
        // A panic there has ended us with its name already.
        let _ = names.join();
        exit
    }

    fn listen(&mut self, inbox: &Inbox, stop: &Receiver<()>, names: &Names) -> Exit {
        let Inbox { lines, bell, .. } = inbox;
        let start = Instant::now();
        // Lines that came while the daemon started must not be strays because names are not looked up yet.
        let mut first = true;
        loop {
            if let Err(exit) = self.refresh(names) {
                return exit;
            }
            if !self.is_told
                && let Some(boards) = &self.boards
            {
                boards.are_at(self.senders.addresses().collect());
            }
            let is_early = first && self.needs_names() && start.elapsed() < FIRST_NAMES;
            let more = !is_early && self.sort(inbox);
            // Not before names are looked up: until then anybody may be a board.
            if !is_early && !std::mem::replace(&mut self.is_told, true) {
                let addresses = self.senders.addresses().chain(self.vouched.addresses());
                inbox.intake.know(Known::of(addresses.collect()));
            }
            self.write(inbox, false);
            let waiting = self.backlog.lines() + lines.len();
            self.stats.waiting.store(waiting as u64, Ordering::Relaxed);
            self.prune();
            self.make_room();
            let mut wake = self.refresh_at.min(self.prune_at).min(self.room.wake());
            wake = self.backlog.due().map_or(wake, |due| due.min(wake));
            if let Some(acceptance) = &mut self.acceptance {
                acceptance.answers();
                if acceptance.waits() {
                    wake = wake.min(Instant::now() + ANSWERS_REST);
                }
            }
            if more && !self.backlog.is_full() {
                wake = Instant::now();
            }
            if is_early {
                wake = wake.min(start + FIRST_NAMES);
            }
            let (nothing, deaf) = (crossbeam_channel::never(), crossbeam_channel::never());
            select_biased! {
                recv(stop) -> _ => return Exit::Stopped,
                recv(names.found) -> found => match found {
                    Ok(found) => {
                        first = false;
                        self.found = found;
                        if let Some(boards) = &self.boards {
                            boards.found(&self.found);
                        }
                        self.senders = Senders::new(&self.devices, &self.found).with_macs(&self.macs);
                        self.is_told = false;
                    }
                    Err(_) => return Exit::Lost("names"),
                },
                recv(if is_early { &nothing } else { lines }) -> line => match line {
                    Ok(line) => self.take(line, lines),
                    Err(_) => return Exit::Lost("everybody who has something to say"),
                },
                recv(if is_early || more { &deaf } else { bell }) -> _ => {}
                recv(at(wake)) -> _ => {}
            }
        }
    }

    fn needs_names(&self) -> bool {
        self.devices.iter().any(|(_, fqdn)| !fqdn.is_empty() && fqdn.parse::<IpAddr>().is_err())
    }

    /// Reads the devices when it is time, and has their names looked up.
    fn refresh(&mut self, names: &Names) -> std::result::Result<(), Exit> {
        let now = Instant::now();
        if now < self.refresh_at {
            return Ok(());
        }
        (self.refreshed, self.refresh_at) = (now, now + REFRESH_EVERY);
        let version = match self.store.devices_version() {
            Ok(version) if self.version == Some(version) => return Ok(()),
            other => other,
        };
        let server = &self.settings.server;
        let devices =
            version.and_then(|v| Ok((v, self.store.devices_of(server)?, self.store.macs_of(server)?)));
        match devices {
            // They change all the time, but hardly ever in what matters here.
            Ok((version, devices, macs))
                if self.version.is_some() && devices == self.devices && macs == self.macs =>
            {
                self.version = Some(version);
                return Ok(());
            }
            Ok((version, devices, macs)) => {
                (self.version, self.devices, self.macs) = (Some(version), devices, macs);
            }
            Err(error) => {
                log::warn!("the addresses of the devices stay as they were: {error}");
                return Ok(());
            }
        }
        self.senders = Senders::new(&self.devices, &self.found).with_macs(&self.macs);
        self.vouched.keep(&self.devices);
        self.is_told = false;
        let is_name = |fqdn: &&String| !fqdn.is_empty() && fqdn.parse::<IpAddr>().is_err();
        let all: BTreeSet<&String> = self.devices.iter().map(|(_, fqdn)| fqdn).filter(is_name).collect();
        match names.ask.try_send(all.into_iter().cloned().collect()) {
            Ok(()) => Ok(()),
            // It has not even begun with the last ones; the next look hands these over.
            Err(TrySendError::Full(_)) => {
                self.version = None;
                Ok(())
            }
            Err(TrySendError::Disconnected(_)) => Err(Exit::Lost("names")),
        }
    }

    /// Takes a line and what is there behind it, up to a batch.
    fn take(&mut self, first: JournalLine, lines: &Receiver<JournalLine>) {
        let now = Instant::now();
        let more = lines.try_iter().take(BATCH_LINES - 1);
        for line in std::iter::once(first).chain(more) {
            match self.backlog.add(line, &self.senders, now) {
                Added::Device | Added::Stray(_) | Added::Nobody | Added::Candidate => {}
                // What comes behind it may be a new device's.
                Added::News => {
                    self.refresh_at = now;
                    break;
                }
                Added::Lost => self.count(|s| &s.lost, 1),
            }
        }
    }

    /// Takes what came from the network, until there is enough to be written, or for a while; true when there may be more.
    fn sort(&mut self, inbox: &Inbox) -> bool {
        let now = Instant::now();
        loop {
            // Lines of strangers never fill a batch: a flood of them must not keep us here.
            if now.elapsed() > SORT_WHILE {
                return true;
            }
            while !self.backlog.is_full() {
                let Some(line) = self.in_hand.next_line() else { break };
                let added = self.backlog.add_syslog(&line, &self.senders, now);
                if added == Added::Device
                    && !self.senders.has_address(line.from)
                    && let Some(device) = self.senders.device(line.from, line.hostname)
                {
                    self.is_told &= !self.vouched.add(device, line.from, now);
                }
                if let Added::Stray(from) = added {
                    if let Some(count) = self.strays.note(from, now) {
                        log::warn!(
                            "syslog from {from}: no device has this address or name; lines={count} kept aside"
                        );
                    }
                    // Perhaps it is new; but a flood of strangers costs one look in a while.
                    self.refresh_at = self.refresh_at.min(self.refreshed + REFRESH_REST);
                }
            }
            if self.backlog.is_full() {
                return true;
            }
            if !inbox.intake.exchange(&mut self.in_hand) {
                return false;
            }
            let losses = self.in_hand.take_losses();
            if !losses.is_empty() {
                self.stats.lost.fetch_add(losses.counts().0, Ordering::Relaxed);
                self.backlog.note_losses(&losses, now);
            }
            // What was said of devices before these lines came counts for them.
            if let Ok(line) = inbox.lines.try_recv() {
                self.take(line, &inbox.lines);
                if self.refresh_at <= Instant::now() {
                    return true;
                }
            }
        }
    }

    /// Writes the batch that is due, or with `all` everything; false when the store fails.
    fn write(&mut self, inbox: &Inbox, all: bool) -> bool {
        let mut wrote = false;
        let fine = loop {
            match self.write_batch(inbox, all) {
                Ok(true) => wrote = true,
                Ok(false) => break true,
                Err(error) => {
                    let wait = self.backlog.failed(Instant::now());
                    self.count(|s| &s.failures, 1);
                    let lines = self.backlog.lines();
                    log::error!("{error}; lines={lines} wait, the next try is in {} ms", wait.as_millis());
                    break false;
                }
            }
        };
        if wrote {
            self.bell.ring();
        }
        fine
    }

    /// Writes one batch, if there is one. What is written of it before the store fails is not written again.
    fn write_batch(&mut self, inbox: &Inbox, all: bool) -> Result<bool> {
        let begun = Instant::now();
        let was_failing = self.backlog.is_failing();
        if all || self.backlog.due().is_some_and(|due| due <= begun) {
            let losses = self.backlog.tell_losses(&self.senders, self.clock.now());
            if !losses.is_empty() {
                let (no_room, kernel) = losses.counts();
                log::warn!("syslog lines are lost; no_room={no_room} kernel={kernel}");
            }
        }
        self.backlog.collect_candidates(begun, all);
        let Some(due) = self.backlog.next(begun, all) else { return Ok(false) };
        let (lines, steps, chunks) = (due.lines.len(), due.steps.len(), due.chunks.len());
        let (stray, senders, candidates) = (due.stray.len(), due.senders.len(), due.candidates.len());
        let strays = due.senders.iter().map(|s| s.lines).sum::<u64>();
        let in_chunks = due.chunks.iter().map(LogChunk::lines).sum::<usize>();
        let bytes = due.chunks.iter().map(|c| c.text().len() as u64).sum::<u64>();
        if lines > 0 {
            self.store.append_device_log(due.lines)?;
            self.synced = begun;
        }
        // The pieces are asked for again, for what was written must be taken away first; nothing comes in between.
        self.backlog.lines_written(lines);
        if let Some(due) = self.backlog.next(begun, true).filter(|_| steps > 0) {
            self.store.append_attempt_steps(due.steps.get(..steps).unwrap_or(due.steps))?;
        }
        self.backlog.steps_written(steps);
        self.count(|s| &s.steps, steps);
        self.stats.steps_lost.fetch_add(self.backlog.take_steps_lost(), Ordering::Relaxed);
        self.count(|s| &s.written, lines);
        if let Some(due) = self.backlog.next(begun, true).filter(|_| chunks > 0) {
            // Only a batch behind which another is certain to come may be left to that one's sync.
            let last = !due.more && self.in_hand.is_read() && !inbox.intake.has_lines();
            let durable = all || last || begun.duration_since(self.synced) >= SYNC_EVERY;
            self.store.append_log_chunks(due.chunks.get(..chunks).unwrap_or(due.chunks), durable)?;
            if durable {
                self.synced = begun;
            }
            self.room.grown(bytes);
            self.stats.bytes.store(self.room.held(), Ordering::Relaxed);
        }
        self.backlog.chunks_written(chunks);
        self.count(|s| &s.written, in_chunks);
        if let Some(due) = self.backlog.next(begun, true).filter(|_| stray > 0) {
            self.store.append_stray_log(due.stray, STRAYS_KEPT)?;
        }
        self.backlog.aside_written(false);
        self.count(|s| &s.written, stray);
        if let Some(due) = self.backlog.next(begun, true).filter(|_| senders > 0) {
            self.store.note_stray_senders(due.senders, STRAY_SENDERS_KEPT)?;
        }
        self.backlog.aside_written(true);
        self.stats.strays.fetch_add(strays, Ordering::Relaxed);
        if let Some(due) = self.backlog.next(begun, true).filter(|_| candidates > 0) {
            let seen = due.candidates.iter().map(|c| c.seen).sum::<u64>();
            let stand = self.store.note_candidates(due.candidates, CANDIDATES_KEPT)?;
            self.stats.candidates.fetch_add(seen, Ordering::Relaxed);
            if let Some(acceptance) = &mut self.acceptance {
                acceptance.look_at(&stand, begun);
            }
        }
        self.backlog.candidates_written(candidates);
        self.stats.candidates_lost.fetch_add(self.backlog.take_candidates_lost(), Ordering::Relaxed);
        if was_failing {
            log::info!("the store takes log lines again; lost={}", self.backlog.lost());
        }
        self.backlog.recovered(self.clock.now(), Instant::now());
        Ok(true)
    }

    /// Deletes a few rows that are too old, when it is time. While the store fails, lines have the first try.
    fn prune(&mut self) {
        if Instant::now() < self.prune_at {
            return;
        }
        if self.backlog.is_failing() {
            self.prune_at = Instant::now() + PRUNE_RETRY;
            return;
        }
        if self.doubt.holds(&*self.clock) {
            self.prune_at = Instant::now() + PRUNE_EVERY;
            return;
        }
        let today = self.clock.now();
        let before = |days: u32| today.plus_ms(-i64::from(days) * DAY_MS);
        let kept = |days: &AtomicU32| before(days.load(Ordering::Relaxed));
        let keep = &self.settings.keep;
        let too_old = TooOld {
            logs: kept(&keep.log_days),
            requests: kept(&keep.request_days),
            changes: before(CHANGES_DAYS),
            reports: kept(&keep.report_days),
            audit: kept(&keep.audit_days),
            now: today,
        };
        let wait = match self.store.prune(&too_old, PRUNE_ROWS) {
            Ok(true) => PRUNE_REST,
            Ok(false) => {
                // Devices are deleted with their logs, so it is counted again.
                self.room.recount();
                PRUNE_EVERY
            }
            Err(error) => {
                log::warn!("old log lines stay for now: {error}");
                PRUNE_RETRY
            }
        };
        self.prune_at = Instant::now() + wait;
    }

    /// Deletes the oldest of what boards say when there is more of it than may be.
    fn make_room(&mut self) {
        let now = Instant::now();
        if now < self.room.wake() || self.backlog.is_failing() {
            return;
        }
        self.room.set_max(self.settings.keep.log_bytes_max.load(Ordering::Relaxed));
        match self.room.step(&mut self.store, now) {
            Ok(dropped) => {
                self.stats.bytes_dropped.fetch_add(dropped, Ordering::Relaxed);
                self.stats.bytes.store(self.room.held(), Ordering::Relaxed);
            }
            Err(error) => {
                log::warn!("log lines stay although there are too many: {error}");
                self.room.rest(now + PRUNE_RETRY);
            }
        }
        self.stats.disk_low.store(u64::from(self.room.is_low()), Ordering::Relaxed);
    }

    /// Takes what is still in the inbox, and writes everything.
    fn finish(&mut self, inbox: &Inbox) {
        // Told to end before it had begun, or before it looked at those that were announced.
        let server = &self.settings.server;
        if let (Ok(devices), Ok(macs)) = (self.store.devices_of(server), self.store.macs_of(server)) {
            (self.devices, self.macs) = (devices, macs);
            self.senders = Senders::new(&self.devices, &self.found).with_macs(&self.macs);
        }
        // Each round takes one line at least; whoever still speaks then has no end.
        for _ in 0..JOURNAL_QUEUE {
            let Ok(line) = inbox.lines.try_recv() else { break };
            self.take(line, &inbox.lines);
            self.write(inbox, false);
        }
        let mut tries = 0;
        loop {
            let more = self.sort(inbox);
            if self.write(inbox, true) {
                if !more {
                    break;
                }
                continue;
            }
            tries += 1;
            if tries == LAST_TRIES {
                let (waiting, _) = inbox.intake.used();
                log::error!("lines={} and bytes={waiting} of device logs are lost", self.backlog.lines());
                break;
            }
            std::thread::sleep(LAST_REST);
        }
    }

    fn count(&self, which: impl Fn(&Stats) -> &AtomicU64, by: usize) {
        which(&self.stats).fetch_add(by as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

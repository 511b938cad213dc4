//! The *journal* thread: what boards and layers say, into the device logs; and what is too old, out of them.
//!
//! It writes in batches on its own connection, so that a chatty rack costs the machines nothing. While the store does not answer, a
//! bounded backlog waits; what finds no room is counted, and the count is written where the lines are missing.

pub mod backlog;
pub mod names;
pub mod senders;
pub mod strays;

use super::messages::{JOURNAL_QUEUE, JournalLine};
use super::supervise::Exit;
use crate::clock::Clock;
use crate::logic::ids::{DeviceName, Mac};
use crate::store::{ChangeKind, DeviceLogLine, Result, Store, StrayLogLine, TooOld};
use backlog::{Added, BATCH_LINES, Backlog};
use crossbeam_channel::{Receiver, Sender, TrySendError, at, bounded, select_biased};
use names::LookUp;
use senders::{Addresses, Senders};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use strays::Strays;

/// Lines of unknown senders that are kept: enough to see what a new rack says, little enough for a port scan not to matter.
pub const STRAYS_KEPT: usize = 10_000;
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
    fn prune(&mut self, too_old: &TooOld, limit: usize) -> Result<bool> {
        (**self).prune(too_old, limit)
    }
}

/// What the journal needs to know of its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The imaging server whose devices send their lines here.
    pub server: String,
    /// Log lines are kept so long after they came.
    pub log_retention_days: u32,
    /// Requests are kept so long after they expired.
    pub request_retention_days: u32,
}

/// What the journal has done since it started, for whoever shows it.
#[derive(Debug, Default)]
pub struct Stats {
    /// Lines on disk.
    pub written: AtomicU64,
    /// Of those, lines of unknown senders.
    pub strays: AtomicU64,
    /// Lines that are lost, here or on the way here.
    pub lost: AtomicU64,
    /// Writes that the store refused.
    pub failures: AtomicU64,
}

/// The thread's state.
pub struct Journal<S = Box<dyn Store>> {
    store: S,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// Lines that others had to drop on their way here, since we last looked.
    dropped: Arc<AtomicU64>,
    stats: Arc<Stats>,
    look_up: LookUp,
    devices: Vec<(DeviceName, String)>,
    macs: Vec<(Mac, DeviceName)>,
    /// Of `devices`; `None` before they are read.
    version: Option<u64>,
    found: Addresses,
    senders: Senders,
    backlog: Backlog,
    strays: Strays,
    refreshed: Instant,
    refresh_at: Instant,
    prune_at: Instant,
}

/// The ends of the channels to *names* that are the journal's.
struct Names {
    ask: Sender<Vec<String>>,
    found: Receiver<Addresses>,
}

impl<S: LogStore> Journal<S> {
    /// A journal that writes to `store`; `dropped` counts lines that found its queue full.
    pub fn new(store: S, clock: Arc<dyn Clock>, settings: Settings, dropped: Arc<AtomicU64>) -> Self {
        let now = Instant::now();
        Self {
            store,
            settings,
            clock,
            dropped,
            stats: Arc::default(),
            look_up: names::system,
            devices: Vec::new(),
            macs: Vec::new(),
            version: None,
            found: Addresses::new(),
            senders: Senders::default(),
            backlog: Backlog::default(),
            strays: Strays::default(),
            refreshed: now,
            refresh_at: now,
            prune_at: now,
        }
    }

    /// What it does, to look at while it runs.
    pub fn stats(&self) -> Arc<Stats> {
        self.stats.clone()
    }

    /// The thread's body: ends when `stop` is told or dropped, after it has written what is in `lines`.
    pub fn run(mut self, lines: &Receiver<JournalLine>, stop: &Receiver<()>) -> Exit {
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
        let exit = self.listen(lines, stop, &Names { ask, found });
        self.finish(lines);
        drop(stop_names);
        // A panic there has ended us with its name already.
        let _ = names.join();
        exit
    }

    fn listen(&mut self, lines: &Receiver<JournalLine>, stop: &Receiver<()>, names: &Names) -> Exit {
        let start = Instant::now();
        // Lines that came while the daemon started must not be strays because names are not looked up yet.
        let mut first = true;
        loop {
            if let Err(exit) = self.refresh(names) {
                return exit;
            }
            self.write(false);
            self.prune();
            let is_early = first && self.needs_names() && start.elapsed() < FIRST_NAMES;
            let mut wake = self.refresh_at.min(self.prune_at);
            wake = self.backlog.due().map_or(wake, |due| due.min(wake));
            if is_early {
                wake = wake.min(start + FIRST_NAMES);
            }
            let nothing = crossbeam_channel::never();
            select_biased! {
                recv(stop) -> _ => return Exit::Stopped,
                recv(names.found) -> found => match found {
                    Ok(found) => {
                        first = false;
                        self.found = found;
                        self.senders = Senders::new(&self.devices, &self.found).with_macs(&self.macs);
                    }
                    Err(_) => return Exit::Lost("names"),
                },
                recv(at(wake)) -> _ => {}
                recv(if is_early { &nothing } else { lines }) -> line => match line {
                    Ok(line) => self.take(line, lines),
                    Err(_) => return Exit::Lost("everybody who has something to say"),
                },
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
                Added::Device => {}
                // What comes behind it may be a new device's.
                Added::News => {
                    self.refresh_at = now;
                    break;
                }
                Added::Lost => self.count(|s| &s.lost, 1),
                Added::Stray(from) => {
                    if let Some(count) = self.strays.note(from, now) {
                        log::warn!(
                            "lines from {from}: no device has this address or name; lines={count} kept aside"
                        );
                    }
                    // Perhaps it is new; but a flood of strangers costs one look in a while.
                    self.refresh_at = self.refresh_at.min(self.refreshed + REFRESH_REST);
                }
            }
        }
    }

    /// Writes the batch that is due, or with `all` everything; false when the store fails.
    fn write(&mut self, all: bool) -> bool {
        while let Some((device, stray)) = self.backlog.next(Instant::now(), all) {
            let (devices, strays) = (device.len(), stray.len());
            let result = if devices == 0 { Ok(()) } else { self.store.append_device_log(device) };
            let (written, result) = match result {
                Ok(()) if strays == 0 => (devices, Ok(())),
                Ok(()) => (devices, self.store.append_stray_log(stray, STRAYS_KEPT)),
                Err(error) => (0, Err(error)),
            };
            let now = Instant::now();
            let was_failing = self.backlog.is_failing();
            if let Err(error) = result {
                self.backlog.written(written, 0);
                self.count(|s| &s.written, written);
                let wait = self.backlog.failed(now);
                self.count(|s| &s.failures, 1);
                let lines = self.backlog.lines();
                log::error!("{error}; lines={lines} wait, the next try is in {} ms", wait.as_millis());
                return false;
            }
            self.backlog.written(devices, strays);
            self.count(|s| &s.written, devices + strays);
            self.count(|s| &s.strays, strays);
            if was_failing {
                log::info!("the store takes log lines again; lost={}", self.backlog.lost());
            }
            self.backlog.recovered(self.clock.now(), now);
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                log::warn!("the journal could not keep up; lost={dropped}");
                self.stats.lost.fetch_add(dropped, Ordering::Relaxed);
                self.backlog.note_drops("syslog and TFTP", dropped, self.clock.now(), now);
            }
        }
        true
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
        let today = self.clock.now();
        let before = |days: u32| today.plus_ms(-i64::from(days) * DAY_MS);
        let too_old = TooOld {
            logs: before(self.settings.log_retention_days),
            requests: before(self.settings.request_retention_days),
            changes: before(CHANGES_DAYS),
            now: today,
        };
        let wait = match self.store.prune(&too_old, PRUNE_ROWS) {
            Ok(true) => PRUNE_REST,
            Ok(false) => PRUNE_EVERY,
            Err(error) => {
                log::warn!("old log lines stay for now: {error}");
                PRUNE_RETRY
            }
        };
        self.prune_at = Instant::now() + wait;
    }

    /// Takes what is still in the queue, and writes everything.
    fn finish(&mut self, lines: &Receiver<JournalLine>) {
        if self.devices.is_empty() {
            // Told to end before it had begun.
            self.devices = self.store.devices_of(&self.settings.server).unwrap_or_default();
            self.macs = self.store.macs_of(&self.settings.server).unwrap_or_default();
            self.senders = Senders::new(&self.devices, &self.found).with_macs(&self.macs);
        }
        for _ in 0..=JOURNAL_QUEUE / BATCH_LINES {
            let Ok(line) = lines.try_recv() else { break };
            self.take(line, lines);
            self.write(false);
        }
        for last in 1..=LAST_TRIES {
            if self.write(true) {
                break;
            }
            if last == LAST_TRIES {
                log::error!("lines={} of device logs are lost", self.backlog.lines());
            } else {
                std::thread::sleep(LAST_REST);
            }
        }
    }

    fn count(&self, which: impl Fn(&Stats) -> &AtomicU64, by: usize) {
        which(&self.stats).fetch_add(by as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;

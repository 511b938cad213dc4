//! The *changes* thread: reads what has changed from the store, in order, and keeps the last of it ready for those who watch.
//!
//! It is woken by the store's bell and reads by number, so nothing is told twice or left out, whatever happened to the process
//! that wrote it. While the store does not answer, watchers wait; they are told everything when it is back.
//!
//! In a pool other servers write to the store, too, and their bells are not heard here. Then the store is asked for its last
//! number at short intervals, and what others did is told to the layers that keep something of it in memory.

use super::messages::{LifeguardCommand, Look, MozpoolNotice};
use super::supervise::Exit;
use crate::api::events::{Entry, RECENT_MAX, Recent};
use crate::store::{Bell, Change, ChangeData, ChangeKind, ChangeWhat, Result, Store};
use crossbeam_channel::Sender;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Rows read at once: a millisecond or two.
const PAGE: usize = 1000;
/// Between two readings: changes that come in a flood are told in bunches, so that a hundred watchers do not wake for each.
const REST: Duration = Duration::from_millis(5);
/// When the store has failed, it is asked again after this.
const STORE_REST: Duration = Duration::from_secs(1);
/// Commands beside the daemon may write to the same store, and their bells are not heard here.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);
/// Devices to look at again that are told one by one; beyond, reading all of them is less work.
const DEVICES_MAX: usize = 256;

/// What the thread needs in a pool.
#[derive(Debug)]
pub struct Sharing {
    /// The store is asked so often.
    pub look: Duration,
    /// Keeps devices and definitions in memory.
    pub lifeguard: Sender<LifeguardCommand>,
    /// Has requests that wait for devices of any server.
    pub mozpool: Sender<MozpoolNotice>,
}

/// The thread's state.
pub struct Feed {
    store: Box<dyn Store>,
    bell: Arc<Bell>,
    recent: Arc<Recent>,
    stopping: Arc<AtomicBool>,
    /// Everything up to this number has been told.
    told: u64,
    sharing: Option<Sharing>,
    /// What *lifeguard* has not been told yet.
    look: Look,
    /// The same for *mozpool*: all who wait look again.
    look_again: bool,
}

/// Tells the thread to end.
#[derive(Debug)]
pub struct Stopper {
    bell: Arc<Bell>,
    stopping: Arc<AtomicBool>,
}

impl Stopper {
    /// It ends at once.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.bell.nudge();
    }
}

impl Feed {
    /// Reads the last changes into `recent`; `store` was opened at the place whose `bell` this is.
    ///
    /// # Errors
    /// The store's.
    pub fn load(mut store: Box<dyn Store>, bell: Arc<Bell>, recent: Arc<Recent>) -> Result<Self> {
        let told = begin(store.as_mut(), &recent)?;
        let (look, look_again) = (Look::default(), false);
        Ok(Self { store, bell, recent, stopping: Arc::default(), told, sharing: None, look, look_again })
    }

    /// In a pool.
    pub fn shared(self, sharing: Sharing) -> Self {
        Self { sharing: Some(sharing), ..self }
    }

    /// What ends it.
    pub fn stopper(&self) -> Stopper {
        Stopper { bell: Arc::clone(&self.bell), stopping: Arc::clone(&self.stopping) }
    }

    /// The thread's body.
    pub fn run(mut self) -> Exit {
        let mut failing = false;
        loop {
            let told = self.told;
            let look = self.sharing.as_ref().map_or(LOOK_ANYWAY, |s| s.look);
            self.sleep(if failing { STORE_REST } else { look }, |last| last > told && !failing);
            if self.stopping.load(Ordering::SeqCst) {
                self.recent.close();
                return Exit::Stopped;
            }
            match self.look() {
                Ok(()) if failing => {
                    log::info!("the store answers again; watchers are told what they have missed");
                }

                Ok(()) => {}
                Err(error) if failing => log::debug!("{error}"),
                Err(error) => {
                    log::error!("{error}; those who watch for changes wait for the store");
                    failing = true;
                    continue;
                }
            }
            failing = false;
            self.sleep(REST, |_| false);
        }
    }

    /// One reading without waiting: whoever calls this keeps the time.
    pub(crate) fn turn(&mut self) -> Result<()> {
        self.look()
    }

    /// Until `done` of the last number, the stop, or `limit`.
    fn sleep(&self, limit: Duration, done: impl Fn(u64) -> bool) {
        self.bell.wait_until(limit, |last| done(last) || self.stopping.load(Ordering::SeqCst));
    }

    /// Tells everything that is there.
    fn look(&mut self) -> Result<()> {
        // One small query, where nothing has been heard: in a pool that is most of the time.
        if self.sharing.is_some() && self.bell.last() <= self.told {
            self.bell.heard(&self.store.last_changes()?);
            if self.bell.last() <= self.told {
                self.tell_layers();
                return Ok(());
            }
        }
        let read = self.read();
        self.tell_layers();
        read
    }

    fn read(&mut self) -> Result<()> {
        loop {
            let page = self.store.changes(self.told, PAGE)?;
            if page.oldest > self.told + 1 || page.last < self.told {
                // More than is kept has come since we last looked, or the store was exchanged under us.
                log::warn!("changes from {} to {} were not read in time", self.told + 1, page.oldest - 1);
                self.told = begin(self.store.as_mut(), &self.recent)?;
                (self.look.all, self.look_again) = (true, true);
                return Ok(());
            }
            if self.sharing.is_some() {
                page.changes.iter().for_each(|change| self.note(change));
            }
            let is_full = page.seen >= self.told + PAGE as u64;
            if page.seen > self.told {
                self.told = page.seen;
                self.recent.add(page.changes.into_iter().map(Entry::from).collect(), page.seen);
            }
            if !is_full || self.stopping.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }

    /// What of a change concerns what the layers keep in memory. Our own changes come by here as well: to look at a device
    /// that is as it was costs one read.
    fn note(&mut self, change: &Change) {
        match change.kind {
            ChangeKind::Device => {
                // A device's states are the work of its own server.
                if change.what != ChangeWhat::State {
                    self.look.devices.insert(change.subject.as_str().into());
                }
                match &change.data {
                    ChangeData::Device(news) if news.state == "ready" && news.request.is_none() => {
                        self.freed(change.subject.as_str().into());
                    }
                    _ => {}
                }
                self.look_again |= change.what == ChangeWhat::Created;
            }
            ChangeKind::Image | ChangeKind::PxeConfig | ChangeKind::HardwareType => {
                (self.look.catalog, self.look_again) = (true, true);
            }
            ChangeKind::Server => self.look_again = true,
            ChangeKind::Request | ChangeKind::RelayBoard | ChangeKind::Candidate => {}
        }
        if self.look.devices.len() > DEVICES_MAX {
            self.look = Look { all: true, ..Look::default() };
        }
    }

    fn freed(&mut self, device: crate::logic::ids::DeviceName) {
        let Some(sharing) = &self.sharing else { return };
        // Who waits looks again within ten seconds, should there be no room.
        self.look_again |= sharing.mozpool.try_send(MozpoolNotice::DeviceFreed { device }).is_err();
    }

    /// What finds no room now is told with what comes next.
    fn tell_layers(&mut self) {
        let Some(sharing) = &self.sharing else { return };
        if !self.look.is_empty() {
            let command = LifeguardCommand::LookAgain { look: Box::new(self.look.clone()) };
            if sharing.lifeguard.try_send(command).is_ok() {
                self.look = Look::default();
            }
        }
        if self.look_again && sharing.mozpool.try_send(MozpoolNotice::Administered).is_ok() {
            self.look_again = false;
        }
    }
}

/// Puts the last changes of the store into `recent`; returns the number of the last.
fn begin(store: &mut dyn Store, recent: &Recent) -> Result<u64> {
    let last = store.last_changes()?.all;
    let page = store.changes(last.saturating_sub(RECENT_MAX as u64), RECENT_MAX)?;
    // In a lab where nothing has happened for long, none is kept any more, and the numbers go on all the same.
    let told = page.seen.max(last);
    recent.begin(page.changes.into_iter().map(Entry::from).collect(), told);
    Ok(told)
}

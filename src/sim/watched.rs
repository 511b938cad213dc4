//! The store that the layers are given: the real one, with an eye on what is written, and failures on demand.
//!
//! A crash falls on a write: before it, and nothing is on disk, or after it, and what should have followed never happens.
//! From then on nothing answers; the world throws the layers away with all that was under way and loads them again.

use super::dice::Dice;
use super::ledger::{Shared, open};
use crate::clock::{Clock, ManualClock};
use crate::lab::{Change, Lab};
use crate::logic::catalog::Catalog;
use crate::logic::events::ImagingResult;
use crate::logic::ids::{DeviceName, RequestId};
use crate::logic::mozpool::{Candidate, Named, Wanted};
use crate::logic::time::Timestamp;
use crate::store::*;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is wrong with the store.
#[derive(Debug)]
pub(super) struct Trouble {
    pub(super) dice: Dice,
    /// Nothing answers until then; steady time.
    pub(super) away_until_ms: i64,
    /// Probability that a write fails.
    pub(super) write_fails: f64,
    /// So many writes from now the daemon dies.
    pub(super) crash_in: Option<u32>,
    /// It has died.
    pub(super) dead: bool,
}

pub(super) type Troubles = Arc<Mutex<Trouble>>;

pub(super) fn troubles(shared: &Troubles) -> MutexGuard<'_, Trouble> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Written,
    /// Written, and nobody lives to hear of it.
    WrittenAndDead,
}

pub(super) struct Watched {
    pub(super) inner: Box<dyn Store>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) ledger: Shared,
    pub(super) troubles: Troubles,
}

fn unavailable<T>(doing: &'static str) -> Result<T> {
    Err(StoreError::Unavailable { doing, source: "simulated".into() })
}

impl Watched {
    fn read(&self, doing: &'static str) -> Result<()> {
        let t = troubles(&self.troubles);
        if t.dead || self.clock.steady_ms() < t.away_until_ms { unavailable(doing) } else { Ok(()) }
    }

    fn write(&self, doing: &'static str) -> Result<Fate> {
        self.read(doing)?;
        let t = &mut *troubles(&self.troubles);
        match &mut t.crash_in {
            Some(0) => {
                (t.dead, t.crash_in) = (true, None);
                if t.dice.chance(0.5) { Ok(Fate::WrittenAndDead) } else { unavailable(doing) }
            }
            Some(n) => {
                *n -= 1;
                Ok(Fate::Written)
            }
            None if t.dice.chance(t.write_fails) => unavailable(doing),
            None => Ok(Fate::Written),
        }
    }
}

/// The answer to a write that was carried out.
fn told<T>(fate: Fate, answer: T) -> Result<T> {
    if fate == Fate::Written { Ok(answer) } else { unavailable("answer") }
}

macro_rules! pass_on {
    ($(fn $verb:ident($($arg:ident: $type:ty),*) -> $ret:ty;)*) => {
        impl Store for Watched {
            fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
                let fate = self.write("write requests")?;
                let done = self.inner.commit_requests(commits)?;
                let mut ledger = open(&self.ledger);
                for (commit, done) in commits.iter().zip(&done) {
                    if *done == Committed::Done {
                        ledger.request_written(commit);
                    }
                }
                drop(ledger);
                told(fate, done)
            }
            fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
                let fate = self.write("write devices")?;
                let done = self.inner.commit_devices(commits)?;
                let mut ledger = open(&self.ledger);
                for (commit, done) in commits.iter().zip(&done) {
                    if *done == Committed::Done {
                        ledger.device_written(commit, fate == Fate::Written);
                    }
                }
                drop(ledger);
                told(fate, done)
            }
            fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
                let fate = self.write("make requests")?;
                let ids = self.inner.insert_requests(new)?;
                open(&self.ledger).requests_made(&ids, new);
                told(fate, ids)
            }
            $(fn $verb(&mut self, $($arg: $type),*) -> Result<$ret> {
                self.read(stringify!($verb))?;
                self.inner.$verb($($arg),*)
            })*
        }
    };
}

pass_on! {
    fn catalog() -> Catalog;
    fn load_devices(server: &str) -> Vec<DeviceRecord>;
    fn load_device(name: &str) -> Option<DeviceRecord>;
    fn load_requests(server: &str) -> Vec<RequestRecord>;
    fn load_request(id: RequestId) -> Option<RequestRecord>;
    fn register_server(server: &ServerRow) -> ();
    fn edit_device(name: &str, edit: &DeviceEdit) -> bool;
    fn free_devices(wanted: &Wanted, now: Timestamp) -> Vec<Candidate>;
    fn candidate(name: &str, now: Timestamp) -> Option<Candidate>;
    fn named(name: &str) -> Option<Named>;
    fn imaging_result(request: RequestId) -> Option<ImagingResult>;
    fn append_device_log(lines: &[DeviceLogLine]) -> ();
    fn append_stray_log(lines: &[StrayLogLine], keep: usize) -> ();
    fn prune(logs_before: Timestamp, requests_before: Timestamp, limit: usize) -> bool;
    fn device_names() -> Vec<DeviceName>;
    fn devices(filter: &DeviceFilter) -> Vec<DeviceView>;
    fn device(name: &str) -> Option<DeviceView>;
    fn device_log(name: &str, since: Option<Timestamp>, limit: Option<usize>) -> Vec<LogLine>;
    fn stray_log(limit: Option<usize>) -> Vec<StrayLogLine>;
    fn requests(include_closed: bool) -> Vec<RequestView>;
    fn request(id: RequestId) -> Option<RequestView>;
    fn request_log(id: RequestId, limit: Option<usize>) -> Vec<LogLine>;
    fn environments() -> Vec<String>;
    fn images() -> Vec<ImageRow>;
    fn image(name: &str) -> Option<ImageRow>;
    fn pxe_configs() -> Vec<PxeConfigRow>;
    fn pxe_config(name: &str) -> Option<PxeConfigRow>;
    fn relay_board(name: &str) -> Option<RelayBoardRow>;
    fn relay_boards() -> Vec<RelayBoardRow>;
    fn servers() -> Vec<ServerRow>;
    fn apply_lab(lab: &Lab, dry_run: bool, now: Timestamp) -> Vec<Change>;
}

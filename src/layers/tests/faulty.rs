//! A store that fails when it is told to: what is written stays, what is asked for is refused.
//!
//! It passes every verb on by name, so that a test can break one of them and leave the others alone.

use crate::lab::{Change, Kind, Lab};
use crate::logic::catalog::Catalog;
use crate::logic::events::ImagingResult;
use crate::logic::ids::{DeviceName, HardwareId, RequestId};
use crate::logic::mozpool::{Board, Candidate, Named};
use crate::logic::time::Timestamp;
use crate::store::*;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing answers.
    All,
    /// This verb does not.
    Verb(&'static str),
    /// This verb does not the next time, and then all is well.
    Once(&'static str),
    /// What this verb reads makes no sense.
    Corrupt(&'static str),
    /// What is to be written of this device refers to something that is gone.
    Device(&'static str),
}

pub(super) type Switch = Arc<Mutex<Option<Trouble>>>;
/// Done once, before the next commit of requests: what another server does at that moment.
pub(super) type Between = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

pub(super) struct Faulty {
    pub(super) inner: Box<dyn Store>,
    pub(super) switch: Switch,
    pub(super) between: Between,
}

impl Faulty {
    fn check(&self, verb: &'static str) -> Result<()> {
        let mut switch = self.switch.lock().unwrap();
        match *switch {
            Some(Trouble::Once(v)) if v == verb => {
                *switch = None;
                Err(StoreError::Unavailable { doing: verb, source: "told to, once".into() })
            }
            Some(Trouble::All) => Err(StoreError::Unavailable { doing: verb, source: "told to".into() }),
            Some(Trouble::Verb(v)) if v == verb => {
                Err(StoreError::Unavailable { doing: verb, source: "told to".into() })
            }
            Some(Trouble::Corrupt(v)) if v == verb => Err(StoreError::Corrupt { what: "told to".into() }),
            _ => Ok(()),
        }
    }
}

macro_rules! pass_on {
    ($(fn $verb:ident($($arg:ident: $type:ty),*) -> $ret:ty;)*) => {
        impl Store for Faulty {
            fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
                self.check("commit_requests")?;
                if let Some(between) = self.between.lock().unwrap().take() {
                    between();
                }
                self.inner.commit_requests(commits)
            }
            fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
                self.check("commit_devices")?;
                match *self.switch.lock().unwrap() {
                    Some(Trouble::Device(name)) if commits.iter().any(|c| &*c.next.name == name) => {
                        Err(StoreError::Refused { why: "told to".into() })
                    }
                    _ => self.inner.commit_devices(commits),
                }
            }
            $(fn $verb(&mut self, $($arg: $type),*) -> Result<$ret> {
                self.check(stringify!($verb))?;
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
    fn register_server(server: &ServerRow, at: Timestamp) -> ();
    fn edit_device(name: &str, edit: &DeviceEdit, at: Timestamp) -> bool;
    fn insert_requests(new: &[NewRequest]) -> Vec<RequestId>;
    fn free_kinds() -> Vec<FreeKind>;
    fn free_devices(of: &FreeKind, start: u32, limit: usize) -> Vec<DeviceName>;
    fn hardware_of_image(image: &str) -> HashSet<HardwareId>;
    fn board(name: &str, now: Timestamp) -> Option<(Board, Candidate)>;
    fn boards(limit: usize) -> Vec<Board>;
    fn mend_free() -> usize;
    fn named(name: &str) -> Option<Named>;
    fn imaging_result(request: RequestId) -> Option<ImagingResult>;
    fn append_device_log(lines: &[DeviceLogLine]) -> ();
    fn append_stray_log(lines: &[StrayLogLine], keep: usize) -> ();
    fn prune(too_old: &TooOld, limit: usize) -> bool;
    fn changes(after: u64, limit: usize) -> ChangesPage;
    fn last_changes() -> LastChanges;
    fn device_names() -> Vec<DeviceName>;
    fn device_addresses(server: &str) -> Vec<(DeviceName, String)>;
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
    fn delete(what: &Deletion, force: bool, dry_run: bool, now: Timestamp) -> Vec<Change>;
    fn export_lab(kinds: &[Kind]) -> Lab;
}

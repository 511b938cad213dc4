//! A store behind somebody who watches, refuses or spoils what passes: for simulations and tests.
//!
//! The only list of verbs beside the trait's own. Whoever stands between says what is special; all else is passed on.

use super::*;
use crate::lab::{Change as LabChange, Kind, Lab};
use crate::logic::ids::HardwareId;
use crate::logic::mozpool::Board;
use crate::logic::report::{Failed, Outcome, Spell, Window};
use std::collections::HashSet;

/// Somebody between a layer and its store.
pub(crate) trait Between: Send {
    /// The store behind it.
    fn store(&mut self) -> &mut dyn Store;

    /// Before every verb that is passed on, by its name.
    ///
    /// # Errors
    /// Whatever the verb is to fail with.
    fn before(&mut self, verb: &'static str) -> Result<()> {
        let _ = verb;
        Ok(())
    }

    /// [`Store::commit_devices`]
    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        self.before("commit_devices")?;
        self.store().commit_devices(commits)
    }

    /// [`Store::commit_requests`]
    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        self.before("commit_requests")?;
        self.store().commit_requests(commits)
    }

    /// [`Store::insert_requests`]
    fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
        self.before("insert_requests")?;
        self.store().insert_requests(new)
    }
}

/// The store that callers see.
pub(crate) struct Through<B>(pub(crate) B);

macro_rules! pass_on {
    ($(fn $verb:ident($($arg:ident: $type:ty),*) -> $ret:ty;)*) => {
        impl<B: Between> Store for Through<B> {
            fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
                self.0.commit_devices(commits)
            }
            fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
                self.0.commit_requests(commits)
            }
            fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
                self.0.insert_requests(new)
            }
            $(fn $verb(&mut self, $($arg: $type),*) -> Result<$ret> {
                self.0.before(stringify!($verb))?;
                self.0.store().$verb($($arg),*)
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
    fn append_log_chunks(chunks: &[LogChunk], durable: bool) -> ();
    fn append_attempt_steps(steps: &[AttemptStep]) -> ();
    fn note_stray_senders(senders: &[StraySender], keep: usize) -> ();
    fn log_bytes() -> u64;
    fn largest_log() -> Option<(i64, u64)>;
    fn drop_oldest_chunks(device: i64, bytes: u64) -> u64;
    fn prune(too_old: &TooOld, limit: usize) -> bool;
    fn changes(after: u64, limit: usize) -> ChangesPage;
    fn last_changes() -> LastChanges;
    fn device_addresses(server: &str) -> Vec<(DeviceName, String)>;
    fn device_macs(server: &str) -> Vec<(Mac, DeviceName)>;
    fn device_names() -> Vec<DeviceName>;
    fn devices(filter: &DeviceFilter) -> Vec<DeviceView>;
    fn device(name: &str) -> Option<DeviceView>;
    fn device_log(name: &str, since: Option<Timestamp>, limit: Option<usize>) -> Vec<LogLine>;
    fn search_log(name: &str, search: &LogSearch) -> LogPage;
    fn log_behind(name: &str, place: Place) -> Option<Behind>;
    fn attempts(name: &str, before: Option<i64>, limit: usize) -> Vec<AttemptView>;
    fn good_attempts(kind: &AttemptKind, limit: usize) -> Vec<Attempt>;
    fn stray_senders() -> Vec<StraySender>;
    fn stray_log_of(sender: &str, limit: usize) -> Vec<StrayLogLine>;
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
    fn join_pool(me: &Beat, at: Timestamp) -> ();
    fn beat(me: &Beat, at: Timestamp) -> Option<bool>;
    fn declare_gone(server: &str, beats: i64, at: Timestamp) -> bool;
    fn leave_pool(me: &Beat, at: Timestamp) -> ();
    fn pool() -> Vec<ServerSeen>;
    fn overdue_requests(now: Timestamp, limit: usize) -> Vec<RequestId>;
    fn spells(window: Window, take: &mut dyn FnMut(Spell<'_>)) -> ();
    fn failures(window: Window, take: &mut dyn FnMut(Failed<'_>)) -> ();
    fn outcomes(window: Window, take: &mut dyn FnMut(Outcome<'_>)) -> ();
    fn device_history(device: &str, limit: usize) -> Vec<SpellRow>;
    fn standing_failures() -> Vec<StandingFailure>;
    fn apply_lab(lab: &Lab, dry_run: bool, now: Timestamp) -> Vec<LabChange>;
    fn delete(what: &Deletion, force: bool, dry_run: bool, now: Timestamp) -> Vec<LabChange>;
    fn export_lab(kinds: &[Kind]) -> Lab;
}

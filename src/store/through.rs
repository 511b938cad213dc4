//! A store behind somebody who counts, watches, refuses or spoils what passes: for monitors, simulations and tests.
//!
//! The only list of verbs beside the trait's own. Whoever stands between says what is special; all else is passed on.

use super::*;
use crate::access::Digest;
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

    /// After every verb that was passed on, with what it failed with.
    fn after(&mut self, verb: &'static str, error: Option<&StoreError>) {
        let _ = (verb, error);
    }

    /// [`Store::commit_devices`]
    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        self.before("commit_devices")?;
        let done = self.store().commit_devices(commits);
        self.after("commit_devices", done.as_ref().err());
        done
    }

    /// [`Store::commit_requests`]
    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        self.before("commit_requests")?;
        let done = self.store().commit_requests(commits);
        self.after("commit_requests", done.as_ref().err());
        done
    }

    /// [`Store::insert_requests`]
    fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
        self.before("insert_requests")?;
        let done = self.store().insert_requests(new);
        self.after("insert_requests", done.as_ref().err());
        done
    }

    /// [`Store::append_attempt_steps`]
    fn append_attempt_steps(&mut self, steps: &[AttemptStep]) -> Result<()> {
        self.before("append_attempt_steps")?;
        let done = self.store().append_attempt_steps(steps);
        self.after("append_attempt_steps", done.as_ref().err());
        done
    }

    /// [`Store::load_devices`]
    fn load_devices(&mut self, server: &str) -> Result<Vec<DeviceRecord>> {
        self.before("load_devices")?;
        let done = self.store().load_devices(server);
        self.after("load_devices", done.as_ref().err());
        done
    }

    /// [`Store::load_requests`]
    fn load_requests(&mut self, server: &str) -> Result<Vec<RequestRecord>> {
        self.before("load_requests")?;
        let done = self.store().load_requests(server);
        self.after("load_requests", done.as_ref().err());
        done
    }

    /// [`Store::load_request`]
    fn load_request(&mut self, id: RequestId) -> Result<Option<RequestRecord>> {
        self.before("load_request")?;
        let done = self.store().load_request(id);
        self.after("load_request", done.as_ref().err());
        done
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
            fn append_attempt_steps(&mut self, steps: &[AttemptStep]) -> Result<()> {
                self.0.append_attempt_steps(steps)
            }
            fn load_devices(&mut self, server: &str) -> Result<Vec<DeviceRecord>> {
                self.0.load_devices(server)
            }
            fn load_requests(&mut self, server: &str) -> Result<Vec<RequestRecord>> {
                self.0.load_requests(server)
            }
            fn load_request(&mut self, id: RequestId) -> Result<Option<RequestRecord>> {
                self.0.load_request(id)
            }
            $(fn $verb(&mut self, $($arg: $type),*) -> Result<$ret> {
                self.0.before(stringify!($verb))?;
                let done = self.0.store().$verb($($arg),*);
                self.0.after(stringify!($verb), done.as_ref().err());
                done
            })*
        }
    };
}

pass_on! {
    fn catalog() -> Catalog;
    fn load_device(name: &str) -> Option<DeviceRecord>;
    fn register_server(server: &ServerRow, at: Timestamp) -> ();
    fn edit_device(name: &str, edit: &DeviceEdit, at: Timestamp) -> bool;
    fn free_kinds() -> Vec<FreeKind>;
    fn free_devices(of: &FreeKind, start: u32, limit: usize) -> Vec<DeviceName>;
    fn hardware_of_image(image: &str) -> HashSet<HardwareId>;
    fn board(name: &str, now: Timestamp) -> Option<(Board, Candidate)>;
    fn some_boards(names: &[DeviceName], now: Timestamp) -> Vec<(Board, Candidate)>;
    fn boards(limit: usize) -> Vec<Board>;
    fn mend_free() -> usize;
    fn named(name: &str) -> Option<Named>;
    fn imaging_result(request: RequestId) -> Option<ImagingResult>;
    fn append_device_log(lines: &[DeviceLogLine]) -> ();
    fn append_stray_log(lines: &[StrayLogLine], keep: usize) -> ();
    fn append_log_chunks(chunks: &[LogChunk], durable: bool) -> ();
    fn note_stray_senders(senders: &[StraySender], keep: usize) -> ();
    fn note_candidates(seen: &[CandidateRow], keep: usize) -> Vec<CandidateRow>;
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
    fn candidates() -> Vec<CandidateRow>;
    fn candidate(mac: Mac) -> Option<CandidateRow>;
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
    fn join_pool(server: &ServerRow, me: &Beat, instead: &Instead, at: Timestamp) -> Joined;
    fn beat(me: &Beat, at: Timestamp) -> Beaten;
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
    fn ignore_candidate(mac: Mac, ignored: bool, now: Timestamp) -> bool;
    fn sync_inventory(sync: &Sync, dry_run: bool, now: Timestamp) -> Synced;
    fn take_lease(name: &str, holder: &str, now: Timestamp, ends: Timestamp) -> bool;
    fn give_up_lease(name: &str, holder: &str) -> ();
    fn lease(name: &str) -> Option<Lease>;
    fn tokens() -> Vec<TokenRow>;
    fn token_of_hash(hash: &Digest) -> Option<TokenRow>;
    fn token_of_name(name: &str) -> Option<TokenRow>;
    fn make_token(row: &TokenRow, hash: Option<&Digest>) -> bool;
    fn revoke_token(name: &str) -> bool;
    fn session(hash: &Digest) -> Option<(TokenRow, Timestamp)>;
    fn make_session(new: &NewSession, keep: SessionsMax) -> bool;
    fn end_session(hash: &Digest) -> ();
    fn append_audit(entries: &[AuditRow], used: &[(String, Timestamp)]) -> ();
    fn audit(search: &AuditSearch) -> Vec<AuditRow>;
    fn export_lab(kinds: &[Kind]) -> Lab;
}

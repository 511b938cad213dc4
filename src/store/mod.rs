//! What is kept, as verbs. No SQL and no database type leaves this module.
//!
//! Each thread has a `Store` of its own. The *lifeguard* thread alone writes devices, *mozpool* requests and claims, *journal*
//! the logs that come from outside; everybody reads. A method that changes several rows does so in one transaction.

mod access;
mod admin;
mod apply;
mod attempts;
mod backup;
mod boards;
mod candidates;
mod cells;
mod changes;
mod chunk;
mod conn;
mod copy;
mod delete;
mod deletion;
mod devices;
mod export;
mod inventory;
mod leases;
mod location;
mod lock;
mod logs;
mod migrate;
mod mysql;
mod outcomes;
mod peers;
mod process;
mod requests;
mod rows;
mod search;
mod seed;
mod spells;
mod sql;
mod sqlite;
mod sqlstore;
pub(crate) mod tally;
pub(crate) mod through;

pub use access::{AuditRow, AuditSearch, NewSession, SessionsMax, TokenRow};
pub use backup::{Check, Restored, Verified};
pub use changes::{
    Bell, CHANGES_KEPT, Change, ChangeData, ChangeKind, ChangeWhat, ChangesPage, DeviceGone, DeviceNews,
    LastChanges, RequestNews,
};
pub use chunk::{CHUNK_BYTES, CHUNK_LINES, LogChunk};
pub use deletion::{Deletion, InUse, Names};
pub use inventory::{Sync, Synced};
pub use leases::Lease;
pub use location::{BadLocation, Location};
pub use lock::StoreLock;
pub use mysql::BadAddress;
pub use process::Process;
pub use rows::*;

use crate::access::Digest;
use crate::lab::{Change as LabChange, Kind, Lab, LabError};
use crate::logic::attempt::{Attempt, Turn};
use crate::logic::catalog::Catalog;
use crate::logic::events::ImagingResult;
use crate::logic::ids::{DeviceName, HardwareId, Mac, RequestId};
use crate::logic::inventory::Refusal;
use crate::logic::lifeguard::{Device, Failure};
use crate::logic::machine::Epoch;
use crate::logic::mozpool::{Board, Candidate, ClaimChange, Named, Request};
use crate::logic::report::{Failed, Outcome, Spell, Window};
use crate::logic::time::Timestamp;
use std::collections::HashSet;
use std::fmt;

/// Why the store could not do what was asked.
#[derive(Debug)]
pub enum StoreError {
    /// The database refused or was not reachable; trying again later may help.
    Unavailable { doing: &'static str, source: String },
    /// What is stored cannot be read as what it should be; a person must look.
    Corrupt { what: String },
    /// The store was written by a newer program.
    TooNew { found: u32, known: u32 },
    /// Another daemon has this store open.
    Locked { path: String, holder: String },
    /// A change would leave rows without what they refer to.
    Refused { why: String },
    /// A row of a lab cannot be what it says; it names row and field.
    Lab(LabError),
    /// The store is not brought to an inventory; it says why.
    Inventory(Refusal),
    /// Something is used and stays where it is.
    InUse { what: Deletion, why: InUse },
    /// A row was to be made and is there.
    ThereAlready { kind: Kind, name: String },
    /// A row was to be changed and is not there.
    NotThere { kind: Kind, name: String },
    /// What was to be deleted is not there.
    NothingThere { what: Deletion },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { doing, source } => write!(f, "the store failed to {doing}: {source}"),
            Self::Corrupt { what } => write!(f, "the store holds something unreadable: {what}"),
            Self::TooNew { found, known } => write!(
                f,
                "the store has schema version {found}, this program knows {known} at most; install the newer program again"
            ),
            Self::Locked { path, holder } => {
                write!(
                    f,
                    "{path} is in use by {holder}; stop that daemon first, or give this one another store"
                )
            }
            Self::Refused { why } => f.write_str(why),
            Self::Lab(error) => error.fmt(f),
            Self::Inventory(refusal) => refusal.fmt(f),
            Self::InUse { what, why } => write!(f, "{what} cannot be deleted: {why}"),
            Self::ThereAlready { kind, name } => {
                write!(f, "{} {name} is there already; change it, or choose another name", kind.label())
            }
            Self::NotThere { kind, name } => write!(f, "there is no {} {name}", kind.label()),
            Self::NothingThere { what } => write!(f, "there is no {what}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// The schema version that this program works with.
pub fn schema_version() -> u32 {
    migrate::known()
}

/// A result of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// One device's next row, conditional on nobody having moved it since.
#[derive(Debug, Clone)]
pub struct DeviceCommit {
    /// The row to write.
    pub next: Device,
    /// The epoch that the stored row must have.
    pub expected: Epoch,
    /// Lines for the device's log, source `statemachine`.
    pub log: Vec<String>,
    /// How the device's attempt goes on.
    pub turns: Vec<Turn>,
    /// To be written to the device's claim, if it has one.
    pub result: Option<ImagingResult>,
    /// Why it was given up, if it was.
    pub failure: Option<Failure>,
    /// The time of the log lines.
    pub at: Timestamp,
}

/// One request's next row and what becomes of its claim, conditional on nobody having moved it since.
#[derive(Debug, Clone)]
pub struct RequestCommit {
    /// The row to write.
    pub next: Request,
    /// The epoch that the stored row must have.
    pub expected: Epoch,
    /// Inserted or deleted in the same transaction.
    pub claim: ClaimChange,
    /// Lines for the request's log, source `statemachine`.
    pub log: Vec<String>,
    /// A line for the log of the device that the claim is taken of or dropped from.
    pub device_log: Option<String>,
    /// The time of the log lines.
    pub at: Timestamp,
}

/// What became of one row of a commit. The other rows of the same call are not touched by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// Written; on disk when the call returns.
    Done,
    /// The stored row has another epoch: somebody else moved it. Nothing was written for it; load it again.
    Stale,
    /// The device is claimed by another request. Nothing was written for it.
    ClaimLost,
}

/// Everything that Mozpool keeps.
pub trait Store: Send {
    // What the layers start from.

    /// Images, hardware types and the matrix, for the machines.
    fn catalog(&mut self) -> Result<Catalog>;
    /// The devices of one imaging server, with their claims, in no particular order.
    fn load_devices(&mut self, server: &str) -> Result<Vec<DeviceRecord>>;
    /// One device whatever its server, as it is stored now.
    fn load_device(&mut self, name: &str) -> Result<Option<DeviceRecord>>;
    /// The requests of one imaging server that are not closed.
    fn load_requests(&mut self, server: &str) -> Result<Vec<RequestRecord>>;
    /// One request, as it is stored now.
    fn load_request(&mut self, id: RequestId) -> Result<Option<RequestRecord>>;
    /// Makes this imaging server known: inserts or updates its row.
    fn register_server(&mut self, server: &ServerRow, at: Timestamp) -> Result<()>;

    // The device layer's writes.

    /// Writes all of `commits` in one durable transaction; the answers are in the same order.
    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>>;
    /// Changes what people note on a device. False: no such device.
    fn edit_device(&mut self, name: &str, edit: &DeviceEdit, at: Timestamp) -> Result<bool>;

    // The request layer's writes and look-ups.

    /// Inserts requests in state `new` in one durable transaction and returns their numbers, in order.
    fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>>;
    /// Writes all of `commits` in one durable transaction; the answers are in the same order.
    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>>;
    /// The kinds, of all servers, of which devices are `ready` and unclaimed, by the image that is on those. Costs as much as
    /// there are kinds, not devices.
    fn free_kinds(&mut self) -> Result<Vec<FreeKind>>;
    /// Names of at most `limit` such devices of one kind, from `start` on around the round of `mozpool::place`. Fewer: there
    /// are no more.
    fn free_devices(&mut self, of: &FreeKind, start: u32, limit: usize) -> Result<Vec<DeviceName>>;
    /// The hardware types that an image has a PXE config for.
    fn hardware_of_image(&mut self, image: &str) -> Result<HashSet<HardwareId>>;
    /// What a search knows of one device, and what is on it; failures are counted up to `now`.
    fn board(&mut self, name: &str, now: Timestamp) -> Result<Option<(Board, Candidate)>>;
    /// The same of several, in any order; those that are gone or cannot be read are left out.
    fn some_boards(&mut self, names: &[DeviceName], now: Timestamp) -> Result<Vec<(Board, Candidate)>>;
    /// What a search knows of the first `limit` devices of all servers.
    fn boards(&mut self, limit: usize) -> Result<Vec<Board>>;
    /// Puts right what the search goes by, for all devices; says how many were wrong. Every verb keeps it right, so this is
    /// for rows that somebody else has written.
    fn mend_free(&mut self) -> Result<usize>;
    /// The state and holder of a device.
    fn named(&mut self, name: &str) -> Result<Option<Named>>;
    /// The result that lies with a request's claim.
    fn imaging_result(&mut self, request: RequestId) -> Result<Option<ImagingResult>>;

    // What the journal reads and writes.

    /// Names and fqdns of the devices of one imaging server.
    fn device_addresses(&mut self, server: &str) -> Result<Vec<(DeviceName, String)>>;
    /// The MACs of all devices of an imaging server that have one.
    fn device_macs(&mut self, server: &str) -> Result<Vec<(Mac, DeviceName)>>;

    /// Appends lines to device logs in one transaction. Lines for devices that are gone are left out.
    fn append_device_log(&mut self, lines: &[DeviceLogLine]) -> Result<()>;
    /// Appends lines of senders that no device is known for; the oldest beyond `keep` are dropped.
    fn append_stray_log(&mut self, lines: &[StrayLogLine], keep: usize) -> Result<()>;
    /// Appends pieces of device logs, `durable` before it returns, or else with the next durable write, whoever's: what is
    /// lost then is lost with the power only. Pieces for devices that are gone are left out.
    fn append_log_chunks(&mut self, chunks: &[LogChunk], durable: bool) -> Result<()>;
    /// Appends steps of attempts, on disk with the next durable write. Steps for devices that are gone are left out.
    fn append_attempt_steps(&mut self, steps: &[AttemptStep]) -> Result<()>;
    /// Adds to what is known of these senders (`lines` more); of those that were not heard for longest, all beyond `keep` are
    /// forgotten.
    fn note_stray_senders(&mut self, senders: &[StraySender], keep: usize) -> Result<()>;
    /// Adds to what is known of boards that are no devices (`seen` more), and gives those of them that stand so afterwards: one
    /// whose MAC a device of any server has is left out. Of those that were not heard of for longest, all beyond `keep` are
    /// forgotten, ignored ones and others each for themselves.
    fn note_candidates(&mut self, seen: &[CandidateRow], keep: usize) -> Result<Vec<CandidateRow>>;
    /// Bytes of text in all pieces of device logs.
    fn log_bytes(&mut self) -> Result<u64>;
    /// Whose pieces take most room, by the number that `drop_oldest_chunks` wants, and how many bytes; `None` without any.
    fn largest_log(&mut self) -> Result<Option<(i64, u64)>>;
    /// Deletes the oldest pieces of one device's log, as many as hold `bytes` but not more than a few dozen; returns the bytes
    /// that they held.
    fn drop_oldest_chunks(&mut self, device: i64, bytes: u64) -> Result<u64>;
    /// Deletes at most `limit` log lines (a piece counts as one), as many requests and as many changes that are too old; true when there is more to do.
    fn prune(&mut self, too_old: &TooOld, limit: usize) -> Result<bool>;

    // What has changed.

    /// At most `limit` changes after the number `after`, in order, and the numbers that are kept and were given.
    fn changes(&mut self, after: u64, limit: usize) -> Result<ChangesPage>;
    /// The last numbers that were given.
    fn last_changes(&mut self) -> Result<LastChanges>;

    // What the API reads.

    /// Names of all devices, sorted.
    fn device_names(&mut self) -> Result<Vec<DeviceName>>;
    /// Devices that match, by name.
    fn devices(&mut self, filter: &DeviceFilter) -> Result<Vec<DeviceView>>;
    /// One device.
    fn device(&mut self, name: &str) -> Result<Option<DeviceView>>;
    /// A device's log, oldest first: the last `limit` lines (`None`: all) at or after `since`.
    fn device_log(
        &mut self,
        name: &str,
        since: Option<Timestamp>,
        limit: Option<usize>,
    ) -> Result<Vec<LogLine>>;
    /// Looks for lines in a device's log, at as much of it as a call may take; nothing for a device that is not there.
    fn search_log(&mut self, name: &str, search: &LogSearch) -> Result<LogPage>;
    /// What a device's log has behind a place; `None` for a device that is not there.
    fn log_behind(&mut self, name: &str, place: Place) -> Result<Option<Behind>>;
    /// At most `limit` attempts of a device, those with a lower number than `before`, newest first; nothing for a device that
    /// is not there.
    fn attempts(&mut self, name: &str, before: Option<i64>, limit: usize) -> Result<Vec<AttemptView>>;
    /// The last `limit` good attempts of a kind, of whatever device, newest first.
    fn good_attempts(&mut self, kind: &AttemptKind, limit: usize) -> Result<Vec<Attempt>>;
    /// Senders that no device is known for, the last heard first.
    fn stray_senders(&mut self) -> Result<Vec<StraySender>>;
    /// The last `limit` lines of one of them, oldest first.
    fn stray_log_of(&mut self, sender: &str, limit: usize) -> Result<Vec<StrayLogLine>>;
    /// The last `limit` lines (`None`: all) of senders that no device is known for, oldest first.
    fn stray_log(&mut self, limit: Option<usize>) -> Result<Vec<StrayLogLine>>;
    /// Boards that have turned to us and are no devices, ignored ones too, the last heard first.
    fn candidates(&mut self) -> Result<Vec<CandidateRow>>;
    /// One of them.
    fn candidate(&mut self, mac: Mac) -> Result<Option<CandidateRow>>;
    /// Requests of all servers, by number.
    fn requests(&mut self, include_closed: bool) -> Result<Vec<RequestView>>;
    /// One request.
    fn request(&mut self, id: RequestId) -> Result<Option<RequestView>>;
    /// A request's log, oldest first: the last `limit` lines (`None`: all).
    fn request_log(&mut self, id: RequestId, limit: Option<usize>) -> Result<Vec<LogLine>>;
    /// Environments that devices are in, sorted.
    fn environments(&mut self) -> Result<Vec<String>>;
    /// Images, hidden ones too, by name.
    fn images(&mut self) -> Result<Vec<ImageRow>>;
    /// One image.
    fn image(&mut self, name: &str) -> Result<Option<ImageRow>>;
    /// PXE configs, by name.
    fn pxe_configs(&mut self) -> Result<Vec<PxeConfigRow>>;
    /// One PXE config.
    fn pxe_config(&mut self, name: &str) -> Result<Option<PxeConfigRow>>;
    /// One relay board.
    fn relay_board(&mut self, name: &str) -> Result<Option<RelayBoardRow>>;
    /// Relay boards, by name.
    fn relay_boards(&mut self) -> Result<Vec<RelayBoardRow>>;
    /// The imaging servers of the pool, by name.
    fn servers(&mut self) -> Result<Vec<ServerRow>>;

    // Which servers of a pool live.

    /// Makes a server known, and this start of it the one that counts; its boards can be had again. Not while somebody stands
    /// in its way who is not among those that it comes `instead` of: those are said to be gone, if they still stand as they
    /// were seen.
    fn join_pool(
        &mut self,
        server: &ServerRow,
        me: &Beat,
        instead: &Instead,
        at: Timestamp,
    ) -> Result<Joined>;
    /// Says once more that this server lives, if it is still the one that counts and the schema is its own.
    fn beat(&mut self, me: &Beat, at: Timestamp) -> Result<Beaten>;
    /// Says that a server is gone whose count still stands at `beats`, and takes its boards from the search. False: it does
    /// not, or this was said already.
    fn declare_gone(&mut self, server: &str, beats: i64, at: Timestamp) -> Result<bool>;
    /// This server leaves the pool in order: nobody is given its boards from here on.
    fn leave_pool(&mut self, me: &Beat, at: Timestamp) -> Result<()>;
    /// The imaging servers, by name, with what is known of their lives.
    fn pool(&mut self) -> Result<Vec<ServerSeen>>;
    /// At most `limit` requests of servers that are gone which should have ended by `now`.
    fn overdue_requests(&mut self, now: Timestamp, limit: usize) -> Result<Vec<RequestId>>;

    // What reports are made of: row by row, for there may be a million.

    /// All spells that reach into `window`, in no particular order.
    fn spells(&mut self, window: Window, take: &mut dyn FnMut(Spell<'_>)) -> Result<()>;
    /// All failures of devices in `window`, in no particular order.
    fn failures(&mut self, window: Window, take: &mut dyn FnMut(Failed<'_>)) -> Result<()>;
    /// All requests that had their board, or ended without one, and reach into `window`; in no particular order.
    fn outcomes(&mut self, window: Window, take: &mut dyn FnMut(Outcome<'_>)) -> Result<()>;
    /// How a device was, the last `limit` spells, newest first.
    fn device_history(&mut self, device: &str, limit: usize) -> Result<Vec<SpellRow>>;
    /// Devices that have failed and stand so, in no particular order.
    fn standing_failures(&mut self) -> Result<Vec<StandingFailure>>;

    // Work that one server does for all.

    /// Takes or keeps the lease `name` until `ends`: true when nobody has it, or nobody else, or it has ended.
    fn take_lease(&mut self, name: &str, holder: &str, now: Timestamp, ends: Timestamp) -> Result<bool>;
    /// Lets others take it now; nothing if somebody else has it.
    fn give_up_lease(&mut self, name: &str, holder: &str) -> Result<()>;
    /// Who has it, or had it last.
    fn lease(&mut self, name: &str) -> Result<Option<Lease>>;

    // Administration.

    /// Brings the store to what `lab` says, all or nothing: rows that it names are inserted or updated, others stay.
    /// With `dry_run` nothing is written. Says what changed.
    ///
    /// # Errors
    /// [`StoreError::Lab`] names the first row that cannot be what it says, [`StoreError::ThereAlready`] and
    /// [`StoreError::NotThere`] the first that is not as [`Lab::exists`] demands; nothing is written then.
    fn apply_lab(&mut self, lab: &Lab, dry_run: bool, now: Timestamp) -> Result<Vec<LabChange>>;
    /// Deletes `what` and what belongs to it alone, if nothing uses it. `force` goes on where only work under way or
    /// history is in the way, never over a claim. With `dry_run` nothing is written. Says what changed.
    ///
    /// # Errors
    /// [`StoreError::InUse`] says who uses it, [`StoreError::NothingThere`] that it is not there.
    fn delete(
        &mut self,
        what: &Deletion,
        force: bool,
        dry_run: bool,
        now: Timestamp,
    ) -> Result<Vec<LabChange>>;
    /// Ignores a candidate, or looks at it again. False: there is none.
    fn ignore_candidate(&mut self, mac: Mac, ignored: bool, now: Timestamp) -> Result<bool>;
    /// Brings the devices that come from an inventory to what it says now, and relay boards with them, all or nothing; those
    /// that were made by hand are left alone, those that somebody needs wait. With `dry_run` nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Inventory`] says what cannot be, or that it would be too much at once.
    fn sync_inventory(&mut self, sync: &Sync, dry_run: bool, now: Timestamp) -> Result<Synced>;
    // Who may do what.

    /// All tokens, by name.
    fn tokens(&mut self) -> Result<Vec<TokenRow>>;
    /// The token with this secret.
    fn token_of_hash(&mut self, hash: &Digest) -> Result<Option<TokenRow>>;
    /// The token of this name.
    fn token_of_name(&mut self, name: &str) -> Result<Option<TokenRow>>;
    /// Makes a token; `hash` is of its secret, where it has one. False: the name is taken.
    fn make_token(&mut self, row: &TokenRow, hash: Option<&Digest>) -> Result<bool>;
    /// Takes a token back, and ends its sessions. False: there is none of this name.
    fn revoke_token(&mut self, name: &str) -> Result<bool>;
    /// The token that a session is of, and when the session ends.
    fn session(&mut self, hash: &Digest) -> Result<Option<(TokenRow, Timestamp)>>;
    /// Begins a session of a token; those that have ended go, and the oldest beyond `keep`. False: the token has another secret by
    /// now, or is not there any more.
    fn make_session(&mut self, new: &NewSession, keep: SessionsMax) -> Result<bool>;
    /// Ends a session, if it is there.
    fn end_session(&mut self, hash: &Digest) -> Result<()>;
    /// Appends entries to the audit log, and notes on which day tokens were used; on disk with the next durable write.
    fn append_audit(&mut self, entries: &[AuditRow], used: &[(String, Timestamp)]) -> Result<()>;
    /// Entries of the audit log, the newest first.
    fn audit(&mut self, search: &AuditSearch) -> Result<Vec<AuditRow>>;

    /// All that a lab file can say of these kinds, of all servers: applied again it changes nothing.
    fn export_lab(&mut self, kinds: &[Kind]) -> Result<Lab>;
}

//! The store's verbs over any SQL connection: this file says only which function does which verb.

use super::conn::Conn;
use super::{
    AuditRow, AuditSearch, Bell, ChangesPage, Committed, Deletion, DeviceCommit, LastChanges, Lease,
    LogChunk, NewSession, RequestCommit, Result, SessionsMax, Store, Sync, Synced, TokenRow, access, admin,
    apply, attempts, boards, candidates, changes, delete, devices, export, inventory, leases, logs, outcomes,
    peers, requests, rows::*, search, spells,
};
use crate::access::Digest;
use crate::lab::{Change, Kind, Lab};
use crate::logic::attempt::Attempt;
use crate::logic::catalog::Catalog;
use crate::logic::events::ImagingResult;
use crate::logic::ids::{DeviceName, HardwareId, Mac, RequestId};
use crate::logic::mozpool::{Board, Candidate, Named};
use crate::logic::report::{Failed, Outcome, Spell, Window};
use crate::logic::time::Timestamp;
use std::collections::HashSet;
use std::sync::Arc;

/// A store on one connection.
#[derive(Debug)]
pub(super) struct SqlStore<C> {
    conn: C,
    bell: Arc<Bell>,
}

impl<C: Conn> SqlStore<C> {
    /// The schema behind `conn` is the one that this program knows.
    pub(super) fn new(conn: C, bell: Arc<Bell>) -> Self {
        Self { conn, bell }
    }
}

impl<C: Conn> Store for SqlStore<C> {
    fn catalog(&mut self) -> Result<Catalog> {
        admin::catalog(&mut self.conn)
    }
    fn load_devices(&mut self, server: &str) -> Result<Vec<DeviceRecord>> {
        devices::load_all(&mut self.conn, server)
    }
    fn load_device(&mut self, name: &str) -> Result<Option<DeviceRecord>> {
        devices::load(&mut self.conn, name)
    }
    fn load_requests(&mut self, server: &str) -> Result<Vec<RequestRecord>> {
        requests::load_all(&mut self.conn, server)
    }
    fn load_request(&mut self, id: RequestId) -> Result<Option<RequestRecord>> {
        requests::load(&mut self.conn, id)
    }
    fn register_server(&mut self, server: &ServerRow, at: Timestamp) -> Result<()> {
        admin::register_server(&mut self.conn, &self.bell, server, at)
    }

    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        devices::commit(&mut self.conn, &self.bell, commits)
    }
    fn edit_device(&mut self, name: &str, edit: &DeviceEdit, at: Timestamp) -> Result<bool> {
        devices::edit(&mut self.conn, &self.bell, name, edit, at)
    }

    fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
        requests::insert(&mut self.conn, &self.bell, new)
    }
    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        requests::commit(&mut self.conn, &self.bell, commits)
    }
    fn free_kinds(&mut self) -> Result<Vec<FreeKind>> {
        boards::free_kinds(&mut self.conn)
    }
    fn free_devices(&mut self, of: &FreeKind, start: u32, limit: usize) -> Result<Vec<DeviceName>> {
        boards::free_names(&mut self.conn, of, start, limit)
    }
    fn hardware_of_image(&mut self, image: &str) -> Result<HashSet<HardwareId>> {
        boards::hardware_of_image(&mut self.conn, image)
    }
    fn board(&mut self, name: &str, now: Timestamp) -> Result<Option<(Board, Candidate)>> {
        devices::board(&mut self.conn, name, now)
    }
    fn some_boards(&mut self, names: &[DeviceName], now: Timestamp) -> Result<Vec<(Board, Candidate)>> {
        devices::some_boards(&mut self.conn, names, now)
    }
    fn boards(&mut self, limit: usize) -> Result<Vec<Board>> {
        boards::all(&mut self.conn, limit)
    }
    fn mend_free(&mut self) -> Result<usize> {
        boards::mend_free(&mut self.conn)
    }
    fn named(&mut self, name: &str) -> Result<Option<Named>> {
        devices::named(&mut self.conn, name)
    }
    fn imaging_result(&mut self, request: RequestId) -> Result<Option<ImagingResult>> {
        requests::imaging_result(&mut self.conn, request)
    }

    fn device_addresses(&mut self, server: &str) -> Result<Vec<(DeviceName, String)>> {
        devices::addresses(&mut self.conn, server)
    }
    fn device_macs(&mut self, server: &str) -> Result<Vec<(Mac, DeviceName)>> {
        devices::macs(&mut self.conn, server)
    }
    fn append_device_log(&mut self, lines: &[DeviceLogLine]) -> Result<()> {
        logs::append_devices(&mut self.conn, lines)
    }
    fn append_stray_log(&mut self, lines: &[StrayLogLine], keep: usize) -> Result<()> {
        logs::append_stray(&mut self.conn, lines, keep)
    }
    fn append_log_chunks(&mut self, chunks: &[LogChunk], durable: bool) -> Result<()> {
        logs::append_chunks(&mut self.conn, chunks, durable)
    }
    fn append_attempt_steps(&mut self, steps: &[AttemptStep]) -> Result<()> {
        attempts::append_steps(&mut self.conn, steps)
    }
    fn note_stray_senders(&mut self, senders: &[StraySender], keep: usize) -> Result<()> {
        logs::note_senders(&mut self.conn, senders, keep)
    }
    fn note_candidates(&mut self, seen: &[CandidateRow], keep: usize) -> Result<Vec<CandidateRow>> {
        candidates::note(&mut self.conn, &self.bell, seen, keep)
    }
    fn log_bytes(&mut self) -> Result<u64> {
        logs::bytes(&mut self.conn)
    }
    fn largest_log(&mut self) -> Result<Option<(i64, u64)>> {
        logs::largest(&mut self.conn)
    }
    fn drop_oldest_chunks(&mut self, device: i64, bytes: u64) -> Result<u64> {
        logs::drop_oldest(&mut self.conn, device, bytes)
    }
    fn prune(&mut self, too_old: &TooOld, limit: usize) -> Result<bool> {
        logs::prune(&mut self.conn, &self.bell, too_old, limit)
    }

    fn changes(&mut self, after: u64, limit: usize) -> Result<ChangesPage> {
        changes::page(&mut self.conn, after, limit)
    }
    fn last_changes(&mut self) -> Result<LastChanges> {
        changes::last(&mut self.conn)
    }

    fn device_names(&mut self) -> Result<Vec<DeviceName>> {
        devices::names(&mut self.conn)
    }
    fn devices(&mut self, filter: &DeviceFilter) -> Result<Vec<DeviceView>> {
        devices::views(&mut self.conn, filter)
    }
    fn device(&mut self, name: &str) -> Result<Option<DeviceView>> {
        devices::view(&mut self.conn, name)
    }
    fn device_log(
        &mut self,
        name: &str,
        since: Option<Timestamp>,
        limit: Option<usize>,
    ) -> Result<Vec<LogLine>> {
        let search = LogSearch { since, limit, ..LogSearch::default() };
        Ok(search::search(&mut self.conn, name, &search, search::Bounds::NONE)?.lines)
    }
    fn search_log(&mut self, name: &str, search: &LogSearch) -> Result<LogPage> {
        search::search(&mut self.conn, name, search, search::Bounds::CALL)
    }
    fn log_behind(&mut self, name: &str, place: Place) -> Result<Option<Behind>> {
        search::behind(&mut self.conn, name, place)
    }
    fn attempts(&mut self, name: &str, before: Option<i64>, limit: usize) -> Result<Vec<AttemptView>> {
        attempts::of_device(&mut self.conn, name, before, limit)
    }
    fn good_attempts(&mut self, kind: &AttemptKind, limit: usize) -> Result<Vec<Attempt>> {
        attempts::of_kind(&mut self.conn, kind, limit)
    }
    fn stray_senders(&mut self) -> Result<Vec<StraySender>> {
        logs::stray_senders(&mut self.conn)
    }
    fn stray_log_of(&mut self, sender: &str, limit: usize) -> Result<Vec<StrayLogLine>> {
        logs::stray_of(&mut self.conn, sender, limit)
    }
    fn stray_log(&mut self, limit: Option<usize>) -> Result<Vec<StrayLogLine>> {
        logs::stray(&mut self.conn, limit)
    }
    fn candidates(&mut self) -> Result<Vec<CandidateRow>> {
        candidates::all(&mut self.conn)
    }
    fn candidate(&mut self, mac: Mac) -> Result<Option<CandidateRow>> {
        candidates::one(&mut self.conn, mac)
    }
    fn requests(&mut self, include_closed: bool) -> Result<Vec<RequestView>> {
        requests::views(&mut self.conn, include_closed)
    }
    fn request(&mut self, id: RequestId) -> Result<Option<RequestView>> {
        requests::view(&mut self.conn, id)
    }
    fn request_log(&mut self, id: RequestId, limit: Option<usize>) -> Result<Vec<LogLine>> {
        logs::of_request(&mut self.conn, id, limit)
    }
    fn environments(&mut self) -> Result<Vec<String>> {
        devices::environments(&mut self.conn)
    }
    fn images(&mut self) -> Result<Vec<ImageRow>> {
        admin::images(&mut self.conn)
    }
    fn image(&mut self, name: &str) -> Result<Option<ImageRow>> {
        admin::image(&mut self.conn, name)
    }
    fn pxe_configs(&mut self) -> Result<Vec<PxeConfigRow>> {
        admin::pxe_configs(&mut self.conn)
    }
    fn pxe_config(&mut self, name: &str) -> Result<Option<PxeConfigRow>> {
        admin::pxe_config(&mut self.conn, name)
    }
    fn relay_board(&mut self, name: &str) -> Result<Option<RelayBoardRow>> {
        admin::relay_board(&mut self.conn, name)
    }
    fn relay_boards(&mut self) -> Result<Vec<RelayBoardRow>> {
        admin::relay_boards(&mut self.conn)
    }
    fn servers(&mut self) -> Result<Vec<ServerRow>> {
        admin::servers(&mut self.conn)
    }

    fn join_pool(
        &mut self,
        server: &ServerRow,
        me: &Beat,
        instead: &Instead,
        at: Timestamp,
    ) -> Result<Joined> {
        peers::join(&mut self.conn, &self.bell, server, me, instead, at)
    }
    fn beat(&mut self, me: &Beat, at: Timestamp) -> Result<Beaten> {
        peers::beat(&mut self.conn, &self.bell, me, at)
    }
    fn declare_gone(&mut self, server: &str, beats: i64, at: Timestamp) -> Result<bool> {
        peers::declare_gone(&mut self.conn, &self.bell, server, beats, at)
    }
    fn leave_pool(&mut self, me: &Beat, at: Timestamp) -> Result<()> {
        peers::leave(&mut self.conn, &self.bell, me, at)
    }
    fn pool(&mut self) -> Result<Vec<ServerSeen>> {
        peers::pool(&mut self.conn)
    }
    fn overdue_requests(&mut self, now: Timestamp, limit: usize) -> Result<Vec<RequestId>> {
        peers::overdue(&mut self.conn, now, limit)
    }

    fn spells(&mut self, window: Window, take: &mut dyn FnMut(Spell<'_>)) -> Result<()> {
        spells::each(&mut self.conn, window, take)
    }
    fn failures(&mut self, window: Window, take: &mut dyn FnMut(Failed<'_>)) -> Result<()> {
        spells::failures(&mut self.conn, window, take)
    }
    fn outcomes(&mut self, window: Window, take: &mut dyn FnMut(Outcome<'_>)) -> Result<()> {
        outcomes::each(&mut self.conn, window, take)
    }
    fn device_history(&mut self, device: &str, limit: usize) -> Result<Vec<SpellRow>> {
        spells::history(&mut self.conn, device, limit)
    }
    fn standing_failures(&mut self) -> Result<Vec<StandingFailure>> {
        spells::standing(&mut self.conn)
    }

    fn apply_lab(&mut self, lab: &Lab, dry_run: bool, now: Timestamp) -> Result<Vec<Change>> {
        apply::lab(&mut self.conn, &self.bell, lab, dry_run, now)
    }
    fn delete(&mut self, what: &Deletion, force: bool, dry_run: bool, now: Timestamp) -> Result<Vec<Change>> {
        delete::delete(&mut self.conn, &self.bell, what, force, dry_run, now)
    }
    fn ignore_candidate(&mut self, mac: Mac, ignored: bool, now: Timestamp) -> Result<bool> {
        candidates::ignore(&mut self.conn, &self.bell, mac, ignored, now)
    }
    fn sync_inventory(&mut self, sync: &Sync, dry_run: bool, now: Timestamp) -> Result<Synced> {
        inventory::sync(&mut self.conn, &self.bell, sync, dry_run, now)
    }
    fn take_lease(&mut self, name: &str, holder: &str, now: Timestamp, ends: Timestamp) -> Result<bool> {
        leases::take(&mut self.conn, name, holder, now, ends)
    }
    fn give_up_lease(&mut self, name: &str, holder: &str) -> Result<()> {
        leases::give_up(&mut self.conn, name, holder)
    }
    fn lease(&mut self, name: &str) -> Result<Option<Lease>> {
        leases::read(&mut self.conn, name)
    }
    fn tokens(&mut self) -> Result<Vec<TokenRow>> {
        access::tokens(&mut self.conn)
    }
    fn token_of_hash(&mut self, hash: &Digest) -> Result<Option<TokenRow>> {
        access::token_of_hash(&mut self.conn, hash)
    }
    fn token_of_name(&mut self, name: &str) -> Result<Option<TokenRow>> {
        access::token_of_name(&mut self.conn, name)
    }
    fn make_token(&mut self, row: &TokenRow, hash: Option<&Digest>) -> Result<bool> {
        access::make_token(&mut self.conn, row, hash)
    }
    fn revoke_token(&mut self, name: &str) -> Result<bool> {
        access::revoke_token(&mut self.conn, name)
    }
    fn session(&mut self, hash: &Digest) -> Result<Option<(TokenRow, Timestamp)>> {
        access::session(&mut self.conn, hash)
    }
    fn make_session(&mut self, new: &NewSession, keep: SessionsMax) -> Result<bool> {
        access::make_session(&mut self.conn, new, keep)
    }
    fn end_session(&mut self, hash: &Digest) -> Result<()> {
        access::end_session(&mut self.conn, hash)
    }
    fn append_audit(&mut self, entries: &[AuditRow], used: &[(String, Timestamp)]) -> Result<()> {
        access::append(&mut self.conn, entries, used)
    }
    fn audit(&mut self, search: &AuditSearch) -> Result<Vec<AuditRow>> {
        access::audit(&mut self.conn, search)
    }
    fn export_lab(&mut self, kinds: &[Kind]) -> Result<Lab> {
        export::lab(&mut self.conn, kinds)
    }
}

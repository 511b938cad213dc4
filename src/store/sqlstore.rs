//! The store's verbs over any SQL connection: this file says only which function does which verb.

use super::conn::Conn;
use super::{
    Committed, DeviceCommit, RequestCommit, Result, Store, admin, apply, boards, devices, logs, requests,
    rows::*,
};
use crate::lab::{Change, Lab};
use crate::logic::catalog::Catalog;
use crate::logic::events::ImagingResult;
use crate::logic::ids::{DeviceName, HardwareId, RequestId};
use crate::logic::mozpool::{Board, Candidate, Named};
use crate::logic::time::Timestamp;
use std::collections::HashSet;

/// A store on one connection.
#[derive(Debug)]
pub(super) struct SqlStore<C>(C);

impl<C: Conn> SqlStore<C> {
    /// The schema behind `conn` is the one that this program knows.
    pub(super) fn new(conn: C) -> Self {
        Self(conn)
    }
}

impl<C: Conn> Store for SqlStore<C> {
    fn catalog(&mut self) -> Result<Catalog> {
        admin::catalog(&mut self.0)
    }
    fn load_devices(&mut self, server: &str) -> Result<Vec<DeviceRecord>> {
        devices::load_all(&mut self.0, server)
    }
    fn load_device(&mut self, name: &str) -> Result<Option<DeviceRecord>> {
        devices::load(&mut self.0, name)
    }
    fn load_requests(&mut self, server: &str) -> Result<Vec<RequestRecord>> {
        requests::load_all(&mut self.0, server)
    }
    fn load_request(&mut self, id: RequestId) -> Result<Option<RequestRecord>> {
        requests::load(&mut self.0, id)
    }
    fn register_server(&mut self, server: &ServerRow) -> Result<()> {
        admin::register_server(&mut self.0, server)
    }

    fn commit_devices(&mut self, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
        devices::commit(&mut self.0, commits)
    }
    fn edit_device(&mut self, name: &str, edit: &DeviceEdit) -> Result<bool> {
        devices::edit(&mut self.0, name, edit)
    }

    fn insert_requests(&mut self, new: &[NewRequest]) -> Result<Vec<RequestId>> {
        requests::insert(&mut self.0, new)
    }
    fn commit_requests(&mut self, commits: &[RequestCommit]) -> Result<Vec<Committed>> {
        requests::commit(&mut self.0, commits)
    }
    fn free_kinds(&mut self) -> Result<Vec<FreeKind>> {
        boards::free_kinds(&mut self.0)
    }
    fn free_devices(&mut self, of: &FreeKind, start: u32, limit: usize) -> Result<Vec<DeviceName>> {
        boards::free_names(&mut self.0, of, start, limit)
    }
    fn hardware_of_image(&mut self, image: &str) -> Result<HashSet<HardwareId>> {
        boards::hardware_of_image(&mut self.0, image)
    }
    fn board(&mut self, name: &str, now: Timestamp) -> Result<Option<(Board, Candidate)>> {
        devices::board(&mut self.0, name, now)
    }
    fn boards(&mut self, limit: usize) -> Result<Vec<Board>> {
        boards::all(&mut self.0, limit)
    }
    fn mend_free(&mut self) -> Result<usize> {
        boards::mend_free(&mut self.0)
    }
    fn named(&mut self, name: &str) -> Result<Option<Named>> {
        devices::named(&mut self.0, name)
    }
    fn imaging_result(&mut self, request: RequestId) -> Result<Option<ImagingResult>> {
        requests::imaging_result(&mut self.0, request)
    }

    fn append_device_log(&mut self, lines: &[DeviceLogLine]) -> Result<()> {
        logs::append_devices(&mut self.0, lines)
    }
    fn append_stray_log(&mut self, lines: &[StrayLogLine], keep: usize) -> Result<()> {
        logs::append_stray(&mut self.0, lines, keep)
    }
    fn prune(&mut self, logs_before: Timestamp, requests_before: Timestamp, limit: usize) -> Result<bool> {
        logs::prune(&mut self.0, logs_before, requests_before, limit)
    }

    fn device_names(&mut self) -> Result<Vec<DeviceName>> {
        devices::names(&mut self.0)
    }
    fn devices(&mut self, filter: &DeviceFilter) -> Result<Vec<DeviceView>> {
        devices::views(&mut self.0, filter)
    }
    fn device(&mut self, name: &str) -> Result<Option<DeviceView>> {
        devices::view(&mut self.0, name)
    }
    fn device_log(
        &mut self,
        name: &str,
        since: Option<Timestamp>,
        limit: Option<usize>,
    ) -> Result<Vec<LogLine>> {
        logs::of_device(&mut self.0, name, since, limit)
    }
    fn stray_log(&mut self, limit: Option<usize>) -> Result<Vec<StrayLogLine>> {
        logs::stray(&mut self.0, limit)
    }
    fn requests(&mut self, include_closed: bool) -> Result<Vec<RequestView>> {
        requests::views(&mut self.0, include_closed)
    }
    fn request(&mut self, id: RequestId) -> Result<Option<RequestView>> {
        requests::view(&mut self.0, id)
    }
    fn request_log(&mut self, id: RequestId, limit: Option<usize>) -> Result<Vec<LogLine>> {
        logs::of_request(&mut self.0, id, limit)
    }
    fn environments(&mut self) -> Result<Vec<String>> {
        devices::environments(&mut self.0)
    }
    fn images(&mut self) -> Result<Vec<ImageRow>> {
        admin::images(&mut self.0)
    }
    fn image(&mut self, name: &str) -> Result<Option<ImageRow>> {
        admin::image(&mut self.0, name)
    }
    fn pxe_configs(&mut self) -> Result<Vec<PxeConfigRow>> {
        admin::pxe_configs(&mut self.0)
    }
    fn pxe_config(&mut self, name: &str) -> Result<Option<PxeConfigRow>> {
        admin::pxe_config(&mut self.0, name)
    }
    fn relay_board(&mut self, name: &str) -> Result<Option<RelayBoardRow>> {
        admin::relay_board(&mut self.0, name)
    }
    fn relay_boards(&mut self) -> Result<Vec<RelayBoardRow>> {
        admin::relay_boards(&mut self.0)
    }
    fn servers(&mut self) -> Result<Vec<ServerRow>> {
        admin::servers(&mut self.0)
    }

    fn apply_lab(&mut self, lab: &Lab, dry_run: bool, now: Timestamp) -> Result<Vec<Change>> {
        apply::lab(&mut self.0, lab, dry_run, now)
    }
}

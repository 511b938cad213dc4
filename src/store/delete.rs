//! Deleting things: asked and done in one transaction, so that nothing begins to use what goes.
//!
//! What would be left without what it refers to stays, and whoever asked hears who uses it. A transaction deletes no more than
//! [`LINES`] lines of a log or [`REQUESTS`] closed requests, so that no writer waits for long: what is left of a device's log
//! shows nowhere and ages out with the rest, and an image's closed requests go portion by portion before it.

use super::cells::{Cells, readable};
use super::changes::{self, News};
use super::conn::{Conn, Doing, Then, Value, args};
use super::deletion::{Deletion, InUse, Names, SHOWN};
use super::{
    Bell, ChangeData, ChangeKind, ChangeWhat, DeviceGone, Result, StoreError, admin, devices, spells, sql,
};
use crate::bmm::power::PowerAddress;
use crate::lab::{Change, Fate, Kind, board_key, hardware_label};
use crate::logic::lifeguard::at_rest;
use crate::logic::time::Timestamp;

const DOING: &str = "delete";
/// Lines of a device's log that one transaction deletes at most: a few milliseconds.
const LINES: usize = 1000;
/// The same for pieces of a device's log: eight megabytes of text at most.
const CHUNKS: usize = 128;
/// Requests that one transaction deletes at most, each with the tens of lines that its log has: as long.
const REQUESTS: usize = 50;
/// Such transactions that one deletion of an image may take: a second or two. With more history than that it is to be repeated.
const HISTORY_ROUNDS: usize = 200;

/// See [`super::Store::delete`].
pub(super) fn delete<C: Conn>(
    c: &mut C,
    bell: &Bell,
    what: &Deletion,
    force: bool,
    dry_run: bool,
    now: Timestamp,
) -> Result<Vec<Change>> {
    if let (Deletion::Image(name), true, false) = (what, force, dry_run) {
        let mut rounds = 0..HISTORY_ROUNDS;
        while rounds.next().is_some() && history(c, bell, name, now)? {}
    }
    changes::telling(c, bell, DOING, |c, news| {
        let mut delete = Delete { c, news, now, what, force, dry_run, changes: Vec::new() };
        delete.run()?;
        Ok((delete.changes, if dry_run { Then::Undo } else { Then::Commit }))
    })
}

/// One deletion as a part of a greater change.
pub(super) fn within<C: Conn>(
    c: &mut C,
    news: &mut News,
    what: &Deletion,
    now: Timestamp,
) -> Result<Vec<Change>> {
    let mut delete = Delete { c, news, now, what, force: false, dry_run: false, changes: Vec::new() };
    delete.run()?;
    Ok(delete.changes)
}

/// Deletes some of an image's closed requests; true when there are more. Not while anything else keeps the image.
fn history<C: Conn>(c: &mut C, bell: &Bell, image: &str, now: Timestamp) -> Result<bool> {
    changes::telling(c, bell, DOING, |c, news| {
        let what = Deletion::Image(image.into());
        let mut delete =
            Delete { c, news, now, what: &what, force: true, dry_run: false, changes: Vec::new() };
        if !delete.image_is_free(image)? {
            return Ok((false, Then::Undo));
        }
        let ids = delete.names(sql::REQUESTS_CLOSED_OF_IMAGE, args![image, most(REQUESTS)])?;
        for id in ids.iter().filter_map(|id| id.parse::<i64>().ok()) {
            delete.c.exec(sql::REQUEST_LOG_DELETE, args![id]).doing(DOING)?;
            delete.c.exec(sql::REQUEST_DELETE, args![id]).doing(DOING)?;
            let (kind, gone) = (ChangeKind::Request, ChangeWhat::Deleted);
            delete.news.tell(now, kind, id.to_string(), gone, ChangeData::Nothing);
        }
        Ok((ids.len() == REQUESTS, Then::Commit))
    })
}

/// A limit as the database has it.
fn most(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

struct Delete<'a, C> {
    c: &'a mut C,
    news: &'a mut News,
    now: Timestamp,
    what: &'a Deletion,
    force: bool,
    dry_run: bool,
    changes: Vec<Change>,
}

impl<C: Conn> Delete<'_, C> {
    fn run(&mut self) -> Result<()> {
        match self.what {
            Deletion::Device(name) => self.device(name),
            Deletion::HardwareType { kind, model } => self.hardware_type(kind, model),
            Deletion::Image(name) => self.image(name),
            Deletion::PxeConfig(name) => self.pxe_config(name),
            Deletion::RelayBoard(name) => self.relay_board(name),
        }
    }

    fn refuse<T>(&self, why: InUse) -> Result<T> {
        Err(StoreError::InUse { what: self.what.clone(), why })
    }

    fn nothing_there<T>(&self) -> Result<T> {
        Err(StoreError::NothingThere { what: self.what.clone() })
    }

    /// The first column of an answer, as text.
    fn names(&mut self, sql: &'static str, args: &[Value]) -> Result<Vec<String>> {
        let rows = self.c.query(sql, args).doing(DOING)?;
        Ok(readable(rows, |row| match row.0.into_iter().next() {
            Some(Value::Int(n)) => Ok(n.to_string()),
            Some(Value::Text(text)) => Ok(text),
            _ => Ok("?".into()),
        }))
    }

    /// Fails when the query names anybody; its last argument is how many are asked for.
    fn nobody(&mut self, sql: &'static str, args: &[Value], why: impl FnOnce(Names) -> InUse) -> Result<()> {
        let mut args = args.to_vec();
        args.push(Value::Int(most(SHOWN + 1)));
        match Names::of(self.names(sql, &args)?) {
            Some(some) => self.refuse(why(some)),
            None => Ok(()),
        }
    }

    fn gone(&mut self, sql: &'static str, args: &[Value]) -> Result<()> {
        self.gone_with(sql, args, ChangeData::Nothing)
    }

    fn gone_with(&mut self, sql: &'static str, args: &[Value], data: ChangeData) -> Result<()> {
        self.c.exec(sql, args).doing(DOING)?;
        self.changes.push(Change::whole(self.what.kind(), &self.what.name(), Fate::Deleted));
        let kind = match self.what {
            Deletion::Device(_) => ChangeKind::Device,
            Deletion::HardwareType { .. } => ChangeKind::HardwareType,
            Deletion::Image(_) => ChangeKind::Image,
            Deletion::PxeConfig(_) => ChangeKind::PxeConfig,
            Deletion::RelayBoard(_) => ChangeKind::RelayBoard,
        };
        self.news.tell(self.now, kind, self.what.name(), ChangeWhat::Deleted, data);
        Ok(())
    }

    fn device(&mut self, name: &str) -> Result<()> {
        let Some(stored) = devices::stored(self.c, name)? else { return self.nothing_there() };
        if let Some(claim) = &stored.record.claim {
            return self.refuse(InUse::Claimed { request: claim.request.0 });
        }
        if !at_rest(stored.record.machine.state) && !self.force {
            return self.refuse(InUse::Busy { state: stored.state_name });
        }
        let rows = self.c.query(sql::DEVICE_LOGS_OLDEST, args![stored.id, most(LINES)]).doing(DOING)?;
        for id in readable(rows, |row| Cells::new("device_logs", row).int("id")) {
            self.c.exec(sql::DEVICE_LOG_DELETE, args![id]).doing(DOING)?;
        }
        let chunks = self.c.query(sql::CHUNKS_OF_OLDEST, args![stored.id, most(CHUNKS)]).doing(DOING)?;
        for id in readable(chunks, |row| Cells::new("device_log_chunks", row).int("id")) {
            self.c.exec(sql::CHUNK_DELETE, args![id]).doing(DOING)?;
        }
        for (oldest, delete) in [
            (sql::ATTEMPTS_OLDEST, sql::ATTEMPT_DELETE),
            (sql::ATTEMPT_STEPS_OLDEST, sql::ATTEMPT_STEP_DELETE),
        ] {
            let rows = self.c.query(oldest, args![stored.id, most(LINES)]).doing(DOING)?;
            for id in readable(rows, |row| Cells::new("attempts", row).int("id")) {
                self.c.exec(delete, args![id]).doing(DOING)?;
            }
        }
        spells::end(self.c, name, self.now)?;
        let environment = stored.record.info.environment;
        self.gone_with(sql::DEVICE_DELETE, args![name], ChangeData::DeviceGone(DeviceGone { environment }))
    }

    fn hardware_type(&mut self, kind: &str, model: &str) -> Result<()> {
        let all = admin::hardware(self.c)?;
        let Some(row) = all.into_iter().find(|h| h.kind == kind && h.model == model) else {
            return self.nothing_there();
        };
        self.nobody(sql::DEVICES_OF_HARDWARE, args![row.id.0], |some| InUse::Devices {
            doing: "are of this type",
            some,
        })?;
        for (image, hardware, pxe_config) in admin::matrix(self.c)? {
            if hardware == row.id {
                self.cell(&image, row.id.0, &hardware_label(kind, model), &pxe_config)?;
            }
        }
        self.gone(sql::HARDWARE_TYPE_DELETE, args![row.id.0])
    }

    /// A cell of the matrix goes with its image or its hardware type.
    fn cell(&mut self, image: &str, hardware: i64, label: &str, pxe_config: &str) -> Result<()> {
        self.c.exec(sql::MATRIX_DELETE, args![image, hardware]).doing(DOING)?;
        let text = format!("image {image} on {label}: PXE config {pxe_config} -> (nothing)");
        self.changes.push(Change::part(Kind::Image, image, text));
        // An image that goes itself is told of once.
        if !matches!(self.what, Deletion::Image(_)) {
            self.news.thing(self.now, ChangeKind::Image, image, ChangeWhat::Changed);
        }
        Ok(())
    }

    /// Nothing but history keeps it.
    fn image_is_free(&mut self, name: &str) -> Result<bool> {
        match self.image_users(name) {
            Ok(()) => Ok(true),
            Err(StoreError::InUse { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn image_users(&mut self, name: &str) -> Result<()> {
        self.nobody(sql::DEVICES_WITH_IMAGE, args![name, name], |some| InUse::Devices {
            doing: "have it or are getting it",
            some,
        })?;
        self.nobody(sql::REQUESTS_FOR_IMAGE, args![name], |some| InUse::Requests { some })?;
        if super::seed::is_built_in_image(name) { self.refuse(InUse::BuiltIn) } else { Ok(()) }
    }

    fn image(&mut self, name: &str) -> Result<()> {
        if admin::image(self.c, name)?.is_none() {
            return self.nothing_there();
        }
        self.image_users(name)?;
        let force = self.force;
        let history = self.nobody(sql::REQUESTS_CLOSED_OF_IMAGE, args![name], |some| match force {
            true => InUse::MoreHistory { some },
            false => InUse::History { some },
        });
        // By force they are gone by now, unless they are too many for once; in a dry run they would be.
        if !(self.force && self.dry_run) {
            history?;
        } else if history.is_err() {
            let text = format!("closed requests for image {name}: deleted");
            self.changes.push(Change { kind: "request", name: name.into(), fate: Fate::Deleted, text });
        }
        let hardware = admin::hardware(self.c)?;
        for (image, id, pxe_config) in admin::matrix(self.c)? {
            let Some(row) = hardware.iter().find(|h| *image == *name && h.id == id) else { continue };
            self.cell(name, id.0, &hardware_label(&row.kind, &row.model), &pxe_config)?;
        }
        if self.force && self.dry_run {
            // The row cannot go while its history is there, and need not.
            self.changes.push(Change::whole(self.what.kind(), &self.what.name(), Fate::Deleted));
            return Ok(());
        }
        self.gone(sql::IMAGE_DELETE, args![name])
    }

    fn pxe_config(&mut self, name: &str) -> Result<()> {
        if admin::pxe_config(self.c, name)?.is_none() {
            return self.nothing_there();
        }
        if super::seed::is_built_in(name) {
            return self.refuse(InUse::BuiltIn);
        }
        let mut images: Vec<String> = admin::matrix(self.c)?
            .into_iter()
            .filter_map(|(image, _, pxe_config)| (*pxe_config == *name).then(|| image.to_string()))
            .collect();
        images.dedup();
        if let Some(some) = Names::of(images) {
            return self.refuse(InUse::Images { some });
        }
        self.nobody(sql::DEVICES_OFFERED, args![name], |some| InUse::Devices {
            doing: "are to boot it",
            some,
        })?;
        self.gone(sql::PXE_CONFIG_DELETE, args![name])
    }

    fn relay_board(&mut self, name: &str) -> Result<()> {
        let Some(board) = admin::relay_board(self.c, name)? else { return self.nothing_there() };
        let wanted = board_key(&board.fqdn);
        let rows = self.c.query(sql::DEVICE_RELAYS, &[]).doing(DOING)?;
        let users = readable(rows, |row| {
            let mut cells = Cells::new("devices", row);
            Ok((cells.text("name")?, cells.text("relay_info")?))
        });
        let hangs_on_it = |relay_info: &str| {
            let power = relay_info.parse::<PowerAddress>().ok();
            power.is_some_and(|p| p.relay().is_some_and(|r| board_key(&r.board.to_string()) == wanted))
        };
        let mut names: Vec<String> =
            users.into_iter().filter(|(_, relay)| hangs_on_it(relay)).map(|(name, _)| name).collect();
        names.sort();
        if let Some(some) = Names::of(names) {
            return self.refuse(InUse::Devices { doing: "hang on it", some });
        }
        self.gone(sql::RELAY_BOARD_DELETE, args![name])
    }
}

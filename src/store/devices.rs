//! Devices: reading them in all the shapes that are asked for, and the device layer's writes.
//!
//! One `SELECT` list and one decoder serve loading, listing and choosing. Lists leave unreadable rows out and report them;
//! a device that is asked for by name is `StoreError::Corrupt` when its row is. A state name that this program does not
//! know loads as [`State::Unknown`], which waits for a person; views show it as it is stored until the machine moves.

use super::cells::{Cells, counters_text, readable, times_text};
use super::changes::{self, DeviceSeen, News};
use super::conn::{Conn, ConnError, Doing, Row, Then, Value, args};
use super::rows::{DeviceEdit, DeviceFilter, DeviceInfo, DeviceRecord, DeviceView};
use super::{
    Bell, ChangeData, ChangeKind, ChangeWhat, Committed, DeviceCommit, DeviceNews, Result, attempts, logs,
    spells, sql,
};
use crate::bmm::power::PowerAddress;
use crate::logic::ids::{DeviceName, HardwareId, Mac, RequestId};
use crate::logic::lifeguard::{Boot, Claim, Counter, Device, Install, State};
use crate::logic::machine::{Counters, Epoch};
use crate::logic::mozpool::{Board, Candidate, Kind, Named, place};
use crate::logic::report::Group;
use crate::logic::time::Timestamp;
use std::collections::HashSet;

const READ: &str = "read devices";
/// What searches say of a device whose imaging server is gone.
const UNREACHABLE: &str = "unreachable";

/// A device's row and what is joined to it.
pub(super) struct Stored {
    pub(super) record: DeviceRecord,
    pub(super) state_name: String,
    pub(super) id: i64,
    pub(super) processor: String,
    pub(super) tags: Vec<String>,
    pub(super) comments: String,
    pub(super) inventory_id: i64,
    /// Its imaging server lives, as far as is known.
    pub(super) reachable: bool,
}

impl Stored {
    /// A row that is not there yet.
    pub(super) fn new(machine: Device, info: DeviceInfo) -> Self {
        Self {
            state_name: machine.state.name().into(),
            record: DeviceRecord { id: 0, machine, info, claim: None },
            id: 0,
            processor: String::new(),
            tags: Vec::new(),
            comments: String::new(),
            inventory_id: 0,
            reachable: true,
        }
    }

    fn decode(row: Row) -> Result<Self> {
        let mut c = Cells::new("devices", row);
        let name: DeviceName = c.text("name")?.into();
        let id = c.int("id")?;
        let fqdn = c.text("fqdn")?;
        let mac = c.opt_text("mac")?;
        let mac = match mac {
            Some(text) => Some(text.parse().map_err(|e| c.corrupt("mac", &format!("{e}")))?),
            None => None,
        };
        let info = DeviceInfo {
            fqdn,
            mac,
            imaging_server: c.text("imaging_server")?,
            relay_info: c.text("relay_info")?,
            environment: c.text("environment")?,
            hardware: c.opt_int("hardware_id")?.map(HardwareId),
            hardware_type: c.opt_text("type")?.unwrap_or_default(),
            hardware_model: c.opt_text("model")?.unwrap_or_default(),
        };
        let processor = c.text("processor")?;
        let tags = c.texts("tags")?;
        let comments = c.text("comments")?;
        let inventory_id = c.int("inventory_id")?;
        let state_name = c.text("state")?;
        let machine = Device {
            name,
            state: State::parse(&state_name).unwrap_or(State::Unknown),
            epoch: Epoch(c.int("epoch")?.cast_unsigned()),
            since: c.time("state_since")?,
            deadline: c.opt_time("deadline")?,
            counters: c.counters("counters", Counter::parse)?,
            installed: install(&mut c, "installed_image", "installed_config")?,
            next: install(&mut c, "next_image", "next_config")?,
            boot: match (c.opt_text("boot_pxe_config")?, c.opt_text("boot_config")?) {
                (Some(name), config) => {
                    Some(Boot { pxe_config: name.into(), boot_config: config.map(Into::into) })
                }
                (None, _) => None,
            },
            boot_token: match c.opt_text("boot_token")? {
                // The text itself must not reach an error.
                Some(text) => Some(text.parse().map_err(|e| c.corrupt("boot_token", &format!("{e}")))?),
                None => None,
            },
            vanished: c.flag("vanished")?,
            self_testing: c.flag("self_testing")?,
            progress: match c.opt_int("progress")? {
                Some(n) => Some(u8::try_from(n).map_err(|_| c.corrupt("progress", &n.to_string()))?),
                None => None,
            },
            failures: c.times("failures")?,
        };
        let claim = match (c.opt_int("claims.request_id")?, c.opt_text("requests.imaging_server")?) {
            (Some(request), Some(server)) => {
                Some(Claim { request: RequestId(request), server: server.into() })
            }
            _ => None,
        };
        let reachable = c.opt_text("server_heartbeats.server")?.is_none();
        let record = DeviceRecord { id, machine, info, claim };
        Ok(Self { record, state_name, id, processor, tags, comments, inventory_id, reachable })
    }

    fn board(self, now: Timestamp) -> (Board, Candidate) {
        let DeviceRecord { machine, info, claim, .. } = self.record;
        let kind = Kind {
            environment: info.environment,
            hardware: info.hardware,
            hardware_type: info.hardware_type,
            hardware_model: info.hardware_model,
            processor: self.processor,
            tags: self.tags,
        };
        let board = Board {
            name: machine.name.clone(),
            kind: kind.into(),
            state: state_to_search(self.state_name, self.reachable).into(),
            claimed_by: claim.map(|c| c.request),
        };
        let recent_failures = machine.recent_failures(now);
        let server = info.imaging_server;
        (board, Candidate { name: machine.name, server, installed: machine.installed, recent_failures })
    }

    fn view(self) -> DeviceView {
        let machine = self.record.machine;
        DeviceView {
            id: self.id,
            name: machine.name,
            inventory_id: self.inventory_id,
            info: self.record.info,
            processor: self.processor,
            tags: self.tags,
            state: self.state_name,
            state_since: machine.since,
            deadline: machine.deadline,
            counters: machine.counters,
            installed: machine.installed,
            next: machine.next,
            boot: machine.boot,
            progress: machine.progress,
            comments: self.comments,
            reachable: self.reachable,
            request: self.record.claim.map(|c| c.request),
        }
    }

    /// The search text occurs in name, fqdn, MAC (however it is written) or comments, in any case. Done here and not by
    /// `LIKE`, whose idea of case differs between databases and ends at ASCII in SQLite.
    fn contains(&self, lower_case: &str) -> bool {
        let machine = &self.record.machine;
        let info = &self.record.info;
        let mac = |separator| info.mac.is_some_and(|m| m.join(separator).contains(lower_case));
        let has = |text: &str| text.to_lowercase().contains(lower_case);
        has(&machine.name) || has(&info.fqdn) || has(&self.comments) || mac("") || mac(":") || mac("-")
    }

    /// The text occurs in what its `relay_info` says, as it stands there or as it is usually spelt: whoever looks for
    /// `bank1:relay3` must not miss a `bank01:relay03`.
    fn hangs_on(&self, lower_case: &str) -> bool {
        let info = &self.record.info.relay_info;
        let usual =
            || info.parse::<PowerAddress>().is_ok_and(|p| p.to_string().to_lowercase().contains(lower_case));
        info.to_lowercase().contains(lower_case) || usual()
    }
}

/// A device whose imaging server is gone is ready for nobody.
pub(super) fn state_to_search(state: String, reachable: bool) -> String {
    if reachable || state != State::Ready.name() { state } else { UNREACHABLE.to_owned() }
}

/// After a device was made: its place among the free ones, and whether it is one.
pub(super) fn enter_search<C: Conn>(c: &mut C, name: &DeviceName) -> std::result::Result<(), ConnError> {
    c.exec(sql::DEVICE_SET_LOT, args![place(name), name])?;
    c.exec(sql::DEVICE_MEND_FREE, args![name])?;
    Ok(())
}

/// The same for all devices of a store that has not known it before.
pub(super) fn begin_search<C: Conn>(c: &mut C) -> Result<()> {
    const DOING: &str = "prepare the search for devices";
    for name in names(c)? {
        c.exec(sql::DEVICE_SET_LOT, args![place(&name), &name]).doing(DOING)?;
    }
    c.exec(sql::DEVICES_BEGIN_FREE, &[]).doing(DOING)?;
    Ok(())
}

fn install(c: &mut Cells, image: &str, config: &str) -> Result<Option<Install>> {
    Ok(match (c.opt_text(image)?, c.opt_text(config)?) {
        (Some(image), config) => {
            Some(Install { image: image.into(), boot_config: config.unwrap_or_default().into() })
        }
        (None, _) => None,
    })
}

/// All that can be read of an answer.
fn list<C: Conn>(c: &mut C, sql: &'static str, args: &[Value]) -> Result<Vec<Stored>> {
    Ok(readable(c.query(sql, args).doing(READ)?, Stored::decode))
}

/// Every device, by name.
pub(super) fn all<C: Conn>(c: &mut C) -> Result<Vec<Stored>> {
    list(c, sql::DEVICES_ALL, &[])
}

/// One device.
pub(super) fn stored<C: Conn>(c: &mut C, name: &str) -> Result<Option<Stored>> {
    c.query_one(sql::DEVICE, args![name]).doing(READ)?.map(Stored::decode).transpose()
}

pub(super) fn load_all<C: Conn>(c: &mut C, server: &str) -> Result<Vec<DeviceRecord>> {
    Ok(list(c, sql::DEVICES_OF_SERVER, args![server])?.into_iter().map(|s| s.record).collect())
}

pub(super) fn load<C: Conn>(c: &mut C, name: &str) -> Result<Option<DeviceRecord>> {
    Ok(stored(c, name)?.map(|s| s.record))
}

pub(super) fn view<C: Conn>(c: &mut C, name: &str) -> Result<Option<DeviceView>> {
    Ok(stored(c, name)?.map(Stored::view))
}

pub(super) fn names<C: Conn>(c: &mut C) -> Result<Vec<DeviceName>> {
    let rows = c.query(sql::DEVICE_NAMES, &[]).doing(READ)?;
    Ok(readable(rows, |r| Cells::new("devices", r).text("name").map(Into::into)))
}

pub(super) fn addresses<C: Conn>(c: &mut C, server: &str) -> Result<Vec<(DeviceName, String)>> {
    let rows = c.query(sql::DEVICE_ADDRESSES, args![server]).doing(READ)?;
    Ok(readable(rows, |r| {
        let mut c = Cells::new("devices", r);
        Ok((c.text("name")?.into(), c.text("fqdn")?))
    }))
}

pub(super) fn macs<C: Conn>(c: &mut C, server: &str) -> Result<Vec<(Mac, DeviceName)>> {
    let rows = c.query(sql::DEVICE_MACS, args![server]).doing(READ)?;
    Ok(readable(rows, |r| {
        let mut c = Cells::new("devices", r);
        let (name, mac) = (c.text("name")?.into(), c.text("mac")?);
        Ok((mac.parse().map_err(|e| c.corrupt("mac", &format!("{e}")))?, name))
    }))
}

pub(super) fn environments<C: Conn>(c: &mut C) -> Result<Vec<String>> {
    let rows = c.query(sql::ENVIRONMENTS, &[]).doing(READ)?;
    Ok(readable(rows, |r| Cells::new("devices", r).text("environment")))
}

pub(super) fn views<C: Conn>(c: &mut C, filter: &DeviceFilter) -> Result<Vec<DeviceView>> {
    let DeviceFilter { state, environment, image, hardware_type, tag, q, relay, after, limit } = filter;
    let (state, environment, image) = (state.as_ref(), environment.as_ref(), image.as_ref());
    let (hardware_type, after) = (hardware_type.as_ref(), after.as_ref());
    // What SQL does not decide must not be cut off by it.
    let sql_decides = tag.is_none() && q.is_none() && relay.is_none();
    let sql_limit = if sql_decides { *limit } else { None };
    let args = args![
        state,
        state,
        environment,
        environment,
        image,
        image,
        hardware_type,
        hardware_type,
        after,
        after,
        logs::at_most(sql_limit),
    ];
    let q = q.as_ref().map(|q| q.to_lowercase());
    let relay = relay.as_ref().map(|relay| relay.to_lowercase());
    let found = list(c, sql::DEVICES_FILTERED, args)?
        .into_iter()
        .filter(|d| tag.as_ref().is_none_or(|t| d.tags.contains(t)))
        .filter(|d| q.as_ref().is_none_or(|q| d.contains(q)))
        .filter(|d| relay.as_ref().is_none_or(|r| d.hangs_on(r)))
        .take(limit.unwrap_or(usize::MAX))
        .map(Stored::view);
    Ok(found.collect())
}

pub(super) fn board<C: Conn>(c: &mut C, name: &str, now: Timestamp) -> Result<Option<(Board, Candidate)>> {
    Ok(stored(c, name)?.map(|d| d.board(now)))
}

/// How many [`sql::DEVICES_SOME`] has.
const SOME: usize = 16;

pub(super) fn some_boards<C: Conn>(
    c: &mut C,
    names: &[DeviceName],
    now: Timestamp,
) -> Result<Vec<(Board, Candidate)>> {
    let mut boards = Vec::with_capacity(names.len());
    for some in names.chunks(SOME) {
        // The last one fills the places that are left.
        let args: Vec<Value> = some
            .iter()
            .chain(some.last().into_iter().cycle())
            .take(SOME)
            .map(|name| Value::from(&**name))
            .collect();
        boards.extend(list(c, sql::DEVICES_SOME, &args)?.into_iter().map(|stored| stored.board(now)));
    }
    Ok(boards)
}

pub(super) fn named<C: Conn>(c: &mut C, name: &str) -> Result<Option<Named>> {
    let Some(row) = c.query_one(sql::DEVICE_NAMED, args![name]).doing(READ)? else { return Ok(None) };
    let mut cells = Cells::new("devices", row);
    let state = cells.text("state")?;
    let claimed_by = cells.opt_int("claims.request_id")?.map(RequestId);
    let reachable = cells.opt_text("server_heartbeats.server")?.is_none();
    Ok(Some(Named { state: state_to_search(state, reachable), claimed_by }))
}

pub(super) fn edit<C: Conn>(
    c: &mut C,
    bell: &Bell,
    name: &str,
    edit: &DeviceEdit,
    at: Timestamp,
) -> Result<bool> {
    const DOING: &str = "change a note on a device";
    let (sql, text) = match edit {
        DeviceEdit::Comments(text) => (sql::DEVICE_SET_COMMENTS, text),
        DeviceEdit::Environment(text) => (sql::DEVICE_SET_ENVIRONMENT, text),
    };
    changes::telling(c, bell, DOING, |c, news| {
        let found = c.exec(sql, args![text, name]).doing(DOING)? > 0;
        if found {
            spells::follow(c, name, Some(at), None)?;
            news.device(c, at, name, ChangeWhat::Changed)?;
        }
        Ok((found, Then::Commit))
    })
}

/// Writes what can be written, in one transaction. The `UPDATE` asks for the epoch, and everything else of a commit is
/// only written after it has found its row: a stale commit leaves nothing behind. What follows it for the same device was
/// decided on what it would have left, and is stale even if the epoch it expects happens to be there.
pub(super) fn commit<C: Conn>(c: &mut C, bell: &Bell, commits: &[DeviceCommit]) -> Result<Vec<Committed>> {
    const DOING: &str = "write devices";
    if commits.is_empty() {
        return Ok(Vec::new());
    }
    changes::telling(c, bell, DOING, |c, news| {
        let mut done = Vec::with_capacity(commits.len());
        let mut stale = HashSet::new();
        for DeviceCommit { next, expected, log, turns, result, failure, at } in commits {
            let before = DeviceSeen::read(c, &next.name)?;
            if stale.contains(&next.name)
                || !write_machine(c, next, *expected, &attempts::states_on_the_way(turns, *at))
                    .doing(DOING)?
            {
                stale.insert(&next.name);
                done.push(Committed::Stale);
                continue;
            }
            c.exec(sql::DEVICE_MEND_FREE, args![&next.name]).doing(DOING)?;
            if let Some(result) = result {
                c.exec(sql::CLAIM_SET_RESULT, args![result.name(), &next.name]).doing(DOING)?;
            }
            attempts::turn(c, &next.name, turns, *at).doing(DOING)?;
            for line in log {
                logs::append_device(c, &next.name, *at, logs::MACHINE, line).doing(DOING)?;
            }
            if let Some(before) = before {
                match failure {
                    Some(failure) => {
                        let failure = spells::with_fetched(c, &next.name, failure.clone(), before.since())?;
                        spells::follow(c, &next.name, Some(*at), Some(&failure))?;
                    }
                    None if is_another_spell(&before, next) => {
                        spells::follow(c, &next.name, Some(*at), None)?;
                    }
                    None => {}
                }
                tell(news, *at, &before, next);
            }
            done.push(Committed::Done);
        }
        Ok((done, Then::Commit))
    })
}

/// Whether a commit changes what reports go by. Most do not, and cost nothing more.
fn is_another_spell(before: &DeviceSeen, next: &Device) -> bool {
    let held = before.news.request.is_some();
    let name = |i: &Option<Install>| i.as_ref().map(|i| i.image.clone());
    let (was, is) = (Group::of_name(&before.news.state, held), Group::of(next.state, held));
    let old = spells::image_of(was, before.news.image.as_deref(), before.news.next_image.as_deref());
    let new = spells::image_of(is, name(&next.installed).as_deref(), name(&next.next).as_deref());
    was != is || old != new
}

/// Tells of a commit if others can see it: deadlines, counters and epochs are the machine's own.
fn tell(news: &mut News, at: Timestamp, before: &DeviceSeen, next: &Device) {
    let image = |i: &Option<Install>| i.as_ref().map(|i| i.image.to_string());
    let config = |i: &Option<Install>| i.as_ref().map(|i| i.boot_config.to_string());
    let state = next.state.name();
    let now = DeviceSeen {
        news: DeviceNews {
            state: state.to_owned(),
            was: None,
            environment: before.news.environment.clone(),
            request: before.news.request,
            image: image(&next.installed),
            next_image: image(&next.next),
            progress: next.progress,
        },
        rest: [
            Some(next.since.0.to_string()),
            config(&next.installed),
            config(&next.next),
            next.boot.as_ref().map(|b| b.pxe_config.to_string()),
            next.boot.as_ref().and_then(|b| b.boot_config.as_ref()).map(ToString::to_string),
        ],
    };
    if now == *before {
        return;
    }
    let was = Some(&before.news.state).filter(|old| *old != state).cloned();
    let what = if was.is_some() { ChangeWhat::State } else { ChangeWhat::Changed };
    let data = ChangeData::Device(DeviceNews { was, ..now.news });
    news.tell(at, ChangeKind::Device, &*next.name, what, data);
}

/// `trail`: the states that the device's attempt has gone through with this.
fn write_machine<C: Conn>(
    c: &mut C,
    next: &Device,
    expected: Epoch,
    trail: &str,
) -> std::result::Result<bool, ConnError> {
    // Taken apart so that a new field cannot be forgotten here.
    let Device {
        name,
        state,
        epoch,
        since,
        deadline,
        counters,
        installed,
        next,
        boot,
        boot_token,
        vanished,
        self_testing,
        progress,
        failures,
    } = next;
    let image = |i: &Option<Install>| i.as_ref().map(|i| Value::from(&i.image));
    let config = |i: &Option<Install>| i.as_ref().map(|i| Value::from(&i.boot_config));
    let rows = c.exec(
        sql::DEVICE_MOVE,
        args![
            state.name(),
            epoch.0.cast_signed(),
            *since,
            *deadline,
            counters_of(counters),
            image(installed),
            config(installed),
            image(next),
            config(next),
            boot.as_ref().map(|b| &b.pxe_config),
            boot.as_ref().and_then(|b| b.boot_config.as_ref()),
            boot_token.map(|token| token.text()),
            *vanished,
            *self_testing,
            *progress,
            times_text(failures),
            trail,
            trail,
            name,
            expected.0.cast_signed(),
        ],
    )?;
    Ok(rows > 0)
}

fn counters_of(counters: &Counters<Counter>) -> String {
    counters_text(counters, Counter::name)
}

//! Bringing the store to an inventory: read, planned by `logic::inventory`, and done, in one transaction.
//!
//! Nobody can claim a device between the plan and its deletion. What is written is a lab's rows, by `apply`; what goes is asked
//! once more by `delete`, so that nothing is left without what it refers to.

use super::changes::{self, News};
use super::conn::{Conn, Doing, Then, args};
use super::deletion::Deletion;
use super::devices::Stored;
use super::{Bell, ChangeData, ChangeKind, ChangeWhat, DeviceGone, Result, StoreError};
use super::{admin, apply, delete, devices, spells, sql};
use crate::lab::{
    Change, DeviceEntry, Fate, HardwareTypeEntry, Kind, Lab, RelayBoardEntry, board_key, power_of,
};
use crate::logic::ids::DeviceName;
use crate::logic::inventory::{Brake, Extras, Held, Known, KnownBoard, Left, Plan, Refusal, Wanted, plan};
use crate::logic::lifeguard::at_rest;
use crate::logic::mozpool::place;
use crate::logic::time::Timestamp;
use std::collections::BTreeSet;

const DOING: &str = "bring it to the inventory";

/// What an inventory wants, and how far it may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// Its devices.
    pub wanted: Vec<Wanted>,
    /// Also when more change than pass without a word.
    pub ship_it: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Synced {
    /// What has changed, or would.
    pub changes: Vec<Change>,
    /// What waits for the next run.
    pub left: Vec<Left>,
    /// More would change than pass without a word. In a dry run only: otherwise it is an error.
    pub brake: Option<Brake>,
    /// Names under which there was another device, or none is any more.
    pub gone: Vec<DeviceName>,
}

/// See [`super::Store::sync_inventory`].
pub(super) fn sync<C: Conn>(
    c: &mut C,
    bell: &Bell,
    sync: &Sync,
    dry_run: bool,
    now: Timestamp,
) -> Result<Synced> {
    changes::telling(c, bell, DOING, |c, news| {
        let stored = devices::all(c)?;
        // Greater than any that somebody may decide on, of whatever device had a name before.
        let fresh = stored.iter().map(|s| s.record.machine.epoch).max().unwrap_or_default().next();
        let fresh = fresh.0.cast_signed();
        let known: Vec<Known> = stored.into_iter().map(known).collect();
        let boards = admin::relay_boards(c)?.into_iter().filter_map(|b| {
            Some(KnownBoard { key: board_key(&b.fqdn)?, name: b.name, imaging_server: b.imaging_server })
        });
        let boards: Vec<KnownBoard> = boards.collect();
        let plan = plan(&sync.wanted, &known, &boards).map_err(StoreError::Inventory)?;
        if let (Some(brake), false, false) = (plan.brake, sync.ship_it, dry_run) {
            return Err(StoreError::Inventory(Refusal::TooMany(brake)));
        }
        let mut done = Synced {
            brake: plan.brake.filter(|_| !sync.ship_it),
            gone: plan.delete.iter().chain(plan.rename.iter().map(|(old, _)| old)).cloned().collect(),
            ..Synced::default()
        };
        for name in &plan.delete {
            done.changes.extend(delete::within(c, news, &Deletion::Device(name.clone()), now)?);
        }
        rename(c, news, &plan, &known, now, &mut done.changes)?;
        done.changes.extend(apply::within(c, news, &lab(&sync.wanted, &plan), now)?);
        for name in plan.delete.iter().chain(plan.rename.iter().map(|(_, new)| new)) {
            c.exec(sql::DEVICE_BEGIN_EPOCH, args![fresh, name]).doing(DOING)?;
        }
        for name in &plan.drop {
            done.changes.extend(delete::within(c, news, &Deletion::RelayBoard(name.clone()), now)?);
        }
        done.left = plan.left;
        Ok((done, if dry_run { Then::Undo } else { Then::Commit }))
    })
}

fn known(stored: Stored) -> Known {
    let Stored { record, state_name, processor, tags, comments, inventory_id, .. } = stored;
    let (machine, info) = (record.machine, record.info);
    let held = match record.claim {
        Some(claim) => Some(Held::Claimed { request: claim.request.0 }),
        None if !at_rest(machine.state) => Some(Held::AtWork { state: state_name }),
        None => None,
    };
    Known {
        name: machine.name,
        inventory_id,
        fqdn: info.fqdn,
        mac: info.mac,
        imaging_server: info.imaging_server,
        power: power_of(&info.relay_info),
        hardware: info.hardware.map(|_| (info.hardware_type, info.hardware_model)),
        extras: Extras {
            environment: Some(info.environment),
            processor: Some(processor),
            tags: Some(tags),
            comments: Some(comments),
        },
        held,
    }
}

/// Rows of the plan as rows of a lab.
fn lab(wanted: &[Wanted], plan: &Plan) -> Lab {
    let devices = || plan.write.iter().filter_map(|i| wanted.get(*i));
    let types: BTreeSet<&(String, String)> = devices().filter_map(|d| d.hardware.as_ref()).collect();
    let hardware_types = types.into_iter().map(|(kind, model)| HardwareTypeEntry {
        kind: kind.clone(),
        model: model.clone(),
        ..HardwareTypeEntry::default()
    });
    let relay_boards = plan.boards.iter().map(|b| RelayBoardEntry {
        line: 0,
        name: b.name.clone(),
        fqdn: b.fqdn.clone(),
        imaging_server: Some(b.imaging_server.clone()),
    });
    let devices = devices().map(|d| {
        let Extras { environment, processor, tags, comments } = d.extras.clone();
        DeviceEntry {
            line: 0,
            name: d.name.clone(),
            fqdn: Some(d.fqdn.clone()),
            mac: Some(Some(d.mac)),
            imaging_server: Some(d.imaging_server.clone()),
            relay_info: Some(d.power.text.clone()),
            environment,
            hardware: d.hardware.clone().map(Some),
            processor,
            tags,
            comments,
            inventory_id: Some(d.inventory_id),
            state: None,
        }
    });
    Lab {
        hardware_types: hardware_types.collect(),
        relay_boards: relay_boards.collect(),
        devices: devices.collect(),
        ..Lab::default()
    }
}

/// Devices that go on under another name, with their state, history and log. Names may go round in a circle: all let go of
/// theirs before anybody takes one.
fn rename<C: Conn>(
    c: &mut C,
    news: &mut News,
    plan: &Plan,
    known: &[Known],
    now: Timestamp,
    changes: &mut Vec<Change>,
) -> Result<()> {
    let aside = |i: usize| format!("\u{1}{i}");
    for (i, (old, _)) in plan.rename.iter().enumerate() {
        c.exec(sql::DEVICE_RENAME, args![aside(i), old]).doing(DOING)?;
        let before = known.iter().find(|k| k.name == *old);
        let environment = before.and_then(|k| k.extras.environment.clone()).unwrap_or_default();
        let gone = ChangeData::DeviceGone(DeviceGone { environment });
        news.tell(now, ChangeKind::Device, old.to_string(), ChangeWhat::Deleted, gone);
    }
    for (i, (old, new)) in plan.rename.iter().enumerate() {
        c.exec(sql::DEVICE_RENAME, args![new, aside(i)]).doing(DOING)?;
        c.exec(sql::DEVICE_SET_LOT, args![place(new), new]).doing(DOING)?;
        spells::renamed(c, new)?;
        news.device(c, now, new, ChangeWhat::Created)?;
        let text = format!("device {new}: name {old} -> {new}");
        changes.push(Change { kind: Kind::Device.name(), name: new.to_string(), fate: Fate::Changed, text });
    }
    Ok(())
}

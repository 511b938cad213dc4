//! Everything that a lab file can say, read from the store in one transaction.
//!
//! A device's state is its machine's business and not part of it, but for one: hands stay off a board that is `locked_out`
//! when its lab is set up anew.

use super::conn::{Conn, Then};
use super::{Result, admin, devices};
use crate::lab::{
    DeviceEntry, HardwareTypeEntry, ImageEntry, Kind, Lab, PxeChoice, PxeConfigEntry, RelayBoardEntry,
    hardware_label,
};
use crate::logic::lifeguard::State;
use std::collections::HashMap;

/// See [`super::Store::export_lab`].
pub(super) fn lab<C: Conn>(c: &mut C, kinds: &[Kind]) -> Result<Lab> {
    c.transaction("read the whole lab", |c| Ok((read(c, kinds)?, Then::Undo)))
}

fn read<C: Conn>(c: &mut C, kinds: &[Kind]) -> Result<Lab> {
    let mut lab = Lab::default();
    for kind in kinds {
        match kind {
            Kind::HardwareType => lab.hardware_types = hardware_types(c)?,
            Kind::PxeConfig => lab.pxe_configs = pxe_configs(c)?,
            Kind::Image => lab.images = images(c)?,
            Kind::RelayBoard => lab.relay_boards = relay_boards(c)?,
            Kind::Device => lab.devices = devices::all(c)?.into_iter().map(device).collect(),
        }
    }
    Ok(lab)
}

fn images<C: Conn>(c: &mut C) -> Result<Vec<ImageEntry>> {
    let hardware = admin::hardware(c)?;
    let labels: HashMap<_, _> = hardware.iter().map(|h| (h.id, hardware_label(&h.kind, &h.model))).collect();
    let mut pxe: HashMap<String, Vec<PxeChoice>> = HashMap::new();
    for (image, id, pxe_config) in admin::matrix(c)? {
        let Some(label) = labels.get(&id) else { continue };
        let choice = PxeChoice { line: 0, hardware: label.clone(), pxe_config: pxe_config.to_string() };
        pxe.entry(image.to_string()).or_default().push(choice);
    }
    let images = admin::images(c)?.into_iter().map(|row| ImageEntry {
        line: 0,
        check: Some(row.check),
        second_stage: Some(row.second_stage),
        boot_config_keys: Some(row.boot_config_keys),
        boot_config_defaults: Some(row.boot_config_defaults),
        can_reuse: Some(row.can_reuse),
        hidden: Some(row.hidden),
        limits: Some(row.limits),
        pxe: pxe.remove(&row.name).unwrap_or_default(),
        name: row.name,
    });
    Ok(images.collect())
}

fn pxe_configs<C: Conn>(c: &mut C) -> Result<Vec<PxeConfigEntry>> {
    let pxe_configs = admin::pxe_configs(c)?.into_iter().map(|row| PxeConfigEntry {
        line: 0,
        name: row.name,
        description: Some(row.description),
        contents: Some(row.contents),
        active: Some(row.active),
    });
    Ok(pxe_configs.collect())
}

fn relay_boards<C: Conn>(c: &mut C) -> Result<Vec<RelayBoardEntry>> {
    let relay_boards = admin::relay_boards(c)?.into_iter().map(|row| RelayBoardEntry {
        line: 0,
        name: row.name,
        fqdn: Some(row.fqdn),
        imaging_server: Some(row.imaging_server),
    });
    Ok(relay_boards.collect())
}

fn hardware_types<C: Conn>(c: &mut C) -> Result<Vec<HardwareTypeEntry>> {
    let hardware_types = admin::hardware(c)?.into_iter().map(|row| HardwareTypeEntry {
        line: 0,
        kind: row.kind,
        model: row.model,
        ping_steady_s: Some(row.ping_steady_s),
        limits: Some(row.limits),
    });
    Ok(hardware_types.collect())
}

fn device(stored: devices::Stored) -> DeviceEntry {
    let (machine, info) = (stored.record.machine, stored.record.info);
    DeviceEntry {
        line: 0,
        name: machine.name,
        fqdn: Some(info.fqdn),
        mac: Some(info.mac),
        imaging_server: Some(info.imaging_server),
        relay_info: Some(info.relay_info),
        environment: Some(info.environment),
        hardware: Some(info.hardware.map(|_| (info.hardware_type, info.hardware_model))),
        processor: Some(stored.processor),
        tags: Some(stored.tags),
        comments: Some(stored.comments),
        inventory_id: Some(stored.inventory_id),
        state: (machine.state == State::LockedOut).then_some(State::LockedOut),
    }
}

//! The lab file's devices: what they are, never where their machines stand.

use super::{Apply, DOING};
use crate::lab::{DeviceEntry, Kind, Problem, hardware_label, relay_key};
use crate::logic::ids::{DeviceName, Mac};
use crate::logic::lifeguard::{Device, State};
use crate::store::admin::{self, HardwareRow};
use crate::store::cells::{Cells, readable, texts_text};
use crate::store::conn::{Conn, ConnError, Doing, args};
use crate::store::devices::{self, Stored};
use crate::store::rows::DeviceInfo;
use crate::store::{ChangeWhat, Result, candidates, spells, sql};
use std::collections::HashMap;

impl<C: Conn> Apply<'_, C> {
    pub(super) fn devices(&mut self) -> Result<()> {
        let hardware = admin::hardware(self.c)?;
        let mut old = HashMap::new();
        for entry in &self.lab.devices {
            if let Some(stored) = devices::stored(self.c, &entry.name)? {
                // Two devices may swap their addresses: those that change one let go of it before anybody takes it.
                if entry.mac.is_some_and(|mac| mac != stored.record.info.mac) {
                    self.c.exec(sql::DEVICE_FORGET_MAC, args![&entry.name]).doing(DOING)?;
                }
                old.insert(entry.name.clone(), stored);
            }
        }
        for entry in &self.lab.devices {
            self.device(entry, old.remove(&entry.name), &hardware)?;
        }
        self.no_relay_twice()
    }

    fn device(&mut self, entry: &DeviceEntry, old: Option<Stored>, hardware: &[HardwareRow]) -> Result<()> {
        let DeviceEntry {
            line,
            name,
            fqdn,
            mac,
            imaging_server,
            relay_info,
            environment,
            hardware: wanted_hardware,
            processor,
            tags,
            comments,
            inventory_id,
            state,
        } = entry;
        let row_name = || format!("device `{name}`");
        let mut diff = self.diff(Kind::Device, name, old.is_none())?;
        let fresh = diff.fresh;
        let old_server = old.as_ref().map(|old| old.record.info.imaging_server.clone());
        let mut row = match (old, fqdn) {
            (Some(old), _) => old,
            (None, Some(fqdn)) => Stored::new(
                Device::new(name.clone(), state.unwrap_or(State::New), self.now),
                DeviceInfo {
                    fqdn: fqdn.clone(),
                    imaging_server: self.server_or_default(imaging_server.as_ref(), *line, row_name())?,
                    ..DeviceInfo::default()
                },
            ),
            (None, None) => return Err(self.refuse(*line, row_name(), "fqdn", Problem::NewWithout("fqdn"))),
        };
        // The request's machine talks to the server that the device had when it was claimed.
        if let Some(claim) = &row.record.claim
            && imaging_server.as_ref().is_some_and(|s| *s != row.record.info.imaging_server)
        {
            let problem = Problem::Claimed { request: claim.request.0 };
            return Err(self.refuse(*line, row_name(), "imaging_server", problem));
        }
        let info = &mut row.record.info;
        diff.text("fqdn", &mut info.fqdn, fqdn.as_ref());
        let show_mac = |m: &Option<Mac>| m.map_or("(nothing)".into(), |m| m.to_string());
        diff.set("mac", &mut info.mac, *mac, show_mac);
        diff.text("imaging_server", &mut info.imaging_server, imaging_server.as_ref());
        diff.text("relay_info", &mut info.relay_info, relay_info.as_ref());
        diff.text("environment", &mut info.environment, environment.as_ref());
        if let Some(wanted) = wanted_hardware {
            let found = match wanted {
                None => None,
                Some((kind, model)) => match hardware.iter().find(|h| h.kind == *kind && h.model == *model) {
                    Some(found) => Some(found.id),
                    None => {
                        let problem = Problem::UnknownHardware(hardware_label(kind, model));
                        return Err(self.refuse(*line, row_name(), "hardware_type", problem));
                    }
                },
            };
            diff.set("hardware", &mut info.hardware, Some(found), |id| {
                hardware
                    .iter()
                    .find(|h| Some(h.id) == *id)
                    .map_or("(nothing)".into(), |h| hardware_label(&h.kind, &h.model))
            });
        }
        diff.text("processor", &mut row.processor, processor.as_ref());
        diff.texts("tags", &mut row.tags, tags.as_ref());
        diff.text("comments", &mut row.comments, comments.as_ref());
        diff.set("inventory_id", &mut row.inventory_id, *inventory_id, i64::to_string);
        if diff.finish(&mut self.changes) {
            self.write_device(&row, fresh).map_err(|e| match (e, mac) {
                (ConnError::Duplicate(_), Some(Some(mac))) => {
                    let by = self.owner_of(*mac).map_or("another device".into(), |n| format!("device `{n}`"));
                    self.refuse(*line, row_name(), "mac", Problem::Taken { text: mac.to_string(), by })
                }
                (e, _) => e.doing(DOING),
            })?;
            if let Some(mac) = row.record.info.mac {
                candidates::forget(self.c, self.news, mac, self.now)?;
            }
            if old_server.is_some_and(|old| old != row.record.info.imaging_server) {
                self.c.exec(sql::DEVICE_HAND_OVER, args![name]).doing(DOING)?;
                self.c.exec(sql::DEVICE_MEND_FREE, args![name]).doing(DOING)?;
            }
            spells::follow(self.c, name, Some(self.now), None)?;
            let what = if fresh { ChangeWhat::Created } else { ChangeWhat::Changed };
            self.news.device(self.c, self.now, name, what)?;
        }
        Ok(())
    }

    fn write_device(&mut self, row: &Stored, fresh: bool) -> std::result::Result<(), ConnError> {
        let (info, machine) = (&row.record.info, &row.record.machine);
        let mac = info.mac.map(|m| m.join(""));
        let hardware = info.hardware.map(|h| h.0);
        let tags = texts_text(&row.tags);
        let DeviceInfo { fqdn, imaging_server, relay_info, environment, .. } = info;
        let Stored { processor, comments, inventory_id, .. } = row;
        if fresh {
            let args = args![
                &machine.name,
                fqdn,
                mac,
                imaging_server,
                relay_info,
                environment,
                hardware,
                processor,
                tags,
                comments,
                *inventory_id,
                machine.state.name(),
                machine.epoch.0.cast_signed(),
                machine.since,
                machine.deadline,
            ];
            self.c.insert(sql::DEVICE_INSERT, args)?;
            devices::enter_search(self.c, &machine.name)?;
        } else {
            let args = args![
                fqdn,
                mac,
                imaging_server,
                relay_info,
                environment,
                hardware,
                processor,
                tags,
                comments,
                *inventory_id,
                &machine.name,
            ];
            self.c.exec(sql::DEVICE_DESCRIBE, args)?;
        }
        Ok(())
    }

    fn owner_of(&mut self, mac: Mac) -> Option<DeviceName> {
        let row = self.c.query_one(sql::DEVICE_OF_MAC, args![mac.join("")]).ok()??;
        Cells::new("devices", row).text("name").ok().map(Into::into)
    }

    /// Two devices on one relay would cut each other's power. Asked of file and store together; what was wrong in the
    /// store before stays the store's trouble.
    fn no_relay_twice(&mut self) -> Result<()> {
        let rows = self.c.query(sql::DEVICE_RELAYS, &[]).doing(DOING)?;
        let users: Vec<(String, String)> = readable(rows, |row| {
            let mut c = Cells::new("devices", row);
            Ok((c.text("name")?, c.text("relay_info")?))
        });
        let mut by_relay: HashMap<String, Vec<&str>> = HashMap::new();
        for (name, relay_info) in &users {
            if let Some(key) = relay_key(relay_info) {
                by_relay.entry(key).or_default().push(name);
            }
        }
        for entry in &self.lab.devices {
            let Some(text) = entry.relay_info.as_deref() else { continue };
            let users = relay_key(text).and_then(|key| by_relay.get(&key));
            if let Some(other) = users.into_iter().flatten().find(|n| ***n != *entry.name) {
                let problem = Problem::Taken { text: text.into(), by: format!("device `{other}`") };
                return Err(self.refuse(
                    entry.line,
                    format!("device `{}`", entry.name),
                    "relay_info",
                    problem,
                ));
            }
        }
        Ok(())
    }
}

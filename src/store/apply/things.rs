//! The lab file's hardware types, PXE configs, images with their matrix, and relay boards.

use super::{Apply, DOING};
use crate::lab::{
    Change, HardwareTypeEntry, ImageEntry, Kind, Problem, PxeConfigEntry, RelayBoardEntry, board_key,
    hardware_label,
};
use crate::logic::catalog::{PING_STEADY_S, TimeLimits};
use crate::logic::check::Check;
use crate::logic::ids::{HardwareId, ImageName, PxeConfigName};
use crate::store::admin::{self, HardwareRow};
use crate::store::cells::{limits_text, texts_text};
use crate::store::conn::{Conn, ConnError, Doing, args};
use crate::store::rows::{ImageRow, PxeConfigRow, RelayBoardRow};
use crate::store::{ChangeKind, Result, StoreError, sql};
use std::collections::{BTreeMap, HashMap};

impl<C: Conn> Apply<'_, C> {
    pub(super) fn hardware_types(&mut self) -> Result<()> {
        let stored = admin::hardware(self.c)?;
        for HardwareTypeEntry { line, kind, model, ping_steady_s, limits } in &self.lab.hardware_types {
            let old = stored.iter().find(|h| h.kind == *kind && h.model == *model).cloned();
            let label = hardware_label(kind, model);
            let alike = |h: &&HardwareRow| hardware_label(&h.kind, &h.model) == label;
            if let (None, Some(other)) = (&old, stored.iter().find(alike)) {
                // `pxe` tables could not tell them apart.
                let by = format!("type `{}` with model `{}`", other.kind, other.model);
                let problem = Problem::Taken { text: label.clone(), by };
                return Err(self.refuse(*line, format!("hardware_type `{label}`"), "type", problem));
            }
            let mut diff = self.diff(Kind::HardwareType, &label, old.is_none())?;
            let mut row = old.unwrap_or_else(|| HardwareRow {
                id: HardwareId(0),
                kind: kind.clone(),
                model: model.clone(),
                ping_steady_s: PING_STEADY_S,
                limits: TimeLimits::new(),
            });
            let fresh = diff.fresh;
            diff.set("ping_steady_s", &mut row.ping_steady_s, *ping_steady_s, u32::to_string);
            diff.limits(&mut row.limits, limits.as_ref());
            if diff.finish(&mut self.changes) {
                let (steady, limits) = (row.ping_steady_s, limits_text(&row.limits));
                if fresh {
                    let args = args![kind, model, steady, limits];
                    self.c.insert(sql::HARDWARE_TYPE_INSERT, args).doing(DOING)?;
                } else {
                    self.c.exec(sql::HARDWARE_TYPE_UPDATE, args![steady, limits, row.id.0]).doing(DOING)?;
                }
                self.tell(ChangeKind::HardwareType, &hardware_label(kind, model), fresh);
            }
        }
        Ok(())
    }

    pub(super) fn pxe_configs(&mut self) -> Result<()> {
        for PxeConfigEntry { line, name, description, contents, active } in &self.lab.pxe_configs {
            let old = admin::pxe_config(self.c, name)?;
            let mut diff = self.diff(Kind::PxeConfig, name, old.is_none())?;
            if diff.fresh && contents.is_none() {
                return Err(self.refuse(*line, format!("pxe_config `{name}`"), "contents", Problem::NoText));
            }
            let mut row = old.unwrap_or_else(|| PxeConfigRow {
                name: name.clone(),
                description: String::new(),
                contents: String::new(),
                active: true,
            });
            let fresh = diff.fresh;
            let sql = if fresh { sql::PXE_CONFIG_INSERT } else { sql::PXE_CONFIG_UPDATE };
            diff.text("description", &mut row.description, description.as_ref());
            diff.set("contents", &mut row.contents, contents.clone(), |t| format!("({} bytes)", t.len()));
            diff.flag("active", &mut row.active, *active);
            if diff.finish(&mut self.changes) {
                let args = args![row.description, row.contents, row.active, name];
                self.c.exec(sql, args).doing(DOING)?;
                self.tell(ChangeKind::PxeConfig, name, fresh);
            }
        }
        Ok(())
    }

    pub(super) fn image(&mut self, entry: &ImageEntry) -> Result<()> {
        let ImageEntry {
            line: _,
            name,
            check,
            second_stage,
            boot_config_keys,
            boot_config_defaults,
            can_reuse,
            hidden,
            limits,
            pxe: _,
        } = entry;
        let old = admin::image(self.c, name)?;
        let mut diff = self.diff(Kind::Image, name, old.is_none())?;
        let mut row = old.unwrap_or_else(|| ImageRow {
            id: 0,
            name: name.clone(),
            boot_config_keys: Vec::new(),
            boot_config_defaults: String::new(),
            can_reuse: false,
            hidden: false,
            check: Check::default(),
            second_stage: String::new(),
            limits: TimeLimits::new(),
        });
        let fresh = diff.fresh;
        let sql = if fresh { sql::IMAGE_INSERT } else { sql::IMAGE_UPDATE };
        diff.set("check", &mut row.check, check.clone(), Check::to_string);
        diff.text("second_stage", &mut row.second_stage, second_stage.as_ref());
        diff.texts("boot_config_keys", &mut row.boot_config_keys, boot_config_keys.as_ref());
        // The same values in another order are no difference.
        let defaults = boot_config_defaults.as_ref().filter(|d| !same_json(d, &row.boot_config_defaults));
        diff.text("boot_config_defaults", &mut row.boot_config_defaults, defaults);
        diff.flag("can_reuse", &mut row.can_reuse, *can_reuse);
        diff.flag("hidden", &mut row.hidden, *hidden);
        diff.limits(&mut row.limits, limits.as_ref());
        if diff.finish(&mut self.changes) {
            let args = args![
                texts_text(&row.boot_config_keys),
                row.boot_config_defaults,
                row.can_reuse,
                row.hidden,
                row.check.to_string(),
                row.second_stage,
                limits_text(&row.limits),
                name,
            ];
            self.c.exec(sql, args).doing(DOING)?;
            self.tell(ChangeKind::Image, name, fresh);
        }
        Ok(())
    }

    pub(super) fn matrix(&mut self) -> Result<()> {
        let hardware = admin::hardware(self.c)?;
        let known: Vec<String> = admin::pxe_configs(self.c)?.into_iter().map(|p| p.name).collect();
        let stored: HashMap<(ImageName, HardwareId), PxeConfigName> =
            admin::matrix(self.c)?.into_iter().map(|(i, h, p)| ((i, h), p)).collect();
        for image in &self.lab.images {
            // The rows of `*` first, so that a hardware type's own entry wins.
            let mut wanted: BTreeMap<HardwareId, &String> = BTreeMap::new();
            let (all, own): (Vec<_>, Vec<_>) = image.pxe.iter().partition(|p| p.hardware == "*");
            for choice in all.into_iter().chain(own) {
                let refuse = |problem| {
                    Err(self.refuse(choice.line, format!("image `{}`", image.name), "pxe", problem))
                };
                if !choice.pxe_config.is_empty() && !known.contains(&choice.pxe_config) {
                    return refuse(Problem::UnknownPxeConfig(choice.pxe_config.clone()));
                }
                let label = &choice.hardware;
                let fits = |h: &&HardwareRow| label == "*" || hardware_label(&h.kind, &h.model) == *label;
                let fitting: Vec<HardwareId> = hardware.iter().filter(fits).map(|h| h.id).collect();
                match fitting.len() {
                    0 if label != "*" => return refuse(Problem::UnknownHardware(label.clone())),
                    2.. if label != "*" => return refuse(Problem::AmbiguousHardware(label.clone())),
                    _ => wanted.extend(fitting.into_iter().map(|h| (h, &choice.pxe_config))),
                }
            }
            for h in &hardware {
                let Some(pxe_config) = wanted.get(&h.id) else { continue };
                let old = stored.get(&(ImageName::from(image.name.as_str()), h.id));
                let label = format!("{} on {}", image.name, hardware_label(&h.kind, &h.model));
                let (sql, text) = match old {
                    Some(old) if **old == ***pxe_config => continue,
                    None if pxe_config.is_empty() => continue,
                    Some(old) if pxe_config.is_empty() => {
                        self.c.exec(sql::MATRIX_DELETE, args![&image.name, h.id.0]).doing(DOING)?;
                        let text = format!("image {label}: PXE config {old} -> (nothing)");
                        self.changes.push(Change::part(Kind::Image, &image.name, text));
                        self.tell(ChangeKind::Image, &image.name, false);
                        continue;
                    }
                    Some(old) => {
                        (sql::MATRIX_UPDATE, format!("image {label}: PXE config {old} -> {pxe_config}"))
                    }
                    None => (sql::MATRIX_INSERT, format!("image {label}: PXE config {pxe_config}")),
                };
                self.c.exec(sql, args![*pxe_config, &image.name, h.id.0]).doing(DOING)?;
                self.changes.push(Change::part(Kind::Image, &image.name, text));
                self.tell(ChangeKind::Image, &image.name, false);
            }
        }
        Ok(())
    }

    pub(super) fn relay_boards(&mut self) -> Result<()> {
        let stored = admin::relay_boards(self.c)?;
        let mentioned = |name: &str| self.lab.relay_boards.iter().any(|b| b.name == name);
        for RelayBoardEntry { line, name, fqdn, imaging_server } in &self.lab.relay_boards {
            let row_name = || format!("relay_board `{name}`");
            let other = |b: &&RelayBoardRow| {
                let same = fqdn.as_ref().is_some_and(|fqdn| board_key(&b.fqdn) == board_key(fqdn));
                b.name != *name && !mentioned(&b.name) && same
            };
            if let (Some(fqdn), Some(other)) = (fqdn, stored.iter().find(other)) {
                let by = format!("relay board `{}`", other.name);
                let problem = Problem::Taken { text: fqdn.clone(), by };
                return Err(self.refuse(*line, row_name(), "fqdn", problem));
            }
            let old = stored.iter().find(|b| b.name == *name).cloned();
            let mut diff = self.diff(Kind::RelayBoard, name, old.is_none())?;
            let mut row = match (old, fqdn) {
                (Some(old), _) => old,
                (None, Some(fqdn)) => RelayBoardRow {
                    name: name.clone(),
                    fqdn: fqdn.clone(),
                    imaging_server: self.server_or_default(imaging_server.as_ref(), *line, row_name())?,
                },
                (None, None) => {
                    return Err(self.refuse(*line, row_name(), "fqdn", Problem::NewWithout("fqdn")));
                }
            };
            let fresh = diff.fresh;
            let sql = if fresh { sql::RELAY_BOARD_INSERT } else { sql::RELAY_BOARD_UPDATE };
            diff.text("fqdn", &mut row.fqdn, fqdn.as_ref());
            diff.text("imaging_server", &mut row.imaging_server, imaging_server.as_ref());
            if diff.finish(&mut self.changes) {
                let written = self.c.exec(sql, args![&row.fqdn, &row.imaging_server, name]);
                written.map_err(|e| self.taken(e, *line, row_name(), "fqdn", &row.fqdn))?;
                self.tell(ChangeKind::RelayBoard, name, fresh);
            }
        }
        Ok(())
    }

    /// A unique key that is still taken while rows swap their values, or by a row that could not be read before.
    fn taken(&self, e: ConnError, line: usize, row: String, field: &'static str, text: &str) -> StoreError {
        match e {
            ConnError::Duplicate(_) => {
                self.refuse(line, row, field, Problem::Taken { text: text.into(), by: "another row".into() })
            }
            other => other.doing(DOING),
        }
    }
}

/// Two texts that are the same JSON; the empty one is an object without keys.
fn same_json(a: &str, b: &str) -> bool {
    let parse = |text: &str| match text {
        "" => Some(serde_json::Value::Object(serde_json::Map::new())),
        text => serde_json::from_str(text).ok(),
    };
    a == b || parse(a).is_some_and(|a: serde_json::Value| Some(a) == parse(b))
}

//! Nothing is said twice in one lab file: no name, no address, no relay.

use super::error::{LabError, Place, Problem};
use super::parse::{board_key, relay_key};
use super::{DeviceEntry, HardwareTypeEntry, Kind, Lab, hardware_label};
use std::collections::HashMap;

impl Lab {
    pub(super) fn nothing_twice(&self) -> Result<(), LabError> {
        // By label, so that `a b` + `c` and `a` + `b c` cannot both stand behind the key `a b c` of a `pxe` table.
        let label = |h: &HardwareTypeEntry| hardware_label(&h.kind, &h.model);
        let types = &self.hardware_types;
        self.unique(Kind::HardwareType, "type", types, |h| (h.line, label(h), Some(label(h))))?;
        self.unique(Kind::PxeConfig, "name", &self.pxe_configs, |p| {
            (p.line, p.name.clone(), Some(p.name.clone()))
        })?;
        self.unique(Kind::Image, "name", &self.images, |i| (i.line, i.name.clone(), Some(i.name.clone())))?;
        self.unique(Kind::RelayBoard, "name", &self.relay_boards, |b| {
            (b.line, b.name.clone(), Some(b.name.clone()))
        })?;
        self.unique(Kind::RelayBoard, "fqdn", &self.relay_boards, |b| {
            (b.line, b.name.clone(), b.fqdn.as_deref().and_then(board_key))
        })?;
        let name = |d: &DeviceEntry| d.name.to_string();
        self.unique(Kind::Device, "name", &self.devices, |d| (d.line, name(d), Some(name(d))))?;
        self.unique(Kind::Device, "mac", &self.devices, |d| {
            (d.line, name(d), d.mac.flatten().map(|m| m.to_string()))
        })?;
        self.unique(Kind::Device, "relay_info", &self.devices, |d| {
            (d.line, name(d), d.relay_info.as_deref().and_then(relay_key))
        })
    }

    /// Fails at the second row that has a key which an earlier one has. `key` gives line, name and key.
    fn unique<E>(
        &self,
        kind: Kind,
        field: &'static str,
        rows: &[E],
        key: impl Fn(&E) -> (usize, String, Option<String>),
    ) -> Result<(), LabError> {
        let mut seen = HashMap::new();
        for (line, name, key) in rows.iter().map(key) {
            let Some(text) = key else { continue };
            if let Some((first, by)) = seen.insert(text.clone(), (line, name.clone())) {
                let problem = Problem::Twice { text, line: first, by };
                let row = format!("{} `{name}`", kind.name());
                let at = Box::new(Place { origin: self.origin.clone(), line, row, field });
                return Err(LabError { at, problem });
            }
        }
        Ok(())
    }
}

//! Mozilla's Inventory, which the original Mozpool was fed from: one export of all systems, and look-ups of what their numbers mean.
//!
//! `GET URL/en-US/bulk_action/export/?q=FILTER` has `systems`: hostname → system. Status and model are numbers; each is looked up
//! once. Whatever does not answer 200 ends the run.

use super::mapped::{shape, text};
use super::web::{TokenWord, Web, escape};
use super::{SYSTEMS_MAX, Source, SourceError};
use crate::config::Inventory;
use crate::logic::inventory::System;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Instant;

const EXPORT: &str = "/en-US/bulk_action/export/?q=";
const CORE: &str = "/en-US/core/api/v1_core";

pub(super) struct Mozilla {
    web: Web,
    filter: String,
}

impl Mozilla {
    pub(super) fn open(config: &Inventory, until: Instant) -> Result<Self, SourceError> {
        let web = Web::open(config, "mozilla", TokenWord::Bearer, until)?;
        Ok(Self { web, filter: config.filter.clone() })
    }

    /// What a number means, asked once.
    fn look_up<'c>(
        &self,
        known: &'c mut HashMap<String, Value>,
        what: &str,
        pk: String,
    ) -> Result<&'c Value, SourceError> {
        match known.entry(pk) {
            std::collections::hash_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::hash_map::Entry::Vacant(place) => {
                let url = self.web.url(&format!("{CORE}/{what}/{}/", escape(place.key())));
                Ok(place.insert(self.web.get(&url)?))
            }
        }
    }
}

impl Source for Mozilla {
    fn fetch(&self) -> Result<Vec<System>, SourceError> {
        let url = self.web.url(&format!("{EXPORT}{}", escape(&self.filter)));
        let answer = self.web.get(&url)?;
        let found = answer.pointer("/systems").unwrap_or(&Value::Null);
        let Some(all) = found.as_object() else {
            return Err(shape(found, "/systems", "an object of systems", &url));
        };
        if all.len() > SYSTEMS_MAX {
            return Err(SourceError::TooMuch { url, what: format!("more than {SYSTEMS_MAX} systems") });
        }
        let (mut statuses, mut models) = (HashMap::new(), HashMap::new());
        let mut systems = Vec::new();
        for (hostname, system) in all {
            let place = format!("system {hostname}");
            let get = |pointer: &str| text(system, pointer, &place).map(Option::unwrap_or_default);
            let key = |name: &str| {
                // In the pointer a slash or a tilde of the key would be escaped; these have none.
                get(&format!("/keyvalue_set/{name}/value"))
            };
            let status = match text(system, "/system_status", &place)? {
                Some(pk) => text(self.look_up(&mut statuses, "systemstatus", pk)?, "/status", &place)?,
                None => None,
            };
            let (hardware_type, hardware_model) = match text(system, "/server_model", &place)? {
                Some(pk) => {
                    let model = self.look_up(&mut models, "servermodel", pk)?;
                    (text(model, "/vendor", &place)?, text(model, "/model", &place)?)
                }
                None => (None, None),
            };
            systems.push(System {
                inventory_id: get("/pk")?,
                fqdn: hostname.clone(),
                status: status.unwrap_or_default(),
                mac: get("/staticreg_set/nic0/hwadapter_set/hw0/mac")?,
                imaging_server: key("system.imaging_server.0")?,
                relay_info: key("system.relay.0")?,
                hardware_type: hardware_type.unwrap_or_default(),
                hardware_model: hardware_model.unwrap_or_default(),
                place,
                ..System::default()
            });
        }
        Ok(systems)
    }
}

//! NetBox: devices with custom fields for what only we want to know, and the MAC addresses of their interfaces.
//!
//! Lists come in pages by `limit` and `offset`, with a `count` that must come true: NetBox cuts a page to its own limit without a
//! word. The links to next pages are not followed, for behind a proxy they often name another server.

use super::mapped::{Fields, list, text};
use super::web::{TokenWord, Web};
use super::{SYSTEMS_MAX, Source, SourceError};
use crate::config::Inventory;
use crate::logic::inventory::System;
use serde_json::Value;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Instant;

/// Rows that are asked for at once; NetBox gives a thousand at most unless told otherwise.
const PAGE: usize = 500;
/// Devices whose interfaces are asked for at once: the address of the call grows with them.
const DEVICES_AT_ONCE: usize = 100;

/// Where things are in a device, unless `[inventory.fields]` says otherwise.
const USUAL: [(&str, &str); 7] = [
    ("inventory_id", "/id"),
    ("fqdn", "/name"),
    ("status", "/status/value"),
    ("imaging_server", "/custom_fields/imaging_server"),
    ("relay_info", "/custom_fields/relay_info"),
    ("hardware_type", "/device_type/manufacturer/name"),
    ("hardware_model", "/device_type/model"),
];

pub(super) struct Netbox {
    web: Web,
    filter: String,
    interface: String,
    fields: Fields,
    /// The MAC is a field of the device; interfaces are not asked for.
    mac_is_mapped: bool,
}

impl Netbox {
    pub(super) fn open(config: &Inventory, until: Instant) -> Result<Self, SourceError> {
        Ok(Self {
            web: Web::open(config, "netbox", TokenWord::Token, until)?,
            filter: config.filter.clone(),
            interface: config.interface.clone(),
            fields: Fields::new(&USUAL, &config.fields),
            mac_is_mapped: config.fields.get("mac").is_some_and(|pointer| !pointer.is_empty()),
        })
    }

    /// All rows of a list.
    fn all(&self, path: &str, filter: &str) -> Result<Vec<Value>, SourceError> {
        let mut rows = Vec::new();
        loop {
            let query = if filter.is_empty() { String::new() } else { format!("&{filter}") };
            let url = self.web.url(&format!("{path}?limit={PAGE}&offset={}{query}", rows.len()));
            let mut answer = self.web.get(&url)?;
            list(&answer, "/results", &url)?;
            let said = answer["count"].as_u64();
            let page = match answer["results"].take() {
                Value::Array(page) => page,
                _ => Vec::new(),
            };
            let (last, got) = (page.is_empty(), rows.len() + page.len());
            rows.extend(page);
            if got > SYSTEMS_MAX {
                return Err(SourceError::TooMuch { url, what: format!("more than {SYSTEMS_MAX} rows") });
            }
            match said {
                Some(said) if got as u64 == said => return Ok(rows),
                Some(said) if last || got as u64 > said => {
                    return Err(SourceError::Truncated { url, got, said });
                }
                None if last => return Ok(rows),
                _ => {}
            }
        }
    }

    /// The MAC address that each device boots by, by the device's number.
    fn macs(&self, devices: &[String]) -> Result<HashMap<String, String>, SourceError> {
        let mut found: HashMap<String, (u64, String)> = HashMap::new();
        for some in devices.chunks(DEVICES_AT_ONCE) {
            let filter: Vec<String> = some.iter().map(|id| format!("device_id={id}")).collect();
            for interface in self.all("/api/dcim/interfaces/", &filter.join("&"))? {
                let place = format!("interface {}", interface["id"]);
                let Some(mac) = mac(&interface, &place)? else { continue };
                let wanted = match self.interface.as_str() {
                    "" => interface["mgmt_only"] != true && interface["enabled"] != false,
                    name => interface["name"] == *name,
                };
                let (true, Some(device)) = (wanted, text(&interface, "/device/id", &place)?) else {
                    continue;
                };
                // The first one, by number: lists are in the order of names.
                let number = interface["id"].as_u64().unwrap_or(u64::MAX);
                match found.get(&device) {
                    Some((first, _)) if *first <= number => {}
                    _ => drop(found.insert(device, (number, mac))),
                }
            }
        }
        Ok(found.into_iter().map(|(device, (_, mac))| (device, mac)).collect())
    }
}

/// Of an interface: as a text, or since NetBox 4.2 as an object of its own.
fn mac(interface: &Value, place: &str) -> Result<Option<String>, SourceError> {
    let some = |mac: Option<String>| mac.filter(|mac| !mac.is_empty());
    match some(text(interface, "/primary_mac_address/mac_address", place)?) {
        Some(mac) => Ok(Some(mac)),
        None => Ok(some(text(interface, "/mac_address", place)?)),
    }
}

impl Source for Netbox {
    fn fetch(&self) -> Result<Vec<System>, SourceError> {
        let devices = self.all("/api/dcim/devices/", &self.filter)?;
        let number = |device: &Value| text(device, "/id", "device").map(Option::unwrap_or_default);
        let numbers = devices.iter().map(number).collect::<Result<Vec<_>, _>>()?;
        let macs = if self.mac_is_mapped { HashMap::new() } else { self.macs(&numbers)? };
        let mut systems = Vec::with_capacity(devices.len());
        for (device, number) in devices.iter().zip(numbers) {
            let mut system = self.fields.system(device, &format!("device {number}"))?;
            if !self.mac_is_mapped {
                system.mac = macs.get(&number).cloned().unwrap_or_default();
            }
            // Its addresses are those of networks: `10.0.0.7/24`.
            if let Some((address, _)) = system.fqdn.split_once('/')
                && address.parse::<IpAddr>().is_ok()
            {
                system.fqdn = address.to_owned();
            }
            // NetBox's word for it.
            if system.status == "decommissioning" {
                system.status = "decommissioned".into();
            }
            systems.push(system);
        }
        Ok(systems)
    }
}

//! Any HTTP server that answers JSON: where its systems are, and which of their values is which, stands in the configuration as
//! JSON pointers (RFC 6901).
//!
//! One page, or many that name the next one; where the answer says how many there are, as many must come.

use super::web::{TokenWord, Web};
use super::{SYSTEMS_MAX, Source, SourceError};
use crate::config::Inventory;
use crate::logic::inventory::{Extras, System};
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

/// Pages that are followed.
const PAGES_MAX: usize = 10_000;

/// Fields that a mapping may have.
pub const FIELDS: [&str; 14] = [
    "inventory_id",
    "fqdn",
    "name",
    "status",
    "mac",
    "imaging_server",
    "relay_info",
    "hardware_type",
    "hardware_model",
    "environment",
    "processor",
    "tags",
    "comments",
    "place",
];

pub(super) struct Mapped {
    web: Web,
    filter: String,
    systems: String,
    next: String,
    count: String,
    fields: Fields,
}

impl Mapped {
    pub(super) fn open(config: &Inventory, until: Instant) -> Result<Self, SourceError> {
        Ok(Self {
            web: Web::open(config, "http", TokenWord::Bearer, until)?,
            filter: config.filter.clone(),
            systems: config.systems.clone(),
            next: config.next.clone(),
            count: config.count.clone(),
            fields: Fields::new(&[], &config.fields),
        })
    }
}

impl Source for Mapped {
    fn fetch(&self) -> Result<Vec<System>, SourceError> {
        let query = if self.filter.is_empty() { String::new() } else { format!("?{}", self.filter) };
        let mut url = self.web.url(&query);
        let mut seen = HashSet::new();
        let mut systems = Vec::new();
        loop {
            let answer = self.web.get(&url)?;
            for (n, value) in list(&answer, &self.systems, &url)?.iter().enumerate() {
                systems.push(self.fields.system(value, &format!("{url}, system {}", n + 1))?);
            }
            if systems.len() > SYSTEMS_MAX {
                return Err(SourceError::TooMuch { url, what: format!("more than {SYSTEMS_MAX} systems") });
            }
            let next = match self.next.as_str() {
                "" => None,
                pointer => text(&answer, pointer, &url)?.filter(|next| !next.is_empty()),
            };
            let Some(next) = next else {
                let said = if self.count.is_empty() { None } else { answer.pointer(&self.count) };
                return match said.and_then(Value::as_u64) {
                    Some(said) if said != systems.len() as u64 => {
                        Err(SourceError::Truncated { url, got: systems.len(), said })
                    }
                    _ => Ok(systems),
                };
            };
            let next = self.web.page(&url, &next)?;
            if !seen.insert(std::mem::replace(&mut url, next))
                || seen.contains(&url)
                || seen.len() == PAGES_MAX
            {
                return Err(SourceError::TooMuch {
                    url,
                    what: "its pages go on in circles, or for ever".into(),
                });
            }
        }
    }
}

/// Which value of a system is which field.
pub(super) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Those of the source, and what the configuration says otherwise; an empty pointer takes one away.
    pub(super) fn new(usual: &[(&str, &str)], configured: &BTreeMap<String, String>) -> Self {
        let mut fields: BTreeMap<String, String> =
            usual.iter().map(|(field, pointer)| ((*field).to_owned(), (*pointer).to_owned())).collect();
        fields.extend(configured.clone());
        fields.retain(|_, pointer| !pointer.is_empty());
        Self(fields)
    }

    fn get(&self, value: &Value, field: &str, place: &str) -> Result<Option<String>, SourceError> {
        match self.0.get(field) {
            Some(pointer) => text(value, pointer, place),
            None => Ok(None),
        }
    }

    /// A system; `place` says where it is, until it says so itself.
    pub(super) fn system(&self, value: &Value, place: &str) -> Result<System, SourceError> {
        let get = |field: &str| self.get(value, field, place).map(Option::unwrap_or_default);
        let (inventory_id, fqdn, name) = (get("inventory_id")?, get("fqdn")?, get("name")?);
        let called = match (get("place")?, [&name, &fqdn, &inventory_id].into_iter().find(|t| !t.is_empty()))
        {
            (said, _) if !said.is_empty() => said,
            (_, Some(called)) => format!("{place} ({called})"),
            (_, None) => place.to_owned(),
        };
        // What a mapping names it looks after, also where there is nothing.
        let extra = |field: &str| match self.0.contains_key(field) {
            true => get(field).map(Some),
            false => Ok(None),
        };
        let tags = match self.0.get("tags") {
            Some(pointer) => Some(tags(value, pointer, place)?),
            None => None,
        };
        Ok(System {
            place: called,
            inventory_id,
            fqdn,
            name,
            status: get("status")?,
            mac: get("mac")?,
            imaging_server: get("imaging_server")?,
            relay_info: get("relay_info")?,
            hardware_type: get("hardware_type")?,
            hardware_model: get("hardware_model")?,
            extras: Extras {
                environment: extra("environment")?,
                processor: extra("processor")?,
                tags,
                comments: extra("comments")?,
            },
        })
    }
}

/// A text or a number at `pointer`; `None` for nothing or `null`.
pub(super) fn text(value: &Value, pointer: &str, place: &str) -> Result<Option<String>, SourceError> {
    match value.pointer(pointer) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(Value::Number(n)) => Ok(Some(n.to_string())),
        Some(other) => Err(shape(other, pointer, "a text or a number", place)),
    }
}

/// The list at `pointer`.
pub(super) fn list<'v>(value: &'v Value, pointer: &str, place: &str) -> Result<&'v Vec<Value>, SourceError> {
    let found = value.pointer(pointer).unwrap_or(&Value::Null);
    found.as_array().ok_or_else(|| shape(found, pointer, "a list of systems", place))
}

/// A list of texts, or of objects with a `name`, or one text with commas.
fn tags(value: &Value, pointer: &str, place: &str) -> Result<Vec<String>, SourceError> {
    let one = |tag: &Value| match tag {
        Value::String(tag) => Ok(tag.trim().to_owned()),
        Value::Object(tag) if tag.get("name").is_some_and(Value::is_string) => {
            Ok(tag["name"].as_str().unwrap_or_default().trim().to_owned())
        }
        other => Err(shape(other, pointer, "a list of texts", place)),
    };
    let mut tags = match value.pointer(pointer) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.split(',').map(|tag| tag.trim().to_owned()).collect(),
        Some(Value::Array(tags)) => tags.iter().map(one).collect::<Result<Vec<_>, _>>()?,
        Some(other) => return Err(shape(other, pointer, "a list of texts", place)),
    };
    tags.retain(|tag| !tag.is_empty());
    tags.sort();
    tags.dedup();
    Ok(tags)
}

pub(super) fn shape(found: &Value, pointer: &str, wanted: &'static str, place: &str) -> SourceError {
    let found = match found {
        Value::Null => "missing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    SourceError::Shape { place: place.to_owned(), pointer: pointer.to_owned(), wanted, found }
}

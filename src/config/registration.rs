//! The section `[registration]`: where agents register their boards, and which boards are taken in without a click.

use super::document::{Document, Entry};
use super::empty_or;
use crate::logic::discovery::{Rule, template_fault};
use std::net::{Ipv4Addr, SocketAddr};
use toml::de::DeValue;

/// The port that agents look for.
const PORT: u16 = 28001;
const KEYS: &str = "mac, pool, hardware, name, environment, hardware_type, hardware_model";

/// Boards that are no devices yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Whether agents can register.
    pub enabled: bool,
    /// TCP addresses where they do.
    pub listen: Vec<SocketAddr>,
    /// Boards that become devices by themselves; the first rule that fits counts.
    pub rules: Vec<Rule>,
    /// So many do within a day at most; the others wait for a person.
    pub accept_per_day: u32,
}

pub(super) fn read(document: &mut Document<'_>) -> Registration {
    let enabled = document.switch(("registration", "enabled"), false);
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), PORT);
    let listen = document.addresses(("registration", "listen"), any);
    let tables = document.tables(
        ("registration", "accept"),
        "is not a list of rules",
        "for each a section [[registration.accept]] with lines KEY = VALUE",
    );
    let rules = tables.into_iter().map(|table| rule(document, table)).collect();
    // Some racks that move in at once. Whoever makes MACs up fills no more than that.
    let accept_per_day = document.number(("registration", "accept_per_day"), 0..=10_000, 200);
    Registration { enabled, listen, rules, accept_per_day }
}

fn rule<'t>(document: &mut Document<'t>, table: Entry<'t>) -> Rule {
    let picks = |v: &DeValue<'_>| {
        let keys = v.as_table()?;
        ["mac", "pool", "hardware"].iter().any(|key| keys.contains_key(*key)).then_some(())
    };
    document.read(
        &table,
        "does not say which boards it takes",
        "mac, pool or hardware as well; hardware = \"*\" takes all",
        picks,
    );
    let mut rule = Rule::default();
    for (key, entry) in document.inside(table) {
        match key.as_str() {
            "mac" => {
                let write = "the hex digits that it begins with, for example \"0a:0b:0c\"";
                rule.mac = document.read(&entry, "is not the beginning of a MAC address", write, mac_start);
            }
            "pool" | "hardware" => {
                let write = "what the agent says, with * for any piece of it, for example \"tegra*\"";
                let pattern = document.read(&entry, "is not a pattern", write, text);
                if key == "pool" { rule.pool = pattern } else { rule.hardware = pattern }
            }
            "name" => {
                let fault = entry.text().and_then(template_fault).unwrap_or("is not a text");
                let good = |v: &DeValue<'_>| text(v).filter(|t| template_fault(t).is_none());
                let write = "for example \"{pool}-{mac6}\"";
                rule.name = document.read(&entry, fault, write, good).unwrap_or_default();
            }
            "environment" | "hardware_type" | "hardware_model" => {
                let value =
                    document.read(&entry, "is not a text", "one in double quotes", text).unwrap_or_default();
                match key.as_str() {
                    "environment" => rule.environment = value,
                    "hardware_type" => rule.hardware_type = value,
                    _ => rule.hardware_model = value,
                }
            }
            _ => document.unknown(&entry, KEYS),
        }
    }
    rule
}

fn text(value: &DeValue<'_>) -> Option<String> {
    let text = value.as_str()?;
    (text.len() <= 200 && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn mac_start(value: &DeValue<'_>) -> Option<String> {
    let start = empty_or(value, |text| {
        let digits: String = text.chars().filter(|c| !":-".contains(*c)).collect();
        let good = digits.len() <= 12 && digits.chars().all(|c| c.is_ascii_hexdigit());
        good.then(|| digits.to_ascii_lowercase())
    });
    start.flatten()
}

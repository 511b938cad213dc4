//! Systems as a source tells of them become devices: those that are none of ours are sorted out, the others checked by the rules
//! of a lab file's rows.

use super::SourceError;
use crate::lab::{Kind, Lab, power_of};
use crate::logic::inventory::{Extras, Skip, System, Wanted, id_of, short_name, skip};
use regex_lite::Regex;
use serde_json::{Map, Value};

/// What an inventory has for us.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intake {
    /// Devices.
    pub wanted: Vec<Wanted>,
    /// Systems that are none of ours.
    pub skipped: Vec<Skipped>,
}

/// A system that is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Where it stands.
    pub place: String,
    /// Its name, as far as it has one.
    pub name: String,
    /// Why.
    pub why: Skip,
}

/// Sorts and checks. `ignored` is matched from the beginning of the imaging server's name.
///
/// # Errors
/// [`SourceError::Row`]: a value that cannot be what it should be. It is no reason to skip a system, for that would delete a
/// device over a typing error.
pub fn take_in(systems: Vec<System>, ignored: Option<&Regex>) -> Result<Intake, SourceError> {
    let mut intake = Intake::default();
    // As Python's `match`: from the beginning, not necessarily to the end.
    let is_ignored = |server: &str| ignored.is_some_and(|re| re.find(server).is_some_and(|m| m.start() == 0));
    for system in systems {
        match skip(&system, is_ignored) {
            Some(why) => {
                let name = if system.name.is_empty() { &system.fqdn } else { &system.name };
                intake.skipped.push(Skipped { name: name.clone(), place: system.place, why });
            }
            None => intake.wanted.push(check(&system)?),
        }
    }
    Ok(intake)
}

fn check(system: &System) -> Result<Wanted, SourceError> {
    let System { place, inventory_id, fqdn, name, imaging_server, relay_info, .. } = system;
    let name = if name.is_empty() { short_name(fqdn) } else { name };
    let fqdn = if fqdn.is_empty() { name } else { fqdn };
    let id = id_of(if inventory_id.is_empty() { name } else { inventory_id });
    let mut row: Map<String, Value> = Map::new();
    let mut put = |field: &str, value: Value| row.insert(field.to_owned(), value);
    put("fqdn", fqdn.into());
    put("mac", system.mac.as_str().into());
    put("imaging_server", imaging_server.as_str().into());
    put("relay_info", relay_info.as_str().into());
    if !system.hardware_type.is_empty() || !system.hardware_model.is_empty() {
        put("hardware_type", system.hardware_type.as_str().into());
        put("hardware_model", system.hardware_model.as_str().into());
    }
    let Extras { environment, processor, tags, comments } = &system.extras;
    for (field, text) in [("environment", environment), ("processor", processor), ("comments", comments)] {
        if let Some(text) = text {
            put(field, text.as_str().into());
        }
    }
    if let Some(tags) = tags {
        put("tags", tags.clone().into());
    }
    let failed = |error| SourceError::Row { place: place.clone(), error };
    let lab = Lab::single(Kind::Device, &[("name", name)], row, "").map_err(failed)?;
    let entry = lab.devices.into_iter().next().expect("a lab of one row has it");
    let power = power_of(relay_info).expect("the row was checked by the same parser");
    Ok(Wanted {
        place: place.clone(),
        inventory_id: id,
        name: entry.name,
        fqdn: entry.fqdn.unwrap_or_default(),
        mac: entry.mac.flatten().expect("a row with an empty one is skipped"),
        imaging_server: imaging_server.clone(),
        power,
        hardware: entry.hardware.flatten(),
        extras: Extras {
            environment: entry.environment,
            processor: entry.processor,
            tags: entry.tags,
            comments: entry.comments,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(n: usize) -> System {
        System {
            place: format!("system {n}"),
            fqdn: format!("b{n}.example.com"),
            mac: format!("02-00-00-00-00-0{n}"),
            imaging_server: "img1.example.com".into(),
            relay_info: format!("Relay-1:2101:bank01:relay{n}"),
            hardware_type: "panda".into(),
            ..System::default()
        }
    }

    #[test]
    fn a_system_becomes_a_device() {
        let intake =
            take_in(vec![System { inventory_id: "17".into(), ..system(1) }, system(2)], None).unwrap();
        let [one, two] = &intake.wanted[..] else { panic!("{intake:?}") };
        assert_eq!((&*one.name, one.inventory_id, one.fqdn.as_str()), ("b1", 17, "b1.example.com"));
        assert_eq!(one.mac.to_string(), "02:00:00:00:00:01");
        assert_eq!(one.power.key, "relay-1:bank1:relay1");
        let board = one.power.board.as_ref().unwrap();
        assert_eq!((board.key.as_str(), board.port), ("relay-1:2101", None), "the usual port is none");
        assert_eq!(one.hardware, Some(("panda".into(), String::new())));
        assert_eq!(two.inventory_id, id_of("b2"), "its name is its key");
        assert_eq!(one.extras, Extras::default(), "and people keep the rest");
    }

    #[test]
    fn servers_are_ignored_from_the_beginning_of_their_names() {
        let wanted = |pattern: &str| {
            take_in(vec![system(1)], Some(&Regex::new(pattern).unwrap())).unwrap().wanted.len()
        };
        for (pattern, want) in
            [("img", 0), ("img[2-9]", 1), (".*example", 0), ("example", 1), ("x|img1", 0), ("^img1$", 1)]
        {
            assert_eq!(wanted(pattern), want, "{pattern}");
        }
    }

    #[test]
    fn a_wrong_value_stops_everything_with_its_place() {
        type Change = fn(&mut System);
        let changes: [(Change, &str); 4] = [
            (|s| s.mac = "02:00".into(), "system 1: device `b1`, mac: "),
            (|s| s.relay_info = "relay-1".into(), "system 1: device `b1`, relay_info: "),
            (|s| s.name = "a b".into(), "system 1: device `a b`, name: "),
            (|s| s.extras.environment = Some("any".into()), "system 1: device `b1`, environment: "),
        ];
        for (change, want) in changes {
            let mut one = system(1);
            change(&mut one);
            let error = take_in(vec![one], None).unwrap_err().to_string();
            assert!(error.starts_with(want), "{error}");
        }
        // What is skipped need not be right.
        let old = System { status: "Decommissioned".into(), mac: "junk".into(), ..system(1) };
        assert_eq!(take_in(vec![old], None).unwrap().skipped[0].why, Skip::Decommissioned);
    }
}

//! Are the programs there that switch the power of `command:` devices? And does every `relay_info` say where power hangs?
//!
//! No program is run: what it would do is not known here.

use super::{Finding, Server};
use crate::bmm::power::PowerAddress;
use std::collections::BTreeMap;

pub(super) fn programs(server: &Server<'_>) -> Vec<Finding> {
    let Some(stored) = &server.stored else { return Vec::new() };
    let programs = server.config.relays.programs();
    let mut findings = Vec::new();
    let mut users: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (device, relay_info) in stored.power.iter().filter(|(_, relay_info)| !relay_info.is_empty()) {
        match relay_info.parse() {
            Ok(PowerAddress::Command(command)) => {
                users.entry(command.program().to_owned()).or_default().push(device);
            }
            Ok(PowerAddress::Relay(_)) => {}
            Err(error) => findings.push(Finding::fail(
                format!("{device}, relay_info: {error}"),
                "put it right in a lab file, or with `mozpool device edit`",
            )),
        }
    }
    for (program, devices) in &users {
        let whose = match devices.as_slice() {
            [one] => (*one).to_owned(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => continue,
        };
        findings.push(match programs.find(program) {
            Ok(path) => Finding::ok(format!("{} switches {whose}", path.display())),
            Err(fault) => Finding::fail(format!("{program}, which switches {whose}: {fault}"), ""),
        });
    }
    if findings.is_empty() {
        findings.push(Finding::ok("no device needs one"));
    }
    findings
}

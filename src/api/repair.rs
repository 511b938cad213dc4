//! The repair list: devices that wait for a person, in the order in which one walks along the rack.

use super::Ctx;
use super::reply::{Reply, Result};
use super::time::rfc3339;
use super::types::{Repair, Repairs};
use crate::bmm::power::PowerAddress;
use crate::logic::lifeguard::{FAILURE_MEMORY_MS, usual_cause};
use crate::logic::report::{Group, Window};
use crate::store::{DeviceFilter, DeviceView};
use std::collections::HashMap;

/// What the path of the list begins with.
pub(super) const PREFIX: &str = "/api/repair/";

/// Lines of each device's log.
const LINES: usize = 10;

pub(super) fn list(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let week = Window { from: ctx.now.plus_ms(-FAILURE_MEMORY_MS), to: ctx.now.plus_ms(1) };
    let mut failures: HashMap<String, usize> = HashMap::new();
    ctx.store
        .failures(week, &mut |failed| *failures.entry(failed.subject.device.clone()).or_default() += 1)?;
    let standing = ctx.store.standing_failures()?;
    let mut causes: HashMap<_, _> = standing.into_iter().map(|s| (s.device, s.cause)).collect();
    let mut devices = ctx.store.devices(&DeviceFilter::default())?;
    devices.retain(|d| Group::of_name(&d.state, d.request.is_some()) == Group::Failed);
    devices.sort_by_cached_key(|d| (place(&d.info.relay_info), d.name.clone()));
    let mut repairs = Vec::with_capacity(devices.len());
    for DeviceView { name, info, state, state_since, comments, .. } in devices {
        let last_log = ctx.store.device_log(&name, None, Some(LINES))?;
        repairs.push(Repair {
            cause: causes.remove(&name).unwrap_or_else(|| usual_cause(&state).to_owned()),
            failures: failures.get(&*name).copied().unwrap_or_default(),
            name: name.to_string(),
            state,
            since: rfc3339(state_since),
            environment: info.environment,
            hardware_type: info.hardware_type,
            hardware_model: info.hardware_model,
            relay_info: info.relay_info,
            imaging_server: info.imaging_server,
            comments,
            last_log: last_log.into_iter().map(Into::into).collect(),
        });
    }
    Ok(Reply::json(&Repairs { devices: repairs }))
}

/// Where a device hangs: relay board, bank, relay. Programs come behind all boards, and what nobody can read last.
fn place(relay_info: &str) -> (u8, String, u8, u8) {
    match relay_info.parse::<PowerAddress>() {
        Ok(PowerAddress::Relay(relay)) => {
            (0, relay.board.to_string().to_ascii_lowercase(), relay.bank.number(), relay.relay.number())
        }
        Ok(command @ PowerAddress::Command(_)) => (1, command.to_string(), 0, 0),
        Err(_) => (2, relay_info.to_owned(), 0, 0),
    }
}

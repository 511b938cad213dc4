//! How long a device may stay in its state, and when that is up after a start.

use super::table::{Enter, def};
use super::{Device, State};
use crate::logic::catalog::Catalog;
use crate::logic::ids::{HardwareId, ImageName};
use crate::logic::time::Timestamp;

/// The deadline that a device has when its row is loaded at `now`. A row that was put into its state from outside has none
/// yet: the state begins now. None is further away than the state's time limit, unless the clock was ahead when it was
/// stored. And boards at rest, whose last checks left no trace on disk, are not all asked at once but over one time limit,
/// by lot.
pub fn resume(
    device: &Device,
    catalog: &Catalog,
    hardware: Option<HardwareId>,
    now: Timestamp,
) -> Option<Timestamp> {
    let Some(limit_s) = time_limit_s(device, catalog, hardware) else { return device.deadline };
    let at = device.deadline.map_or(now, |at| at.min(now.plus_s(limit_s)));
    if def(device.state).enter == Enter::CheckIfFree && at <= now {
        return Some(now.plus_ms(spread_ms(&device.name, limit_s)));
    }
    Some(at)
}

/// A share of `limit_s`, in milliseconds, that depends on the name alone: FNV-1a.
fn spread_ms(name: &str, limit_s: u32) -> i64 {
    let hash =
        name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    ((hash ^ hash >> 32) % (u64::from(limit_s) * 1000).max(1)).cast_signed()
}

/// How long `device` may stay in its state: as the image or the hardware type says, in that order, or as usual.
pub fn time_limit_s(device: &Device, catalog: &Catalog, hardware: Option<HardwareId>) -> Option<u32> {
    let image = device.next.as_ref().or(device.installed.as_ref()).map(|i| &i.image);
    time_limit_in(device.state, image, catalog, hardware)
}

/// The same for a state, with the image that is on its way to the device or on it.
pub fn time_limit_in(
    state: State,
    image: Option<&ImageName>,
    catalog: &Catalog,
    hardware: Option<HardwareId>,
) -> Option<u32> {
    let usual = def(state).wait_s?;
    let image = image.and_then(|i| catalog.images.get(i));
    let hardware = hardware.and_then(|h| catalog.hardware.get(&h));
    let own = image.and_then(|i| i.limits.get(&state)).or_else(|| hardware?.limits.get(&state));
    Some(own.copied().unwrap_or(usual))
}

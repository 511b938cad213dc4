//! What happened at boot: the attempts of a device, each compared with what is usual for its kind.
//!
//! What is usual is found anew for each answer, from the last good attempts of the same hardware, purpose and image: a page
//! shows few kinds, and a table of medians would have to follow every attempt, every deletion and every change of hardware.

use super::Ctx;
use super::reply::{Reply, Result};
use super::types::{AttemptBody, Attempts};
use crate::logic::attempt::Purpose;
use crate::logic::attempt::usual::{SAMPLES, Usual};
use crate::logic::attempt::verdict::judge;
use crate::store::{AttemptKind, DeviceView};
use std::collections::HashMap;

/// Attempts in one answer unless the call says otherwise, and at most.
const LIMIT: usize = 20;
pub(super) const LIMIT_MAX: usize = 100;
/// Kinds of attempts that one answer compares: installations, self-tests and power cycles of some images. Beyond that it says
/// nothing of what is usual.
const KINDS_MAX: usize = 8;

pub(super) fn of_device(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    let number = |key: &str| super::device::number(ctx, key);
    let limit = number("limit")?.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
    let limit = limit.unwrap_or(LIMIT).min(LIMIT_MAX);
    let before = number("before")?;
    let mut found = ctx.store.attempts(&device.name, before, limit + 1)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let mut kinds: HashMap<AttemptKind, Usual> = HashMap::new();
    let mut attempts = Vec::with_capacity(found.len());
    for mut view in found {
        view.attempt.settle(ctx.now);
        if !kinds.contains_key(&view.kind) {
            let usual = if kinds.len() < KINDS_MAX && view.kind.purpose != Purpose::Pxe {
                Usual::of(&ctx.store.good_attempts(&view.kind, SAMPLES)?)
            } else {
                Usual::default()
            };
            kinds.insert(view.kind.clone(), usual);
        }
        let usual = &kinds[&view.kind];
        let judged = judge(&view.attempt, usual, ctx.now);
        attempts.push(AttemptBody::new(view, judged, usual.duration.map(|d| d.ms), ctx.now));
    }
    let info = &device.info;
    let hardware = format!("{} {}", info.hardware_type, info.hardware_model).trim_end().to_owned();
    Ok(Reply::json(&Attempts { device: device.name.to_string(), hardware, attempts, more }))
}

//! `GET /metrics`: one page of what this server has counted and how it stands, for whoever scrapes it.
//!
//! A scrape reads memory: the devices that are kept ready, and counters. It waits for no layer, and a store that fails takes away
//! the devices and nothing else. What labels say is bounded: routes are patterns, and environments and hardware types beyond
//! `PAIRS_MAX` pairs are counted together.

use super::Ctx;
use super::call::{Call, Verb};
use super::files;
use super::reply::{Reply, Result};
use super::routes::{self, ROUTES, Run};
use super::shelf::Shown;
use crate::bmm::power::PowerAddress;
use crate::logic::lifeguard::State;
use crate::logic::report::Group;
use crate::metrics::{Format, Metric, Page, process, services, shown};
use crate::store::DeviceFilter;
use crate::ui::assets;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Kinds of calls that are counted apart: the routes, files, the pages, and what is none of these.
pub const KINDS: usize = ROUTES.len() + 3;
const FILES: usize = ROUTES.len();
const PAGES: usize = ROUTES.len() + 1;
const OTHERS: usize = ROUTES.len() + 2;

/// Pairs of environment and hardware type that have series of their own; a lab has a handful. Each is a series per group.
const PAIRS_MAX: usize = 100;
/// What the others are called.
const REST: &str = "(other)";

/// Devices by group.
type Counts = [u64; Group::ALL.len()];

/// The kind of a call by its target as it came, for [`crate::metrics::calls::Calls`].
pub fn kind_of(verb: Verb, target: &str) -> usize {
    let whole;
    let path = if target.starts_with('/') {
        target.split(['?', '#']).next().unwrap_or_default()
    } else {
        whole = Call::new(verb, target);
        whole.path()
    };
    match routes::place(verb, path) {
        Some(place) => place,
        None if path.starts_with(files::PREFIX) => FILES,
        None if assets::is_ours(&Call::new(verb, path)) => PAGES,
        None => OTHERS,
    }
}

/// How long a call took, if that tells of this server: downloads last as long as their reader takes, and who waits for changes
/// wants to wait.
pub fn told_time(kind: usize, took: Duration) -> Option<Duration> {
    let waits = ROUTES.get(kind).is_some_and(|route| matches!(route.run, Run::Watch(_)));
    (kind != FILES && !waits).then_some(took)
}

fn name_of(kind: usize) -> (&'static str, &'static str) {
    match (ROUTES.get(kind), kind) {
        (Some(route), _) => (route.verb.name(), route.path),
        (None, FILES) => ("GET", "/files/"),
        (None, PAGES) => ("GET", "/ui/"),
        (None, _) => ("", REST),
    }
}

pub(super) fn scrape(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let mut page = Page::default();
    let vitals = Arc::clone(&ctx.commands.vitals);
    page.add(Metric::BuildInfo, &[env!("CARGO_PKG_VERSION")], 1_u64);
    for part in vitals.parts().iter().filter(|part| part.on) {
        page.add(Metric::ServiceUp, &[part.name], part.state() == "running");
        if let Some((queued, max)) = ctx.commands.queue(part.name) {
            page.add(Metric::LayerQueue, &[part.name], queued);
            page.add(Metric::LayerQueueLimit, &[part.name], max);
        }
        services::show(&mut page, part.name, part.counters());
    }
    vitals.metrics().show(&mut page, ctx.now);
    vitals.metrics().calls.show(&mut page, name_of);
    let ours = match devices(ctx) {
        Ok(devices) => Some(devices),
        Err(error) => {
            log::warn!("a scrape goes without devices: {error}");
            None
        }
    };
    page.add(Metric::StoreReadable, &[], ours.is_some());
    if let Some(devices) = ours {
        show_devices(&mut page, &devices);
        show_relays(&mut page, &devices, vitals.metrics().power.relays());
    }
    page.add(Metric::Changes, &[], ctx.recent.last());
    process::show(&mut page, vitals.started());
    let format = Format::of(ctx.call.accept.as_deref());
    let headers = vec![("Content-Type", format.content_type().to_owned())];
    Ok(Reply { headers, ..Reply::text(page.text(format)) }.with("Cache-Control", "no-store"))
}

/// The devices of this server.
fn devices(ctx: &mut Ctx<'_>) -> crate::store::Result<Vec<Arc<Shown>>> {
    let all = match ctx.shelf {
        Some(shelf) => shelf.all(ctx.store)?,
        None => ctx.store.devices(&DeviceFilter::default())?.into_iter().map(super::shelf::shown).collect(),
    };
    let us = &ctx.settings.server_name;
    Ok(all.into_iter().filter(|device| device.view.info.imaging_server == *us).collect())
}

fn show_devices(page: &mut Page, devices: &[Arc<Shown>]) {
    let mut by_state: BTreeMap<&str, u64> = State::ALL.iter().map(|state| (state.name(), 0)).collect();
    let mut by_pair: BTreeMap<(String, String), Counts> = BTreeMap::new();
    for device in devices {
        let view = &device.view;
        // A name that only a newer program knows is no label of ours.
        let state = State::parse(&view.state).unwrap_or(State::Unknown);
        *by_state.entry(state.name()).or_default() += 1;
        let info = &view.info;
        let hardware = format!("{} {}", info.hardware_type, info.hardware_model).trim().to_owned();
        let group = Group::of(state, view.request.is_some());
        let pair = (shown(&info.environment).into_owned(), shown(&hardware).into_owned());
        by_pair.entry(pair).or_default()[group as usize] += 1;
    }
    for (state, n) in by_state {
        page.add(Metric::DevicesInState, &[state], n);
    }
    let too_many: Vec<_> = by_pair.keys().skip(PAIRS_MAX).cloned().collect();
    for counts in too_many.iter().filter_map(|pair| by_pair.remove(pair)).collect::<Vec<_>>() {
        let rest = by_pair.entry((REST.to_owned(), REST.to_owned())).or_default();
        rest.iter_mut().zip(counts).for_each(|(all, n)| *all += n);
    }
    for ((environment, hardware), counts) in &by_pair {
        for (group, n) in Group::ALL.iter().zip(counts) {
            page.add(Metric::Devices, &[group.name(), environment, hardware], *n);
        }
    }
}

/// Those that a device still hangs on: one that was taken away is nobody's worry.
fn show_relays(page: &mut Page, devices: &[Arc<Shown>], known: BTreeMap<String, bool>) {
    let infos: BTreeSet<&str> = devices.iter().map(|d| d.view.info.relay_info.as_str()).collect();
    let queues: BTreeSet<String> =
        infos.into_iter().filter_map(|info| Some(info.parse::<PowerAddress>().ok()?.queue())).collect();
    let mut up: BTreeMap<String, bool> = BTreeMap::new();
    for (queue, works) in known.into_iter().filter(|(queue, _)| queues.contains(queue)) {
        *up.entry(shown(&queue).into_owned()).or_insert(true) &= works;
    }
    for (queue, works) in up {
        page.add(Metric::RelayUp, &[&queue], works);
    }
}

//! Whether this server lives, and whether it can work: for load balancers, service managers and monitors.
//!
//! Health asks nobody and cannot wait. Readiness asks the store and every layer, and waits for them together.

use super::Ctx;
use super::reply::{RETRY_AFTER_S, Reply, Result};
use super::time::rfc3339;
use super::types::{Health, Readiness, ReadinessCheck, Service};
use std::time::Duration;

/// How long the layers may take to say that they are there. One turn of a layer is a commit; load balancers give up after
/// five seconds or so.
const READY_WAIT: Duration = Duration::from_secs(2);

#[expect(clippy::unnecessary_wraps, reason = "handlers have one signature")]
pub(super) fn health(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let vitals = &ctx.commands.vitals;
    let services = vitals.parts().iter().map(|part| {
        let queue = ctx.commands.queue(part.name);
        Service {
            name: part.name,
            state: part.state(),
            listens: part.listens.iter().map(ToString::to_string).collect(),
            queued: queue.map(|(queued, _)| queued),
            queue_max: queue.map(|(_, max)| max),
            counters: part.counters(),
        }
    });
    let well = vitals.well();
    let body = Health {
        status: if well { "ok" } else { "failing" },
        server: &ctx.settings.server_name,
        version: env!("CARGO_PKG_VERSION"),
        started: rfc3339(vitals.started()),
        services: services.collect(),
    };
    Ok(not_kept(Reply::json_with(if well { 200 } else { 503 }, &body)))
}

#[expect(clippy::unnecessary_wraps, reason = "handlers have one signature")]
pub(super) fn ready(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let asked = ctx.commands.ask_all();
    // While they think, the store is asked from here.
    let store = match ctx.store.servers() {
        Ok(_) => None,
        Err(error) => {
            log::warn!("not ready: {error}");
            Some("it does not answer".to_owned())
        }
    };
    let layers = asked.wait(READY_WAIT);
    let found = [("store", store)].into_iter().chain(layers);
    let checks: Vec<ReadinessCheck> =
        found.map(|(name, why)| ReadinessCheck { name, ok: why.is_none(), why }).collect();
    let ready = checks.iter().all(|c| c.ok);
    Ok(not_kept(Reply::json_with(if ready { 200 } else { 503 }, &Readiness { ready, checks })))
}

/// Tells caches to keep nothing, and who was turned away when to come again.
fn not_kept(reply: Reply) -> Reply {
    let reply = reply.with("Cache-Control", "no-store");
    if reply.status == 503 { reply.with("Retry-After", RETRY_AFTER_S.to_string()) } else { reply }
}

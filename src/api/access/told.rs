//! What stands in the audit log.
//!
//! Whatever changes something, or works on hardware, by whoever. Not what boards say of themselves, for that is in their logs,
//! and thousands a second; nor what servers of the pool write each other; nor drafts, which change nothing.

use super::tries::LeftOut;
use crate::access::{Needs, Via, redacted};
use crate::api::Ctx;
use crate::api::call::Verb;
use crate::api::routes::{self, Route};
use crate::logic::ids::RequestId;
use crate::store::AuditRow;

/// What people ask of a device begins so; other events are what boards report.
const ASKS: &str = "please_";

/// Whether this call is told.
pub(super) fn is_told(ctx: &Ctx<'_>, route: &Route, status: u16) -> bool {
    let reads = matches!(ctx.call.verb, Verb::Get | Verb::Head);
    let is_read = reads && (!route.guarded() || route.needs == Needs::Viewer);
    // Whoever is sent to another server is written down there.
    let is_sent_on = matches!(status, 302 | 307);
    !(is_read || is_sent_on || route.is_untold || route.needs == Needs::Seal)
}

/// Whether a call has come to nothing on a server that asks who calls: one of nobody that is known, whatever its answer, and one
/// that its caller got wrong. A server's own fault (5xx) may have changed something nevertheless, so of somebody who is known it is
/// none of these.
pub(super) fn came_to_nothing(via: Via, status: u16) -> bool {
    via == Via::Nothing || matches!(status, 400..500)
}

/// Whether a board calls, or somebody who cannot be told from one.
pub(super) fn is_boards(ctx: &Ctx<'_>, route: &Route) -> bool {
    route.path == routes::DEVICE_EVENT
        && ctx.caller.via == Via::Nothing
        && ctx.has_param("event").is_none_or(|event| !event.starts_with(ASKS))
}

/// What is told of it.
pub(super) fn entry(ctx: &Ctx<'_>, from: String, status: u16) -> AuditRow {
    let caller = &ctx.caller;
    let via = if caller.via == Via::Nothing && caller.role.is_some() { "open" } else { caller.via.name() };
    let named = |name| ctx.has_param(name).map(str::to_owned);
    let path = ctx.call.path();
    let device = named("device").or_else(|| named("requested").filter(|name| name != "any"));
    let device = device.or_else(|| named("name").filter(|_| path.starts_with("/api/device/")));
    let request = named("request").and_then(|id| id.parse().ok()).filter(|id| *id > 0).map(RequestId);
    AuditRow {
        id: 0,
        at: ctx.now,
        who: caller.shown().to_owned(),
        role: caller.role.map(|role| role.name().to_owned()).unwrap_or_default(),
        via: via.to_owned(),
        from,
        method: ctx.call.verb.name().to_owned(),
        path: ctx.about.clone().unwrap_or_else(|| redacted(path).into_owned()),
        status,
        device,
        request: request.or(ctx.made),
    }
}

/// That more calls of somebody came to nothing than were told one by one.
pub(super) fn left_out(left_out: LeftOut) -> AuditRow {
    let LeftOut { client, more, since } = left_out;
    AuditRow {
        id: 0,
        at: since,
        who: "(unknown)".into(),
        role: String::new(),
        via: String::new(),
        from: client.map_or_else(|| "(others)".to_owned(), |client| client.to_string()),
        method: String::new(),
        path: format!("({more} more calls came to nothing within a minute)"),
        status: 401,
        device: None,
        request: None,
    }
}

//! Calls of pages: logging in, who calls, logging out.
//!
//! A page shows its token once and has a cookie from then on, which no script can read. The session is kept in the store, as a digest,
//! so that every server of the pool knows it.

use super::Ctx;
use super::access::{cookie_name, is_https};
use super::body::Body;
use super::reply::{ApiError, Reply, Result};
use super::types::SessionBody;
use crate::access::{Caller, Digest, SESSION_LIFE_S, Secret, Via};
use crate::logic::time::Timestamp;
use crate::store::{NewSession, SessionsMax};

/// Sessions that are kept: many more than a lab has people, and than one of them has browsers.
const SESSIONS_MAX: SessionsMax = SessionsMax { of_token: 50, all: 10_000 };

pub(super) fn begin(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let body: Body = ctx.body()?;
    let text = body.text("token", "the token to log in with")?;
    if ctx.has_tried_too_often() {
        return Err(ApiError::TooManyTries);
    }
    // Of what browsers before have left nothing counts: who logs in is who shows a token. A session of before ends with that.
    let before = own_session(ctx);
    ctx.caller = Caller::nobody();
    let digest = Secret::read_token(text.trim()).map(|secret| secret.digest());
    let row = match &digest {
        Some(digest) => ctx.store.token_of_hash(digest)?.filter(|row| row.is_good(ctx.now)),
        None => None,
    };
    let Some((row, token_hash)) = row.zip(digest) else { return Err(failed(ctx)) };
    let secret = Secret::new().map_err(|error| {
        log::error!("the system gives no random numbers: {error}");
        ApiError::Internal
    })?;
    let ends = ctx.now.plus_s(SESSION_LIFE_S);
    let ends = row.expires.map_or(ends, |end| Timestamp(end.0.min(ends.0)));
    let new = NewSession { hash: secret.digest(), token: row.name.clone(), token_hash, made: ctx.now, ends };
    if !ctx.store.make_session(&new, SESSIONS_MAX)? {
        // It was revoked since it was looked up.
        return Err(failed(ctx));
    }
    if let Some(before) = before {
        ctx.store.end_session(&before)?;
        ctx.commands.access.forget_session(before);
    }
    ctx.caller = Caller::known(row.name, row.role, row.environments, Via::Session);
    ctx.caller.csrf = Some(secret.csrf());
    ctx.session_ends = Some(ends);
    let age_s = ends.0.saturating_sub(ctx.now.0) / 1000;
    let cookie = cookie(ctx, secret.text(), age_s);
    Ok(show(ctx)?.with("Set-Cookie", cookie))
}

/// The session that calls. Whatever else a cookie says is none, and costs the store nothing.
fn own_session(ctx: &Ctx<'_>) -> Option<Digest> {
    let is_known = ctx.caller.via == Via::Session;
    let name = cookie_name(&ctx.settings.public_url);
    let secret = ctx.call.credentials.cookie(name).and_then(Secret::read);
    secret.filter(|_| is_known).map(|secret| secret.digest())
}

fn failed(ctx: &Ctx<'_>) -> ApiError {
    ctx.note_failed_login();
    ApiError::unauthorized("no such token is known, or it is good no more; ask for a new one")
}

#[expect(clippy::unnecessary_wraps, reason = "handlers have one signature")]
pub(super) fn show(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let mode = ctx.commands.access.mode();
    let body = SessionBody::new(mode, &ctx.caller, ctx.session_ends);
    Ok(Reply::json(&body).with("Cache-Control", "no-store"))
}

pub(super) fn end(ctx: &mut Ctx<'_>) -> Result<Reply> {
    if let Some(session) = own_session(ctx) {
        ctx.store.end_session(&session)?;
        ctx.commands.access.forget_session(session);
    }
    Ok(Reply::empty(204).with("Set-Cookie", cookie(ctx, "", 0)))
}

/// A cookie that comes back to this host alone, whatever its port, from its own pages alone, and that no script reads (RFC 6265bis).
fn cookie(ctx: &Ctx<'_>, value: &str, age_s: i64) -> String {
    let url = &ctx.settings.public_url;
    let (name, secure) = (cookie_name(url), if is_https(url) { "; Secure" } else { "" });
    format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age_s}{secure}")
}

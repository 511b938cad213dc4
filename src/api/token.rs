//! Calls about tokens: which there are, making one, taking one back.

use super::Ctx;
use super::body::Body;
use super::reply::{ApiError, Reply, Result};
use super::types::{TokenBody, TokenMade, Tokens};
use crate::access::{NoSuchRole, Role, Secret, Wish};
use crate::store::TokenRow;

pub(super) fn list(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let tokens = ctx.store.tokens()?.into_iter().map(TokenBody::from).collect();
    Ok(Reply::json(&Tokens { tokens }))
}

pub(super) fn make(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let row = TokenRow::new(wish(&ctx.body()?)?, ctx.now);
    let secret = if row.proxy { None } else { Some(new_secret()?) };
    let digest = secret.as_ref().map(Secret::digest);
    if !ctx.store.make_token(&row, digest.as_ref())? {
        let why = format!("there is a token {} already; revoke it, or choose another name", row.name);
        return Err(ApiError::Conflict { why });
    }
    ctx.about = Some(format!("/api/token {} {}", row.name, row.role));
    let made = TokenMade { row: row.into(), token: secret.map(|secret| secret.token_text()) };
    Ok(Reply::json_with(201, &made).with("Cache-Control", "no-store"))
}

fn wish(body: &Body) -> Result<Wish> {
    let bad = |why: String| ApiError::BadValue { why };
    let name = body.text("name", "whose token it is, or what for")?.to_owned();
    let role = body.text("role", "viewer, requester, operator, admin or server")?;
    let role: Role = role.parse().map_err(|error: NoSuchRole| bad(format!("role: {error}")))?;
    let days = match body.get("days") {
        None => None,
        Some(days) => Some(
            days.as_i64()
                .or_else(|| days.as_f64().and_then(whole))
                .ok_or_else(|| super::body::wrong("days", "a whole number", days))?,
        ),
    };
    let proxy = match body.get("proxy") {
        None => false,
        Some(value) => value.as_bool().ok_or_else(|| super::body::wrong("proxy", "true or false", value))?,
    };
    let environments = body.texts("environments")?;
    Wish { name, role, environments, days, proxy }.checked().map_err(|error| bad(error.to_string()))
}

/// JSON has one kind of number: `365.0` is whole, too.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what is too large saturates, and is refused as too long"
)]
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0).then_some(number as i64)
}

fn new_secret() -> Result<Secret> {
    Secret::new().map_err(|error| {
        log::error!("the system gives no random numbers: {error}");
        ApiError::Internal
    })
}

pub(super) fn revoke(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("token").to_owned();
    let was_there = ctx.store.revoke_token(&name)?;
    ctx.commands.access.forget();
    if was_there { Ok(Reply::empty(204)) } else { Err(ApiError::NotFound { kind: "token", name }) }
}

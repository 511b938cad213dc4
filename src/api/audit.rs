//! The audit log, read.

use super::Ctx;
use super::reply::{ApiError, Reply, Result};
use super::types::{Audit, AuditEntry};
use crate::store::AuditSearch;

/// Entries of an answer unless the call says otherwise, and at most.
const LIMIT: usize = 100;
const LIMIT_MAX: usize = 1000;

pub(super) fn list(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let limit = super::device::number(ctx, "limit")?.and_then(|n| usize::try_from(n).ok());
    let limit = limit.filter(|n| *n > 0).unwrap_or(LIMIT).min(LIMIT_MAX);
    let before = super::device::number(ctx, "before")?.filter(|n| *n > 0);
    let text = |key| {
        let text = ctx.call.query(key).unwrap_or_default();
        if text.chars().count() <= 200 {
            return Ok(text);
        }
        Err(ApiError::BadValue { why: format!("{key} is too long; 200 characters at most") })
    };
    let (who, what) = (text("who")?, text("what")?);
    // One more than is shown tells whether there are more.
    let search = AuditSearch { before, since: None, who, what, limit: limit + 1 };
    ctx.commands.access.settle(ctx.now);
    let mut entries = ctx.store.audit(&search)?;
    let more = entries.len() > limit;
    entries.truncate(limit);
    Ok(Reply::json(&Audit { entries: entries.into_iter().map(AuditEntry::from).collect(), more }))
}

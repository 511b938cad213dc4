//! Live changes: `GET /api/events`, once or as a stream.
//!
//! Here is what is answered, in which order and in which form; waiting and sending are the HTTP threads'. What was asked for
//! comes from memory where it is there, and from the store where it is not.

mod query;
mod recent;

pub use query::{Filter, LIMIT_MAX, Query};
pub use recent::{Entry, Found, RECENT_MAX, Recent};

use super::access::Stays;
use super::call::Verb;
use super::reply::{ApiError, Reply, Result};
use super::types::changes_text;
use super::{Answer, Ctx};
use crate::store::Store;
use std::sync::Arc;

/// How long a browser waits before it comes back after a stream has ended: a restart of the daemon is over by then.
const RETRY_MS: u32 = 2000;

/// Somebody who waits.
#[derive(Debug)]
pub struct Watch {
    /// What for.
    pub query: Query,
    /// Everything up to this number is known.
    pub after: u64,
    /// Whether they still may.
    pub stays: Stays,
}

/// Changes, and where to go on.
#[derive(Debug)]
pub struct Page {
    /// Those that are wanted, in order.
    pub entries: Vec<Arc<Entry>>,
    /// The last number that was looked at.
    pub seen: u64,
}

impl Page {
    /// As the answer to one call.
    pub fn reply(&self) -> Reply {
        let text = changes_text(self.entries.iter().map(|e| &*e.json), self.seen);
        Reply::json_text(200, text).with("Cache-Control", "no-store")
    }

    /// As a piece of a stream (WHATWG HTML, "server-sent events"). An `id` without data is no event, but the place to go on
    /// after: otherwise whoever waits for what is rare would have to look at everything again.
    pub fn stream_text(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            text.push_str(&format!(
                "id: {}\nevent: {}\ndata: {}\n\n",
                entry.seq(),
                entry.kind().name(),
                entry.json
            ));
        }
        if self.entries.last().is_none_or(|e| e.seq() < self.seen) {
            text.push_str(&format!(": up to date\nid: {}\n\n", self.seen));
        }
        text
    }
}

/// What a stream that is not of changes begins with.
pub fn stream_retry() -> String {
    format!("retry: {RETRY_MS}\n\n")
}

/// The beginning of a stream.
pub fn stream_begin(after: u64) -> String {
    format!("retry: {RETRY_MS}\nid: {after}\n\n")
}

pub(super) fn follow(ctx: &mut Ctx<'_>) -> Result<Answer> {
    let query = Query::read(ctx.call)?;
    let after = query.after.unwrap_or_else(|| ctx.recent.last());
    let mut may_wait = true;
    let page = match ctx.recent.find(after, query.limit, &query.filter) {
        Found::Some { entries, seen } => Page { entries, seen },
        Found::Behind => {
            let page = from_store(ctx.store, after, query.limit, &query.filter)?;
            // More may lie behind it: an answer without changes, by which its caller goes on, is better than to wait here.
            may_wait = page.seen == after;
            page
        }
        Found::Ahead { .. } => {
            let last = ctx.store.last_changes()?.all;
            if after > last {
                return Err(ApiError::ChangesAhead { after, last });
            }
            Page { entries: Vec::new(), seen: after }
        }
    };
    let is_head = ctx.call.verb == Verb::Head;
    if query.stream && is_head {
        return Ok(Answer::Now(Reply::empty(200).with("Content-Type", STREAM_TYPE)));
    }
    if query.stream {
        return Ok(Answer::Later(Watch { query, after, stays: ctx.stays() }));
    }
    let is_patient = !query.wait.is_zero() && !is_head && !ctx.recent.is_closed();
    if page.entries.is_empty() && may_wait && is_patient {
        return Ok(Answer::Later(Watch { query, after: page.seen, stays: ctx.stays() }));
    }
    Ok(Answer::Now(page.reply()))
}

/// The media type of a stream.
pub const STREAM_TYPE: &str = "text/event-stream; charset=utf-8";

/// What memory does not have any more.
///
/// # Errors
/// [`ApiError::ChangesGone`] when the store does not have it either.
pub fn from_store(store: &mut dyn Store, after: u64, limit: usize, filter: &Filter) -> Result<Page> {
    let page = store.changes(after, LIMIT_MAX)?;
    if page.oldest > after.saturating_add(1) {
        return Err(ApiError::ChangesGone { after, oldest: page.oldest, last: page.last });
    }
    let wanted = page.changes.into_iter().filter(|c| filter.wants(c)).take(limit);
    let entries: Vec<Arc<Entry>> = wanted.map(|c| Arc::new(Entry::from(c))).collect();
    let seen = match entries.last() {
        Some(last) if entries.len() == limit => last.seq(),
        _ => page.seen,
    };
    Ok(Page { entries, seen })
}

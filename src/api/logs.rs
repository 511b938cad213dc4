//! What boards say: the log of a device, in pages and as it grows, and those whom nobody knows.
//!
//! A page says where older and newer lines are. Whoever follows a log is answered from the store, like a reader of the past who
//! has come to its end: nothing is kept for him, and one who is too far behind is told how much he is spared.

use super::access::Stays;
use super::events::STREAM_TYPE;
use super::reply::{ApiError, Reply, Result};
use super::types::{LogEntry, LogPageBody, UnknownSender, UnknownSenders};
use super::{Answer, Ctx};
use crate::api::call::Verb;
use crate::logic::ids::DeviceName;
use crate::store::{DeviceView, LogFrom, LogPage, LogSearch, Place, Store};

/// Lines in one answer at most: some ten megabytes. `more` and `before` lead on.
pub const LINES_MAX: usize = 50_000;
/// Lines that a stream begins with unless it says otherwise, as `tail` does.
const STREAM_LINES: usize = 10;
/// Lines in one piece of a stream.
const PIECE: usize = 500;
/// Bytes that a stream may be behind before it goes on near the end: more than anybody reads on a screen.
const BEHIND_MAX: u64 = 4 << 20;
/// Lines of an unknown sender that are shown unless the call says otherwise, and at most.
const UNKNOWN_LINES: usize = 10;
const UNKNOWN_LINES_MAX: usize = 1000;

/// Somebody who follows a device's log.
#[derive(Debug)]
pub struct Tail {
    device: DeviceName,
    text: String,
    place: Place,
    /// Lines that he gets before he waits.
    first: Vec<LogEntry>,
    /// Whether they still may.
    pub stays: Stays,
}

pub(super) fn of_device(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Answer> {
    // 0 means "no limit" for both.
    let since =
        number(ctx, "timeperiod")?.filter(|s| *s > 0).map(|s| ctx.now.plus_ms(-s.saturating_mul(1000)));
    let limit = number(ctx, "limit")?.filter(|n| *n > 0).and_then(|n| usize::try_from(n).ok());
    let (before, after) = (place(ctx, "before")?, place(ctx, "after")?);
    let text = ctx.call.query("q").unwrap_or_default();
    let from = match (before, after) {
        (Some(place), _) => LogFrom::Before(place),
        (None, Some(place)) => LogFrom::After(place),
        (None, None) => LogFrom::End,
    };
    let mut search = LogSearch { since, text, limit: Some(limit.unwrap_or(LINES_MAX).min(LINES_MAX)), from };
    if !ctx.call.says("follow") {
        return Ok(Answer::Now(reply(ctx.store.search_log(&device.name, &search)?)));
    }
    if ctx.call.verb == Verb::Head {
        return Ok(Answer::Now(Reply::empty(200).with("Content-Type", STREAM_TYPE)));
    }
    // What a browser says by itself when it comes back counts more than the address that it was given at first.
    let seen = ctx.call.last_event_id.clone().filter(|id| !id.is_empty());
    if let Some(seen) = seen.map(|text| read_place("Last-Event-ID", &text)).transpose()? {
        search.from = LogFrom::After(seen);
    }
    let stays = ctx.stays();
    let tail = |place, first: LogPage| Tail {
        stays: stays.clone(),
        device: device.name.clone(),
        text: search.text.clone(),
        place,
        first: first.lines.into_iter().map(LogEntry::from).collect(),
    };
    if let LogFrom::After(place) = search.from {
        return Ok(Answer::Tail(tail(place, LogPage::default())));
    }
    search.limit = Some(limit.unwrap_or(STREAM_LINES).min(PIECE));
    search.from = LogFrom::End;
    let page = ctx.store.search_log(&device.name, &search)?;
    Ok(Answer::Tail(tail(page.after, page)))
}

fn reply(page: LogPage) -> Reply {
    Reply::json(&LogPageBody {
        log: page.lines.into_iter().map(Into::into).collect(),
        before: page.before.to_string(),
        after: page.after.to_string(),
        more: page.more,
    })
}

impl Tail {
    /// What a stream begins with.
    pub fn begin(&mut self) -> String {
        let mut text = super::events::stream_retry();
        for line in std::mem::take(&mut self.first) {
            write_line(&mut text, &line);
        }
        text.push_str(&format!("id: {}\n\n", self.place));
        text
    }

    /// What has come since the last piece, and whether there is more at once; no text when nothing has, and nothing at all when
    /// the device is gone.
    ///
    /// # Errors
    /// The store's; the place stays, and the next call goes on there.
    pub fn next(&mut self, store: &mut dyn Store) -> crate::store::Result<Option<(String, bool)>> {
        let mut text = String::new();
        let Some(behind) = store.log_behind(&self.device, self.place)? else { return Ok(None) };
        if behind.bytes > BEHIND_MAX {
            let left = store.log_behind(&self.device, behind.near_end)?.map_or(0, |b| b.lines);
            let skipped = behind.lines.saturating_sub(left);
            text.push_str(&format!("event: skipped\ndata: {{\"lines\":{skipped}}}\n\n"));
            self.place = behind.near_end;
        }
        let search = LogSearch {
            since: None,
            text: self.text.clone(),
            limit: Some(PIECE),
            from: LogFrom::After(self.place),
        };
        let page = store.search_log(&self.device, &search)?;
        for line in page.lines {
            write_line(&mut text, &line.into());
        }
        let moved = std::mem::replace(&mut self.place, page.after) != page.after;
        if moved || !text.is_empty() {
            text.push_str(&format!("id: {}\n\n", self.place));
        }
        Ok(Some((text, page.more)))
    }
}

fn write_line(text: &mut String, line: &LogEntry) {
    let json = serde_json::to_string(line).expect("our own types hold only string keys");
    text.push_str("event: line\ndata: ");
    text.push_str(&json);
    text.push_str("\n\n");
}

pub(super) fn unknown(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let limit = number(ctx, "limit")?.and_then(|n| usize::try_from(n).ok());
    let limit = limit.filter(|n| *n > 0).unwrap_or(UNKNOWN_LINES).min(UNKNOWN_LINES_MAX);
    let address = ctx.call.query("address").filter(|a| !a.is_empty());
    let mut senders = Vec::new();
    for sender in ctx.store.stray_senders()? {
        if address.as_ref().is_some_and(|a| *a != sender.sender) {
            continue;
        }
        let lines = ctx.store.stray_log_of(&sender.sender, limit)?;
        senders.push(UnknownSender::new(sender, lines));
    }
    Ok(Reply::json(&UnknownSenders { senders }))
}

/// A number in the query; an empty value is as good as none.
fn number(ctx: &Ctx<'_>, key: &str) -> Result<Option<i64>> {
    super::device::number(ctx, key)
}

fn place(ctx: &Ctx<'_>, key: &str) -> Result<Option<Place>> {
    let given = ctx.call.query(key).filter(|v| !v.is_empty());
    given.map(|text| read_place(key, &text)).transpose()
}

fn read_place(key: &str, text: &str) -> Result<Place> {
    text.parse().map_err(|()| {
        let given: String = text.chars().take(40).flat_map(char::escape_debug).collect();
        ApiError::BadValue { why: format!("{key} is `{given}`; it should be a place that an answer named") }
    })
}

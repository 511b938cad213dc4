//! What a watcher asks for, read from a call: where to go on, how long to wait, how much, and of what.

use crate::api::call::Call;
use crate::api::reply::{ApiError, Result};
use crate::logic::ids::RequestId;
use crate::store::{Change, ChangeKind};
use std::time::Duration;

/// Changes in one answer at most: some hundred kilobytes. Whoever has missed more asks again at once.
pub const LIMIT_MAX: usize = 1000;
/// Seconds that a call waits for something to happen unless it says otherwise.
const WAIT_S: u64 = 30;
/// Seconds that it waits at most: less than the minute after which a connection on which nobody speaks is given up, by us
/// and by many a proxy.
const WAIT_MAX_S: u64 = 50;
/// Characters of a value that are said again.
const SHOWN_MAX: usize = 40;

/// Which changes are wanted; every part that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Of one of these kinds; none: of any.
    pub kinds: Vec<ChangeKind>,
    /// About this device, or a request that holds it or has just let go of it.
    pub device: Option<String>,
    /// About this request, or the device that it holds.
    pub request: Option<RequestId>,
}

impl Filter {
    /// It fits.
    pub fn wants(&self, change: &Change) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&change.kind))
            && self.device.as_deref().is_none_or(|d| change.concerns(d))
            && self.request.is_none_or(|r| change.request() == Some(r))
    }
}

/// A call for changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Everything up to this number is known; `None`: everything up to now.
    pub after: Option<u64>,
    /// So many in one answer.
    pub limit: usize,
    /// How long to wait for the first of them.
    pub wait: Duration,
    /// Which.
    pub filter: Filter,
    /// Not one answer but a stream of them.
    pub stream: bool,
}

impl Query {
    /// Reads a call; a key with an empty value is as good as none.
    ///
    /// # Errors
    /// A value that is not what it should be.
    pub fn read(call: &Call) -> Result<Self> {
        let given = |key| call.query(key).filter(|v| !v.is_empty());
        let stream = call.says("stream") || call.accept.as_deref().is_some_and(accepts_stream);
        // What a browser says by itself when it comes back counts more than the address that it was given at first.
        let id = call.last_event_id.clone().filter(|id| stream && !id.is_empty());
        let after = match id {
            Some(id) => Some(number("Last-Event-ID", &id)?),
            None => given("after").map(|text| number("after", &text)).transpose()?,
        };
        let limit = given("limit").map(|text| number("limit", &text)).transpose()?;
        let limit = limit.and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=LIMIT_MAX).contains(n));
        let wait_s = given("timeout").map(|text| number("timeout", &text)).transpose()?;
        let kind = |name: &str| {
            ChangeKind::parse(name).ok_or_else(|| {
                let names: Vec<&str> = ChangeKind::ALL.iter().map(|k| k.name()).collect();
                let why = format!(
                    "there are no changes of kind `{}`; the kinds are {}",
                    shown(name),
                    names.join(", ")
                );
                ApiError::BadValue { why }
            })
        };
        let kinds = given("kind").map(|names| names.split(',').map(kind).collect()).transpose()?;
        let request = given("request").map(|text| number("request", &text)).transpose()?;
        Ok(Self {
            after,
            limit: limit.unwrap_or(LIMIT_MAX),
            wait: Duration::from_secs(wait_s.unwrap_or(WAIT_S).min(WAIT_MAX_S)),
            filter: Filter {
                kinds: kinds.unwrap_or_default(),
                device: given("device"),
                request: request.map(|n| RequestId(i64::try_from(n).unwrap_or(i64::MAX))),
            },
            stream,
        })
    }
}

/// An `Accept` header that names event streams (RFC 9110 section 12.5.1); `*/*` does not, for `curl` says it of everything.
fn accepts_stream(accept: &str) -> bool {
    let kind = |part: &str| part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    accept.split(',').any(|part| kind(part) == "text/event-stream")
}

fn number(key: &str, text: &str) -> Result<u64> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(text.parse().unwrap_or(u64::MAX));
    }
    Err(ApiError::BadValue {
        why: format!("{key} is `{}`; it should be a whole number, 0 or more", shown(text)),
    })
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_MAX).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::call::Verb;

    fn read(target: &str) -> Result<Query> {
        Query::read(&Call::new(Verb::Get, target))
    }

    #[test]
    fn what_is_not_said_has_its_usual_value() {
        let usual = Query {
            after: None,
            limit: LIMIT_MAX,
            wait: Duration::from_secs(30),
            filter: Filter::default(),
            stream: false,
        };
        assert_eq!(read("/api/events").unwrap(), usual);
        assert_eq!(read("/api/events?after=&limit=&timeout=&kind=&device=&request=").unwrap(), usual);
        assert_eq!(read("/api/events?limit=0&timeout=30").unwrap(), usual);
        assert_eq!(read("/api/events?stream=0").unwrap(), usual);
        let all =
            read("/api/events?after=7&limit=2&timeout=600&kind=device,image&device=p%201&request=3&stream");
        let filter = Filter {
            kinds: vec![ChangeKind::Device, ChangeKind::Image],
            device: Some("p 1".into()),
            request: Some(RequestId(3)),
        };
        let wait = Duration::from_secs(WAIT_MAX_S);
        assert_eq!(all.unwrap(), Query { after: Some(7), limit: 2, wait, filter, stream: true });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, want) in [
            ("after=x", "after is `x`; it should be a whole number, 0 or more"),
            ("after=-1", "after is `-1`"),
            ("limit=1.5", "limit is `1.5`"),
            ("timeout=soon", "timeout is `soon`"),
            ("request=%0a", "request is `\\n`"),
            ("kind=device,x", "there are no changes of kind `x`; the kinds are device, request, image"),
        ] {
            let error = read(&format!("/api/events?{query}")).unwrap_err();
            assert_eq!(error.status(), 400);
            assert!(error.to_string().contains(want), "{query}: {error}");
        }
        // More than there will ever be is a number all the same.
        assert_eq!(read("/api/events?after=99999999999999999999999").unwrap().after, Some(u64::MAX));
    }

    #[test]
    fn a_stream_is_asked_for_by_header_or_key_and_goes_on_by_its_own_header() {
        let call = |accept: &str, id: Option<&str>| {
            let mut call = Call::new(Verb::Get, "/api/events?after=1");
            (call.accept, call.last_event_id) = (Some(accept.into()), id.map(Into::into));
            Query::read(&call).map(|q| (q.stream, q.after))
        };
        assert_eq!(call("text/event-stream", None).unwrap(), (true, Some(1)));
        assert_eq!(call("text/html, Text/Event-Stream;q=0.9", Some("9")).unwrap(), (true, Some(9)));
        assert_eq!(call("text/event-stream", Some("")).unwrap(), (true, Some(1)));
        assert_eq!(call("*/*", Some("9")).unwrap(), (false, Some(1)));
        assert!(call("text/event-stream", Some("nine")).unwrap_err().to_string().contains("Last-Event-ID"));
    }
}

//! Between requests of HTTP and the API's calls and replies.

use super::access::{self, AccessLog};
use super::connection::Line;
use super::request::Request;
use super::write;
use crate::api::access::CSRF_HEADER;
use crate::api::call::{Call, Credentials, Verb};
use crate::api::files::Conditions;
use crate::api::metrics;
use crate::api::reply::Reply;
use crate::metrics::Metrics;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The server name in answers.
pub(super) const SERVER: &str = concat!("Mozpool/", env!("CARGO_PKG_VERSION"));

pub(super) fn conditions(request: &Request, verb: Verb) -> Conditions {
    Conditions {
        // A range means nothing to HEAD (RFC 9110 section 14.2).
        range: header(request, "Range").filter(|_| verb == Verb::Get),
        if_range: header(request, "If-Range"),
        if_match: list(request, "If-Match"),
        if_none_match: list(request, "If-None-Match"),
        if_modified_since: header(request, "If-Modified-Since"),
        if_unmodified_since: header(request, "If-Unmodified-Since"),
        accept_encoding: list(request, "Accept-Encoding"),
    }
}

fn verb_of(request: &Request) -> Verb {
    Verb::parse(&request.head().method)
}

/// `proxy_header`: where a reverse proxy names its user.
pub(super) fn call_of(request: &Request, proxy_header: Option<&str>) -> Call {
    let mut call = Call::new(verb_of(request), request.head().target.as_str());
    call.origin = header(request, "Origin");
    call.is_cross_site = header(request, "Sec-Fetch-Site").as_deref() == Some("cross-site");
    call.host = header(request, "Host");
    call.content_type = header(request, "Content-Type");
    call.wants_headers = header(request, "Access-Control-Request-Headers");
    call.accept = header(request, "Accept");
    call.last_event_id = header(request, "Last-Event-ID");
    call.boot = header(request, "Mozpool-Boot").and_then(|token| token.parse().ok());
    call.if_none_match = header(request, "If-None-Match");
    call.peer = peer(request);
    call.credentials = Credentials {
        authorization: header(request, "Authorization"),
        cookies: list(request, "Cookie"),
        csrf: header(request, CSRF_HEADER),
        forwarded_for: list(request, "X-Forwarded-For"),
        // Of several, one may be the caller's own: then none of them is believed.
        proxy_user: proxy_header.and_then(|name| list(request, name)),
    };
    call
}

pub(super) fn header(request: &Request, name: &'static str) -> Option<String> {
    request.head().line(name).map(str::to_owned)
}

/// A list that may come in several lines (RFC 9110 section 5.3).
fn list(request: &Request, name: &str) -> Option<String> {
    request.head().all(name).map(str::to_owned).reduce(|all, line| all + "," + &line)
}

fn address(request: &Request) -> IpAddr {
    request.peer().ip().to_canonical()
}

fn peer(request: &Request) -> String {
    address(request).to_string()
}

#[expect(clippy::needless_pass_by_value, reason = "an answer is given once")]
pub(super) fn respond(request: Request, reply: Reply, arrived: &Arrived) {
    let shape = write::Shape::of(&request);
    if let Err(error) = write::answer(request.into_writer(), &shape, &reply) {
        log::debug!("peer={} did not take the answer: {error}", arrived.peer);
    }
    arrived.log_reply(&reply, &shape);
}

/// The same without waiting for the peer, however long the answer is: *http-front* sends what the system does not take, and bounds
/// what it holds.
pub(super) fn respond_at_once(request: Request, reply: &Reply, arrived: &Arrived) {
    let shape = write::Shape::of(&request);
    request.into_writer().finish_with(write::whole(&shape, reply));
    arrived.log_reply(reply, &shape);
}

/// A call that has come in, for the log.
pub(super) struct Arrived {
    pub(super) at: Instant,
    /// Whether its caller has said more meanwhile.
    pub(super) line: Line,
    method: String,
    pub(super) target: String,
    pub(super) peer: String,
    pub(super) address: IpAddr,
    verb: Verb,
    log: Arc<AccessLog>,
    metrics: Arc<Metrics>,
}

impl Arrived {
    pub(super) fn of(request: &Request, log: &Arc<AccessLog>, metrics: &Arc<Metrics>) -> Self {
        Self {
            verb: verb_of(request),
            metrics: Arc::clone(metrics),
            at: Instant::now(),
            line: request.line(),
            method: request.head().method.clone(),
            target: request.head().target.clone(),
            peer: peer(request),
            address: address(request),
            log: Arc::clone(log),
        }
    }

    /// Whether the call changes nothing by its method (RFC 9110 section 9.2.1).
    pub(super) fn only_reads(&self) -> bool {
        matches!(self.verb, Verb::Get | Verb::Head | Verb::Options)
    }

    fn log_reply(&self, reply: &Reply, shape: &write::Shape) {
        let sent = if shape.has_body(reply.status) { reply.bytes().len() } else { 0 };
        self.log(reply.status, sent as u64, reply.who.as_deref());
    }

    /// It was answered. `who`: whose request it was about.
    pub(super) fn log(&self, status: u16, bytes: u64, who: Option<&str>) {
        self.tell(status, bytes, who, metrics::told_time);
    }

    /// A stream has ended, which lasted for as long as its reader wanted.
    pub(super) fn log_stream(&self, bytes: u64) {
        self.tell(200, bytes, None, |_, _| None);
    }

    /// Something beside it happened with its peer that belongs into the log, for as long as that is not flooded.
    pub(super) fn log_event(&self, level: log::Level, what: impl FnOnce() -> String) {
        self.log.event(self.address, level, what, Instant::now());
    }

    fn tell(
        &self,
        status: u16,
        bytes: u64,
        who: Option<&str>,
        told: impl FnOnce(usize, Duration) -> Option<Duration>,
    ) {
        let now = Instant::now();
        let Self { at, method, target, address, .. } = self;
        let took = now.saturating_duration_since(*at);
        let kind = metrics::kind_of(self.verb, target);
        self.metrics.calls.count(kind, status, bytes, told(kind, took));
        self.log.call(&access::Line { method, target, status, bytes, took, peer: *address, who }, now);
    }
}

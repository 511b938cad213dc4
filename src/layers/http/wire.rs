//! Between `tiny_http`'s requests and responses and the API's calls and replies, and one line in the log for each.

use super::body::{BodyIs, body_of};
use super::lines::{Line, Lines};
use super::write;
use crate::api::call::{Call, Verb};
use crate::api::files::Conditions;
use crate::api::reply::Reply;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Instant;
use tiny_http::{Header, Request, Response, StatusCode};

/// The server name in answers.
pub(super) const SERVER: &str = concat!("Mozpool/", env!("CARGO_PKG_VERSION"));

pub(super) fn conditions(request: &Request, verb: Verb) -> Conditions {
    Conditions {
        // A range means nothing to HEAD (RFC 9110 section 14.2).
        range: header(request, "Range").filter(|_| verb == Verb::Get),
        if_range: header(request, "If-Range"),
        if_none_match: header(request, "If-None-Match"),
        if_modified_since: header(request, "If-Modified-Since"),
    }
}

pub(super) fn call_of(request: &Request) -> Call {
    let verb = match request.method() {
        tiny_http::Method::Get => Verb::Get,
        tiny_http::Method::Head => Verb::Head,
        tiny_http::Method::Post => Verb::Post,
        tiny_http::Method::Options => Verb::Options,
        _ => Verb::Other,
    };
    let mut call = Call::new(verb, request.url());
    call.origin = header(request, "Origin");
    call.host = header(request, "Host");
    call.wants_headers = header(request, "Access-Control-Request-Headers");
    call.accept = header(request, "Accept");
    call.last_event_id = header(request, "Last-Event-ID");
    call.if_none_match = header(request, "If-None-Match");
    call.peer = peer(request);
    call
}

pub(super) fn header(request: &Request, name: &'static str) -> Option<String> {
    request.headers().iter().find(|h| h.field.equiv(name)).map(|h| h.value.as_str().to_owned())
}

fn peer(request: &Request) -> String {
    request.remote_addr().map_or_else(|| "(unknown)".to_owned(), |a| a.ip().to_canonical().to_string())
}

pub(super) fn headers(lines: &[(&'static str, String)]) -> Vec<Header> {
    let server = [("Server", SERVER)].into_iter();
    let lines = lines.iter().map(|(name, value)| (*name, value.as_str()));
    server.chain(lines).filter_map(|(n, v)| Header::from_bytes(n, v).ok()).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "an answer is given once")]
pub(super) fn respond(request: Request, reply: Reply, arrived: &Arrived) {
    let (status, len) = (reply.status, reply.bytes().len());
    let sent = match body_of(&request) {
        BodyIs::Here(_) => {
            let (version, is_head) =
                (request.http_version().clone(), *request.method() == tiny_http::Method::Head);
            write::answer(request.into_writer(), &version, &reply, is_head)
        }
        // `tiny_http` reads what is left of a body before it gives its writer away; a peer that waits for our answer before it
        // sends that would wait for ever.
        BodyIs::OnItsWay(_) | BodyIs::Absurd => {
            let body = Cursor::new(reply.bytes());
            let response = Response::new(StatusCode(status), headers(&reply.headers), body, Some(len), None);
            request.respond(response.with_chunked_threshold(usize::MAX))
        }
    };
    if let Err(error) = sent {
        log::debug!("peer={} did not take the answer: {error}", arrived.peer);
    }
    arrived.log(status, len as u64);
}

/// What the access log says of a call.
pub(super) struct Arrived {
    pub(super) at: Instant,
    /// Its place among the calls on its connection, until it is answered.
    pub(super) line: Line,
    method: String,
    pub(super) target: String,
    pub(super) peer: String,
}

impl Arrived {
    pub(super) fn of(request: &Request, lines: &Arc<Lines>) -> Self {
        Self {
            at: Instant::now(),
            line: lines.enter(request.remote_addr().copied()),
            method: request.method().to_string().escape_debug().to_string(),
            target: request.url().escape_debug().to_string(),
            peer: peer(request),
        }
    }

    /// One line per call.
    pub(super) fn log(&self, status: u16, bytes: u64) {
        let Self { at, method, target, peer, .. } = self;
        log::info!("{method} {target} {status} {} ms {bytes} B peer={peer}", at.elapsed().as_millis());
    }
}

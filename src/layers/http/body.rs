//! Bodies of calls: where they are, and reading those that are still on their way within a size and a time.
//!
//! What `tiny_http` 0.12 does with bodies rules this: it reads up to 1024 bytes ahead, and on dropping a request it reads what
//! is left of its body, into memory as large as all of that.

use super::wire::header;
use crate::api::reply::ApiError;
use std::io::{self, Read};
use std::time::{Duration, Instant};
use tiny_http::Request;

/// A body that says it is longer than this is not even read to its end: `tiny_http` would make room for all of it at once.
const DRAIN_MAX: usize = 1 << 28;

/// How long a request body that is still on its way may take in all.
const BODY_WAIT: Duration = Duration::from_secs(60);

/// Where a body is.
pub(super) enum BodyIs {
    /// So many bytes, which are in memory already.
    Here(usize),
    /// At most so many are to be read.
    OnItsWay(usize),
    /// It will never be read.
    Absurd,
}

/// `tiny_http` reads bodies up to this length before it passes the call on.
const READ_AHEAD: usize = 1024;

/// Whether a call has a body that is so short that no limit concerns it, or none.
pub(super) fn is_small(request: &Request) -> bool {
    match request.body_length() {
        Some(len) => len <= READ_AHEAD,
        None => header(request, "Transfer-Encoding").is_none(),
    }
}

/// Where the body of a call is that may be `max` bytes long.
pub(super) fn body_of(request: &Request, max: usize) -> BodyIs {
    let upgrade = header(request, "Connection").is_some_and(|c| c.to_ascii_lowercase().contains("upgrade"));
    let waits = header(request, "Expect").is_some() || upgrade;
    match request.body_length() {
        Some(0) => BodyIs::Here(0),
        Some(len) if len <= READ_AHEAD && !waits => BodyIs::Here(len),
        Some(len) if len > DRAIN_MAX => BodyIs::Absurd,
        // Whoever offers to upgrade the connection has a reader without an end of its own.
        Some(len) => BodyIs::OnItsWay(len.min(max + 1)),
        None if header(request, "Transfer-Encoding").is_some() && !upgrade => BodyIs::OnItsWay(max + 1),
        None => BodyIs::Here(0),
    }
}

/// Reads `limit` bytes at most, and refuses more than `max`.
pub(super) fn read_body(
    reader: &mut dyn Read,
    limit: usize,
    max: usize,
    since: Instant,
) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    let mut chunk = [0; 8192];
    while body.len() < limit {
        let room = chunk.len().min(limit - body.len());
        match reader.read(&mut chunk[..room]) {
            Ok(0) => break,
            Ok(n) => body.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ApiError::BadJson { why: format!("it did not arrive whole: {error}") }),
        }
        if since.elapsed() > BODY_WAIT {
            return Err(ApiError::BadJson { why: "it arrived too slowly".into() });
        }
    }
    if body.len() > max { Err(ApiError::TooLarge { max }) } else { Ok(body) }
}

//! Bodies of calls: where they are, and reading those that are still on their way within a size and a time.

use super::head::Length;
use super::request::Request;
use crate::api::reply::ApiError;
use std::io::{self, Read};
use std::time::{Duration, Instant};

/// How long a request body that is still on its way may take in all.
const BODY_WAIT: Duration = Duration::from_secs(60);

/// Where a body is.
pub(super) enum BodyIs {
    /// In memory already.
    Here,
    /// At most so many bytes are to be read.
    OnItsWay(usize),
    /// It says that it is longer than it may be, and is not read.
    TooLong,
}

/// Where the body of a call is that may be `max` bytes long.
pub(super) fn body_of(request: &Request, max: usize) -> BodyIs {
    match request.head().body {
        _ if request.has_arrived() => BodyIs::Here,
        Length::Known(length) => usize::try_from(length)
            .ok()
            .filter(|length| *length <= max)
            .map_or(BodyIs::TooLong, BodyIs::OnItsWay),
        Length::Chunked => BodyIs::OnItsWay(max + 1),
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

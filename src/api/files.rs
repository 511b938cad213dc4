//! Files for boards: kernels, live systems, second stages, images; below `/files/`, by GET and HEAD, from one directory.
//!
//! Decides what part of which file is sent and how it is labelled; the sending is `layers::http`'s. Ranges and conditions
//! as RFC 9110 sections 13 and 14 have them, so that a board's `wget -c` goes on where it was cut off.

use super::call::decode;
use super::reply::{ApiError, Result};
use super::time::http_date;
use crate::logic::time::Timestamp;
use std::fs::{File, Metadata};
use std::io::{Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use tftpd::root::{Root, RootError};

/// Where the files are.
pub const PREFIX: &str = "/files/";
/// What may be done there.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// The headers of a call that change what is sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `Range`; only GET has one.
    pub range: Option<String>,
    /// `If-Range`
    pub if_range: Option<String>,
    /// `If-None-Match`
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`
    pub if_modified_since: Option<String>,
}

/// An open file and what to send of it.
#[derive(Debug)]
pub struct Download {
    /// 200, 206 or 304.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(&'static str, String)>,
    /// Stands where the body begins.
    pub file: File,
    /// Bytes of the body.
    pub len: u64,
}

/// Opens the file that `path` (with its [`PREFIX`], still encoded) names.
pub fn open(root: &Root, path: &str, conditions: &Conditions) -> Result<Download> {
    let name = decode(path.strip_prefix(PREFIX).unwrap_or_default());
    let (mut file, metadata) = root.open_file(&name).map_err(|error| refused(&name, &error))?;
    let plan = plan(&Validators::of(&metadata), conditions)?;
    let mut headers = plan.headers;
    headers.push(("Content-Type", content_type(&name).to_owned()));
    if plan.start > 0 {
        file.seek(SeekFrom::Start(plan.start)).map_err(|error| {
            log::error!("file={} {error}", name.escape_debug());
            ApiError::Internal
        })?;
    }
    Ok(Download { status: plan.status, headers, file, len: plan.len })
}

/// All that a client may know is whether there is a file for it; why not stands in the log.
fn refused(name: &str, error: &RootError) -> ApiError {
    let shown = name.escape_debug();
    match error {
        RootError::NotFound | RootError::NotAFile | RootError::BadName(_) => {}
        RootError::Escapes | RootError::Denied => log::warn!("file={shown} not served: {error}"),
        RootError::Io(_) => {
            log::error!("file={shown} {error}");
            return ApiError::Internal;
        }
    }
    ApiError::NotFound { kind: "file", name: name.chars().take(200).collect() }
}

/// What tells one content of a file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Validators {
    size: u64,
    etag: String,
    last_modified: String,
}

impl Validators {
    fn of(metadata: &Metadata) -> Self {
        let (seconds, ns) = (metadata.mtime(), metadata.mtime_nsec());
        Self {
            size: metadata.len(),
            etag: format!("\"{seconds:x}.{ns:x}-{:x}-{:x}\"", metadata.len(), metadata.ino()),
            last_modified: http_date(Timestamp(seconds.saturating_mul(1000))),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Plan {
    status: u16,
    start: u64,
    len: u64,
    headers: Vec<(&'static str, String)>,
}

/// Decides what to send; the order of the conditions is RFC 9110 section 13.2.2's.
fn plan(file: &Validators, conditions: &Conditions) -> Result<Plan> {
    let mut headers = vec![
        ("ETag", file.etag.clone()),
        ("Last-Modified", file.last_modified.clone()),
        ("Accept-Ranges", "bytes".to_owned()),
    ];
    if not_modified(file, conditions) {
        return Ok(Plan { status: 304, start: 0, len: file.size, headers });
    }
    let range = conditions.range.as_deref().filter(|_| if_range(file, conditions.if_range.as_deref()));
    match range.map_or(Wanted::Whole, |r| wanted(r, file.size)) {
        Wanted::Whole => Ok(Plan { status: 200, start: 0, len: file.size, headers }),
        Wanted::Part { first, last } => {
            headers.push(("Content-Range", format!("bytes {first}-{last}/{}", file.size)));
            Ok(Plan { status: 206, start: first, len: last - first + 1, headers })
        }
        Wanted::Outside => Err(ApiError::BadRange { size: file.size }),
    }
}

fn not_modified(file: &Validators, conditions: &Conditions) -> bool {
    match (&conditions.if_none_match, &conditions.if_modified_since) {
        (Some(tags), _) => tags.split(',').map(str::trim).any(|tag| {
            // The weak comparison: what a cache has marked as weak is still ours.
            tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == file.etag
        }),
        // Clients send back the date that they were given; any other one is not worth a date parser: the file is sent.
        (None, Some(date)) => date.trim() == file.last_modified,
        (None, None) => false,
    }
}

fn if_range(file: &Validators, validator: Option<&str>) -> bool {
    validator.is_none_or(|v| v.trim() == file.etag || v.trim() == file.last_modified)
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part { first: u64, last: u64 },
    Outside,
}

/// What a `Range` header asks for. What cannot be understood, and several ranges at once, get the whole file, as RFC 9110
/// section 14.2 allows.
fn wanted(range: &str, size: u64) -> Wanted {
    let Some((unit, set)) = range.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    match (number(first), number(last)) {
        (Some(None), Some(Some(0))) => Wanted::Outside,
        (Some(None), Some(Some(_))) if size == 0 => Wanted::Outside,
        (Some(None), Some(Some(suffix))) => {
            Wanted::Part { first: size.saturating_sub(suffix), last: size - 1 }
        }
        (Some(Some(first)), Some(Some(last))) if first > last => Wanted::Whole,
        (Some(Some(first)), Some(_)) if first >= size => Wanted::Outside,
        (Some(Some(first)), Some(last)) => {
            Wanted::Part { first, last: last.unwrap_or(u64::MAX).min(size - 1) }
        }
        _ => Wanted::Whole,
    }
}

/// Outer `None`: no number. Inner `None`: nothing there. What is too big for a `u64` is as big as one can be.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    text.bytes().all(|b| b.is_ascii_digit()).then(|| Some(text.parse().unwrap_or(u64::MAX)))
}

/// Content types by the end of the name. Compressed images are sent as what they are: a board decompresses them itself.
const TYPES: &[(&str, &str)] = &[
    (".sh", "text/plain; charset=utf-8"),
    (".txt", "text/plain; charset=utf-8"),
    (".cfg", "text/plain; charset=utf-8"),
    (".conf", "text/plain; charset=utf-8"),
    (".log", "text/plain; charset=utf-8"),
    (".sha256", "text/plain; charset=utf-8"),
    ("sha256sums", "text/plain; charset=utf-8"),
    (".html", "text/html; charset=utf-8"),
    (".json", "application/json; charset=utf-8"),
    (".xml", "application/xml"),
    (".png", "image/png"),
    (".svg", "image/svg+xml"),
    (".gz", "application/gzip"),
    (".tgz", "application/gzip"),
    (".xz", "application/x-xz"),
    (".zst", "application/zstd"),
    (".bz2", "application/x-bzip2"),
    (".zip", "application/zip"),
    (".tar", "application/x-tar"),
    (".iso", "application/x-iso9660-image"),
];

fn content_type(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    TYPES.iter().find(|(end, _)| name.ends_with(end)).map_or("application/octet-stream", |(_, t)| t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_rfc_has_it() {
        let part = |first, last| Wanted::Part { first, last };
        for (range, size, want) in [
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=2-5", 10, part(2, 5)),
            ("bytes=2-", 10, part(2, 9)),
            ("bytes=2-99", 10, part(2, 9)),
            ("bytes=0-99999999999999999999999", 10, part(0, 9)),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-99", 10, part(0, 9)),
            ("BYTES=9-9", 10, part(9, 9)),
            ("bytes=10-", 10, Wanted::Outside),
            ("bytes=99999999999999999999999-", 10, Wanted::Outside),
            ("bytes=-0", 10, Wanted::Outside),
            ("bytes=0-", 0, Wanted::Outside),
            ("bytes=-1", 0, Wanted::Outside),
            ("bytes=5-2", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
            ("lines=0-1", 10, Wanted::Whole),
            ("bytes", 10, Wanted::Whole),
            ("", 10, Wanted::Whole),
        ] {
            assert_eq!(wanted(range, size), want, "{range} of {size}");
        }
    }

    #[test]
    fn conditions_decide_before_ranges() {
        let file = Validators {
            size: 10,
            etag: "\"e\"".into(),
            last_modified: "Sun, 22 Nov 2026 11:49:06 GMT".into(),
        };
        let status = |range: &str, if_range: &str, none_match: &str, since: &str| {
            let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
            let conditions = Conditions {
                range: some(range),
                if_range: some(if_range),
                if_none_match: some(none_match),
                if_modified_since: some(since),
            };
            plan(&file, &conditions).map_or_else(|e| e.status(), |p| p.status)
        };
        let (range, date) = ("bytes=1-2", file.last_modified.clone());
        assert_eq!(status("", "", "", ""), 200);
        assert_eq!(status(range, "", "", ""), 206);
        assert_eq!(status(range, "\"e\"", "", ""), 206);
        assert_eq!(status(range, &date, "", ""), 206);
        assert_eq!(status(range, "\"old\"", "", ""), 200, "another content: from the beginning");
        assert_eq!(status(range, "W/\"e\"", "", ""), 200, "weak tags do not do for ranges");
        assert_eq!(status("bytes=99-", "\"old\"", "", ""), 200);
        assert_eq!(status("bytes=99-", "", "", ""), 416);
        assert_eq!(status(range, "", "\"a\", W/\"e\"", ""), 304);
        assert_eq!(status(range, "", "*", ""), 304);
        assert_eq!(status(range, "", "\"a\"", &date), 206, "the tag wins over the date");
        assert_eq!(status("", "", "", &date), 304);
        assert_eq!(status("", "", "", "Sun, 22 Nov 2026 11:49:07 GMT"), 200);
    }

    #[test]
    fn types_go_by_the_end_of_the_name() {
        for (name, want) in [
            ("a/write-image.sh", "text/plain; charset=utf-8"),
            ("b2g.TAR.GZ", "application/gzip"),
            ("disk.img.zst", "application/zstd"),
            ("vmlinuz", "application/octet-stream"),
            ("SHA256SUMS", "text/plain; charset=utf-8"),
        ] {
            assert_eq!(content_type(name), want, "{name}");
        }
    }
}

//! Files for boards: kernels, live systems, second stages, images; below `/files/`, by GET and HEAD, from one directory.
//!
//! Decides what part of which file is sent and how it is labelled; the sending is `layers::http`'s. Ranges, conditions and
//! codings as RFC 9110 sections 12 to 14 have them, so that a board's `wget -c` goes on where it was cut off.

mod coding;
mod conditions;
mod range;

pub use self::conditions::Conditions;
use self::conditions::{Validators, Verdict};
use self::range::{Wanted, wanted};
use super::call::decode;
use super::reply::{ApiError, Result};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use tftpd::root::{Root, RootError};

/// Where the files are.
pub const PREFIX: &str = "/files/";
/// What may be done there.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// An open file and what to send of it.
#[derive(Debug)]
pub struct Download {
    /// 200, 206 or 304.
    pub status: u16,
    /// Header lines.
    pub headers: Vec<(&'static str, String)>,
    /// What the body is from.
    pub file: File,
    /// Where in the file it begins.
    pub start: u64,
    /// Its bytes; 0 for 304.
    pub len: u64,
    data: Data,
}

/// How a file's data were: `mv` over a file that is being sent leaves these, for the open file is still the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Data {
    size: u64,
    changed: (i64, i64),
}

impl Data {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.len(), changed: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

impl Download {
    /// Whether somebody has written into the file, or cut it, since it was opened: what is sent is then a mixture.
    pub fn has_changed(&self) -> io::Result<bool> {
        Ok(Data::of(&self.file.metadata()?) != self.data)
    }
}

/// Opens the file that `path` (with its [`PREFIX`], still encoded) names.
pub fn open(root: &Root, path: &str, conditions: &Conditions) -> Result<Download> {
    let name = decode(path.strip_prefix(PREFIX).unwrap_or_default());
    let (file, metadata) = root.open_file(&name).map_err(|error| refused(&name, &error))?;
    // A range is meant for the file as it is: who has the beginning of that must not be sent the end of a variant.
    let accept = conditions.accept_encoding.as_deref().filter(|_| conditions.range.is_none());
    let age = |m: &Metadata| (m.mtime(), m.mtime_nsec());
    let variant = accept.and_then(|a| coding::variant(root, &name, a, |v| age(v) >= age(&metadata)));
    let (file, sent, coding) = match variant {
        Some((coding, file, sent)) => (file, sent, Some(coding)),
        None => (file, metadata.clone(), None),
    };
    let validators = Validators::of(&metadata, &sent, coding);
    let data = Data::of(&sent);
    let mut plan = plan(&validators, data.size, conditions)?;
    if plan.status != 304 {
        plan.headers.push(("Content-Type", content_type(&name).to_owned()));
        plan.headers.extend(coding.map(|c| ("Content-Encoding", c.name.to_owned())));
    }
    let Plan { status, start, len, headers } = plan;
    Ok(Download { status, headers, file, start, len, data })
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

#[derive(Debug, PartialEq, Eq)]
struct Plan {
    status: u16,
    start: u64,
    len: u64,
    headers: Vec<(&'static str, String)>,
}

/// Decides what to send of `size` bytes.
fn plan(file: &Validators, size: u64, conditions: &Conditions) -> Result<Plan> {
    let mut headers = vec![
        ("ETag", file.etag.clone()),
        ("Last-Modified", file.last_modified()),
        // Also where there is no variant: there may be one tomorrow, and a cache would not know.
        ("Vary", "Accept-Encoding".to_owned()),
        // Caches ask whether it is still the same: an old second stage is worse than a second question.
        ("Cache-Control", "no-cache".to_owned()),
        // Files share their origin with the pages: one that a browser shows runs no script (CSP Level 3 section 6.3.1), and is shown
        // as nothing else than what it is called.
        ("Content-Security-Policy", "sandbox".to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
    ];
    match conditions.judge(file) {
        Verdict::Failed => return Err(ApiError::ConditionFailed),
        Verdict::NotModified => return Ok(Plan { status: 304, start: 0, len: 0, headers }),
        Verdict::Go => headers.push(("Accept-Ranges", "bytes".to_owned())),
    }
    match conditions.range_of(file).map_or(Wanted::Whole, |range| wanted(range, size)) {
        Wanted::Whole => Ok(Plan { status: 200, start: 0, len: size, headers }),
        Wanted::Part { first, last } => {
            headers.push(("Content-Range", format!("bytes {first}-{last}/{size}")));
            Ok(Plan { status: 206, start: first, len: last - first + 1, headers })
        }
        Wanted::Outside => Err(ApiError::BadRange { size }),
    }
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
    fn conditions_decide_before_ranges() {
        let file = Validators { etag: "\"e\"".into(), modified: 1_795_348_146 };
        let date = file.last_modified();
        let status = |range: &str, if_range: &str, none_match: &str, if_match: &str| {
            let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
            let conditions = Conditions {
                range: some(range),
                if_range: some(if_range),
                if_none_match: some(none_match),
                if_match: some(if_match),
                ..Conditions::default()
            };
            plan(&file, 10, &conditions).map_or_else(|e| e.status(), |p| p.status)
        };
        let range = "bytes=1-2";
        assert_eq!(status("", "", "", ""), 200);
        assert_eq!(status(range, "", "", ""), 206);
        assert_eq!(status(range, "\"e\"", "", ""), 206);
        assert_eq!(status(range, &date, "", ""), 206);
        assert_eq!(status(range, "\"old\"", "", ""), 200, "another content: from the beginning");
        assert_eq!(status("bytes=99-", "\"old\"", "", ""), 200);
        assert_eq!(status("bytes=99-", "", "", ""), 416);
        assert_eq!(status(range, "", "\"a\", W/\"e\"", ""), 304);
        assert_eq!(status("bytes=99-", "", "*", ""), 304);
        assert_eq!(status(range, "", "\"a\"", ""), 206);
        assert_eq!(status("bytes=99-", "", "\"e\"", "\"a\""), 412);
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

//! What tells one content of a file from another, and the headers that make a call depend on it (RFC 9110 sections 8.8 and 13).

use super::coding::Coding;
use crate::api::time::{http_date, read_http_date};
use crate::logic::time::Timestamp;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// The headers of a call that change what is sent. Lists that came in several lines are one, with commas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `Range`; only GET has one.
    pub range: Option<String>,
    /// `If-Range`
    pub if_range: Option<String>,
    /// `If-Match`
    pub if_match: Option<String>,
    /// `If-None-Match`
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`
    pub if_modified_since: Option<String>,
    /// `If-Unmodified-Since`
    pub if_unmodified_since: Option<String>,
    /// `Accept-Encoding`
    pub accept_encoding: Option<String>,
}

/// What tells one content from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators {
    /// `ETag`, always a strong one.
    pub(super) etag: String,
    /// Seconds since 1970.
    pub(super) modified: i64,
}

impl Validators {
    /// Of the bytes that are sent, which `sent` tells of, for a file that was last changed when `file` says. Those are two
    /// where a variant is sent: its bytes are its own, but what they unpack to is as old as the file.
    ///
    /// The tag has the time of the last change of the i-node, in nanoseconds, rather than that of its data, which `cp -p` and
    /// `rsync -t` set: images that are built again often have the same size and date, and are another image all the same.
    pub(super) fn of(file: &Metadata, sent: &Metadata, coding: Option<&Coding>) -> Self {
        let (seconds, ns, size, inode) = (sent.ctime(), sent.ctime_nsec(), sent.len(), sent.ino());
        let coding = coding.map(|c| format!("-{}", c.name)).unwrap_or_default();
        Self { etag: format!("\"{seconds:x}.{ns:x}-{size:x}-{inode:x}{coding}\""), modified: file.mtime() }
    }

    /// `Last-Modified`
    pub(super) fn last_modified(&self) -> String {
        http_date(Timestamp(self.modified.saturating_mul(1000)))
    }
}

/// What the conditions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is sent.
    Go,
    /// 304: the caller has it already.
    NotModified,
    /// 412: it is not the content that the caller means.
    Failed,
}

impl Conditions {
    /// Decides in the order of section 13.2.2: a tag wins over a date, and what must hold over what is known already.
    pub(super) fn judge(&self, file: &Validators) -> Verdict {
        let holds = match (&self.if_match, &self.if_unmodified_since) {
            (Some(tags), _) => listed(tags).any(|tag| tag == "*" || tag == file.etag),
            (None, Some(date)) => read_http_date(date).is_none_or(|date| file.modified <= date),
            (None, None) => true,
        };
        let is_known = match (&self.if_none_match, &self.if_modified_since) {
            // The weak comparison: what a cache has marked as weak is still ours.
            (Some(tags), _) => {
                listed(tags).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == file.etag)
            }
            (None, Some(date)) => read_http_date(date).is_some_and(|date| file.modified <= date),
            (None, None) => false,
        };
        match (holds, is_known) {
            (false, _) => Verdict::Failed,
            (true, true) => Verdict::NotModified,
            (true, false) => Verdict::Go,
        }
    }

    /// The range that counts. `If-Range` wants the very content that the caller has the beginning of (section 13.1.5): weak
    /// tags do not do, and a date must be the one that we gave.
    pub(super) fn range_of(&self, file: &Validators) -> Option<&str> {
        let is_same = |v: &str| v == file.etag || read_http_date(v).is_some_and(|date| date == file.modified);
        self.range.as_deref().filter(|_| self.if_range.as_deref().is_none_or(|v| is_same(v.trim())))
    }
}

/// The tags of a list. Ours have no comma, so a tag that is torn at one is none of ours either way.
fn listed(tags: &str) -> impl Iterator<Item = &str> {
    tags.split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAME: &str = "Sun, 22 Nov 2026 11:49:06 GMT";
    const BEFORE: &str = "Sun, 22 Nov 2026 11:49:05 GMT";
    const AFTER: &str = "Sunday, 22-Nov-26 11:49:07 GMT";

    fn file() -> Validators {
        Validators { etag: "\"e\"".into(), modified: 1_795_348_146 }
    }

    fn some(text: &str) -> Option<String> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    #[test]
    fn tags_win_over_dates_and_what_must_hold_over_what_is_known() {
        use Verdict::{Failed, Go, NotModified};
        for (if_match, unmodified, none_match, modified, want) in [
            ("", "", "", "", Go),
            ("*", "", "", "", Go),
            ("\"a\", \"e\"", "", "", "", Go),
            ("\"a\"", "", "", "", Failed),
            ("W/\"e\"", "", "", "", Failed),
            ("\"e\"", BEFORE, "", "", Go),
            ("", BEFORE, "", "", Failed),
            ("", SAME, "", "", Go),
            ("", AFTER, "", "", Go),
            ("", "yesterday", "", "", Go),
            ("", BEFORE, "\"e\"", "", Failed),
            ("", "", "\"e\"", "", NotModified),
            ("", "", "\"a\",W/\"e\"", "", NotModified),
            ("", "", "*", "", NotModified),
            ("", "", "e", "", Go),
            ("", "", "\"a\"", SAME, Go),
            ("", "", "", SAME, NotModified),
            ("", "", "", AFTER, NotModified),
            ("", "", "", BEFORE, Go),
            ("", "", "", "Sun, 22 Nov 2026", Go),
        ] {
            let conditions = Conditions {
                if_match: some(if_match),
                if_unmodified_since: some(unmodified),
                if_none_match: some(none_match),
                if_modified_since: some(modified),
                ..Conditions::default()
            };
            assert_eq!(conditions.judge(&file()), want, "{conditions:?}");
        }
    }

    #[test]
    fn a_range_needs_the_very_content_that_the_caller_has() {
        for (if_range, counts) in [
            ("", true),
            ("\"e\"", true),
            (" \"e\" ", true),
            (SAME, true),
            ("W/\"e\"", false),
            ("\"old\"", false),
            (BEFORE, false),
            (AFTER, false),
            ("*", false),
            ("nonsense", false),
        ] {
            let conditions =
                Conditions { range: some("bytes=1-2"), if_range: some(if_range), ..Conditions::default() };
            assert_eq!(conditions.range_of(&file()).is_some(), counts, "{if_range}");
        }
        assert_eq!(Conditions::default().range_of(&file()), None);
    }
}

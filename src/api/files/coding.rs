//! Variants that were compressed in advance: `name.zst` and `name.gz` beside a file `name`, for callers that take them
//! (RFC 9110 sections 8.4 and 12.5.3).
//!
//! Only codings that the IANA knows: xz is none of them, and no client would unpack it. A variant is never made up the other
//! way round: where there is no `name`, `name.gz` is a file like any other.

use tftpd::root::{Root, RootError};

/// A way to compress.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Coding {
    /// In `Accept-Encoding` and `Content-Encoding`.
    pub(super) name: &'static str,
    /// The same to older callers (RFC 9110 section 8.4.1.3).
    alias: &'static str,
    /// What a variant's name ends in.
    end: &'static str,
}

/// Of those that a caller likes equally well, the first that there is: it is the smaller one.
const CODINGS: &[Coding] = &[
    Coding { name: "zstd", alias: "zstd", end: ".zst" },
    Coding { name: "gzip", alias: "x-gzip", end: ".gz" },
];

/// Codings that the caller names in its `Accept-Encoding` and likes no less than the file as it is, best first.
///
/// A star takes nothing in: callers write it without having a program for everything there is.
fn acceptable(header: &str) -> Vec<&'static Coding> {
    let named = |names: &[&str]| {
        header.split(',').find_map(|item| {
            let (name, weight) = item.split_once(';').map_or((item, None), |(name, w)| (name, Some(w)));
            names
                .iter()
                .any(|n| name.trim().eq_ignore_ascii_case(n))
                .then(|| weight.map_or(FULL, thousandths))
        })
    };
    // Who does not speak of it takes the file as it is, too, but had rather have what it names.
    let plain = named(&["identity"]).unwrap_or(0);
    let mut found: Vec<(u16, &Coding)> =
        CODINGS.iter().filter_map(|c| Some((named(&[c.name, c.alias])?, c))).collect();
    found.retain(|(weight, _)| *weight > 0 && *weight >= plain);
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    found.into_iter().map(|(_, coding)| coding).collect()
}

/// The weight of what is liked most.
const FULL: u16 = 1000;

/// `q=0.5` is 500. What is no weight weighs nothing: that coding is not sent.
fn thousandths(parameter: &str) -> u16 {
    let parameter = parameter.trim();
    let Some(value) = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) else { return 0 };
    let (whole, part) = value.split_once('.').unwrap_or((value, ""));
    let is_number = part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
    match whole {
        "0" if is_number => format!("{part:0<3}").parse().unwrap_or(0),
        "1" if part.bytes().all(|b| b == b'0') && is_number => FULL,
        _ => 0,
    }
}

/// The variant of the file `name` that the caller likes best, of those that `is_current` finds no older than the file.
pub(super) fn variant(
    root: &Root,
    name: &str,
    accept: &str,
    is_current: impl Fn(&std::fs::Metadata) -> bool,
) -> Option<(&'static Coding, std::fs::File, std::fs::Metadata)> {
    acceptable(accept).into_iter().find_map(|coding| {
        let name = format!("{name}{}", coding.end);
        match root.open_file(&name) {
            Ok((file, metadata)) => is_current(&metadata).then_some((coding, file, metadata)),
            Err(RootError::NotFound | RootError::NotAFile | RootError::BadName(_)) => None,
            Err(error @ (RootError::Escapes | RootError::Denied | RootError::Io(_))) => {
                log::warn!("file={} not served: {error}", name.escape_debug());
                None
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_accepts_what_is_read_as_the_rfc_has_it() {
        for (header, want) in [
            ("", ""),
            ("identity", ""),
            ("gzip", "gzip"),
            ("GZip", "gzip"),
            ("x-gzip", "gzip"),
            ("deflate, gzip, br, zstd", "zstd gzip"),
            ("gzip, zstd;q=0.9", "gzip zstd"),
            ("zstd;q=0.001,gzip ; q=0.002", "gzip zstd"),
            ("gzip;q=0", ""),
            ("gzip;q=0.000, zstd", "zstd"),
            ("gzip;q=1.000", "gzip"),
            ("gzip;q=1.001", ""),
            ("gzip;q=0.1234", ""),
            ("gzip;q=.5", ""),
            ("gzip;q=-1", ""),
            ("gzip;q=", ""),
            ("gzip;level=9", ""),
            ("gzip;q=0.5, identity;q=0.6", ""),
            ("gzip;q=0.5, identity", ""),
            ("gzip, identity", "gzip"),
            ("gzip, identity;q=0", "gzip"),
            ("*", ""),
            ("*;q=0", ""),
            ("gzip, *;q=0", "gzip"),
            (",,;q=1,gzip,", "gzip"),
            ("gzipped", ""),
        ] {
            let names: Vec<&str> = acceptable(header).iter().map(|c| c.name).collect();
            assert_eq!(names.join(" "), want, "{header:?}");
        }
        assert_eq!(acceptable(&"gzip;q=0,".repeat(100_000)), Vec::<&Coding>::new());
    }
}

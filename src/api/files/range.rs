//! What a `Range` header asks for (RFC 9110 section 14).
//!
//! One range is served. Several at once get the whole file, which section 14.2 allows: none of a lab's clients (wget, curl,
//! busybox, boot loaders, our own second stages) asks for several to go on with a download, and those that can read the
//! answer must be able to read a whole one, too. So a list of a thousand overlapping ranges costs what one file costs.

/// What is to be sent of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, both included.
    Part { first: u64, last: u64 },
    /// Nothing of it: 416.
    Outside,
}

/// Reads the header for a file of `size` bytes. What cannot be understood gets the whole file, too.
pub(super) fn wanted(range: &str, size: u64) -> Wanted {
    let Some((unit, set)) = range.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let Some((first, last)) = set.trim().split_once('-') else { return Wanted::Whole };
    match (number(first), number(last)) {
        (Some(None), Some(Some(0))) => Wanted::Outside,
        // The last bytes of nothing are all of it, and no `Content-Range` can say so.
        (Some(None), Some(Some(_))) if size == 0 => Wanted::Whole,
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
            ("bytes=-99999999999999999999999", 10, part(0, 9)),
            ("BYTES=9-9", 10, part(9, 9)),
            ("bytes=10-", 10, Wanted::Outside),
            ("bytes=99999999999999999999999-", 10, Wanted::Outside),
            ("bytes=18446744073709551615-18446744073709551615", 10, Wanted::Outside),
            ("bytes=-0", 10, Wanted::Outside),
            ("bytes=0-", 0, Wanted::Outside),
            ("bytes=0-0", 0, Wanted::Outside),
            ("bytes=-1", 0, Wanted::Whole),
            ("bytes=5-2", 10, Wanted::Whole),
            ("bytes=0-1,3-4", 10, Wanted::Whole),
            ("bytes=0-,0-,0-", 10, Wanted::Whole),
            ("bytes=-", 10, Wanted::Whole),
            ("bytes=--5", 10, Wanted::Whole),
            ("bytes=-5-", 10, Wanted::Whole),
            ("bytes=a-b", 10, Wanted::Whole),
            ("bytes=+1-2", 10, Wanted::Whole),
            ("bytes=0x1-2", 10, Wanted::Whole),
            ("bytes 1-2", 10, Wanted::Whole),
            ("lines=0-1", 10, Wanted::Whole),
            ("bytes", 10, Wanted::Whole),
            ("", 10, Wanted::Whole),
        ] {
            assert_eq!(wanted(range, size), want, "{range} of {size}");
        }
    }
}

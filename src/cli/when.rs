//! Points in time as the API writes them, read, and told as people tell them: how long ago, how long still.

use super::period::for_eyes;
use crate::clock::{Clock, SystemClock};
use crate::logic::time::Timestamp;

/// A time as the API writes it: RFC 3339 in UTC, or the original's form without a zone, which is UTC, too.
pub(in crate::cli) fn read(text: &str) -> Option<Timestamp> {
    let (date, time) = text.trim_end_matches('Z').split_once('T')?;
    let numbers =
        |text: &str, by: char| -> Option<Vec<i64>> { text.split(by).map(|n| n.parse().ok()).collect() };
    let [year, month, day] = numbers(date, '-')?[..] else { return None };
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [h, m, s] = numbers(whole, ':')?[..] else { return None };
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    // Years begin in March, so that the leap day is the last; 719,468 days lie between 0000-03-01 and 1970-01-01.
    let (y, march_month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * march_month + 2) / 5 + day - 1 - 719_468;
    Some(Timestamp(((days * 24 + h) * 60 + m) * 60_000 + s * 1000 + ms))
}

pub(in crate::cli) fn now() -> Timestamp {
    SystemClock.now()
}

/// Seconds from then until `now`; below zero for what is to come.
pub(in crate::cli) fn seconds_since(text: &str, now: Timestamp) -> Option<i64> {
    Some(now.ms_since(read(text)?).div_euclid(1000))
}

/// `41s ago`, `in 3m 20s`; nothing for what is no time.
pub(in crate::cli) fn told(text: &str, now: Timestamp) -> String {
    match seconds_since(text, now) {
        Some(s) if s >= 0 => format!("{} ago", for_eyes(s)),
        Some(s) => format!("in {}", for_eyes(-s)),
        None => String::new(),
    }
}

/// To the second and without letters: `2026-11-22 15:45:55`.
pub(in crate::cli) fn plain(text: &str) -> String {
    text.get(..19).unwrap_or(text).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::time::{iso_micros, rfc3339};

    #[test]
    fn what_the_api_writes_is_read() {
        for ms in [0, 951_782_400_000, 1_793_000_000_581, 4_107_542_399_999, 1_709_164_800_001] {
            let at = Timestamp(ms);
            assert_eq!((read(&rfc3339(at)), read(&iso_micros(at))), (Some(at), Some(at)));
        }
        assert_eq!(read("1970-01-01T00:00:01Z"), Some(Timestamp(1000)));
        for bad in ["", "now", "2026-13-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00", "x-01-01T00:00:00Z"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_are_told() {
        let now = Timestamp(100_000);
        assert_eq!(told("1970-01-01T00:00:59.000Z", now), "41s ago");
        assert_eq!(told("1970-01-01T00:05:00.000Z", now), "in 3m 20s");
        assert_eq!(told("soon", now), "");
    }
}

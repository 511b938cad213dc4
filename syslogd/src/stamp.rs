//! The time stamp that a sender claims (RFC 3164 4.1.2, RFC 5424 6.2.3, and what is found instead).
//!
//! It asks no clock and guesses nothing: a stamp without year or zone stays text. Boards without a battery start in
//! 1970 anyway, so whoever stores a record should go by the time of receipt and show this one beside it.

use crate::scan::Scan;
use std::borrow::Cow;

/// When the sender says it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderTime<'a> {
    /// As it stood in the line, for example `Jan  1 00:00:07`.
    pub text: Cow<'a, str>,
    /// Milliseconds since 1970 in UTC, if the stamp has a year and a zone; leap seconds count as the second after.
    pub utc_ms: Option<i64>,
}

impl SenderTime<'_> {
    /// The same, which outlives the text.
    #[must_use]
    pub fn into_owned(self) -> SenderTime<'static> {
        SenderTime { text: Cow::Owned(self.text.into_owned()), utc_ms: self.utc_ms }
    }
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Takes a stamp of either kind, and the colon that some routers put behind it.
pub(crate) fn take<'a>(scan: &mut Scan<'a>) -> Option<SenderTime<'a>> {
    let mut ahead = *scan;
    let stamp = take_bsd(&mut ahead).or_else(|| take_iso(&mut ahead))?;
    let mut behind_colon = ahead;
    if behind_colon.eat(':') && behind_colon.at_gap() {
        ahead = behind_colon;
    }
    if !ahead.at_gap() {
        return None;
    }
    *scan = ahead;
    Some(stamp)
}

/// `Mmm dd hh:mm:ss`, the day padded with a blank, a zero or nothing; with a year before or behind the time, too.
fn take_bsd<'a>(scan: &mut Scan<'a>) -> Option<SenderTime<'a>> {
    let start = scan.0;
    let mut s = *scan;
    let (month, rest) = s.0.split_at_checked(3)?;
    MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))?;
    s.0 = rest;
    if !s.eat(' ') {
        return None;
    }
    s.eat(' ');
    s.number(1, 2).filter(|d| (1..=31).contains(d))?;
    if !s.eat(' ') {
        return None;
    }
    let mut with_year = s;
    if with_year.number(4, 4).is_some() && with_year.eat(' ') {
        s = with_year;
    }
    take_time(&mut s)?;
    let mut with_year = s;
    if with_year.eat(' ')
        && with_year.number(4, 4).is_some_and(|y| (1970..2100).contains(&y))
        && with_year.at_gap()
    {
        s = with_year;
    }
    let text = Cow::Borrowed(start.strip_suffix(s.0)?);
    *scan = s;
    Some(SenderTime { text, utc_ms: None })
}

/// `YYYY-MM-DDThh:mm:ss[.fraction][Z|±hh:mm|±hhmm]` (RFC 3339, and without a zone).
pub(crate) fn take_iso<'a>(scan: &mut Scan<'a>) -> Option<SenderTime<'a>> {
    let start = scan.0;
    let mut s = *scan;
    let year = s.number(4, 4)?;
    if !s.eat('-') {
        return None;
    }
    let month = s.number(2, 2).filter(|m| (1..=12).contains(m))?;
    if !s.eat('-') {
        return None;
    }
    let day = s.number(2, 2).filter(|d| (1..=days_in(year, month)).contains(d))?;
    if !(s.eat('T') || s.eat('t')) {
        return None;
    }
    let time_ms = take_time(&mut s)?;
    let zone_min = take_zone(&mut s);
    let utc_ms = zone_min.map(|min| days_since_1970(year, month, day) * 86_400_000 + time_ms - min * 60_000);
    let text = Cow::Borrowed(start.strip_suffix(s.0)?);
    *scan = s;
    Some(SenderTime { text, utc_ms })
}

/// `hh:mm:ss[.fraction]` in milliseconds since midnight.
fn take_time(s: &mut Scan<'_>) -> Option<i64> {
    let hour = s.number(2, 2).filter(|h| *h < 24)?;
    if !s.eat(':') {
        return None;
    }
    let minute = s.number(2, 2).filter(|m| *m < 60)?;
    if !s.eat(':') {
        return None;
    }
    let second = s.number(2, 2).filter(|x| *x <= 60)?;
    let mut ms = 0;
    let mut fraction = *s;
    if fraction.eat('.') {
        let digits = fraction.run(|c| c.is_ascii_digit());
        if !digits.is_empty() {
            ms = digits.bytes().chain([b'0'; 2]).take(3).fold(0, |sum, d| sum * 10 + i64::from(d - b'0'));
            *s = fraction;
        }
    }
    Some(i64::from((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

/// Minutes east of UTC.
fn take_zone(s: &mut Scan<'_>) -> Option<i64> {
    let mut ahead = *s;
    if ahead.eat('Z') || ahead.eat('z') {
        *s = ahead;
        return Some(0);
    }
    let sign = if ahead.eat('+') {
        1
    } else if ahead.eat('-') {
        -1
    } else {
        return None;
    };
    let hours = ahead.number(2, 2).filter(|h| *h < 24)?;
    ahead.eat(':');
    let minutes = ahead.number(2, 2).filter(|m| *m < 60)?;
    *s = ahead;
    Some(sign * i64::from(hours * 60 + minutes))
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_since_1970(year: u32, month: u32, day: u32) -> i64 {
    // Days before a year of the Gregorian calendar: 365 each and one per leap year among those before it.
    let before = |year: u32| {
        let y = i64::from(year) - 1;
        y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400)
    };
    let in_year: u32 = (1..month).map(|m| days_in(year, m)).sum::<u32>() + day - 1;
    before(year) - before(1970) + i64::from(in_year)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The stamp's text and its UTC milliseconds.
    type Shown = Option<(&'static str, Option<i64>)>;

    #[test]
    fn stamps_with_year_and_zone_are_known_and_others_stay_text() {
        #[rustfmt::skip]
        let table: &[(&str, Shown, &str)] = &[
            ("Jan  1 00:00:07 x", Some(("Jan  1 00:00:07", None)), " x"),
            ("Oct 11 22:14:15 x", Some(("Oct 11 22:14:15", None)), " x"),
            ("May 1 10:00:00 x", Some(("May 1 10:00:00", None)), " x"),
            ("May 01 10:00:00.123 x", Some(("May 01 10:00:00.123", None)), " x"),
            ("May 01 2024 10:00:00 x", Some(("May 01 2024 10:00:00", None)), " x"),
            ("May  1 10:00:00 2024 x", Some(("May  1 10:00:00 2024", None)), " x"),
            ("May  1 10:00:00: x", Some(("May  1 10:00:00", None)), " x"),
            ("May  1 10:00:00", Some(("May  1 10:00:00", None)), ""),
            ("1970-01-01T00:00:00Z", Some(("1970-01-01T00:00:00Z", Some(0))), ""),
            ("2003-10-11T22:14:15.003Z x", Some(("2003-10-11T22:14:15.003Z", Some(1_065_910_455_003))), " x"),
            ("2003-08-24T05:14:15.000003-07:00 x", Some(("2003-08-24T05:14:15.000003-07:00", Some(1_061_727_255_000))), " x"),
            ("2024-02-29T12:00:00.5+0200", Some(("2024-02-29T12:00:00.5+0200", Some(1_709_200_800_500))), ""),
            ("1969-12-31T23:59:59Z", Some(("1969-12-31T23:59:59Z", Some(-1000))), ""),
            ("0000-01-01T00:00:00Z", Some(("0000-01-01T00:00:00Z", Some(-62_167_219_200_000))), ""),
            ("2024-05-01T10:00:00 x", Some(("2024-05-01T10:00:00", None)), " x"),
            ("2023-02-29T12:00:00Z", None, ""), ("2024-13-01T10:00:00Z", None, ""), ("2024-05-01 10:00:00", None, ""),
            ("Foo  1 00:00:07", None, ""), ("Jan 32 00:00:07", None, ""), ("Jan  1 24:00:00", None, ""),
            ("Jan  1 00:00:07x", None, ""), ("Jan", None, ""), ("Maß 1", None, ""), ("é", None, ""), ("", None, ""),
        ];
        for (text, want, rest) in table {
            let mut scan = Scan(text);
            let got = take(&mut scan);
            let got = got.as_ref().map(|t| (&*t.text, t.utc_ms));
            assert_eq!(got, *want, "{text:?}");
            assert_eq!(scan.0, if want.is_some() { *rest } else { *text }, "{text:?}");
        }
    }
}

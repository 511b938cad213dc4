//! Points in time as the API writes them, and as it reads them: in HTTP's headers and in queries.
//!
//! Proleptic Gregorian calendar, UTC, no leap seconds, as RFC 3339 and HTTP (RFC 9110 section 5.6.7) have it. The day
//! arithmetic counts years from March, so that the leap day is the last of its year.

use crate::logic::time::Timestamp;

/// A calendar date and the time of its day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    weekday: usize,
    ms_of_day: i64,
}

const DAY_MS: i64 = 86_400_000;
/// Days in 400 Gregorian years, after which the calendar repeats.
const ERA_DAYS: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: i64 = 719_468;
const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl From<Timestamp> for Civil {
    fn from(at: Timestamp) -> Self {
        let days = at.0.div_euclid(DAY_MS);
        let since_march_0 = days + EPOCH_DAYS;
        let era = since_march_0.div_euclid(ERA_DAYS);
        let day_of_era = since_march_0.rem_euclid(ERA_DAYS);
        // Leap days come every 4 years but not every 100 and again every 400: 1461, 36524 and 146096 days.
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Months from March have 31, 30, 31, 30, 31 days, three times over: 153 days in five months.
        let march_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * march_month + 2) / 5 + 1;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Self {
            year: 400 * era + year_of_era + i64::from(month <= 2),
            month: usize::try_from(month).expect("1 to 12"),
            day,
            weekday: usize::try_from((days + 4).rem_euclid(7)).expect("0 to 6; the epoch was a Thursday"),
            ms_of_day: at.0.rem_euclid(DAY_MS),
        }
    }
}

impl Civil {
    fn date_time(self) -> String {
        let Self { year, month, day, ms_of_day: ms, .. } = self;
        let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
        format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}")
    }
}

/// `2026-11-22T11:49:06.581000`: ISO 8601 without a zone, with microseconds, as clients of the original read it. UTC.
pub fn iso_micros(at: Timestamp) -> String {
    format!("{}.{:03}000", Civil::from(at).date_time(), at.0.rem_euclid(1000))
}

/// `2026-11-22T11:49:06.581Z` (RFC 3339).
pub fn rfc3339(at: Timestamp) -> String {
    format!("{}.{:03}Z", Civil::from(at).date_time(), at.0.rem_euclid(1000))
}

/// `Sun, 22 Nov 2026 11:49:06 GMT` (RFC 9110 section 5.6.7).
pub fn http_date(at: Timestamp) -> String {
    let Civil { year, month, day, weekday, ms_of_day: ms } = Civil::from(at);
    let (h, m, s) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    format!("{}, {day:02} {} {year:04} {h:02}:{m:02}:{s:02} GMT", WEEKDAYS[weekday], MONTHS[month - 1])
}

/// Seconds since 1970 of a date in a header, in any of the three forms that HTTP has had (RFC 9110 section 5.6.7): that of
/// [`http_date`], `Sunday, 22-Nov-26 11:49:06 GMT`, and `Sun Nov 22 11:49:06 2026`. `None` for anything else.
pub fn read_http_date(text: &str) -> Option<i64> {
    let words: Vec<&str> = text.trim().split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, time) = match words[..] {
        [_, day, month, year, time, "GMT"] => (day, month, year, time),
        [_, month, day, time, year] => (day, month, year, time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|m| *m == month)?;
    let day = digits(day, 1..=2)?;
    let year = if year.len() == 2 {
        // What a server has is of this century, but for what has no date at all.
        digits(year, 2..=2)? + if year < "70" { 2000 } else { 1900 }
    } else {
        digits(year, 4..=4)?
    };
    let mut clock = time.split(':').map(|part| digits(part, 2..=2));
    let (h, m, s) = (clock.next()??, clock.next()??, clock.next()??);
    // Second 60 is a leap second.
    let is_date = (1..=31).contains(&day) && h < 24 && m < 60 && s <= 60 && clock.next().is_none();
    is_date.then(|| days_to(year, month, day) * (DAY_MS / 1000) + h * 3600 + m * 60 + s)
}

/// The beginning of a date of RFC 3339, `2026-11-22`; `None` for anything else.
pub fn read_date(text: &str) -> Option<Timestamp> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let year = digits(year, 4..=4)?;
    let month = digits(month, 2..=2)?.checked_sub(1).and_then(|m| usize::try_from(m).ok())?;
    let day = digits(day, 2..=2)?;
    let days = (month < 12 && day > 0).then(|| days_to(year, month, day))?;
    // The 30th of February is a day in March, and no date.
    let at = Timestamp(days * DAY_MS);
    let civil = Civil::from(at);
    ((civil.month, civil.day) == (month + 1, day)).then_some(at)
}

/// A time of RFC 3339 with its zone, `2026-11-22T11:49:06.581Z` or `2026-11-22T12:49:06+01:00`; `None` for anything else. What is
/// finer than a millisecond is cut off.
pub fn read_rfc3339(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at_checked(zone_at)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.split(':').map(|part| digits(part, 2..=2));
    let (h, m, s) = (parts.next()??, parts.next()??, parts.next()??);
    digits(fraction, 1..=9)?;
    let ms = digits(&format!("{fraction:0<3}")[..3], 3..=3)?;
    // Second 60 is a leap second.
    if h > 23 || m > 59 || s > 60 || parts.next().is_some() {
        return None;
    }
    let ahead_ms = match zone {
        "Z" | "z" => 0,
        _ => {
            let (h, m) = zone.get(1..)?.split_once(':')?;
            let (h, m) = (digits(h, 2..=2)?, digits(m, 2..=2)?);
            let minutes = (h < 24 && m < 60).then_some(h * 60 + m)?;
            if zone.starts_with('-') { -minutes * 60_000 } else { minutes * 60_000 }
        }
    };
    Some(read_date(date)?.plus_ms(((h * 60 + m) * 60 + s) * 1000 + ms - ahead_ms))
}

/// Days from 1970-01-01 to a date; `month` counts from 0.
fn days_to(year: i64, month: usize, day: i64) -> i64 {
    // The same arithmetic as above, the other way round: January and February are the last months of the year before.
    let (year, march_month) = match month {
        0 | 1 => (year - 1, month + 10),
        _ => (year, month - 2),
    };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let march_month = i64::try_from(march_month).expect("0 to 11");
    let day_of_year = (153 * march_month + 2) / 5 + day - 1;
    era * ERA_DAYS + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - EPOCH_DAYS
}

/// A number of so many digits and nothing else.
fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> Option<i64> {
    (count.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds as `date -u -d … +%s` gives them.
    const DATES: &[(i64, &str, &str)] = &[
        (0, "1970-01-01T00:00:00", "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-1, "1969-12-31T23:59:59", "Wed, 31 Dec 1969 23:59:59 GMT"),
        (784_111_777, "1994-11-06T08:49:37", "Sun, 06 Nov 1994 08:49:37 GMT"),
        (951_782_399, "2000-02-28T23:59:59", "Mon, 28 Feb 2000 23:59:59 GMT"),
        (951_782_400, "2000-02-29T00:00:00", "Tue, 29 Feb 2000 00:00:00 GMT"),
        (951_868_800, "2000-03-01T00:00:00", "Wed, 01 Mar 2000 00:00:00 GMT"),
        (1_735_689_599, "2024-12-31T23:59:59", "Tue, 31 Dec 2024 23:59:59 GMT"),
        (1_795_348_146, "2026-11-22T11:49:06", "Sun, 22 Nov 2026 11:49:06 GMT"),
        (4_107_542_400, "2100-03-01T00:00:00", "Mon, 01 Mar 2100 00:00:00 GMT"),
        (-2_208_988_800, "1900-01-01T00:00:00", "Mon, 01 Jan 1900 00:00:00 GMT"),
    ];

    #[test]
    fn dates_are_those_of_the_calendar() {
        for &(seconds, iso, http) in DATES {
            let at = Timestamp(seconds * 1000 + 581);
            assert_eq!(iso_micros(at), format!("{iso}.581000"));
            assert_eq!(rfc3339(at), format!("{iso}.581Z"));
            assert_eq!(http_date(at), http);
            assert_eq!(read_http_date(http), Some(seconds), "{http}");
        }
    }

    #[test]
    fn dates_are_read_in_all_forms_that_http_has_had() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            " Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read_http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(read_http_date("Sunday, 22-Nov-26 11:49:06 GMT"), Some(1_795_348_146));
        for text in [
            "",
            "0",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37:01 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
            "Sun, 06 Nov 1994 99999999999999999999:49:37 GMT",
            "\u{661}, \u{661} Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(read_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn dates_and_times_of_rfc_3339_are_read() {
        for &(seconds, iso, _) in DATES.iter().filter(|(seconds, ..)| *seconds >= 0) {
            let at = Timestamp(seconds * 1000);
            assert_eq!(read_rfc3339(&format!("{iso}Z")), Some(at), "{iso}");
            assert_eq!(read_rfc3339(&rfc3339(at.plus_ms(581))), Some(at.plus_ms(581)), "{iso}");
            assert_eq!(read_date(&iso[..10]), Some(Timestamp(at.0 - at.0.rem_euclid(DAY_MS))), "{iso}");
        }
        let at = Some(Timestamp(1_795_348_146_500));
        for text in
            ["2026-11-22T12:49:06.5+01:00", "2026-11-22t06:19:06.500999-05:30", "2026-11-22T11:49:06.50z"]
        {
            assert_eq!(read_rfc3339(text), at, "{text}");
        }
        for text in [
            "",
            "T",
            "2026-11-22",
            "2026-11-22T11:49:06",
            "2026-11-22T11:49Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T11:49:06.Z",
            "2026-11-22T11:49:06+1:00",
            "2026-11-22T11:49:06+24:00",
            "2026-11-22T11:49:06Z1",
            "2026-11-22 11:49:06Z",
            "2026-11-22T11:49:06é",
            "2026-02-30T00:00:00Z",
            "2026-11-22T11:49:06.1234567891Z",
        ] {
            assert_eq!(read_rfc3339(text), None, "{text}");
        }
        for text in [
            "",
            "2026-11-31",
            "2025-02-29",
            "2026-00-10",
            "2026-13-01",
            "2026-1-1",
            "26-01-01",
            "2026-01-00",
            "2026-01-01-01",
            "+026-01-01",
            "٢٠٢٦-01-01",
        ] {
            assert_eq!(read_date(text), None, "{text}");
        }
        assert!(read_date("2024-02-29").is_some());
    }

    #[test]
    fn no_point_in_time_panics() {
        for ms in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
            assert!(iso_micros(Timestamp(ms)).ends_with("000"), "{ms}");
        }
    }
}

//! Points in time as the API writes them, and back to nothing: the API reads no dates.
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
        }
    }

    #[test]
    fn no_point_in_time_panics() {
        for ms in [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX] {
            assert!(iso_micros(Timestamp(ms)).ends_with("000"), "{ms}");
        }
    }
}

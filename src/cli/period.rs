//! How long: `1h30m` as it is typed, and as it is shown.

use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// A length of time in whole seconds, a year at most: more is a slip of the finger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "Typed")]
pub(in crate::cli) struct Period(u32);

const MAX_S: u64 = 366 * 86_400;

/// In a file it may be a number of seconds, too.
#[derive(Deserialize)]
#[serde(untagged)]
enum Typed {
    Seconds(u64),
    Text(String),
}

/// What is wrong with a length of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct BadPeriod;

impl fmt::Display for BadPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "write a length of time such as 90s, 45m, 1h30m or 2d, or a number of seconds; a year at most",
        )
    }
}

impl std::error::Error for BadPeriod {}

impl Period {
    pub(in crate::cli) const HOUR: Self = Self(3600);

    pub(in crate::cli) fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<Typed> for Period {
    type Error = BadPeriod;

    fn try_from(typed: Typed) -> Result<Self, BadPeriod> {
        match typed {
            Typed::Seconds(s) => checked(s),
            Typed::Text(text) => text.parse(),
        }
    }
}

fn checked(seconds: u64) -> Result<Period, BadPeriod> {
    u32::try_from(seconds).ok().filter(|_| seconds <= MAX_S).map(Period).ok_or(BadPeriod)
}

impl FromStr for Period {
    type Err = BadPeriod;

    fn from_str(text: &str) -> Result<Self, BadPeriod> {
        if let Ok(seconds) = text.parse::<u64>() {
            return checked(seconds);
        }
        let (mut total, mut number, mut last) = (0_u64, String::new(), u64::MAX);
        for c in text.chars() {
            if c.is_ascii_digit() {
                number.push(c);
                continue;
            }
            let unit = match c {
                's' => 1,
                'm' => 60,
                'h' => 3600,
                'd' => 86_400,
                'w' => 7 * 86_400,
                _ => return Err(BadPeriod),
            };
            let count: u64 = number.parse().map_err(|_| BadPeriod)?;
            // 30m1h is more likely a mistake than a wish.
            if unit >= last {
                return Err(BadPeriod);
            }
            total = count.checked_mul(unit).and_then(|s| total.checked_add(s)).ok_or(BadPeriod)?;
            last = unit;
            number.clear();
        }
        if !number.is_empty() || text.is_empty() {
            return Err(BadPeriod);
        }
        checked(total)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&for_eyes(self.0.into()))
    }
}

/// The two largest units that say something: `1h 30m`, `2d 4h`, `41s`.
pub(in crate::cli) fn for_eyes(seconds: i64) -> String {
    let s = seconds.unsigned_abs();
    let sign = if seconds < 0 { "-" } else { "" };
    let two = |large: u64, l: &str, small: u64, u: &str| match small {
        0 => format!("{sign}{large}{l}"),
        small => format!("{sign}{large}{l} {small}{u}"),
    };
    match s {
        0..60 => format!("{sign}{s}s"),
        60..3600 => two(s / 60, "m", s % 60, "s"),
        3600..86_400 => two(s / 3600, "h", s % 3600 / 60, "m"),
        _ => two(s / 86_400, "d", s % 86_400 / 3600, "h"),
    }
}

/// A clock that counts up: `0:07`, `12:30`, `1:02:03`.
pub(in crate::cli) fn clock(seconds: u64) -> String {
    match seconds {
        0..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds % 3600 / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("0", 0, "0s"),
            ("90", 90, "1m 30s"),
            ("90s", 90, "1m 30s"),
            ("45m", 2700, "45m"),
            ("1h30m", 5400, "1h 30m"),
            ("2d", 172_800, "2d"),
            ("1w1s", 604_801, "7d"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.seconds(), &*period.to_string()), (seconds, shown), "{text}");
        }
        for bad in ["", "h", "1x", "30m1h", "1h30", "-1", "1.5h", "2000d", "99999999999999999999s", "1hh"] {
            assert_eq!(bad.parse::<Period>(), Err(BadPeriod), "{bad}");
        }
        assert_eq!((clock(7), clock(750), clock(3723)), ("0:07".into(), "12:30".into(), "1:02:03".into()));
        assert_eq!(for_eyes(-61), "-1m 1s");
    }
}

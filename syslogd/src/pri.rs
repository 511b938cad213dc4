//! PRI: facility and severity, their numbers and names (RFC 3164 4.1.1, RFC 5424 6.2.1).
//!
//! It does not know the rest of the line. A PRI is `<0>` to `<191>`, without leading zeros; all else is text.

use crate::scan::Scan;
use std::fmt;

/// Who speaks, 0 to 23.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Facility(u8);

/// Names by number. The first 12 and the `local` ones are those of `<syslog.h>`; 12 to 15 exist in the RFC only.
const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

impl Facility {
    /// The kernel.
    pub const KERN: Self = Self(0);
    /// What a line without PRI belongs to (RFC 3164 4.3.3).
    pub const USER: Self = Self(1);

    /// The facility with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        (usize::from(number) < FACILITIES.len()).then_some(Self(number))
    }

    /// 0 to 23.
    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }

    /// The short name that `logger -p` understands, for example `daemon`.
    #[must_use]
    pub fn name(self) -> &'static str {
        FACILITIES.get(usize::from(self.0)).copied().expect("from_number admits only numbers with a name")
    }
}

impl fmt::Display for Facility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How bad it is. The order is that of urgency: `Emergency < Debug`, as the numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// 0: the system is unusable.
    Emergency,
    /// 1: act at once.
    Alert,
    /// 2: critical.
    Critical,
    /// 3: an error.
    Error,
    /// 4: a warning.
    Warning,
    /// 5: normal but significant; what a line without PRI gets (RFC 3164 4.3.3).
    Notice,
    /// 6: informational.
    Info,
    /// 7: for developers.
    Debug,
}

/// One row per severity in the order of its number; the names are those that `logger -p` understands.
const SEVERITIES: [(Severity, &str); 8] = [
    (Severity::Emergency, "emerg"),
    (Severity::Alert, "alert"),
    (Severity::Critical, "crit"),
    (Severity::Error, "err"),
    (Severity::Warning, "warning"),
    (Severity::Notice, "notice"),
    (Severity::Info, "info"),
    (Severity::Debug, "debug"),
];

impl Severity {
    /// The severity with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        SEVERITIES.get(usize::from(number)).map(|&(severity, _)| severity)
    }

    /// 0 (emergency) to 7 (debug).
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The short name, for example `warning`.
    #[must_use]
    pub fn name(self) -> &'static str {
        SEVERITIES[usize::from(self.number())].1
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Splits a PRI value, `facility * 8 + severity`.
pub(crate) fn split(value: u32) -> Option<(Facility, Severity)> {
    let facility = Facility::from_number(u8::try_from(value / 8).ok()?)?;
    Some((facility, Severity::from_number(u8::try_from(value % 8).ok()?)?))
}

/// Takes `<N>` from the start of the text; takes nothing when it is not a PRI.
pub(crate) fn take(scan: &mut Scan<'_>) -> Option<(Facility, Severity)> {
    let mut ahead = *scan;
    if !ahead.eat('<') || (ahead.0.starts_with('0') && !ahead.0.starts_with("0>")) {
        return None;
    }
    let value = ahead.number(1, 3)?;
    if !ahead.eat('>') {
        return None;
    }
    let pri = split(value)?;
    *scan = ahead;
    Some(pri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pri_is_0_to_191_and_all_else_is_text() {
        #[rustfmt::skip]
        let table = [
            ("<0>x", Some((0, 0)), "x"), ("<13>x", Some((1, 5)), "x"), ("<191>", Some((23, 7)), ""),
            ("<192>x", None, "<192>x"), ("<999>x", None, "<999>x"), ("<1000>x", None, "<1000>x"),
            ("<007>x", None, "<007>x"), ("<>x", None, "<>x"), ("<-1>x", None, "<-1>x"), ("<13", None, "<13"),
            ("<", None, "<"), ("", None, ""), ("13>x", None, "13>x"), ("< 13>x", None, "< 13>x"),
        ];
        for (text, want, rest) in table {
            let mut scan = Scan(text);
            let got = take(&mut scan).map(|(f, s)| (f.number(), s.number()));
            assert_eq!((got, scan.0), (want, rest), "{text:?}");
        }
    }

    #[test]
    fn names_stand_at_their_numbers() {
        for (n, (severity, name)) in SEVERITIES.iter().enumerate() {
            assert_eq!((usize::from(severity.number()), severity.name()), (n, *name));
        }
        assert_eq!(Facility::from_number(16).unwrap().name(), "local0");
        assert_eq!(Facility::from_number(24), None);
        assert!(Severity::Emergency < Severity::Debug);
    }
}

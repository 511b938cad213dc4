//! Lines straight from a Linux kernel by netconsole: no PRI, no host name, no tag.
//!
//! Two forms (Linux `Documentation/networking/netconsole.rst`): the console's own `[   12.345678] text`, and the
//! extended `[release,]level,sequence,microseconds,flags[,…];text`. It only recognises them; the text stays whole.

use crate::pri::{self, Facility, Severity};
use crate::scan::Scan;

/// Facility, severity and text, if a line without PRI is the kernel's.
pub(crate) fn recognise(text: &str) -> Option<(Facility, Severity, &str)> {
    if is_console(text) {
        // The console does not tell the level.
        return Some((Facility::KERN, Severity::Notice, text));
    }
    let (head, body) = text.split_once(';')?;
    let mut fields = head.split(',');
    let first = fields.next()?;
    // With the release in front (`6.1.0,6,…`), the level comes second.
    let level = if first.contains('.') { fields.next()? } else { first };
    let (sequence, time_us, _flags) = (fields.next()?, fields.next()?, fields.next()?);
    if ![level, sequence, time_us].into_iter().all(is_number) {
        return None;
    }
    let (facility, severity) = pri::split(level.parse().ok()?)?;
    Some((facility, severity, body))
}

fn is_number(field: &str) -> bool {
    !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit())
}

/// `[`, blanks, seconds, `.`, microseconds, `]`.
fn is_console(text: &str) -> bool {
    let mut s = Scan(text);
    if !s.eat('[') {
        return false;
    }
    s.run(|c| c == ' ');
    is_number(s.run(|c| c != '.' && c != ']')) && s.eat('.') && is_number(s.run(|c| c != ']')) && s.eat(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_and_nothing_else() {
        let got = |text| recognise(text).map(|(f, s, text)| (f.name(), s.name(), text));
        assert_eq!(got("[    1.234567] usb 1-1: x"), Some(("kern", "notice", "[    1.234567] usb 1-1: x")));
        assert_eq!(got("6,416,1758426,-;netconsole: a;b"), Some(("kern", "info", "netconsole: a;b")));
        assert_eq!(got("6.4.0,4,444,501151268,-,caller=T1;text"), Some(("kern", "warning", "text")));
        assert_eq!(got("12,339,5140900,-;user text"), Some(("user", "warning", "user text")));
        for other in
            ["[x] y", "[1] y", "[1.] y", "a,b,c,d;x", "6,1;x", "999,1,1,-;x", ";", "", "[", "6,,1,-;x"]
        {
            assert_eq!(got(other), None, "{other:?}");
        }
    }
}

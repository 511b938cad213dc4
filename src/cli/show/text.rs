//! Text on a terminal: how wide it is, cut to a width, and harmless.
//!
//! What boards and people wrote is never sent raw: a terminal obeys control characters, and a reader believes letters that turn
//! the direction of what follows. Both are made visible.

use unicode_width::UnicodeWidthChar;

/// Stands where a text was cut off.
const CUT: char = '…';

/// In one line, with what a terminal would obey made visible: `^[` for escape, `\u{202e}` for what turns the text around. The
/// ends of lines and tabs are blanks.
pub(in crate::cli) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            // As `cat -v` writes them: ^@ to ^_, and ^? for delete.
            '\0'..='\x1f' | '\x7f' => out.extend(['^', char::from(c as u8 ^ 0x40)]),
            c if c.is_control() || deceives(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Letters without a picture that change how their neighbours look (UAX #9, and the separators of lines).
fn deceives(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

/// Columns that it takes.
pub(in crate::cli) fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or_default()).sum()
}

/// As much of it as fits into so many columns, with a … where something is missing.
pub(in crate::cli) fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut left = columns.saturating_sub(1);
    for c in text.chars() {
        let wide = c.width().unwrap_or_default();
        if wide > left {
            break;
        }
        left -= wide;
        out.push(c);
    }
    if columns > 0 {
        out.push(CUT);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_made_visible() {
        for (text, want) in [
            ("a\tb\r\nc\n", "a b  c"),
            ("\x1b[2J\x07", "^[[2J^G"),
            ("\x7f\0", "^?^@"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\u{202e}live", "\\u{202e}live"),
            ("grüße 漢字", "grüße 漢字"),
        ] {
            assert_eq!(clean(text), want);
        }
    }

    #[test]
    fn a_text_is_cut_by_the_columns_that_it_takes() {
        for (text, columns, want) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("漢字漢", 6, "漢字漢"),
            ("漢字漢", 5, "漢字…"),
            ("漢字漢", 4, "漢…"),
            ("e\u{301}tude", 4, "e\u{301}tu…"),
            ("abc", 1, "…"),
            ("abc", 0, ""),
        ] {
            let short = cut(text, columns);
            assert_eq!(short, want);
            assert!(width(&short) <= columns, "{short}");
        }
    }
}

//! Bytes of a stranger into text that is safe to show.
//!
//! It knows nothing of syslog. What comes out is UTF-8 without control characters, of bounded length: it cannot move a
//! cursor, colour a terminal, reverse a page or start a new log line. The raw bytes are the caller's to keep.

use std::borrow::Cow;

/// The longest text we keep, in bytes, before and after cleaning. Relays cut at 1 KiB (RFC 3164) or 2 KiB (RFC 5424),
/// rsyslog at 8 KiB by default: a line longer than that is a dump that belongs in a file.
pub const MAX_TEXT: usize = 8 * 1024;

/// Returns the safe text, without blanks at either end, and whether [`MAX_TEXT`] cut it.
///
/// UTF-8 stays as it is. A byte that is not UTF-8 is taken for Latin-1, except at the end of text that is otherwise
/// UTF-8: there it is a character that a sender cut, and shown as U+FFFD. Colour sequences (ECMA-48 CSI) are removed,
/// tabs become blanks, other control characters their visible pictures (NUL becomes `␀`), and characters that turn
/// the writing direction or break lines become U+FFFD. Byte order marks are removed (RFC 5424 6.4 asks for one).
#[must_use]
pub fn clean(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let bytes = trim(bytes);
    let (bytes, mut truncated) = match bytes.get(..MAX_TEXT) {
        Some(head) if bytes.len() > MAX_TEXT => (head, true),
        _ => (bytes, false),
    };
    // What nearly every line is: nothing in it has to be changed. Looked at in one go, without a branch per byte.
    if bytes.iter().fold(true, |plain, b| plain & (0x20..=0x7e).contains(b))
        && let Ok(text) = str::from_utf8(bytes)
    {
        return (Cow::Borrowed(text.trim_end_matches(' ')), truncated);
    }
    let mut out = String::with_capacity(bytes.len());
    let mut chars = Decoded::new(bytes).peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.peek() == Some(&'[') {
            chars.next();
            // Parameters and intermediates run from blank to `?`; the byte behind them ends the sequence.
            while chars.next_if(|c| (' '..='?').contains(c)).is_some() {}
            chars.next_if(|c| ('@'..='~').contains(c));
            continue;
        }
        let Some(c) = visible(c) else { continue };
        if out.len() + c.len_utf8() > MAX_TEXT {
            truncated = true;
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    (Cow::Owned(out), truncated)
}

/// Removes what senders put around a line: blanks, line ends, and the NUL that C and Python append.
fn trim(bytes: &[u8]) -> &[u8] {
    let padding = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0);
    let start = bytes.iter().position(|b| !padding(b)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|b| !padding(b)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// How a character is shown; `None` when it is not shown at all.
fn visible(c: char) -> Option<char> {
    match c {
        '\t' | '\u{a0}' => Some(' '),
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)),
        '\u{7f}' => Some('\u{2421}'),
        '\u{feff}' => None,
        // C1 controls drive terminals too; line and paragraph separators; direction marks, embeddings and isolates.
        '\u{80}'..='\u{9f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{61c}' => Some(char::REPLACEMENT_CHARACTER),
        _ => Some(c),
    }
}

/// The characters of bytes that are mostly UTF-8.
struct Decoded<'a> {
    chunks: std::iter::Peekable<std::str::Utf8Chunks<'a>>,
    valid: std::str::Chars<'a>,
    invalid: &'a [u8],
    /// Whether a UTF-8 character beyond ASCII was seen; then Latin-1 is no longer likely.
    utf8: bool,
}

impl<'a> Decoded<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { chunks: bytes.utf8_chunks().peekable(), valid: "".chars(), invalid: &[], utf8: false }
    }
}

impl Iterator for Decoded<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            if let Some(c) = self.valid.next() {
                self.utf8 |= !c.is_ascii();
                return Some(c);
            }
            let last = self.chunks.peek().is_none();
            if let [first, rest @ ..] = self.invalid {
                // A first byte with its continuation, or the end of a text that has UTF-8, was cut by the sender.
                if last && *first >= 0xc2 && (self.utf8 || !rest.is_empty()) {
                    self.invalid = &[];
                    return Some(char::REPLACEMENT_CHARACTER);
                }
                self.invalid = rest;
                return Some(char::from(*first));
            }
            let chunk = self.chunks.next()?;
            self.valid = chunk.valid().chars();
            self.invalid = chunk.invalid();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_out_can_be_shown() {
        #[rustfmt::skip]
        let table: &[(&[u8], &str)] = &[
            (b"plain", "plain"), (b"", ""), (b" \0\n", ""), (b"  both ends \r\n\0", "both ends"),
            ("grüße ✓".as_bytes(), "grüße ✓"),
            (b"gr\xfc\xdfe", "grüße"),                      // Latin-1
            (b"caf\xe9", "café"),                           // Latin-1 at the very end
            (b"gr\xc3\xbc\xc3", "grü\u{fffd}"),             // UTF-8, cut in its last character
            (b"ok \xe2\x9c", "ok \u{fffd}"),                // the same, without other UTF-8 before it
            (b"gr\xc3\xbc caf\xe9 x", "grü café x"),        // both in one line
            (b"a\0b", "a␀b"), (b"a\nb\rc", "a␊b␍c"), (b"a\tb", "a b"), (b"bell\x07", "bell␇"), (b"\x7f", "␡"),
            (b"\x1b[1;31mred\x1b[0m end", "red end"), (b"\x1b]0;title\x07", "␛]0;title␇"), (b"cut \x1b[3", "cut"),
            (b"\x9b31m", "\u{fffd}31m"),                    // C1 CSI
            ("\u{feff}bom".as_bytes(), "bom"),
            ("a\u{202e}gpj.exe".as_bytes(), "a\u{fffd}gpj.exe"), ("a\u{2028}b".as_bytes(), "a\u{fffd}b"),
        ];
        for (bytes, want) in table {
            assert_eq!(clean(bytes), (Cow::Borrowed(*want), false), "{bytes:?}");
        }
    }

    #[test]
    fn length_is_bounded_whatever_the_bytes() {
        assert_eq!(clean(&[b'x'; MAX_TEXT]), ("x".repeat(MAX_TEXT).into(), false));
        assert_eq!(clean(&[b'x'; MAX_TEXT + 1]), ("x".repeat(MAX_TEXT).into(), true));
        // Latin-1 doubles and pictures triple: the bound holds for what comes out.
        for byte in [0xe9, 1, 0xff] {
            let mut bytes = vec![byte; MAX_TEXT];
            bytes[0] = b'.';
            let (text, truncated) = clean(&bytes);
            assert!(text.len() <= MAX_TEXT && text.len() > MAX_TEXT - 4, "{}", text.len());
            assert!(truncated);
        }
        // Padding behind the line is not a reason to call it cut.
        let mut padded = vec![b'x'; MAX_TEXT];
        padded.push(0);
        assert!(!clean(&padded).1);
    }
}

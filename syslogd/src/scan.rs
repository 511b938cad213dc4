//! A cursor over cleaned text, for the little grammars of syslog headers.
//!
//! It knows no format. It is `Copy`: to try a format and go back, keep the old cursor. It can only stop behind a
//! character it has looked at, so it never cuts a UTF-8 character and never panics.

/// The text not yet read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan<'a>(pub(crate) &'a str);

impl<'a> Scan<'a> {
    /// Takes `expected` if it comes next.
    pub(crate) fn eat(&mut self, expected: char) -> bool {
        match self.0.strip_prefix(expected) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// Takes `min` to `max` (at most 9) ASCII digits as a number; takes nothing if there are fewer.
    pub(crate) fn number(&mut self, min: usize, max: usize) -> Option<u32> {
        debug_assert!(max <= 9, "ten digits may not fit in u32");
        let digits = self.0.bytes().take(max).take_while(u8::is_ascii_digit).count();
        if digits < min {
            return None;
        }
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number.parse().ok()
    }

    /// Takes all characters that satisfy `wanted`, perhaps none.
    pub(crate) fn run(&mut self, mut wanted: impl FnMut(char) -> bool) -> &'a str {
        let end = self.0.find(|c| !wanted(c)).unwrap_or(self.0.len());
        let (taken, rest) = self.0.split_at(end);
        self.0 = rest;
        taken
    }

    /// Takes everything up to the next space, perhaps nothing; the space stays.
    pub(crate) fn token(&mut self) -> &'a str {
        self.run(|c| c != ' ')
    }

    /// Whether a token would end here.
    pub(crate) fn at_gap(self) -> bool {
        self.0.is_empty() || self.0.starts_with(' ')
    }
}

//! How the program logs: to standard error, one line an event, `TIME level target: message`, times in UTC.
//!
//! Set up once, by `main`. Nothing that came from outside can begin a line of its own.

use std::fmt;
use std::io::Write;

/// The environment variable that wins over the configured filter.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// Begins to log what `filter` lets pass, unless `$RUST_LOG` says otherwise.
pub fn init(filter: &str) {
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| filter.to_owned());
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(&filter).format(|out, record| {
        let time = out.timestamp_millis();
        let level = record.level().as_str().to_ascii_lowercase();
        writeln!(out, "{time} {level} {}: {}", record.target(), OneLine(record.args()))
    });
    // Already set up when a test runs the program's parts in one process; its set-up stays.
    let _ = builder.try_init();
}

/// Shows control characters as escapes.
struct OneLine<'a>(&'a fmt::Arguments<'a>);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escape<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Escape<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for piece in text.split_inclusive(char::is_control) {
                    let plain = piece.trim_end_matches(char::is_control);
                    self.0.write_str(plain)?;
                    piece[plain.len()..]
                        .chars()
                        .try_for_each(|c| write!(self.0, "{}", c.escape_default()))?;
                }
                Ok(())
            }
        }
        fmt::write(&mut Escape(f), *self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stays_on_its_line() {
        let from_outside = "a\nb\r\u{1b}[31mc ü\n\n";
        assert_eq!(
            OneLine(&format_args!("device says {from_outside}.")).to_string(),
            "device says a\\nb\\r\\u{1b}[31mc ü\\n\\n."
        );
    }
}

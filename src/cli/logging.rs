//! How the program logs: to standard error, one line an event, `TIME level target: message`, times in UTC.
//!
//! Set up once, by `main`; what is let pass may change while it runs. Nothing that came from outside can begin a line of its own.

use log::{Log, Metadata, Record};
use std::fmt;
use std::io::Write;
use std::sync::{PoisonError, RwLock};

/// The environment variable that wins over the configured filter.
const FILTER_VARIABLE: &str = "RUST_LOG";

/// The logger of the process; `None` until it is set up, and where somebody else has set up another.
static LOGGER: Swappable = Swappable(RwLock::new(None));

/// One that can be another from the next line on: `env_logger` cannot change its filter.
struct Swappable(RwLock<Option<env_logger::Logger>>);

impl Swappable {
    fn ask<T>(&self, what: impl FnOnce(&env_logger::Logger) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(what)
    }

    fn set(&self, logger: env_logger::Logger) {
        let level = logger.filter();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(logger);
        log::set_max_level(level);
    }
}

impl Log for Swappable {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.ask(|logger| logger.enabled(metadata)).unwrap_or(false)
    }

    fn log(&self, record: &Record<'_>) {
        let _ = self.ask(|logger| logger.log(record));
    }

    fn flush(&self) {
        let _ = self.ask(Log::flush);
    }
}

/// Begins to log what `filter` lets pass, unless `$RUST_LOG` says otherwise.
pub fn init(filter: &str) {
    let wins = std::env::var(FILTER_VARIABLE);
    // Already set up when a test runs the program's parts in one process; its set-up stays.
    if log::set_logger(&LOGGER).is_ok() {
        LOGGER.set(logger(wins.as_deref().unwrap_or(filter)));
    }
}

/// Logs what `filter` lets pass from now on. False, and nothing has changed, when `$RUST_LOG` is set, which wins.
pub fn follow(filter: &str) -> bool {
    let wins = std::env::var_os(FILTER_VARIABLE).is_some();
    if !wins && LOGGER.ask(|_| ()).is_some() {
        LOGGER.set(logger(filter));
    }
    !wins
}

fn logger(filter: &str) -> env_logger::Logger {
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filter).format(|out, record| {
        let time = out.timestamp_millis();
        let level = record.level().as_str().to_ascii_lowercase();
        writeln!(out, "{time} {level} {}: {}", record.target(), OneLine(record.args()))
    });
    builder.build()
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

    #[test]
    fn another_filter_holds_from_the_next_line_on() {
        let passes = |logger: &Swappable, level, target: &str| {
            logger.enabled(&Metadata::builder().level(level).target(target).build())
        };
        let logger_of = logger;
        let swappable = Swappable(RwLock::new(None));
        assert!(!passes(&swappable, log::Level::Error, "mozpool"), "nothing is set up");
        *swappable.0.write().expect("nobody panics with it") = Some(logger_of("info"));
        assert!(passes(&swappable, log::Level::Info, "mozpool::access"));
        assert!(!passes(&swappable, log::Level::Debug, "mozpool::access"));
        *swappable.0.write().expect("nobody panics with it") = Some(logger_of("debug,mozpool::access=warn"));
        assert!(!passes(&swappable, log::Level::Info, "mozpool::access"));
        assert!(passes(&swappable, log::Level::Debug, "mozpool"));
    }
}

//! What standard output (or standard error) is: a terminal with a width and colours, or something that wants all of every line.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

/// What terminals have that do not say.
const USUAL_WIDTH: usize = 80;
/// Below this nothing can be read, and somebody has mistyped a number.
const WIDTH_MIN: usize = 20;

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::cli) struct Terminal {
    /// Columns; `None` where nothing is to be cut, for it is no terminal.
    pub(in crate::cli) width: Option<usize>,
    /// Colours are wanted.
    pub(in crate::cli) colours: bool,
}

/// What is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Style {
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Busy,
    Used,
}

impl Terminal {
    pub(in crate::cli) fn of_stdout() -> Self {
        Self::of(&io::stdout())
    }

    pub(in crate::cli) fn of_stderr() -> Self {
        Self::of(&io::stderr())
    }

    fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        if !stream.is_terminal() {
            return Self::default();
        }
        let given = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let asked = || rustix::termios::tcgetwinsize(stream).ok().map(|size| usize::from(size.ws_col));
        let width = given.or_else(asked).filter(|w| *w > 0).unwrap_or(USUAL_WIDTH).max(WIDTH_MIN);
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        // no-color.org: set and not empty.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self { width: Some(width), colours: !dumb && !unwanted }
    }

    /// Something that can draw a line over the last one.
    pub(in crate::cli) fn redraws(self) -> bool {
        self.width.is_some() && std::env::var_os("TERM").is_none_or(|t| t != "dumb")
    }

    /// The text in a colour, where colours are wanted.
    pub(in crate::cli) fn paint(self, style: Style, text: &str) -> String {
        match code(style).filter(|_| self.colours && !text.is_empty()) {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

/// SGR parameters (ECMA-48 8.3.117): colours of the terminal's own palette, so that they suit a light one and a dark one.
fn code(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Bold => Some("1"),
        Style::Dim => Some("2"),
        Style::Good => Some("32"),
        Style::Bad => Some("31"),
        Style::Busy => Some("36"),
        Style::Used => Some("34"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_those_who_want_them() {
        let paint = |colours| Terminal { width: None, colours }.paint(Style::Good, "well");
        assert_eq!(paint(true), "\x1b[32mwell\x1b[0m");
        assert_eq!(paint(false), "well");
    }
}

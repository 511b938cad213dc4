//! How far a request is, on standard error: one line that changes on a terminal, a line per change elsewhere.

use super::watch::Now;
use crate::cli::period::clock;
use crate::cli::show::group::words;
use crate::cli::show::{Terminal, text};
use std::io::{self, Write};
use std::time::Instant;

/// The line.
#[derive(Debug)]
pub(super) struct Progress {
    terminal: Terminal,
    request: i64,
    begun: Instant,
    /// What was said last.
    said: String,
    /// The line of a terminal is ours.
    drawn: bool,
}

impl Progress {
    pub(super) fn new(request: i64) -> Self {
        let terminal = Terminal::of_stderr();
        Self { terminal, request, begun: Instant::now(), said: String::new(), drawn: false }
    }

    /// Shows how it is now.
    pub(super) fn show(&mut self, now: &Now) {
        let said = told(now);
        if self.terminal.redraws() {
            self.said = match now.progress {
                Some(percent) if now.state == "pending" => format!("{said}, {percent} %"),
                _ => said,
            };
            self.draw();
        } else if said != self.said {
            self.say(&said);
            self.said = said;
        }
    }

    /// A second has passed.
    pub(super) fn tick(&mut self) {
        if self.drawn {
            self.draw();
        }
    }

    /// Something that is to stay on the screen. The same once only.
    pub(super) fn note(&mut self, line: &str) {
        if self.said == line {
            return;
        }
        self.clear();
        self.say(line);
        self.said = line.to_owned();
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.drawn) {
            put("\r\x1b[K");
        }
    }

    fn say(&self, line: &str) {
        put(&format!(
            "mozpool: {} request {}: {line}\n",
            clock(self.begun.elapsed().as_secs()),
            self.request
        ));
    }

    fn draw(&mut self) {
        let line =
            format!("request {}  {}  {}", self.request, clock(self.begun.elapsed().as_secs()), self.said);
        // One column stays free: some terminals wrap when the last one is written.
        let room = self.terminal.width.unwrap_or(80) - 1;
        put(&format!("\r{}\x1b[K", text::cut(&line, room)));
        self.drawn = true;
    }
}

/// When standard error is gone, nobody is left to tell.
fn put(text: &str) {
    let mut err = io::stderr();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn told(now: &Now) -> String {
    let device = crate::cli::show::clean(&now.device);
    match now.state.as_str() {
        "new" | "finding_device" if now.why.is_empty() => "looks for a board".into(),
        "new" | "finding_device" => format!("looks for a board: {}", now.why),
        "pending" if now.device_state.is_empty() => format!("{device}: is prepared"),
        "pending" => format!("{device}: {}", words(&now.device_state)),
        "contact_lifeguard" | "contacting_lifeguard" => format!("{device}: is prepared"),
        "ready" => format!("{device} is ready"),
        other => format!("{}: {}", other.replace('_', " "), now.why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_why_it_waits_and_what_the_board_does() {
        let now = |state: &str, device: &str, device_state: &str, why: &str| {
            told(&Now {
                state: state.into(),
                device: device.into(),
                device_state: device_state.into(),
                progress: None,
                why: why.into(),
            })
        };
        assert_eq!(now("finding_device", "", "", "No board: of 2"), "looks for a board: No board: of 2");
        assert_eq!(now("pending", "b1", "image_extracting", ""), "b1: writes the image");
        assert_eq!(now("ready", "b1", "ready", ""), "b1 is ready");
        assert_eq!(now("failed_bad_image", "", "", "it is bad"), "failed bad image: it is bad");
    }
}

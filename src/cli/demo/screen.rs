//! Standard output: a picture that is drawn anew where it is a terminal, a line per change where it is not.
//!
//! Colours only on a terminal, and not with NO_COLOR (no-color.org). It knows nothing of what it shows.

use super::picture::{self, Line, NEWS_SHOWN, Style};
use super::progress::{News, Progress};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal, Stdout, Write};
use std::process::{Command, Stdio};

/// What terminals have when they do not say.
const USUAL_SIZE: (usize, usize) = (24, 80);
const HIDE_CURSOR: &str = "\x1b[?25l";
const SHOW_CURSOR: &str = "\x1b[?25h";

/// How changes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// One picture, drawn over the last one.
    Picture,
    /// A line each.
    Lines,
    /// Not at all.
    Quiet,
}

/// Where the demo writes.
#[derive(Debug)]
pub(super) struct Screen<W: Write = Stdout> {
    out: W,
    title: String,
    mode: Mode,
    colours: bool,
    /// Lines and columns; lines are cut only where they would spoil a picture.
    size: (usize, usize),
    /// Lines of the picture on the screen.
    drawn: usize,
    recent: VecDeque<News>,
}

impl Screen {
    pub(super) fn of_stdout(title: String) -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        let size = if terminal { terminal_size().unwrap_or(USUAL_SIZE) } else { USUAL_SIZE };
        Self::new(out, title, terminal, colours, size)
    }
}

impl<W: Write> Screen<W> {
    fn new(out: W, title: String, terminal: bool, colours: bool, size: (usize, usize)) -> Self {
        let mode = if terminal { Mode::Picture } else { Mode::Lines };
        Self { out, title, mode, colours, size, drawn: 0, recent: VecDeque::new() }
    }

    /// Writes the head.
    pub(super) fn begin(&mut self, lines: &[Line]) -> io::Result<()> {
        let head = picture::head(&self.title);
        self.write(&head)?;
        self.say(lines)?;
        if self.mode == Mode::Picture {
            self.out.write_all(HIDE_CURSOR.as_bytes())?;
        }
        self.out.flush()
    }

    /// Shows how things stand.
    pub(super) fn show(&mut self, progress: &Progress, news: &[News], now_ms: u64) -> io::Result<()> {
        match self.mode {
            Mode::Quiet => return Ok(()),
            Mode::Lines => {
                for one in news {
                    self.write(&picture::news(one, now_ms))?;
                }
            }
            Mode::Picture => {
                self.recent.extend(news.iter().cloned());
                let surplus = self.recent.len().saturating_sub(NEWS_SHOWN);
                self.recent.drain(..surplus);
                let (height, width) = self.size;
                let frame = picture::frame(progress, self.recent.make_contiguous(), now_ms, height);
                self.draw(&frame, width)?;
            }
        }
        self.out.flush()
    }

    /// Leaves the picture as it is; from now on changes are lines, or nothing with `quiet`.
    pub(super) fn leave_picture(&mut self, quiet: bool) -> io::Result<()> {
        if self.mode == Mode::Picture {
            self.out.write_all(SHOW_CURSOR.as_bytes())?;
        }
        self.mode = if quiet { Mode::Quiet } else { Mode::Lines };
        self.drawn = 0;
        self.out.flush()
    }

    /// Writes lines to stay.
    pub(super) fn say(&mut self, lines: &[Line]) -> io::Result<()> {
        for line in lines {
            self.write(line)?;
        }
        self.out.flush()
    }

    /// One write, so that the eye sees one change: up to where the last picture began, each line over the old one, the rest cleared.
    fn draw(&mut self, frame: &[Line], width: usize) -> io::Result<()> {
        let mut text = String::new();
        if self.drawn > 0 {
            text += &format!("\x1b[{}A\r", self.drawn);
        }
        for line in frame {
            text += &self.painted(line, Some(width));
            text += "\x1b[K\n";
        }
        text += "\x1b[J";
        self.drawn = frame.len();
        self.out.write_all(text.as_bytes())
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let text = self.painted(line, None);
        writeln!(self.out, "{}", text.trim_end())
    }

    fn painted(&self, line: &Line, width: Option<usize>) -> String {
        let mut left = width.unwrap_or(usize::MAX);
        let mut text = String::new();
        for (style, word) in &line.0 {
            // All signs that we use are one column wide.
            let word: String = word.chars().take(left).collect();
            left -= word.chars().count();
            match code(*style).filter(|_| self.colours) {
                Some(code) => text += &format!("\x1b[{code}m{word}\x1b[0m"),
                None => text += &word,
            }
        }
        text
    }
}

/// SGR parameters (ECMA-48 8.3.117).
fn code(style: Style) -> Option<&'static str> {
    match style {
        Style::Plain => None,
        Style::Bold => Some("1"),
        Style::Dim => Some("2"),
        Style::Good => Some("32"),
        Style::Bad => Some("31"),
        Style::Busy => Some("36"),
    }
}

/// Lines and columns, from `stty`, which every Unix has: asking the kernel takes an unsafe call.
fn terminal_size() -> Option<(usize, usize)> {
    let terminal = File::open("/dev/tty").ok()?;
    let output = Command::new("stty").arg("size").stdin(Stdio::from(terminal)).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (lines, columns) = text.trim().split_once(' ')?;
    let size = (lines.parse().ok()?, columns.parse().ok()?);
    // Terminals that do not know say 0 0.
    (size.0 > 0 && size.1 > 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::super::progress::Mood;
    use super::*;

    fn screen(terminal: bool, colours: bool, size: (usize, usize)) -> Screen<Vec<u8>> {
        Screen::new(Vec::new(), "title".into(), terminal, colours, size)
    }

    fn written(screen: &mut Screen<Vec<u8>>) -> String {
        String::from_utf8(std::mem::take(&mut screen.out)).unwrap()
    }

    #[test]
    fn a_picture_is_drawn_over_the_last_one_and_lines_are_cut() {
        let progress = Progress::new(["b1", "b2"].into_iter(), usize::MAX);
        let mut screen = screen(true, false, (24, 10));
        screen.show(&progress, &[], 0).unwrap();
        let first = written(&mut screen);
        assert!(!first.contains("\x1b[4A"), "{first:?}");
        assert!(first.starts_with("  b1  ○ no\x1b[K\n"), "{first:?}");
        screen.show(&progress, &[], 0).unwrap();
        assert_eq!(written(&mut screen), format!("\x1b[4A\r{first}"));
        screen.leave_picture(false).unwrap();
        screen.show(&progress, &[], 0).unwrap();
        assert_eq!(written(&mut screen), SHOW_CURSOR, "no news, no line");
    }

    #[test]
    fn without_a_terminal_there_is_a_line_per_change_and_no_escape() {
        let progress = Progress::new(["b1"].into_iter(), usize::MAX);
        let mut screen = screen(false, false, (24, 80));
        screen.begin(&[]).unwrap();
        let news = [News { board: "b1".into(), words: "x".repeat(200), mood: Mood::Bad }];
        screen.show(&progress, &news, 1000).unwrap();
        let text = written(&mut screen);
        assert!(!text.contains('\x1b'), "{text:?}");
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with(&format!("{}\n", "x".repeat(200))), "nothing is cut: {text}");
        screen.leave_picture(true).unwrap();
        screen.show(&progress, &news, 1000).unwrap();
        assert_eq!(written(&mut screen), "");
    }

    #[test]
    fn colours_are_for_those_who_want_them() {
        for colours in [true, false] {
            let mut screen = screen(true, colours, (24, 80));
            screen.say(&[Line(vec![(Style::Good, "well".into())])]).unwrap();
            assert_eq!(written(&mut screen), if colours { "\x1b[32mwell\x1b[0m\n" } else { "well\n" });
        }
    }
}

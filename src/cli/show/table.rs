//! Rows of JSON as a table that fits the terminal: what is too long is cut with a …, never wrapped, and numbers stand right.
//!
//! Where it goes to a file or a program nothing is cut.

use super::group::{Group, style_of_request};
use super::terminal::{Style, Terminal};
use super::{text, value};
use serde_json::Value;
use std::io::{self, Write};

/// Between two columns.
const GAP: &str = "  ";
/// A column is not made narrower than this, however little room there is: six letters and a … still tell names apart.
const NARROW: usize = 7;

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Is {
    /// What there is, as it is.
    Plain,
    /// Long and of little weight: it is cut before the others.
    Long,
    /// A device's state, in the colour of its group.
    DeviceState,
    /// A request's state.
    RequestState,
    /// How many are in this group; in its colour unless there are none.
    Count(Group),
    /// It stands right, as numbers do.
    Right,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Column<'a> {
    /// The key in a row.
    pub(in crate::cli) key: &'a str,
    /// Above it; empty: the key in capitals.
    pub(in crate::cli) title: &'a str,
    pub(in crate::cli) is: Is,
}

impl<'a> Column<'a> {
    pub(in crate::cli) const fn new(key: &'a str) -> Self {
        Self { key, title: "", is: Is::Plain }
    }

    pub(in crate::cli) const fn titled(key: &'a str, title: &'a str) -> Self {
        Self { key, title, is: Is::Plain }
    }

    pub(in crate::cli) const fn long(key: &'a str) -> Self {
        Self { key, title: "", is: Is::Long }
    }

    pub(in crate::cli) const fn of(key: &'a str, is: Is) -> Self {
        Self { key, title: "", is }
    }

    fn heading(&self) -> String {
        let title = if self.title.is_empty() { self.key } else { self.title };
        text::clean(&title.replace('_', " ").to_uppercase())
    }

    fn style(&self, row: &Value) -> Style {
        let state = row[self.key].as_str().unwrap_or_default();
        match self.is {
            Is::Plain | Is::Long | Is::Right => Style::Plain,
            Is::Count(_) if row[self.key] == 0 => Style::Dim,
            Is::Count(group) => group.style(),
            Is::DeviceState => Group::of(state, !row["request_id"].is_null()).style(),
            Is::RequestState => style_of_request(state),
        }
    }
}

/// `rows` with these columns.
pub(in crate::cli) fn table(
    out: &mut dyn Write,
    terminal: Terminal,
    columns: &[Column<'_>],
    rows: &[Value],
) -> io::Result<()> {
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|c| value(&row[c.key])).collect()).collect();
    let head: Vec<String> = columns.iter().map(Column::heading).collect();
    let natural = |n: usize| {
        let cells = cells.iter().map(|row| text::width(&row[n]));
        cells.chain([text::width(&head[n])]).max().unwrap_or_default()
    };
    let mut widths: Vec<usize> = (0..columns.len()).map(natural).collect();
    if let Some(room) = terminal.width {
        fit(&mut widths, columns, room);
    }
    let right: Vec<bool> = columns.iter().map(|c| c.is == Is::Right || counts(rows, c.key)).collect();
    let line = |cells: &[String], paint: &dyn Fn(usize, &str) -> String| {
        let last = cells.len().saturating_sub(1);
        let mut line = String::new();
        for (n, cell) in cells.iter().enumerate() {
            let cell = text::cut(cell, widths[n]);
            let blanks = " ".repeat(widths[n] - text::width(&cell));
            let painted = paint(n, &cell);
            match (right[n], n == last) {
                (true, _) => line += &format!("{blanks}{painted}"),
                (false, true) => line += &painted,
                (false, false) => line += &format!("{painted}{blanks}"),
            }
            if n != last {
                line += GAP;
            }
        }
        line.trim_end().to_owned()
    };
    writeln!(out, "{}", line(&head, &|_, cell| terminal.paint(Style::Bold, cell)))?;
    for (row, cells) in rows.iter().zip(&cells) {
        writeln!(out, "{}", line(cells, &|n, cell| terminal.paint(columns[n].style(row), cell)))?;
    }
    Ok(())
}

/// All that there is in this column is numbers.
fn counts(rows: &[Value], key: &str) -> bool {
    let mut some = false;
    let all = rows.iter().all(|row| match &row[key] {
        Value::Number(_) => {
            some = true;
            true
        }
        Value::Null => true,
        _ => false,
    });
    all && some
}

/// Makes the widest columns narrower until all fit into `room`: first those of little weight, then the others.
fn fit(widths: &mut [usize], columns: &[Column<'_>], room: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    for long_only in [true, false] {
        loop {
            if widths.iter().sum::<usize>() + gaps <= room {
                return;
            }
            let may_give = |n: &usize| widths[*n] > NARROW && (!long_only || columns[*n].is == Is::Long);
            match (0..widths.len()).filter(may_give).max_by_key(|n| widths[*n]) {
                Some(widest) => widths[widest] -= 1,
                None => break,
            }
        }
    }
    // A terminal narrower than that gets the first columns.
    let mut left = room;
    for (n, width) in widths.iter_mut().enumerate() {
        let gap = if n == 0 { 0 } else { GAP.len() };
        *width = (*width).min(left.saturating_sub(gap));
        left = left.saturating_sub(*width + gap);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(width: Option<usize>, columns: &[Column<'_>], rows: &[Value]) -> String {
        let mut out = Vec::new();
        table(&mut out, Terminal { width, colours: false }, columns, rows).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_as_wide_as_it_must_be() {
        let rows =
            [json!({"name": "panda-0001", "tags": ["a", "b"]}), json!({"name": "é\u{1b}[2J", "tags": []})];
        let want = "NAME        TAGS\npanda-0001  a, b\né^[[2J\n";
        assert_eq!(shown(None, &[Column::new("name"), Column::new("tags")], &rows), want);
        assert_eq!(shown(None, &[Column::new("hardware_type")], &[]), "HARDWARE TYPE\n");
    }

    #[test]
    fn it_fits_the_terminal_and_cuts_the_long_before_the_short() {
        let columns = [Column::new("name"), Column::long("comments"), Column::new("n")];
        let rows = [
            json!({"name": "panda-0001", "comments": "the fan is loud 漢字漢字漢字", "n": 7}),
            json!({"name": "b", "comments": "", "n": 12}),
        ];
        assert_eq!(
            shown(Some(30), &columns, &rows),
            "NAME        COMMENTS         N\npanda-0001  the fan is lo…   7\nb                           12\n"
        );
        for width in 1..60 {
            for line in shown(Some(width), &columns, &rows).lines() {
                assert!(text::width(line) <= width, "{width}: {line}");
            }
        }
        assert!(shown(None, &columns, &rows).contains("漢字漢字漢字"));
    }

    #[test]
    fn states_have_the_colours_of_their_groups() {
        let mut out = Vec::new();
        let rows = [json!({"state": "ready", "request_id": null}), json!({"state": "failed_pinging"})];
        let terminal = Terminal { width: Some(40), colours: true };
        table(&mut out, terminal, &[Column::of("state", Is::DeviceState)], &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "\x1b[1mSTATE\x1b[0m\n\x1b[32mready\x1b[0m\n\x1b[31mfailed_pinging\x1b[0m\n");
    }
}

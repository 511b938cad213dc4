//! JSON for eyes: rows as a table, one row as lines of field and value.
//!
//! What a board or a person wrote is shown without what a terminal would obey.

pub(in crate::cli) mod group;
pub(in crate::cli) mod table;
pub(in crate::cli) mod terminal;
pub(in crate::cli) mod text;

pub(in crate::cli) use table::{Column, Is, table};
pub(in crate::cli) use terminal::{Style, Terminal};
pub(in crate::cli) use text::clean;

use serde_json::Value;
use std::io::{self, Write};

/// Between a field's name and its value.
const GAP: &str = "  ";

/// One row, a line per field; texts of several lines stand below their field.
pub(in crate::cli) fn fields(out: &mut dyn Write, row: &Value) -> io::Result<()> {
    let Some(map) = row.as_object() else { return writeln!(out, "{}", value(row)) };
    let width = map.keys().map(|key| text::width(key)).max().unwrap_or_default();
    for (key, field) in map {
        match field.as_str().filter(|t| t.trim_end().contains('\n')) {
            Some(lines) => {
                writeln!(out, "{key}:")?;
                for line in lines.lines() {
                    writeln!(out, "    {}", clean(line))?;
                }
            }
            None => writeln!(out, "{}", format!("{key:<width$}{GAP}{}", value(field)).trim_end())?,
        }
    }
    Ok(())
}

/// As JSON, for eyes, too.
pub(in crate::cli) fn json(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(value).unwrap_or_default())
}

/// As JSON in one line, for streams.
pub(in crate::cli) fn json_line(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{value}")?;
    out.flush()
}

/// A line of a log: when, who, what.
pub(in crate::cli) fn log_line(out: &mut dyn Write, terminal: Terminal, line: &Value) -> io::Result<()> {
    let part = |key: &str| clean(line[key].as_str().unwrap_or_default());
    let (when, source) = (part("timestamp"), part("source"));
    // To the second, with a blank in place of the T.
    let when = when.get(..19).unwrap_or(&when).replace('T', " ");
    let source =
        if source.is_empty() { source } else { format!("{} ", terminal.paint(Style::Good, &source)) };
    writeln!(out, "{} {source}{}", terminal.paint(Style::Dim, &when), part("message"))
}

/// A value in one line.
pub(in crate::cli) fn value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Array(items) => items.iter().map(self::value).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let items = map.iter().map(|(k, v)| format!("{}: {}", clean(k), self::value(v)));
            items.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_row_is_shown_by_field() {
        let row =
            json!({"name": "p", "active": true, "limits": {"ready": 3}, "contents": "a\nb\n", "x": null});
        let want = "name      p\nactive    true\nlimits    ready: 3\ncontents:\n    a\n    b\nx\n";
        let mut out = Vec::new();
        fields(&mut out, &row).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn a_log_line_says_when_who_and_what() {
        let mut out = Vec::new();
        let line =
            json!({"timestamp": "2026-11-22T15:45:55.494000", "source": "syslog", "message": "a\x1b[1m"});
        log_line(&mut out, Terminal::default(), &line).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "2026-11-22 15:45:55 syslog a^[[1m\n");
    }
}

//! JSON for eyes: rows as a table, one row as lines of field and value.
//!
//! What a board or a person wrote is shown without its control characters: a terminal would obey them.

use serde_json::Value;
use std::io::{self, Write};

/// Between two columns.
const GAP: &str = "  ";

/// `rows` as a table with these columns, each as wide as it must be.
pub(in crate::cli) fn table(out: &mut dyn Write, columns: &[&str], rows: &[Value]) -> io::Result<()> {
    let head: Vec<String> = columns.iter().map(|c| c.replace('_', " ").to_uppercase()).collect();
    let cells = |row: &Value| columns.iter().map(|c| text(&row[*c])).collect::<Vec<_>>();
    let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end())?;
    }
    Ok(())
}

/// One row, a line per field; texts of several lines stand below their field.
pub(in crate::cli) fn fields(out: &mut dyn Write, row: &Value) -> io::Result<()> {
    let Some(map) = row.as_object() else { return writeln!(out, "{}", text(row)) };
    let width = map.keys().map(String::len).max().unwrap_or_default();
    for (key, value) in map {
        match value.as_str().filter(|t| t.trim_end().contains('\n')) {
            Some(lines) => {
                writeln!(out, "{key}:")?;
                for line in lines.lines() {
                    writeln!(out, "    {}", clean(line))?;
                }
            }
            None => writeln!(out, "{}", format!("{key:<width$}{GAP}{}", text(value)).trim_end())?,
        }
    }
    Ok(())
}

/// As JSON.
pub(in crate::cli) fn json(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{}", serde_json::to_string_pretty(value).unwrap_or_default())
}

/// A value in one line.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => clean(text),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let items = map.iter().map(|(k, v)| format!("{}: {}", clean(k), text(v)));
            items.collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// In one line, without what a terminal would obey.
pub(in crate::cli) fn clean(text: &str) -> String {
    text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(show: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        show(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_as_wide_as_it_must_be() {
        let rows =
            [json!({"name": "panda-0001", "tags": ["a", "b"]}), json!({"name": "é\u{1b}[2J", "tags": []})];
        let want = "NAME        TAGS\npanda-0001  a, b\né [2J\n";
        assert_eq!(shown(|out| table(out, &["name", "tags"], &rows)), want);
        assert_eq!(shown(|out| table(out, &["hardware_type"], &[])), "HARDWARE TYPE\n");
    }

    #[test]
    fn a_row_is_shown_by_field() {
        let row =
            json!({"name": "p", "active": true, "limits": {"ready": 3}, "contents": "a\nb\n", "x": null});
        let want = "name      p\nactive    true\nlimits    ready: 3\ncontents:\n    a\n    b\nx\n";
        assert_eq!(shown(|out| fields(out, &row)), want);
    }
}

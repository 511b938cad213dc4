//! A lab file's text as it can be sent to a server: the files that its PXE configs name are put into it.
//!
//! Each stays on its line, so that what the server says about a line is true of the file.

use super::Format;
use super::error::{LabError, Place, Problem};
use super::parse::read_file;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// The text of the file at `path`, and how it is written; a name that tells nothing is TOML's.
///
/// # Errors
/// A file that cannot be read; what else is wrong with the text is left to its parser.
pub fn load_text(path: &Path, format: Option<Format>) -> Result<(String, Format), LabError> {
    let origin = path.display().to_string();
    let text = read_file(path, &origin)?;
    let format = format.or_else(|| Format::of_file(path)).unwrap_or(Format::Toml);
    if format != Format::Toml {
        return Ok((text, format));
    }
    let edits = match DeTable::parse(&text) {
        Ok(table) => edits(table.get_ref(), path, &origin, &text)?,
        Err(_) => Vec::new(),
    };
    let mut out = text;
    // From the end, so that what comes before keeps its place.
    for (range, with) in edits.into_iter().rev() {
        out.replace_range(range, &with);
    }
    Ok((out, format))
}

type Edit = (std::ops::Range<usize>, String);

fn edits(table: &DeTable<'_>, path: &Path, origin: &str, text: &str) -> Result<Vec<Edit>, LabError> {
    let rows = table.get("pxe_config").and_then(|rows| rows.get_ref().as_array());
    let mut edits: Vec<Edit> = Vec::new();
    for row in rows.into_iter().flatten().filter_map(|row| row.get_ref().as_table()) {
        for (key, value) in row {
            let (true, DeValue::String(file)) = (key.get_ref() == "file", value.get_ref()) else { continue };
            let path = path.parent().unwrap_or(Path::new("")).join(&**file);
            let contents = std::fs::read_to_string(&path).map_err(|e| LabError {
                at: Box::new(Place {
                    origin: origin.into(),
                    line: text[..value.span().start].matches('\n').count() + 1,
                    row: "pxe_config".into(),
                    field: "file",
                }),
                problem: Problem::Unreadable { path: path.display().to_string(), why: e.to_string() },
            })?;
            // JSON's escapes are TOML's, but for DEL.
            let quoted = serde_json::Value::from(contents).to_string().replace('\u{7f}', "\\u007f");
            edits.push((key.span().start..value.span().end, format!("contents = {quoted}")));
        }
    }
    edits.sort_by_key(|(range, _)| range.start);
    Ok(edits)
}

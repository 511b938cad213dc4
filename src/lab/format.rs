//! The three ways to write a lab down, and how each becomes a tree of values with their lines.
//!
//! TOML is for people, JSON for programs, CSV for spreadsheets: one device a row, nothing else.

use super::csv;
use super::error::{LabError, Place, Problem};
use super::tree::{Placed, Table, Value};
use super::{Kind, device_fields};
use serde_json::Value as Json;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// How a lab is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Tables of all kinds, with comments.
    Toml,
    /// The same as one object.
    Json,
    /// Devices only, with a line of column names.
    Csv,
}

impl Format {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Toml, Self::Json, Self::Csv];

    /// As it is named in queries and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    /// The `Content-Type` that such a text has.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Toml => "application/toml; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }

    /// By its name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }

    /// By a `Content-Type`, whatever parameters that has.
    pub fn of_content_type(text: &str) -> Option<Self> {
        let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match kind.as_str() {
            "application/toml" | "text/toml" | "text/x-toml" => Some(Self::Toml),
            "application/json" => Some(Self::Json),
            "text/csv" | "application/csv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// By how a file's name ends.
    pub fn of_file(path: &Path) -> Option<Self> {
        Self::parse(&path.extension()?.to_str()?.to_ascii_lowercase())
    }

    /// The text as a tree, or what keeps it from being one.
    pub(super) fn tree(self, text: &str, origin: &str) -> Result<Table, LabError> {
        match self {
            Self::Toml => toml_tree(text, origin),
            Self::Json => json_tree(text, origin),
            Self::Csv => csv_tree(text, origin),
        }
    }
}

fn syntax(origin: &str, line: usize, what: String) -> LabError {
    let at = Box::new(Place { origin: origin.into(), line, row: String::new(), field: "" });
    LabError { at, problem: Problem::Syntax(what) }
}

/// Offsets of the line feeds: every value asks for its line.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect())
    }

    /// The line of a byte offset, from 1.
    fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

fn toml_tree(text: &str, origin: &str) -> Result<Table, LabError> {
    let lines = Lines::of(text);
    let table = DeTable::parse(text).map_err(|e| {
        let line = e.span().map_or(0, |s| lines.at(s.start));
        syntax(origin, line, e.message().trim().replace('\n', ", "))
    })?;
    Ok(toml_table(table.get_ref(), &lines))
}

fn toml_table(table: &DeTable<'_>, lines: &Lines) -> Table {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), toml_value(value, lines))).collect()
}

fn toml_value(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Placed {
    let odd = Value::Odd("a number that is too large");
    let inner = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).map_or(odd, Value::Int),
        DeValue::Float(x) => x.as_str().parse().map_or(odd, Value::Float),
        DeValue::Boolean(b) => Value::Flag(*b),
        DeValue::Datetime(_) => Value::Odd("a date or a time"),
        DeValue::Array(items) => Value::List(items.iter().map(|i| toml_value(i, lines)).collect()),
        DeValue::Table(table) => Value::Table(toml_table(table, lines)),
    };
    Placed { line: lines.at(value.span().start), value: inner }
}

fn json_tree(text: &str, origin: &str) -> Result<Table, LabError> {
    let value: Json = serde_json::from_str(text).map_err(|e| syntax(origin, e.line(), e.to_string()))?;
    match json_value(value).value {
        Value::Table(table) => Ok(table),
        other => Err(syntax(origin, 0, format!("a lab is a JSON object of lists, not {}", other.kind()))),
    }
}

/// JSON's values do not say where they stand: messages about them name row and field.
pub(super) fn json_value(value: Json) -> Placed {
    let value = match value {
        Json::Null => Value::Nothing,
        Json::Bool(b) => Value::Flag(b),
        Json::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(n), ..) => Value::Int(n),
            (None, Some(n), _) => Value::Large(n),
            (None, None, Some(x)) => Value::Float(x),
            (None, None, None) => Value::Odd("a number that is too large"),
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(json_value).collect()),
        Json::Object(map) => Value::Table(map.into_iter().map(|(k, v)| (k, json_value(v))).collect()),
    };
    Placed { line: 0, value }
}

/// Columns whose empty cell says nothing, because the field cannot be taken away from a device.
const KEPT_WHEN_EMPTY: [&str; 4] = ["name", "fqdn", "imaging_server", "state"];

fn csv_tree(text: &str, origin: &str) -> Result<Table, LabError> {
    // Spreadsheets put a byte order mark first.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = csv::read(text).map_err(|bad| syntax(origin, bad.line, bad.to_string()))?.into_iter();
    let Some(head) = records.next() else {
        let what = format!("there is no line of column names; the columns are {}", device_fields());
        return Err(syntax(origin, 1, what));
    };
    let columns: Vec<String> = head.cells.iter().map(|c| c.trim().to_ascii_lowercase()).collect();
    for (i, column) in columns.iter().enumerate() {
        if !Kind::Device.fields().contains(&column.as_str()) {
            let what = format!("unknown column `{column}`; the columns are {}", device_fields());
            return Err(syntax(origin, head.line, what));
        }
        if columns[..i].contains(column) {
            return Err(syntax(origin, head.line, format!("the column `{column}` is there twice")));
        }
    }
    let mut devices = Vec::new();
    for csv::Record { line, cells } in records {
        if cells.len() != columns.len() {
            let what = format!("{} cells under {} column names", cells.len(), columns.len());
            return Err(syntax(origin, line, what));
        }
        let fields = columns.iter().zip(cells).filter_map(|(column, cell)| {
            let value = csv_value(column, cell)?;
            Some((column.clone(), Placed { line, value }))
        });
        devices.push(Placed { line, value: Value::Table(fields.collect()) });
    }
    Ok(vec![("device".into(), Placed { line: 1, value: Value::List(devices) })])
}

/// A cell as what its column holds; `None` leaves the field out.
fn csv_value(column: &str, cell: String) -> Option<Value> {
    if cell.is_empty() {
        return (!KEPT_WHEN_EMPTY.contains(&column)).then_some(Value::Nothing);
    }
    let text = |t: &str| Placed { line: 0, value: Value::Text(t.to_owned()) };
    Some(match column {
        "inventory_id" => match cell.trim().parse() {
            Ok(n) => Value::Int(n),
            Err(_) => Value::Text(cell),
        },
        // Tags with a semicolon in them are written as JSON.
        "tags" => match serde_json::from_str::<Vec<String>>(&cell) {
            Ok(tags) => Value::List(tags.iter().map(|t| text(t)).collect()),
            Err(_) => {
                let tags = cell.split(';').map(str::trim).filter(|t| !t.is_empty());
                Value::List(tags.map(text).collect())
            }
        },
        _ => Value::Text(cell),
    })
}

//! What a lab file says before anybody asks what it means: tables, lists and values, each with its line.
//!
//! TOML, JSON and CSV all become this, so that what may be wrong with a row is checked and said once.

use serde_json::{Map, Value as Json};

/// A value and the line it stands on, from 1; 0 where the format does not tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placed {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// Keys and values in their order.
pub(super) type Table = Vec<(String, Placed)>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// JSON's `null`, an empty cell: take away what is there.
    Nothing,
    Text(String),
    Int(i64),
    /// What only JSON has, and no field but in a boot config.
    Large(u64),
    Float(f64),
    Flag(bool),
    /// A date, a time, a number beyond all bounds: nothing in a lab is one.
    Odd(&'static str),
    List(Vec<Placed>),
    Table(Table),
}

impl Value {
    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Text(_) => "a string",
            Self::Int(_) | Self::Large(_) | Self::Float(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Odd(kind) => kind,
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// As JSON; `key` is the error for a value that JSON does not have.
    pub(super) fn to_json(&self, key: &str) -> Result<Json, String> {
        Ok(match self {
            Self::Nothing => Json::Null,
            Self::Text(text) => Json::from(text.as_str()),
            Self::Int(n) => Json::from(*n),
            Self::Large(n) => Json::from(*n),
            Self::Float(x) => serde_json::Number::from_f64(*x).map(Json::Number).ok_or(key)?,
            Self::Flag(b) => Json::from(*b),
            Self::Odd(_) => return Err(key.to_owned()),
            Self::List(items) => {
                Json::Array(items.iter().map(|i| i.value.to_json(key)).collect::<Result<_, _>>()?)
            }
            Self::Table(table) => Json::Object(table_to_json(table)?),
        })
    }
}

/// A table as JSON; the error is the key whose value JSON does not have.
pub(super) fn table_to_json(table: &Table) -> Result<Map<String, Json>, String> {
    table.iter().map(|(key, placed)| Ok((key.clone(), placed.value.to_json(key)?))).collect()
}

//! Reading a row cell by cell, and the small JSON texts that lie in cells.
//!
//! A cell that does not hold what it should is `StoreError::Corrupt` and names table, key and column, so that a person
//! finds it. Names that this program does not know *inside* a JSON object (a counter, a state) are left out: another
//! version wrote them, and what they say has no meaning here.

use super::conn::{Row, Value};
use super::{Result, StoreError};
use crate::logic::catalog::TimeLimits;
use crate::logic::lifeguard::State;
use crate::logic::machine::Counters;
use crate::logic::mozpool::OneOf;
use crate::logic::time::Timestamp;
use serde_json::{Map, Value as Json};
use std::vec::IntoIter;

/// The cells of one row, read from the left in the order of the `SELECT`.
pub(super) struct Cells {
    table: &'static str,
    key: String,
    cells: IntoIter<Value>,
}

impl Cells {
    /// A row of `table`; its first cell is its key and stays to be read.
    pub(super) fn new(table: &'static str, Row(cells): Row) -> Self {
        let key = match cells.first() {
            Some(Value::Int(n)) => n.to_string(),
            Some(Value::Text(t)) => t.clone(),
            _ => "?".into(),
        };
        Self { table, key, cells: cells.into_iter() }
    }

    /// The error for a cell that holds `found`.
    pub(super) fn corrupt(&self, column: &str, found: &str) -> StoreError {
        let found: String = found.chars().take(80).collect();
        StoreError::Corrupt {
            what: format!("table {}, row {}, column {column}: {found}", self.table, self.key),
        }
    }

    fn wrong(&self, column: &str, wanted: &str, found: &Value) -> StoreError {
        let found = match found {
            Value::Null => "nothing".to_owned(),
            Value::Int(n) => n.to_string(),
            Value::Text(t) => format!("`{t}`"),
            Value::Odd(kind) => (*kind).to_owned(),
        };
        self.corrupt(column, &format!("expected {wanted}, found {found}"))
    }

    fn next(&mut self) -> Value {
        self.cells.next().unwrap_or(Value::Null)
    }

    /// An integer or nothing.
    pub(super) fn opt_int(&mut self, column: &str) -> Result<Option<i64>> {
        match self.next() {
            Value::Null => Ok(None),
            Value::Int(n) => Ok(Some(n)),
            other => Err(self.wrong(column, "a number", &other)),
        }
    }

    /// An integer.
    pub(super) fn int(&mut self, column: &str) -> Result<i64> {
        self.opt_int(column)?.ok_or_else(|| self.wrong(column, "a number", &Value::Null))
    }

    /// Text or nothing.
    pub(super) fn opt_text(&mut self, column: &str) -> Result<Option<String>> {
        match self.next() {
            Value::Null => Ok(None),
            Value::Text(t) => Ok(Some(t)),
            other => Err(self.wrong(column, "text", &other)),
        }
    }

    /// Text.
    pub(super) fn text(&mut self, column: &str) -> Result<String> {
        self.opt_text(column)?.ok_or_else(|| self.wrong(column, "text", &Value::Null))
    }

    /// A boolean.
    pub(super) fn flag(&mut self, column: &str) -> Result<bool> {
        match self.int(column)? {
            0 => Ok(false),
            1 => Ok(true),
            n => Err(self.wrong(column, "0 or 1", &Value::Int(n))),
        }
    }

    /// A point in time or nothing.
    pub(super) fn opt_time(&mut self, column: &str) -> Result<Option<Timestamp>> {
        Ok(self.opt_int(column)?.map(Timestamp))
    }

    /// A point in time.
    pub(super) fn time(&mut self, column: &str) -> Result<Timestamp> {
        Ok(Timestamp(self.int(column)?))
    }

    /// A small number.
    pub(super) fn small<N: TryFrom<i64>>(&mut self, column: &str) -> Result<N> {
        let n = self.int(column)?;
        N::try_from(n).map_err(|_| self.wrong(column, "a smaller number", &Value::Int(n)))
    }

    /// Text that means something by itself.
    pub(super) fn parsed<T: std::str::FromStr>(&mut self, column: &str, wanted: &str) -> Result<T> {
        let text = self.text(column)?;
        text.parse().map_err(|_| self.wrong(column, wanted, &Value::Text(text.clone())))
    }

    fn json<T>(&mut self, column: &str, wanted: &str, read: impl FnOnce(Json) -> Option<T>) -> Result<T> {
        let text = self.text(column)?;
        serde_json::from_str(&text)
            .ok()
            .and_then(read)
            .ok_or_else(|| self.wrong(column, wanted, &Value::Text(text)))
    }

    /// A JSON list of texts.
    pub(super) fn texts(&mut self, column: &str) -> Result<Vec<String>> {
        self.json(column, "a JSON list of texts", |j| serde_json::from_value(j).ok())
    }

    /// A JSON list of texts of which any will do, or nothing.
    pub(super) fn one_of(&mut self, column: &str) -> Result<Option<OneOf>> {
        let Some(text) = self.opt_text(column)? else { return Ok(None) };
        let values: Option<Vec<String>> = serde_json::from_str(&text).ok();
        match values.and_then(OneOf::new) {
            Some(one_of) => Ok(Some(one_of)),
            None => Err(self.wrong(column, "a JSON list of one or more texts", &Value::Text(text))),
        }
    }

    /// A JSON list whose members are texts, or lists of texts of which any will do.
    pub(super) fn all_of(&mut self, column: &str) -> Result<Vec<OneOf>> {
        let member = |j: Json| match j {
            Json::String(text) => Some(OneOf::from(text)),
            other => OneOf::new(serde_json::from_value::<Vec<String>>(other).ok()?),
        };
        self.json(column, "a JSON list of texts or lists of texts", |j| {
            serde_json::from_value::<Vec<Json>>(j).ok()?.into_iter().map(member).collect()
        })
    }

    /// A JSON list of points in time.
    pub(super) fn times(&mut self, column: &str) -> Result<Vec<Timestamp>> {
        self.json(column, "a JSON list of milliseconds", |j| {
            Some(serde_json::from_value::<Vec<i64>>(j).ok()?.into_iter().map(Timestamp).collect())
        })
    }

    /// A JSON object of counts.
    pub(super) fn counters<K: Ord + Copy>(
        &mut self,
        column: &str,
        parse: impl Fn(&str) -> Option<K>,
    ) -> Result<Counters<K>> {
        self.json(column, "a JSON object of counts", |j| named_numbers::<K, u16, _>(j, parse))
    }

    /// A JSON object of time limits in seconds by state.
    pub(super) fn limits(&mut self, column: &str) -> Result<TimeLimits> {
        self.json(column, "a JSON object of seconds by state", |j| named_numbers(j, State::parse))
    }
}

/// `{"name": number}` by known names; `None` when it is no such object.
fn named_numbers<K, N: TryFrom<u64>, C: FromIterator<(K, N)>>(
    json: Json,
    parse: impl Fn(&str) -> Option<K>,
) -> Option<C> {
    let Json::Object(map) = json else { return None };
    let number = |v: &Json| N::try_from(v.as_u64()?).ok();
    let pairs: Option<Vec<_>> = map.iter().map(|(name, n)| Some((parse(name), number(n)?))).collect();
    Some(pairs?.into_iter().filter_map(|(name, n)| Some((name?, n))).collect())
}

/// Counts as JSON text.
pub(super) fn counters_text<K: Ord + Copy>(
    counters: &Counters<K>,
    name: impl Fn(K) -> &'static str,
) -> String {
    object(counters.iter().map(|(k, n)| (name(k), u64::from(n))))
}

/// Time limits as JSON text.
pub(super) fn limits_text(limits: &TimeLimits) -> String {
    object(limits.iter().map(|(state, s)| (state.name(), u64::from(*s))))
}

/// Points in time as JSON text.
pub(super) fn times_text(times: &[Timestamp]) -> String {
    Json::from(times.iter().map(|t| t.0).collect::<Vec<_>>()).to_string()
}

/// Texts as JSON text.
pub(super) fn texts_text(texts: &[String]) -> String {
    Json::from(texts.to_vec()).to_string()
}

/// A wish as JSON text.
pub(super) fn one_of_text(wish: Option<&OneOf>) -> Option<String> {
    wish.map(|w| texts_text(w.values()))
}

/// Wishes that must all come true, as JSON text: a text where one value will do, a list where several will.
pub(super) fn all_of_text(wishes: &[OneOf]) -> String {
    let member = |wish: &OneOf| match wish.values() {
        [only] => Json::from(only.as_str()),
        several => Json::from(several.to_vec()),
    };
    Json::Array(wishes.iter().map(member).collect()).to_string()
}

fn object<'n>(pairs: impl Iterator<Item = (&'n str, u64)>) -> String {
    Json::Object(pairs.map(|(k, n)| (k.to_owned(), Json::from(n))).collect::<Map<_, _>>()).to_string()
}

/// Keeps the rows that can be read and reports the others, for lists: one bad row must not hide the rest.
pub(super) fn readable<T>(rows: Vec<Row>, mut read: impl FnMut(Row) -> Result<T>) -> Vec<T> {
    rows.into_iter()
        .filter_map(|row| read(row).map_err(|e| log::error!("left out of a list: {e}")).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(values: Vec<Value>) -> Cells {
        Cells::new("devices", Row(values))
    }

    #[test]
    fn a_bad_cell_is_named_by_table_key_and_column() {
        for text in ["", "{", "[]", r#"{"pxe_booting": -1}"#, r#"{"pxe_booting": 70000}"#, "null"] {
            let mut c = cells(vec![Value::from("panda-1"), Value::from(text)]);
            assert_eq!(c.text("name").unwrap(), "panda-1");
            let error = c.limits("limits").err().or_else(|| {
                let mut c = cells(vec![Value::from("panda-1"), Value::from(text)]);
                c.text("name").unwrap();
                c.counters("limits", crate::logic::lifeguard::Counter::parse).err()
            });
            let error = error.unwrap_or_else(|| panic!("`{text}` was accepted")).to_string();
            assert!(error.contains("table devices, row panda-1, column limits"), "{error}");
        }
    }

    #[test]
    fn names_of_another_version_are_left_out() {
        let mut c = cells(vec![Value::from(r#"{"pxe_booting": 7, "warp_drive": 1}"#)]);
        assert_eq!(c.limits("limits").unwrap(), TimeLimits::from([(State::PxeBooting, 7)]));
    }

    #[test]
    fn a_missing_cell_and_one_of_another_kind_are_not_read_as_something() {
        for value in [Value::Null, Value::from("1"), Value::Odd("bytes")] {
            assert!(matches!(cells(vec![value]).int("id"), Err(StoreError::Corrupt { .. })));
        }
        assert!(cells(vec![]).text("name").is_err());
        assert!(cells(vec![Value::Int(2)]).flag("hidden").is_err());
        assert!(cells(vec![Value::Int(256)]).small::<u8>("progress").is_err());
    }
}

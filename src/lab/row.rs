//! One row of a lab file, whose fields are taken out with their types, or an error that names file, line, row and field.

use super::Kind;
use super::error::{LabError, Place, Problem};
use super::tree::{Placed, Table, Value, table_to_json};
use crate::logic::catalog::TimeLimits;
use crate::logic::lifeguard::State;
use serde_json::Value as Json;

pub(super) type Result<T> = std::result::Result<T, LabError>;

/// Where the API has the list of a kind, it cannot have the row of that name.
pub(super) const LIST: &str = "list";

/// A text and its line.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub(super) line: usize,
    pub(super) text: String,
}

/// The row that is being read.
pub(super) struct Row<'o> {
    origin: &'o str,
    /// ``device `panda-0001` ``
    label: String,
    pub(super) line: usize,
    fields: Table,
}

impl<'o> Row<'o> {
    /// The `n`th row (from 1) of its kind. Unknown fields are refused: a misspelt `relay_inf` would otherwise leave a board
    /// without power control and nobody the wiser.
    pub(super) fn new(kind: Kind, n: usize, placed: Placed, origin: &'o str) -> Result<Self> {
        let line = placed.line;
        let mut row = Self { origin, label: format!("{} {n}", kind.name()), line, fields: Vec::new() };
        match placed.value {
            Value::Table(fields) => row.fields = fields,
            other => return Err(row.bad(line, "", Problem::type_of("a table", &other))),
        }
        let text = |row: &Self, field: &str| match row.fields.iter().find(|(f, _)| f == field) {
            Some((_, Placed { value: Value::Text(text), .. })) => text.chars().take(80).collect(),
            _ => String::new(),
        };
        let name = match kind {
            Kind::HardwareType => super::hardware_label(&text(&row, "type"), &text(&row, "model")),
            _ => text(&row, "name"),
        };
        if !name.is_empty() {
            row.label = format!("{} `{name}`", kind.name());
        }
        if let Some((field, placed)) = row.fields.iter().find(|(f, _)| !kind.fields().contains(&f.as_str())) {
            let problem =
                Problem::UnknownField { field: field.chars().take(80).collect(), known: kind.fields() };
            return Err(row.bad(placed.line, "", problem));
        }
        Ok(row)
    }

    /// The error for `field`, whose value stands on `line`.
    pub(super) fn bad(&self, line: usize, field: &'static str, problem: Problem) -> LabError {
        let at = Box::new(Place { origin: self.origin.into(), line, row: self.label.clone(), field });
        LabError { at, problem }
    }

    pub(super) fn take(&mut self, field: &str) -> Option<Placed> {
        let at = self.fields.iter().position(|(f, _)| f == field)?;
        Some(self.fields.swap_remove(at).1)
    }

    fn wrong<T>(&self, field: &'static str, wanted: &'static str, placed: &Placed) -> Result<T> {
        Err(self.bad(placed.line, field, Problem::type_of(wanted, &placed.value)))
    }

    /// A text; "nothing" is the empty one.
    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<Text>> {
        let Some(placed) = self.take(field) else { return Ok(None) };
        match placed.value {
            Value::Text(text) => Ok(Some(Text { line: placed.line, text })),
            Value::Nothing => Ok(Some(Text { line: placed.line, text: String::new() })),
            _ => self.wrong(field, "a string", &placed),
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, field: &'static str) -> Result<Text> {
        let line = self.line;
        self.text(field)?.ok_or_else(|| self.bad(line, "", Problem::Missing(field)))
    }

    /// A text that is free to be anything.
    pub(super) fn plain(&mut self, field: &'static str) -> Result<Option<String>> {
        Ok(self.text(field)?.map(|t| t.text))
    }

    /// A text that may be left out but not be empty.
    pub(super) fn filled(&mut self, field: &'static str) -> Result<Option<Text>> {
        match self.text(field)? {
            Some(t) if t.text.trim().is_empty() => Err(self.bad(t.line, field, Problem::Empty)),
            other => Ok(other),
        }
    }

    /// A text that a parser makes something of; the empty one is nothing.
    pub(super) fn parsed<T, E>(
        &mut self,
        field: &'static str,
        problem: impl FnOnce(E) -> Problem,
    ) -> Result<Option<Option<T>>>
    where
        T: std::str::FromStr<Err = E>,
    {
        match self.text(field)? {
            None => Ok(None),
            Some(t) if t.text.is_empty() => Ok(Some(None)),
            Some(t) => match t.text.parse() {
                Ok(value) => Ok(Some(Some(value))),
                Err(e) => Err(self.bad(t.line, field, problem(e))),
            },
        }
    }

    /// Fails for a text that could not stand in a URL or a host name.
    pub(super) fn check_name(&self, field: &'static str, name: &Text, longest: usize) -> Result<()> {
        let text = &name.text;
        let fits = !text.is_empty() && text.len() <= longest && !text.starts_with('.');
        if !fits || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
            let text = text.chars().take(80).collect();
            return Err(self.bad(name.line, field, Problem::Name { text, longest }));
        }
        Ok(())
    }

    /// The row's own name.
    pub(super) fn name(&mut self, longest: usize) -> Result<Text> {
        let name = self.needed("name")?;
        self.check_name("name", &name, longest)?;
        match name.text.as_str() {
            LIST => Err(self.bad(name.line, "name", Problem::Reserved(LIST.into()))),
            _ => Ok(name),
        }
    }

    pub(super) fn not_any(&self, field: &'static str, text: &Text) -> Result<()> {
        match text.text.as_str() {
            "any" => Err(self.bad(text.line, field, Problem::Reserved("any".into()))),
            _ => Ok(()),
        }
    }

    /// A boolean.
    pub(super) fn flag(&mut self, field: &'static str) -> Result<Option<bool>> {
        let Some(placed) = self.take(field) else { return Ok(None) };
        match placed.value {
            Value::Flag(b) => Ok(Some(b)),
            _ => self.wrong(field, "true or false", &placed),
        }
    }

    /// A whole number; nothing is `default`.
    pub(super) fn int<N: TryFrom<i64>>(
        &mut self,
        field: &'static str,
        wanted: &'static str,
        default: N,
    ) -> Result<Option<N>> {
        let Some(placed) = self.take(field) else { return Ok(None) };
        match &placed.value {
            Value::Nothing => Ok(Some(default)),
            Value::Int(n) => match N::try_from(*n) {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(self.bad(placed.line, field, Problem::Range { number: *n, wanted })),
            },
            _ => self.wrong(field, wanted, &placed),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, field: &'static str) -> Result<Option<Vec<String>>> {
        const WANTED: &str = "a list of strings";
        let Some(placed) = self.take(field) else { return Ok(None) };
        let items = match placed.value {
            Value::List(items) => items,
            Value::Nothing => Vec::new(),
            _ => return self.wrong(field, WANTED, &placed),
        };
        let one = |item: Placed| match item.value {
            Value::Text(text) => Ok(text),
            _ => self.wrong(field, WANTED, &item),
        };
        items.into_iter().map(one).collect::<Result<_>>().map(Some)
    }

    /// A table and its line; nothing is an empty one.
    pub(super) fn table(&mut self, field: &'static str) -> Result<Option<(usize, Table)>> {
        let Some(placed) = self.take(field) else { return Ok(None) };
        match placed.value {
            Value::Table(table) => Ok(Some((placed.line, table))),
            Value::Nothing => Ok(Some((placed.line, Table::new()))),
            _ => self.wrong(field, "a table", &placed),
        }
    }

    /// Time limits in seconds by state.
    pub(super) fn limits(&mut self) -> Result<Option<TimeLimits>> {
        const FIELD: &str = "limits";
        let Some((line, table)) = self.table(FIELD)? else { return Ok(None) };
        let one = |(name, placed): (String, Placed)| {
            let Value::Int(n) = placed.value else {
                return self.wrong(FIELD, "a number of seconds", &placed);
            };
            let Some(state) = State::parse(&name) else {
                return Err(self.bad(line, FIELD, Problem::State(name)));
            };
            match u32::try_from(n) {
                Ok(0) => Err(self.bad(line, FIELD, Problem::NoTime(name))),
                Ok(seconds) => Ok((state, seconds)),
                Err(_) => {
                    let wanted = "a number of seconds";
                    Err(self.bad(line, FIELD, Problem::Range { number: n, wanted }))
                }
            }
        };
        table.into_iter().map(one).collect::<Result<_>>().map(Some)
    }

    /// JSON's object as text, from a table or from such a text; empty for an empty one.
    pub(super) fn json_object(&mut self, field: &'static str) -> Result<Option<String>> {
        let Some(placed) = self.take(field) else { return Ok(None) };
        let map = match &placed.value {
            Value::Nothing => return Ok(Some(String::new())),
            Value::Text(text) if text.is_empty() => return Ok(Some(String::new())),
            Value::Text(text) => match serde_json::from_str(text) {
                Ok(Json::Object(map)) => map,
                _ => return Err(self.bad(placed.line, field, Problem::NoObject)),
            },
            Value::Table(table) => {
                table_to_json(table).map_err(|key| self.bad(placed.line, field, Problem::NotJson(key)))?
            }
            _ => return self.wrong(field, "a table", &placed),
        };
        Ok(Some(if map.is_empty() { String::new() } else { Json::Object(map).to_string() }))
    }
}

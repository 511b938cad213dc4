//! JSON shapes as tables, and the JSON Schema (2020-12, the dialect of OpenAPI 3.1) that says the same.
//!
//! The shapes of this API stand in `api::shapes`; here is only what a shape can be. Nothing is generated from the types that
//! serde writes: the tests hold the two together, for a promise to clients should be readable where it is made.

use crate::api::Settings;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// An object with a name of its own. Answers may get keys that are not here yet; in bodies nobody looks at others.
#[derive(Debug)]
pub struct Shape {
    /// As it stands in the document.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its keys begin with those of these.
    pub bases: &'static [&'static Shape],
    /// Its keys.
    pub fields: &'static [Field],
    /// JSON text of one; empty for none.
    pub example: &'static str,
}

/// A key of an object.
#[derive(Debug)]
pub struct Field {
    /// Key.
    pub name: &'static str,
    /// Of what its value is.
    pub kind: Kind,
    /// What it means.
    pub doc: &'static str,
    /// It is always there.
    pub needed: bool,
}

/// A key that is always there.
pub const fn needed(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field { name, kind, doc, needed: true }
}

/// A key that may be missing.
pub const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field { name, kind, doc, needed: false }
}

/// Of what a value is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Whatever; nobody looks at it.
    Anything,
    /// `null`.
    Null,
    /// Text.
    Text,
    /// A name in a path: something.
    Segment,
    /// Text of one line: no control characters, a thousand characters at most.
    Line,
    /// The same, with something to be seen in it.
    Name,
    /// The name of a token.
    TokenName,
    /// The name of an environment: a line that is neither empty nor `any`.
    Environment,
    /// One of these words.
    Words(fn() -> Vec<&'static str>),
    /// Some of these words, with commas between them.
    WordList(fn() -> Vec<&'static str>),
    /// A word; these are known today, and there may be others.
    OpenWords(fn() -> Vec<&'static str>),
    /// A whole number from the one to the other.
    Whole(i64, Option<i64>),
    /// Yes or no.
    Bool,
    /// A time with its zone (RFC 3339), in UTC.
    Time,
    /// A time in UTC as the original wrote it: ISO 8601 with microseconds and without a zone.
    OldTime,
    /// A place in a log: where lines of the machine and lines from the network are, with a `-` between.
    Place,
    /// A number, whose fraction is cut off, or a text of digits; from the one to the other.
    Seconds(u32, Option<u32>),
    /// The same, for as long as a request may last here.
    Duration,
    /// The text of a JSON object.
    JsonText,
    /// An object whose keys nobody here knows.
    Object,
    /// A list.
    List(&'static Kind),
    /// A list of at least one and at most so many.
    Few(&'static Kind, usize),
    /// A list of at most so many.
    UpTo(&'static Kind, usize),
    /// This object.
    Of(&'static Shape),
    /// This object, and no other keys.
    Only(&'static Shape),
    /// This, or `null`.
    OrNull(&'static Kind),
    /// One of these.
    Either(&'static [Kind]),
}

/// Characters of a [`Kind::Line`].
pub const LINE_MAX: usize = 1000;

/// Schemas of the shapes that a document has used, by name.
pub type Used = BTreeMap<&'static str, Value>;

/// Makes schemas for one server.
pub struct Schemas<'a> {
    settings: &'a Settings,
    /// All that were referred to.
    pub used: Used,
}

impl<'a> Schemas<'a> {
    /// For a server with these settings.
    pub fn new(settings: &'a Settings) -> Self {
        Self { settings, used: Used::new() }
    }

    /// The schema of a value.
    pub fn of(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Anything => json!({}),
            Kind::Null => json!({ "type": "null" }),
            Kind::Text => json!({ "type": "string" }),
            Kind::Segment => json!({ "type": "string", "minLength": 1 }),
            Kind::Line => line(0, LINE),
            Kind::Name => line(1, NAME),
            Kind::TokenName => json!({
                "type": "string", "pattern": TOKEN_NAME, "not": { "const": "list" },
            }),
            Kind::Environment => {
                let mut schema = line(1, LINE);
                schema["not"] = json!({ "const": "any" });
                schema
            }
            Kind::Words(words) => json!({ "type": "string", "enum": words() }),
            Kind::WordList(words) => {
                let one = format!("({})", words().join("|"));
                json!({ "type": "string", "pattern": format!("^{one}(,{one})*$") })
            }
            Kind::OpenWords(words) => json!({ "type": "string", "examples": words() }),
            Kind::Whole(i64::MIN, _) => json!({ "type": "integer" }),
            Kind::Whole(min, None) => json!({ "type": "integer", "minimum": min }),
            Kind::Whole(min, Some(max)) => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Time => json!({ "type": "string", "format": "date-time" }),
            Kind::Place => json!({ "type": "string", "pattern": PLACE }),
            Kind::OldTime => {
                json!({ "type": "string", "pattern": OLD_TIME })
            }
            Kind::Seconds(min, max) => seconds(*min, *max),
            Kind::Duration => seconds(1, Some(self.settings.duration_max_s)),
            Kind::JsonText => json!({ "type": "string", "contentMediaType": "application/json" }),
            Kind::Object => json!({ "type": "object" }),
            Kind::List(item) => json!({ "type": "array", "items": self.of(item) }),
            Kind::Few(item, max) => {
                json!({ "type": "array", "items": self.of(item), "minItems": 1, "maxItems": max })
            }
            Kind::UpTo(item, max) => json!({ "type": "array", "items": self.of(item), "maxItems": max }),
            Kind::Of(shape) => self.reference(shape, false),
            Kind::Only(shape) => self.reference(shape, true),
            Kind::OrNull(kind) => or_null(self.of(kind)),
            Kind::Either(kinds) => {
                let any: Vec<Value> = kinds.iter().map(|k| self.of(k)).collect();
                json!({ "anyOf": any })
            }
        }
    }

    fn reference(&mut self, shape: &'static Shape, closed: bool) -> Value {
        if !self.used.contains_key(shape.name) {
            // First the place, so that a shape which holds itself comes to an end.
            self.used.insert(shape.name, Value::Null);
            let mut schema = self.object(shape);
            if closed {
                schema["additionalProperties"] = false.into();
            }
            self.used.insert(shape.name, schema);
        }
        json!({ "$ref": format!("#/components/schemas/{}", shape.name) })
    }

    fn object(&mut self, shape: &'static Shape) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        for field in all_fields(shape) {
            let mut schema = self.of(&field.kind);
            if !field.doc.is_empty() {
                schema["description"] = field.doc.into();
            }
            properties.insert(field.name.to_owned(), schema);
            if field.needed {
                required.push(field.name);
            }
        }
        let mut schema = json!({ "type": "object", "description": shape.doc, "properties": properties });
        if !required.is_empty() {
            schema["required"] = required.into();
        }
        if let Ok(example) = serde_json::from_str::<Value>(shape.example) {
            schema["examples"] = json!([example]);
        }
        schema
    }
}

fn all_fields(shape: &'static Shape) -> Vec<&'static Field> {
    shape.bases.iter().flat_map(|base| all_fields(base)).chain(shape.fields).collect()
}

/// What [`crate::store::Place`] reads and writes.
pub const PLACE: &str = "^[0-9]{1,18}-[0-9]{1,18}$";

/// What `access::is_name` takes, and the one name that it does not.
pub const TOKEN_NAME: &str = "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,79}$";

/// No control characters: Unicode's category Cc.
pub const LINE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";
/// The same, and not white space alone.
pub const NAME: &str =
    r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$";
/// `2026-11-22T11:49:06.581000`
pub const OLD_TIME: &str = r"^-?[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}$";

fn line(min: usize, pattern: &str) -> Value {
    json!({ "type": "string", "minLength": min, "maxLength": LINE_MAX, "pattern": pattern })
}

/// A number is cut off before it is compared; a text has no sign. Of texts, those are promised that are within the bounds
/// for certain, which a pattern can say: fewer digits than the upper bound has.
fn seconds(min: u32, max: Option<u32>) -> Value {
    let mut number = json!({ "type": "number", "minimum": min });
    if let Some(max) = max {
        number["exclusiveMaximum"] = json!(u64::from(max) + 1);
    }
    let digits = max.map(|max| max.to_string().len().saturating_sub(1).max(1));
    let pattern = match (min, digits) {
        (0, None) => "^[0-9]+$".to_owned(),
        (0, Some(digits)) => format!("^0*[0-9]{{1,{digits}}}$"),
        (_, None) => "^0*[1-9][0-9]*$".to_owned(),
        (_, Some(digits)) => format!("^0*[1-9][0-9]{{0,{}}}$", digits - 1),
    };
    json!({ "anyOf": [number, { "type": "string", "pattern": pattern }] })
}

/// A kind without bounds takes `null` among its types; another one gets it beside it.
fn or_null(mut schema: Value) -> Value {
    match schema.get("type").cloned() {
        Some(Value::String(one)) if schema.get("enum").is_none() => {
            schema["type"] = json!([one, "null"]);
            schema
        }
        _ => json!({ "anyOf": [schema, { "type": "null" }] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_seconds_have_fewer_digits_than_the_bound() {
        let pattern =
            |min, max| seconds(min, max)["anyOf"][1]["pattern"].as_str().unwrap_or_default().to_owned();
        assert_eq!(pattern(1, Some(604_800)), "^0*[1-9][0-9]{0,4}$");
        assert_eq!(pattern(0, Some(100)), "^0*[0-9]{1,2}$");
        assert_eq!(pattern(0, None), "^[0-9]+$");
    }
}

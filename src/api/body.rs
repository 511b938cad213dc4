//! A request's body as an object whose keys are taken out with their type, or an error that names key and type.
//!
//! The shapes are in `types`; here is only how a value is read. The content type is not looked at: the original's web page
//! posts JSON as a form, and scripts on boards say nothing at all.

use super::reply::{ApiError, Result};
use serde_json::{Map, Value};

/// A body that is a JSON object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Body(pub Map<String, Value>);

impl Body {
    /// Reads a body; nothing at all and `null` are an object without keys.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(Value::Null) => Ok(Self::default()),
            Ok(other) => Err(ApiError::NotAnObject { found: kind(&other) }),
            Err(why) => Err(ApiError::BadJson { why: why.to_string() }),
        }
    }

    /// The value of `key`; `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    /// A text that may be missing.
    pub fn optional_text(&self, key: &str) -> Result<Option<&str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(wrong(key, "a string", other)),
        }
    }

    /// A text that must be there.
    pub fn text(&self, key: &str, meaning: &'static str) -> Result<&str> {
        match self.0.get(key) {
            None => Err(missing(key, meaning)),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(wrong(key, "a string", other)),
        }
    }

    /// Seconds that may be missing: a number, whose fraction is cut off, or a text of digits.
    pub fn optional_seconds(&self, key: &str) -> Result<Option<i64>> {
        const WANTED: &str = "a number of seconds";
        let Some(value) = self.get(key) else { return Ok(None) };
        match value {
            Value::Number(n) => match n.as_i64() {
                Some(n) => Ok(Some(n)),
                None => Ok(Some(whole(n.as_f64().unwrap_or(f64::MAX)))),
            },
            Value::String(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                Ok(Some(text.parse().unwrap_or(i64::MAX)))
            }
            other => Err(wrong(key, WANTED, other)),
        }
    }

    /// Seconds that must be there.
    pub fn seconds(&self, key: &str, meaning: &'static str) -> Result<i64> {
        self.optional_seconds(key)?.ok_or_else(|| missing(key, meaning))
    }

    /// A list of texts that may be missing.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        const WANTED: &str = "a list of strings";
        let Some(value) = self.get(key) else { return Ok(Vec::new()) };
        let Value::Array(items) = value else { return Err(wrong(key, WANTED, value)) };
        items.iter().map(|i| i.as_str().map(str::to_owned).ok_or_else(|| wrong(key, WANTED, value))).collect()
    }
}

/// The error for a key that is not there.
pub fn missing(key: &str, meaning: &'static str) -> ApiError {
    ApiError::MissingKey { key: key.to_owned(), meaning }
}

/// The error for a key of the wrong type.
pub fn wrong(key: &str, wanted: &'static str, found: &Value) -> ApiError {
    ApiError::WrongType { key: key.to_owned(), wanted, found: kind(found) }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Cuts the fraction off; what an `i64` cannot hold becomes its nearest end.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, which is what is wanted")]
fn whole(n: f64) -> i64 {
    n.trunc() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> Body {
        Body::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn nothing_is_an_object_without_keys() {
        for text in ["", " \r\n", "{}", "null"] {
            assert_eq!(body(text), Body::default(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_object_is_told_so() {
        for (bytes, want) in [
            (&b"[]"[..], "the body is a list; it should be a JSON object, such as {}"),
            (b"3", "the body is a number; it should be a JSON object, such as {}"),
            (b"{\"a\":", "the body is not JSON: EOF while parsing a value at line 1 column 5"),
            (b"a=1&b=2", "the body is not JSON: expected value at line 1 column 1"),
            (b"\"\xff\"", "the body is not JSON: invalid unicode code point at line 1 column 2"),
        ] {
            let error = Body::parse(bytes).unwrap_err();
            assert_eq!((error.status(), error.to_string().as_str()), (400, want));
        }
    }

    #[test]
    fn a_deep_body_is_refused_not_followed() {
        assert_eq!(Body::parse("[".repeat(100_000).as_bytes()).unwrap_err().status(), 400);
    }

    #[test]
    fn seconds_are_a_number_or_digits() {
        for (text, want) in [
            ("3600", 3600),
            ("\"3600\"", 3600),
            ("3600.9", 3600),
            ("0.9", 0),
            ("-5", -5),
            ("-0.5", 0),
            ("1e300", i64::MAX),
            ("18446744073709551615", i64::MAX),
            ("\"99999999999999999999\"", i64::MAX),
        ] {
            assert_eq!(body(&format!("{{\"d\":{text}}}")).seconds("d", "").unwrap(), want, "{text}");
        }
        for text in ["\"\"", "\"1.5\"", "\"-1\"", "\" 1\"", "true", "[]", "{}"] {
            assert_eq!(
                body(&format!("{{\"d\":{text}}}")).seconds("d", "").unwrap_err().code(),
                "wrong_type",
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_key_says_what_it_is_for() {
        assert_eq!(
            body("{}").text("image", "the name of the image").unwrap_err().to_string(),
            "the body lacks the key `image`: the name of the image"
        );
        assert_eq!(
            body(r#"{"image":7}"#).text("image", "").unwrap_err().to_string(),
            "the key `image` is a number; it should be a string"
        );
    }
}

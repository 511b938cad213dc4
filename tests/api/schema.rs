//! A validator for the part of JSON Schema 2020-12 that the API's document uses. A keyword that it does not know fails the test,
//! so that nothing is promised that is not looked at.
//!
//! Stricter than the standard in one thing: an answer must not have keys that its schema does not name. Clients are told that
//! keys may be added; we want to hear of it.

use serde_json::Value;

/// What is wrong with `value`, with the place; nothing if it is right.
pub(crate) fn faults(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    Check { document, found: &mut found }.value(schema, value, "$");
    found
}

struct Check<'a> {
    document: &'a Value,
    found: &'a mut Vec<String>,
}

impl Check<'_> {
    fn wrong(&mut self, at: &str, what: &str, value: &Value) {
        self.found.push(format!("{at}: {what}: {value}"));
    }

    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        let schema = schema.as_object().expect("a schema is an object");
        for (keyword, limit) in schema {
            match keyword.as_str() {
                // Keys that are not named are refused anyhow.
                "additionalProperties" if *limit == false => {}
                "description" | "examples" | "contentMediaType" | "items" | "required" => {}
                "$ref" => {
                    let pointer =
                        limit.as_str().and_then(|r| r.strip_prefix('#')).expect("a reference in here");
                    let target = self.document.pointer(pointer).unwrap_or_else(|| panic!("{limit}"));
                    self.value(target, value, at);
                }
                "type" => {
                    let types: Vec<&str> = match limit {
                        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
                        one => one.as_str().into_iter().collect(),
                    };
                    if !types.iter().any(|t| is(t, value)) {
                        self.wrong(at, &format!("no {}", types.join(" and no ")), value);
                    }
                }
                "properties" => self.object(schema, limit, value, at),
                "enum" if !limit.as_array().expect("words").contains(value) => {
                    self.wrong(at, &format!("none of {limit}"), value);
                }
                "const" if limit != value => self.wrong(at, &format!("not {limit}"), value),
                "anyOf" => {
                    let all = limit.as_array().expect("a list").iter();
                    let faults: Vec<_> = all.map(|s| faults(self.document, s, value)).collect();
                    if faults.iter().all(|f| !f.is_empty()) {
                        self.wrong(at, &format!("fits none: {faults:?}"), value);
                    }
                }
                "not" if faults(self.document, limit, value).is_empty() => self.wrong(at, "forbidden", value),
                "enum" | "const" | "not" => {}
                "minimum" => self.number(value, at, |n| n >= number(limit)),
                "maximum" => self.number(value, at, |n| n <= number(limit)),
                "exclusiveMinimum" => self.number(value, at, |n| n > number(limit)),
                "exclusiveMaximum" => self.number(value, at, |n| n < number(limit)),
                "minItems" => {
                    let many = value.as_array().map_or(f64::MAX, |list| list.len() as f64);
                    if many < number(limit) {
                        self.wrong(at, "too few", value);
                    }
                }
                "maxItems" => {
                    let many = value.as_array().map_or(0.0, |list| list.len() as f64);
                    if many > number(limit) {
                        self.wrong(at, "too many", value);
                    }
                }
                "minLength" => self.text(value, at, |t| t.chars().count() as f64 >= number(limit)),
                "maxLength" => self.text(value, at, |t| t.chars().count() as f64 <= number(limit)),
                "pattern" => self.text(value, at, |t| matches(limit.as_str().expect("a pattern"), t)),
                "format" => {
                    assert_eq!(limit, "date-time");
                    self.text(value, at, |t| t.len() >= 20 && t.ends_with('Z') && t.as_bytes()[10] == b'T');
                }
                other => panic!("{at}: the validator does not know `{other}`"),
            }
        }
        if let (Some(items), Value::Array(list)) = (schema.get("items"), value) {
            for (i, item) in list.iter().enumerate() {
                self.value(items, item, &format!("{at}[{i}]"));
            }
        }
    }

    fn object(
        &mut self,
        schema: &serde_json::Map<String, Value>,
        properties: &Value,
        value: &Value,
        at: &str,
    ) {
        let Value::Object(object) = value else { return };
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(key) {
                self.wrong(at, &format!("lacks {key}"), value);
            }
        }
        for (key, value) in object {
            match properties.get(key) {
                Some(schema) => self.value(schema, value, &format!("{at}.{key}")),
                None => self.wrong(at, &format!("{key} is not documented"), value),
            }
        }
    }

    fn number(&mut self, value: &Value, at: &str, fits: impl Fn(f64) -> bool) {
        if value.as_f64().is_some_and(|n| !fits(n)) {
            self.wrong(at, "outside of its bounds", value);
        }
    }

    fn text(&mut self, value: &Value, at: &str, fits: impl Fn(&str) -> bool) {
        if value.as_str().is_some_and(|t| !fits(t)) {
            self.wrong(at, "not as it should be written", value);
        }
    }
}

fn number(limit: &Value) -> f64 {
    limit.as_f64().expect("a bound is a number")
}

fn is(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("there is no type {other}"),
    }
}

/// The few patterns that there are, by hand: a regular expression engine for five lines is none.
fn matches(pattern: &str, text: &str) -> bool {
    use mozpool::api::openapi::shape::{LINE, NAME, OLD_TIME, PLACE, TOKEN_NAME};
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match pattern {
        LINE => !text.chars().any(char::is_control),
        NAME => !text.chars().any(char::is_control) && !text.trim().is_empty(),
        TOKEN_NAME => mozpool::access::is_name(text) || text == "list",
        PLACE => text.parse::<mozpool::store::Place>().is_ok(),
        OLD_TIME => {
            text.len() == 26
                && text.bytes().zip("0000-00-00T00:00:00.000000".bytes()).all(|(have, want)| match want {
                    b'0' => have.is_ascii_digit(),
                    other => have == other,
                })
        }
        list if list.starts_with("^(") && list.ends_with(")*$") => {
            let words = list.split(['(', ')']).nth(1).unwrap_or_default();
            text.split(',').all(|t| words.split('|').any(|w| w == t))
        }
        seconds if seconds.starts_with("^0*") || seconds == "^[0-9]+$" => digits,
        other => panic!("the validator does not know the pattern {other}"),
    }
}

#[test]
fn what_is_wrong_is_found() {
    let document = serde_json::json!({ "s": { "type": "string", "pattern": LINE } });
    use mozpool::api::openapi::shape::LINE;
    for (schema, value, wrong) in [
        (r##"{"$ref":"#/s"}"##, r#""a""#, false),
        (r##"{"$ref":"#/s"}"##, r#""a\n""#, true),
        (r#"{"type":["integer","null"]}"#, "null", false),
        (r#"{"type":["integer","null"]}"#, "1.5", true),
        (r#"{"type":"object","properties":{"a":{}},"required":["a"]}"#, r#"{"a":1}"#, false),
        (r#"{"type":"object","properties":{"a":{}},"required":["a"]}"#, "{}", true),
        (r#"{"type":"object","properties":{"a":{}}}"#, r#"{"b":1}"#, true),
        (r#"{"type":"array","items":{"type":"boolean"}}"#, "[true,1]", true),
        (r#"{"anyOf":[{"type":"null"},{"enum":["x"]}]}"#, r#""x""#, false),
        (r#"{"anyOf":[{"type":"null"},{"enum":["x"]}]}"#, r#""y""#, true),
        (r#"{"not":{"const":"any"}}"#, r#""any""#, true),
        (r#"{"minimum":1,"exclusiveMaximum":3}"#, "3", true),
        (r#"{"format":"date-time"}"#, r#""2026-11-22T11:49:06.581000""#, true),
        (r#"{"minLength":1}"#, r#""""#, true),
        (r#"{"minItems":1,"maxItems":2}"#, "[1,2]", false),
        (r#"{"minItems":1,"maxItems":2}"#, "[]", true),
        (r#"{"minItems":1,"maxItems":2}"#, "[1,2,3]", true),
    ] {
        let parse = |text: &str| serde_json::from_str(text).unwrap();
        let faults = faults(&document, &parse(schema), &parse(value));
        assert_eq!(!faults.is_empty(), wrong, "{schema} {value}: {faults:?}");
    }
}

//! Fields as they are typed: `FIELD=VALUE` into a row's JSON, and rows by the values that were asked for.

use crate::cli::remote::RemoteError;
use serde_json::{Map, Value};

/// A field and its value.
pub(in crate::cli) fn pair(text: &str) -> Result<(&str, &str), RemoteError> {
    text.split_once('=').filter(|(field, _)| !field.is_empty()).ok_or_else(|| RemoteError::Usage {
        why: format!("`{text}` is no field with a value; write FIELD=VALUE, such as comments='by the door'"),
    })
}

/// The body that says what was typed.
pub(in crate::cli) fn row(fields: &[String]) -> Result<Value, RemoteError> {
    let mut row = Map::new();
    for field in fields {
        let (field, text) = pair(field)?;
        row.insert(field.to_owned(), value(field, text)?);
    }
    Ok(row.into())
}

/// Keeps the rows that have the values that were asked for. `kind` is what a row is called in a sentence.
pub(in crate::cli) fn retain(
    rows: &mut Vec<Value>,
    filters: &[String],
    kind: &str,
) -> Result<(), RemoteError> {
    for filter in filters {
        let (field, wanted) = pair(filter)?;
        if rows.first().is_some_and(|row| row.get(field).is_none()) {
            let fields = rows[0].as_object().map(|m| m.keys().cloned().collect::<Vec<_>>().join(", "));
            let why = format!("a {kind} has no field {field}; it has {}", fields.unwrap_or_default());
            return Err(RemoteError::Usage { why });
        }
        rows.retain(|row| match &row[field] {
            Value::String(text) => text == wanted,
            Value::Array(items) => items.iter().any(|i| i.as_str() == Some(wanted)),
            Value::Null => wanted.is_empty(),
            // A number, a boolean, as it is typed.
            other => value_text(other) == wanted,
        });
    }
    Ok(())
}

fn value_text(value: &Value) -> String {
    value.to_string()
}

/// A state is the machine's own: in a lab file it counts for new devices, and who edits one would wait for it in vain.
pub(super) fn no_state(fields: &[String]) -> Result<(), RemoteError> {
    if fields.iter().any(|field| field.split_once('=').is_some_and(|(name, _)| name == "state")) {
        let why = "a device's state is not edited; ask for what you want with `mozpool device please`, \
                   or set it against the machine's will with `mozpool device force`";
        return Err(RemoteError::Usage { why: why.into() });
    }
    Ok(())
}

/// What was typed for a field as that field's JSON.
fn value(field: &str, text: &str) -> Result<Value, RemoteError> {
    let file;
    let text = match text.strip_prefix('@') {
        Some(path) => {
            let read = std::fs::read_to_string(path);
            file = read.map_err(|source| RemoteError::File { path: path.into(), source })?;
            &file
        }
        None => text,
    };
    let wrong = |wanted: &str| RemoteError::Usage { why: format!("{field} is `{text}`; write {wanted}") };
    if text.is_empty() {
        return Ok(Value::Null);
    }
    Ok(match field {
        "tags" | "boot_config_keys" => text.split(',').map(str::trim).filter(|t| !t.is_empty()).collect(),
        "active" | "can_reuse" | "hidden" => match text {
            "true" | "yes" | "1" => true.into(),
            "false" | "no" | "0" => false.into(),
            _ => return Err(wrong("true or false")),
        },
        "ping_steady_s" | "inventory_id" => text.parse::<i64>().map_err(|_| wrong("a whole number"))?.into(),
        "limits" | "pxe" | "boot_config_defaults" => {
            serde_json::from_str(text).map_err(|_| wrong("a JSON object, such as '{\"KEY\": \"VALUE\"}'"))?
        }
        _ => text.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_read_as_their_fields_want_them() {
        for (field, text, want) in [
            ("comments", "true", json!("true")),
            ("comments", "", json!(null)),
            ("tags", "a, b", json!(["a", "b"])),
            ("hidden", "yes", json!(true)),
            ("inventory_id", "7", json!(7)),
            ("pxe", r#"{"panda ES": "image"}"#, json!({"panda ES": "image"})),
        ] {
            assert_eq!(value(field, text).unwrap(), want, "{field}={text}");
        }
        for (field, text) in
            [("hidden", "maybe"), ("inventory_id", "x"), ("limits", "x"), ("contents", "@/no/such")]
        {
            assert!(value(field, text).is_err(), "{field}={text}");
        }
        assert!(no_state(&["comments=x".into(), "state=ready".into()]).is_err());
        assert!(no_state(&["comments=state=x".into()]).is_ok());
        assert!(pair("=x").is_err() && pair("x").is_err());
        assert_eq!(pair("a=b=c").unwrap(), ("a", "b=c"));
    }
}

//! `mozpool device`, `hardware`, `image`, `pxe`, `relay`: what there is, one row at a time, through the API of a running daemon.
//!
//! One table says what differs between the five; fields are named as in lab files.

use super::remote::show;
use super::remote::{Client, Remote, RemoteError, escape};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use ureq::http::Method;

/// What differs between the kinds of things.
#[derive(Debug)]
struct Thing {
    /// In sentences.
    kind: &'static str,
    /// In a lab file, and in exports.
    rows: &'static str,
    /// The path of one, without its name.
    path: &'static str,
    /// What a table shows.
    columns: &'static [&'static str],
    /// Its name has a second part, behind a slash.
    has_model: bool,
}

const DEVICE: Thing = Thing {
    kind: "device",
    rows: "device",
    path: "device",
    columns: &[
        "name",
        "state",
        "environment",
        "hardware_type",
        "hardware_model",
        "image",
        "request_id",
        "tags",
        "comments",
    ],
    has_model: false,
};
const HARDWARE: Thing = Thing {
    kind: "hardware type",
    rows: "hardware_type",
    path: "hardware_type",
    columns: &["type", "model", "ping_steady_s", "limits"],
    has_model: true,
};
const IMAGE: Thing = Thing {
    kind: "image",
    rows: "image",
    path: "image",
    columns: &["name", "check", "second_stage", "boot_config_keys", "can_reuse", "hidden", "pxe"],
    has_model: false,
};
const PXE: Thing = Thing {
    kind: "PXE config",
    rows: "pxe_config",
    path: "bmm/pxe_config",
    columns: &["name", "active", "description"],
    has_model: false,
};
const RELAY: Thing = Thing {
    kind: "relay board",
    rows: "relay_board",
    path: "relay",
    columns: &["name", "fqdn", "imaging_server"],
    has_model: false,
};

/// One kind of thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Device,
    Hardware,
    Image,
    Pxe,
    Relay,
}

impl Kind {
    fn thing(self) -> &'static Thing {
        match self {
            Self::Device => &DEVICE,
            Self::Hardware => &HARDWARE,
            Self::Image => &IMAGE,
            Self::Pxe => &PXE,
            Self::Relay => &RELAY,
        }
    }
}

/// What is to be done.
#[derive(Debug, clap::Args)]
#[command(after_help = FIELDS, after_long_help = FIELDS)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

pub(super) const FIELDS: &str = "\
Fields are named as in a lab file (`mozpool lab export` shows them): comments='by the door' tags=wifi,camera.
FIELD= takes a value away, FIELD=@FILE takes it from a file, tables are JSON: limits='{\"pxe_booting\": 300}'.
A hardware type's name is TYPE/MODEL, or TYPE alone where it has no model. Names are not changed.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no such thing, 4 the server does not answer or is busy.";

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Show all of them, or those whose fields are as given
    List {
        /// Only rows with these values
        #[arg(value_name = "FIELD=VALUE")]
        filters: Vec<String>,
    },
    /// Show all about one
    Show {
        /// Which
        name: String,
    },
    /// Make a new one
    Add {
        /// Its name
        name: String,
        /// What it is; the rest as built in
        #[arg(value_name = "FIELD=VALUE")]
        fields: Vec<String>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Change fields of one; it counts at once
    Edit {
        /// Which
        name: String,
        /// What changes; the rest stays
        #[arg(value_name = "FIELD=VALUE", required = true)]
        fields: Vec<String>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Delete one, if nothing uses it
    Delete {
        /// Which
        name: String,
        /// Also when it is at work, or when closed requests still name it; never when a request holds it
        #[arg(long)]
        force: bool,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
}

impl Args {
    pub(super) fn run(&self, kind: Kind, config: Option<&Path>) -> Result<(), RemoteError> {
        run(kind, &self.remote, &self.command, config)
    }
}

pub(super) fn run(
    kind: Kind,
    remote: &Remote,
    command: &Command,
    config: Option<&Path>,
) -> Result<(), RemoteError> {
    let call = Call { thing: kind.thing(), client: remote.client(config)?, json: remote.json };
    match command {
        Command::List { filters } => call.list(filters),
        Command::Show { name } => call.show(name),
        Command::Add { name, fields, dry_run } => call.put(name, fields, *dry_run, "no"),
        Command::Edit { name, fields, dry_run } => {
            no_state(kind, fields)?;
            call.put(name, fields, *dry_run, "yes")
        }
        Command::Delete { name, force, dry_run } => call.delete(name, *force, *dry_run),
    }
}

/// A state is the machine's own: in a lab file it counts for new devices, and who edits one would wait for it in vain.
fn no_state(kind: Kind, fields: &[String]) -> Result<(), RemoteError> {
    let is_state = |field: &String| field.split_once('=').is_some_and(|(name, _)| name == "state");
    if kind == Kind::Device && fields.iter().any(is_state) {
        let why = "a device's state is not edited; send it an event, such as please_offline or please_online \
                   (POST /api/device/NAME/event/EVENT/)";
        return Err(RemoteError::Usage { why: why.into() });
    }
    Ok(())
}

struct Call {
    thing: &'static Thing,
    client: Client,
    json: bool,
}

impl Call {
    fn rows(&self) -> Result<Vec<Value>, RemoteError> {
        let (path, key) = match self.thing.rows {
            // Only this list has what the machines say.
            "device" => ("device/list?details=1".to_owned(), "devices"),
            rows => (format!("lab/export?format=json&kind={rows}"), rows),
        };
        let mut answer = self.client.call(&Method::GET, &path)?;
        match answer[key].take() {
            Value::Array(rows) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    fn list(&self, filters: &[String]) -> Result<(), RemoteError> {
        let filters = filters.iter().map(|f| pair(f)).collect::<Result<Vec<_>, _>>()?;
        let mut rows = self.rows()?;
        for (field, wanted) in &filters {
            if rows.first().is_some_and(|row| row.get(field).is_none()) {
                let fields = rows[0].as_object().map(|m| m.keys().cloned().collect::<Vec<_>>().join(", "));
                let why = format!(
                    "a {} has no field {field}; it has {}",
                    self.thing.kind,
                    fields.unwrap_or_default()
                );
                return Err(RemoteError::Usage { why });
            }
            rows.retain(|row| match &row[*field] {
                Value::String(text) => text == wanted,
                Value::Array(items) => items.iter().any(|i| i.as_str() == Some(*wanted)),
                Value::Null => wanted.is_empty(),
                other => text_of(other) == **wanted,
            });
        }
        let mut out = std::io::stdout().lock();
        match self.json {
            true => show::json(&mut out, &rows.into()),
            false => show::table(&mut out, self.thing.columns, &rows),
        }
        .map_err(RemoteError::Output)
    }

    fn show(&self, name: &str) -> Result<(), RemoteError> {
        let row = self.client.call(&Method::GET, &self.path(name))?;
        let mut out = std::io::stdout().lock();
        if self.json { show::json(&mut out, &row) } else { show::fields(&mut out, &row) }
            .map_err(RemoteError::Output)
    }

    /// Type and model, or the name and nothing.
    fn key<'n>(&self, name: &'n str) -> (&'n str, &'n str) {
        if self.thing.has_model { name.split_once('/').unwrap_or((name, "")) } else { (name, "") }
    }

    fn path(&self, name: &str) -> String {
        let (first, model) = self.key(name);
        let model = if model.is_empty() { String::new() } else { format!("/{}", escape(model)) };
        format!("{}/{}{model}", self.thing.path, escape(first))
    }

    fn put(&self, name: &str, fields: &[String], dry_run: bool, exists: &str) -> Result<(), RemoteError> {
        let mut row = Map::new();
        for field in fields {
            let (field, text) = pair(field)?;
            row.insert(field.to_owned(), value(field, text)?);
        }
        let body = Value::from(row).to_string();
        let path = format!("{}?exists={exists}", self.path(name));
        let put = |path: &str| self.client.call_with(&Method::PUT, path, "application/json", &body);
        // First what would change, for that is what one wants to see.
        let would = put(&format!("{path}&dry_run=1"))?;
        if dry_run {
            return self.changes(&would);
        }
        let row = put(&path)?;
        if self.json {
            return show::json(&mut std::io::stdout().lock(), &row).map_err(RemoteError::Output);
        }
        self.changes(&json!({ "changes": would["changes"], "dry_run": false, "summary": would["summary"] }))
    }

    fn delete(&self, name: &str, force: bool, dry_run: bool) -> Result<(), RemoteError> {
        let path = format!("{}?force={}", self.path(name), u8::from(force));
        let would = self.client.call(&Method::DELETE, &format!("{path}&dry_run=1"))?;
        if !dry_run {
            self.client.call(&Method::DELETE, &path)?;
        }
        self.changes(&json!({ "changes": would["changes"], "dry_run": dry_run, "summary": would["summary"] }))
    }

    fn changes(&self, answer: &Value) -> Result<(), RemoteError> {
        let mut out = std::io::stdout().lock();
        if self.json { show::json(&mut out, answer) } else { changes(&mut out, answer) }
            .map_err(RemoteError::Output)
    }
}

/// What changed or would change, a line each, and how many.
pub(super) fn changes(out: &mut dyn Write, answer: &Value) -> std::io::Result<()> {
    let changes: Vec<&str> =
        answer["changes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for change in &changes {
        writeln!(out, "{}", show::clean(change))?;
    }
    if changes.len() > 1 {
        writeln!(out, "in all: {}", summary(&answer["summary"]))?;
    }
    super::db::summary(out, changes.len(), answer["dry_run"] == true)
}

/// A number, a boolean, as it is typed.
fn text_of(value: &Value) -> String {
    value.to_string()
}

/// `device 3 new, 1 changed; image 1 changed`
fn summary(counts: &Value) -> String {
    let kinds = counts.as_object().into_iter().flatten().map(|(kind, fates)| {
        let fates = fates.as_object().into_iter().flatten().map(|(fate, n)| format!("{n} {fate}"));
        format!("{} {}", kind.replace('_', " "), fates.collect::<Vec<_>>().join(", "))
    });
    kinds.collect::<Vec<_>>().join("; ")
}

fn pair(text: &str) -> Result<(&str, &str), RemoteError> {
    text.split_once('=').filter(|(field, _)| !field.is_empty()).ok_or_else(|| RemoteError::Usage {
        why: format!("`{text}` is no field with a value; write FIELD=VALUE, such as comments='by the door'"),
    })
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
        assert!(no_state(Kind::Device, &["comments=x".into(), "state=ready".into()]).is_err());
        assert!(no_state(Kind::Device, &["comments=state=x".into()]).is_ok());
        assert!(pair("=x").is_err() && pair("x").is_err());
        assert_eq!(pair("a=b=c").unwrap(), ("a", "b=c"));
    }
}

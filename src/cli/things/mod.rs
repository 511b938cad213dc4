//! `mozpool device`, `hardware`, `image`, `pxe`, `relay`: what there is, one row at a time, through the API of a running daemon.
//!
//! `kinds` says what differs between the five; fields are named as in lab files.

mod fields;
mod kinds;

pub(super) use fields::{pair, retain, row};
pub(super) use kinds::Kind;

use super::confirm::Confirm;
use super::remote::{Client, Done, Remote, RemoteError};
use super::show;
use kinds::Thing;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use ureq::http::Method;

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

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no such thing, 4 no server answers or it is busy, 5 not confirmed.";

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
    #[command(flatten)]
    Change(Change),
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Change {
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
    /// Delete one, if nothing uses it; asks first
    Delete {
        /// Which
        name: String,
        /// Also when it is at work, or when closed requests still name it; never when a request holds it
        #[arg(long)]
        force: bool,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        confirm: Confirm,
    },
}

impl Args {
    pub(super) fn run(&self, kind: Kind, config: Option<&Path>) -> Done {
        run(kind, &self.remote, &self.command, config)
    }
}

pub(super) fn run(kind: Kind, remote: &Remote, command: &Command, config: Option<&Path>) -> Done {
    let thing = kind.thing();
    match command {
        Command::List { filters } => {
            let mut rows = rows(thing, &remote.client(config)?)?;
            retain(&mut rows, filters, thing.kind)?;
            list(kind, remote, &rows)
        }
        Command::Show { name } => {
            let row = remote.client(config)?.get(&thing.path(name))?;
            remote.show(&row, |out, _| show::fields(out, &row))
        }
        Command::Change(change) => run_change(kind, remote, change, config),
    }
}

/// Rows as a table.
pub(super) fn list(kind: Kind, remote: &Remote, rows: &[Value]) -> Done {
    remote.show(&rows.into(), |out, terminal| show::table(out, terminal, kind.thing().columns, rows))
}

fn rows(thing: &Thing, client: &Client) -> Result<Vec<Value>, RemoteError> {
    let mut answer = client.get(&format!("lab/export?format=json&kind={}", thing.rows))?;
    match answer[thing.rows].take() {
        Value::Array(rows) => Ok(rows),
        _ => Ok(Vec::new()),
    }
}

pub(super) fn run_change(kind: Kind, remote: &Remote, change: &Change, config: Option<&Path>) -> Done {
    let call = Call { thing: kind.thing(), client: remote.client(config)?, remote };
    match change {
        Change::Add { name, fields, dry_run } => call.put(name, fields, *dry_run, "no"),
        Change::Edit { name, fields, dry_run } => {
            if kind == Kind::Device {
                fields::no_state(fields)?;
            }
            call.put(name, fields, *dry_run, "yes")
        }
        Change::Delete { name, force, dry_run, confirm } => call.delete(name, *force, *dry_run, *confirm),
    }
}

struct Call<'r> {
    thing: &'static Thing,
    client: Client,
    remote: &'r Remote,
}

impl Call<'_> {
    fn put(&self, name: &str, fields: &[String], dry_run: bool, exists: &str) -> Done {
        let body = fields::row(fields)?.to_string();
        let path = format!("{}?exists={exists}", self.thing.path(name));
        let put = |path: &str| self.client.call_with(&Method::PUT, path, "application/json", &body);
        // First what would change, for that is what one wants to see.
        let would = put(&format!("{path}&dry_run=1"))?;
        if dry_run {
            return self.changes(&would);
        }
        let row = put(&path)?;
        let done = json!({ "changes": would["changes"], "dry_run": false, "summary": would["summary"] });
        self.remote.show(&row, |out, _| changes(out, &done))
    }

    fn delete(&self, name: &str, force: bool, dry_run: bool, confirm: Confirm) -> Done {
        let path = format!("{}?force={}", self.thing.path(name), u8::from(force));
        let would = self.client.call(&Method::DELETE, &format!("{path}&dry_run=1"))?;
        if !dry_run {
            confirm.ask(&format!(
                "This deletes the {} `{}` for good.",
                self.thing.kind,
                show::clean(name)
            ))?;
            self.client.call(&Method::DELETE, &path)?;
        }
        self.changes(&json!({ "changes": would["changes"], "dry_run": dry_run, "summary": would["summary"] }))
    }

    fn changes(&self, answer: &Value) -> Done {
        self.remote.show(answer, |out, _| changes(out, answer))
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

/// `device 3 new, 1 changed; image 1 changed`
fn summary(counts: &Value) -> String {
    let kinds = counts.as_object().into_iter().flatten().map(|(kind, fates)| {
        let fates = fates.as_object().into_iter().flatten().map(|(fate, n)| format!("{n} {fate}"));
        format!("{} {}", kind.replace('_', " "), fates.collect::<Vec<_>>().join(", "))
    });
    kinds.collect::<Vec<_>>().join("; ")
}

//! `mozpool candidate`: boards that have turned to this pool and are no devices, and what becomes of them.

use super::remote::{Client, Done, Remote, escape};
use super::show::{self, Column, Is};
use super::things::{self, changes};
use super::when;
use crate::logic::time::Timestamp;
use serde_json::{Value, json};
use std::path::Path;
use ureq::http::Method;

/// Boards that asked this pool for a boot config, or whose agent registered, and that are no devices yet
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mozpool candidate list
  mozpool candidate accept 0a:0b:0c:0d:0e:09 name=panda-0010 relay_info=relay-1:bank1:relay3 environment=lab
  mozpool candidate ignore 0a:0b:0c:0d:0e:09

Fields are those of a device, as in a lab file; what is left out is as the list proposes, FIELD= leaves it open.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no such candidate, 4 no server answers or it is busy.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show them, the last heard first
    List {
        /// Ignored ones, too
        #[arg(long)]
        ignored: bool,
    },
    /// Make a device of one; it begins with a test of itself
    Accept {
        /// Its MAC address
        mac: String,
        /// What it is; the rest as proposed
        #[arg(value_name = "FIELD=VALUE")]
        fields: Vec<String>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Leave one out of the list from now on
    Ignore {
        /// Its MAC address
        mac: String,
        /// Show it again
        #[arg(long)]
        undo: bool,
    },
}

const COLUMNS: &[Column<'static>] = &[
    Column::new("mac"),
    Column::new("address"),
    Column::new("last"),
    Column::of("seen", Is::Right),
    Column::new("hardware"),
    Column::new("os"),
    Column::new("pool"),
    Column::titled("name", "would be"),
    Column::long("asked_for"),
];

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let client = args.remote.client(config)?;
    match &args.command {
        Command::List { ignored } => {
            let answer = client.get(&format!("candidate/list?ignored={}", u8::from(*ignored)))?;
            let now = when::now();
            let rows: Vec<Value> =
                answer["candidates"].as_array().into_iter().flatten().map(|one| row(one, now)).collect();
            args.remote.show(&answer, |out, terminal| match rows.is_empty() {
                true => writeln!(out, "no candidates: every board that turned to this pool is known"),
                false => show::table(out, terminal, COLUMNS, &rows),
            })
        }
        Command::Accept { mac, fields, dry_run } => {
            let body = things::row(fields)?.to_string();
            let path = format!("candidate/{}/accept", escape(mac));
            let post = |path: &str| client.call_with(&Method::POST, path, "application/json", &body);
            let would = post(&format!("{path}?dry_run=1"))?;
            if *dry_run {
                return args.remote.show(&would, |out, _| changes(out, &would));
            }
            let device = post(&path)?;
            let done = json!({ "changes": would["changes"], "dry_run": false, "summary": would["summary"] });
            args.remote.show(&device, |out, _| changes(out, &done))
        }
        Command::Ignore { mac, undo } => ignore(args, &client, mac, *undo),
    }
}

fn ignore(args: &Args, client: &Client, mac: &str, undo: bool) -> Done {
    let path = format!("candidate/{}/ignore?undo={}", escape(mac), u8::from(undo));
    let answer = client.call(&Method::POST, &path)?;
    let what = if undo { "is listed again" } else { "is ignored" };
    args.remote.show(&answer, |out, _| writeln!(out, "{}: {what}", show::clean(mac)))
}

/// A candidate as a row of the table.
fn row(one: &Value, now: Timestamp) -> Value {
    let last = when::told(one["last"].as_str().unwrap_or_default(), now);
    let agent = |key: &str| one["agent"][key].clone();
    json!({
        "mac": one["mac"], "address": one["address"], "last": last, "seen": one["seen"], "hardware": agent("hardware"),
        "os": agent("os"), "pool": agent("pool"), "name": one["proposal"]["name"], "asked_for": one["asked_for"],
    })
}

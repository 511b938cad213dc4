//! `mozpool audit`: who has changed what, from the store of this server.

use super::Failure;
use super::local::{self, LocalError};
use super::period::Period;
use super::show::{self, Column, Is, Terminal};
use super::when;
use crate::api::types::AuditEntry;
use crate::config::Config;
use crate::store::AuditSearch;
use serde_json::Value;
use std::io::{self, Write};
use std::process::ExitCode;

/// Who has changed what: the audit log of this server and its pool, the newest last
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    /// Only what was done within so long, such as 2h or 7d
    #[arg(long, value_name = "TIME")]
    since: Option<Period>,
    /// Only what this one has done: a token's name, or a user of the server
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Only what has this in its path, or is about a device with this in its name
    #[arg(long, value_name = "TEXT")]
    what: Option<String>,
    /// The last so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// As JSON, for programs
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  mozpool audit --since 1d                 the last day
  mozpool audit --who ci --limit 500       what one token did
  mozpool audit --what board-007           what happened to a board

It reads the store that the configuration names, as the daemon's user or as root, while the daemon runs or not. Over the network:
GET /api/audit, with a token of the role admin.";

const COLUMNS: &[Column<'static>] = &[
    Column::new("time"),
    Column::new("who"),
    Column::new("via"),
    Column::new("from"),
    Column::of("status", Is::Right),
    Column::new("method"),
    Column::long("path"),
];

pub(super) fn run(args: &Args, config: &Config) -> Result<ExitCode, Failure> {
    let mut store = local::open(config).map_err(Failure::Local)?;
    let since = args.since.map(|period| when::now().plus_ms(-1000 * i64::from(period.seconds())));
    let search = AuditSearch {
        before: None,
        since,
        who: args.who.clone().unwrap_or_default(),
        what: args.what.clone().unwrap_or_default(),
        limit: usize::try_from(args.limit).unwrap_or(usize::MAX),
    };
    let entries = store.audit(&search).map_err(LocalError::Store).map_err(Failure::Local)?;
    let rows: Vec<Value> = entries.into_iter().rev().map(row).collect();
    print(&rows, args.json).map_err(Failure::Output)?;
    Ok(ExitCode::SUCCESS)
}

fn row(entry: crate::store::AuditRow) -> Value {
    serde_json::to_value(AuditEntry::from(entry)).expect("our own types hold only string keys")
}

fn print(rows: &[Value], as_json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if as_json {
        for row in rows {
            show::json_line(&mut out, row)?;
        }
    } else if rows.is_empty() {
        writeln!(out, "nobody has changed anything that is looked for")?;
    } else {
        let shown: Vec<Value> = rows
            .iter()
            .map(|row| {
                let mut shown = row.clone();
                shown["time"] = when::plain(row["time"].as_str().unwrap_or_default()).into();
                shown
            })
            .collect();
        show::table(&mut out, Terminal::of_stdout(), COLUMNS, &shown)?;
    }
    out.flush()
}

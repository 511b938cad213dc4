//! `mozpool device list`: the boards, or those that are meant.

use crate::cli::remote::{Client, Done, Remote, RemoteError, escape};
use crate::cli::show::group::Group;
use crate::cli::things::{self, Kind};
use serde_json::Value;
use std::io::{self, Write};
use std::process::ExitCode;

/// Show all of them, or those that are as given
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only boards with these values
    #[arg(value_name = "FIELD=VALUE")]
    filters: Vec<String>,
    /// Only boards in one of these groups of states
    #[arg(long, value_name = "GROUP", value_delimiter = ',')]
    group: Vec<Group>,
    /// Only boards in this state
    #[arg(long)]
    state: Option<String>,
    /// Only boards with this text in name, address, MAC or comments
    #[arg(short = 'q', long = "search", value_name = "TEXT")]
    text: Option<String>,
    /// Only the names, a line each
    #[arg(long, conflicts_with = "json")]
    names: bool,
}

pub(super) fn run(args: &Args, remote: &Remote, client: &Client) -> Done {
    let mut path = "device/list?details=1".to_owned();
    for (key, value) in [("state", &args.state), ("q", &args.text)] {
        if let Some(value) = value {
            path += &format!("&{key}={}", escape(value));
        }
    }
    let mut rows = rows(client, &path)?;
    things::retain(&mut rows, &args.filters, "device")?;
    if !args.group.is_empty() {
        rows.retain(|row| args.group.contains(&group(row)));
    }
    if args.names {
        return names(&rows).map_err(RemoteError::Output);
    }
    things::list(Kind::Device, remote, &rows)
}

/// The boards that this call of the API gives.
pub(in crate::cli) fn rows(client: &Client, path: &str) -> Result<Vec<Value>, RemoteError> {
    match client.get(path)?["devices"].take() {
        Value::Array(rows) => Ok(rows),
        _ => Ok(Vec::new()),
    }
}

/// Of a device in a detailed list.
pub(in crate::cli) fn group(row: &Value) -> Group {
    Group::of(row["state"].as_str().unwrap_or_default(), !row["request_id"].is_null())
}

fn names(rows: &[Value]) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    for name in rows.iter().filter_map(|row| row["name"].as_str()) {
        writeln!(out, "{}", crate::cli::show::clean(name))?;
    }
    Ok(ExitCode::SUCCESS)
}

//! `mozpool server`: the imaging servers of the pool, as one of them sees the others.

use super::remote::{Done, Remote};
use super::show::{self, Column, Is};
use super::when;
use crate::logic::time::Timestamp;
use serde_json::{Value, json};
use std::path::Path;

/// The imaging servers of the pool: who lives, with what version, and who is not worked with
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
  mozpool server list
  mozpool server list --url http://imaging-2.lab    as that one sees the others

A server that is gone keeps its devices and gives none away; one that is refused lives, and says why it cannot be worked with.

Exit codes: 0 done, 4 no server answers or it is busy.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show them, by name
    List,
}

const COLUMNS: &[Column<'static>] = &[
    Column::new("name"),
    Column::new("state"),
    Column::of("devices", Is::Right),
    Column::new("version"),
    Column::of("schema", Is::Right),
    Column::titled("seen", "last heard"),
    Column::new("address"),
    Column::long("why"),
];

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let Command::List = args.command;
    let answer = args.remote.client(config)?.get("server/list")?;
    let now = when::now();
    let rows: Vec<Value> =
        answer["servers"].as_array().into_iter().flatten().map(|one| row(one, now)).collect();
    args.remote.show(&answer, |out, terminal| show::table(out, terminal, COLUMNS, &rows))
}

/// A server as a row of the table.
fn row(one: &Value, now: Timestamp) -> Value {
    let alive = one["alive"] == true;
    let state = match (alive, &one["fault"]) {
        (false, _) if one["started"].is_null() => "not started",
        (false, _) => "gone",
        (true, Value::Null) => "alive",
        (true, _) => "refused",
    };
    let seen = one["last_seen"].as_str().map(|at| when::told(at, now));
    json!({
        "name": one["name"], "state": state, "devices": one["devices"], "version": one["version"],
        "schema": one["schema_version"], "seen": seen, "address": one["url"], "why": one["fault"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_alive_gone_refused_or_was_never_there() {
        let state = |alive: bool, started: Value, fault: Value| {
            let one = json!({"name": "s", "alive": alive, "started": started, "fault": fault, "last_seen": started});
            row(&one, Timestamp(0))["state"].clone()
        };
        let at = || json!("2026-01-01T00:00:00Z");
        assert_eq!(state(true, at(), Value::Null), "alive");
        assert_eq!(state(true, Value::Null, Value::Null), "alive", "one without a pool answers");
        assert_eq!(state(true, at(), json!("another secret")), "refused");
        assert_eq!(state(false, at(), json!("it has left")), "gone");
        assert_eq!(state(false, Value::Null, Value::Null), "not started");
    }
}

//! `mozpool inventory`: brings the pool to what the inventory says, which the daemon reads, or shows how that stands.

use super::remote::{Done, Remote};
use super::show;
use super::things::changes;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use ureq::http::Method;

/// Bring devices and relay boards to what the configured inventory says
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
  mozpool inventory sync --dry-run --verbose    what would change, and which systems are skipped?
  mozpool inventory sync                        all of it, or with an error nothing
  mozpool inventory sync --ship-it              also when much changes at once
  mozpool inventory status                      when did it run, and how did it go?

Where the inventory is stands in the daemon's configuration, section [inventory].

Exit codes: 0 done, 1 refused, 2 wrong usage, 4 the server does not answer or is busy.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read the inventory now, and insert, change and delete devices as it says
    Sync {
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
        /// Also when more devices change than pass without a word: five, or a tenth of them
        #[arg(long)]
        ship_it: bool,
        /// Also show the systems that are skipped, and why
        #[arg(long, short)]
        verbose: bool,
    },
    /// Show what the inventory is, who reads it by itself, and how the last run went
    Status,
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let client = args.remote.client(config)?;
    match args.command {
        Command::Sync { dry_run, ship_it, verbose } => {
            let path = format!("inventory/sync?dry_run={}&ship_it={}", u8::from(dry_run), u8::from(ship_it));
            let answer = client.call(&Method::POST, &path)?;
            args.remote.show(&answer, |out, _| synced(out, &answer, verbose))
        }
        Command::Status => {
            let answer = client.get("inventory")?;
            args.remote.show(&answer, |out, _| status(out, &answer))
        }
    }
}

fn synced(out: &mut dyn Write, answer: &Value, verbose: bool) -> std::io::Result<()> {
    let list = |key: &str| answer[key].as_array().into_iter().flatten();
    if verbose {
        for skipped in list("skipped") {
            let text = |key: &str| show::value(&skipped[key]);
            writeln!(out, "skipped {}: {} ({})", text("name"), text("why"), text("place"))?;
        }
    }
    for left in list("left") {
        writeln!(out, "{}", show::value(left))?;
    }
    changes(out, answer)?;
    match &answer["brake"] {
        Value::Null => Ok(()),
        brake => writeln!(out, "mind: {}", show::value(brake)),
    }
}

fn status(out: &mut dyn Write, answer: &Value) -> std::io::Result<()> {
    let mut row = answer.clone();
    let last = row["last"].take();
    if let (Value::Object(row), Value::Object(last)) = (&mut row, last) {
        row.remove("last");
        row.extend(last.into_iter().map(|(key, value)| (format!("last {key}"), value)));
    }
    show::fields(out, &row)
}

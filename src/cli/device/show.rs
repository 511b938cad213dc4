//! `mozpool device show`: all about one board, what it waits for, and its last words.

use super::list;
use crate::cli::period::for_eyes;
use crate::cli::remote::{Client, Done, Remote, escape};
use crate::cli::show::{self, Terminal};
use crate::cli::when;
use serde_json::Value;
use std::io::{self, Write};

/// Show all about one: how it is, until when, what it is told to boot, and its last words
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which board
    device: String,
    /// How many lines of its log
    #[arg(short = 'n', long, value_name = "N", default_value_t = 8)]
    lines: u32,
}

pub(super) fn run(args: &Args, remote: &Remote, client: &Client) -> Done {
    let path = format!("device/{}", escape(&args.device));
    let mut device = client.get(&path)?;
    // 0 is no limit there, and no lines here.
    let log = match args.lines {
        0 => Value::Array(Vec::new()),
        n => client.get(&format!("{path}/log?limit={n}"))?["log"].take(),
    };
    device["log"] = log;
    remote.show(&device, |out, terminal| shown(out, terminal, &device))
}

fn shown(out: &mut dyn Write, terminal: Terminal, device: &Value) -> io::Result<()> {
    let mut rest = device.clone();
    let Some(rest) = rest.as_object_mut() else { return Ok(()) };
    let mut take = |key: &str| rest.shift_remove(key).unwrap_or_default();
    let now = when::now();
    let mut head = serde_json::Map::new();
    head.insert("name".into(), take("name"));
    let state = show::value(&take("state"));
    let since = when::told(&show::value(&take("state_since")), now);
    let since = if since.is_empty() { since } else { format!(", since {}", since.trim_end_matches(" ago")) };
    let progress = match take("progress") {
        Value::Null => String::new(),
        percent => format!(", {percent} % done"),
    };
    let group = list::group(device);
    head.insert("state".into(), format!("{state} ({}){progress}{since}", group.name()).into());
    let (deadline, limit) = (take("deadline"), take("limit_s"));
    if let Some(at) = deadline.as_str() {
        let limit = match limit.as_i64() {
            Some(s) => format!(" (its limit is {})", for_eyes(s)),
            None => String::new(),
        };
        // At rest nothing fails when the time is up: the board is looked at again.
        let what = if state == "ready" { "next check" } else { "time is up" };
        head.insert(what.into(), format!("{}{limit}", when::told(at, now)).into());
    }
    if let attempt @ Value::Object(_) = take("attempt") {
        let number = |key: &str| show::value(&attempt[key]);
        let text = format!(
            "{} of {} used up ({})",
            number("used"),
            number("allowed"),
            number("counter").replace('_', " ")
        );
        head.insert("attempts".into(), text.into());
    }
    let log = take("log");
    // Numbers for programs, and the MAC once more.
    for key in ["id", "inventory_id", "mac_address"] {
        take(key);
    }
    for (key, value) in rest.iter().filter(|(_, value)| !show::value(value).is_empty()) {
        head.insert(key.clone(), value.clone());
    }
    show::fields(out, &head.into())?;
    let lines = log.as_array().map(Vec::as_slice).unwrap_or_default();
    if !lines.is_empty() {
        writeln!(out, "\n{}", terminal.paint(show::Style::Bold, "last words"))?;
    }
    lines.iter().try_for_each(|line| show::log_line(out, terminal, line))
}

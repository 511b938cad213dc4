//! `mozpool report`: what the server says of weeks: a table, CSV for spreadsheets, JSON for programs.

use super::period::for_eyes;
use super::remote::{Done, Remote, RemoteError, escape};
use super::show::{self, Column, Style, Terminal};
use serde_json::{Map, Value};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// How the pool did: availability, time to ready, failures, use; without a name: which reports there are
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    /// Which report
    report: Option<String>,
    /// Of the last so many days [default: the server's: 30]
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"])]
    days: Option<u32>,
    /// Since when: a date, or a time such as 2026-11-01T06:00:00Z
    #[arg(long, value_name = "WHEN")]
    from: Option<String>,
    /// Until when
    #[arg(long, value_name = "WHEN")]
    to: Option<String>,
    /// A row for each of what: hardware, environment, image and so on, as the report can
    #[arg(long, value_name = "WHAT")]
    by: Option<String>,
    /// As CSV, for spreadsheets
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

const EXAMPLES: &str = "\
Examples:
  mozpool report                                which there are
  mozpool report availability --days 7 --by environment
  mozpool report ready --from 2026-11-01 --to 2026-12-01 --csv > november.csv

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no such report, 4 no server answers or it is busy.";

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let client = args.remote.client(config)?;
    let Some(report) = &args.report else {
        let answer = client.get("report/list")?;
        return args.remote.show(&answer, |out, terminal| list(out, terminal, &answer));
    };
    let mut query = Vec::new();
    let days = args.days.map(|n| n.to_string());
    for (key, value) in [("days", &days), ("from", &args.from), ("to", &args.to), ("by", &args.by)] {
        query.extend(value.as_ref().map(|value| format!("{key}={}", escape(value))));
    }
    if args.csv {
        query.push("format=csv".into());
    }
    let path = format!("report/{}?{}", escape(report), query.join("&"));
    if args.csv {
        let text = client.text(&path)?;
        // Names in it are what people wrote. A file gets them as they are.
        let text = match Terminal::of_stdout().width {
            Some(_) => text.lines().map(|line| show::clean(line) + "\n").collect::<String>(),
            None => text,
        };
        io::stdout().lock().write_all(text.as_bytes()).map_err(RemoteError::Output)?;
        return Ok(ExitCode::SUCCESS);
    }
    let answer = client.get(&path)?;
    args.remote.show(&answer, |out, terminal| table(out, terminal, &answer))
}

fn list(out: &mut dyn Write, terminal: show::Terminal, answer: &Value) -> io::Result<()> {
    let rows = answer["reports"].as_array().map(Vec::as_slice).unwrap_or_default();
    show::table(out, terminal, &[Column::new("name"), Column::new("by"), Column::long("about")], rows)
}

fn table(out: &mut dyn Write, terminal: show::Terminal, answer: &Value) -> io::Result<()> {
    let text = |key: &str| show::value(&answer[key]);
    let by =
        if text("by").is_empty() { String::new() } else { format!(" by {}", text("by").replace('_', " ")) };
    writeln!(out, "{}{by}", terminal.paint(Style::Bold, &text("title")))?;
    let until = |key: &str| super::when::plain(&text(key));
    if !text("from").is_empty() {
        writeln!(out, "{} to {} UTC", until("from"), until("to"))?;
    }
    writeln!(out)?;
    let columns = answer["columns"].as_array().map(Vec::as_slice).unwrap_or_default();
    let word = |column: &Value, key: &str| column[key].as_str().unwrap_or_default().to_owned();
    let kinds: Vec<(String, String, String)> =
        columns.iter().map(|c| (word(c, "name"), word(c, "title"), word(c, "kind"))).collect();
    let mut rows = answer["rows"].as_array().cloned().unwrap_or_default();
    if let (total @ Value::Object(_), 2..) = (&answer["total"], rows.len()) {
        rows.push(total.clone());
    }
    let shown: Vec<Value> = rows
        .iter()
        .map(|row| {
            let cell =
                |(name, _, kind): &(String, String, String)| (name.clone(), cell(kind, &row[name.as_str()]));
            kinds.iter().map(cell).collect::<Map<_, _>>().into()
        })
        .collect();
    let columns: Vec<Column<'_>> = kinds
        .iter()
        .map(|(name, title, kind)| match kind.as_str() {
            "text" => Column { key: name, title, is: show::Is::Long },
            _ => Column { key: name, title, is: show::Is::Right },
        })
        .collect();
    show::table(out, terminal, &columns, &shown)
}

/// A value as its kind wants it.
fn cell(kind: &str, value: &Value) -> Value {
    match (kind, value.as_f64()) {
        #[expect(clippy::cast_possible_truncation, reason = "seconds of a report are far from the limit")]
        ("seconds", Some(seconds)) => for_eyes(seconds.round() as i64).into(),
        ("percent", Some(percent)) => format!("{percent:.1} %").into(),
        _ => value.clone(),
    }
}

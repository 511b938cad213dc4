//! `mozpool device timeline` and `history`: what became of a board's boots, step by step or a line each.

use crate::cli::period::for_eyes;
use crate::cli::remote::{Client, Done, Remote, escape};
use crate::cli::show::{self, Column, Style, Terminal};
use crate::cli::when;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Show a board's last boots step by step, against what is usual for its hardware, with a verdict
#[derive(Debug, clap::Args)]
pub(super) struct TimelineArgs {
    /// Which board
    device: String,
    /// How many attempts, the newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Older ones: those before this attempt
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
}

/// Show a board's attempts, a line each: what for, how they ended and how long they took
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Which board
    device: String,
    /// How many, the newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

pub(super) fn timeline(args: &TimelineArgs, remote: &Remote, client: &Client) -> Done {
    let answer = attempts(&args.device, args.attempts, args.before, client)?;
    remote.show(&answer, |out, terminal| {
        let attempts = answer["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
        if attempts.is_empty() {
            return writeln!(out, "{}: nothing is known of its boots", show::clean(&args.device));
        }
        for (n, attempt) in attempts.iter().enumerate() {
            if n > 0 {
                writeln!(out)?;
            }
            one(out, terminal, attempt)?;
        }
        Ok(())
    })
}

fn attempts(
    device: &str,
    limit: u32,
    before: Option<u64>,
    client: &Client,
) -> Result<Value, crate::cli::remote::RemoteError> {
    let before = before.map(|id| format!("&before={id}")).unwrap_or_default();
    client.get(&format!("device/{}/attempts?limit={limit}{before}", escape(device)))
}

fn one(out: &mut dyn Write, terminal: Terminal, attempt: &Value) -> io::Result<()> {
    let text = |key: &str| show::value(&attempt[key]);
    let mut head = format!("attempt {}: {}", text("id"), text("purpose").replace('_', " "));
    if let Some(image) = attempt["image"].as_str() {
        head += &format!(" {}", show::clean(image));
    }
    if let Some(request) = attempt["request_id"].as_i64() {
        head += &format!(", for request {request}");
    }
    writeln!(out, "{}", terminal.paint(Style::Bold, &head))?;
    let now = when::now();
    let took = match attempt["duration_ms"].as_i64() {
        Some(ms) => format!(", took {}", for_eyes(ms / 1000)),
        None => String::new(),
    };
    let outcome = text("outcome");
    let painted = terminal.paint(style(&outcome), &outcome.replace('_', " "));
    writeln!(
        out,
        "  began {} UTC ({}), {painted}{took}",
        when::plain(&text("started")),
        when::told(&text("started"), now)
    )?;
    let steps: Vec<Value> =
        attempt["steps"].as_array().map(Vec::as_slice).unwrap_or_default().iter().map(row).collect();
    let columns = [
        Column::new("at"),
        Column::new("kind"),
        Column::long("what"),
        Column::new("size"),
        Column::new("took"),
        Column::new("usual"),
        Column::new("late"),
    ];
    show::table(out, terminal, &columns, &steps)?;
    if let Some(verdict) = attempt["verdict"].as_str() {
        writeln!(out, "{}", terminal.paint(style(&outcome), &show::clean(verdict)))?;
    }
    Ok(())
}

/// A step for eyes.
fn row(step: &Value) -> Value {
    let ms = |key: &str| step[key].as_i64().map(seconds).unwrap_or_default();
    let late = match step["late_ms"].as_i64().filter(|ms| *ms > 0) {
        Some(late) if step["slow"] == true => format!("+{} !", seconds(late)),
        Some(late) => format!("+{}", seconds(late)),
        None => String::new(),
    };
    json!({
        "at": ms("at_ms"), "kind": step["kind"], "what": step["what"],
        "size": step["bytes"].as_u64().map(bytes).unwrap_or_default(),
        "took": ms("took_ms"), "usual": ms("usual_ms"), "late": late,
    })
}

/// Seconds with a tenth, as boots are long.
fn seconds(ms: i64) -> String {
    match ms {
        ..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => for_eyes(ms / 1000),
    }
}

/// A size with the unit that suits it.
fn bytes(n: u64) -> String {
    let units = ["KiB", "MiB", "GiB"];
    let mut rest = n;
    let mut unit = "B";
    for larger in units {
        if rest < 10_240 {
            break;
        }
        (rest, unit) = (rest / 1024, larger);
    }
    format!("{rest} {unit}")
}

fn style(outcome: &str) -> Style {
    match outcome {
        "ok" => Style::Good,
        "running" => Style::Busy,
        _ => Style::Bad,
    }
}

pub(super) fn history(args: &HistoryArgs, remote: &Remote, client: &Client) -> Done {
    let answer = attempts(&args.device, args.limit, None, client)?;
    remote.show(&answer, |out, terminal| {
        let attempts = answer["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: Vec<Value> = attempts
            .iter()
            .map(|attempt| {
                let took = attempt["duration_ms"].as_i64().map(|ms| for_eyes(ms / 1000)).unwrap_or_default();
                let word = |key: &str| show::value(&attempt[key]).replace('_', " ");
                json!({
                    "id": attempt["id"], "began": when::plain(&show::value(&attempt["started"])),
                    "what_for": word("purpose"), "image": attempt["image"], "request": attempt["request_id"],
                    "ended": word("outcome"), "took": took, "why": attempt["verdict"],
                })
            })
            .collect();
        let columns = [
            Column::new("id"),
            Column::titled("began", "began (UTC)"),
            Column::new("what_for"),
            Column::new("image"),
            Column::new("request"),
            Column::new("ended"),
            Column::new("took"),
            Column::long("why"),
        ];
        show::table(out, terminal, &columns, &rows)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([bytes(17), bytes(42_000), bytes(31 << 20)], ["17 B", "41 KiB", "31 MiB"]);
        assert_eq!([seconds(1234), seconds(61_000)], ["1.2 s", "1m 1s"]);
    }
}

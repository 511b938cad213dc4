//! `mozpool device timeline`: what became of a board's boots, step by step.

use crate::cli::period::for_eyes;
use crate::cli::remote::{Client, Done, Remote, escape};
use crate::cli::show::{self, Column, Is, Style, Terminal};
use crate::cli::when;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Show a board's last boots step by step, against what is usual for its hardware, with a verdict
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which board
    device: String,
    /// How many attempts, the newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Older ones: those before this attempt
    #[arg(long, value_name = "ID")]
    before: Option<u64>,
}

pub(super) fn run(args: &Args, remote: &Remote, client: &Client) -> Done {
    let before = args.before.map(|id| format!("&before={id}")).unwrap_or_default();
    let path = format!("device/{}/attempts?limit={}{before}", escape(&args.device), args.attempts);
    let answer = client.get(&path)?;
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
        Column::of("at", Is::Right),
        Column::new("kind"),
        Column::long("what"),
        Column::of("size", Is::Right),
        Column::of("took", Is::Right),
        Column::of("usual", Is::Right),
        Column::of("late", Is::Right),
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
    let (what, name) = (show::value(&step["what"]), show::value(&step["name"]));
    let what = if what.contains(&name) { what } else { format!("{name}: {what}") };
    json!({
        "at": ms("at_ms"), "kind": step["kind"], "what": what,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([bytes(17), bytes(42_000), bytes(31 << 20)], ["17 B", "41 KiB", "31 MiB"]);
        assert_eq!([seconds(1234), seconds(61_000)], ["1.2 s", "1m 1s"]);
    }
}

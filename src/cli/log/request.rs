//! The log of a request: why this board, why none, what became of it.

use super::LogOptions;
use super::device::with_text;
use crate::cli::remote::{Client, Done, Remote, RemoteError};
use crate::cli::request::is_over;
use crate::cli::show::{self, Terminal};
use crate::cli::when;
use serde_json::Value;
use std::io::{self, Write};
use std::process::ExitCode;

/// Seconds that one wait for a change may take. Why a request still waits is told in its log without a change, so the log is
/// looked at so often, too: as often as the server looks for a board.
const WAIT_S: u32 = 10;

pub(in crate::cli) fn of_request(id: &str, options: &LogOptions, remote: &Remote, client: &Client) -> Done {
    let path = format!("request/{id}");
    // Before the log is read, so that nothing falls between.
    let mut seen = if options.follow { client.last_change()? } else { 0 };
    let lines = lines(&path, client)?;
    let mut shown = last_id(&lines);
    let mut wanted = with_text(&lines, options.text.as_deref());
    if let Some(since) = options.since {
        let young = |line: &&Value| {
            let age = when::seconds_since(line["timestamp"].as_str().unwrap_or_default(), when::now());
            age.is_none_or(|s| s <= i64::from(since.seconds()))
        };
        wanted.retain(young);
    }
    let n = usize::try_from(options.lines()).unwrap_or(usize::MAX);
    if n > 0 {
        wanted.drain(..wanted.len().saturating_sub(n));
    }
    if !options.follow {
        let wanted: Vec<Value> = wanted.into_iter().cloned().collect();
        return remote.show(&wanted.clone().into(), |out, terminal| {
            wanted.iter().try_for_each(|line| show::log_line(out, terminal, line))
        });
    }
    print(remote, &wanted)?;
    loop {
        // Its state first: what is logged before the end is read after it.
        let over = is_over(client.get(&format!("{path}/details"))?["state"].as_str().unwrap_or_default());
        let all = self::lines(&path, client)?;
        let new: Vec<Value> = all.iter().filter(|l| l["id"].as_i64() > Some(shown)).cloned().collect();
        shown = shown.max(last_id(&all));
        print(remote, &with_text(&new, options.text.as_deref()))?;
        if over {
            return Ok(ExitCode::SUCCESS);
        }
        let answer = client.get(&format!("events?after={seen}&request={id}&timeout={WAIT_S}"))?;
        seen = answer["last"].as_u64().unwrap_or(seen);
    }
}

fn lines(path: &str, client: &Client) -> Result<Vec<Value>, RemoteError> {
    match client.get(&format!("{path}/log"))?["log"].take() {
        Value::Array(lines) => Ok(lines),
        _ => Ok(Vec::new()),
    }
}

fn last_id(lines: &[Value]) -> i64 {
    lines.iter().filter_map(|line| line["id"].as_i64()).max().unwrap_or_default()
}

fn print(remote: &Remote, lines: &[&Value]) -> Result<(), RemoteError> {
    let (mut out, terminal) = (io::stdout().lock(), Terminal::of_stdout());
    let one = |line: &&Value, out: &mut io::StdoutLock<'_>| match remote.json {
        true => show::json_line(out, line),
        false => show::log_line(out, terminal, line),
    };
    lines
        .iter()
        .try_for_each(|line| one(line, &mut out))
        .and_then(|()| out.flush())
        .map_err(RemoteError::Output)
}

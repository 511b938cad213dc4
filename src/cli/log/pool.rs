//! What happens in the pool: every change of a board's or a request's state, from the stream of changes.

use super::LogOptions;
use crate::cli::remote::{Client, Done, Remote, RemoteError, Stream};
use crate::cli::show::group::{Group, style_of_request};
use crate::cli::show::{self, Style, Terminal};
use crate::cli::when;
use serde_json::Value;
use std::io::{self, Write};

/// Changes in one answer, at most; the server's own limit.
const CHANGES_MAX: u32 = 1000;

pub(super) fn run(options: &LogOptions, remote: &Remote, client: &Client) -> Done {
    options.refuse(options.text.is_some(), "-q", "the changes of the pool")?;
    options.refuse(options.since.is_some(), "--since", "the changes of the pool")?;
    let last = client.last_change()?;
    let lines = match options.lines() {
        0 => CHANGES_MAX,
        n => n.min(CHANGES_MAX),
    };
    let after = last.saturating_sub(lines.into());
    let past = match client.get(&format!("events?after={after}&timeout=0")) {
        // Older ones are not kept; then there is nothing to tell of the past.
        Err(RemoteError::Refused { status: 410, .. }) => Value::Null,
        other => other?,
    };
    let past = past["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !options.follow {
        return remote.show(&past.to_vec().into(), |out, terminal| {
            past.iter().try_for_each(|change| shown(out, terminal, change))
        });
    }
    let (mut out, terminal) = (io::stdout().lock(), Terminal::of_stdout());
    let mut print = |change: &Value| {
        let written = match remote.json {
            true => show::json_line(&mut out, change),
            false => shown(&mut out, terminal, change),
        };
        written.and_then(|()| out.flush()).map_err(RemoteError::Output)
    };
    past.iter().try_for_each(&mut print)?;
    let seen = past.last().and_then(|c| c["seq"].as_u64()).unwrap_or(last);
    let mut stream = Stream::new(client, &format!("events?stream=1&after={seen}"));
    loop {
        match stream.next() {
            Ok(event) => print(&event.data)?,
            // Away for longer than changes are kept, or the store was put back: from now on, then.
            Err(RemoteError::Refused { status: 410, message, .. }) => {
                crate::cli::remote::tell(&format!("changes are missing here: {message}"));
                stream = Stream::new(client, "events?stream=1");
            }
            Err(error) => return Err(error),
        }
    }
}

fn shown(out: &mut dyn Write, terminal: Terminal, change: &Value) -> io::Result<()> {
    let (kind, data) = (change["kind"].as_str().unwrap_or_default(), &change["data"]);
    let text = |key: &str| show::value(&data[key]);
    let name = if data["name"].is_null() { text("id") } else { text("name") };
    let at = when::plain(change["at"].as_str().unwrap_or_default());
    let mut line =
        format!("{} {} {name}", terminal.paint(Style::Dim, &at), show::clean(&kind.replace('_', " ")));
    let state = text("state");
    let style = match kind {
        "device" => Group::of(&state, !data["request_id"].is_null()).style(),
        _ => style_of_request(&state),
    };
    match change["what"].as_str().unwrap_or_default() {
        "state" => line += &format!(": {} -> {}", text("was"), terminal.paint(style, &state)),
        "changed" if !state.is_empty() => line += &format!(": changed, {}", terminal.paint(style, &state)),
        what => line += &format!(": {}", show::clean(what)),
    }
    match kind {
        "device" if !data["request_id"].is_null() => line += &format!(" (request {})", text("request_id")),
        "device" | "request" if !text("progress").is_empty() => line += &format!(" ({} %)", text("progress")),
        "request" if !text("assigned_device").is_empty() => {
            line += &format!(" ({})", text("assigned_device"))
        }
        _ => {}
    }
    writeln!(out, "{line}")
}

//! The log of a board: pages of the past, or the stream.

use super::LogOptions;
use crate::cli::remote::{Client, Done, Remote, RemoteError, Stream, escape, tell};
use crate::cli::show::{self, Terminal};
use serde_json::Value;
use std::io::{self, Write};
use std::process::ExitCode;

/// Lines that a stream can begin with; the server's own limit.
const FOLLOW_MAX: u32 = 500;

pub(in crate::cli) fn of_device(
    device: &str,
    options: &LogOptions,
    remote: &Remote,
    client: &Client,
) -> Done {
    let lines = match (options.follow, options.lines()) {
        // A stream begins with so many at most, and what it takes as no limit is less.
        (true, 0 | FOLLOW_MAX..) => FOLLOW_MAX,
        (_, lines) => lines,
    };
    if lines != options.lines() {
        tell(&format!("-f begins with the last {FOLLOW_MAX} lines at most; without it there are more"));
    }
    let mut path = format!("device/{}/log?limit={lines}", escape(device));
    if let Some(text) = &options.text {
        path += &format!("&q={}", escape(text));
    }
    if let Some(since) = options.since {
        path += &format!("&timeperiod={}", since.seconds());
    }
    if options.follow {
        return follow(&path, remote, client);
    }
    let answer = client.get(&path)?;
    let lines = answer["log"].as_array().map(Vec::as_slice).unwrap_or_default();
    remote.show(&answer["log"], |out, terminal| {
        lines.iter().try_for_each(|line| show::log_line(out, terminal, line))
    })
}

fn follow(path: &str, remote: &Remote, client: &Client) -> Done {
    let mut stream = Stream::new(client, &format!("{path}&follow=1"));
    let (mut out, terminal) = (io::stdout().lock(), Terminal::of_stdout());
    loop {
        let event = stream.next()?;
        let written = match (event.kind.as_str(), remote.json) {
            ("line", true) => show::json_line(&mut out, &event.data),
            ("line", false) => show::log_line(&mut out, terminal, &event.data),
            ("skipped", _) => {
                let lines = show::value(&event.data["lines"]);
                tell(&format!("{lines} lines were left out: they came faster than they were read"));
                Ok(())
            }
            _ => Ok(()),
        };
        match written.and_then(|()| out.flush()) {
            Ok(()) => {}
            // Whoever reads has enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            Err(e) => return Err(RemoteError::Output(e)),
        }
    }
}

/// The lines with this text, whatever the case.
pub(super) fn with_text<'l>(lines: &'l [Value], text: Option<&str>) -> Vec<&'l Value> {
    let wanted = text.map(str::to_lowercase);
    let has = |line: &&Value| {
        let message = line["message"].as_str().unwrap_or_default().to_lowercase();
        wanted.as_ref().is_none_or(|wanted| message.contains(wanted))
    };
    lines.iter().filter(has).collect()
}

//! `mozpool log unknown`: who sends syslog lines although no board is known at the address. New boards, and wrong cables.

use super::LogOptions;
use crate::cli::remote::{Client, Done, Remote};
use crate::cli::show::{self, Style};
use crate::cli::when;

pub(super) fn run(options: &LogOptions, remote: &Remote, client: &Client) -> Done {
    options.refuse(options.follow, "-f", "unknown senders")?;
    options.refuse(options.text.is_some(), "-q", "unknown senders")?;
    options.refuse(options.since.is_some(), "--since", "unknown senders")?;
    let limit = options.lines.map(|n| format!("?limit={n}")).unwrap_or_default();
    let answer = client.get(&format!("log/unknown{limit}"))?;
    remote.show(&answer, |out, terminal| {
        let senders = answer["senders"].as_array().map(Vec::as_slice).unwrap_or_default();
        if senders.is_empty() {
            return writeln!(out, "nobody: every line came from a board that is known");
        }
        let now = when::now();
        for (n, sender) in senders.iter().enumerate() {
            let text = |key: &str| show::value(&sender[key]);
            let gap = if n == 0 { "" } else { "\n" };
            let name = match sender["hostname"].as_str() {
                Some(_) => format!(" ({})", text("hostname")),
                None => String::new(),
            };
            let heading = terminal.paint(Style::Bold, &format!("{}{name}", text("address")));
            writeln!(
                out,
                "{gap}{heading}: {} lines, the last {}",
                text("lines"),
                when::told(&text("last"), now)
            )?;
            for line in sender["log"].as_array().into_iter().flatten() {
                show::log_line(out, terminal, line)?;
            }
        }
        Ok(())
    })
}

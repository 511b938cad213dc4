//! `mozpool repair`: the walk through the rack: what has failed, where it is plugged in, and why.

use super::remote::{Done, Remote};
use super::show::{self, Style, Terminal};
use super::when;
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;

/// The boards that need somebody's hands, in the order of relay boards, banks and relays
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    /// How many of each board's last log lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 3)]
    lines: usize,
}

const EXAMPLES: &str = "\
When a board is repaired:
  mozpool device please self-test panda-0001      it comes back to work when the test is good
  mozpool device comment panda-0001 'new card'    so that the next one knows

Exit codes: 0 done, 2 wrong usage, 4 no server answers or it is busy.";

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let answer = args.remote.client(config)?.get("repair/list")?;
    args.remote.show(&answer, |out, terminal| {
        let devices = answer["devices"].as_array().map(Vec::as_slice).unwrap_or_default();
        if devices.is_empty() {
            return writeln!(out, "nothing is to be repaired");
        }
        for (n, device) in devices.iter().enumerate() {
            if n > 0 {
                writeln!(out)?;
            }
            one(out, terminal, device, args.lines)?;
        }
        Ok(())
    })
}

fn one(out: &mut dyn Write, terminal: Terminal, device: &Value, lines: usize) -> io::Result<()> {
    let text = |key: &str| show::value(&device[key]);
    let hardware = format!("{} {}", text("hardware_type"), text("hardware_model"));
    let state = terminal.paint(Style::Bad, &text("state"));
    let name = terminal.paint(Style::Bold, &text("name"));
    writeln!(
        out,
        "{name}  {state}, since {} UTC ({})",
        when::plain(&text("since")),
        when::told(&text("since"), when::now())
    )?;
    let place = [text("relay_info"), text("environment"), hardware.trim().to_owned(), text("imaging_server")];
    let place: Vec<String> = place.into_iter().filter(|part| !part.is_empty()).collect();
    writeln!(out, "  where    {}", place.join(", "))?;
    writeln!(out, "  why      {}", text("cause"))?;
    if let Some(failures @ 2..) = device["failures"].as_u64() {
        writeln!(out, "  often    it failed {failures} times within a week")?;
    }
    if !text("comments").is_empty() {
        writeln!(out, "  comment  {}", text("comments"))?;
    }
    let log = device["last_log"].as_array().map(Vec::as_slice).unwrap_or_default();
    for line in &log[log.len().saturating_sub(lines)..] {
        write!(out, "  ")?;
        show::log_line(out, terminal, line)?;
    }
    Ok(())
}

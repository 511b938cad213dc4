//! `mozpool pxe`: PXE configs as other things, and what a board would get now.

use super::remote::{Done, Remote, escape};
use super::show;
use super::things::{self, Command, Kind};
use serde_json::Value;
use std::io::{self, Write};
use std::path::Path;

/// What is to be done.
#[derive(Debug, clap::Args)]
#[command(after_help = things::FIELDS, after_long_help = things::FIELDS)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: PxeCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PxeCommand {
    /// Show what a board would get from the network now, and why
    Render {
        /// Which board
        device: String,
    },
    #[command(flatten)]
    Thing(Command),
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    match &args.command {
        PxeCommand::Thing(command) => things::run(Kind::Pxe, &args.remote, command, config),
        PxeCommand::Render { device } => {
            let answer = args.remote.client(config)?.get(&format!("device/{}/pxe", escape(device)))?;
            args.remote.show(&answer, |out, _| rendered(out, &answer))
        }
    }
}

fn rendered(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let text = |key: &str| show::clean(answer[key].as_str().unwrap_or_default());
    let mut line = |name: &str, value: &str| match value {
        "" => Ok(()),
        value => writeln!(out, "{name:<12}{value}"),
    };
    line("board", &text("device"))?;
    line("state", &text("state"))?;
    line("image", &text("image"))?;
    line("hardware", &text("hardware"))?;
    line("PXE config", &format!("{} (a {})", text("pxe_config"), text("form")))?;
    line("why", &text("why"))?;
    line("but", &text("error"))?;
    let (gets, names) = (text("gets"), answer["asks_for"].as_array());
    // What it asks for behind the one that it gets, it does not ask for.
    let mut heading = "asks for";
    for name in names.into_iter().flatten().filter_map(Value::as_str) {
        let name = show::clean(name);
        line(heading, &format!("{name}  {}", if name == gets { "gets it" } else { "not found" }))?;
        heading = "";
        if name == gets {
            break;
        }
    }
    writeln!(out)?;
    for line in answer["text"].as_str().unwrap_or_default().lines() {
        writeln!(out, "{}", show::clean(line))?;
    }
    Ok(())
}

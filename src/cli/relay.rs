//! `mozpool relay`: relay boards as other things, and whether one is there.

use super::exit::Exit;
use super::remote::{Done, Remote, escape};
use super::show::{self, Style};
use super::things::{self, Command, Kind};
use std::path::Path;
use std::process::ExitCode;

/// What is to be done.
#[derive(Debug, clap::Args)]
#[command(after_help = things::FIELDS, after_long_help = things::FIELDS)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: RelayCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RelayCommand {
    /// Ask a relay board whether it is there and takes commands; switches nothing
    Test {
        /// Which
        name: String,
    },
    #[command(flatten)]
    Thing(Command),
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    match &args.command {
        RelayCommand::Thing(command) => things::run(Kind::Relay, &args.remote, command, config),
        RelayCommand::Test { name } => {
            let answer = args.remote.client(config)?.get(&format!("relay/{}/test", escape(name)))?;
            let well = answer["success"] == true;
            args.remote.show(&answer, |out, terminal| match well {
                true => writeln!(
                    out,
                    "{}: {}",
                    show::clean(name),
                    terminal.paint(Style::Good, "answers as it should")
                ),
                false => writeln!(
                    out,
                    "{}: {}",
                    show::clean(name),
                    terminal.paint(Style::Bad, "does not answer as it should")
                ),
            })?;
            Ok(if well { ExitCode::SUCCESS } else { Exit::Failed.into() })
        }
    }
}

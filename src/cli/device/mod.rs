//! `mozpool device`: boards, how they are, what they did, and what is asked of them.

mod history;
pub(super) mod list;
mod please;
mod power;
mod pxe;
mod set;
mod show;
mod timeline;

use super::log::LogOptions;
use super::remote::{Done, Remote};
use super::things::{self, Change, Kind};
use std::path::Path;

/// Boards: how they are, what they did, power, and what is to be done with them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mozpool device list --group failed                    the boards that were given up
  mozpool device list environment=b2g -q kitchen        of this pool, with this in name, address or comments
  mozpool device show panda-0001                        how it is, until when, and its last words
  mozpool device timeline panda-0001                    its last boot, step by step, against what is usual
  mozpool device log -f panda-0001                      what it says, as it says it
  mozpool device please self-test panda-0001 panda-0002
  mozpool device please image panda-0001 --image b2g -k url=http://files/b2g.img
  mozpool device power off panda-0001                   asks first
  mozpool device edit panda-0001 tags=wifi,camera       fields are named as in a lab file

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no such thing, 4 no server answers or it is busy, 5 not confirmed.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Show(show::Args),
    Timeline(timeline::Args),
    History(history::Args),
    /// Show what a board said and what was done with it
    Log {
        /// Which board
        device: String,
        #[command(flatten)]
        options: LogOptions,
    },
    Please(please::Args),
    Force(set::ForceArgs),
    Comment(set::CommentArgs),
    Environment(set::EnvironmentArgs),
    /// Give or take a board's power, or ask whether it has it
    #[command(subcommand)]
    Power(power::Command),
    Ping(power::PingArgs),
    /// What a board boots from the network
    #[command(subcommand)]
    Pxe(pxe::Command),
    #[command(flatten)]
    Change(Change),
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let remote = &args.remote;
    let client = || remote.client(config);
    match &args.command {
        Command::List(args) => list::run(args, remote, &client()?),
        Command::Show(args) => show::run(args, remote, &client()?),
        Command::Timeline(args) => timeline::run(args, remote, &client()?),
        Command::History(args) => history::run(args, remote, &client()?),
        Command::Log { device, options } => super::log::of_device(device, options, remote, &client()?),
        Command::Please(args) => please::run(args, remote, &client()?),
        Command::Force(args) => set::force(args, remote, &client()?),
        Command::Comment(args) => set::comment(args, remote, &client()?),
        Command::Environment(args) => set::environment(args, remote, &client()?),
        Command::Power(command) => power::run(command, remote, &client()?),
        Command::Ping(args) => power::ping(args, remote, &client()?),
        Command::Pxe(command) => pxe::run(command, remote, &client()?),
        Command::Change(change) => things::run_change(Kind::Device, remote, change, config),
    }
}

//! `mozpool request`: getting boards, keeping them, giving them back.

mod hand_back;
mod keep;
mod list;
mod new;
mod progress;
mod run;
mod signals;
mod wait;
mod watch;

use super::log::LogOptions;
use super::remote::{ClientConfig, Done, Remote, RemoteError};
use crate::config::Host;
use crate::logic::mozpool::{Enter, State, def};
use std::path::Path;

/// Boards on loan: ask for one, wait for it, use it, give it back
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
  mozpool request new debian -- ./run-tests.sh               a board for as long as this takes
  mozpool request new debian --wait --duration 2h            a board for two hours; says which when it is ready
  mozpool request new b2g -k url=http://files/b2g.img --tag camera --queue-limit 1h
  mozpool request list --mine                                what I hold and wait for
  mozpool request renew 4711 --duration 1h                   an hour from now
  mozpool request return 4711                                done

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no such thing, 4 no server answers or it is busy, 5 not confirmed,
  120 no board, 121 the board or the image is bad, 122 the board was lost; for `new -- COMMAND` see its help.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(Box<new::Args>),
    List(list::ListArgs),
    Show(list::ShowArgs),
    /// Show what was done for a request, and why
    Log {
        /// Its number
        #[arg(value_name = "REQUEST")]
        id: u64,
        #[command(flatten)]
        options: LogOptions,
    },
    Wait(wait::Args),
    Renew(hand_back::RenewArgs),
    Return(hand_back::ReturnArgs),
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let remote = &args.remote;
    let client = remote.client(config)?;
    match &args.command {
        Command::New(args) => new::run(args, remote, &client),
        Command::List(args) => list::list(args, remote, &client),
        Command::Show(args) => list::show(args, remote, &client),
        Command::Log { id, options } => super::log::of_request(&id.to_string(), options, remote, &client),
        Command::Wait(args) => wait::run(args, remote, &client),
        Command::Renew(args) => hand_back::renew(args, remote, &client),
        Command::Return(args) => hand_back::hand_back(args, remote, &client),
    }
}

/// A request in this state has come to its end.
pub(super) fn is_over(state: &str) -> bool {
    State::parse(state).is_some_and(|state| matches!(def(state).enter, Enter::Release))
}

/// Who asks: as the client configuration says, else user@host.
fn assignee() -> Result<String, RemoteError> {
    if let Some(assignee) = ClientConfig::load()?.assignee {
        return Ok(assignee);
    }
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.name);
    let user = user.or_else(|| std::env::var("USER").ok()).unwrap_or_else(|| "somebody".into());
    Ok(format!("{user}@{}", Host::ask().name))
}

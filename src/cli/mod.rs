//! The program's command line: a file per subcommand, and here what they have in common.
//!
//! It joins errors and decides exit codes; `exit` has the table.

pub mod audit;
mod boot_config;
pub mod candidate;
pub mod check;
mod confirm;
pub mod db;
pub mod demo;
pub mod device;
pub mod exit;
pub mod inventory;
pub mod lab;
mod local;
pub mod log;
pub mod logging;
pub mod pages;
mod period;
pub mod pxe;
pub mod relay;
pub mod remote;
pub mod repair;
pub mod report;
pub mod request;
pub mod serve;
pub mod server;
mod show;
pub mod simulate;
pub mod status;
pub mod support;
pub mod things;
pub mod token;
mod when;

use crate::config::{Config, ConfigError, Host};
use crate::daemon::DaemonError;
use clap::{CommandFactory, Parser, Subcommand};
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Turns racks of flaky development boards into boards that people and CI jobs can rely on
#[derive(Debug, Parser)]
#[command(name = "mozpool", version, after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    /// Configuration; the demo brings its own [default: $MOZPOOL_CONFIG, else /etc/mozpool/mozpool.toml, else all as built in]
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mozpool demo                                look at it: an emulated rack, no root, no set-up
  mozpool status                              how the pool is, on one screen
  mozpool request new debian -- ./tests.sh    a board with this image for as long as this takes
  mozpool device list --group failed          the boards that were given up
  mozpool log -f                              what happens, as it happens
  mozpool check                               is this server fit to serve? what is to be done?
  mozpool lab import lab.toml                 make the lab's devices and images known
  RUST_LOG=debug mozpool serve                the daemon, talkative

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration; from a server also 3 no such thing, 4 no answer or busy,
  5 not confirmed; and what `mozpool request` says of boards: 120 and above.";

#[derive(Debug, Subcommand)]
enum Command {
    Status(status::Args),
    Request(request::Args),
    Device(device::Args),
    Candidate(candidate::Args),
    Log(log::Args),
    Repair(repair::Args),
    Report(report::Args),
    /// Images: show, add, edit and delete them while the daemon runs
    Image(things::Args),
    /// PXE configs: show, add, edit and delete them while the daemon runs; what a board would get now
    Pxe(pxe::Args),
    /// Hardware types: show, add, edit and delete them while the daemon runs
    Hardware(things::Args),
    /// Relay boards: show, test, add, edit and delete them while the daemon runs
    Relay(relay::Args),
    Lab(lab::Args),
    Inventory(inventory::Args),
    Server(server::Args),
    Serve(serve::Args),
    Check(check::Args),
    Db(db::Args),
    Token(token::Args),
    Audit(audit::Args),
    SupportBundle(support::Args),
    Demo(demo::Args),
    Simulate(simulate::Args),
    Completion(pages::CompletionArgs),
    Man(pages::ManArgs),
}

/// The command line's definition, for what is made from it: completion, manual pages, tests.
pub fn command() -> clap::Command {
    Args::command()
}

/// Why the program failed.
#[derive(Debug)]
pub enum Failure {
    /// There is no configuration to work with.
    Config(ConfigError),
    /// The daemon ended with an error.
    Daemon(DaemonError),
    /// The demo failed.
    Demo(demo::DemoError),
    /// Something that `check` looked at is wrong; it has said what.
    Check,
    /// The store was not changed.
    Db(db::DbError),
    /// What was to be done on this server was not.
    Local(local::LocalError),
    /// The simulation could not be made.
    Simulation(crate::store::StoreError),
    /// A rule was broken in a simulation; it has said which.
    RuleBroken,
    /// A running daemon was asked.
    Remote(remote::RemoteError),
    /// The support bundle could not be written.
    Bundle { path: PathBuf, source: std::io::Error },
    /// Standard output is gone.
    Output(std::io::Error),
}

impl Failure {
    /// What `main` exits with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) => ExitCode::from(2),
            Self::Remote(error) => error.exit_code(),
            Self::Local(error) => error.exit_code(),
            Self::Daemon(_)
            | Self::Demo(_)
            | Self::Check
            | Self::Db(_)
            | Self::Simulation(_)
            | Self::RuleBroken
            | Self::Bundle { .. }
            | Self::Output(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Daemon(error) => error.fmt(f),
            Self::Demo(error) => error.fmt(f),
            Self::Check => f.write_str("this server is not fit to serve; see what failed above"),
            Self::Db(error) => error.fmt(f),
            Self::Local(error) => error.fmt(f),
            Self::Simulation(error) => error.fmt(f),
            Self::RuleBroken => f.write_str("a rule was broken; the same settings and seed show it again"),
            Self::Remote(error) => error.fmt(f),
            Self::Bundle { path, source } => {
                write!(f, "cannot write {}: {source}; name another file", path.display())
            }
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

/// What the command line says, or what to exit with when it means nothing; clap has told why by then.
///
/// # Errors
/// 2, as everywhere, and 0 for what only asks for help; but 3 for `check --remote`, whose callers take 2 for a server that is down.
pub fn parse() -> Result<Args, ExitCode> {
    Args::try_parse().map_err(|error| {
        let for_monitors = std::env::args().any(|word| word == "--remote" || word.starts_with("--remote="));
        // Nobody is left to tell where that fails.
        let _ = error.print();
        match error.exit_code() {
            2 if for_monitors => ExitCode::from(3),
            code => ExitCode::from(u8::try_from(code).unwrap_or(2)),
        }
    })
}

/// Does what the command line says, and gives what to exit with.
///
/// # Errors
/// [`Failure`], for `main` to print and to exit with.
pub fn run(args: Args) -> Result<ExitCode, Failure> {
    let file = args.config.as_deref();
    let load = || Config::load(args.config.as_deref(), &Host::ask()).map_err(Failure::Config);
    let well = |()| ExitCode::SUCCESS;
    match args.command {
        Command::Serve(_) => serve::run(file).map(well),
        Command::Demo(demo) => {
            // The demo draws on the terminal, and a relay board that fails is part of the play; RUST_LOG has the log.
            logging::init("error");
            demo::run(&demo).map_err(Failure::Demo).map(well)
        }
        Command::Check(check) if check.is_remote() => Ok(check::run_remote(&check, file)),
        Command::Check(check) => {
            let config = load()?;
            logging::init("error");
            check::run(&check, &config).map(well)
        }
        Command::Simulate(simulate) => {
            logging::init("off");
            simulate::run(&simulate).map(well)
        }
        Command::Db(db) => {
            let config = load()?;
            logging::init("warn");
            db::run(&db, &config).map(well)
        }
        Command::Token(args) => {
            let config = load()?;
            logging::init("off");
            token::run(&args, &config)
        }
        Command::Audit(args) => {
            let config = load()?;
            logging::init("off");
            audit::run(&args, &config)
        }
        Command::SupportBundle(args) => {
            logging::init("error");
            support::run(&args, file).map(well)
        }
        Command::Status(args) => of_server(status::run(&args, file)),
        Command::Request(args) => of_server(request::run(&args, file)),
        Command::Device(args) => of_server(device::run(&args, file)),
        Command::Candidate(args) => of_server(candidate::run(&args, file)),
        Command::Log(args) => of_server(log::run(&args, file)),
        Command::Repair(args) => of_server(repair::run(&args, file)),
        Command::Report(args) => of_server(report::run(&args, file)),
        Command::Hardware(args) => of_server(args.run(things::Kind::Hardware, file)),
        Command::Image(args) => of_server(args.run(things::Kind::Image, file)),
        Command::Pxe(args) => of_server(pxe::run(&args, file)),
        Command::Relay(args) => of_server(relay::run(&args, file)),
        Command::Lab(args) => of_server(lab::run(&args, file)),
        Command::Server(args) => of_server(server::run(&args, file)),
        Command::Inventory(args) => of_server(inventory::run(&args, file)),
        Command::Completion(args) => of_server(pages::completion(&args)),
        Command::Man(args) => of_server(pages::man(&args)),
    }
}

fn of_server(done: remote::Done) -> Result<ExitCode, Failure> {
    match done {
        Err(error) if error.is_closed_pipe() => Ok(ExitCode::SUCCESS),
        done => done.map_err(Failure::Remote),
    }
}

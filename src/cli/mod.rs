//! The program's command line: a file per subcommand, and here what they have in common.
//!
//! It joins errors and decides exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

pub mod check;
pub mod db;
pub mod demo;
pub mod lab;
pub mod logging;
pub mod pxe;
pub mod remote;
pub mod serve;
pub mod simulate;
pub mod things;

use crate::config::{Config, ConfigError, Host};
use crate::daemon::DaemonError;
use clap::{Parser, Subcommand};
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
  mozpool demo                     look at it: an emulated rack, no root, no set-up
  mozpool check                    is this server fit to serve? what is to be done?
  mozpool db import lab.toml       make the lab's devices and images known (daemon stopped)
  mozpool serve                    the daemon, as the service unit starts it
  mozpool lab import lab.toml      the same as db import, while the daemon runs
  mozpool device list              the boards and how they are
  RUST_LOG=debug mozpool serve     the same, talkative

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration; from a server also 3 no such thing, 4 no answer or busy.";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Check(check::Args),
    Db(db::Args),
    Lab(lab::Args),
    /// Boards: show, add, edit and delete them while the daemon runs
    Device(things::Args),
    /// Hardware types: show, add, edit and delete them while the daemon runs
    Hardware(things::Args),
    /// Images: show, add, edit and delete them while the daemon runs
    Image(things::Args),
    /// PXE configs: show, add, edit and delete them while the daemon runs; what a board would get now
    Pxe(pxe::Args),
    /// Relay boards: show, add, edit and delete them while the daemon runs
    Relay(things::Args),
    Simulate(simulate::Args),
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
    /// The simulation could not be made.
    Simulation(crate::store::StoreError),
    /// A rule was broken in a simulation; it has said which.
    RuleBroken,
    /// A running daemon was asked.
    Remote(remote::RemoteError),
    /// Standard output is gone.
    Output(std::io::Error),
}

impl Failure {
    /// What `main` exits with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) => ExitCode::from(2),
            Self::Remote(error) => error.exit_code(),
            Self::Daemon(_)
            | Self::Demo(_)
            | Self::Check
            | Self::Db(_)
            | Self::Simulation(_)
            | Self::RuleBroken
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
            Self::Simulation(error) => error.fmt(f),
            Self::RuleBroken => f.write_str("a rule was broken; the same settings and seed show it again"),
            Self::Remote(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// [`Failure`], for `main` to print and to exit with.
pub fn run(args: Args) -> Result<(), Failure> {
    let file = args.config.as_deref();
    let thing = |kind, args: &things::Args| args.run(kind, file).map_err(Failure::Remote);
    let load = || Config::load(args.config.as_deref(), &Host::ask()).map_err(Failure::Config);
    match args.command {
        Command::Serve(_) => {
            let config = load()?;
            logging::init(&config.log_filter);
            serve::run(&config)
        }
        Command::Demo(demo) => {
            // The demo draws on the terminal, and a relay board that fails is part of the play; RUST_LOG has the log.
            logging::init("error");
            demo::run(&demo).map_err(Failure::Demo)
        }
        Command::Check(check) => {
            let config = load()?;
            logging::init("error");
            check::run(&check, &config)
        }
        Command::Simulate(simulate) => {
            logging::init("off");
            simulate::run(&simulate)
        }
        Command::Db(db) => {
            let config = load()?;
            logging::init("warn");
            db::run(&db, &config)
        }
        Command::Lab(args) => lab::run(&args, file).map_err(Failure::Remote),
        Command::Device(args) => thing(things::Kind::Device, &args),
        Command::Hardware(args) => thing(things::Kind::Hardware, &args),
        Command::Image(args) => thing(things::Kind::Image, &args),
        Command::Pxe(args) => pxe::run(&args, file).map_err(Failure::Remote),
        Command::Relay(args) => thing(things::Kind::Relay, &args),
    }
}

//! `mozpool log`: what boards say, what was done with them, what happens in the pool, and who speaks that nobody knows.

mod device;
mod pool;
mod request;
mod unknown;

pub(super) use device::of_device;
pub(super) use request::of_request;

use super::period::Period;
use super::remote::{Done, Remote, RemoteError};
use std::path::Path;

/// Logs of boards and requests, and what happens in the pool, as it happens
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    /// A board, a request's number, or `unknown` for those who send syslog although no board is known at their address [default:
    /// changes of all boards and requests]
    #[arg(value_name = "DEVICE|REQUEST|unknown")]
    what: Option<String>,
    #[command(flatten)]
    options: LogOptions,
}

const EXAMPLES: &str = "\
Examples:
  mozpool log -f                        every change of every board and request, as it happens
  mozpool log -f panda-0001             what a board says, as it says it
  mozpool log 4711                      what was done for a request, and why
  mozpool log -q 'I/O error' panda-0001 --since 2d
  mozpool log unknown                   boards that speak and are not known, or not at this address

A board whose name is a number, or `unknown`, has its log with `mozpool device log`.
With --json each line is an object; with -f one a line.

Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no such thing, 4 no server answers or it is busy.";

/// Which part of a log.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LogOptions {
    /// Go on as more comes, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// The last so many lines; 0 is all of them [default: 100, or 10 with -f]
    #[arg(short = 'n', long, value_name = "N")]
    lines: Option<u32>,
    /// Only lines with this text in them, whatever the case of its letters
    #[arg(short = 'q', long = "search", value_name = "TEXT")]
    text: Option<String>,
    /// Only lines that are not older than this, such as 90s, 1h30m or 2d
    #[arg(long, value_name = "TIME")]
    since: Option<Period>,
}

impl LogOptions {
    fn lines(&self) -> u32 {
        self.lines.unwrap_or(if self.follow { 10 } else { 100 })
    }

    /// An option that this log does not have.
    fn refuse(&self, given: bool, option: &str, log: &str) -> Result<(), RemoteError> {
        match given {
            true => Err(RemoteError::Usage { why: format!("{option} does not work with {log}") }),
            false => Ok(()),
        }
    }
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let (remote, options) = (&args.remote, &args.options);
    let client = remote.client(config)?;
    match args.what.as_deref() {
        None => pool::run(options, remote, &client),
        Some("unknown") => unknown::run(options, remote, &client),
        Some(number) if number.bytes().all(|b| b.is_ascii_digit()) && !number.is_empty() => {
            of_request(number, options, remote, &client)
        }
        Some(device) => of_device(device, options, remote, &client),
    }
}

//! Waiting for a request's board, with progress, until it is ready, the request is over, or a signal wants us to end.

use super::list;
use super::progress::Progress;
use super::signals::Signals;
use super::watch::{self, Heard};
use crate::cli::remote::{Client, Done, Remote, RemoteError};
use crossbeam_channel::{never, select};
use std::time::Duration;

/// Wait for a request's board; shows on standard error how far it is
///
/// Prints which board it is, and ends with 0, when it is ready. Ends with another code when there will be none; Ctrl-C ends the
/// waiting, not the request.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Its number
    #[arg(value_name = "REQUEST")]
    id: i64,
}

/// The clock on a terminal goes by so often.
const TICK: Duration = Duration::from_secs(1);

/// How waiting ended.
#[derive(Debug)]
pub(super) enum Ended {
    Ready,
    Signal(i32),
}

pub(super) fn run(args: &Args, remote: &Remote, client: &Client) -> Done {
    for_board(client, args.id, None)?;
    show(args.id, remote, client)
}

/// Which board it is.
pub(super) fn show(id: i64, remote: &Remote, client: &Client) -> Done {
    let details = list::details(client, id)?;
    remote.show(&details, |out, _| list::board(out, &details, client))
}

/// Waits. Without `signals` they end the process as usual.
///
/// # Errors
/// There will be no board, or nobody says whether.
pub(super) fn for_board(client: &Client, id: i64, signals: Option<&Signals>) -> Result<Ended, RemoteError> {
    let heard = watch::begin(client, id)?;
    let mut progress = Progress::new(id);
    let silent = never();
    let signals = signals.map_or(&silent, |signals| &signals.0);
    let ended = loop {
        select! {
            recv(signals) -> signal => break Ok(Ended::Signal(signal.unwrap_or_default())),
            recv(heard) -> heard => match heard {
                Ok(Heard::Now(now)) => {
                    progress.show(&now);
                    if now.state == "ready" {
                        break Ok(Ended::Ready);
                    }
                    if super::is_over(&now.state) {
                        break Err(RemoteError::NoBoard { request: id, state: now.state, why: now.why });
                    }
                }
                Ok(Heard::Trouble(why)) => progress.note(&format!("{why}; trying again")),
                Ok(Heard::Gone(error)) => break Err(error),
                Err(_) => {
                    let source = std::io::ErrorKind::BrokenPipe.into();
                    break Err(RemoteError::System { doing: "watch the request", source });
                }
            },
            default(TICK) => progress.tick(),
        }
    };
    progress.clear();
    ended
}

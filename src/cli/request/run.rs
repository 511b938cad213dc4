//! `mozpool request new … -- COMMAND`: a board for as long as a command runs.
//!
//! Whatever ends it, the board is given back: the command's end, its failure to start, a signal to us, the loss of the board. Who
//! is in front of a terminal has his command in the terminal's foreground, and Ctrl-C reaches it without us; elsewhere it is a
//! process group of its own, and signals are passed on to all of it.

use super::keep::{self, Held, Kept};
use super::new::OnLoss;
use super::signals::Signals;
use super::wait::{self, Ended};
use crate::cli::exit::Exit;
use crate::cli::period::Period;
use crate::cli::remote::{Client, Done, RemoteError, escape, tell};
use crossbeam_channel::{Receiver, after, bounded, never, select};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGKILL, SIGQUIT, SIGTERM};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::Duration;

/// What a command gets to end after a signal, before it is killed. CI services kill us after ten seconds, and the board is given back in
/// between.
const GRACE: Duration = Duration::from_secs(6);

/// What is to be run, and with what.
pub(super) struct Job<'a> {
    pub(super) client: &'a Client,
    pub(super) id: i64,
    pub(super) duration: Period,
    pub(super) command: &'a [String],
    pub(super) on_loss: OnLoss,
    pub(super) signals: &'a Signals,
}

/// A failure of ours, which must not look like the command's: 1, 3 and 4 are codes that any command may have.
pub(super) fn our_own<T>(result: Result<T, RemoteError>) -> Result<T, RemoteError> {
    result.map_err(|error| match error.exit() {
        Exit::Failed | Exit::NoSuch | Exit::NotNow => RemoteError::BesideCommand(Box::new(error)),
        _ => error,
    })
}

pub(super) fn run(job: &Job<'_>, mut held: Held<'_>) -> Done {
    // From now on: it may be waited for longer than it is wanted, and the time begins with the asking.
    let kept = our_own(keep::begin(job.client, job.id, job.duration))?;
    match wait::for_board(job.client, job.id, Some(job.signals)) {
        Ok(Ended::Ready) => {}
        Ok(Ended::Signal(signal)) => {
            held.give_back("interrupted while it waited", job.signals);
            return Ok(ExitCode::from(job.signals.exit_code(signal)));
        }
        Err(error) => {
            match error {
                RemoteError::NoBoard { .. } => held.leave(),
                _ => held.give_back("the client could not watch it", job.signals),
            }
            return our_own(Err(error));
        }
    }
    let ended = our_own(environment(job)).and_then(|environment| with_board(job, &environment, kept));
    let reason = match &ended {
        Ok((_, how)) => how.clone(),
        Err(error) => error.to_string(),
    };
    match ended {
        Err(error @ RemoteError::Lost { .. }) => {
            held.leave();
            Err(error)
        }
        ended => {
            held.give_back(&reason, job.signals);
            ended.map(|(code, _)| code)
        }
    }
}

/// What the command is told.
fn environment(job: &Job<'_>) -> Result<Vec<(&'static str, String)>, RemoteError> {
    let request = job.client.get(&format!("request/{}/details", job.id))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = text(&request["assigned_device"]);
    let device = job.client.get(&format!("device/{}", escape(&name)))?;
    Ok(vec![
        ("MOZPOOL_DEVICE", name),
        ("MOZPOOL_DEVICE_FQDN", text(&device["fqdn"])),
        ("MOZPOOL_REQUEST", job.id.to_string()),
        ("MOZPOOL_REQUEST_URL", text(&request["url"])),
        ("MOZPOOL_EXPIRES", format!("{}Z", text(&request["expires"]).trim_end_matches('Z'))),
        ("MOZPOOL_URL", job.client.base().to_owned()),
    ])
}

/// Runs the command, and gives what we exit with and how it ended.
fn with_board(
    job: &Job<'_>,
    environment: &[(&'static str, String)],
    mut kept: Receiver<Kept>,
) -> Result<(ExitCode, String), RemoteError> {
    // One that came while nobody listened to it.
    if let Ok(signal) = job.signals.0.try_recv() {
        return Ok((
            ExitCode::from(job.signals.exit_code(signal)),
            "interrupted before the command ran".into(),
        ));
    }
    let running = Running::start(job.command, environment)?;
    let (mut kill_at, mut ending, mut lost) = (never(), false, None);
    let status = loop {
        select! {
            recv(running.ended) -> status => break status,
            recv(job.signals.0) -> signal => {
                let signal = signal.unwrap_or(SIGTERM);
                // The terminal has sent it to the command, too, which may take it as it likes, as an interactive shell does.
                if !(running.in_foreground && [SIGINT, SIGQUIT].contains(&signal)) {
                    running.send(signal);
                    // From the first one on, however many follow.
                    if !std::mem::replace(&mut ending, true) {
                        kill_at = after(GRACE);
                    }
                }
            }
            recv(kept) -> news => match news {
                Ok(Kept::Trouble(why)) => tell(&format!("the board cannot be kept now: {why}; trying again")),
                Ok(Kept::Well) => tell("the server answers again"),
                Ok(Kept::Lost(why)) => {
                    tell(&format!("THE BOARD IS LOST: request {}: {why}", job.id));
                    if job.on_loss == OnLoss::Term {
                        running.send(SIGTERM);
                        if !std::mem::replace(&mut ending, true) {
                            kill_at = after(GRACE);
                        }
                    }
                    lost = Some(why);
                }
                // The keeper has said its last word.
                Err(_) => kept = never(),
            },
            recv(kill_at) -> _ => {
                tell(&format!("COMMAND has not ended within {} s and is killed", GRACE.as_secs()));
                running.send(SIGKILL);
                kill_at = never();
            }
        }
    };
    match lost {
        Some(why) if job.on_loss == OnLoss::Term => Err(RemoteError::Lost { request: job.id, why }),
        _ => {
            // What is not known must not look as if it had gone well.
            let unknown = |source| RemoteError::System { doing: "learn how COMMAND ended", source };
            let status = status.unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()));
            let status = our_own(status.map_err(unknown))?;
            Ok((exit_code(status), format!("COMMAND ended: {status}")))
        }
    }
}

/// As a shell says it: its own, or 128 and the signal's number.
fn exit_code(status: ExitStatus) -> ExitCode {
    let signal =
        status.signal().and_then(|signal| u8::try_from(signal).ok()).map(|n| 128_u8.saturating_add(n));
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.or(signal).unwrap_or(Exit::Failed as u8))
}

/// The command as it runs.
struct Running {
    pid: Pid,
    in_foreground: bool,
    /// How it has ended.
    ended: Receiver<io::Result<ExitStatus>>,
}

impl Running {
    fn start(command: &[String], environment: &[(&'static str, String)]) -> Result<Self, RemoteError> {
        let failed = |source| RemoteError::Command { command: command.join(" "), source };
        let [program, arguments @ ..] = command else {
            return Err(failed(io::ErrorKind::NotFound.into()));
        };
        let in_foreground = in_foreground();
        let mut command = Command::new(program);
        command.args(arguments).envs(environment.iter().map(|(key, value)| (key, value)));
        if !in_foreground {
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(failed)?;
        let pid = Pid::from_raw(child.id().try_into().unwrap_or_default());
        let (tx, ended) = bounded(1);
        let wait = move || {
            let _ = tx.send(child.wait());
        };
        let thread = std::thread::Builder::new().name("command".into()).spawn(wait);
        let running = Self { pid, in_foreground, ended };
        if let Err(source) = thread {
            // Nobody would know when it ends.
            running.send(SIGKILL);
            return Err(RemoteError::System { doing: "start a thread", source });
        }
        Ok(running)
    }

    /// To the command, or to all of its process group where it has one. What has ended already hears nothing.
    fn send(&self, signal: i32) {
        let Ok(signal) = Signal::try_from(signal) else { return };
        let _ = if self.in_foreground { kill(self.pid, signal) } else { killpg(self.pid, signal) };
    }
}

/// Whether we are what a terminal is about: then its keys' signals reach the command by themselves.
fn in_foreground() -> bool {
    let Ok(terminal) = std::fs::File::open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(&terminal)
        .is_ok_and(|group| group.as_raw_nonzero().get() == nix::unistd::getpgrp().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_status_is_told_as_shells_tell_it() {
        for (raw, want) in [(0, 0_u8), (7 << 8, 7), (15, 143), (9, 137)] {
            assert_eq!(
                format!("{:?}", exit_code(ExitStatus::from_raw(raw))),
                format!("{:?}", ExitCode::from(want))
            );
        }
    }
}

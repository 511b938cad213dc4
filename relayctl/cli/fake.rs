//! `relayctl fake`: a fake board in the foreground, a line and perhaps a command for each change of power.
//!
//! Three threads: the board's own; one that prints and runs the commands, in order, fed by a bounded queue; and the
//! main thread, which waits for a signal. The board is not held up by a slow command until the queue is full.

use crate::args::FakeArgs;
use crate::signals;
use relayctl::{Change, FakeBoard, FakeSettings, fake::Dialect};
use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Changes waiting for their command: every relay of a full controller, once.
const QUEUE: usize = 256;
/// How long a command that is still running may hold up the end.
const LAST_COMMAND: Duration = Duration::from_secs(5);

/// Runs until a signal comes.
pub(crate) fn run(args: &FakeArgs) -> ExitCode {
    match serve(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "relayctl: cannot be a relay board on {}: {error}", args.listen);
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &FakeArgs) -> io::Result<()> {
    // Before anything is printed: whoever reads the first line may send a signal at once.
    let mut signals = signals::to_stop()?;
    let settings = FakeSettings {
        banks: args.banks,
        recovery: args.recovery_ms,
        wiring: args.wiring,
        initial: args.initial,
        dialect: if args.fusion { Dialect::Fusion } else { Dialect::Plain },
    };
    let (changes, to_tell): (SyncSender<Change>, _) = sync_channel(QUEUE);
    // Waits when the queue is full, as a board that is overtaxed would.
    let observer = Box::new(move |change| {
        // Nobody to tell any more: the program is about to end.
        let _ = changes.send(change);
    });
    let board = FakeBoard::start_observed(args.listen, settings, observer)?;
    say(&format!("listening on {}", board.addr()));
    let (ended, end) = sync_channel::<()>(1);
    let command = args.on_change.clone();
    let tell = move || {
        tell(&to_tell, command.as_deref());
        drop(ended);
    };
    thread::Builder::new().name("on-change".into()).spawn(tell)?;
    signals.forever().next();
    // The board's end is the end of the changes; those before it are still told.
    thread::Builder::new().name("stop".into()).spawn(move || drop(board))?;
    if end.recv_timeout(LAST_COMMAND) == Err(RecvTimeoutError::Timeout) {
        let _ =
            writeln!(io::stderr(), "relayctl: a command of --on-change is still running; not waiting for it");
    }
    Ok(())
}

fn tell(changes: &Receiver<Change>, command: Option<&str>) {
    for Change { bank, relay, power } in changes {
        say(&format!("bank {bank}, relay {relay}: {power}"));
        let Some(command) = command else { continue };
        // Through a shell, so that the command may have arguments of its own before ours.
        let status = Command::new("sh")
            .args(["-c", &format!("{command} \"$@\""), "relayctl"])
            .args([bank.to_string(), relay.to_string(), power.to_string()])
            .stdin(Stdio::null())
            .status();
        let why = match status {
            Ok(status) if status.success() => continue,
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        let _ = writeln!(io::stderr(), "relayctl: {command} {bank} {relay} {power}: {why}");
    }
}

/// A line, at once, also into a pipe.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

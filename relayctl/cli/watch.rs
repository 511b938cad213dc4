//! `relayctl watch`: a board's devices as a table that keeps itself up to date.
//!
//! A thread reads the board, one connection per look, closed at once, so that whoever else needs the board finds it free.
//! The main thread waits in one place for what was seen, for a key, for a signal and for the next look. On a terminal the
//! table is drawn in place on the terminal's other screen; otherwise each bank is a line.

use crate::args::WatchArgs;
use crate::exit::Exit;
use crate::output::{Answer, failure, say};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use relayctl::{Bank, BankPower, PowerState, Relay, RelayError, Settings};
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;
use std::io::{self, IsTerminal, Read, Stdin, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a look may take unless less is wanted: a table that stands still for longer helps nobody.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// How long a refusing board is asked again: somebody's power cycle and the board's rest.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a look at the board gave.
type Seen = Result<Vec<(Bank, BankPower)>, RelayError>;

/// Watches until `q`, a signal, or the last look.
pub(crate) fn run(args: &WatchArgs) -> ExitCode {
    match watch(args) {
        Ok(exit) => exit.into(),
        Err(error) => {
            say(&format!("cannot watch: {error}"));
            Exit::Failed.into()
        }
    }
}

fn watch(args: &WatchArgs) -> io::Result<Exit> {
    // Signals first: one that comes while the screen is prepared must not leave it so.
    let (mut signalled, signals) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        pipe::register(signal, signals.try_clone()?)?;
    }
    signalled.set_nonblocking(true)?;
    let looker = Looker::start(args)?;
    let drawn = io::stdout().is_terminal() && !args.line.json;
    let keys = drawn.then(Keys::start).flatten();
    let mut screen = Screen::open(args, drawn)?;
    let mut next_look = Some(Instant::now());
    let mut looks = 0;
    loop {
        if next_look.is_some_and(|at| at <= Instant::now()) {
            looker.look();
            next_look = None;
        }
        let woken = wait(&signalled, &looker.told, keys.as_ref(), next_look)?;
        if signalled.read(&mut [0]).is_ok() || (woken && keys.as_ref().is_some_and(Keys::quit)) {
            return Ok(Exit::Done);
        }
        let Some(seen) = looker.seen() else { continue };
        screen.show(&seen)?;
        looks += 1;
        if args.count == Some(looks) {
            return Ok(seen.as_ref().map_or_else(Exit::of, |_| Exit::Done));
        }
        next_look = Some(Instant::now() + args.interval);
    }
}

/// The one place that waits. True when something came, not only the time.
fn wait(
    signalled: &UnixStream,
    told: &UnixStream,
    keys: Option<&Keys>,
    until: Option<Instant>,
) -> io::Result<bool> {
    let mut fds =
        vec![PollFd::new(signalled.as_fd(), PollFlags::POLLIN), PollFd::new(told.as_fd(), PollFlags::POLLIN)];
    fds.extend(keys.map(|keys| PollFd::new(keys.stdin.as_fd(), PollFlags::POLLIN)));
    let timeout = until.map_or(PollTimeout::NONE, |until| {
        // Rounded up: waking a fraction early would spin until the time has come.
        let wait = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
        PollTimeout::try_from(wait.as_millis()).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut fds, timeout) {
        Ok(_) => Ok(fds.get(2).and_then(PollFd::any).unwrap_or(false)),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The thread that talks to the board.
struct Looker {
    ask: SyncSender<()>,
    answers: Receiver<Seen>,
    told: UnixStream,
}

impl Looker {
    fn start(args: &WatchArgs) -> io::Result<Self> {
        // One look at a time.
        let (ask, asked) = sync_channel(1);
        let (answer, answers) = sync_channel(1);
        let (told, tell) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        let (board, banks, line) = (args.board.clone(), args.banks.banks, args.line.clone());
        // It ends with the process: what it holds is one connection.
        thread::Builder::new().name("look".into()).spawn(move || {
            for () in asked {
                let mut settings = Settings::new(Instant::now() + line.timeout.min(LOOK_LIMIT));
                settings.patience = PATIENCE;
                settings.framing = line.packets;
                let seen = relayctl::board_status(&board, banks, line.wiring, &settings);
                if answer.send(seen).is_err() || (&tell).write_all(&[0]).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { ask, answers, told })
    }

    /// Not asked twice: there is no next look before this one is shown.
    fn look(&self) {
        let _ = self.ask.try_send(());
    }

    fn seen(&self) -> Option<Seen> {
        while matches!((&self.told).read(&mut [0; 16]), Ok(n) if n > 0) {}
        self.answers.try_recv().ok()
    }
}

/// Single keys from the terminal, which is as before when this is dropped.
struct Keys {
    stdin: Stdin,
    before: Termios,
}

impl Keys {
    /// `None` where there is no keyboard.
    fn start() -> Option<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        let mut keys = before.clone();
        // Control-C stays a signal.
        keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        keys.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
        keys.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
        tcsetattr(&stdin, SetArg::TCSANOW, &keys).ok()?;
        Some(Self { stdin, before })
    }

    /// Whether `q` was typed, or the terminal has gone. Something can be read.
    fn quit(&self) -> bool {
        let mut typed = [0; 64];
        match nix::unistd::read(&self.stdin, &mut typed) {
            Ok(0) | Err(Errno::EIO) => true,
            Ok(n) => typed[..n].iter().any(|key| matches!(key, b'q' | b'Q')),
            Err(_) => false,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = tcsetattr(&self.stdin, SetArg::TCSANOW, &self.before);
    }
}

/// What is shown, and how.
struct Screen<'a> {
    args: &'a WatchArgs,
    drawn: bool,
    /// The last table, for when the board does not answer, and for the end.
    table: String,
}

impl<'a> Screen<'a> {
    fn open(args: &'a WatchArgs, drawn: bool) -> io::Result<Self> {
        if drawn {
            // The terminal's other screen, cursor off.
            write(&format!("\x1b[?1049h\x1b[?25l\x1b[H\x1b[J{}: looking\r\n", args.board))?;
        }
        Ok(Self { args, drawn, table: String::new() })
    }

    fn show(&mut self, seen: &Seen) -> io::Result<()> {
        let board = &self.args.board;
        if self.args.line.json {
            let object = match seen {
                Ok(banks) => Answer::Board(board.clone(), banks.clone()).json(),
                Err(error) => failure(error),
            };
            let mut object = object.as_object().cloned().unwrap_or_default();
            object.insert("at_ms".into(), json!(u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX)));
            return write(&format!("{}\n", serde_json::Value::from(object)));
        }
        let time = time_of_day();
        if !self.drawn {
            return match seen {
                Ok(banks) => {
                    write(&banks.iter().map(|(bank, power)| plain(&time, *bank, *power)).collect::<String>())
                }
                Err(error) => {
                    say(&format!("{time} {error}"));
                    Ok(())
                }
            };
        }
        let note = match seen {
            Ok(banks) => {
                self.table = table(banks);
                format!("{board} at {time}; q ends")
            }
            Err(error) => format!("{time} no answer, trying again: {error}; q ends"),
        };
        let text = format!("{note}\n\n{}", self.table);
        // From the top, each line over what stood there, and nothing below.
        write(&format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\r\n")))
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        if self.drawn {
            let _ = write(&format!("\x1b[?25h\x1b[?1049l{}", self.table));
        }
    }
}

fn table(banks: &[(Bank, BankPower)]) -> String {
    let heading: String = Relay::all().map(|relay| format!("{:>5}", relay.to_string())).collect();
    let mut text = format!("bank{heading}\n");
    for (bank, power) in banks {
        let row: String = Relay::all().map(|relay| format!("{:>5}", power.of(relay).to_string())).collect();
        text += &format!("{:>4}{row}\n", bank.to_string());
    }
    text
}

fn plain(time: &str, bank: Bank, power: BankPower) -> String {
    let on = Relay::all().filter(|&relay| power.of(relay) == PowerState::On).count();
    let all: String = Relay::all().map(|relay| format!(" {relay}={}", power.of(relay))).collect();
    format!("{time} bank {bank}:{all} ({on} on)\n")
}

/// At once, and an error that ends the program: who does not read any more wants no table.
fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// UTC, as the daemon's log has it.
fn time_of_day() -> String {
    let s = since_1970().as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60)
}

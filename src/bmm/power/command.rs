//! Power that a program switches: `PROGRAM [ARGUMENT]... on|off|status`, for whatever is no ProXR board.
//!
//! Whoever may write a device's `relay_info` chooses among the programs that the admin has put into one folder, by their
//! plain names, and gives them harmless words; it is no way to run anything else. The program runs as the daemon's user. `on`
//! and `off` are done when it exits with 0; `status` prints `on`, `off` or `unknown`.

use super::address::CommandAddress;
use super::program::{self, NotRun, Ran};
use nix::unistd::{AccessFlags, Uid, access};
use relayctl::power::{Failure, PowerSwitch, Refusal, Times, Trouble, left, play};
use relayctl::{Action, PowerAfter, PowerState, Step};
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long beyond its deadline a power cycle that failed half-way may try to give power again: one more run of a slow
/// program.
const GRACE: Duration = Duration::from_secs(10);
/// Between two runs of a program that fails: what it talks to may need a rest.
const REST: Duration = Duration::from_millis(500);
/// The longest piece of what a program says that is repeated.
const SAID_MAX: usize = 200;

/// Which programs may be run, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The folder that they lie in; `None`: there are none.
    pub folder: Option<PathBuf>,
    /// How long one run may take.
    pub limit: Duration,
}

impl Programs {
    /// The program of this name. Whoever could put another one into its place could run it as this user, so that the folders
    /// above it count as much as the program itself, and those above what a link leads to.
    ///
    /// # Errors
    /// It is not there, or somebody could change it who is neither root nor this user.
    pub fn find(&self, name: &str) -> Result<PathBuf, CommandFault> {
        let folder = self.folder.as_ref().ok_or(CommandFault::SwitchedOff)?;
        let path = folder.join(name);
        let missing = |e: std::io::Error| match e.kind() {
            ErrorKind::NotFound => CommandFault::Missing,
            kind => CommandFault::Start(kind),
        };
        let file = fs::metadata(&path).map_err(missing)?;
        if !file.is_file() || access(&path, AccessFlags::X_OK).is_err() {
            return Err(CommandFault::NotExecutable);
        }
        let ours = |m: &fs::Metadata| m.uid() == 0 || m.uid() == Uid::effective().as_raw();
        let closed = |m: &fs::Metadata| m.mode() & 0o022 == 0;
        // In a folder such as /tmp nobody may rename what belongs to others.
        let is_sticky = |m: &fs::Metadata| m.mode() & 0o1000 != 0;
        let folder = fs::canonicalize(folder).map_err(missing)?;
        let real = fs::canonicalize(&path).map_err(missing)?;
        let mut safe = ours(&file) && closed(&file);
        for above in real.ancestors().skip(1).chain(folder.ancestors()) {
            let m = fs::metadata(above).map_err(missing)?;
            let holds_programs = above == folder || Some(above) == real.parent();
            safe &= ours(&m) && (closed(&m) || (is_sticky(&m) && !holds_programs));
        }
        if safe { Ok(path) } else { Err(CommandFault::Unsafe) }
    }
}

/// Carries out an action and gives the power that the device was seen to have at its end; `None` if that is not known.
///
/// # Errors
/// [`CommandError`] with the first fault. A power cycle that fails half-way gives power again first.
pub(super) fn run(
    address: &CommandAddress,
    action: Action,
    pause: Duration,
    limit: Duration,
    programs: &Programs,
) -> Result<Option<PowerState>, CommandError> {
    let error = |Trouble { step, fault, power }| CommandError {
        program: address.program().into(),
        action,
        step,
        fault,
        power,
    };
    let path = programs
        .find(address.program())
        .map_err(|fault| error(Trouble { step: Step::Begin, fault, power: PowerAfter::Untouched }))?;
    let times = Times { deadline: Instant::now() + limit, grace: GRACE };
    let mut switch = Command { path: &path, arguments: address.arguments(), limit: programs.limit };
    play(&mut switch, action.goal(pause), &times).map_err(error)
}

struct Command<'a> {
    path: &'a Path,
    arguments: &'a [String],
    limit: Duration,
}

impl Command<'_> {
    fn call(&self, verb: &str, limit: Instant) -> Result<Ran, Failure<CommandFault>> {
        let failure = |fault, sent| Failure { fault, sent };
        let left = left(limit).map_err(|refusal| failure(refusal.into(), false))?.min(self.limit);
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).chain([verb]).collect();
        log::debug!("{} {}", self.path.display(), arguments.join(" "));
        match program::run(self.path, &arguments, Instant::now() + left) {
            Ok(ran) if ran.status.success() => Ok(ran),
            Ok(ran) => {
                let said = last_words(&ran.stderr);
                Err(failure(CommandFault::Failed { verb: verb.into(), code: ran.status.code(), said }, true))
            }
            Err(NotRun::Start(kind)) => Err(failure(CommandFault::Start(kind), false)),
            Err(NotRun::TimedOut) => {
                Err(failure(CommandFault::TimedOut { verb: verb.into(), after: left }, true))
            }
            Err(NotRun::System(kind)) => Err(failure(CommandFault::System(kind), true)),
        }
    }
}

impl PowerSwitch for Command<'_> {
    type Fault = CommandFault;

    fn switch(&mut self, power: PowerState, limit: Instant) -> Result<(), Failure<CommandFault>> {
        self.call(&power.to_string(), limit).map(drop)
    }

    fn look(&mut self, limit: Instant) -> Result<Option<PowerState>, Failure<CommandFault>> {
        let ran = self.call("status", limit)?;
        match ran.stdout.trim_ascii() {
            b"on" => Ok(Some(PowerState::On)),
            b"off" => Ok(Some(PowerState::Off)),
            b"unknown" => Ok(None),
            other => Err(Failure { fault: CommandFault::NoStatus { said: last_words(other) }, sent: true }),
        }
    }

    /// Every run is a new one.
    fn reopen(&mut self, _: Instant) -> Result<(), Failure<CommandFault>> {
        Ok(())
    }

    fn usable_after(&self, fault: &CommandFault) -> bool {
        matches!(fault, CommandFault::Refused(Refusal::NotMoved { .. }))
    }

    fn rest(&self) -> Duration {
        REST
    }
}

/// The last line that is not empty, as much of it as fits into a log line, without what a terminal would obey.
fn last_words(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(SAID_MAX).collect()
}

/// What can go wrong with a power program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandFault {
    /// The configuration allows none.
    SwitchedOff,
    /// There is no such program.
    Missing,
    /// It is no file that this user may execute.
    NotExecutable,
    /// Others could change it.
    Unsafe,
    /// The system does not start it.
    Start(ErrorKind),
    /// It did not end in time and was killed.
    TimedOut {
        /// What it was to do.
        verb: String,
        /// How long it had.
        after: Duration,
    },
    /// It ended with an exit code other than 0, or by a signal.
    Failed {
        /// What it was to do.
        verb: String,
        /// The exit code; `None` for a signal.
        code: Option<i32>,
        /// Its last line on standard error.
        said: String,
    },
    /// Its answer to `status` is none.
    NoStatus {
        /// What it printed last.
        said: String,
    },
    /// The system, while it ran.
    System(ErrorKind),
    /// It obeyed, and that is not enough.
    Refused(Refusal),
}

impl CommandFault {
    /// Whether it is the program, or what it talks to, that does not work; `None` when that is not said.
    pub(super) fn works(&self) -> Option<bool> {
        match self {
            Self::Refused(Refusal::NotMoved { .. }) => Some(true),
            Self::Refused(_) | Self::System(_) => None,
            Self::SwitchedOff
            | Self::Missing
            | Self::NotExecutable
            | Self::Unsafe
            | Self::Start(_)
            | Self::TimedOut { .. }
            | Self::Failed { .. }
            | Self::NoStatus { .. } => Some(false),
        }
    }
}

impl From<Refusal> for CommandFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for CommandFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwitchedOff => {
                f.write_str("power programs are switched off (set relays.power_programs to the folder that has them)")
            }
            Self::Missing => f.write_str(
                "there is no such program (put it into the folder that relays.power_programs names, or correct relay_info)",
            ),
            Self::NotExecutable => f.write_str("it is no program that may be run (chmod 755 it)"),
            Self::Unsafe => f.write_str(
                "others than root could change it (the program, its folder and those above must belong to root and be \
                 writable by nobody else: chown root, chmod go-w)",
            ),
            Self::Start(kind) => write!(f, "it does not start: {kind} (check its first line, and that it may be run)"),
            Self::TimedOut { verb, after } => write!(
                f,
                "`{verb}` was not done after {:.1} s, and it was killed (check what it talks to, or raise \
                 relays.power_program_limit_s)",
                after.as_secs_f32()
            ),
            Self::Failed { verb, code, said } => {
                match code {
                    Some(code) => write!(f, "`{verb}` ended with exit code {code}")?,
                    None => write!(f, "`{verb}` was ended by a signal")?,
                }
                if said.is_empty() { f.write_str(" and said nothing") } else { write!(f, ": {said}") }
            }
            Self::NoStatus { said } => {
                write!(f, "`status` printed {said:?} where on, off or unknown should stand (correct the program)")
            }
            Self::System(kind) => write!(f, "the system failed while it ran: {kind}"),
            Self::Refused(Refusal::NotMoved { wanted }) => write!(
                f,
                "it was obeyed, but the device is not {wanted} (check its arguments, and what it switches)"
            ),
            Self::Refused(Refusal::TooLittleTime { left, pause }) => {
                let (left, pause) = (left.as_secs_f32(), pause.as_secs_f32());
                write!(f, "{left:.1} s are left, too few for a power cycle with a pause of {pause:.1} s")
            }
            Self::Refused(Refusal::TimedOut) => f.write_str("the time was up"),
        }
    }
}

/// A power program's failure: the first fault, and what is known of the device's power since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    program: String,
    action: Action,
    step: Step,
    /// What happened.
    pub fault: CommandFault,
    /// What is known of the device's power now.
    pub power: PowerAfter,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, action, step, fault, power } = self;
        let doing = match action {
            Action::PowerOn => "power on",
            Action::PowerOff => "power off",
            Action::PowerCycle => "power cycle",
            Action::Status => "status",
        };
        write!(f, "power program `{program}`: {doing} failed while {step}: {fault}{}", power.and_then_what())
    }
}

impl std::error::Error for CommandError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_one_line_without_control_characters() {
        assert_eq!(last_words(b"first\nsecond: \x1b[31mbad\x07\n\n  \n"), "second: [31mbad");
        assert_eq!(last_words(b""), "");
        assert_eq!(last_words(&[0xff; 10]).chars().count(), 10);
        assert_eq!(last_words("ä".repeat(1000).as_bytes()).chars().count(), SAID_MAX);
    }
}

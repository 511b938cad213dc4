//! Exit codes: what a script can tell apart.
//!
//! One table for the help text, the documentation and the program.

use relayctl::{Fault, PowerAfter, RelayError, Step};
use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    // 2 is a wrong command line, and clap's.
    Unreachable = 3,
    WrongAnswer = 4,
    Guarded = 5,
    NoAnswer = 6,
    NotMoved = 7,
    MayBeOff = 8,
}

/// Every exit code with its meaning.
pub(crate) const CODES: &[(u8, &str)] = &[
    (0, "done, or the answer is printed"),
    (1, "failed for a reason of this machine; standard error says which"),
    (2, "the command line is wrong"),
    (3, "the board cannot be reached: name, network, or it refuses connections"),
    (4, "the board answers wrongly: garbage, half an answer, it hangs up, configuration mode"),
    (5, "refused by the guard or not confirmed: nothing was switched"),
    (6, "the board took the connection and gave no answer in time"),
    (7, "the board obeyed, and the device's power is not as it should be"),
    (8, "a power cycle failed and the device may be without power: look after it"),
];

impl Exit {
    /// What a failed operation on a board means.
    pub(crate) fn of(error: &RelayError) -> Self {
        match (error.power, &error.fault, error.step) {
            (PowerAfter::MayBeOff, ..) => Self::MayBeOff,
            (_, Fault::NotMoved { .. }, _) => Self::NotMoved,
            (_, Fault::UnknownHost | Fault::ResolverBusy | Fault::Refused | Fault::Unreachable, _)
            | (_, Fault::TimedOut, Step::Connect) => Self::Unreachable,
            (_, Fault::TimedOut | Fault::TooLittleTime { .. }, _) => Self::NoAnswer,
            (_, Fault::Closed | Fault::Reset | Fault::ShortReply { .. } | Fault::WrongReply(_), _) => {
                Self::WrongAnswer
            }
            (_, Fault::Io(_), _) => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table, as the help prints it.
pub(crate) fn table() -> String {
    CODES.iter().map(|(code, means)| format!("  {code}  {means}\n")).collect()
}

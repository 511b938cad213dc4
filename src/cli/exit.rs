//! Exit codes: what a script can tell apart. One table for the help texts, the documents and the program.
//!
//! The high ones leave the low ones to the command that `request new -- COMMAND` runs.

use std::process::ExitCode;

/// How the program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::cli) enum Exit {
    Failed = 1,
    /// clap's, too.
    Usage = 2,
    NoSuch = 3,
    NotNow = 4,
    Unconfirmed = 5,
    /// The unit does not start the daemon again after it (`RestartPreventExitStatus`).
    Damaged = 6,
    NoBoard = 120,
    BadBoard = 121,
    Lost = 122,
    /// Before or beside a command.
    Mozpool = 125,
    NotExecutable = 126,
    NoCommand = 127,
}

/// Every exit code with its meaning.
pub const CODES: &[(&str, &str)] = &[
    ("0", "done"),
    ("1", "refused or failed; standard error says why"),
    ("2", "wrong usage or configuration"),
    ("3", "there is no such thing"),
    ("4", "no server answers, or it is busy: try again"),
    ("5", "not confirmed: nothing was done"),
    ("6", "`serve`: the store is damaged, nothing was written, and trying again is in vain"),
    ("120", "no board: none that fits became free in time, or the one that was named is taken"),
    ("121", "the board that was named failed, or two boards say that the image is bad"),
    ("122", "the board was lost: its request expired, or somebody else returned it"),
    (
        "125",
        "`request new -- COMMAND`: Mozpool failed, for any other reason, before COMMAND ran or beside it",
    ),
    ("126", "`request new -- COMMAND`: COMMAND cannot be executed"),
    ("127", "`request new -- COMMAND`: there is no COMMAND"),
    ("128+N", "`request new -- COMMAND`: signal N ended COMMAND, or the wait for a board"),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning() {
        use Exit::*;
        for exit in [
            Failed,
            Usage,
            NoSuch,
            NotNow,
            Unconfirmed,
            Damaged,
            NoBoard,
            BadBoard,
            Lost,
            Mozpool,
            NotExecutable,
            NoCommand,
        ] {
            let code = (exit as u8).to_string();
            assert!(CODES.iter().any(|(c, _)| *c == code), "{exit:?}");
        }
    }
}

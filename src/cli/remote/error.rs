//! What can go wrong between the command line and a daemon, in sentences, and what a script is told of it.

use super::place::URL_VARIABLE;
use super::token::TOKEN_VARIABLE;
use crate::cli::exit::Exit;
use crate::config::ConfigError;
use crate::lab::LabError;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Why a command to a server failed.
#[derive(Debug)]
pub enum RemoteError {
    /// There is no configuration to find the server by.
    Config(ConfigError),
    /// Not a server's URL.
    Url { url: String, named_by: String },
    /// What was typed means nothing.
    Usage { why: String },
    /// No server answers. `sent` is true when one may have heard the call nevertheless.
    Unreachable { url: String, named_by: String, why: String, sent: bool },
    /// The server says no.
    Refused { status: u16, message: String, code: String },
    /// The server does not know who calls. `named_by` says where the token is from that it does not take; there was none otherwise.
    Unknown { url: String, named_by: Option<String>, message: String },
    /// The server says what no Mozpool says.
    Strange { url: String, why: String },
    /// A file of ours.
    File { path: PathBuf, source: std::io::Error },
    /// The lab file, as far as it is read here.
    Lab(LabError),
    /// Nobody has agreed to what would happen.
    Unconfirmed { what: String, asked: bool },
    /// A request has come to an end without a board.
    NoBoard { request: i64, state: String, why: String },
    /// The board of a request is another's now.
    Lost { request: i64, why: String },
    /// The system did not give what was needed.
    System { doing: &'static str, source: std::io::Error },
    /// A failure of ours where a command's exit code is expected.
    BesideCommand(Box<RemoteError>),
    /// A command that was to be run with a board.
    Command { command: String, source: std::io::Error },
    /// Standard output is gone.
    Output(std::io::Error),
}

impl RemoteError {
    /// For scripts; [`super::super::exit::CODES`] says what each means.
    pub(in crate::cli) fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::Url { .. } | Self::Usage { .. } => Exit::Usage,
            Self::Refused { status: 404, .. } => Exit::NoSuch,
            Self::Refused { status: 503, .. } | Self::Unreachable { .. } => Exit::NotNow,
            Self::Unconfirmed { .. } => Exit::Unconfirmed,
            Self::NoBoard { state, .. } => match state.as_str() {
                "failed_bad_image" | "failed_bad_device" => Exit::BadBoard,
                "closed" | "expired" => Exit::Lost,
                _ => Exit::NoBoard,
            },
            Self::Lost { .. } => Exit::Lost,
            Self::BesideCommand(_) => Exit::Mozpool,
            Self::Command { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Exit::NoCommand,
            Self::Command { .. } => Exit::NotExecutable,
            Self::Refused { .. }
            | Self::Unknown { .. }
            | Self::Strange { .. }
            | Self::File { .. }
            | Self::Lab(_)
            | Self::System { .. }
            | Self::Output(_) => Exit::Failed,
        }
    }

    pub(in crate::cli) fn exit_code(&self) -> ExitCode {
        self.exit().into()
    }

    /// It may be otherwise in a moment: a server that restarts, or is busy.
    pub(in crate::cli) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Refused { status: 500..=599, .. })
    }

    /// Whoever reads our output has enough, as `head` has.
    pub(in crate::cli) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(e) if e.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Url { url, named_by } => write!(
                f,
                "`{url}` (from {named_by}) is not a server's URL; write http://host, http://host:port or https://host, \
                 with --url or in ${URL_VARIABLE}"
            ),
            Self::Usage { why } => f.write_str(why),
            Self::Unreachable { url, named_by, why, sent } => {
                let perhaps = if *sent { "; it may have been done all the same, so look first" } else { "" };
                write!(
                    f,
                    "{url} (from {named_by}) does not answer: {why}; does the daemon run there? \
                     --url names another server{perhaps}"
                )
            }
            Self::Refused { message, .. } => f.write_str(message),
            Self::Unknown { url, named_by: None, message } => write!(
                f,
                "{url} does not know who asks: {message}. --token-file, ${TOKEN_VARIABLE} or ~/.config/mozpool/token says your \
                 token here"
            ),
            Self::Unknown { url, named_by: Some(named_by), message } => {
                write!(f, "{url} does not take the token from {named_by}: {message}")
            }
            Self::Strange { url, why } => write!(f, "{url} answers as no Mozpool does: {why}; check --url"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Lab(error) => error.fmt(f),
            Self::Unconfirmed { what, asked: true } => write!(f, "nothing was done. It was: {what}"),
            Self::Unconfirmed { what, asked: false } => {
                write!(
                    f,
                    "{what} Nothing was done, for there is no terminal to ask on; --yes says that it is meant"
                )
            }
            Self::NoBoard { request, state, why } => {
                write!(f, "request {request} has no board: {state}: {why}")
            }
            Self::Lost { request, why } => write!(f, "the board of request {request} is lost: {why}"),
            Self::System { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::BesideCommand(error) => error.fmt(f),
            Self::Command { command, source } => write!(f, "cannot run `{command}`: {source}"),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

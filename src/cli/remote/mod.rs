//! What subcommands that talk to a running daemon have in common: which one, what went wrong, how it is shown.
//!
//! They know the API's paths and keys and nothing behind them. A redirect to the server that owns a thing is followed.

mod client;
mod error;
mod place;
mod stream;
mod token;
mod trust;

pub(super) use client::{Client, escape};
pub use error::RemoteError;
pub(super) use place::ClientConfig;
pub(super) use stream::Stream;

use super::show::{self, Terminal};
use serde_json::Value;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a subcommand comes to: an exit code that says all there is to say, or an error that is printed.
pub(super) type Done = Result<ExitCode, RemoteError>;

/// Who calls, and whom we believe.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Access {
    /// The file with the token that the server asks for [default: $MOZPOOL_TOKEN, which is the token itself, else
    /// $MOZPOOL_TOKEN_FILE, else ~/.config/mozpool/token]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Server and form")]
    token_file: Option<PathBuf>,
    /// Certificates of whom an https server may be signed by, as PEM [default: $MOZPOOL_CA_FILE, else those that this machine
    /// trusts]
    #[arg(long, value_name = "FILE", global = true, help_heading = "Server and form")]
    ca_file: Option<PathBuf>,
}

/// Which server, and how answers are shown.
#[derive(Debug, Clone, clap::Args)]
pub struct Remote {
    /// The server; several of a pool, with commas, are tried in turn [default: $MOZPOOL_URL, else as configured here, else
    /// http://localhost]
    #[arg(long, value_name = "URL", global = true, value_delimiter = ',', help_heading = "Server and form")]
    url: Vec<String>,
    #[command(flatten)]
    access: Access,
    /// Show answers as JSON, for programs: one document, or one a line where it goes on and on
    #[arg(long, global = true, help_heading = "Server and form")]
    pub(super) json: bool,
}

impl Remote {
    /// A client of the server that is meant. `config` is the file that the command line names.
    pub(super) fn client(&self, config: Option<&Path>) -> Result<Client, RemoteError> {
        Client::new(place::Place::find(&self.url, config)?, &self.access)
    }

    /// Shows `answer`: as JSON where that was asked for, else as `show` does.
    pub(super) fn show(
        &self,
        answer: &Value,
        show: impl FnOnce(&mut dyn Write, Terminal) -> io::Result<()>,
    ) -> Done {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let shown = match self.json {
            true => show::json(&mut out, answer),
            false => show(&mut out, Terminal::of_stdout()),
        };
        shown.and_then(|()| out.flush()).map_err(RemoteError::Output)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A line on standard error, for people who watch. When that is gone, nobody is left to tell.
pub(super) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "mozpool: {line}");
}

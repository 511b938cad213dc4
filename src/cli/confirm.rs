//! Asking before something that cannot be undone. On a terminal it asks; elsewhere it needs `--yes`, and does nothing without.

use super::remote::RemoteError;
use std::io::{self, BufRead, IsTerminal, Write};

/// What destructive commands have in common.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(in crate::cli) struct Confirm {
    /// Do not ask; needed where there is no terminal to ask on
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
}

impl Confirm {
    /// Goes on when the person at the terminal agrees, or has agreed beforehand. `what` is what will happen, in a sentence.
    ///
    /// # Errors
    /// [`RemoteError::Unconfirmed`].
    pub(in crate::cli) fn ask(self, what: &str) -> Result<(), RemoteError> {
        if self.yes {
            return Ok(());
        }
        let no = |asked| Err(RemoteError::Unconfirmed { what: what.to_owned(), asked });
        let (stdin, mut stderr) = (io::stdin(), io::stderr());
        if !stdin.is_terminal() || !stderr.is_terminal() {
            return no(false);
        }
        let asked = write!(stderr, "{what}\nGo on? [y/N] ").and_then(|()| stderr.flush());
        asked.map_err(RemoteError::Output)?;
        let mut answer = String::new();
        stdin
            .lock()
            .read_line(&mut answer)
            .map_err(|source| RemoteError::File { path: "standard input".into(), source })?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => no(true),
        }
    }
}

//! What is made from the command line's grammar: completion for shells, and manual pages.

use crate::args::{self, Shell};
use crate::exit::Exit;
use crate::output::say;
use clap_complete::aot;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Prints a shell's completion.
pub(crate) fn completion(shell: Shell) -> ExitCode {
    let generator = match shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    // In memory first: the generator panics when its output is closed.
    let mut text = Vec::new();
    aot::generate(generator, &mut args::command(), "relayctl", &mut text);
    ended(io::stdout().write_all(&text))
}

/// Prints the manual page, or writes it and one for each command into a folder.
pub(crate) fn man(dir: Option<&Path>) -> ExitCode {
    let command = args::command();
    ended(match dir {
        Some(dir) => clap_mangen::generate_to(command, dir),
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command).render(&mut text).and_then(|()| io::stdout().write_all(&text))
        }
    })
}

fn ended(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            say(&format!("cannot write it: {error}"));
            Exit::Failed.into()
        }
    }
}

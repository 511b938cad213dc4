//! What is made from the command line's definition: completion for shells, and manual pages.

use super::remote::{Done, RemoteError};
use clap_complete::aot;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Print the completion of this command line for a shell
///
/// For bash: mozpool completion bash > /etc/bash_completion.d/mozpool
#[derive(Debug, clap::Args)]
pub struct CompletionArgs {
    /// For which shell
    shell: Shell,
}

/// Print the manual page
///
/// To read it: mozpool man | man -l -
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write it, and one for each subcommand, as files into this folder instead
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Shells that we know the language of.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn completion(args: &CompletionArgs) -> Done {
    let generator = match args.shell {
        Shell::Bash => aot::Shell::Bash,
        Shell::Zsh => aot::Shell::Zsh,
        Shell::Fish => aot::Shell::Fish,
    };
    // In memory first: the generator panics when its output is closed.
    let mut text = Vec::new();
    aot::generate(generator, &mut super::command(), "mozpool", &mut text);
    print(&text)
}

pub(super) fn man(args: &ManArgs) -> Done {
    match &args.dir {
        Some(dir) => clap_mangen::generate_to(super::command(), dir)
            .map_err(|source| RemoteError::File { path: dir.clone(), source })
            .map(|()| ExitCode::SUCCESS),
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(super::command()).render(&mut text).map_err(RemoteError::Output)?;
            print(&text)
        }
    }
}

fn print(text: &[u8]) -> Done {
    io::stdout().write_all(text).map_err(RemoteError::Output)?;
    Ok(ExitCode::SUCCESS)
}

//! `mozpool lab`: everything there is as one file, out of a running daemon and into it.

use super::remote::{Done, Remote, RemoteError, escape};
use super::things::changes;
use crate::lab::{Format, load_text};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use ureq::http::Method;

/// Bring a running server to what a lab file says, or write down what it has
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  mozpool lab import lab.toml --dry-run    what would change?
  mozpool lab import lab.toml              all of it, or with an error nothing
  mozpool lab export lab.toml              everything, to be kept or edited
  mozpool lab export --format csv          the devices, for a spreadsheet

Exit codes: 0 done, 1 refused, 2 wrong usage, 4 the server does not answer or is busy.";

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Insert or change what the file names; what it does not name stays
    Import {
        /// The lab file; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// How it is written [default: as its name ends, else toml]
        #[arg(long, value_name = "FORMAT", value_parser = format)]
        format: Option<Format>,
        /// Only show what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// Write everything down; imported again it changes nothing
    Export {
        /// Where to [default: standard output]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
        /// toml, json, or csv for devices alone [default: as the file's name ends, else toml]
        #[arg(long, value_name = "FORMAT", value_parser = format)]
        format: Option<Format>,
    },
}

fn format(text: &str) -> Result<Format, String> {
    Format::parse(text).ok_or_else(|| "write toml, json or csv".to_owned())
}

pub(super) fn run(args: &Args, config: Option<&Path>) -> Done {
    let client = args.remote.client(config)?;
    match &args.command {
        Command::Import { file, format, dry_run } => {
            let (text, format) = read(file, *format)?;
            let path = format!(
                "lab/import?origin={}&dry_run={}",
                escape(&file.display().to_string()),
                u8::from(*dry_run)
            );
            let answer = client.call_with(&Method::POST, &path, format.content_type(), &text)?;
            args.remote.show(&answer, |out, _| changes(out, &answer))
        }
        Command::Export { file, format } => {
            let named = file.as_deref().and_then(Format::of_file);
            let otherwise = if args.remote.json { Format::Json } else { Format::Toml };
            let format = format.or(named).unwrap_or(otherwise);
            let text = client.text(&format!("lab/export?format={}", format.name()))?;
            let written = match file {
                None => std::io::stdout().lock().write_all(text.as_bytes()).map_err(RemoteError::Output),
                Some(path) => std::fs::write(path, text)
                    .map_err(|source| RemoteError::File { path: path.clone(), source }),
            };
            written.map(|()| ExitCode::SUCCESS)
        }
    }
}

fn read(file: &Path, format: Option<Format>) -> Result<(String, Format), RemoteError> {
    if file == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        read.map_err(|source| RemoteError::File { path: file.into(), source })?;
        return Ok((text, format.unwrap_or(Format::Toml)));
    }
    load_text(file, format).map_err(RemoteError::Lab)
}

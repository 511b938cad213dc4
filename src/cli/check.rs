//! `mozpool check`.

use super::Failure;
use crate::config::Config;

/// Look whether this server is fit to serve, and say what to do where it is not
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON document instead of text
    #[arg(long)]
    json: bool,
}

pub(super) fn run(_args: &Args, _config: &Config) -> Result<(), Failure> {
    Ok(())
}

//! `mozpool serve`: the daemon, in the foreground, until SIGTERM or SIGINT.

use super::Failure;
use crate::config::Config;

/// Run the daemon in the foreground
///
/// It opens its ports, gives up root where it has it, and serves until SIGTERM or SIGINT. A second daemon on the same store
/// refuses to start. Try `mozpool check` first.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(config: &Config) -> Result<(), Failure> {
    match &config.file {
        Some(file) => log::info!("configuration: {}", file.display()),
        None => log::info!("configuration: as built in, there is no {}", crate::config::DEFAULT_PATH),
    }
    crate::daemon::run(config).map_err(Failure::Daemon)
}

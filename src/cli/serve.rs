//! `mozpool serve`: the daemon, in the foreground, until SIGTERM or SIGINT.

use super::{Failure, logging};
use crate::config::{Config, Host};
use crate::daemon::Source;
use std::path::Path;

/// Run the daemon in the foreground
///
/// It opens its ports, gives up root where it has it, and serves until SIGTERM or SIGINT. SIGHUP has it read its configuration again.
/// A second daemon on the same store refuses to start. Try `mozpool check` first.
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(named: Option<&Path>) -> Result<(), Failure> {
    let named = named.map(Path::to_owned);
    let load = move || Config::load_with_text(named.as_deref(), &Host::ask());
    let (config, text) = load().map_err(Failure::Config)?;
    logging::init(&config.log_filter);
    match &config.file {
        Some(file) => log::info!("configuration: {}", file.display()),
        None => log::info!("configuration: as built in, there is no {}", crate::config::DEFAULT_PATH),
    }
    let source = Source { text, load: Box::new(load), log: Box::new(logging::follow) };
    crate::daemon::run(&config, source).map_err(Failure::Daemon)
}

//! SIGHUP: the configuration is read again, and what can be changed while the daemon runs is.
//!
//! A configuration with faults changes nothing: each is logged, and all stays as it is. What needs a restart is named, each time until
//! there was one.

use super::notify::Notifier;
use crate::config::{Config, ConfigError, Host, changed};
use crate::layers::boards::Boards;
use crate::layers::journal::Keep;
use std::sync::Arc;

/// The one setting of the log.
const LOG_FILTER: &str = "log.filter";

/// Where the configuration comes from, and what is not the daemon's that follows it.
pub struct Source {
    /// What this daemon was started with, as text.
    pub text: String,
    /// Reads it again; the text as well.
    pub load: Box<dyn Fn() -> Result<(Config, String), ConfigError>>,
    /// Logs by this filter from now on. False where another one wins.
    pub log: Box<dyn Fn(&str) -> bool>,
}

/// Reads the configuration again when it is told to.
pub(super) struct Reload {
    source: Source,
    /// What holds now of what can be changed.
    holds: String,
    keep: Arc<Keep>,
    boards: Arc<Boards>,
    notifier: Arc<Notifier>,
    /// What the service manager shows when all is well.
    status: String,
}

impl Reload {
    /// Nothing has changed yet.
    pub(super) fn new(
        source: Source,
        keep: Arc<Keep>,
        boards: Arc<Boards>,
        notifier: Arc<Notifier>,
        status: String,
    ) -> Self {
        let holds = source.text.clone();
        Self { source, holds, keep, boards, notifier, status }
    }

    /// Does it, and says what came of it.
    pub(super) fn run(&mut self) {
        self.notifier.reloading();
        let status = match (self.source.load)() {
            Ok((config, text)) => self.follow(&config, text),
            Err(error) => {
                for fault in error.to_string().lines() {
                    log::error!("{fault}");
                }
                log::error!("the configuration was not changed; what held before still does");
                format!("{}; the configuration has faults and was not read again", self.status)
            }
        };
        self.notifier.ready(&status);
    }

    fn follow(&mut self, config: &Config, text: String) -> String {
        let host = Host::ask();
        let follows = |name: &String| {
            name == LOG_FILTER
                || Keep::SETTINGS.iter().chain(&Boards::SETTINGS).any(|follows| follows == name)
        };
        let now: Vec<_> = changed(&self.holds, &text, &host).into_iter().filter(follows).collect();
        let later: Vec<_> =
            changed(&self.source.text, &text, &host).into_iter().filter(|n| !follows(n)).collect();
        self.keep.follow(config);
        self.boards.follow(&config.boards);
        let logs = (self.source.log)(&config.log_filter);
        for name in &now {
            if name == LOG_FILTER && !logs {
                log::warn!("{name} has changed, but RUST_LOG wins over it");
            } else {
                log::info!("{name} has changed, and holds from now on");
            }
        }
        for name in &later {
            log::warn!("{name} has changed, and needs a restart: `systemctl restart mozpool`");
        }
        if now.is_empty() && later.is_empty() {
            log::info!("the configuration was read again; nothing in it has changed");
        }
        self.holds = text;
        if later.is_empty() {
            self.status.clone()
        } else {
            format!("{}; a restart is needed for {}", self.status, later.join(", "))
        }
    }
}

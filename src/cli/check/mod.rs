//! `mozpool check`: is this server fit to serve, and what is to be done where it is not?
//!
//! It changes nothing: it makes no store, upgrades none, switches no power. It may run beside the daemon; what the daemon of the same
//! store holds counts as well. Each row of its table looks at one thing. With `--remote` it looks at a running server instead, for
//! monitors.

mod access;
mod files;
mod peers;
mod ports;
mod power;
mod relays;
mod remote;
mod scraped;
mod store;

use super::Failure;
use crate::config::{AddressFrom, Config, DEFAULT_PATH};
use crate::store::Location;
use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Look whether this server is fit to serve, and say what to do where it is not
///
/// It verifies ports, rights, files, the store, PXE configs and relay boards. It changes nothing and may run beside the daemon.
/// Run it as the user that the daemon runs as. Exits 0 when nothing failed, warnings or not.
///
/// With --remote it looks at a running server from afar, for Nagios and its like: whether it answers, its store and all its
/// layers do, how many boards have failed, how long requests wait, and how full the store's disk is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON document: {"ok", "checks": [{"check", "level", "what", "remedy"}]}
    #[arg(long)]
    json: bool,
    /// Look at the configuration file alone, as `systemctl reload` does before the daemon reads it
    #[arg(long, conflicts_with = "remote")]
    settings: bool,
    #[command(flatten)]
    remote: remote::Options,
}

impl Args {
    /// It is about a running server.
    pub(super) fn is_remote(&self) -> bool {
        self.remote.remote.is_some()
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ok,
    /// It serves, but something will be missed.
    Warn,
    /// It does not serve, or boards will fail.
    Fail,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What was found at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    level: Level,
    what: String,
    /// What to do; empty where all is well, or where `what` says it.
    remedy: String,
}

impl Finding {
    fn ok(what: impl fmt::Display) -> Self {
        Self { level: Level::Ok, what: what.to_string(), remedy: String::new() }
    }
    fn warn(what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { level: Level::Warn, what: what.to_string(), remedy: remedy.to_string() }
    }
    fn fail(what: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { level: Level::Fail, what: what.to_string(), remedy: remedy.to_string() }
    }
}

/// What the checks look at.
struct Server<'a> {
    config: &'a Config,
    /// The process that has the store's lock, or stands in the database under this name: a daemon that runs.
    daemon: Option<u32>,
    /// Others may use the store, too.
    shares: bool,
    /// What the store holds; `None` when it cannot be read, which its own row tells.
    stored: Option<store::Stored>,
}

/// One look at one thing.
struct Check {
    name: &'static str,
    look: fn(&Server<'_>) -> Vec<Finding>,
}

/// Everything that is looked at, in the order in which it matters. The store comes first and by itself: others read from it.
const CHECKS: &[Check] = &[
    Check { name: "configuration", look: configuration },
    Check { name: "address", look: address },
    Check { name: "access", look: access::access },
    Check { name: "ports", look: ports::ports },
    Check { name: "ping", look: ports::ping },
    Check { name: "file root", look: files::file_root },
    Check { name: "second stages", look: files::second_stages },
    Check { name: "tftp root", look: files::tftp_root },
    Check { name: "secret", look: peers::secret },
    Check { name: "servers", look: peers::servers },
    Check { name: "pxe configs", look: store::pxe_configs },
    Check { name: "relay boards", look: relays::boards },
    Check { name: "power programs", look: power::programs },
];

/// Looks at a running server; the line that it writes says all.
pub(super) fn run_remote(args: &Args, config: Option<&Path>) -> ExitCode {
    remote::run(&args.remote, config)
}

pub(super) fn run(args: &Args, config: &Config) -> Result<(), Failure> {
    let results = if args.settings { look_at_settings(config) } else { look(config) };
    let failed = results.iter().any(|(_, f)| f.level == Level::Fail);
    let text = if args.json { json(&results) } else { table(&results) };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)?;
    if failed { Err(Failure::Check) } else { Ok(()) }
}

/// That it could be read is all that there is to know: its faults are told before this.
fn look_at_settings(config: &Config) -> Vec<(&'static str, Finding)> {
    let server = Server { config, daemon: None, shares: false, stored: None };
    configuration(&server).into_iter().map(|found| ("configuration", found)).collect()
}

fn look(config: &Config) -> Vec<(&'static str, Finding)> {
    let mut results = Vec::new();
    let (shares, daemon, stored) = match config.store_url.parse::<Location>() {
        Ok(location) => {
            let (found, daemon, stored) = store::look(&location, &config.server.name);
            results.extend(found.into_iter().map(|f| ("store", f)));
            (location.is_shared(), daemon, stored)
        }
        Err(error) => {
            results.push(("store", Finding::fail(error, "")));
            (false, None, None)
        }
    };
    let server = Server { config, daemon, shares, stored };
    for check in CHECKS {
        results.extend((check.look)(&server).into_iter().map(|f| (check.name, f)));
    }
    results
}

fn configuration(server: &Server<'_>) -> Vec<Finding> {
    vec![match &server.config.file {
        Some(file) => Finding::ok(file.display()),
        None => Finding::ok(format!("as built in, there is no {DEFAULT_PATH}")),
    }]
}

fn address(server: &Server<'_>) -> Vec<Finding> {
    let us = &server.config.server;
    let set = "set server.address to the address that boards reach this server at";
    let mut findings = vec![match us.address_from {
        AddressFrom::Configured => Finding::ok(us.address),
        AddressFrom::Listen => Finding::ok(format!("{}, where the API listens", us.address)),
        AddressFrom::DefaultRoute => Finding::ok(format!("{}, on the default route", us.address)),
        AddressFrom::Interface => {
            Finding::warn(format!("{} is a guess: there is no default route", us.address), set)
        }
        AddressFrom::Loopback => {
            Finding::warn(format!("{}: there is no network, boards cannot reach it", us.address), set)
        }
    }];
    if us.name.is_empty() {
        findings.push(Finding::fail("this server has no name", "set server.name, or the host's name"));
    }
    if let Some(user) = &us.user {
        findings.push(match nix::unistd::User::from_name(user) {
            Ok(Some(_)) => Finding::ok(format!("user {user} exists")),
            Ok(None) => Finding::fail(
                format!("server.user: there is no user {user}"),
                format!("create it with `useradd --system {user}`, or change the setting"),
            ),
            Err(error) => Finding::fail(format!("server.user: cannot look up {user}: {}", error.desc()), ""),
        });
    }
    findings
}

/// For people.
fn table(results: &[(&'static str, Finding)]) -> String {
    let width = results.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, finding) in results {
        text += &format!("{:<4}  {name:<width$}  {}\n", finding.level.name(), finding.what);
        if !finding.remedy.is_empty() {
            text += &format!("{:width$}        -> {}\n", "", finding.remedy);
        }
    }
    let count = |level| results.iter().filter(|(_, f)| f.level == level).count();
    text + &format!(
        "{} ok, {} to note, {} failed\n",
        count(Level::Ok),
        count(Level::Warn),
        count(Level::Fail)
    )
}

/// For programs.
fn json(results: &[(&'static str, Finding)]) -> String {
    let checks: Vec<_> = results
        .iter()
        .map(|(name, f)| {
            serde_json::json!({"check": name, "level": f.level.name(), "what": f.what, "remedy": f.remedy})
        })
        .collect();
    let ok = results.iter().all(|(_, f)| f.level != Level::Fail);
    format!("{:#}\n", serde_json::json!({"ok": ok, "checks": checks}))
}

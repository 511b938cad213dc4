//! What subcommands that talk to a running daemon have in common: which one, what went wrong, how it is shown.
//!
//! They know the API's paths and keys and nothing behind them. A redirect to the server that owns a thing is followed.

mod client;
pub(super) mod show;

pub(super) use client::{Client, escape};

use crate::config::{Config, ConfigError, Host};
use crate::lab::LabError;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Names the server.
const URL_VARIABLE: &str = "MOZPOOL_URL";
/// Where a server is looked for when nothing says where it is.
const URL_DEFAULT: &str = "http://localhost";

/// Which server, and how answers are shown.
#[derive(Debug, Clone, clap::Args)]
pub struct Remote {
    /// The server [default: $MOZPOOL_URL, else the address in this machine's configuration, else http://localhost]
    #[arg(long, value_name = "URL", global = true)]
    url: Option<String>,
    /// Show answers as JSON, for programs
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Remote {
    /// A client of the server that is meant. `config` is the file that the command line names.
    pub(super) fn client(&self, config: Option<&Path>) -> Result<Client, RemoteError> {
        let variable = || std::env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
        let url = match self.url.clone().or_else(variable) {
            Some(url) => url,
            None => configured(config)?,
        };
        if !url.starts_with("http://") {
            return Err(RemoteError::Url { url });
        }
        Ok(Client::new(&url))
    }
}

/// Where the daemon of this machine listens.
fn configured(named: Option<&Path>) -> Result<String, RemoteError> {
    match Config::load(named, &Host::ask()) {
        Ok(config) if config.file.is_some() => Ok(local_url(config.http.listen)),
        Ok(_) => Ok(URL_DEFAULT.into()),
        // A file that nobody named, and that only the daemon may read.
        Err(ConfigError::Unreadable { named_by: "default", .. }) => Ok(URL_DEFAULT.into()),
        Err(error) => Err(RemoteError::Config(error)),
    }
}

fn local_url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    match listen.port() {
        // The system chooses it; then only the daemon's log says which.
        0 => URL_DEFAULT.into(),
        port => format!("http://{}", SocketAddr::new(ip, port)),
    }
}

/// Why a command to a server failed.
#[derive(Debug)]
pub enum RemoteError {
    /// There is no configuration to find the server by.
    Config(ConfigError),
    /// Not a server's URL.
    Url { url: String },
    /// What was typed means nothing.
    Usage { why: String },
    /// The server does not answer.
    Unreachable { url: String, why: String },
    /// The server says no.
    Refused { status: u16, message: String },
    /// The server says what no Mozpool says.
    Strange { url: String, why: String },
    /// A file of ours.
    File { path: PathBuf, source: std::io::Error },
    /// The lab file, as far as it is read here.
    Lab(LabError),
    /// Standard output is gone.
    Output(std::io::Error),
}

impl RemoteError {
    /// 1 refused or failed, 2 wrong usage, 3 no such thing, 4 not now: for scripts.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_) | Self::Url { .. } | Self::Usage { .. } => 2,
            Self::Refused { status: 404, .. } => 3,
            Self::Refused { status: 503, .. } | Self::Unreachable { .. } => 4,
            Self::Refused { .. }
            | Self::Strange { .. }
            | Self::File { .. }
            | Self::Lab(_)
            | Self::Output(_) => 1,
        })
    }
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Url { url } => write!(
                f,
                "`{url}` is not a server's URL; write http://host or http://host:port, with --url or in ${URL_VARIABLE}"
            ),
            Self::Usage { why } => f.write_str(why),
            Self::Unreachable { url, why } => {
                write!(
                    f,
                    "{url} does not answer: {why}; does the daemon run there? --url names another server"
                )
            }
            Self::Refused { message, .. } => f.write_str(message),
            Self::Strange { url, why } => write!(f, "{url} answers as no Mozpool does: {why}; check --url"),
            Self::File { path, source } => write!(f, "{}: {source}", path.display()),
            Self::Lab(error) => error.fmt(f),
            Self::Output(error) => write!(f, "cannot write to standard output: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_asked_here() {
        for (listen, want) in [
            ("0.0.0.0:80", "http://127.0.0.1:80"),
            ("[::]:8080", "http://[::1]:8080"),
            ("10.0.0.1:8080", "http://10.0.0.1:8080"),
            ("127.0.0.1:0", "http://localhost"),
        ] {
            assert_eq!(local_url(listen.parse().unwrap()), want);
        }
    }
}

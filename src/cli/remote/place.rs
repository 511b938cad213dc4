//! Which server is meant, and what a person has set for all calls: `client.toml`.
//!
//! In this order: `--url`, `$MOZPOOL_URL`, the client configuration, where the daemon of this machine listens, `http://localhost`.
//! Each may name several servers of a pool; they are tried in turn.

use super::RemoteError;
use crate::cli::period::Period;
use crate::config::{Config, ConfigError, Host};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Names the server.
pub(super) const URL_VARIABLE: &str = "MOZPOOL_URL";
/// Where a server is looked for when nothing says where it is.
const URL_DEFAULT: &str = "http://localhost";

/// Servers, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// At least one, as `http://host:port`.
    pub(super) urls: Vec<String>,
    /// `--url`, `$MOZPOOL_URL`, a file, or the default.
    pub(super) named_by: String,
}

/// What a person has set once for all calls.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct ClientConfig {
    url: Option<String>,
    #[serde(default)]
    urls: Vec<String>,
    /// Who asks for boards.
    pub(in crate::cli) assignee: Option<String>,
    /// For how long.
    pub(in crate::cli) duration: Option<Period>,
    /// Who asks, as servers know it.
    pub(super) token_file: Option<PathBuf>,
    /// Whom an https server may be signed by.
    pub(super) ca_file: Option<PathBuf>,
}

/// Where a user's own files for us are, if this user has a home.
fn own_file(name: &str) -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(base.join("mozpool").join(name))
}

/// Where the token is looked for when nothing says where it is.
pub(super) fn usual_token_file() -> Option<PathBuf> {
    own_file("token")
}

impl ClientConfig {
    /// The user's own; nothing where there is none.
    ///
    /// # Errors
    /// It is there, and cannot be read or says what cannot be.
    pub(in crate::cli) fn load() -> Result<Self, RemoteError> {
        Ok(Self::load_with_path()?.1)
    }

    fn load_with_path() -> Result<(PathBuf, Self), RemoteError> {
        let Some(path) = own_file("client.toml") else { return Ok(Default::default()) };
        match std::fs::read_to_string(&path) {
            Ok(text) => match toml::from_str(&text) {
                Ok(config) => Ok((path, config)),
                Err(error) => {
                    let line = error.span().map_or(0, |span| text[..span.start].matches('\n').count() + 1);
                    let why = format!(
                        "{}:{line}: {}; it takes url or urls, assignee, duration, token_file and ca_file",
                        path.display(),
                        error.message().trim_end()
                    );
                    Err(RemoteError::Usage { why })
                }
            },
            Err(e)
                if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
            {
                Ok(Default::default())
            }
            Err(source) => Err(RemoteError::File { path, source }),
        }
    }

    fn urls(self) -> Vec<String> {
        self.url.into_iter().chain(self.urls).collect()
    }
}

impl Place {
    /// The servers that are meant. `given` is what `--url` says, `config` the daemon configuration that the command line names.
    pub(super) fn find(given: &[String], config: Option<&Path>) -> Result<Self, RemoteError> {
        if !given.is_empty() {
            return Self::new(given.to_vec(), "--url".into());
        }
        let variable = std::env::var(URL_VARIABLE).unwrap_or_default();
        let named: Vec<String> =
            variable.split([',', ' ']).filter(|u| !u.is_empty()).map(str::to_owned).collect();
        if !named.is_empty() {
            return Self::new(named, format!("${URL_VARIABLE}"));
        }
        let (path, client) = ClientConfig::load_with_path()?;
        let urls = client.urls();
        if !urls.is_empty() {
            return Self::new(urls, path.display().to_string());
        }
        let (url, named_by) = configured(config)?;
        Self::new(vec![url], named_by)
    }

    fn new(urls: Vec<String>, named_by: String) -> Result<Self, RemoteError> {
        let is_one = |url: &str| {
            let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        };
        let plain = |url: String| match is_one(&url) {
            true => Ok(url.trim_end_matches('/').trim_end_matches("/api").trim_end_matches('/').to_owned()),
            false => Err(RemoteError::Url { url, named_by: named_by.clone() }),
        };
        let urls = urls.into_iter().map(plain).collect::<Result<_, _>>()?;
        Ok(Self { urls, named_by })
    }
}

/// Where the daemon of this machine listens.
fn configured(named: Option<&Path>) -> Result<(String, String), RemoteError> {
    let otherwise = || (URL_DEFAULT.into(), "nothing else; it is the default".into());
    match Config::load(named, &Host::ask()) {
        Ok(Config { file: Some(file), http, .. }) => match local_url(http.listen) {
            Some(url) => Ok((url, file.display().to_string())),
            None => Ok(otherwise()),
        },
        Ok(_) => Ok(otherwise()),
        // A file that nobody named, and that only the daemon may read.
        Err(ConfigError::Unreadable { named_by: "default", .. }) => Ok(otherwise()),
        Err(error) => Err(RemoteError::Config(error)),
    }
}

fn local_url(listen: SocketAddr) -> Option<String> {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    // Port 0: the system chooses it; then only the daemon's log says which.
    (listen.port() != 0).then(|| format!("http://{}", SocketAddr::new(ip, listen.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_asked_here() {
        for (listen, want) in [
            ("0.0.0.0:80", Some("http://127.0.0.1:80")),
            ("[::]:8080", Some("http://[::1]:8080")),
            ("10.0.0.1:8080", Some("http://10.0.0.1:8080")),
            ("127.0.0.1:0", None),
        ] {
            assert_eq!(local_url(listen.parse().unwrap()).as_deref(), want);
        }
    }

    #[test]
    fn urls_are_taken_with_and_without_what_the_api_adds() {
        let place = |url: &str| Place::new(vec![url.into()], "--url".into()).map(|p| p.urls[0].clone());
        for url in ["http://a:1", "http://a:1/", "http://a:1/api", "http://a:1/api/"] {
            assert_eq!(place(url).unwrap(), "http://a:1");
        }
        assert_eq!(place("https://a/").unwrap(), "https://a");
        for url in ["a:1", "ftp://a", "http://", "https://", "https:///api", ""] {
            assert!(place(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_client_configuration_says_what_it_takes() {
        let read = |text: &str| toml::from_str::<ClientConfig>(text);
        let config = read("url = 'http://a'\nassignee = 'me'\nduration = '1h30m'").unwrap();
        assert_eq!(config.duration.unwrap().seconds(), 5400);
        assert_eq!(config.urls(), ["http://a"]);
        assert_eq!(read("urls = ['http://a', 'http://b']").unwrap().urls().len(), 2);
        assert_eq!(read("token_file = '/a'").unwrap().token_file.unwrap(), Path::new("/a"));
        for bad in ["colour = 1", "token = 'mzp_a'", "duration = 'soon'", "urls = 'http://a'"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}

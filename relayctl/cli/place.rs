//! Which Mozpool is asked, and as whom: what the `mozpool` command would find, in the same order.
//!
//! It reads variables and files, opens no connection, and judges nothing but whether a value can be one. The files are the
//! user's own `client.toml` and `token`, and the daemon's configuration.

use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Names the servers, for the other programs as well.
const URL_VARIABLE: &str = "MOZPOOL_URL";
/// Holds the token itself.
const TOKEN_VARIABLE: &str = "MOZPOOL_TOKEN";
/// Names the file that holds it.
const TOKEN_FILE_VARIABLE: &str = "MOZPOOL_TOKEN_FILE";
/// Names another configuration.
const CONFIG_VARIABLE: &str = "MOZPOOL_CONFIG";
const CONFIG: &str = "/etc/mozpool/mozpool.toml";
/// Where the daemon listens unless its configuration says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where a server is looked for when nothing says where it is.
const URL: &str = "http://localhost";
/// Mozpool's tokens have 47 characters; what a proxy asks for may be longer.
const TOKEN_MAX: u64 = 4096;
/// Reading and writing for those who are neither the owner nor of the group.
const OTHERS: u32 = 0o006;

/// The servers to ask, one after the other until one answers; at least one.
///
/// # Errors
/// What names them is no server's URL, or cannot be read.
pub(crate) fn urls(named: Option<&str>) -> Result<Vec<String>, String> {
    let text = match named.map(str::to_owned).or_else(|| variable(URL_VARIABLE)) {
        Some(text) => text,
        None => match client_urls()? {
            Some(text) => text,
            None => configured()?,
        },
    };
    let urls =
        text.split([',', ' ']).filter(|url| !url.is_empty()).map(plain).collect::<Result<Vec<_>, _>>()?;
    match urls.is_empty() {
        true => Err(format!("`{text}` names no server; write http://host:port")),
        false => Ok(urls),
    }
}

/// A server's URL without what the API adds to it.
fn plain(url: &str) -> Result<String, String> {
    if url.starts_with("https://") {
        return Err(format!(
            "relayctl cannot ask {url}, for it speaks no https; --server http://HOST:PORT names the daemon itself, behind its proxy"
        ));
    }
    if !url.starts_with("http://") {
        return Err(format!("`{url}` is not a server's URL; write http://host:port"));
    }
    Ok(url.trim_end_matches('/').trim_end_matches("/api").trim_end_matches('/').to_owned())
}

/// A token, and the variable or file that it is from.
pub(crate) struct Token {
    text: String,
    pub(crate) named_by: String,
}

impl Token {
    /// The token that is meant, if any. `given` is what `--token-file` says.
    ///
    /// # Errors
    /// A file that is named cannot be read, others may read it, or what is found is no token.
    pub(crate) fn find(given: Option<&Path>) -> Result<Option<Self>, String> {
        if let Some(path) = given {
            return Self::read(path).map(Some);
        }
        if let Some(text) = variable(TOKEN_VARIABLE) {
            return Self::new(&text, format!("${TOKEN_VARIABLE}")).map(Some);
        }
        if let Some(path) = variable(TOKEN_FILE_VARIABLE) {
            return Self::read(Path::new(&path)).map(Some);
        }
        if let Some((_, client)) = client()?
            && let Some(path) = client.get("token_file").and_then(toml::Value::as_str)
        {
            return Self::read(Path::new(path)).map(Some);
        }
        match own_file("token") {
            Some(path) if path.exists() => Self::read(&path).map(Some),
            _ => Ok(None),
        }
    }

    fn read(path: &Path) -> Result<Self, String> {
        let failed = |e| format!("{}: {e}", path.display());
        let file = File::open(path).map_err(failed)?;
        let about = file.metadata().map_err(failed)?;
        // A pipe of a shell has no such rights, and is gone after us.
        if about.is_file() && about.permissions().mode() & OTHERS != 0 {
            let path = path.display();
            return Err(format!(
                "{path} holds a token, and every user may read it or change it: chmod 600 {path}"
            ));
        }
        let mut text = String::new();
        file.take(TOKEN_MAX + 1).read_to_string(&mut text).map_err(failed)?;
        Self::new(&text, path.display().to_string())
    }

    fn new(text: &str, named_by: String) -> Result<Self, String> {
        let text = text.trim();
        let long = text.len() as u64 > TOKEN_MAX;
        match text.is_empty() || long || !text.bytes().all(|b| b.is_ascii_graphic()) {
            true => Err(format!(
                "{named_by} holds no token: that is one word, which `mozpool token create` prints"
            )),
            false => Ok(Self { text: text.to_owned(), named_by }),
        }
    }

    /// The value of the `Authorization` header (RFC 6750 2.1).
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.text)
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where this user's own files for Mozpool are, if this user has a home.
fn own_file(name: &str) -> Option<PathBuf> {
    let folder = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(base.join("mozpool").join(name))
}

/// What this user has set once for all calls, if anything.
fn client() -> Result<Option<(PathBuf, toml::Table)>, String> {
    let Some(path) = own_file("client.toml") else { return Ok(None) };
    match fs::read_to_string(&path) {
        Ok(text) => {
            let table = text.parse().map_err(|_| format!("{} cannot be read as TOML", path.display()))?;
            Ok(Some((path, table)))
        }
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(format!("{}: {e}", path.display())),
    }
}

/// The servers in it, with commas.
fn client_urls() -> Result<Option<String>, String> {
    let Some((path, client)) = client()? else { return Ok(None) };
    let one = client.get("url").into_iter();
    let several = client.get("urls").and_then(toml::Value::as_array).into_iter().flatten();
    let urls: Option<Vec<&str>> = one.chain(several).map(toml::Value::as_str).collect();
    let urls =
        urls.ok_or_else(|| format!("{}: url is a text, and urls is a list of texts", path.display()))?;
    Ok((!urls.is_empty()).then(|| urls.join(",")))
}

/// Where the daemon of this machine listens.
fn configured() -> Result<String, String> {
    let path = variable(CONFIG_VARIABLE);
    let path = path.as_deref().unwrap_or(CONFIG);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(URL.into()),
        Err(e) => return Err(format!("{path}: {e}; --server or ${URL_VARIABLE} names the daemon as well")),
    };
    let table: toml::Table = text.parse().map_err(|_| format!("{path} cannot be read as TOML"))?;
    let listen = table.get("http").and_then(|http| http.get("listen")).and_then(toml::Value::as_str);
    let listen = match listen {
        None => LISTEN,
        Some(text) => {
            text.parse().map_err(|_| format!("{path}: http.listen is not an address with a port"))?
        }
    };
    Ok(local_url(listen))
}

fn local_url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    match listen.port() {
        // The system chooses it; then only the daemon's log says which.
        0 => URL.into(),
        port => format!("http://{}", SocketAddr::new(ip, port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_that_listens_everywhere_is_asked_here() {
        assert_eq!(local_url("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(local_url("[::]:8080".parse().unwrap()), "http://[::1]:8080");
        assert_eq!(local_url("127.0.0.1:0".parse().unwrap()), "http://localhost");
    }

    #[test]
    fn several_servers_are_named_with_commas_and_none_by_https() {
        assert_eq!(urls(Some("http://a/api/,http://b:1/")).unwrap(), ["http://a", "http://b:1"]);
        assert!(urls(Some("http://a,https://b")).unwrap_err().contains("speaks no https"));
        assert!(urls(Some("host")).unwrap_err().contains("not a server's URL"));
        assert!(
            urls(Some(" ,")).unwrap_err().contains("names no server"),
            "nobody asked is nobody who is silent"
        );
    }

    #[test]
    fn a_token_is_one_word_and_its_owners_alone() {
        let new = |text: &str| Token::new(text, "$X".into()).map(|t| t.authorization());
        assert_eq!(new(" mzp_abc\n").unwrap(), "Bearer mzp_abc");
        for bad in ["", " \n", "a b", "a\r\nHost: b", "ä", &"x".repeat(4097)] {
            assert!(new(bad).unwrap_err().starts_with("$X holds no token"));
        }
    }
}

//! HTTP calls to an inventory: one server, one way to say who we are, limits for time and size, and JSON or an error.
//!
//! Redirects are not followed, for they would take the credentials along.

use super::SourceError;
use crate::config::Inventory;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

/// One call. An export of a large lab is made on demand, and takes its time.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// The longest answer: some hundred thousand systems.
const ANSWER_MAX: u64 = 64 << 20;
/// The longest secret.
const SECRET_MAX: usize = 4096;

/// Where systems keep the certificates that they trust: Debian's and its like, Red Hat's and its like. Where there is none of
/// them, those that browsers trust are built in.
const SYSTEM_CERTIFICATES: [&str; 2] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// The way to one inventory.
pub(super) struct Web {
    agent: Agent,
    /// Without a slash at the end.
    base: String,
    authorization: Option<String>,
    until: Instant,
}

/// How a token is shown.
#[derive(Debug, Clone, Copy)]
pub(super) enum TokenWord {
    /// RFC 6750.
    Bearer,
    /// NetBox's.
    Token,
}

impl Web {
    /// The server of `inventory.url`, with the credentials that the configuration names.
    pub(super) fn open(
        config: &Inventory,
        source: &'static str,
        word: TokenWord,
        until: Instant,
    ) -> Result<Self, SourceError> {
        let Some(base) = &config.url else {
            return Err(SourceError::Unset { setting: "inventory.url", source });
        };
        let authorization = match (&config.token_file, &config.password_file) {
            (Some(file), _) => {
                let token = secret(file)?;
                // NetBox's newer tokens say by their beginning that they are of the other kind.
                let word = if token.starts_with("nbt_") { TokenWord::Bearer } else { word };
                Some(format!("{word:?} {token}"))
            }
            (None, Some(file)) => {
                Some(format!("Basic {}", base64(&format!("{}:{}", config.user, secret(file)?))))
            }
            (None, None) => None,
        };
        let tls = match base.starts_with("https://") {
            true => TlsConfig::builder().root_certs(trusted(config.ca_file.as_deref())?).build(),
            false => TlsConfig::default(),
        };
        let agent = Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("mozpool/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: agent.into(), base: base.trim_end_matches('/').to_owned(), authorization, until })
    }

    /// The address of a path.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The address of another page, which must be on the same server.
    pub(super) fn page(&self, from: &str, next: &str) -> Result<String, SourceError> {
        let server = origin(&self.base);
        if next.starts_with('/') && !next.starts_with("//") {
            return Ok(format!("{server}{next}"));
        }
        if let Some(query) = next.strip_prefix('?') {
            return Ok(format!("{}?{query}", from.split('?').next().unwrap_or(from)));
        }
        if origin(next) == server {
            return Ok(next.to_owned());
        }
        let next = next.chars().take(200).collect();
        Err(SourceError::Elsewhere { url: from.to_owned(), next })
    }

    /// GET of JSON.
    pub(super) fn get(&self, url: &str) -> Result<Value, SourceError> {
        let unreachable = |why: String| SourceError::Unreachable { url: url.to_owned(), why };
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(unreachable("reading all of it takes too long".into()));
        }
        let mut call = self.agent.get(url).header("Accept", "application/json");
        if let Some(authorization) = &self.authorization {
            call = call.header("Authorization", authorization);
        }
        let call = call.config().timeout_global(Some(CALL_LIMIT.min(left))).build();
        let mut answer = call.call().map_err(|e| unreachable(e.to_string()))?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(SourceError::Status { url: url.to_owned(), status });
        }
        let text = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string();
        let text = text.map_err(|e| match e {
            ureq::Error::BodyExceedsLimit(max) => SourceError::TooMuch {
                url: url.to_owned(),
                what: format!("the answer is longer than {max} bytes"),
            },
            e => unreachable(e.to_string()),
        })?;
        serde_json::from_str(&text)
            .map_err(|e| SourceError::NotJson { url: url.to_owned(), why: e.to_string() })
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let end = url[begin..].find(['/', '?', '#']).map_or(url.len(), |at| begin + at);
    &url[..end]
}

/// Whom an https server may be signed by.
fn trusted(named: Option<&Path>) -> Result<RootCerts, SourceError> {
    let system = || SYSTEM_CERTIFICATES.iter().map(Path::new).find(|path| path.exists());
    let Some(path) = named.or_else(system) else { return Ok(RootCerts::WebPki) };
    let failed = |why: String| SourceError::File { path: path.display().to_string(), why };
    let text = std::fs::read(path).map_err(|e| failed(e.to_string()))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| failed(e.to_string()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(failed("it has no certificate".into()));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

/// A file's first line; the rest of such a file is usually its end.
fn secret(path: &Path) -> Result<String, SourceError> {
    let failed = |why: String| SourceError::File { path: path.display().to_string(), why };
    let text = std::fs::read_to_string(path).map_err(|e| failed(e.to_string()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.len() > SECRET_MAX || line.contains(char::is_control) {
        return Err(failed("its first line is no password or token".into()));
    }
    Ok(line.to_owned())
}

/// RFC 4648 4.
fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for bytes in text.as_bytes().chunks(3) {
        let at = |i: usize| u32::from(bytes.get(i).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let index = bits >> (18 - 6 * i) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or_default();
            out.push(if i <= bytes.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// A text in a query.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_written_as_in_the_rfc() {
        // RFC 4648 10, RFC 7617 2.
        for (text, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ] {
            assert_eq!(base64(text), want);
        }
    }

    #[test]
    fn pages_stay_on_their_server() {
        let config = Inventory { url: Some("http://inv:8000/api/".into()), ..Inventory::default() };
        let web = Web::open(&config, "http", TokenWord::Bearer, Instant::now()).unwrap();
        let from = web.url("/boards?a=1");
        assert_eq!(from, "http://inv:8000/api/boards?a=1");
        for (next, want) in [
            ("/api/boards?page=2", "http://inv:8000/api/boards?page=2"),
            ("?page=2", "http://inv:8000/api/boards?page=2"),
            ("http://inv:8000/x", "http://inv:8000/x"),
        ] {
            assert_eq!(web.page(&from, next).unwrap(), want);
        }
        for next in [
            "http://inv:80/x",
            "https://inv:8000/x",
            "//evil/x",
            "http://inv:8000.evil/x",
            "page2",
            "http://inv:8000@evil/",
        ] {
            assert!(matches!(web.page(&from, next), Err(SourceError::Elsewhere { .. })), "{next}");
        }
    }
}

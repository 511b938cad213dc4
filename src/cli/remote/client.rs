//! Calls to a daemon's API: a path in, JSON or text out, or a sentence about what went wrong.
//!
//! Of several servers the one that answered last is asked first; another one when it does not answer. A call that changes
//! something goes to another server only if the first cannot have heard it.

use super::place::{ClientConfig, Place, usual_token_file};
use super::token::Token;
use super::trust::Trust;
use super::{Access, RemoteError};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request};

/// A large import takes some seconds; the server itself gives up after a minute.
const CALL_LIMIT: Duration = Duration::from_secs(90);
/// In a lab's network a server that lives takes the connection in milliseconds; then another one is tried.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Redirects that are followed: to the owner, and to where that has moved.
const REDIRECTS_MAX: usize = 3;
/// The longest answer: 50,000 devices as JSON.
const ANSWER_MAX: u64 = 64 << 20;

/// The API of a pool.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Client {
    place: Place,
    agent: Agent,
    token: Option<Token>,
    trust: Trust,
    /// Which of the servers answered last; clones share it.
    current: Arc<AtomicUsize>,
}

type Result<T> = std::result::Result<T, RemoteError>;

impl Client {
    /// # Errors
    /// A file of `access` cannot be used.
    pub(super) fn new(place: Place, access: &Access) -> Result<Self> {
        Self::within(place, access, CALL_LIMIT)
    }

    /// Of one server alone, the first of those that are meant, where each call may take so long.
    ///
    /// # Errors
    /// No server is meant, or what is said is none, or a file of `access` cannot be used.
    pub(in crate::cli) fn of_one(
        urls: &[String],
        access: &Access,
        config: Option<&Path>,
        limit: Duration,
    ) -> Result<Self> {
        let mut place = Place::find(urls, config)?;
        place.urls.truncate(1);
        Self::within(place, access, limit)
    }

    fn within(place: Place, access: &Access, limit: Duration) -> Result<Self> {
        let own = ClientConfig::load()?;
        let token = Token::find(access.token_file.as_deref(), own.token_file.as_deref(), usual_token_file())?;
        let trust = Trust::find(&place.urls, access.ca_file.as_deref(), own.ca_file.as_deref())?;
        let config = Agent::config_builder()
            .tls_config(trust.calls.clone())
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .timeout_connect(Some(CONNECT_LIMIT.min(limit)))
            .timeout_global(Some(limit))
            .user_agent(concat!("mozpool/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { place, agent: config.into(), token, trust, current: Arc::default() })
    }

    /// The server that is asked first: `http://host:port`.
    pub(in crate::cli) fn base(&self) -> &str {
        let urls = &self.place.urls;
        &urls[self.current.load(Ordering::Relaxed) % urls.len()]
    }

    /// Goes on to the next server, if there is one.
    pub(super) fn next_server(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn servers(&self) -> usize {
        self.place.urls.len()
    }

    /// GET.
    pub(in crate::cli) fn get(&self, path: &str) -> Result<Value> {
        self.call(&Method::GET, path)
    }

    /// The number of the last change of anything.
    pub(in crate::cli) fn last_change(&self) -> Result<u64> {
        Ok(self.get("events?timeout=0")?["last"].as_u64().unwrap_or_default())
    }

    /// POST of a JSON body.
    pub(in crate::cli) fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.call_with(&Method::POST, path, "application/json", &body.to_string())
    }

    /// A call without a body whose answer is JSON; `Null` for none.
    pub(in crate::cli) fn call(&self, method: &Method, path: &str) -> Result<Value> {
        self.json(&self.send(method, path, "", &[])?)
    }

    /// The same with a body.
    pub(in crate::cli) fn call_with(
        &self,
        method: &Method,
        path: &str,
        content_type: &str,
        body: &str,
    ) -> Result<Value> {
        self.json(&self.send(method, path, content_type, body.as_bytes())?)
    }

    /// A call whose answer is text.
    pub(in crate::cli) fn text(&self, path: &str) -> Result<String> {
        self.send(&Method::GET, path, "", &[])
    }

    /// GET of any path of the server that is asked first; status and text, whatever they are.
    ///
    /// # Errors
    /// There is no answer, or it asks who calls.
    pub(in crate::cli) fn plain(&self, path: &str) -> Result<(u16, String)> {
        let base = self.base().to_owned();
        let failed = |e: ureq::Error| self.unreachable(&base, &e);
        let mut call = self.agent.get(format!("{base}{path}"));
        if let Some(authorization) = self.authorization() {
            call = call.header("Authorization", authorization);
        }
        let mut answer = call.call().map_err(failed)?;
        let text = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string().map_err(failed)?;
        match answer.status().as_u16() {
            401 => Err(self.refused(&base, 401, &text)),
            status => Ok((status, text)),
        }
    }

    fn json(&self, text: &str) -> Result<Value> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(text)
            .map_err(|e| RemoteError::Strange { url: self.base().to_owned(), why: e.to_string() })
    }

    /// Tries each server once.
    fn send(&self, method: &Method, path: &str, content_type: &str, body: &[u8]) -> Result<String> {
        let mut tries = self.servers();
        loop {
            tries -= 1;
            match self.send_to_one(method, path, content_type, body) {
                Err(RemoteError::Unreachable { sent, .. })
                    if tries > 0 && (!sent || *method == Method::GET) =>
                {
                    self.next_server();
                }
                other => return other,
            }
        }
    }

    fn send_to_one(&self, method: &Method, path: &str, content_type: &str, body: &[u8]) -> Result<String> {
        let base = self.base().to_owned();
        let mut url = format!("{base}/api/{path}");
        for _ in 0..=REDIRECTS_MAX {
            let failed = |e: ureq::Error| self.unreachable(&url, &e);
            let mut request = Request::builder().method(method.clone()).uri(&url);
            if !content_type.is_empty() {
                request = request.header("Content-Type", content_type);
            }
            if let Some(authorization) = self.authorization() {
                request = request.header("Authorization", authorization);
            }
            let sent = match body.is_empty() {
                true => request
                    .body(())
                    .map_err(|e| bad_url(&base, &e))
                    .and_then(|r| self.agent.run(r).map_err(failed)),
                false => request
                    .body(body)
                    .map_err(|e| bad_url(&base, &e))
                    .and_then(|r| self.agent.run(r).map_err(failed)),
            };
            let mut answer = sent?;
            let status = answer.status().as_u16();
            if let (301 | 302 | 307 | 308, Some(to)) = (status, answer.headers().get("Location")) {
                let to = String::from_utf8_lossy(to.as_bytes()).into_owned();
                if self.token.is_some() && url.starts_with("https://") && !to.starts_with("https://") {
                    let why = format!("it sends us on to {to}, where everybody could read the token");
                    return Err(RemoteError::Strange { url: base, why });
                }
                url = to;
                continue;
            }
            let text = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string().map_err(failed)?;
            if (200..300).contains(&status) {
                return Ok(text);
            }
            return Err(self.refused(&base, status, &text));
        }
        Err(RemoteError::Strange { url: base, why: "it redirects in circles".into() })
    }

    fn unreachable(&self, url: &str, error: &ureq::Error) -> RemoteError {
        use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};
        let unheard = match error {
            ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => true,
            ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => true,
            ureq::Error::Io(e) => {
                matches!(e.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
            }
            _ => false,
        };
        let server = url.split("/api/").next().unwrap_or(url).to_owned();
        RemoteError::Unreachable {
            url: server,
            named_by: self.place.named_by.clone(),
            why: error.to_string(),
            sent: !unheard,
        }
    }

    /// Who calls, as a header says it.
    pub(super) fn authorization(&self) -> Option<String> {
        self.token.as_ref().map(Token::authorization)
    }

    pub(super) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Why the server that `base` names says no: in its own sentence, where it is one of ours.
    pub(super) fn refused(&self, base: &str, status: u16, text: &str) -> RemoteError {
        let named_by = self.token.as_ref().map(|token| token.named_by.clone());
        match (refused(base, status, text), named_by) {
            (RemoteError::Refused { status: 401, message, .. }, named_by) => {
                RemoteError::Unknown { url: base.to_owned(), named_by, message }
            }
            // A proxy's words, perhaps; but we know what they mean.
            (RemoteError::Strange { .. }, named_by) if status == 401 => {
                let message = "HTTP status 401".into();
                RemoteError::Unknown { url: base.to_owned(), named_by, message }
            }
            (RemoteError::Refused { status: 403, message, code }, Some(named_by)) => {
                let message = format!("{message} (the token is from {named_by})");
                RemoteError::Refused { status: 403, message, code }
            }
            (error, _) => error,
        }
    }

    /// Where a stream that broke off, or never began, was.
    pub(super) fn broken(&self, why: &std::io::Error) -> RemoteError {
        RemoteError::Unreachable {
            url: self.base().to_owned(),
            named_by: self.place.named_by.clone(),
            why: why.to_string(),
            sent: false,
        }
    }
}

fn bad_url(base: &str, error: &ureq::http::Error) -> RemoteError {
    RemoteError::Usage { why: format!("{base}: {error}") }
}

/// The server's own sentence, where it is one of ours.
fn refused(base: &str, status: u16, text: &str) -> RemoteError {
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    // A named board that another request holds: the answer is the request, closed as soon as it was made.
    if let (409, Some(request)) = (status, body["request"]["id"].as_i64()) {
        let device = crate::cli::show::value(&body["request"]["requested_device"]);
        let why = format!("another request holds {device}");
        return RemoteError::NoBoard { request, state: "failed_device_busy".into(), why };
    }
    match body["error"]["message"].as_str() {
        Some(message) => RemoteError::Refused {
            status,
            message: crate::cli::show::clean(message),
            code: body["error"]["code"].as_str().unwrap_or_default().to_owned(),
        },
        None => RemoteError::Strange { url: base.to_owned(), why: format!("HTTP status {status}") },
    }
}

/// A segment of a path, or a value in a query.
pub(in crate::cli) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

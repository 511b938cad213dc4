//! Calls to a daemon's API: a path in, JSON or text out, or a sentence about what went wrong.

use super::RemoteError;
use serde_json::Value;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{Method, Request};

/// A large import takes some seconds; the server itself gives up after a minute.
const CALL_LIMIT: Duration = Duration::from_secs(90);
/// Redirects that are followed: to the owner, and to where that has moved.
const REDIRECTS_MAX: usize = 3;
/// The longest answer: 50,000 devices as JSON.
const ANSWER_MAX: u64 = 64 << 20;

/// A daemon's API.
#[derive(Debug)]
pub(in crate::cli) struct Client {
    /// `http://host:port`
    base: String,
    agent: Agent,
}

type Result<T> = std::result::Result<T, RemoteError>;

impl Client {
    pub(super) fn new(url: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .allow_non_standard_methods(true)
            .proxy(None)
            .timeout_global(Some(CALL_LIMIT))
            .user_agent(concat!("mozpool/", env!("CARGO_PKG_VERSION")))
            .build();
        let base = url.trim_end_matches('/').trim_end_matches("/api").trim_end_matches('/').to_owned();
        Self { base, agent: config.into() }
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

    fn json(&self, text: &str) -> Result<Value> {
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(text)
            .map_err(|e| RemoteError::Strange { url: self.base.clone(), why: e.to_string() })
    }

    fn send(&self, method: &Method, path: &str, content_type: &str, body: &[u8]) -> Result<String> {
        let mut url = format!("{}/api/{path}", self.base);
        for _ in 0..=REDIRECTS_MAX {
            let failed =
                |e: ureq::Error| RemoteError::Unreachable { url: self.base.clone(), why: e.to_string() };
            let mut request = Request::builder().method(method.clone()).uri(&url);
            if !content_type.is_empty() {
                request = request.header("Content-Type", content_type);
            }
            let sent = match body.is_empty() {
                true => request
                    .body(())
                    .map_err(|e| self.bad_url(&e))
                    .and_then(|r| self.agent.run(r).map_err(failed)),
                false => request
                    .body(body)
                    .map_err(|e| self.bad_url(&e))
                    .and_then(|r| self.agent.run(r).map_err(failed)),
            };
            let mut answer = sent?;
            let status = answer.status().as_u16();
            if let (301 | 302 | 307 | 308, Some(to)) = (status, answer.headers().get("Location")) {
                url = String::from_utf8_lossy(to.as_bytes()).into_owned();
                continue;
            }
            let text = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string().map_err(failed)?;
            if (200..300).contains(&status) {
                return Ok(text);
            }
            return Err(self.refused(status, &text));
        }
        Err(RemoteError::Strange { url: self.base.clone(), why: "it redirects in circles".into() })
    }

    fn bad_url(&self, error: &ureq::http::Error) -> RemoteError {
        RemoteError::Usage { why: format!("{}: {error}", self.base) }
    }

    /// The server's own sentence, where it is one of ours.
    fn refused(&self, status: u16, text: &str) -> RemoteError {
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        match body["error"]["message"].as_str() {
            Some(message) => RemoteError::Refused { status, message: message.to_owned() },
            None => RemoteError::Strange { url: self.base.clone(), why: format!("HTTP status {status}") },
        }
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

//! Tokens, sessions and the audit log, as JSON.

use crate::access::{Caller, Mode};
use crate::api::time::rfc3339;
use crate::logic::time::Timestamp;
use crate::store::{AuditRow, TokenRow};
use serde::Serialize;

/// `GET session`, `POST session`
#[derive(Debug, Serialize)]
pub struct SessionBody<'a> {
    mode: &'static str,
    name: Option<&'a str>,
    role: Option<&'static str>,
    environments: &'a [String],
    csrf: Option<&'a str>,
    expires: Option<String>,
}

impl<'a> SessionBody<'a> {
    /// Of a caller whose session or token ends then.
    pub fn new(mode: Mode, caller: &'a Caller, ends: Option<Timestamp>) -> Self {
        Self {
            mode: mode.name(),
            name: caller.name.as_deref(),
            role: caller.role.map(|role| role.name()),
            environments: &caller.environments,
            csrf: caller.csrf.as_deref(),
            expires: ends.map(rfc3339),
        }
    }
}

/// `GET token/list`
#[derive(Debug, Serialize)]
pub struct Tokens {
    /// By name.
    pub tokens: Vec<TokenBody>,
}

/// A token, without its secret.
#[derive(Debug, Serialize)]
pub struct TokenBody {
    name: String,
    role: &'static str,
    environments: Vec<String>,
    made: String,
    expires: Option<String>,
    last_used: Option<String>,
    proxy: bool,
}

impl From<TokenRow> for TokenBody {
    fn from(row: TokenRow) -> Self {
        let TokenRow { name, proxy, role, environments, made, expires, used } = row;
        // A day: nobody keeps more.
        let last_used = used.map(|day| rfc3339(day).chars().take(10).collect());
        let (made, expires) = (rfc3339(made), expires.map(rfc3339));
        Self { name, role: role.name(), environments, made, expires, last_used, proxy }
    }
}

/// `POST token`
#[derive(Debug, Serialize)]
pub struct TokenMade {
    /// What it is.
    #[serde(flatten)]
    pub row: TokenBody,
    /// Its text, this once; none where a reverse proxy names the holder.
    pub token: Option<String>,
}

/// `GET audit`
#[derive(Debug, Serialize)]
pub struct Audit {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// There are older ones.
    pub more: bool,
}

/// What somebody has done.
#[derive(Debug, Serialize)]
pub struct AuditEntry {
    id: i64,
    time: String,
    who: String,
    role: String,
    via: String,
    from: String,
    method: String,
    path: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<i64>,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        let AuditRow { id, at, who, role, via, from, method, path, status, device, request } = row;
        let (time, request) = (rfc3339(at), request.map(|r| r.0));
        Self { id, time, who, role, via, from, method, path, status, device, request }
    }
}

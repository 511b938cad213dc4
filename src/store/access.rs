//! Tokens, sessions and the audit log.
//!
//! Of a secret only a digest comes here. Whatever is asked of a token that was revoked finds nothing from the commit on: its
//! sessions go with it.

use super::cells::{Cells, readable, texts_text};
use super::conn::{Conn, ConnError, Doing, Row, Then, args};
use super::logs::at_most;
use super::{Result, sql};
use crate::access::{Digest, Role, Wish};
use crate::logic::ids::RequestId;
use crate::logic::time::Timestamp;

const READ: &str = "look up who calls";
const TOKEN: &str = "change a token";
const SESSION: &str = "change a session";
const AUDIT: &str = "write the audit log";
const READ_AUDIT: &str = "read the audit log";

/// Tokens that a list has at most: a lab has some dozens, and the answer must end.
const TOKENS_MAX: usize = 10_000;
/// Ended sessions that go when one is made.
const SWEEP: usize = 100;
/// Longest path of an entry, in characters.
const PATH_MAX: usize = 300;
/// Longest name of an entry, in characters.
const WHO_MAX: usize = 100;

/// A token, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Whose it is, or what for.
    pub name: String,
    /// It has no secret: a reverse proxy names its holder.
    pub proxy: bool,
    /// What it is for.
    pub role: Role,
    /// Where; empty for everywhere.
    pub environments: Vec<String>,
    /// When it was made.
    pub made: Timestamp,
    /// From when on it is good no more.
    pub expires: Option<Timestamp>,
    /// The beginning of the day, in UTC, on which it was used last.
    pub used: Option<Timestamp>,
}

impl TokenRow {
    /// As it is wished now.
    pub fn new(wish: Wish, now: Timestamp) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let Wish { name, role, environments, days, proxy } = wish;
        let expires = days.map(|days| now.plus_ms(days.saturating_mul(DAY_MS)));
        Self { name, proxy, role, environments, made: now, expires, used: None }
    }

    /// Whether it is good at this time.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|end| now < end)
    }
}

/// A session that begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSession {
    /// Of its secret.
    pub hash: Digest,
    /// The name of its token.
    pub token: String,
    /// Of that token's secret, as it was shown.
    pub token_hash: Digest,
    /// When it begins.
    pub made: Timestamp,
    /// When it ends.
    pub ends: Timestamp,
}

/// How many sessions are kept. Beyond them the oldest end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionsMax {
    /// Of one token, so that nobody ends those of others by logging in.
    pub of_token: usize,
    /// Of all.
    pub all: usize,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its number; 0 until it has one.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who: a token's name, a user of the server, or words in brackets.
    pub who: String,
    /// With which role; empty for none.
    pub role: String,
    /// How they were known.
    pub via: String,
    /// From which address; empty for the server itself.
    pub from: String,
    /// What: the call's method.
    pub method: String,
    /// What: its path, without the query.
    pub path: String,
    /// What came of it.
    pub status: u16,
    /// About which device.
    pub device: Option<String>,
    /// About which request.
    pub request: Option<RequestId>,
}

/// Which entries of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSearch {
    /// Those with a lower number.
    pub before: Option<i64>,
    /// Those that are not older.
    pub since: Option<Timestamp>,
    /// Of this name; empty for all.
    pub who: String,
    /// With this in the path or the device's name; empty for all.
    pub what: String,
    /// So many.
    pub limit: usize,
}

pub(super) fn tokens<C: Conn>(c: &mut C) -> Result<Vec<TokenRow>> {
    Ok(readable(c.query(sql::TOKENS, args![at_most(Some(TOKENS_MAX))]).doing(READ)?, token))
}

pub(super) fn token_of_hash<C: Conn>(c: &mut C, hash: &Digest) -> Result<Option<TokenRow>> {
    c.query_one(sql::TOKEN_OF_HASH, args![hash.as_str()]).doing(READ)?.map(token).transpose()
}

pub(super) fn token_of_name<C: Conn>(c: &mut C, name: &str) -> Result<Option<TokenRow>> {
    c.query_one(sql::TOKEN_OF_NAME, args![name]).doing(READ)?.map(token).transpose()
}

pub(super) fn make_token<C: Conn>(c: &mut C, row: &TokenRow, hash: Option<&Digest>) -> Result<bool> {
    let TokenRow { name, proxy: _, role, environments, made, expires, used: _ } = row;
    let hash = hash.map(Digest::as_str);
    match c.exec(sql::TOKEN_INSERT, args![name, hash, role.name(), texts_text(environments), *made, *expires])
    {
        Ok(_) => Ok(true),
        Err(ConnError::Duplicate(_)) => Ok(false),
        Err(other) => Err(other.doing(TOKEN)),
    }
}

pub(super) fn revoke_token<C: Conn>(c: &mut C, name: &str) -> Result<bool> {
    c.transaction(TOKEN, |c| {
        let sessions = c.query(sql::SESSIONS_OF_TOKEN, args![name]).doing(TOKEN)?;
        end_all(c, &sessions)?;
        Ok((c.exec(sql::TOKEN_DELETE, args![name]).doing(TOKEN)? > 0, Then::Commit))
    })
}

pub(super) fn session<C: Conn>(c: &mut C, hash: &Digest) -> Result<Option<(TokenRow, Timestamp)>> {
    let Some(row) = c.query_one(sql::SESSION, args![hash.as_str()]).doing(READ)? else { return Ok(None) };
    let mut cells = Cells::new("sessions", row);
    let token = token_cells(&mut cells)?;
    Ok(Some((token, cells.time("ends_at")?)))
}

pub(super) fn make_session<C: Conn>(c: &mut C, new: &NewSession, keep: SessionsMax) -> Result<bool> {
    let NewSession { hash, token, token_hash, made, ends } = new;
    c.transaction(SESSION, |c| {
        let ended = c.query(sql::SESSIONS_ENDED, args![*made, at_most(Some(SWEEP))]).doing(SESSION)?;
        end_all(c, &ended)?;
        let insert = args![hash.as_str(), *made, *ends, token, token_hash.as_str()];
        if c.exec(sql::SESSION_INSERT, insert).doing(SESSION)? == 0 {
            return Ok((false, Then::Commit));
        }
        let beyond = args![token, at_most(Some(SWEEP)), at_most(Some(keep.of_token))];
        let beyond = c.query(sql::SESSIONS_BEYOND_OF_TOKEN, beyond).doing(SESSION)?;
        end_all(c, &beyond)?;
        let beyond = args![at_most(Some(SWEEP)), at_most(Some(keep.all))];
        let beyond = c.query(sql::SESSIONS_BEYOND, beyond).doing(SESSION)?;
        end_all(c, &beyond)?;
        Ok((true, Then::Commit))
    })
}

pub(super) fn end_session<C: Conn>(c: &mut C, hash: &Digest) -> Result<()> {
    c.exec(sql::SESSION_DELETE, args![hash.as_str()]).doing(SESSION)?;
    Ok(())
}

fn end_all<C: Conn>(c: &mut C, sessions: &[Row]) -> Result<()> {
    for Row(hash) in sessions {
        c.exec(sql::SESSION_DELETE, hash).doing(SESSION)?;
    }
    Ok(())
}

pub(super) fn append<C: Conn>(c: &mut C, entries: &[AuditRow], used: &[(String, Timestamp)]) -> Result<()> {
    if entries.is_empty() && used.is_empty() {
        return Ok(());
    }
    let cut = |text: &str, max| text.chars().take(max).collect::<String>();
    c.transaction_soon(AUDIT, |c| {
        for entry in entries {
            let AuditRow { id: _, at, who, role, via, from, method, path, status, device, request } = entry;
            let device = device.as_ref().map(|name| cut(name, PATH_MAX));
            let args = args![
                *at,
                cut(who, WHO_MAX),
                role,
                via,
                from,
                method,
                cut(path, PATH_MAX),
                i64::from(*status),
                device,
                request.map(|r| r.0),
            ];
            c.insert(sql::AUDIT_INSERT, args).doing(AUDIT)?;
        }
        for (name, day) in used {
            c.exec(sql::TOKEN_USED, args![*day, name, *day]).doing(AUDIT)?;
        }
        Ok(((), Then::Commit))
    })
}

pub(super) fn audit<C: Conn>(c: &mut C, search: &AuditSearch) -> Result<Vec<AuditRow>> {
    let AuditSearch { before, since, who, what, limit } = search;
    let before = before.unwrap_or(i64::MAX);
    let since = since.unwrap_or(Timestamp(i64::MIN));
    let args = args![before, since, who, who, what, what, what, at_most(Some(*limit))];
    Ok(readable(c.query(sql::AUDIT, args).doing(READ_AUDIT)?, entry))
}

/// Deletes at most `limit` entries that are too old; says how many.
pub(super) fn delete_old<C: Conn>(c: &mut C, before: Timestamp, limit: usize) -> Result<usize> {
    const DOING: &str = "delete old entries of the audit log";
    let rows = c.query(sql::AUDIT_OLD, args![before, at_most(Some(limit))]).doing(DOING)?;
    for Row(id) in &rows {
        c.exec(sql::AUDIT_DELETE, id).doing(DOING)?;
    }
    Ok(rows.len())
}

fn token(row: Row) -> Result<TokenRow> {
    token_cells(&mut Cells::new("tokens", row))
}

fn token_cells(c: &mut Cells) -> Result<TokenRow> {
    Ok(TokenRow {
        name: c.text("name")?,
        proxy: c.flag("hash")?,
        role: c.parsed("role", "a role")?,
        environments: c.texts("environments")?,
        made: c.time("made_at")?,
        expires: c.opt_time("expires_at")?,
        used: c.opt_time("used_at")?,
    })
}

fn entry(row: Row) -> Result<AuditRow> {
    let mut c = Cells::new("audit_log", row);
    Ok(AuditRow {
        id: c.int("id")?,
        at: c.time("at")?,
        who: c.text("who")?,
        role: c.text("role")?,
        via: c.text("via")?,
        from: c.text("address")?,
        method: c.text("method")?,
        path: c.text("path")?,
        status: c.small("status")?,
        device: c.opt_text("device")?,
        request: c.opt_int("request_id")?.map(RequestId),
    })
}

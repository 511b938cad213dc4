//! What goes back to a caller: an answer, or an error as one closed set with its status, code and words.
//!
//! Nothing here knows sockets. Error texts name what is wrong and what would be right, and never a path of this server.

use super::call::Call;
use super::shelf::{Bytes, Version};
use super::types;
use crate::lab::LabError;
use crate::store::StoreError;
use serde::Serialize;
use std::fmt;

/// Seconds after which a caller that was turned away may try again: a burst of commits is over by then.
pub const RETRY_AFTER_S: u32 = 5;

/// Seconds after which somebody who has tried to log in too often may try again.
pub const TRY_AGAIN_AFTER_S: u32 = 60;
/// What a caller who must be known is told to send (RFC 6750 section 3).
const CHALLENGE: &str = "Bearer realm=\"mozpool\"";

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header lines beyond those that every answer has.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// The body instead of `body`, where others are sent the same bytes.
    pub shared: Option<Bytes>,
    /// For the access log: who asked for the request that the call was about. The caller does not see it.
    pub who: Option<String>,
}

impl Reply {
    /// 200 with `value` as JSON.
    pub fn json(value: &impl Serialize) -> Self {
        Self::json_with(200, value)
    }

    /// `status` with `value` as JSON.
    pub fn json_with(status: u16, value: &impl Serialize) -> Self {
        let text = serde_json::to_string(value).expect("our own types hold only string keys");
        Self::json_text(status, text)
    }

    /// `status` with a body that is JSON text already.
    pub fn json_text(status: u16, text: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type", "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: text.into(), shared: None, who: None }
    }

    /// 200 with a body that is JSON text already and is not copied.
    pub fn shared_json(text: Bytes) -> Self {
        Self { shared: Some(text), ..Self::json_text(200, Vec::new()) }
    }

    /// 304, when the caller has this version already (RFC 9110 section 15.4.5).
    pub fn unchanged(call: &Call, version: Version) -> Option<Self> {
        let has = call.if_none_match.as_ref().is_some_and(|tags| version.is_in(tags));
        has.then(|| Self::empty(304).of(version))
    }

    /// This with its version: to be kept by whoever asks again whether it has changed.
    pub fn of(self, version: Version) -> Self {
        self.with("ETag", version.tag()).with("Cache-Control", "no-cache")
    }

    /// The body, whosever it is.
    pub fn bytes(&self) -> &[u8] {
        self.shared.as_deref().unwrap_or(&self.body)
    }

    /// 200 with plain text.
    pub fn text(text: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type", "text/plain; charset=utf-8".to_owned())];
        Self { status: 200, headers, body: text.into(), shared: None, who: None }
    }

    /// A status without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), shared: None, who: None }
    }

    /// This with one more header line. Bytes that may not stand in one are replaced by `?`.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        let value: String = value.into();
        self.headers
            .push((name, value.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).collect()));
        self
    }
}

/// A result of a handler.
pub type Result<T> = std::result::Result<T, ApiError>;

/// Everything that an API call can fail with.
#[derive(Debug)]
pub enum ApiError {
    /// No route has this path.
    NoSuchPath,
    /// The path exists for other methods.
    MethodNotAllowed { allow: String },
    /// The path is right, the thing it names is not there.
    NotFound { kind: &'static str, name: String },
    /// The body is not JSON.
    BadJson { why: String },
    /// The body is JSON but no object.
    NotAnObject { found: &'static str },
    /// The body lacks a key.
    MissingKey { key: String, meaning: &'static str },
    /// A key's value has the wrong type.
    WrongType { key: String, wanted: &'static str, found: &'static str },
    /// A value that cannot be used, in a sentence.
    BadValue { why: String },
    /// A row of a lab cannot be what it says.
    Lab(LabError),
    /// The body is longer than so many bytes.
    TooLarge { max: usize },
    /// A web page of somebody else wants to change something here.
    ForeignOrigin { origin: String },
    /// A server that asks nobody was called by a name that may be anybody's.
    ForeignHost { host: String },
    /// Nobody is known who calls, or not any more; in a sentence.
    Unauthorized { why: String },
    /// Somebody is known who may not; in a sentence.
    Forbidden { why: String },
    /// A page changes something with somebody's session and does not say what only their own pages know.
    NoCsrf,
    /// Logins from an address have failed too often.
    TooManyTries,
    /// A letter of another server that nobody of our pool has sealed.
    WrongSeal,
    /// The call is to be a board's, and nothing shows that it is; in a sentence.
    NotTheBoard { why: String },
    /// The same, and it may show when the device's name has been looked up.
    AddressUnknown { device: String },
    /// What was asked for belongs to a server that nobody has heard of for long.
    OwnerGone { server: String },
    /// Right in itself, but not now; in a sentence.
    Conflict { why: String },
    /// The inventory cannot be read, or says what cannot be; in a sentence.
    Inventory { why: String },
    /// A thread of ours has no room for another command.
    Busy { layer: &'static str },
    /// A thread of ours has not answered in time. The command may still be carried out.
    NoAnswer { layer: &'static str },
    /// The store does not answer; nothing was changed.
    Unavailable,
    /// The owner of what was asked for is not known by address.
    OwnerUnknown { server: String },
    /// All download threads are taken.
    DownloadsFull,
    /// Other imports are being read.
    ImportsFull,
    /// All threads for those who wait for changes are taken.
    WatchersFull,
    /// Changes were asked for that are not kept any more.
    ChangesGone { after: u64, oldest: u64, last: u64 },
    /// Changes were asked for after one that has not been made.
    ChangesAhead { after: u64, last: u64 },
    /// The range that was asked for lies outside of the file.
    BadRange { size: u64 },
    /// The file is not the one that the caller means.
    ConditionFailed,
    /// All threads for slow bodies and long answers are taken.
    TransfersFull,
    /// As many reports are being made as may be.
    ReportsFull,
    /// What came is no call, or could be read in two ways; in a sentence.
    BadCall { why: &'static str },
    /// It is a call of another version of HTTP.
    BadVersion,
    /// The body is coded in a way that nobody here knows.
    BadCoding,
    /// The target is longer than a head may be.
    TargetTooLong,
    /// The head is longer than it may be, or has too many lines.
    HeadTooLong,
    /// The call did not become whole in time.
    TooSlow,
    /// As many calls wait as may, in all or for this client.
    CallsFull,
    /// A fault of ours; the log has more.
    Internal,
}

impl ApiError {
    /// Nobody is known who calls.
    pub fn unauthorized(why: impl Into<String>) -> Self {
        Self::Unauthorized { why: why.into() }
    }

    /// Its HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::BadJson { .. }
            | Self::NotAnObject { .. }
            | Self::MissingKey { .. }
            | Self::WrongType { .. }
            | Self::BadValue { .. }
            | Self::BadCall { .. } => 400,
            Self::Lab(error) => {
                if error.is_of_now() {
                    409
                } else {
                    400
                }
            }
            Self::Unauthorized { .. } => 401,
            Self::ForeignOrigin { .. }
            | Self::ForeignHost { .. }
            | Self::WrongSeal
            | Self::Forbidden { .. }
            | Self::NoCsrf
            | Self::NotTheBoard { .. } => 403,
            Self::NoSuchPath | Self::NotFound { .. } => 404,
            Self::MethodNotAllowed { .. } => 405,
            Self::TooSlow => 408,
            Self::Conflict { .. } => 409,
            Self::ChangesGone { .. } | Self::ChangesAhead { .. } => 410,
            Self::ConditionFailed => 412,
            Self::TooLarge { .. } => 413,
            Self::TargetTooLong => 414,
            Self::BadRange { .. } => 416,
            Self::TooManyTries => 429,
            Self::HeadTooLong => 431,
            Self::Internal => 500,
            Self::BadCoding => 501,
            Self::BadVersion => 505,
            Self::Inventory { .. } => 502,
            Self::Busy { .. }
            | Self::NoAnswer { .. }
            | Self::Unavailable
            | Self::AddressUnknown { .. }
            | Self::OwnerUnknown { .. }
            | Self::OwnerGone { .. }
            | Self::DownloadsFull
            | Self::TransfersFull
            | Self::ReportsFull
            | Self::ImportsFull
            | Self::CallsFull
            | Self::WatchersFull => 503,
        }
    }

    /// A word for programs; it does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchPath => "no_such_path",
            Self::MethodNotAllowed { .. } => "method_not_allowed",
            Self::NotFound { .. } => "not_found",
            Self::BadJson { .. } => "bad_json",
            Self::NotAnObject { .. } => "not_an_object",
            Self::MissingKey { .. } => "missing_key",
            Self::WrongType { .. } => "wrong_type",
            Self::BadValue { .. } => "bad_value",
            Self::Lab(error) if error.is_of_now() => "conflict",
            Self::Lab(_) => "bad_row",
            Self::TooLarge { .. } => "too_large",
            Self::BadCall { .. } => "bad_call",
            Self::BadVersion => "bad_version",
            Self::BadCoding => "bad_coding",
            Self::TargetTooLong | Self::HeadTooLong => "head_too_long",
            Self::TooSlow => "too_slow",
            Self::ForeignOrigin { .. } => "foreign_origin",
            Self::ForeignHost { .. } => "foreign_host",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NoCsrf => "no_csrf_token",
            Self::TooManyTries => "too_many_tries",
            Self::Conflict { .. } => "conflict",
            Self::Inventory { .. } => "inventory",
            Self::ChangesGone { .. } | Self::ChangesAhead { .. } => "changes_gone",
            Self::Busy { .. }
            | Self::DownloadsFull
            | Self::TransfersFull
            | Self::ReportsFull
            | Self::ImportsFull
            | Self::CallsFull
            | Self::WatchersFull => "busy",
            Self::NoAnswer { .. } => "no_answer",
            Self::Unavailable => "store_unavailable",
            Self::OwnerUnknown { .. } => "owner_unknown",
            Self::OwnerGone { .. } => "owner_gone",
            Self::WrongSeal => "wrong_seal",
            Self::NotTheBoard { .. } => "not_the_board",
            Self::AddressUnknown { .. } => "address_unknown",
            Self::BadRange { .. } => "bad_range",
            Self::ConditionFailed => "condition_failed",
            Self::Internal => "internal",
        }
    }

    /// More for programs, where there is more.
    fn detail(&self) -> Option<serde_json::Value> {
        match self {
            Self::MissingKey { key, .. } => Some(serde_json::json!({ "key": key })),
            Self::WrongType { key, wanted, found } => {
                Some(serde_json::json!({ "key": key, "wanted": wanted, "found": found }))
            }
            // Line 0 is none, and so are the others when they are empty.
            Self::Lab(LabError { at, .. }) => {
                Some(serde_json::json!({ "line": at.line, "row": at.row, "field": at.field }))
            }
            Self::NotFound { kind, name } => Some(serde_json::json!({ "kind": kind, "name": short(name) })),
            Self::MethodNotAllowed { allow } => Some(serde_json::json!({ "allow": allow })),
            Self::ChangesGone { last, .. } | Self::ChangesAhead { last, .. } => {
                Some(serde_json::json!({ "last": last }))
            }
            _ => None,
        }
    }

    /// As an answer.
    pub fn reply(&self) -> Reply {
        let body = types::ErrorBody::new(self.code(), self.to_string(), self.detail());
        let reply = Reply::json_with(self.status(), &body);
        match self {
            Self::MethodNotAllowed { allow } => reply.with("Allow", allow.clone()),
            Self::Unauthorized { .. } => reply.with("WWW-Authenticate", CHALLENGE),
            Self::TooManyTries => reply.with("Retry-After", TRY_AGAIN_AFTER_S.to_string()),
            Self::BadRange { size } => reply.with("Content-Range", format!("bytes */{size}")),
            _ if self.status() == 503 => reply.with("Retry-After", RETRY_AFTER_S.to_string()),
            _ => reply,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPath => {
                f.write_str("there is nothing at this path; the calls of the API begin with /api/")
            }
            Self::MethodNotAllowed { allow } => write!(f, "this path takes {allow}"),
            Self::NotFound { kind, name } => write!(f, "there is no {kind} `{}`", short(name)),
            Self::BadJson { why } => write!(f, "the body is not JSON: {why}"),
            Self::NotAnObject { found } => {
                write!(f, "the body is {found}; it should be a JSON object, such as {{}}")
            }
            Self::MissingKey { key, meaning } => write!(f, "the body lacks the key `{key}`: {meaning}"),
            Self::WrongType { key, wanted, found } => {
                write!(f, "the key `{key}` is {found}; it should be {wanted}")
            }
            Self::BadValue { why }
            | Self::Conflict { why }
            | Self::Inventory { why }
            | Self::Unauthorized { why }
            | Self::Forbidden { why }
            | Self::NotTheBoard { why } => f.write_str(why),
            Self::NoCsrf => f.write_str(
                "the call changes something with a session and does not say its X-CSRF-Token, which GET /api/session answers; load \
                 the page again, or send a token",
            ),
            Self::TooManyTries => write!(
                f,
                "too many logins from this address have failed; try again in {TRY_AGAIN_AFTER_S} s"
            ),
            Self::AddressUnknown { device } => write!(
                f,
                "the address of {device} is not known here, or is another by now, so nobody can tell yet whether its board calls; its \
                 fqdn must be an address, or a name that this server can look up"
            ),
            Self::Lab(error) => error.fmt(f),
            Self::TooLarge { max } => write!(f, "the body is too long; {max} bytes at most"),
            Self::BadCall { why } => write!(f, "this cannot be answered: {why}"),
            Self::BadVersion => f.write_str("this is HTTP/1.1, which also takes 1.0"),
            Self::BadCoding => f.write_str("the body's Transfer-Encoding is not known; `chunked` is, by itself"),
            Self::TargetTooLong => f.write_str("the path is too long; a head has 16 KiB at most"),
            Self::HeadTooLong => f.write_str("the head is too long; it has 16 KiB and 100 lines at most"),
            Self::TooSlow => f.write_str("the call did not arrive whole in time"),
            Self::CallsFull => f.write_str("too many calls wait to be answered; try again"),
            Self::ForeignHost { host } => write!(
                f,
                "this server asks nobody who calls, so it answers to addresses and to localhost, and not to the name `{}`: call it by \
                 such a one, or write auth.mode = \"token\" (or \"open\", if whoever reaches it may do everything)",
                host.escape_debug()
            ),
            Self::ForeignOrigin { origin } => {
                write!(
                    f,
                    "pages from {origin} may not change anything here; only those of known imaging servers may"
                )
            }
            Self::Busy { layer } => {
                write!(f, "the {layer} layer has too much to do; nothing was changed, try again")
            }
            Self::NoAnswer { layer } => {
                write!(
                    f,
                    "the {layer} layer has not answered in time; look whether it was done, then try again"
                )
            }
            Self::Unavailable => f.write_str("the store does not answer; nothing was changed, try again"),
            Self::WrongSeal => f.write_str(
                "the letter's seal is wrong; all servers of the pool need the same secret in peers.secret_file",
            ),
            Self::OwnerGone { server } => write!(
                f,
                "this belongs to the imaging server {server}, which is gone; start Mozpool there, or give its devices to \
                 another server"
            ),
            Self::OwnerUnknown { server } => write!(
                f,
                "this belongs to the imaging server {server}, which has not made itself known; start Mozpool there"
            ),
            Self::ImportsFull => f.write_str("other imports are under way; try again"),
            Self::DownloadsFull => f.write_str("too many downloads are running; try again"),
            Self::TransfersFull => f.write_str("too many slow calls are under way; try again"),
            Self::ReportsFull => f.write_str("other reports are being made; try again"),
            Self::WatchersFull => f.write_str("too many clients wait for changes; try again"),
            Self::ChangesGone { after, oldest, last } => write!(
                f,
                "changes are kept from number {oldest} on, those after {after} are not all there; read the lists anew and go \
                 on after {last}"
            ),
            Self::ChangesAhead { after, last } => write!(
                f,
                "number {after} has not been given, the last is {last}: the store was put back to an earlier day; read the \
                 lists anew and go on after {last}"
            ),
            Self::BadRange { size } => {
                write!(f, "the range lies outside of the file, which has {size} bytes")
            }
            Self::ConditionFailed => f.write_str("the file is not, or no longer, the one that you mean"),
            Self::Internal => f.write_str("this server has made a mistake; its log says more"),
        }
    }
}

/// A name as it is said again: whoever sent a hundred kilobytes of it knows the rest.
fn short(name: &str) -> String {
    name.chars().take(NAME_SHOWN).collect()
}

/// Characters of a name that are said again.
const NAME_SHOWN: usize = 200;

impl std::error::Error for ApiError {}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        // The whole text goes to the log only: it may name files of this server.
        log::error!("{error}");
        match error {
            StoreError::Unavailable { .. } | StoreError::Locked { .. } => Self::Unavailable,
            StoreError::Corrupt { .. }
            | StoreError::TooNew { .. }
            | StoreError::Refused { .. }
            | StoreError::Lab(_)
            | StoreError::Inventory(_)
            | StoreError::InUse { .. }
            | StoreError::ThereAlready { .. }
            | StoreError::NotThere { .. }
            | StoreError::NothingThere { .. } => Self::Internal,
        }
    }
}

//! Who calls, and whether they may: what is done with `crate::access` for each call, before its handler and after it.
//!
//! A caller is known by a token, by the cookie of a session, by what a reverse proxy says of them, or by a ticket of another server
//! of the pool. What is asked of an environment is decided when it is known what the call is about.

mod known;
mod stays;
mod told;
mod tries;

pub use known::Key;
pub use stays::Stays;
pub use tries::TRIES_MAX;

use super::Ctx;
use super::call::Call;
use super::owner;
use super::reply::{ApiError, Reply, Result};
use super::routes::Route;
use crate::access::{
    Caller, Denied, Digest, Errand, Mode, Needs, Place, Secret, TICKET_LIFE_S, Ticket, Via, split_ticket,
    with_ticket,
};
use crate::layers::audit::{Auditor, Note};
use crate::layers::http::Client;
use crate::logic::time::Timestamp;
use crate::store::{AuditRow, DeviceView, RequestView, ServerRow, TokenRow};
use known::Known;
use std::net::IpAddr;
use std::time::Duration;
use tries::{LeftOut, Tries};

/// The cookie of a session.
const COOKIE: &str = "mozpool_session";
/// The same where pages come by https: a browser takes one of this name from the host itself alone, and by https alone
/// (RFC 6265bis section 4.1.3.2), so neither a neighbour in the same domain nor who stands in a network's way can place one.
const HOST_COOKIE: &str = "__Host-mozpool_session";
/// The header that a page sends with each call that changes something.
pub const CSRF_HEADER: &str = "X-CSRF-Token";
/// Whether a listener still may is looked at so often. A stream on which nothing happens looks up every 15 seconds, and what was known
/// for half of this counts: so none is there half a minute after its token was revoked.
pub const RECHECK: Duration = Duration::from_secs(10);
/// How long a reader of the audit log waits for what has just been done: a commit takes milliseconds.
const SETTLE_WAIT: Duration = Duration::from_secs(2);
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Whether clients reach the server by https.
pub fn is_https(public_url: &str) -> bool {
    public_url.starts_with("https://")
}

/// The name of a session's cookie for a server that clients reach there.
pub fn cookie_name(public_url: &str) -> &'static str {
    if is_https(public_url) { HOST_COOKIE } else { COOKIE }
}

/// What holds for this server.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether it asks who calls.
    pub mode: Mode,
    /// Whether an open server answers by whatever name it is called. One that is open because it listens on this machine alone
    /// does not: a page elsewhere may have its own name lead here (DNS rebinding), and would be what we call our own page.
    pub any_host: bool,
    /// The header in which a reverse proxy names its user.
    pub proxy_header: Option<String>,
    /// The reverse proxies that are believed.
    pub proxies: Vec<IpAddr>,
    /// [`RECHECK`], or less in tests.
    pub recheck: Duration,
}

impl Rules {
    /// For a server without reverse proxies.
    pub fn of(mode: Mode) -> Self {
        Self { mode, any_host: true, proxy_header: None, proxies: Vec::new(), recheck: RECHECK }
    }
}

/// Knows callers, and writes down what they do. One for all threads.
#[derive(Debug)]
pub struct Access {
    rules: Rules,
    known: Known,
    /// Failed logins.
    logins: Tries,
    /// Calls that came to nothing, for the audit log.
    refusals: Tries,
    auditor: Auditor,
}

impl Access {
    /// Knows nobody yet.
    pub fn new(rules: Rules, auditor: Auditor) -> Self {
        Self { rules, known: Known::default(), logins: Tries::default(), refusals: Tries::default(), auditor }
    }

    /// Whether it asks who calls.
    pub fn mode(&self) -> Mode {
        self.rules.mode
    }

    /// Refuses calls to an open server by a name that may be anybody's. An address is nobody's to choose.
    fn check_host(&self, host: Option<&str>) -> Result<()> {
        if self.rules.mode == Mode::Token || self.rules.any_host {
            return Ok(());
        }
        // What is no browser may leave the header out (HTTP/1.0).
        let Some(host) = host else { return Ok(()) };
        match Place::of_authority(host) {
            Some(place) if place.is_localhost() || place.address().is_some() => Ok(()),
            _ => Err(ApiError::ForeignHost { host: host.chars().take(200).collect() }),
        }
    }

    /// The header in which a reverse proxy names its user, where there is one.
    pub fn proxy_header(&self) -> Option<&str> {
        self.rules.proxy_header.as_deref().filter(|_| !self.rules.proxies.is_empty())
    }

    /// The address that a call comes from: behind a reverse proxy the last that is not one itself, as those before it may have
    /// been made up by the caller.
    pub fn address_of(&self, call: &Call) -> String {
        let forwarded = call.credentials.forwarded_for.iter().map(String::as_str);
        let behind = call.peer.parse().ok().and_then(|peer| self.address_behind(peer, forwarded));
        behind.map_or_else(|| call.peer.clone(), |address| address.to_string())
    }

    /// The same by the values of `X-Forwarded-For` in their order; `None`: it is no reverse proxy that calls, or it does not say for
    /// whom.
    pub fn address_behind<'a>(
        &self,
        peer: IpAddr,
        forwarded: impl DoubleEndedIterator<Item = &'a str>,
    ) -> Option<IpAddr> {
        let is_proxy = |address: IpAddr| self.rules.proxies.contains(&address.to_canonical());
        if !is_proxy(peer) {
            return None;
        }
        let mut from = forwarded.rev().flat_map(|v| v.rsplit(',')).map(|part| part.trim().parse::<IpAddr>());
        let address = from.find(|part| !part.as_ref().is_ok_and(|a| is_proxy(*a)))?;
        address.ok().map(|address| address.to_canonical())
    }

    /// Waits a moment until all that was done is written down.
    pub(super) fn settle(&self, now: Timestamp) {
        self.tell_left_out(self.refusals.over(now));
        self.auditor.settle(SETTLE_WAIT);
    }

    /// Whoever has revoked something is not to see it work again.
    pub(super) fn forget(&self) {
        self.known.forget();
    }

    /// The same for whoever has logged out; all others are known as before.
    pub(super) fn forget_session(&self, session: Digest) {
        self.known.forget_one(&Key::Session(session));
    }

    /// Counts a call from this address that came to nothing; whether it is to be told.
    fn note_refusal(&self, address: &str, now: Timestamp) -> bool {
        let (few, over) = self.refusals.failed(client(address), now);
        self.tell_left_out(over);
        few
    }

    fn tell_left_out(&self, over: Vec<LeftOut>) {
        for left_out in over {
            self.auditor.note(Note::Entry(Box::new(told::left_out(left_out))));
        }
    }
}

/// What was only counted until the server ends is not lost with it.
impl Drop for Access {
    fn drop(&mut self) {
        self.tell_left_out(self.refusals.end());
    }
}

/// Who counts as one for what is limited; nothing for what is no address.
fn client(address: &str) -> Option<Client> {
    address.parse().ok().map(Client::of)
}

/// Somebody who calls, and by what.
struct Identified {
    caller: Caller,
    /// What the same caller might do on a server that asks, where this one does not.
    own: Option<Caller>,
    key: Option<Key>,
    ends: Option<Timestamp>,
}

impl Identified {
    fn nobody(mode: Mode) -> Self {
        let caller = match mode {
            Mode::Open => Caller::open(),
            Mode::Token => Caller::nobody(),
        };
        Self { caller, own: None, key: None, ends: None }
    }

    fn known(row: TokenRow, via: Via, key: Key, ends: Option<Timestamp>, mode: Mode) -> Self {
        let mut caller = Caller::known(row.name, row.role, row.environments, via);
        let mut own = None;
        if mode == Mode::Open {
            own = Some(caller.clone());
            // They could do the same without saying who they are.
            caller.role = Caller::open().role;
            caller.environments = Vec::new();
            caller.csrf = None;
        }
        Self { caller, own, key: Some(key), ends: ends.or(row.expires) }
    }
}

impl<'a> Ctx<'a> {
    fn access(&self) -> &'a Access {
        &self.commands.access
    }

    /// Finds out who calls, and whether they may make this call, as far as it can be told before what it is about is known.
    pub(super) fn admit(&mut self, route: &Route) -> Result<()> {
        if matches!(route.needs, Needs::Nothing | Needs::Seal) && !route.wants_caller {
            return Ok(());
        }
        self.access().check_host(self.call.host.as_deref())?;
        let identified = match self.identify() {
            // The page that wants to log in or out must get there with whatever it has.
            Err(ApiError::Unauthorized { .. }) if route.wants_caller => {
                Identified::nobody(self.access().mode())
            }
            other => other?,
        };
        self.caller = identified.caller;
        self.own = identified.own;
        self.session_ends = identified.ends;
        self.key = identified.key;
        self.caller.may(route.needs)?;
        let must_say = self.caller.csrf.as_deref().filter(|_| route.guarded() && !route.begins_session);
        match must_say {
            Some(csrf) => {
                let said = self.call.credentials.csrf.as_deref().unwrap_or_default();
                if crate::access::same(said, csrf) { Ok(()) } else { Err(ApiError::NoCsrf) }
            }
            None => Ok(()),
        }
    }

    fn identify(&mut self) -> Result<Identified> {
        let mode = self.access().mode();
        let call = self.call;
        let credentials = &call.credentials;
        let nobody = Identified::nobody(mode);
        if let Some(text) = credentials.bearer() {
            let key = Secret::read_token(text).map(|secret| Key::Token(secret.digest()));
            return match self.look_up(key, Via::Token)? {
                Some(known) => Ok(known),
                None if mode == Mode::Open => Ok(nobody),
                None => Err(ApiError::unauthorized("the token is unknown, has expired, or was revoked")),
            };
        }
        if let Some(user) = self.proxy_user()? {
            return match self.look_up(Some(Key::User(user.clone())), Via::Proxy)? {
                Some(known) => Ok(known),
                None if mode == Mode::Open => Ok(nobody),
                None => Err(ApiError::unauthorized(format!(
                    "the reverse proxy names {user}, who is not known here; `mozpool token create {user} --role ROLE --proxy` on \
                     the server says what they may do"
                ))),
            };
        }
        if let Some(secret) =
            credentials.cookie(cookie_name(&self.settings.public_url)).and_then(Secret::read)
        {
            let known = self.look_up(Some(Key::Session(secret.digest())), Via::Session)?;
            return Ok(match known {
                Some(mut known) => {
                    if mode == Mode::Token {
                        known.caller.csrf = Some(secret.csrf());
                    }
                    known
                }
                None => nobody,
            });
        }
        if let (Some((target, ticket)), Some(peers)) = (split_ticket(&call.target), &self.commands.peers) {
            let errand = Errand { method: call.verb.name(), target, body: &call.body };
            let name = peers.opens_ticket(ticket, errand, self.now);
            let key = name.map(|name| Key::Holder(name.to_owned()));
            return match self.look_up(key, Via::Ticket)? {
                Some(known) => Ok(known),
                None if mode == Mode::Open => Ok(nobody),
                None => Err(ApiError::unauthorized(
                    "the ticket from another server of the pool is for another call, or too old; call that server again",
                )),
            };
        }
        Ok(nobody)
    }

    /// Whom a reverse proxy names.
    fn proxy_user(&self) -> Result<Option<String>> {
        let access = self.access();
        let is_proxy = |address: IpAddr| access.rules.proxies.contains(&address.to_canonical());
        if access.proxy_header().is_none() || !self.call.peer.parse().is_ok_and(is_proxy) {
            return Ok(None);
        }
        match self.call.credentials.proxy_user.as_deref() {
            None | Some("") => Ok(None),
            Some(user) if crate::access::is_name(user) => Ok(Some(user.to_owned())),
            Some(_) => Err(ApiError::unauthorized(
                "the reverse proxy names nobody who can be known: a name has letters, digits, and . _ @ + -",
            )),
        }
    }

    fn look_up(&mut self, key: Option<Key>, via: Via) -> Result<Option<Identified>> {
        let Some(key) = key else { return Ok(None) };
        let access = self.access();
        let found = access.known.find(&key, self.store, self.now, known::FRESH)?;
        let Some((row, ends)) = found else { return Ok(None) };
        let today = Timestamp(self.now.0 - self.now.0.rem_euclid(DAY_MS));
        if row.used.is_none_or(|day| day < today) && access.known.is_first_use(&row, today) {
            access.auditor.note(Note::Used(row.name.clone(), today));
        }
        Ok(Some(Identified::known(row, via, key, ends, access.mode())))
    }

    /// The caller may work on this device.
    pub(super) fn may_work_on(&self, route: &Route, device: &DeviceView) -> Result<()> {
        if route.needs != Needs::Operator {
            return Ok(());
        }
        Ok(self.caller.may_work_in(&device.name, &device.info.environment)?)
    }

    /// The caller may touch this request.
    pub(super) fn may_touch(&self, route: &Route, request: &RequestView) -> Result<()> {
        if route.needs != Needs::Requester {
            return Ok(());
        }
        Ok(self.caller.may_touch_request(request.machine.wanted.environment.as_ref())?)
    }

    /// Whether somebody calls who is known and may say what happens to this device, by what their token is for and not because this
    /// server asks nobody.
    pub fn may_operate(&self, device: &DeviceView) -> bool {
        let caller = self.own.as_ref().unwrap_or(&self.caller);
        caller.via != Via::Nothing
            && caller.role.is_some_and(crate::access::Role::may_operate)
            && caller.is_for(&device.info.environment)
    }

    /// Who calls, as logs of devices and requests name them: by name, or by address.
    pub(super) fn named(&self) -> String {
        self.caller.name.clone().unwrap_or_else(|| self.access().address_of(self.call))
    }

    /// Whether the caller may ask something of this device.
    pub(super) fn check_may_ask(&self, device: &DeviceView) -> Result<()> {
        self.caller.may(Needs::Operator)?;
        Ok(self.caller.may_work_in(&device.name, &device.info.environment)?)
    }

    /// Whether the caller may read all that there is.
    pub(super) fn may_read(&self) -> bool {
        self.caller.may(Needs::Viewer).is_ok()
    }

    /// Sends the caller to another server; one whose browser cannot say there who it is gets a ticket. One that came with a ticket
    /// goes on with the same: a new one for each way between servers that disagree would be good for ever.
    pub(super) fn redirect(&self, owner: &str, servers: &[ServerRow]) -> Result<Reply> {
        let ticket = self
            .commands
            .peers
            .as_ref()
            .filter(|_| self.caller.via.needs_ticket())
            .zip(self.caller.name.as_ref());
        let Some((peers, name)) = ticket else { return owner::redirect(self.call, owner, servers) };
        let mut call = self.call.clone();
        // What a caller who is known by more has put there is no ticket.
        if let Some((target, _)) = split_ticket(&self.call.target) {
            call.target = target.to_owned();
        }
        call.target = owner::escape(&call.target);
        let errand = Errand { method: call.verb.name(), target: &call.target, body: &call.body };
        let ticket = Ticket { name, errand };
        let sealed = peers.seals_ticket(&ticket, self.now.plus_s(TICKET_LIFE_S));
        call.target = with_ticket(&call.target, &sealed);
        owner::redirect(&call, owner, servers)
    }

    /// What is to be looked at now and then while the caller listens.
    pub(super) fn stays(&self) -> Stays {
        Stays::new(self.key.clone().filter(|_| self.access().mode() == Mode::Token))
    }

    /// Writes down what a call has come to, if it is of those that are.
    pub(super) fn tell_audit(&self, route: &Route, reply: &Reply) {
        let access = self.access();
        let asks = access.mode() == Mode::Token;
        let refused = asks && matches!(reply.status, 401 | 403 | 429);
        if told::is_boards(self, route) || !refused && !told::is_told(self, route, reply.status) {
            return;
        }
        let from = access.address_of(self.call);
        // Whoever is nobody, and whoever is wrong, must not fill the log.
        let is_bounded = asks && told::came_to_nothing(self.caller.via, reply.status);
        if !is_bounded || access.note_refusal(&from, self.now) {
            access.auditor.note(Note::Entry(Box::new(told::entry(self, from, reply.status))));
        }
    }

    /// Somebody has shown a wrong token to log in.
    pub(super) fn note_failed_login(&self) {
        let access = self.access();
        access.logins.failed(client(&access.address_of(self.call)), self.now);
    }

    /// Too many logins from this address have failed of late.
    pub(super) fn has_tried_too_often(&self) -> bool {
        let access = self.access();
        access.logins.are_too_many(client(&access.address_of(self.call)), self.now)
    }
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Unknown => Self::Unauthorized { why: denied.to_string() },
            Denied::Role { .. } | Denied::Environment { .. } | Denied::LabWide { .. } => {
                Self::Forbidden { why: denied.to_string() }
            }
        }
    }
}

/// An entry of the audit log for what is done by hand on the server.
pub fn by_hand(who: &str, method: &str, path: String, now: Timestamp) -> AuditRow {
    AuditRow {
        id: 0,
        at: now,
        who: who.to_owned(),
        role: String::new(),
        via: "cli".into(),
        from: String::new(),
        method: method.to_owned(),
        path,
        status: 200,
        device: None,
        request: None,
    }
}

//! The guard: before something is switched by hand, Mozpool is asked whose power it is.
//!
//! It knows three calls of the API (`device/list`, `request/…/details`) and nothing behind them. A daemon that does not answer at
//! all stops nobody: power by hand is for the night when it is down, and standard error says that it could not be asked. One that
//! answers, and does not say whose power it is, may be working with the board: then nothing is switched without `--force`.

use crate::args::GuardArgs;
use crate::output::say;
use crate::place::{self, Token};
use relayctl::{Bank, BoardAddress, Relay, RelayAddress, resolve};
use serde_json::Value;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// For everything that one server is asked. Somebody waits with a hand on the switch; a daemon that works answers in milliseconds.
const LIMIT: Duration = Duration::from_secs(3);
/// The longest list that is read: thousands of devices on the same relay of as many boards.
const ANSWER_MAX: u64 = 16 << 20;
/// Names of relay boards that are looked up to find out whether they are the one that was typed.
const LOOKUPS_MAX: usize = 64;
/// In a pool a server sends a call on to the one that owns a thing, and that one answers.
const REDIRECTS_MAX: usize = 3;
/// States in which the daemon keeps its hands off a device, or an operator has taken it.
const HANDS_OFF: [&str; 4] = ["locked_out", "maintenance_mode", "troubleshooting", "new"];

/// Whether the power behind this relay, or this bank, may be switched by hand.
///
/// # Errors
/// Whose it is, and what to do instead.
pub(crate) fn ask(
    args: &GuardArgs,
    board: &BoardAddress,
    bank: Bank,
    relay: Option<Relay>,
) -> Result<(), String> {
    let (server, owners) = match owners(args, board, bank, relay) {
        Ok(asked) => asked,
        Err(Unasked::Silent(why)) => {
            say(&format!("could not ask Mozpool whose power this is ({why}); going on"));
            return Ok(());
        }
        Err(Unasked::Unknown(why)) => {
            return Err(format!(
                "it is not known whose power this is, so nothing was switched: {why}. When nobody needs the device, use --force"
            ));
        }
    };
    let busy: Vec<String> = owners.iter().filter(|o| o.is_in_use()).map(|o| o.describe(&server)).collect();
    if busy.is_empty() {
        return Ok(());
    }
    let (whose, them) = match busy.as_slice() {
        [one] => (format!("this is the power of {one}"), "it"),
        several => (format!("this is the power of {}", several.join("; and of ")), "them"),
    };
    Err(format!(
        "{whose}. Mozpool at {} looks after {them}, so nothing was switched; let it do it (POST \
         /api/device/NAME/power-cycle/), lock {them} out first (event please_offline), or use --force",
        server.base
    ))
}

/// Why Mozpool has not said whose power it is.
enum Unasked {
    /// Nobody is there.
    Silent(String),
    /// Somebody is there, or it is not clear who is to be asked.
    Unknown(String),
}

impl Unasked {
    fn no_mozpool() -> Self {
        Self::Unknown("does not answer as Mozpool does; --server names the one to ask".into())
    }
}

/// What a call without an answer means. Words that are no HTTP are an answer all the same.
fn unheard(error: &ureq::Error) -> Unasked {
    use ureq::Error::{ConnectionFailed, HostNotFound, Io, Timeout};
    match error {
        Io(_) | Timeout(_) | HostNotFound | ConnectionFailed => Unasked::Silent(error.to_string()),
        _ => Unasked::Unknown(format!("cannot be asked: {error}")),
    }
}

/// Whose power it is, and the server that says so: the first that answers.
fn owners(
    args: &GuardArgs,
    board: &BoardAddress,
    bank: Bank,
    relay: Option<Relay>,
) -> Result<(Server, Vec<Owner>), Unasked> {
    let urls = place::urls(args.server.as_deref()).map_err(Unasked::Unknown)?;
    let mut silent = Vec::new();
    for url in urls {
        let server = Server::new(url, Token::find(args.token_file.as_deref()));
        match server.owners(board, bank, relay) {
            Ok(owners) => return Ok((server, owners)),
            Err(Unasked::Silent(why)) => silent.push(format!("{}: {why}", server.base)),
            Err(Unasked::Unknown(why)) => return Err(Unasked::Unknown(format!("{} {why}", server.base))),
        }
    }
    Err(Unasked::Silent(silent.join("; ")))
}

/// A device whose power it is.
struct Owner {
    name: String,
    state: String,
    request: Option<i64>,
}

impl Owner {
    fn is_in_use(&self) -> bool {
        self.request.is_some() || !HANDS_OFF.contains(&self.state.as_str())
    }

    fn describe(&self, server: &Server) -> String {
        let Self { name, state, request } = self;
        let mut text = format!("{name}, which is {state}");
        if let Some(request) = request {
            text += &match server.reserved_by(*request) {
                Some((who, until)) => format!(" and reserved by {who} until {until} UTC (request {request})"),
                None => format!(" and reserved (request {request})"),
            };
        }
        text
    }
}

/// A daemon's API, for a few seconds.
struct Server {
    base: String,
    agent: ureq::Agent,
    /// Who asks; or why that is not known, which matters to servers alone that want to know it.
    token: Result<Option<Token>, String>,
    until: Instant,
}

impl Server {
    fn new(base: String, token: Result<Option<Token>, String>) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            // They are followed by hand: the token goes along, and where https begins we end.
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("relayctl/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { base, agent: config.into(), token, until: Instant::now() + LIMIT }
    }

    fn get(&self, path: &str) -> Result<Value, Unasked> {
        let unknown = |why: String| Err(Unasked::Unknown(why));
        let mut url = format!("{}/api/{path}", self.base);
        for _ in 0..=REDIRECTS_MAX {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Unasked::Silent(format!("no answer within {} s", LIMIT.as_secs())));
            }
            let mut call = self.agent.get(&url);
            if let Ok(Some(token)) = &self.token {
                call = call.header("Authorization", token.authorization());
            }
            let call = call.config().timeout_global(Some(left)).build();
            let mut answer = call.call().map_err(|e| unheard(&e))?;
            match answer.status().as_u16() {
                200 => {
                    let text = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string();
                    let text = text.map_err(|e| Unasked::Unknown(format!("breaks off its answer: {e}")))?;
                    return serde_json::from_str(&text).map_err(|_| Unasked::no_mozpool());
                }
                status @ (401 | 403) => return unknown(self.refused(status)),
                status @ (301 | 302 | 307 | 308) => {
                    match answer.headers().get("Location").and_then(|to| to.to_str().ok()) {
                        Some(to) if to.starts_with("http://") => url = to.to_owned(),
                        Some(to) => {
                            return unknown(format!(
                                "sends us on to {to}, and relayctl speaks plain http only"
                            ));
                        }
                        None => return unknown(format!("answers with HTTP status {status}")),
                    }
                }
                status => return unknown(format!("answers with HTTP status {status}")),
            }
        }
        unknown("redirects in circles".into())
    }

    /// Why a server that asks who calls says no.
    fn refused(&self, status: u16) -> String {
        match &self.token {
            Ok(None) => format!(
                "asks who calls (HTTP status {status}); --token-file, $MOZPOOL_TOKEN or ~/.config/mozpool/token says your token"
            ),
            Ok(Some(token)) => {
                format!("does not take the token from {} (HTTP status {status})", token.named_by)
            }
            Err(why) => {
                format!("asks who calls (HTTP status {status}), and there is no token to say it: {why}")
            }
        }
    }

    /// The devices behind a relay, or a bank, of this board.
    fn owners(&self, board: &BoardAddress, bank: Bank, relay: Option<Relay>) -> Result<Vec<Owner>, Unasked> {
        let place = match relay {
            Some(relay) => format!(":bank{bank}:relay{relay}"),
            None => format!(":bank{bank}:"),
        };
        let list = self.get(&format!("device/list/?details=1&relay={place}"))?;
        let devices = list["devices"].as_array().ok_or_else(Unasked::no_mozpool)?;
        let mut same = SameBoard::new(board, self.until);
        let mut owners = Vec::new();
        for device in devices {
            let Some(at) = device["relay_info"].as_str().and_then(|i| i.parse::<RelayAddress>().ok()) else {
                continue;
            };
            if at.bank == bank && relay.is_none_or(|r| at.relay == r) && same.is(&at.board) {
                owners.push(Owner {
                    name: device["name"].as_str().unwrap_or("a device").into(),
                    state: device["state"].as_str().unwrap_or("unknown").into(),
                    request: device["request_id"].as_i64(),
                });
            }
        }
        if same.not_compared > 0 {
            say(&format!("{} relay boards could not be compared with {board} by address", same.not_compared));
        }
        Ok(owners)
    }

    /// Who holds a request, and until when. Not worth a failure.
    fn reserved_by(&self, request: i64) -> Option<(String, String)> {
        let details = self.get(&format!("request/{request}/details/")).ok()?;
        let text = |key: &str| Some(details[key].as_str()?.to_owned());
        Some((text("assignee")?, text("expires")?))
    }
}

/// Whether other names mean the board that was typed: the inventory may call it by its whole name, or by its address.
struct SameBoard<'a> {
    board: &'a BoardAddress,
    until: Instant,
    /// The typed board's addresses, once they were needed.
    ours: Option<Vec<IpAddr>>,
    known: HashMap<BoardAddress, bool>,
    lookups: usize,
    not_compared: usize,
}

impl<'a> SameBoard<'a> {
    fn new(board: &'a BoardAddress, until: Instant) -> Self {
        Self { board, until, ours: None, known: HashMap::new(), lookups: 0, not_compared: 0 }
    }

    fn is(&mut self, other: &BoardAddress) -> bool {
        if let Some(known) = self.known.get(other) {
            return *known;
        }
        let same = self.board.port() == other.port()
            && (same_name(self.board.host(), other.host()) || self.same_address(other));
        self.known.insert(other.clone(), same);
        same
    }

    fn same_address(&mut self, other: &BoardAddress) -> bool {
        let until = self.until;
        let find = |board: &BoardAddress| -> Option<Vec<IpAddr>> {
            let found = resolve(board.host(), board.port(), until).ok()?;
            Some(found.into_iter().map(|a| a.ip()).collect())
        };
        let board = self.board;
        let ours = self.ours.get_or_insert_with(|| find(board).unwrap_or_default());
        if ours.is_empty() {
            // Nobody can switch anything there either.
            return false;
        }
        let is_name = other.host().parse::<IpAddr>().is_err();
        if is_name && self.lookups == LOOKUPS_MAX {
            self.not_compared += 1;
            return false;
        }
        self.lookups += usize::from(is_name);
        match find(other) {
            Some(theirs) => theirs.iter().any(|ip| ours.contains(ip)),
            None => {
                self.not_compared += 1;
                false
            }
        }
    }
}

/// `panda-relay-001` and `panda-relay-001.p1.example.com` are one; so are names that differ by case.
fn same_name(a: &str, b: &str) -> bool {
    let plain = |host: &str| host.trim_end_matches('.').to_ascii_lowercase();
    let (a, b) = (plain(a), plain(b));
    let is_address = |host: &str| host.parse::<IpAddr>().is_ok();
    let begins = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'));
    a == b || (!is_address(&a) && !is_address(&b) && (begins(&a, &b) || begins(&b, &a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_known_by_its_short_name_its_whole_name_and_its_address() {
        assert!(same_name("panda-relay-001", "PANDA-relay-001.p1.example.com."));
        assert!(same_name("panda-relay-001.p1.example.com", "panda-relay-001"));
        assert!(!same_name("panda-relay-001", "panda-relay-0011.p1.example.com"));
        assert!(!same_name("10.0", "10.0.0.5"), "the beginning of an address is no name");
        let board = |text: &str| text.parse::<BoardAddress>().unwrap();
        let typed = board("localhost");
        let mut same = SameBoard::new(&typed, Instant::now() + Duration::from_secs(20));
        assert!(same.is(&board("127.0.0.1")));
        assert!(!same.is(&board("127.0.0.1:2102")), "another port is another board");
        assert!(!same.is(&board("192.0.2.7")));
        assert_eq!(same.not_compared, 0);
        // What a long inventory would cost in look-ups is said, and not done.
        let typed = board("127.0.0.1");
        let mut same = SameBoard::new(&typed, Instant::now() + Duration::from_secs(20));
        same.lookups = LOOKUPS_MAX;
        assert!(!same.is(&board("localhost")) && same.is(&board("127.0.0.1")));
        assert_eq!(same.not_compared, 1);
    }

    #[test]
    fn what_an_operator_has_taken_may_be_switched_unless_it_is_reserved() {
        let owner = |state: &str, request| Owner { name: "p".into(), state: state.into(), request };
        assert!(!owner("locked_out", None).is_in_use());
        assert!(!owner("maintenance_mode", None).is_in_use());
        assert!(owner("maintenance_mode", Some(4)).is_in_use());
        assert!(owner("ready", None).is_in_use());
        assert!(owner("failed_power_cycling", None).is_in_use(), "the daemon heals it by itself");
    }
}

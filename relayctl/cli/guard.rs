//! The guard: before something is switched by hand, Mozpool is asked whose power it is.
//!
//! It knows three calls of the API (`device/list`, `request/…/details`) and nothing behind them. What it cannot find out stops
//! nobody: power by hand is for the night when the daemon is down. It says on standard error that it could not ask.

use crate::output::say;
use relayctl::{Bank, BoardAddress, Relay, RelayAddress, resolve};
use serde_json::Value;
use std::collections::HashMap;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Names the server, for the other programs as well.
const URL_VARIABLE: &str = "MOZPOOL_URL";
/// Names another configuration.
const CONFIG_VARIABLE: &str = "MOZPOOL_CONFIG";
const CONFIG: &str = "/etc/mozpool/mozpool.toml";
/// Where the daemon listens unless its configuration says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Where a server is looked for when nothing says where it is.
const URL: &str = "http://localhost";
/// For everything that is asked. Somebody waits with a hand on the switch; a daemon that works answers in milliseconds.
const LIMIT: Duration = Duration::from_secs(3);
/// The longest list that is read: thousands of devices on the same relay of as many boards.
const ANSWER_MAX: u64 = 16 << 20;
/// Names of relay boards that are looked up to find out whether they are the one that was typed.
const LOOKUPS_MAX: usize = 64;
/// States in which the daemon keeps its hands off a device, or an operator has taken it.
const HANDS_OFF: [&str; 4] = ["locked_out", "maintenance_mode", "troubleshooting", "new"];

/// Whether the power behind this relay, or this bank, may be switched by hand.
///
/// # Errors
/// Whose it is, and what to do instead.
pub(crate) fn ask(
    server: Option<&str>,
    board: &BoardAddress,
    bank: Bank,
    relay: Option<Relay>,
) -> Result<(), String> {
    let asked = address(server).and_then(|url| {
        let server = Server::new(&url);
        server
            .owners(board, bank, relay)
            .map_err(|why| format!("{url}: {why}"))
            .map(|owners| (server, owners))
    });
    let (server, owners) = match asked {
        Ok(asked) => asked,
        Err(why) => {
            say(&format!("could not ask Mozpool whose power this is ({why}); going on"));
            return Ok(());
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
    until: Instant,
}

impl Server {
    fn new(url: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .user_agent(concat!("relayctl/", env!("CARGO_PKG_VERSION")))
            .build();
        let base = url.trim_end_matches('/').trim_end_matches("/api").trim_end_matches('/').to_owned();
        Self { base, agent: config.into(), until: Instant::now() + LIMIT }
    }

    fn get(&self, path: &str) -> Result<Value, String> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("no answer within {} s", LIMIT.as_secs()));
        }
        let call = self.agent.get(format!("{}/api/{path}", self.base));
        let call = call.config().timeout_global(Some(left)).build();
        let mut answer = call.call().map_err(|e| e.to_string())?;
        if answer.status() != 200 {
            return Err(format!("HTTP status {}", answer.status().as_u16()));
        }
        let text = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_string();
        let text = text.map_err(|e| e.to_string())?;
        serde_json::from_str(&text).map_err(|_| "it does not answer as Mozpool does".into())
    }

    /// The devices behind a relay, or a bank, of this board.
    fn owners(&self, board: &BoardAddress, bank: Bank, relay: Option<Relay>) -> Result<Vec<Owner>, String> {
        let place = match relay {
            Some(relay) => format!(":bank{bank}:relay{relay}"),
            None => format!(":bank{bank}:"),
        };
        let list = self.get(&format!("device/list/?details=1&relay={place}"))?;
        let devices = list["devices"].as_array().ok_or("it does not answer as Mozpool does")?;
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

/// The daemon to ask.
fn address(named: Option<&str>) -> Result<String, String> {
    let variable = || env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty());
    let url = match named.map(str::to_owned).or_else(variable) {
        Some(url) => url,
        None => configured()?,
    };
    match url.starts_with("http://") {
        true => Ok(url),
        false => Err(format!("`{url}` is not a server's URL; write http://host:port")),
    }
}

/// Where the daemon of this machine listens.
fn configured() -> Result<String, String> {
    let path = env::var(CONFIG_VARIABLE).ok().filter(|path| !path.is_empty());
    let path = path.as_deref().unwrap_or(CONFIG);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        // There is none, or only the daemon may read it.
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
            return Ok(URL.into());
        }
        Err(error) => return Err(format!("{path}: {error}")),
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

    #[test]
    fn a_daemon_that_listens_everywhere_is_asked_here() {
        assert_eq!(local_url("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(local_url("[::]:8080".parse().unwrap()), "http://[::1]:8080");
        assert_eq!(local_url("127.0.0.1:0".parse().unwrap()), "http://localhost");
    }
}

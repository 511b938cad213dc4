//! The configuration: one TOML file, checked once, and from then on plain values with units in their names.
//!
//! It knows what may be set, within which limits, and what holds otherwise; it opens no port, file root or store. An empty file is
//! a good configuration. `packaging/mozpool.toml` lists every setting; a test holds it to this file.

mod auth;
mod boards;
mod changed;
mod document;
mod error;
mod host;
mod inventory;
mod live;
mod registration;

pub use auth::Auth;
pub use boards::{BoardEvents, Boards};
pub use changed::changed;
pub use document::Setting;
pub use error::{ConfigError, Fault};
pub use host::{AddressFrom, Host};
pub use inventory::{Inventory, InventorySource};
pub use registration::Registration;

use crate::access::Mode;
use crate::bmm::power::Programs;
use crate::boot::render::LiveSystems;
use crate::logic::events::ReturnPolicy;
use crate::store::{BadLocation, Location};
use document::Document;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::DeValue;

/// Where the configuration is looked for when nobody names a file.
pub const DEFAULT_PATH: &str = "/etc/mozpool/mozpool.toml";
/// Names another file.
pub const PATH_VARIABLE: &str = "MOZPOOL_CONFIG";

/// Everything that can be set, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that was read; `None` when there was none and everything is as built in.
    pub file: Option<PathBuf>,
    /// Who this server is.
    pub server: Server,
    /// Where the state is kept, as [`Location`] reads it. It may hold a password: show the [`Location`].
    pub store_url: String,
    /// The API and the files that boards download.
    pub http: Http,
    /// Who may do what.
    pub auth: Auth,
    /// Network boot.
    pub tftp: Tftp,
    /// What boards say.
    pub syslog: Syslog,
    /// What of what boards report is believed.
    pub boards: Boards,
    /// Boards that are no devices yet.
    pub registration: Registration,
    /// Reservations.
    pub requests: Requests,
    /// What is remembered for reports.
    pub reports: Reports,
    /// What boards boot.
    pub pxe: Pxe,
    /// Power.
    pub relays: Relays,
    /// Where the lab's devices are written down.
    pub inventory: Inventory,
    /// The other imaging servers of the pool.
    pub peers: Peers,
    /// What is logged, as `$RUST_LOG` writes it (which wins).
    pub log_filter: String,
}

/// Who this server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name in the pool: devices and requests name their owner by it.
    pub name: String,
    /// The address that boards reach it at; it stands on kernel command lines.
    pub address: IpAddr,
    /// Where `address` comes from.
    pub address_from: AddressFrom,
    /// Its API as clients see it, without a slash at the end, when it differs from `http://address:port`.
    pub url: Option<String>,
    /// The user to become once all ports are open.
    pub user: Option<String>,
    /// Whether the daemon gives up what it does not need once its ports are open.
    pub confine: bool,
}

/// The API and the files that boards download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where the API listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// What is served below `/files/`.
    pub files: PathBuf,
    /// Files that may be sent at once; more are answered "busy, try again".
    pub downloads_max: usize,
    /// The longest reservation that may be asked for.
    pub duration_max_s: u32,
}

/// Network boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tftp {
    /// Off for those who have another TFTP server; boards then get their PXE configs elsewhere.
    pub enabled: bool,
    /// UDP addresses.
    pub listen: Vec<SocketAddr>,
    /// Boot loaders, kernels and initrds.
    pub root: PathBuf,
    /// The largest block granted (RFC 2348).
    pub blksize_max: u16,
    /// The most blocks granted in a window (RFC 7440).
    pub windowsize_max: u16,
    /// Transfers that may run at once.
    pub transfers_max: usize,
    /// Transfers that may run at once with one client address.
    pub transfers_per_address_max: usize,
    /// Answer from the port that was asked, for firewalls.
    pub single_port: bool,
}

/// What boards say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// Off for those who need no board logs.
    pub enabled: bool,
    /// UDP addresses.
    pub udp: Vec<SocketAddr>,
    /// TCP addresses.
    pub tcp: Vec<SocketAddr>,
    /// Log lines of devices and requests are kept so long.
    pub retention_days: u32,
    /// Text of what boards say is kept up to so many mebibytes; then whoever says most loses the oldest of it.
    pub max_mib: u32,
    /// Kernel memory that lines may wait in for each UDP address, in mebibytes.
    pub udp_buffer_mib: u32,
}

/// Reservations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requests {
    /// Requests are kept so long after they expired.
    pub retention_days: u32,
    /// What is done to a device when its request ends.
    pub return_policy: ReturnPolicy,
    /// The same for single environments.
    pub return_policy_by_environment: BTreeMap<String, ReturnPolicy>,
}

/// What is remembered for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reports {
    /// How devices were and what became of requests is kept so long after it ended.
    pub retention_days: u32,
}

impl Requests {
    /// What is done to a device of this environment when its request ends.
    pub fn policy(&self, environment: &str) -> ReturnPolicy {
        self.return_policy_by_environment.get(environment).copied().unwrap_or(self.return_policy)
    }
}

/// What boards boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pxe {
    /// The live systems: files below the TFTP root, and consoles.
    pub live: LiveSystems,
    /// Values of the lab's own; PXE configs call them `site.NAME`.
    pub values: BTreeMap<String, String>,
}

/// Power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relays {
    /// Rest that a relay board gets after each connection; their Ethernet modules need about a second.
    pub rest_ms: u32,
    /// The folder of the programs that `command:` devices may name; `None` for none.
    pub power_programs: Option<PathBuf>,
    /// How long one run of such a program may take.
    pub power_program_limit_s: u32,
}

/// The other imaging servers of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peers {
    /// The file with the secret that all servers of the pool know; `None`: this server is alone.
    pub secret_file: Option<PathBuf>,
    /// The store is asked so often what other servers have changed.
    pub look_ms: u32,
    /// This server says so often that it lives.
    pub beat_s: u32,
    /// A server that has not said so for so long is gone.
    pub gone_after_s: u32,
}

impl Relays {
    /// What the hardware layer may run.
    pub fn programs(&self) -> Programs {
        let limit = Duration::from_secs(self.power_program_limit_s.into());
        Programs { folder: self.power_programs.clone(), limit }
    }
}

impl Config {
    /// Where the state is kept, without a password.
    pub fn store_shown(&self) -> String {
        self.store_url.parse::<Location>().map(|place| place.to_string()).unwrap_or_default()
    }

    /// Reads the configuration: the file given by `--config`, else by `$MOZPOOL_CONFIG`, else the default one, which need not exist.
    ///
    /// # Errors
    /// [`ConfigError`], with every fault of the file.
    pub fn load(named: Option<&Path>, host: &Host) -> Result<Self, ConfigError> {
        Self::load_with_text(named, host).map(|(config, _)| config)
    }

    /// The same, and the file's text, which is empty where there is no file: to see later what has [`changed()`].
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with_text(named: Option<&Path>, host: &Host) -> Result<(Self, String), ConfigError> {
        let variable = std::env::var_os(PATH_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
        let (path, named_by) = match (named, variable) {
            (Some(path), _) => (path.to_owned(), "--config"),
            (None, Some(path)) => (path, "$MOZPOOL_CONFIG"),
            (None, None) => (PathBuf::from(DEFAULT_PATH), "default"),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let faults = |faults| ConfigError::Invalid { path: path.clone(), faults };
                let config = Self::parse(&text, host).map_err(faults)?;
                Ok((Self { file: Some(path), ..config }, text))
            }
            Err(e) if named_by == "default" && e.kind() == std::io::ErrorKind::NotFound => {
                Ok((Self::defaults(host), String::new()))
            }
            Err(source) => Err(ConfigError::Unreadable { path, named_by, source }),
        }
    }

    /// What holds when nothing is set.
    pub fn defaults(host: &Host) -> Self {
        Self::parse("", host).expect("an empty file has no faults")
    }

    /// Reads a configuration's text.
    ///
    /// # Errors
    /// Every fault, by line.
    pub fn parse(text: &str, host: &Host) -> Result<Self, Vec<Fault>> {
        let mut document = Document::parse(text).map_err(|fault| vec![fault])?;
        let config = read(&mut document, host);
        document.finish().map(|_| config)
    }

    /// Every setting, in the order of the sample file.
    pub fn settings() -> Vec<Setting> {
        let mut empty = Document::parse("").expect("nothing is TOML");
        read(&mut empty, &Host::default());
        empty.finish().expect("an empty file has no faults")
    }

    /// Whether a server that listens on `http` asks who calls.
    pub fn access_mode(&self, http: IpAddr) -> Mode {
        self.auth.mode.on(http, !self.auth.proxies.is_empty(), self.server.url.as_deref())
    }

    /// The API's address for clients and other servers, once its port is open; no slash at the end.
    pub fn public_url(&self, http: SocketAddr) -> String {
        match &self.server.url {
            Some(url) => url.clone(),
            None => format!("http://{}", SocketAddr::new(self.server.address, http.port())),
        }
    }
}

/// Ethernet's 1500 bytes less the headers of IPv4, UDP and TFTP: a larger block is cut into fragments.
const BLKSIZE_ETHERNET: u16 = 1468;
/// A century of logs is a typing error.
const RETENTION_DAYS: std::ops::RangeInclusive<i64> = 1..=3650;
const DAY_S: i64 = 86_400;

/// The settings: each is named here once, with its default and its limits.
fn read(document: &mut Document<'_>, host: &Host) -> Config {
    let any = |port| SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
    let server_at = |key| ("server", key);
    let name = document.value(
        server_at("name"),
        String::new(),
        "is not a host name",
        "letters, digits, - and .",
        host_name,
    );
    let address = document.value(
        server_at("address"),
        None,
        "is not an address that boards can reach",
        "one of this host's IP addresses, without a port, for example \"10.1.0.5\"",
        |v| {
            empty_or(v, |text| {
                text.parse::<IpAddr>().ok().filter(|a| !a.is_unspecified() && !a.is_multicast())
            })
        },
    );
    let url = document.value(
        server_at("url"),
        None,
        "is not the address of a web server",
        "for example \"http://imaging-1.example.com:8080\"",
        |v| empty_or(v, web_server),
    );
    let user = document.value(
        server_at("user"),
        None,
        "is not the name of a user",
        "for example \"mozpool\"",
        |v| empty_or(v, |text| (!text.contains([':', '/', ' '])).then(|| text.to_owned())),
    );
    let confine = document.value(
        server_at("confine"),
        true,
        "is not \"auto\" or \"off\"",
        "\"auto\" or \"off\"",
        |v| match v.as_str()? {
            "auto" => Some(true),
            "off" => Some(false),
            _ => None,
        },
    );
    let store_url = document.private(
        ("store", "url"),
        "sqlite:/var/lib/mozpool/mozpool.db",
        "is not a store that this program knows",
        "sqlite: and an absolute path, for example \"sqlite:/var/lib/mozpool/mozpool.db\", or \"mysql://USER@HOST/DATABASE?password_file=/FILE\"",
        |text| match text.parse::<Location>() {
            // As it is written: what is shown of it has no password.
            Ok(place) if place.is_shared() => Ok(text.to_owned()),
            Ok(place) if place.path().is_none_or(Path::is_absolute) => Ok(place.to_string()),
            Err(BadLocation::Mysql(why)) => Err(Some(why.to_string())),
            _ => Err(None),
        },
    );
    let http = Http {
        listen: document.parsed(
            ("http", "listen"),
            any(8080),
            "is not an IP address with a port",
            "for example \"0.0.0.0:8080\"",
        ),
        files: document.path(("http", "files"), "/srv/mozpool/files"),
        // As many as a rack has boards that download at once; each costs a thread while it runs.
        downloads_max: document.number(("http", "downloads_max"), 1..=1000, 256),
        duration_max_s: document.number(("http", "duration_max_s"), 1..=10 * 365 * DAY_S, 604_800),
    };
    let auth = auth::read(document);
    let tftp = Tftp {
        enabled: document.switch(("tftp", "enabled"), true),
        listen: document.addresses(("tftp", "listen"), any(69)),
        root: document.path(("tftp", "root"), "/srv/mozpool/tftp"),
        blksize_max: document.number(("tftp", "blksize_max"), 512..=65_464, BLKSIZE_ETHERNET),
        // U-Boot asks for 16; more only overruns the buffers of small boards.
        windowsize_max: document.number(("tftp", "windowsize_max"), 1..=64, 16),
        transfers_max: document.number(("tftp", "transfers_max"), 1..=10_000, 2048),
        transfers_per_address_max: document.number(("tftp", "transfers_per_address_max"), 1..=10_000, 64),
        single_port: document.switch(("tftp", "single_port"), false),
    };
    let syslog = Syslog {
        enabled: document.switch(("syslog", "enabled"), true),
        udp: document.addresses(("syslog", "udp"), any(514)),
        tcp: document.addresses(("syslog", "tcp"), any(514)),
        retention_days: document.number(("syslog", "retention_days"), RETENTION_DAYS, 14),
        // Some thirty million lines; with its index and free space half as much again on the disk.
        max_mib: document.number(("syslog", "max_mib"), 16..=1_048_576, 4096),
        // A second of 200,000 lines; setsockopt takes less than a gibibyte, for the kernel doubles it in an int.
        udp_buffer_mib: document.number(("syslog", "udp_buffer_mib"), 1..=1000, 80),
    };
    let boards = boards::read(document);
    let registration = registration::read(document);
    let requests = Requests {
        retention_days: document.number(("requests", "retention_days"), RETENTION_DAYS, 7),
        return_policy: document.value(
            ("requests", "return_policy"),
            ReturnPolicy::Check,
            NO_POLICY,
            &policies(),
            policy,
        ),
        return_policy_by_environment: policies_by_environment(document),
    };
    let reports = Reports {
        // A year, and the month that it is compared with.
        retention_days: document.number(("reports", "retention_days"), RETENTION_DAYS, 400),
    };
    let pxe = Pxe { live: live::systems(document), values: template_values(document) };
    let relays = Relays {
        rest_ms: document.number(("relays", "rest_ms"), 0..=60_000, 1000),
        // Only root can put something there, so nothing runs that nobody has allowed.
        power_programs: document.value(
            ("relays", "power_programs"),
            Some(PathBuf::from("/etc/mozpool/power")),
            "is not an absolute path",
            "one that begins with /, for example \"/etc/mozpool/power\", or \"\" for no power programs",
            |v| empty_or(v, |path| Some(PathBuf::from(path)).filter(|p| p.is_absolute())),
        ),
        // A power cycle runs four of them within 30 s.
        power_program_limit_s: document.number(("relays", "power_program_limit_s"), 1..=25, 10),
    };
    let inventory = inventory::read(document);
    let peers = Peers {
        secret_file: document.value(
            ("peers", "secret_file"),
            None,
            "is not an absolute path",
            "one that begins with /, for example \"/etc/mozpool/peers.secret\", or \"\" for a server that is alone",
            |v| empty_or(v, |path| Some(PathBuf::from(path)).filter(|p| p.is_absolute())),
        ),
        // A fifth of a second is less than a page takes to draw, and five small queries a second are nothing to a database.
        look_ms: document.number(("peers", "look_ms"), 20..=10_000, 200),
        beat_s: document.number(("peers", "beat_s"), 1..=60, 2),
        // Three beats may be lost, and a commit may hang for two seconds.
        gone_after_s: document.number(("peers", "gone_after_s"), 3..=600, 8),
    };
    let log_filter = document.value(
        ("log", "filter"),
        "info".to_owned(),
        "is not a log filter",
        "off, error, warn, info, debug or trace, or for example \"info,mozpool::layers=debug\"",
        |v| v.as_str().filter(|f| is_log_filter(f)).map(str::to_owned),
    );
    let (address, address_from) = match address {
        Some(address) => (address, AddressFrom::Configured),
        None => host.address(http.listen.ip()),
    };
    let name = if name.is_empty() { host.name.clone() } else { name };
    let server = Server { name, address, address_from, url, user, confine };
    Config {
        file: None,
        server,
        store_url,
        http,
        auth,
        tftp,
        syslog,
        boards,
        registration,
        requests,
        reports,
        pxe,
        relays,
        inventory,
        peers,
        log_filter,
    }
}

/// An empty text leaves a setting to the program.
fn empty_or<T>(value: &DeValue<'_>, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    match value.as_str()? {
        "" => Some(None),
        text => read(text).map(Some),
    }
}

fn host_name(value: &DeValue<'_>) -> Option<String> {
    let name = value.as_str()?;
    // RFC 1035 2.3.4; it becomes a part of URLs and log lines.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    (name.len() <= 255 && name.chars().all(plain)).then(|| name.to_owned())
}

/// Scheme, host and port. A path would have to be in front of every redirect; nobody has asked for it.
fn web_server(text: &str) -> Option<String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then(|| text.to_owned())
}

const NO_POLICY: &str = "is not a return policy";

fn policies() -> String {
    let names: Vec<String> = ReturnPolicy::ALL.iter().map(|p| format!("\"{p}\"")).collect();
    names.join(" or ")
}

fn policy(value: &DeValue<'_>) -> Option<ReturnPolicy> {
    value.as_str().and_then(ReturnPolicy::parse)
}

fn policies_by_environment(document: &mut Document<'_>) -> BTreeMap<String, ReturnPolicy> {
    let mut policies_of = BTreeMap::new();
    for (environment, entry) in document.invented("requests", "return_policy_by_environment") {
        if let Some(policy) = document.read(&entry, NO_POLICY, &policies(), policy) {
            policies_of.insert(environment, policy);
        }
    }
    policies_of
}

fn template_values(document: &mut Document<'_>) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for (name, entry) in document.invented("pxe", "values") {
        let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let (is_not, write) = if is_name {
            ("is not a text, whole number or switch", "a text in double quotes")
        } else {
            ("has a name that templates cannot use", "a name of lower-case letters, digits and _")
        };
        let text = document.read(&entry, is_not, write, |v| match v {
            _ if !is_name => None,
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(n) => Some(n.to_string()),
            DeValue::Boolean(yes) => Some(yes.to_string()),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
        });
        if let Some(text) = text {
            values.insert(name, text);
        }
    }
    values
}

/// `LEVEL` or `MODULE=LEVEL`, separated by commas. A module alone means all of it to `env_logger`, so a misspelt level would pass as
/// a module that does not exist and silence everything: without `=` only levels are taken.
fn is_log_filter(filter: &str) -> bool {
    let level = |l: &str| l.trim().parse::<log::LevelFilter>().is_ok();
    filter.split(',').all(|part| match part.split_once('=') {
        Some((module, l)) => !module.trim().is_empty() && level(l),
        None => level(part),
    })
}

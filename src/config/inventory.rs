//! `[inventory]`: where the lab's devices are written down.

use super::document::Document;
use super::{empty_or, web_server};
use regex_lite::Regex;
use std::collections::BTreeMap;
use std::path::PathBuf;
use toml::de::DeValue;

/// What an inventory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InventorySource {
    /// There is none.
    #[default]
    None,
    /// Lab files.
    Files,
    /// NetBox.
    Netbox,
    /// Some other server that answers JSON.
    Http,
    /// Mozilla's Inventory.
    Mozilla,
}

impl InventorySource {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::None, Self::Files, Self::Netbox, Self::Http, Self::Mozilla];

    /// As in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Files => "files",
            Self::Netbox => "netbox",
            Self::Http => "http",
            Self::Mozilla => "mozilla",
        }
    }
}

/// Where the lab's devices are written down.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// What it is.
    pub source: InventorySource,
    /// The file or folder of lab files.
    pub path: Option<PathBuf>,
    /// The server.
    pub url: Option<String>,
    /// What is asked for there, in its words.
    pub filter: String,
    /// Who we are there, together with a password.
    pub user: String,
    /// The file with the password.
    pub password_file: Option<PathBuf>,
    /// The file with a token, in place of user and password.
    pub token_file: Option<PathBuf>,
    /// The certificates that an `https` server may prove itself by; without it those of the system.
    pub ca_file: Option<PathBuf>,
    /// Devices on imaging servers whose names match from their beginning are not ours. A regular expression.
    pub ignore_devices_on_servers_re: String,
    /// Seconds between runs by itself; 0 for none.
    pub interval_s: u32,
    /// NetBox: the interface that boards boot by; empty for the first that has a MAC address.
    pub interface: String,
    /// JSON pointer to the list of systems.
    pub systems: String,
    /// JSON pointer to the next page's address; empty for one page.
    pub next: String,
    /// JSON pointer to how many there are in all; empty where nothing says it.
    pub count: String,
    /// JSON pointers within a system, by field.
    pub fields: BTreeMap<String, String>,
}

impl Inventory {
    /// [`Self::ignore_devices_on_servers_re`] ready for use.
    pub fn ignored(&self) -> Option<Regex> {
        let pattern = Some(self.ignore_devices_on_servers_re.as_str()).filter(|p| !p.is_empty());
        pattern.map(|p| Regex::new(p).expect("it was tried when it was read"))
    }
}

/// Fields that `[inventory.fields]` may have.
const FIELDS: [&str; 14] = crate::inventory::FIELDS;

pub(super) fn read(document: &mut Document<'_>) -> Inventory {
    let at = |key| ("inventory", key);
    let names: Vec<String> = InventorySource::ALL.iter().map(|s| format!("\"{}\"", s.name())).collect();
    let source = document.value(
        at("source"),
        InventorySource::None,
        "is not a kind of inventory",
        &names.join(", "),
        |v| InventorySource::ALL.into_iter().find(|s| v.as_str() == Some(s.name())),
    );
    let path = file(document, "path", "/srv/lab");
    let url = document.value(
        at("url"),
        None,
        "is not the address of a web server",
        "for example \"https://netbox.example.com\", without a user and a password",
        |v| empty_or(v, |text| web_address(text).then(|| text.to_owned())),
    );
    let filter = text(document, "filter", "tag=mozpool");
    let user = text(document, "user", "mozpool");
    let password_file = file(document, "password_file", "/etc/mozpool/inventory.password");
    let token_file = file(document, "token_file", "/etc/mozpool/inventory.token");
    let ca_file = file(document, "ca_file", "/etc/mozpool/ca.pem");
    let ignore_devices_on_servers_re = document.value(
        at("ignore_devices_on_servers_re"),
        String::new(),
        "is not a regular expression",
        "for example 'img-(1|2)\\.old\\.'",
        |v| v.as_str().filter(|p| Regex::new(p).is_ok()).map(str::to_owned),
    );
    let interval_s = document.value(
        at("interval_s"),
        0,
        "is not a whole number from 10 to 604800, or 0",
        "seconds, or 0 for no runs by itself",
        |v| {
            let integer = v.as_integer()?;
            let n = u32::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            (n == 0 || (10..=604_800).contains(&n)).then_some(n)
        },
    );
    let interface = text(document, "interface", "eth0");
    let systems = pointer(document, "systems", "/systems");
    let next = pointer(document, "next", "/next");
    let count = pointer(document, "count", "/count");
    let fields = fields(document);
    Inventory {
        source,
        path,
        url,
        filter,
        user,
        password_file,
        token_file,
        ca_file,
        ignore_devices_on_servers_re,
        interval_s,
        interface,
        systems,
        next,
        count,
        fields,
    }
}

/// Scheme and host, and a path; no credentials, which would stand in logs.
fn web_address(text: &str) -> bool {
    let end = text.find("://").map_or(0, |at| at + 3);
    let end = text[end..].find('/').map_or(text.len(), |at| end + at);
    let (server, path) = text.split_at(end);
    web_server(server).is_some() && !text.contains('@') && !path.contains(['?', '#', ' '])
}

fn file(document: &mut Document<'_>, key: &'static str, example: &str) -> Option<PathBuf> {
    let write = format!("one that begins with /, for example \"{example}\", or \"\" for none");
    document.value(("inventory", key), None, "is not an absolute path", &write, |v| {
        empty_or(v, |path| Some(PathBuf::from(path)).filter(|p| p.is_absolute()))
    })
}

fn text(document: &mut Document<'_>, key: &'static str, example: &str) -> String {
    let write = format!("a text in double quotes, for example \"{example}\"");
    document.value(("inventory", key), String::new(), "is not a text without line breaks", &write, |v| {
        v.as_str().filter(|t| !t.contains(char::is_control)).map(str::to_owned)
    })
}

const NO_POINTER: &str = "is not a JSON pointer";

/// RFC 6901: empty, or a slash before each step.
fn is_pointer(text: &str) -> bool {
    text.is_empty() || text.starts_with('/')
}

fn pointer(document: &mut Document<'_>, key: &'static str, example: &str) -> String {
    let write = format!("for example \"{example}\"");
    document.value(("inventory", key), String::new(), NO_POINTER, &write, |v| {
        v.as_str().filter(|p| is_pointer(p)).map(str::to_owned)
    })
}

fn fields(document: &mut Document<'_>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (name, entry) in document.invented("inventory", "fields") {
        if !FIELDS.contains(&name.as_str()) {
            document.unknown(&entry, &FIELDS.join(", "));
            continue;
        }
        let read = |v: &DeValue<'_>| v.as_str().filter(|p| is_pointer(p)).map(str::to_owned);
        if let Some(pointer) = document.read(&entry, NO_POINTER, "for example \"/custom_fields/relay\"", read)
        {
            fields.insert(name, pointer);
        }
    }
    fields
}

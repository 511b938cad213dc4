//! `mozpool support-bundle`: what somebody needs who is to find out what is wrong with a server, in one file without secrets.
//!
//! It takes what it can get: a daemon that is dead, a store that is damaged and a configuration that cannot be read are what it is
//! for. What could not be had stands in it with the reason. It changes nothing.

mod archive;
mod host;
mod secrets;

use super::Failure;
use super::remote::{Access, Client};
use crate::api::time::rfc3339;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, ConfigError, DEFAULT_PATH, Host, InventorySource, PATH_VARIABLE};
use crate::store::{Location, StoreError, schema_version};
use archive::Archive;
use secrets::Secrets;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long each call to the daemon may take.
const CALL_LIMIT: Duration = Duration::from_secs(5);
/// How long the store is looked at; a store of some gibibytes takes longer, and then it says so.
const STORE_LIMIT: Duration = Duration::from_secs(20);
/// The longest piece: a scrape of a rack has 100 KiB, two thousand lines of a log 400 KiB.
const PIECE_MAX: usize = 8 << 20;

/// Put what is needed to find out what is wrong with this server into one file, without secrets
///
/// Version, configuration, health, metrics, the last lines of the log, the store's schema, rows and integrity, disks, limits and
/// the service's status. It works with a dead daemon as well, and says what could not be had. Passwords, tokens and what the
/// configuration's files hold are left out; read it before you send it nevertheless. Run it as root, or as the daemon's user.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The new file [default: mozpool-support-TIME.tar.gz in this folder]
    #[arg(value_name = "TO")]
    to: Option<PathBuf>,
}

/// The bundle as it grows.
struct Bundle {
    archive: Archive,
    secrets: Secrets,
    /// A line per piece: its name, or why there is none.
    contents: String,
}

impl Bundle {
    /// One piece. What could not be had is a line of the table of contents.
    fn add(&mut self, name: &str, piece: Result<String, String>) -> std::io::Result<()> {
        match piece {
            Ok(mut text) => {
                let mut end = PIECE_MAX.min(text.len());
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                text.truncate(end);
                let _ = writeln!(self.contents, "{name}");
                self.archive.file(name, self.secrets.scrub(&text).as_bytes())
            }
            Err(why) => {
                let _ = writeln!(self.contents, "{name}: not there: {}", self.secrets.scrub(&why));
                Ok(())
            }
        }
    }
}

pub(super) fn run(args: &Args, named: Option<&Path>) -> Result<(), Failure> {
    let stamp = rfc3339(SystemClock.now()).replace(':', "-");
    let folder = format!("mozpool-support-{stamp}");
    let to = args.to.clone().unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    let failed = |source| Failure::Bundle { path: to.clone(), source };
    let told = make(&to, &folder, named).map_err(failed)?;
    let text = format!("{told}\n{}: read it before you send it\n", to.display());
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(Failure::Output)
}

/// Writes the bundle, and gives its table of contents.
fn make(to: &Path, folder: &str, named: Option<&Path>) -> std::io::Result<String> {
    let loaded = Config::load(named, &Host::ask());
    let file = config_file(named, &loaded);
    let (text, config) = (std::fs::read_to_string(&file), loaded.as_ref().ok());
    let secrets = Secrets::of(text.as_deref().unwrap_or_default(), config);
    let now = SystemClock.now();
    let mut bundle = Bundle { archive: Archive::create(to, folder, now)?, secrets, contents: String::new() };

    bundle.add("version.txt", Ok(host::version()))?;
    let shown = match (&text, &loaded) {
        (Ok(text), Ok(_)) => Ok(secrets::without_values(text)),
        (_, Err(error)) => Err(error.to_string()),
        (Err(e), Ok(_)) => Err(format!("{}: {e}; all is as built in", file.display())),
    };
    bundle.add("config.toml", shown)?;
    for (name, path) in [
        ("health.json", "/api/health"),
        ("ready.json", "/api/ready"),
        ("servers.json", "/api/server/list"),
        ("metrics.txt", "/metrics"),
    ] {
        bundle.add(name, ask(named, path))?;
    }
    let location = config.map(|c| c.store_url.parse::<Location>());
    let store = match &location {
        Some(Ok(location)) => Ok(store(location)),
        Some(Err(bad)) => Err(bad.to_string()),
        None => Err("there is no configuration that says where it is".into()),
    };
    bundle.add("store.txt", store)?;
    let daemon = config
        .zip(location.as_ref().and_then(|l| l.as_ref().ok()))
        .and_then(|(c, l)| holder(l, &c.server.name));
    bundle.add("disks.txt", Ok(host::disks(&places(config))))?;
    bundle.add("process.txt", host::process(daemon))?;
    bundle.add("service.txt", host::run("systemctl", &["status", "--no-pager", "--lines=0", "mozpool"]))?;
    bundle.add("unit.txt", host::run("systemctl", &["cat", "--no-pager", "mozpool"]))?;
    bundle.add(
        "log.txt",
        host::run("journalctl", &["--no-pager", "--unit=mozpool", "--lines=2000", "--output=short-iso"]),
    )?;
    let contents = std::mem::take(&mut bundle.contents);
    bundle.archive.file("contents.txt", contents.as_bytes())?;
    bundle.archive.finish()?;
    Ok(contents)
}

/// The file that the configuration is, or would be, in.
fn config_file(named: Option<&Path>, loaded: &Result<Config, ConfigError>) -> PathBuf {
    let known = loaded.as_ref().ok().and_then(|c| c.file.clone()).or_else(|| named.map(Path::to_owned));
    let variable = || std::env::var_os(PATH_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
    known.or_else(variable).unwrap_or_else(|| PathBuf::from(DEFAULT_PATH))
}

/// What the daemon of this configuration answers.
fn ask(config: Option<&Path>, path: &str) -> Result<String, String> {
    let client = Client::of_one(&[], &Access::default(), config, CALL_LIMIT).map_err(|e| e.to_string())?;
    let (status, text) = client.plain(path).map_err(|e| e.to_string())?;
    match status {
        // 503 says what is wrong, which is what is wanted.
        200 | 503 => Ok(text),
        _ => Err(format!("{}{path} has status {status}", client.base())),
    }
}

/// Folders and files whose disks matter.
fn places(config: Option<&Config>) -> Vec<(&'static str, PathBuf)> {
    let mut places = vec![("/", PathBuf::from("/"))];
    if let Some(config) = config {
        let store = config.store_url.parse::<Location>().ok();
        let store = store.and_then(|l| Some(l.path()?.parent()?.to_owned()));
        places.extend(store.map(|folder| ("store", folder)));
        places.push(("http.files", config.http.files.clone()));
        places.push(("tftp.root", config.tftp.root.clone()));
        if config.inventory.source == InventorySource::Files {
            places.extend(config.inventory.path.clone().map(|path| ("inventory.path", path)));
        }
    }
    places
}

/// The daemon's process, if one has the store: for itself, or under this name.
fn holder(location: &Location, server: &str) -> Option<u32> {
    let path = location.path()?.display();
    [format!("{path}.lock"), format!("{path}.{server}.lock")].iter().find_map(|lock| {
        let text = std::fs::read_to_string(lock).ok()?;
        let pid = text.strip_prefix("process ")?.split(' ').next()?.parse().ok()?;
        // One that was killed has left its number, which may be another's now.
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        name.starts_with("mozpool").then_some(pid)
    })
}

/// What the store is, and whether it is whole. Nothing is made, and nothing upgraded.
fn store(location: &Location) -> String {
    let mut text = format!("store: {location}\nthis program's schema version: {}\n", schema_version());
    let mut say = |what: &str, value: Result<String, StoreError>| {
        let value = value.unwrap_or_else(|e| format!("not known: {e}"));
        let _ = writeln!(text, "{what}: {value}");
    };
    let Some(path) = location.path() else {
        say("schema version", location.schema().map(|(found, _)| found.to_string()));
        say("database", location.program().map(|p| p.unwrap_or_default()));
        return text;
    };
    for name in host::beside(path) {
        say("file", Ok(name));
    }
    say(
        "newest copy",
        Ok(location.newest_copy().map_or("none is known".into(), |p| p.display().to_string())),
    );
    if path.exists() {
        say(
            "contents",
            location.contents().map(|found| {
                let rows = found.rows.iter().map(|(table, rows)| format!("\n  {table}: {rows} rows"));
                format!("schema version {}, {} bytes{}", found.schema, found.bytes, rows.collect::<String>())
            }),
        );
        let begun = Instant::now();
        let whole = location.look_for_damage(move || begun.elapsed() >= STORE_LIMIT);
        say(
            "integrity",
            whole.map(|all| match all {
                true => format!("whole ({:.1} s)", begun.elapsed().as_secs_f64()),
                false => format!("no damage found in {} s, which was not all of it", STORE_LIMIT.as_secs()),
            }),
        );
    }
    text
}

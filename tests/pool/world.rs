//! Several built daemons on one store, with boards that the test plays.
#![allow(unreachable_pub, reason = "shared by tests alone")]

use super::support::{Daemon, LIMIT, wait_for};
use relayctl::{FakeBoard, FakeSettings};
use serde_json::{Value, json};
use std::fmt::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// A store, a relay board per server, and what the boards' installed systems answer on.
pub struct Pool {
    pub folder: TempDir,
    /// Where the store is.
    pub store: String,
    pub relays: Vec<FakeBoard>,
    pub check: TcpListener,
}

impl Pool {
    /// Servers `s1` to `sN` with `boards` ready boards each, called `s1-b1` and so on; nothing runs.
    pub fn of(servers: usize, boards: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = format!("sqlite:{}", folder.path().join("mozpool.db").display());
        Self::on(store, folder, servers, boards)
    }

    /// The same on a MariaDB.
    pub fn on_mariadb(servers: usize, boards: usize) -> Self {
        let server = super::mariadb::Server::shared();
        let store = server.url(&server.database());
        Self::on(store, tempfile::tempdir().expect("a temporary folder"), servers, boards)
    }

    fn on(store: String, folder: TempDir, servers: usize, boards: usize) -> Self {
        for name in ["files/second-stages", "tftp"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("a folder in the temporary one");
        }
        std::fs::write(folder.path().join("files/second-stages/write-image.sh"), "#!/bin/sh\n")
            .expect("a file");
        let board = || FakeBoard::start("127.0.0.1:0".parse().expect("an address"), FakeSettings::default());
        let relays = (0..servers).map(|_| board().expect("a fake relay board")).collect();
        let check = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let pool = Self { folder, store, relays, check };
        pool.secret("secret", "a secret of this pool's own");
        for n in 1..=servers {
            pool.configure(n, "secret");
        }
        let file = pool.path("lab.toml");
        std::fs::write(&file, pool.lab(servers, boards)).expect("the lab file");
        let output = super::support::mozpool(&pool.config(1)).args(["db", "import"]).arg(file).output();
        let output = output.expect("mozpool runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        pool
    }

    /// Runs statements in its MariaDB's database.
    pub fn sql(&self, text: &str) -> String {
        let name = self.store.split(['/', '?']).nth(3).expect("a database");
        super::mariadb::Server::shared().sql(&format!("USE {name}; {text}"))
    }

    /// What a command says that is refused, by its configuration's name. One that is not is an error, and so is one that hangs.
    pub fn refused(&self, config: &str, words: &[&str]) -> String {
        let mut command = Command::new("timeout");
        command.arg(LIMIT.as_secs().to_string()).arg(env!("CARGO_BIN_EXE_mozpool")).env_remove("RUST_LOG");
        let output = command.arg("--config").arg(self.path(config)).args(words).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            output.status.code().is_some_and(|code| code != 0 && code < 124),
            "{}: {text}",
            output.status
        );
        text
    }

    /// Another configuration, made of that of a server.
    pub fn variant(&self, n: usize, name: &str, what: &str, by: &str) {
        let text = std::fs::read_to_string(self.config(n)).expect("it is there");
        assert!(text.contains(what), "{text}");
        std::fs::write(self.path(name), text.replace(what, by)).expect("a file");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self, n: usize) -> PathBuf {
        self.path(&format!("s{n}.toml"))
    }

    /// A file with a secret.
    pub fn secret(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("it is ours");
    }

    /// The configuration of server `n`, which knows the secret in that file.
    pub fn configure(&self, n: usize, secret: &str) {
        let path = |name: &str| self.path(name).display().to_string();
        let text = format!(
            r#"
[server]
name = "s{n}"
address = "127.0.0.1"
[store]
url = "{store}"
[http]
listen = "127.0.0.1:0"
files = "{files}"
[tftp]
listen = ["127.0.0.1:0"]
root = "{tftp}"
[syslog]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
[relays]
rest_ms = 0
[peers]
secret_file = "{secret}"
look_ms = 50
beat_s = 1
gone_after_s = 3
"#,
            store = self.store,
            files = path("files"),
            tftp = path("tftp"),
            secret = path(secret),
        );
        std::fs::write(self.config(n), text).expect("the configuration");
    }

    fn lab(&self, servers: usize, boards: usize) -> String {
        let mut text = format!(
            r#"
[[hardware_type]]
type = "test board"
model = ""
ping_steady_s = 1
limits = {{ pc_power_cycling = 5, pc_rebooting = 1, pxe_power_cycling = 5, image_pinging = 2 }}

[[image]]
name = "web"
check = "tcp:{port}"
second_stage = "write-image.sh"
boot_config_keys = ["url"]
pxe = {{ "test board" = "image" }}

[[image]]
name = "maintenance"
pxe = {{ "test board" = "maintenance" }}
"#,
            port = self.check.local_addr().expect("it is bound").port(),
        );
        for server in 1..=servers {
            for board in 1..=boards {
                text += &self.device(&format!("s{server}-b{board}"), server, board, "ready");
            }
        }
        text
    }

    /// A device as a lab file has it.
    pub fn device(&self, name: &str, server: usize, board: usize, state: &str) -> String {
        let relays = self.relays[server - 1].addr();
        let mut text = String::new();
        let _ = write!(
            text,
            r#"
[[device]]
name = "{name}"
fqdn = "127.0.0.1"
mac = "02:00:00:00:{server:02x}:{board:02x}"
imaging_server = "s{server}"
relay_info = "{relays}:bank1:relay{board}"
hardware_type = "test board"
environment = "s{server}"
state = "{state}"
"#
        );
        text
    }

    /// Starts server `n`.
    pub fn serve(&self, n: usize) -> Daemon {
        Daemon::start(&self.config(n), LIMIT)
    }
}

/// An answer as it came, redirects not followed: status, `Location`, JSON.
pub fn ask(at: &Daemon, method: &str, path: &str, body: &str) -> (u16, String, Value) {
    let url = format!("http://{}/api/{path}", at.http);
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(LIMIT))
        .build()
        .into();
    let answer = match method {
        "GET" => agent.get(&url).call(),
        _ => agent.post(&url).send(body),
    };
    let mut answer = answer.unwrap_or_else(|e| panic!("{method} {url}: {e}"));
    let header = answer.headers().get("Location").map(|v| v.to_str().expect("a URL").to_owned());
    let text = answer.body_mut().read_to_string().expect("a body");
    let json = serde_json::from_str(&text).unwrap_or(Value::Null);
    (answer.status().as_u16(), header.unwrap_or_default(), json)
}

/// Brings the pool to a lab file's text, by way of one server.
pub fn import(at: &Daemon, lab: &str) {
    let (status, _, answer) = ask(at, "POST", "lab/import?format=toml", lab);
    assert_eq!(status, 200, "{answer}");
}

/// Asks `at` for a board of an environment, or of any, with the image `web`; the request's number.
pub fn request(at: &Daemon, environment: Option<&str>, duration_s: u32) -> i64 {
    let mut body = json!({"assignee": "ci", "duration": duration_s, "image": "web", "url": "http://x/image"});
    if let Some(environment) = environment {
        body["environment"] = environment.into();
    }
    at.post("device/any/request", body)["request"]["id"].as_i64().expect("a number")
}

/// The board that a request has, as soon as it is being prepared.
pub fn board_of(at: &Daemon, id: i64) -> String {
    wait_for(&format!("request {id} to have a board at work"), || {
        let details = at.get(&format!("request/{id}/details"));
        let board = details["assigned_device"].as_str().unwrap_or_default().to_owned();
        (details["state"] == "pending" && !board.is_empty()).then_some(board)
    })
}

/// Waits until a device is as wanted, as `at` shows it.
pub fn wait_for_device(at: &Daemon, name: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    wait_for(&format!("{name} to be {what}"), || {
        let list = at.get(&format!("device/list?details=1&q={name}"));
        let device = list["devices"].as_array()?.iter().find(|d| d["name"] == name)?.clone();
        is(&device).then_some(device)
    })
}

/// Waits for a state.
pub fn wait_for_state(at: &Daemon, name: &str, state: &str) {
    wait_for_device(at, name, state, |d| d["state"] == state);
}

/// Plays a board, with `owner` as its imaging server, from its boot loader to the moment when its new system answers.
pub fn play(owner: &Daemon, name: &str) {
    wait_for_state(owner, name, "pxe_booting");
    for event in ["mobile_init_started", "image_downloading", "image_extracting", "image_rebooting"] {
        let answer = owner.post(&format!("device/{name}/event/{event}"), json!({}));
        assert_eq!(answer["accepted"], true, "{event}: {answer}");
    }
}

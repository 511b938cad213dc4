//! A lab for tests: the built daemon on free ports, fake relay boards, and a board that the test plays itself.
//!
//! Everything lives in a temporary folder and ends with its value. Waits have a limit and no sleeps but those between looks at
//! another process, which has no other way to tell.
#![allow(dead_code, unreachable_pub, reason = "each test file uses what it needs")]

pub mod dice;
pub mod rig;
pub mod tls;

use relayctl::{FakeBoard, FakeSettings, PowerState};
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::{Duration, Instant};

/// How long anything may take before the test says that it hangs. Generous: the machine may be building something else.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Looks again and again until `look` finds something.
pub fn wait_for<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_at_most(LIMIT, what, look)
}

/// The same, with another limit.
pub fn wait_at_most<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder with a configuration, and a relay board.
pub struct Lab {
    /// Removed at the end.
    pub folder: tempfile::TempDir,
    /// Has the power of all boards.
    pub relays: FakeBoard,
    /// A port that the boards' installed systems answer on.
    pub check: TcpListener,
}

impl Lab {
    /// One device `board-1` at 127.0.0.1, ready, on bank 1 relay 1; an image `web` whose systems listen on a port.
    pub fn new() -> Self {
        Self::with_store(None)
    }

    /// The same, with its store there.
    pub fn on(url: &str) -> Self {
        Self::with_store(Some(url))
    }

    fn with_store(url: Option<&str>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["files/second-stages", "files/images", "tftp"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("a folder in the temporary one");
        }
        std::fs::write(folder.path().join("files/second-stages/write-image.sh"), "#!/bin/sh\n")
            .expect("a file");
        let relays = FakeBoard::start("127.0.0.1:0".parse().expect("an address"), FakeSettings::default())
            .expect("a fake relay board");
        let check = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let lab = Self { folder, relays, check };
        let in_folder = format!("sqlite:{}", lab.path("mozpool.db").display());
        let text = lab.config_text(url.unwrap_or(&in_folder));
        std::fs::write(lab.config(), text).expect("the configuration");
        let file = lab.path("lab.toml");
        std::fs::write(&file, lab.lab_text()).expect("the lab file");
        let output = mozpool(&lab.config()).args(["db", "import"]).arg(file).output().expect("mozpool runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        lab
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its configuration.
    pub fn config(&self) -> PathBuf {
        self.path("mozpool.toml")
    }

    fn config_text(&self, store: &str) -> String {
        let path = |name: &str| self.path(name).display().to_string();
        format!(
            r#"
[server]
name = "s1"
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
"#,
            files = path("files"),
            tftp = path("tftp"),
        )
    }

    fn lab_text(&self) -> String {
        format!(
            r#"
[[hardware_type]]
type = "test board"
model = ""
ping_steady_s = 1
limits = {{ pc_power_cycling = 5, pc_rebooting = 1, image_pinging = 2 }}

[[image]]
name = "web"
check = "tcp:{port}"
second_stage = "write-image.sh"
boot_config_keys = ["url"]
pxe = {{ "test board" = "image" }}

[[image]]
name = "maintenance"
pxe = {{ "test board" = "maintenance" }}

[[device]]
name = "board-1"
fqdn = "127.0.0.1"
mac = "02:00:00:00:00:01"
relay_info = "{relays}:bank1:relay1"
hardware_type = "test board"
environment = "test"
state = "ready"
"#,
            port = self.check.local_addr().expect("it is bound").port(),
            relays = self.relays.addr(),
        )
    }

    /// Power of `board-1`.
    pub fn power(&self) -> PowerState {
        let bank = relayctl::Bank::new(1).expect("bank 1");
        let relay = relayctl::Relay::new(1).expect("relay 1");
        self.relays.power(bank, relay)
    }

    /// Starts the daemon.
    pub fn serve(&self) -> Daemon {
        Daemon::start(&self.config(), LIMIT)
    }
}

/// The built program with a configuration.
pub fn mozpool(config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mozpool"));
    command.arg("--config").arg(config).env_remove("RUST_LOG");
    command
}

/// What a board that a test plays has read from its kernel line.
#[derive(Clone)]
struct Read {
    token: String,
    /// Its live system has begun to report.
    reported: bool,
}

/// By configuration and device, for boards live longer than a daemon that is killed.
static TOKENS: LazyLock<Mutex<HashMap<(PathBuf, String), Read>>> = LazyLock::new(Mutex::default);

/// What stands behind `key` in one of the text's words.
fn word_of(text: &str, key: &str) -> Option<String> {
    text.split_whitespace().find_map(|word| word.strip_prefix(key)).map(str::to_owned)
}

/// A running `mozpool serve`; killed when dropped.
pub struct Daemon {
    child: Child,
    /// How long its boards may take for what is waited for.
    patience: Duration,
    /// Where the API is.
    pub http: SocketAddr,
    /// Where TFTP is.
    pub tftp: SocketAddr,
    /// Where syslog over UDP is.
    pub syslog: SocketAddr,
    /// Where syslog over TCP is.
    pub syslog_tcp: SocketAddr,
    /// What it was started with.
    config: PathBuf,
    /// Everything that it has said, a line each.
    said: Arc<Mutex<Vec<String>>>,
    /// Ends when the daemon has said its last word.
    hears: Option<std::thread::JoinHandle<()>>,
}

impl Daemon {
    /// Starts it and waits until it says where it listens.
    pub fn start(config: &Path, patience: Duration) -> Self {
        Self::run(mozpool(config), patience)
    }

    /// The same of a command that lacks but `serve`.
    pub fn run(mut command: Command, patience: Duration) -> Self {
        let config = command.get_args().skip_while(|word| *word != "--config").nth(1);
        let config = PathBuf::from(config.expect("every daemon here is told its configuration"));
        let mut child = command.arg("serve").stderr(Stdio::piped()).spawn().expect("mozpool runs");
        let stderr = child.stderr.take().expect("it is piped");
        let (lines_tx, lines) = mpsc::channel();
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&said);
        // Reads to the end, so that the daemon never waits for us; the test's output gets what it says.
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Caught by the test harness, and shown when the test fails.
                #[allow(clippy::print_stdout, reason = "a test's own output")]
                {
                    println!("daemon: {line}");
                }
                hears.lock().expect("nobody panics with it").push(line.clone());
                let _ = lines_tx.send(line);
            }
        });
        let line = loop {
            let line = lines.recv_timeout(LIMIT).expect("the daemon says where it listens");
            if line.contains(" serves ") {
                break line;
            }
        };
        let after = |word: &str| -> SocketAddr {
            let rest = line.split(word).nth(1).unwrap_or_else(|| panic!("{word} in {line}"));
            rest.split([',', ']', ' '])
                .next()
                .and_then(|a| a.parse().ok())
                .unwrap_or_else(|| panic!("{line}"))
        };
        Self {
            child,
            patience,
            http: after("http "),
            tftp: after("tftp ["),
            syslog: after("udp ["),
            syslog_tcp: after("tcp ["),
            config,
            said,
            hears: Some(reader),
        }
    }

    /// What it has logged since the start, oldest first.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().expect("nobody panics with it").clone()
    }

    /// Process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM; all that it has said to its last line.
    pub fn terminate_and_hear(mut self) -> Vec<String> {
        let hears = self.hears.take().expect("it is joined here only");
        let said = Arc::clone(&self.said);
        assert!(self.terminate().success());
        hears.join().expect("it only reads");
        let said = said.lock().expect("nobody panics with it");
        said.clone()
    }

    /// SIGTERM, and how it ends.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().expect("a process number"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        wait_for("the daemon to end", || self.child.try_wait().expect("it is our child"))
    }

    /// Waits until it ends by itself; how, and all that it has said.
    pub fn ends(mut self) -> (ExitStatus, Vec<String>) {
        let ended =
            wait_for("the daemon to end by itself", || self.child.try_wait().expect("it is our child"));
        self.hears.take().expect("it is joined here only").join().expect("it only reads");
        (ended, self.said())
    }

    /// A call of the API; its status and JSON.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://{}/api/{path}", self.http);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(LIMIT))
            .build()
            .into();
        let answer = match (method, body) {
            ("GET", _) => agent.get(&url).call(),
            (_, body) => {
                let mut call = agent.post(&url);
                if let Some(token) = self.token_for(path) {
                    call = call.header("Mozpool-Boot", token);
                }
                call.send(body.unwrap_or(serde_json::json!({})).to_string())
            }
        };
        let mut answer = answer.unwrap_or_else(|e| panic!("{method} {url}: {e}"));
        let text = answer.body_mut().read_to_string().expect("a body");
        (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// What a board that the test plays shows with a report: it boots before its first one, and reads its kernel line.
    fn token_for(&self, path: &str) -> Option<String> {
        let (device, event) = path.strip_prefix("device/")?.split_once("/event/")?;
        let begins = event.starts_with("mobile_init_started");
        let key = (self.config.clone(), device.to_owned());
        let known = || TOKENS.lock().expect("nobody panics with it").get(&key).cloned();
        if begins && known().is_none_or(|read| read.reported) {
            // Each boot reads its own. Where none is offered, this boot says the same once more.
            self.token_offered(device);
        }
        let read = known()?;
        if begins && let Some(read) = TOKENS.lock().expect("nobody panics with it").get_mut(&key) {
            read.reported = true;
        }
        Some(read.token)
    }

    /// The boot token that the device's boot loader would read now; it asks as other boot loaders do.
    pub fn token_offered(&self, device: &str) -> Option<String> {
        let (_, list) = self.call("GET", &format!("device/list?details=1&q={device}"), None);
        let found = list["devices"].as_array()?.iter().find(|d| d["name"] == device)?["mac_address"].clone();
        let digits = found.as_str()?;
        let pairs: Vec<&str> =
            digits.as_bytes().chunks(2).filter_map(|p| std::str::from_utf8(p).ok()).collect();
        let text = self.fetch(&format!("pxelinux.cfg/01-{}", pairs.join("-"))).ok()?;
        word_of(&text, "mozpool-boot=")
    }

    /// GET.
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.call("GET", path, None);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// POST that must succeed.
    pub fn post(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.call("POST", path, Some(body));
        assert!(matches!(status, 200 | 204), "{path}: {status} {answer}");
        answer
    }

    /// The state of `board-1`.
    pub fn state(&self) -> String {
        self.get("device/board-1/state")["state"].as_str().expect("a state").to_owned()
    }

    /// Waits until `board-1` is in `state`.
    pub fn wait_for_state(&self, state: &str) {
        wait_at_most(self.patience, &format!("board-1 to be {state}"), || {
            (self.state() == state).then_some(())
        });
    }

    /// Waits until a request is in `state`.
    pub fn wait_for_request(&self, id: i64, state: &str) {
        wait_at_most(self.patience, &format!("request {id} to be {state}"), || {
            (self.get(&format!("request/{id}/status"))["state"] == state).then_some(())
        });
    }

    /// `board-1` reports.
    pub fn event(&self, event: &str, body: Value) -> Value {
        self.post(&format!("device/board-1/event/{event}"), body)
    }

    /// Asks for any board with the image `web`; the request's number.
    pub fn request(&self) -> i64 {
        let body = serde_json::json!({
            "assignee": "ci", "duration": 3600, "image": "web", "url": "http://x/image",
        });
        self.post("device/any/request", body)["request"]["id"].as_i64().expect("a number")
    }

    /// Messages of the log of `board-1` from one source, oldest first.
    pub fn log(&self, source: &str) -> Vec<String> {
        let log = self.get("device/board-1/log?limit=0");
        let lines = log["log"].as_array().expect("lines");
        let of_source = lines.iter().filter(|l| l["source"] == source);
        of_source.map(|l| l["message"].as_str().expect("text").to_owned()).collect()
    }

    /// What a boot loader gets.
    pub fn fetch(&self, path: &str) -> Result<String, tftpd::FetchError> {
        let local = Some(IpAddr::from([127, 0, 0, 1]));
        let options = tftpd::FetchOptions { local, ..tftpd::FetchOptions::default() };
        let text =
            tftpd::fetch(self.tftp, path, &options).map(|f| String::from_utf8(f.bytes).expect("text"))?;
        if let (Some(device), Some(token)) =
            (word_of(&text, "mozpool-device="), word_of(&text, "mozpool-boot="))
        {
            let mut tokens = TOKENS.lock().expect("nobody panics with it");
            tokens.insert((self.config.clone(), device), Read { token, reported: false });
        }
        Ok(text)
    }
}

/// Somebody who follows the stream of changes.
pub struct Stream(BufReader<std::net::TcpStream>);

impl Stream {
    /// Everything after the number `after`.
    pub fn open(http: SocketAddr, after: u64) -> Self {
        Self::try_open(http, after, LIMIT).expect("the daemon answers")
    }

    /// The same, of a daemon that may be dead; it ends when nothing comes for so long.
    pub fn try_open(http: SocketAddr, after: u64, silence: Duration) -> std::io::Result<Self> {
        let mut stream = std::net::TcpStream::connect(http)?;
        stream.set_read_timeout(Some(silence))?;
        // HTTP/1.0: no pieces to put together.
        let head = format!(
            "GET /api/events HTTP/1.0\r\nAccept: text/event-stream\r\nLast-Event-ID: {after}\r\n\r\n"
        );
        std::io::Write::write_all(&mut stream, head.as_bytes())?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The next change; `None` when the daemon has gone. Panics when the answer is an error.
    pub fn next(&mut self) -> Option<Value> {
        self.try_next().unwrap_or_else(|status| panic!("{status}"))
    }

    /// The same; an answer that is an error gives its first line.
    pub fn try_next(&mut self) -> Result<Option<Value>, String> {
        loop {
            let mut line = String::new();
            // A line without an end is one that a kill has cut off.
            if !self.0.read_line(&mut line).is_ok_and(|n| n > 0) || !line.ends_with('\n') {
                return Ok(None);
            }
            if line.starts_with("HTTP/") && !line.contains(" 200 ") {
                return Err(line);
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Ok(Some(serde_json::from_str(data).expect("JSON")));
            }
        }
    }

    /// Collects changes up to one that `is_last`.
    pub fn read_until(&mut self, heard: &mut Vec<Value>, is_last: impl Fn(&Value) -> bool) {
        loop {
            let change = self.next().expect("the daemon goes on");
            heard.push(change.clone());
            if is_last(&change) {
                return;
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

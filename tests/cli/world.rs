//! A daemon with a rack of emulated boards that are free from the start, and the program as its client.

use crate::support::{Daemon, LIMIT, mozpool};
use mozpool::fakes::{Pace, Rack, RackSettings};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Bytes of the image that is installed.
const IMAGE_BYTES: usize = 64 << 10;

/// Everything; it ends with its value.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) daemon: Option<Daemon>,
    rack: Option<Rack>,
}

/// A program's answer.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl World {
    /// With so many boards `board-001` and on, in the environment `demo`.
    pub(crate) fn with(boards: u16) -> Self {
        let quick = Duration::from_millis(40);
        let pace = Pace { firmware: quick, live_boot: quick, work: quick, system_boot: quick };
        let mut rack = Rack::new(RackSettings { boards, flaky: 0.0, seed: 1, pace, loss: 0.0 }).unwrap();
        let mut world = Self { folder: tempfile::tempdir().unwrap(), daemon: None, rack: None };
        world.fill(&rack);
        world.write_config("127.0.0.1:0", "127.0.0.1:0");
        let daemon = Daemon::start(&world.config(), LIMIT);
        // Where it is now it will be again when it is started once more.
        world.write_config(&daemon.http.to_string(), &daemon.tftp.to_string());
        rack.connect(daemon.tftp).unwrap();
        (world.daemon, world.rack) = (Some(daemon), Some(rack));
        world
    }

    fn fill(&self, rack: &Rack) {
        for folder in ["files/images", "files/second-stages", "tftp/live", "home"] {
            std::fs::create_dir_all(self.path(folder)).unwrap();
        }
        let scripts = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("init-scripts/second-stages");
        for name in ["write-image.sh", "self-test.sh", "maintenance.sh"] {
            std::fs::copy(scripts.join(name), self.path("files/second-stages").join(name)).unwrap();
        }
        std::fs::write(self.path("files/images/demo.img"), vec![0xa5; IMAGE_BYTES]).unwrap();
        for name in ["tftp/live/vmlinuz", "tftp/live/initrd.img"] {
            std::fs::write(self.path(name), [0x5a; 2000]).unwrap();
        }
        let lab = rack.lab("demo", "images/demo.img", IMAGE_BYTES as u64).unwrap();
        let lab = lab.replace("[[device]]\n", "[[device]]\nstate = \"ready\"\n");
        std::fs::write(self.path("lab.toml"), lab).unwrap();
        self.write_config("127.0.0.1:0", "127.0.0.1:0");
        let import =
            mozpool(&self.config()).args(["db", "import"]).arg(self.path("lab.toml")).output().unwrap();
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    }

    fn write_config(&self, http: &str, tftp: &str) {
        let path = |name: &str| self.path(name).display().to_string();
        let text = format!(
            r#"
[server]
name = "s1"
address = "127.0.0.1"
[store]
url = "sqlite:{store}"
[http]
listen = "{http}"
files = "{files}"
[tftp]
listen = ["{tftp}"]
root = "{root}"
[syslog]
udp = ["127.0.0.1:0"]
tcp = ["127.0.0.1:0"]
[registration]
enabled = true
listen = ["127.0.0.1:0"]
[[registration.accept]]
pool = "by-rule"
name = "rule-{{mac6}}"
environment = "ruled"
hardware_type = "emulated board"
[pxe]
live_kernel = "live/vmlinuz"
live_initrd = "live/initrd.img"
console = ""
[relays]
rest_ms = 0
"#,
            store = path("mozpool.db"),
            files = path("files"),
            root = path("tftp"),
        );
        std::fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("mozpool.toml")
    }

    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// As a power cut would, and at once on again at the same address.
    pub(crate) fn kill_and_start(&mut self) {
        self.kill();
        self.start();
    }

    pub(crate) fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    pub(crate) fn start(&mut self) {
        self.daemon = Some(Daemon::start(&self.config(), LIMIT));
    }

    /// The program, as somebody who is called `tester` and has set nothing but the server.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = alone(self, words);
        command.env("MOZPOOL_URL", format!("http://{}", self.daemon().http));
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        end(&mut self.command(words))
    }

    /// What it prints; it must end well.
    #[track_caller]
    pub(crate) fn done(&self, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!(said.code, 0, "{words:?}: {}{}", said.out, said.err);
        said.out
    }

    /// Its sentence; it must end with this code and print no answer.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, words: &[&str]) -> String {
        let said = self.run(words);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{words:?}: {}", said.err);
        said.err
    }

    /// Its answer as JSON; it must end well.
    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let out = self.done(&[words, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{words:?}: {e}: {out}"))
    }

    /// A board that is installed for `tester`; the request's number.
    pub(crate) fn board(&self) -> String {
        let request = self.json(&["request", "new", "demo", "--wait", "--assignee", "tester"]);
        request["id"].to_string()
    }

    pub(crate) fn state_of_request(&self, id: &str) -> String {
        self.daemon().get(&format!("request/{id}/status"))["state"].as_str().unwrap().to_owned()
    }
}

/// The program without a server that is named.
pub(crate) fn alone(world: &World, words: &[&str]) -> Command {
    at_home(&world.path("home"), words)
}

/// What the tests' own environment may say, and must not.
const FOREIGN: &[&str] = &[
    "MOZPOOL_URL",
    "MOZPOOL_TOKEN",
    "MOZPOOL_TOKEN_FILE",
    "MOZPOOL_CA_FILE",
    "MOZPOOL_CONFIG",
    "RUST_LOG",
    "NO_COLOR",
    "COLUMNS",
    "XDG_CONFIG_HOME",
];

/// The program as somebody whose files are in `home`.
pub(crate) fn at_home(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mozpool"));
    command.args(words).stdin(Stdio::null());
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.env("HOME", home);
    command
}

pub(crate) fn end(command: &mut Command) -> Said {
    said(command.output().unwrap())
}

pub(crate) fn said(output: Output) -> Said {
    Said {
        code: output.status.code().expect("no signal ended it"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

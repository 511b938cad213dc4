//! A MariaDB of the test's own: Debian's server in a temporary folder, on a socket there, as quick as one that nobody relies on.
//!
//! It has its temporary files in that folder, too: servers that share a folder for them remove each other's when they start.
//! It ends with the test's process, however that ends: a shell stands between, which kills it when its own input ends.
#![allow(dead_code, unreachable_pub, reason = "each test file uses what it needs")]

pub mod galera;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);
/// What makes it quick: nothing is written through to the disk. What was committed survives its death, and no power cut.
const QUICK: [&str; 10] = [
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-log-file-size=32M",
    "--innodb-buffer-pool-size=64M",
    "--sync-frm=0",
    "--debug-no-sync",
    "--performance-schema=0",
    "--skip-log-bin",
    "--character-set-server=latin1",
];

/// Runs in the place of a server: `$0` is the folder to remove at the end, unless it is to be kept; the rest is the command.
const KEEPER: &str = r#""$@" & pid=$!; trap '' INT TERM; cat >/dev/null; kill -9 $pid; wait $pid
[ -e "$0/keep" ] || rm -rf "$0""#;

/// A server that runs.
pub struct Server {
    /// Its files: `data`, `socket`, `log`.
    pub folder: PathBuf,
    keeper: Option<Child>,
}

/// It is not run by root, although the tests may be: a cluster's nodes would not send each other files then.
fn whoami() -> Vec<&'static str> {
    if nix::unistd::geteuid().is_root() { vec!["--user=mysql"] } else { vec![] }
}

/// Gives a server's files to the user that runs it.
pub fn take_over(folder: &Path) {
    if nix::unistd::geteuid().is_root() {
        let done = Command::new("chown").args(["-R", "mysql:"]).arg(folder).status();
        assert!(done.is_ok_and(|s| s.success()), "there is a user `mysql`, made by mariadb-server");
    }
}

/// Makes a data folder with the system's tables.
pub fn install(folder: &Path) {
    take_over(folder);
    let out = Command::new("mariadb-install-db")
        .env("TMPDIR", folder)
        .arg("--no-defaults")
        .args(whoami())
        .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
        .arg(format!("--datadir={}", folder.join("data").display()))
        .args(["--innodb-flush-method=nosync", "--innodb-log-file-size=32M"])
        .output()
        .expect("mariadb-install-db of the Debian package mariadb-server");
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}

/// How far a cluster's node had come when it died, as its files say. Without that it would be given everything anew, and the
/// cluster would stand still while one of the others reads itself out.
pub fn recovered(folder: &Path, more: &[String]) -> String {
    let log = folder.join("recovered.err");
    // It is written on to.
    drop(std::fs::remove_file(&log));
    let done = Command::new("mariadbd")
        .env("TMPDIR", folder)
        .arg("--no-defaults")
        .args(whoami())
        .args(QUICK)
        .args(more)
        .arg(format!("--datadir={}", folder.join("data").display()))
        .arg(format!("--socket={}", folder.join("socket").display()))
        .args(["--wsrep-recover", "--skip-networking"])
        .arg(format!("--log-error={}", log.display()))
        .status();
    done.expect("mariadbd of the Debian package mariadb-server");
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let at = said.split_once("WSREP: Recovered position: ").and_then(|(_, at)| at.split_whitespace().next());
    at.unwrap_or_else(|| panic!("no position: {said}")).to_owned()
}

impl Server {
    /// The one of this test's process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = tempfile::tempdir().expect("a temporary folder").keep();
            install(&folder);
            Self::start(folder, &[])
        })
    }

    /// One of this test alone, which listens on a socket and by `more` perhaps elsewhere; ends with the value.
    pub fn own(more: &[String]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder").keep();
        install(&folder);
        Self::start(folder, more)
    }

    /// Starts it on a data folder that is there.
    pub fn start(folder: PathBuf, more: &[String]) -> Self {
        let server = Self::launch(folder, more);
        server.wait();
        server
    }

    /// Starts it and does not wait.
    pub fn launch(folder: PathBuf, more: &[String]) -> Self {
        let _ = std::fs::remove_file(folder.join("keep"));
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).expect("a log");
        let mut keeper = Command::new("sh");
        keeper
            .env("TMPDIR", &folder)
            .args(["-c", KEEPER])
            .arg(&folder)
            .args(["mariadbd", "--no-defaults"])
            .args(whoami())
            .args(QUICK);
        keeper
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--socket={}", folder.join("socket").display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()));
        if !more.iter().any(|m| m.starts_with("--port=")) {
            keeper.arg("--skip-networking");
        }
        let _ = std::fs::remove_file(folder.join("socket"));
        let keeper = keeper
            .args(more)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("mariadbd of the Debian package mariadb-server");
        Self { folder, keeper: Some(keeper) }
    }

    /// Waits until it answers.
    pub fn wait(&self) {
        let end = Instant::now() + START;
        while let Err(why) = self.try_sql("SELECT 1") {
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "the database does not start: {why}\n{log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a statement's answer is this.
    pub fn wait_until(&self, statement: &str, wanted: &str) {
        let end = Instant::now() + START;
        loop {
            let told = self.try_sql(statement);
            if told.as_deref() == Ok(wanted) {
                return;
            }
            let log = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "{statement}: {told:?}\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs statements as its administrator.
    pub fn try_sql(&self, text: &str) -> Result<String, String> {
        let mut command = Command::new("mariadb");
        command.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root", "--execute", text]);
        let out = command.arg(format!("--socket={}", self.folder.join("socket").display())).output();
        let out = out.expect("mariadb of the Debian package mariadb-client");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if out.status.success() { Ok(text(&out.stdout)) } else { Err(text(&out.stderr)) }
    }

    /// The same; they must succeed.
    pub fn sql(&self, text: &str) -> String {
        self.try_sql(text).unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    /// A new, empty database.
    pub fn database(&self) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE DATABASE {name}"));
        name
    }

    /// How a store in that database is named.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root@localhost/{database}?socket={}", self.folder.join("socket").display())
    }

    /// SIGKILL, and gone when this returns. Its files stay for the next one.
    pub fn kill(mut self) -> PathBuf {
        std::fs::write(self.folder.join("keep"), "").expect("a file");
        self.end();
        self.folder.clone()
    }

    fn end(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            keeper.wait().expect("the shell that keeps it");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

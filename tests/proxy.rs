//! The reverse proxies of docs/access.md: Debian's nginx and Caddy with the blocks as they stand there, in front of the built daemon. TLS,
//! whom the daemon takes for its caller, and that nobody can name himself.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use support::tls::certificates;
use support::{Daemon, Lab, mozpool, wait_for};

/// A user with a password.
const USERS: &str = "printf 'ann@example.com:%s\n' $(openssl passwd -apr1 secret) > mozpool.users";

/// The first block of docs/access.md that begins so.
fn documented(begins: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/access.md");
    let page = fs::read_to_string(page).expect("the page");
    let block = page.split("```text\n").skip(1).find(|block| block.trim_start().starts_with(begins));
    let block = block.unwrap_or_else(|| panic!("docs/access.md has a block that begins with {begins}"));
    block.split("```").next().expect("it ends").to_owned()
}

/// A proxy in front of the daemon; it ends with its value.
struct Proxy {
    process: Child,
    port: u16,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Proxy {
    /// nginx as documented; `change` makes of the documented block what a reader does.
    fn nginx(daemon: &Daemon, folder: &Path, change: impl Fn(String) -> String) -> Self {
        let made =
            Command::new("sh").args(["-eu", "-c", USERS]).current_dir(folder).output().expect("sh runs");
        assert!(made.status.success(), "{} (needs openssl)", String::from_utf8_lossy(&made.stderr));
        // nginx' own workers read it.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let (at, port) = (folder.display(), free_port());
        let block = change(documented("server {"))
            .replace("listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"))
            .replace("/etc/ssl/private/pool.key", &format!("{at}/server.key"))
            .replace("/etc/ssl/pool.pem", &format!("{at}/server.pem"))
            .replace("/etc/nginx/mozpool.users", &format!("{at}/mozpool.users"))
            .replace("http://127.0.0.1:8080", &format!("http://{}", daemon.http));
        let folders: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|what| format!("{what}_temp_path {at}/{what};\n"))
            .collect();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}{block}\n}}\n"
        );
        let file = folder.join("nginx.conf");
        fs::write(&file, text).expect("a file");
        let mut nginx = Command::new("nginx");
        nginx.args(["-e", "stderr", "-p"]).arg(folder).arg("-c").arg(&file);
        Self::start(folder, port, &mut nginx)
    }

    /// Caddy as documented, but for its certificate, which nobody out there gives it for a name of a test.
    fn caddy(daemon: &Daemon, folder: &Path) -> Self {
        let (at, port) = (folder.display(), free_port());
        let site = format!("https://127.0.0.1:{port} {{\n    tls {at}/server.pem {at}/server.key");
        let block = documented("pool.example.com {")
            .replace("pool.example.com {", &site)
            .replace("127.0.0.1:8080", &daemon.http.to_string());
        let file = folder.join("Caddyfile");
        fs::write(&file, format!("{{\n    admin off\n    auto_https disable_redirects\n}}\n{block}"))
            .expect("a file");
        let mut caddy = Command::new("caddy");
        caddy.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
        caddy.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
        Self::start(folder, port, &mut caddy)
    }

    fn start(folder: &Path, port: u16, command: &mut Command) -> Self {
        certificates(folder);
        let process = command.stderr(Stdio::inherit()).spawn();
        let process = process.expect("nginx and caddy of the Debian packages nginx-light and caddy");
        let proxy = Self { process, port };
        wait_for("the proxy to listen", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        proxy
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// What curl gets from a path below `/api/`, called from another address than the proxy's own: status and text.
    fn call(&self, folder: &Path, path: &str, more: &[&str]) -> (String, String) {
        let url = format!("{}/api/{path}", self.url());
        let curl = Command::new("curl")
            .args(["-sS", "--interface", "127.0.0.5", "-w", "\n%{http_code}", "--cacert"])
            .arg(folder.join("ca.pem"))
            .args(more)
            .arg(url)
            .output()
            .expect("curl of the Debian package curl");
        assert!(curl.status.success(), "{}", String::from_utf8_lossy(&curl.stderr));
        let text = String::from_utf8(curl.stdout).expect("text");
        let (text, status) = text.rsplit_once('\n').expect("the status comes last");
        (status.to_owned(), text.to_owned())
    }
}

/// A port that was free just now.
fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    free.expect("a free port").port()
}

/// A lab behind a proxy, with these settings of `[auth]`.
fn lab(auth: &str) -> Lab {
    let lab = Lab::new();
    let text = fs::read_to_string(lab.config()).expect("the configuration");
    fs::write(lab.config(), format!("{text}[auth]\nmode = \"token\"\nproxies = [\"127.0.0.1\"]\n{auth}"))
        .expect("the configuration");
    lab
}

fn run(lab: &Lab, args: &[&str]) -> String {
    let Output { status, stdout, stderr } = mozpool(&lab.config()).args(args).output().expect("mozpool runs");
    assert!(status.success(), "{args:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).expect("text")
}

#[test]
fn tokens_go_through_nginx_and_the_callers_address_is_known() {
    tokens_go_through(|daemon, folder| Proxy::nginx(daemon, folder, |block| block));
}

#[test]
fn tokens_go_through_caddy_and_the_callers_address_is_known() {
    tokens_go_through(Proxy::caddy);
}

fn tokens_go_through(before: impl Fn(&Daemon, &Path) -> Proxy) {
    let lab = lab("proxy_header = \"X-Remote-User\"\n");
    let daemon = lab.serve();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let proxy = before(&daemon, folder.path());
    run(&lab, &["token", "create", "ann@example.com", "--role", "admin", "--proxy"]);
    let forged = ["-H", "X-Remote-User: ann@example.com", "-H", "X-Forwarded-For: 10.9.9.9"];
    let (status, text) = proxy.call(folder.path(), "device/list", &forged);
    assert_eq!(status, "401", "nobody names himself: {text}");

    let token = run(&lab, &["token", "create", "ci", "--role", "operator"]);
    fs::write(folder.path().join("token"), &token).expect("a file");
    fs::set_permissions(folder.path().join("token"), fs::Permissions::from_mode(0o600)).expect("it is ours");
    let (ca, file) = (folder.path().join("ca.pem"), folder.path().join("token"));
    let listed = mozpool(&lab.config())
        .args(["device", "list", "--names", "--url", &proxy.url(), "--ca-file"])
        .arg(&ca)
        .arg("--token-file")
        .arg(&file)
        .output()
        .expect("mozpool runs");
    assert_eq!(
        String::from_utf8_lossy(&listed.stdout),
        "board-1\n",
        "{}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let said = ["-H", &bearer, "-H", "X-Forwarded-For: 10.9.9.9", "-d", "{}"];
    let (status, text) = proxy.call(folder.path(), "device/board-1/clear-pxe", &said);
    assert_eq!(status, "200", "{text}");
    // What the caller says of his address himself stands before what the proxy has seen.
    let log = run(&lab, &["audit", "--who", "ci", "--json"]);
    assert!(log.contains("clear-pxe") && log.contains("127.0.0.5") && !log.contains("10.9.9.9"), "{log}");
}

#[test]
fn a_user_whom_the_proxy_knows_needs_no_token() {
    let lab = lab("proxy_header = \"X-Remote-User\"\n");
    let daemon = lab.serve();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let proxy = Proxy::nginx(&daemon, folder.path(), |block| {
        let users =
            documented("location / {").replace("location / {", "").replace("...", "").replace('}', "");
        block.replace("proxy_set_header X-Remote-User \"\";", &users)
    });
    let (status, _) = proxy.call(folder.path(), "device/list", &["-u", "ann@example.com:wrong"]);
    assert_eq!(status, "401", "that is nginx' own");
    let known = ["-u", "ann@example.com:secret"];
    let (status, text) = proxy.call(folder.path(), "device/list", &known);
    assert!(status == "401" && text.contains("ann@example.com, who is not known here"), "{status} {text}");

    run(&lab, &["token", "create", "ann@example.com", "--role", "operator", "--proxy"]);
    let (_, text) = wait_for("the grant to be seen", || {
        Some(proxy.call(folder.path(), "session", &known)).filter(|(_, text)| text.contains("\"operator\""))
    });
    let session: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(session["name"], "ann@example.com");
    let change = [&known[..], &["-d", "{}"]].concat();
    let (status, text) = proxy.call(folder.path(), "device/board-1/clear-pxe", &change);
    assert!(
        status == "403" && text.contains("no_csrf_token"),
        "a foreign page could do that: {status} {text}"
    );
    let csrf = format!("X-CSRF-Token: {}", session["csrf"].as_str().expect("pages are told"));
    let forged = ["-H", &csrf, "-H", "X-Remote-User: root"];
    let (status, text) =
        proxy.call(folder.path(), "device/board-1/clear-pxe", &[&change[..], &forged].concat());
    assert_eq!(status, "200", "{text}");
    let log = run(&lab, &["audit", "--what", "clear-pxe", "--json"]);
    assert!(log.contains("ann@example.com") && log.contains("\"proxy\"") && !log.contains("root"), "{log}");
}

//! https: a server behind a proxy that ends TLS, for calls and for streams.

use crate::access::Stub;
use crate::support::tls::certificates;
use crate::world::{World, alone, at_home, end};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Takes TLS, and hands on what is in it to a port of this machine.
const PROXY: &str = r#"
import socket, ssl, sys, threading
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/server.pem", sys.argv[1] + "/server.key")
def pump(one, other):
    try:
        while data := one.recv(65536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        one.close(), other.close()
def carry(client):
    try:
        client = context.wrap_socket(client, server_side=True)
    except OSError:
        return
    server = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client)
    client.close()
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()
"#;

/// A proxy; it ends with its value.
struct Proxy {
    process: Child,
    url: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Proxy {
    /// In front of a port; the certificate and its authority's are made in `folder`.
    fn to(port: u16, folder: &Path) -> Self {
        certificates(folder);
        let mut python = Command::new("python3");
        let python = python.args(["-c", PROXY]).arg(folder).arg(port.to_string());
        let mut process = python.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { process, url: format!("https://127.0.0.1:{}", port.trim()) }
    }
}

#[test]
fn calls_and_streams_go_over_tls_to_who_is_trusted() {
    let world = World::with(1);
    let proxy = Proxy::to(world.daemon().http.port(), world.folder.path());
    let ca = world.path("ca.pem").display().to_string();
    let trusting = ["--url", &proxy.url, "--ca-file", &ca];
    let listed = end(&mut alone(&world, &[&["device", "list", "--names"], &trusting[..]].concat()));
    assert_eq!(listed.out, "board-001\n", "{}", listed.err);

    let past = world.done(&["log"]).lines().count();
    let mut follow = alone(&world, &[&["log", "-f"], &trusting[..]].concat());
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    // What was before comes first; then it follows.
    assert_eq!(lines.by_ref().take(past).filter(|line| line.is_ok()).count(), past);
    world.done(&["device", "comment", "board-001", "over TLS"]);
    let line = lines.next().unwrap().unwrap();
    assert!(line.contains("board-001"), "{line}");
    follow.kill().unwrap();
    follow.wait().unwrap();

    // This machine does not know the authority.
    let said = end(&mut alone(&world, &["status", "--url", &proxy.url]));
    assert!(said.code == 4 && said.err.to_lowercase().contains("certificate"), "{} {}", said.code, said.err);
    let said = end(&mut alone(&world, &["status", "--url", &proxy.url, "--ca-file", "/dev/null"]));
    assert!(
        said.code == 2 && said.err.contains("/dev/null has no certificate"),
        "{} {}",
        said.code,
        said.err
    );
}

#[test]
fn a_token_does_not_leave_tls() {
    let folder = tempfile::tempdir().unwrap();
    let stub = Stub::new(&[(307, "http://127.0.0.1:9/api/device/list"), (200, r#"{"devices": []}"#)]);
    let proxy = Proxy::to(stub.port, folder.path());
    let ask = || {
        let mut command = at_home(folder.path(), &["device", "list", "--url", &proxy.url]);
        command.env("MOZPOOL_TOKEN", "mzp_a").env("MOZPOOL_CA_FILE", folder.path().join("ca.pem"));
        end(&mut command)
    };
    let said = ask();
    assert!(said.code == 1 && said.err.contains("where everybody could read the token"), "{}", said.err);
    assert_eq!(stub.authorization().unwrap(), "bearer mzp_a");
    let said = ask();
    assert_eq!(said.code, 0, "{}", said.err);
}

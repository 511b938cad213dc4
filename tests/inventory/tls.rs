//! A server that proves who it is, to those who know its authority and to no others.

use crate::support::tls::certificates;
use mozpool::config::{Inventory, InventorySource};
use mozpool::inventory::open;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Answers one system to every call.
const SERVER: &str = r#"
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'[{"fqdn": "b1.lab"}]'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/server.pem", sys.argv[1] + "/server.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
"#;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(folder: &Path) -> (Server, String) {
    certificates(folder);
    let mut python = Command::new("python3");
    let child = python.args(["-c", SERVER]).arg(folder).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (Server(child), format!("https://127.0.0.1:{}", port.trim()))
}

#[test]
fn a_server_must_be_signed_by_somebody_whom_we_trust() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, url) = serve(folder.path());
    let config = |ca: Option<&str>| Inventory {
        source: InventorySource::Http,
        url: Some(url.clone()),
        ca_file: ca.map(|ca| folder.path().join(ca)),
        fields: [("fqdn".to_owned(), "/fqdn".to_owned())].into(),
        ..Inventory::default()
    };
    let fetch = |ca| open(&config(ca), Instant::now() + Duration::from_secs(60)).and_then(|s| s.fetch());
    assert_eq!(fetch(Some("ca.pem")).unwrap()[0].fqdn, "b1.lab");
    let error = fetch(None).unwrap_err().to_string();
    assert!(error.contains("certificate"), "the system does not know it: {error}");
    let error = fetch(Some("server.key")).unwrap_err().to_string();
    assert!(error.contains("it has no certificate"), "{error}");
    assert!(fetch(Some("gone.pem")).unwrap_err().to_string().starts_with("cannot read "));
}

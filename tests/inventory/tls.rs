//! A server that proves who it is, to those who know its authority and to no others.

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

/// An authority and a certificate for 127.0.0.1 that it has signed.
const CERTIFICATES: &str = r#"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout server.key -out server.csr
printf 'subjectAltName=IP:127.0.0.1\n' > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem
"#;

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(folder: &Path) -> (Server, String) {
    let made = Command::new("sh").args(["-eu", "-c", CERTIFICATES]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{} (needs openssl)", String::from_utf8_lossy(&made.stderr));
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

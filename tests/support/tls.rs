//! Certificates for servers of tests: signed by an authority that no system trusts.

use std::path::Path;
use std::process::Command;

/// An authority, `ca.pem`, and a certificate for 127.0.0.1 that it has signed, `server.pem` with `server.key`.
const CERTIFICATES: &str = r"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout server.key -out server.csr
printf 'subjectAltName=IP:127.0.0.1\n' > extensions
openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem
";

/// Makes them in a folder.
pub fn certificates(folder: &Path) {
    let made = Command::new("sh").args(["-eu", "-c", CERTIFICATES]).current_dir(folder).output();
    let made = made.expect("sh runs");
    assert!(made.status.success(), "{} (needs openssl)", String::from_utf8_lossy(&made.stderr));
}

//! Whom an https server may be signed by: `--ca-file`, or what this machine trusts.
//!
//! Calls go through ureq, streams are read by hand; both take the certificates from here.

use super::RemoteError;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Names a file with the certificates that are trusted.
const CA_VARIABLE: &str = "MOZPOOL_CA_FILE";
/// Where systems keep theirs: Debian's and its like, Red Hat's and its like.
const SYSTEM_FILES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"];

/// What TLS needs to know.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    /// For whole answers.
    pub(super) calls: TlsConfig,
    /// For streams; `None` where no server is called by https.
    streams: Option<Arc<ClientConfig>>,
}

impl Trust {
    /// What is trusted when these servers are called. `given` is what `--ca-file` says, `configured` what the client configuration does.
    ///
    /// # Errors
    /// A file that is named has no certificates, or one of the servers needs some and this machine has none.
    pub(super) fn find(
        urls: &[String],
        given: Option<&Path>,
        configured: Option<&Path>,
    ) -> Result<Self, RemoteError> {
        let variable = std::env::var_os(CA_VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from);
        let named = given.map(Path::to_owned).or(variable).or_else(|| configured.map(Path::to_owned));
        if named.is_none() && !urls.iter().any(|url| url.starts_with("https://")) {
            return Ok(Self { calls: TlsConfig::default(), streams: None });
        }
        let system = || SYSTEM_FILES.iter().map(PathBuf::from).find(|path| path.exists());
        let Some(path) = named.or_else(system) else {
            let why = "this machine has no list of certificates that it trusts, which https needs; \
                       --ca-file names one, or install ca-certificates";
            return Err(RemoteError::Usage { why: why.into() });
        };
        Self::of(&certificates(&path)?, &path)
    }

    fn of(certificates: &[Certificate<'static>], path: &Path) -> Result<Self, RemoteError> {
        let failed = |e: rustls::Error| RemoteError::Usage { why: format!("{}: {e}", path.display()) };
        let mut roots = RootCertStore::empty();
        // Systems' lists have old ones that rustls does not take; those it leaves out, as browsers do.
        let (taken, _) = roots
            .add_parsable_certificates(certificates.iter().map(|c| CertificateDer::from(c.der().to_vec())));
        if taken == 0 {
            return Err(no_certificate(path));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let streams = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let calls = TlsConfig::builder().root_certs(RootCerts::new_with_certs(certificates)).build();
        Ok(Self { calls, streams: Some(Arc::new(streams)) })
    }

    /// TLS over a connection to `host`, a name or an address without a port.
    ///
    /// # Errors
    /// The handshake fails: with whatever time limits `stream` has.
    pub(super) fn secure(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let config =
            self.streams.clone().ok_or_else(|| io::Error::other("nothing is known of whom to trust"))?;
        let name =
            ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, RemoteError> {
    let text = std::fs::read(path).map_err(|source| RemoteError::File { path: path.to_owned(), source })?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(RemoteError::Usage { why: format!("{}: {error}", path.display()) }),
        }
    }
    if found.is_empty() {
        return Err(no_certificate(path));
    }
    Ok(found)
}

fn no_certificate(path: &Path) -> RemoteError {
    let why =
        format!("{} has no certificate; it should have some in PEM, as CAs give them out", path.display());
    RemoteError::Usage { why }
}

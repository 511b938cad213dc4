//! All ports and sockets of the daemon: bound together while it is root, and before anything runs.

use super::passed::PassedSockets;
use super::{Addresses, DaemonError};
use crate::bmm::PingSockets;
use crate::boot::table::BootTable;
use crate::config::Config;
use crate::layers::boards::Boards;
use crate::layers::http::HttpServer;
use crate::layers::{registration, tftp};
use crate::ports::{Protocol, explain_bind_error};
use std::cell::RefCell;
use std::sync::Arc;

/// IPv4, UDP and TFTP headers: a packet is so much larger than its block.
const HEADERS: u16 = 20 + 8 + 4;

/// Everything bound, nothing running: what root may be needed for.
pub(super) struct Sockets {
    pub(super) tftp: Option<tftpd::Server>,
    pub(super) syslog: Option<syslogd::Server>,
    pub(super) registration: Option<registration::Server>,
    pub(super) http: HttpServer,
    pub(super) ping: PingSockets,
}

impl Sockets {
    /// Where they listen.
    pub(super) fn addresses(&self) -> Addresses {
        Addresses {
            http: self.http.local_addr(),
            tftp: self.tftp.as_ref().map(tftpd::Server::local_addrs).unwrap_or_default(),
            syslog_udp: self.syslog.as_ref().map(syslogd::Server::udp_addrs).unwrap_or_default(),
            syslog_tcp: self.syslog.as_ref().map(syslogd::Server::tcp_addrs).unwrap_or_default(),
            registration: self
                .registration
                .as_ref()
                .map(registration::Server::local_addrs)
                .unwrap_or_default(),
        }
    }
}

/// Binds what the configuration asks for and was not `passed` to us, or says what is in the way.
///
/// # Errors
/// [`DaemonError`]; nothing stays bound.
pub(super) fn bind(
    config: &Config,
    boot: &Arc<BootTable>,
    history: tftp::History,
    boards: &Arc<Boards>,
    passed: &mut PassedSockets,
) -> Result<Sockets, DaemonError> {
    let taken = |service: &str, protocol, addr, source: &std::io::Error| {
        DaemonError::Bind(explain_bind_error(service, protocol, addr, source))
    };
    let listen = config.http.listen;
    let http = match passed.tcp(listen) {
        Some(listener) => HttpServer::take(listener, listen),
        None => HttpServer::bind(listen),
    };
    let http = http.map_err(|e| taken("the API (http.listen)", Protocol::Tcp, e.addr, &e.source))?;
    let tftp = if config.tftp.enabled {
        let root = tftpd::Root::open(&config.tftp.root).map_err(|source| DaemonError::Folder {
            setting: "tftp.root",
            path: config.tftp.root.display().to_string(),
            source: source.to_string(),
        })?;
        let source =
            tftp::BootSource { table: boot.clone(), root: Some(root), history, boards: Arc::clone(boards) };
        let settings = tftpd::Config {
            mtu: config.tftp.blksize_max.saturating_add(HEADERS),
            max_windowsize: config.tftp.windowsize_max,
            max_transfers: config.tftp.transfers_max,
            max_transfers_per_address: config.tftp.transfers_per_address_max,
            single_port: config.tftp.single_port,
            ..tftpd::Config::default()
        };
        if let Err(source) = settings.raise_open_files() {
            log::warn!(
                "cannot raise the limit of open files: {source}; many boards at once may be answered \"busy\""
            );
        }
        let server = tftpd::Server::bind_or_take(&config.tftp.listen, settings, source, |at| passed.udp(at))
            .map_err(|e| match e.address {
                Some(addr) => taken("TFTP (tftp.listen)", Protocol::Udp, addr, &e.cause),
                None => DaemonError::System { doing: "set up the TFTP server", source: e.cause },
            })?;
        Some(server)
    } else {
        None
    };
    let syslog = if config.syslog.enabled {
        let settings = syslogd::Config {
            udp: config.syslog.udp.clone(),
            tcp: config.syslog.tcp.clone(),
            limits: syslogd::Limits {
                udp_buffer_bytes: (config.syslog.udp_buffer_mib as usize) << 20,
                ..syslogd::Limits::default()
            },
        };
        let passed = RefCell::new(&mut *passed);
        let (mut udp, mut tcp) = (|at| passed.borrow_mut().udp(at), |at| passed.borrow_mut().tcp(at));
        let mut given = syslogd::Given { udp: &mut udp, tcp: &mut tcp };
        let server = syslogd::Server::bind_or_take(&settings, &mut given).map_err(|e| match e {
            syslogd::BindError::Udp(addr, source) => {
                taken("syslog (syslog.udp)", Protocol::Udp, addr, &source)
            }
            syslogd::BindError::Tcp(addr, source) => {
                taken("syslog (syslog.tcp)", Protocol::Tcp, addr, &source)
            }
            other => DaemonError::Bind(other.to_string()),
        })?;
        Some(server)
    } else {
        None
    };
    let registration = if config.registration.enabled {
        let listen = &config.registration.listen;
        let server =
            registration::Server::bind_or_take(listen, |at| passed.tcp(at)).map_err(|e| match e.addr {
                Some(addr) => taken("registration (registration.listen)", Protocol::Tcp, addr, &e.source),
                None => DaemonError::System { doing: "set up the registration of agents", source: e.source },
            })?;
        Some(server)
    } else {
        None
    };
    let ping = PingSockets::open();
    for missing in ping.missing() {
        log::warn!("{missing}");
    }
    Ok(Sockets { tftp, syslog, registration, http, ping })
}

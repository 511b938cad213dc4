//! Is the store there, whole, and free? And do the PXE configs in it make sense?
//!
//! Nothing is made and nothing upgraded: a store that does not exist yet is made by the daemon, as the daemon's user.

use super::{Finding, Server};
use crate::access::Role;
use crate::boot::render::{ServerValues, Values, sample_values, try_out};
use crate::store::{
    DeviceFilter, ImageRow, Location, PxeConfigRow, RelayBoardRow, ServerSeen, Store, StoreError,
};
use nix::unistd::{AccessFlags, access};
use std::net::SocketAddr;
use std::path::Path;

/// What the other checks need of the store.
pub(super) struct Stored {
    pub(super) images: Vec<ImageRow>,
    pub(super) pxe_configs: Vec<PxeConfigRow>,
    pub(super) relay_boards: Vec<RelayBoardRow>,
    pub(super) pool: Vec<ServerSeen>,
    /// Name and `relay_info` of the devices of this server.
    pub(super) power: Vec<(String, String)>,
    /// Tokens of the role admin.
    pub(super) admins: usize,
}

/// Looks at the store: findings, the pid of a daemon that has it, and what it holds.
pub(super) fn look(location: &Location, server: &str) -> (Vec<Finding>, Option<u32>, Option<Stored>) {
    if location.is_shared() {
        return look_at_database(location, server);
    }
    let Some(path) = location.path() else {
        return (
            vec![Finding::warn("it is in memory", "everything is forgotten when the daemon ends")],
            None,
            None,
        );
    };
    if !path.exists() {
        return (vec![not_made_yet(path)], None, None);
    }
    let mut findings = Vec::new();
    let mut daemon = None;
    // Without the lock's file nobody has the lock; taking it would make the file, perhaps as the wrong user.
    let has_lock_file = Path::new(&format!("{}.lock", path.display())).exists();
    match if has_lock_file { location.lock().map(drop) } else { Ok(()) } {
        Ok(()) => {}
        Err(StoreError::Locked { holder, .. }) => {
            daemon = pid_of(&holder);
            findings.push(Finding::ok(format!("a running daemon has it: {holder}")));
        }
        Err(error) => findings.push(Finding::fail(error, "")),
    }
    match read(location, server) {
        Ok((finding, stored)) => {
            findings.push(finding);
            (findings, daemon, stored)
        }
        Err(error) => {
            findings.push(Finding::fail(error, ""));
            (findings, daemon, None)
        }
    }
}

/// A database is nobody's alone: whoever else uses it, it can be looked at.
fn look_at_database(location: &Location, server: &str) -> (Vec<Finding>, Option<u32>, Option<Stored>) {
    let mut findings = Vec::new();
    if location.is_open_to_all() {
        findings.push(Finding::warn(
            format!("{location}: what is said to it can be read on the way"),
            "give the database a certificate and write ca=/FILE or tls=on behind its address",
        ));
    }
    match read(location, server) {
        Ok((finding, stored)) => {
            findings.push(finding);
            let daemon = stored.as_ref().and_then(|stored| running(stored, server));
            (findings, daemon, stored)
        }
        Err(error) => {
            findings.push(Finding::fail(error, ""));
            (findings, None, None)
        }
    }
}

/// A daemon of this name that runs on this host.
fn running(stored: &Stored, server: &str) -> Option<u32> {
    let row = stored.pool.iter().find(|seen| seen.name == server)?;
    let life = row.liveliness.as_ref().filter(|life| !life.gone && life.beat.process.lives())?;
    Some(life.beat.process.pid)
}

fn not_made_yet(path: &Path) -> Finding {
    let folder = path.parent().unwrap_or(path);
    if !folder.is_dir() {
        return Finding::fail(
            format!("{}: there is no such folder for the store", folder.display()),
            format!("mkdir -p {} and give it to the user that runs mozpool", folder.display()),
        );
    }
    match access(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
        Ok(()) => Finding::ok(format!("{} will be made by the daemon", path.display())),
        Err(error) => Finding::fail(
            format!("{}: the store cannot be made there: {}", folder.display(), error.desc()),
            "give the folder to the user that runs mozpool, and run this check as that user",
        ),
    }
}

fn read(location: &Location, server: &str) -> Result<(Finding, Option<Stored>), StoreError> {
    let (found, known) = location.schema()?;
    if found < known {
        if found == 0 && location.is_shared() {
            return Ok((Finding::ok(format!("{location} is empty; the daemon will make its tables")), None));
        }
        let what = format!("{location} has schema version {found}; the daemon will bring it to {known}");
        let remedy = match location.is_shared() {
            true => "stop the daemons of all servers, and back it up, before you start this one",
            false => "it makes a copy first, if there is room for one",
        };
        return Ok((Finding::warn(what, remedy), None));
    }
    let mut store = location.open()?;
    let stored = everything(&mut *store, server)?;
    let program = location.program()?.map(|p| format!(", on {p}")).unwrap_or_default();
    let devices = store.device_names()?.len();
    let what = format!("{location}: schema version {found}, {devices} devices{program}");
    Ok((Finding::ok(what), Some(stored)))
}

fn everything(store: &mut dyn Store, server: &str) -> Result<Stored, StoreError> {
    let devices = store.devices(&DeviceFilter::default())?;
    let ours = devices.into_iter().filter(|d| d.info.imaging_server == server);
    Ok(Stored {
        power: ours.map(|d| (d.name.to_string(), d.info.relay_info)).collect(),
        images: store.images()?,
        pxe_configs: store.pxe_configs()?,
        relay_boards: store.relay_boards()?,
        pool: store.pool()?,
        admins: store.tokens()?.iter().filter(|token| token.role == Role::Admin).count(),
    })
}

/// `process 123 on host`, as the lock's holder writes it.
fn pid_of(holder: &str) -> Option<u32> {
    holder.strip_prefix("process ")?.split(' ').next()?.parse().ok()
}

/// Every PXE config makes a text, with made-up values for a board.
pub(super) fn pxe_configs(server: &Server<'_>) -> Vec<Finding> {
    let Some(stored) = &server.stored else { return Vec::new() };
    let values = values(server);
    let mut findings = Vec::new();
    let mut good = 0;
    for config in &stored.pxe_configs {
        match try_out(&config.name, &config.contents, &values) {
            Ok(_) => good += 1,
            Err(error) => {
                findings
                    .push(Finding::fail(error, "put it right in a lab file and `mozpool db import` that"));
            }
        }
    }
    findings.push(Finding::ok(format!("{good} PXE configs make a text")));
    findings
}

fn values(server: &Server<'_>) -> Values {
    let config = server.config;
    let at = |port| SocketAddr::new(config.server.address, port).to_string();
    let us = ServerValues {
        name: config.server.name.clone(),
        ip: config.server.address.to_string(),
        http: at(config.http.listen.port()),
        syslog: config.syslog.udp.first().map(|a| at(a.port())).unwrap_or_default(),
    };
    let live = config.pxe.live.usual.clone();
    let (console, site) = (live.console.clone(), config.pxe.values.clone());
    Values { live, console, site, ..sample_values(&us) }
}

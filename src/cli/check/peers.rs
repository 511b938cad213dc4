//! Is this server one of a pool, and do the others see it as it should be?
//!
//! What is said of the others is what lies in the store: whether they live is their own word, and nobody is called.

use super::{Finding, Server};
use crate::layers::peers::PROTOCOL;
use crate::seal::Secret;
use crate::store::{Beat, Liveliness, schema_version};

/// What all servers of a pool know.
pub(super) fn secret(server: &Server<'_>) -> Vec<Finding> {
    vec![match &server.config.peers.secret_file {
        Some(path) => match Secret::read(path) {
            Ok(secret) => Finding::ok(format!(
                "{}: {} characters, and not everybody's to read",
                path.display(),
                secret.length()
            )),
            Err(error) => Finding::fail(error, "`openssl rand -hex 32` makes one, chmod 640 keeps it"),
        },
        None if server.shares => Finding::warn(
            "peers.secret_file is not set: this server is alone with its database",
            "where others are to work with it, too, give all of them the same secret",
        ),
        None => Finding::ok("peers.secret_file is not set: this server is alone"),
    }]
}

/// Who else works with the store.
pub(super) fn servers(server: &Server<'_>) -> Vec<Finding> {
    let Some(stored) = &server.stored else { return Vec::new() };
    let own = &server.config.server.name;
    let is_alone = server.config.peers.secret_file.is_none();
    let mut findings = Vec::new();
    let (mut alive, mut gone) = (0, 0);
    for seen in &stored.pool {
        let Some(life) = &seen.liveliness else { continue };
        if life.gone || life.beat.process.has_ended() {
            gone += u32::from(seen.name != *own);
            continue;
        }
        if seen.name == *own {
            findings.push(us(life));
            continue;
        }
        alive += 1;
        findings.extend(other(&seen.name, life, is_alone));
    }
    if alive + gone > 0 {
        findings.push(Finding::ok(format!("{alive} other servers live, {gone} do not")));
    }
    findings
}

/// A daemon of our name.
fn us(life: &Liveliness) -> Finding {
    let process = &life.beat.process;
    if process.lives() {
        return Finding::ok(format!("the daemon of this name is {process}"));
    }
    Finding::warn(
        format!("a daemon of this name has not left: {process}"),
        "if it lives, none starts here; stop it there, or give this server another server.name",
    )
}

fn other(name: &str, life: &Liveliness, is_alone: bool) -> Option<Finding> {
    let Beat { process, schema, protocol, version, .. } = &life.beat;
    let who = format!("server {name} ({process}, version {version})");
    if is_alone || *protocol == Beat::ALONE {
        let (whose, remedy) = match is_alone {
            true => ("this server", "set it to the others' secret, or give this server a store of its own"),
            false => ("it", "set it there"),
        };
        return Some(Finding::fail(
            format!(
                "{who} works with this store, and {whose} has no peers.secret_file: the daemon will not start"
            ),
            remedy,
        ));
    }
    ((*schema, *protocol) != (schema_version(), PROTOCOL)).then(|| {
        Finding::warn(
            format!(
                "{who} has schema version {schema} and protocol version {protocol}, this program {} and {PROTOCOL}",
                schema_version()
            ),
            "install one version on all servers",
        )
    })
}

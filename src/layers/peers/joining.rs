//! A server joins its pool: not while another daemon of its name lives, and not beside one that works with the store alone.
//!
//! Whether that one lives is said by its process, where it can be seen from here: one that has ended is followed at once. Of others
//! the count is watched, as that of every server is: one that moves lives, one that stands still for its limit is gone.

use super::Peers;
use crate::api::time::rfc3339;
use crate::clock::Clock;
use crate::logic::peers::{Verdict, Watch};
use crate::store::{Beat, Instead, Joined, Process, ServerRow, ServerSeen, Store, StoreError};
use std::time::Duration;

/// Between two looks at a count that may move.
const LOOK: Duration = Duration::from_millis(250);

/// Where one server stands, in words for an operator.
pub(super) fn named(seen: &ServerSeen) -> String {
    let Some(life) = &seen.liveliness else { return format!("server {}", seen.name) };
    let Beat { version, started, process, .. } = &life.beat;
    format!("server {} ({process}, version {version}, started {})", seen.name, rfc3339(*started))
}

/// Makes `me` the start of `server` that counts. `has_lock`: no other process can work under this name.
///
/// # Errors
/// The store's; [`StoreError::Refused`] names who stands in the way.
pub(super) fn join(
    store: &mut dyn Store,
    clock: &dyn Clock,
    server: &ServerRow,
    me: &Beat,
    has_lock: bool,
) -> Result<(), StoreError> {
    let mut instead = if has_lock { Instead::Anybody } else { Instead::Of(Vec::new()) };
    let mut watch = Watch::default();
    let mut looked_ms = clock.steady_ms();
    loop {
        let Joined::Taken(others) = store.join_pool(server, me, &instead, clock.now())? else {
            return Ok(());
        };
        let now_ms = clock.steady_ms();
        let since_ms = now_ms - std::mem::replace(&mut looked_ms, now_ms);
        let mut silent = Vec::new();
        for seen in &others {
            let Some(life) = &seen.liveliness else { continue };
            let Beat { instance, process, limit_ms, .. } = &life.beat;
            let who = (seen.name.clone(), instance.clone());
            match watch.look(who, life.beats, since_ms, process.is_alive(), *limit_ms) {
                Verdict::Lives => return Err(StoreError::Refused { why: refusal(seen, me) }),
                Verdict::Gone => silent.push((seen.name.clone(), life.beats)),
                Verdict::Unknown { first: false } => {}
                Verdict::Unknown { first: true } => log::warn!(
                    "{} has not left, and cannot be seen from here; if it says nothing for {} s, it is taken for gone",
                    named(seen),
                    limit_ms / 1000
                ),
            }
        }
        let all = silent.len() == others.len();
        instead = Instead::Of(silent);
        if !all {
            std::thread::sleep(LOOK);
        }
    }
}

/// Why a server does not join.
fn refusal(seen: &ServerSeen, me: &Beat) -> String {
    let named = named(seen);
    if seen.name == me.server {
        return format!(
            "{named} runs, and this daemon has the same name; stop that one first, or give this one another server.name"
        );
    }
    let alone = if me.protocol == Beat::ALONE { "this daemon" } else { "it" };
    format!(
        "{named} works with this store, and {alone} has no peers.secret_file; several servers on one store need the same \
         secret, each of them, or stores of their own"
    )
}

/// What this start of a server says of itself.
pub(super) fn introduction(name: &str, peers: Option<&Peers>, limit_s: u32, clock: &dyn Clock) -> Beat {
    let started = clock.now();
    Beat {
        server: name.to_owned(),
        instance: format!("{:x}-{}", started.0, std::process::id()),
        started,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema: crate::store::schema_version(),
        protocol: if peers.is_some() { super::PROTOCOL } else { Beat::ALONE },
        process: Process::this(),
        limit_ms: i64::from(limit_s) * 1000,
    }
}

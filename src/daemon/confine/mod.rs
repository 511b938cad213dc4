//! What the daemon gives up for good once its sockets are open, so that somebody who gets into it can do little with it.
//!
//! Three layers, each of which holds what the kernel can: capabilities, files (Landlock), system calls (seccomp). Called before any
//! thread is started, for all of it is a thread's own and is inherited by those that it starts, power programs included. None of it
//! keeps the daemon from starting: what a kernel does not have is said in the log.

mod calls;
mod files;
mod rights;

use crate::config::Config;
use crate::store::Location;

/// Gives up what is not needed any more, and says in one line what holds. Nothing with `server.confine = "off"`.
pub(super) fn confine(config: &Config, location: &Location) {
    if !config.server.confine {
        return log::warn!("not confined: server.confine is \"off\"");
    }
    // Landlock and seccomp need no_new_privs, and capabilities are given up before the call for that is refused.
    let rights = rights::give_up();
    let files = files::restrict(&files::places(config, location));
    let calls = calls::refuse();
    let said = [("rights", rights), ("files", files), ("system calls", calls)]
        .map(|(layer, held)| held.unwrap_or_else(|why| format!("{layer}: not confined, {why}")));
    log::info!("confined: {}", said.join("; "));
}

//! Whether this server asks who calls, told once at its start.

use super::Layer;
use crate::access::{Mode, ModeSetting, Role};
use crate::api::access::{Access, RECHECK, Rules};
use crate::config::Config;
use crate::layers::audit::Auditor;
use crate::layers::supervise::Exit;
use crate::store::{Store, StoreError};
use crossbeam_channel::{Sender, bounded};
use std::net::SocketAddr;
use std::sync::Arc;

/// Starts the thread that writes the audit log, and says what holds for a server that listens there.
///
/// # Errors
/// The store's.
pub(super) fn start(
    config: &Config,
    http: SocketAddr,
    mut store: Box<dyn Store>,
    ended: Sender<(String, Exit)>,
) -> Result<(Arc<Access>, Layer), StoreError> {
    let auth = &config.auth;
    let rules = Rules {
        mode: config.access_mode(http.ip()),
        any_host: auth.mode != ModeSetting::Auto,
        proxy_header: auth.proxy_header.clone(),
        proxies: auth.proxies.clone(),
        recheck: RECHECK,
    };
    match rules.mode {
        Mode::Open => log::info!("access: whoever reaches {http} may do everything (auth.mode)"),
        Mode::Token => {
            log::info!("access: callers need a token (auth.mode)");
            if !store.tokens()?.iter().any(|token| token.role == Role::Admin) {
                log::warn!(
                    "nobody can change anything here yet: there is no token of the role admin; make one on this server, with \
                     `mozpool token create NAME --role admin`"
                );
            }
        }
    }
    let (stop, stopped) = bounded(0);
    let (auditor, thread) = Auditor::start(store, stopped, ended);
    Ok((Arc::new(Access::new(rules, auditor)), Layer { stop, thread }))
}

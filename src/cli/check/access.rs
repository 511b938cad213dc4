//! Does this server ask who calls, and can anybody then change something?

use super::{Finding, Server};
use crate::access::{Mode, ModeSetting};

pub(super) fn access(server: &Server<'_>) -> Vec<Finding> {
    let auth = &server.config.auth;
    let listen = server.config.http.listen;
    let mode = server.config.access_mode(listen.ip());
    let mut findings = vec![match (mode, auth.mode) {
        (Mode::Token, _) => Finding::ok("callers need a token"),
        (Mode::Open, ModeSetting::Open) if !listen.ip().is_loopback() => Finding::warn(
            format!("auth.mode is \"open\": whoever reaches {listen} may switch power and delete devices"),
            "set auth.mode = \"token\", and `mozpool token create NAME --role admin` makes the first token",
        ),
        (Mode::Open, _) => Finding::ok(format!("whoever reaches {listen} may do everything")),
    }];
    if mode == Mode::Token && server.stored.as_ref().is_some_and(|stored| stored.admins == 0) {
        findings.push(Finding::warn(
            "there is no token of the role admin: nobody can change anything over the API",
            "`mozpool token create NAME --role admin` makes one",
        ));
    }
    if auth.proxy_header.is_some() && auth.proxies.is_empty() {
        findings.push(Finding::warn(
            "auth.proxy_header is set, and auth.proxies is not: no proxy is believed",
            "name the addresses of the reverse proxies in auth.proxies",
        ));
    }
    findings
}

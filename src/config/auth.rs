//! The section `[auth]`: whether this server asks who calls, and whom it believes.

use super::document::Document;
use super::{RETENTION_DAYS, empty_or};
use crate::access::ModeSetting;
use std::net::IpAddr;

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Whether callers are asked for a token.
    pub mode: ModeSetting,
    /// The audit log is kept so long.
    pub audit_days: u32,
    /// The header in which a reverse proxy names its user.
    pub proxy_header: Option<String>,
    /// The reverse proxies that are believed.
    pub proxies: Vec<IpAddr>,
}

pub(super) fn read(document: &mut Document<'_>) -> Auth {
    let mode = document.value(
        ("auth", "mode"),
        ModeSetting::Auto,
        "is not \"auto\", \"open\" or \"token\"",
        "\"auto\", \"open\" or \"token\"",
        |v| ModeSetting::parse(v.as_str()?),
    );
    let audit_days = document.number(("auth", "audit_days"), RETENTION_DAYS, 365);
    let proxy_header = document.value(
        ("auth", "proxy_header"),
        None,
        "is not the name of a header",
        "for example \"X-Remote-User\", or \"\" for none",
        |v| empty_or(v, header),
    );
    let proxies = document.value(
        ("auth", "proxies"),
        Vec::new(),
        "is not a list of IP addresses",
        "for example [\"127.0.0.1\", \"::1\"], or [] for none",
        |v| {
            let address = |text: &str| text.parse::<IpAddr>().ok().map(|a| a.to_canonical());
            v.as_array()?.iter().map(|a| address(a.get_ref().as_str()?)).collect::<Option<Vec<_>>>()
        },
    );
    Auth { mode, audit_days, proxy_header, proxies }
}

/// RFC 9110 section 5.1, and no header that means something already.
fn header(text: &str) -> Option<String> {
    const TAKEN: [&str; 7] =
        ["authorization", "cookie", "host", "origin", "x-csrf-token", "x-forwarded-for", "content-length"];
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_free = !TAKEN.contains(&text.to_ascii_lowercase().as_str());
    (text.len() <= 64 && text.chars().all(plain) && is_free).then(|| text.to_owned())
}

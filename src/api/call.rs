//! One HTTP call as the handlers see it: method, decoded path, query, the few headers that matter, the body.
//!
//! No socket and no HTTP library: what a handler gets can be written down in a test.

use crate::logic::lifeguard::BootToken;
use std::borrow::Cow;

/// The methods that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Read.
    Get,
    /// As `Get`, but only the header of the answer is sent.
    Head,
    /// Change.
    Post,
    /// Make it so, whether it is there or not.
    Put,
    /// Take it away.
    Delete,
    /// What may be done here?
    Options,
    /// Anything else.
    Other,
}

impl Verb {
    /// By the name that HTTP has for it, which is case-sensitive (RFC 9110 section 9.1).
    pub fn parse(method: &str) -> Self {
        let known = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Delete, Self::Options];
        known.into_iter().find(|verb| verb.name() == method).unwrap_or(Self::Other)
    }

    /// As HTTP writes it; empty for all others.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "",
        }
    }
}

/// A call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Method.
    pub verb: Verb,
    /// Path and query as they came, for redirects.
    pub target: String,
    /// `Origin` header.
    pub origin: Option<String>,
    /// `Sec-Fetch-Site` says `cross-site`: a browser calls for a page of another site, or for a link on it.
    pub is_cross_site: bool,
    /// `Host` header.
    pub host: Option<String>,
    /// `Content-Type` header.
    pub content_type: Option<String>,
    /// `Access-Control-Request-Headers` header.
    pub wants_headers: Option<String>,
    /// `If-None-Match` header: what the caller has already.
    pub if_none_match: Option<String>,
    /// `Accept` header.
    pub accept: Option<String>,
    /// `Last-Event-ID` header.
    pub last_event_id: Option<String>,
    /// `Mozpool-Boot` header: the boot token of a live system, if it is one. Not in the query, which reaches logs.
    pub boot: Option<BootToken>,
    /// Body.
    pub body: Vec<u8>,
    /// Who calls: an address.
    pub peer: String,
    /// What the call says of its caller.
    pub credentials: Credentials,
}

/// What a call says of its caller, as it came. It has secrets, so its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// `Authorization` header.
    pub authorization: Option<String>,
    /// `Cookie` header.
    pub cookies: Option<String>,
    /// `X-CSRF-Token` header.
    pub csrf: Option<String>,
    /// `X-Forwarded-For` headers.
    pub forwarded_for: Option<String>,
    /// The header in which a reverse proxy names its user; all of them, with commas, where there are several.
    pub proxy_user: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Credentials {
    /// The token of an `Authorization` header of the scheme `Bearer` (RFC 6750 section 2.1); other schemes are not ours.
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.authorization.as_deref()?.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
    }

    /// The value of a cookie (RFC 6265 section 4.2).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let pairs = self.cookies.as_deref()?.split([';', ',']);
        pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value)
    }
}

impl Call {
    /// A call without headers, body or sender.
    pub fn new(verb: Verb, target: impl Into<String>) -> Self {
        Self {
            verb,
            target: origin_form(target.into()),
            origin: None,
            is_cross_site: false,
            host: None,
            content_type: None,
            wants_headers: None,
            if_none_match: None,
            accept: None,
            last_event_id: None,
            boot: None,
            body: Vec::new(),
            peer: "(unknown)".into(),
            credentials: Credentials::default(),
        }
    }

    /// The path, still encoded.
    pub fn path(&self) -> &str {
        split_target(&self.target).0
    }

    /// The value of a query key; empty for a key without one. The first of several counts.
    pub fn query(&self, key: &str) -> Option<String> {
        split_target(&self.target).1.split('&').find_map(|pair| {
            let (k, v) = pair.split_once('=').unwrap_or((pair, ""));
            (decode_form(k) == key).then(|| decode_form(v).into_owned())
        })
    }

    /// The query has this key, and its value does not say no.
    pub fn says(&self, key: &str) -> bool {
        self.query(key).is_some_and(|v| !matches!(v.as_str(), "0" | "false" | "no"))
    }

    /// The query has this key, with any value or none.
    pub fn has(&self, key: &str) -> bool {
        self.query(key).is_some()
    }
}

/// Proxies send the whole URL (RFC 9112 section 3.2.2); only its path and query matter.
fn origin_form(target: String) -> String {
    // A path may have such a thing in it, but does not begin with a scheme, whose case does not matter (RFC 3986 section 3.1).
    let after = |scheme: &str| {
        let (begin, rest) = target.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let Some(rest) = after("http://").or_else(|| after("https://")) else { return target };
    // The host ends with whatever comes first (section 3.2).
    match rest.find(['/', '?', '#']) {
        Some(at) if rest[at..].starts_with('/') => rest[at..].to_owned(),
        Some(at) => format!("/{}", &rest[at..]),
        None => "/".to_owned(),
    }
}

fn split_target(target: &str) -> (&str, &str) {
    let target = target.split('#').next().unwrap_or_default();
    target.split_once('?').unwrap_or((target, ""))
}

fn decode_form(text: &str) -> Cow<'_, str> {
    if text.contains('+') { Cow::Owned(decode(&text.replace('+', " ")).into_owned()) } else { decode(text) }
}

/// Resolves `%41`; what is no such escape stands for itself, and bytes that are not UTF-8 become `U+FFFD`, which names nothing.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
        match (first, after) {
            (b'%', [hi, lo, tail @ ..]) if hex(*hi).is_some() && hex(*lo).is_some() => {
                bytes.push(hex(*hi).unwrap_or_default() << 4 | hex(*lo).unwrap_or_default());
                rest = tail;
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_key_counts_with_any_value() {
        let call = Call::new(Verb::Get, "/api/x?details&a=1&b%20c=d+e%2Bf&a=2&=z");
        assert_eq!(call.path(), "/api/x");
        assert_eq!(call.query("details").as_deref(), Some(""));
        assert_eq!(call.query("a").as_deref(), Some("1"));
        assert_eq!(call.query("b c").as_deref(), Some("d e+f"));
        assert!(!call.has("c") && !Call::new(Verb::Get, "/x").has("details"));
    }

    #[test]
    fn escapes_are_resolved_and_nonsense_stands_for_itself() {
        for (text, want) in [
            ("panda-0001", "panda-0001"),
            ("%70anda%2F1", "panda/1"),
            ("100%", "100%"),
            ("%4", "%4"),
            ("%zz%41", "%zzA"),
            ("%ff", "\u{fffd}"),
            ("%c3%a9", "é"),
        ] {
            assert_eq!(decode(text), want);
        }
    }

    #[test]
    fn a_whole_url_is_cut_to_its_path() {
        assert_eq!(Call::new(Verb::Get, "http://host:80/api/version?x").target, "/api/version?x");
        assert_eq!(Call::new(Verb::Get, "http://host").path(), "/");
        assert_eq!(Call::new(Verb::Get, "HTTPS://host/x").path(), "/x");
        for target in ["http://host?x=/api/device/list", "http://host#/api/device/list"] {
            assert_eq!(Call::new(Verb::Get, target).path(), "/", "{target}");
        }
        assert_eq!(Call::new(Verb::Get, "http://host?x=/y").query("x").as_deref(), Some("/y"));
        assert_eq!(Call::new(Verb::Get, "/http://host/x").path(), "/http://host/x");
    }
}

//! Whose resource it is, and whose web page may change it.
//!
//! A device, a request or a relay board belongs to one imaging server; changing it elsewhere is answered with a redirect to its
//! owner: 302 for GET, as the original did, and 307 for the others, which keeps method and body (RFC 9110 section 15.4.8). A web
//! page may change things here if it comes from this server or from one of the pool (CORS, Fetch standard section 3.2).

use super::call::{Call, Verb};
use super::reply::{ApiError, Reply, Result};
use crate::access::Place;
use crate::store::ServerRow;

/// Which server in the pool answers. The others redirect to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Every one: reads.
    Any,
    /// The imaging server of the device in the path.
    DeviceServer,
    /// The server that took the request in the path.
    RequestServer,
    /// The same; every one, while that server is gone.
    RequestServerWhileThere,
    /// The imaging server of the relay board in the path.
    BoardServer,
}

/// Sends the caller to `owner`, with path and query as they came.
pub fn redirect(call: &Call, owner: &str, servers: &[ServerRow]) -> Result<Reply> {
    // A server that has never been started is known by name alone.
    let Some(server) = servers.iter().find(|s| s.name == owner && !s.url.is_empty()) else {
        return Err(ApiError::OwnerUnknown { server: owner.to_owned() });
    };
    let status = match call.verb {
        Verb::Get | Verb::Head => 302,
        Verb::Post | Verb::Put | Verb::Delete | Verb::Options | Verb::Other => 307,
    };
    let location = format!("{}{}", server.url, escape(&call.target));
    Ok(Reply::empty(status).with("Location", location))
}

/// A target as it came may hold bytes that must not stand in a header.
pub(super) fn escape(target: &str) -> String {
    let mut out = String::with_capacity(target.len());
    for byte in target.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A server's URL as a source in a page's policy (Content Security Policy Level 3, section 2.3.1): scheme, host and port, and nothing
/// that could say more.
pub fn source(url: &str) -> Option<String> {
    let Place { host, port } = Place::of_url(url)?;
    let (scheme, _) = url.split_once("://")?;
    Some(format!("{}://{host}:{}", scheme.to_ascii_lowercase(), port?))
}

/// The call's `Origin`, if it has one.
///
/// # Errors
/// [`ApiError::ForeignOrigin`] for a page that is neither ours nor a known imaging server's.
pub fn check_origin<'c>(call: &'c Call, servers: &[ServerRow]) -> Result<Option<&'c str>> {
    let Some(text) = call.origin.as_deref() else {
        // A link or a picture of another site has no origin, and browsers say whose it is, to this machine and by https (Fetch
        // Metadata Request Headers, section 2.4). Servers of the pool may be other sites, but their pages' calls have an origin.
        return if call.is_cross_site {
            Err(ApiError::ForeignOrigin { origin: "another site".to_owned() })
        } else {
            Ok(None)
        };
    };
    let known = Place::of_url(text).is_some_and(|from| {
        same_as_host(text, &from, call.host.as_deref())
            || servers.iter().any(|s| {
                Place::of_url(&s.url).is_some_and(|url| {
                    url == from || (url.port == from.port && from.host == s.name.to_ascii_lowercase())
                })
            })
    });
    if known {
        Ok(Some(text))
    } else {
        Err(ApiError::ForeignOrigin { origin: text.chars().take(200).collect() })
    }
}

/// The page was fetched from where it now posts to: browsers send `Origin` then too.
fn same_as_host(text: &str, from: &Place, host: Option<&str>) -> bool {
    let Some(host) = host.and_then(Place::of_authority) else { return false };
    let usual = if text.get(..6).is_some_and(|s| s.eq_ignore_ascii_case("https:")) { 443 } else { 80 };
    host.host == from.host && Some(host.port.unwrap_or(usual)) == from.port
}

/// Tells the browser that the page from `origin` may see this answer.
pub fn allow(reply: Reply, origin: Option<&str>) -> Reply {
    match origin {
        Some(origin) => reply.with("Access-Control-Allow-Origin", origin).with("Vary", "Origin"),
        None => reply,
    }
}

/// Seconds for which a browser may remember a preflight's answer; Chromium keeps none for longer than two hours.
const PREFLIGHT_MAX_AGE_S: &str = "7200";

/// The answer to a preflight for a path that takes `methods`.
pub fn preflight(call: &Call, methods: &str, origin: Option<&str>) -> Reply {
    let reply = Reply::empty(204).with("Allow", methods);
    if origin.is_none() {
        return reply;
    }
    let headers = call.wants_headers.as_deref().unwrap_or("Content-Type");
    let safe = headers.chars().all(|c| c.is_ascii_alphanumeric() || "-, ".contains(c));
    allow(reply, origin)
        .with("Access-Control-Allow-Methods", methods)
        .with("Access-Control-Allow-Headers", if safe { headers } else { "Content-Type" })
        .with("Access-Control-Max-Age", PREFLIGHT_MAX_AGE_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> Vec<ServerRow> {
        vec![
            ServerRow { name: "img1.lab".into(), url: "http://img1.lab:8080".into() },
            ServerRow { name: "img2.lab".into(), url: "http://10.0.0.2".into() },
            ServerRow { name: "img4.lab".into(), url: String::new() },
        ]
    }

    fn from(origin: &str, host: &str) -> Call {
        let mut call = Call::new(Verb::Post, "/api/x");
        call.origin = Some(origin.into());
        call.host = Some(host.into());
        call
    }

    #[test]
    fn known_servers_and_ourselves_may() {
        for (origin, host) in [
            ("http://img1.lab:8080", "img2.lab"),
            ("HTTP://IMG1.LAB:8080", "img2.lab"),
            ("https://img1.lab:8080", "img2.lab"),
            ("http://10.0.0.2", "img1.lab:8080"),
            ("http://10.0.0.2:80", "img1.lab:8080"),
            ("http://img2.lab", "img1.lab:8080"),
            ("http://localhost:9000", "localhost:9000"),
            ("http://short", "SHORT:80"),
            ("https://short", "short"),
            ("http://[::1]:9000", "[::1]:9000"),
        ] {
            assert_eq!(
                check_origin(&from(origin, host), &servers()).unwrap(),
                Some(origin),
                "{origin} at {host}"
            );
        }
        assert_eq!(check_origin(&Call::new(Verb::Post, "/"), &servers()).unwrap(), None);
    }

    #[test]
    fn others_may_not() {
        for (origin, host) in [
            ("http://evil.example", "img1.lab:8080"),
            ("http://img1.lab", "img1.lab:8080"),
            ("http://img1.lab:8080.evil.example", "x"),
            ("http://evil.example/http://img1.lab:8080", "x"),
            ("http://img1.lab:8080@evil.example", "x"),
            ("https://10.0.0.2", "x"),
            ("ftp://img1.lab:8080", "x"),
            ("null", "null"),
            ("", ""),
            ("http://", ""),
            ("http://a:b", "a:b"),
        ] {
            let error = check_origin(&from(origin, host), &servers()).unwrap_err();
            assert_eq!(error.status(), 403, "{origin} at {host}");
        }
    }

    #[test]
    fn links_and_pictures_of_other_sites_may_not() {
        let call = Call { is_cross_site: true, ..Call::new(Verb::Get, "/api/device/x/power-off") };
        assert_eq!(check_origin(&call, &servers()).unwrap_err().status(), 403);
        let call = Call { is_cross_site: true, ..from("http://img1.lab:8080", "10.0.0.2") };
        assert!(check_origin(&call, &servers()).is_ok(), "a page of the pool");
    }

    #[test]
    fn a_redirect_keeps_path_and_query_and_nothing_breaks_out_of_its_header() {
        let mut call = Call::new(Verb::Post, "/api/device/a%20b/x/?q=1&r=%2F\r\nSet-Cookie: a");
        let reply = redirect(&call, "img2.lab", &servers()).unwrap();
        assert_eq!(reply.status, 307);
        assert_eq!(
            reply.headers,
            [("Location", "http://10.0.0.2/api/device/a%20b/x/?q=1&r=%2F%0D%0ASet-Cookie:%20a".to_owned())]
        );
        call.verb = Verb::Get;
        assert_eq!(redirect(&call, "img1.lab", &servers()).unwrap().status, 302);
        for unknown in ["img3.lab", "img4.lab"] {
            assert_eq!(redirect(&call, unknown, &servers()).unwrap_err().status(), 503);
        }
    }
}

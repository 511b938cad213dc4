//! What is below `/ui/`: the page itself for every path that a person may have typed or kept, and the files that it is made of.
//!
//! Files are asked for below `/ui/-/VERSION/`, where the version comes from the bytes of all of them. So whatever carries the
//! present version may be kept by browsers for good, modules find each other by relative paths, and an upgrade changes every
//! address at once. A debug build reads the files from the source tree, and what is edited there shows at the next reload.

use crate::api::call::{Call, Verb};
use crate::api::owner;
use crate::api::reply::{ApiError, Reply, Result};
use crate::store::ServerRow;
use rust_embed::{EmbeddedFile, RustEmbed};
use std::fmt::Write;

/// Every path of the page begins so.
pub const PREFIX: &str = "/ui/";

/// Between [`PREFIX`] and the version.
const FILES: &str = "/ui/-/";

/// The page. `{base}` in it is where its files are, `{preload}` the modules that every page needs.
const INDEX: &str = "index.html";

/// Folders whose modules every page needs: they are named in the page's head and loaded side by side, instead of one import
/// after the other.
const PRELOADED: &[&str] = &["core/", "parts/"];

/// Nothing from elsewhere, nothing inline, in nobody's frame; calls go to this server and to those of its pool, for it redirects to
/// them what is theirs. Devices' texts are never markup; should that fail once, this keeps a script in them from running.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{pool}; \
                      font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A year, in seconds: as long as RFC 9111 section 5.2.2.1 thinks sensible.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";
const ASK_AGAIN: &str = "no-cache";

#[derive(RustEmbed)]
#[folder = "src/ui/assets/"]
struct Assets;

/// Whether a call is for the page.
pub fn is_ours(call: &Call) -> bool {
    let path = call.path();
    path == "/" || path == PREFIX.trim_end_matches('/') || path.starts_with(PREFIX)
}

/// Answers a call for which [`is_ours`]. `pool` are the servers whose API the page may be sent to.
///
/// # Errors
/// A file that is not there, or a method that reads nothing.
pub fn answer(call: &Call, pool: &[ServerRow]) -> Result<Reply> {
    match call.verb {
        Verb::Get | Verb::Head => {}
        Verb::Options => return Ok(owner::preflight(call, "GET, HEAD, OPTIONS", None)),
        Verb::Post | Verb::Put | Verb::Delete | Verb::Other => {
            return Err(ApiError::MethodNotAllowed { allow: "GET, HEAD, OPTIONS".into() });
        }
    }
    let path = call.path();
    if !path.starts_with(PREFIX) {
        return Ok(Reply::empty(302).with("Location", PREFIX));
    }
    let Some(versioned) = path.strip_prefix(FILES) else {
        return Ok(page(pool));
    };
    let (asked, name) = versioned.split_once('/').ok_or(ApiError::NoSuchPath)?;
    let file = Assets::get(name).filter(|_| name != INDEX).ok_or(ApiError::NoSuchPath)?;
    let kept = if asked == version() { FOR_GOOD } else { ASK_AGAIN };
    Ok(secured(whole(file, name)).with("Cache-Control", kept))
}

/// The same page for all paths: which of its views is shown, it decides itself.
fn page(pool: &[ServerRow]) -> Reply {
    let index = Assets::get(INDEX).expect("the program is built with its page");
    let text = String::from_utf8_lossy(&index.data);
    let base = format!("{FILES}{}", version());
    let text = text.replace("{preload}", &preload(&base)).replace("{base}", &base);
    let headers = vec![("Content-Type", type_of(INDEX).to_owned())];
    secured(Reply { headers, ..Reply::text(text) })
        .with("Cache-Control", ASK_AGAIN)
        .with("Content-Security-Policy", policy(pool))
}

fn policy(pool: &[ServerRow]) -> String {
    let sources = pool.iter().filter_map(|server| owner::source(&server.url));
    POLICY.replace("{pool}", &sources.fold(String::new(), |all, source| all + " " + &source))
}

fn preload(base: &str) -> String {
    let mut names: Vec<_> = Assets::iter()
        .filter(|name| name.ends_with(".js") && PRELOADED.iter().any(|folder| name.starts_with(folder)))
        .collect();
    names.sort_unstable();
    names.iter().fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "<link rel=\"modulepreload\" href=\"{base}/{name}\">");
        text
    })
}

fn whole(file: EmbeddedFile, name: &str) -> Reply {
    let headers = vec![("Content-Type", type_of(name).to_owned())];
    Reply { headers, ..Reply::text(file.data.into_owned()) }
}

fn secured(reply: Reply) -> Reply {
    reply.with("X-Content-Type-Options", "nosniff").with("Referrer-Policy", "same-origin")
}

fn type_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, end)| end) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "webmanifest" => "application/json; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// From the bytes of all files, by FNV-1a over their SHA-256 sums: short enough for an address, and it only has to differ.
fn version() -> String {
    let mut names: Vec<_> = Assets::iter().collect();
    names.sort_unstable();
    let sums = names.iter().filter_map(|name| Some((name, Assets::get(name)?.metadata.sha256_hash())));
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for (name, hash) in sums {
        for byte in name.bytes().chain(hash) {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{sum:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Result<Reply> {
        answer(&Call::new(Verb::Get, path), &[])
    }

    fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
        reply.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    fn text(reply: &Reply) -> String {
        String::from_utf8(reply.bytes().to_vec()).unwrap()
    }

    #[test]
    fn the_root_leads_to_the_page_and_all_paths_below_are_the_page() {
        for path in ["/", "/ui"] {
            let reply = get(path).unwrap();
            assert_eq!((reply.status, header(&reply, "Location")), (302, Some("/ui/")));
        }
        let page = get("/ui/").unwrap();
        assert_eq!(header(&page, "Cache-Control"), Some(ASK_AGAIN));
        for path in ["/ui/devices/board-001", "/ui/devices/a%2Fb?q=1"] {
            assert_eq!(get(path).unwrap(), page, "{path}");
        }
        for path in ["/uix", "/api/", "/files/x"] {
            assert!(!is_ours(&Call::new(Verb::Get, path)), "{path}");
        }
    }

    #[test]
    fn every_file_that_the_page_names_is_there_and_kept_for_good() {
        let page = text(&get("/ui/").unwrap());
        assert!(!page.contains('{'), "all places are filled in: {page}");
        let named: Vec<&str> = page.split('"').filter(|part| part.starts_with(FILES)).collect();
        assert!(named.len() > 10, "{named:?}");
        for path in named {
            let file = get(path).unwrap();
            assert_eq!(header(&file, "Cache-Control"), Some(FOR_GOOD), "{path}");
            assert_ne!(header(&file, "Content-Type"), Some(type_of("")), "{path}");
            assert_eq!(header(&file, "X-Content-Type-Options"), Some("nosniff"));
        }
    }

    #[test]
    fn another_version_is_answered_and_not_kept() {
        let file = get("/ui/-/0/main.js").unwrap();
        assert_eq!(header(&file, "Cache-Control"), Some(ASK_AGAIN));
    }

    #[test]
    fn what_is_not_ours_is_not_there() {
        for path in [
            "/ui/-/",
            "/ui/-/x",
            "/ui/-/x/",
            "/ui/-/x/index.html",
            "/ui/-/x/../mod.rs",
            "/ui/-/x//etc/passwd",
        ] {
            assert!(matches!(get(path), Err(ApiError::NoSuchPath)), "{path}");
        }
        let post = answer(&Call::new(Verb::Post, "/ui/"), &[]);
        assert!(matches!(post, Err(ApiError::MethodNotAllowed { .. })));
    }

    #[test]
    fn the_policy_allows_no_script_but_ours() {
        let page = get("/ui/").unwrap();
        let policy = header(&page, "Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(policy.contains(" connect-src 'self'; "), "{policy}");
        assert!(!text(&page).contains("<script>"), "no script stands in the page itself");
    }

    #[test]
    fn the_policy_lets_calls_go_to_the_servers_of_the_pool() {
        let server = |url: &str| ServerRow { name: "s".into(), url: url.into() };
        let pool = [
            "http://img1.lab:8080",
            "https://IMG2.lab/",
            "",
            "ftp://img3.lab",
            "http://a; script-src *",
            "http://a/b",
        ];
        let page = answer(&Call::new(Verb::Get, "/ui/"), &pool.map(server)).unwrap();
        let policy = header(&page, "Content-Security-Policy").unwrap();
        assert!(
            policy.contains(" connect-src 'self' http://img1.lab:8080 https://img2.lab:443; font-src"),
            "{policy}"
        );
    }
}

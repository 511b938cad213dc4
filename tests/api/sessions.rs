//! Pages that are logged in, users whom a reverse proxy names, tickets between servers, streams of somebody whose token is gone.

use crate::client::{Answer, connect};
use crate::rights::{asking, audit, bearer, token};
use crate::world::{NOW, Options, World, start_with};
use mozpool::access::{Errand, Mode, Role, Ticket, Wish, split_ticket, with_ticket};
use mozpool::api::access::{Rules, cookie_name};
use mozpool::clock::Timestamp;
use mozpool::seal::Secret;
use mozpool::store::TokenRow;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const POWER_OFF: &str = "/api/device/panda-0001/power-off";

struct Page<'w> {
    world: &'w World,
    cookie: String,
    csrf: String,
}

fn log_in<'w>(world: &'w World, token: &str) -> Page<'w> {
    let answer = world.post("/api/session", &format!(r#"{{"token":"{token}"}}"#));
    assert_eq!(answer.status, 200, "{}", answer.line());
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    let (value, rest) = cookie.split_once(';').unwrap();
    assert_eq!(rest, " Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
    let csrf = answer.json()["csrf"].as_str().unwrap().to_owned();
    assert!(!cookie.contains(&csrf));
    Page { world, cookie: format!("Cookie: a=b; {value}; c=d"), csrf }
}

impl Page<'_> {
    fn call(&self, method: &str, target: &str) -> Answer {
        self.world.call(method, target, &[&self.cookie, &format!("X-CSRF-Token: {}", self.csrf)], b"")
    }

    fn call_without(&self, method: &str, target: &str) -> Answer {
        self.world.call(method, target, &[&self.cookie], b"")
    }
}

#[test]
fn a_page_logs_in_and_says_with_each_change_that_it_is_no_other_page() {
    let world = asking();
    let secret = token(&world, "ann", Role::Operator, &[], None);
    let nobody = world.get("/api/session");
    assert_eq!(
        nobody.line(),
        r#"200 {"mode":"token","name":null,"role":null,"environments":[],"csrf":null,"expires":null}"#
    );
    let page = log_in(&world, &secret);
    let session = page.call_without("GET", "/api/session");
    let expires = session.json()["expires"].as_str().unwrap().to_owned();
    assert_eq!(expires, "2026-11-22T23:49:06.581Z");
    assert_eq!(session.json()["csrf"].as_str(), Some(page.csrf.as_str()));
    assert_eq!(page.call_without("GET", "/api/device/list").status, 200);
    for (method, target) in [("POST", POWER_OFF), ("GET", POWER_OFF), ("DELETE", "/api/session")] {
        assert_eq!(
            page.call_without(method, target).error(),
            (403, "no_csrf_token".into()),
            "{method} {target}"
        );
        let wrong = [page.cookie.as_str(), "X-CSRF-Token: x"];
        assert_eq!(world.call(method, target, &wrong, b"").status, 403);
    }
    assert!(world.heard_nothing());
    assert_eq!(page.call("POST", POWER_OFF).status, 200);
    let by_token = world.call("POST", POWER_OFF, &[&bearer(&secret)], b"");
    assert_eq!(by_token.status, 200, "no page can make a browser send a token");
    assert_eq!(bearer_session(&world, &secret)["name"].as_str(), Some("ann"));
    let out = page.call("DELETE", "/api/session");
    assert_eq!(out.status, 204);
    assert!(
        out.header("set-cookie").unwrap().contains("mozpool_session=; ")
            && out.header("set-cookie").unwrap().contains("Max-Age=0")
    );
    assert_eq!(page.call("GET", "/api/device/list").status, 401);
}

fn bearer_session(world: &World, secret: &str) -> serde_json::Value {
    world.call("GET", "/api/session", &[&bearer(secret)], b"").json()
}

#[test]
fn a_session_ends_after_twelve_hours_and_with_its_token() {
    let world = asking();
    let (ann, bob) =
        (token(&world, "ann", Role::Admin, &[], None), token(&world, "bob", Role::Viewer, &[], None));
    let (page, other) = (log_in(&world, &bob), log_in(&world, &ann));
    assert_eq!(page.call("GET", "/api/device/list").status, 200);
    assert_eq!(other.call("DELETE", "/api/token/bob").status, 204);
    assert_eq!(page.call("GET", "/api/device/list").status, 401);
    // Whoever is given the name next is somebody else.
    token(&world, "bob", Role::Viewer, &[], None);
    assert_eq!(page.call("GET", "/api/device/list").status, 401);
    world.clock.advance_ms(12 * 3_600_000 - 1);
    assert_eq!(other.call("GET", "/api/device/list").status, 200);
    world.clock.advance_ms(1);
    assert_eq!(other.call("GET", "/api/device/list").status, 401);
    assert_eq!(log_in(&world, &ann).call("GET", "/api/device/list").status, 200);
}

#[test]
fn who_logs_in_anew_ends_the_session_of_before() {
    let world = asking();
    let (ann, bob) =
        (token(&world, "ann", Role::Admin, &[], None), token(&world, "bob", Role::Viewer, &[], None));
    let page = log_in(&world, &ann);
    let wrong = world.call("POST", "/api/session", &[&page.cookie], br#"{"token":"x"}"#);
    assert_eq!(wrong.status, 401);
    assert_eq!(page.call("GET", "/api/device/list").status, 200, "nobody has logged in");
    let body = format!(r#"{{"token":"{bob}"}}"#);
    assert_eq!(world.call("POST", "/api/session", &[&page.cookie], body.as_bytes()).status, 200);
    assert_eq!(page.call("GET", "/api/device/list").status, 401);
}

#[test]
fn a_cookie_of_https_is_one_that_only_the_host_itself_can_give() {
    assert_eq!(cookie_name("http://pool.lab:8080"), "mozpool_session");
    assert_eq!(cookie_name("https://pool.lab"), "__Host-mozpool_session");
}

#[test]
fn a_session_is_known_to_every_server_with_the_same_store() {
    let world = asking();
    let ann = token(&world, "ann", Role::Viewer, &[], None);
    let (cookie, csrf) = {
        let page = log_in(&world, &ann);
        (page.cookie, page.csrf)
    };
    let world = world.again_with(&Options { rules: Rules::of(Mode::Token), ..Options::default() });
    assert_eq!(Page { world: &world, cookie, csrf }.call("GET", "/api/device/list").status, 200);
}

#[test]
fn who_guesses_is_slowed_down() {
    let world = asking();
    let ann = token(&world, "ann", Role::Admin, &[], None);
    let body = r#"{"token":"mzp_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBww"}"#;
    for n in 0..10 {
        assert_eq!(world.post("/api/session", body).error(), (401, "unauthorized".into()), "{n}");
    }
    let right = format!(r#"{{"token":"{ann}"}}"#);
    let refused = world.post("/api/session", &right);
    assert_eq!(
        (refused.error(), refused.header("retry-after")),
        ((429, "too_many_tries".into()), Some("60"))
    );
    world.clock.advance_ms(60_000);
    assert_eq!(world.post("/api/session", &right).status, 200);
    let told = audit(&world, &ann, "what=session");
    assert_eq!(told[0], "(unknown)   127.0.0.1 POST /api/session 401 - -");
    assert_eq!(told.last().unwrap(), "ann admin session 127.0.0.1 POST /api/session 200 - -");
    assert!(told.iter().all(|entry| !entry.contains("mzp_")));
}

/// A server behind a proxy on this machine.
fn behind_a_proxy(proxies: &[&str]) -> World {
    let proxies = proxies.iter().map(|a| a.parse().unwrap()).collect();
    let rules = Rules { proxy_header: Some("X-Remote-User".into()), proxies, ..Rules::of(Mode::Token) };
    let world = start_with(&Options { rules, ..Options::default() });
    let wish =
        Wish { name: "ann@lab".into(), role: Role::Operator, environments: vec![], days: None, proxy: true };
    let row = TokenRow::new(wish.checked().unwrap(), Timestamp(NOW));
    assert!(world.location.open().unwrap().make_token(&row, None).unwrap());
    world
}

#[test]
fn a_proxy_that_is_trusted_names_users_and_addresses() {
    let world = behind_a_proxy(&["127.0.0.1", "10.0.0.9"]);
    let admin = token(&world, "boss", Role::Admin, &[], None);
    let user = "X-Remote-User: ann@lab";
    let session = world.call("GET", "/api/session", &[user], b"").json();
    assert_eq!((session["name"].as_str(), session["role"].as_str()), (Some("ann@lab"), Some("operator")));
    let csrf = format!("X-CSRF-Token: {}", session["csrf"].as_str().unwrap());
    assert_eq!(
        world.call("POST", POWER_OFF, &[user], b"").status,
        403,
        "a foreign page cannot send the header"
    );
    let forwarded = "X-Forwarded-For: 1.2.3.4, 192.0.2.7, 10.0.0.9";
    let force = "/api/device/panda-0001/state-change/ready/to/locked_out";
    assert_eq!(world.call("POST", force, &[user, &csrf, forwarded], b"").status, 200);
    assert!(world.heard().contains(r#"who: "ann@lab""#), "logs name who it was, and not the proxy");
    assert_eq!(world.call("POST", POWER_OFF, &[user, &csrf, forwarded], b"").status, 200);
    for wrong in [
        &["X-Remote-User: eve"][..],
        &["X-Remote-User: boss"],
        &[user, "X-Remote-User: boss"],
        &["X-Remote-User: a b"],
    ] {
        assert_eq!(world.call("GET", "/api/device/list", wrong, b"").status, 401, "{wrong:?}");
    }
    assert_eq!(
        world.call("GET", "/api/device/list", &["X-Remote-User: boss", &bearer(&admin)], b"").status,
        200
    );
    let told = audit(&world, &admin, "who=ann@lab");
    assert_eq!(
        told.last().unwrap(),
        &format!("ann@lab operator proxy 192.0.2.7 POST {POWER_OFF} 200 panda-0001 -")
    );

    let world = behind_a_proxy(&["10.0.0.9"]);
    assert_eq!(
        world.call("GET", "/api/device/list", &[user], b"").status,
        401,
        "from anywhere else it means nothing"
    );
}

#[test]
fn a_page_that_is_sent_to_another_server_has_a_ticket_for_it() {
    let pool = "0123456789abcdef";
    let options =
        || Options { rules: Rules::of(Mode::Token), pool_secret: Some(pool.into()), ..Options::default() };
    let world = start_with(&options());
    let ann = token(&world, "ann", Role::Operator, &[], None);
    let page = log_in(&world, &ann);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, pool).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let secret = Secret::read(&path).unwrap();

    let sent = page.call("POST", "/api/device/panda-0003/power-off?x=%20");
    assert_eq!(sent.status, 307);
    let location = sent.header("location").unwrap();
    let target = location.strip_prefix("http://img2.lab:8080").unwrap();
    let (rest, ticket) = split_ticket(target).unwrap();
    assert_eq!(rest, "/api/device/panda-0003/power-off?x=%20");
    let errand = Errand { method: "POST", target: rest, body: b"" };
    assert_eq!(Ticket::open(ticket, &secret, errand, NOW), Some("ann"));
    let sent = world.call("POST", "/api/device/panda-0003/power-off", &[&bearer(&ann)], b"");
    assert!(!sent.header("location").unwrap().contains("ticket"), "a client sends its token again");

    // And here comes one from there.
    let ticket = |name, method, target| {
        let ticket = Ticket { name, errand: Errand { method, target, body: b"" } };
        with_ticket(target, &ticket.seal(&secret, NOW + 30_000))
    };
    assert_eq!(world.post(&ticket("ann", "POST", POWER_OFF), "").status, 200);
    assert_eq!(world.get(&ticket("ann", "POST", POWER_OFF)).status, 401, "for another method");
    assert_eq!(world.post(&ticket("eve", "POST", POWER_OFF), "").status, 401, "of nobody");
    let other = ticket("ann", "POST", POWER_OFF).replace("panda-0001", "panda-0002");
    assert_eq!(world.post(&other, "").status, 401, "for another device");
    assert_eq!(
        world.post(&ticket("ann", "POST", "/api/lab/import"), "").status,
        403,
        "with rights of theirs"
    );
    assert_eq!(world.post(&ticket("ann", "POST", POWER_OFF), "{}").status, 401, "with another body");
    let there = ticket("ann", "POST", "/api/device/panda-0003/power-off");
    world.clock.advance_ms(1000);
    let sent = world.post(&there, "");
    assert_eq!(
        sent.header("location"),
        Some(format!("http://img2.lab:8080{there}").as_str()),
        "a ticket is not prolonged"
    );
    world.clock.advance_ms(29_000);
    assert_eq!(world.post(&ticket("ann", "POST", POWER_OFF), "").status, 401, "too late");
    let admin = token(&world, "boss", Role::Admin, &[], None);
    let told = audit(&world, &admin, "who=ann&what=power-off");
    assert_eq!(told, [format!("ann operator ticket 127.0.0.1 POST {POWER_OFF} 200 panda-0001 -")]);
}

#[test]
fn streams_end_with_the_token_of_who_listens() {
    let rules = Rules { recheck: Duration::from_millis(50), ..Rules::of(Mode::Token) };
    let world = start_with(&Options { rules, silence: Duration::from_millis(800), ..Options::default() });
    let ann = token(&world, "ann", Role::Viewer, &[], None);
    let streams: Vec<_> = ["/api/events?stream=1", "/api/device/panda-0001/log?follow=1"]
        .into_iter()
        .map(|path| {
            let mut stream = connect(world.addr);
            let head =
                format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n\r\n", bearer(&ann));
            stream.write_all(head.as_bytes()).unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).unwrap();
            assert_eq!(&first, b"HTTP/1.1 200");
            stream
        })
        .collect();
    world.location.open().unwrap().revoke_token("ann").unwrap();
    for mut stream in streams {
        let (mut rest, begun) = (String::new(), Instant::now());
        let mut piece = [0; 4096];
        loop {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not end: {rest}");
            match stream.read(&mut piece).unwrap() {
                0 => break,
                read => rest.push_str(std::str::from_utf8(&piece[..read]).unwrap()),
            }
        }
        assert!(rest.ends_with("0\r\n\r\n"), "it ends as streams do: {rest}");
    }
}

#[test]
fn who_waits_for_changes_is_told_none_that_happen_after_their_token_is_gone() {
    let rules = Rules { recheck: Duration::from_millis(50), ..Rules::of(Mode::Token) };
    let world = start_with(&Options { rules, ..Options::default() });
    let ann = token(&world, "ann", Role::Viewer, &[], None);
    let last = world.call("GET", "/api/events?timeout=0", &[&bearer(&ann)], b"").json()["last"].to_string();
    world.location.open().unwrap().revoke_token("ann").unwrap();
    // It is still known for a moment, and so begins to wait.
    let answer = world.call("GET", &format!("/api/events?after={last}&timeout=1"), &[&bearer(&ann)], b"");
    assert_eq!(answer.error(), (401, "unauthorized".into()));
}

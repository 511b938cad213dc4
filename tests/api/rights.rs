//! Who may make which call: a golden table over all routes and roles, environments, what is refused and how, and what is written
//! down of it.

use crate::client::{Answer, connect, parse};
use crate::contract::{Whose, good_body, target};
use crate::world::{Options, World, start, start_with};
use mozpool::access::{Mode, Role, Secret, Wish};
use mozpool::api::access::Rules;
use mozpool::api::openapi::method;
use mozpool::api::routes::ROUTES;
use mozpool::clock::Timestamp;
use mozpool::store::TokenRow;
use std::collections::BTreeMap;
use std::io::{Read, Write};

/// A server that asks who calls.
pub(crate) fn asking() -> World {
    start_with(&Options { rules: Rules::of(Mode::Token), ..Options::default() })
}

/// Makes a token behind the server's back, as the command line does.
pub(crate) fn token(
    world: &World,
    name: &str,
    role: Role,
    environments: &[&str],
    days: Option<i64>,
) -> String {
    let environments = environments.iter().map(|e| (*e).to_owned()).collect();
    let wish = Wish { name: name.into(), role, environments, days, proxy: false }.checked().unwrap();
    let secret = Secret::new().unwrap();
    let row = TokenRow::new(wish, Timestamp(crate::world::NOW));
    assert!(world.location.open().unwrap().make_token(&row, Some(&secret.digest())).unwrap());
    secret.token_text()
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

impl World {
    fn call_as(&self, token: &str, method: &str, target: &str, body: &str) -> Answer {
        self.call(method, target, &[&bearer(token)], body.as_bytes())
    }
}

/// The entries of the audit log, oldest first: who, role, via, method, path, status, device, request.
pub(crate) fn audit(world: &World, admin: &str, query: &str) -> Vec<String> {
    let answer = world.call_as(admin, "GET", &format!("/api/audit?{query}"), "");
    assert_eq!(answer.status, 200, "{}", answer.line());
    let text = |entry: &serde_json::Value, key: &str| match &entry[key] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => "-".into(),
        other => other.to_string(),
    };
    let keys = ["who", "role", "via", "from", "method", "path", "status", "device", "request"];
    let line = |entry| keys.map(|key| text(entry, key)).join(" ");
    answer.json()["entries"].as_array().unwrap().iter().rev().map(line).collect()
}

/// Per route: what nobody, a viewer, a requester, an operator, an admin and a server are told. `+` is let through.
const GOLDEN: &str = include_str!("rights.txt");

#[test]
fn every_route_is_for_whom_it_is_for() {
    let world = asking();
    let tokens: Vec<Option<String>> = std::iter::once(None)
        .chain(Role::ALL.iter().map(|role| Some(token(&world, role.name(), *role, &[], None))))
        .collect();
    let mut table = String::new();
    for route in ROUTES {
        let verb = method(route.verb).to_uppercase();
        let told = tokens.iter().map(|token| {
            let header = token.as_deref().map(bearer);
            let headers: Vec<&str> = header.as_deref().into_iter().collect();
            // Nothing is there, so nothing is done: who may not is told before that.
            let answer =
                world.call(&verb, &target(route, Whose::Nobodys), &headers, good_body(route).as_bytes());
            match answer.status {
                401 | 403 => answer.status.to_string(),
                _ => "  +".into(),
            }
        });
        let told: Vec<String> = told.collect();
        table.push_str(&format!("{verb:<6} {:<56} {}\n", route.path, told.join(" ")));
    }
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/rights.txt");
    if std::env::var_os("WRITE_RIGHTS").is_some() {
        std::fs::write(&golden, &table).unwrap();
    }
    assert_eq!(
        table, GOLDEN,
        "if that is meant, WRITE_RIGHTS=1 writes the table, and CHANGELOG.md says what users must do"
    );
}

#[test]
fn who_is_not_known_is_told_how_to_be() {
    let world = asking();
    let good = token(&world, "ann", Role::Admin, &[], None);
    let short = token(&world, "old", Role::Admin, &[], Some(1));
    let challenge = Some("Bearer realm=\"mozpool\"");
    let nobody = world.get("/api/device/list");
    assert_eq!(
        (nobody.error(), nobody.header("www-authenticate")),
        ((401, "unauthorized".into()), challenge)
    );
    assert!(nobody.message().contains("mozpool token create"), "{}", nobody.message());
    for wrong in ["mzp_x", "", &good[..46], &format!("{good}x"), &good.replace("mzp_", "MZP_")] {
        let answer = world.call_as(wrong, "GET", "/api/device/list", "");
        assert_eq!(
            (answer.error(), answer.header("www-authenticate")),
            ((401, "unauthorized".into()), challenge)
        );
        assert!(wrong.is_empty() || !answer.message().contains(wrong));
    }
    let basic = world.call("GET", "/api/device/list", &["Authorization: Basic YTpi"], b"");
    assert_eq!(basic.status, 401, "another scheme is no token");
    assert_eq!(world.call_as(&short, "GET", "/api/device/list", "").status, 200);
    world.clock.advance_ms(86_400_000);
    assert_eq!(world.call_as(&short, "GET", "/api/device/list", "").status, 401, "a day later it is too old");
    assert_eq!(world.call_as(&good, "GET", "/api/device/list", "").status, 200);
    // Nothing of what is there is told to who may not know.
    for path in ["/api/device/panda-0001/power-off", "/api/device/nothing/power-off"] {
        assert_eq!(world.post(path, "").status, 401, "{path}");
    }
    assert!(world.heard_nothing());
}

#[test]
fn a_right_that_is_missing_is_named_and_written_down_without_the_secret() {
    let world = asking();
    let (admin, viewer) =
        (token(&world, "ann", Role::Admin, &[], None), token(&world, "eve", Role::Viewer, &[], None));
    let answer = world.call_as(&viewer, "POST", "/api/device/panda-0001/power-off", "");
    assert_eq!(answer.error(), (403, "forbidden".into()));
    assert!(answer.message().contains("eve has the role viewer, and this needs the role operator"));
    assert_eq!(world.delete(&format!("/api/token/{admin}")).status, 401, "a slip of the hand");
    assert_eq!(world.call_as(&admin, "POST", "/api/device/panda-0001/power-off", "").status, 200);
    assert_eq!(world.call_as(&admin, "GET", "/api/device/panda-0001/power-on", "").status, 200);
    assert_eq!(world.call_as(&admin, "GET", "/api/device/panda-0001/status", "").status, 200);
    let asked = r#"{"assignee":"a","duration":60,"image":"android"}"#;
    assert_eq!(world.call_as(&admin, "POST", "/api/device/any/request", asked).status, 200);
    assert_eq!(
        audit(&world, &admin, ""),
        [
            "eve viewer token 127.0.0.1 POST /api/device/panda-0001/power-off 403 panda-0001 -",
            "(unknown)   127.0.0.1 DELETE /api/token/mzp_(left out) 401 - -",
            "ann admin token 127.0.0.1 POST /api/device/panda-0001/power-off 200 panda-0001 -",
            "ann admin token 127.0.0.1 GET /api/device/panda-0001/power-on 200 panda-0001 -",
            "ann admin token 127.0.0.1 POST /api/device/any/request 200 - 4",
        ]
    );
    assert_eq!(audit(&world, &admin, "who=eve").len(), 1);
    assert_eq!(audit(&world, &admin, "what=power-on"), [audit(&world, &admin, "")[3].clone()]);
    assert_eq!(audit(&world, &admin, "limit=2&before=3").len(), 2);
    let page = world.call_as(&admin, "GET", "/api/audit?limit=1", "").json();
    assert_eq!((page["entries"].as_array().unwrap().len(), page["more"].as_bool()), (1, Some(true)));
}

#[test]
fn refusals_without_end_do_not_fill_the_log() {
    let world = asking();
    let admin = token(&world, "ann", Role::Admin, &[], None);
    for _ in 0..25 {
        assert_eq!(world.get("/api/device/list").status, 401);
    }
    assert_eq!(audit(&world, &admin, "").len(), 10);
    world.clock.advance_ms(61_000);
    let entries = audit(&world, &admin, "");
    assert_eq!(entries.len(), 11, "whether or not somebody else is refused");
    assert!(entries[10].contains("(15 more calls came to nothing within a minute)"), "{}", entries[10]);
    for _ in 0..12 {
        assert_eq!(world.get("/api/device/list").status, 401);
    }
    let world = world.again_with(&Options { rules: Rules::of(Mode::Token), ..Options::default() });
    let entries = audit(&world, &admin, "");
    assert!(entries[21].contains("(2 more calls came to nothing within a minute)"), "{}", entries[21]);
    assert_eq!(entries.len(), 22, "what was counted when the server ended is told");
}

#[test]
fn what_nobody_that_is_known_says_does_not_fill_the_log_whatever_it_comes_to() {
    let world = asking();
    let admin = token(&world, "ann", Role::Admin, &[], None);
    let cookie = format!("Cookie: mozpool_session={}", "A".repeat(43));
    for _ in 0..6 {
        assert_eq!(world.delete("/api/session").status, 204);
        assert_eq!(world.call("DELETE", "/api/session", &[&cookie], b"").status, 204);
        assert_eq!(world.post("/api/session", "{").status, 400);
        assert_eq!(world.get("/api/device/nosuch/event/please_x").status, 404);
    }
    // Nor what somebody gets wrong, but what they do is told.
    for _ in 0..12 {
        assert_eq!(world.call_as(&admin, "POST", "/api/device/nosuch/power-off", "").status, 404);
    }
    assert_eq!(world.call_as(&admin, "POST", "/api/device/panda-0001/power-off", "").status, 200);
    let entries = audit(&world, &admin, "");
    assert_eq!(entries.len(), 11, "{entries:?}");
    assert_eq!(
        entries[10],
        "ann admin token 127.0.0.1 POST /api/device/panda-0001/power-off 200 panda-0001 -"
    );
}

#[test]
fn who_is_for_some_environments_works_in_them() {
    let world = asking();
    let operator = token(&world, "op", Role::Operator, &["tests"], None);
    let requester = token(&world, "job", Role::Requester, &["tests", "lab"], None);
    let admin = token(&world, "boss", Role::Admin, &["tests"], None);
    let ours = |token: &str, method: &str, target: &str, body: &str| {
        let answer = world.call_as(token, method, target, body);
        (answer.status, answer.text().to_owned())
    };
    // panda-0002 is in tests, panda-0001 in production, and all may be looked at.
    assert_eq!(ours(&operator, "GET", "/api/device/panda-0001/status", "").0, 200);
    let (status, text) = ours(&operator, "POST", "/api/device/panda-0001/clear-pxe", "");
    assert!(
        status == 403
            && text.contains("panda-0001 is in the environment production; op may work in tests only"),
        "{text}"
    );
    assert_eq!(ours(&operator, "POST", "/api/device/panda-0002/set-comments", r#"{"comments":"x"}"#).0, 200);
    let there = r#"{"environment":"production"}"#;
    assert_eq!(ours(&operator, "POST", "/api/device/panda-0002/set-environment", there).0, 403);
    for (method, target) in
        [("GET", "/api/relay/relay-1/test"), ("POST", "/api/candidate/0a0b0c0d0eff/ignore")]
    {
        let (status, text) = ours(&operator, method, target, "");
        assert!(status == 403 && text.contains("needs a token without environments"), "{target}: {text}");
    }
    // Request 1 wants any environment, request 3 is img2's and wants tests.
    assert_eq!(ours(&requester, "POST", "/api/request/1/return", "").0, 403);
    assert_eq!(ours(&requester, "POST", "/api/request/3/return", "").0, 307);
    assert_eq!(ours(&requester, "POST", "/api/device/panda-0001/request", &asking_for("")).0, 403);
    assert_eq!(
        ours(&requester, "POST", "/api/device/any/request", &asking_for(r#","environment":"production""#)).0,
        403
    );
    while !world.heard_nothing() {
        world.heard();
    }
    for (environment, want) in [
        ("", r#"Some(OneOf(["lab", "tests"]))"#),
        (r#","environment":"any""#, r#"Some(OneOf(["lab", "tests"]))"#),
        (r#","environment":["production","tests"]"#, r#"Some(OneOf(["tests"]))"#),
    ] {
        assert_eq!(ours(&requester, "POST", "/api/device/any/request", &asking_for(environment)).0, 200);
        let heard = world.heard();
        assert!(heard.contains(&format!("environment: {want}")), "{heard}");
    }
    // Who is an admin of one environment is no admin of the lab.
    let (status, _) = ours(&admin, "POST", "/api/token", r#"{"name":"x","role":"admin"}"#);
    assert_eq!(status, 403);
    assert_eq!(ours(&admin, "PUT", "/api/device/panda-0002", "{}").0, 403);
    assert_eq!(ours(&admin, "POST", "/api/device/panda-0002/set-comments", r#"{"comments":"y"}"#).0, 200);
}

fn asking_for(environment: &str) -> String {
    format!(r#"{{"assignee":"a","duration":60,"image":"android"{environment}}}"#)
}

#[test]
fn a_token_is_shown_once_and_good_until_it_is_revoked() {
    let world = asking();
    let admin = token(&world, "ann", Role::Admin, &[], None);
    let made = world.call_as(&admin, "POST", "/api/token", r#"{"name":"op","role":"operator","days":1}"#);
    assert_eq!((made.status, made.header("cache-control")), (201, Some("no-store")));
    let operator = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(world.call_as(&operator, "GET", "/api/device/list", "").status, 200);
    let list = world.call_as(&admin, "GET", "/api/token/list", "");
    assert!(!list.text().contains("mzp_"), "{}", list.text());
    let names: BTreeMap<String, String> = list.json()["tokens"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["name"].as_str().unwrap().to_owned(), t["role"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(
        names.into_iter().map(|(n, r)| format!("{n}={r}")).collect::<Vec<_>>(),
        ["ann=admin", "ci=requester", "op=operator"]
    );
    for bad in [
        r#"{"name":"list","role":"viewer"}"#,
        r#"{"name":"x","role":"root"}"#,
        r#"{"name":"x","role":"viewer","days":0}"#,
        r#"{"name":"x","role":"viewer","environments":[""]}"#,
        r#"{"name":"x","role":"viewer","proxy":"yes"}"#,
    ] {
        assert_eq!(world.call_as(&admin, "POST", "/api/token", bad).status, 400, "{bad}");
    }
    assert_eq!(world.call_as(&admin, "DELETE", "/api/token/op", "").status, 204);
    assert_eq!(world.call_as(&operator, "GET", "/api/device/list", "").status, 401);
    let told = audit(&world, &admin, "what=token");
    assert_eq!(told[0], "ann admin token 127.0.0.1 POST /api/token op operator 201 - -");
    assert_eq!(told.last().unwrap(), "ann admin token 127.0.0.1 DELETE /api/token/op 204 - -");
}

/// What another server of the pool, or the command line, has revoked.
#[test]
fn what_is_revoked_elsewhere_is_good_for_two_seconds_at_most() {
    let world = asking();
    let token = token(&world, "ann", Role::Viewer, &[], None);
    assert_eq!(world.call_as(&token, "GET", "/api/device/list", "").status, 200);
    world.location.open().unwrap().revoke_token("ann").unwrap();
    let since = std::time::Instant::now();
    while world.call_as(&token, "GET", "/api/version", "").status == 200
        && world.call_as(&token, "GET", "/api/device/list", "").status == 200
    {
        assert!(since.elapsed() < std::time::Duration::from_secs(60), "it is noticed");
    }
}

#[test]
fn a_server_that_asks_nobody_writes_down_who_says_who_they_are() {
    let world = start();
    let viewer = token(&world, "eve", Role::Viewer, &["tests"], None);
    assert_eq!(world.post("/api/device/panda-0001/clear-pxe", "").status, 200);
    assert_eq!(world.call_as(&viewer, "POST", "/api/device/panda-0001/clear-pxe", "").status, 200);
    assert_eq!(world.call_as("mzp_wrong", "POST", "/api/request/1/return", "").status, 204);
    // What boards report is in their logs; what people ask is not.
    assert_eq!(world.get("/api/device/panda-0001/event/ping_ok").status, 200);
    assert_eq!(world.get("/api/device/panda-0001/event/please_self_test").status, 200);
    assert_eq!(
        audit(&world, "", ""),
        [
            "(open) admin open 127.0.0.1 POST /api/device/panda-0001/clear-pxe 200 panda-0001 -",
            "eve admin token 127.0.0.1 POST /api/device/panda-0001/clear-pxe 200 panda-0001 -",
            "(open) admin open 127.0.0.1 POST /api/request/1/return 204 - 1",
            "(open) admin open 127.0.0.1 GET /api/device/panda-0001/event/please_self_test 200 panda-0001 -",
        ]
    );
    let entry = world.get("/api/session").json();
    assert_eq!((entry["mode"].as_str(), entry["role"].as_str()), (Some("open"), Some("admin")));
}

#[test]
fn a_long_body_is_not_waited_for_of_who_may_not_send_it() {
    let world = asking();
    let [viewer, admin] = [Role::Viewer, Role::Admin].map(|role| token(&world, role.name(), role, &[], None));
    // None of it comes. With `Expect`, who is let through is asked for it.
    let begin = |who: Option<&str>| {
        let who = who.map(|token| bearer(token) + "\r\n").unwrap_or_default();
        let head = format!(
            "POST /api/lab/import HTTP/1.1\r\nHost: h\r\n{who}Content-Type: text/csv\r\nContent-Length: 30000000\r\n\
             Expect: 100-continue\r\n\r\n"
        );
        let mut stream = connect(world.addr);
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    for (who, error) in [(None, (401, "unauthorized")), (Some(viewer.as_str()), (403, "forbidden"))] {
        let mut all = Vec::new();
        begin(who).read_to_end(&mut all).expect("the connection ends without the body");
        let answer = parse(&all);
        assert_eq!((answer.error(), answer.header("connection")), ((error.0, error.1.into()), Some("close")));
    }
    let mut asked = [0; 21];
    begin(Some(&admin)).read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue");
    assert_eq!(
        audit(&world, &admin, ""),
        [
            "(unknown)   127.0.0.1 POST /api/lab/import 401 - -",
            "viewer viewer token 127.0.0.1 POST /api/lab/import 403 - -"
        ]
    );
}

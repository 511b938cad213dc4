//! Servers of a pool that ask who calls: one token, one session, and a page that is sent from one to the other.

use crate::support::{self, Daemon, mozpool, wait_for};
use crate::world::{Pool, ask};
use serde_json::{Value, json};

/// Status, a header, and JSON of a call with headers of its own.
fn call(url: &str, method: &str, headers: &[(&str, &str)], body: &str, header: &str) -> (u16, String, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(support::LIMIT))
        .build()
        .into();
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = agent.run(request.body(body.to_owned()).expect("a request"));
    let mut answer = answer.unwrap_or_else(|e| panic!("{method} {url}: {e}"));
    let header = answer.headers().get(header).map(|v| v.to_str().expect("text").to_owned());
    let text = answer.body_mut().read_to_string().expect("a body");
    (answer.status().as_u16(), header.unwrap_or_default(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

fn api(at: &Daemon, path: &str) -> String {
    format!("http://{}/api/{path}", at.http)
}

#[test]
fn a_page_that_one_server_knows_works_on_boards_of_another() {
    let pool = Pool::of(2, 1);
    for n in [1, 2] {
        let text = std::fs::read_to_string(pool.config(n)).expect("the configuration");
        std::fs::write(pool.config(n), text + "[auth]\nmode = \"token\"\n").expect("the configuration");
    }
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    let made = mozpool(&pool.config(1)).args(["token", "create", "ann", "--role", "operator"]).output();
    let token = String::from_utf8(made.expect("mozpool runs").stdout).expect("text").trim().to_owned();
    let bearer = format!("Bearer {token}");
    let auth = [("Authorization", bearer.as_str())];

    // Servers need no token to write to each other: both see each other well.
    let servers = wait_for("both servers to see each other", || {
        let (status, _, answer) = call(&api(&s1, "server/list"), "GET", &auth, "", "");
        let servers = answer["servers"].as_array().expect("a list").clone();
        (status == 200 && servers.len() == 2 && servers.iter().all(|s| s["alive"] == true)).then_some(servers)
    });
    assert!(servers.iter().all(|server| server["fault"].is_null()), "{servers:?}");
    assert_eq!(ask(&s2, "GET", "server/list", "").0, 401);

    let login = json!({ "token": token }).to_string();
    let (status, cookie, session) = call(&api(&s1, "session"), "POST", &[], &login, "Set-Cookie");
    assert_eq!(status, 200, "{session}");
    let cookie = cookie.split(';').next().expect("a value").to_owned();
    let csrf = session["csrf"].as_str().expect("a text").to_owned();
    let page = [("Cookie", cookie.as_str()), ("X-CSRF-Token", csrf.as_str())];
    // The other one knows the session, too; a browser would not send it there.
    assert_eq!(call(&api(&s2, "device/list"), "GET", &page, "", "").0, 200);

    let path = "device/s2-b1/set-comments";
    let body = r#"{"comments":"the fan is loud"}"#;
    let (status, location, _) = call(&api(&s1, path), "POST", &page, body, "Location");
    assert_eq!(status, 307);
    assert!(location.starts_with(&format!("http://{}/api/{path}?ticket=", s2.http)), "{location}");
    // As a browser follows it: without what it has for the first server alone.
    let (status, _, answer) = call(&location, "POST", &[], body, "");
    assert_eq!(status, 200, "{answer}");
    assert_eq!(call(&location.replace("set-comments", "clear-pxe"), "POST", &[], "", "").0, 401);
    let (_, _, device) = call(&api(&s1, "device/s2-b1/details"), "GET", &auth, "", "");
    assert_eq!(device["comments"], "the fan is loud");

    let revoked = mozpool(&pool.config(2)).args(["token", "revoke", "ann"]).status();
    assert!(revoked.expect("mozpool runs").success());
    for (at, headers) in [(&s1, &page[..]), (&s2, &auth[..])] {
        wait_for("it to be noticed", || {
            (call(&api(at, "device/list"), "GET", headers, "", "").0 == 401).then_some(())
        });
    }
    assert_eq!(call(&location, "POST", &[], body, "").0, 401, "nor is its ticket good any more");
}

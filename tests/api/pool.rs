//! Requests, images, environments: the pool as its users see it.

use crate::world::start;
use mozpool::layers::messages::RequestAnswer;
use mozpool::logic::mozpool::{Ignored, State};
use serde_json::{Value, json};

#[test]
fn the_small_lists() {
    let world = start();
    let version = format!("200 {{\"version\":\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(world.get("/api/version/").line(), version);
    assert_eq!(world.get("/api/environment/list").line(), r#"200 {"environments":["production","tests"]}"#);
    assert_eq!(
        world.get("/api/image/list/").line(),
        concat!(
            r#"200 {"images":[{"id":4,"name":"android","boot_config_keys":[],"can_reuse":false,"has_sut_agent":true,"hidden":false},"#,
            r#"{"id":3,"name":"b2g","boot_config_keys":["b2gbase"],"can_reuse":true,"has_sut_agent":false,"hidden":false}]}"#
        ),
        "hidden ones are left out"
    );
}

#[test]
fn a_request_is_made_with_the_keys_that_its_image_wants() {
    let world = start();
    let answer = world.post(
        "/api/device/any/request/",
        r#"{"assignee":"ann","duration":3600,"image":"b2g","b2gbase":"http://b/","other":1}"#,
    );
    assert_eq!(
        answer.line(),
        concat!(
            r#"200 {"request":{"id":4,"requested_device":"any","assigned_device":"","assignee":"ann","#,
            r#""boot_config":"{\"b2gbase\":\"http://b/\"}","environment":"any","expires":"2026-11-22T12:49:06.581000","#,
            r#""image":"b2g","url":"http://img1.lab:8080/api/request/4/"}}"#
        )
    );
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
}

#[test]
fn everything_that_a_request_may_say_reaches_mozpool() {
    let world = start();
    let answer = world.post(
        "/api/device/panda-0003/request",
        r#"{"requester":"ci","duration":"60","image":"tuned","a":null,"environment":"tests","hardware_type":"panda",
            "hardware_model":"ES","processor":"armv7","tags":["wifi"],"queue_limit":5.9,"reason":"bug 1"}"#,
    );
    assert_eq!(answer.status, 200, "{}", answer.line());
    let request = &answer.json()["request"];
    assert_eq!(
        (&request["requested_device"], &request["environment"], &request["assignee"]),
        (&json!("panda-0003"), &json!("tests"), &json!("ci"))
    );
    assert_eq!(request["boot_config"], r#"{"a":null,"b":2}"#, "what is given wins over the image's defaults");
    let heard = world.heard();
    for part in [
        r#"device: Some("panda-0003")"#,
        r#"hardware_type: Some(OneOf(["panda"]))"#,
        r#"hardware_model: Some(OneOf(["ES"]))"#,
        r#"processor: Some(OneOf(["armv7"]))"#,
        r#"tags: [OneOf(["wifi"])]"#,
        r#""bug 1" until Some(Timestamp(1795348151581))"#,
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
}

#[test]
fn an_image_without_keys_has_an_empty_boot_config_and_any_is_any() {
    let world = start();
    let answer = world.post(
        "/api/device/any/request/",
        r#"{"assignee":"a","duration":1,"image":"android","environment":"any"}"#,
    );
    assert_eq!(answer.json()["request"]["boot_config"], "{}");
    assert!(world.heard().contains("environment: None"));
}

#[test]
fn a_request_that_cannot_be_is_refused_with_what_would_be_right() {
    let world = start();
    let b2g = |with: &str| format!(r#"{{"assignee":"a","duration":60,"image":"b2g","b2gbase":"x"{with}}}"#);
    for (device, body, status, says) in [
        ("any", r#"{"duration":60,"image":"android"}"#.to_owned(), 400, "lacks the key `assignee`"),
        ("any", r#"{"assignee":"a","image":"android"}"#.to_owned(), 400, "lacks the key `duration`"),
        ("any", r#"{"assignee":"a","duration":60}"#.to_owned(), 400, "lacks the key `image`"),
        ("any", r#"{"assignee":"a","duration":60,"image":"b2g"}"#.to_owned(), 400, "lacks the key `b2gbase`"),
        ("any", r#"{"assignee":7,"duration":60,"image":"b2g"}"#.to_owned(), 400, "`assignee` is a number"),
        ("any", r#"{"assignee":"","duration":60,"image":"android"}"#.to_owned(), 400, "assignee is empty"),
        ("any", b2g(r#","duration":0"#), 400, "duration is 0; it should be 1 to 86400 seconds"),
        ("any", b2g(r#","duration":0.9"#), 400, "duration is 0;"),
        ("any", b2g(r#","duration":-1"#), 400, "duration is -1;"),
        ("any", b2g(r#","duration":86401"#), 400, "duration is 86401;"),
        (
            "any",
            b2g(r#","duration":"soon""#),
            400,
            "`duration` is a string; it should be a number of seconds",
        ),
        ("any", b2g(r#","queue_limit":-1"#), 400, "queue_limit is -1"),
        ("any", b2g(r#","tags":"wifi""#), 400, "`tags` is a string; it should be a list of strings"),
        (
            "any",
            b2g(r#","tags":[1]"#),
            400,
            "`tags[0]` is a number; it should be a string or a list of strings",
        ),
        ("any", b2g(r#","tags":["a",["b",null]]"#), 400, "`tags[1][1]` is null; it should be a string"),
        ("any", b2g(r#","tags":["a",[]]"#), 400, "`tags[1]` holds an empty list"),
        ("any", b2g(r#","processor":[]"#), 400, "`processor` holds an empty list, which no board satisfies"),
        ("any", b2g(r#","processor":["armv6",7]"#), 400, "`processor[1]` is a number; it should be a string"),
        (
            "any",
            b2g(r#","hardware_type":{}"#),
            400,
            "`hardware_type` is an object; it should be a string or a list",
        ),
        ("any", b2g(r#","hardware_model":["a\nb"]"#), 400, "`hardware_model` holds control characters"),
        (
            "any",
            b2g(&format!(",\"environment\":[\"{}\"]", "x".repeat(1001))),
            400,
            "`environment` is too long",
        ),
        (
            "any",
            b2g(&format!(",\"processor\":[{}\"a\"]", "\"a\",".repeat(64))),
            400,
            "holds 65 values; 64 at most",
        ),
        (
            "any",
            b2g(&format!(",\"tags\":[{}\"a\"]", "\"a\",".repeat(64))),
            400,
            "`tags` holds 65 values; 64 at",
        ),
        ("any", b2g(r#","environment":1"#), 400, "`environment` is a number"),
        ("any", b2g(r#","image":"none""#), 404, "there is no image `none`"),
        ("panda-9999", b2g(""), 404, "there is no device `panda-9999`"),
        ("panda-9999", "{".to_owned(), 404, "there is no device `panda-9999`"),
        ("any", "{".to_owned(), 400, "the body is not JSON"),
        ("any", "[]".to_owned(), 400, "the body is a list"),
        ("any", String::new(), 400, "lacks the key `assignee`"),
    ] {
        let answer = world.post(&format!("/api/device/{device}/request/"), &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.line());
        assert!(answer.message().contains(says), "{body}: {}", answer.message());
    }
    assert!(world.heard_nothing(), "nothing of it reached mozpool");
    let ok = world.post("/api/device/any/request/", &b2g(r#","duration":86400"#));
    assert_eq!(ok.status, 200, "the longest one");
}

#[test]
fn a_busy_device_is_a_conflict_with_the_same_body() {
    let world = start();
    world.answers().busy = true;
    let answer =
        world.post("/api/device/panda-0001/request", r#"{"assignee":"a","duration":60,"image":"android"}"#);
    assert_eq!((answer.status, &answer.json()["request"]["id"]), (409, &json!(4)));
    assert_eq!(answer.json()["request"]["requested_device"], "panda-0001");
}

#[test]
fn requests_of_all_servers_are_listed() {
    let world = start();
    let first = concat!(
        r#"{"id":1,"assignee":"ann","assigned_device":"panda-0001","boot_config":"{\"b2gbase\":\"http://x/\"}","#,
        r#""device_state":"ready","expires":"2026-11-22T12:46:40.000000","imaging_server":"img1.lab","#,
        r#""requested_device":"panda-0001","environment":"any","state":"ready","image":"b2g","created":"2026-11-22T11:46:40.000Z","#,
        r#""hardware_type":null,"hardware_model":null,"processor":null,"tags":[],"queue_until":null}"#
    );
    let third = concat!(
        r#"{"id":3,"assignee":"eve","assigned_device":"","boot_config":"{}","device_state":"","#,
        r#""expires":"2026-11-22T12:46:40.000000","imaging_server":"img2.lab","requested_device":"any","#,
        r#""environment":"tests","state":"finding_device","image":"android","created":"2026-11-22T11:46:40.000Z","#,
        r#""hardware_type":null,"hardware_model":null,"processor":null,"tags":[],"queue_until":null}"#
    );
    assert_eq!(world.get("/api/request/list/").line(), format!("200 {{\"requests\":[{first},{third}]}}"));
    for with in ["?include_closed=1", "?include_closed", "?include_closed=0"] {
        let all = world.get(&format!("/api/request/list/{with}")).json();
        let ids: Vec<&Value> = all["requests"].as_array().unwrap().iter().map(|r| &r["id"]).collect();
        assert_eq!(ids, [1, 2, 3], "{with}");
    }
}

#[test]
fn a_request_is_shown_by_any_server() {
    let world = start();
    let line = r#"{"id":1,"timestamp":"2026-11-22T11:46:40.000000","source":"statemachine","message":"Finding device."}"#;
    assert_eq!(
        world.get("/api/request/1/status/").line(),
        format!("200 {{\"state\":\"ready\",\"log\":[{line}]}}")
    );
    assert_eq!(world.get("/api/request/1/log").line(), format!("200 {{\"log\":[{line}]}}"));
    let inner = concat!(
        r#""id":1,"requested_device":"panda-0001","assigned_device":"panda-0001","assignee":"ann","#,
        r#""boot_config":"{\"b2gbase\":\"http://x/\"}","environment":"any","expires":"2026-11-22T12:46:40.000000","image":"b2g","#,
        r#""url":"http://img1.lab:8080/api/request/1/","state":"ready","device_state":"ready","imaging_server":"img1.lab","#,
        r#""created":"2026-11-22T11:46:40.000Z","reason":"bug 7","hardware_type":null,"hardware_model":null,"#,
        r#""processor":null,"tags":[],"queue_until":null"#
    );
    let want = format!("200 {{{inner},\"request\":{{{inner}}}}}");
    assert_eq!(world.get("/api/request/1/details/").line(), want);
    let foreign = world.get("/api/request/3/details").json();
    assert_eq!(foreign["url"], "http://img2.lab:8080/api/request/3/", "its owner's");
    for call in ["status", "details", "log"] {
        for id in ["99", "x", "-1", "99999999999999999999"] {
            let answer = world.get(&format!("/api/request/{id}/{call}/"));
            assert_eq!(answer.error(), (404, "not_found".into()), "{id}/{call}");
        }
    }
}

#[test]
fn renewing_counts_from_now_and_what_has_ended_cannot_be_renewed() {
    let world = start();
    let answer = world.post("/api/request/1/renew/", r#"{"duration":"120"}"#);
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(world.heard(), "1 Renew { expires: Timestamp(1795348266581) } by 127.0.0.1");
    let ignored = Ignored::NotExpected { event: "renew", state: State::FailedBadImage };
    world.answers().request.extend([
        RequestAnswer::Ignored { state: State::FailedBadImage, why: ignored },
        RequestAnswer::UnknownRequest,
        RequestAnswer::Unavailable { why: "disk".into() },
    ]);
    for (status, says) in [
        (409, "request 1 is failed_bad_image and cannot be renewed"),
        (409, "request 1 is closed and cannot be renewed"),
        (503, "the store does not answer"),
    ] {
        let answer = world.post("/api/request/1/renew/", r#"{"duration":120}"#);
        assert_eq!(answer.status, status);
        assert!(answer.message().contains(says), "{}", answer.message());
    }
    assert_eq!(world.post("/api/request/1/renew", "{}").error(), (400, "missing_key".into()));
    assert_eq!(
        world.post("/api/request/1/renew", r#"{"duration":999999}"#).error(),
        (400, "bad_value".into())
    );
}

#[test]
fn returning_always_works() {
    let world = start();
    world.answers().request.extend([
        RequestAnswer::Accepted { state: State::Closed },
        RequestAnswer::UnknownRequest,
        RequestAnswer::Ignored {
            state: State::Closed,
            why: Ignored::NotExpected { event: "close", state: State::Closed },
        },
    ]);
    for body in ["", "{}", "not json", r#"{"reason":7,"who":""}"#] {
        let answer = world.post("/api/request/1/return/", body);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{body}");
        assert_eq!(world.heard(), "1 Close { who: None, reason: None } by 127.0.0.1");
    }
    assert_eq!(world.post("/api/request/99/return/", "").status, 404);
}

#[test]
fn who_ends_somebody_else_s_request_says_who_and_why() {
    let world = start();
    for (body, who, reason) in [
        (r#"{"who":"ann","reason":"the rack is moved"}"#, r#"Some("ann")"#, r#"Some("the rack is moved")"#),
        (r#"{"by":"ann","reason":" two\nlines "}"#, r#"Some("ann")"#, r#"Some("two␊lines")"#),
        (r#"{"reason":"late"}"#, "None", r#"Some("late")"#),
    ] {
        assert_eq!(world.post("/api/request/1/return/", body).status, 204);
        assert_eq!(world.heard(), format!("1 Close {{ who: {who}, reason: {reason} }} by 127.0.0.1"));
    }
    let long = format!(r#"{{"reason":"{}"}}"#, "é".repeat(5000));
    assert_eq!(world.post("/api/request/1/return/", &long).status, 204);
    assert_eq!(world.heard().matches('é').count(), 200, "a line, not a page");
}

#[test]
fn one_of_several_values_will_do() {
    let world = start();
    let answer = world.post(
        "/api/device/any/request",
        r#"{"assignee":"ci","duration":60,"image":"android","environment":["b2g","mobile"],"hardware_type":["panda"],
            "processor":["armv6","armv7","armv6"],"tags":["usb",["wifi","bluetooth"]],"queue_limit":5}"#,
    );
    assert_eq!(answer.status, 200, "{}", answer.line());
    assert_eq!(answer.json()["request"]["environment"], json!(["b2g", "mobile"]));
    let heard = world.heard();
    for part in [
        r#"environment: Some(OneOf(["b2g", "mobile"]))"#,
        r#"hardware_type: Some(OneOf(["panda"]))"#,
        r#"processor: Some(OneOf(["armv6", "armv7"]))"#,
        r#"tags: [OneOf(["usb"]), OneOf(["wifi", "bluetooth"])]"#,
    ] {
        assert!(heard.contains(part), "{part} in {heard}");
    }
    let details = world.get("/api/request/4/details/").json();
    let listed = world.get("/api/request/list/").json()["requests"].as_array().unwrap()[2].clone();
    for shown in [&details, &details["request"], &listed] {
        assert_eq!(shown["environment"], json!(["b2g", "mobile"]));
        assert_eq!(shown["hardware_type"], "panda", "one is one, however it was written");
        assert_eq!(
            (&shown["hardware_model"], &shown["processor"]),
            (&Value::Null, &json!(["armv6", "armv7"]))
        );
        assert_eq!(shown["tags"], json!(["usb", ["wifi", "bluetooth"]]));
        assert_eq!(shown["queue_until"], "2026-11-22T11:49:11.581Z");
    }
    for any in [r#""any""#, r#"["any"]"#, r#"["b2g","any"]"#, "null"] {
        let body = format!(r#"{{"assignee":"ci","duration":60,"image":"android","environment":{any}}}"#);
        let answer = world.post("/api/device/any/request", &body);
        assert_eq!(answer.json()["request"]["environment"], "any", "{any}");
        assert!(world.heard().contains("environment: None"), "{any}");
    }
}

#[test]
fn a_queue_limit_never_outlasts_the_reservation() {
    let world = start();
    for (limit, until) in [("5", "1795348151581"), ("61", "1795348206581"), ("1e300", "1795348206581")] {
        let body = format!(r#"{{"assignee":"ci","duration":60,"image":"android","queue_limit":{limit}}}"#);
        assert_eq!(world.post("/api/device/any/request", &body).status, 200);
        let heard = world.heard();
        assert!(heard.contains(&format!("until Some(Timestamp({until}))")), "{limit}: {heard}");
    }
}

#[test]
fn an_event_of_a_request_is_passed_on_and_never_complains_of_its_name() {
    let world = start();
    let answer =
        world.post("/api/request/1/event/lifeguard_finished/", r#"{"imaging_result":"failed-bad-image"}"#);
    assert_eq!(answer.line(), "200 {}");
    assert_eq!(
        world.heard(),
        "1 Signal { signal: LifeguardFinished, result: Some(FailedBadImage) } by 127.0.0.1"
    );
    assert_eq!(world.get("/api/request/1/event/close").line(), "200 {}");
    assert_eq!(world.heard(), "1 Signal { signal: Close, result: None } by 127.0.0.1");
    assert_eq!(world.get("/api/request/1/event/party").line(), "200 {}");
    let answer = world.post("/api/request/1/event/lifeguard_finished", r#"{"imaging_result":"great"}"#);
    assert_eq!(answer.error(), (400, "bad_value".into()));
    assert!(world.heard_nothing());
}

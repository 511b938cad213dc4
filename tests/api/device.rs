//! One device: what it is, what happens to it, what is asked of it.

use crate::world::start;
use mozpool::layers::messages::DeviceAnswer;
use mozpool::logic::ids::RequestId;
use mozpool::logic::lifeguard::{Ignored, State};

const NOT_EXPECTED: Ignored = Ignored::NotExpected { event: "please_image", state: State::MaintenanceMode };

fn ignored(why: Ignored) -> DeviceAnswer {
    DeviceAnswer::Ignored { state: State::MaintenanceMode, why }
}

#[test]
fn devices_are_listed_by_name_or_with_all_about_them() {
    let world = start();
    assert_eq!(
        world.get("/api/device/list/").line(),
        r#"200 {"devices":["panda-0001","panda-0002","panda-0003","panda-0004","panda-0005"]}"#
    );
    for details in ["?details=1", "?details", "?details=0"] {
        let answer = world.get(&format!("/api/device/list/{details}"));
        let first = concat!(
            r#"200 {"devices":[{"id":1,"name":"panda-0001","fqdn":"panda-0001.lab","inventory_id":7,"#,
            r#""mac_address":"0a0b0c0d0e01","imaging_server":"img1.lab","relay_info":"relay-1.lab:bank1:relay3","#,
            r#""state":"ready","comments":"good","image":"b2g","boot_config":"{\"b2gbase\":\"http://x/\"}","#,
            r#""environment":"production","request_id":1,"hardware_type":"panda","hardware_model":"ES","#,
            r#""processor":"armv7","tags":["camera","wifi"],"next_image":null,"state_since":"2026-11-22T11:46:40.000Z","reachable":true},"#,
            r#"{"id":2,"name":"panda-0002","fqdn":"panda-0002.lab","inventory_id":0,"mac_address":"","#,
            r#""imaging_server":"img1.lab","relay_info":"","state":"b2g_downloading","comments":"","image":null,"#,
            r#""boot_config":"{}","environment":"tests","request_id":null,"hardware_type":"","hardware_model":"","#,
            r#""processor":"","tags":[],"next_image":"b2g","state_since":"2026-11-22T11:46:40.000Z","reachable":true},"#
        );
        assert!(answer.line().starts_with(first), "{details}: {}", answer.line());
    }
}

#[test]
fn a_device_list_shows_what_was_asked_for() {
    let world = start();
    let names = |query: &str| world.get(&format!("/api/device/list/?{query}")).line();
    for (query, wanted) in [
        ("state=b2g_downloading", r#"["panda-0002"]"#),
        ("environment=production&state=ready", r#"["panda-0001","panda-0003","panda-0005"]"#),
        ("tag=wifi", r#"["panda-0001"]"#),
        ("image=b2g&hardware_type=panda", r#"["panda-0001"]"#),
        ("q=PANDA-0003", r#"["panda-0003"]"#),
        ("relay=Relay-1.lab:bank1:relay3", r#"["panda-0001"]"#),
        ("limit=2", r#"["panda-0001","panda-0002"]"#),
        ("after=panda-0002&limit=2", r#"["panda-0003","panda-0004"]"#),
        ("state=nonsense", "[]"),
    ] {
        assert_eq!(names(query), format!(r#"200 {{"devices":{wanted}}}"#), "{query}");
    }
    assert!(names("details=1&state=ready").starts_with(r#"200 {"devices":[{"id":1,"name":"panda-0001""#));
    assert!(names("limit=many").starts_with("400 "));
}

#[test]
fn state_status_and_log_are_read_by_any_server() {
    let world = start();
    let old = r#"{"id":1,"timestamp":"2026-11-22T11:46:40.000000","source":"statemachine","message":"entering state ready"}"#;
    let new = r#"{"id":2,"timestamp":"2026-11-22T11:48:20.250000","source":"syslog","message":"hello"}"#;
    let both = format!("\"log\":[{old},{new}]}}");
    assert_eq!(
        world.get("/api/device/panda-0001/status/").line(),
        format!("200 {{\"state\":\"ready\",{both}")
    );
    assert_eq!(world.get("/api/device/panda-0003/state").line(), r#"200 {"state":"ready"}"#);
    for (query, want) in [
        ("", format!("200 {{{both}")),
        ("?limit=0", format!("200 {{{both}")),
        ("?limit=1", format!("200 {{\"log\":[{new}]}}")),
        ("?timeperiod=60", format!("200 {{\"log\":[{new}]}}")),
        ("?timeperiod=0&limit=", format!("200 {{{both}")),
        ("?timeperiod=99999999999999999999", format!("200 {{{both}")),
    ] {
        let line = world.get(&format!("/api/device/panda-0001/log/{query}")).line();
        // Behind the lines stand the places that lead on.
        assert!(line.starts_with(want.trim_end_matches('}')), "{query}: {line}");
    }
    for query in ["?limit=x", "?limit=-1", "?timeperiod=1.5"] {
        let answer = world.get(&format!("/api/device/panda-0001/log{query}"));
        assert_eq!(answer.error(), (400, "bad_value".into()), "{query}");
    }
    for call in ["status", "state", "log", "bootconfig"] {
        let answer = world.get(&format!("/api/device/none/{call}"));
        assert_eq!((answer.status, answer.message()), (404, "there is no device `none`".into()));
    }
}

#[test]
fn a_state_may_be_kept_for_five_seconds_if_it_was_asked_for_so() {
    let world = start();
    let fresh = world.get("/api/device/panda-0001/state/");
    assert_eq!((fresh.header("cache-control"), fresh.header("expires")), (None, None));
    let kept = world.get("/api/device/panda-0001/state/?cache=1");
    assert_eq!(kept.line(), r#"200 {"state":"ready"}"#);
    assert_eq!(kept.header("cache-control"), Some("private, max-age=5"));
    assert_eq!(kept.header("expires"), Some("Sun, 22 Nov 2026 11:49:11 GMT"));
}

#[test]
fn the_boot_config_is_the_next_one() {
    let world = start();
    for (device, want) in [
        ("panda-0001", "200 null"),
        ("panda-0002", r#"200 {"b2gbase":null}"#),
        ("panda-0004", r#"200 {"shell":1}"#),
    ] {
        assert_eq!(world.get(&format!("/api/device/{device}/bootconfig/")).line(), want, "{device}");
    }
}

#[test]
fn what_a_board_reports_reaches_its_machine() {
    let world = start();
    let accepted = r#"200 {"accepted":true,"state":"ready"}"#;
    for (method, target, body, heard) in [
        ("GET", "b2g_downloading", "", "Signal { signal: B2gDownloading, detail: None, proof: NotNeeded }"),
        (
            "GET",
            "image_failed/?reason=no+such%20file",
            "",
            r#"Signal { signal: ImageFailed, detail: Some("no such file"), proof: NotNeeded }"#,
        ),
        (
            "POST",
            "image_failed",
            r#"{"message":"sum"}"#,
            r#"Signal { signal: ImageFailed, detail: Some("sum"), proof: NotNeeded }"#,
        ),
        (
            "POST",
            "image_failed?reason=b",
            r#"{"reason":"a"}"#,
            r#"Signal { signal: ImageFailed, detail: Some("a"), proof: NotNeeded }"#,
        ),
        ("POST", "self_test_ok", "null", "Signal { signal: SelfTestOk, detail: None, proof: NotNeeded }"),
        ("GET", "image_progress?percent=40", "", "Progress { percent: 40, proof: NotNeeded }"),
        ("POST", "image_progress/", r#"{"percent":99.9}"#, "Progress { percent: 99, proof: NotNeeded }"),
        ("POST", "please_self_test", "{}", "Please(SelfTest)"),
        ("POST", "please_start_maintenance", "", "Please(StartMaintenance)"),
        ("POST", "please_power_cycle", "{}", "Please(PowerCycle)"),
        ("POST", "please_offline", "{}", "Please(Offline)"),
        ("POST", "please_online", "{}", "Please(Online)"),
    ] {
        let answer =
            world.call(method, &format!("/api/device/panda-0001/event/{target}"), &[], body.as_bytes());
        assert_eq!(answer.line(), accepted, "{method} {target}");
        assert_eq!(world.heard(), format!("panda-0001 {heard}"), "{method} {target}");
    }
}

#[test]
fn an_ignored_event_is_no_error_and_says_why() {
    let world = start();
    let why = Ignored::NotExpected { event: "b2g_downloading", state: State::MaintenanceMode };
    world.answers().device.push_back(ignored(why));
    assert_eq!(
        world.get("/api/device/panda-0001/event/b2g_downloading/").line(),
        r#"200 {"accepted":false,"state":"maintenance_mode","why":"ignored event b2g_downloading in state maintenance_mode"}"#
    );
    world.answers().device.push_back(ignored(Ignored::Assigned(RequestId(7))));
    let answer = world.post("/api/device/panda-0001/event/please_offline/", "{}");
    assert!(answer.line().starts_with(r#"200 {"accepted":false"#), "{}", answer.line());
    assert_eq!(world.heard(), "panda-0001 Signal { signal: B2gDownloading, detail: None, proof: NotNeeded }");
    assert_eq!(world.heard(), "panda-0001 Please(Offline)");
    // The device's log is to have it, so the machine hears of it; made fit for a log, and not for ever long.
    let unknown = || ignored(Ignored::UnknownEvent("party".into()));
    world.answers().device.extend([unknown(), unknown()]);
    assert_eq!(
        world.get("/api/device/panda-0001/event/party%0a/").line(),
        r#"200 {"accepted":false,"state":"maintenance_mode","why":"ignored unknown event party; there is no event of this name"}"#
    );
    assert_eq!(world.heard(), r#"panda-0001 Unknown { name: "party\\n", proof: NotNeeded }"#);
    world.get(&format!("/api/device/panda-0001/event/{}/", "x".repeat(500)));
    assert_eq!(
        world.heard(),
        format!("panda-0001 Unknown {{ name: {:?}, proof: NotNeeded }}", "x".repeat(64))
    );
}

#[test]
fn an_event_without_what_it_needs_is_refused() {
    let world = start();
    for (event, body, says) in [
        ("image_progress", "{}", "lacks the key `percent`"),
        ("image_progress", r#"{"percent":101}"#, "percent is 101; it should be 0 to 100"),
        ("image_progress", r#"{"percent":"half"}"#, "it should be a number from 0 to 100"),
        ("image_failed", r#"{"reason":5}"#, "`reason` is a number"),
        ("b2g_downloading", "{", "not JSON"),
        ("please_image", r#"{"boot_config":"{}"}"#, "lacks the key `image`"),
        ("please_image", r#"{"image":"b2g"}"#, "lacks the key `boot_config`"),
        ("please_image", r#"{"image":"b2g","boot_config":"{"}"#, "its text is not JSON"),
        ("please_image", r#"{"image":"b2g","boot_config":"[]"}"#, "a JSON object or the text of one"),
        ("please_image", r#"{"image":"b2g","boot_config":3}"#, "`boot_config` is a number"),
        ("please_image", r#"{"image":"b2g","boot_config":null}"#, "`boot_config` is null"),
    ] {
        let answer = world.post(&format!("/api/device/panda-0001/event/{event}/"), body);
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.message().contains(says), "{body}: {}", answer.message());
    }
    assert!(world.heard_nothing());
}

#[test]
fn please_image_takes_text_or_object_and_the_image_s_defaults() {
    let world = start();
    for (body, image, config) in [
        (r#"{"image":"b2g","boot_config":"{\"b2gbase\": 1}"}"#, "b2g", r#"{"b2gbase": 1}"#),
        (r#"{"image":"b2g","boot_config":{"b2gbase":1,"z":2}}"#, "b2g", r#"{"b2gbase":1,"z":2}"#),
        (r#"{"image":"maintenance","boot_config":""}"#, "maintenance", ""),
        (r#"{"image":"tuned","boot_config":"{\"b\": 5}"}"#, "tuned", r#"{"a":1,"b":5}"#),
        (r#"{"image":"tuned","boot_config":""}"#, "tuned", r#"{"a":1,"b":2}"#),
        (r#"{"image":"none","boot_config":"{}"}"#, "none", "{}"),
    ] {
        assert_eq!(world.post("/api/device/panda-0001/event/please_image", body).status, 200, "{body}");
        let want =
            format!("panda-0001 Please(Image(Install {{ image: {image:?}, boot_config: {config:?} }}))");
        assert_eq!(world.heard(), want);
    }
}

#[test]
fn a_refused_image_is_an_error() {
    let world = start();
    for (why, status, says) in [
        (Ignored::UnknownImage("none".into()), 400, "there is no image `none`"),
        (Ignored::NoPxeConfig("b2g".into()), 409, "no PXE config for image `b2g` on this hardware type"),
        (NOT_EXPECTED, 409, "ignored event please_image in state maintenance_mode"),
    ] {
        world.answers().device.push_back(ignored(why));
        let body = r#"{"image":"b2g","boot_config":"{}"}"#;
        let answer = world.post("/api/device/panda-0001/event/please_image/", body);
        assert_eq!(answer.status, status);
        assert!(answer.message().contains(says), "{}", answer.message());
    }
}

#[test]
fn a_forced_state_is_a_compare_and_set() {
    let world = start();
    let path = |to: &str| format!("/api/device/panda-0001/state-change/ready/to/{to}/");
    assert_eq!(world.post(&path("locked_out"), "").line(), "200 {}");
    assert_eq!(world.heard(), r#"panda-0001 Force { from: "ready", to: LockedOut, who: "127.0.0.1" }"#);
    world
        .answers()
        .device
        .push_back(ignored(Ignored::OtherState { wanted: "ready".into(), state: State::New }));
    let answer = world.post(&path("ready"), "{}");
    assert_eq!(answer.error(), (409, "conflict".into()));
    assert_eq!(
        answer.message(),
        "the device is in state new, not ready; look again and repeat if still wanted"
    );
    assert!(world.heard().contains("to: Ready"));
    let answer = world.post(&path("off"), "{}");
    assert_eq!(answer.error(), (400, "bad_value".into()));
    assert!(answer.message().contains("there is no state `off`; the states are new, unknown,"));
    assert!(world.heard_nothing());
    assert_eq!(world.get(&path("ready")).status, 405);
}

#[test]
fn notes_are_changed() {
    let world = start();
    assert_eq!(world.post("/api/device/panda-0001/set-comments/", r#"{"comments":""}"#).line(), "200 null");
    assert_eq!(world.heard(), r#"panda-0001 Comments("")"#);
    assert_eq!(
        world.post("/api/device/panda-0001/set-environment", r#"{"environment":"ci"}"#).line(),
        "200 null"
    );
    assert_eq!(world.heard(), r#"panda-0001 Environment("ci")"#);
    for (call, body) in [
        ("set-comments", "{}"),
        ("set-comments", r#"{"comments":null}"#),
        ("set-environment", r#"{"environment":"any"}"#),
        ("set-environment", r#"{"environment":""}"#),
    ] {
        assert_eq!(world.post(&format!("/api/device/panda-0001/{call}"), body).status, 400, "{call} {body}");
    }
    assert!(world.heard_nothing());
}

#[test]
fn a_layer_that_cannot_says_so() {
    let world = start();
    world.answers().device.push_back(DeviceAnswer::UnknownDevice);
    assert_eq!(world.get("/api/device/panda-0001/event/ping_ok").status, 404);
    world.answers().device.push_back(DeviceAnswer::Unavailable { why: "/var/lib/secret: disk full".into() });
    let answer = world.get("/api/device/panda-0001/event/ping_ok");
    assert_eq!(answer.error(), (503, "store_unavailable".into()));
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert!(!answer.text().contains("secret"), "errors show no paths of the server");
}

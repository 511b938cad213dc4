//! The contract, row by row: each call that clients are promised, with the answer that is promised. What a call does beyond its
//! answer is told in the other files here; this one sees that no route is forgotten, and that what holds for every route does.

use crate::world::{World, start};
use mozpool::api::call::{Call, Verb};
use mozpool::api::openapi::about::{Holds, Takes};
use mozpool::api::openapi::{method, path_of};
use mozpool::api::owner::Owner;
use mozpool::api::routes::{Found, ROUTES, Route, Run, find};
use mozpool::layers::messages::{DeviceAnswer, ManualAnswer, RequestAnswer};
use mozpool::logic::lifeguard::{Ignored, State};
use mozpool::logic::mozpool as requests;
use relayctl::PowerState;

/// What a call must be answered with.
enum Answer {
    /// Status, a space, the body.
    Is(&'static str),
    /// 200, and these keys in this order at a place (RFC 6901) in the body.
    Keys(&'static str, &'static str),
    /// 200, and this line somewhere in the body.
    Line(&'static str),
}
use Answer::{Is, Keys, Line};

/// Before the call.
type Prepare = fn(&World);
const NOTHING: Prepare = |_| {};

const DEVICE_KEYS: &str = "id name fqdn inventory_id mac_address imaging_server relay_info state comments image boot_config \
    environment request_id hardware_type hardware_model processor tags next_image state_since reachable";
const SERVER_KEYS: &str = "name url alive last_seen started version schema_version protocol devices fault";
const REQUEST_KEYS: &str =
    "id requested_device assigned_device assignee boot_config environment expires image url";
const LISTED_KEYS: &str = "id assignee assigned_device boot_config device_state expires imaging_server requested_device \
    environment state image created hardware_type hardware_model processor tags queue_until";
const DETAILS_KEYS: &str = "id requested_device assigned_device assignee boot_config environment expires image url state \
    device_state imaging_server created reason hardware_type hardware_model processor tags queue_until request";
const ANY: &str = r#"{"assignee":"a","duration":60,"image":"android"}"#;

fn other_state(world: &World) {
    let why = Ignored::OtherState { wanted: "ready".into(), state: State::New };
    world.answers().device.push_back(DeviceAnswer::Ignored { state: State::New, why });
}

fn not_now(world: &World) {
    let why = Ignored::NotExpected { event: "self_test_ok", state: State::New };
    world.answers().device.push_back(DeviceAnswer::Ignored { state: State::New, why });
}

fn ended(world: &World) {
    let state = requests::State::Closed;
    let why = requests::Ignored::NotExpected { event: "x", state };
    world.answers().request.push_back(RequestAnswer::Ignored { state, why });
}

#[rustfmt::skip]
/// The row's call, what is prepared, the body that is sent, the answer. Device panda-0001 is ready and request 1 has it.
const CONTRACT: &[(&str, Prepare, &str, Answer)] = &[
    // Pool.
    ("GET version", NOTHING, "", Keys("", "version")),
    ("GET device/list", NOTHING, "", Is(r#"200 {"devices":["panda-0001","panda-0002","panda-0003","panda-0004","panda-0005"]}"#)),
    ("GET device/list?details=", NOTHING, "", Keys("/devices/0", DEVICE_KEYS)),
    ("GET device/list?details=1&state=ready&limit=1&after=panda-0001", NOTHING, "", Keys("/devices/0", DEVICE_KEYS)),
    ("POST device/any/request", NOTHING, ANY, Keys("/request", REQUEST_KEYS)),
    ("POST device/panda-0001/request", NOTHING, ANY, Keys("/request", REQUEST_KEYS)),
    ("GET request/list", NOTHING, "", Keys("/requests/0", LISTED_KEYS)),
    ("GET request/list?include_closed", NOTHING, "", Keys("/requests/2", LISTED_KEYS)),
    ("GET request/1/status", NOTHING, "", Keys("", "state log")),
    ("GET request/1/status", NOTHING, "", Keys("/log/0", "id timestamp source message")),
    ("GET request/1/details", NOTHING, "", Keys("", DETAILS_KEYS)),
    ("GET request/1/log", NOTHING, "", Keys("/log/0", "id timestamp source message")),
    ("POST request/1/renew", NOTHING, r#"{"duration":60}"#, Is("204 ")),
    ("POST request/1/renew", ended, r#"{"duration":60}"#,
        Is(r#"409 {"error":{"code":"conflict","message":"request 1 is closed and cannot be renewed; make a new one"}}"#)),
    ("POST request/1/return", NOTHING, "", Is("204 ")),
    ("POST request/1/return", ended, "{}", Is("204 ")),
    ("GET request/1/event/close", NOTHING, "", Is("200 {}")),
    ("POST request/1/event/find_device", ended, "{}", Is("200 {}")),
    ("GET server/list", NOTHING, "", Keys("/servers/0", SERVER_KEYS)),
    ("POST peer/letter", NOTHING, r#"{"letter":"{}","seal":"00"}"#,
        Is(r#"409 {"error":{"code":"conflict","message":"this server is alone: peers.secret_file is not set here"}}"#)),
    ("GET environment/list", NOTHING, "", Is(r#"200 {"environments":["production","tests"]}"#)),
    ("GET image/list", NOTHING, "", Keys("/images/0", "id name boot_config_keys can_reuse has_sut_agent hidden")),
    // Devices.
    ("GET device/panda-0001/event/self_test_ok", NOTHING, "", Is(r#"200 {"accepted":true,"state":"ready"}"#)),
    ("POST device/panda-0001/event/self_test_ok", not_now, "",
        Is(r#"200 {"accepted":false,"state":"new","why":"ignored event self_test_ok in state new"}"#)),
    ("POST device/panda-0001/state-change/ready/to/new", NOTHING, "", Is("200 {}")),
    ("POST device/panda-0001/state-change/ready/to/new", other_state, "",
        Is(r#"409 {"error":{"code":"conflict","message":"the device is in state new, not ready; look again and repeat if still wanted"}}"#)),
    ("GET device/panda-0001/status", NOTHING, "", Keys("", "state log")),
    ("GET device/panda-0001/state", NOTHING, "", Is(r#"200 {"state":"ready"}"#)),
    ("GET device/panda-0001/state?cache=1", NOTHING, "", Is(r#"200 {"state":"ready"}"#)),
    // Hardware.
    ("POST device/panda-0001/power-cycle", NOTHING, r#"{"pxe_config":"maintenance","boot_config":"{}"}"#, Is("200 {}")),
    ("GET device/panda-0001/power-off", NOTHING, "", Is("200 {}")),
    ("POST device/panda-0001/power-off", NOTHING, "", Is("200 {}")),
    ("GET device/panda-0001/power-on", NOTHING, "", Is("200 {}")),
    ("POST device/panda-0001/power-on", NOTHING, "", Is("200 {}")),
    ("GET device/panda-0001/power", |w| w.answers().manual.push_back(ManualAnswer::Power(PowerState::On)), "",
        Is(r#"200 {"power":"on"}"#)),
    ("GET device/panda-0001/power", |w| w.answers().manual.push_back(ManualAnswer::Failed("x".into())), "",
        Is(r#"200 {"power":"unknown"}"#)),
    ("POST device/panda-0001/clear-pxe", NOTHING, "", Is("200 {}")),
    ("POST device/panda-0001/pxe-draft", NOTHING, r#"{"contents":"x","image":"b2g"}"#,
        Is(r#"200 {"device":"panda-0001","image":"b2g","text":"x for {\"b2gbase\":\"sample\"}","error":null}"#)),
    ("POST device/panda-0001/pxe-draft", NOTHING, r#"{"contents":"{{"}"#,
        Is(r#"200 {"device":"panda-0001","image":null,"text":null,"error":{"line":7,"why":"wrong"}}"#)),
    ("POST device/panda-0001/pxe-draft", NOTHING, r#"{"contents":"x","image":"none"}"#,
        Is(r#"404 {"error":{"code":"not_found","message":"there is no image `none`","detail":{"kind":"image","name":"none"}}}"#)),
    ("GET device/panda-0001/pxe", NOTHING, "", Is(concat!(r#"200 {"device":"panda-0001","state":"ready","image":null,"hardware":"panda ES","#,
        r#""pxe_config":"local-boot","form":"description","why":"panda-0001 has nothing to install","error":null,"#,
        r#""asks_for":["pxelinux.cfg/default"],"gets":"pxelinux.cfg/default","text":"default local\n"}"#))),
    ("GET device/panda-0001/ping", NOTHING, "", Is(r#"200 {"success":true}"#)),
    ("GET device/panda-0001/ping", |w| w.answers().manual.push_back(ManualAnswer::Failed("x".into())), "",
        Is(r#"200 {"success":false}"#)),
    ("GET relay/relay-1/test", NOTHING, "", Is(r#"200 {"success":true}"#)),
    ("GET device/panda-0001/log?timeperiod=60&limit=1", NOTHING, "", Keys("/log/0", "id timestamp source message")),
    ("GET device/panda-0001/log", NOTHING, "", Keys("", "log before after more")),
    ("GET device/panda-0001/attempts", NOTHING, "", Keys("", "device hardware attempts more")),
    ("GET device/panda-0001/attempts?limit=1", NOTHING, "", Keys("/attempts/0",
        "id purpose image request_id started ended outcome state duration_ms usual_duration_ms verdict steps missing")),
    ("GET device/panda-0001/attempts?before=2&limit=1", NOTHING, "", Keys("/attempts/0/steps/1",
        "at_ms kind what name bytes took_ms usual_ms late_ms slow bad")),
    ("GET log/unknown", NOTHING, "", Keys("/senders/0", "address hostname lines first last log")),
    ("GET log/unknown?limit=1", NOTHING, "", Keys("/senders/0/log/0", "timestamp message")),
    ("GET device/panda-0001/bootconfig", NOTHING, "", Is("200 null")),
    ("GET device/panda-0002/bootconfig", NOTHING, "", Is(r#"200 {"b2gbase":null}"#)),
    ("POST device/panda-0001/set-comments", NOTHING, r#"{"comments":"x"}"#, Is("200 null")),
    ("POST device/panda-0001/set-environment", NOTHING, r#"{"environment":"x"}"#, Is("200 null")),
    ("GET bmm/pxe_config/list", NOTHING, "", Is(r#"200 {"pxe_configs":["image","local-boot","maintenance","old","self-test"]}"#)),
    ("GET bmm/pxe_config/old/details", NOTHING, "",
        Is(r#"200 {"details":{"name":"old","description":"not offered","contents":"DEFAULT old","active":false}}"#)),
    // How it went.
    ("GET report/list", NOTHING, "", Keys("/reports/0", "name title about by columns")),
    ("GET report/list", NOTHING, "", Keys("/reports/1/columns/0", "name title kind")),
    ("GET report/status", NOTHING, "", Keys("", "report title from to by columns rows total")),
    ("GET report/status", NOTHING, "", Keys("/rows/0", "hardware devices free used working failed out")),
    ("GET report/availability?days=1&by=device", NOTHING, "", Keys("", "report title from to by columns rows total")),
    ("GET repair/list", NOTHING, "", Keys("", "devices")),
    ("GET device/panda-0001/history", NOTHING, "", Keys("/history/0", "at group state cause image request_id lasted_s lasts")),
    // What there is, changed.
    ("GET device/panda-0001/details", NOTHING, "", Keys("", concat!("id name fqdn inventory_id mac_address imaging_server ",
        "relay_info state comments image boot_config environment request_id hardware_type hardware_model processor tags ",
        "next_image state_since reachable mac deadline progress pxe_config attempt limit_s"))),
    ("GET device/panda-0001", NOTHING, "", Keys("", concat!("id name fqdn inventory_id mac_address imaging_server ",
        "relay_info state comments image boot_config environment request_id hardware_type hardware_model processor tags ",
        "next_image state_since reachable mac deadline progress pxe_config attempt limit_s"))),
    ("PUT device/panda-0002?dry_run", NOTHING, r#"{"comments":"x"}"#,
        Is(r#"200 {"changes":["device panda-0002: comments (nothing) -> x"],"dry_run":true,"summary":{"device":{"changed":1}}}"#)),
    ("DELETE device/panda-0004", NOTHING, "", Is("204 ")),
    ("GET candidate/list", NOTHING, "", Keys("/candidates/0", "mac address imaging_server first last seen asked_for agent ignored proposal")),
    ("GET candidate/list", NOTHING, "", Keys("/candidates/0/agent", "registered os hardware pool command_port data_port")),
    ("GET candidate/list", NOTHING, "", Keys("/candidates/0/proposal", "name fqdn environment hardware_type hardware_model")),
    ("POST candidate/0a:0b:0c:0d:0e:ff/accept?dry_run", NOTHING, "",
        Is(r#"200 {"changes":["device board-0d0eff: new"],"dry_run":true,"summary":{"device":{"new":1}}}"#)),
    ("POST candidate/0a0b0c0d0eff/ignore", NOTHING, "", Is("200 {}")),
    ("GET hardware_type/list", NOTHING, "", Keys("/hardware_types/0", "type model ping_steady_s limits")),
    ("GET hardware_type/panda/ES", NOTHING, "", Is(r#"200 {"type":"panda","model":"ES","ping_steady_s":10,"limits":{}}"#)),
    ("GET hardware_type/pc", NOTHING, "", Is(r#"200 {"type":"pc","model":"","ping_steady_s":10,"limits":{}}"#)),
    ("GET hardware_type/panda", NOTHING, "",
        Is(r#"404 {"error":{"code":"not_found","message":"there is no hardware type `panda`","detail":{"kind":"hardware type","name":"panda"}}}"#)),
    ("PUT hardware_type/x", NOTHING, "", Is(r#"201 {"type":"x","model":"","ping_steady_s":10,"limits":{}}"#)),
    ("PUT hardware_type/x/y", NOTHING, "", Is(r#"201 {"type":"x","model":"y","ping_steady_s":10,"limits":{}}"#)),
    ("DELETE hardware_type/x", NOTHING, "",
        Is(r#"404 {"error":{"code":"not_found","message":"there is no hardware type `x`","detail":{"kind":"hardware type","name":"x"}}}"#)),
    ("DELETE hardware_type/x/y", NOTHING, "",
        Is(r#"404 {"error":{"code":"not_found","message":"there is no hardware type `x y`","detail":{"kind":"hardware type","name":"x y"}}}"#)),
    ("GET image/b2g/details", NOTHING, "", Keys("", "name check second_stage boot_config_keys boot_config_defaults can_reuse hidden limits pxe")),
    ("GET image/b2g", NOTHING, "", Keys("", "name check second_stage boot_config_keys boot_config_defaults can_reuse hidden limits pxe")),
    ("GET image/x", NOTHING, "",
        Is(r#"404 {"error":{"code":"not_found","message":"there is no image `x`","detail":{"kind":"image","name":"x"}}}"#)),
    ("PUT image/b2g", NOTHING, "{}", Keys("", "name check second_stage boot_config_keys boot_config_defaults can_reuse hidden limits pxe")),
    ("DELETE image/tuned", NOTHING, "", Is("204 ")),
    ("GET bmm/pxe_config/old", NOTHING, "",
        Is(r#"200 {"name":"old","description":"not offered","active":false,"contents":"DEFAULT old"}"#)),
    ("GET bmm/pxe_config/x", NOTHING, "",
        Is(r#"404 {"error":{"code":"not_found","message":"there is no PXE config `x`","detail":{"kind":"PXE config","name":"x"}}}"#)),
    ("PUT bmm/pxe_config/old", NOTHING, r#"{"active":true}"#,
        Is(r#"200 {"name":"old","description":"not offered","active":true,"contents":"DEFAULT old"}"#)),
    ("DELETE bmm/pxe_config/old", NOTHING, "", Is("204 ")),
    ("GET relay/list", NOTHING, "", Keys("/relay_boards/0", "name fqdn imaging_server")),
    ("GET relay/relay-2", NOTHING, "", Keys("", "name fqdn imaging_server")),
    ("PUT relay/r", NOTHING, r#"{"fqdn":"r.lab"}"#, Is(r#"201 {"name":"r","fqdn":"r.lab","imaging_server":"img1.lab"}"#)),
    ("DELETE relay/relay-1?force=1", NOTHING, "", Is(concat!(r#"409 {"error":{"code":"conflict","message":"relay board relay-1 cannot be deleted: "#,
        r#"devices hang on it: panda-0001, panda-0004; change those first"}}"#))),
    ("POST lab/import?format=csv", NOTHING, "name,comments\npanda-0001,x\n",
        Is(r#"200 {"changes":["device panda-0001: comments good -> x"],"dry_run":false,"summary":{"device":{"changed":1}}}"#)),
    ("GET lab/export?format=json", NOTHING, "", Keys("", "hardware_type pxe_config image relay_board device")),
    ("GET inventory", NOTHING, "", Is(concat!(r#"200 {"source":"files","interval_s":0,"holder":null,"holder_until":null,"#,
        r#""next":null,"last":null}"#))),
    ("POST inventory/sync?dry_run=1", NOTHING, "", Is(concat!(r#"200 {"changes":["device panda-0001: comments good -> better"],"#,
        r#""dry_run":true,"summary":{"device":{"changed":1}},"systems":2,"left":[],"#,
        r#""skipped":[{"name":"bare","place":"rack.toml:13","why":"it has no relay"}],"brake":null}"#))),
    // Who may do what.
    ("GET session", NOTHING, "", Is(r#"200 {"mode":"open","name":null,"role":"admin","environments":[],"csrf":null,"expires":null}"#)),
    ("POST session", NOTHING, r#"{"token":"mzp_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}"#, Keys("", "mode name role environments csrf expires")),
    ("DELETE session", NOTHING, "", Is("204 ")),
    ("GET token/list", NOTHING, "", Is(concat!(r#"200 {"tokens":[{"name":"ci","role":"requester","environments":["tests"],"#,
        r#""made":"2026-11-22T11:46:40.000Z","expires":null,"last_used":"2026-11-22","proxy":false}]}"#))),
    ("POST token", NOTHING, r#"{"name":"ann@lab","role":"operator","days":7,"proxy":true}"#, Is(concat!(
        r#"201 {"name":"ann@lab","role":"operator","environments":[],"made":"2026-11-22T11:49:06.581Z","#,
        r#""expires":"2026-11-29T11:49:06.581Z","last_used":null,"proxy":true,"token":null}"#))),
    ("POST token", NOTHING, r#"{"name":"ci","role":"viewer"}"#,
        Is(r#"409 {"error":{"code":"conflict","message":"there is a token ci already; revoke it, or choose another name"}}"#)),
    ("DELETE token/ci", NOTHING, "", Is("204 ")),
    ("DELETE token/nobody", NOTHING, "",
        Is(r#"404 {"error":{"code":"not_found","message":"there is no token `nobody`","detail":{"kind":"token","name":"nobody"}}}"#)),
    ("GET audit", NOTHING, "", Is(r#"200 {"entries":[],"more":false}"#)),
    // What is ours alone.
    ("GET health", NOTHING, "", Keys("", "status server version started services")),
    ("GET ready", NOTHING, "", Keys("", "ready checks")),
    ("GET events?after=0&timeout=0", NOTHING, "", Keys("", "changes last")),
    ("GET /metrics", NOTHING, "", Line("# TYPE mozpool_devices gauge")),
    ("GET openapi.json", NOTHING, "", Keys("/info", "title version description license")),
];

/// A row's target as it is called: most are the API's.
fn whole(target: &str) -> String {
    if target.starts_with('/') { target.to_owned() } else { format!("/api/{target}") }
}

#[test]
fn every_call_is_answered_as_it_was_promised() {
    for (call, prepare, body, want) in CONTRACT {
        let world = start();
        prepare(&world);
        let (method, target) = call.split_once(' ').unwrap();
        let target = whole(target);
        let answer = world.call(method, &target, &[], body.as_bytes());
        match want {
            Is(line) => assert_eq!(&answer.line(), line, "{call}"),
            Keys(place, keys) => {
                assert_eq!(answer.status, 200, "{call}: {}", answer.line());
                let json = answer.json();
                let object = json
                    .pointer(place)
                    .and_then(|v| v.as_object())
                    .unwrap_or_else(|| panic!("{call}: {json}"));
                assert_eq!(object.keys().map(String::as_str).collect::<Vec<_>>().join(" "), *keys, "{call}");
            }
            Line(line) => {
                assert_eq!(answer.status, 200, "{call}: {}", answer.line());
                assert!(answer.text().lines().any(|l| l == *line), "{call}: {}", answer.text());
            }
        }
    }
}

/// Whoever adds a route adds its row above.
#[test]
fn every_route_has_a_row() {
    for route in ROUTES {
        let has_row = CONTRACT.iter().any(|(call, ..)| {
            let (verb, target) = call.split_once(' ').unwrap();
            let wanted = verb.eq_ignore_ascii_case(method(route.verb));
            let call = Call::new(route.verb, whole(target));
            wanted && matches!(find(ROUTES, &call), Found::Route(found, _) if found.path == route.path)
        });
        assert!(has_row, "{:?} {} has no row in CONTRACT", route.verb, route.path);
    }
}

/// Whose thing a path names.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Whose {
    Ours,
    Theirs,
    Nobodys,
}

fn names_a_thing(route: &Route) -> bool {
    matches!(route.run, Run::Device(_) | Run::Log(_) | Run::Request(_) | Run::Board(_))
}

pub(crate) fn target(route: &Route, whose: Whose) -> String {
    let thing = |ours, theirs| match whose {
        Whose::Ours => ours,
        Whose::Theirs => theirs,
        Whose::Nobodys => "99",
    };
    let part = |part: &'static str| match part {
        "{device}" => thing("panda-0001", "panda-0003"),
        "{request}" => thing("1", "3"),
        "{board}" => thing("relay-1", "relay-2"),
        "{requested}" => thing("any", "any"),
        "{name}" if route.path.starts_with("/api/device/") => thing("panda-0001", "panda-0003"),
        "{name}" if route.path.starts_with("/api/relay/") => thing("relay-1", "relay-2"),
        "{name}" if route.path.starts_with("/api/image/") => thing("b2g", "b2g"),
        "{name}" => thing("old", "old"),
        "{type}" if route.path.ends_with("{type}") => "pc",
        "{type}" => "panda",
        "{model}" => "ES",
        "{mac}" => "0a:0b:0c:0d:0e:ff",
        "{event}" => "close",
        "{token}" => "ci",
        "{report}" => "availability",
        "{from}" | "{to}" => "ready",
        other if other.starts_with('{') => panic!("say here what {other} of {} may be", route.path),
        other => other,
    };
    let path = route.path.split('/').map(part).collect::<Vec<_>>().join("/");
    // What would wait is told not to, and what would delete is asked what it would.
    match (route.run, route.verb) {
        (Run::Watch(_), _) => path + "?timeout=0",
        (_, Verb::Delete) => path + "?dry_run=1",
        // There is nothing left to accept afterwards.
        _ if route.about.id == "acceptCandidate" => path + "?dry_run=1",
        _ if route.about.id == "importLab" => path + "?format=csv",
        _ => path,
    }
}

fn call(world: &World, route: &Route, whose: Whose, headers: &[&str], body: &str) -> crate::client::Answer {
    world.call(&method(route.verb).to_uppercase(), &target(route, whose), headers, body.as_bytes())
}

/// A body that the route takes.
pub(crate) fn good_body(route: &Route) -> &'static str {
    match route.about.takes {
        Takes::Nothing => "",
        Takes::Maybe(_) | Takes::Row(_) | Takes::Read(_) => "{}",
        Takes::One(_) => "name\n",
        Takes::This(shape) => match shape.name {
            "NewRequest" => ANY,
            _ => shape.example,
        },
    }
}

#[test]
fn every_route_takes_its_path_with_and_without_the_slash() {
    let world = start();
    for route in ROUTES {
        let (plain, body) = (target(route, Whose::Ours), good_body(route));
        let verb = method(route.verb).to_uppercase();
        let without = world.call(&verb, &plain, &[], body.as_bytes());
        let (path, query) = plain.split_once('?').unwrap_or((&plain, ""));
        let with = world.call(&verb, &format!("{path}/?{query}"), &[], body.as_bytes());
        // What is in use cannot be deleted, and that is found by the handler, too.
        // And a server that is alone takes no letters; those in a pool are in tests/pool.rs.
        let refused = route.verb == Verb::Delete || route.about.id == "takeLetter";
        let in_use = refused && without.status == 409;
        assert!(without.status < 300 || in_use, "{verb} {plain}: {}", without.line());
        if without.status == 201 {
            let again = if route.about.id == "makeToken" { 409 } else { 200 };
            assert_eq!(with.status, again, "{verb} {plain}/: it is there by now");
            continue;
        }
        let want = if route.about.id == "revokeToken" { 404 } else { without.status };
        assert_eq!(with.status, want, "{verb} {plain}/");
    }
}

#[test]
fn every_path_refuses_other_methods_with_those_that_it_takes() {
    let world = start();
    for route in ROUTES {
        let verbs: Vec<Verb> =
            ROUTES.iter().filter(|r| path_of(ROUTES, r) == path_of(ROUTES, route)).map(|r| r.verb).collect();
        for (verb, name) in [
            (Verb::Get, "GET"),
            (Verb::Post, "POST"),
            (Verb::Put, "PUT"),
            (Verb::Delete, "DELETE"),
            (Verb::Other, "PATCH"),
        ] {
            if verbs.contains(&verb) {
                continue;
            }
            let answer = world.call(name, &target(route, Whose::Ours), &[], b"");
            assert_eq!(answer.error(), (405, "method_not_allowed".into()), "{name} {}", route.path);
            let allow = answer.header("allow").unwrap_or_default().to_owned();
            for verb in &verbs {
                let name = method(*verb).to_uppercase();
                assert!(allow.split(", ").any(|a| a == name), "{}: {allow}", route.path);
            }
            assert!(allow.ends_with("OPTIONS"), "{}: {allow}", route.path);
        }
        let options = world.call("OPTIONS", &target(route, Whose::Ours), &[], b"");
        assert_eq!((options.status, options.body.len()), (204, 0), "{}", route.path);
    }
}

#[test]
fn every_get_takes_head() {
    let world = start();
    for route in ROUTES.iter().filter(|r| r.verb == Verb::Get) {
        let (target, get) = (target(route, Whose::Ours), call(&world, route, Whose::Ours, &[], ""));
        let head = world.call("HEAD", &target, &[], b"");
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{target}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{target}");
    }
}

#[test]
fn what_is_not_there_is_404_wherever_a_path_names_it() {
    let world = start();
    for route in ROUTES.iter().filter(|r| names_a_thing(r)) {
        let evil = ["Origin: http://evil.example"];
        let answer = call(&world, route, Whose::Nobodys, &evil, "{");
        assert_eq!(answer.error(), (404, "not_found".into()), "{}", route.path);
    }
    assert!(world.heard_nothing());
}

#[test]
fn what_is_another_server_s_is_theirs_to_change_and_ours_to_read() {
    let world = start();
    for route in ROUTES.iter().filter(|r| names_a_thing(r)) {
        let answer = call(&world, route, Whose::Theirs, &["Origin: http://evil.example"], "{");
        if route.owner == Owner::Any {
            assert_eq!(answer.status, 200, "{}", route.path);
            continue;
        }
        let status = if route.verb == Verb::Get { 302 } else { 307 };
        assert_eq!(answer.status, status, "{}", route.path);
        let there = format!("http://img2.lab:8080{}", target(route, Whose::Theirs));
        assert_eq!(answer.header("location"), Some(there.as_str()), "{}", route.path);
    }
    assert!(world.heard_nothing());
}

#[test]
fn foreign_pages_change_nothing() {
    let world = start();
    for route in ROUTES {
        let evil = ["Origin: http://evil.example"];
        let answer = call(&world, route, Whose::Ours, &evil, good_body(route));
        let want = if route.guarded() { 403 } else { 200 };
        assert_eq!(answer.status, want, "{}", route.path);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{}", route.path);
        let ours = call(&world, route, Whose::Ours, &["Origin: http://img2.lab:8080"], good_body(route));
        let echoed = route.guarded().then_some("http://img2.lab:8080");
        assert_eq!(ours.header("access-control-allow-origin"), echoed, "{}", route.path);
    }
}

#[test]
fn what_is_no_object_is_refused_by_all_who_take_a_body() {
    let world = start();
    for route in
        ROUTES.iter().filter(|r| !matches!(r.about.takes, Takes::Nothing | Takes::Read(_) | Takes::One(_)))
    {
        for (body, code) in [("{", "bad_json"), ("[]", "not_an_object"), ("7", "not_an_object")] {
            let answer = call(&world, route, Whose::Ours, &[], body);
            assert_eq!(answer.error(), (400, code.into()), "{} {body}", route.path);
        }
    }
    assert!(world.heard_nothing());
}

#[test]
fn what_must_be_in_a_body_is_missed() {
    let world = start();
    for route in ROUTES.iter() {
        let Takes::This(shape) = route.about.takes else { continue };
        let good: serde_json::Value = serde_json::from_str(good_body(route)).unwrap();
        for field in shape.fields.iter().filter(|f| f.needed) {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(field.name);
            let answer = call(&world, route, Whose::Ours, &[], &without.to_string());
            assert_eq!(answer.error(), (400, "missing_key".into()), "{} without {}", route.path, field.name);
            assert_eq!(answer.json()["error"]["detail"]["key"], field.name, "{}", route.path);
        }
    }
    assert!(world.heard_nothing());
}

#[test]
fn json_goes_out_as_json_whatever_came_in() {
    let world = start();
    for route in ROUTES {
        let form = ["Content-Type: application/x-www-form-urlencoded"];
        let answer = call(&world, route, Whose::Ours, &form, good_body(route));
        let want = match route.about.gives[0].holds {
            Holds::Nothing => None,
            Holds::One([("text/plain", _), ..]) => Some("text/plain; version=0.0.4; charset=utf-8"),
            Holds::One([("application/toml", _), ..]) => Some("application/toml; charset=utf-8"),
            Holds::One(_) | Holds::Json(_) => Some("application/json; charset=utf-8"),
        };
        assert_eq!(answer.header("content-type"), want, "{}", route.path);
    }
}

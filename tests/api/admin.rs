//! What there is, changed row by row.

use crate::world::{World, start};
use mozpool::lab::Lab;

/// An answer's status and its error's code, row and field.
#[track_caller]
fn refused(world: &World, method: &str, target: &str, body: &str) -> String {
    let answer = world.call(method, target, &[], body.as_bytes()).line();
    let (status, body) = answer.split_once(' ').unwrap();
    let error: serde_json::Value = serde_json::from_str(body).unwrap();
    let error = &error["error"];
    let place = match error["detail"]["row"].as_str() {
        Some(_) => format!(" [{}, {}]", error["detail"]["row"], error["detail"]["field"]),
        None => String::new(),
    };
    format!("{status} {}{place}: {}", error["code"].as_str().unwrap(), error["message"].as_str().unwrap())
}

#[test]
fn a_device_is_made_changed_and_deleted() {
    let world = start();
    let made = world.put(
        "/api/device/panda-0009/",
        r#"{"fqdn":"panda-0009.lab","mac":"0A:0B:0C:0D:0E:09","hardware_type":"panda","hardware_model":"ES","tags":["b","a"],"environment":"tests"}"#,
    );
    let device = |comments: &str, mac: (&str, &str), environment: &str| {
        format!(
            concat!(
                r#"{{"id":6,"name":"panda-0009","fqdn":"panda-0009.lab","inventory_id":0,"mac_address":"{}","#,
                r#""imaging_server":"img1.lab","relay_info":"","state":"new","comments":"{}","image":null,"#,
                r#""boot_config":"{{}}","environment":"{}","request_id":null,"hardware_type":"panda","#,
                r#""hardware_model":"ES","processor":"","tags":["a","b"],"next_image":null,"#,
                r#""state_since":"2026-11-22T11:49:06.581Z","reachable":true,"mac":"{}","deadline":"2026-11-22T11:49:06.581Z","#,
                r#""progress":null,"pxe_config":null,"attempt":null,"limit_s":0}}"#
            ),
            mac.0, comments, environment, mac.1
        )
    };
    let mac = ("0a0b0c0d0e09", "0a:0b:0c:0d:0e:09");
    assert_eq!(made.line(), format!("201 {}", device("", mac, "tests")));
    // What is not given stays, null takes away, and the name may be said again.
    let dry = world.put("/api/device/panda-0009?dry_run=1", r#"{"comments":"by hand"}"#);
    assert_eq!(
        dry.line(),
        r#"200 {"changes":["device panda-0009: comments (nothing) -> by hand"],"dry_run":true,"summary":{"device":{"changed":1}}}"#
    );
    let changed = world.put(
        "/api/device/panda-0009",
        r#"{"name":"panda-0009","comments":"by hand","mac":null,"environment":null}"#,
    );
    assert_eq!(changed.line(), format!("200 {}", device("by hand", ("", ""), "")));
    assert_eq!(
        world.get("/api/device/panda-0009/details").line(),
        format!("200 {}", device("by hand", ("", ""), ""))
    );
    assert_eq!(
        world.delete("/api/device/panda-0009?dry_run").line(),
        r#"200 {"changes":["device panda-0009: deleted"],"dry_run":true,"summary":{"device":{"deleted":1}}}"#
    );
    assert_eq!(world.delete("/api/device/panda-0009/").line(), "204 ");
    assert!(world.get("/api/device/panda-0009/details").line().starts_with("404 "));
    assert!(world.heard_nothing());
}

#[test]
fn a_device_that_is_claimed_busy_or_somebody_elses_stays() {
    let world = start();
    for (target, want) in [
        (
            "/api/device/panda-0001",
            "409 conflict: device panda-0001 cannot be deleted: request 1 holds it; close the request first",
        ),
        (
            "/api/device/panda-0001?force=1",
            "409 conflict: device panda-0001 cannot be deleted: request 1 holds it; close the request first",
        ),
        (
            "/api/device/panda-0002",
            "409 conflict: device panda-0002 cannot be deleted: it is in state b2g_downloading; wait until it is at rest or lock it out with please_offline, or force it",
        ),
        ("/api/device/panda-0008", "404 not_found: there is no device `panda-0008`"),
        (
            "/api/device/panda-0005",
            "503 owner_unknown: this belongs to the imaging server img3.lab, which has not made itself known; start Mozpool there",
        ),
    ] {
        assert_eq!(refused(&world, "DELETE", target, ""), want);
    }
    let there = world.delete("/api/device/panda-0003");
    assert_eq!(there.status, 307);
    assert_eq!(there.header("Location"), Some("http://img2.lab:8080/api/device/panda-0003"));
    for body in ["{}", r#"{"fqdn":"x"}"#] {
        let there = world.put("/api/device/panda-0003", body);
        assert_eq!(
            (there.status, there.header("Location")),
            (307, Some("http://img2.lab:8080/api/device/panda-0003"))
        );
    }
    let there = world.put("/api/device/new-1", r#"{"fqdn":"x","imaging_server":"img2.lab"}"#);
    assert_eq!(there.status, 307);
    assert_eq!(world.delete("/api/device/panda-0002?force=1").line(), "204 ");
    assert_eq!(world.delete("/api/device/panda-0004").line(), "204 ", "locked out is at rest");
}

#[test]
fn who_adds_does_not_change_and_who_changes_does_not_add() {
    let world = start();
    for (query, want) in [
        ("exists=no", "409 conflict: device panda-0001 is there already; change it, or choose another name"),
        ("exists=maybe", "400 bad_value: exists is `maybe`; it should be yes or no"),
    ] {
        assert_eq!(refused(&world, "PUT", &format!("/api/device/panda-0001?{query}"), "{}"), want);
    }
    let new = refused(&world, "PUT", "/api/device/panda-0008?exists=yes", r#"{"fqdn":"x"}"#);
    assert_eq!(new, "404 not_found: there is no device `panda-0008`");
}

/// Whoever comes first is told by the commit, not by a look before it.
#[test]
fn of_two_who_add_the_same_at_once_one_has_made_it() {
    let world = start();
    for (target, theirs, body, name) in [
        ("device/n", "[[device]]\nname = 'n'\nfqdn = 'theirs'", r#"{"fqdn":"ours"}"#, "device n"),
        ("image/n", "[[image]]\nname = 'n'", "{}", "image n"),
        ("hardware_type/n/m", "[[hardware_type]]\ntype = 'n'\nmodel = 'm'", "{}", "hardware type n m"),
        (
            "bmm/pxe_config/n",
            "[[pxe_config]]\nname = 'n'\ncontents = 'theirs'",
            r#"{"contents":"ours"}"#,
            "PXE config n",
        ),
        ("relay/n", "[[relay_board]]\nname = 'n'\nfqdn = 'theirs'", r#"{"fqdn":"ours"}"#, "relay board n"),
    ] {
        let target = format!("/api/{target}");
        let meanwhile = || Some(Lab::parse(theirs, "theirs.toml", "img1.lab").unwrap());
        world.answers().meanwhile = meanwhile();
        let why = format!("409 conflict: {name} is there already; change it, or choose another name");
        assert_eq!(refused(&world, "PUT", &format!("{target}?exists=no"), body), why);
        assert!(!world.get(&target).text().contains("ours"), "{target}");
        assert_eq!(world.delete(&target).line(), "204 ");
        // And who would change it, too, is not told that they have made it.
        world.answers().meanwhile = meanwhile();
        assert_eq!(world.put(&target, body).status, 200, "{target}");
    }
}

#[test]
fn a_bad_row_is_named_with_its_field_and_changes_nothing() {
    let world = start();
    let before = world.get("/api/lab/export?format=json").line();
    for (target, body, want) in [
        (
            "/api/device/panda-0002",
            r#"{"mac":"0a"}"#,
            r#"400 bad_row ["device `panda-0002`", "mac"]: device `panda-0002`, mac: `0a` is not a MAC address; write 12 hex digits, with colons, dashes or nothing between pairs"#,
        ),
        (
            "/api/device/panda-0002",
            r#"{"mac":"0a0b0c0d0e01"}"#,
            r#"400 bad_row ["device `panda-0002`", "mac"]: device `panda-0002`, mac: `0a:0b:0c:0d:0e:01` belongs to device `panda-0001`; correct it, or change that one first"#,
        ),
        (
            "/api/device/panda-0001",
            r#"{"imaging_server":"img2.lab"}"#,
            r#"409 conflict ["device `panda-0001`", "imaging_server"]: device `panda-0001`, imaging_server: request 1 holds the device, which cannot go to another imaging server now; close the request first"#,
        ),
        (
            "/api/device/panda-0002",
            r#"{"name":"panda-0010"}"#,
            r#"400 bad_row ["device `panda-0002`", "name"]: device `panda-0002`, name: is not the name in the path, and rows are not renamed; add a new one and delete the old one"#,
        ),
        (
            "/api/device/panda-0002",
            r#"{"fqdm":"x"}"#,
            r#"400 bad_row ["device `panda-0002`", ""]: device `panda-0002`: unknown field `fqdm`; the fields are name, fqdn, mac, imaging_server, relay_info, environment, hardware_type, hardware_model, processor, tags, comments, inventory_id, state"#,
        ),
        (
            "/api/device/new-1",
            "{}",
            r#"400 bad_row ["device `new-1`", "fqdn"]: device `new-1`, fqdn: is new and has no fqdn; add `fqdn`"#,
        ),
        (
            "/api/device/any",
            r#"{"fqdn":"x"}"#,
            r#"400 bad_row ["device `any`", "name"]: device `any`, name: `any` stands for all of them; choose another name"#,
        ),
        (
            "/api/device/new-1",
            "[]",
            "400 not_an_object: the body is a list; it should be a JSON object, such as {}",
        ),
        (
            "/api/image/b2g",
            r#"{"pxe":{"panda":"old"}}"#,
            r#"400 bad_row ["image `b2g`", "pxe"]: image `b2g`, pxe: there is no hardware type `panda`; add it first, or correct type and model"#,
        ),
        (
            "/api/image/b2g",
            r#"{"limits":{"pxe_booting":0}}"#,
            r#"400 bad_row ["image `b2g`", "limits"]: image `b2g`, limits: 0 seconds for pxe_booting would pass before anything can happen; write at least 1"#,
        ),
        (
            "/api/bmm/pxe_config/new",
            r#"{"file":"/etc/passwd"}"#,
            r#"400 bad_row ["pxe_config `new`", "file"]: pxe_config `new`, file: the server reads no files for a caller; write the text as `contents`"#,
        ),
        (
            "/api/hardware_type/*",
            "{}",
            r#"400 bad_row ["hardware_type `*`", "type"]: hardware_type `*`, type: `*` stands for all of them; choose another name"#,
        ),
        (
            "/api/relay/relay-9",
            r#"{"fqdn":"RELAY-1.lab"}"#,
            r#"400 bad_row ["relay_board `relay-9`", "fqdn"]: relay_board `relay-9`, fqdn: `RELAY-1.lab` belongs to relay board `relay-1`; correct it, or change that one first"#,
        ),
    ] {
        assert_eq!(refused(&world, "PUT", target, body), want);
    }
    assert_eq!(world.get("/api/lab/export?format=json").line(), before);
}

#[test]
fn hardware_types_are_made_changed_and_deleted() {
    let world = start();
    let path = "/api/hardware_type/cubie%20board/A%2F10";
    assert_eq!(
        world.put(path, r#"{"limits":{"pxe_booting":300}}"#).line(),
        r#"201 {"type":"cubie board","model":"A/10","ping_steady_s":10,"limits":{"pxe_booting":300}}"#
    );
    assert_eq!(
        world.put(path, r#"{"ping_steady_s":3,"limits":null}"#).line(),
        r#"200 {"type":"cubie board","model":"A/10","ping_steady_s":3,"limits":{}}"#
    );
    assert!(world.put("/api/hardware_type/plain", "").line().starts_with("201 "));
    assert_eq!(
        world.get("/api/hardware_type/list").line(),
        concat!(
            r#"200 {"hardware_types":[{"type":"cubie board","model":"A/10","ping_steady_s":3,"limits":{}},"#,
            r#"{"type":"panda","model":"ES","ping_steady_s":10,"limits":{}},"#,
            r#"{"type":"pc","model":"","ping_steady_s":10,"limits":{}},"#,
            r#"{"type":"plain","model":"","ping_steady_s":10,"limits":{}}]}"#
        )
    );
    assert_eq!(world.delete(path).line(), "204 ");
    assert_eq!(world.delete("/api/hardware_type/plain/").line(), "204 ");
    for (target, want) in [
        (path, "404 not_found: there is no hardware type `cubie board A/10`"),
        (
            "/api/hardware_type/panda/ES",
            "409 conflict: hardware type panda ES cannot be deleted: devices are of this type: panda-0001, panda-0003, panda-0004, panda-0005; change those first",
        ),
    ] {
        assert_eq!(refused(&world, "DELETE", target, ""), want);
    }
}

#[test]
fn images_and_their_matrix_are_made_changed_and_deleted() {
    let world = start();
    let made = world.put(
        "/api/image/linux",
        r#"{"check":"tcp:22","second_stage":"write-image.sh","boot_config_keys":["url"],"boot_config_defaults":{"disk":"/dev/sda"},"can_reuse":true,"pxe":{"*":"old"}}"#,
    );
    let linux = concat!(
        r#"{"name":"linux","check":"tcp:22","second_stage":"write-image.sh","boot_config_keys":["url"],"#,
        r#""boot_config_defaults":{"disk":"/dev/sda"},"can_reuse":true,"hidden":false,"limits":{},"pxe":{"panda ES":"old","pc":"old"}}"#
    );
    assert_eq!(made.line(), format!("201 {linux}"));
    assert_eq!(world.get("/api/image/linux/details").line(), format!("200 {linux}"));
    let pxe = |answer: crate::client::Answer| answer.line().split_once(r#""pxe":"#).unwrap().1.to_owned();
    // Cells that are not named stay; an empty one takes its cell away.
    assert_eq!(pxe(world.put("/api/image/linux", r#"{"pxe":{}}"#)), r#"{"panda ES":"old","pc":"old"}}"#);
    assert_eq!(
        refused(&world, "DELETE", "/api/bmm/pxe_config/old", ""),
        "409 conflict: PXE config old cannot be deleted: it installs images: linux; give those another PXE config first"
    );
    assert_eq!(pxe(world.put("/api/image/linux", r#"{"pxe":{"panda ES":null,"*":null}}"#)), "{}}");
    assert_eq!(world.delete("/api/bmm/pxe_config/old").line(), "204 ");
    assert_eq!(world.delete("/api/image/linux").line(), "204 ");
    for (target, want) in [
        ("/api/image/linux", "404 not_found: there is no image `linux`"),
        (
            "/api/image/b2g",
            "409 conflict: image b2g cannot be deleted: devices have it or are getting it: panda-0001, panda-0002; change those first",
        ),
        (
            "/api/image/android",
            "409 conflict: image android cannot be deleted: requests want it: 3; close those first",
        ),
        (
            "/api/image/self-test?force=1",
            "409 conflict: image self-test cannot be deleted: every server boots boards with it; change it instead",
        ),
        (
            "/api/bmm/pxe_config/maintenance",
            "409 conflict: PXE config maintenance cannot be deleted: devices are to boot it: panda-0004; change those first",
        ),
        (
            "/api/bmm/pxe_config/local-boot",
            "409 conflict: PXE config local-boot cannot be deleted: every server boots boards with it; change it instead",
        ),
    ] {
        assert_eq!(refused(&world, "DELETE", target, ""), want);
    }
    assert!(world.get("/api/image/nope/details").line().starts_with("404 "));
}

#[test]
fn pxe_configs_and_relay_boards_are_made_changed_and_deleted() {
    let world = start();
    assert_eq!(
        world.put("/api/bmm/pxe_config/mine", r#"{"contents":"DEFAULT {{ site.x }}\n"}"#).line(),
        r#"201 {"name":"mine","description":"","active":true,"contents":"DEFAULT {{ site.x }}\n"}"#
    );
    assert_eq!(
        world.put("/api/bmm/pxe_config/mine", r#"{"active":false,"description":"d"}"#).line(),
        r#"200 {"name":"mine","description":"d","active":false,"contents":"DEFAULT {{ site.x }}\n"}"#
    );
    assert_eq!(world.delete("/api/bmm/pxe_config/mine").line(), "204 ");

    assert_eq!(
        world.put("/api/relay/relay-3", r#"{"fqdn":"relay-3.lab"}"#).line(),
        r#"201 {"name":"relay-3","fqdn":"relay-3.lab","imaging_server":"img1.lab"}"#
    );
    assert_eq!(
        world.get("/api/relay/list/").line(),
        concat!(
            r#"200 {"relay_boards":[{"name":"relay-1","fqdn":"relay-1.lab:2101","imaging_server":"img1.lab"},"#,
            r#"{"name":"relay-2","fqdn":"relay-2.lab","imaging_server":"img2.lab"},"#,
            r#"{"name":"relay-3","fqdn":"relay-3.lab","imaging_server":"img1.lab"}]}"#
        )
    );
    assert_eq!(world.delete("/api/relay/relay-3").line(), "204 ");
    assert_eq!(world.delete("/api/relay/relay-2").status, 307);
    assert_eq!(world.put("/api/relay/relay-2", r#"{"fqdn":"x"}"#).status, 307);
    assert_eq!(
        refused(&world, "DELETE", "/api/relay/relay-1", ""),
        "409 conflict: relay board relay-1 cannot be deleted: devices hang on it: panda-0001, panda-0004; change those first"
    );
    assert_eq!(
        refused(&world, "DELETE", "/api/relay/relay-9", ""),
        "404 not_found: there is no relay board `relay-9`"
    );
}

#[test]
fn a_foreign_page_changes_nothing() {
    let world = start();
    for (method, target) in
        [("PUT", "/api/device/panda-0002"), ("DELETE", "/api/image/tuned"), ("POST", "/api/lab/import")]
    {
        let answer = world.call(method, target, &["Origin: http://evil.example"], b"{}");
        assert_eq!(answer.status, 403, "{method} {target}");
    }
    let headers = ["Origin: http://img2.lab:8080", "Access-Control-Request-Method: PUT"];
    let preflight = world.call("OPTIONS", "/api/device/panda-0002", &headers, b"");
    assert_eq!(preflight.header("Access-Control-Allow-Methods"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
    let answer = world.call("PUT", "/api/device/panda-0002", &["Origin: http://img2.lab:8080"], b"{}");
    assert_eq!(
        (answer.status, answer.header("Access-Control-Allow-Origin")),
        (200, Some("http://img2.lab:8080"))
    );
}

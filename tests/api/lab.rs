//! Everything at once: a lab file in and out.

use crate::world::{World, start};
use serde_json::Value;

fn import(world: &World, query: &str, kind: &str, body: &str) -> String {
    let kind = format!("Content-Type: {kind}");
    world.call("POST", &format!("/api/lab/import{query}"), &[&kind], body.as_bytes()).line()
}

const TOML: &str = "application/toml";
const NEW: &str =
    "[[device]]\nname = 'b-1'\nfqdn = 'b-1.lab'\n\n[[relay_board]]\nname = 'r'\nfqdn = 'r.lab'\n";

#[test]
fn a_lab_is_imported_in_every_format_after_a_dry_run() {
    let world = start();
    let changes = r#"["relay board r: new","device b-1: new"]"#;
    assert_eq!(
        import(&world, "?dry_run=1", TOML, NEW),
        format!(
            r#"200 {{"changes":{changes},"dry_run":true,"summary":{{"device":{{"new":1}},"relay_board":{{"new":1}}}}}}"#
        )
    );
    assert!(world.get("/api/device/b-1/details").line().starts_with("404 "));
    assert_eq!(
        import(&world, "?dry_run=0", "text/plain; charset=utf-8", NEW).split_once("message").unwrap().1,
        concat!(
            r#"":"the body is of no known type; send Content-Type application/toml, application/json or text/csv, "#,
            r#"or add format=toml, json or csv to the query"}}"#
        )
    );
    assert_eq!(
        import(&world, "?format=toml", "application/x-www-form-urlencoded", NEW),
        format!(
            r#"200 {{"changes":{changes},"dry_run":false,"summary":{{"device":{{"new":1}},"relay_board":{{"new":1}}}}}}"#
        )
    );
    assert_eq!(import(&world, "", TOML, NEW), r#"200 {"changes":[],"dry_run":false,"summary":{}}"#);
    assert_eq!(
        import(&world, "", "application/json; charset=utf-8", r#"{"device":[{"name":"b-1","tags":["x"]}]}"#),
        r#"200 {"changes":["device b-1: tags (nothing) -> x"],"dry_run":false,"summary":{"device":{"changed":1}}}"#
    );
    assert_eq!(
        import(&world, "", "text/csv", "name;tags;comments\r\nb-1;;\"a \"\"b\"\"\"\r\n"),
        r#"200 {"changes":["device b-1: tags x -> (nothing)","device b-1: comments (nothing) -> a \"b\""],"dry_run":false,"summary":{"device":{"changed":1}}}"#
    );
}

#[test]
fn an_import_with_an_error_changes_nothing_and_names_row_and_field() {
    let world = start();
    let before = world.get("/api/lab/export").line();
    let device = "[[device]]\nname = 'b-1'\nfqdn = 'x'\n";
    for (kind, body, want) in [
        (
            TOML,
            format!("{device}[[device]]\nname = 'b-2'\nfqdn = 'x'\nmac = 'no'\n"),
            "mine.toml:7: device `b-2`, mac: `no` is not a MAC address; write 12 hex digits, with colons, dashes or nothing between pairs",
        ),
        (
            TOML,
            format!("{device}hardware_type = 'mystery'\n"),
            "mine.toml:1: device `b-1`, hardware_type: hardware type `mystery` is neither in this file nor in the store; add a [[hardware_type]] with that type and model, or correct the name",
        ),
        (TOML, "[[device]\n".into(), "mine.toml:1: "),
        (
            "application/json",
            r#"{"device":[{"name":"b-1","fqdn":"x"},{"name":"b-2","fqdn":7}]}"#.into(),
            "mine.toml: device `b-2`, fqdn: expected a string, found a number",
        ),
        (
            "application/json",
            r#"{"device":[{"name":"b-1","fqdn":"x"},{"name":"b-1","fqdn":"y"}]}"#.into(),
            "mine.toml: device `b-1`, name: `b-1` is already used by `b-1`; change one of the two",
        ),
        ("application/json", "{\n\"device\": [}".into(), "mine.toml:2: expected value at line 2"),
        ("application/json", "[]".into(), "mine.toml: a lab is a JSON object of lists, not a list"),
        (
            "application/json",
            r#"{"device":{"name":"b-1"}}"#.into(),
            "mine.toml: expected a list of rows, found a table",
        ),
        (
            "text/csv",
            "name,fqdn,inventory_id\nb-1,x,1\nb-2,x,one\n".into(),
            "mine.toml:3: device `b-2`, inventory_id: expected a whole number, found a string",
        ),
        (
            "text/csv",
            "name,fqdn,mac\nb-1,x,0a0b0c0d0e0f\nb-2,x\n".into(),
            "mine.toml:3: 2 cells under 3 column names",
        ),
        (
            "text/csv",
            "name,color\n".into(),
            "mine.toml:1: unknown column `color`; the columns are name, fqdn, mac",
        ),
        ("text/csv", "name,fqdn\nb-1,\"x\n".into(), "mine.toml:2: a quotation mark is not closed"),
        ("text/csv", String::new(), "mine.toml:1: there is no line of column names"),
    ] {
        let answer = import(&world, "?origin=mine.toml", kind, &body);
        assert!(answer.starts_with("400 "), "{answer}");
        let error: Value = serde_json::from_str(&answer[4..]).unwrap();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(want), "{message}");
        assert_eq!(error["error"]["code"], "bad_row");
    }
    assert!(import(&world, "?format=yaml", TOML, "").starts_with("400 "));
    let bytes = world.call("POST", "/api/lab/import?format=csv", &[], b"name\n\xff\n");
    assert_eq!(bytes.message(), "the body is not UTF-8 text");
    assert_eq!(world.get("/api/lab/export").line(), before);
}

#[test]
fn an_export_imported_again_changes_nothing() {
    let world = start();
    for (format, kind) in [("toml", TOML), ("json", "application/json"), ("csv", "text/csv")] {
        let out = world.get(&format!("/api/lab/export?format={format}"));
        assert_eq!(out.header("Content-Type").map(|t| t.split(';').next().unwrap()), Some(kind));
        assert_eq!(
            import(&world, "", kind, out.text()),
            r#"200 {"changes":[],"dry_run":false,"summary":{}}"#,
            "{}",
            out.text()
        );
    }
    assert_eq!(
        world.get("/api/lab/export?format=csv").text().lines().take(2).collect::<Vec<_>>(),
        [
            "name,fqdn,mac,imaging_server,relay_info,environment,hardware_type,hardware_model,processor,tags,comments,inventory_id,state",
            "panda-0001,panda-0001.lab,0a:0b:0c:0d:0e:01,img1.lab,relay-1.lab:bank1:relay3,production,panda,ES,armv7,\"camera;wifi\",good,7,",
        ]
    );
    let toml = world.get("/api/lab/export").text().to_owned();
    assert!(toml.contains("[[device]]\nname = \"panda-0004\"\n"), "{toml}");
    assert!(toml.contains("state = \"locked_out\"\n"), "{toml}");
    assert!(world.get("/api/lab/export?format=xml").line().starts_with("400 "));
    assert_eq!(world.get("/api/lab/export?format=&kind=").text(), toml, "an empty value is none");
    let csv = world.get("/api/lab/export?format=csv&kind=image");
    assert_eq!(
        (csv.status, csv.message().as_str()),
        (400, "CSV has devices alone; take another format for kind image")
    );
}

#[test]
fn an_import_may_be_long_and_not_endless() {
    let world = start();
    let padding = |len: usize| format!("{NEW}# {}\n", "x".repeat(len));
    assert!(import(&world, "", TOML, &padding(2 << 20)).starts_with("200 "), "two mebibytes");
    let other = world.post("/api/device/panda-0002/set-comments", &"x".repeat(2 << 20));
    assert_eq!(other.message(), "the body is too long; 1048576 bytes at most");
    let endless =
        world.call("POST", "/api/lab/import", &["Content-Type: text/csv"], &vec![b'x'; (32 << 20) + 1]);
    assert_eq!(endless.message(), "the body is too long; 33554432 bytes at most");
}

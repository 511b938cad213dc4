//! Each source against what it reads.

use crate::web::{Web, broken};
use mozpool::config::{Inventory, InventorySource};
use mozpool::inventory::{SourceError, open, take_in};
use mozpool::logic::inventory::System;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn fetch(config: &Inventory) -> Result<Vec<System>, SourceError> {
    open(config, Instant::now() + Duration::from_secs(60))?.fetch()
}

#[track_caller]
fn failed(config: &Inventory) -> String {
    fetch(config).unwrap_err().to_string()
}

fn at(source: InventorySource, web: &Web) -> Inventory {
    Inventory { source, url: Some(web.url()), ..Inventory::default() }
}

/// `fqdn server relay mac type/model status`
fn words(systems: &[System]) -> Vec<String> {
    let one = |s: &System| {
        format!(
            "{} {} {} {} {} {}/{} {}",
            s.inventory_id,
            s.fqdn,
            s.imaging_server,
            s.relay_info,
            s.mac,
            s.hardware_type,
            s.hardware_model,
            s.status
        )
    };
    systems.iter().map(one).collect()
}

// Files.

fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Inventory) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let path = Some(folder.path().to_owned());
    let config = Inventory { source: InventorySource::Files, path, ..Inventory::default() };
    (folder, config)
}

const ROW: &str =
    "fqdn = 'b'\nmac = '020000000001'\nimaging_server = 's1'\nrelay_info = 'relay:bank1:relay1'\n";

#[test]
fn a_folder_is_read_in_the_order_of_its_names() {
    let (_folder, config) = folder(&[
        ("rack2.toml", &format!("\n[[device]]\nname = 'b2'\n{ROW}inventory_id = 12\n")),
        (
            "rack1/b.csv",
            "name,fqdn,mac,imaging_server,relay_info,tags\nb1,b1.x,020000000002,s1,r:bank1:relay2,\n",
        ),
        ("rack1/a.json", r#"{"device": [{"name": "b0", "fqdn": "b0.x"}]}"#),
        (".git/config.toml", "not toml"),
        ("README.md", "not a lab"),
    ]);
    let systems = fetch(&config).unwrap();
    let places: Vec<&str> = systems.iter().map(|s| s.place.as_str()).collect();
    assert_eq!(places, ["rack1/a.json", "rack1/b.csv:2", "rack2.toml:2"]);
    assert_eq!(words(&systems)[2], "12 b s1 relay:bank1:relay1 02:00:00:00:00:01 / ");
    assert_eq!(systems[1].extras.tags, Some(vec![]), "a column is looked after");
    let intake = take_in(systems, None).unwrap();
    assert_eq!(intake.skipped[0].name, "b0");
    assert_eq!(intake.wanted.len(), 2);
    // One file alone is an inventory, too.
    let one = Inventory { path: config.path.clone().map(|p| p.join("rack2.toml")), ..config };
    assert!(fetch(&one).unwrap()[0].place.ends_with("/rack2.toml:2"));
}

#[test]
fn what_is_wrong_in_a_file_is_named_with_its_line() {
    let check = |name: &str, text: &str, want: &str| {
        let (_folder, config) =
            folder(&[("a.toml", &format!("[[device]]\nname = 'a'\n{ROW}")), (name, text)]);
        let error = failed(&config);
        assert!(error.starts_with(want), "{error}");
    };
    check("z.toml", "[[device]]\nname = 'b'\nrelay_inf = 'x'\n", "z.toml:3: device `b`: ");
    check("z.toml", "[[device]]\nname = 'b'\nmac = '0200'\n", "z.toml:3: device `b`, mac: ");
    // Cut off in the middle.
    check("z.toml", "[[device]]\nname = 'b", "z.toml:2: ");
    check("z.json", "{\"device\": [", "z.json");
    check("z.csv", "name,fqdn\nb,\"x", "z.csv:2: ");
    check(
        "z.toml",
        "\n[[image]]\nname = 'debian'\n",
        "z.toml:2: an inventory has devices alone; keep image rows",
    );
    let (folder, config) = folder(&[("README.md", "")]);
    assert!(failed(&config).contains("has no file that ends in .toml, .json or .csv"));
    let gone = Inventory { path: Some(folder.path().join("gone")), ..config };
    assert!(failed(&gone).starts_with("cannot read "));
    let unset = Inventory { path: None, ..gone };
    assert_eq!(failed(&unset), "inventory.path is empty, and inventory.source = \"files\" needs it");
}

// Mozilla's Inventory.

fn export(status: u64, changes: &Value) -> Value {
    let mut system = json!({
        "pk": 17, "asset_tag": "1", "system_status": status, "server_model": 3,
        "keyvalue_set": {
            "system.relay.0": {"pk": 1, "key": "system.relay.0", "value": "relay-1.example.com:bank1:relay1"},
            "system.imaging_server.0": {"key": "system.imaging_server.0", "value": "img1.example.com"},
        },
        "staticreg_set": {"nic0": {"ip_str": "10.0.0.1", "hwadapter_set": {"hw0": {"mac": "02:00:00:00:00:0A"}}}},
    });
    for (key, value) in changes.as_object().unwrap() {
        system[key] = value.clone();
    }
    system
}

const EXPORT: &str = "/en-US/bulk_action/export/?q=%2F%5Epanda-";

#[test]
fn mozillas_inventory_is_exported_at_once_and_its_numbers_are_looked_up_once() {
    let web = Web::new();
    let password = tempfile::NamedTempFile::new().unwrap();
    fs::write(password.path(), "s3cret\n").unwrap();
    let config = Inventory {
        filter: "/^panda-".into(),
        user: "mozpool".into(),
        password_file: Some(password.path().to_owned()),
        ..at(InventorySource::Mozilla, &web)
    };
    let systems = json!({"systems": {
        "panda-1.example.com": export(1, &json!({})),
        "panda-2.example.com": export(1, &json!({"pk": 18, "keyvalue_set": {}})),
        "panda-3.example.com": export(2, &json!({"pk": 19, "staticreg_set": {}})),
    }});
    web.put(EXPORT, &systems);
    web.put("/en-US/core/api/v1_core/systemstatus/1/", &json!({"status": "production"}));
    web.put("/en-US/core/api/v1_core/systemstatus/2/", &json!({"status": "decommissioned"}));
    web.put("/en-US/core/api/v1_core/servermodel/3/", &json!({"vendor": "PandaBoard", "model": "ES"}));
    let systems = fetch(&config).unwrap();
    assert_eq!(
        words(&systems),
        [
            "17 panda-1.example.com img1.example.com relay-1.example.com:bank1:relay1 02:00:00:00:00:0A PandaBoard/ES production",
            "18 panda-2.example.com   02:00:00:00:00:0A PandaBoard/ES production",
            "19 panda-3.example.com img1.example.com relay-1.example.com:bank1:relay1  PandaBoard/ES decommissioned",
        ]
    );
    let asked = web.asked();
    assert_eq!(asked.len(), 4, "each number once: {asked:?}");
    let intake = take_in(systems, None).unwrap();
    assert_eq!((intake.wanted.len(), intake.skipped.len()), (1, 2));
    assert_eq!(&*intake.wanted[0].name, "panda-1");
    fetch(&config).unwrap();
    assert_eq!(web.credentials(), ["Basic bW96cG9vbDpzM2NyZXQ="]);
    // Whatever does not answer 200 ends it.
    web.put_text("/en-US/core/api/v1_core/servermodel/3/", 404, "{}");
    assert!(failed(&config).starts_with("the inventory answers HTTP status 404 at "), "{}", failed(&config));
    web.put_text(EXPORT, 401, "");
    assert!(failed(&config).ends_with("look at inventory.user, password_file and token_file"));
    web.put_text(EXPORT, 302, "");
    assert!(
        failed(&config).ends_with("set inventory.url to where it really is"),
        "credentials do not travel"
    );
    web.put(EXPORT, &json!({"error": "no such filter"}));
    assert!(failed(&config).ends_with("/systems is missing; it should be an object of systems"));
    // Cut off in the middle, with and without a length that says so.
    web.put_text(EXPORT, 200, "{\"systems\": {\"panda-1.example.com\": {");
    assert!(failed(&config).contains(" is not JSON: EOF"), "{}", failed(&config));
    let url = broken("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"systems\": {}}");
    let error = failed(&Inventory { url: Some(url), ..config.clone() });
    assert!(error.contains("does not answer"), "{error}");
    // Nobody there; no password.
    let nobody = Inventory { url: Some(broken("")), ..config.clone() };
    assert!(fetch(&nobody).unwrap_err().is_of_now());
    let error = failed(&Inventory { password_file: Some(PathBuf::from("/nowhere/x")), ..config });
    assert!(error.starts_with("cannot read /nowhere/x: "), "{error}");
}

// Any server.

fn mapping(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(field, pointer)| ((*field).to_owned(), (*pointer).to_owned())).collect()
}

#[test]
fn any_server_is_read_by_pointers_page_by_page() {
    let web = Web::new();
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "t0ken").unwrap();
    let config = Inventory {
        url: Some(format!("{}/v2/hosts", web.url())),
        filter: "kind=board".into(),
        token_file: Some(token.path().to_owned()),
        systems: "/data/hosts".into(),
        next: "/data/next".into(),
        count: "/total".into(),
        fields: mapping(&[
            ("inventory_id", "/uuid"),
            ("fqdn", "/names/0"),
            ("mac", "/nics/0/mac"),
            ("imaging_server", "/lab/server"),
            ("relay_info", "/lab/power~1relay"),
            ("tags", "/labels"),
            ("environment", "/pool"),
        ]),
        ..at(InventorySource::Http, &web)
    };
    let host = |n: u8, labels: Value| {
        json!({"uuid": format!("u-{n}"), "names": [format!("b{n}.x")], "nics": [{"mac": format!("02000000000{n}")}],
               "lab": {"server": "s1", "power/relay": format!("r:bank1:relay{n}")}, "labels": labels, "pool": null})
    };
    let page = |hosts: Value, next: Value| json!({"total": 3, "data": {"hosts": hosts, "next": next}});
    web.put(
        "/v2/hosts?kind=board",
        &page(json!([host(1, json!(["b", "a", "a"]))]), json!("/v2/hosts?page=2")),
    );
    let second = format!("{}/v2/hosts?page=3", web.url());
    web.put("/v2/hosts?page=2", &page(json!([host(2, json!("x, y"))]), json!(second)));
    web.put("/v2/hosts?page=3", &page(json!([host(3, json!([{"name": "z"}]))]), Value::Null));
    let systems = fetch(&config).unwrap();
    assert_eq!(web.credentials(), ["Bearer t0ken"]);
    let tags: Vec<String> = systems.iter().map(|s| s.extras.tags.clone().unwrap().join(",")).collect();
    assert_eq!(tags, ["a,b", "x,y", "z"]);
    assert_eq!(systems[2].extras.environment.as_deref(), Some(""), "what is mapped is looked after");
    assert_eq!(systems[2].extras.comments, None);
    let intake = take_in(systems, None).unwrap();
    assert_eq!(intake.wanted[2].power.text, "r:bank1:relay3");
    assert!(
        intake.wanted[0].place.ends_with("/v2/hosts?kind=board, system 1 (b1.x)"),
        "{}",
        intake.wanted[0].place
    );
    // Not as many as there should be.
    web.put("/v2/hosts?page=2", &page(json!([host(2, Value::Null)]), json!("")));
    assert!(failed(&config).contains("there should be 3 and there are 2"), "{}", failed(&config));
    // Round in circles.
    web.put("/v2/hosts?page=2", &page(json!([]), json!("/v2/hosts?kind=board")));
    assert!(failed(&config).contains("its pages go on in circles"), "{}", failed(&config));
    // On to a server that must not see the token.
    web.put("/v2/hosts?page=2", &page(json!([]), json!("http://elsewhere.example.com/")));
    assert!(
        failed(&config).contains("goes on at http://elsewhere.example.com/, another server"),
        "{}",
        failed(&config)
    );
    // A value that is none, with its place.
    web.put("/v2/hosts?kind=board", &page(json!([{"names": [["x"]]}]), Value::Null));
    assert!(
        failed(&config).contains("/v2/hosts?kind=board, system 1: /names/0 is a list"),
        "{}",
        failed(&config)
    );
    web.put("/v2/hosts?kind=board", &json!([]));
    assert!(failed(&config).contains("/data/hosts is missing; it should be a list of systems"));
}

// NetBox.

pub(crate) fn netbox_device(n: u64, changes: &Value) -> Value {
    let mut device = json!({
        "id": n, "url": format!("http://netbox/api/dcim/devices/{n}/"), "display": format!("b{n}"), "name": format!("b{n}.lab"),
        "device_type": {"id": 1, "manufacturer": {"id": 1, "name": "BeagleBoard", "slug": "beagleboard"}, "model": "Black"},
        "role": {"name": "board"}, "site": {"name": "here"}, "status": {"value": "active", "label": "Active"},
        "tags": [{"id": 1, "name": "mozpool", "slug": "mozpool"}],
        "custom_fields": {"imaging_server": "s1", "relay_info": format!("relay-1:bank1:relay{n}")},
    });
    for (key, value) in changes.as_object().unwrap() {
        device[key] = value.clone();
    }
    device
}

pub(crate) fn netbox_interface(id: u64, device: u64, changes: &Value) -> Value {
    let mut interface = json!({
        "id": id, "device": {"id": device, "name": format!("b{device}.lab")}, "name": "eth0", "enabled": true, "mgmt_only": false,
        "mac_address": format!("02:00:00:00:00:{device:02X}"),
    });
    for (key, value) in changes.as_object().unwrap() {
        interface[key] = value.clone();
    }
    interface
}

pub(crate) fn netbox_page(count: u64, rows: &[Value]) -> Value {
    json!({"count": count, "next": null, "previous": null, "results": rows})
}

pub(crate) const NETBOX_DEVICES: &str = "/api/dcim/devices/?limit=500&offset=0&tag=mozpool";

#[test]
fn netboxs_devices_have_custom_fields_and_interfaces() {
    let web = Web::new();
    let token = tempfile::NamedTempFile::new().unwrap();
    fs::write(token.path(), "0123abcd\n").unwrap();
    let config = Inventory {
        filter: "tag=mozpool".into(),
        token_file: Some(token.path().to_owned()),
        ..at(InventorySource::Netbox, &web)
    };
    // Two pages, for a server gives as many as it likes.
    let three = [
        netbox_device(1, &json!({})),
        netbox_device(2, &json!({"status": {"value": "decommissioning"}})),
        netbox_device(3, &json!({"custom_fields": {"imaging_server": null}})),
    ];
    web.put(NETBOX_DEVICES, &netbox_page(3, &three[..2]));
    let second = "/api/dcim/devices/?limit=500&offset=2&tag=mozpool";
    web.put(second, &netbox_page(3, &three[2..]));
    let interfaces = "/api/dcim/interfaces/?limit=500&offset=0&device_id=1&device_id=2&device_id=3";
    let rows = [
        netbox_interface(
            13,
            1,
            &json!({"name": "ipmi", "mgmt_only": true, "mac_address": "02:00:00:00:00:99"}),
        ),
        netbox_interface(12, 1, &json!({"name": "eth1", "mac_address": "02:00:00:00:00:98"})),
        netbox_interface(11, 1, &json!({})),
        netbox_interface(10, 1, &json!({"name": "lo", "mac_address": null})),
        // Since 4.2 an address is an object.
        netbox_interface(
            20,
            2,
            &json!({"mac_address": null, "primary_mac_address": {"id": 1, "mac_address": "02:00:00:00:00:42"}}),
        ),
    ];
    web.put(interfaces, &netbox_page(5, &rows));
    let systems = fetch(&config).unwrap();
    assert_eq!(
        words(&systems),
        [
            "1 b1.lab s1 relay-1:bank1:relay1 02:00:00:00:00:01 BeagleBoard/Black active",
            "2 b2.lab s1 relay-1:bank1:relay2 02:00:00:00:00:42 BeagleBoard/Black decommissioned",
            "3 b3.lab    BeagleBoard/Black active",
        ]
    );
    assert_eq!(web.credentials(), ["Token 0123abcd"]);
    assert_eq!(systems[0].extras.tags, None, "NetBox's tags are its own unless they are mapped");
    // Another interface; a field of the device in place of interfaces; other custom fields.
    let eth1 = Inventory { interface: "eth1".into(), ..config.clone() };
    assert_eq!(fetch(&eth1).unwrap()[0].mac, "02:00:00:00:00:98");
    web.asked();
    let mapped = Inventory {
        fields: mapping(&[
            ("mac", "/custom_fields/mac"),
            ("relay_info", "/custom_fields/pdu"),
            ("tags", "/tags"),
        ]),
        ..config.clone()
    };
    web.put(
        NETBOX_DEVICES,
        &netbox_page(1, &[netbox_device(1, &json!({"custom_fields": {"mac": "02000000000f", "pdu": "x"}}))]),
    );
    let one = fetch(&mapped).unwrap().remove(0);
    assert_eq!(
        (one.mac.as_str(), one.relay_info.as_str(), one.extras.tags),
        ("02000000000f", "x", Some(vec!["mozpool".into()]))
    );
    assert_eq!(web.asked().len(), 1, "interfaces are not asked for");
    // Fewer than announced: it breaks off, or has changed meanwhile.
    web.put(NETBOX_DEVICES, &netbox_page(3, &three[..2]));
    web.put(second, &netbox_page(3, &[]));
    assert!(failed(&config).contains("there should be 3 and there are 2"), "{}", failed(&config));
    web.put_text(second, 500, "");
    assert!(fetch(&config).unwrap_err().is_of_now());
    web.put_text(NETBOX_DEVICES, 403, "{\"detail\": \"Invalid token\"}");
    assert!(failed(&config).contains("HTTP status 403"));
    web.put(NETBOX_DEVICES, &json!([]));
    assert!(failed(&config).contains("/results is missing"));
}

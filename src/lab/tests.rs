//! Every way in which a lab file can be wrong, and that the message says where and what to do.

use super::{Lab, Problem};
use crate::logic::check::Check;
use crate::logic::ids::Mac;
use crate::logic::lifeguard::State;
use std::path::Path;

/// The message about `text`.
#[track_caller]
fn refused(text: &str) -> String {
    match Lab::parse(text, "lab.toml", "here") {
        Err(e) => e.to_string(),
        Ok(_) => panic!("accepted: {text}"),
    }
}

/// `text` is refused with a message that begins so and contains the remedy.
#[track_caller]
fn check(text: &str, begins: &str, remedy: &str) {
    let message = refused(text);
    assert!(message.starts_with(&format!("lab.toml:{begins}")), "{message}");
    assert!(message.contains(remedy), "{message}");
}

#[test]
fn a_whole_lab_is_read() {
    let text = r#"
[[hardware_type]]
type = "panda"
model = "ES"
ping_steady_s = 0
limits = { pxe_booting = 300 }

[[pxe_config]]
name = "mine"
description = "d"
contents = "DEFAULT x\n"
active = false

[[image]]
name = "linux"
check = "tcp:22"
second_stage = "write-image.sh"
boot_config_keys = ["url"]
boot_config_defaults = { disk = "/dev/sda", deep = { list = [1, 2.5, true] } }
pxe = { "*" = "mine", "panda ES" = "image" }

[[device]]
name = "panda-1"
fqdn = "panda-1.example"
mac = "0A-0B-0C-0D-0E-01"
relay_info = "relay:bank1:relay1"
hardware_type = "panda"
hardware_model = "ES"
tags = ["b", "a", "b"]
state = "locked_out"
"#;
    let lab = Lab::parse(text, "lab.toml", "here").unwrap();
    assert_eq!((lab.origin.as_str(), lab.default_server.as_str()), ("lab.toml", "here"));
    assert_eq!(lab.hardware_types[0].limits.as_ref().unwrap()[&State::PxeBooting], 300);
    assert_eq!((lab.pxe_configs[0].line, lab.pxe_configs[0].active), (8, Some(false)));
    let image = &lab.images[0];
    assert_eq!((&image.check, image.can_reuse, image.pxe.len()), (&Some(Check::Tcp(22)), None, 2));
    assert_eq!(
        image.boot_config_defaults.as_deref(),
        Some(r#"{"deep":{"list":[1,2.5,true]},"disk":"/dev/sda"}"#)
    );
    let device = &lab.devices[0];
    assert_eq!(device.mac, Some(Some(Mac([10, 11, 12, 13, 14, 1]))));
    assert_eq!(device.tags, Some(vec!["a".into(), "b".into()]), "sorted, each once");
    assert_eq!((device.state, device.line), (Some(State::LockedOut), 22));
    assert_eq!(Lab::parse("", "lab.toml", "here").unwrap().devices, []);
}

#[test]
fn what_toml_or_the_fields_forbid_is_named_by_line() {
    check("[[device]]\nname = \"x\nfqdn = 1", "2: ", "see the sample lab file");
    check("[[device]]\nname = 'x'\nfqdn = 'x'\nrelay_inf = 'y'", "4: ", "unknown field `relay_inf`");
    check("[[gadget]]\nname = 'x'", "1: ", "unknown field `gadget`");
    check("\n\n[[device]]\nfqdn = 'x'", "3: device 1: ", "missing field `name`");
    check("[[device]]\nname = 7\nfqdn = 'x'", "2: ", "expected a string");
    check(
        "[[hardware_type]]\ntype = 'x'\nping_steady_s = -1",
        "3: hardware_type `x`, ping_steady_s: ",
        "expected a number of seconds, found -1",
    );
}

#[test]
fn every_bad_value_is_named_by_line_row_and_field() {
    let device = |line: &str| format!("[[device]]\nname = 'b-1'\nfqdn = 'x'\n{line}");
    let image = |line: &str| format!("[[image]]\nname = 'i'\n{line}");
    check(&device("mac = '0a:0b'"), "4: device `b-1`, mac: ", "write 12 hex digits");
    check(&device("relay_info = 'host'"), "4: device `b-1`, relay_info: ", "bank");
    check(&device("relay_info = 'host:bank1:relay9'"), "4: device `b-1`, relay_info: ", "");
    check(
        &device("relay_info = 'command:/bin/sh -c id'"),
        "4: device `b-1`, relay_info: ",
        "without slashes",
    );
    check(&device("relay_info = 'command:pdu -h'"), "4: device `b-1`, relay_info: ", "cannot be given");
    check(&device("state = 'off'"), "4: device `b-1`, state: `off`", "write one such as new");
    check(&device("environment = 'any'"), "4: device `b-1`, environment: ", "choose another name");
    check(&device("hardware_model = 'ES'"), "4: device `b-1`, hardware_model: ", "add the type");
    check(
        &device("hardware_type = ''\nhardware_model = 'x'"),
        "5: device `b-1`, hardware_model: ",
        "add the type",
    );
    check(&device("imaging_server = ' '"), "4: device `b-1`, imaging_server: ", "must not be empty");
    check("[[device]]\nname = 'any'\nfqdn = 'x'", "2: device `any`, name: ", "choose another name");
    for kind in ["device", "image", "pxe_config", "relay_board"] {
        check(
            &format!("[[{kind}]]\nname = 'list'"),
            &format!("2: {kind} `list`, name: "),
            "choose another name",
        );
    }
    check("[[hardware_type]]\ntype = 'list'", "2: hardware_type `list`, type: ", "choose another name");
    check("[[device]]\nname = 'a/b'\nfqdn = 'x'", "2: device `a/b`, name: ", "1 to 32 letters");
    check("[[device]]\nname = '..'\nfqdn = 'x'", "2: device `..`, name: ", "1 to 32 letters");
    check(&format!("[[device]]\nname = '{}'\nfqdn = 'x'", "x".repeat(33)), "2: ", "1 to 32 letters");
    check("[[device]]\nname = 'x'\nfqdn = ''", "3: device `x`, fqdn: ", "must not be empty");
    check("[[device]]\nname = 'x'\nfqdn = 'a b'", "3: device `x`, fqdn: ", "without spaces");
    check(&image("check = 'pong'"), "3: image `i`, check: ", "tcp:PORT");
    check(
        &image("second_stage = '../../etc/passwd'"),
        "3: image `i`, second_stage: ",
        "plain name of a file",
    );
    check(&image("limits = { warp = 3 }"), "3: image `i`, limits: `warp`", "write one such as");
    check(&image("limits = { pxe_booting = 0 }"), "3: image `i`, limits: ", "at least 1");
    check(&image("boot_config_defaults = { x = nan }"), "3: image `i`, boot_config_defaults: ", "`x`");
    check(&image("boot_config_defaults = { x = [2020-01-01] }"), "3: ", "cannot be written as JSON");
    check("[[relay_board]]\nname = 'r'\nfqdn = 'h:0'", "3: relay_board `r`, fqdn: ", "");
    let both = "[[pxe_config]]\nname = 'p'\ncontents = 'x'\nfile = 'y'";
    check(both, "4: pxe_config `p`, file: ", "keep one of them");
    let no_file = "[[pxe_config]]\nname = 'p'\nfile = 'no/such/file'";
    check(no_file, "3: pxe_config `p`, file: cannot read no/such/file", "check the path");
}

#[test]
fn nothing_is_said_twice() {
    let two = |kind: &str, a: &str, b: &str| format!("[[{kind}]]\n{a}\n[[{kind}]]\n{b}");
    let device = |n: u8, line: &str| format!("name = 'b-{n}'\nfqdn = 'x'\n{line}");
    check(
        &two("image", "name = 'i'", "name = 'i'"),
        "3: image `i`, name: `i` is already used on line 1",
        "change",
    );
    check(
        &two("pxe_config", "name = 'i'", "name = 'i'"),
        "3: pxe_config `i`, name: ",
        "already used on line 1",
    );
    check(
        &two("hardware_type", "type = 'a'\nmodel = 'b c'", "type = 'a b'\nmodel = 'c'"),
        "4: hardware_type `a b c`, type: ",
        "already used on line 1",
    );
    check(
        &two("device", &device(1, ""), &device(1, "")),
        "5: device `b-1`, name: ",
        "already used on line 1",
    );
    check(
        &two("device", &device(1, "mac = '0a0b0c0d0e0f'"), &device(2, "mac = '0A:0B:0C:0D:0E:0F'")),
        "5: device `b-2`, mac: ",
        "already used on line 1",
    );
    check(
        &two(
            "device",
            &device(1, "relay_info = 'r:bank1:relay1'"),
            &device(2, "relay_info = 'R:2101:bank1:relay1'"),
        ),
        "5: device `b-2`, relay_info: ",
        "already used on line 1",
    );
    check(
        &two("relay_board", "name = 'a'\nfqdn = 'h'", "name = 'b'\nfqdn = 'H:2101'"),
        "4: relay_board `b`, fqdn: ",
        "already used on line 1",
    );
    // Two devices without power control or address are no conflict.
    let none = two("device", &device(1, "relay_info = ''"), &device(2, "relay_info = ''"));
    assert_eq!(Lab::parse(&none, "lab.toml", "here").unwrap().devices.len(), 2);
}

#[test]
fn a_file_is_loaded_and_so_is_what_lies_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lab.toml");
    std::fs::write(&path, "[[pxe_config]]\nname = 'p'\nfile = 'p.cfg.j2'").unwrap();
    std::fs::write(dir.path().join("p.cfg.j2"), "DEFAULT p\n").unwrap();
    let lab = Lab::load(&path, "here").unwrap();
    assert_eq!(lab.pxe_configs[0].contents.as_deref(), Some("DEFAULT p\n"));
    let error = Lab::load(Path::new("/no/such/lab.toml"), "here").unwrap_err();
    assert!(matches!(error.problem, Problem::Unreadable { .. }));
    assert!(error.to_string().starts_with("cannot read /no/such/lab.toml: "), "{error}");
}

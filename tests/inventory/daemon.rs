//! The built daemon and the built command line, with a lab in git and with a NetBox.

use crate::sources::{NETBOX_DEVICES, netbox_device, netbox_interface, netbox_page};
use crate::support::{Daemon, Lab, mozpool, wait_for};
use crate::web::Web;
use serde_json::{Value, json};
use std::process::{Command, Output};

/// A lab with an inventory, served.
fn serve(inventory: &str) -> (Lab, Daemon) {
    let lab = Lab::new();
    let config = std::fs::read_to_string(lab.config()).unwrap();
    let inventory = inventory.replace("LAB", lab.folder.path().to_str().unwrap());
    std::fs::write(lab.config(), format!("{config}\n[inventory]\n{inventory}\n")).unwrap();
    let daemon = lab.serve();
    (lab, daemon)
}

fn run(lab: &Lab, daemon: &Daemon, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = mozpool(&lab.config());
    command.args(words).env("MOZPOOL_URL", format!("http://{}/", daemon.http));
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[track_caller]
fn done(lab: &Lab, daemon: &Daemon, words: &[&str]) -> String {
    let (code, out, err) = run(lab, daemon, words);
    assert_eq!(code, Some(0), "{words:?}\n{out}{err}");
    out
}

#[track_caller]
fn refused(lab: &Lab, daemon: &Daemon, words: &[&str]) -> String {
    let (code, out, err) = run(lab, daemon, words);
    assert_eq!((code, out.as_str()), (Some(1), ""), "{words:?}\n{err}");
    err
}

fn device(lab: &Lab, daemon: &Daemon, name: &str) -> Option<Value> {
    let (code, out, _) = run(lab, daemon, &["device", "show", name, "--json"]);
    (code == Some(0)).then(|| serde_json::from_str(&out).unwrap())
}

fn git(lab: &Lab, words: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=lab", "-c", "user.email=lab@localhost"]).args(words);
    let output = command.current_dir(lab.path("lab")).output().expect("git is installed");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn rack(rack: u8, boards: std::ops::RangeInclusive<u8>, more: &str) -> String {
    let row = |n: u8| {
        format!(
            "[[device]]\nname = \"b{n}\"\nfqdn = \"10.9.0.{n}\"\nmac = \"02:00:00:00:01:{n:02x}\"\nimaging_server = \"s1\"\n\
             relay_info = \"relay-{rack}.lab:4001:bank{}:relay{}\"\nhardware_type = \"test board\"\n{more}\n",
            n / 8 % 4 + 1,
            n % 8 + 1
        )
    };
    boards.map(row).collect()
}

#[test]
fn a_lab_in_git_is_brought_into_a_running_pool() {
    let (lab, daemon) = serve("source = 'files'\npath = 'LAB/lab'");
    std::fs::create_dir(lab.path("lab")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(lab.path("lab").join(name), text).unwrap();
    git(&lab, &["init", "-q"]);
    write("rack1.toml", &rack(1, 10..=12, ""));
    write("README.md", "The boards of the lab.\n");
    git(&lab, &["add", "."]);
    git(&lab, &["commit", "-qm", "rack 1"]);

    // What would change, then it changes; lifeguard hears of it: the boards begin their lives.
    let dry = done(&lab, &daemon, &["inventory", "sync", "--dry-run"]);
    let wanted = "relay board relay-1-4001: new\ndevice b10: new\ndevice b11: new\ndevice b12: new\n\
                  in all: device 3 new; relay board 1 new\n4 changes";
    assert_eq!(dry, format!("{wanted}; nothing was written (--dry-run)\n"));
    assert_eq!(device(&lab, &daemon, "b10"), None);
    assert_eq!(done(&lab, &daemon, &["inventory", "sync"]), format!("{wanted} written\n"));
    wait_for("the new boards to be taken up", || {
        let b = device(&lab, &daemon, "b10")?;
        (b["state"] != "new").then_some(())
    });
    let b = device(&lab, &daemon, "b10").unwrap();
    assert_eq!(b["relay_info"], "relay-1.lab:4001:bank2:relay3", "its port is kept");
    let boards = done(&lab, &daemon, &["relay", "show", "relay-1-4001", "--json"]);
    assert!(boards.contains("\"relay-1.lab:4001\""), "{boards}");
    assert_eq!(done(&lab, &daemon, &["inventory", "sync"]), "nothing to change\n");
    // The board that was made by hand is as it was.
    assert_eq!(device(&lab, &daemon, "board-1").unwrap()["state"], "ready");

    // Too much at once.
    write("rack2.toml", &rack(2, 20..=29, ""));
    git(&lab, &["add", "."]);
    git(&lab, &["commit", "-qm", "rack 2"]);
    let said = refused(&lab, &daemon, &["inventory", "sync"]);
    assert!(
        said.contains("nothing was changed: 10 devices would change, and 5 pass without a word"),
        "{said}"
    );
    assert_eq!(device(&lab, &daemon, "b20"), None);
    let dry = done(&lab, &daemon, &["inventory", "sync", "--dry-run"]);
    assert!(dry.contains("device b29: new\n") && dry.contains("\nmind: 10 devices would change"), "{dry}");
    done(&lab, &daemon, &["inventory", "sync", "--ship-it"]);
    assert!(device(&lab, &daemon, "b29").is_some());

    // A change of what people look after in the file, and of nothing else.
    done(&lab, &daemon, &["device", "edit", "b10", "comments=by the door", "environment=mine"]);
    write("rack1.toml", &rack(1, 10..=12, "tags = [\"wifi\"]"));
    let out = done(&lab, &daemon, &["inventory", "sync"]);
    assert!(out.contains("device b10: tags (nothing) -> wifi\n"), "{out}");
    let b = device(&lab, &daemon, "b10").unwrap();
    assert_eq!((&b["comments"], &b["environment"]), (&json!("by the door"), &json!("mine")));

    // Contradictions, and files that break off, change nothing and are named with their lines.
    write("rack3.toml", &rack(1, 10..=10, "").replace("b10", "b30"));
    let said = refused(&lab, &daemon, &["inventory", "sync", "--ship-it"]);
    assert!(
        said.contains(
            "MAC 02:00:00:00:01:0a belongs to device b30 (rack3.toml:1) and to device b10 (rack1.toml:1)"
        ),
        "{said}"
    );
    write("rack3.toml", "[[device]]\nname = \"b3");
    assert!(refused(&lab, &daemon, &["inventory", "sync"]).contains("rack3.toml:2: "));
    write("rack3.toml", &rack(1, 30..=30, "").replace("s1", "s2"));
    let said = refused(&lab, &daemon, &["inventory", "sync"]);
    assert!(
        said.contains("relay board relay-1.lab:4001 belongs to server s2 by device b30 (rack3.toml:1)"),
        "{said}"
    );
    std::fs::remove_file(lab.path("lab/rack3.toml")).unwrap();
    std::fs::rename(lab.path("lab"), lab.path("away")).unwrap();
    std::fs::create_dir(lab.path("lab")).unwrap();
    assert!(refused(&lab, &daemon, &["inventory", "sync", "--ship-it"]).contains("has no file that ends in"));
    assert!(device(&lab, &daemon, "b10").is_some());
    let status: Value =
        serde_json::from_str(&done(&lab, &daemon, &["inventory", "status", "--json"])).unwrap();
    assert_eq!((&status["source"], &status["last"]["by"]), (&json!("files"), &json!("call")));
    assert!(status["last"]["error"].as_str().unwrap().contains("has no file"), "{status}");
    std::fs::remove_dir(lab.path("lab")).unwrap();
    std::fs::rename(lab.path("away"), lab.path("lab")).unwrap();

    // A board that is at work waits for its end; the others of its rack go, with what hung on nothing else.
    let busy = ["b20", "b21", "b22"].map(|name| device(&lab, &daemon, name).unwrap()["state"].clone());
    assert!(busy.iter().all(|state| state != "ready"), "{busy:?}");
    std::fs::remove_file(lab.path("lab/rack2.toml")).unwrap();
    let out = done(&lab, &daemon, &["inventory", "sync", "--ship-it"]);
    assert!(out.contains("device b20 goes later: it is at work in state "), "{out}");
    for n in 20..=29 {
        done(&lab, &daemon, &["device", "please", "offline", &format!("b{n}")]);
    }
    let out = done(&lab, &daemon, &["inventory", "sync", "--ship-it"]);
    assert!(
        out.contains("device b20: deleted\n") && out.contains("relay board relay-2-4001: deleted\n"),
        "{out}"
    );
    assert_eq!(device(&lab, &daemon, "b20"), None);
}

const INTERFACES: &str = "/api/dcim/interfaces/?limit=500&offset=0&device_id=";

#[test]
fn a_netbox_is_followed_and_a_device_that_somebody_has_is_never_taken_away() {
    let web = Web::new();
    let (lab, daemon) = serve(&format!(
        "source = 'netbox'\nurl = '{}'\nfilter = 'tag=mozpool'\ntoken_file = 'LAB/token'\n\
         ignore_devices_on_servers_re = 's[2-9]$'\n[inventory.fields]\nenvironment = '/role/name'\nname = '/name'\nfqdn = '/primary_ip4/address'",
        web.url()
    ));
    std::fs::write(lab.path("token"), "0123abcd\n").unwrap();
    let at_hand = |n: u8| {
        let relay = format!("{}:bank1:relay{n}", lab.relays.addr());
        json!({
            "custom_fields": {"imaging_server": "s1", "relay_info": relay}, "name": format!("b{n}"), "role": {"name": "test"},
            "primary_ip4": {"address": "127.0.0.1/24"}, "device_type": {"manufacturer": {"name": "test board"}, "model": ""},
        })
    };
    let put = |devices: &[Value]| {
        web.clear();
        web.put(NETBOX_DEVICES, &netbox_page(devices.len() as u64, devices));
        let ids: Vec<u64> = devices.iter().map(|d| d["id"].as_u64().unwrap()).collect();
        let rows: Vec<Value> = ids.iter().map(|n| netbox_interface(100 + n, *n, &json!({}))).collect();
        let list: Vec<String> = ids.iter().map(ToString::to_string).collect();
        web.put(&format!("{INTERFACES}{}", list.join("&device_id=")), &netbox_page(rows.len() as u64, &rows));
    };
    // The second one is another server's, the third is out of use.
    let other =
        netbox_device(8, &json!({"custom_fields": {"imaging_server": "s2", "relay_info": "x:bank1:relay1"}}));
    let old = netbox_device(9, &json!({"status": {"value": "decommissioning"}}));
    put(&[netbox_device(7, &at_hand(2)), other, old]);
    let out = done(&lab, &daemon, &["inventory", "sync", "--verbose", "--dry-run"]);
    assert!(out.contains("skipped b8.lab: devices on s2 are ignored (device 8 (b8.lab))\n"), "{out}");
    assert!(out.contains("skipped b9.lab: it is decommissioned (device 9 (b9.lab))\n"), "{out}");
    done(&lab, &daemon, &["inventory", "sync"]);
    let b = device(&lab, &daemon, "b2").expect("it is there");
    assert_eq!(
        (&b["inventory_id"], &b["environment"], &b["fqdn"]),
        (&json!(7), &json!("test"), &json!("127.0.0.1"))
    );

    // Somebody takes it, and it vanishes from NetBox: it stays until it is returned.
    let state_is = |name: &str, state: &str| (device(&lab, &daemon, name)?["state"] == state).then_some(());
    wait_for("the board to be ready", || state_is("b2", "ready"));
    let asked = ["request", "new", "web", "--device", "b2", "-k", "url=http://127.0.0.1/x", "--json"];
    let request: Value = serde_json::from_str(&done(&lab, &daemon, &asked)).unwrap();
    let request = &request["id"];
    wait_for("the board to be claimed", || {
        (device(&lab, &daemon, "b2")?["request"]["id"] == *request
            || device(&lab, &daemon, "b2")?["request_id"] == *request)
            .then_some(())
    });
    // Its relay is another board's now, which waits with it.
    put(&[netbox_device(10, &at_hand(2)), netbox_device(11, &at_hand(3))]);
    let out = done(&lab, &daemon, &["inventory", "sync"]);
    assert!(out.contains(&format!("device b2 goes later: request {request} holds it\n")), "{out}");
    assert!(out.contains("device b2 comes later: it waits for device b2\n"), "{out}");
    assert!(out.contains("device b3: new\n"), "{out}");
    assert_eq!(device(&lab, &daemon, "b2").unwrap()["inventory_id"], 7);
    done(&lab, &daemon, &["request", "return", &request.to_string()]);
    done(&lab, &daemon, &["device", "please", "offline", "b2"]);
    let out = done(&lab, &daemon, &["inventory", "sync"]);
    assert!(out.contains("device b2: deleted\n") && out.contains("device b2: new\n"), "{out}");
    wait_for("the new board to be the machine's", || {
        let b = device(&lab, &daemon, "b2")?;
        (b["inventory_id"] == 10 && b["state"] != "locked_out" && b["state"] != "new").then_some(())
    });
    // It is called otherwise: the same board goes on, when it is at rest.
    wait_for("the board to be ready", || state_is("b2", "ready"));
    wait_for("the other one, too", || state_is("b3", "ready"));
    let mut renamed = at_hand(2);
    renamed["name"] = json!("c2");
    put(&[netbox_device(10, &renamed), netbox_device(11, &at_hand(3))]);
    let out = done(&lab, &daemon, &["inventory", "sync"]);
    assert_eq!(out, "device c2: name b2 -> c2\n1 change written\n");
    assert_eq!(device(&lab, &daemon, "b2"), None);
    assert_eq!(device(&lab, &daemon, "c2").unwrap()["state"], "ready");
    // The server is gone: nothing changes, and it is said.
    let url = web.url();
    drop(web);
    let (code, out, err) = run(&lab, &daemon, &["inventory", "sync"]);
    assert!(code != Some(0) && out.is_empty(), "{out}");
    assert!(err.contains(&format!("the inventory at {url}/api/dcim/devices/")), "{err}");
    let status = done(&lab, &daemon, &["inventory", "status"]);
    assert!(status.contains("does not answer"), "{status}");
}

//! A real board, end to end: a QEMU PC behind a relay boots by iPXE and PXELINUX from our TFTP server, is imaged by our live
//! system, boots what was written to its disk, and is handed over.
//!
//! In network namespaces of its own (`rig/net.sh`): our daemon on the ports that boot ROMs ask, dnsmasq for DHCP only. QEMU
//! runs without KVM, so every limit is a multiple of what an idle machine takes (a boot: about 15 s). Needs root.

mod support;

use serde_json::json;
use support::rig::{IMAGING, PATIENCE, PC, Rig, SELF_TEST, close, request, states};

/// Limits are wide where a boot happens: two processors emulate the board, and run other tests beside it.
const LAB: &str = r#"
[[hardware_type]]
type = "pc"
model = "qemu"
limits = { mobile_init_started = 60, pc_rebooting = 5, pc_pinging = 20, image_pinging = 20 }

[[image]]
name = "demo-os"
check = "ping"
second_stage = "write-image.sh"
boot_config_keys = ["url", "sha256"]
pxe = { "pc qemu" = "image" }

[[image]]
name = "self-test"
pxe = { "pc qemu" = "self-test" }

[[image]]
name = "maintenance"
pxe = { "pc qemu" = "maintenance" }

[[relay_board]]
name = "relays-1"
fqdn = "127.0.0.1"

[[device]]
name = "board-1"
fqdn = "10.9.0.101"
mac = "52:54:00:09:00:01"
relay_info = "127.0.0.1:bank1:relay1"
hardware_type = "pc"
hardware_model = "qemu"
environment = "test"
"#;

#[test]
fn a_real_board_is_tested_imaged_used_returned_and_survives_our_crash() {
    let rig = Rig::up(PC, LAB);
    let daemon = rig.serve();

    // A new board tests itself, from its first power-on.
    daemon.wait_for_state("ready");
    assert_eq!(states(&daemon, 0), SELF_TEST);
    let facts = daemon.log("syslog");
    for fact in ["52:54:00:09:00:01", "vda"] {
        assert!(
            facts.iter().any(|l| l.contains("fact ") && l.contains(fact)),
            "no fact with {fact} in {facts:#?}"
        );
    }

    // Imaged, checked, handed over.
    let id = request(&daemon, &rig.boot_config("demo-os.img.gz"));
    daemon.wait_for_request(id, "ready");
    assert_eq!(states(&daemon, SELF_TEST.len()), IMAGING);
    assert_eq!(rig.installed_page().trim(), "demo-os");
    let log = daemon.log("syslog");
    for part in ["mobile-init", "write-image"] {
        assert!(log.iter().any(|l| l.contains(part)), "nothing from {part} in {log:#?}");
    }

    // Returned, power-cycled: its own system comes up again.
    close(&daemon, id);
    let seen = states(&daemon, 0).len();
    daemon.event("please_power_cycle", json!({}));
    daemon.wait_for_state("ready");
    let wanted = ["pc_power_cycling", "pc_rebooting", "pc_pinging", "operation_complete", "ready"];
    assert_eq!(states(&daemon, seen), wanted);
    assert_eq!(rig.installed_page().trim(), "demo-os");

    // Maintenance, and out of it through a self-test, which leaves the installed system alone.
    daemon.event("please_start_maintenance", json!({}));
    daemon.wait_for_state("maintenance_mode");
    let seen = states(&daemon, 0).len();
    daemon.event("please_self_test", json!({}));
    daemon.wait_for_state("ready");
    assert_eq!(states(&daemon, seen), SELF_TEST);

    // A wrong checksum is the image's fault: the request ends so, the board heals.
    let mut wrong = rig.boot_config("demo-os.img.xz");
    wrong["sha256"] = json!("0".repeat(64));
    let id = request(&daemon, &wrong);
    daemon.wait_for_request(id, "failed_bad_image");
    daemon.wait_for_state("ready");
    let log = daemon.log("statemachine");
    assert!(log.iter().any(|l| l.starts_with("image_failed: checksum: expected 0000")), "{log:#?}");
    assert!(log.contains(&"entering state failed_image".to_owned()), "{log:#?}");
    close(&daemon, id);

    // Killed while the board writes its disk, started again: the request still becomes ready.
    let id = request(&daemon, &rig.boot_config("demo-os.img.zst"));
    let killed_in = support::wait_at_most(PATIENCE, "the board to install", || {
        Some(daemon.state()).filter(|s| s == "image_downloading" || s == "image_extracting")
    });
    daemon.kill();
    let daemon = rig.serve();
    daemon.wait_for_request(id, "ready");
    assert_eq!(rig.installed_page().trim(), "demo-os", "killed in {killed_in}");
    let log = daemon.get(&format!("request/{id}/log"));
    assert!(!log.to_string().contains("has failed"), "{log}");
    assert!(daemon.terminate().success());

    let namespace = rig.namespace();
    drop(rig);
    assert!(!namespace.exists(), "{} is left behind", namespace.display());
}

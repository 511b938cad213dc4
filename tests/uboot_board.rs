//! A real U-Boot board, end to end: QEMU's arm64 board behind a relay. Without a card it finds its way by the script that we
//! serve; with a card that `flash-card.sh` made, it is imaged, boots what was written to the card's second partition, and is
//! handed over.

mod support;

use serde_json::json;
use support::rig::{IMAGING, Rig, SELF_TEST, UBOOT, close, request, run, script, states};

/// Limits are wide where a boot happens: two processors emulate the board, and run other tests beside it.
const LAB: &str = r#"
[[hardware_type]]
type = "virt"
model = "qemu"
limits = { mobile_init_started = 60, pc_rebooting = 5, pc_pinging = 20, image_pinging = 20 }

[[image]]
name = "demo-os"
check = "ping"
second_stage = "write-image.sh"
boot_config_keys = ["url", "sha256"]
boot_config_defaults = { disk = "/dev/vda2" }
pxe = { "virt qemu" = "image" }

[[image]]
name = "self-test"
pxe = { "virt qemu" = "self-test" }

[[relay_board]]
name = "relays-1"
fqdn = "127.0.0.1"

[[device]]
name = "board-1"
fqdn = "10.9.0.101"
mac = "52:54:00:09:00:01"
relay_info = "127.0.0.1:bank1:relay1"
hardware_type = "virt"
hardware_model = "qemu"
environment = "test"
"#;

#[test]
fn a_board_with_our_card_is_imaged_used_and_returned() {
    let rig = Rig::up(UBOOT, LAB);
    let card = rig.path("rig/board-1.disk");
    run(script("init-scripts/flash-card.sh").arg("--out").arg(&card).args(["--size-mib", "160"]));
    let daemon = rig.serve();

    daemon.wait_for_state("ready");
    assert_eq!(states(&daemon, 0), SELF_TEST);

    let id = request(&daemon, &rig.boot_config("demo-os.img.gz"));
    daemon.wait_for_request(id, "ready");
    assert_eq!(states(&daemon, SELF_TEST.len()), IMAGING);
    assert_eq!(rig.installed_page().trim(), "demo-os");

    // Returned, power-cycled: its own system comes up again.
    close(&daemon, id);
    let seen = states(&daemon, 0).len();
    daemon.event("please_power_cycle", json!({}));
    daemon.wait_for_state("ready");
    let wanted = ["pc_power_cycling", "pc_rebooting", "pc_pinging", "operation_complete", "ready"];
    assert_eq!(states(&daemon, seen), wanted);
    assert_eq!(rig.installed_page().trim(), "demo-os");
    assert!(daemon.terminate().success());
}

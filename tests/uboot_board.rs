//! A real U-Boot board, end to end: QEMU's arm64 board behind a relay. Without a card it finds its way by the script that we
//! serve; with a card that `flash-card.sh` made, it is imaged, boots what was written to the card's second partition, and is
//! handed over.
//!
//! The card carries a device tree's address, so that one that comes from the network is taken, as on boards that need it.

mod support;

use serde_json::json;
use std::process::Command;
use support::rig::{IMAGING, PATIENCE, Rig, SELF_TEST, UBOOT, close, request, run, script, states};
use support::{mozpool, wait_at_most};

/// Limits are wide where a boot happens: two processors emulate the board, and run other tests beside it.
const LAB: &str = r#"
[[hardware_type]]
type = "uboot"
model = "qemu"
limits = { mobile_init_started = 60, pc_rebooting = 5, pc_pinging = 20, image_pinging = 20 }

[[image]]
name = "demo-os"
check = "ping"
second_stage = "write-image.sh"
boot_config_keys = ["url", "sha256"]
boot_config_defaults = { disk = "/dev/vda2" }
pxe = { "uboot qemu" = "image" }

[[image]]
name = "self-test"
pxe = { "uboot qemu" = "self-test" }

[[relay_board]]
name = "relays-1"
fqdn = "127.0.0.1"

[[device]]
name = "board-1"
fqdn = "10.9.0.101"
mac = "52:54:00:09:00:01"
relay_info = "127.0.0.1:bank1:relay1"
hardware_type = "uboot"
hardware_model = "qemu"
environment = "test"
"#;

/// As board.sh has it: the board with this firmware lacks devices that it has without.
const UBOOT_FILE: &str = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";

/// The board's device tree, with a model of its own, by which a running kernel shows where it has it from.
fn device_tree(rig: &Rig) {
    let (source, tree) = (rig.path("virt.dts"), rig.path("virt.dtb"));
    let machine = format!("virt,dumpdtb={}", tree.display());
    run(Command::new("qemu-system-aarch64")
        .args(["-cpu", "cortex-a53", "-m", "512", "-nodefaults", "-bios", UBOOT_FILE])
        .args(["-display", "none", "-M", &machine]));
    let text = run(Command::new("dtc").args(["-q", "-I", "dtb", "-O", "dts"]).arg(&tree));
    assert!(text.contains("model = \"linux,dummy-virt\";"), "{text}");
    std::fs::write(&source, text.replacen("model = \"linux,dummy-virt\"", "model = \"from the network\"", 1))
        .expect("a file");
    std::fs::create_dir_all(rig.path("tftp/dtb")).expect("a folder");
    run(Command::new("dtc")
        .args(["-q", "-I", "dts", "-O", "dtb", "-o"])
        .arg(rig.path("tftp/dtb/virt.dtb"))
        .arg(&source));
}

#[test]
fn a_board_with_our_card_is_imaged_used_and_returned() {
    let rig = Rig::up(UBOOT, LAB);
    device_tree(&rig);
    let daemon = rig.serve();

    // A new board without anything on its disk: stock U-Boot asks for a script, and by that comes to its self-test.
    daemon.wait_for_state("ready");
    assert_eq!(states(&daemon, 0), SELF_TEST);
    assert!(rig.serial().contains("Mozpool: looking for a boot config"), "it has booted by our script");
    assert!(!rig.serial().contains("Mozpool card"));

    // With a card it is imaged, checked, handed over. The power goes off before it comes back: writing now disturbs nobody.
    let card = rig.path("card.img");
    run(script("init-scripts/flash-card.sh").arg("--out").arg(&card).args([
        "--size-mib",
        "160",
        "--set",
        "fdt_addr_r=0x43f00000",
    ]));
    std::fs::copy(&card, rig.path("rig/board-1.disk")).expect("the card is in its slot");
    let id = request(&daemon, &rig.boot_config("demo-os.img.gz"));
    let shown = wait_at_most(PATIENCE, "the board to be told what to boot", || {
        let shown = run(mozpool(&rig.path("mozpool.toml")).args(["pxe", "render", "board-1"]));
        shown.contains("asks for    pxelinux.cfg/01-52-54-00-09-00-01  gets it\n").then_some(shown)
    });
    assert!(shown.contains("it is to boot for image demo-os, which is image on uboot qemu\n"), "{shown}");
    assert!(shown.contains("\n  fdt dtb/virt.dtb\n"), "{shown}");
    daemon.wait_for_request(id, "ready");
    assert_eq!(states(&daemon, SELF_TEST.len()), IMAGING);
    assert_eq!(rig.installed_page().trim(), "demo-os");
    let said = rig.serial();
    for part in [
        "Mozpool card 1-",
        "Retrieving file: dtb/virt.dtb",
        "Machine model: from the network",
        "Mozpool card: booting its own system",
        "installed system: demo-os",
    ] {
        assert!(said.contains(part), "`{part}` is not on its console");
    }

    // Returned, power-cycled: its own system comes up again.
    close(&daemon, id);
    let seen = states(&daemon, 0).len();
    daemon.event("please_power_cycle", json!({}));
    daemon.wait_for_state("ready");
    let wanted = ["pc_power_cycling", "pc_rebooting", "pc_pinging", "operation_complete", "ready"];
    assert_eq!(states(&daemon, seen), wanted);
    assert_eq!(rig.installed_page().trim(), "demo-os");

    let logged = daemon.log("syslog");
    assert!(logged.iter().any(|l| l.contains("write-image")), "{logged:#?}");
    assert!(daemon.terminate().success());
    let namespace = rig.namespace();
    drop(rig);
    assert!(!namespace.exists(), "{} is left behind", namespace.display());
}

//! Real boards on a bad cable: a QEMU PC by iPXE and PXELINUX, and one with U-Boot, boot, test themselves and become ready
//! although packets are lost, doubled and overtaken on their way; and what they took stands in their history.

mod support;

use serde_json::Value;
use support::rig::{Kind, PC, Rig, SELF_TEST, UBOOT, states};

/// `KIND` stands for the hardware type.
const LAB: &str = r#"
[[hardware_type]]
type = "KIND"
model = "qemu"
limits = { pxe_booting = 400, mobile_init_started = 60, pc_rebooting = 5, pc_pinging = 20 }

[[image]]
name = "self-test"
pxe = { "KIND qemu" = "self-test" }

[[relay_board]]
name = "relays-1"
fqdn = "127.0.0.1"

[[device]]
name = "board-1"
fqdn = "10.9.0.101"
mac = "52:54:00:09:00:01"
relay_info = "127.0.0.1:bank1:relay1"
hardware_type = "KIND"
hardware_model = "qemu"
environment = "test"
"#;

/// The board becomes ready at its first try, and its history names `files` as sent.
fn boots_through_a_bad_cable(kind: Kind, hardware: &str, files: &[&str]) {
    let lab = LAB.replace("KIND", hardware);
    let rig = Rig::up_through("--loss 2 --duplicate 1 --reorder 1 --seed 5", kind, &lab);
    let daemon = rig.serve();
    daemon.wait_for_state("ready");
    assert_eq!(states(&daemon, 0), SELF_TEST, "at the first try");

    let report = std::fs::read_to_string(rig.path("rig/link.json")).expect("the cable reports");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    for way in ["a_to_b", "b_to_a"] {
        // The live system alone has ten thousand blocks.
        assert!(report[way]["lost"].as_u64() > Some(100) && report[way]["giant"] == 0, "{report}");
    }
    let told = daemon.log("tftp");
    for file in files {
        let sent = |l: &&String| l.starts_with("sent ") && l.contains(&format!("{file}: "));
        assert!(told.iter().any(|l| sent(&l)), "{file} in {told:#?}");
    }
    let kernel = told.iter().find(|l| l.contains("vmlinuz: ")).expect("it was just there");
    assert!(kernel.contains(" packets repeated"), "{kernel}");
    assert!(daemon.terminate().success());
}

const CONFIG: &str = "pxelinux.cfg/01-52-54-00-09-00-01";

#[test]
fn a_pc_boots_through_a_bad_cable() {
    let files = ["pxelinux.0", "ldlinux.c32", CONFIG, "vmlinuz", "initrd.img"];
    boots_through_a_bad_cable(PC, "pc", &files);
}

#[test]
fn a_board_with_uboot_boots_through_a_bad_cable() {
    // It keeps the device tree that it has.
    let board = Kind { device_tree: "", ..UBOOT };
    boots_through_a_bad_cable(board, "uboot", &["boot.scr.uimg", CONFIG, "vmlinuz", "initrd.img"]);
}

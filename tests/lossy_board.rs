//! A real board on a bad cable: a QEMU PC boots by iPXE and PXELINUX, tests itself and becomes ready although packets are lost,
//! doubled and overtaken on their way; and what it took stands in its history.

mod support;

use serde_json::Value;
use support::rig::{PC, Rig, SELF_TEST, states};

const LAB: &str = r#"
[[hardware_type]]
type = "pc"
model = "qemu"
limits = { pxe_booting = 400, mobile_init_started = 60, pc_rebooting = 5, pc_pinging = 20 }

[[image]]
name = "self-test"
pxe = { "pc qemu" = "self-test" }

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
fn a_real_board_boots_through_a_bad_cable() {
    let rig = Rig::up_through("--loss 2 --duplicate 1 --reorder 1 --seed 5", PC, LAB);
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
    for file in
        ["pxelinux.0: ", "ldlinux.c32: ", "pxelinux.cfg/01-52-54-00-09-00-01: ", "vmlinuz: ", "initrd.img: "]
    {
        let sent = |l: &&String| l.starts_with("sent ") && l.contains(file);
        assert!(told.iter().any(|l| sent(&l)), "{file} in {told:#?}");
    }
    let kernel = told.iter().find(|l| l.contains("vmlinuz: ")).expect("it was just there");
    assert!(kernel.contains(" packets repeated"), "{kernel}");
    assert!(daemon.terminate().success());
}

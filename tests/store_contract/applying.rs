//! The lab file against the store.

use crate::*;
use mozpool::lab::Change;
use mozpool::store::{DeviceEdit, StoreError};

fn texts(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|c| c.text.as_str()).collect()
}

fn refused(store: &mut dyn Store, text: &str) -> String {
    match store.apply_lab(&lab(text), false, T0) {
        Err(StoreError::Lab(error)) => error.to_string(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

/// Everything that a lab file can touch, as text.
fn dump(store: &mut dyn Store) -> String {
    format!(
        "{:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{:?}",
        store.devices(&Default::default()).unwrap(),
        store.images().unwrap(),
        store.pxe_configs().unwrap(),
        store.relay_boards().unwrap(),
        store.servers().unwrap(),
        {
            let mut matrix: Vec<_> = store.catalog().unwrap().matrix.into_iter().collect();
            matrix.sort();
            matrix
        },
    )
}

pub(crate) fn a_lab_applied_twice_changes_nothing(world: &World) {
    let mut store = world.open();
    let first = store.apply_lab(&lab(LAB), false, T0).unwrap();
    let told = texts(&first);
    for line in [
        "device panda-1: new",
        "image b2g: new",
        "hardware type panda ES Rev B2: new",
        "imaging server other: new",
    ] {
        assert!(told.contains(&line), "{line} in {told:?}");
    }
    assert!(told.contains(&"image b2g on pi: PXE config maintenance"), "{told:?}");
    let before = dump(&mut *store);
    assert_eq!(store.apply_lab(&lab(LAB), false, T0.plus_s(60)).unwrap(), []);
    assert_eq!(dump(&mut *store), before);
}

pub(crate) fn a_dry_run_tells_and_writes_nothing(world: &World) {
    let mut store = world.open();
    let before = dump(&mut *store);
    let told = store.apply_lab(&lab(LAB), true, T0).unwrap();
    assert_eq!(dump(&mut *store), before);
    assert_eq!(store.apply_lab(&lab(LAB), false, T0).unwrap(), told, "and tells the truth");
}

pub(crate) fn a_lab_is_applied_whole_or_not_at_all(world: &World) {
    let mut store = world.with_lab();
    let before = dump(&mut *store);
    let text = r#"
[[image]]
name = "b2g"
check = "none"
[[device]]
name = "panda-1"
fqdn = "elsewhere.example"
[[device]]
name = "panda-9"
fqdn = "panda-9.example"
hardware_type = "mystery"
"#;
    let why = refused(&mut *store, text);
    assert!(why.starts_with("lab.toml:8: device `panda-9`, hardware_type: "), "{why}");
    assert!(why.contains("add a [[hardware_type]]"), "{why}");
    assert_eq!(dump(&mut *store), before);
}

pub(crate) fn what_a_row_does_not_mention_stays(world: &World) {
    let mut store = world.with_lab();
    store.edit_device("panda-1", &DeviceEdit::Comments("by hand".into()), T0).unwrap();
    let text = r#"
[[image]]
name = "self-test"
pxe = { "*" = "self-test" }
[[device]]
name = "panda-1"
fqdn = "new.example"
tags = []
"#;
    let changes = store.apply_lab(&lab(text), false, T0).unwrap();
    let told = texts(&changes);
    assert!(told.contains(&"device panda-1: fqdn panda-1.example -> new.example"), "{told:?}");
    assert!(told.contains(&"device panda-1: tags camera, usb -> (nothing)"), "{told:?}");
    assert_eq!(told.len(), 4, "two cells of the matrix, two fields: {told:?}");
    let view = store.device("panda-1").unwrap().unwrap();
    assert_eq!((view.comments.as_str(), view.info.environment.as_str()), ("by hand", "staging"));
    assert!(view.info.mac.is_some() && view.info.hardware.is_some());
    let image = store.image("self-test").unwrap().unwrap();
    assert!(image.hidden && image.second_stage == "self-test.sh", "{image:?}");
    assert_eq!(store.device_names().unwrap().len(), 4, "other rows stay");
}

pub(crate) fn a_machine_is_not_touched(world: &World) {
    let mut store = world.with_lab();
    put(&mut *store, "panda-1", State::PxeBooting);
    let before = device(&mut *store, "panda-1");
    let text = "[[device]]\nname = 'panda-1'\nfqdn = 'x.example'\nstate = 'locked_out'";
    store.apply_lab(&lab(text), false, T0.plus_s(60)).unwrap();
    assert_eq!(device(&mut *store, "panda-1"), before);
}

pub(crate) fn addresses_can_be_swapped(world: &World) {
    let mut store = world.with_lab();
    let text = r#"
[[device]]
name = "panda-1"
fqdn = "panda-1.example"
mac = "0a0b0c0d0e02"
relay_info = "relay-1.example:bank1:relay2"
[[device]]
name = "panda-2"
fqdn = "panda-2.example"
mac = "0a0b0c0d0e01"
relay_info = "relay-1.example:bank1:relay1"
"#;
    let changes = store.apply_lab(&lab(text), false, T0).unwrap();
    assert_eq!(changes.len(), 4, "{changes:?}");
    let mac = |d: &str, store: &mut dyn Store| store.device(d).unwrap().unwrap().info.mac.unwrap().join("");
    assert_eq!(mac("panda-1", &mut *store), "0a0b0c0d0e02");
    assert_eq!(mac("panda-2", &mut *store), "0a0b0c0d0e01");
    let server = store.device("panda-1").unwrap().unwrap().info.imaging_server;
    let mut macs: Vec<String> = store
        .device_macs(&server)
        .unwrap()
        .iter()
        .map(|(mac, name)| format!("{} {name}", mac.join("")))
        .collect();
    macs.sort();
    assert_eq!(macs, ["0a0b0c0d0e01 panda-2", "0a0b0c0d0e02 panda-1"]);
    assert_eq!(store.device_macs("elsewhere").unwrap(), []);
}

pub(crate) fn what_another_row_of_the_store_has_is_refused(world: &World) {
    let mut store = world.with_lab();
    let row = |field: &str| format!("[[device]]\nname = 'panda-9'\nfqdn = 'x'\n{field}");
    let why = refused(&mut *store, &row("mac = '0A-0B-0C-0D-0E-01'"));
    assert!(why.starts_with("lab.toml:1: device `panda-9`, mac: "), "{why}");
    assert!(why.contains("belongs to device `panda-1` in the store"), "{why}");
    // The same relay, spelt otherwise.
    let why = refused(&mut *store, &row("relay_info = 'RELAY-1.example:2101:bank1:relay2'"));
    assert!(why.contains("relay_info: ") && why.contains("belongs to device `panda-2`"), "{why}");
    let why = refused(&mut *store, "[[relay_board]]\nname = 'r9'\nfqdn = 'relay-1.example'");
    assert!(why.contains("belongs to relay board `relay-1`"), "{why}");
}

pub(crate) fn what_is_neither_in_file_nor_store_is_refused(world: &World) {
    let mut store = world.with_lab();
    let why = refused(&mut *store, "[[image]]\nname = 'x'\npxe = { '*' = 'nope' }");
    assert!(why.starts_with("lab.toml:3: image `x`, pxe: PXE config `nope`"), "{why}");
    let why = refused(&mut *store, "[[image]]\nname = 'x'\npxe = { 'toaster' = 'image' }");
    assert!(why.contains("hardware type `toaster`"), "{why}");
    let why = refused(&mut *store, "[[pxe_config]]\nname = 'x'\ndescription = 'y'");
    assert!(why.contains("has no text; add `contents` or `file`"), "{why}");
    let nobody = Lab::parse("[[device]]\nname = 'x'\nfqdn = 'x'", "lab.toml", "").unwrap();
    let error = store.apply_lab(&nobody, false, T0).unwrap_err().to_string();
    assert!(error.contains("add `imaging_server`"), "{error}");
}

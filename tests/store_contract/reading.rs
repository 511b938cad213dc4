//! Loading, listing and showing.

use crate::*;
use mozpool::logic::check::Check;
use mozpool::logic::ids::{HardwareId, Mac};
use mozpool::store::{DeviceFilter, DeviceInfo, ServerRow};

pub(crate) fn a_new_store_has_what_comes_with_the_program(world: &World) {
    let mut store = world.open();
    let configs = store.pxe_configs().unwrap();
    let names: Vec<_> = configs.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["image", "local-boot", "maintenance", "self-test"]);
    assert!(configs.iter().all(|c| c.active && !c.contents.is_empty() && !c.description.is_empty()));
    let images = store.images().unwrap();
    let shown: Vec<_> = images.iter().map(|i| (i.name.as_str(), i.second_stage.as_str(), i.hidden)).collect();
    assert_eq!(shown, [("maintenance", "maintenance.sh", true), ("self-test", "self-test.sh", true)]);
    assert!(store.catalog().unwrap().images.contains_key("self-test"));
    assert_eq!(store.device_names().unwrap(), []);
}

pub(crate) fn the_catalog_is_what_the_lab_says(world: &World) {
    let mut store = world.with_lab();
    let catalog = store.catalog().unwrap();
    let b2g = &catalog.images["b2g"];
    assert_eq!((&b2g.check, b2g.can_reuse), (&Check::Sut, true));
    assert_eq!(b2g.limits, limits(&[(State::B2gDownloading, 400)]));
    assert_eq!(catalog.images["android"].check, Check::Ping, "the default");
    let panda = store.load_device("panda-1").unwrap().unwrap().info.hardware.unwrap();
    let pi = store.load_device("pi-1").unwrap().unwrap().info.hardware.unwrap();
    assert_eq!(catalog.hardware[&panda].limits, limits(&[(State::PxeBooting, 200)]));
    assert_eq!((catalog.hardware[&panda].ping_steady_s, catalog.hardware[&pi].ping_steady_s), (7, 10));
    let pxe = |image, hardware: HardwareId| catalog.pxe_config(image, Some(hardware)).map(|p| p.to_string());
    assert_eq!(pxe("b2g", panda).as_deref(), Some("image"), "by *");
    assert_eq!(pxe("b2g", pi).as_deref(), Some("maintenance"), "its own entry wins");
    assert_eq!(pxe("android", pi), None);
    let image = store.image("b2g").unwrap().unwrap();
    assert_eq!(image.boot_config_keys, ["b2gbase"]);
    assert_eq!(image.boot_config_defaults, r#"{"retries":3}"#);
}

pub(crate) fn devices_load_by_server_with_what_they_are(world: &World) {
    let mut store = world.with_lab();
    let mut names: Vec<_> =
        store.load_devices("here").unwrap().into_iter().map(|d| d.machine.name.to_string()).collect();
    names.sort();
    assert_eq!(names, ["panda-1", "panda-2", "panda-3"]);
    let record = store.load_device("panda-1").unwrap().unwrap();
    assert_eq!(
        record.info,
        DeviceInfo {
            fqdn: "panda-1.example".into(),
            mac: Some(Mac([10, 11, 12, 13, 14, 1])),
            imaging_server: "here".into(),
            relay_info: "relay-1.example:bank1:relay1".into(),
            environment: "staging".into(),
            hardware: record.info.hardware,
            hardware_type: "panda".into(),
            hardware_model: "ES Rev B2".into(),
        }
    );
    assert_eq!(record.claim, None);
    let new = device(&mut *store, "panda-3");
    assert_eq!(new, Device::new("panda-3".into(), State::New, T0));
    assert_eq!(new.deadline, Some(T0), "a new device begins at once");
}

pub(crate) fn views_filter_and_page(world: &World) {
    let mut store = world.with_lab();
    let mut names = |filter: DeviceFilter| -> Vec<String> {
        store.devices(&filter).unwrap().into_iter().map(|d| d.name.to_string()).collect()
    };
    let any = DeviceFilter::default;
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(names(any()), ["panda-1", "panda-2", "panda-3", "pi-1"]);
    assert_eq!(names(DeviceFilter { state: some("new"), ..any() }), ["panda-3"]);
    assert_eq!(names(DeviceFilter { environment: some("staging"), ..any() }), ["panda-1"]);
    assert_eq!(names(DeviceFilter { hardware_type: some("panda"), ..any() }), ["panda-1", "panda-2"]);
    assert_eq!(names(DeviceFilter { tag: some("usb"), ..any() }), ["panda-1", "panda-2"]);
    assert_eq!(names(DeviceFilter { tag: some("us"), ..any() }), [""; 0], "tags are whole words");
    assert_eq!(names(DeviceFilter { image: some("b2g"), ..any() }), [""; 0]);
    assert_eq!(names(DeviceFilter { relay: some(":BANK1:relay2"), ..any() }), ["panda-2"]);
    assert_eq!(names(DeviceFilter { relay: some("relay-2"), limit: Some(1), ..any() }), [""; 0]);
    assert_eq!(names(DeviceFilter { limit: Some(2), ..any() }), ["panda-1", "panda-2"]);
    let after = DeviceFilter { after: some("panda-2"), limit: Some(1), ..any() };
    assert_eq!(names(after), ["panda-3"]);
    // What is not decided by SQL must not be cut off by its limit.
    let late = DeviceFilter { q: some("PI"), limit: Some(1), ..any() };
    assert_eq!(names(late), ["pi-1"]);

    let old = device(&mut *store, "pi-1");
    let installed = Some(Install { image: "b2g".into(), boot_config: "{}".into() });
    let next = Device { installed, epoch: old.epoch.next(), ..old.clone() };
    store.commit_devices(&[device_commit(next, old.epoch)]).unwrap();
    let found = store.devices(&DeviceFilter { image: some("b2g"), ..any() }).unwrap();
    assert_eq!(found.len(), 1);
    let view = store.device("panda-1").unwrap().unwrap();
    assert_eq!((view.tags, view.processor), (vec!["camera".into(), "usb".into()], "armv7".into()));
    assert_eq!((view.state.as_str(), view.state_since, view.request), ("ready", T0, None));
    assert_eq!(store.environments().unwrap(), ["production", "staging"], "only those in use");
}

pub(crate) fn the_search_text_is_found_in_any_case_and_spelling(world: &World) {
    let mut store = world.with_lab();
    for q in [
        "PANDA-1",
        "panda-1.EX",
        "0A0B0C0D0E01",
        "0a:0b:0c:0D:0e:01",
        "0e-01",
        "left SHELF",
        "100%",
        "ümLÄUT",
    ] {
        let found = store.devices(&DeviceFilter { q: Some(q.into()), ..DeviceFilter::default() }).unwrap();
        let names: Vec<_> = found.iter().map(|d| &*d.name).collect();
        assert_eq!(names, ["panda-1"], "{q}");
    }
    // As the lab file spells a relay, and as everybody else does.
    let edit = "[[device]]\nname = 'panda-2'\nrelay_info = 'Relay-1.example:02101:bank01:relay02'";
    store.apply_lab(&lab(edit), false, T0).unwrap();
    for relay in ["relay-1.example:02101", "BANK01:", "relay-1.example:bank1:relay2", ":bank1:relay2"] {
        let found =
            store.devices(&DeviceFilter { relay: Some(relay.into()), ..DeviceFilter::default() }).unwrap();
        let names: Vec<_> = found.iter().map(|d| &*d.name).collect();
        assert_eq!(names, ["panda-2"], "{relay}");
    }
    let nothing = DeviceFilter { q: Some("_anda".into()), ..DeviceFilter::default() };
    assert_eq!(store.devices(&nothing).unwrap(), [], "no wildcards");
}

pub(crate) fn servers_register_themselves(world: &World) {
    let mut store = world.with_lab();
    let row = |url: &str| ServerRow { name: "here".into(), url: url.into() };
    assert_eq!(store.servers().unwrap(), [row(""), ServerRow { name: "other".into(), url: String::new() }]);
    for url in ["http://here:8080", "http://here:80"] {
        store.register_server(&row(url), T0).unwrap();
        assert_eq!(store.servers().unwrap()[0], row(url));
    }
    store.register_server(&ServerRow { name: "third".into(), url: "http://third".into() }, T0).unwrap();
    assert_eq!(store.servers().unwrap().len(), 3);
    let board = store.relay_board("relay-1").unwrap().unwrap();
    assert_eq!((board.fqdn.as_str(), board.imaging_server.as_str()), ("relay-1.example:2101", "here"));
    assert_eq!(store.relay_boards().unwrap(), [board]);
}

pub(crate) fn what_is_not_there_is_none_and_no_error(world: &World) {
    let mut store = world.with_lab();
    let nobody = RequestId(4711);
    assert!(store.load_device("nope").unwrap().is_none());
    assert!(store.device("nope").unwrap().is_none());
    assert!(store.named("nope").unwrap().is_none());
    assert!(store.board("nope", T0).unwrap().is_none());
    assert!(store.load_request(nobody).unwrap().is_none());
    assert!(store.request(nobody).unwrap().is_none());
    assert!(store.imaging_result(nobody).unwrap().is_none());
    assert!(store.image("nope").unwrap().is_none());
    assert!(store.pxe_config("nope").unwrap().is_none());
    assert!(store.relay_board("nope").unwrap().is_none());
    assert!(store.load_devices("nope").unwrap().is_empty());
    assert!(store.device_log("nope", None, None).unwrap().is_empty());
    assert!(store.request_log(nobody, None).unwrap().is_empty());
    assert_eq!(store.commit_devices(&[]).unwrap(), []);
    assert_eq!(store.commit_requests(&[]).unwrap(), []);
    assert_eq!(store.insert_requests(&[]).unwrap(), []);
}

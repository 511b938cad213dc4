//! What is written down and read again is the same lab: over random labs with the oddest texts in them.

use crate::*;
use mozpool::lab::{Format, Kind, Source};
use serde_json::{Map, Value, json};

/// SplitMix64, by Sebastiano Vigna: the same labs each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }

    fn of<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }

    fn text(&mut self) -> Value {
        const TEXTS: &[&str] = &[
            "",
            "plain",
            "two words",
            " lead",
            "trail ",
            "a;b",
            "a,b",
            "say \"x\"",
            "it's",
            "two\nlines\n",
            "cr\r\nlf",
            "\r",
            "[1]",
            "[\"x\"]",
            "'''",
            "\"\"\"",
            "back\\slash",
            "tab\t",
            "\u{7f}",
            "\u{1}",
            "ümläut 板",
            "# none",
            "null",
            "{{ device.name }}",
            "=",
            "\u{feff}",
            "'''\n\"\"\"\n",
        ];
        json!(self.of(TEXTS))
    }

    fn texts(&mut self) -> Value {
        (0..self.below(4)).map(|_| self.text()).collect()
    }

    fn json(&mut self, depth: usize) -> Value {
        match self.below(if depth == 0 { 6 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.next().cast_signed()),
            3 => json!(u64::MAX - self.next() % 9),
            4 => json!(*self.of(&[0.5, -1e30, 3.0, 1e-7])),
            5 => self.text(),
            6 => (0..self.below(3)).map(|_| self.json(depth - 1)).collect(),
            _ => self.object(depth - 1),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        const KEYS: &[&str] = &["url", "a b", "z", "a", "ü", "", "dot.ted", "quo\"te"];
        let fields = (0..self.below(5)).map(|_| ((*self.of(KEYS)).to_owned(), self.json(depth)));
        fields.collect::<Map<_, _>>().into()
    }

    fn limits(&mut self) -> Value {
        let states = ["pxe_booting", "ready", "image_pinging"];
        let some = (0..self.below(3)).map(|_| ((*self.of(&states)).to_owned(), json!(1 + self.below(900))));
        some.collect::<Map<_, _>>().into()
    }

    /// A lab of some rows of each kind, as JSON.
    fn lab(&mut self) -> Value {
        let flag = |dice: &mut Self| json!(dice.below(2) == 0);
        let hardware =
            [("panda", ""), ("panda", "ES Rev B2"), ("a/b", "c d"), ("odd \"type\"", "ü"), ("*x", "*")];
        let label = |(kind, model): (&str, &str)| format!("{kind} {model}").trim_end().to_owned();
        let types: Vec<Value> = hardware
            .iter()
            .map(|(kind, model)| {
                json!({"type": kind, "model": model, "ping_steady_s": self.below(60), "limits": self.limits()})
            })
            .collect();
        let configs: Vec<Value> = (0..3)
            .map(|i| {
                let (contents, description, active) = (self.text(), self.text(), flag(self));
                json!({"name": format!("p{i}"), "contents": contents, "description": description, "active": active})
            })
            .collect();
        let images: Vec<Value> = (0..4)
            .map(|i| {
                let cells = (0..self.below(4)).map(|_| {
                    let on = label(*self.of(&hardware));
                    (on, json!(format!("p{}", self.below(3))))
                });
                let pxe: Map<_, _> = cells.collect();
                json!({
                    "name": format!("i{i}"),
                    "check": self.of(&["ping", "tcp:22", "sut", "none"]),
                    "second_stage": self.of(&["", "write-image.sh"]),
                    "boot_config_keys": self.texts(),
                    "boot_config_defaults": self.object(3),
                    "can_reuse": flag(self),
                    "hidden": flag(self),
                    "limits": self.limits(),
                    "pxe": pxe,
                })
            })
            .collect();
        let boards: Vec<Value> = (0..3)
            .map(|i| json!({"name": format!("r{i}"), "fqdn": format!("r{i}.lab:{}", 1 + self.below(9)), "imaging_server": self.of(&["here", "other"])}))
            .collect();
        let devices: Vec<Value> = (0..12)
            .map(|i| {
                let (kind, model) = *self.of(&hardware);
                let typed = self.below(4) > 0;
                json!({
                    "name": format!("d{i}"),
                    "fqdn": format!("d{i}.lab"),
                    "mac": if self.below(2) == 0 { json!(format!("0a0b0c0d0e{i:02x}")) } else { Value::Null },
                    "imaging_server": self.of(&["here", "other"]),
                    "relay_info": if self.below(2) == 0 { format!("r0.lab:bank2:relay{}", i % 8 + 1) } else { String::new() },
                    "environment": self.text(),
                    "hardware_type": if typed { json!(kind) } else { Value::Null },
                    "hardware_model": if typed { json!(model) } else { Value::Null },
                    "processor": self.text(),
                    "tags": self.texts(),
                    "comments": self.text(),
                    "inventory_id": self.below(3),
                    "state": self.of(&["new", "ready", "locked_out", "pxe_booting"]),
                })
            })
            .map(|mut device| {
                // Two devices on one relay are refused.
                if device["name"] == "d8" || device["name"] == "d9" || device["name"] == "d10" || device["name"] == "d11" {
                    device["relay_info"] = json!("");
                }
                device
            })
            .collect();
        json!({"hardware_type": types, "pxe_config": configs, "image": images, "relay_board": boards, "device": devices})
    }
}

#[track_caller]
fn read(text: &str, format: Format) -> Lab {
    let source = Source { format, origin: "lab", default_server: "here", files: None };
    Lab::read(text, source).unwrap_or_else(|e| panic!("{e}\n{text}"))
}

#[track_caller]
fn apply(store: &mut dyn Store, lab: &Lab) -> Vec<String> {
    store.apply_lab(lab, false, T0).unwrap().into_iter().map(|c| c.text).collect()
}

pub(crate) fn an_export_imported_again_changes_nothing(world: &World) {
    let mut store = world.open();
    for seed in 0..40 {
        let lab = read(&Dice(seed).lab().to_string(), Format::Json);
        assert!(!apply(&mut *store, &lab).is_empty(), "seed {seed}");
        let all = store.export_lab(&Kind::ALL).unwrap();
        let devices = store.export_lab(&[Kind::Device]).unwrap();
        for format in Format::ALL {
            let text = if format == Format::Csv { devices.write(format) } else { all.write(format) };
            let changes = apply(&mut *store, &read(&text, format));
            assert!(changes.is_empty(), "seed {seed}, {format:?}: {changes:?}\n{text}");
        }
        // And somewhere else it makes the same lab.
        for format in [Format::Toml, Format::Json] {
            let mut empty = Location::memory().open().unwrap();
            apply(&mut *empty, &read(&all.write(format), format));
            let copy = empty.export_lab(&Kind::ALL).unwrap();
            // TOML sorts the keys of a table; a boot config is the same in any order.
            let value = |lab: &Lab| serde_json::from_str::<Value>(&lab.write(Format::Json)).unwrap();
            assert_eq!(value(&copy), value(&all), "seed {seed}, {format:?}");
        }
    }
}

pub(crate) fn optional_fields_can_be_taken_away(world: &World) {
    let mut store = world.with_lab();
    let text = r#"{"device": [{"name": "panda-1", "mac": null, "relay_info": null, "environment": null,
        "hardware_type": null, "processor": null, "tags": null, "comments": null, "inventory_id": null}],
        "image": [{"name": "b2g", "check": null, "second_stage": null, "boot_config_keys": null,
        "boot_config_defaults": null, "limits": null, "pxe": {"pi": null}}],
        "hardware_type": [{"type": "panda", "model": "ES Rev B2", "ping_steady_s": null, "limits": null}]}"#;
    assert_eq!(apply(&mut *store, &read(text, Format::Json)).len(), 15);
    let device = store.device("panda-1").unwrap().unwrap();
    assert_eq!((device.info.mac, device.info.hardware, device.info.relay_info.as_str()), (None, None, ""));
    assert_eq!(
        (device.tags.len(), device.comments.as_str(), device.info.fqdn.as_str()),
        (0, "", "panda-1.example")
    );
    let image = store.image("b2g").unwrap().unwrap();
    assert_eq!((image.boot_config_defaults.as_str(), image.limits.len(), image.can_reuse), ("", 0, true));
    assert_eq!(store.catalog().unwrap().matrix.len(), 2, "one cell is gone");
    assert_eq!(apply(&mut *store, &read(text, Format::Json)), [""; 0]);
}

pub(crate) fn a_claimed_device_keeps_its_server(world: &World) {
    let mut store = world.with_lab();
    let first = request(&mut *store, "here");
    take(&mut *store, &first, "panda-1");
    let moved = lab("[[device]]\nname = 'panda-1'\nimaging_server = 'other'");
    let error = store.apply_lab(&moved, false, T0).unwrap_err().to_string();
    let want = format!("panda-1`, imaging_server: request {} holds the device", first.id);
    assert!(error.contains(&want), "{error}");
    let held = load_request(&mut *store, first.id);
    store.commit_requests(&[claim_commit(&held, ClaimChange::Drop("panda-1".into()))]).unwrap();
    assert_eq!(apply(&mut *store, &moved), ["device panda-1: imaging_server here -> other"]);
}

pub(crate) fn hardware_types_that_are_written_alike_are_refused(world: &World) {
    let mut store = world.with_lab();
    let alike = lab("[[hardware_type]]\ntype = 'panda ES'\nmodel = 'Rev B2'");
    let error = store.apply_lab(&alike, false, T0).unwrap_err().to_string();
    assert!(error.contains("belongs to type `panda` with model `ES Rev B2`"), "{error}");
}

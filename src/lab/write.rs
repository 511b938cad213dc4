//! A lab as text that, read again, says the same.
//!
//! JSON is the shape of all three: TOML is the same rows for people, CSV the devices alone.

use super::{Format, HardwareTypeEntry, ImageEntry, Kind, Lab, csv};
use crate::logic::catalog::TimeLimits;
use serde_json::{Map, Value as Json, json};

type Row = Map<String, Json>;

impl Lab {
    /// As text in this format.
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Json => {
                let all: Map<_, _> =
                    self.rows().into_iter().map(|(k, rows)| (k.name().into(), rows.into())).collect();
                let mut text = serde_json::to_string_pretty(&all).expect("keys are strings");
                text.push('\n');
                text
            }
            Format::Toml => toml_text(self.rows()),
            Format::Csv => csv_text(self.devices()),
        }
    }

    /// The rows of each kind, in the order in which they refer to each other. Fields that say nothing are left out.
    pub fn rows(&self) -> Vec<(Kind, Vec<Row>)> {
        vec![
            (Kind::HardwareType, self.hardware_types.iter().map(hardware_type).collect()),
            (Kind::PxeConfig, self.pxe_configs()),
            (Kind::Image, self.images.iter().map(image).collect()),
            (Kind::RelayBoard, self.relay_boards()),
            (Kind::Device, self.devices()),
        ]
    }

    fn pxe_configs(&self) -> Vec<Row> {
        let one = |p: &super::PxeConfigEntry| {
            row([
                ("name", Some(json!(p.name))),
                ("description", p.description.as_ref().map(|t| json!(t))),
                ("active", p.active.map(Json::from)),
                ("contents", p.contents.as_ref().map(|t| json!(t))),
            ])
        };
        self.pxe_configs.iter().map(one).collect()
    }

    fn relay_boards(&self) -> Vec<Row> {
        let one = |b: &super::RelayBoardEntry| {
            row([
                ("name", Some(json!(b.name))),
                ("fqdn", b.fqdn.as_ref().map(|t| json!(t))),
                ("imaging_server", b.imaging_server.as_ref().map(|t| json!(t))),
            ])
        };
        self.relay_boards.iter().map(one).collect()
    }

    fn devices(&self) -> Vec<Row> {
        let one = |d: &super::DeviceEntry| {
            let text = |t: &Option<String>| t.as_ref().map(|t| json!(t));
            let hardware = d.hardware.as_ref().map(|h| h.clone().unwrap_or_default());
            row([
                ("name", Some(json!(*d.name))),
                ("fqdn", text(&d.fqdn)),
                ("mac", d.mac.map(|m| json!(m.map(|m| m.to_string()).unwrap_or_default()))),
                ("imaging_server", text(&d.imaging_server)),
                ("relay_info", text(&d.relay_info)),
                ("environment", text(&d.environment)),
                ("hardware_type", hardware.as_ref().map(|(kind, _)| json!(kind))),
                ("hardware_model", hardware.as_ref().map(|(_, model)| json!(model))),
                ("processor", text(&d.processor)),
                ("tags", d.tags.as_ref().map(|t| json!(t))),
                ("comments", text(&d.comments)),
                ("inventory_id", d.inventory_id.map(Json::from)),
                ("state", d.state.map(|s| json!(s.name()))),
            ])
        };
        self.devices.iter().map(one).collect()
    }
}

fn row<const N: usize>(fields: [(&str, Option<Json>); N]) -> Row {
    fields.into_iter().filter_map(|(k, v)| Some((k.to_owned(), v?))).collect()
}

/// Time limits as an object.
fn limits(limits: Option<&TimeLimits>) -> Option<Json> {
    Some(limits?.iter().map(|(state, s)| (state.name().to_owned(), Json::from(*s))).collect::<Row>().into())
}

/// A hardware type's fields.
pub(super) fn hardware_type(h: &HardwareTypeEntry) -> Row {
    row([
        ("type", Some(json!(h.kind))),
        ("model", Some(json!(h.model))),
        ("ping_steady_s", h.ping_steady_s.map(Json::from)),
        ("limits", limits(h.limits.as_ref())),
    ])
}

/// An image's fields.
pub(super) fn image(i: &ImageEntry) -> Row {
    let defaults = i.boot_config_defaults.as_ref().map(|text| match text.as_str() {
        "" => json!({}),
        // What is no JSON cannot be read again either; then a person sees what lies in the store.
        text => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    });
    let pxe: Row = i.pxe.iter().map(|p| (p.hardware.clone(), json!(p.pxe_config))).collect();
    row([
        ("name", Some(json!(i.name))),
        ("check", i.check.as_ref().map(|c| json!(c.to_string()))),
        ("second_stage", i.second_stage.as_ref().map(|t| json!(t))),
        ("boot_config_keys", i.boot_config_keys.as_ref().map(|k| json!(k))),
        ("boot_config_defaults", defaults),
        ("can_reuse", i.can_reuse.map(Json::from)),
        ("hidden", i.hidden.map(Json::from)),
        ("limits", limits(i.limits.as_ref())),
        ("pxe", Some(pxe.into())),
    ])
}

fn toml_text(rows: Vec<(Kind, Vec<Row>)>) -> String {
    let mut out = String::new();
    for (kind, rows) in rows {
        for row in rows {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&format!("[[{}]]\n", kind.name()));
            for (field, value) in row {
                // TOML has no null and no numbers beyond 64 bits: such a table is written as JSON text.
                let value = toml_value(&value).unwrap_or_else(|| toml::Value::String(value.to_string()));
                out.push_str(&format!("{field} = {value}\n"));
            }
        }
    }
    out
}

fn toml_value(json: &Json) -> Option<toml::Value> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(b) => (*b).into(),
        Json::Number(n) => match n.as_i64() {
            Some(n) => n.into(),
            None if n.is_f64() => n.as_f64()?.into(),
            None => return None,
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => toml::Value::Array(items.iter().map(toml_value).collect::<Option<_>>()?),
        Json::Object(map) => {
            let fields = map.iter().map(|(k, v)| Some((k.clone(), toml_value(v)?)));
            toml::Value::Table(fields.collect::<Option<_>>()?)
        }
    })
}

fn csv_text(devices: Vec<Row>) -> String {
    let mut out = String::new();
    let columns = Kind::Device.fields();
    csv::write(&mut out, &columns.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>());
    for device in devices {
        let cells = columns.iter().map(|column| match device.get(*column) {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => text.clone(),
            Some(Json::Array(tags)) => tag_cell(tags),
            Some(Json::Number(n)) if n.as_i64() == Some(0) => String::new(),
            Some(other) => other.to_string(),
        });
        csv::write(&mut out, &cells.collect::<Vec<_>>());
    }
    out
}

/// Tags with semicolons between them; as JSON where that would be read as something else.
fn tag_cell(tags: &[Json]) -> String {
    let texts: Vec<&str> = tags.iter().filter_map(Json::as_str).collect();
    let odd = |t: &&str| t.is_empty() || t.trim() != *t || t.contains(';') || t.starts_with('[');
    if texts.iter().any(odd) { Json::from(texts).to_string() } else { texts.join(";") }
}

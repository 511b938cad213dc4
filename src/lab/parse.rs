//! From TOML text to a checked [`Lab`], or to the first thing that is wrong with it.
//!
//! Checked here is what the file alone can tell: names, spellings, and that nothing is said twice. Whether a hardware type
//! or PXE config exists is asked of file and store together, in `store::apply`.

use super::error::{LabError, Place, Problem};
use super::raw;
use super::{
    DeviceEntry, HardwareTypeEntry, ImageEntry, Lab, PxeChoice, PxeConfigEntry, RelayBoardEntry,
    hardware_label,
};
use crate::logic::catalog::TimeLimits;
use crate::logic::ids::Mac;
use crate::logic::lifeguard::State;
use relayctl::{BoardAddress, RelayAddress};
use serde_json::{Map, Value as Json};
use std::collections::HashMap;
use std::path::Path;
use toml::Spanned;

/// Longest device name: what the original's clients and its tables allow.
const DEVICE_NAME_MAX: usize = 32;
/// Longest other name.
const NAME_MAX: usize = 64;

type Result<T> = std::result::Result<T, LabError>;

impl Lab {
    /// Reads and checks the file at `path`; see [`Self::parse`].
    ///
    /// # Errors
    /// As [`Self::parse`], and when the file cannot be read.
    pub fn load(path: &Path, default_server: &str) -> Result<Self> {
        let origin = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| LabError {
            at: Box::new(Place { origin: origin.clone(), line: 0, row: String::new(), field: "" }),
            problem: Problem::Unreadable { path: origin.clone(), why: e.to_string() },
        })?;
        Self::parse(&text, &origin, default_server)
    }

    /// Reads and checks a lab file's text. `origin` is the file's name: for messages, and PXE configs given as `file` are
    /// looked for beside it. `default_server` owns the new devices and relay boards that name no imaging server.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line, row, field and remedy.
    pub fn parse(text: &str, origin: &str, default_server: &str) -> Result<Self> {
        let line_ends = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect();
        let parser = Parser { line_ends, origin };
        let file: raw::File = toml::from_str(text).map_err(|e| LabError {
            at: Box::new(Place {
                origin: origin.into(),
                line: e.span().map_or(0, |s| parser.line(s.start)),
                row: String::new(),
                field: "",
            }),
            problem: Problem::Syntax(e.message().trim().replace('\n', ", ")),
        })?;
        let lab = Self {
            origin: origin.into(),
            default_server: default_server.into(),
            hardware_types: parser.rows(file.hardware_type, Parser::hardware_type)?,
            pxe_configs: parser.rows(file.pxe_config, Parser::pxe_config)?,
            images: parser.rows(file.image, Parser::image)?,
            relay_boards: parser.rows(file.relay_board, Parser::relay_board)?,
            devices: parser.rows(file.device, Parser::device)?,
        };
        parser.nothing_twice(&lab)?;
        Ok(lab)
    }
}

struct Parser<'t> {
    /// Offsets of the line feeds: every row asks for its line.
    line_ends: Vec<usize>,
    origin: &'t str,
}

/// The row that is being read.
struct At<'p> {
    parser: &'p Parser<'p>,
    row: String,
}

impl At<'_> {
    /// The error for `field`, whose value stands at `spanned`.
    fn bad<T>(&self, field: &'static str, spanned: &Spanned<T>, problem: Problem) -> LabError {
        let line = self.parser.line(spanned.span().start);
        self.parser.error(line, &self.row, field, problem)
    }

    fn name(&self, field: &'static str, name: &Spanned<String>, longest: usize) -> Result<String> {
        let text = name.get_ref();
        let fits = !text.is_empty() && text.len() <= longest && !text.starts_with('.');
        if !fits || !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
            let text = text.chars().take(80).collect();
            return Err(self.bad(field, name, Problem::Name { text, longest }));
        }
        Ok(text.clone())
    }

    fn filled(&self, field: &'static str, text: &Spanned<String>) -> Result<String> {
        if text.get_ref().trim().is_empty() {
            return Err(self.bad(field, text, Problem::Empty));
        }
        Ok(text.get_ref().clone())
    }

    fn not_any(&self, field: &'static str, text: &Spanned<String>) -> Result<String> {
        match text.get_ref().as_str() {
            "any" => Err(self.bad(field, text, Problem::Reserved("any".into()))),
            text => Ok(text.into()),
        }
    }

    fn limits(&self, limits: Option<&raw::Limits>) -> Result<Option<TimeLimits>> {
        let Some(limits) = limits else { return Ok(None) };
        let one = |(name, seconds): (&String, &u32)| {
            let state =
                State::parse(name).ok_or_else(|| self.bad("limits", limits, Problem::State(name.clone())))?;
            if *seconds == 0 {
                return Err(self.bad("limits", limits, Problem::NoTime(name.clone())));
            }
            Ok((state, *seconds))
        };
        limits.get_ref().iter().map(one).collect::<Result<_>>().map(Some)
    }
}

impl Parser<'_> {
    /// The line of a byte offset, from 1.
    fn line(&self, offset: usize) -> usize {
        self.line_ends.partition_point(|end| *end < offset) + 1
    }

    fn error(&self, line: usize, row: &str, field: &'static str, problem: Problem) -> LabError {
        LabError { at: Box::new(Place { origin: self.origin.into(), line, row: row.into(), field }), problem }
    }

    fn rows<R, E>(
        &self,
        rows: Vec<Spanned<R>>,
        read: impl Fn(&Self, R, usize) -> Result<E>,
    ) -> Result<Vec<E>> {
        let one = |row: Spanned<R>| {
            let line = self.line(row.span().start);
            read(self, row.into_inner(), line)
        };
        rows.into_iter().map(one).collect()
    }

    fn at(&self, kind: &str, name: &str) -> At<'_> {
        At { parser: self, row: format!("{kind} `{name}`") }
    }

    fn hardware_type(&self, raw: raw::HardwareType, line: usize) -> Result<HardwareTypeEntry> {
        let at = self.at("hardware_type", &hardware_label(raw.r#type.get_ref(), &raw.model));
        Ok(HardwareTypeEntry {
            line,
            kind: at.filled("type", &raw.r#type)?,
            model: raw.model,
            ping_steady_s: raw.ping_steady_s,
            limits: at.limits(raw.limits.as_ref())?,
        })
    }

    fn pxe_config(&self, raw: raw::PxeConfig, line: usize) -> Result<PxeConfigEntry> {
        let at = self.at("pxe_config", raw.name.get_ref());
        let contents = match (raw.contents, &raw.file) {
            (Some(_), Some(file)) => return Err(at.bad("file", file, Problem::BothTexts)),
            (contents, None) => contents,
            (None, Some(file)) => {
                let path = Path::new(self.origin).parent().unwrap_or(Path::new("")).join(file.get_ref());
                let text = std::fs::read_to_string(&path).map_err(|e| {
                    let path = path.display().to_string();
                    at.bad("file", file, Problem::Unreadable { path, why: e.to_string() })
                })?;
                Some(text)
            }
        };
        Ok(PxeConfigEntry {
            line,
            name: at.name("name", &raw.name, NAME_MAX)?,
            description: raw.description,
            contents,
            active: raw.active,
        })
    }

    fn image(&self, raw: raw::Image, line: usize) -> Result<ImageEntry> {
        let at = self.at("image", raw.name.get_ref());
        let check = match &raw.check {
            None => None,
            Some(text) => Some(text.get_ref().parse().map_err(|e| at.bad("check", text, Problem::Check(e)))?),
        };
        let second_stage =
            match &raw.second_stage {
                None => None,
                Some(text) if text.get_ref().is_empty() => Some(String::new()),
                Some(text) => Some(at.name("second_stage", text, NAME_MAX).map_err(|_| {
                    at.bad("second_stage", text, Problem::SecondStage(text.get_ref().clone()))
                })?),
            };
        let defaults = match &raw.boot_config_defaults {
            None => None,
            Some(table) if table.get_ref().is_empty() => Some(String::new()),
            Some(table) => {
                let json = json_table(table.get_ref())
                    .map_err(|key| at.bad("boot_config_defaults", table, Problem::NotJson(key)))?;
                Some(Json::Object(json).to_string())
            }
        };
        let pxe = raw.pxe.map(|table| {
            let line = self.line(table.span().start);
            let choice = |(hardware, pxe_config)| PxeChoice { line, hardware, pxe_config };
            table.into_inner().into_iter().map(choice).collect()
        });
        Ok(ImageEntry {
            line,
            name: at.name("name", &raw.name, NAME_MAX)?,
            check,
            second_stage,
            boot_config_keys: raw.boot_config_keys,
            boot_config_defaults: defaults,
            can_reuse: raw.can_reuse,
            hidden: raw.hidden,
            limits: at.limits(raw.limits.as_ref())?,
            pxe: pxe.unwrap_or_default(),
        })
    }

    fn relay_board(&self, raw: raw::RelayBoard, line: usize) -> Result<RelayBoardEntry> {
        let at = self.at("relay_board", raw.name.get_ref());
        raw.fqdn
            .get_ref()
            .parse::<BoardAddress>()
            .map_err(|e| at.bad("fqdn", &raw.fqdn, Problem::Relay(e)))?;
        let server = raw.imaging_server.as_ref();
        Ok(RelayBoardEntry {
            line,
            name: at.name("name", &raw.name, NAME_MAX)?,
            fqdn: raw.fqdn.into_inner(),
            imaging_server: server.map(|s| at.filled("imaging_server", s)).transpose()?,
        })
    }

    fn device(&self, raw: raw::Device, line: usize) -> Result<DeviceEntry> {
        let at = self.at("device", raw.name.get_ref());
        let name = at.name("name", &raw.name, DEVICE_NAME_MAX)?;
        at.not_any("name", &raw.name)?;
        if raw.fqdn.get_ref().contains(char::is_whitespace) {
            return Err(at.bad("fqdn", &raw.fqdn, Problem::Host(raw.fqdn.get_ref().clone())));
        }
        let mac = match &raw.mac {
            None => None,
            Some(text) => {
                Some(text.get_ref().parse::<Mac>().map_err(|e| at.bad("mac", text, Problem::Mac(e)))?)
            }
        };
        if let Some(text) = raw.relay_info.as_ref().filter(|t| !t.get_ref().is_empty()) {
            text.get_ref()
                .parse::<RelayAddress>()
                .map_err(|e| at.bad("relay_info", text, Problem::Relay(e)))?;
        }
        let hardware = match (&raw.hardware_type, &raw.hardware_model) {
            (Some(kind), model) => Some((
                at.filled("hardware_type", kind)?,
                model.as_ref().map(|m| m.get_ref().clone()).unwrap_or_default(),
            )),
            (None, Some(model)) => return Err(at.bad("hardware_model", model, Problem::ModelOnly)),
            (None, None) => None,
        };
        let state = match &raw.state {
            None => None,
            Some(text) => Some(
                State::parse(text.get_ref())
                    .ok_or_else(|| at.bad("state", text, Problem::State(text.get_ref().clone())))?,
            ),
        };
        let mut tags = raw.tags;
        if let Some(tags) = &mut tags {
            tags.sort();
            tags.dedup();
        }
        Ok(DeviceEntry {
            line,
            name: name.into(),
            fqdn: at.filled("fqdn", &raw.fqdn)?,
            mac,
            imaging_server: raw
                .imaging_server
                .as_ref()
                .map(|s| at.filled("imaging_server", s))
                .transpose()?,
            relay_info: raw.relay_info.map(Spanned::into_inner),
            environment: raw.environment.as_ref().map(|e| at.not_any("environment", e)).transpose()?,
            hardware,
            processor: raw.processor,
            tags,
            comments: raw.comments,
            inventory_id: raw.inventory_id,
            state,
        })
    }

    fn nothing_twice(&self, lab: &Lab) -> Result<()> {
        // By label, so that `a b` + `c` and `a` + `b c` cannot both stand behind the key `a b c` of a `pxe` table.
        let label = |h: &HardwareTypeEntry| hardware_label(&h.kind, &h.model);
        self.unique("hardware_type", "type", &lab.hardware_types, |h| (h.line, label(h), Some(label(h))))?;
        self.unique("pxe_config", "name", &lab.pxe_configs, |p| {
            (p.line, p.name.clone(), Some(p.name.clone()))
        })?;
        self.unique("image", "name", &lab.images, |i| (i.line, i.name.clone(), Some(i.name.clone())))?;
        self.unique("relay_board", "name", &lab.relay_boards, |b| {
            (b.line, b.name.clone(), Some(b.name.clone()))
        })?;
        self.unique("relay_board", "fqdn", &lab.relay_boards, |b| {
            (b.line, b.name.clone(), board_key(&b.fqdn))
        })?;
        let name = |d: &DeviceEntry| d.name.to_string();
        self.unique("device", "name", &lab.devices, |d| (d.line, name(d), Some(name(d))))?;
        self.unique("device", "mac", &lab.devices, |d| (d.line, name(d), d.mac.map(|m| m.to_string())))?;
        self.unique("device", "relay_info", &lab.devices, |d| {
            (d.line, name(d), d.relay_info.as_deref().and_then(relay_key))
        })
    }

    /// Fails at the second row that has a key which an earlier one has. `key` gives line, name and key.
    fn unique<E>(
        &self,
        kind: &str,
        field: &'static str,
        rows: &[E],
        key: impl Fn(&E) -> (usize, String, Option<String>),
    ) -> Result<()> {
        let mut seen = HashMap::new();
        for (line, name, key) in rows.iter().map(key) {
            let Some(text) = key else { continue };
            if let Some(first) = seen.insert(text.clone(), line) {
                let problem = Problem::Twice { text, line: first };
                return Err(self.error(line, &format!("{kind} `{name}`"), field, problem));
            }
        }
        Ok(())
    }
}

/// A relay board however it is spelt; `None` when the text is not one.
pub(crate) fn board_key(fqdn: &str) -> Option<String> {
    fqdn.parse::<BoardAddress>().ok().map(|b| b.to_string().to_lowercase())
}

/// A relay however it is spelt; `None` for no relay.
pub(crate) fn relay_key(relay_info: &str) -> Option<String> {
    relay_info.parse::<RelayAddress>().ok().map(|r| r.to_string().to_lowercase())
}

/// TOML as JSON; the error is the key whose value JSON does not have.
fn json_table(table: &toml::Table) -> std::result::Result<Map<String, Json>, String> {
    table.iter().map(|(key, value)| Ok((key.clone(), json(key, value)?))).collect()
}

fn json(key: &str, value: &toml::Value) -> std::result::Result<Json, String> {
    match value {
        toml::Value::String(s) => Ok(Json::from(s.as_str())),
        toml::Value::Integer(n) => Ok(Json::from(*n)),
        toml::Value::Float(x) => {
            serde_json::Number::from_f64(*x).map(Json::Number).ok_or_else(|| key.to_owned())
        }
        toml::Value::Boolean(b) => Ok(Json::from(*b)),
        toml::Value::Datetime(_) => Err(key.to_owned()),
        toml::Value::Array(list) => {
            list.iter().map(|v| json(key, v)).collect::<std::result::Result<_, _>>().map(Json::Array)
        }
        toml::Value::Table(table) => json_table(table).map(Json::Object),
    }
}

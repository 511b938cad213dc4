//! From a tree of values to a checked [`Lab`], or to the first thing that is wrong with it.
//!
//! Checked here is what the file alone can tell: names, spellings, and that nothing is said twice. Whether a hardware type
//! or PXE config exists is asked of file and store together, in `store::apply`.

use super::error::{LabError, Place, Problem};
use super::format::{Format, json_value};
use super::row::{LIST, Result, Row, Text};
use super::tree::{Placed, Table, Value};
use super::{
    DeviceEntry, HardwareTypeEntry, ImageEntry, Kind, Lab, PxeChoice, PxeConfigEntry, RelayBoardEntry,
};
use crate::bmm::power::PowerAddress;
use crate::logic::catalog::PING_STEADY_S;
use crate::logic::check::Check;
use crate::logic::ids::Mac;
use crate::logic::inventory::{BoardAt, Power};
use crate::logic::lifeguard::State;
use relayctl::BoardAddress;
use std::path::Path;

/// Longest device name: what the original's clients and its tables allow.
const DEVICE_NAME_MAX: usize = 32;
/// Longest other name.
const NAME_MAX: usize = 64;

/// Where a lab's text comes from, and what it may refer to.
#[derive(Debug, Clone, Copy)]
pub struct Source<'s> {
    /// How it is written.
    pub format: Format,
    /// A name for messages; empty for none.
    pub origin: &'s str,
    /// Owns the new devices and relay boards that name no imaging server.
    pub default_server: &'s str,
    /// The folder in which files are looked for that a PXE config names; `None`: it must not name any.
    pub files: Option<&'s Path>,
}

impl Lab {
    /// Reads and checks the file at `path`; see [`Self::parse`]. Its name tells the format: `.json`, `.csv`, else TOML.
    ///
    /// # Errors
    /// As [`Self::parse`], and when the file cannot be read.
    pub fn load(path: &Path, default_server: &str) -> Result<Self> {
        let origin = path.display().to_string();
        let text = read_file(path, &origin)?;
        let format = Format::of_file(path).unwrap_or(Format::Toml);
        let files = path.parent();
        Self::read(&text, Source { format, origin: &origin, default_server, files })
    }

    /// Reads and checks a lab file's text. `origin` is the file's name: for messages, and PXE configs given as `file` are
    /// looked for beside it. `default_server` owns the new devices and relay boards that name no imaging server.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line, row, field and remedy.
    pub fn parse(text: &str, origin: &str, default_server: &str) -> Result<Self> {
        let files = Some(Path::new(origin).parent().unwrap_or(Path::new("")));
        Self::read(text, Source { format: Format::Toml, origin, default_server, files })
    }

    /// Reads and checks a lab in any format.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn read(text: &str, source: Source<'_>) -> Result<Self> {
        let tree = source.format.tree(text, source.origin)?;
        Self::of_tree(tree, source)
    }

    /// A lab of one row: `fields` (a JSON object, as in a lab file) of the row that `key` names.
    ///
    /// # Errors
    /// As [`Self::parse`], and when `fields` has another key: rows are not renamed.
    pub fn single(
        kind: Kind,
        key: &[(&'static str, &str)],
        fields: serde_json::Map<String, serde_json::Value>,
        default_server: &str,
    ) -> Result<Self> {
        let Placed { value: Value::Table(mut table), .. } = json_value(fields.into()) else {
            unreachable!("an object becomes a table");
        };
        for (field, text) in key {
            let wanted = Placed { line: 0, value: Value::Text((*text).to_owned()) };
            match table.iter().find(|(f, _)| f == field) {
                None => table.push(((*field).to_owned(), wanted)),
                Some((_, given)) if *given == wanted => {}
                Some(_) => {
                    let row = format!("{} `{}`", kind.name(), text.chars().take(80).collect::<String>());
                    let at = Box::new(Place { origin: String::new(), line: 0, row, field });
                    return Err(LabError { at, problem: Problem::Renamed });
                }
            }
        }
        let rows =
            Placed { line: 0, value: Value::List(vec![Placed { line: 0, value: Value::Table(table) }]) };
        let source = Source { format: Format::Json, origin: "", default_server, files: None };
        Self::of_tree(vec![(kind.name().to_owned(), rows)], source)
    }

    fn of_tree(tree: Table, source: Source<'_>) -> Result<Self> {
        let Source { origin, default_server, .. } = source;
        let mut lab =
            Self { origin: origin.into(), default_server: default_server.into(), ..Self::default() };
        for (name, placed) in tree {
            let refuse = |line, problem| {
                let at = Box::new(Place { origin: origin.into(), line, row: String::new(), field: "" });
                Err(LabError { at, problem })
            };
            let Some(kind) = Kind::parse(&name) else {
                let field = name.chars().take(80).collect();
                return refuse(placed.line, Problem::UnknownField { field, known: &Kind::NAMES });
            };
            let rows = match placed.value {
                Value::List(rows) => rows,
                other => return refuse(placed.line, Problem::type_of("a list of rows", &other)),
            };
            for (n, placed) in rows.into_iter().enumerate() {
                let row = Row::new(kind, n + 1, placed, origin)?;
                match kind {
                    Kind::HardwareType => lab.hardware_types.push(hardware_type(row)?),
                    Kind::PxeConfig => lab.pxe_configs.push(pxe_config(row, source.files)?),
                    Kind::Image => lab.images.push(image(row)?),
                    Kind::RelayBoard => lab.relay_boards.push(relay_board(row)?),
                    Kind::Device => lab.devices.push(device(row)?),
                }
            }
        }
        lab.nothing_twice()?;
        Ok(lab)
    }
}

/// A file's text.
///
/// # Errors
/// Which file cannot be read, and why.
pub(super) fn read_file(path: &Path, origin: &str) -> Result<String> {
    std::fs::read_to_string(path).map_err(|e| LabError {
        at: Box::new(Place { origin: origin.into(), line: 0, row: String::new(), field: "" }),
        problem: Problem::Unreadable { path: path.display().to_string(), why: e.to_string() },
    })
}

fn hardware_type(mut row: Row<'_>) -> Result<HardwareTypeEntry> {
    let kind = row.needed("type")?;
    let problem = match kind.text.trim() {
        "" => Some(Problem::Empty),
        // It stands for all of them in `pxe` tables.
        "*" => Some(Problem::Reserved("*".into())),
        LIST => Some(Problem::Reserved(LIST.into())),
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(row.bad(kind.line, "type", problem));
    }
    Ok(HardwareTypeEntry {
        line: row.line,
        kind: kind.text,
        model: row.plain("model")?.unwrap_or_default(),
        ping_steady_s: row.int("ping_steady_s", "a number of seconds", PING_STEADY_S)?,
        limits: row.limits()?,
    })
}

fn pxe_config(mut row: Row<'_>, files: Option<&Path>) -> Result<PxeConfigEntry> {
    let name = row.name(NAME_MAX)?.text;
    let contents = match (row.plain("contents")?, row.text("file")?) {
        (Some(_), Some(file)) => return Err(row.bad(file.line, "file", Problem::BothTexts)),
        (contents, None) => contents,
        (None, Some(file)) => {
            let Some(folder) = files else { return Err(row.bad(file.line, "file", Problem::NoFiles)) };
            let path = folder.join(&file.text);
            let text = std::fs::read_to_string(&path).map_err(|e| {
                let path = path.display().to_string();
                row.bad(file.line, "file", Problem::Unreadable { path, why: e.to_string() })
            })?;
            Some(text)
        }
    };
    let description = row.plain("description")?;
    Ok(PxeConfigEntry { line: row.line, name, description, contents, active: row.flag("active")? })
}

fn image(mut row: Row<'_>) -> Result<ImageEntry> {
    let name = row.name(NAME_MAX)?.text;
    let check = row.parsed::<Check, _>("check", Problem::Check)?.map(Option::unwrap_or_default);
    let second_stage = row.text("second_stage")?;
    if let Some(file) = second_stage.as_ref().filter(|f| !f.text.is_empty())
        && row.check_name("second_stage", file, NAME_MAX).is_err()
    {
        return Err(row.bad(file.line, "second_stage", Problem::SecondStage(file.text.clone())));
    }
    let mut pxe = Vec::new();
    if let Some((line, table)) = row.table("pxe")? {
        for (hardware, placed) in table {
            let pxe_config = match placed.value {
                Value::Text(text) => text,
                Value::Nothing => String::new(),
                other => return Err(row.bad(placed.line, "pxe", Problem::type_of("a string", &other))),
            };
            pxe.push(PxeChoice { line, hardware, pxe_config });
        }
    }
    Ok(ImageEntry {
        line: row.line,
        name,
        check,
        second_stage: second_stage.map(|f| f.text),
        boot_config_keys: row.texts("boot_config_keys")?,
        boot_config_defaults: row.json_object("boot_config_defaults")?,
        can_reuse: row.flag("can_reuse")?,
        hidden: row.flag("hidden")?,
        limits: row.limits()?,
        pxe,
    })
}

fn relay_board(mut row: Row<'_>) -> Result<RelayBoardEntry> {
    let name = row.name(NAME_MAX)?.text;
    let fqdn = row.text("fqdn")?;
    if let Some(fqdn) = &fqdn {
        fqdn.text.parse::<BoardAddress>().map_err(|e| row.bad(fqdn.line, "fqdn", Problem::Relay(e)))?;
    }
    let imaging_server = row.filled("imaging_server")?.map(|s| s.text);
    Ok(RelayBoardEntry { line: row.line, name, fqdn: fqdn.map(|f| f.text), imaging_server })
}

fn device(mut row: Row<'_>) -> Result<DeviceEntry> {
    let name = row.name(DEVICE_NAME_MAX)?;
    row.not_any("name", &name)?;
    let fqdn = row.filled("fqdn")?;
    if let Some(Text { line, text }) = fqdn.as_ref().filter(|f| f.text.contains(char::is_whitespace)) {
        return Err(row.bad(*line, "fqdn", Problem::Host(text.clone())));
    }
    let mac = row.parsed::<Mac, _>("mac", Problem::Mac)?;
    let relay_info = row.text("relay_info")?;
    if let Some(text) = relay_info.as_ref().filter(|t| !t.text.is_empty()) {
        text.text.parse::<PowerAddress>().map_err(|e| row.bad(text.line, "relay_info", Problem::Power(e)))?;
    }
    let (kind, model) = (row.text("hardware_type")?, row.text("hardware_model")?);
    let hardware = match (kind, model.filter(|m| !m.text.is_empty())) {
        (Some(kind), model) if !kind.text.trim().is_empty() => {
            Some(Some((kind.text, model.map(|m| m.text).unwrap_or_default())))
        }
        (_, Some(model)) => return Err(row.bad(model.line, "hardware_model", Problem::ModelOnly)),
        (Some(_), None) => Some(None),
        (None, None) => None,
    };
    let state = match row.text("state")? {
        None => None,
        Some(text) => match State::parse(&text.text) {
            Some(state) => Some(state),
            None => return Err(row.bad(text.line, "state", Problem::State(text.text))),
        },
    };
    let environment = row.text("environment")?;
    if let Some(environment) = &environment {
        row.not_any("environment", environment)?;
    }
    let mut tags = row.texts("tags")?;
    if let Some(tags) = &mut tags {
        tags.sort();
        tags.dedup();
    }
    Ok(DeviceEntry {
        line: row.line,
        name: name.text.into(),
        fqdn: fqdn.map(|f| f.text),
        mac,
        imaging_server: row.filled("imaging_server")?.map(|s| s.text),
        relay_info: relay_info.map(|r| r.text),
        environment: environment.map(|e| e.text),
        hardware,
        processor: row.plain("processor")?,
        tags,
        comments: row.plain("comments")?,
        inventory_id: row.int("inventory_id", "a whole number", 0)?,
        state,
    })
}

/// A relay board however it is spelt; `None` when the text is not one.
pub(crate) fn board_key(fqdn: &str) -> Option<String> {
    fqdn.parse::<BoardAddress>().ok().map(|b| b.to_string().to_lowercase())
}

/// What power hangs on, for whoever compares devices; `None` for nothing, or nothing that it could hang on.
pub(crate) fn power_of(relay_info: &str) -> Option<Power> {
    let power: PowerAddress = relay_info.parse().ok()?;
    let board = power.relay().map(|relay| &relay.board).map(|board| BoardAt {
        key: board.to_string().to_lowercase(),
        host: board.host().to_owned(),
        port: Some(board.port()).filter(|port| *port != relayctl::DEFAULT_PORT),
    });
    Some(Power { text: relay_info.to_owned(), key: power.identity(), board })
}

/// What power hangs on, however it is spelt; `None` for nothing.
pub(crate) fn relay_key(relay_info: &str) -> Option<String> {
    relay_info.parse::<PowerAddress>().ok().map(|power| power.identity())
}

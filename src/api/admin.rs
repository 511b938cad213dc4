//! Calls that change what there is: devices, hardware types, images, PXE configs, relay boards, one at a time or as a lab file.
//!
//! Rows are read and checked here by the rules of the lab file, whose field names they have; *lifeguard* commits them and takes
//! them up at once. Fields that are not given stay as they are, `null` takes away what may be missing, names are not changed.

use super::Ctx;
use super::reply::{ApiError, Reply, Result};
use super::types::{Changes, DeviceFull};
use crate::lab::{Change, Exists, Fate, Format, Kind, Lab, Source};
use crate::layers::messages::{AdminAnswer, Administration};
use crate::store::{Deletion, DeviceView, RelayBoardRow, StoreError, Synced};
use serde_json::{Map, Value};

/// A row as a lab file has it.
type Row = Map<String, Value>;

/// Longest name of an import that messages repeat.
const ORIGIN_MAX: usize = 100;

pub(super) fn device_details(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    full(ctx, &device.name).map(|full| Reply::json(&full))
}

/// Read anew: time limits and counts move without a change that others are told of.
fn full(ctx: &mut Ctx<'_>, name: &str) -> Result<DeviceFull> {
    let device = ctx.store.device(name)?;
    let device = device.ok_or_else(|| ApiError::NotFound { kind: "device", name: name.to_owned() })?;
    Ok(DeviceFull::new(device, &ctx.store.catalog()?))
}

pub(super) fn put_device(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("name").to_owned();
    let existing = ctx.store.device(&name)?;
    let lab = single(ctx, Kind::Device, &[("name", &name)])?;
    let owner = match existing {
        Some(device) => Some(device.info.imaging_server),
        // A new one is for the server that it names to take up; one that does not run yet finds it when it starts.
        None => match lab.devices.first().and_then(|d| d.imaging_server.clone()) {
            Some(name) => {
                ctx.store.servers()?.into_iter().find(|s| s.name == name && !s.url.is_empty()).map(|s| s.name)
            }
            None => None,
        },
    };
    if let Some(reply) = elsewhere(ctx, owner.as_deref())? {
        return Ok(reply);
    }
    put(ctx, lab, |ctx| Ok(serde_json::to_value(full(ctx, &name)?).unwrap_or_default()))
}

pub(super) fn delete_device(ctx: &mut Ctx<'_>, device: &DeviceView) -> Result<Reply> {
    delete(ctx, Deletion::Device(device.name.clone()))
}

pub(super) fn hardware_types(ctx: &mut Ctx<'_>) -> Result<Reply> {
    listed(ctx, Kind::HardwareType, "hardware_types")
}

pub(super) fn hardware_type(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let (kind, model) = hardware_key(ctx);
    let name = crate::lab::hardware_label(&kind, &model);
    one(ctx, Kind::HardwareType, name, |row| row["type"] == *kind && row["model"] == *model)
}

pub(super) fn put_hardware_type(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let (kind, model) = hardware_key(ctx);
    let lab = single(ctx, Kind::HardwareType, &[("type", &kind), ("model", &model)])?;
    let same = |row: &Row| row["type"] == *kind && row["model"] == *model;
    put_row(ctx, lab, Kind::HardwareType, same)
}

pub(super) fn delete_hardware_type(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let (kind, model) = hardware_key(ctx);
    delete(ctx, Deletion::HardwareType { kind, model })
}

/// Type and model from the path; the shorter path has no model.
fn hardware_key(ctx: &Ctx<'_>) -> (String, String) {
    let param =
        |name| ctx.params.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()).unwrap_or_default();
    (param("type"), param("model"))
}

pub(super) fn image_details(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("name").to_owned();
    one(ctx, Kind::Image, name.clone(), |row| row["name"] == *name)
}

pub(super) fn put_image(ctx: &mut Ctx<'_>) -> Result<Reply> {
    put_named(ctx, Kind::Image)
}

pub(super) fn delete_image(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("name").to_owned();
    delete(ctx, Deletion::Image(name))
}

pub(super) fn pxe_config(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("name").to_owned();
    one(ctx, Kind::PxeConfig, name.clone(), |row| row["name"] == *name)
}

pub(super) fn put_pxe_config(ctx: &mut Ctx<'_>) -> Result<Reply> {
    put_named(ctx, Kind::PxeConfig)
}

pub(super) fn delete_pxe_config(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("name").to_owned();
    delete(ctx, Deletion::PxeConfig(name))
}

pub(super) fn relay_boards(ctx: &mut Ctx<'_>) -> Result<Reply> {
    listed(ctx, Kind::RelayBoard, "relay_boards")
}

pub(super) fn relay_board(ctx: &mut Ctx<'_>, board: &RelayBoardRow) -> Result<Reply> {
    one(ctx, Kind::RelayBoard, board.name.clone(), |row| row["name"] == *board.name)
}

pub(super) fn put_relay_board(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let name = ctx.param("name").to_owned();
    let owner = ctx.store.relay_board(&name)?.map(|board| board.imaging_server);
    if let Some(reply) = elsewhere(ctx, owner.as_deref())? {
        return Ok(reply);
    }
    put_named(ctx, Kind::RelayBoard)
}

pub(super) fn delete_relay_board(ctx: &mut Ctx<'_>, board: &RelayBoardRow) -> Result<Reply> {
    delete(ctx, Deletion::RelayBoard(board.name.clone()))
}

pub(super) fn import(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let format = match ctx.call.query("format").filter(|f| !f.is_empty()) {
        Some(name) => Some(Format::parse(&name).ok_or_else(|| unknown_format(&name))?),
        None => ctx.call.content_type.as_deref().and_then(Format::of_content_type),
    };
    let Some(format) = format else {
        let why = "the body is of no known type; send Content-Type application/toml, application/json or text/csv, \
                   or add format=toml, json or csv to the query";
        return Err(ApiError::BadValue { why: why.into() });
    };
    let Ok(text) = std::str::from_utf8(&ctx.call.body) else {
        return Err(ApiError::BadValue { why: "the body is not UTF-8 text".into() });
    };
    let origin: String = ctx.call.query("origin").unwrap_or_default();
    let origin: String = origin.chars().filter(|c| !c.is_control()).take(ORIGIN_MAX).collect();
    let origin = if origin.is_empty() { "the body".to_owned() } else { origin };
    let source = Source { format, origin: &origin, default_server: &ctx.settings.server_name, files: None };
    let lab = Lab::read(text, source).map_err(ApiError::Lab)?;
    let dry_run = ctx.call.says("dry_run");
    let changes = administer(ctx, Administration::Apply(lab), dry_run)?;
    Ok(Reply::json(&Changes::new(changes, dry_run)))
}

pub(super) fn export(ctx: &mut Ctx<'_>) -> Result<Reply> {
    let format = match ctx.call.query("format").filter(|f| !f.is_empty()) {
        Some(name) => Format::parse(&name).ok_or_else(|| unknown_format(&name))?,
        None => Format::Toml,
    };
    let mut kinds = if format == Format::Csv { vec![Kind::Device] } else { Kind::ALL.to_vec() };
    if let Some(name) = ctx.call.query("kind").filter(|k| !k.is_empty()) {
        kinds.retain(|kind| kind.name() == name);
        if kinds.is_empty() && Kind::NAMES.contains(&name.as_str()) {
            let why = format!("CSV has devices alone; take another format for kind {name}");
            return Err(ApiError::BadValue { why });
        }
        if kinds.is_empty() {
            let name: String = name.chars().take(40).collect();
            let why = format!("kind is `{name}`; it should be one of {}", Kind::NAMES.join(", "));
            return Err(ApiError::BadValue { why });
        }
    }
    let lab = ctx.store.export_lab(&kinds)?;
    let headers = vec![("Content-Type", format.content_type().to_owned())];
    Ok(Reply { status: 200, headers, body: lab.write(format).into_bytes(), shared: None, who: None })
}

fn unknown_format(name: &str) -> ApiError {
    let name: String = name.chars().take(40).collect();
    ApiError::BadValue { why: format!("format is `{name}`; it should be toml, json or csv") }
}

/// A lab of the one row that path and body describe.
fn single(ctx: &Ctx<'_>, kind: Kind, key: &[(&'static str, &str)]) -> Result<Lab> {
    Lab::single(kind, key, ctx.body()?.0, &ctx.settings.server_name).map_err(ApiError::Lab)
}

/// A redirect, when the row belongs to another imaging server.
fn elsewhere(ctx: &mut Ctx<'_>, owner: Option<&str>) -> Result<Option<Reply>> {
    match owner.filter(|o| *o != ctx.settings.server_name) {
        None => Ok(None),
        Some(owner) => {
            let servers = ctx.store.servers()?;
            ctx.redirect(owner, &servers).map(Some)
        }
    }
}

fn put_named(ctx: &mut Ctx<'_>, kind: Kind) -> Result<Reply> {
    let name = ctx.param("name").to_owned();
    let lab = single(ctx, kind, &[("name", &name)])?;
    put_row(ctx, lab, kind, |row| row["name"] == *name)
}

fn put_row(ctx: &mut Ctx<'_>, lab: Lab, kind: Kind, same: impl Fn(&Row) -> bool) -> Result<Reply> {
    put(ctx, lab, |ctx| {
        let name = ctx.call.path().to_owned();
        Ok(row(ctx, kind, &same)?.ok_or(ApiError::NotFound { kind: kind.name(), name })?.into())
    })
}

/// Applies one row and shows it: 201 for a new one, which only its commit can tell.
fn put(ctx: &mut Ctx<'_>, mut lab: Lab, show: impl FnOnce(&mut Ctx<'_>) -> Result<Value>) -> Result<Reply> {
    let dry_run = ctx.call.says("dry_run");
    // Who adds something does not want to change what is there, and the other way round.
    lab.exists = match ctx.call.query("exists").as_deref() {
        None | Some("") => Exists::Either,
        Some("no") => Exists::No,
        Some("yes") => Exists::Yes,
        Some(other) => {
            let other: String = other.chars().take(ORIGIN_MAX).collect();
            let why = format!("exists is `{other}`; it should be yes or no");
            return Err(ApiError::BadValue { why });
        }
    };
    let changes = administer(ctx, Administration::Apply(lab), dry_run)?;
    if dry_run {
        return Ok(Reply::json(&Changes::new(changes, true)));
    }
    // An imaging server that the row was the first to name is new, too.
    let fresh = changes.iter().any(|c| c.fate == Fate::New && Kind::NAMES.contains(&c.kind));
    Ok(Reply::json_with(if fresh { 201 } else { 200 }, &show(ctx)?))
}

fn delete(ctx: &mut Ctx<'_>, what: Deletion) -> Result<Reply> {
    let (dry_run, force) = (ctx.call.says("dry_run"), ctx.call.says("force"));
    let changes = administer(ctx, Administration::Delete { what, force }, dry_run)?;
    Ok(if dry_run { Reply::json(&Changes::new(changes, true)) } else { Reply::empty(204) })
}

/// Makes a device that is not there, and shows it.
pub(super) fn make_device(ctx: &mut Ctx<'_>, lab: Lab, name: &str) -> Result<Reply> {
    let dry_run = ctx.call.says("dry_run");
    let changes = administer(ctx, Administration::Apply(lab), dry_run)?;
    if dry_run {
        return Ok(Reply::json(&Changes::new(changes, true)));
    }
    Ok(Reply::json_with(201, &full(ctx, name)?))
}

pub(super) fn administer(ctx: &mut Ctx<'_>, change: Administration, dry_run: bool) -> Result<Vec<Change>> {
    match ctx.commands.administer(change, dry_run)? {
        AdminAnswer::Done(changes) | AdminAnswer::Synced(Synced { changes, .. }) => Ok(changes),
        AdminAnswer::Refused(error) => Err(refused(error)),
    }
}

pub(super) fn refused(error: StoreError) -> ApiError {
    match error {
        StoreError::Lab(error) => ApiError::Lab(error),
        StoreError::InUse { .. } | StoreError::Inventory(_) | StoreError::ThereAlready { .. } => {
            ApiError::Conflict { why: error.to_string() }
        }
        StoreError::NotThere { kind, name } => ApiError::NotFound { kind: kind.label(), name },
        StoreError::NothingThere { what } => {
            ApiError::NotFound { kind: what.kind().label(), name: what.name() }
        }
        other => other.into(),
    }
}

/// All rows of a kind, below `key`.
fn listed(ctx: &mut Ctx<'_>, kind: Kind, key: &'static str) -> Result<Reply> {
    let rows: Vec<Value> = rows(ctx, kind)?.into_iter().map(Value::from).collect();
    Ok(Reply::json(&serde_json::json!({ key: rows })))
}

/// The row called `name`.
fn one(ctx: &mut Ctx<'_>, kind: Kind, name: String, same: impl Fn(&Row) -> bool) -> Result<Reply> {
    let row = row(ctx, kind, same)?;
    row.map(|row| Reply::json(&row)).ok_or(ApiError::NotFound { kind: kind.label(), name })
}

fn row(ctx: &mut Ctx<'_>, kind: Kind, same: impl Fn(&Row) -> bool) -> Result<Option<Row>> {
    Ok(rows(ctx, kind)?.into_iter().find(|row| same(row)))
}

fn rows(ctx: &mut Ctx<'_>, kind: Kind) -> Result<Vec<Row>> {
    let lab = ctx.store.export_lab(&[kind])?;
    Ok(lab.rows().into_iter().filter(|(k, _)| *k == kind).flat_map(|(_, rows)| rows).collect())
}

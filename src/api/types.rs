//! Every JSON shape of the API: here those that it sends, in `taken` those that it takes. Nowhere else is a key's name written.
//!
//! Keys that clients of the original read keep their names, types and order; new ones stand after them.

mod access;
mod attempts;
mod boot;
mod candidates;
mod changes;
mod inventory;
pub mod peers;
mod reports;
mod servers;
mod taken;

pub use access::*;
pub use attempts::{AttemptBody, Attempts};
pub use boot::*;
pub use candidates::*;
pub use changes::*;
pub use inventory::*;
pub use reports::*;
pub use servers::*;
pub use taken::*;

use super::time::{iso_micros, rfc3339};
use crate::lab::{Change, Summary};
use crate::logic::catalog::Catalog;
use crate::logic::check::Check;
use crate::logic::mozpool::{OneOf, Request, Wanted};
use crate::store::{DeviceView, ImageRow, LogLine, PxeConfigRow, RequestView, StrayLogLine, StraySender};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `{"error": {…}}`
#[derive(Debug, Serialize)]
pub struct ErrorBody {
    error: ErrorInside,
}

#[derive(Debug, Serialize)]
struct ErrorInside {
    code: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Value>,
}

impl ErrorBody {
    /// An error's words.
    pub fn new(code: &'static str, message: String, detail: Option<Value>) -> Self {
        Self { error: ErrorInside { code, message, detail } }
    }
}

/// `GET version`
#[derive(Debug, Serialize)]
pub struct Version {
    /// Of this program.
    pub version: &'static str,
}

/// `GET health`
#[derive(Debug, Serialize)]
pub struct Health<'a> {
    /// `ok` or `failing`.
    pub status: &'static str,
    /// This server's name.
    pub server: &'a str,
    /// Of this program.
    pub version: &'static str,
    /// When the process started.
    pub started: String,
    /// What it consists of.
    pub services: Vec<Service>,
}

/// A part of the process.
#[derive(Debug, Serialize)]
pub struct Service {
    /// As its threads are called.
    pub name: &'static str,
    /// `running`, `off` or `ended`.
    pub state: &'static str,
    /// As `tcp://ADDRESS:PORT` or `udp://ADDRESS:PORT`.
    pub listens: Vec<String>,
    /// Messages that wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<usize>,
    /// Messages that may wait for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_max: Option<usize>,
    /// What it has counted since it started.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub counters: BTreeMap<&'static str, u64>,
}

/// `GET ready`
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// All checks are well.
    pub ready: bool,
    /// One by one.
    pub checks: Vec<ReadinessCheck>,
}

/// Something that must answer.
#[derive(Debug, Serialize)]
pub struct ReadinessCheck {
    /// What was asked.
    pub name: &'static str,
    /// It has answered.
    pub ok: bool,
    /// Why it is not well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// `GET device/list`
#[derive(Debug, Serialize)]
pub struct Devices<T> {
    /// Names, or [`DeviceDetails`].
    pub devices: Vec<T>,
}

/// A device in a detailed list.
#[derive(Debug, Serialize)]
pub struct DeviceDetails {
    id: i64,
    name: String,
    fqdn: String,
    inventory_id: i64,
    mac_address: String,
    imaging_server: String,
    relay_info: String,
    state: String,
    comments: String,
    image: Option<String>,
    boot_config: String,
    environment: String,
    request_id: Option<i64>,
    hardware_type: String,
    hardware_model: String,
    processor: String,
    tags: Vec<String>,
    next_image: Option<String>,
    state_since: String,
    reachable: bool,
}

impl From<DeviceView> for DeviceDetails {
    fn from(view: DeviceView) -> Self {
        let boot_config = view.installed.as_ref().map_or("", |i| &*i.boot_config);
        Self {
            id: view.id,
            name: view.name.to_string(),
            fqdn: view.info.fqdn,
            inventory_id: view.inventory_id,
            mac_address: view.info.mac.map(|m| m.join("")).unwrap_or_default(),
            imaging_server: view.info.imaging_server,
            relay_info: view.info.relay_info,
            state: view.state,
            comments: view.comments,
            boot_config: json_text(boot_config),
            image: view.installed.map(|i| i.image.to_string()),
            environment: view.info.environment,
            request_id: view.request.map(|r| r.0),
            hardware_type: view.info.hardware_type,
            hardware_model: view.info.hardware_model,
            processor: view.processor,
            tags: view.tags,
            next_image: view.next.map(|i| i.image.to_string()),
            state_since: rfc3339(view.state_since),
            reachable: view.reachable,
        }
    }
}

/// `GET device/…/details`, and what a device became: as in the list, and what is to be known of one alone.
#[derive(Debug, Serialize)]
pub struct DeviceFull {
    #[serde(flatten)]
    listed: DeviceDetails,
    /// As in a lab file, where `mac_address` is called so.
    mac: String,
    deadline: Option<String>,
    progress: Option<u8>,
    pxe_config: Option<String>,
    attempt: Option<attempts::Tries>,
    limit_s: Option<u32>,
}

impl DeviceFull {
    /// A device, with what `catalog` says of its time limit.
    pub fn new(view: DeviceView, catalog: &Catalog) -> Self {
        Self {
            attempt: attempts::Tries::of(&view),
            limit_s: attempts::limit_s(&view, catalog),
            mac: view.info.mac.map(|m| m.to_string()).unwrap_or_default(),
            deadline: view.deadline.map(rfc3339),
            progress: view.progress,
            pxe_config: view.boot.as_ref().map(|b| b.pxe_config.to_string()),
            listed: view.into(),
        }
    }
}

/// Answer to a change of what there is, or to its dry run.
#[derive(Debug, Serialize)]
pub struct Changes {
    changes: Vec<String>,
    dry_run: bool,
    /// By kind, how many rows became what.
    summary: BTreeMap<&'static str, BTreeMap<&'static str, usize>>,
}

impl Changes {
    /// A line for each, and how many there are.
    pub fn new(changes: Vec<Change>, dry_run: bool) -> Self {
        let counts = Summary::of(&changes).0.into_iter();
        let summary =
            counts.map(|(kind, fates)| (kind, fates.into_iter().map(|(f, n)| (f.name(), n)).collect()));
        Self { summary: summary.collect(), changes: changes.into_iter().map(|c| c.text).collect(), dry_run }
    }
}

/// `GET device/…/state`
#[derive(Debug, Serialize)]
pub struct StateOnly<'a> {
    /// The state's name as stored.
    pub state: &'a str,
}

/// `GET device/…/status` and `request/…/status`
#[derive(Debug, Serialize)]
pub struct Status<'a> {
    /// The state's name.
    pub state: &'a str,
    /// Its last lines, oldest first.
    pub log: Vec<LogEntry>,
}

/// `GET request/…/log`
#[derive(Debug, Serialize)]
pub struct Log {
    /// Lines, oldest first.
    pub log: Vec<LogEntry>,
}

/// `GET device/…/log`
#[derive(Debug, Serialize)]
pub struct LogPageBody {
    /// Lines, oldest first.
    pub log: Vec<LogEntry>,
    /// Older lines are before this place.
    pub before: String,
    /// Newer ones are behind this one.
    pub after: String,
    /// There may be more in the direction of the search.
    pub more: bool,
}

/// `GET log/unknown`
#[derive(Debug, Serialize)]
pub struct UnknownSenders {
    /// The last heard first.
    pub senders: Vec<UnknownSender>,
}

/// Somebody who sends lines although no device is known for the address.
#[derive(Debug, Serialize)]
pub struct UnknownSender {
    address: String,
    hostname: Option<String>,
    lines: u64,
    first: String,
    last: String,
    log: Vec<UnknownLine>,
}

#[derive(Debug, Serialize)]
struct UnknownLine {
    timestamp: String,
    message: String,
}

impl UnknownSender {
    /// With some of its lines, oldest first.
    pub fn new(sender: StraySender, lines: Vec<StrayLogLine>) -> Self {
        let line = |l: StrayLogLine| UnknownLine { timestamp: iso_micros(l.at), message: l.message };
        Self {
            address: sender.sender,
            hostname: Some(sender.hostname).filter(|h| !h.is_empty()),
            lines: sender.lines,
            first: rfc3339(sender.first),
            last: rfc3339(sender.last),
            log: lines.into_iter().map(line).collect(),
        }
    }
}

/// A log line.
#[derive(Debug, Serialize)]
pub struct LogEntry {
    id: i64,
    timestamp: String,
    source: String,
    message: String,
}

impl From<LogLine> for LogEntry {
    fn from(line: LogLine) -> Self {
        Self { id: line.id, timestamp: iso_micros(line.at), source: line.source, message: line.message }
    }
}

/// Answer to a device's event.
#[derive(Debug, Serialize)]
pub struct EventAnswer<'a> {
    /// It had an effect.
    pub accepted: bool,
    /// The state afterwards.
    pub state: &'a str,
    /// Why it had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// `GET device/…/power`
#[derive(Debug, Serialize)]
pub struct Power {
    /// `on`, `off` or `unknown`.
    pub power: &'static str,
}

/// `GET device/…/ping`, `GET relay/…/test`
#[derive(Debug, Serialize)]
pub struct Success {
    /// It answered as it should.
    pub success: bool,
}

/// A call that has nothing to say: `{}`.
#[derive(Debug, Serialize)]
pub struct Nothing {}

/// A request as it was just made.
#[derive(Debug, Clone, Serialize)]
pub struct RequestBody {
    id: i64,
    requested_device: String,
    assigned_device: String,
    assignee: String,
    boot_config: String,
    environment: Values,
    expires: String,
    image: String,
    url: String,
}

/// What will do: a text where there is one value, a list where there are several.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

impl From<&OneOf> for Values {
    fn from(one_of: &OneOf) -> Self {
        match one_of.values() {
            [only] => Self::One(only.clone()),
            several => Self::Several(several.to_vec()),
        }
    }
}

/// What a request wants beside its environment; `null` is any.
#[derive(Debug, Clone, Serialize)]
struct Wishes {
    hardware_type: Option<Values>,
    hardware_model: Option<Values>,
    processor: Option<Values>,
    tags: Vec<Values>,
    queue_until: Option<String>,
}

impl From<&Request> for Wishes {
    fn from(machine: &Request) -> Self {
        let Wanted { hardware_type, hardware_model, processor, tags, .. } = &machine.wanted;
        let values = |wish: &Option<OneOf>| wish.as_ref().map(Values::from);
        Self {
            hardware_type: values(hardware_type),
            hardware_model: values(hardware_model),
            processor: values(processor),
            tags: tags.iter().map(Values::from).collect(),
            queue_until: machine.queue_until.map(rfc3339),
        }
    }
}

impl RequestBody {
    /// `owner_url`: the API of the server that owns it, without a slash at the end.
    pub fn new(view: &RequestView, owner_url: &str) -> Self {
        let machine = &view.machine;
        let environment = machine.wanted.environment.as_ref();
        Self {
            id: machine.id.0,
            requested_device: machine.wanted.device.as_deref().unwrap_or("any").to_owned(),
            assigned_device: machine.assigned.as_deref().unwrap_or_default().to_owned(),
            assignee: view.assignee.clone(),
            boot_config: json_text(&machine.wanted.install.boot_config),
            environment: environment.map_or(Values::One("any".into()), Values::from),
            expires: iso_micros(machine.expires),
            image: machine.wanted.install.image.to_string(),
            url: format!("{owner_url}/api/request/{}/", machine.id),
        }
    }
}

/// Answer to `POST device/…/request`.
#[derive(Debug, Serialize)]
pub struct RequestMade {
    /// The request.
    pub request: RequestBody,
}

/// A request with where it is.
#[derive(Debug, Clone, Serialize)]
pub struct RequestNow {
    #[serde(flatten)]
    body: RequestBody,
    state: &'static str,
    device_state: String,
    imaging_server: String,
    created: String,
    reason: String,
    #[serde(flatten)]
    wishes: Wishes,
}

impl RequestNow {
    /// `owner_url`: the API of the server that owns it, without a slash at the end.
    pub fn new(view: RequestView, owner_url: &str) -> Self {
        Self {
            body: RequestBody::new(&view, owner_url),
            wishes: Wishes::from(&view.machine),
            state: view.machine.state.name(),
            device_state: view.device_state.unwrap_or_default(),
            imaging_server: view.server,
            created: rfc3339(view.created),
            reason: view.reason,
        }
    }
}

/// `GET request/…/details`: the object as the original sent it and as it documented it.
#[derive(Debug, Serialize)]
pub struct RequestDetails {
    #[serde(flatten)]
    top: RequestNow,
    request: RequestNow,
}

impl From<RequestNow> for RequestDetails {
    fn from(now: RequestNow) -> Self {
        Self { top: now.clone(), request: now }
    }
}

/// `GET request/list`
#[derive(Debug, Serialize)]
pub struct Requests {
    /// By number.
    pub requests: Vec<RequestListed>,
}

/// A request in the list.
#[derive(Debug, Serialize)]
pub struct RequestListed {
    id: i64,
    assignee: String,
    assigned_device: String,
    boot_config: String,
    device_state: String,
    expires: String,
    imaging_server: String,
    requested_device: String,
    environment: Values,
    state: &'static str,
    image: String,
    created: String,
    #[serde(flatten)]
    wishes: Wishes,
}

impl From<RequestView> for RequestListed {
    fn from(view: RequestView) -> Self {
        let RequestBody {
            id,
            requested_device,
            assigned_device,
            boot_config,
            environment,
            expires,
            image,
            ..
        } = RequestBody::new(&view, "");
        Self {
            wishes: Wishes::from(&view.machine),
            id,
            assignee: view.assignee,
            assigned_device,
            boot_config,
            device_state: view.device_state.unwrap_or_default(),
            expires,
            imaging_server: view.server,
            requested_device,
            environment,
            state: view.machine.state.name(),
            image,
            created: rfc3339(view.created),
        }
    }
}

/// `GET environment/list`
#[derive(Debug, Serialize)]
pub struct Environments {
    /// Sorted.
    pub environments: Vec<String>,
}

/// `GET image/list`
#[derive(Debug, Serialize)]
pub struct Images {
    /// By name.
    pub images: Vec<Image>,
}

/// An image.
#[derive(Debug, Serialize)]
pub struct Image {
    id: i64,
    name: String,
    boot_config_keys: Vec<String>,
    can_reuse: bool,
    has_sut_agent: bool,
    hidden: bool,
}

impl From<ImageRow> for Image {
    fn from(row: ImageRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            boot_config_keys: row.boot_config_keys,
            can_reuse: row.can_reuse,
            has_sut_agent: row.check == Check::Sut,
            hidden: row.hidden,
        }
    }
}

/// `GET bmm/pxe_config/list`
#[derive(Debug, Serialize)]
pub struct PxeConfigs {
    /// Names, sorted.
    pub pxe_configs: Vec<String>,
}

/// `GET bmm/pxe_config/…/details`
#[derive(Debug, Serialize)]
pub struct PxeConfigDetails {
    /// The PXE config.
    pub details: PxeConfig,
}

/// A PXE config.
#[derive(Debug, Serialize)]
pub struct PxeConfig {
    name: String,
    description: String,
    contents: String,
    active: bool,
}

impl From<PxeConfigRow> for PxeConfig {
    fn from(row: PxeConfigRow) -> Self {
        Self { name: row.name, description: row.description, contents: row.contents, active: row.active }
    }
}

/// A boot config's text; an empty one is the object without keys, so that clients can always parse it.
fn json_text(text: &str) -> String {
    if text.is_empty() { "{}".to_owned() } else { text.to_owned() }
}

//! Every JSON shape that the API sends or takes. Nowhere else is a key's name written.
//!
//! Keys that clients of the original read keep their names, types and order of meaning; new ones stand after them.

use super::body::{Body, missing, wrong};
use super::reply::{ApiError, Result};
use super::time::{iso_micros, rfc3339};
use crate::logic::check::Check;
use crate::logic::lifeguard::Install;
use crate::store::{DeviceView, ImageRow, LogLine, PxeConfigRow, RequestView};
use serde::Serialize;
use serde_json::{Map, Value};

// ---- what is sent

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
        }
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

/// `GET device/…/log` and `request/…/log`
#[derive(Debug, Serialize)]
pub struct Log {
    /// Lines, oldest first.
    pub log: Vec<LogEntry>,
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
    environment: String,
    expires: String,
    image: String,
    url: String,
}

impl RequestBody {
    /// `owner_url`: the API of the server that owns it, without a slash at the end.
    pub fn new(view: &RequestView, owner_url: &str) -> Self {
        let machine = &view.machine;
        Self {
            id: machine.id.0,
            requested_device: machine.wanted.device.as_deref().unwrap_or("any").to_owned(),
            assigned_device: machine.assigned.as_deref().unwrap_or_default().to_owned(),
            assignee: view.assignee.clone(),
            boot_config: json_text(&machine.wanted.install.boot_config),
            environment: machine.wanted.environment.as_deref().unwrap_or("any").to_owned(),
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
}

impl RequestNow {
    /// `owner_url`: the API of the server that owns it, without a slash at the end.
    pub fn new(view: RequestView, owner_url: &str) -> Self {
        Self {
            body: RequestBody::new(&view, owner_url),
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
    environment: String,
    state: &'static str,
    image: String,
    created: String,
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

// ---- what is taken

/// Body of `POST device/…/request`, checked as far as it can be without the store.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateBody {
    /// Who asks.
    pub assignee: String,
    /// Seconds, as given.
    pub duration_s: i64,
    /// Name of the image.
    pub image: String,
    /// `None` for any.
    pub environment: Option<String>,
    /// Must match.
    pub hardware_type: Option<String>,
    /// Must match.
    pub hardware_model: Option<String>,
    /// Must match.
    pub processor: Option<String>,
    /// Must all be on the board.
    pub tags: Vec<String>,
    /// Seconds of search at most.
    pub queue_limit_s: Option<i64>,
    /// What for.
    pub reason: String,
    /// The body itself, for the keys that the image wants.
    pub all: Body,
}

impl CreateBody {
    /// Takes the keys out of a body.
    pub fn read(body: Body) -> Result<Self> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let requester = if body.0.contains_key("assignee") { "assignee" } else { "requester" };
        let assignee = match body.text(requester, "") {
            Err(ApiError::MissingKey { .. }) => {
                return Err(missing("assignee", "who asks, a name or an e-mail address"));
            }
            other => other?.to_owned(),
        };
        Ok(Self {
            assignee,
            duration_s: body.seconds("duration", DURATION)?,
            image: body
                .text("image", "the name of the image to be installed; image/list has them")?
                .to_owned(),
            environment: owned(body.optional_text("environment")?.filter(|e| *e != "any")),
            hardware_type: owned(body.optional_text("hardware_type")?),
            hardware_model: owned(body.optional_text("hardware_model")?),
            processor: owned(body.optional_text("processor")?),
            tags: body.texts("tags")?,
            queue_limit_s: body.optional_seconds("queue_limit")?,
            reason: owned(body.optional_text("reason")?).unwrap_or_default(),
            all: body,
        })
    }
}

const DURATION: &str = "for how many seconds the device is wanted";

/// Body of `POST request/…/renew`: seconds from now.
pub fn read_renew(body: &Body) -> Result<i64> {
    body.seconds("duration", DURATION)
}

/// Body of `please_image`.
#[derive(Debug, Clone, PartialEq)]
pub struct PleaseImage {
    /// Name of the image.
    pub image: String,
    /// What parametrises it.
    pub boot_config: BootConfig,
}

impl PleaseImage {
    /// Takes the keys out of a body.
    pub fn read(body: &Body) -> Result<Self> {
        let image = body.text("image", "the name of the image to be installed")?.to_owned();
        let Some(boot_config) = body.0.get("boot_config") else {
            return Err(missing("boot_config", "what the image is to be told, an object or its JSON text"));
        };
        Ok(Self { image, boot_config: BootConfig::read(boot_config)? })
    }
}

/// A boot config as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct BootConfig {
    text: String,
    object: Map<String, Value>,
}

impl BootConfig {
    fn read(value: &Value) -> Result<Self> {
        const WANTED: &str = "a JSON object or the text of one";
        match value {
            Value::Object(object) => Ok(Self { text: value.to_string(), object: object.clone() }),
            Value::String(text) if text.trim().is_empty() => {
                Ok(Self { text: String::new(), object: Map::new() })
            }
            Value::String(text) => match serde_json::from_str(text) {
                Ok(Value::Object(object)) => Ok(Self { text: text.clone(), object }),
                Ok(_) => Err(wrong("boot_config", WANTED, value)),
                Err(why) => Err(ApiError::BadValue {
                    why: format!("the key `boot_config` should be {WANTED}; its text is not JSON: {why}"),
                }),
            },
            other => Err(wrong("boot_config", WANTED, other)),
        }
    }

    /// Its text with the image's defaults for the keys that it lacks. Without defaults the text stays as it was given.
    pub fn over(self, defaults: &Map<String, Value>) -> String {
        if defaults.keys().all(|k| self.object.contains_key(k)) {
            return self.text;
        }
        let mut merged = defaults.clone();
        merged.extend(self.object);
        Value::Object(merged).to_string()
    }
}

/// The boot config of a request: the image's defaults, and over them the keys that it asks for. `{}` when there are none.
pub fn boot_config_of_request(image: &ImageRow, body: &Body) -> Result<String> {
    let mut object = defaults_of(image);
    for key in &image.boot_config_keys {
        let Some(value) = body.0.get(key) else {
            return Err(missing(key, "the image asks for it; null will do if there is nothing to say"));
        };
        object.insert(key.clone(), value.clone());
    }
    Ok(Value::Object(object).to_string())
}

/// An image's defaults. What the store holds was checked when it was written; unreadable defaults are none.
pub fn defaults_of(image: &ImageRow) -> Map<String, Value> {
    serde_json::from_str(&image.boot_config_defaults).unwrap_or_default()
}

/// Body of `POST device/…/power-cycle`.
#[derive(Debug, Clone, PartialEq)]
pub struct PowerCycleBody {
    /// Boot this; without it the device boots its own disk.
    pub pxe_config: Option<String>,
    /// JSON text for the second stage.
    pub boot_config: Option<String>,
}

impl PowerCycleBody {
    /// Takes the keys out of a body.
    pub fn read(body: &Body) -> Result<Self> {
        let boot_config = body.get("boot_config").map(BootConfig::read).transpose()?.map(|b| b.text);
        Ok(Self {
            pxe_config: body.optional_text("pxe_config")?.filter(|n| !n.is_empty()).map(str::to_owned),
            boot_config: boot_config.filter(|t| !t.is_empty()),
        })
    }
}

/// The reason that some events carry: `reason`, or else `message`.
pub fn read_detail(body: &Body) -> Result<Option<String>> {
    let given = match body.optional_text("reason")? {
        Some(reason) => Some(reason),
        None => body.optional_text("message")?,
    };
    Ok(given.filter(|d| !d.is_empty()).map(|d| d.chars().take(DETAIL_MAX).collect()))
}

/// Characters of an event's reason that are kept: a log line, not a log file.
const DETAIL_MAX: usize = 1000;

/// Body of `image_progress`.
pub fn read_percent(body: &Body) -> Result<u8> {
    let percent =
        body.seconds("percent", "how much of the image is written, 0 to 100").map_err(|e| match e {
            ApiError::WrongType { key, found, .. } => {
                ApiError::WrongType { key, wanted: "a number from 0 to 100", found }
            }
            other => other,
        })?;
    u8::try_from(percent)
        .ok()
        .filter(|p| *p <= 100)
        .ok_or_else(|| ApiError::BadValue { why: format!("percent is {percent}; it should be 0 to 100") })
}

/// Body of `set-comments`.
pub fn read_comments(body: &Body) -> Result<String> {
    Ok(body.text("comments", "the new comments, which may be empty")?.to_owned())
}

/// Body of `set-environment`.
pub fn read_environment(body: &Body) -> Result<String> {
    let name = body.text("environment", "the pool that the device is to belong to")?;
    if name.is_empty() || name == "any" {
        let why = format!("`{name}` cannot be an environment; requests take `any` for all of them");
        return Err(ApiError::BadValue { why });
    }
    Ok(name.to_owned())
}

/// The result that comes with `lifeguard_finished`, by name.
pub fn read_imaging_result(body: &Body) -> Result<Option<&str>> {
    body.optional_text("imaging_result")
}

/// What a device fetches as its boot config: the operator's choice for this boot, else what is being installed, else `null`.
pub fn next_boot_config(by_hand: Option<&str>, next: Option<&Install>) -> String {
    by_hand
        .or(next.map(|i| &*i.boot_config))
        .filter(|text| !text.is_empty())
        .map_or_else(|| "null".to_owned(), str::to_owned)
}

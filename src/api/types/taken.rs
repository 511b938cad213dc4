//! The JSON shapes that the API takes: what is in a body, and what is said when it is not.
//!
//! Checked here as far as it can be without the store. Keys that nobody knows are not looked at.

use crate::api::body::{Body, missing, wrong};
use crate::api::reply::{ApiError, Result};
use crate::logic::lifeguard::Install;
use crate::logic::mozpool::OneOf;
use crate::store::ImageRow;
use serde_json::{Map, Value};

/// Body of `POST device/…/request`, checked as far as it can be without the store.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateBody {
    /// Who asks.
    pub assignee: String,
    /// Seconds, as given.
    pub duration_s: i64,
    /// Name of the image.
    pub image: String,
    /// One of these; `None` for any.
    pub environment: Option<OneOf>,
    /// One of these.
    pub hardware_type: Option<OneOf>,
    /// One of these.
    pub hardware_model: Option<OneOf>,
    /// One of these.
    pub processor: Option<OneOf>,
    /// Of each of these the board must have one.
    pub tags: Vec<OneOf>,
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
        let owned = |key: &str| body.optional_text(key)?.map(|text| one_line(key, text)).transpose();
        let requester = if body.0.contains_key("assignee") { "assignee" } else { "requester" };
        let assignee = match body.text(requester, "") {
            Err(ApiError::MissingKey { .. }) => {
                return Err(missing("assignee", "who asks, a name or an e-mail address"));
            }
            other => one_line(requester, other?)?,
        };
        Ok(Self {
            assignee,
            duration_s: body.seconds("duration", DURATION)?,
            image: body
                .text("image", "the name of the image to be installed; image/list has them")?
                .to_owned(),
            environment: one_of(&body, "environment")?.filter(|e| !e.accepts("any")),
            hardware_type: one_of(&body, "hardware_type")?,
            hardware_model: one_of(&body, "hardware_model")?,
            processor: one_of(&body, "processor")?,
            tags: tags(&body)?,
            queue_limit_s: body.optional_seconds("queue_limit")?,
            reason: owned("reason")?.unwrap_or_default(),
            all: body,
        })
    }
}

/// Values that one key may name, and tags that a request may want: more than any lab has kinds of boards. Each is compared
/// with every kind of board, and all stand in the request's row.
pub const VALUES_MAX: usize = 64;

/// The value of a key that is a text, or a list of texts of which any will do.
fn one_of(body: &Body, key: &str) -> Result<Option<OneOf>> {
    body.get(key).map(|value| alternatives(key, value)).transpose()
}

/// Texts of which any will do.
fn alternatives(key: &str, value: &Value) -> Result<OneOf> {
    let texts = match value {
        Value::String(text) => vec![one_line(key, text)?],
        Value::Array(items) => {
            bounded(key, items)?;
            let text = |(n, item): (usize, &Value)| match item {
                Value::String(text) => one_line(key, text),
                _ => Err(wrong(&format!("{key}[{n}]"), "a string", item)),
            };
            items.iter().enumerate().map(text).collect::<Result<_>>()?
        }
        other => return Err(wrong(key, "a string or a list of strings", other)),
    };
    OneOf::new(texts).ok_or_else(|| ApiError::BadValue {
        why: format!(
            "the key `{key}` holds an empty list, which no board satisfies; leave it out for any, or name what will do"
        ),
    })
}

/// Tags: a list of what the board must have, each a text or a list of texts of which one must be there.
fn tags(body: &Body) -> Result<Vec<OneOf>> {
    let Some(value) = body.get("tags") else { return Ok(Vec::new()) };
    let Value::Array(items) = value else {
        return Err(wrong("tags", "a list of strings, or of lists of strings", value));
    };
    bounded("tags", items)?;
    items.iter().enumerate().map(|(n, item)| alternatives(&format!("tags[{n}]"), item)).collect()
}

fn bounded(key: &str, items: &[Value]) -> Result<()> {
    if items.len() > VALUES_MAX {
        let why = format!("the key `{key}` holds {} values; {VALUES_MAX} at most", items.len());
        return Err(ApiError::BadValue { why });
    }
    Ok(())
}

/// Body of `POST request/…/return`: who ends it and why. Returning always works, so what cannot be read says nothing.
pub fn read_return(bytes: &[u8]) -> (Option<String>, Option<String>) {
    let body = Body::parse(bytes).unwrap_or_default();
    let text = |keys: &[&str]| {
        let given = keys.iter().find_map(|key| body.0.get(*key)?.as_str())?;
        let shown: String = syslogd::text::clean(given.as_bytes()).0.chars().take(SAID_MAX).collect();
        Some(shown.trim().to_owned()).filter(|t| !t.is_empty())
    };
    (text(&["who", "by"]), text(&["reason"]))
}

/// Characters of who returns a request and of why: they stand in a line of two logs.
const SAID_MAX: usize = 200;

/// Characters of a name or a reason: what people write, with room; it stands in tables, log lines and boot configs.
const LINE_MAX: usize = 1000;

/// A text that stands in one line: in logs, tables and boot configs, where a line of its own would say something else.
fn one_line(key: &str, text: &str) -> Result<String> {
    if text.chars().any(char::is_control) {
        let why = format!("the key `{key}` holds control characters; it should be one line of text");
        return Err(ApiError::BadValue { why });
    }
    if text.chars().count() > LINE_MAX {
        let why = format!("the key `{key}` is too long; {LINE_MAX} characters at most");
        return Err(ApiError::BadValue { why });
    }
    Ok(text.to_owned())
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

/// Body of `POST device/…/pxe-draft`.
#[derive(Debug, Clone, PartialEq)]
pub struct PxeDraftBody {
    /// What the PXE config would hold.
    pub contents: String,
    /// The image that the device would boot for.
    pub image: Option<String>,
}

impl PxeDraftBody {
    /// Takes the keys out of a body.
    pub fn read(body: &Body) -> Result<Self> {
        Ok(Self {
            contents: body.text("contents", "what the PXE config would hold")?.to_owned(),
            image: body.optional_text("image")?.filter(|n| !n.is_empty()).map(str::to_owned),
        })
    }
}

/// An image's boot config before anybody asks for it: its defaults, and a made-up word for each key that has none.
pub fn boot_config_of_sample(image: &ImageRow) -> String {
    let mut object = defaults_of(image);
    for key in &image.boot_config_keys {
        object.entry(key.clone()).or_insert_with(|| "sample".into());
    }
    Value::Object(object).to_string()
}

/// The reason that some events carry: `reason`, or else `message`; made safe to show like everything that boards say.
pub fn read_detail(body: &Body) -> Result<Option<String>> {
    let given = match body.optional_text("reason")? {
        Some(reason) => Some(reason),
        None => body.optional_text("message")?,
    };
    let shown = given.map(|d| syslogd::text::clean(d.as_bytes()).0).filter(|d| !d.is_empty());
    Ok(shown.map(|d| d.chars().take(DETAIL_MAX).collect()))
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
    one_line("environment", name)
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

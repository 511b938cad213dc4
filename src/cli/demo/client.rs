//! The demo as a client of the API, as a CI job would be.
//!
//! It knows paths and keys of the contract, and nothing of what is behind them.

use super::DemoError;
use super::progress::{DeviceNow, RequestNow, Snapshot};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use ureq::Agent;

/// A call takes milliseconds.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// How long the demo wants its boards.
const DURATION_S: u32 = 3600;
/// How long a request may look for a board: a flaky rack frees one every few seconds.
const QUEUE_LIMIT_S: u32 = 120;
/// "Busy, try again later".
const BUSY: u16 = 503;
/// The longest answer: details of the largest rack are a few hundred kilobytes.
const ANSWER_MAX: u64 = 16 << 20;

#[derive(Debug)]
pub(super) struct Client {
    /// `http://address:port/api`
    pub(super) base: String,
    agent: Agent,
}

impl Client {
    pub(super) fn new(http: SocketAddr) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None)
            .timeout_global(Some(CALL_LIMIT))
            .user_agent("mozpool-demo")
            .build();
        Self { base: format!("http://{http}/api"), agent: config.into() }
    }

    /// How things stand.
    pub(super) fn look(&self) -> Result<Snapshot, DemoError> {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let devices = self.get("device/list/?details=1")?;
        let requests = self.get("request/list/")?;
        let rows = |v: &Value, key: &str| v[key].as_array().cloned().unwrap_or_default();
        Ok(Snapshot {
            devices: rows(&devices, "devices")
                .iter()
                .map(|d| DeviceNow {
                    name: text(&d["name"]),
                    state: text(&d["state"]),
                    request: d["request_id"].as_i64(),
                })
                .collect(),
            requests: rows(&requests, "requests")
                .iter()
                .filter_map(|r| {
                    let (state, device) = (text(&r["state"]), text(&r["assigned_device"]));
                    Some(RequestNow { id: r["id"].as_i64()?, state, device })
                })
                .collect(),
        })
    }

    /// Asks for any board with this image; `None` when the server is too busy now.
    pub(super) fn ask(&self, image: &str) -> Result<Option<i64>, DemoError> {
        let body = json!({
            "assignee": "demo",
            "duration": DURATION_S,
            "image": image,
            "queue_limit": QUEUE_LIMIT_S,
            "reason": "to show how it works",
        });
        match self.post("device/any/request/", &body)? {
            (200, answer) => answer["request"]["id"].as_i64().map(Some).ok_or_else(|| DemoError::Api {
                doing: "make a request".into(),
                why: format!("its answer has no number: {answer}"),
            }),
            (BUSY, _) => Ok(None),
            (status, answer) => Err(refused("make a request", status, &answer)),
        }
    }

    /// Is done with a request.
    pub(super) fn give_back(&self, id: i64) -> Result<(), DemoError> {
        match self.post(&format!("request/{id}/return/"), &json!({}))? {
            (204, _) => Ok(()),
            (status, answer) => Err(refused("return a board", status, &answer)),
        }
    }

    /// What a request's log says about its end.
    pub(super) fn last_words(&self, id: i64, state: &str) -> Result<String, DemoError> {
        let answer = self.get(&format!("request/{id}/log/"))?;
        let lines = answer["log"].as_array().cloned().unwrap_or_default();
        let said = lines.iter().rev().filter_map(|l| l["message"].as_str());
        let words =
            said.into_iter().find(|m| !m.starts_with("entering state")).unwrap_or("no reason in its log");
        Ok(format!("request {id} {state}: {words}"))
    }

    fn get(&self, path: &str) -> Result<Value, DemoError> {
        let url = format!("{}/{path}", self.base);
        match answer(path, self.agent.get(&url).call())? {
            (200, value) => Ok(value),
            (status, value) => Err(refused(path, status, &value)),
        }
    }

    fn post(&self, path: &str, body: &Value) -> Result<(u16, Value), DemoError> {
        let url = format!("{}/{path}", self.base);
        answer(path, self.agent.post(&url).content_type("application/json").send(body.to_string()))
    }
}

type Sent = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

fn answer(path: &str, sent: Sent) -> Result<(u16, Value), DemoError> {
    let failed = |e: ureq::Error| DemoError::Api { doing: format!("answer {path}"), why: e.to_string() };
    let mut response = sent.map_err(failed)?;
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(ANSWER_MAX).read_to_string().map_err(failed)?;
    // A 204 has no body.
    Ok((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

fn refused(doing: &str, status: u16, answer: &Value) -> DemoError {
    let why = answer["error"]["message"].as_str().unwrap_or("no reason given");
    DemoError::Api { doing: doing.into(), why: format!("HTTP status {status}, {why}") }
}

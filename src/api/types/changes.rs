//! The shape of a change, and of an answer that holds some.

use crate::api::time::{iso_micros, rfc3339};
use crate::logic::time::Timestamp;
use crate::store::{Change, ChangeData};
use serde::Serialize;

/// `GET events`: changes that are JSON already, each a [`ChangeBody`], and the number to go on after.
pub fn changes_text<'a>(changes: impl Iterator<Item = &'a str>, last: u64) -> String {
    let mut text = String::from(r#"{"changes":["#);
    for (n, change) in changes.enumerate() {
        if n > 0 {
            text.push(',');
        }
        text.push_str(change);
    }
    text.push_str(&format!(r#"],"last":{last}}}"#));
    text
}

/// A change.
#[derive(Debug, Serialize)]
pub struct ChangeBody<'a> {
    seq: u64,
    at: String,
    kind: &'static str,
    what: &'static str,
    data: Data<'a>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Device {
        name: &'a str,
        state: &'a str,
        was: Option<&'a str>,
        environment: &'a str,
        request_id: Option<i64>,
        image: Option<&'a str>,
        next_image: Option<&'a str>,
        progress: Option<u8>,
    },
    Gone {
        name: &'a str,
        environment: &'a str,
        /// Nobody holds what is gone: `null`.
        request_id: Option<i64>,
    },
    Request {
        id: i64,
        state: &'a str,
        was: Option<&'a str>,
        assigned_device: &'a str,
        was_assigned_device: Option<&'a str>,
        expires: String,
        assignee: &'a str,
    },
    Number {
        id: i64,
    },
    Name {
        name: &'a str,
    },
}

impl<'a> From<&'a Change> for ChangeBody<'a> {
    fn from(change: &'a Change) -> Self {
        let name = change.subject.as_str();
        let number = change.kind.is_numbered().then(|| name.parse().ok()).flatten();
        let data = match (&change.data, number) {
            (ChangeData::Device(news), _) => Data::Device {
                name,
                state: &news.state,
                was: news.was.as_deref(),
                environment: &news.environment,
                request_id: news.request,
                image: news.image.as_deref(),
                next_image: news.next_image.as_deref(),
                progress: news.progress,
            },
            (ChangeData::DeviceGone(gone), _) => {
                Data::Gone { name, environment: &gone.environment, request_id: None }
            }
            (ChangeData::Request(news), Some(id)) => Data::Request {
                id,
                state: &news.state,
                was: news.was.as_deref(),
                assigned_device: news.device.as_deref().unwrap_or_default(),
                was_assigned_device: news.was_device.as_deref(),
                expires: iso_micros(Timestamp(news.expires)),
                assignee: &news.assignee,
            },
            (ChangeData::Nothing, Some(id)) => Data::Number { id },
            (ChangeData::Nothing | ChangeData::Request(_), None) => Data::Name { name },
        };
        let Change { seq, at, kind, what, .. } = change;
        Self { seq: *seq, at: rfc3339(*at), kind: kind.name(), what: what.name(), data }
    }
}

//! What a board gets from the network, as JSON.

use crate::layers::messages::NetworkBoot;
use serde::Serialize;

/// `GET device/…/pxe`
#[derive(Debug, Serialize)]
pub struct Pxe {
    device: String,
    state: &'static str,
    image: Option<String>,
    hardware: String,
    pxe_config: String,
    form: &'static str,
    why: String,
    error: Option<String>,
    asks_for: Vec<String>,
    gets: String,
    text: String,
}

/// `POST device/…/pxe-draft`
#[derive(Debug, Serialize)]
pub struct PxeDraft {
    device: String,
    image: Option<String>,
    text: Option<String>,
    error: Option<DraftError>,
}

#[derive(Debug, Serialize)]
struct DraftError {
    line: Option<usize>,
    why: String,
}

impl PxeDraft {
    /// What would be read, or the line (0: none) that is wrong and why.
    pub fn new(device: &str, image: Option<String>, rendered: Result<String, (usize, String)>) -> Self {
        let (text, error) = match rendered {
            Ok(text) => (Some(text), None),
            Err((line, why)) => (None, Some(DraftError { line: Some(line).filter(|n| *n > 0), why })),
        };
        Self { device: device.to_owned(), image, text, error }
    }
}

impl Pxe {
    /// Of this device.
    pub fn of(device: &str, boot: NetworkBoot) -> Self {
        let NetworkBoot { state, image, hardware, pxe_config, described, why, error, asks_for, gets, text } =
            boot;
        let form = if described { "description" } else { "text" };
        let (device, state) = (device.to_owned(), state.name());
        Self { device, state, image, hardware, pxe_config, form, why, error, asks_for, gets, text }
    }
}

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

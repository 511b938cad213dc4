//! The boot config of one device: its PXE config from the store, and the values that its template may name.
//!
//! It decides nothing; which PXE config is offered stands in the device's row.

use super::Settings;
use crate::boot::render::{DeviceValues, ImageValues, RenderError, Values, render};
use crate::logic::ids::DeviceName;
use crate::logic::lifeguard::{Device, Install};
use crate::store::{DeviceInfo, Store, StoreError};

/// The text that the device's boot loader is to read: what its row offers.
pub(super) fn boot_text(
    store: &mut dyn Store,
    settings: &Settings,
    machine: &Device,
    info: &DeviceInfo,
) -> Result<String, BootError> {
    let boot = machine.boot.as_ref().ok_or_else(|| BootError::Gone("(none)".into()))?;
    let config = store.pxe_config(&boot.pxe_config)?;
    let config = config.ok_or_else(|| BootError::Gone(boot.pxe_config.to_string()))?;
    let next = machine.next.as_ref();
    let boot_config = boot.boot_config.as_deref().or(next.map(|i| &*i.boot_config)).unwrap_or("");
    let mut values = values_for(store, settings, (&machine.name, info), next, boot_config)?;
    values.boot_token = machine.boot_token.map(|token| token.text()).unwrap_or_default();
    Ok(render(&config.name, &config.contents, &values)?)
}

/// What a template may name when this device boots for `install`.
pub(super) fn values_for(
    store: &mut dyn Store,
    settings: &Settings,
    (device, info): (&DeviceName, &DeviceInfo),
    install: Option<&Install>,
    boot_config: &str,
) -> Result<Values, StoreError> {
    let image = match install {
        Some(install) => store.image(&install.image)?,
        None => None,
    };
    let live = settings.live.of(&info.hardware_type, &info.hardware_model).clone();
    Ok(Values {
        device: DeviceValues {
            name: device.to_string(),
            fqdn: info.fqdn.clone(),
            mac: info.mac.map(|m| m.join("-")).unwrap_or_default(),
            environment: info.environment.clone(),
            hardware_type: info.hardware_type.clone(),
            hardware_model: info.hardware_model.clone(),
        },
        server: settings.values.clone(),
        image: ImageValues {
            name: image.as_ref().map(|i| i.name.clone()).unwrap_or_default(),
            second_stage: image.map(|i| i.second_stage).unwrap_or_default(),
        },
        boot_config: serde_json::from_str(boot_config).unwrap_or(serde_json::Value::Null),
        console: live.console.clone(),
        live,
        site: settings.site.clone(),
        boot_token: String::new(),
    })
}

/// Why there is no boot config for a board.
#[derive(Debug)]
pub(super) enum BootError {
    Gone(String),
    Render(RenderError),
    Store(StoreError),
}

impl std::fmt::Display for BootError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone(name) => write!(f, "there is no PXE config {name} any more"),
            Self::Render(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl From<RenderError> for BootError {
    fn from(error: RenderError) -> Self {
        Self::Render(error)
    }
}

impl From<StoreError> for BootError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

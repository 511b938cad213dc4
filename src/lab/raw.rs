//! The lab file as serde reads it: field names and TOML types, nothing checked.
//!
//! What can be wrong in itself is `Spanned`, so that a message can name its line. Unknown fields are refused: a misspelt
//! `relay_inf` would otherwise leave a board without power control and nobody the wiser.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) hardware_type: Vec<Spanned<HardwareType>>,
    #[serde(default)]
    pub(super) pxe_config: Vec<Spanned<PxeConfig>>,
    #[serde(default)]
    pub(super) image: Vec<Spanned<Image>>,
    #[serde(default)]
    pub(super) relay_board: Vec<Spanned<RelayBoard>>,
    #[serde(default)]
    pub(super) device: Vec<Spanned<Device>>,
}

pub(super) type Limits = Spanned<BTreeMap<String, u32>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HardwareType {
    pub(super) r#type: Spanned<String>,
    #[serde(default)]
    pub(super) model: String,
    pub(super) ping_steady_s: Option<u32>,
    pub(super) limits: Option<Limits>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PxeConfig {
    pub(super) name: Spanned<String>,
    pub(super) description: Option<String>,
    pub(super) contents: Option<String>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) active: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Image {
    pub(super) name: Spanned<String>,
    pub(super) check: Option<Spanned<String>>,
    pub(super) second_stage: Option<Spanned<String>>,
    pub(super) boot_config_keys: Option<Vec<String>>,
    pub(super) boot_config_defaults: Option<Spanned<toml::Table>>,
    pub(super) can_reuse: Option<bool>,
    pub(super) hidden: Option<bool>,
    pub(super) limits: Option<Limits>,
    pub(super) pxe: Option<Spanned<BTreeMap<String, String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RelayBoard {
    pub(super) name: Spanned<String>,
    pub(super) fqdn: Spanned<String>,
    pub(super) imaging_server: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Device {
    pub(super) name: Spanned<String>,
    pub(super) fqdn: Spanned<String>,
    pub(super) mac: Option<Spanned<String>>,
    pub(super) imaging_server: Option<Spanned<String>>,
    pub(super) relay_info: Option<Spanned<String>>,
    pub(super) environment: Option<Spanned<String>>,
    pub(super) hardware_type: Option<Spanned<String>>,
    pub(super) hardware_model: Option<Spanned<String>>,
    pub(super) processor: Option<String>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) comments: Option<String>,
    pub(super) inventory_id: Option<i64>,
    pub(super) state: Option<Spanned<String>>,
}

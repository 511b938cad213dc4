//! What an image is to be told, as it is typed: `-k url=http://…`, or a JSON object.

use super::remote::RemoteError;
use super::things::pair;
use serde_json::{Map, Value};

/// Keys and values for the second stage.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct BootConfig {
    /// A key that the image wants, with its value; more than once for several
    #[arg(short, long = "key", value_name = "KEY=VALUE")]
    keys: Vec<String>,
    /// All of them as a JSON object, or @FILE; -k goes before what is in it
    #[arg(long, value_name = "JSON")]
    boot_config: Option<String>,
}

impl BootConfig {
    /// What was typed, as one object.
    pub(in crate::cli) fn read(&self) -> Result<Map<String, Value>, RemoteError> {
        let mut all = match self.boot_config.as_deref() {
            None => Map::new(),
            Some(text) => {
                let text = match text.strip_prefix('@') {
                    Some(path) => std::fs::read_to_string(path)
                        .map_err(|source| RemoteError::File { path: path.into(), source })?,
                    None => text.to_owned(),
                };
                serde_json::from_str(&text).map_err(|e| RemoteError::Usage {
                    why: format!(
                        "--boot-config is no JSON object: {e}; write '{{\"KEY\": \"VALUE\"}}', or @FILE"
                    ),
                })?
            }
        };
        for key in &self.keys {
            let (key, value) = pair(key)?;
            all.insert(key.to_owned(), value.into());
        }
        Ok(all)
    }
}

//! A device that was proposed for a board, as the row of a lab file that would make it.

use crate::logic::discovery::Proposal;
use crate::logic::ids::Mac;
use serde_json::{Map, Value};

/// The row's fields but its name; what is not known is left out. `server` will own it.
pub fn proposed_row(mac: Mac, server: &str, proposal: Proposal) -> Map<String, Value> {
    let Proposal { name: _, fqdn, environment, hardware_type, hardware_model } = proposal;
    let all = [
        ("fqdn", fqdn),
        ("mac", mac.to_string()),
        ("imaging_server", server.to_owned()),
        ("environment", environment),
        ("hardware_type", hardware_type),
        ("hardware_model", hardware_model),
    ];
    let given = all.into_iter().filter(|(_, text)| !text.is_empty());
    given.map(|(field, text)| (field.to_owned(), Value::String(text))).collect()
}

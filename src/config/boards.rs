//! The section `[boards]`: what of what boards report is believed.

use super::document::Document;
use crate::logic::machine::named_enum;
use std::net::IpAddr;

named_enum! {
    /// What a board must show for what it reports to be believed.
    pub enum BoardEvents {
        /// Its address, as far as that is known, and the token of its present boot.
        Token = "token",
        /// Its address.
        Address = "address",
        /// Nothing, as in the original Mozpool.
        Plain = "plain",
    }
}

/// What of what boards report is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boards {
    /// What they must show.
    pub events: BoardEvents,
    /// Addresses of routers behind which boards are: a call from there may be any board's.
    pub gateways: Vec<IpAddr>,
}

impl Default for Boards {
    fn default() -> Self {
        Self { events: BoardEvents::Token, gateways: Vec::new() }
    }
}

pub(super) fn read(document: &mut Document<'_>) -> Boards {
    let usual = Boards::default();
    let names: Vec<String> = BoardEvents::ALL.iter().map(|e| format!("\"{e}\"")).collect();
    let names = names.join(" or ");
    let events = document.value(
        ("boards", "events"),
        usual.events,
        "is not a rule for what boards report",
        &names,
        |v| v.as_str().and_then(BoardEvents::parse),
    );
    let write = "for example [\"10.1.9.1\"]";
    let gateways =
        document.value(("boards", "gateways"), usual.gateways, "is not a list of IP addresses", write, |v| {
            let address = |text: &str| text.parse::<IpAddr>().ok().map(|a| a.to_canonical());
            v.as_array()?.iter().map(|a| a.get_ref().as_str().and_then(address)).collect()
        });
    Boards { events, gateways }
}

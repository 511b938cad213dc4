//! Boards that are no devices.

use super::admin::DEVICE_FIELDS;
use crate::api::openapi::shape::{Kind, Shape, needed, optional};

const PORT: Kind = Kind::OrNull(&Kind::Whole(1, Some(65_535)));

const AGENT: Shape = Shape {
    name: "CandidateAgent",
    doc: "What a board's agent said when it registered; nobody has checked it.",
    bases: &[],
    fields: &[
        needed("registered", Kind::Time, "When it did last."),
        needed("os", Kind::Text, "Operating system."),
        needed("hardware", Kind::Text, "Hardware."),
        needed("pool", Kind::Text, "Where it would like to belong."),
        needed("command_port", PORT, "Where it takes commands."),
        needed("data_port", PORT, "Where it takes data."),
    ],
    example: "",
};

const PROPOSAL: Shape = Shape {
    name: "CandidateProposal",
    doc: "What a device made of it is without further words; empty where nothing is known.",
    bases: &[],
    fields: &[
        needed("name", Kind::Text, "Name."),
        needed("fqdn", Kind::Text, "Where it is reached."),
        needed("environment", Kind::Text, "Pool."),
        needed("hardware_type", Kind::Text, "Type."),
        needed("hardware_model", Kind::Text, "Model of the type."),
    ],
    example: "",
};

const CANDIDATE: Shape = Shape {
    name: "Candidate",
    doc: "A board that has turned to this pool and is no device.",
    bases: &[],
    fields: &[
        needed("mac", Kind::Text, "Its MAC address with colons."),
        needed("address", Kind::Text, "Where it was last."),
        needed("imaging_server", Kind::Text, "The server that it turned to last."),
        needed("first", Kind::Time, "When it turned to us first."),
        needed("last", Kind::Time, "When it did last."),
        needed("seen", Kind::Whole(0, None), "How often."),
        needed("asked_for", Kind::OrNull(&Kind::Text), "What it asked for by TFTP, the last."),
        needed("agent", Kind::OrNull(&Kind::Of(&AGENT)), "What its agent said."),
        needed("ignored", Kind::Bool, "Somebody wants to see no more of it."),
        needed("proposal", Kind::Of(&PROPOSAL), ""),
    ],
    example: "",
};

/// `candidate/list`
pub const CANDIDATES: Shape = Shape {
    name: "Candidates",
    doc: "Boards that have turned to this pool and are no devices.",
    bases: &[],
    fields: &[needed("candidates", Kind::List(&Kind::Of(&CANDIDATE)), "The last heard first.")],
    example: r#"{"candidates": []}"#,
};

/// Of `candidate/…/accept`.
pub const ACCEPT_ROW: Shape = Shape {
    name: "AcceptedDevice",
    doc: "Fields of the device, named as in a lab file; what is left out is as proposed.",
    bases: &[&DEVICE_FIELDS],
    fields: &[optional("name", Kind::OrNull(&Kind::Text), "Its name.")],
    example: r#"{"name": "board-100", "relay_info": "relay-1:bank1:relay1", "environment": "lab"}"#,
};

//! Boards that are no devices, as JSON.

use crate::api::time::rfc3339;
use crate::logic::discovery::Proposal;
use crate::store::{AgentWords, CandidateRow};
use serde::Serialize;

/// `GET candidate/list`
#[derive(Debug, Serialize)]
pub struct Candidates {
    /// The last heard first.
    pub candidates: Vec<CandidateBody>,
}

/// A board that has turned to us and is no device.
#[derive(Debug, Serialize)]
pub struct CandidateBody {
    mac: String,
    address: String,
    imaging_server: String,
    first: String,
    last: String,
    seen: u64,
    asked_for: Option<String>,
    agent: Option<AgentBody>,
    ignored: bool,
    proposal: ProposalBody,
}

#[derive(Debug, Serialize)]
struct AgentBody {
    registered: String,
    os: String,
    hardware: String,
    pool: String,
    command_port: Option<u16>,
    data_port: Option<u16>,
}

#[derive(Debug, Serialize)]
struct ProposalBody {
    name: String,
    fqdn: String,
    environment: String,
    hardware_type: String,
    hardware_model: String,
}

impl CandidateBody {
    /// With what a device made of it would be.
    pub fn new(proposal: Proposal, row: CandidateRow) -> Self {
        let CandidateRow { mac, address, imaging_server, first, last, seen, asked_for, agent, ignored } = row;
        let agent = agent.map(|agent| {
            let AgentWords { at, os, hardware, pool, command_port, data_port } = agent;
            AgentBody { registered: rfc3339(at), os, hardware, pool, command_port, data_port }
        });
        let Proposal { name, fqdn, environment, hardware_type, hardware_model } = proposal;
        Self {
            mac: mac.to_string(),
            address,
            imaging_server,
            first: rfc3339(first),
            last: rfc3339(last),
            seen,
            asked_for: Some(asked_for).filter(|name| !name.is_empty()),
            agent,
            ignored,
            proposal: ProposalBody { name, fqdn, environment, hardware_type, hardware_model },
        }
    }
}

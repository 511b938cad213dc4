//! What the imaging servers of a pool write to each other, as JSON. Their own affair: no client's, and no promise.

use crate::layers::messages::PeerMessage;
use crate::logic::events::ImagingResult;
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::Claim;
use crate::logic::machine::Epoch;
use crate::logic::mozpool::Preparation;
use serde::{Deserialize, Serialize};

/// Characters of a reason: a letter has a length that a body may have.
const WHY_MAX: usize = 500;

/// Body of `POST peer/letter`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// A [`Letter`] as text, for a text has one form only that a seal can be made of.
    pub letter: String,
    /// Its seal.
    pub seal: String,
}

/// What one server has to say to another.
#[derive(Debug, Serialize, Deserialize)]
pub struct Letter {
    /// Who writes.
    pub from: String,
    /// To whom.
    pub to: String,
    /// The version of what is written.
    pub protocol: u32,
    /// The schema version of the writer.
    pub schema: u32,
    /// In their order.
    pub messages: Vec<Message>,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Message {
    /// A request of the writer has claimed a device of the reader.
    Prepare { device: String, request: i64, epoch: u64, power_cycle: bool },
    /// It has let go of it.
    Released { device: String, request: i64 },
    /// The order of a request of the reader was taken.
    Contacted { request: i64, epoch: u64 },
    /// It was not.
    Refused { request: i64, epoch: u64, why: String },
    /// An installation ended.
    Finished { request: i64, device: String, result: String },
    /// Somebody wants to know whether letters arrive.
    Hello {},
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is with the machine that it is for.
    Taken,
    /// It changes nothing any more.
    Late,
    /// Not now: it is to come once more.
    Again,
}

/// Answer to `POST peer/letter`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answer {
    /// One for each message, in their order.
    pub fates: Vec<Fate>,
}

impl Envelope {
    /// As it is sent.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("our own types hold only string keys")
    }
}

impl Answer {
    /// What an answer says; `None` for what is none.
    pub fn fates_of(text: &str) -> Option<Vec<Fate>> {
        serde_json::from_str::<Self>(text).ok().map(|answer| answer.fates)
    }
}

impl Letter {
    /// A letter.
    pub fn new(from: &str, to: &str, protocol: u32, schema: u32, messages: Vec<Message>) -> Self {
        Self { from: from.to_owned(), to: to.to_owned(), protocol, schema, messages }
    }

    /// As it is sealed.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("our own types hold only string keys")
    }

    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|e| e.to_string())
    }
}

impl From<&PeerMessage> for Message {
    fn from(message: &PeerMessage) -> Self {
        match message {
            PeerMessage::Prepare { device, claim, epoch, prepare } => Self::Prepare {
                device: device.to_string(),
                request: claim.request.0,
                epoch: epoch.0,
                power_cycle: *prepare == Preparation::PowerCycle,
            },
            PeerMessage::Released { device, request } => {
                Self::Released { device: device.to_string(), request: request.0 }
            }
            PeerMessage::Contacted { request, epoch } => {
                Self::Contacted { request: request.0, epoch: epoch.0 }
            }
            PeerMessage::Refused { request, epoch, why } => {
                Self::Refused { request: request.0, epoch: epoch.0, why: why.chars().take(WHY_MAX).collect() }
            }
            PeerMessage::Finished { request, device, result } => Self::Finished {
                request: request.0,
                device: device.to_string(),
                result: result.name().to_owned(),
            },
            PeerMessage::Hello => Self::Hello {},
        }
    }
}

impl Message {
    /// As a value of ours; `None` for a result that nobody knows. `from`: the server that has written it.
    pub fn read(self, from: &str) -> Option<PeerMessage> {
        Some(match self {
            Self::Prepare { device, request, epoch, power_cycle } => PeerMessage::Prepare {
                device: device.into(),
                claim: Claim { request: RequestId(request), server: from.into() },
                epoch: Epoch(epoch),
                prepare: if power_cycle { Preparation::PowerCycle } else { Preparation::Image },
            },
            Self::Released { device, request } => {
                PeerMessage::Released { device: device.into(), request: RequestId(request) }
            }
            Self::Contacted { request, epoch } => {
                PeerMessage::Contacted { request: RequestId(request), epoch: Epoch(epoch) }
            }
            Self::Refused { request, epoch, why } => {
                PeerMessage::Refused { request: RequestId(request), epoch: Epoch(epoch), why }
            }
            Self::Finished { request, device, result } => PeerMessage::Finished {
                request: RequestId(request),
                device: device.into(),
                result: ImagingResult::parse(&result)?,
            },
            Self::Hello {} => PeerMessage::Hello,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let claim = Claim { request: RequestId(7), server: "s1".into() };
        for message in [
            PeerMessage::Prepare { device: "b1".into(), claim, epoch: Epoch(5), prepare: Preparation::Image },
            PeerMessage::Released { device: "b1".into(), request: RequestId(7) },
            PeerMessage::Contacted { request: RequestId(7), epoch: Epoch(5) },
            PeerMessage::Refused { request: RequestId(7), epoch: Epoch(5), why: "no".into() },
            PeerMessage::Finished {
                request: RequestId(7),
                device: "b1".into(),
                result: ImagingResult::FailedBadImage,
            },
            PeerMessage::Hello,
        ] {
            let text = Letter::new("s1", "s2", 1, 8, vec![(&message).into()]).text();
            let letter = Letter::read(&text).unwrap();
            assert_eq!(
                (letter.from.as_str(), letter.to.as_str(), letter.protocol, letter.schema),
                ("s1", "s2", 1, 8)
            );
            let [read] = &letter.messages[..] else { panic!("{text}") };
            assert_eq!(read.clone().read("s1"), Some(message), "{text}");
        }
        let strange = Message::Finished { request: 1, device: "b".into(), result: "perhaps".into() };
        assert_eq!(strange.read("s1"), None);
        assert!(Letter::read("{\"from\":1}").is_err() && Answer::fates_of("[]").is_none());
    }
}

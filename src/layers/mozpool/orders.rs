//! What the layer hears: news of devices, and what the API wants of requests.

use super::*;

/// All that has come in since the last commit.
#[derive(Default)]
pub(super) struct Wakes {
    pub(super) items: Vec<Item>,
    pub(super) created: Vec<(NewRequest, Reply<CreateAnswer>)>,
    pub(super) freed: Vec<DeviceName>,
    /// All who wait look again.
    pub(super) look_again: bool,
}

impl Wakes {
    pub(super) fn len(&self) -> usize {
        self.items.len() + self.created.len() + self.freed.len() + usize::from(self.look_again)
    }

    pub(super) fn notice(&mut self, notice: MozpoolNotice) {
        let (request, event) = match notice {
            MozpoolNotice::DeviceFreed { device } => return self.freed.push(device),
            MozpoolNotice::Administered => {
                self.look_again = true;
                return;
            }
            MozpoolNotice::Contacted { request, epoch } => {
                (request, Event::LifeguardContacted { epoch: Some(epoch) })
            }
            MozpoolNotice::Refused { request, epoch, why } => {
                (request, Event::LifeguardRefused { epoch, why })
            }
            MozpoolNotice::Finished { request, device, result } => {
                (request, Event::LifeguardFinished { device: Some(device), result: Some(result) })
            }
        };
        self.items.push(Item { request, event, asker: Asker::Nobody });
    }

    pub(super) fn command(&mut self, command: MozpoolCommand) {
        match command {
            MozpoolCommand::Create { new, reply } => self.created.push((*new, reply)),
            MozpoolCommand::Ping { reply } => drop(reply.send(())),
            MozpoolCommand::Event { request, event, who, reply } => {
                log::info!("request={request} {} by {who}", event_name(&event));
                self.items.push(Item { request, event: to_event(event, who), asker: Asker::Api(reply) });
            }
        }
    }
}

fn event_name(event: &RequestEvent) -> &'static str {
    match event {
        RequestEvent::Close { .. } => "close",
        RequestEvent::Renew { .. } => "renew",
        RequestEvent::Signal { signal, .. } => signal.name(),
    }
}

/// `from`: the address that the call came from.
fn to_event(event: RequestEvent, from: String) -> Event {
    let nameless = |address| Closer { address, ..Closer::default() };
    match event {
        RequestEvent::Close { who, reason } => Event::Close(Closer { address: from, who, reason }),
        RequestEvent::Signal { signal: Signal::Close, .. } => Event::Close(nameless(from)),
        RequestEvent::Renew { expires } => Event::Renew { expires },
        RequestEvent::Signal { signal: Signal::Expire, .. } => Event::Expire { by: Some(nameless(from)) },
        RequestEvent::Signal { signal: Signal::FindDevice, .. } => Event::FindDevice,
        RequestEvent::Signal { signal: Signal::LifeguardContacted, .. } => {
            Event::LifeguardContacted { epoch: None }
        }
        RequestEvent::Signal { signal: Signal::LifeguardFinished, result } => {
            Event::LifeguardFinished { device: None, result }
        }
    }
}

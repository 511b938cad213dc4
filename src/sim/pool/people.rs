//! Clients of the simulated pool: they ask some server for a board, use it for a while, and give it back.

use super::actor::open;
use super::server::{name, number};
use super::world::{What, World};
use crate::clock::Clock;
use crate::layers::messages::{MozpoolCommand, RequestEvent};
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::Install;
use crate::logic::mozpool::{State as R, Wanted};
use crate::sim::lab;
use crate::sim::ledger::News;
use crate::store::NewRequest;
use crossbeam_channel::bounded;

/// A board is promised for so long.
const DURATION_MS: i64 = 3_600_000;

/// What a client does.
#[derive(Debug, Clone, Copy)]
pub(super) enum Person {
    /// The next request is made.
    Asks,
    /// A client is done.
    Closes(RequestId),
}

impl World {
    pub(super) fn people_come(&mut self) {
        if self.settings.per_minute > 0.0 {
            let at_ms = self.now_ms() + self.dice.wait(60_000.0 / self.settings.per_minute);
            self.put_ms(at_ms, What::Person(Person::Asks));
        }
    }

    pub(super) fn person(&mut self, person: Person) {
        match person {
            Person::Asks => {
                self.asks();
                self.people_come();
            }
            Person::Closes(request) => {
                let Some(owner) = open(&self.database).owners.get(&request).map(|o| number(o)) else {
                    return;
                };
                let (reply, _) = bounded(1);
                let event = RequestEvent::Close { who: None, reason: None };
                let command = MozpoolCommand::Event { request, event, who: "ci".into(), reply };
                let _ = self.servers[owner].requests.try_send(command);
                self.touched.insert(owner);
            }
        }
    }

    fn asks(&mut self) {
        let server = self.dice.below(self.servers.len());
        let image = lab::IMAGES[self.dice.below(lab::IMAGES.len())];
        let pool = self.dice.chance(0.5).then(|| lab::pool_of(self.dice.below(10)));
        let now = self.clock.now();
        let new = NewRequest {
            server: name(server),
            assignee: "ci".into(),
            reason: String::new(),
            wanted: Wanted {
                device: None,
                environment: pool.map(Into::into),
                install: Install { image: image.into(), boot_config: "{}".into() },
                hardware_type: None,
                hardware_model: None,
                processor: None,
                tags: vec![],
            },
            expires: now.plus_ms(DURATION_MS),
            queue_until: None,
            created: now,
        };
        let (reply, _) = bounded(1);
        self.asked += 1;
        // Who finds no room is answered 503.
        if self.servers[server]
            .requests
            .try_send(MozpoolCommand::Create { new: Box::new(new), reply })
            .is_err()
        {
            self.turned_away += 1;
        }
        self.touched.insert(server);
    }

    /// Clients see what becomes of their requests.
    pub(super) fn read_news(&mut self) {
        let news = std::mem::take(&mut self.ledger().news);
        for one in news {
            let News::Request(id, state) = one else { continue };
            if state == R::Ready {
                let in_ms = self.dice.wait(self.settings.use_s * 1000.0);
                self.put_ms(self.now_ms() + in_ms, What::Person(Person::Closes(id)));
            } else if state.is_failed() {
                self.put_ms(self.now_ms() + 1000, What::Person(Person::Closes(id)));
            }
        }
    }
}

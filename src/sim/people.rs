//! Who uses the simulated lab: clients that ask for boards and give them back (or forget to), operators that look after boards.

use super::ledger::name;
use super::trace::Note;
use super::world::{SERVER, What, World};
use super::{faults::DAY_MS, lab};
use crate::clock::Clock;
use crate::layers::messages::*;
use crate::logic::events::Signal;
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::{Ask, Event, Install, Please, State as S, def};
use crate::logic::mozpool::{State as R, Wanted};
use crate::store::NewRequest;
use crossbeam_channel::{Receiver, TryRecvError, bounded};

const SECOND_MS: f64 = 1000.0;
const MINUTE_MS: f64 = 60.0 * SECOND_MS;
const HOUR_MS: f64 = 60.0 * MINUTE_MS;
/// How long a board is used.
const USE_MS: f64 = 25.0 * MINUTE_MS;
/// How long after a request has failed its client closes it.
const GIVES_UP_MS: f64 = 30.0 * SECOND_MS;
/// Clients that never come back.
const FORGETS: f64 = 0.05;
/// Until an operator looks at a board that waits for a person: usually, and in the quiet days.
const LOOKS_MS: f64 = 5.0 * HOUR_MS;
const LOOKS_SOON_MS: f64 = 20.0 * MINUTE_MS;
/// How often an operator does something to a board for a reason of his own.
const MEDDLES_MS: f64 = 10.0 * DAY_MS;
/// Before somebody who was not answered tries again.
const AGAIN_MS: i64 = 5_000;

/// Something that a person, a client or a board's client does.
#[derive(Debug, Clone)]
pub(super) enum Person {
    /// The next request is made.
    Asks,
    /// A client is done with its request.
    Closes(RequestId),
    /// A client needs its board for longer.
    Renews(RequestId),
    /// An operator does something to some board.
    Meddles,
    /// An operator looks at a board that waits for a person.
    Looks(usize),
    /// A board tells once more what was not taken.
    BoardTells { number: usize, life: u32, signal: Signal, then_ms: i64, tries: u32 },
}

/// Somebody who waits for a reply.
#[derive(Debug)]
pub(super) enum Waiting {
    Board {
        answer: Receiver<DeviceAnswer>,
        number: usize,
        life: u32,
        signal: Signal,
        then_ms: i64,
        tries: u32,
    },
    Create(Receiver<CreateAnswer>),
    Close(Receiver<RequestAnswer>, RequestId),
    Renew(Receiver<RequestAnswer>),
    Operator(Receiver<DeviceAnswer>, usize),
}

impl World {
    pub(super) fn people_come(&mut self) {
        self.next_asks();
        self.next_meddles();
    }

    fn in_ms(&mut self, mean_ms: f64, person: Person) {
        let at_ms = self.now_ms() + self.dice.wait(mean_ms);
        self.agenda.put(at_ms, What::Person(person));
    }

    fn next_asks(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "some thousands of boards")]
        let per_day = self.settings.requests_per_day * self.settings.devices as f64;
        if per_day > 0.0 {
            self.in_ms(DAY_MS / per_day, Person::Asks);
        }
    }

    fn next_meddles(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "some thousands of boards")]
        let boards = self.settings.devices as f64;
        self.in_ms(MEDDLES_MS / boards.max(1.0), Person::Meddles);
    }

    pub(super) fn person(&mut self, person: Person) {
        match person {
            Person::Asks if !self.is_quiet() => {
                self.asks();
                self.next_asks();
            }
            Person::Meddles if !self.is_quiet() => {
                self.meddles();
                self.next_meddles();
            }
            Person::Asks | Person::Meddles => {}
            Person::Closes(request) => self.closes(request),
            Person::Renews(request) => self.renews(request),
            Person::Looks(device) => self.looks(device),
            Person::BoardTells { number, life, signal, then_ms, tries } => {
                if self.boards[number].life == life {
                    self.tell(number, signal, then_ms, tries);
                }
            }
        }
    }

    fn asks(&mut self) {
        let bad = self.faults_now().image_is_bad();
        let devices = self.settings.devices;
        let dice = &mut self.dice;
        let image =
            if dice.chance(bad) { lab::BAD_IMAGE } else { lab::IMAGES[dice.below(lab::IMAGES.len())] };
        let device = dice.chance(0.05).then(|| dice.below(devices)).map(|n| name(n).into());
        let environment =
            (device.is_none() && dice.chance(0.5)).then(|| lab::pool_of(dice.below(10)).to_owned());
        let boot_config = if dice.chance(0.3) { "{\"build\":\"nightly\"}" } else { "{}" };
        let duration_ms = dice.between(3_600_000, 4 * 3_600_000);
        let queue_ms = dice.chance(0.2).then(|| dice.between(0, 600_000));
        let now = self.clock.now();
        let new = NewRequest {
            server: SERVER.into(),
            assignee: "ci".into(),
            reason: String::new(),
            wanted: Wanted {
                device,
                environment: environment.map(Into::into),
                install: Install { image: image.into(), boot_config: boot_config.into() },
                hardware_type: None,
                hardware_model: None,
                processor: None,
                tags: vec![],
            },
            expires: now.plus_ms(duration_ms),
            queue_until: queue_ms.map(|ms| now.plus_ms(ms)),
            created: now,
        };
        let (reply, answer) = bounded(1);
        if let Some(alive) = &self.alive {
            let _ = alive.requests.try_send(MozpoolCommand::Create { new: Box::new(new), reply });
            self.waiting.push(Waiting::Create(answer));
        }
    }

    fn command(&mut self, request: RequestId, event: RequestEvent) -> Receiver<RequestAnswer> {
        let (reply, answer) = bounded(1);
        if let Some(alive) = &self.alive {
            let who = "ci".to_owned();
            let _ = alive.requests.try_send(MozpoolCommand::Event { request, event, who, reply });
        }
        answer
    }

    fn closes(&mut self, request: RequestId) {
        if self.ledger().requests.contains_key(&request) {
            let answer = self.command(request, RequestEvent::Close { who: None, reason: None });
            self.waiting.push(Waiting::Close(answer, request));
        }
    }

    fn renews(&mut self, request: RequestId) {
        let expires = self.clock.now().plus_ms(3_600_000);
        let answer = self.command(request, RequestEvent::Renew { expires });
        self.waiting.push(Waiting::Renew(answer));
    }

    /// A request has entered a state: its client sees it.
    pub(super) fn request_entered(&mut self, id: RequestId, state: R) {
        if self.dice.chance(FORGETS) {
            return;
        }
        if state == R::Ready {
            self.board_is_as_wanted(id);
            let in_ms = self.dice.wait(USE_MS);
            let now_ms = self.now_ms();
            if self.dice.chance(0.1) {
                self.agenda.put(now_ms + in_ms / 2, What::Person(Person::Renews(id)));
            }
            self.agenda.put(now_ms + in_ms, What::Person(Person::Closes(id)));
        } else if state.is_failed() {
            self.in_ms(GIVES_UP_MS, Person::Closes(id));
        }
    }

    /// A device has entered a state: operators see it.
    pub(super) fn device_entered(&mut self, device: usize, state: S) {
        if state == S::Ready {
            self.ready_has_power(device);
        }
        self.wait_for_a_look(device, state);
    }

    /// An operator comes, if the device waits for one.
    pub(super) fn wait_for_a_look(&mut self, device: usize, state: S) {
        if waits_for_a_person(state) {
            self.in_ms(if self.is_quiet() { LOOKS_SOON_MS } else { LOOKS_MS }, Person::Looks(device));
        }
    }

    fn looks(&mut self, device: usize) {
        let state = self.ledger().devices[device].machine.state;
        if !waits_for_a_person(state) {
            return;
        }
        self.ledger().note(device, Note::Person("an operator repairs it and sends it back"));
        self.boards[device].broken = false;
        // A board without a live image to test itself with, whose disk was left half written, passes no self-test: somebody
        // must install something.
        let empty = self.boards[device].disk.is_none();
        let event = match state {
            S::LockedOut => Event::Please(Ask::Online),
            S::Troubleshooting if empty => {
                let image = lab::IMAGES[0].into();
                Event::Please(Ask::Image(Install { image, boot_config: "{}".into() }))
            }
            _ if empty => {
                Event::Force { from: state.name().into(), to: S::Troubleshooting, who: "ann".into() }
            }
            _ => Event::Please(Ask::SelfTest),
        };
        self.operator(device, event);
    }

    fn meddles(&mut self) {
        let device = self.dice.below(self.settings.devices);
        let state = self.ledger().devices[device].machine.state;
        let event = match self.dice.below(6) {
            0 | 1 => Event::Please(Ask::Offline),
            2 => Event::Please(Ask::PowerCycle),
            3 => Event::Please(Ask::SelfTest),
            4 => Event::Please(Ask::StartMaintenance),
            _ => Event::Force { from: state.name().into(), to: S::Troubleshooting, who: "ann".into() },
        };
        // People do not take away what somebody uses.
        if self.ledger().devices[device].holder.is_none() {
            self.ledger().note(device, Note::Person("an operator asks something of it"));
            self.operator(device, event);
        }
    }

    fn operator(&mut self, device: usize, event: Event) {
        let (reply, answer) = bounded(1);
        if let Some(alive) = &self.alive {
            let device = name(device).into();
            let command = LifeguardCommand::Event { device, event, claim: None, reply: Some(reply) };
            let _ = alive.devices.try_send(command);
        }
        self.waiting.push(Waiting::Operator(answer, device));
    }

    /// Those who were answered go on; those whose answer can never come try again.
    pub(super) fn hear_replies(&mut self) {
        let mut still = Vec::new();
        for waiting in std::mem::take(&mut self.waiting) {
            if let Some(waiting) = self.hears(waiting) {
                still.push(waiting);
            }
        }
        still.append(&mut self.waiting);
        self.waiting = still;
    }

    /// The daemon has died: nobody is answered any more.
    pub(super) fn waiting_hear_nothing(&mut self) {
        self.hear_replies();
        self.waiting.clear();
    }

    fn hears(&mut self, waiting: Waiting) -> Option<Waiting> {
        match waiting {
            Waiting::Board { answer, number, life, signal, then_ms, tries } => match answer.try_recv() {
                Ok(
                    DeviceAnswer::Accepted { .. }
                    | DeviceAnswer::Ignored { .. }
                    | DeviceAnswer::UnknownDevice,
                ) => {
                    if self.boards[number].life == life {
                        let at_ms = self.now_ms() + then_ms;
                        self.agenda.put(at_ms, What::Board { board: number, life });
                    }
                    None
                }
                Ok(DeviceAnswer::Unavailable { .. }) | Err(TryRecvError::Disconnected) => {
                    self.not_heard(number, life, signal, then_ms, tries);
                    None
                }
                Err(TryRecvError::Empty) => {
                    Some(Waiting::Board { answer, number, life, signal, then_ms, tries })
                }
            },
            Waiting::Create(answer) => match answer.try_recv() {
                Err(TryRecvError::Empty) => Some(Waiting::Create(answer)),
                Ok(_) | Err(TryRecvError::Disconnected) => None,
            },
            Waiting::Close(answer, request) => match answer.try_recv() {
                Err(TryRecvError::Empty) => Some(Waiting::Close(answer, request)),
                Ok(RequestAnswer::Unavailable { .. }) | Err(TryRecvError::Disconnected) => {
                    let at_ms = self.now_ms() + AGAIN_MS;
                    self.agenda.put(at_ms, What::Person(Person::Closes(request)));
                    None
                }
                Ok(_) => None,
            },
            Waiting::Renew(answer) => match answer.try_recv() {
                Err(TryRecvError::Empty) => Some(Waiting::Renew(answer)),
                Ok(_) | Err(TryRecvError::Disconnected) => None,
            },
            Waiting::Operator(answer, device) => match answer.try_recv() {
                Err(TryRecvError::Empty) => Some(Waiting::Operator(answer, device)),
                Ok(DeviceAnswer::Accepted { .. }) => None,
                Ok(_) | Err(TryRecvError::Disconnected) => {
                    // Nothing came of it. If it waits for a person still, the person comes again.
                    self.in_ms(10.0 * MINUTE_MS, Person::Looks(device));
                    None
                }
            },
        }
    }
}

/// Nothing but a person moves it from here.
pub(super) fn waits_for_a_person(state: S) -> bool {
    state == S::LockedOut
        || state != S::Ready && def(state).please != Please::Nothing && def(state).wait_s.is_none()
}

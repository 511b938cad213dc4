//! What the device machine says of attempts, along whole stories of a board and for every state.

use super::{Outcome, Purpose, Turn};
use crate::logic::catalog::Catalog;
use crate::logic::events::Signal;
use crate::logic::ids::RequestId;
use crate::logic::lifeguard::{
    Ask, Boot, BootToken, Claim, Device, Event, Facts, Install, State, Step, TABLE, at_rest, step,
};
use crate::logic::time::Timestamp;

const T0: Timestamp = Timestamp(1_700_000_000_000);

/// A board that hears one thing after another; what was said of its attempts.
struct Board {
    device: Device,
    catalog: Catalog,
    claim: Option<Claim>,
    now: Timestamp,
}

impl Board {
    fn in_state(state: State) -> Self {
        let device = Device::new("b".into(), state, T0);
        Self { device, catalog: Catalog::default(), claim: None, now: T0 }
    }

    fn hears(&mut self, event: Event) -> Vec<Turn> {
        self.now = self.now.plus_s(1);
        let boot_token = BootToken::new([7; BootToken::BYTES]);
        let claim = self.claim.as_ref();
        let facts = Facts { catalog: &self.catalog, hardware: None, has_relay: true, claim, boot_token };
        match step(&self.device, facts, event, self.now) {
            Step::Moved(moved) => {
                self.device = moved.next;
                moved.turns
            }
            Step::Rearmed(_) | Step::Ignored(_) => Vec::new(),
        }
    }

    fn answer(&mut self, signal: Signal) -> Vec<Turn> {
        self.hears(Event::Answer { epoch: self.device.epoch, signal })
    }

    fn waits(&mut self) -> Vec<Turn> {
        self.now = self.device.deadline.unwrap_or(self.now);
        self.hears(Event::Deadline { waiting: false })
    }
}

fn cycle(purpose: Purpose, from: State) -> Turn {
    Turn::Begin { purpose, image: None, request: None, from, state: State::PcPowerCycling }
}

fn force(from: State, to: State) -> Event {
    Event::Force { from: from.name().into(), to, who: "ann".into() }
}

#[test]
fn a_power_cycle_is_an_attempt_from_its_begin_to_rest() {
    use State as S;
    let mut board = Board::in_state(S::Ready);
    board.claim = Some(Claim { request: RequestId(9), server: "s".into() });
    let turns = board.hears(Event::Please(Ask::PowerCycle));
    let request = Some(RequestId(9));
    let (purpose, state) = (Purpose::PowerCycle, S::PcPowerCycling);
    assert_eq!(turns, [Turn::Begin { purpose, image: None, request, from: S::Ready, state }]);
    // A relay that sticks is tried again within it.
    assert_eq!(board.answer(Signal::PowerCycleFailed), []);
    assert_eq!(board.device.state, S::PcPowerCycling);
    assert_eq!(board.answer(Signal::PowerCycleOk), [Turn::Enter(S::PcRebooting)]);
    assert_eq!(board.waits(), [Turn::Enter(S::PcPinging)]);
    assert_eq!(board.waits(), [], "it asks again in the same state");
    assert_eq!(board.answer(Signal::PingOk), [Turn::End { state: S::Ready, outcome: Outcome::Ok }]);
    // A check at rest is no attempt.
    assert_eq!(board.waits(), []);
}

#[test]
fn a_retry_is_another_attempt_and_giving_up_ends_the_last() {
    use State as S;
    let mut board = Board::in_state(S::Ready);
    board.hears(Event::Please(Ask::PowerCycle));
    board.answer(Signal::PowerCycleOk);
    board.waits();
    let mut begun = 1;
    let end = loop {
        let turns = board.waits();
        match &turns[..] {
            [] | [Turn::Enter(_)] => {}
            [Turn::Begin { from: S::PcPinging, .. }] => {
                begun += 1;
                board.answer(Signal::PowerCycleOk);
            }
            _ => break turns,
        }
    };
    assert_eq!(begun, 6, "a first try and five more");
    // No ping at all: given up, and the board begins to heal itself in the same step.
    let given_up = Turn::End { state: S::FailedPinging, outcome: Outcome::GivenUp };
    assert_eq!(end, [given_up, cycle(Purpose::SelfTest, S::StartSelfTest)]);
}

#[test]
fn what_a_person_says_proves_nothing() {
    use State as S;
    let by_hand = |state| Turn::End { state, outcome: Outcome::GivenUp };
    let mut board = Board::in_state(S::ImagePinging);
    assert_eq!(board.hears(force(S::ImagePinging, S::Ready)), [by_hand(S::Ready)]);
    let mut board = Board::in_state(S::PxeBooting);
    assert_eq!(board.hears(Event::Please(Ask::Offline)), [by_hand(S::LockedOut)]);
    let mut board = Board::in_state(S::MaintenanceMode);
    let boot = Some(Boot { pxe_config: "maintenance".into(), boot_config: None });
    let (purpose, state) = (Purpose::Pxe, S::MaintenanceMode);
    let begin = Turn::Begin { purpose, image: None, request: None, from: state, state };
    assert_eq!(board.hears(Event::Offer { boot, cycles: true }), [begin]);
    assert_eq!(board.hears(Event::Offer { boot: None, cycles: false }), []);
}

#[test]
fn the_image_decides_what_an_attempt_is_for() {
    use State as S;
    for (next, installed, self_testing, want) in [
        (Some("self-test"), Some("debian"), false, (Purpose::SelfTest, Some("self-test"))),
        (Some("maintenance"), None, false, (Purpose::Maintenance, Some("maintenance"))),
        (Some("debian"), None, false, (Purpose::Image, Some("debian"))),
        (None, Some("debian"), false, (Purpose::PowerCycle, Some("debian"))),
        (None, None, true, (Purpose::SelfTest, None)),
    ] {
        let install = |name: Option<&str>| name.map(|n| Install { image: n.into(), boot_config: "".into() });
        let mut board = Board::in_state(S::MobileInitStarted);
        board.device.next = install(next);
        board.device.installed = install(installed);
        board.device.self_testing = self_testing;
        // Back to a power cycle, as an operator may send it.
        let to = if next.is_some() { S::PxePowerCycling } else { S::PcPowerCycling };
        let turns = board.hears(force(S::MobileInitStarted, to));
        let Some(Turn::Begin { purpose, image, from, .. }) = turns.first() else { panic!("{turns:?}") };
        assert_eq!((*purpose, image.as_deref(), *from), (want.0, want.1, S::MobileInitStarted));
    }
}

#[test]
fn every_way_to_rest_ends_an_attempt_and_every_power_cycle_begins_one() {
    for to in TABLE.iter().map(|def| def.state) {
        let from = if to == State::MobileInitStarted { State::PxeBooting } else { State::MobileInitStarted };
        let mut board = Board::in_state(from);
        let turns = board.hears(force(from, to));
        let ends = turns.iter().filter(|t| matches!(t, Turn::End { .. })).count();
        let last_begins = turns.iter().rev().find_map(|t| match t {
            Turn::Begin { .. } => Some(true),
            Turn::End { .. } => Some(false),
            Turn::Enter(_) => None,
        });
        let now = board.device.state;
        assert!(ends > 0 || !at_rest(now), "{to}: {turns:?} leaves {now} under way");
        let cycling = [State::PxePowerCycling, State::PcPowerCycling].contains(&now);
        assert_eq!(last_begins == Some(true), cycling, "{to}: {turns:?} in {now}");
    }
}

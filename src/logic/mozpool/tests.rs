//! The request machine, told as stories.

use super::*;
use crate::logic::events::ImagingResult as R;
use crate::logic::lifeguard::Install;
use State as S;

const NOW: Timestamp = Timestamp(1_000_000_000_000);

struct Story {
    request: Request,
    now: Timestamp,
    claim: ClaimChange,
    effects: Vec<Effect>,
    log: Vec<String>,
    device_log: Option<String>,
}

impl Story {
    fn new(device: Option<&str>) -> Self {
        let wanted = Wanted {
            device: device.map(Into::into),
            environment: None,
            install: Install { image: "debian".into(), boot_config: "{}".into() },
            hardware_type: None,
            hardware_model: None,
            processor: None,
            tags: vec![],
        };
        let request = Request {
            id: RequestId(7),
            state: S::New,
            epoch: Epoch::default(),
            deadline: Some(NOW),
            counters: Counters::default(),
            wanted,
            assigned: None,
            expires: NOW.plus_s(3600),
            queue_until: None,
        };
        Self { request, now: NOW, claim: ClaimChange::Keep, effects: vec![], log: vec![], device_log: None }
    }

    fn searching(device: Option<&str>) -> Self {
        let mut story = Self::new(device);
        assert_eq!(story.hear(Event::FindDevice), S::FindingDevice);
        story
    }

    fn pending(device: Option<&str>) -> Self {
        let mut story = Self::searching(device);
        assert_eq!(story.found("panda-1"), S::ContactingLifeguard);
        let epoch = Some(story.request.epoch);
        assert_eq!(story.hear(Event::LifeguardContacted { epoch }), S::Pending);
        story
    }

    fn try_hear(&mut self, event: Event) -> Result<State, Ignored> {
        match step(&self.request, event, self.now) {
            Step::Ignored(why) => Err(why),
            Step::Moved(moved) => {
                let moved = *moved;
                (self.request, self.claim, self.effects, self.log, self.device_log) =
                    (moved.next, moved.claim, moved.effects, moved.log, moved.device_log);
                Ok(self.request.state)
            }
        }
    }

    fn hear(&mut self, event: Event) -> State {
        self.try_hear(event).expect("the event is accepted")
    }

    fn found(&mut self, device: &str) -> State {
        let epoch = self.request.epoch;
        self.hear(Event::Found { epoch, device: device.into(), prepare: Preparation::Image })
    }

    fn none_free(&mut self, named: Option<Option<(&str, Option<i64>)>>) -> State {
        let epoch = self.request.epoch;
        let named =
            named.map(|n| n.map(|(state, by)| Named { state: state.into(), claimed_by: by.map(RequestId) }));
        self.hear(Event::NoneFree { epoch, named })
    }

    fn finished(&mut self, result: R) -> State {
        self.hear(Event::LifeguardFinished { device: Some("panda-1".into()), result: Some(result) })
    }

    fn time_out(&mut self) -> State {
        self.now = self.request.deadline.expect("the state has a time limit");
        self.hear(Event::Deadline { stored: None, prepare: Some(Preparation::Image) })
    }
}

fn closed() -> Event {
    Event::Close(Closer { address: "10.0.0.7".into(), ..Closer::default() })
}

#[test]
fn a_request_goes_from_search_to_ready_without_waiting() {
    let mut r = Story::new(None);
    assert_eq!(r.hear(Event::FindDevice), S::FindingDevice);
    assert_eq!(r.effects, [Effect::Find { epoch: r.request.epoch }]);
    assert_eq!(r.found("panda-1"), S::ContactingLifeguard, "contact_lifeguard is passed at once");
    assert_eq!(r.claim, ClaimChange::Take("panda-1".into()), "the claim is in the same commit");
    let epoch = r.request.epoch;
    assert_eq!(r.effects, [Effect::Contact { epoch, device: "panda-1".into(), prepare: Preparation::Image }]);
    assert_eq!(r.hear(Event::LifeguardContacted { epoch: Some(epoch) }), S::Pending);
    assert_eq!(r.finished(R::Complete), S::Ready);
    assert_eq!(r.hear(closed()), S::Closed);
    assert_eq!(r.claim, ClaimChange::Drop("panda-1".into()));
    assert_eq!(r.effects, [Effect::Release { device: "panda-1".into() }]);
    assert_eq!((r.request.next_wake(), r.request.assigned), (None, None));
}

#[test]
fn answers_to_earlier_attempts_change_nothing() {
    let mut r = Story::searching(None);
    let early = r.request.epoch;
    r.found("panda-1");
    let found = Event::Found { epoch: early, device: "panda-2".into(), prepare: Preparation::Image };
    assert_eq!(r.try_hear(found), Err(Ignored::Late));
    assert_eq!(r.try_hear(Event::LifeguardContacted { epoch: Some(early) }), Err(Ignored::Late));
    assert_eq!(r.try_hear(Event::NoneFree { epoch: early, named: None }), Err(Ignored::Late));
    let mut r = Story::pending(None);
    let foreign = Event::LifeguardFinished { device: Some("panda-9".into()), result: Some(R::Complete) };
    assert_eq!(r.try_hear(foreign), Err(Ignored::Late), "a device that it no longer holds");
}

#[test]
fn any_device_is_looked_for_sixty_times() {
    let mut r = Story::searching(None);
    for _ in 1..60 {
        assert_eq!(r.none_free(None), S::FindingDevice);
        assert_eq!(r.request.deadline, Some(r.now.plus_s(10)));
        assert_eq!(r.time_out(), S::FindingDevice);
    }
    assert_eq!(r.none_free(None), S::FailedDeviceNotFound);
    assert!(r.now < NOW.plus_s(601));
}

#[test]
fn a_freed_device_is_tried_at_once_and_does_not_count() {
    let mut r = Story::searching(None);
    let epoch = r.request.epoch;
    for _ in 0..200 {
        assert_eq!(r.hear(Event::DeviceFreed), S::FindingDevice);
        assert_eq!(r.effects, [Effect::Find { epoch }]);
        assert_eq!(r.none_free(None), S::FindingDevice);
    }
}

#[test]
fn the_requester_may_limit_the_search() {
    let mut r = Story::new(None);
    r.request.queue_until = Some(NOW.plus_s(4));
    r.hear(Event::FindDevice);
    assert_eq!(r.none_free(None), S::FindingDevice);
    assert_eq!(r.request.deadline, Some(NOW.plus_s(4)));
    r.time_out();
    assert_eq!(r.none_free(None), S::FailedDeviceNotFound);
}

#[test]
fn who_says_how_long_to_wait_is_not_sent_away_earlier() {
    for (device, named) in [(None, None), (Some("panda-1"), Some(Some(("self_test_running", None))))] {
        let mut r = Story::new(device);
        r.request.queue_until = Some(NOW.plus_s(2000));
        r.hear(Event::FindDevice);
        for look in 0..200 {
            assert_eq!(r.none_free(named), S::FindingDevice, "look {look}");
            r.time_out();
        }
        assert_eq!(r.now, NOW.plus_s(2000));
        let end = if device.is_some() { S::FailedDeviceBusy } else { S::FailedDeviceNotFound };
        assert_eq!(r.none_free(named), end);
    }
}

#[test]
fn whoever_ends_a_request_stands_in_both_logs() {
    let by = Closer {
        address: "10.0.0.7".into(),
        who: Some("ann".into()),
        reason: Some("the rack is moved.".into()),
    };
    let mut r = Story::pending(None);
    assert_eq!(r.hear(Event::Close(by.clone())), S::Closed);
    assert_eq!(
        r.log,
        [
            "Request was closed by ann at 10.0.0.7: the rack is moved.",
            "Device panda-1 is let go of in request state pending.",
            "entering state closed"
        ]
    );
    let line = "Request 7, pending, was closed by ann at 10.0.0.7: the rack is moved.";
    assert_eq!(r.device_log.as_deref(), Some(line));
    assert_eq!(r.effects, [Effect::Release { device: "panda-1".into() }]);
    let mut r = Story::searching(None);
    assert_eq!(r.hear(closed()), S::Closed);
    assert_eq!(r.log[0], "Request was closed from 10.0.0.7.");
    assert_eq!((&r.device_log, &r.claim), (&None, &ClaimChange::Keep), "it had none");
    let mut r = Story::pending(None);
    assert_eq!(r.hear(Event::Expire { by: Some(by) }), S::Closed);
    assert!(r.log[0].starts_with("Request was made to expire by ann at 10.0.0.7"), "{:?}", r.log);
}

#[test]
fn a_named_device_that_is_busy_gets_two_tries() {
    let mut r = Story::searching(Some("panda-1"));
    assert_eq!(r.none_free(Some(Some(("self_test_running", None)))), S::FindingDevice);
    r.time_out();
    assert_eq!(r.none_free(Some(Some(("self_test_running", None)))), S::FailedDeviceBusy);
    assert_eq!(r.log[0], "Requested device panda-1 is busy.");
}

#[test]
fn a_named_device_that_has_failed_or_does_not_exist_is_said_at_once() {
    let mut r = Story::searching(Some("panda-1"));
    assert_eq!(r.none_free(Some(Some(("failed_self_test", None)))), S::FailedBadDevice);
    let mut r = Story::searching(Some("panda-1"));
    assert_eq!(r.none_free(Some(None)), S::FailedDeviceNotFound);
}

#[test]
fn a_named_device_that_somebody_has_closes_the_request() {
    let mut r = Story::new(Some("panda-1"));
    assert_eq!(r.hear(Event::Busy { by: RequestId(3) }), S::Closed);
    assert_eq!(r.log[0], "Requested device panda-1 is busy with request 3.");
}

#[test]
fn a_refusal_and_a_lost_claim_lead_back_to_the_search() {
    let mut r = Story::searching(None);
    r.found("panda-1");
    let epoch = r.request.epoch;
    assert_eq!(r.hear(Event::LifeguardRefused { epoch, why: "gone".into() }), S::FindingDevice);
    assert_eq!(r.claim, ClaimChange::Drop("panda-1".into()));
    assert!(r.effects.contains(&Effect::Release { device: "panda-1".into() }));
    let epoch = r.request.epoch;
    assert_eq!(r.hear(Event::ClaimLost { epoch }), S::FindingDevice);
    assert_eq!(r.request.epoch, epoch);
}

#[test]
fn refusals_slow_down_and_end() {
    let mut r = Story::searching(None);
    let (mut at_once, mut waited) = (0, 0);
    loop {
        r.found("panda-1");
        let epoch = r.request.epoch;
        if r.hear(Event::LifeguardRefused { epoch, why: "no PXE config".into() }) != S::FindingDevice {
            break;
        }
        assert!(r.request.deadline.is_some());
        if r.effects.iter().any(|e| matches!(e, Effect::Find { .. })) { at_once += 1 } else { waited += 1 }
    }
    assert_eq!((r.request.state, at_once, waited), (S::FailedDeviceNotFound, 4, 55));
    assert_eq!(r.claim, ClaimChange::Drop("panda-1".into()));
}

#[test]
fn a_named_device_that_is_free_and_does_not_fit_is_said_so() {
    let mut r = Story::searching(Some("panda-1"));
    assert_eq!(
        r.none_free(Some(Some(("ready", None)))),
        S::FindingDevice,
        "it may have become free just now"
    );
    r.time_out();
    assert_eq!(r.none_free(Some(Some(("ready", None)))), S::FailedDeviceNotFound);
    assert!(r.log[0].contains("does not fit"), "{:?}", r.log);
}

#[test]
fn every_device_gets_its_whole_time() {
    let mut r = Story::pending(None);
    r.request.expires = NOW.plus_s(100_000);
    for device in 0..3 {
        for minute in 1..20 {
            assert_eq!(r.time_out(), S::Pending, "device {device}, minute {minute}");
        }
        assert_eq!(r.time_out(), S::FindingDevice);
        r.found("panda-2");
        let epoch = Some(r.request.epoch);
        assert_eq!(r.hear(Event::LifeguardContacted { epoch }), S::Pending);
    }
}

#[test]
fn lifeguard_is_asked_five_times() {
    let mut r = Story::searching(None);
    r.found("panda-1");
    for _ in 1..5 {
        assert_eq!(r.time_out(), S::ContactingLifeguard);
        assert!(matches!(r.effects[..], [Effect::Contact { .. }]));
    }
    assert_eq!(r.time_out(), S::FailedDeviceNotFound);
    assert_eq!(r.claim, ClaimChange::Drop("panda-1".into()));
}

#[test]
fn the_second_bad_image_is_the_images_fault() {
    let mut r = Story::pending(None);
    assert_eq!(r.finished(R::FailedBadImage), S::FindingDevice);
    r.found("panda-1");
    let epoch = Some(r.request.epoch);
    r.hear(Event::LifeguardContacted { epoch });
    assert_eq!(r.finished(R::FailedBadImage), S::FailedBadImage);
}

#[test]
fn a_bad_device_is_replaced_unless_it_was_named() {
    let mut r = Story::pending(None);
    assert_eq!(r.finished(R::FailedBadDevice), S::FindingDevice);
    let mut r = Story::pending(Some("panda-1"));
    assert_eq!(r.finished(R::FailedBadDevice), S::FailedBadDevice);
}

#[test]
fn pending_looks_for_a_lost_result_itself() {
    let mut r = Story::pending(None);
    r.now = r.request.deadline.unwrap();
    let event = Event::Deadline { stored: Some(R::Complete), prepare: None };
    assert_eq!(r.hear(event), S::Ready);
}

#[test]
fn pending_gives_up_honestly() {
    let mut r = Story::pending(None);
    for _ in 1..20 {
        assert_eq!(r.time_out(), S::Pending);
    }
    assert_eq!(r.time_out(), S::FindingDevice);
    assert_eq!(r.log[0], "Device panda-1 has not come back; looking for another one.");
    let mut r = Story::pending(Some("panda-1"));
    r.request.expires = NOW.plus_s(100_000);
    for _ in 0..100 {
        assert_eq!(r.time_out(), S::Pending, "who wants this board waits for it");
    }
}

#[test]
fn every_state_expires_and_closes_failed_ones_too() {
    for &state in S::ALL.iter().filter(|s| !matches!(s, S::Closed | S::Expired)) {
        let mut r = Story::new(None);
        (r.request.state, r.request.assigned) = (state, Some("panda-1".into()));
        assert_eq!(r.hear(closed()), S::Closed, "{state}");
        let mut r = Story::new(None);
        (r.request.state, r.request.deadline, r.request.assigned) = (state, None, Some("panda-1".into()));
        assert_eq!(r.request.next_wake(), Some(r.request.expires), "{state}");
        r.now = r.request.expires;
        assert_eq!(r.hear(Event::Deadline { stored: None, prepare: None }), S::Closed, "{state}");
        assert_eq!(r.claim, ClaimChange::Drop("panda-1".into()), "{state}");
    }
    let mut ended = Story::new(None);
    ended.request.state = S::Closed;
    for event in [closed(), Event::Expire { by: None }, Event::FindDevice, Event::Renew { expires: NOW }] {
        assert!(ended.try_hear(event.clone()).is_err(), "{event:?}");
    }
}

#[test]
fn only_a_living_request_is_renewed() {
    let mut r = Story::pending(None);
    assert_eq!(r.hear(Event::Renew { expires: NOW.plus_s(9) }), S::Pending);
    assert_eq!(r.request.next_wake(), Some(NOW.plus_s(9)), "its end comes before its next look");
    r.request.state = S::FailedBadImage;
    assert!(r.try_hear(Event::Renew { expires: NOW }).is_err());
}

//! What happened at boot: two writers that know nothing of each other, and one reader.

use crate::*;
use mozpool::logic::attempt::{Attempt, Outcome, Purpose, Step, StepKind, Turn};
use mozpool::store::{AttemptKind, AttemptStep, Deletion, LogChunk, TooOld};

/// The device layer's commit of `turns`, `ms` after [`T0`].
fn turn(store: &mut dyn Store, name: &str, ms: i64, turns: &[Turn]) {
    let old = device(store, name);
    let state = match turns.last() {
        Some(Turn::Begin { state, .. } | Turn::Enter(state) | Turn::End { state, .. }) => *state,
        None => old.state,
    };
    let next = Device { state, epoch: old.epoch.next(), ..old.clone() };
    let commit = DeviceCommit { turns: turns.to_vec(), at: T0.plus_ms(ms), ..device_commit(next, old.epoch) };
    assert_eq!(store.commit_devices(&[commit]).unwrap(), [Committed::Done]);
}

fn begin(purpose: Purpose, from: State) -> Turn {
    let state = State::PxePowerCycling;
    Turn::Begin { purpose, image: Some("b2g".into()), request: Some(RequestId(7)), from, state }
}

fn end(state: State, outcome: Outcome) -> Turn {
    Turn::End { state, outcome }
}

fn step(device: &str, ms: i64, kind: StepKind, name: &str) -> AttemptStep {
    AttemptStep { device: device.into(), step: Step::new(T0.plus_ms(ms), kind, name, "so it was") }
}

/// Each step as `ms kind name`.
fn told(attempt: &Attempt) -> Vec<String> {
    attempt.steps.iter().map(|s| format!("{} {} {}", s.at.ms_since(T0), s.kind, s.name)).collect()
}

/// The device goes well through an attempt that takes a second.
fn one_that_goes_well(store: &mut dyn Store, name: &str, ms: i64) {
    turn(store, name, ms, &[begin(Purpose::Image, State::Ready)]);
    turn(store, name, ms + 500, &[Turn::Enter(State::PxeBooting)]);
    turn(store, name, ms + 1000, &[end(State::Ready, Outcome::Ok)]);
}

pub(crate) fn an_attempt_has_its_states_and_what_came_from_outside(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    turn(store, "panda-1", 0, &[begin(Purpose::Image, State::Ready)]);
    turn(store, "panda-1", 1000, &[Turn::Enter(State::PxeBooting)]);
    let kernel = Step {
        bytes: Some(9),
        took_ms: Some(2),
        bad: true,
        ..step("", 1200, StepKind::Tftp, "vmlinuz").step
    };
    store
        .append_attempt_steps(&[
            AttemptStep { device: "panda-1".into(), step: kernel.clone() },
            step("panda-1", 1000, StepKind::Power, "on"),
            step("panda-1", -1, StepKind::Event, "of the time before"),
            step("panda-2", 1100, StepKind::Event, "another's"),
            step("nobody", 1100, StepKind::Event, "nobody's"),
        ])
        .unwrap();
    let views = store.attempts("panda-1", None, 10).unwrap();
    let [running] = &views[..] else { panic!("{views:#?}") };
    let kind = AttemptKind { hardware: running.kind.hardware, purpose: Purpose::Image, image: "b2g".into() };
    assert_eq!((&running.kind, running.request), (&kind, Some(RequestId(7))));
    let Attempt { outcome, started, ended, state, .. } = &running.attempt;
    assert_eq!((*outcome, *started, *ended, state.as_str()), (Outcome::Running, T0, None, "pxe_booting"));
    let steps = ["0 state pxe_power_cycling", "1000 state pxe_booting", "1000 power on", "1200 tftp vmlinuz"];
    assert_eq!(told(&running.attempt), steps);
    assert_eq!(running.attempt.steps[3], kernel);
    let lasted: Vec<Option<u64>> = running.attempt.steps.iter().map(|s| s.took_ms).collect();
    assert_eq!(lasted, [Some(1000), None, None, Some(2)]);
    let id = running.id;

    // Given up and healing itself in one commit: two attempts.
    let heals = [
        Turn::Enter(State::MobileInitStarted),
        end(State::FailedImagePinging, Outcome::GivenUp),
        begin(Purpose::SelfTest, State::FailedImagePinging),
    ];
    turn(store, "panda-1", 5000, &heals);
    store.append_attempt_steps(&[step("panda-1", 5500, StepKind::Power, "off")]).unwrap();
    let views = store.attempts("panda-1", None, 10).unwrap();
    let [healing, given_up] = &views[..] else { panic!("{views:#?}") };
    assert_eq!((given_up.id, healing.attempt.purpose), (id, Purpose::SelfTest));
    let Attempt { outcome, ended, state, .. } = &given_up.attempt;
    assert_eq!((*outcome, *ended), (Outcome::GivenUp, Some(T0.plus_ms(5000))));
    assert_eq!(state, "failed_image_pinging");
    let more = ["5000 state mobile_init_started", "5000 state failed_image_pinging"];
    assert_eq!(told(&given_up.attempt), [&steps[..], &more].concat());
    assert_eq!(told(&healing.attempt), ["5000 state pxe_power_cycling", "5500 power off"]);

    // Overtaken: it has failed where it was.
    turn(store, "panda-1", 6000, &[Turn::Enter(State::PxeBooting)]);
    turn(store, "panda-1", 9000, &[begin(Purpose::SelfTest, State::PxeBooting)]);
    turn(store, "panda-1", 9900, &[end(State::Ready, Outcome::Ok)]);
    // What happens to a board at rest belongs to no attempt.
    turn(store, "panda-1", 10_000, &[Turn::Enter(State::PxeBooting)]);
    turn(store, "panda-1", 10_001, &[end(State::LockedOut, Outcome::GivenUp)]);
    let views = store.attempts("panda-1", None, 10).unwrap();
    let ends: Vec<_> = views
        .iter()
        .map(|v| (v.attempt.outcome, v.attempt.state.as_str(), v.attempt.ended.unwrap()))
        .collect();
    let at = |ms| T0.plus_ms(ms);
    assert_eq!(
        ends,
        [
            (Outcome::Ok, "ready", at(9900)),
            (Outcome::Failed, "pxe_booting", at(9000)),
            (Outcome::GivenUp, "failed_image_pinging", at(5000))
        ]
    );
    let page = |store: &mut dyn Store, before, limit| {
        store.attempts("panda-1", before, limit).unwrap().iter().map(|v| v.id).collect::<Vec<_>>()
    };
    let all = page(store, None, 10);
    assert_eq!(page(store, None, 2), all[..2]);
    assert_eq!(page(store, Some(all[1]), 10), all[2..]);
    assert_eq!(store.attempts("nobody", None, 10).unwrap(), []);
}

pub(crate) fn good_attempts_of_a_kind_are_found_whatever_the_device(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    for (n, name) in ["panda-1", "panda-2", "panda-1"].into_iter().enumerate() {
        one_that_goes_well(store, name, 10_000 * i64::try_from(n).unwrap());
    }
    // One that failed, one that runs, and one of other hardware.
    turn(store, "panda-1", 50_000, &[begin(Purpose::Image, State::Ready)]);
    turn(store, "panda-1", 51_000, &[begin(Purpose::Image, State::PxePowerCycling)]);
    one_that_goes_well(store, "pi-1", 60_000);
    one_that_goes_well(store, "panda-3", 60_000);
    let kind = store.attempts("panda-2", None, 1).unwrap().remove(0).kind;
    let found = |store: &mut dyn Store, kind: &AttemptKind, limit| {
        store.good_attempts(kind, limit).unwrap().iter().map(|a| a.started.ms_since(T0)).collect::<Vec<_>>()
    };
    assert_eq!(found(store, &kind, 10), [20_000, 10_000, 0]);
    assert_eq!(found(store, &kind, 2), [20_000, 10_000]);
    let of = store.good_attempts(&kind, 1).unwrap().remove(0);
    assert_eq!(told(&of), ["20000 state pxe_power_cycling", "20500 state pxe_booting", "21000 state ready"]);
    for other in [
        AttemptKind { purpose: Purpose::SelfTest, ..kind.clone() },
        AttemptKind { image: "android".into(), ..kind.clone() },
        AttemptKind { hardware: 99, ..kind.clone() },
    ] {
        assert_eq!(found(store, &other, 10), [0i64; 0]);
    }
    // A device without a type is of a kind, too.
    let kind = store.attempts("panda-3", None, 1).unwrap().remove(0).kind;
    assert_eq!((kind.hardware, found(store, &kind, 10)), (0, vec![60_000]));
}

pub(crate) fn the_first_and_the_last_line_of_syslog_are_steps(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    let piece = |device: &str, lines: &[(i64, &str)]| {
        let mut chunk = LogChunk::new(device.into(), T0.plus_ms(lines[0].0));
        lines.iter().for_each(|(ms, line)| chunk.push(T0.plus_ms(*ms), line));
        chunk
    };
    turn(store, "panda-1", 1000, &[begin(Purpose::Image, State::Ready)]);
    // Pieces overlap with the attempt's ends; those of others lie between.
    let pieces = [
        piece("panda-2", &[(1100, "another's")]),
        piece("panda-1", &[(900, "of the time before"), (1200, "hello"), (1300, "two")]),
        piece("panda-2", &[(1500, "another's")]),
        piece("panda-1", &[(1400, "three")]),
        piece("panda-1", &[(1500, "four"), (1600, "good bye"), (2100, "afterwards")]),
        piece("panda-2", &[(2500, "another's")]),
    ];
    store.append_log_chunks(&pieces, false).unwrap();
    let lines = |store: &mut dyn Store| {
        let views = store.attempts("panda-1", None, 1).unwrap();
        let syslog = views[0].attempt.steps.iter().filter(|s| s.kind == StepKind::Syslog);
        syslog.map(|s| format!("{} {}", s.at.ms_since(T0), s.what)).collect::<Vec<_>>()
    };
    assert_eq!(lines(store), ["1200 first line: hello", "2100 last of 6 lines: afterwards"]);
    turn(store, "panda-1", 2000, &[end(State::Ready, Outcome::Ok)]);
    assert_eq!(lines(store), ["1200 first line: hello", "1600 last of 5 lines: good bye"]);
    turn(store, "panda-1", 3000, &[begin(Purpose::Image, State::Ready)]);
    assert_eq!(lines(store), [""; 0], "nothing yet");
    store.append_log_chunks(&[piece("panda-1", &[(3100, "x")])], false).unwrap();
    assert_eq!(lines(store), ["3100 first line: x"]);
}

pub(crate) fn attempts_go_by_age_and_with_their_device(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    for n in 0..5 {
        one_that_goes_well(store, "panda-1", n * 10_000);
        store.append_attempt_steps(&[step("panda-1", n * 10_000 + 1, StepKind::Power, "off")]).unwrap();
    }
    let old = T0.plus_ms(20_000);
    let never = T0.plus_ms(-9);
    let older = TooOld { logs: old, requests: never, reports: never, changes: never, audit: never, now: T0 };
    while store.prune(&older, 3).unwrap() {}
    let views = store.attempts("panda-1", None, 10).unwrap();
    assert_eq!(views.iter().map(|v| v.attempt.steps.len()).collect::<Vec<_>>(), [4, 4, 4]);
    assert!(views.iter().all(|v| v.attempt.started >= old), "{views:?}");

    store.delete(&Deletion::Device("panda-1".into()), false, false, T0).unwrap();
    store.apply_lab(&lab(LAB), false, T0).unwrap();
    assert_eq!(store.attempts("panda-1", None, 10).unwrap(), []);
    one_that_goes_well(store, "panda-1", 20_000);
    assert_eq!(store.attempts("panda-1", None, 10).unwrap()[0].attempt.steps.len(), 3, "its own only");
}

pub(crate) fn an_attempt_that_goes_to_and_fro_stays_small(world: &World) {
    let mut store = world.with_lab();
    let store = &mut *store;
    turn(store, "panda-1", 0, &[begin(Purpose::Image, State::Ready)]);
    for n in 1..=300 {
        turn(
            store,
            "panda-1",
            n,
            &[Turn::Enter(if n % 2 == 0 { State::ImagePinging } else { State::ImagePingPowerCycle })],
        );
    }
    turn(store, "panda-1", 301, &[end(State::Ready, Outcome::Ok)]);
    let steps = store.attempts("panda-1", None, 1).unwrap().remove(0).attempt.steps;
    assert!((80..200).contains(&steps.len()), "{}", steps.len());
    assert_eq!(store.attempts("panda-1", None, 1).unwrap()[0].attempt.state, "ready");
    for n in 0..600 {
        store.append_attempt_steps(&[step("panda-1", n / 10, StepKind::Event, "x")]).unwrap();
    }
    let steps = store.attempts("panda-1", None, 1).unwrap().remove(0).attempt.steps;
    assert!(steps.len() < 700, "{}", steps.len());
}

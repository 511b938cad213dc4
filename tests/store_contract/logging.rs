//! The logs, and how old things go.

use crate::*;
use mozpool::store::{DeviceLogLine, StrayLogLine, TooOld};

fn line(device: &str, at: Timestamp, message: &str) -> DeviceLogLine {
    DeviceLogLine { device: device.into(), at, source: "syslog".into(), message: message.into() }
}

fn stray(at: Timestamp, message: &str) -> StrayLogLine {
    StrayLogLine { at, sender: "10.0.0.77".into(), message: message.into() }
}

pub(crate) fn logs_keep_their_order_and_give_the_last_lines(world: &World) {
    let mut store = world.with_lab();
    // All within one millisecond: the order of writing is the order of reading.
    let lines: Vec<_> = (0..20).map(|i| line("panda-1", T0, &format!("m{i}"))).collect();
    store.append_device_log(&lines).unwrap();
    store
        .append_device_log(&[line("panda-2", T0, "not mine"), line("panda-1", T0.plus_s(1), "last")])
        .unwrap();
    let all = store.device_log("panda-1", None, None).unwrap();
    assert_eq!((all.len(), all[0].message.as_str(), all[20].message.as_str()), (21, "m0", "last"));
    assert!(all.windows(2).all(|w| w[0].id < w[1].id));
    assert_eq!(messages(&store.device_log("panda-1", None, Some(2)).unwrap()), ["m19", "last"]);
    assert_eq!(messages(&store.device_log("panda-1", Some(T0.plus_ms(1)), None).unwrap()), ["last"]);
    assert_eq!(store.device_log("panda-1", Some(T0), None).unwrap().len(), 21, "at or after");
    assert_eq!(store.device_log("panda-1", None, Some(0)).unwrap(), []);

    let asker = request(&mut *store, "here");
    let mut commit = claim_commit(&asker, ClaimChange::Keep);
    commit.log = vec!["one".into(), "two".into(), "three".into()];
    store.commit_requests(&[commit]).unwrap();
    assert_eq!(messages(&store.request_log(asker.id, None).unwrap()), ["one", "two", "three"]);
    assert_eq!(messages(&store.request_log(asker.id, Some(2)).unwrap()), ["two", "three"]);
}

/// What boards say is stored in batches, a moment after state changes that came later.
pub(crate) fn a_device_log_is_in_the_order_of_its_times(world: &World) {
    let mut store = world.with_lab();
    let at = |s, message: &str| line("panda-1", T0.plus_s(s), message);
    store.append_device_log(&[at(2, "state"), at(1, "syslog"), at(2, "syslog too")]).unwrap();
    let log = store.device_log("panda-1", None, None).unwrap();
    let messages: Vec<_> = log.iter().map(|l| l.message.as_str()).collect();
    assert_eq!(messages, ["syslog", "state", "syslog too"]);
}

pub(crate) fn lines_for_what_is_gone_are_left_out(world: &World) {
    let mut store = world.with_lab();
    store.append_device_log(&[line("nope", T0, "x"), line("panda-1", T0, "kept")]).unwrap();
    assert_eq!(messages(&store.device_log("panda-1", None, None).unwrap()), ["kept"]);
    assert_eq!(store.device_log("nope", None, None).unwrap(), []);
    store.append_device_log(&[]).unwrap();
}

pub(crate) fn stray_lines_are_kept_to_a_number(world: &World) {
    let mut store = world.open();
    let lines: Vec<_> = (0..10).map(|i| stray(T0, &format!("m{i}"))).collect();
    store.append_stray_log(&lines[..6], 4).unwrap();
    assert_eq!(store.stray_log(None).unwrap(), lines[2..6]);
    store.append_stray_log(&lines[6..], 4).unwrap();
    assert_eq!(store.stray_log(None).unwrap(), lines[6..]);
    assert_eq!(store.stray_log(Some(1)).unwrap(), lines[9..]);
    store.append_stray_log(&[], 0).unwrap();
    assert_eq!(store.stray_log(None).unwrap(), []);
}

/// Lines and requests from before these times; changes stay.
fn older(logs: Timestamp, requests: Timestamp) -> TooOld {
    TooOld { logs, requests, changes: Timestamp(i64::MIN), now: T0 }
}

pub(crate) fn old_lines_go_in_chunks_and_young_ones_stay(world: &World) {
    let mut store = world.with_lab();
    let (old, limit) = (T0.plus_s(100), Timestamp(i64::MIN));
    let lines: Vec<_> =
        (0..10).map(|i| line("panda-1", if i < 7 { T0 } else { old }, &format!("m{i}"))).collect();
    store.append_device_log(&lines).unwrap();
    store.append_stray_log(&[stray(T0, "old"), stray(old, "young")], 100).unwrap();
    assert!(store.prune(&older(old, limit), 5).unwrap(), "a full chunk: there is more");
    assert_eq!(store.device_log("panda-1", None, None).unwrap().len(), 5);
    assert!(!store.prune(&older(old, limit), 5).unwrap(), "two and the stray one fit");
    assert_eq!(messages(&store.device_log("panda-1", None, None).unwrap()), ["m7", "m8", "m9"]);
    assert_eq!(store.stray_log(None).unwrap(), [stray(old, "young")]);
    assert!(!store.prune(&older(old, limit), 5).unwrap());
}

pub(crate) fn old_requests_go_with_log_and_claim(world: &World) {
    let mut store = world.with_lab();
    let never = Timestamp(i64::MIN);
    let requests: Vec<_> = (0..3).map(|_| request(&mut *store, "here")).collect();
    assert_eq!(take(&mut *store, &requests[0], "panda-1"), Committed::Done);
    let mut renewed = claim_commit(&requests[2], ClaimChange::Keep);
    renewed.next.expires = T0.plus_s(9999);
    store.commit_requests(&[renewed]).unwrap();
    let expired = requests[0].expires;
    assert!(!store.prune(&older(never, expired), 10).unwrap(), "before means before");
    assert_eq!(store.requests(true).unwrap().len(), 3);
    assert!(store.prune(&older(never, expired.plus_ms(1)), 1).unwrap());
    assert!(store.prune(&older(never, expired.plus_ms(1)), 1).unwrap());
    assert!(!store.prune(&older(never, expired.plus_ms(1)), 1).unwrap());
    let left: Vec<_> = store.requests(true).unwrap().into_iter().map(|r| r.machine.id).collect();
    assert_eq!(left, [requests[2].id]);
    assert_eq!(store.request_log(requests[0].id, None).unwrap(), []);
    assert_eq!(store.load_device("panda-1").unwrap().unwrap().claim, None, "its device is free again");
    // Its machine may still be in somebody's memory.
    assert_eq!(take(&mut *store, &requests[0], "panda-2"), Committed::Stale);
    assert!(!store.prune(&older(never, T0.plus_s(10_000)), 10).unwrap());
    assert_eq!(store.requests(true).unwrap(), []);
    assert!(request(&mut *store, "here").id > requests[2].id, "a number is never given twice");
}

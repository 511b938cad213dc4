//! The logs, and how old things go.

use crate::*;
use mozpool::store::{
    Deletion, DeviceLogLine, LogChunk, LogFrom, LogPage, LogSearch, Place, StrayLogLine, StraySender, TooOld,
};

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
    TooOld {
        logs,
        requests,
        changes: Timestamp(i64::MIN),
        reports: Timestamp(i64::MIN),
        audit: Timestamp(i64::MIN),
        now: T0,
    }
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

fn chunk(device: &str, lines: &[(i64, &str)]) -> LogChunk {
    let mut chunk = LogChunk::new(device.into(), T0.plus_ms(lines[0].0));
    for (ms, message) in lines {
        chunk.push(T0.plus_ms(*ms), message);
    }
    chunk
}

fn search(text: &str, limit: usize, from: LogFrom) -> LogSearch {
    LogSearch { text: text.into(), limit: Some(limit), from, since: None }
}

pub(crate) fn lines_of_both_kinds_are_one_log_in_pages(world: &World) {
    let mut store = world.with_lab();
    // The machine's lines are even, the board's odd.
    for n in 0..50 {
        store.append_device_log(&[line("panda-1", T0.plus_ms(2 * n), &format!("m{}", 2 * n))]).unwrap();
    }
    for n in 0..10 {
        let lines: Vec<(i64, String)> =
            (0..5).map(|i| (10 * n + 2 * i + 1, format!("m{}", 10 * n + 2 * i + 1))).collect();
        let lines: Vec<(i64, &str)> = lines.iter().map(|(ms, m)| (*ms, m.as_str())).collect();
        store.append_log_chunks(&[chunk("panda-1", &lines), chunk("panda-2", &lines)], n % 2 == 0).unwrap();
    }
    store.append_log_chunks(&[chunk("nope", &[(0, "x")])], true).unwrap();
    let want: Vec<String> = (0..100).map(|n| format!("m{n}")).collect();
    let all = store.device_log("panda-1", None, None).unwrap();
    assert_eq!(messages(&all), want);
    assert!(all.iter().all(|l| l.source == "syslog"));
    let ids: std::collections::BTreeSet<i64> = all.iter().map(|l| l.id).collect();
    assert!(ids.len() == 100 && ids.iter().all(|id| *id < 1 << 53));
    assert_eq!(messages(&store.device_log("panda-1", Some(T0.plus_ms(91)), Some(4)).unwrap()), want[96..]);

    assert_eq!(messages(&store.device_log("panda-1", Some(T0.plus_ms(94)), None).unwrap()), want[94..]);

    // Backwards in pages of every size, and forwards from each place.
    for size in [1, 7, 64, 99, 100, 1000] {
        let mut got = Vec::new();
        let mut from = LogFrom::End;
        loop {
            let page = store.search_log("panda-1", &search("", size, from)).unwrap();
            let newer = store.search_log("panda-1", &search("", 1000, LogFrom::After(page.after))).unwrap();
            assert_eq!(messages(&newer.lines), got, "{size}");
            got.splice(0..0, messages(&page.lines).into_iter().map(str::to_owned));
            from = LogFrom::Before(page.before);
            assert_eq!(page.more, got.len() < 100, "{size}: {}", got.len());
            if !page.more {
                break;
            }
        }
        assert_eq!(got, want, "{size}");
        let mut got = Vec::new();
        let mut place = Place::default();
        loop {
            let page = store.search_log("panda-1", &search("", size, LogFrom::After(place))).unwrap();
            got.extend(messages(&page.lines).into_iter().map(str::to_owned));
            place = page.after;
            if !page.more {
                break;
            }
        }
        assert_eq!(got, want, "{size}");
        assert_eq!(place, store.search_log("panda-1", &search("", 1, LogFrom::End)).unwrap().after);
    }
    assert_eq!(store.search_log("nope", &search("", 5, LogFrom::End)).unwrap(), LogPage::default());
    let far = Place { row: i64::MAX, line: i64::MAX };
    assert_eq!(store.search_log("panda-1", &search("", 5, LogFrom::After(far))).unwrap().lines, []);
    let page = store.search_log("panda-1", &search("", 5, LogFrom::Before(far))).unwrap();
    assert_eq!(messages(&page.lines), want[95..]);

    let start = Place::default();
    let behind = store.log_behind("panda-1", start).unwrap().unwrap();
    assert!(behind.lines == 50 && behind.bytes > 50 * 4, "{behind:?}");
    assert_eq!(store.log_behind("nope", start).unwrap(), None);
    let last = store.search_log("panda-1", &search("", 1000, LogFrom::After(behind.near_end))).unwrap();
    let odd: Vec<String> =
        messages(&last.lines).iter().filter(|m| !want.contains(&(**m).into())).map(|m| (*m).into()).collect();
    assert_eq!(odd, [""; 0]);
    assert_eq!(last.lines.iter().filter(|l| l.id > 1 << 40).count(), 5, "the last piece is left");
}

pub(crate) fn a_text_is_found_in_a_log_whatever_its_case(world: &World) {
    let mut store = world.with_lab();
    store.append_device_log(&[line("panda-1", T0, "PXE Error 50%"), line("panda-1", T0, "nothing")]).unwrap();
    let pieces = [
        chunk("panda-1", &[(1, "kernel: error -5"), (2, "all well"), (3, "Grüße ERRORS")]),
        chunk("panda-1", &[(4, "well again")]),
        chunk("panda-2", &[(4, "an error elsewhere")]),
    ];
    store.append_log_chunks(&pieces, true).unwrap();
    let mut found = |text: &str, limit| {
        let page = store.search_log("panda-1", &search(text, limit, LogFrom::End)).unwrap();
        (messages(&page.lines).into_iter().map(str::to_owned).collect::<Vec<_>>(), page.more)
    };
    let three = ["PXE Error 50%", "kernel: error -5", "Grüße ERRORS"].map(str::to_owned);
    assert_eq!(found("eRRor", 10), (three.to_vec(), false));
    assert_eq!(found("error", 2), (three[1..].to_vec(), true));
    assert_eq!(found("GRÜSSE", 10), (vec![], false));
    assert_eq!(found("GRÜß", 10), (three[2..].to_vec(), false));
    assert_eq!(found("50%", 10), (three[..1].to_vec(), false));
    // Neither wildcards nor the times in a piece are text.
    assert_eq!(found("_", 10), (vec![], false));
    assert_eq!(found("3 G", 10), (vec![], false));
    let forwards =
        store.search_log("panda-1", &search("error", 1, LogFrom::After(Place::default()))).unwrap();
    assert_eq!((messages(&forwards.lines), forwards.more), (vec!["PXE Error 50%"], true));
}

pub(crate) fn pieces_go_by_age_by_size_and_with_their_device(world: &World) {
    let mut store = world.with_lab();
    let text = "x".repeat(1000);
    let piece = |device: &str, s: i64| chunk(device, &[(1000 * s, text.as_str())]);
    assert_eq!((store.log_bytes().unwrap(), store.largest_log().unwrap()), (0, None));
    let pieces: Vec<_> =
        (0..10).map(|s| piece("panda-1", s)).chain((0..4).map(|s| piece("panda-2", s))).collect();
    store.append_log_chunks(&pieces, true).unwrap();
    let one = pieces[0].text().len() as u64;
    assert_eq!(store.log_bytes().unwrap(), 14 * one);
    let (device, bytes) = store.largest_log().unwrap().unwrap();
    assert_eq!(bytes, 10 * one);
    assert_eq!(store.drop_oldest_chunks(device, 2 * one - 1).unwrap(), 2 * one);
    let left = |store: &mut dyn mozpool::store::Store, device: &str| {
        store
            .device_log(device, None, None)
            .unwrap()
            .iter()
            .map(|l| (l.at.0 - T0.0) / 1000)
            .collect::<Vec<_>>()
    };
    assert_eq!(left(&mut *store, "panda-1"), [2, 3, 4, 5, 6, 7, 8, 9]);
    assert!(!store.prune(&older(T0.plus_s(3), Timestamp(i64::MIN)), 100).unwrap());
    assert_eq!(
        (left(&mut *store, "panda-1"), left(&mut *store, "panda-2")),
        (vec![3, 4, 5, 6, 7, 8, 9], vec![3])
    );
    let what = Deletion::Device("panda-1".into());
    store.delete(&what, true, false, T0).unwrap();
    assert_eq!(store.log_bytes().unwrap(), one, "only the other one's is left");
    assert_eq!(store.drop_oldest_chunks(device, one).unwrap(), 0);
}

pub(crate) fn unknown_senders_are_counted_and_the_silent_ones_forgotten(world: &World) {
    let mut store = world.open();
    let sender = |n: u8, hostname: &str, lines, first: u32, last: u32| StraySender {
        sender: format!("10.0.0.{n}"),
        hostname: hostname.into(),
        lines,
        first: T0.plus_s(first),
        last: T0.plus_s(last),
    };
    store.note_stray_senders(&[sender(1, "", 2, 0, 1), sender(2, "two", 1, 1, 1)], 3).unwrap();
    store.note_stray_senders(&[sender(1, "one", 3, 5, 6), sender(2, "", 1, 5, 5)], 3).unwrap();
    let (one, two) = (sender(1, "one", 5, 0, 6), sender(2, "two", 2, 1, 5));
    assert_eq!(store.stray_senders().unwrap(), [one.clone(), two]);
    store.note_stray_senders(&[sender(3, "", 1, 7, 7), sender(4, "", 1, 8, 8)], 3).unwrap();
    assert_eq!(store.stray_senders().unwrap(), [sender(4, "", 1, 8, 8), sender(3, "", 1, 7, 7), one]);
    let says = |n: u8, message: &str| StrayLogLine {
        at: T0,
        sender: format!("10.0.0.{n}"),
        message: message.into(),
    };
    store.append_stray_log(&[says(1, "a"), says(3, "b"), says(1, "c"), says(1, "d")], 100).unwrap();
    let of = |store: &mut dyn mozpool::store::Store, sender| {
        store.stray_log_of(sender, 2).unwrap().into_iter().map(|l| l.message).collect::<Vec<_>>()
    };
    assert_eq!(
        (of(&mut *store, "10.0.0.1"), of(&mut *store, "10.0.0.3")),
        (vec!["c".into(), "d".into()], vec!["b".to_owned()])
    );
    store.prune(&older(T0.plus_s(8), Timestamp(i64::MIN)), 100).unwrap();
    assert_eq!(store.stray_senders().unwrap(), [sender(4, "", 1, 8, 8)]);
}

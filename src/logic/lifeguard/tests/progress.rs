//! How far an installation is, as the board says: what is news, and what only starts the time limit anew.

use super::*;

#[test]
fn progress_re_arms_the_time_limit_and_moves_nothing() {
    let mut d = Story::of(S::ImageExtracting).installing("debian");
    let epoch = d.device.epoch;
    d.now = d.now.plus_s(500);
    assert_eq!(d.hear(Event::Progress { percent: 42, proof: Proof::NotNeeded }), S::ImageExtracting);
    assert_eq!((d.device.progress, d.device.epoch), (Some(42), epoch));
    assert_eq!(d.device.deadline, Some(d.now.plus_s(600)));
    // What goes to and fro is no progress, and no commit; nor is the same until some of the limit has passed.
    for percent in [41, 42, 1, 42] {
        let same = Event::Progress { percent, proof: Proof::NotNeeded };
        assert_eq!(d.try_hear(same), Err(Ignored::AsItWas), "{percent}");
    }
    d.hear(Event::Progress { percent: 43, proof: Proof::NotNeeded });
    d.now = d.now.plus_s(60);
    d.hear(Event::Progress { percent: 2, proof: Proof::NotNeeded });
    assert_eq!((d.device.progress, d.device.deadline), (Some(43), Some(d.now.plus_s(600))));
    assert!(matches!(
        Story::of(S::Ready).try_hear(Event::Progress { percent: 1, proof: Proof::NotNeeded }),
        Err(Ignored::NotExpected { .. })
    ));
}

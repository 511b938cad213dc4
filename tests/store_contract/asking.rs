//! Tokens, sessions and the audit log: looked up, revoked with all that hangs on them, bounded, and gone when they are too old.

use crate::*;
use mozpool::access::{Digest, Role, Secret, Wish};
use mozpool::store::{AuditRow, AuditSearch, NewSession, SessionsMax, TokenRow, TooOld};

const DAY_MS: i64 = 86_400_000;

fn row(name: &str, role: Role, environments: &[&str], days: Option<i64>) -> TokenRow {
    let environments = environments.iter().map(|e| (*e).to_owned()).collect();
    let wish = Wish { name: name.into(), role, environments, days, proxy: false };
    TokenRow::new(wish.checked().unwrap(), T0)
}

fn digest(n: u8) -> Digest {
    Secret::of([n; 32]).digest()
}

fn entry(n: i64, who: &str, path: &str) -> AuditRow {
    AuditRow {
        id: 0,
        at: T0.plus_ms(n),
        who: who.into(),
        role: "admin".into(),
        via: "token".into(),
        from: "fd00::7".into(),
        method: "POST".into(),
        path: path.into(),
        status: 204,
        device: None,
        request: None,
    }
}

fn search() -> AuditSearch {
    AuditSearch { before: None, since: None, who: String::new(), what: String::new(), limit: 100 }
}

fn paths(store: &mut dyn Store, search: &AuditSearch) -> Vec<String> {
    store.audit(search).unwrap().into_iter().map(|e| e.path).collect()
}

pub(crate) fn tokens_are_found_by_name_and_by_secret(world: &World) {
    let mut store = world.with_lab();
    assert_eq!(store.tokens().unwrap(), []);
    let (ann, ci) =
        (row("ann", Role::Admin, &[], None), row("ci", Role::Requester, &["läb", "tests"], Some(7)));
    assert!(store.make_token(&ci, Some(&digest(1))).unwrap());
    assert!(store.make_token(&ann, Some(&digest(2))).unwrap());
    assert!(
        !store.make_token(&row("ann", Role::Viewer, &[], None), Some(&digest(3))).unwrap(),
        "the name is taken"
    );
    let proxy = TokenRow { proxy: true, ..row("Ann", Role::Operator, &[], None) };
    assert!(store.make_token(&proxy, None).unwrap(), "another name, and no secret");
    assert!(
        store.make_token(&TokenRow { name: "bob".into(), ..proxy.clone() }, None).unwrap(),
        "nor has another one"
    );
    assert_eq!(store.token_of_hash(&digest(1)).unwrap(), Some(ci.clone()));
    assert_eq!(store.token_of_hash(&digest(3)).unwrap(), None);
    assert_eq!(store.token_of_name("ann").unwrap(), Some(ann.clone()));
    assert_eq!(store.token_of_name("ANN").unwrap(), None);
    let names: Vec<String> = store.tokens().unwrap().into_iter().map(|t| t.name).collect();
    assert_eq!(names, ["Ann", "ann", "bob", "ci"]);
    assert!(ci.is_good(T0.plus_ms(7 * DAY_MS - 1)) && !ci.is_good(T0.plus_ms(7 * DAY_MS)));

    let (today, before) = (T0.plus_ms(DAY_MS), T0);
    store.append_audit(&[], &[("ci".into(), today), ("nobody".into(), today)]).unwrap();
    store.append_audit(&[], &[("ci".into(), before)]).unwrap();
    assert_eq!(store.token_of_name("ci").unwrap().unwrap().used, Some(today), "days do not go back");
}

pub(crate) fn sessions_end_with_their_token_and_leave_room(world: &World) {
    let mut store = world.with_lab();
    for (n, name) in [(1, "ann"), (2, "ci")] {
        assert!(store.make_token(&row(name, Role::Viewer, &[], None), Some(&digest(n))).unwrap());
    }
    let at = |s: i64| T0.plus_ms(1000 * s);
    let begin = |store: &mut dyn Store, n, (token, secret): (&str, u8), made, ends| {
        let new = NewSession {
            hash: digest(n),
            token: token.into(),
            token_hash: digest(secret),
            made: at(made),
            ends: at(ends),
        };
        store.make_session(&new, SessionsMax { of_token: 3, all: 4 }).unwrap()
    };
    let (ann, ci) = (("ann", 1), ("ci", 2));
    assert!(begin(&mut *store, 11, ann, 0, 10));
    assert!(begin(&mut *store, 12, ci, 1, 100));
    let (token, ends) = store.session(&digest(11)).unwrap().unwrap();
    assert_eq!((token.name.as_str(), ends), ("ann", at(10)));
    assert_eq!(store.session(&digest(1)).unwrap(), None, "a token is no session");
    // The next one sweeps what has ended, and then the oldest make room.
    assert!(begin(&mut *store, 13, ann, 10, 200));
    assert_eq!(store.session(&digest(11)).unwrap(), None);
    for n in [14, 15, 16] {
        assert!(begin(&mut *store, n, ann, i64::from(n), 200));
    }
    let is_there = |store: &mut dyn Store, n| store.session(&digest(n)).unwrap().is_some();
    let there = [12, 13, 14, 15, 16].map(|n| is_there(&mut *store, n));
    assert_eq!(there, [true, false, true, true, true], "first those of the same token make room");
    assert!(begin(&mut *store, 17, ci, 17, 200));
    assert_eq!([12, 14, 17].map(|n| is_there(&mut *store, n)), [false, true, true], "and then the oldest");
    store.end_session(&digest(14)).unwrap();
    store.end_session(&digest(14)).unwrap();
    assert_eq!([14, 15, 16].map(|n| is_there(&mut *store, n)), [false, true, true]);
    assert!(store.revoke_token("ann").unwrap());
    assert!(!store.revoke_token("ann").unwrap());
    assert!(!begin(&mut *store, 18, ann, 18, 200), "it was revoked while somebody logged in");
    assert!(store.make_token(&row("ann", Role::Admin, &[], None), Some(&digest(3))).unwrap());
    assert!(!begin(&mut *store, 19, ann, 19, 200), "it has another secret");
    let there = [15, 16, 18, 19].map(|n| is_there(&mut *store, n));
    assert_eq!(there, [false; 4], "the name is somebody else's now");
}

pub(crate) fn the_audit_log_is_read_backwards_and_grows_old(world: &World) {
    let mut store = world.with_lab();
    let about =
        AuditRow { device: Some("Pända_1%".into()), request: Some(RequestId(7)), ..entry(2, "ann", "/b") };
    store.append_audit(&[entry(1, "ci", "/a"), about.clone(), entry(3, "ann", "/c")], &[]).unwrap();
    let long = "x".repeat(5000);
    store.append_audit(&[entry(4, &long, &long)], &[]).unwrap();
    let all = store.audit(&search()).unwrap();
    assert_eq!(all.iter().map(|e| e.at).collect::<Vec<_>>(), [4, 3, 2, 1].map(|n| T0.plus_ms(n)));
    assert_eq!(AuditRow { id: 0, ..all[2].clone() }, about);
    assert!(all[0].who.len() <= 100 && all[0].path.len() <= 300, "it is cut");
    assert_eq!(paths(&mut *store, &AuditSearch { who: "ann".into(), ..search() }), ["/c", "/b"]);
    assert_eq!(paths(&mut *store, &AuditSearch { what: "nda_1%".into(), ..search() }), ["/b"]);
    assert_eq!(
        paths(&mut *store, &AuditSearch { what: "_".into(), ..search() }),
        ["/b"],
        "nothing is a wildcard"
    );
    assert_eq!(paths(&mut *store, &AuditSearch { before: Some(all[1].id), limit: 1, ..search() }), ["/b"]);
    assert_eq!(
        paths(&mut *store, &AuditSearch { since: Some(T0.plus_ms(3)), who: "ann".into(), ..search() }),
        ["/c"]
    );

    let never = Timestamp(i64::MIN);
    let too_old = TooOld {
        logs: never,
        requests: never,
        changes: never,
        reports: never,
        audit: T0.plus_ms(3),
        now: T0,
    };
    assert!(store.prune(&too_old, 1).unwrap(), "there is more to do");
    assert_eq!(paths(&mut *store, &search()).len(), 3);
    while store.prune(&too_old, 1).unwrap() {}
    assert_eq!(paths(&mut *store, &AuditSearch { who: "ann".into(), ..search() }), ["/c"]);
}

//! Several imaging servers with one store: each answers for all, and everybody learns what others did.

#[path = "pool/asking.rs"]
mod asking;
#[path = "support/mariadb.rs"]
mod mariadb;
#[path = "pool/standing.rs"]
mod standing;
mod support;
#[path = "pool/world.rs"]
mod world;

use mozpool::clock::{Clock, SystemClock};
use mozpool::seal::Secret;
use mozpool::store::{Instead, Joined, Location, ServerRow};
use serde_json::Value;
use serde_json::json;
use std::collections::HashMap;
use support::{Daemon, Stream, wait_for};
use world::*;

#[test]
fn what_one_server_changes_all_know_soon() {
    let pool = Pool::of(2, 1);
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    let mut stream = Stream::open(s2.http, 0);

    // A device for the other server, and an image: made here, used there.
    let lab = pool.device("late", 2, 7, "ready")
        + "[[image]]\nname = \"new\"\nsecond_stage = \"write-image.sh\"\npxe = { \"test board\" = \"image\" }\n";
    import(&s1, &lab);
    stream.read_until(&mut Vec::new(), |change| change["data"]["name"] == "late");
    assert_eq!(
        s2.get("device/late/state")["state"],
        "ready",
        "a list is never older than what was acknowledged"
    );
    let answer = s2.post("device/late/event/please_image", json!({"image": "new", "boot_config": {}}));
    assert_eq!(answer, json!({"accepted": true, "state": "pxe_power_cycling"}));
    wait_for_state(&s1, "late", "pxe_booting");
    assert!(s2.fetch("pxelinux.cfg/01-02-00-00-00-02-07").is_ok(), "its server has its boot config");
    assert!(s1.fetch("pxelinux.cfg/01-02-00-00-00-02-07").is_err(), "and no other");
}

#[test]
fn every_server_answers_for_all_and_sends_changes_to_the_owner() {
    let pool = Pool::of(2, 1);
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    // Both are seen by both.
    for at in [&s1, &s2] {
        let servers = at.get("server/list")["servers"].clone();
        let of = |n: usize, key: &str| servers[n][key].clone();
        assert_eq!((of(0, "name"), of(1, "name")), (json!("s1"), json!("s2")));
        assert_eq!((of(0, "alive"), of(1, "alive")), (json!(true), json!(true)), "{servers}");
        assert_eq!((of(0, "devices"), of(1, "devices")), (json!(1), json!(1)));
        assert_eq!(of(1, "url"), format!("http://{}", s2.http));
        assert_eq!((of(0, "fault"), of(0, "protocol")), (Value::Null, json!(1)));
    }
    let id = request(&s2, Some("s2"), 600);
    board_of(&s1, id);

    // Whoever is asked answers.
    for path in [
        "device/s2-b1/status",
        "device/s2-b1/state",
        "device/s2-b1/log",
        "device/s2-b1/details",
        "device/s2-b1/attempts",
        "device/s2-b1/history",
        "device/s2-b1/bootconfig",
        "device/list?details=1",
        "request/list",
        "report/status",
        "repair/list",
    ] {
        let (status, _, answer) = ask(&s1, "GET", path, "");
        assert_eq!(status, 200, "{path}: {answer}");
    }
    let of_request = ["status", "details", "log"];
    for path in of_request.map(|what| format!("request/{id}/{what}")) {
        assert_eq!(ask(&s1, "GET", &path, "").0, 200, "{path}");
    }
    let details = s1.get(&format!("request/{id}/details"));
    assert_eq!(details["url"], format!("http://{}/api/request/{id}/", s2.http), "it names the owner");

    // What changes something goes to the owner, with path and query.
    for (method, path, status) in [
        ("GET", "device/s2-b1/event/please_self_test?x=%20y", 302),
        ("POST", "device/s2-b1/event/please_self_test/?x=1", 307),
        ("POST", "device/s2-b1/set-comments", 307),
        ("POST", "device/s2-b1/state-change/ready/to/new", 307),
        ("POST", "device/s2-b1/power-cycle", 307),
        ("GET", "device/s2-b1/power-off", 302),
        ("GET", "device/s2-b1/ping", 302),
    ] {
        let (found, location, answer) = ask(&s1, method, path, "{}");
        assert_eq!((found, location), (status, format!("http://{}/api/{path}", s2.http)), "{path}: {answer}");
    }
    let path = format!("request/{id}/return");
    let (status, location, _) = ask(&s1, "POST", &path, "{}");
    assert_eq!((status, location), (307, format!("http://{}/api/{path}", s2.http)));
    assert_eq!(ask(&s1, "POST", "device/none/event/please_self_test", "{}").0, 404, "404 wins");
    assert_eq!(
        s1.get(&format!("request/{id}/status"))["state"],
        "pending",
        "nothing was changed by all this"
    );
}

#[test]
fn a_request_is_served_by_another_servers_board() {
    let pool = Pool::of(2, 1);
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    let id = request(&s1, Some("s2"), 600);
    assert_eq!(board_of(&s1, id), "s2-b1");
    play(&s2, "s2-b1");
    s1.wait_for_request(id, "ready");
    // Who waits at one server hears of a board that becomes free at the other.
    let waiting = request(&s1, Some("s2"), 600);
    assert_eq!(s2.get(&format!("request/{waiting}/status"))["state"], "finding_device");
    s1.post(&format!("request/{id}/return"), json!({}));
    assert_eq!(board_of(&s2, waiting), "s2-b1");
    // A bad image is told to the request's server, too.
    wait_for_state(&s2, "s2-b1", "pxe_booting");
    for event in ["mobile_init_started", "image_downloading", "image_failed"] {
        s2.post(&format!("device/s2-b1/event/{event}"), json!({}));
    }
    wait_for("the request to hear of it", || {
        let log = s1.get(&format!("request/{waiting}/log")).to_string();
        log.contains("says that the image is bad").then_some(())
    });
    let health = s1.get("health");
    let services = health["services"].as_array().expect("services");
    let pulse = &services.iter().find(|s| s["name"] == "pulse").expect("it runs")["counters"];
    assert_eq!((&pulse["alive"], &pulse["refused"]), (&json!(1), &json!(0)), "{pulse}");
    assert!(pulse["sent"].as_u64() >= Some(2) && pulse["received"].as_u64() >= Some(3), "{pulse}");
}

/// Claims as they lie in the store: no board is anybody's twice.
fn no_board_twice(at: &Daemon) {
    let list = at.get("request/list");
    let mut holders: HashMap<String, Vec<i64>> = HashMap::new();
    for request in list["requests"].as_array().expect("requests") {
        let board = request["assigned_device"].as_str().unwrap_or_default();
        if !board.is_empty() {
            holders.entry(board.to_owned()).or_default().push(request["id"].as_i64().expect("a number"));
        }
    }
    assert!(holders.values().all(|h| h.len() == 1), "{holders:?}");
}

#[test]
fn three_servers_on_a_mariadb_serve_each_others_requests_and_outlive_one() {
    let pool = Pool::on_mariadb(3, 1);
    let (s1, s2, s3) = (pool.serve(1), pool.serve(2), pool.serve(3));
    let id = request(&s1, Some("s2"), 600);
    assert_eq!(board_of(&s3, id), "s2-b1");
    play(&s2, "s2-b1");
    s1.wait_for_request(id, "ready");
    let brief = request(&s3, Some("s1"), 6);
    assert_eq!(board_of(&s3, brief), "s1-b1");
    s3.kill();
    s2.wait_for_request(brief, "closed");
    wait_for_device(&s1, "s3-b1", "unreachable", |d| d["reachable"] == false);
    wait_for_device(&s1, "s1-b1", "free", |d| d["request_id"].is_null());
    import(&s2, "[[device]]\nname = \"s3-b1\"\nimaging_server = \"s1\"\n");
    wait_for_device(&s2, "s3-b1", "reachable at its new server", |d| d["reachable"] == true);
    let moved = request(&s2, Some("s3"), 600);
    assert_eq!(board_of(&s1, moved), "s3-b1");
    no_board_twice(&s2);
}

#[test]
fn the_boards_of_a_server_that_is_gone_are_nobodys_until_it_is_back() {
    let pool = Pool::of(3, 2);
    let (s1, s2, s3) = (pool.serve(1), pool.serve(2), pool.serve(3));
    let held = request(&s1, Some("s2"), 600);
    let board = board_of(&s1, held);
    s2.kill();
    // Requests that come now find boards of the healthy part, whatever they try first.
    let others: Vec<i64> = (0..4).map(|n| request(if n % 2 == 0 { &s1 } else { &s3 }, None, 600)).collect();
    for id in &others {
        wait_for("a healthy board", || {
            let details = s1.get(&format!("request/{id}/details"));
            let board = details["assigned_device"].as_str().unwrap_or_default().to_owned();
            (details["state"] == "pending" && !board.starts_with("s2")).then_some(())
        });
        no_board_twice(&s1);
    }
    for at in [&s1, &s3] {
        wait_for_device(at, "s2-b1", "unreachable", |d| d["reachable"] == false);
        wait_for_device(at, "s1-b1", "reachable", |d| d["reachable"] == true);
    }
    let gone = s3.get("server/list")["servers"][1].clone();
    assert_eq!((&gone["name"], &gone["alive"]), (&json!("s2"), &json!(false)));
    wait_for("no caller to be sent to it", || {
        let (status, _, answer) = ask(&s1, "POST", "device/s2-b1/event/please_self_test", "{}");
        (status == 503 && answer["error"]["code"] == "owner_gone").then_some(())
    });
    let waiting = request(&s3, Some("s2"), 600);
    wait_for("the search to say why", || {
        let log = s3.get(&format!("request/{waiting}/log")).to_string();
        log.contains("unreachable").then_some(())
    });
    // It comes back where it was: the request that held its board still does, and the free one is had at once.
    let s2 = pool.serve(2);
    wait_for_device(&s1, "s2-b1", "reachable", |d| d["reachable"] == true);
    let free = board_of(&s3, waiting);
    assert_ne!(free, board);
    play(&s2, &board);
    s1.wait_for_request(held, "ready");
    no_board_twice(&s1);
}

#[test]
fn requests_of_a_server_that_is_gone_run_out_and_their_boards_are_free_again() {
    let pool = Pool::of(2, 1);
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    let id = request(&s1, Some("s2"), 6);
    board_of(&s1, id);
    let lasting = request(&s1, Some("s1"), 600);
    board_of(&s1, lasting);
    s1.kill();
    s2.wait_for_request(id, "closed");
    wait_for_device(&s2, "s2-b1", "free", |d| d["request_id"].is_null());
    assert_eq!(s2.get(&format!("request/{lasting}/status"))["state"], "pending", "its time is not over");
    // The board goes on with what it is at, and then is anybody's.
    play(&s2, "s2-b1");
    wait_for_state(&s2, "s2-b1", "ready");
    let next = request(&s2, Some("s2"), 600);
    assert_eq!(board_of(&s2, next), "s2-b1");
    // Its owner comes back and finds it so.
    let s1 = pool.serve(1);
    assert_eq!(s1.get(&format!("request/{id}/status"))["state"], "closed");
    play(&s1, "s1-b1");
    s1.wait_for_request(lasting, "ready");
    no_board_twice(&s1);
}

#[test]
fn requests_of_a_server_that_is_gone_are_renewed_and_returned_by_others() {
    let pool = Pool::of(3, 1);
    // It lives, and says so so rarely that the others take it for gone: what it knows of its requests grows old.
    pool.variant(1, "s1.toml", "beat_s = 1", "beat_s = 60");
    let (s2, s3) = (pool.serve(2), pool.serve(3));
    // The last, for it looks at the others as rarely.
    let s1 = pool.serve(1);
    let [lasting, done] = ["s2", "s3"].map(|place| request(&s1, Some(place), 600));
    board_of(&s1, lasting);
    board_of(&s1, done);
    wait_for_device(&s2, "s1-b1", "unreachable", |d| d["reachable"] == false);
    let expires = |at: &Daemon| at.get(&format!("request/{lasting}/details"))["expires"].clone();
    let before = expires(&s2);
    let answer = wait_for("s2 to see it gone", || {
        let answer = ask(&s2, "POST", &format!("request/{lasting}/renew"), "{\"duration\": 3600}");
        (answer.0 != 307).then_some(answer)
    });
    assert_eq!(answer.0, 204, "{answer:?}");
    let renewed = expires(&s2);
    assert!(renewed.as_str() > before.as_str(), "{before} {renewed}");
    // Whatever device layer has the board hears of its end.
    let answer = ask(&s2, "POST", &format!("request/{done}/return"), "{\"who\": \"ci\"}");
    assert_eq!(answer.0, 204, "{answer:?}");
    assert_eq!(s3.get(&format!("request/{done}/status"))["state"], "closed");
    wait_for_device(&s2, "s3-b1", "free", |d| d["request_id"].is_null());
    assert_eq!(ask(&s2, "POST", &format!("request/{done}/renew"), "{\"duration\": 60}").0, 409);
    let event = ask(&s2, "POST", &format!("request/{lasting}/event/find_device"), "{}");
    assert_eq!((event.0, &event.2["error"]["code"]), (503, &json!("owner_gone")), "all else is its own");
    // What it knew is stale: it writes nothing over what the others did, reads it, and goes on from there.
    let renew = |body: &str| ask(&s1, "POST", &format!("request/{lasting}/renew"), body).0;
    assert_eq!(renew("{\"duration\": 60}"), 503);
    assert_eq!(expires(&s1), renewed);
    assert_eq!(renew("{\"duration\": 60}"), 204);
    assert!(expires(&s3).as_str() < renewed.as_str());
    assert_eq!(ask(&s1, "POST", &format!("request/{done}/return"), "{}").0, 503, "it learns of this, too");
    assert_eq!(ask(&s1, "POST", &format!("request/{done}/return"), "{}").0, 204);
    no_board_twice(&s3);
}

#[test]
fn a_device_that_moves_is_handed_over() {
    let pool = Pool::of(2, 1);
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    // In the middle of an installation that no request waits for.
    s1.post("device/s1-b1/event/please_image", json!({"image": "web", "boot_config": {}}));
    wait_for_state(&s1, "s1-b1", "pxe_booting");
    let file = "pxelinux.cfg/01-02-00-00-00-01-01";
    assert!(s1.fetch(file).is_ok() && s2.fetch(file).is_err());
    // By way of the new owner, so that the old one has to find out.
    import(&s2, "[[device]]\nname = \"s1-b1\"\nimaging_server = \"s2\"\n");
    wait_for("the old owner to let go", || s1.fetch(file).is_err().then_some(()));
    wait_for("the new one to take it up", || s2.fetch(file).is_ok().then_some(()));
    assert_eq!(ask(&s1, "POST", "device/s1-b1/event/mobile_init_started", "{}").0, 307);
    for event in ["mobile_init_started", "image_downloading", "image_extracting", "image_rebooting"] {
        let answer = s2.post(&format!("device/s1-b1/event/{event}"), json!({}));
        assert_eq!(answer["accepted"], true, "{event}: {answer}");
    }
    wait_for_state(&s1, "s1-b1", "ready");
    assert!(s1.said().iter().any(|l| l.contains("device=s1-b1 is not looked after any more")));
    // A board that a request has stays where it is.
    let id = request(&s1, Some("s2"), 600);
    let board = board_of(&s1, id);
    let move_it = format!("[[device]]\nname = \"{board}\"\nimaging_server = \"s1\"\n");
    let (status, _, answer) = ask(&s1, "POST", "lab/import?format=toml", &move_it);
    assert_eq!(status, 409, "{answer}");
}

#[test]
fn a_server_with_another_secret_is_refused_and_named_once() {
    let pool = Pool::of(2, 1);
    pool.secret("other", "a secret of somebody else's");
    pool.configure(2, "other");
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    let pulse = |at: &Daemon, counter: &str| {
        let services = at.get("health")["services"].clone();
        let pulse = services.as_array().expect("services").iter().find(|s| s["name"] == "pulse").cloned();
        pulse.expect("it runs")["counters"][counter].clone()
    };
    // Both find out by themselves, before a board is needed, and say so where people look.
    for (at, other) in [(&s1, 1), (&s2, 0)] {
        let fault = wait_for("the fault to be seen", || {
            let fault = at.get("server/list")["servers"][other]["fault"].clone();
            fault.as_str().map(str::to_owned)
        });
        assert!(fault.contains("refuses letters with 403: ") && fault.contains("secret"), "{fault}");
        assert!(!fault.contains("\"error\""), "{fault}");
        assert_eq!((pulse(at, "alive"), pulse(at, "faulty")), (json!(0), json!(1)));
    }
    let id = request(&s1, Some("s2"), 600);
    wait_for("the order to be refused", || {
        let log = s1.get(&format!("request/{id}/log")).to_string();
        log.contains("its imaging server s2 does not take orders").then_some(())
    });
    let refused = |at: &Daemon| at.said().iter().filter(|l| l.contains("wrong seal was refused")).count();
    wait_for("it to be logged", || (refused(&s2) > 0).then_some(()));
    let letter = json!({"letter": "{}", "seal": "00"}).to_string();
    for _ in 0..3 {
        let (status, _, answer) = ask(&s2, "POST", "peer/letter", &letter);
        assert_eq!((status, &answer["error"]["code"]), (403, &json!("wrong_seal")), "{answer}");
    }
    assert_eq!(refused(&s2), 1, "once per interval");
    let told = |l: &String| l.contains("server s2:") && l.contains("403");
    wait_for("the writer to log it", || s1.said().iter().any(told).then_some(()));
    assert_eq!(s2.get("device/s2-b1/state")["state"], "ready", "nothing was done to the board");
    // The right one heals it, at both ends.
    assert!(s2.terminate().success());
    pool.configure(2, "secret");
    let s2 = pool.serve(2);
    for at in [&s1, &s2] {
        wait_for("the fault to go", || (pulse(at, "faulty") == 0 && pulse(at, "alive") == 1).then_some(()));
        let servers = at.get("server/list")["servers"].clone();
        assert!(servers.as_array().expect("two").iter().all(|s| s["fault"].is_null()), "{servers}");
    }
}

#[test]
fn a_letter_counts_only_as_far_as_the_store_agrees() {
    let pool = Pool::of(2, 1);
    let (s1, s2) = (pool.serve(1), pool.serve(2));
    let id = request(&s1, Some("s2"), 600);
    let board = board_of(&s1, id);
    let schema = s1.get("server/list")["servers"][0]["schema_version"].clone();
    let secret = Secret::read(&pool.path("secret")).expect("it is one");
    let send = |to: &Daemon, letter: String| {
        let envelope = json!({"letter": letter, "seal": secret.seal(&letter)}).to_string();
        let (status, _, answer) = ask(to, "POST", "peer/letter", &envelope);
        (status, answer)
    };
    let letter = |to: &str, protocol: u32, schema: &Value, messages: Value| {
        json!({"from": "s1", "to": to, "protocol": protocol, "schema": schema, "messages": messages})
            .to_string()
    };
    for (wrong, why) in [
        (letter("s1", 1, &schema, json!([])), "this is server s2, and the letter is for s1"),
        (letter("s2", 2, &schema, json!([])), "protocol version 2"),
        (letter("s2", 1, &json!(99), json!([])), "schema version 99"),
    ] {
        let (status, answer) = send(&s2, wrong);
        let message = answer["error"]["message"].as_str().unwrap_or_default().to_owned();
        assert!(status == 409 && message.contains(why), "{status} {answer}");
    }
    assert_eq!(send(&s2, "{\"from\":1}".to_owned()).0, 400);
    let before = s2.get(&format!("device/{board}/status"));
    // An order from long ago, one for a board that the request does not have, one of nobody, a farewell of a request that stays,
    // and a result that does not lie with the claim.
    let prepare = |request: i64, device: &str, epoch: u64| json!({"kind": "prepare", "device": device, "request": request, "epoch": epoch, "power_cycle": true});
    let (status, answer) = send(
        &s2,
        letter(
            "s2",
            1,
            &schema,
            json!([
                prepare(id, &board, 3),
                prepare(id, "s1-b1", 3),
                prepare(999, &board, 3),
                {"kind": "released", "device": board, "request": id},
                {"kind": "finished", "device": board, "request": id, "result": "complete"},
                {"kind": "finished", "device": board, "request": id, "result": "perhaps"},
                prepare(id, &board, 1_000),
            ]),
        ),
    );
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["fates"], json!(["late", "late", "late", "again", "late", "late", "again"]));
    assert_eq!(s2.get(&format!("device/{board}/status"))["state"], before["state"], "nothing came of them");
    assert_eq!(s1.get(&format!("request/{id}/status"))["state"], "pending");
}

#[test]
fn a_server_of_another_version_is_named_and_not_spoken_to() {
    let pool = Pool::of(2, 1);
    let s1 = pool.serve(1);
    // As a newer program would make itself known.
    let mut store = Location::sqlite(pool.path("mozpool.db")).open().expect("it is a store");
    let mut newer = store.pool().expect("it answers").remove(0).liveliness.expect("s1 has joined").beat;
    (newer.server, newer.instance, newer.protocol) = ("s2".into(), "newer".into(), 2);
    let now = SystemClock.now();
    let row = ServerRow { name: "s2".into(), url: "http://127.0.0.1:9".into() };
    assert_eq!(store.join_pool(&row, &newer, &Instead::Anybody, now).expect("it answers"), Joined::Done);
    let fault = wait_for("its fault to be seen", || {
        let fault = s1.get("server/list")["servers"][1]["fault"].clone();
        fault.as_str().map(str::to_owned)
    });
    assert_eq!(fault, "it has protocol version 2, and this server 1; install the newer program here");
    assert!(s1.said().iter().any(|l| l.contains("server s2 is not spoken to: it has protocol version 2")));
    let list = || {
        let mut command = support::mozpool(&pool.config(1));
        let output = command.args(["server", "list", "--url", &format!("http://{}", s1.http)]).output();
        let text = String::from_utf8(output.expect("mozpool runs").stdout).expect("text");
        let line = |name: &str| {
            let line =
                text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
            line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        };
        (line("s1"), line("s2").join(" "))
    };
    let (here, there) = list();
    let schema = mozpool::store::schema_version().to_string();
    assert_eq!((here[1].as_str(), here[2].as_str(), &here[4]), ("alive", "1", &schema), "{here:?}");
    assert!(here.contains(&format!("http://{}", s1.http)), "{here:?}");
    assert!(there.starts_with("s2 refused 1 ") && there.ends_with(&fault), "{there}");
    let id = request(&s1, Some("s2"), 600);
    wait_for("the order not to be sent", || {
        let log = s1.get(&format!("request/{id}/log")).to_string();
        log.contains("does not take orders: it has protocol version 2").then_some(())
    });
    // It says nothing more.
    wait_for("it to be gone", || list().1.starts_with("s2 gone ").then_some(()));
}

#[test]
fn a_secret_that_everybody_reads_is_none() {
    let pool = Pool::of(1, 0);
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(pool.path("secret"), open).expect("it is ours");
    let output = support::mozpool(&pool.config(1)).arg("serve").output().expect("mozpool runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("chmod o-rwx"), "{text}");
}

#[test]
fn a_store_has_one_daemon_of_a_name_and_none_that_wants_it_alone() {
    let pool = Pool::of(1, 0);
    let _s1 = pool.serve(1);
    let again = support::mozpool(&pool.config(1)).arg("serve").output().expect("mozpool runs");
    let text = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && text.contains("is in use by process"), "{text}");
    let alone = std::fs::read_to_string(pool.config(1)).expect("it is there").replace("secret_file", "#");
    std::fs::write(pool.path("alone.toml"), alone).expect("a file");
    let alone = support::mozpool(&pool.path("alone.toml")).arg("serve").output().expect("mozpool runs");
    let text = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(!alone.status.success() && text.contains("is in use by"), "{text}");
}

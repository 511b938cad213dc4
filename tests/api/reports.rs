//! Reports, histories and the repair list: their values, their form for spreadsheets, and what is refused.

use crate::world::{NOW, Options, World, start, start_with};
use crossbeam_channel::{bounded, unbounded};
use serde_json::{Value, json};

fn ok(world: &World, target: &str) -> Value {
    let answer = world.get(&format!("/api/{target}"));
    assert_eq!(answer.status, 200, "{target}: {}", answer.line());
    answer.json()
}

#[test]
fn reports_say_what_the_rows_say() {
    let world = start();
    let status = ok(&world, "report/status?by=environment");
    assert_eq!(
        status["rows"],
        json!([
            { "environment": "production", "devices": 4, "free": 2, "used": 1, "working": 0, "failed": 0, "out": 1 },
            { "environment": "tests", "devices": 1, "free": 0, "used": 0, "working": 1, "failed": 0, "out": 0 },
        ])
    );
    assert_eq!(status["total"]["devices"], 5);
    let availability = ok(&world, "report/availability?days=1&by=device");
    assert_eq!(
        availability["rows"],
        json!([
            { "device": "panda-0001", "devices": 1, "time": 2146.581, "free": 93.17, "used": 6.83, "working": 0.0, "failed": 0.0, "out": 0.0 },
            { "device": "panda-0002", "devices": 1, "time": 146.581, "free": 0.0, "used": 0.0, "working": 100.0, "failed": 0.0, "out": 0.0 },
        ])
    );
    assert_eq!(
        (&availability["from"], &availability["by"]),
        (&json!("2026-11-21T00:00:00.000Z"), &json!("device"))
    );
    assert_eq!(availability["to"], "2026-11-22T11:49:06.581Z");
    assert_eq!(
        ok(&world, "report/ready?by=assignee")["rows"],
        json!([
            { "assignee": "=bob", "count": 0, "median": null, "p90": null, "max": null, "failed": 1, "given_up": 0 },
            { "assignee": "ann", "count": 1, "median": 100.0, "p90": 100.0, "max": 100.0, "failed": 0, "given_up": 0 },
        ])
    );
    assert_eq!(
        ok(&world, "report/failures")["rows"],
        json!([{ "cause": "it says that the image is bad", "image": "b2g", "count": 1, "devices": 1, "last": "2026-11-22T11:46:40.000Z" }])
    );
    let used = ok(&world, "report/use");
    assert_eq!(used["rows"], json!([{ "assignee": "ann", "requests": 1, "held": 146.581 }]));
    assert_eq!(used["columns"][2], json!({ "name": "held", "title": "Held", "kind": "seconds" }));
    assert_eq!(used["total"]["requests"], 1);
    let none = ok(&world, "report/use?from=2020-01-01&to=2020-12-31");
    assert_eq!((&none["rows"], &none["total"]), (&json!([]), &Value::Null));
    assert_eq!(none["to"], "2021-01-01T00:00:00.000Z", "a date is meant with its end");
    let listed = ok(&world, "report/list");
    let names: Vec<_> = listed["reports"].as_array().unwrap().iter().map(|r| &r["name"]).collect();
    assert_eq!(names, ["status", "availability", "ready", "failures", "use"]);
    for report in listed["reports"].as_array().unwrap() {
        for by in report["by"].as_array().unwrap() {
            let (name, by) = (report["name"].as_str().unwrap(), by.as_str().unwrap());
            let made = ok(&world, &format!("report/{name}?by={by}"));
            assert_eq!(made["columns"][0]["name"], by, "{name}");
        }
    }
}

#[test]
fn a_report_goes_into_a_spreadsheet_and_computes_nothing_there() {
    let world = start();
    let answer = world.get("/api/report/ready?by=assignee&format=csv");
    assert_eq!(answer.header("Content-Type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(answer.header("Content-Disposition"), Some("attachment; filename=\"ready.csv\""));
    let text = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(
        text,
        "assignee,count,median,p90,max,failed,given_up\r\n'=bob,0,,,,1,0\r\nann,1,100,100,100,0,0\r\n"
    );
}

#[test]
fn a_time_that_cannot_be_is_refused_with_a_sentence() {
    let world = start();
    for (target, status, code, words) in [
        ("report/nonsense", 404, "not_found", "there is no report `nonsense`"),
        (
            "report/use?by=cause",
            400,
            "bad_value",
            "by is `cause`; the report use is by assignee, environment, hardware",
        ),
        ("report/use?by=%1b", 400, "bad_value", "by is `\\u{1b}`"),
        ("report/use?format=xml", 400, "bad_value", "format is `xml`; it should be csv or json"),
        ("report/use?days=-1", 400, "bad_value", "days is `-1`"),
        (
            "report/use?days=3661",
            400,
            "bad_value",
            "3661 days are too many; a report is about 3660 days at most",
        ),
        ("report/use?days=99999999999999999999", 400, "bad_value", "are too many"),
        ("report/use?from=2001-01-01", 400, "bad_value", "are too many"),
        ("report/use?days=3&from=2026-01-01", 400, "bad_value", "give one of them"),
        (
            "report/use?from=2026-11-22T11:00:00Z&to=2026-11-22T10:00:00Z",
            400,
            "bad_value",
            "is later than the end",
        ),
        ("report/use?from=2030-01-01", 400, "bad_value", "is later than the end, 2026-11-22T11:49:06.581Z"),
        (
            "report/use?from=yesterday",
            400,
            "bad_value",
            "from is `yesterday`; it should be a date or a time with its zone",
        ),
        ("report/use?to=2026-02-30", 400, "bad_value", "to is `2026-02-30`"),
        ("device/panda-0001/history?limit=x", 400, "bad_value", "limit is `x`"),
        ("device/nobody/history", 404, "not_found", "there is no device `nobody`"),
    ] {
        let answer = world.get(&format!("/api/{target}"));
        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, error["code"].as_str()), (status, Some(code)), "{target}: {error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{target}: {error}");
    }
    for fine in [
        "days=0",
        "days=3660",
        "from=2026-11-22&to=2026-11-22",
        "from=2026-11-22T12:00:00+01:00",
        "days=&by=&format=",
    ] {
        ok(&world, &format!("report/use?{fine}"));
    }
}

#[test]
fn a_history_begins_with_now() {
    let world = start();
    let lasted = |ms: i64| (ms as f64) / 1000.0;
    assert_eq!(
        ok(&world, "device/panda-0001/history"),
        json!({ "history": [
            { "at": "2026-11-22T11:46:40.000Z", "group": "used", "state": "ready", "cause": null, "image": "b2g",
              "request_id": 1, "lasted_s": lasted(NOW - 1_795_348_000_000), "lasts": true },
            { "at": "2026-11-22T11:13:20.000Z", "group": "free", "state": "ready", "cause": null, "image": "b2g",
              "request_id": null, "lasted_s": 2000.0, "lasts": false },
        ]})
    );
    let second = &ok(&world, "device/panda-0002/history?limit=2")["history"][1];
    assert_eq!((&second["group"], &second["lasted_s"]), (&json!("failed"), &json!(0.0)));
    assert_eq!(second["cause"], "it says that the image is bad: no partition table");
    assert_eq!(ok(&world, "device/panda-0002/history?limit=1")["history"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_to_be_repaired_stands_in_the_order_of_the_racks() {
    let world = start();
    assert_eq!(ok(&world, "repair/list"), json!({ "devices": [] }));
    world.sql(
        "UPDATE devices SET state = 'failed_pxe_booting', relay_info = 'relay-2.lab:bank10:relay1' WHERE name = 'panda-0001';
         UPDATE devices SET state = 'failed_self_test', relay_info = 'relay-2.lab:bank2:relay8' WHERE name = 'panda-0002';
         UPDATE devices SET state = 'failed_self_test', relay_info = 'RELAY-1.lab:bank2:relay8' WHERE name = 'panda-0003';
         UPDATE devices SET state = 'failed_of_tomorrow' WHERE name = 'panda-0004';
         UPDATE devices SET state = 'failed_pinging', relay_info = '' WHERE name = 'panda-0005';
         INSERT INTO device_spells (subject_id, grp, state, request_id, since, until, cause, detail) VALUES
           (1, 'failed', 'failed_pxe_booting', 1, 1795348001000, 9223372036854775807, 'it did not boot', ' within 180 s'),
           (1, 'failed', 'failed_pxe_booting', 1, 1700000000000, 1700000000001, 'long ago', '');
         UPDATE devices SET spell_id = 5 WHERE name = 'panda-0001';",
    );
    let list = ok(&world, "repair/list");
    let devices = list["devices"].as_array().unwrap();
    let names: Vec<_> = devices.iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["panda-0003", "panda-0002", "panda-0001", "panda-0005"]);
    assert_eq!(
        devices[2],
        json!({
            "name": "panda-0001", "state": "failed_pxe_booting", "since": "2026-11-22T11:46:40.000Z",
            "cause": "it did not boot within 180 s", "environment": "production", "hardware_type": "panda",
            "hardware_model": "ES", "relay_info": "relay-2.lab:bank10:relay1", "imaging_server": "img1.lab",
            "comments": "good", "failures": 1,
            "last_log": [
                { "timestamp": "2026-11-22T11:46:40.000000", "source": "statemachine", "message": "entering state ready" },
                { "timestamp": "2026-11-22T11:48:20.250000", "source": "syslog", "message": "hello" },
            ],
        })
    );
    assert_eq!(
        devices[3]["cause"], "it did not answer ping after a power cycle",
        "nothing more is known of it"
    );
    assert_eq!(devices[1]["failures"], 1, "its bad image of today");
}

#[test]
fn reports_that_are_being_made_keep_nobody_waiting() {
    let (go, reports_wait) = bounded(1);
    let world = start_with(&Options { threads: 1, reports_wait: Some(reports_wait), ..Options::default() });
    let (tell, told) = unbounded();
    std::thread::scope(|scope| {
        // Two at work and twenty-three that wait for their turn, which is all that one address may have of thirty-two, and one
        // too many.
        for _ in 0..26 {
            let (world, tell) = (&world, tell.clone());
            scope.spawn(move || tell.send(world.get("/api/report/use")).unwrap());
        }
        let refused = told.recv().unwrap();
        assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (503, Some("busy")));
        assert_eq!(refused.header("Retry-After"), Some("5"));
        // The only thread that answers calls is free.
        assert_eq!(world.get("/api/device/panda-0001/state").status, 200);
        assert!(told.is_empty(), "the others are still being made");
        drop(go);
        for _ in 0..25 {
            assert_eq!(told.recv().unwrap().status, 200);
        }
    });
}

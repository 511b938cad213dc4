//! What happened at boot, of the built daemon: a board that is played by hand, one that is left alone, and an emulated rack.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use support::{Daemon, Lab, wait_for};

const CONFIG: &str = "pxelinux.cfg/01-02-00-00-00-00-01";
/// More than lies in the buffers between two sockets.
const IMAGE_BYTES: u64 = 64 << 20;

fn lab() -> Lab {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("tftp/live")).unwrap();
    std::fs::write(lab.path("tftp/live/vmlinuz"), vec![7; 30_000]).unwrap();
    std::fs::File::create(lab.path("files/images/web.img")).unwrap().set_len(IMAGE_BYTES).unwrap();
    lab
}

fn attempts(daemon: &Daemon, query: &str) -> Vec<Value> {
    let answer = daemon.get(&format!("device/board-1/attempts{query}"));
    assert_eq!((&answer["device"], &answer["hardware"]), (&json!("board-1"), &json!("test board")));
    answer["attempts"].as_array().unwrap().clone()
}

/// `kind name` of each step, `!` before those that went wrong.
fn steps(attempt: &Value) -> Vec<String> {
    let told = |s: &Value| {
        let bad = if s["bad"] == true { "!" } else { "" };
        format!("{bad}{} {}", s["kind"].as_str().unwrap(), s["name"].as_str().unwrap())
    };
    attempt["steps"].as_array().unwrap().iter().map(told).collect()
}

fn step<'a>(attempt: &'a Value, kind: &str, name: &str) -> &'a Value {
    let steps = attempt["steps"].as_array().unwrap();
    let found = steps.iter().find(|s| s["kind"] == kind && s["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name} in {attempt:#}"))
}

/// GET of the image; takes so many bytes of it and goes.
fn download(daemon: &Daemon, bytes: u64) {
    let mut connection = TcpStream::connect(daemon.http).unwrap();
    connection.write_all(b"GET /files/images/web.img HTTP/1.0\r\n\r\n").unwrap();
    std::io::copy(&mut connection.take(bytes), &mut std::io::sink()).unwrap();
}

/// The board does all that one does which gets an image, and once more what went wrong at first.
fn install(daemon: &Daemon) {
    let image = json!({"image": "web", "boot_config": {"url": "http://x/image"}});
    daemon.event("please_image", image);
    daemon.wait_for_state("pxe_booting");
    assert!(daemon.fetch("live/nothing").is_err());
    daemon.fetch(CONFIG).unwrap();
    daemon.fetch("live/vmlinuz").unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"<13>hello", daemon.syslog).unwrap();
    wait_for("the line", || daemon.log("syslog").iter().any(|l| l.contains("hello")).then_some(()));
    daemon.event("mobile_init_started", json!({}));
    // Said twice, as boards do: the second is ignored.
    daemon.event("mobile_init_started", json!({}));
    daemon.event("image_downloading", json!({"reason": "from here"}));
    download(daemon, 1000);
    download(daemon, u64::MAX);
    daemon.event("image_extracting", json!({}));
    daemon.event("image_rebooting", json!({}));
    daemon.wait_for_state("ready");
}

#[test]
fn a_board_is_told_of_from_power_to_rest_and_compared_with_itself() {
    let lab = lab();
    let daemon = lab.serve();
    assert_eq!(attempts(&daemon, ""), [] as [Value; 0]);
    for _ in 0..3 {
        install(&daemon);
    }
    // The last step from outside may come a moment after the state.
    let all = wait_for("the last answer", || {
        let all = attempts(&daemon, "");
        all.iter().all(|a| steps(a).contains(&"ping answers".into())).then_some(all)
    });
    assert_eq!(all.len(), 3);
    for (n, attempt) in all.iter().enumerate() {
        assert_eq!((&attempt["purpose"], &attempt["image"]), (&json!("image"), &json!("web")));
        assert_eq!((&attempt["outcome"], &attempt["state"]), (&json!("ok"), &json!("ready")), "{attempt:#}");
        assert!(attempt["ended"].is_string() && attempt["request_id"].is_null(), "{attempt:#}");
        let told = steps(attempt);
        let mut place = 0;
        for want in [
            "state pxe_power_cycling",
            "power off",
            "power on",
            "!tftp live/nothing",
            &format!("tftp {CONFIG}"),
            "event mobile_init_started",
            "!event mobile_init_started",
            "event image_downloading",
            "!http images/web.img",
            "http images/web.img",
            "event image_extracting",
            "event image_rebooting",
            "ping answers",
        ] {
            let at = told.iter().skip(place).position(|s| s == want);
            place += at.unwrap_or_else(|| panic!("{n}: {want} is not behind {place} in {told:#?}"));
        }
        let states =
            ["pxe_booting", "mobile_init_started", "image_downloading", "image_extracting", "image_pinging"];
        for state in states {
            assert!(step(attempt, "state", state)["took_ms"].is_u64());
        }
        assert_eq!(step(attempt, "tftp", "live/vmlinuz")["bytes"], 30_000);
        assert_eq!(step(attempt, "syslog", "first line")["what"], "first line: hello");
        assert_eq!(step(attempt, "event", "image_downloading")["what"], "from here");
        let loaded: Vec<&Value> =
            attempt["steps"].as_array().unwrap().iter().filter(|s| s["kind"] == "http").collect();
        assert_eq!((loaded.len(), &loaded[1]["bytes"]), (2, &json!(IMAGE_BYTES)));
        assert!(loaded[0]["what"].as_str().unwrap().starts_with("broke off after "), "{}", loaded[0]);
        let times: Vec<u64> =
            attempt["steps"].as_array().unwrap().iter().map(|s| s["at_ms"].as_u64().unwrap()).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert!(attempt["usual_duration_ms"].is_u64() && attempt["verdict"].is_string(), "{attempt:#}");
        assert!(step(attempt, "power", "on")["usual_ms"].is_u64() && attempt["missing"] == json!([]));
    }
    assert_eq!(attempts(&daemon, "?limit=1"), all[..1]);
    let second = all[1]["id"].as_i64().unwrap();
    assert_eq!(attempts(&daemon, &format!("?before={second}")), all[2..]);
    assert_eq!(daemon.get("device/board-1/attempts?limit=2")["more"], true);

    // One more, and the board falls silent after its boot config. With a shorter limit that costs this test less.
    let (status, answer) = put(&daemon, "hardware_type/test%20board", r#"{"limits": {"pxe_booting": 2}}"#);
    assert_eq!(status, 200, "{answer}");
    daemon.event("please_image", json!({"image": "web", "boot_config": {"url": "x"}}));
    daemon.wait_for_state("pxe_booting");
    let details = daemon.get("device/board-1/details");
    assert_eq!(details["attempt"], json!({"counter": "pxe_booting", "used": 0, "allowed": 30}));
    assert_eq!(details["limit_s"], 2);
    let running = &attempts(&daemon, "?limit=1")[0];
    let verdict = running["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("waits for the board to ask for a boot config, "), "{verdict}");
    assert_eq!((&running["outcome"], &running["ended"]), (&json!("running"), &Value::Null));
    daemon.fetch(CONFIG).unwrap();
    daemon.wait_for_state("pxe_power_cycling");
    let two = attempts(&daemon, "?limit=2");
    assert_eq!((&two[0]["outcome"], &two[1]["outcome"]), (&json!("running"), &json!("failed")));
    assert_eq!(two[1]["state"], "pxe_booting");
    let verdict = two[1]["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("stopped after the boot config"), "{verdict}");
    assert!(verdict.contains("the board never loaded vmlinuz (usually after "), "{verdict}");
    assert_eq!(two[1]["missing"][0]["name"], "live/vmlinuz");
    assert_eq!(daemon.get("device/board-1/details")["attempt"]["counter"], "power_cycling");
    assert!(daemon.terminate().success());

    // It is all still there.
    let daemon = lab.serve();
    assert_eq!(attempts(&daemon, "?limit=100").len(), 5);
    assert!(daemon.terminate().success());
}

fn put(daemon: &Daemon, path: &str, body: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.put(format!("http://{}/api/{path}", daemon.http)).send(body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// The daemon with an emulated rack; killed at the end.
struct Demo(std::process::Child, String);

impl Drop for Demo {
    fn drop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
        let _ = self.0.wait();
    }
}

#[test]
fn emulated_boards_have_a_full_timeline_each() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mozpool"));
    command.args(["demo", "--boards", "4"]).env("TMPDIR", folder.path()).env_remove("RUST_LOG");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let api = lines.find_map(|l| l.unwrap().strip_prefix("  API       ").map(str::to_owned)).unwrap();
    let demo = Demo(child, api);
    assert!(lines.any(|l| l.unwrap().contains("Ctrl-C")), "it ended by itself");
    let attempt = |number: u32| {
        let url = format!("{}device/board-{number:03}/attempts?limit=1", demo.1);
        let text = ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap();
        let all: Value = serde_json::from_str(&text).unwrap();
        all["attempts"][0].clone()
    };
    for number in 1..=4 {
        let answered = |a: &Value| steps(a).contains(&"ping answers".into());
        wait_for("the last answer", || answered(&attempt(number)).then_some(()));
    }
    for number in 1..=4 {
        let last = &attempt(number);
        assert_eq!((&last["purpose"], &last["outcome"]), (&json!("image"), &json!("ok")), "{last:#}");
        for (kind, name, bytes) in [
            ("power", "off", false),
            ("power", "on", false),
            ("tftp", "live/vmlinuz", true),
            ("tftp", "live/initrd.img", true),
            ("syslog", "first line", false),
            ("event", "mobile_init_started", false),
            ("http", "second-stages/write-image.sh", true),
            ("http", "images/demo.img", true),
            ("event", "image_rebooting", false),
            ("ping", "answers", false),
        ] {
            let step = step(last, kind, name);
            assert_eq!(step["bytes"].as_u64().is_some_and(|n| n > 0), bytes, "{step}");
            assert!(step["usual_ms"].is_u64(), "four boards of one kind are enough: {step}");
        }
        assert!(steps(last).iter().all(|s| !s.starts_with('!')), "{last:#}");
    }
}

//! Clients that boards and CI jobs really have: busybox wget, curl.

use crate::world::start;
use std::process::Command;

/// Runs a client; its standard output. What it cannot do fails the test.
fn run(package: &str, args: &[&str]) -> String {
    let output = Command::new(args[0])
        .args(&args[1..])
        .env_remove("http_proxy")
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}; install the Debian package {package}", args[0]));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {errors}");
    String::from_utf8(output.stdout).expect("the answer is text")
}

#[test]
fn busybox_wget_reports_and_goes_on_with_a_download() {
    let world = start();
    let api = format!("http://{}/api", world.addr);
    let wget = |args: &[&str]| run("busybox", &[&["timeout", "20", "busybox", "wget", "-q"], args].concat());
    let event = format!("{api}/device/panda-0001/event");
    let accepted = r#"{"accepted":true,"state":"ready"}"#;
    assert_eq!(wget(&["-O", "-", &format!("{event}/b2g_downloading/")]), accepted);
    assert_eq!(world.heard(), "panda-0001 Signal { signal: B2gDownloading, detail: None, proof: NotNeeded }");
    let post = ["-O", "-", "--post-data", r#"{"reason":"sum"}"#, &format!("{event}/image_failed")];
    assert_eq!(wget(&post), accepted);
    assert_eq!(
        world.heard(),
        r#"panda-0001 Signal { signal: ImageFailed, detail: Some("sum"), proof: NotNeeded }"#
    );
    assert_eq!(wget(&["-O", "-", &format!("{api}/device/panda-0002/bootconfig/")]), r#"{"b2gbase":null}"#);

    let image: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[1]).collect();
    std::fs::write(world.files.path().join("disk.img"), &image).unwrap();
    let here = tempfile::tempdir().unwrap();
    let part = here.path().join("disk.img");
    let url = format!("http://{}/files/disk.img", world.addr);
    wget(&["-O", part.to_str().unwrap(), &url]);
    assert!(std::fs::read(&part).unwrap() == image, "the whole of it");
    // As after a power cut in the middle.
    std::fs::write(&part, &image[..1_234_567]).unwrap();
    wget(&["-c", "-O", part.to_str().unwrap(), &url]);
    assert!(std::fs::read(&part).unwrap() == image, "the rest of it");
}

#[test]
fn curl_is_understood_in_all_its_moods() {
    let world = start();
    let url = |path: &str| format!("http://{}{path}", world.addr);
    let curl =
        |args: &[&str]| run("curl", &[&["curl", "-sS", "--max-time", "20", "--noproxy", "*"], args].concat());
    let status = ["-o", "/dev/null", "-w", "%{http_code} %{size_download}"];
    for mood in [&["--http1.0"][..], &["--http1.1"], &["--http2"], &["-H", "Connection: close"]] {
        let seen =
            curl(&[mood, &["-X", "POST", "-d", "{}", &url("/api/request/1/return/")], &status].concat());
        assert_eq!(seen, "204 0", "{mood:?}");
    }
    let body = format!(r#"{{"comments":"{}"}}"#, "x".repeat(100_000));
    let file = world.files.path().join("body");
    std::fs::write(&file, body).unwrap();
    let data = format!("@{}", file.display());
    let comments = url("/api/device/panda-0001/set-comments/");
    for mood in
        [&["-H", "Expect: 100-continue"][..], &["-H", "Expect:"], &["-H", "Transfer-Encoding: chunked"]]
    {
        assert_eq!(curl(&[mood, &["--data-binary", &data, &comments]].concat()), "null", "{mood:?}");
    }
    std::fs::write(&file, "y".repeat(2 << 20)).unwrap();
    assert_eq!(
        curl(&[&["--data-binary", &data, &comments], &status[..2], &["-w", "%{http_code}"]].concat()),
        "413"
    );
    assert_eq!(curl(&["-r", "0-4", &url("/files/body")]), "yyyyy");
    assert_eq!(curl(&[&["-I", &url("/files/body")], &status[..]].concat()), "200 0");
}

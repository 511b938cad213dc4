//! The programs that boards and people download with.

use crate::rig::{Rig, pattern};
use std::path::Path;
use std::process::{Command, Stdio};

/// Large enough to go through more than one piece.
const SIZE: usize = 3_000_000;

/// Runs a line of shell in a new folder with `$U`, where the files are; its output.
fn run(rig: &Rig, line: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .args(["-euc", line])
        .env("U", format!("http://{}/files", rig.daemon.http))
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {text}");
    (dir, text)
}

fn has(dir: &Path, name: &str, bytes: &[u8]) {
    assert!(std::fs::read(dir.join(name)).unwrap() == bytes, "{name} is another");
}

/// The beginning of `image`, as a download that was broken off leaves it.
fn begun() -> Vec<u8> {
    pattern(0, SIZE / 3)
}

fn rig() -> Rig {
    let rig = Rig::start();
    rig.put("image", SIZE);
    std::fs::write(rig.path("begun"), begun()).unwrap();
    rig
}

#[test]
fn curl_loads_parts_goes_on_and_asks_whether_it_is_new() {
    let rig = rig();
    let (dir, _) = run(&rig, "curl -sS -o part -r 1000-2999999 $U/image; curl -sS -o tail -r -5 $U/image");
    has(dir.path(), "part", &pattern(1000, SIZE - 1000));
    has(dir.path(), "tail", &pattern(SIZE - 5, 5));
    let (dir, _) = run(&rig, "curl -sS -o image $U/begun; curl -sS -C - -o image $U/image");
    has(dir.path(), "image", &pattern(0, SIZE));
    let (dir, _) =
        run(&rig, "curl -sS -0 -o one $U/image; curl -sS -r 0-1,5-6 -o two $U/ten; curl -sSI $U/image");
    has(dir.path(), "one", &pattern(0, SIZE));
    has(dir.path(), "two", b"0123456789");
    let (_, codes) = run(
        &rig,
        "c() { curl -s -o out -w '%{http_code} ' \"$@\"; }; c $U/ten; c -z out $U/ten; c -z 'Mon, 01 Jan 2001 00:00:00 GMT' $U/ten
         c --etag-save tag $U/ten; c --etag-compare tag $U/ten; c -C 10 $U/ten || true; c $U/../secret --path-as-is",
    );
    assert_eq!(codes.trim(), "200 304 200 200 304 416 404");
}

#[test]
fn curl_unpacks_a_variant() {
    let rig = rig();
    run(&rig, &format!("cd {}; gzip -k image", rig.lab.path("files").display()));
    let (dir, sizes) = run(
        &rig,
        "curl -sS --compressed -o image -w '%{size_download} ' $U/image
         curl -sS --compressed -H 'Accept-Encoding: gzip' -o begun $U/begun
         curl -sS --compressed -C - -o begun $U/image",
    );
    has(dir.path(), "image", &pattern(0, SIZE));
    has(dir.path(), "begun", &pattern(0, SIZE));
    let packed = std::fs::metadata(rig.path("image.gz")).unwrap().len();
    assert_eq!(sizes.trim(), packed.to_string(), "it came packed");
}

#[test]
fn wget_goes_on_where_it_was() {
    let rig = rig();
    let (dir, _) =
        run(&rig, "wget -q -O image $U/begun; wget -q -c $U/image; wget -q -c $U/image; wget -q $U/ten");
    has(dir.path(), "image", &pattern(0, SIZE));
    has(dir.path(), "ten", b"0123456789");
    // With the file's date: what is not newer is not loaded again.
    let (_, text) = run(&rig, "wget -q -N $U/ten; wget -nv -S -N $U/ten 2>&1");
    assert!(text.contains("304 Not Modified"), "{text}");
}

#[test]
fn busybox_goes_on_where_it_was() {
    let rig = rig();
    let (dir, _) = run(
        &rig,
        "busybox wget -q -O image $U/begun; busybox wget -q -c -O image $U/image; busybox wget -q -O whole $U/image
         busybox wget -q --spider $U/ten",
    );
    has(dir.path(), "image", &pattern(0, SIZE));
    has(dir.path(), "whole", &pattern(0, SIZE));
}

#[test]
fn the_boards_own_reader_survives_a_broken_connection() {
    let rig = rig();
    // As init-scripts/second-stages/stream.sh asks: by HTTP/1.0, and from the middle with the tag of the beginning.
    let tag = rig.get("image", &[]).header("etag").unwrap().to_owned();
    let answer = crate::client::send(
        rig.daemon.http,
        &[
            "GET /files/image HTTP/1.0",
            "Connection: close",
            "Range: bytes=1000000-",
            &format!("If-Range: {tag}"),
        ],
        b"",
    );
    assert_eq!((answer.status, answer.header("content-range")), (206, Some("bytes 1000000-2999999/3000000")));
    assert!(answer.body == pattern(1_000_000, SIZE - 1_000_000));
}

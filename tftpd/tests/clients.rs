//! The clients that people and boards use, against our server: tftp-hpa, atftp, curl and busybox.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod common;

use common::{PATIENCE, Running, noise, options};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tftpd::Outcome;

/// Runs a client to its end. They all have time-outs of their own; `timeout` is for those that forget them.
fn run(dir: &Path, program: &str, package: &str, arguments: &[&str]) -> bool {
    let limit = PATIENCE.as_secs().to_string();
    let child = Command::new("timeout")
        .arg(limit)
        .arg(program)
        .args(arguments)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("`timeout` runs (Debian package coreutils)");
    // timeout(1) says 127 for a program that is not there.
    assert_ne!(child.status.code(), Some(127), "{program} is missing: install the Debian package {package}");
    child.status.success()
}

/// Fetches with one client and compares; `{port}` and `{file}` are filled in, `_` is a blank inside an argument, and
/// the file arrives as `got`.
fn check(program: &str, package: &str, arguments: &str, file: &[u8], granted: &str) {
    let server = Running::local(&[("dir/file", file)]);
    let dir = tempfile::tempdir().unwrap();
    let port = server.address().port().to_string();
    let fill = |name: &str| -> Vec<String> {
        arguments
            .split(' ')
            .map(|a| a.replace("{port}", &port).replace("{file}", name).replace('_', " "))
            .collect()
    };
    let words = fill("dir/file");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ended = run(dir.path(), program, package, &words);
    let got = std::fs::read(dir.path().join("got"));
    assert!(ended && got.as_ref().is_ok_and(|got| got == file), "{program} {words:?}: {ended}, {got:?}");
    let record = server.record();
    assert_eq!(
        (record.outcome, record.options),
        (Outcome::Complete, options(granted)),
        "{program} {words:?}"
    );

    let (words, asked) = (fill("dir/none"), Instant::now());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    run(dir.path(), program, package, &words);
    assert_eq!(server.stats.refused.get(), 1, "{program} heard of the missing file");
    assert!(asked.elapsed() < PATIENCE / 2, "{program} did not believe it");
}

#[test]
fn tftp_hpa_in_both_modes() {
    let file = noise(100_000);
    check("tftp", "tftp-hpa", "-m binary 127.0.0.1 {port} -c get {file} got", &file, "");
    check("tftp", "tftp-hpa", "-m binary 127.0.0.1 {port} -c get {file} got", &noise(512), "");
    // Its default is netascii, which it turns back into our line ends.
    check(
        "tftp",
        "tftp-hpa",
        "127.0.0.1 {port} -c get {file} got",
        "one\ntwo\n\nfour".repeat(500).as_bytes(),
        "",
    );
}

#[test]
fn atftp_with_and_without_a_window() {
    let file = noise(100_000);
    let plain = "--get -r {file} -l got 127.0.0.1 {port}";
    check("atftp", "atftp", plain, &file, "");
    let options = "--option blksize_1408 --option tsize_0 --option windowsize_8";
    let granted = "blksize=1408 tsize=100000 windowsize=8";
    check("atftp", "atftp", &format!("{options} {plain}"), &file, granted);
    check("atftp", "atftp", &format!("--option blksize_512 {plain}"), &noise(1024), "blksize=512");
}

#[test]
fn curl() {
    let (file, url) = (noise(100_000), "-sf -o got tftp://127.0.0.1:{port}//{file}");
    check("curl", "curl", url, &file, "tsize=100000 blksize=512 timeout=6");
    let large = format!("--tftp-blksize 1468 {url}");
    check("curl", "curl", &large, &file, "tsize=100000 blksize=1468 timeout=6");
    check("curl", "curl", &format!("--tftp-no-options {url}"), &file, "");
}

#[test]
fn busybox() {
    let file = noise(100_000);
    let words = "tftp -g -r {file} -l got -b 1468 127.0.0.1 {port}";
    check("busybox", "busybox", words, &file, "blksize=1468 tsize=100000");
}

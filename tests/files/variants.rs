//! Variants that were compressed in advance.

use crate::rig::Rig;
use std::os::unix::fs::symlink;

fn rig() -> Rig {
    let rig = Rig::start();
    std::fs::write(rig.path("page.html"), "as it is").unwrap();
    std::fs::write(rig.path("page.html.gz"), "by gzip").unwrap();
    std::fs::write(rig.path("page.html.zst"), "by zstd").unwrap();
    rig.age("page.html", 60);
    rig
}

#[test]
fn who_takes_a_variant_gets_it_under_its_own_tag() {
    let rig = rig();
    let mut tags = Vec::new();
    for (accept, body, coding) in [
        ("identity", "as it is", None),
        ("gzip", "by gzip", Some("gzip")),
        ("gzip, deflate, zstd", "by zstd", Some("zstd")),
    ] {
        let answer = rig.get("page.html", &[&format!("Accept-Encoding: {accept}")]);
        assert_eq!(answer.line(), format!("200 {body}"), "{accept}");
        assert_eq!(answer.header("content-encoding"), coding);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "of what it unpacks to");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
        let tag = answer.header("etag").unwrap().to_owned();
        let known =
            rig.get("page.html", &[&format!("Accept-Encoding: {accept}"), &format!("If-None-Match: {tag}")]);
        assert_eq!((known.status, known.header("etag")), (304, Some(tag.as_str())));
        assert_eq!(known.header("vary"), Some("Accept-Encoding"));
        assert_eq!(known.header("content-length"), None);
        tags.push((tag, answer.header("last-modified").unwrap().to_owned()));
    }
    assert!(tags[0].0 != tags[1].0 && tags[1].0 != tags[2].0 && tags[0].0 != tags[2].0, "{tags:?}");
    assert!(
        tags[0].1 == tags[1].1 && tags[1].1 == tags[2].1,
        "what it unpacks to is as old as the file: {tags:?}"
    );
    // A list may come in lines.
    let lines = rig.get("page.html", &["Accept-Encoding: deflate", "Accept-Encoding: gzip;q=0.1"]);
    assert_eq!(lines.line(), "200 by gzip");
    let head = rig.call("HEAD", "page.html", &["Accept-Encoding: gzip"]);
    assert_eq!((head.header("content-length"), head.header("content-encoding")), (Some("7"), Some("gzip")));
    assert_eq!(rig.get("page.html", &[]).line(), "200 as it is", "who says nothing has no program for it");
}

#[test]
fn a_range_is_never_of_a_variant() {
    let rig = rig();
    let range = rig.get("page.html", &["Accept-Encoding: gzip", "Range: bytes=3-"]);
    assert_eq!(range.line(), "206 it is");
    assert_eq!(range.header("content-encoding"), None);
    let tag = rig.get("page.html", &["Accept-Encoding: gzip"]).header("etag").unwrap().to_owned();
    let of_variant =
        rig.get("page.html", &["Accept-Encoding: gzip", "Range: bytes=3-", &format!("If-Range: {tag}")]);
    assert_eq!(of_variant.line(), "200 as it is", "the beginning that it has is of something else");
}

#[test]
fn a_variant_that_may_not_be_of_this_file_is_left_alone() {
    let rig = rig();
    let get = |name: &str| rig.get(name, &["Accept-Encoding: zstd, gzip;q=0.5"]);
    rig.age("page.html.zst", 120);
    assert_eq!(get("page.html").line(), "200 by gzip", "the other one is older than the file");
    rig.age("page.html.gz", 120);
    assert_eq!(get("page.html").line(), "200 as it is");
    // What there is by another name only is not made up.
    std::fs::remove_file(rig.path("page.html")).unwrap();
    assert_eq!(get("page.html").error(), (404, "not_found".into()));
    assert_eq!(get("page.html.gz").line(), "200 by gzip");
    // A link out of the root is none, under this name either.
    std::fs::write(rig.lab.path("secret"), "secret").unwrap();
    symlink("../secret", rig.path("ten.zst")).unwrap();
    std::fs::create_dir(rig.path("ten.gz")).unwrap();
    assert_eq!(get("ten").line(), "200 0123456789");
    rig.hears(&["file=ten.zst not served", "out of the served directory"]);
    rig.is_well();
}

//! Links lead somewhere, and files that are named are there. No network: links to elsewhere are not followed.

use super::text::{anchors, documents, prose, root};
use std::fs;

/// The targets of a document's links and pictures.
fn links(text: &str) -> Vec<String> {
    let text: String = prose(text).join("\n");
    // In code spans brackets are no links.
    let outside: String = text.split('`').step_by(2).collect();
    outside.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut seen = 0;
    for (name, text) in &documents() {
        let folder = root().join(name).parent().unwrap().to_owned();
        for link in links(text) {
            if link.contains("://") {
                continue;
            }
            seen += 1;
            let (path, wanted) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { root().join(name) } else { folder.join(path) };
            assert!(target.exists(), "{name} links to {path}, which is not there");
            // On the web page a folder shows what is in it; in the book it shows nothing.
            assert!(target.is_file(), "{name} links to {path}, which is a folder");
            if !wanted.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                assert!(
                    anchors(&target).contains(wanted),
                    "{name} links to {link}, and there is no such heading"
                );
            }
        }
    }
    assert!(seen > 50, "{seen} links were found; the documents have more");
}

#[test]
fn files_that_are_named_exist() {
    let folders =
        ["docs/", "packaging/", "init-scripts/", "pxe-templates/", "tests/", "src/", "mozpoolclient/"];
    for (name, text) in documents() {
        // A comment is for whoever edits the page.
        let text: String = text.lines().filter(|l| !l.starts_with("<!--")).collect::<Vec<_>>().join("\n");
        for word in text.split(|c: char| c.is_whitespace() || "`()[]|,;\"'".contains(c)) {
            let word = word.trim_end_matches(['.', ':']);
            let path = word.split('#').next().unwrap();
            if folders.iter().any(|f| path.starts_with(f)) {
                let here = root().join(&name).parent().unwrap().join(path);
                assert!(root().join(path).exists() || here.exists(), "{name} names {path}");
            }
        }
    }
}

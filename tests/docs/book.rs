//! The book: mdbook makes it, every page is in it, and every link in what it made leads to a file and a place that are there.

use super::text::{documents, read, root};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

/// Documents that are no pages of the book.
const NO_PAGES: [&str; 2] = ["docs/SUMMARY.md", "mozpoolclient/README.md"];

#[test]
fn every_document_is_a_page_of_the_book() {
    let summary = read("docs/SUMMARY.md");
    let listed: BTreeSet<String> = summary
        .split("](")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap())
        .map(|link| link.strip_prefix("../").map_or_else(|| format!("docs/{link}"), str::to_owned))
        .collect();
    let there: BTreeSet<String> =
        documents().into_keys().filter(|name| !NO_PAGES.contains(&&**name)).collect();
    assert_eq!(listed, there, "docs/SUMMARY.md is the table of contents");
}

/// `/a/./b/../c` is `/a/c`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            _ => out.push(part),
        }
    }
    out
}

/// What stands in an attribute of a page: `href="…"`.
fn attributes<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    page.split(&format!(" {name}=\"")).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// All pages below a folder.
fn pages(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            pages(&path, found);
        } else if path.extension().is_some_and(|e| e == "html") {
            let text = fs::read_to_string(&path).unwrap();
            found.insert(path, text);
        }
    }
}

#[test]
fn the_book_is_made_and_no_link_in_it_is_dead() {
    let folder = tempfile::tempdir().unwrap();
    let book = folder.path().join("book");
    let made =
        Command::new(root().join("docs/make-book.sh")).arg(&book).output().expect("docs/make-book.sh runs");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}\n(needs mdbook 0.5: tests/run installs it)");
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");

    let mut made = BTreeMap::new();
    pages(&book, &mut made);
    for name in documents().into_keys().filter(|name| !NO_PAGES.contains(&&**name)) {
        let page = name.replace(".md", ".html");
        assert!(made.contains_key(&book.join(&page)), "{name} has no page {page}");
    }
    let mut seen = 0;
    for (page, text) in &made {
        // All chapters on one page, with links as the chapters have them; the page for what is not there is served anywhere.
        if page.ends_with("print.html") || page.ends_with("404.html") || page.ends_with("toc.html") {
            continue;
        }
        let links = attributes(text, "href").into_iter().chain(attributes(text, "src"));
        for link in
            links.filter(|l| !l.contains("://") && !l.starts_with("data:") && !l.starts_with("mailto:"))
        {
            seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if path.is_empty() { page.clone() } else { plain(&page.parent().unwrap().join(path)) };
            let name = page.strip_prefix(&book).unwrap().display();
            assert!(target.is_file(), "{name} links to {link}, and there is no {}", target.display());
            if !anchor.is_empty() {
                let there = made.get(&target).is_some_and(|t| t.contains(&format!("id=\"{anchor}\"")));
                assert!(there, "{name} links to {link}, and there is no such place");
            }
        }
        // It is read where there is no network.
        for link in attributes(text, "src") {
            assert!(!link.contains("://"), "{} fetches {link}", page.display());
        }
    }
    assert!(seen > 500, "{seen} links were found; the book has more");
}

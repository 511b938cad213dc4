//! The documents as text: which there are, their blocks, tables and headings, and where the built programs lie.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Every document of the project, by its path.
pub(super) fn documents() -> BTreeMap<String, String> {
    let mut names: Vec<String> =
        ["init-scripts/README.md", "mozpoolclient/README.md"].map(String::from).into();
    names.retain(|name| root().join(name).exists());
    for (folder, before) in [(".", ""), ("docs", "docs/")] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                names.push(format!("{before}{name}"));
            }
        }
    }
    names.into_iter().map(|n| (n.clone(), read(&n))).collect()
}

/// Fenced blocks: info string, text, line.
pub(super) fn blocks(document: &str) -> Vec<(String, String, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(String, String, usize)> = None;
    for (i, line) in document.lines().enumerate() {
        // Blocks in lists are indented.
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(info), None) => open = Some((info.trim().to_owned(), String::new(), i + 1)),
            (Some(_), Some(_)) => found.extend(open.take()),
            (None, Some((_, text, _))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    found
}

/// The lines outside of fenced blocks, without comments, which are for whoever edits the page.
pub(super) fn prose(document: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside && !line.starts_with("<!--") {
            lines.push(line);
        }
    }
    lines
}

/// What stands between single backticks in a line.
pub(super) fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Table rows as cells.
pub(super) fn rows(document: &str) -> Vec<Vec<&str>> {
    prose(document)
        .into_iter()
        .filter_map(|l| l.strip_prefix('|')?.strip_suffix('|'))
        .map(|l| l.split('|').map(str::trim).collect())
        .collect()
}

/// The anchors of a document's headings, as GitHub and mdbook make them: both count the second of a name from 1.
pub(super) fn anchors(document: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for heading in prose(document).into_iter().filter(|l| l.starts_with('#')) {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let name: String = text
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let again = (1..).map(|n| format!("{name}-{n}"));
        let anchor = std::iter::once(name.clone()).chain(again).find(|a| !found.contains(a)).unwrap();
        found.insert(anchor);
    }
    found
}

/// Table rows by what stands between backticks in their first cell.
pub(super) fn rows_by_name(document: &str) -> BTreeMap<&str, Vec<Vec<&str>>> {
    let mut found: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for row in rows(document) {
        for name in spans(row[0]) {
            found.entry(name).or_default().push(row.clone());
        }
    }
    found
}

/// The numbers in a cell.
pub(super) fn numbers(cell: &str) -> BTreeSet<u32> {
    cell.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

/// The folder of the built programs.
pub(super) fn programs() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_mozpool")).parent().unwrap();
    let relayctl = folder.join("relayctl");
    assert!(relayctl.exists(), "{} is missing; `cargo build --workspace` makes it", relayctl.display());
    folder.to_owned()
}

//! The architecture's rules that a compiler does not check, read from the source text: who may use whom, where SQL and wire
//! types live, that files open with what they are, and that every dependency builds with the stated Rust version.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// No source file is longer; beyond it a file is a heap. Tables and test stories may be.
const LINES_MAX: usize = 700;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below the given folders of the tree, with its text and its path from the root.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    files(folders, &["rs"])
}

/// Every file with one of these endings.
fn files(folders: &[&str], ends: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|f| root().join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| ends.iter().any(|end| e == *end)) {
                let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty());
    found.sort();
    found
}

/// The text before the file's unit tests, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line));
    lines
        .take_while(|(_, l)| !l.starts_with("#[cfg(test)]"))
        .filter(|(_, l)| !l.trim_start().starts_with("//"))
}

#[test]
fn nothing_is_left_of_a_merge() {
    let output = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output().expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("names are UTF-8");
    let marks = ["<<<<<<<", "|||||||", ">>>>>>>"].map(|mark| format!("{mark} "));
    for name in names.split_terminator('\0').filter(|name| root().join(name).is_file()) {
        let text = fs::read(root().join(name)).expect("a file of the tree");
        for (n, line) in String::from_utf8_lossy(&text).lines().enumerate() {
            assert!(!marks.iter().any(|mark| line.starts_with(mark)), "{name}:{}: {line}", n + 1);
        }
    }
}

#[test]
fn logic_uses_std_and_itself_only() {
    let files = sources(&["src/logic"]).into_iter();
    for (file, text) in files.filter(|(f, _)| !f.ends_with("/tests.rs")) {
        for (n, line) in code(&text) {
            for part in [
                "rusqlite",
                "serde",
                "crossbeam",
                "mio",
                "nix",
                "httparse",
                " log::",
                "(log::",
                "std::net",
                "std::fs",
                "std::thread",
                "std::process",
                "Instant",
                "SystemTime",
                "crate::store",
                "crate::layers",
                "crate::api",
                "crate::boot",
                "crate::clock",
            ] {
                assert!(!line.contains(part), "{file}:{n}: {part} has no place in logic: {line}");
            }
            if let Some(used) = line.strip_prefix("use ").or_else(|| line.strip_prefix("pub use ")) {
                let known = [
                    "std::",
                    "super::",
                    "crate::logic::",
                    "self::",
                    "table::",
                    "state::",
                    "step::",
                    "pick::",
                    "Please::",
                    "Verdict::",
                ];
                assert!(
                    known.iter().any(|k| used.starts_with(k)) || used.starts_with("named_enum"),
                    "{file}:{n}: {line}"
                );
            }
        }
    }
}

#[test]
fn the_libraries_know_nothing_of_devices() {
    for folder in ["tftpd", "syslogd", "relayctl"] {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        for other in ["mozpool", "tftpd", "syslogd", "relayctl"].iter().filter(|o| **o != folder) {
            assert!(!manifest.contains(&format!("{other}.")), "{folder} depends on {other}");
        }
    }
}

#[test]
fn the_api_reads_the_store_and_never_steps_a_machine() {
    for (file, text) in sources(&["src/api"]) {
        for (n, line) in code(&text) {
            assert!(!line.contains("step("), "{file}:{n}: {line}");
        }
    }
}

#[test]
fn sql_stays_in_the_store() {
    for (file, text) in sources(&["src"]).into_iter().filter(|(f, _)| !f.starts_with("src/store/")) {
        for (n, line) in code(&text) {
            for word in ["SELECT ", "INSERT INTO", "DELETE FROM", "rusqlite"] {
                assert!(!line.contains(word), "{file}:{n}: SQL outside of the store: {line}");
            }
        }
    }
}

#[test]
fn channels_are_made_by_the_layers_and_are_bounded() {
    for (file, text) in sources(&["src"]) {
        for (n, line) in code(&text) {
            assert!(!line.contains("unbounded"), "{file}:{n}: a queue without an end: {line}");
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_none_is_a_heap() {
    for (file, text) in sources(&["src", "tests", "tftpd", "syslogd", "relayctl"]) {
        assert!(text.starts_with("//!"), "{file} does not open with its intent");
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{file} has {lines} lines");
    }
}

#[test]
fn the_page_makes_no_markup_of_text_and_needs_nothing_from_elsewhere() {
    // What turns a text into markup or code; and addresses but that of SVG's name.
    let words = [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "http:",
        "https:",
    ];
    for (file, text) in files(&["src/ui/assets"], &["js", "css", "html"]) {
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{file} has {lines} lines");
        let begins = ["// ", "/* ", "<!doctype"].iter().any(|intent| text.starts_with(intent));
        assert!(begins, "{file} does not open with its intent");
        for (n, line) in text.lines().enumerate() {
            let line = line.replace("http://www.w3.org/2000/svg", "");
            assert!(!words.iter().any(|w| line.contains(w)), "{file}:{}: {line}", n + 1);
        }
    }
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    // Spelled in halves, so that this file does not find itself.
    let words =
        [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimpl", "emented!(")];
    for (file, text) in sources(&["src", "tests", "tftpd", "syslogd", "relayctl"]) {
        for (n, line) in text.lines().enumerate() {
            assert!(!words.iter().any(|w| line.contains(w)), "{file}:{}: {line}", n + 1);
            assert!(
                !line.contains(concat!("#[ig", "nore")),
                "{file}:{}: a test that does not run proves nothing",
                n + 1
            );
        }
    }
}

#[test]
fn every_dependency_builds_with_the_stated_rust_version() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs the tests, so it is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    // 1.89 and 1.89.0 are the same.
    let version = |text: &str| -> Vec<u32> {
        let numbers = text.split('.').map(|n| n.parse().unwrap()).chain([0, 0]);
        numbers.take(3).collect()
    };
    let packages = metadata["packages"].as_array().unwrap();
    let ours = packages.iter().find(|p| p["name"] == "mozpool").unwrap()["rust_version"].as_str().unwrap();
    for package in packages {
        if let Some(theirs) = package["rust_version"].as_str() {
            assert!(
                version(theirs) <= version(ours),
                "{} needs Rust {theirs}, we promise {ours}",
                package["name"]
            );
        }
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    assert!(readme.contains(&format!("Rust {ours}")), "README.md does not name Rust {ours}");
}

#[test]
fn documents_name_files_that_exist() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if !path.is_empty() && !path.contains("://") {
                assert!(Path::new(&root().join(path)).exists(), "{document} links to {path}");
            }
        }
    }
}

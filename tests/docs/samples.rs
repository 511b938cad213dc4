//! The sample files below packaging/ are true.

use super::text::{read, root};
use mozpool::boot::render::{ServerValues, render, sample_values};
use mozpool::clock::{Clock, SystemClock};
use mozpool::config::{Config, Host};
use mozpool::lab::{Kind, Lab};
use mozpool::store::Location;

#[test]
fn the_sample_lab_file_is_imported_and_then_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let location: Location =
        format!("sqlite:{}", folder.path().join("mozpool.db").display()).parse().unwrap();
    let lab = Lab::load(&root().join("packaging/lab.toml"), "imaging-1").unwrap();
    let mut store = location.open().unwrap();
    let changes = store.apply_lab(&lab, false, SystemClock.now()).unwrap();
    assert!(!changes.is_empty());
    assert_eq!(store.apply_lab(&lab, false, SystemClock.now()).unwrap(), []);
    // Every PXE config in it makes a text, and every field that a lab file has is in it, if only as a comment.
    let values = sample_values(&ServerValues::default());
    for config in store.pxe_configs().unwrap() {
        render(&config.name, &config.contents, &values).unwrap_or_else(|e| panic!("{e}"));
    }
    let text = read("packaging/lab.toml");
    for name in Kind::ALL
        .iter()
        .flat_map(|kind| [kind.name()].iter().chain(kind.fields()).copied().collect::<Vec<_>>())
    {
        let line = |l: &str| l.trim_start_matches('#').starts_with(&format!("{name} ="));
        let table = format!("[[{name}]]");
        let said = text.lines().any(|l| line(l) || l == table) || text.contains(&format!("`{name} = "));
        assert!(said, "packaging/lab.toml does not show {name}");
    }
}

#[test]
fn the_sample_configuration_is_read() {
    Config::parse(&read("packaging/mozpool.toml"), &Host::ask()).unwrap();
}

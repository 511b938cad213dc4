//! What docs/moving.md has for carrying the inventory over makes a lab file that is imported: run against a database with the
//! original's tables, which stands in for MySQL.

use super::text::{blocks, read};
use mozpool::lab::Lab;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Takes the words of the real one, and answers from a SQLite database in the same form.
const MYSQL: &str = r#"#!/usr/bin/env python3
import sqlite3, sys
assert sys.argv[1:5] == ["--batch", "--skip-column-names", "mozpool", "--execute"], sys.argv
db = sqlite3.connect(":memory:")
db.executescript("""
create table hardware_types (id integer primary key, type text, model text);
create table relay_boards (id integer primary key, name text, fqdn text, imaging_server_id integer);
create table devices (id integer primary key, name text, fqdn text, inventory_id integer, mac_address text, imaging_server_id integer,
  relay_info text, boot_config text, comments text, environment text, hardware_type_id integer);
insert into hardware_types values (1, 'panda', 'ES Rev B2'), (2, 'pc', '');
insert into relay_boards values (1, 'panda-relay-1', 'panda-relay-1.example.com', 1);
insert into devices values (1, 'panda-0001', 'panda-0001.example.com', 4711, '0a0b0c0d0e01', 1,
  'panda-relay-1.example.com:bank1:relay3', null, null, 'b2g', 1);
insert into devices values (2, 'pc-1', 'pc-1.example.com', 4712, '0a0b0c0d0e02', 1, null, null, null, null, 2);
""")
for row in db.execute(sys.argv[5]):
    print("\t".join(str(cell) for cell in row))
"#;

#[test]
fn the_inventory_of_an_original_becomes_a_lab_file() {
    let folder = tempfile::tempdir().unwrap();
    let mysql = folder.path().join("mysql");
    fs::write(&mysql, MYSQL).unwrap();
    fs::set_permissions(&mysql, fs::Permissions::from_mode(0o755)).unwrap();
    let (_, script, _) =
        blocks(&read("docs/moving.md")).into_iter().find(|(info, ..)| info == "sh export").unwrap();
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh").args(["-eu", "-c", &script]).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = folder.path().join("lab.toml");
    fs::write(&file, &output.stdout).unwrap();
    let lab = Lab::load(&file, "imaging-1")
        .unwrap_or_else(|e| panic!("{e}\n{}", String::from_utf8_lossy(&output.stdout)));
    let text = format!("{lab:?}");
    for wanted in ["panda-0001", "panda-relay-1.example.com", "ES Rev B2", "4711", "14, 2]"] {
        assert!(text.contains(wanted), "{wanted} is missing: {text}");
    }
}

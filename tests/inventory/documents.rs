//! What docs/inventory.md shows, word for word: its configurations, its files, its commands and what they say.

use crate::sources::{NETBOX_DEVICES, netbox_interface, netbox_page};
use crate::support::{Lab, mozpool};
use crate::web::Web;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const DOCUMENT: &str = include_str!("../../docs/inventory.md");

/// The block whose first line has these words.
fn block(info: &str) -> &'static str {
    let begin = format!("\n```{info}\n");
    let rest = DOCUMENT.split(&begin).nth(1).unwrap_or_else(|| panic!("no block `{info}`"));
    &rest[..rest.find("\n```").unwrap() + 1]
}

/// Runs commands of the document against a daemon with its configuration.
fn run(lab: &Lab, inventory: &str, commands: &str) -> String {
    let config = std::fs::read_to_string(lab.config()).unwrap();
    std::fs::write(lab.config(), format!("{config}\n{inventory}")).unwrap();
    let daemon = lab.serve();
    let program = mozpool(&lab.config()).get_program().to_owned();
    let programs = Path::new(&program).parent().unwrap().to_owned();
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&path))).unwrap();
    let output = Command::new("sh")
        .args(["-eu", "-c", commands])
        .env("PATH", path)
        .env("MOZPOOL_URL", format!("http://{}", daemon.http))
        .envs([("GIT_AUTHOR_NAME", "lab"), ("GIT_AUTHOR_EMAIL", "lab@localhost")])
        .envs([("GIT_COMMITTER_NAME", "lab"), ("GIT_COMMITTER_EMAIL", "lab@localhost")])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{commands}\n{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn the_lab_in_git_is_as_the_document_shows() {
    let lab = Lab::new();
    let folder = lab.path("lab");
    std::fs::create_dir(&folder).unwrap();
    let there = |text: &str| text.replace("/srv/lab", folder.to_str().unwrap());
    let git = Command::new("git").args(["init", "-q"]).arg(&folder).status().expect("git is installed");
    assert!(git.success());
    std::fs::write(folder.join("rack1.toml"), block("toml rack1.toml")).unwrap();
    let said = run(&lab, &there(block("toml inventory git")), &there(block("sh git")));
    assert_eq!(said, block("text git"));
}

#[test]
fn netbox_is_as_the_document_shows() {
    let lab = Lab::new();
    let web = Web::new();
    let device: Value = serde_json::from_str(block("json netbox")).unwrap();
    web.put(NETBOX_DEVICES, &netbox_page(1, &[device]));
    let interfaces = "/api/dcim/interfaces/?limit=500&offset=0&device_id=7";
    web.put(interfaces, &netbox_page(1, &[netbox_interface(1, 7, &json!({}))]));
    let token = lab.path("token");
    std::fs::write(&token, "0123abcd\n").unwrap();
    let config = block("toml inventory netbox")
        .replace("https://netbox.example.com", &web.url())
        .replace("/etc/mozpool/netbox.token", token.to_str().unwrap());
    assert_eq!(run(&lab, &config, block("sh netbox")), block("text netbox"));
}

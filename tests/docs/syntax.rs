//! What cannot be run here is at least read by what would run it: shells, Python, TOML, JSON, dnsmasq. (The other DHCP servers read
//! theirs in tests/quickstart, where they can be installed without harm.)

use super::text::{blocks, documents};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// Asks a program whether it understands a file.
fn accepts(program: &[&str], file: &std::path::Path) -> Result<(), String> {
    let output = Command::new(program[0])
        .args(&program[1..])
        .arg(file)
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}; tests/packages.txt and tests/rig/packages.txt", program[0]));
    let said = || String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(said()) }
}

#[test]
fn every_block_is_understood_by_what_would_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (name, text) in documents() {
        for (info, block, line) in blocks(&text) {
            let file = folder.path().join("block");
            fs::write(&file, &block).unwrap();
            let language = info.split(' ').next().unwrap();
            let read = match language {
                "sh" => accepts(&["sh", "-n"], &file),
                "bash" => accepts(&["bash", "-n"], &file),
                "python" => accepts(&["python3", "-m", "py_compile"], &file),
                "toml" => block.parse::<toml::Table>().map(drop).map_err(|e| e.to_string()),
                // `…` stands for more of the same, in a text.
                "json" => {
                    serde_json::from_str::<serde_json::Value>(&block).map(drop).map_err(|e| e.to_string())
                }
                "dnsmasq" => {
                    let option = format!("--conf-file={}", file.display());
                    let output = Command::new("dnsmasq").args(["--test", &option]).output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr).into_owned();
                    if output.status.success() { Ok(()) } else { Err(said) }
                }
                // Pictures, output, transcripts; CI systems' files; what tests/quickstart reads.
                "" | "text" | "yaml" | "groovy" | "dhcpd" => continue,
                other => panic!("{name}:{line}: nothing reads `{other}`"),
            };
            read.unwrap_or_else(|e| panic!("{name}:{line}: {e}\n{block}"));
            *seen.entry(language.to_owned()).or_default() += 1;
        }
    }
    for language in ["sh", "python", "toml", "json", "dnsmasq"] {
        assert!(seen.contains_key(language), "no block in {language}: {seen:?}");
    }
}

//! Commands that are named exist with their options, in documents and in what the program says.

use super::text::{blocks, documents, programs, prose, read, root, spans};
use std::fs;
use std::process::Command;

fn help(program: &str, subcommands: &[&str]) -> Option<String> {
    let output = Command::new(programs().join(program)).args(subcommands).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// What somebody would type: lines of shell blocks, and spans in the text that begin with a program's name.
fn commands(document: &str) -> Vec<String> {
    let blocks = blocks(document);
    let typed = blocks.iter().filter(|(info, ..)| info.starts_with("sh") || info.starts_with("text"));
    let lines = typed
        .flat_map(|(_, text, _)| text.replace("\\\n", " ").lines().map(str::to_owned).collect::<Vec<_>>());
    let spans = prose(document).into_iter().flat_map(spans).map(str::to_owned);
    lines.chain(spans).collect()
}

/// Commands that the program's own messages tell people to use.
fn said_by_the_program() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                found.push((
                    path.display().to_string(),
                    text.lines().flat_map(spans).map(str::to_owned).collect(),
                ));
            }
        }
    }
    found
}

#[test]
fn commands_that_are_named_exist_with_their_options() {
    let builds = read("init-scripts/live-image/build.sh");
    let mut seen = 0;
    let typed = documents().into_iter().map(|(name, text)| (name, commands(&text)));
    for (document, commands) in typed.chain(said_by_the_program()) {
        for command in commands {
            let words: Vec<&str> = command.split_whitespace().take_while(|w| *w != "#").collect();
            let options = |from: usize| words[from..].iter().filter(|w| w.starts_with("--") && w.len() > 2);
            if let Some(at) = words.iter().position(|w| w.ends_with("live-image/build.sh")) {
                for option in options(at) {
                    assert!(builds.contains(&format!(" {option})")), "{document}: build.sh has no {option}");
                }
            }
            // First on the line, or last behind what runs it as somebody else.
            let is_ours = |w: &&str| ["mozpool", "relayctl"].contains(w);
            let at = match words.first() {
                Some(&("runuser" | "setpriv")) => words.iter().rposition(is_ours),
                Some(&"$") => words.get(1).filter(|w| is_ours(w)).map(|_| 1),
                first => first.filter(|w| is_ours(w)).map(|_| 0),
            };
            let Some(at) = at else { continue };
            let is_subcommand =
                |w: &&&str| !w.starts_with('-') && w.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
            let subcommands: Vec<&str> =
                words[at + 1..].iter().take_while(is_subcommand).take(2).copied().collect();
            let depth = (0..=subcommands.len())
                .rev()
                .find(|n| help(words[at], &subcommands[..*n]).is_some())
                .unwrap();
            // What comes behind a subcommand may be an argument; a first word that is none is a mistake.
            assert!(
                depth > 0 || subcommands.is_empty(),
                "{document}: {command}: there is no such subcommand"
            );
            let help = help(words[at], &subcommands[..depth]).unwrap();
            for option in options(at) {
                let option = option.trim_end_matches(['.', '…']);
                let known = |w: &str| w.trim_end_matches(',') == option;
                assert!(help.split_whitespace().any(known), "{document}: {command}: there is no {option}");
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} commands were found; the documents have more");
}

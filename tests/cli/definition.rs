//! The command line's definition, walked: every subcommand has a test, every example in a help text means something, and the
//! texts are whole.

use clap::Command;
use std::path::Path;

fn leaves(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
    for sub in command.get_subcommands().filter(|s| s.get_name() != "help") {
        let path = [path, &[sub.get_name().to_owned()]].concat();
        match sub.has_subcommands() {
            true => leaves(sub, &path, found),
            false => found.push(path),
        }
    }
}

/// All tests' text without blanks, so that it does not matter where lines are broken.
fn tests() -> String {
    let mut text = String::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for folder in ["", "backup", "cli", "database", "inventory", "support"] {
        for entry in std::fs::read_dir(tests.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "rs") && !path.ends_with("definition.rs") {
                text += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    text.retain(|c| !c.is_whitespace());
    text
}

#[test]
fn every_subcommand_has_a_test() {
    let (mut found, tests) = (Vec::new(), tests());
    leaves(&mozpool::cli::command(), &[], &mut found);
    assert!(found.len() > 40, "{found:?}");
    for path in found {
        let words: Vec<String> = path.iter().map(|word| format!("\"{word}\"")).collect();
        let words = words.join(",");
        // As a list of words, or, where it stands alone, as the one argument.
        let called = [format!("[{words}"), format!("({words})")];
        assert!(called.iter().any(|call| tests.contains(call)), "no test runs {path:?}");
    }
}

/// Words as a shell takes them; quotes are the only art that help texts use.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

fn examples(command: &Command, found: &mut Vec<String>) {
    let texts = [command.get_after_help(), command.get_after_long_help(), command.get_long_about()];
    for text in texts.into_iter().flatten() {
        for line in text.to_string().lines() {
            let line = line.trim();
            if let Some(at) = line.find("mozpool ").filter(|at| *at == 0 || line.starts_with("RUST_LOG")) {
                // Two blanks end what is typed.
                let typed = line[at..].split("  ").next().unwrap().split(['>', '|']).next().unwrap();
                found.push(typed.trim().to_owned());
            }
        }
    }
    command.get_subcommands().for_each(|sub| examples(sub, found));
}

#[test]
fn every_example_in_a_help_text_is_understood() {
    let mut found = Vec::new();
    examples(&mozpool::cli::command(), &mut found);
    assert!(found.len() > 40, "{found:?}");
    for example in found {
        let parsed = mozpool::cli::command().try_get_matches_from(words(&example));
        assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
    }
}

#[test]
fn the_document_has_every_subcommand_and_every_exit_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/cli.md")).unwrap();
    for (code, means) in mozpool::cli::exit::CODES {
        assert!(text.contains(&format!("\n| {code} | {means} |\n")), "{code}");
    }
    let mut found = Vec::new();
    leaves(&mozpool::cli::command(), &[], &mut found);
    // What runs on a server itself stands elsewhere, and so do all verbs of things that are no boards.
    let others = ["serve", "check", "db", "demo", "simulate", "image", "pxe", "hardware", "relay"];
    for path in found.iter().filter(|path| !others.contains(&path[0].as_str())) {
        assert!(text.contains(&format!("mozpool {}", path.join(" "))), "{path:?}");
    }
}

fn walk(command: &Command, path: &str) {
    let path = format!("{path} {}", command.get_name());
    let about = command.get_about().unwrap_or_else(|| panic!("{path} says nothing")).to_string();
    assert!(!about.ends_with('.') && about.starts_with(char::is_uppercase), "{path}: {about}");
    for argument in command.get_arguments().filter(|a| !["help", "version"].contains(&a.get_id().as_str())) {
        let help =
            argument.get_help().unwrap_or_else(|| panic!("{path}: {} says nothing", argument.get_id()));
        let help = help.to_string();
        assert!(!help.ends_with('.') && !help.starts_with(' '), "{path}: {help}");
    }
    command.get_subcommands().for_each(|sub| walk(sub, &path));
}

#[test]
fn every_subcommand_and_every_argument_says_what_it_is() {
    walk(&mozpool::cli::command(), "");
    // clap's own checks of the definition.
    mozpool::cli::command().debug_assert();
}

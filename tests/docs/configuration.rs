//! The configuration reference is made from the program's own list of settings, with the sample file's words; here it is made again
//! and compared. `WRITE_DOCS=1 cargo test --test docs configuration` writes it.

use super::text::{read, root};
use mozpool::config::{Config, DEFAULT_PATH, PATH_VARIABLE, Setting};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

const DOCUMENT: &str = "docs/configuration.md";
const SAMPLE: &str = "packaging/mozpool.toml";
const WRITE_VARIABLE: &str = "WRITE_DOCS";

/// What the sample file says of a setting.
#[derive(Default)]
struct Said {
    /// The comment above it.
    about: String,
    /// The value that holds without it; empty for a section whose keys the admin invents.
    default: String,
    /// Lines that show how such a section is filled.
    example: String,
}

/// The sample's words by `SECTION.KEY`; `tests/config.rs` proves that its values are those that hold.
fn said(sample: &str) -> BTreeMap<String, Said> {
    let mut found = BTreeMap::new();
    let (mut section, mut comment, mut open) = (String::new(), Vec::new(), None);
    for line in sample.lines() {
        let bare = line.trim_start_matches('#');
        if let Some(name) = bare.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            if name.contains('.') {
                let about = comment.join(" ");
                found.insert(name.to_owned(), Said { about, ..Said::default() });
                open = Some(name.to_owned());
            } else {
                (section, open) = (name.to_owned(), None);
            }
            comment.clear();
        } else if let (Some((_, value)), Some(name)) = (bare.split_once(" = "), open.as_ref()) {
            let said: &mut Said = found.get_mut(name).expect("it was opened");
            assert!(!value.is_empty());
            writeln!(said.example, "{}", bare.trim_start()).unwrap();
        } else if let (Some((key, value)), true) = (bare.split_once(" = "), line.starts_with('#'))
            && !key.starts_with(' ')
        {
            let said = Said { about: comment.join(" "), default: value.to_owned(), ..Said::default() };
            found.insert(format!("{section}.{key}"), said);
            comment.clear();
        } else if let Some(text) = line.strip_prefix("# ") {
            comment.push(text.trim().to_owned());
            open = None;
        } else {
            comment.clear();
            open = None;
        }
    }
    found
}

fn heading(setting: &Setting) -> String {
    format!("{}.{}", setting.section, setting.key)
}

/// The page as it must be.
fn page() -> String {
    let sample = read(SAMPLE);
    let said = said(&sample);
    let mut page = format!(
        "# Configuration\n\n\
         <!-- Made by `{WRITE_VARIABLE}=1 cargo test --test docs configuration` from the program's settings and {SAMPLE}. -->\n\n\
         One TOML file: what `--config` names, else what the environment variable `{PATH_VARIABLE}` names, else `{DEFAULT_PATH}`, \
         which\nneed not exist. Every setting is optional. [{SAMPLE}](../{SAMPLE}) is a file with all of \
         them to begin\nwith. It is read when the daemon starts, and again at `systemctl reload mozpool`, which \
         [says what needs a restart](operating.md#changing-the-configuration). \
         Mistakes are told with file, line and\nremedy, all at once, and nothing starts with half of a configuration.\n\n\
         Boards, images and relay boards are no configuration but lie in the store: \
         [administration](operating.md#administration).\n\n\
         | setting | without it |\n|---|---|\n"
    );
    let settings = Config::settings();
    for setting in &settings {
        let name = heading(setting);
        let default = match &*said[&name].default {
            "" => "nothing".to_owned(),
            value => format!("`{value}`"),
        };
        writeln!(page, "| [`{name}`](#{}) | {default} |", name.replace('.', "")).unwrap();
    }
    let mut section = "";
    for setting in &settings {
        if setting.section != section {
            section = setting.section;
            write!(page, "\n## [{section}]\n").unwrap();
        }
        let said = &said[&heading(setting)];
        assert!(!said.about.is_empty(), "{SAMPLE} does not say what {} means", heading(setting));
        write!(page, "\n### {}\n\n{}\n\n", heading(setting), said.about).unwrap();
        if said.default.is_empty() {
            writeln!(page, "```toml\n[{}]\n{}```", heading(setting), said.example).unwrap();
            continue;
        }
        write!(page, "Without it `{}`. Must be {}", said.default, setting.must_be).unwrap();
        match &*setting.write {
            "" => page += ".\n",
            write if write.starts_with("for example") => writeln!(page, ", {write}.").unwrap(),
            write if write.ends_with('.') => writeln!(page, ": {write}").unwrap(),
            write => writeln!(page, ": {write}.").unwrap(),
        }
    }
    page + "\n## Environment\n\n\
        | variable | means |\n|---|---|\n\
        | `MOZPOOL_CONFIG` | the configuration file, where `--config` names none |\n\
        | `RUST_LOG` | what is logged; wins over `log.filter` |\n\
        | `MOZPOOL_URL` | the server that commands such as `mozpool device` speak to, where `--url` names none |\n"
}

#[test]
fn the_configuration_reference_is_what_the_program_knows() {
    let made = page();
    if std::env::var_os(WRITE_VARIABLE).is_some() {
        fs::write(root().join(DOCUMENT), &made).unwrap();
    }
    let there = fs::read_to_string(root().join(DOCUMENT)).unwrap_or_default();
    let differs = made.lines().zip(there.lines()).find(|(made, there)| made != there);
    assert_eq!(differs, None, "{DOCUMENT} is old; {WRITE_VARIABLE}=1 cargo test --test docs configuration");
    assert_eq!(
        made.len(),
        there.len(),
        "{DOCUMENT} is old; {WRITE_VARIABLE}=1 cargo test --test docs configuration"
    );
}

#[test]
fn the_reference_names_every_setting_with_its_limits() {
    let page = page();
    for setting in Config::settings() {
        assert!(page.contains(&format!("\n### {}\n", heading(&setting))), "{}", heading(&setting));
        assert!(!setting.must_be.is_empty());
    }
    assert!(page.contains("Without it `256`. Must be a whole number from 1 to 1000.\n"), "{page}");
    assert!(page.contains("\"panda ES Rev B2\" = {"), "{page}");
}

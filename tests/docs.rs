//! The documents are true: links lead somewhere, every state, route, value and command is there and is named rightly, and what is
//! marked as runnable runs.
//!
//! A fenced block whose info string is `sh run` or `python run` is executed as it stands, against `mozpool demo`, with `API` set to
//! the demo's address and every HTTP status from 400 up an error. Blocks of one document run in order.
#![allow(clippy::unwrap_used, reason = "these are tests, helpers included")]

use mozpool::api::routes::ROUTES;
use mozpool::boot::render::{ServerValues, render, sample_values};
use mozpool::clock::{Clock, SystemClock};
use mozpool::config::{Config, Host};
use mozpool::lab::{Kind, Lab};
use mozpool::logic::check::Check;
use mozpool::logic::events::PleaseName;
use mozpool::logic::lifeguard::{self, OverLimit, Please};
use mozpool::logic::mozpool as requests;
use mozpool::store::Location;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// For the demo to get as far as its first picture, and for any one block. Both take seconds; the machine may be busy.
const LIMIT: Duration = Duration::from_secs(180);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Every document of the project, by its path.
fn documents() -> BTreeMap<String, String> {
    let mut names: Vec<String> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "init-scripts/README.md"]
            .map(String::from)
            .into();
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names.into_iter().map(|n| (n.clone(), read(&n))).collect()
}

/// Fenced blocks: info string, text, line.
fn blocks(document: &str) -> Vec<(String, String, usize)> {
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

/// The lines outside of fenced blocks.
fn prose(document: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push(line);
        }
    }
    lines
}

/// What stands between single backticks in a line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// Table rows as cells.
fn rows(document: &str) -> Vec<Vec<&str>> {
    prose(document)
        .into_iter()
        .filter_map(|l| l.strip_prefix('|')?.strip_suffix('|'))
        .map(|l| l.split('|').map(str::trim).collect())
        .collect()
}

/// As GitHub makes anchors from headings.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let documents = documents();
    for (name, text) in &documents {
        let folder = root().join(name).parent().unwrap().to_owned();
        for link in prose(text).join("\n").split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, wanted) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { root().join(name) } else { folder.join(path) };
            assert!(target.exists(), "{name} links to {path}, which is not there");
            if !wanted.is_empty() {
                let target = fs::read_to_string(target).unwrap();
                let found = prose(&target).iter().any(|l| l.starts_with('#') && anchor(l) == wanted);
                assert!(found, "{name} links to {link}, and there is no such heading");
            }
        }
    }
}

#[test]
fn files_that_are_named_exist() {
    let folders = ["docs/", "packaging/", "init-scripts/", "pxe-templates/", "tests/", "src/"];
    for (name, text) in documents() {
        for word in text.split(|c: char| c.is_whitespace() || "`()[]|,;\"'".contains(c)) {
            let word = word.trim_end_matches(['.', ':']);
            let path = word.split('#').next().unwrap();
            if folders.iter().any(|f| path.starts_with(f)) {
                let here = root().join(&name).parent().unwrap().join(path);
                assert!(root().join(path).exists() || here.exists(), "{name} names {path}");
            }
        }
    }
}

/// Table rows by what stands between backticks in their first cell.
fn rows_by_name(document: &str) -> BTreeMap<&str, Vec<Vec<&str>>> {
    let mut found: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
    for row in rows(document) {
        for name in spans(row[0]) {
            found.entry(name).or_default().push(row.clone());
        }
    }
    found
}

/// The numbers in a cell.
fn numbers(cell: &str) -> BTreeSet<u32> {
    cell.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect()
}

#[test]
fn every_state_of_a_device_is_documented_with_its_limits() {
    let text = read("docs/operating.md");
    let section = text.split("\n## ").find(|s| s.starts_with("The states of a device")).unwrap();
    let documented = rows_by_name(section);
    for name in documented.keys() {
        let known = lifeguard::State::parse(name).is_some();
        assert!(known || PleaseName::parse(name).is_some(), "there is no state {name}");
    }
    for def in lifeguard::TABLE {
        let name = def.state.name();
        let rows = documented.get(name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(rows.len(), 1, "{name} is documented twice");
        let row = &rows[0];
        if def.state.is_failed() {
            assert_eq!(def.please, Please::Basic, "the heading above {name} says so");
            continue;
        }
        let [_, _, limit, ask] = row[..] else { panic!("{name}: {row:?}") };
        let said = numbers(limit);
        assert_eq!(def.wait_s.is_none(), said.is_empty(), "{name}: {limit}");
        assert!(
            said.is_superset(&def.wait_s.into_iter().collect()),
            "{name} waits {:?}: {limit}",
            def.wait_s
        );
        if let Some(count) = def.count {
            assert!(limit.contains(&format!("{} times", count.limit)), "{name}, {}: {limit}", count.limit);
            let over = match count.over {
                OverLimit::Fail(state) => state,
                OverLimit::Escalate { limit: cycles, fail, .. } => {
                    assert!(said.contains(&cycles.into()), "{name}: {limit}");
                    fail
                }
            };
            assert!(limit.contains(&format!("`{over}`")), "{name} ends in {over}: {limit}");
        }
        let asks = match def.please {
            Please::Full => "all",
            Please::Basic => "repair",
            Please::Nothing if def.state == lifeguard::State::LockedOut => "`please_online`",
            Please::Nothing => "–",
        };
        assert_eq!(ask, asks, "{name}");
    }
}

#[test]
fn every_state_of_a_request_is_documented() {
    for (document, heading) in
        [("docs/operating.md", "The states of a request"), ("docs/api.md", "States of a request")]
    {
        let text = read(document);
        let section = text.split("\n#").find(|s| s.trim_start_matches(['#', ' ']).starts_with(heading));
        let documented = rows_by_name(section.unwrap_or_else(|| panic!("{document}: {heading}")));
        for def in requests::TABLE {
            assert!(documented.contains_key(def.state.name()), "{document}: {} is missing", def.state);
        }
        for name in documented.keys() {
            assert!(requests::State::parse(name).is_some(), "{document}: there is no state {name}");
        }
    }
}

#[test]
fn states_and_events_have_their_right_names_everywhere() {
    let starts = ["pc_", "pxe_", "failed_", "sut_", "image_", "self_test_", "please_"];
    let others = ["image_failed", "image_progress", "image_rebooting", "pxe_config", "pxe_configs"];
    for (document, text) in documents() {
        if document == "CHANGELOG.md" || document == "ARCHITECTURE.md" {
            continue;
        }
        for word in prose(&text).into_iter().flat_map(spans) {
            let plain = word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            if !plain || !starts.iter().any(|s| word.starts_with(s)) || word.ends_with('_') {
                continue;
            }
            let known = lifeguard::State::parse(word).is_some()
                || requests::State::parse(word).is_some()
                || PleaseName::parse(word).is_some()
                || mozpool::logic::events::Signal::parse(word).is_some()
                || others.contains(&word);
            assert!(known, "{document}: `{word}` is no state and no event");
        }
    }
}

/// `GET /api/…`
fn is_call(text: &str) -> bool {
    ["GET /", "POST /", "PUT /", "DELETE /"].iter().any(|verb| text.starts_with(verb))
}

#[test]
fn every_route_is_documented_and_no_other() {
    let text = read("docs/api.md");
    let documented: BTreeSet<String> = rows(&text)
        .iter()
        .filter_map(|row| spans(row[0]).next())
        .filter(|s| is_call(s))
        .map(str::to_owned)
        .collect();
    let routes: BTreeSet<String> =
        ROUTES.iter().map(|r| format!("{} {}", format!("{:?}", r.verb).to_uppercase(), r.path)).collect();
    assert_eq!(documented, routes);
    for please in PleaseName::ALL {
        assert!(text.contains(&format!("\n| `{please}` |")), "{please}");
    }
    for row in rows(&text).iter().filter(|r| r.len() == 2) {
        let Some(call) = spans(row[0]).next().filter(|s| is_call(s)) else {
            continue;
        };
        let route = ROUTES
            .iter()
            .find(|r| {
                call.ends_with(&format!(" {}", r.path))
                    && call.starts_with(&format!("{:?}", r.verb).to_uppercase())
            })
            .unwrap();
        let redirected = route.owner != mozpool::api::owner::Owner::Any;
        assert_eq!(row[1].starts_with("owner"), redirected, "{call}: {}", row[1]);
    }
}

#[test]
fn pxe_values_and_checks_are_those_that_there_are() {
    let text = read("docs/images.md");
    let mut values = sample_values(&ServerValues::default());
    values.site.insert("NAME".into(), "x".into());
    values.boot_config = serde_json::json!({ "KEY": "x" });
    let mut documented = BTreeSet::new();
    for row in rows(&text) {
        for value in row.iter().flat_map(|cell| spans(cell)).filter(|s| !s.contains(' ')) {
            if ["device.", "image.", "live.", "site.", "boot_config", "console", "server."]
                .iter()
                .any(|p| value.starts_with(p))
                && !["boot_config_keys", "boot_config_defaults"].contains(&value)
            {
                let template = format!("{{{{ {value} }}}}");
                render("value", &template, &values).unwrap_or_else(|e| panic!("{value}: {e}"));
                documented.insert(value.to_owned());
            }
        }
    }
    let known = serde_json::to_value(&values).unwrap();
    for (group, inside) in known.as_object().unwrap() {
        for name in inside.as_object().into_iter().flatten().map(|(k, _)| format!("{group}.{k}")) {
            assert!(documented.contains(&name), "{name} is not documented");
        }
    }
    let checks = text.split("\n## ").find(|s| s.starts_with("Checks")).unwrap();
    let checks: Vec<&str> =
        rows(checks).into_iter().skip(2).flat_map(|r| spans(r[0]).collect::<Vec<_>>()).collect();
    assert_eq!(checks.len(), 7, "{checks:?}");
    for check in checks {
        check.replace("PORT", "1").parse::<Check>().unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn settings_that_are_named_can_be_set() {
    let sample = read("packaging/mozpool.toml");
    let mut section = "";
    let mut known = BTreeSet::new();
    for line in sample.lines().map(|l| l.trim_start_matches('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = name;
        } else if let Some((key, _)) = line.split_once(" = ") {
            known.insert(format!("{section}.{key}"));
        }
    }
    assert!(known.contains("pxe.console"), "{known:?}");
    let sections = ["server", "store", "http", "tftp", "syslog", "requests", "pxe", "relays", "log"];
    // The template values of `server` are told in images.md.
    let template = ["server.name", "server.ip", "server.http", "server.syslog", "log.md"];
    for (document, text) in documents() {
        for word in prose(&text).into_iter().flat_map(spans) {
            let Some((section, key)) = word.split_once('.') else { continue };
            let plain = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            // Files of the source tree look alike.
            if sections.contains(&section) && plain && key != "rs" && !template.contains(&word) {
                assert!(known.contains(word), "{document}: there is no setting {word}");
            }
        }
    }
}

/// The folder of the built programs.
fn programs() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_mozpool")).parent().unwrap();
    let relayctl = folder.join("relayctl");
    assert!(relayctl.exists(), "{} is missing; `cargo build --workspace` makes it", relayctl.display());
    folder.to_owned()
}

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

/// `mozpool demo` with its boards imaged, in a folder of its own.
struct Demo {
    child: Child,
    api: String,
    folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(programs().join("mozpool"))
            .args(["demo", "--boards", "4"])
            .env("TMPDIR", folder.path())
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (lines_tx, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = lines_tx.send(line);
            }
        });
        let end = Instant::now() + LIMIT;
        let mut api = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = lines.recv_timeout(left).expect("the demo gets its boards ready");
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["API", url] => api = Some(url.trim_end_matches('/').to_owned()),
                ["end", "Ctrl-C"] => break,
                _ => {}
            }
        }
        Self { child, api: api.expect("the demo says where its API is"), folder }
    }

    /// Runs every runnable block of a document, in order.
    fn run(&self, document: &str) {
        let mut ran = 0;
        for (info, text, line) in blocks(&read(document)) {
            let file = self.folder.path().join(format!("block-{line}"));
            let interpreter = match &*info {
                // A failed call ends the block, as it would not for a reader.
                "sh run" => {
                    fs::write(
                        &file,
                        format!("curl() {{ command curl -sS --fail-with-body \"$@\"; }}\n{text}"),
                    )
                    .unwrap();
                    ["sh", "-eu"].as_slice()
                }
                "python run" => {
                    fs::write(&file, &text).unwrap();
                    ["python3"].as_slice()
                }
                _ => {
                    assert!(!info.ends_with(" run"), "{document}:{line}: nothing runs `{info}`");
                    continue;
                }
            };
            let path = std::env::join_paths(
                std::iter::once(programs()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
            );
            let output = Command::new("timeout")
                .arg(LIMIT.as_secs().to_string())
                .args(interpreter)
                .arg(&file)
                .current_dir(self.folder.path())
                .env("API", &self.api)
                .env("PATH", path.unwrap())
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{document}:{line} ended with {} (needs the Debian packages curl and python3):\n{text}\n{}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            ran += 1;
        }
        assert!(ran > 0, "{document} has no runnable block");
    }

    /// Ctrl-C.
    fn end(mut self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        assert!(self.child.wait().unwrap().success(), "the demo ends well");
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line with every number replaced by `#`, and blanks by one.
fn without_numbers(line: &str) -> String {
    let mut out = String::new();
    for c in line.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

#[test]
fn the_demo_says_what_the_readme_shows() {
    let demo = Command::new(programs().join("mozpool"))
        .args(["demo", "--once", "--boards", "10"])
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    assert!(demo.status.success(), "{}", String::from_utf8_lossy(&demo.stderr));
    let said: BTreeSet<String> =
        String::from_utf8(demo.stdout).unwrap().lines().map(without_numbers).collect();
    let readme = read("README.md");
    let (_, shown, _) = blocks(&readme).into_iter().find(|(info, ..)| info == "text").unwrap();
    for line in shown.lines().filter(|l| l.trim() != "…") {
        assert!(said.contains(&without_numbers(line)), "README.md shows {line}; the demo says {said:#?}");
    }
}

#[test]
fn the_readme_runs() {
    let demo = Demo::start();
    demo.run("README.md");
    demo.end();
}

#[test]
fn the_api_document_runs() {
    let demo = Demo::start();
    demo.run("docs/api.md");
    demo.end();
}

#[test]
fn the_operating_document_runs() {
    let demo = Demo::start();
    demo.run("docs/operating.md");
    demo.end();
}

/// Every document with a runnable block has its test above.
#[test]
fn no_runnable_block_is_left_out() {
    let with: Vec<String> = documents()
        .into_iter()
        .filter(|(_, text)| blocks(text).iter().any(|(info, ..)| info.ends_with(" run")))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(with, ["README.md", "docs/api.md", "docs/operating.md"]);
}

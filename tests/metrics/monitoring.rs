//! The files below packaging/monitoring/ are true: Prometheus takes them, they name no metric and no label that there is not, and
//! alerts are raised by what they are for.

use crate::scrape::{fetch, scrape};
use crate::support::Lab;
use mozpool::metrics::{FAMILIES, Family, Kind};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/monitoring")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// Debian's package `prometheus` has it.
fn promtool(args: &[&str], stdin: &str) -> Output {
    let mut command = Command::new("promtool");
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("promtool is installed: tests/packages.txt");
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn takes(args: &[&str], stdin: &str) {
    let output = promtool(args, stdin);
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "promtool {args:?}: {said}");
}

/// All values below a key, however deep.
fn below<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match value.as_str().filter(|_| name == key) {
                    Some(text) => found.push(text),
                    None => below(value, key, found),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|value| below(value, key, found)),
        _ => {}
    }
}

/// The dashboard's expressions, with values for what Grafana fills in.
fn expressions() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("grafana-dashboard.json")).unwrap();
    let mut found = Vec::new();
    below(&dashboard, "expr", &mut found);
    let fill =
        |text: &str| text.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$job", ".*");
    let found: Vec<String> = found.into_iter().map(fill).collect();
    assert!(found.len() > 40 && found.iter().all(|e| !e.contains('$')), "{found:#?}");
    found
}

/// The rules' expressions, one in a line, and sometimes in some.
fn rules() -> String {
    let text = read("mozpool-alerts.yml");
    let mut rules = String::new();
    let mut inside = false;
    for line in text.lines() {
        let key = line.trim_start();
        inside =
            key.starts_with("expr:") || inside && !key.starts_with("for:") && !key.starts_with("labels:");
        if inside {
            rules += key.trim_start_matches("expr:").trim_start_matches(" >-");
            rules.push('\n');
        }
    }
    assert!(rules.contains("up{job="), "{rules}");
    rules
}

/// Words that begin as our metrics do, with what stands in the braces behind them.
fn named(text: &str) -> Vec<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(is_name).map(|n| at + n) {
        let end = text[start..].find(|c| !is_name(c)).map_or(text.len(), |n| start + n);
        let word = &text[start..end];
        if word.starts_with("mozpool_") || word.starts_with("process_") {
            let inside = text[end..].strip_prefix('{').and_then(|rest| rest.split('}').next());
            found.push((word, inside.unwrap_or_default()));
        }
        at = end;
    }
    found
}

/// The family that a series belongs to.
fn family(name: &str) -> Option<&'static Family> {
    FAMILIES.iter().find(|family| match family.kind {
        Kind::Histogram => {
            ["_bucket", "_sum", "_count"].iter().any(|end| name.strip_suffix(end) == Some(family.name))
        }
        Kind::Counter | Kind::Gauge => family.name == name,
    })
}

#[test]
fn every_metric_that_is_asked_for_is_scraped_with_its_labels() {
    let lab = Lab::new();
    let daemon = lab.serve();
    let names = scrape(daemon.http).names();
    let document = fs::read_to_string(folder().join("../../docs/monitoring.md")).unwrap();
    let mut asked = BTreeSet::new();
    for text in expressions().iter().chain([&rules(), &document]) {
        for (name, inside) in named(text) {
            let Some(family) = family(name).or_else(|| FAMILIES.iter().find(|f| f.name == name)) else {
                panic!("there is no metric {name}: {text}")
            };
            assert!(names.contains(family.name), "{name}");
            asked.insert(family.name);
            for label in inside.split(',').filter_map(|matcher| matcher.split(['=', '!']).next()) {
                let label = label.trim();
                let known = family.labels.contains(&label) || ["job", "instance", ""].contains(&label);
                assert!(known, "{name} has no label {label}: {text}");
            }
        }
    }
    assert!(asked.len() > 40, "{asked:?}");
}

#[test]
fn what_series_are_summed_by_is_a_label_of_theirs() {
    for text in expressions().iter().map(String::as_str).chain(rules().lines()) {
        let Some((_, rest)) = text.split_once(" by (") else { continue };
        let labels = rest.split(')').next().unwrap();
        for label in labels.split(", ").filter(|l| !["le", "instance", "job"].contains(l)) {
            let known =
                named(text).iter().any(|(name, _)| family(name).is_some_and(|f| f.labels.contains(&label)));
            assert!(known, "{label}: {text}");
        }
    }
}

#[test]
fn every_panel_has_a_query_and_a_place_of_its_own() {
    let dashboard: Value = serde_json::from_str(&read("grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    let mut places: BTreeSet<(u64, u64)> = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().filter(|t| !t.is_empty()).unwrap_or_else(|| panic!("{panel}"));
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        let number = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(number("x") + number("w") <= 24, "{title}");
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(places.insert((x, y)), "{title} lies on another");
            }
        }
        if panel["type"] == "row" {
            continue;
        }
        let targets = panel["targets"].as_array().unwrap();
        assert!(
            !targets.is_empty() && targets.iter().all(|t| t["expr"].as_str().is_some_and(|e| !e.is_empty())),
            "{title}"
        );
        let refs: BTreeSet<&str> = targets.iter().map(|t| t["refId"].as_str().unwrap()).collect();
        assert_eq!(refs.len(), targets.len(), "{title}");
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with(['.', '`'])), "{title}");
    }
    for section in ["The pool", "Requests", "What fails", "Services", "API and store"] {
        assert!(panels.iter().any(|p| p["type"] == "row" && p["title"] == section), "{section}");
    }
}

#[test]
fn prometheus_takes_what_it_is_given() {
    let lab = Lab::new();
    let daemon = lab.serve();
    daemon.request();
    takes(&["check", "metrics"], &scrape(daemon.http).text);
    let rules = folder().join("mozpool-alerts.yml");
    takes(&["check", "rules", rules.to_str().unwrap()], "");
    // The token's file must be there.
    let (config, token) = (lab.path("prometheus.yml"), lab.path("token"));
    let text = read("prometheus.yml");
    let there = text.replace("/etc/prometheus/mozpool.token", token.to_str().unwrap());
    assert_ne!(text, there, "servers ask for a token unless they are told not to");
    fs::write(&config, there.replace("mozpool-alerts.yml", rules.to_str().unwrap())).unwrap();
    fs::write(token, "mzp_example\n").unwrap();
    takes(&["check", "config", config.to_str().unwrap()], "");

    // OpenMetrics, as the same tool reads it for a store of its own: that wants a time behind each value.
    let (_, text) = fetch(daemon.http, "application/openmetrics-text;version=1.0.0");
    let timed =
        |line: &str| if line.starts_with('#') { format!("{line}\n") } else { format!("{line} 1700000000\n") };
    let text: String = text.lines().map(timed).collect();
    let (file, blocks) = (lab.path("open.txt"), lab.path("blocks"));
    fs::write(&file, text).unwrap();
    takes(
        &["tsdb", "create-blocks-from", "openmetrics", file.to_str().unwrap(), blocks.to_str().unwrap()],
        "",
    );

    // The dashboard's expressions, as rules, for these are checked.
    let record = |(n, expr): (usize, &String)| {
        format!("      - record: r{n}\n        expr: {}\n", Value::from(expr.as_str()))
    };
    let records: String = expressions().iter().enumerate().map(record).collect();
    let file = lab.path("dashboard.yml");
    fs::write(&file, format!("groups:\n  - name: dashboard\n    rules:\n{records}")).unwrap();
    takes(&["check", "rules", file.to_str().unwrap()], "");
}

#[test]
fn alerts_are_raised_by_what_they_are_for() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics/alerts.yml");
    takes(&["test", "rules", cases.to_str().unwrap()], "");
    // And each of them has a case.
    let (rules, cases) = (read("mozpool-alerts.yml"), fs::read_to_string(cases).unwrap());
    for name in rules.lines().filter_map(|l| l.trim().strip_prefix("- alert: ")) {
        assert!(
            cases.contains(&format!("alertname: {name}\n")),
            "{name} has no case in tests/metrics/alerts.yml"
        );
    }
}

#[test]
fn alerts_say_what_to_do_in_words_that_there_are() {
    let rules = read("mozpool-alerts.yml");
    let alerts = rules.matches("- alert: ").count();
    assert!(alerts >= 20, "{alerts}");
    for key in ["severity: ", "summary: ", "description: "] {
        assert_eq!(rules.matches(key).count(), alerts, "{key}");
    }
    let known: Vec<String> =
        mozpool::config::Config::settings().iter().map(|s| format!("{}.{}", s.section, s.key)).collect();
    let flat = rules.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in flat.split('`').skip(1).step_by(2) {
        if word.starts_with("mozpool ") {
            let parsed = mozpool::cli::command().try_get_matches_from(word.split(' '));
            assert!(parsed.is_ok(), "{word}: {}", parsed.unwrap_err());
        } else if word.split('.').count() == 2 && !word.contains([' ', '-']) {
            assert!(known.iter().any(|k| k == word), "there is no setting {word}");
        }
    }
}

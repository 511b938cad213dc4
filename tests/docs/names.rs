//! States, events, routes, values and settings have their right names, and all of them are told.

use super::text::{documents, numbers, prose, read, rows, rows_by_name, spans};
use mozpool::api::routes::ROUTES;
use mozpool::boot::render::{ServerValues, render, sample_values};
use mozpool::logic::check::Check;
use mozpool::logic::events::PleaseName;
use mozpool::logic::lifeguard::{self, OverLimit, Please};
use mozpool::logic::mozpool as requests;
use std::collections::BTreeSet;

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
    let others = [
        "image_failed",
        "image_progress",
        "image_rebooting",
        "pxe_config",
        "pxe_configs",
        "image_pxe_configs",
    ];
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
        known.insert(section.to_owned());
    }
    assert!(known.contains("pxe.console"), "{known:?}");
    let sections = ["server", "store", "http", "tftp", "syslog", "requests", "pxe", "relays", "log"];
    // The template values of `server` are told in images.md.
    let template = ["server.name", "server.ip", "server.http", "server.syslog", "log.md", "requests.md"];
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

//! The API's document is true: every answer that any test here gets is one that it promises; and it promises nothing else of
//! routes than what the route table has.

use crate::client::Answer;
use crate::schema::faults;
use crate::world::{settings, start};
use mozpool::api::call::{Call, Verb};
use mozpool::api::openapi::{document, method, path_of};
use mozpool::api::owner::Owner;
use mozpool::api::routes::{Found, ROUTES, find};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::OnceLock;

fn promised() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| document(&settings()))
}

fn resolve(value: &Value) -> &Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => promised().pointer(&reference[1..]).unwrap_or_else(|| panic!("{reference}")),
        None => value,
    }
}

/// Fails unless the document promises this answer to this call. What is no call of the API is let pass.
pub(crate) fn must_allow(verb: &str, target: &str, answer: &Answer) {
    let call = Call::new(Verb::parse(verb), target);
    let is_ours = call.path().starts_with("/api") || call.path().starts_with("/metrics");
    if !is_ours || answer.status == 100 {
        return;
    }
    let shown = format!("{verb:?} {target}: {}", answer.status);
    let error = &promised()["components"]["schemas"]["Error"];
    let schema = match find(ROUTES, &call) {
        Found::Route(route, _) => {
            let operation = &promised()["paths"][path_of(ROUTES, route)][method(route.verb)];
            let promise = resolve(&operation["responses"][answer.status.to_string()]);
            assert!(promise.is_object(), "{shown} is not documented");
            for (name, header) in promise["headers"].as_object().into_iter().flatten() {
                let there = answer.header(name).is_some();
                assert!(there || header["required"] != true, "{shown} lacks the header {name}");
            }
            promise["content"].as_object().map(|content| {
                let given = answer.header("content-type").unwrap_or_default();
                let promise = content.iter().find(|(media, _)| given.split(';').next() == Some(media));
                let (_, content) = promise.unwrap_or_else(|| panic!("{shown} is {given}"));
                &content["schema"]
            })
        }
        Found::WrongMethod(_) => {
            assert_eq!(answer.status, 405, "{shown}");
            Some(error)
        }
        Found::Preflight(..) if answer.status == 204 => None,
        Found::Preflight(..) => {
            assert_eq!(answer.status, 403, "{shown}");
            Some(error)
        }
        Found::Nothing => {
            assert_eq!(answer.status, 404, "{shown}");
            Some(error)
        }
    };
    if call.verb == Verb::Head {
        assert!(answer.body.is_empty(), "{shown}");
        return;
    }
    match schema {
        None => assert!(answer.body.is_empty(), "{shown} has a body: {}", answer.text()),
        Some(_) if !answer.header("content-type").is_some_and(|t| t.starts_with("application/json")) => {}
        Some(schema) => {
            let faults = faults(promised(), schema, &answer.json());
            assert!(faults.is_empty(), "{shown} is not as documented: {faults:#?}\n{}", answer.text());
        }
    }
}

#[test]
fn it_is_served_as_it_is_made() {
    let world = start();
    for path in ["/api/openapi.json", "/api/openapi.json/"] {
        assert_eq!(&world.get(path).json(), promised(), "{path}");
    }
    assert_eq!(promised()["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(promised()["openapi"].as_str().unwrap().starts_with("3.1."));
}

/// A route that somebody adds without saying what it is fails here.
#[test]
fn every_route_says_what_it_takes_and_gives() {
    let mut ids = BTreeSet::new();
    for route in ROUTES {
        let about = &route.about;
        let path = path_of(ROUTES, route);
        assert!(!about.id.is_empty(), "{path} has no name");
        assert!(about.id.bytes().all(|b| b.is_ascii_alphanumeric()), "{}", about.id);
        assert!(ids.insert(about.id), "{} is the name of two routes", about.id);
        assert!(
            about.gives.iter().any(|g| (200..300).contains(&g.status)),
            "{path} says nothing of its success"
        );
        assert!(about.more.is_empty() || about.more.ends_with('.'), "{path}");
        for text in about.query.iter().map(|q| q.doc).chain(about.fails.iter().map(|f| f.1)) {
            assert!(text.ends_with('.'), "{path}: {text}");
        }
        let mut statuses: Vec<u16> = about.gives.iter().map(|g| g.status).collect();
        statuses.extend(about.fails.iter().map(|f| f.0));
        let distinct: BTreeSet<u16> = statuses.iter().copied().collect();
        assert_eq!(distinct.len(), statuses.len(), "{path} says something twice");

        let operation = &promised()["paths"][path][method(route.verb)];
        let documented = operation["parameters"].as_array().unwrap().iter().filter(|p| p["in"] == "path");
        let documented: Vec<&str> = documented.map(|p| p["name"].as_str().unwrap()).collect();
        let names = path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(
            documented,
            names.collect::<Vec<_>>(),
            "{path}: what its names mean stands in shapes::PATH_PARAMETERS"
        );
        let redirected = ["302", "307"].iter().any(|s| operation["responses"].get(s).is_some());
        // A row may say so itself: whose a new thing is to be stands in the body.
        let said = about.gives.iter().any(|g| g.status == 307);
        assert_eq!(redirected, said || route.owner != Owner::Any, "{path}");
    }
    let operations: usize =
        promised()["paths"].as_object().unwrap().values().map(|p| p.as_object().unwrap().len()).sum();
    assert_eq!(operations, ROUTES.len());
}

/// Every example is what it is an example of.
#[test]
fn examples_fit_their_schemas() {
    let mut seen = 0;
    for (name, schema) in promised()["components"]["schemas"].as_object().unwrap() {
        for example in schema["examples"].as_array().into_iter().flatten() {
            let faults = faults(promised(), schema, example);
            assert!(faults.is_empty(), "{name}: {faults:?}");
            seen += 1;
        }
    }
    for path in promised()["paths"].as_object().unwrap().values() {
        for operation in path.as_object().unwrap().values() {
            for parameter in operation["parameters"].as_array().unwrap() {
                if let Some(example) = parameter.get("example") {
                    assert!(faults(promised(), &parameter["schema"], example).is_empty(), "{parameter}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 30, "{seen}");
}

/// All that is referred to is there, and all that is there is referred to.
#[test]
fn no_schema_is_missing_or_left_over() {
    fn references<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match (key.as_str(), value) {
                        ("$ref", Value::String(target)) => _ = into.insert(target),
                        (_, value) => references(value, into),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|v| references(v, into)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    references(promised(), &mut used);
    let mut there = BTreeSet::new();
    for kind in ["schemas", "responses"] {
        let names = promised()["components"][kind].as_object().unwrap().keys();
        there.extend(names.map(|n| format!("#/components/{kind}/{n}")));
    }
    assert_eq!(used, there.iter().map(String::as_str).collect());
}

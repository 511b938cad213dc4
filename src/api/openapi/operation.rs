//! One row of the route table as an OpenAPI operation.

use super::about::{About, Gives, Holds, Media, Query, Takes};
use super::shape::{Kind, Schemas};
use crate::access::Needs;
use crate::api::call::Verb;
use crate::api::owner::Owner;
use crate::api::reply::RETRY_AFTER_S;
use crate::api::routes::{Route, Run};
use crate::api::shapes::PATH_PARAMETERS;
use serde_json::{Map, Value, json};

/// Errors that follow from a row's kind, by status: name in the document and what is said of them.
const SHARED: &[(u16, &str, &str)] = &[
    (302, "ToOwnerByGet", "Another server owns it; `Location` is there, with path and query."),
    (307, "ToOwner", "Another server owns it; the same call with the same body goes to `Location`."),
    (401, "Unauthorized", "This server asks who calls, and no token that is good came with the call."),
    (
        403,
        "Forbidden",
        "The `Origin` is a web page that is neither ours nor a known imaging server's; or the token is for something else.",
    ),
    (404, "NotFound", "The path names something that does not exist."),
    (413, "TooLarge", "The body is longer than a mebibyte."),
    (500, "Internal", "A fault of Mozpool; its log says more."),
    (
        503,
        "Unavailable",
        "A layer has too much to do or did not answer in time, the store does not answer, or the owner is not known by address.",
    ),
];

/// The answers that operations share.
pub(super) fn shared() -> Value {
    let all = SHARED.iter().map(|&(status, name, doc)| {
        let mut response = match status {
            302 | 307 => json!({ "description": doc }),
            _ => error(doc),
        };
        let header = |doc: &str, schema: Value| json!({ "description": doc, "required": true, "schema": schema });
        match status {
            302 | 307 => {
                response["headers"] =
                    json!({ "Location": header("The owner's URL of the call.", json!({ "type": "string", "format": "uri" })) });
            }
            401 => {
                response["headers"] = json!({ "WWW-Authenticate": header("The scheme.", json!({ "type": "string" })) });
            }
            503 => {
                response["headers"] = json!({ "Retry-After": header(
                    &format!("Seconds to wait; {RETRY_AFTER_S}."),
                    json!({ "type": "integer", "minimum": 0 }),
                ) });
            }
            _ => {}
        }
        (name.to_owned(), response)
    });
    Value::Object(all.collect())
}

fn error(doc: &str) -> Value {
    json!({
        "description": doc,
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
    })
}

/// The statuses that follow from what kind of row it is.
fn follows(route: &Route) -> Vec<u16> {
    let mut statuses = Vec::new();
    if route.owner != Owner::Any {
        statuses.push(if route.verb == Verb::Get { 302 } else { 307 });
    }
    let is_asked = route.needs.role().is_some() || route.needs == Needs::Board;
    if is_asked {
        statuses.push(401);
    }
    if is_asked || route.guarded() {
        statuses.push(403);
    }
    if matches!(route.run, Run::Device(_) | Run::Log(_) | Run::Request(_) | Run::Board(_)) {
        statuses.push(404);
    }
    if route.verb != Verb::Get {
        statuses.push(413);
    }
    statuses.extend([500, 503]);
    statuses
}

/// The operation of a row, under `path`, whose names may be those of another row.
pub(super) fn of(route: &Route, path: &'static str, schemas: &mut Schemas<'_>) -> Value {
    let About { id, tag, more, query, takes, gives, fails } = route.about;
    let mut parameters: Vec<Value> = path_parameters(path, schemas);
    parameters.extend(query.iter().map(|q| query_parameter(q, schemas)));
    let mut answers: Vec<(u16, Value)> = gives.iter().map(|g| (g.status, answer(g, schemas))).collect();
    for &(status, doc) in fails {
        answers.push((status, error(doc)));
    }
    for status in follows(route) {
        // What the row says of a status is more than what follows from its kind.
        if answers.iter().all(|(s, _)| *s != status) {
            let name = SHARED.iter().find(|(s, ..)| *s == status).map_or("", |(_, name, _)| name);
            answers.push((status, json!({ "$ref": format!("#/components/responses/{name}") })));
        }
    }
    answers.sort_by_key(|(status, _)| *status);
    let answers: Map<String, Value> = answers.into_iter().map(|(s, a)| (s.to_string(), a)).collect();
    let description = if more.is_empty() { route.doc.to_owned() } else { format!("{}\n\n{more}", route.doc) };
    let mut operation = json!({
        "operationId": id,
        "tags": [tag.name()],
        "summary": route.doc.trim_end_matches('.'),
        "description": description,
        "parameters": parameters,
        "x-owner": owner(route.owner),
        "x-needs": route.needs.name(),
        "security": security(route.needs),
        "responses": answers,
    });
    if let Some(body) = body(takes, schemas) {
        operation["requestBody"] = body;
    }
    operation
}

/// Nothing at all will do for boards, and on a server that asks nobody.
fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing | Needs::Seal => json!([]),
        _ => json!([{}, { "token": [] }, { "session": [] }]),
    }
}

fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Any => "any",
        Owner::DeviceServer => "device",
        Owner::RequestServer | Owner::RequestServerWhileThere => "request",
        Owner::BoardServer => "relay board",
    }
}

/// The names between braces in a path.
pub(super) fn names(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|s| s.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameters(path: &'static str, schemas: &mut Schemas<'_>) -> Vec<Value> {
    names(path)
        .filter_map(|name| PATH_PARAMETERS.iter().find(|p| p.name == name && path.starts_with(p.below)))
        .map(|p| {
            json!({
                "name": p.name, "in": "path", "required": true, "description": p.doc, "schema": schemas.of(&p.kind),
                "example": serde_json::from_str(p.example).unwrap_or(Value::from(p.example)),
            })
        })
        .collect()
}

fn query_parameter(query: &Query, schemas: &mut Schemas<'_>) -> Value {
    let mut schema = schemas.of(&query.kind);
    // An empty value is as good as none.
    if let Some(words) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        words.push("".into());
    }
    if let Some(pattern) = schema.get_mut("pattern") {
        let one = pattern.as_str().unwrap_or_default().trim_start_matches('^').trim_end_matches('$');
        *pattern = format!("^({one})?$").into();
    }
    let mut parameter = json!({
        "name": query.name, "in": "query", "required": false, "description": query.doc, "schema": schema,
    });
    if query.flag {
        parameter["allowEmptyValue"] = true.into();
    }
    parameter
}

/// `null` and no body at all are an object without keys.
fn body(takes: Takes, schemas: &mut Schemas<'_>) -> Option<Value> {
    let or_null = |schema: Value| json!({ "anyOf": [schema, { "type": "null" }] });
    let (shape, schema, needed) = match takes {
        Takes::Nothing => return None,
        Takes::Maybe(shape) => (shape, or_null(schemas.of(&Kind::Of(shape))), false),
        Takes::Read(shape) => (shape, json!({ "anyOf": [schemas.of(&Kind::Of(shape)), {}] }), false),
        Takes::Row(shape) => (shape, or_null(schemas.of(&Kind::Only(shape))), false),
        Takes::This(shape) => (shape, schemas.of(&Kind::Of(shape)), true),
        Takes::One(media) => return Some(json!({ "required": false, "content": content(media, schemas) })),
    };
    let mut content = json!({ "schema": schema });
    if let Ok(example) = serde_json::from_str::<Value>(shape.example) {
        content["example"] = example;
    }
    Some(json!({ "required": needed, "description": shape.doc, "content": { "application/json": content } }))
}

fn content(media: &[Media], schemas: &mut Schemas<'_>) -> Value {
    Value::Object(
        media.iter().map(|(m, kind)| ((*m).to_owned(), json!({ "schema": schemas.of(kind) }))).collect(),
    )
}

fn answer(gives: &Gives, schemas: &mut Schemas<'_>) -> Value {
    match &gives.holds {
        Holds::Nothing => json!({ "description": gives.doc }),
        Holds::One(media) => json!({ "description": gives.doc, "content": content(media, schemas) }),
        Holds::Json(kind) => json!({
            "description": gives.doc,
            "content": { "application/json": { "schema": schemas.of(kind) } },
        }),
    }
}

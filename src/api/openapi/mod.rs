//! The OpenAPI 3.1 document of this API, made from the route table: what is not there is not documented, and what is there
//! cannot be left out.
//!
//! What follows from a row's kind is not written in it: a device that does not exist is 404 wherever a path names one, a
//! changing call is redirected to its owner and refused to foreign pages, every body has a limit.

pub mod about;
mod operation;
pub mod shape;

use super::access::cookie_name;
use super::call::Verb;
use super::reply::{Reply, Result};
use super::routes::{ROUTES, Route};
use super::shapes::ERROR;
use super::{Ctx, Settings};
use about::Tag;
use serde_json::{Map, Value, json};
use shape::{Kind, Schemas};

/// Version of the specification that the document follows.
pub const OPENAPI: &str = "3.1.0";

/// What holds for all calls.
const DESCRIPTION: &str = "Boards for people and CI jobs: ask for one with an image on it, use it, give it back.

A path works with and without a slash at its end. `GET` takes `HEAD`, too; `OPTIONS` answers with what a path takes and is a \
CORS preflight; another method is 405 with `Allow`. An unknown path is 404. The `Content-Type` of a body is not looked at, and \
keys that nobody knows are ignored, but for \
those of rows. A key of the query with an empty value is as good as none.

Calls that change a device, a request or a relay board belong to the imaging server that owns it; the others redirect to it, \
302 for `GET` and 307 for other methods, with path and query (`x-owner` says whose it is). A thing that does not exist is 404 \
before that. An `Origin` that is no known imaging server is refused by calls that change something.

A server that asks who calls (`mode` of `GET /api/session`) wants a token or a session with all calls whose `x-needs` is a role: \
`viewer`, `requester`, `operator` or `admin`, each of which may all that those before it may. Without one it is 401, with one of \
another role or for other environments 403.

Times are UTC.";

/// The document, as JSON.
#[expect(clippy::unnecessary_wraps, reason = "handlers have one signature")]
pub(super) fn serve(ctx: &mut Ctx<'_>) -> Result<Reply> {
    Ok(Reply::json(&document(ctx.settings)))
}

/// The document for a server with these settings.
pub fn document(settings: &Settings) -> Value {
    document_of(ROUTES, settings)
}

fn document_of(routes: &[Route], settings: &Settings) -> Value {
    let mut schemas = Schemas::new(settings);
    let mut paths = Map::new();
    for route in routes {
        let path = path_of(routes, route);
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        operations[method(route.verb)] = operation::of(route, path, &mut schemas);
    }
    let tags: Vec<Value> =
        Tag::ALL.iter().map(|t| json!({ "name": t.name(), "description": t.doc() })).collect();
    schemas.of(&Kind::Of(&ERROR));
    json!({
        "openapi": OPENAPI,
        "info": {
            "title": "Mozpool",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MPL-2.0", "identifier": "MPL-2.0" },
        },
        "servers": [{ "url": "/", "description": "Any server of the pool." }],
        "tags": tags,
        "paths": paths,
        "components": { "schemas": schemas.used, "responses": operation::shared(), "securitySchemes": {
            "token": { "type": "http", "scheme": "bearer", "description": "A token, as `mozpool token create` makes it." },
            "session": { "type": "apiKey", "in": "cookie", "name": cookie_name(&settings.public_url), "description": "A page's session; with it calls that \
                change something need the header `X-CSRF-Token`." },
        } },
    })
}

/// The path under which a row stands: the first that differs from its own in the names between braces only. Paths that do
/// are the same to OpenAPI.
pub fn path_of(routes: &[Route], route: &Route) -> &'static str {
    let same = |path: &'static str| {
        let (mut one, mut other) = (path.split('/'), route.path.split('/'));
        one.by_ref().zip(other.by_ref()).all(|(a, b)| a == b || (a.starts_with('{') && b.starts_with('{')))
            && path.split('/').count() == route.path.split('/').count()
    };
    routes.iter().map(|r| r.path).find(|path| same(path)).unwrap_or(route.path)
}

/// A method as the document writes it.
pub fn method(verb: Verb) -> &'static str {
    match verb {
        Verb::Get => "get",
        Verb::Head => "head",
        Verb::Post => "post",
        Verb::Put => "put",
        Verb::Delete => "delete",
        Verb::Options => "options",
        Verb::Other => "trace",
    }
}

//! Which row of the index a call is for.

use super::{ROUTES, Route};
use crate::api::call::{Call, Verb, decode};

/// What a pattern's `{names}` stand for in a path.
pub type Params = Vec<(&'static str, String)>;

/// What the table says about a path and a method.
#[derive(Debug)]
pub enum Found<'r> {
    /// Answer it so.
    Route(&'r Route, Params),
    /// The path exists for these methods.
    WrongMethod(String),
    /// The path exists; these methods may be asked for, and the route is one of them.
    Preflight(String, &'r Route),
    /// No such path.
    Nothing,
}

/// Looks a call up in `routes`.
pub fn find<'r>(routes: &'r [Route], call: &Call) -> Found<'r> {
    let wanted = if call.verb == Verb::Head { Verb::Get } else { call.verb };
    let mut same_path: Vec<(&Route, Params)> =
        routes.iter().filter_map(|route| Some((route, matches(route.path, call.path())?))).collect();
    // `…/list` is a list and nothing of that name.
    let fewest = same_path.iter().map(|(_, params)| params.len()).min();
    same_path.retain(|(_, params)| Some(params.len()) == fewest);
    if let Some(at) = same_path.iter().position(|(route, _)| route.verb == wanted) {
        let (route, params) = same_path.swap_remove(at);
        return Found::Route(route, params);
    }
    let same_path: Vec<&Route> = same_path.into_iter().map(|(route, _)| route).collect();
    let Some(first) = same_path.iter().find(|r| r.guarded()).or(same_path.first()) else {
        return Found::Nothing;
    };
    let allow = allow(&same_path);
    if call.verb == Verb::Options { Found::Preflight(allow, first) } else { Found::WrongMethod(allow) }
}

/// The place in [`ROUTES`] of the route that a call is for; nothing for those that are turned away. For counting: it costs nothing
/// that would be noticed, and allocates nothing.
pub fn place(verb: Verb, path: &str) -> Option<usize> {
    let wanted = if verb == Verb::Head { Verb::Get } else { verb };
    let path = path.strip_suffix('/').unwrap_or(path);
    let names = |route: &Route| route.path.matches('{').count();
    let of_path = || ROUTES.iter().enumerate().filter(|(_, r)| fits(r.path, path));
    // As for `find`: `…/list` is a list and nothing of that name, whatever is to be done with it.
    let fewest = of_path().map(|(_, r)| names(r)).min()?;
    of_path().find(|(_, r)| r.verb == wanted && names(r) == fewest).map(|(place, _)| place)
}

/// The value of an `Allow` header.
fn allow(routes: &[&Route]) -> String {
    let has = |verb| routes.iter().any(|r| r.verb == verb);
    let mut methods = Vec::new();
    if has(Verb::Get) {
        methods.extend(["GET", "HEAD"]);
    }
    for (verb, name) in [(Verb::Post, "POST"), (Verb::Put, "PUT"), (Verb::Delete, "DELETE")] {
        if has(verb) {
            methods.push(name);
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

/// Every call is held against every pattern, so what does not fit must cost nothing: this allocates nothing.
fn fits(pattern: &str, path: &str) -> bool {
    let (mut want, mut have) = (pattern.split('/'), path.split('/'));
    loop {
        match (want.next(), have.next()) {
            (None, None) => return true,
            (Some(w), Some(h)) if w == h || (w.starts_with('{') && !h.is_empty()) => {}
            _ => return false,
        }
    }
}

fn matches(pattern: &'static str, path: &str) -> Option<Params> {
    let path = path.strip_suffix('/').unwrap_or(path);
    if !fits(pattern, path) {
        return None;
    }
    let (mut want, mut have) = (pattern.split('/'), path.split('/'));
    let mut params = Params::new();
    loop {
        match (want.next(), have.next()) {
            (None, None) => return Some(params),
            (Some(w), Some(h)) => match w.strip_prefix('{').and_then(|w| w.strip_suffix('}')) {
                Some(name) if !h.is_empty() => params.push((name, decode(h).into_owned())),
                None if w == h => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::owner::Owner;
    use crate::api::routes::Run;

    fn look(verb: Verb, target: &str) -> String {
        match find(ROUTES, &Call::new(verb, target)) {
            Found::Route(route, params) => {
                let params: Vec<String> = params.iter().map(|(k, v)| format!("{k}={v}")).collect();
                format!("{} {}", route.path, params.join(" ")).trim_end().to_owned()
            }
            Found::WrongMethod(allow) => format!("405 {allow}"),
            Found::Preflight(allow, route) => format!("204 {allow} {}", route.guarded()),
            Found::Nothing => "404".to_owned(),
        }
    }

    #[test]
    fn a_path_is_found_with_and_without_its_slash_by_its_method() {
        use Verb::{Delete, Get, Head, Options, Other, Post, Put};
        for (verb, target, want) in [
            (Get, "/api/version", "/api/version"),
            (Get, "/api/version/", "/api/version"),
            (Head, "/api/version/?x=/y", "/api/version"),
            (Get, "/api/device/list/?details=1", "/api/device/list"),
            (Post, "/api/device/any/request/", "/api/device/{requested}/request requested=any"),
            (Post, "/api/device/a%20b/event/x", "/api/device/{device}/event/{event} device=a b event=x"),
            (
                Post,
                "/api/device/p/state-change/new/to/ready/",
                "/api/device/{device}/state-change/{from}/to/{to} device=p from=new to=ready",
            ),
            (Get, "/api/request/7/log", "/api/request/{request}/log request=7"),
            (Other, "/api/version", "405 GET, HEAD, OPTIONS"),
            (Post, "/api/version/", "405 GET, HEAD, OPTIONS"),
            (Get, "/api/device/p/power-cycle", "405 POST, OPTIONS"),
            (Other, "/api/device/p/power-off", "405 GET, HEAD, POST, OPTIONS"),
            (Options, "/api/device/p/event/x", "204 GET, HEAD, POST, OPTIONS true"),
            (Options, "/api/image/list", "204 GET, HEAD, OPTIONS false"),
            (Put, "/api/image/list", "405 GET, HEAD, OPTIONS"),
            (
                Put,
                "/api/hardware_type/panda/ES%20Rev%20B2",
                "/api/hardware_type/{type}/{model} type=panda model=ES Rev B2",
            ),
            (Delete, "/api/hardware_type/panda/", "/api/hardware_type/{type} type=panda"),
            (Post, "/api/device/p", "405 GET, HEAD, PUT, DELETE, OPTIONS"),
            (Options, "/api/device/p/", "204 GET, HEAD, PUT, DELETE, OPTIONS true"),
            (Get, "/api/device/p", "/api/device/{device} device=p"),
            (Get, "/api/relay/list/", "/api/relay/list"),
            (Get, "/api/device//status/", "404"),
            (Get, "/api/device/list//", "404"),
            (Get, "/api/device", "404"),
            (Get, "/api", "404"),
            (Get, "/api/device/p/status/more", "404"),
            (Get, "//api/version", "404"),
        ] {
            assert_eq!(look(verb, target), want, "{verb:?} {target}");
        }
    }

    #[test]
    fn a_call_is_counted_under_the_route_that_answers_it() {
        for route in ROUTES {
            let path = route.path.replace(['{', '}'], "");
            let call = Call::new(route.verb, path.clone() + "/?x=1");
            let Found::Route(found, _) = find(ROUTES, &call) else { panic!("{path}") };
            let place = place(call.verb, call.path()).unwrap();
            assert!(std::ptr::eq(found, &raw const ROUTES[place]), "{path}: {}", ROUTES[place].path);
        }
        assert_eq!(place(Verb::Get, "/api/nothing"), None);
        assert_eq!(place(Verb::Options, "/api/version"), None);
        assert_eq!(place(Verb::Head, "/api/version"), place(Verb::Get, "/api/version/"));
    }

    /// Every kind of handler finds its resource in the path, and who owns it can be told.
    #[test]
    fn every_route_names_what_its_handler_and_its_owner_need() {
        for route in ROUTES {
            let needs = match route.run {
                Run::Plain(_) | Run::Watch(_) => "",
                Run::Device(_) | Run::Log(_) => "/api/device/{device}",
                Run::Request(_) => "/api/request/{request}",
                Run::Board(_) => "/api/relay/{board}",
            };
            assert!(route.path.starts_with(needs), "{}", route.path);
            let fits = match route.owner {
                Owner::Any => true,
                Owner::DeviceServer => matches!(route.run, Run::Device(_)),
                Owner::RequestServer | Owner::RequestServerWhileThere => matches!(route.run, Run::Request(_)),
                Owner::BoardServer => matches!(route.run, Run::Board(_)),
            };
            assert!(fits, "{}", route.path);
            assert!(!route.path.ends_with('/') && route.doc.ends_with('.'), "{}", route.path);
            let same = ROUTES.iter().filter(|r| r.path == route.path && r.verb == route.verb).count();
            assert_eq!(same, 1, "{}", route.path);
        }
    }
}

//! The API's index: every path, its method, who may answer it, and what does.
//!
//! `{name}` takes one non-empty segment, decoded; a slash at the end of a path may be left out or given. Paths, names and
//! methods are public: they are added to, never changed.

use super::call::{Call, Verb, decode};
use super::owner::Owner::{self, Any, BoardServer, DeviceServer, RequestServer};
use super::reply::{Reply, Result};
use super::{Answer, Ctx, bmm, device, events, image, request};
use crate::store::{DeviceView, RelayBoardRow, RequestView};

/// What a route does. The kind says which resource its path names; it is loaded, and missing ones are 404, before the
/// handler runs.
#[derive(Debug, Clone, Copy)]
pub enum Run {
    /// Names nothing that must exist, and may wait for something to happen.
    Watch(fn(&mut Ctx<'_>) -> Result<Answer>),
    /// Names nothing that must exist.
    Plain(fn(&mut Ctx<'_>) -> Result<Reply>),
    /// `{device}`
    Device(fn(&mut Ctx<'_>, &DeviceView) -> Result<Reply>),
    /// `{request}`
    Request(fn(&mut Ctx<'_>, &RequestView) -> Result<Reply>),
    /// `{board}`
    Board(fn(&mut Ctx<'_>, &RelayBoardRow) -> Result<Reply>),
}

/// One line of the index.
#[derive(Debug)]
pub struct Route {
    /// `Get` or `Post`.
    pub verb: Verb,
    /// Pattern, without the slash at the end.
    pub path: &'static str,
    /// Which server answers.
    pub owner: Owner,
    /// What does.
    pub run: Run,
    /// What for, in a line.
    pub doc: &'static str,
}

impl Route {
    /// It changes something, or works on hardware: a foreign web page must not call it.
    pub fn guarded(&self) -> bool {
        self.owner != Any || self.verb == Verb::Post
    }
}

const fn get(path: &'static str, owner: Owner, run: Run, doc: &'static str) -> Route {
    Route { verb: Verb::Get, path, owner, run, doc }
}

const fn post(path: &'static str, owner: Owner, run: Run, doc: &'static str) -> Route {
    Route { verb: Verb::Post, path, owner, run, doc }
}

use Run::{Board, Device, Plain, Request, Watch};

/// The route of events, of which a busy lab has thousands a second.
pub const DEVICE_EVENT: &str = "/api/device/{device}/event/{event}";

#[rustfmt::skip]
/// Every route. GET that changes something is there for boards, whose wget cannot POST.
pub const ROUTES: &[Route] = &[
    get("/api/version", Any, Plain(image::version), "This program's version."),
    get("/api/events", Any, Watch(events::follow), "What has changed after a number, or will; also as a stream of server-sent events."),

    get("/api/device/list", Any, Plain(device::list), "Names of all devices; with `details`, all about them."),
    post("/api/device/{requested}/request", Any, Plain(request::create), "Asks for a device, `any` or by name, with an image on it."),
    get("/api/device/{device}/status", Any, Device(device::status), "State and last log lines."),
    get("/api/device/{device}/state", Any, Device(device::state), "State; with `cache`, to be kept for a few seconds."),
    get("/api/device/{device}/log", Any, Device(device::log), "Log lines; `limit` of them, of the last `timeperiod` seconds."),
    get("/api/device/{device}/bootconfig", Any, Device(device::boot_config), "What the second stage is to be told, as JSON text."),
    get("/api/device/{device}/event/{event}", DeviceServer, Device(device::event), "Something happened to a device."),
    post("/api/device/{device}/event/{event}", DeviceServer, Device(device::event), "Something happened to a device, or is asked of it."),
    post("/api/device/{device}/state-change/{from}/to/{to}", DeviceServer, Device(device::force), "Puts a device into a state, if it is in another."),
    post("/api/device/{device}/set-comments", DeviceServer, Device(device::set_comments), "Changes people's notes."),
    post("/api/device/{device}/set-environment", DeviceServer, Device(device::set_environment), "Moves a device to another pool."),

    post("/api/device/{device}/power-cycle", DeviceServer, Device(bmm::power_cycle), "Off and on, to boot a PXE config or its own disk."),
    get("/api/device/{device}/power-off", DeviceServer, Device(bmm::power_off), "Off."),
    post("/api/device/{device}/power-off", DeviceServer, Device(bmm::power_off), "Off."),
    get("/api/device/{device}/power-on", DeviceServer, Device(bmm::power_on), "On."),
    post("/api/device/{device}/power-on", DeviceServer, Device(bmm::power_on), "On."),
    get("/api/device/{device}/power", DeviceServer, Device(bmm::power), "Asks the relay whether it is on."),
    post("/api/device/{device}/clear-pxe", DeviceServer, Device(bmm::clear_pxe), "Lets the device boot its own disk."),
    get("/api/device/{device}/ping", DeviceServer, Device(bmm::ping), "Asks the device for a sign of life."),
    get("/api/relay/{board}/test", BoardServer, Board(bmm::test_board), "Asks a relay board for its two-way test."),
    get("/api/bmm/pxe_config/list", Any, Plain(bmm::pxe_configs), "Names of PXE configs; `active_only` of them."),
    get("/api/bmm/pxe_config/{name}/details", Any, Plain(bmm::pxe_config), "A PXE config."),

    get("/api/request/list", Any, Plain(request::list), "Requests of all servers; with `include_closed`, closed ones too."),
    get("/api/request/{request}/status", Any, Request(request::status), "State and last log lines."),
    get("/api/request/{request}/details", Any, Request(request::details), "All about a request."),
    get("/api/request/{request}/log", Any, Request(request::log), "All log lines."),
    post("/api/request/{request}/renew", RequestServer, Request(request::renew), "Keeps the device for so many seconds from now."),
    post("/api/request/{request}/return", RequestServer, Request(request::close), "Gives the device back."),
    get("/api/request/{request}/event/{event}", RequestServer, Request(request::event), "Something happened to a request."),
    post("/api/request/{request}/event/{event}", RequestServer, Request(request::event), "Something happened to a request."),

    get("/api/environment/list", Any, Plain(image::environments), "Environments that devices are in."),
    get("/api/image/list", Any, Plain(image::images), "Images that are not hidden."),
];

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
    let mut same_path: Vec<&Route> = Vec::new();
    for route in routes {
        if let Some(params) = matches(route.path, call.path()) {
            if route.verb == wanted {
                return Found::Route(route, params);
            }
            same_path.push(route);
        }
    }
    let Some(first) = same_path.iter().find(|r| r.guarded()).or(same_path.first()) else {
        return Found::Nothing;
    };
    let allow = allow(&same_path);
    if call.verb == Verb::Options { Found::Preflight(allow, first) } else { Found::WrongMethod(allow) }
}

/// The value of an `Allow` header.
fn allow(routes: &[&Route]) -> String {
    let has = |verb| routes.iter().any(|r| r.verb == verb);
    let mut methods = Vec::new();
    if has(Verb::Get) {
        methods.extend(["GET", "HEAD"]);
    }
    if has(Verb::Post) {
        methods.push("POST");
    }
    methods.push("OPTIONS");
    methods.join(", ")
}

fn matches(pattern: &'static str, path: &str) -> Option<Params> {
    let path = path.strip_suffix('/').unwrap_or(path);
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
        use Verb::{Get, Head, Options, Other, Post};
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

    /// Every kind of handler finds its resource in the path, and who owns it can be told.
    #[test]
    fn every_route_names_what_its_handler_and_its_owner_need() {
        for route in ROUTES {
            let needs = match route.run {
                Run::Plain(_) | Run::Watch(_) => "",
                Run::Device(_) => "/api/device/{device}/",
                Run::Request(_) => "/api/request/{request}/",
                Run::Board(_) => "/api/relay/{board}/",
            };
            assert!(route.path.starts_with(needs), "{}", route.path);
            let fits = match route.owner {
                Owner::Any => true,
                Owner::DeviceServer => matches!(route.run, Run::Device(_)),
                Owner::RequestServer => matches!(route.run, Run::Request(_)),
                Owner::BoardServer => matches!(route.run, Run::Board(_)),
            };
            assert!(fits, "{}", route.path);
            assert!(!route.path.ends_with('/') && route.doc.ends_with('.'), "{}", route.path);
            let same = ROUTES.iter().filter(|r| r.path == route.path && r.verb == route.verb).count();
            assert_eq!(same, 1, "{}", route.path);
        }
    }
}

//! The HTTP API, from a call to its answer. Start with [`routes::ROUTES`], which is its index.
//!
//! Handlers read through a store of their thread's own and send commands to the layers; they never step a machine and know no
//! socket (`layers::http` has those). The contract with clients: what a path, a key or a status code means never changes.

pub mod access;
mod admin;
pub mod ask;
mod attempts;
mod audit;
mod bmm;
pub mod body;
pub mod call;
mod candidate;
mod csv;
mod device;
pub mod events;
pub mod files;
mod health;
mod image;
mod inventory;
pub mod logs;
pub mod metrics;
pub mod openapi;
pub mod owner;
pub(crate) mod peer;
mod repair;
pub mod reply;
mod report;
mod request;
pub mod routes;
mod session;
pub mod shapes;
pub mod shelf;
pub mod time;
mod token;
pub mod types;
pub mod vitals;

use crate::access::Caller;
use crate::clock::Timestamp;
use crate::layers::boards::Boards;
use crate::layers::inventory::Way;
use crate::layers::messages::{BmmJob, LifeguardCommand, MozpoolCommand};
use crate::layers::peers::Peers;
use crate::logic::discovery::Rule;
use crate::logic::ids::RequestId;
use crate::store::Store;
use crate::ui::assets;
use access::{Access, Key};
use body::Body;
use call::Call;
use crossbeam_channel::Sender;
use events::{Recent, Watch};
use owner::Owner;
use reply::{ApiError, Reply, Result};
use routes::{Found, Params, ROUTES, Route, Run};
use shelf::{Shelf, Shown};
use std::sync::Arc;
use vitals::Vitals;

/// Longest body of a call. Boot configs and self-test facts are kilobytes; a mebibyte leaves room and cannot hurt.
pub const BODY_MAX: usize = 1 << 20;

/// Longest body of an import: 50,000 devices as indented JSON, with room.
pub const IMPORT_MAX: usize = 32 << 20;

/// The path of imports.
const IMPORT_PATH: &str = "/api/lab/import";

/// Longest body that this call may have.
pub fn body_max(call: &Call) -> usize {
    if call.path().trim_end_matches('/') == IMPORT_PATH { IMPORT_MAX } else { BODY_MAX }
}

/// Whether answering this call takes long: it reads a year of the store, perhaps. Whoever has threads for that should use one.
pub fn takes_long(call: &Call) -> bool {
    let path = call.path();
    path.starts_with(report::PREFIX) || path.starts_with(repair::PREFIX)
}

/// What the API needs to know of this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// This imaging server's name, as devices and requests name their owner.
    pub server_name: String,
    /// Where clients reach it: `http://host:port`, no slash at the end.
    pub public_url: String,
    /// Longest reservation in seconds.
    pub duration_max_s: u32,
    /// What becomes of boards that are no devices; here only what is proposed for them.
    pub accept: Vec<Rule>,
}

/// The ways to the threads that do things.
#[derive(Debug, Clone)]
pub struct Commands {
    /// To *lifeguard*.
    pub lifeguard: Sender<LifeguardCommand>,
    /// To *mozpool*.
    pub mozpool: Sender<MozpoolCommand>,
    /// To *bmm*.
    pub bmm: Sender<BmmJob>,
    /// To *inventory*, where one is configured.
    pub inventory: Option<Way>,
    /// What the process consists of.
    pub vitals: Arc<Vitals>,
    /// The other servers of the pool; `None`: this one is alone.
    pub peers: Option<Peers>,
    /// Who may do what.
    pub access: Arc<Access>,
    /// What of what boards report is believed.
    pub boards: Arc<Boards>,
}

/// What a handler works with.
pub struct Ctx<'a> {
    /// To read from.
    pub store: &'a mut dyn Store,
    /// This server.
    pub settings: &'a Settings,
    /// To have things done.
    pub commands: &'a Commands,
    /// The last changes.
    pub recent: &'a Recent,
    /// Now.
    pub now: Timestamp,
    /// The call.
    pub call: &'a Call,
    params: Params,
    /// Devices that are kept ready; without one, everything is read from the store.
    shelf: Option<&'a Shelf>,
    /// Who asked for the request that the call is about.
    who: Option<String>,
    /// Who calls.
    caller: Caller,
    /// The same by what their token is for, on a server that asks nobody.
    own: Option<Caller>,
    /// By what they are known.
    key: Option<Key>,
    /// When their session, or their token, ends.
    session_ends: Option<Timestamp>,
    /// The request that the call has made.
    made: Option<RequestId>,
    /// What the audit log is to say of the call in place of its path.
    about: Option<String>,
}

impl<'a> Ctx<'a> {
    /// For one call.
    pub fn new(
        store: &'a mut dyn Store,
        settings: &'a Settings,
        commands: &'a Commands,
        recent: &'a Recent,
        now: Timestamp,
        call: &'a Call,
    ) -> Self {
        let (params, caller) = (Params::new(), Caller::nobody());
        Self {
            store,
            settings,
            commands,
            recent,
            now,
            call,
            params,
            shelf: None,
            who: None,
            caller,
            own: None,
            key: None,
            session_ends: None,
            made: None,
            about: None,
        }
    }

    /// This with devices that are kept ready.
    pub fn with_shelf(self, shelf: &'a Shelf) -> Self {
        Self { shelf: Some(shelf), ..self }
    }

    /// What `{name}` of the route's pattern stands for.
    fn param(&self, name: &str) -> &str {
        self.has_param(name).expect("the route's pattern has this name")
    }

    /// The same, if the route's pattern has it.
    fn has_param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str())
    }

    fn body(&self) -> Result<Body> {
        Body::parse(&self.call.body)
    }

    /// The API of the server that is called `name`.
    fn url_of(&mut self, name: &str) -> Result<String> {
        if name == self.settings.server_name {
            return Ok(self.settings.public_url.clone());
        }
        let known = self.store.servers()?.into_iter().find(|s| s.name == name && !s.url.is_empty());
        Ok(known.map_or_else(|| format!("http://{name}"), |s| s.url))
    }
}

/// What becomes of a call.
#[derive(Debug)]
pub enum Answer {
    /// This is the answer.
    Now(Reply),
    /// It is answered as soon as something happens, or goes on for as long as its caller listens: not a matter for a thread
    /// that others wait for.
    Later(Watch),
    /// The same for a device's log, as it grows.
    Tail(logs::Tail),
}

/// Answers one call.
pub fn handle(mut ctx: Ctx<'_>) -> Answer {
    let result = match routes::find(ROUTES, ctx.call) {
        Found::Route(route, params) => {
            ctx.params = params;
            answer(route, &mut ctx)
        }
        Found::Preflight(allow, route) => preflight(&allow, route, &mut ctx).map(Answer::Now),
        Found::WrongMethod(allow) => Err(ApiError::MethodNotAllowed { allow }),
        Found::Nothing => outside(&mut ctx).map(Answer::Now),
    };
    match result.unwrap_or_else(|error| Answer::Now(error.reply())) {
        Answer::Now(reply) => Answer::Now(Reply { who: ctx.who, ..reply }),
        later => later,
    }
}

/// The answer to a call that its caller may not make, whatever its body says; for calls whose body is not here yet.
pub fn refusal(mut ctx: Ctx<'_>) -> Option<Reply> {
    let Found::Route(route, params) = routes::find(ROUTES, ctx.call) else { return None };
    ctx.params = params;
    let error = ctx.admit(route).err()?;
    let reply = readable(&mut ctx, &error);
    ctx.tell_audit(route, &reply);
    Some(reply)
}

/// Who may not call is told so before all else; what was changed is written down.
fn answer(route: &Route, ctx: &mut Ctx<'_>) -> Result<Answer> {
    let done = match ctx.admit(route) {
        Ok(()) => run(route, ctx),
        Err(error) => Ok(Answer::Now(readable(ctx, &error))),
    };
    let done = done.unwrap_or_else(|error| Answer::Now(error.reply()));
    if let Answer::Now(reply) = &done {
        ctx.tell_audit(route, reply);
    }
    Ok(done)
}

/// A refusal that a page of the pool may read, wherever it comes from.
fn readable(ctx: &mut Ctx<'_>, error: &ApiError) -> Reply {
    let known = ctx.call.origin.as_ref().and_then(|_| ctx.store.servers().ok());
    let origin = known.and_then(|servers| owner::check_origin(ctx.call, &servers).ok().flatten());
    owner::allow(error.reply(), origin)
}

/// What is not there is 404 before anything else; what is somebody else's is theirs to refuse; then the page's origin counts.
fn run(route: &Route, ctx: &mut Ctx<'_>) -> Result<Answer> {
    let reply = match route.run {
        Run::Watch(handler) => return handler(ctx),
        Run::Log(handler) => {
            let device = load_device(ctx, route)?;
            return handler(ctx, &device.view);
        }
        Run::Plain(handler) => guarded(route, None, ctx, handler),
        Run::Device(handler) => {
            let device = load_device(ctx, route)?;
            ctx.may_work_on(route, &device.view)?;
            let owner = device.view.info.imaging_server.clone();
            guarded(route, Some(&owner), ctx, |ctx| handler(ctx, &device.view))
        }
        Run::Request(handler) => {
            let request = load_request(ctx)?;
            ctx.may_touch(route, &request)?;
            let owner = request.server.clone();
            guarded(route, Some(&owner), ctx, |ctx| handler(ctx, &request))
        }
        Run::Board(handler) => {
            let board = load_board(ctx)?;
            let owner = board.imaging_server.clone();
            guarded(route, Some(&owner), ctx, |ctx| handler(ctx, &board))
        }
    };
    reply.map(Answer::Now)
}

fn guarded<'a>(
    route: &Route,
    owner: Option<&str>,
    ctx: &mut Ctx<'a>,
    handler: impl FnOnce(&mut Ctx<'a>) -> Result<Reply>,
) -> Result<Reply> {
    if !route.guarded() {
        return handler(ctx);
    }
    let is_gone = |o: &str| ctx.commands.peers.as_ref().and_then(|p| p.peer(o)).is_some_and(|p| p.gone);
    let elsewhere = owner.filter(|o| {
        route.owner != Owner::Any
            && *o != ctx.settings.server_name
            && !(route.owner == Owner::RequestServerWhileThere && is_gone(o))
    });
    let servers =
        if elsewhere.is_some() || ctx.call.origin.is_some() { ctx.store.servers()? } else { Vec::new() };
    let origin = owner::check_origin(ctx.call, &servers);
    if let Some(owner) = elsewhere {
        // Nobody answers there: whoever is sent to it waits in vain.
        if is_gone(owner) {
            return Err(ApiError::OwnerGone { server: owner.to_owned() });
        }
        let reply = ctx.redirect(owner, &servers)?;
        return Ok(owner::allow(reply, origin.unwrap_or_default()));
    }
    let origin = origin?;
    // A page that may call us may also read what went wrong.
    let reply = handler(ctx).unwrap_or_else(|error| error.reply());
    Ok(owner::allow(reply, origin))
}

fn preflight(allow: &str, route: &Route, ctx: &mut Ctx<'_>) -> Result<Reply> {
    if ctx.call.origin.is_none() || !route.guarded() {
        return Ok(owner::preflight(ctx.call, allow, None));
    }
    let servers = ctx.store.servers()?;
    let origin = owner::check_origin(ctx.call, &servers)?;
    Ok(owner::preflight(ctx.call, allow, origin))
}

fn load_device(ctx: &mut Ctx<'_>, route: &Route) -> Result<Arc<Shown>> {
    let name = ctx.param("device").to_owned();
    let found = match ctx.shelf {
        Some(shelf) if route.path == routes::DEVICE_EVENT => shelf.identity(ctx.store, &name)?,
        Some(shelf) => shelf.device(ctx.store, &name)?,
        None => ctx.store.device(&name)?.map(shelf::shown),
    };
    found.ok_or(ApiError::NotFound { kind: "device", name })
}

fn load_request(ctx: &mut Ctx<'_>) -> Result<crate::store::RequestView> {
    let name = ctx.param("request").to_owned();
    let found = match name.parse() {
        Ok(id) => ctx.store.request(RequestId(id))?,
        Err(_) => None,
    };
    let found = found.ok_or(ApiError::NotFound { kind: "request", name })?;
    ctx.who = Some(found.assignee.clone());
    Ok(found)
}

fn load_board(ctx: &mut Ctx<'_>) -> Result<crate::store::RelayBoardRow> {
    let name = ctx.param("board").to_owned();
    ctx.store.relay_board(&name)?.ok_or(ApiError::NotFound { kind: "relay board", name })
}

/// The paths that are not of the API.
fn outside(ctx: &mut Ctx<'_>) -> Result<Reply> {
    if !assets::is_ours(ctx.call) {
        return Err(ApiError::NoSuchPath);
    }
    // Without a store the page is still there to say so.
    let pool = match ctx.commands.peers {
        Some(_) => ctx.store.servers().unwrap_or_default(),
        None => Vec::new(),
    };
    assets::answer(ctx.call, &pool)
}
